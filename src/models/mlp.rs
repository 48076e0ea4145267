//! A multilayer perceptron on the characters before the next one.
//!
//! Each is looked up in a table, the vectors are put side by side, and a hidden layer makes the next
//! character's logits of them.
//!
//! Source: makemore.py, `MLP`; Bengio et al., *A neural probabilistic language model*, 2003.

use tch::{Kind, Tensor};

use super::config::Sizes;
use super::makemore::{Layers, Step};
use super::parameters::{Linear, Parameters};
use super::tokens::Tokens;
use crate::error::Result;

/// `C` is the size of an embedding, `H` of the hidden layer, `K` the block size.
#[derive(Debug)]
pub struct Mlp {
    /// `[V + 1, C]`; the last row is of a blank, which is before the beginning of a word.
    wte: Tensor,
    /// From `K * C` to `H`.
    hidden: Linear,
    /// From `H` to `V`.
    head: Linear,
    v: i64,
    sizes: Sizes,
}

impl Mlp {
    pub(super) fn of(parameters: &mut Parameters, v: i64, sizes: Sizes) -> Result<Self> {
        let (k, c, h) = (sizes.block_size(), sizes.n_embd(), sizes.n_embd2());
        Ok(Self {
            wte: parameters.embedding("wte", v + 1, c)?,
            hidden: parameters.linear("mlp.0", k * c, h, true)?,
            head: parameters.linear("mlp.2", h, v, true)?,
            v,
            sizes,
        })
    }
}

impl Mlp {
    /// The hidden layer of contexts from the nearest character on, `[N, K]`, i64; `[N, H]`.
    fn hidden(&self, contexts: &Tensor) -> Result<Tensor> {
        let (k, c, h) = (
            self.sizes.block_size(),
            self.sizes.n_embd(),
            self.sizes.n_embd2(),
        );
        let device = self.wte.device();
        // What each character at each distance adds to the hidden layer, once for all words.
        let by_distance = self.hidden.weight.f_view([h, k, c])?.f_permute([1, 2, 0])?; // [K, C, H]
        let table = self.wte.f_matmul(&by_distance)?; // [K, V + 1, H]
        let rows = Tensor::f_arange(k, (Kind::Int64, device))?.f_mul_scalar(self.v + 1)?;
        let contexts = contexts.f_add(&rows)?; // [N, K]
        let table = table.f_view([-1, h])?; // [K * (V + 1), H]
        // The sum over the K distances, without a tensor of [N, K, H].
        let begins = Tensor::f_arange(contexts.size()[0], (Kind::Int64, device))?;
        let (mut x, ..) = Tensor::f_embedding_bag(
            &table,
            &contexts.f_reshape([-1])?,
            &begins.f_mul_scalar(k)?,
            false,
            0, // The sum.
            false,
            None::<&Tensor>,
            false,
        )?; // [N, H]
        if let Some(bias) = &self.hidden.bias {
            x = x.f_add(bias)?;
        }
        Ok(x.f_tanh()?)
    }
}

impl Layers for Mlp {
    fn logits(&self, tokens: &Tokens) -> Result<Tensor> {
        let contexts = tokens.contexts(self.sizes.block_size(), self.v)?; // [N, K]
        let x = self.hidden(&contexts)?; // [N, H]
        self.head.forward(&tokens.drop_out(x)?) // [N, V]
    }

    /// The state is the context, `[B, K]`.
    fn step(&self, state: Option<&[Tensor]>, characters: &Tensor) -> Result<Step> {
        let k = self.sizes.block_size();
        let before = match state {
            Some(state) => state[0].f_narrow(1, 0, k - 1)?,
            None => {
                let shape = [characters.size()[0], k - 1];
                Tensor::f_full(shape, self.v, (Kind::Int64, characters.device()))?
            }
        };
        let contexts = Tensor::f_cat(&[&characters.f_unsqueeze(1)?, &before], 1)?; // [B, K]
        Ok(Step {
            logits: self.head.forward(&self.hidden(&contexts)?)?,
            state: vec![contexts],
        })
    }

    fn state(&self) -> usize {
        2 * self.sizes.block_size
    }
}
