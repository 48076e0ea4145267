//! A bag of words: the average of all characters before the next one, and a small network on it.
//!
//! Source: makemore.py, `BoW`.

use tch::{Kind, Tensor};

use super::config::Sizes;
use super::makemore::Layers;
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
        let tok_emb = Tensor::f_embedding(&self.wte, &tokens.grid, -1, false, false)?; // [B, T, C]
        let x = tok_emb.f_add(&self.wpe.f_narrow(0, 0, t)?)?; // [B, T, C]
        let counts = Tensor::f_arange_start(1, t + 1, (Kind::Float, device))?.f_view([t, 1])?;
        let averages = x.f_cumsum(1, Kind::Float)?.f_div(&counts)?; // [B, T, C]
        let x = tokens.of_grid(&x.f_add(&averages)?)?; // [N, C]
        let h = self.c_proj.forward(&self.c_fc.forward(&x)?.f_tanh()?)?; // [N, C]
        self.lm_head.forward(&tokens.drop_out(x.f_add(&h)?)?) // [N, V]
    }
}
