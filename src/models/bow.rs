//! A bag of words: the average of all characters before the next one, and a small network on it.
//!
//! Source: makemore.py, `BoW`.

use tch::{Kind, Tensor};

use super::config::Sizes;
use super::network::{Layers, Step};
use super::parameters::{Linear, Parameters};
use super::tokens::Tokens;
use crate::error::Result;

/// `C` is the size of an embedding, `H` of the hidden layer, `K` the block size.
#[derive(Debug)]
pub struct Bow {
    /// `[V, C]`.
    wte: Tensor,
    /// `[K, C]`.
    wpe: Tensor,
    /// From `C` to `H`.
    c_fc: Linear,
    /// From `H` to `C`.
    c_proj: Linear,
    /// From `C` to `V`.
    lm_head: Linear,
}

impl Bow {
    pub(super) fn of(parameters: &mut Parameters, v: i64, sizes: Sizes) -> Result<Self> {
        let (c, h) = (sizes.n_embd(), sizes.n_embd2());
        Ok(Self {
            wte: parameters.embedding("wte", v, c)?,
            wpe: parameters.embedding("wpe", sizes.block_size(), c)?,
            c_fc: parameters.linear("context_block.mlp.c_fc", c, h, true)?,
            c_proj: parameters.linear("context_block.mlp.c_proj", h, c, true)?,
            lm_head: parameters.linear("lm_head", c, v, true)?,
        })
    }
}

impl Layers for Bow {
    fn logits(&self, tokens: &Tokens) -> Result<Tensor> {
        let (t, device) = (tokens.length, self.wte.device());
        let grid = tokens.grid()?;
        let tok_emb = Tensor::f_embedding(&self.wte, &grid.characters, -1, false, false)?; // [B, T, C]
        let x = tok_emb.f_add(&self.wpe.f_narrow(0, 0, t)?)?; // [B, T, C]
        let counts = Tensor::f_arange_start(1, t + 1, (Kind::Float, device))?.f_view([t, 1])?;
        let averages = x.f_cumsum(1, Kind::Float)?.f_div(&counts)?; // [B, T, C]
        let x = grid.tokens(&x.f_add(&averages)?)?; // [N, C]
        let h = self.c_proj.forward(&self.c_fc.forward(&x)?.f_tanh()?)?; // [N, C]
        self.lm_head.forward(&tokens.drop_out(x.f_add(&h)?)?) // [N, V]
    }

    /// The state is the sum of all characters, `[B, C]`, and how many they are, `[B]`.
    fn step(&self, state: Option<&[Tensor]>, characters: &Tensor) -> Result<Step> {
        let tok_emb = Tensor::f_embedding(&self.wte, characters, -1, false, false)?; // [B, C]
        let before = match state {
            Some(state) => state[1].shallow_clone(),
            None => characters.f_zeros_like()?,
        };
        let pos_emb = Tensor::f_embedding(&self.wpe, &before, -1, false, false)?;
        let x = tok_emb.f_add(&pos_emb)?; // [B, C]
        let count = before.f_add_scalar(1)?;
        let sum = match state {
            Some(state) => state[0].f_add(&x)?,
            None => x.shallow_clone(),
        };
        let x = x.f_add(&sum.f_div(&count.f_unsqueeze(1)?)?)?;
        let h = self.c_proj.forward(&self.c_fc.forward(&x)?.f_tanh()?)?;
        Ok(Step {
            logits: self.lm_head.forward(&x.f_add(&h)?)?,
            state: vec![sum, count],
        })
    }

    fn state(&self) -> usize {
        self.wte.size()[1] as usize + 1
    }
}
