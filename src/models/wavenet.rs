//! Lecture 5's network: characters are joined two by two, then what was made of them, until one
//! vector is left of a context.
//!
//! Its parameters and buffers are called by the places that its layers have in the lecture's list.
//!
//! Source: makemore_part5_cnn1.ipynb of <https://github.com/karpathy/nn-zero-to-hero>, after van den
//! Oord et al., *WaveNet*, 2016.

use tch::{Kind, Tensor};

use super::config::Sizes;
use super::layers::{
    BatchNorm1d, Embedding, FlattenConsecutive, Layer, Linear, Mode, Sequential, Tanh,
};
use super::network::{Layers, Step};
use super::parameters::Parameters;
use super::tokens::Tokens;
use crate::error::Result;

/// As many numbers of a layer are computed at once where contexts do not depend on each other: they
/// stay in the processor's cache.
const AT_ONCE: i64 = 1 << 19;

/// All layers but the last, and the last; `C` is the size of an embedding, `H` of the hidden layers.
pub(crate) fn layers(
    parameters: &mut Parameters,
    v: i64,
    sizes: Sizes,
) -> Result<(Sequential, Linear)> {
    let name = |place: usize| format!("layers.{place}");
    let (mut inputs, h) = (sizes.n_embd(), sizes.n_embd2());
    let mut body = Sequential::default().then(Embedding::of(parameters, &name(0), v, inputs)?);
    for _ in 0..sizes.block_size.ilog2() {
        let joining = body.layers.len();
        let [linear, norm] = [joining + 1, joining + 2].map(name);
        let joined = [2 * inputs, h];
        body = body
            .then(FlattenConsecutive(2))
            .then(Linear::of(parameters, &linear, joined, 1.0, false)?)
            .then(BatchNorm1d::of(parameters, &norm, h, 1.0)?)
            .then(Tanh);
        inputs = h;
    }
    // The small weights hold all characters for about equally probable at first.
    let head = Linear::of(parameters, &name(body.layers.len()), [h, v], 0.1, true)?;
    Ok((body, head))
}

/// `C` is the size of an embedding, `H` of the hidden layers, `K` the block size.
#[derive(Debug)]
pub struct Wavenet {
    /// From contexts one after the other, `[N * K]`, to a vector of each, `[N, H]`.
    body: Sequential,
    /// From `H` to `V`.
    head: Linear,
    sizes: Sizes,
}

impl Wavenet {
    pub(super) fn of(parameters: &mut Parameters, v: i64, sizes: Sizes) -> Result<Self> {
        let (body, head) = layers(parameters, v, sizes)?;
        Ok(Self { body, head, sizes })
    }

    /// The logits, `[N, V]`, after contexts, `[N, K]`, by what was learned.
    fn learned(&self, contexts: &Tensor) -> Result<Tensor> {
        let of_context = self.sizes.block_size() * self.sizes.n_embd().max(self.sizes.n_embd2());
        let parts = contexts.f_split((AT_ONCE / of_context).max(1), 0)?;
        let logits = parts.iter().map(|part| {
            let x = self
                .body
                .forward(&part.f_view([-1])?, &mut Mode::Evaluation)?;
            self.head.forward(&x, &mut Mode::Evaluation)
        });
        Ok(Tensor::f_cat(&logits.collect::<Result<Vec<_>>>()?, 0)?)
    }
}

impl Layers for Wavenet {
    fn logits(&self, tokens: &Tokens) -> Result<Tensor> {
        let contexts = tokens.windows(self.sizes.block_size)?; // [N, K]
        let mut mode = tokens.mode();
        if let Mode::Evaluation = mode {
            return self.learned(&contexts);
        }
        let x = self.body.forward(&contexts.f_view([-1])?, &mut mode)?; // [N, H]
        self.head.forward(&tokens.drop_out(x)?, &mut mode) // [N, V]
    }

    /// The state is the context, `[B, K]`.
    fn step(&self, state: Option<&[Tensor]>, characters: &Tensor) -> Result<Step> {
        let (b, k) = (characters.size()[0], self.sizes.block_size());
        let before = match state {
            Some(state) => state[0].f_narrow(1, 1, k - 1)?,
            None => Tensor::f_zeros([b, k - 1], (Kind::Int64, characters.device()))?,
        };
        let context = Tensor::f_cat(&[&before, &characters.f_unsqueeze(1)?], 1)?; // [B, K]
        Ok(Step {
            logits: self.learned(&context)?,
            state: vec![context],
        })
    }

    fn state(&self) -> usize {
        // Its numbers are of 64 bits.
        2 * self.sizes.block_size
    }
}
