//! A bag of words: the average of all characters so far, and a small network on it.
//!
//! Source: makemore.py, `BoW`.

use tch::Tensor;

use super::kind::{Advanced, Kind, Layers, PerToken, Recipe, Shapes};
use super::sizes::Sizes;
use crate::error::Result;
use crate::models::layers::Linear;
use crate::models::layers::activation::tanh;
use crate::models::parameters::Parameters;
use crate::models::tokens::Tokens;

/// makemore.py's bag of words.
#[derive(Debug)]
pub struct Bow;

impl Kind for Bow {
    fn name(&self) -> &'static str {
        "bow"
    }

    fn about(&self) -> &'static str {
        "makemore.py's bag of words"
    }

    fn sizes(&self) -> &'static [&'static str] {
        &["block_size", "n_embd", "n_embd2"]
    }

    fn build(&self, parameters: &mut Parameters, v: i64, sizes: &Sizes) -> Result<Box<dyn Layers>> {
        let (c, h) = (sizes.n_embd(), sizes.n_embd2());
        Ok(Box::new(BowLayers {
            wte: parameters.embedding("wte", v, c)?,
            wpe: parameters.embedding("wpe", sizes.block_size(), c)?,
            c_fc: Linear::of(parameters, "context_block.mlp.c_fc", [c, h], true)?,
            c_proj: Linear::of(parameters, "context_block.mlp.c_proj", [h, c], true)?,
            lm_head: Linear::of(parameters, "lm_head", [c, v], true)?,
        }))
    }

    fn numbers_of_a_step(&self, sizes: &Sizes, _longest: usize) -> PerToken {
        PerToken::padded(8 * sizes.n_embd + 2 * sizes.n_embd2)
    }

    fn recipe(&self, _sizes: &Sizes) -> Recipe {
        Recipe {
            // It has so few parameters that only very short lists need more weight decay.
            decay_of_a_tenth: (0.058, 6.5),
            ..Recipe::default()
        }
    }

    fn of_weights(&self, shapes: &Shapes, given: &Sizes) -> Option<(Sizes, usize)> {
        let [n_embd2, _] = shapes.matrix("context_block.mlp.c_fc.weight")?;
        let [block_size, _] = shapes.matrix("wpe.weight")?;
        let [v, n_embd] = shapes.matrix("wte.weight")?;
        let sizes = Sizes {
            block_size,
            n_embd,
            n_embd2,
            ..*given
        };
        Some((sizes, v))
    }
}

/// `C` is the size of an embedding, `H` of the hidden layer, `K` the block size.
#[derive(Debug)]
struct BowLayers {
    /// `[V, C]`.
    wte: Tensor,
    /// `[K, C]`.
    wpe: Tensor,
    /// Linear layer from `C` to `H`.
    c_fc: Linear,
    /// Linear layer from `H` to `C`.
    c_proj: Linear,
    /// Linear layer from `C` to `V`.
    lm_head: Linear,
}

impl Layers for BowLayers {
    fn logits(&self, tokens: &Tokens) -> Result<Tensor> {
        let grid = tokens.grid(self.wpe.size()[0] as usize)?;
        let (t, device) = (grid.characters.size()[1], self.wte.device());
        let tok_emb = Tensor::f_embedding(&self.wte, &grid.characters, -1, false, false)?; // [B, T, C]
        let x = tok_emb.f_add(&self.wpe.f_narrow(0, 0, t)?)?; // [B, T, C]
        let counts =
            Tensor::f_arange_start(1, t + 1, (tch::Kind::Float, device))?.f_view([t, 1])?;
        let averages = x.f_cumsum(1, tch::Kind::Float)?.f_div(&counts)?; // [B, T, C]
        let x = grid.tokens(&x.f_add(&averages)?)?; // [N, C]
        let h = self.c_proj.forward(&tanh(&self.c_fc.forward(&x)?)?)?; // [N, C]
        self.lm_head.forward(&tokens.drop_out(x.f_add(&h)?)?) // [N, V]
    }

    /// The state is the sum of all embeddings so far, `[B, C]`, and their number, `[B]`.
    fn step(
        &self,
        _: &[Tensor],
        state: Option<&[Tensor]>,
        characters: &Tensor,
    ) -> Result<Advanced> {
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
        let h = self.c_proj.forward(&tanh(&self.c_fc.forward(&x)?)?)?;
        Ok(Advanced {
            logits: self.lm_head.forward(&x.f_add(&h)?)?,
            state: vec![sum, count],
        })
    }

    fn state_numbers(&self) -> usize {
        self.wte.size()[1] as usize + 1
    }
}
