//! A multilayer perceptron on the last characters.
//!
//! The embeddings of the characters are concatenated; a hidden layer and a linear layer make logits of
//! them. With batch normalisation of the hidden layer, as in lecture 3, the parameters have the names
//! that PyTorch would give them in makemore.py's `mlp`.
//!
//! Source: makemore.py, `MLP`; Bengio et al., *A neural probabilistic language model*, 2003; lecture 3.

use tch::Tensor;

use super::kind::{Advanced, Kind, Layers, PerToken, Recipe, Shapes};
use super::sizes::{Sizes, check_numbers};
use crate::error::Result;
use crate::models::layers::{BatchNorm1d, Linear};
use crate::models::parameters::Parameters;
use crate::models::tokens::{Nearest, Tokens};

/// makemore.py's multilayer perceptron.
#[derive(Debug)]
pub struct Mlp;

impl Kind for Mlp {
    fn name(&self) -> &'static str {
        "mlp"
    }

    fn about(&self) -> &'static str {
        "makemore.py's multilayer perceptron"
    }

    fn sizes(&self) -> &'static [&'static str] {
        &["block_size", "n_embd", "n_embd2", "batchnorm"]
    }

    fn check(&self, v: usize, sizes: &Sizes) -> Result<()> {
        check_numbers(sizes.block_size * sizes.n_embd.max(v + 1) * sizes.n_embd2)
    }

    fn build(&self, parameters: &mut Parameters, v: i64, sizes: &Sizes) -> Result<Box<dyn Layers>> {
        let (k, c, h) = (sizes.block_size(), sizes.n_embd(), sizes.n_embd2());
        Ok(Box::new(MlpLayers {
            wte: parameters.embedding("wte", v + 1, c)?,
            hidden: Linear::of(parameters, "mlp.0", [k * c, h], !sizes.batchnorm)?,
            norm: match sizes.batchnorm {
                true => Some(BatchNorm1d::of(parameters, "mlp.1", h)?),
                false => None,
            },
            head: match sizes.batchnorm {
                true => Linear::of(parameters, "mlp.3", [h, v], true)?,
                false => Linear::of(parameters, "mlp.2", [h, v], true)?,
            },
            v,
            sizes: *sizes,
        }))
    }

    fn numbers_of_a_step(&self, sizes: &Sizes, longest: usize) -> PerToken {
        let of_hidden = (if sizes.batchnorm { 5 } else { 3 }) * sizes.n_embd2;
        // Of the distances beyond the nearest ones, three numbers of 64 bits for each 64.
        let of_far = longest.min(sizes.block_size).saturating_sub(NEAR) / 20;
        PerToken::packed(of_hidden + 10 * longest.min(near(sizes)) + of_far)
    }

    /// A row of the hidden layer for each character at each distance, and its gradient, each in two
    /// orders.
    fn numbers_of_tables(&self, v: usize, sizes: &Sizes) -> usize {
        4 * sizes.block_size * (v + 1) * sizes.n_embd2
    }

    fn recipe(&self, sizes: &Sizes) -> Recipe {
        Recipe {
            learning_rate: if sizes.batchnorm { 1e-2 } else { 5e-3 },
            ..Recipe::default()
        }
    }

    fn has_state(&self) -> bool {
        false
    }

    fn has_batchnorm(&self, sizes: &Sizes) -> bool {
        sizes.batchnorm
    }

    fn of_weights(&self, shapes: &Shapes, given: &Sizes) -> Option<(Sizes, usize)> {
        let [n_embd2, inputs] = shapes.matrix("mlp.0.weight")?;
        // The last row is that of makemore.py's <BLANK>.
        let [rows, n_embd] = shapes.matrix("wte.weight")?;
        let sizes = Sizes {
            block_size: inputs / n_embd.max(1),
            n_embd,
            n_embd2,
            ..*given
        };
        Some((sizes, rows.saturating_sub(1)))
    }
}

/// The most distances that are looked up at a time.
const NEAR: usize = 64;

/// The number of distances that are looked up at a time.
fn near(sizes: &Sizes) -> usize {
    sizes.block_size.min(NEAR)
}

/// `C` is the size of an embedding, `H` of the hidden layer, `K` the block size.
#[derive(Debug)]
struct MlpLayers {
    /// `[V + 1, C]`; the last row is that of the blank, which stands before the beginning of a word.
    wte: Tensor,
    /// Linear layer from `K * C` to `H`.
    hidden: Linear,
    /// Batch normalisation of `H` columns. It would subtract a bias of the hidden layer, so then there
    /// is none.
    norm: Option<BatchNorm1d>,
    /// Linear layer from `H` to `V`.
    head: Linear,
    v: i64,
    sizes: Sizes,
}

impl MlpLayers {
    /// The sums over each token and those before it in its word, `[N, H]`, of their terms in a table,
    /// `[K * (V + 1), H]`.
    fn sums(&self, tokens: &Tokens, nearest: &Nearest, table: &Tensor) -> Result<Tensor> {
        let v = self.v + 1;
        let of_near = near(&self.sizes) as i64 * v;
        let of_last = table.size()[0] % of_near;
        let tables = match of_last > 0 && tokens.length > self.sizes.block_size() {
            // Tokens of a longer word that are near, but beyond the block, have terms of 0.
            true => table.f_constant_pad_nd([0, 0, 0, of_near - of_last])?,
            false => table.shallow_clone(),
        };
        let tables = tables.f_split(of_near, 0)?; // [NEAR * (V + 1), H], but for the last.
        let mut sums = sums_of(&tables[0], &nearest.pairs, &nearest.begins)?;
        if tables.len() == 1 || tokens.length as usize <= NEAR {
            return Ok(sums);
        }
        // What is before a token by NEAR and more is near to one of the tokens before it, so that the
        // same pairs serve for all distances.
        let early = tokens.early(NEAR, v)?;
        // From the farthest on: the backward pass then begins with the largest lists, and the allocator
        // has room for those that follow.
        let shifts = (1..).zip(&tables[1..]).zip(&early.counts);
        for ((shift, table), &[tokens, pairs]) in shifts.collect::<Vec<_>>().into_iter().rev() {
            let pairs = early.pairs.f_narrow(0, 0, pairs)?;
            let terms = sums_of(table, &pairs, &early.begins.f_narrow(0, 0, tokens)?)?;
            let places = early.places.f_narrow(0, 0, tokens)?;
            let places = places.f_add_scalar(shift * NEAR as i64)?;
            // `f_index_add_` would keep the terms for the backward pass.
            sums = sums.f_index_put_(&[Some(&places)], &terms, true)?;
        }
        Ok(sums)
    }

    /// The output of the hidden layer, `[N, H]`, for its sums, `[N, H]`.
    fn activated(&self, x: Tensor, is_training: bool) -> Result<Tensor> {
        Ok(match &self.norm {
            Some(norm) => norm.forward(&x, is_training)?.f_tanh()?,
            None => x.f_tanh()?,
        })
    }
}

/// The sum of the rows of a table, `[.., H]`, that belong to each token, `[N, H]`.
fn sums_of(table: &Tensor, rows: &Tensor, begins: &Tensor) -> Result<Tensor> {
    let (sums, ..) = Tensor::f_embedding_bag(
        table,
        rows,
        begins,
        false,
        0, // The sum.
        false,
        None::<&Tensor>,
        false,
    )?;
    Ok(sums)
}

impl Layers for MlpLayers {
    fn logits(&self, tokens: &Tokens) -> Result<Tensor> {
        let (k, c, h) = (
            self.sizes.block_size(),
            self.sizes.n_embd(),
            self.sizes.n_embd2(),
        );
        // The term of the hidden layer for each character at each distance, once for all words.
        let weight = self.hidden.weight.f_view([h * k, c])?;
        let table = self.wte.f_linear(&weight, None::<&Tensor>)?; // [V + 1, H * K]
        let table = table.f_view([-1, h, k])?.f_permute([2, 0, 1])?; // [K, V + 1, H]
        let nearest = tokens.nearest(near(&self.sizes), self.v + 1)?;
        let x = self.sums(tokens, &nearest, &table.f_reshape([-1, h])?)?; // [N, H]
        // A token at an early position has blanks before its word in the block. Their terms and the bias
        // are the same for all tokens at a position, and from the last position of the block on.
        let blank = table.f_select(1, self.v)?; // [K, H]
        let from_there_on = blank
            .f_flip([0])?
            .f_cumsum(0, tch::Kind::Float)?
            .f_flip([0])?;
        let mut blanks = from_there_on.f_sub(&blank)?; // [K, H]
        if let Some(bias) = &self.hidden.bias {
            blanks = blanks.f_add(bias)?;
        }
        let positions = nearest.positions.f_clamp_max(k - 1)?;
        let x = x.f_add(&blanks.f_index_select(0, &positions)?)?;
        let x = self.activated(x, tokens.is_training())?;
        self.head.forward(&tokens.drop_out(x)?) // [N, V]
    }

    /// The state is the context, `[B, K]`, from the nearest character on.
    fn step(
        &self,
        _: &[Tensor],
        state: Option<&[Tensor]>,
        characters: &Tensor,
    ) -> Result<Advanced> {
        let (b, k) = (characters.size()[0], self.sizes.block_size());
        let before = match state {
            Some(state) => state[0].f_narrow(1, 0, k - 1)?,
            None => Tensor::f_full([b, k - 1], self.v, (tch::Kind::Int64, characters.device()))?,
        };
        let context = Tensor::f_cat(&[&characters.f_unsqueeze(1)?, &before], 1)?; // [B, K]
        let x = Tensor::f_embedding(&self.wte, &context, -1, false, false)?; // [B, K, C]
        let x = self.hidden.forward(&x.f_view([b, -1])?)?;
        let x = self.activated(x, false)?; // [B, H]
        Ok(Advanced {
            logits: self.head.forward(&x)?,
            state: vec![context],
        })
    }

    fn state_numbers(&self) -> usize {
        // Its numbers are of 64 bits.
        2 * self.sizes.block_size
    }
}
