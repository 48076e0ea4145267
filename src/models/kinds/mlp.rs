//! A multilayer perceptron on the last characters.
//!
//! The embeddings of the characters are concatenated; hidden layers, of which makemore.py has one, and a
//! linear layer make logits of them. The parameters have the names that PyTorch would give them in
//! makemore.py's `mlp`, which is then `Linear`, `Tanh` and so on or, with batch normalisation as in lecture
//! 3, `Linear`, `BatchNorm1d`, `Tanh` and so on, and at the end a `Linear`. All begin as PyTorch's do:
//! weights and biases uniform, up to one divided by the root of the number of inputs; gains 1.
//!
//! Lecture 3's network of six layers is that of five hidden layers with batch normalisation, but that the
//! lecture normalises the logits too, has no bias there, and multiplies normal weights by a gain.
//!
//! Source: makemore.py, `MLP`; Bengio et al., *A neural probabilistic language model*, 2003; lecture 3.

use tch::Tensor;

use super::kind::{Advanced, Kind, Layers, PerToken, Recipe, Shapes};
use super::sizes::{Sizes, check_numbers};
use crate::error::Result;
use crate::models::layers::activation::tanh;
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
        &[
            "block_size",
            "n_embd",
            "n_embd2",
            "hidden_layers",
            "batchnorm",
        ]
    }

    fn check(&self, v: usize, sizes: &Sizes) -> Result<()> {
        check_numbers(sizes.block_size * sizes.n_embd.max(v + 1) * sizes.n_embd2)?;
        check_numbers(sizes.hidden_layers * sizes.n_embd2 * sizes.n_embd2 / 4)
    }

    fn build(&self, parameters: &mut Parameters, v: i64, sizes: &Sizes) -> Result<Box<dyn Layers>> {
        let (k, c, h) = (sizes.block_size(), sizes.n_embd(), sizes.n_embd2());
        let head = place(sizes.hidden_layers, sizes.batchnorm);
        Ok(Box::new(MlpLayers {
            wte: parameters.embedding("wte", v + 1, c)?,
            first: Hidden::of(parameters, 0, [k * c, h], sizes.batchnorm)?,
            further: (1..sizes.hidden_layers)
                .map(|layer| Hidden::of(parameters, layer, [h, h], sizes.batchnorm))
                .collect::<Result<_>>()?,
            head: Linear::of(parameters, &format!("mlp.{head}"), [h, v], true)?,
            v,
            sizes: *sizes,
        }))
    }

    fn numbers_of_a_step(&self, sizes: &Sizes, longest: usize) -> PerToken {
        let (of_first, of_further) = if sizes.batchnorm { (5, 4) } else { (3, 2) };
        let of_hidden =
            (of_first + of_further * sizes.hidden_layers.saturating_sub(1)) * sizes.n_embd2;
        // Of the distances beyond the nearest ones, three numbers of 64 bits for each 64.
        let of_far = longest.min(sizes.block_size).saturating_sub(NEAR) / 20;
        PerToken::packed(of_hidden + 10 * longest.min(near(sizes)) + of_far)
    }

    /// A row of the first hidden layer for each character at each distance, and its gradient, each in two
    /// orders.
    fn numbers_of_tables(&self, v: usize, sizes: &Sizes) -> usize {
        4 * sizes.block_size * (v + 1) * sizes.n_embd2
    }

    fn recipe(&self, sizes: &Sizes) -> Recipe {
        // Longer words have more places with weights of their own, which need more of it.
        let places = sizes.block_size as f64 / Sizes::default().block_size as f64;
        Recipe {
            learning_rate: if sizes.batchnorm { 1e-2 } else { 5e-3 },
            decay_of_a_tenth: (places.sqrt().max(1.0), 2.0),
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
        let batchnorm = shapes.0.contains_key("mlp.1.weight");
        let weight = |layer| format!("mlp.{}.weight", place(layer, batchnorm));
        let linear = (1..).take_while(|&layer| shapes.matrix(&weight(layer)).is_some());
        let sizes = Sizes {
            block_size: inputs / n_embd.max(1),
            n_embd,
            n_embd2,
            // The last one makes logits.
            hidden_layers: linear.count().max(1),
            batchnorm,
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

/// The place of the linear layer after so many hidden layers, among PyTorch's layers.
fn place(hidden_layers: usize, batchnorm: bool) -> usize {
    hidden_layers * if batchnorm { 3 } else { 2 }
}

/// A hidden layer: a linear layer, maybe batch normalisation, and tanh.
#[derive(Debug)]
struct Hidden {
    linear: Linear,
    /// Batch normalisation of `H` columns. It would subtract a bias of the linear layer, so then there
    /// is none.
    norm: Option<BatchNorm1d>,
}

impl Hidden {
    /// The layer after so many others.
    fn of(
        parameters: &mut Parameters,
        layer: usize,
        sizes: [i64; 2],
        batchnorm: bool,
    ) -> Result<Self> {
        let place = place(layer, batchnorm);
        Ok(Self {
            linear: Linear::of(parameters, &format!("mlp.{place}"), sizes, !batchnorm)?,
            norm: match batchnorm {
                true => Some(BatchNorm1d::of(
                    parameters,
                    &format!("mlp.{}", place + 1),
                    sizes[1],
                )?),
                false => None,
            },
        })
    }

    /// The output, `[N, H]`, for that of the linear layer, `[N, H]`.
    fn activated(&self, x: Tensor, is_training: bool) -> Result<Tensor> {
        match &self.norm {
            Some(norm) => tanh(&norm.forward(&x, is_training)?),
            None => tanh(&x),
        }
    }
}

/// `C` is the size of an embedding, `H` of a hidden layer, `K` the block size.
#[derive(Debug)]
struct MlpLayers {
    /// `[V + 1, C]`; the last row is that of the blank, which stands before the beginning of a word.
    wte: Tensor,
    /// From `K * C` to `H`.
    first: Hidden,
    /// From `H` to `H`.
    further: Vec<Hidden>,
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

    /// The logits, `[N, V]`, for what the first linear layer makes, `[N, H]`, of tokens; without those, at
    /// inference.
    fn logits_of(&self, x: Tensor, tokens: Option<&Tokens>) -> Result<Tensor> {
        let activated = |layer: &Hidden, x| {
            let x = layer.activated(x, tokens.is_some_and(Tokens::is_training))?;
            match tokens {
                Some(tokens) => tokens.drop_out(x),
                None => Ok(x),
            }
        };
        let mut x = activated(&self.first, x)?;
        for layer in &self.further {
            x = activated(layer, layer.linear.forward(&x)?)?;
        }
        self.head.forward(&x)
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
        // The term of the first hidden layer for each character at each distance, once for all words.
        let weight = self.first.linear.weight.f_view([h * k, c])?;
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
        if let Some(bias) = &self.first.linear.bias {
            blanks = blanks.f_add(bias)?;
        }
        let positions = nearest.positions.f_clamp_max(k - 1)?;
        let x = x.f_add(&blanks.f_index_select(0, &positions)?)?;
        self.logits_of(x, Some(tokens)) // [N, V]
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
        let x = self.first.linear.forward(&x.f_view([b, -1])?)?; // [B, H]
        Ok(Advanced {
            logits: self.logits_of(x, None)?,
            state: vec![context],
        })
    }

    fn state_numbers(&self) -> usize {
        // Its numbers are of 64 bits.
        2 * self.sizes.block_size
    }
}
