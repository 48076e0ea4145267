//! Recurrent networks: each character changes a state, from which the next one is predicted.
//!
//! makemore.py multiplies the embedding and the state, side by side, by one matrix. Here the product is
//! a sum of two terms: that of the embedding, computed for all characters at once, and that of the
//! state, computed character by character.
//!
//! Source: makemore.py, `RNN` with `RNNCell` and `GRUCell` (which resets the state before the
//! product, unlike `torch.nn.GRU`).

use tch::{Device, Tensor};

use super::kind::{Advanced, Kind, Layers, PerToken, Preset, Recipe, Shapes};
use super::sizes::Sizes;
use crate::error::{Error, Result};
use crate::models::layers::{Linear, recurrence};
use crate::models::parameters::Parameters;
use crate::models::tokens::Tokens;

/// makemore.py's recurrent network.
#[derive(Debug)]
pub struct Rnn;

impl Kind for Rnn {
    fn name(&self) -> &'static str {
        "rnn"
    }

    fn about(&self) -> &'static str {
        "makemore.py's recurrent network"
    }

    fn sizes(&self) -> &'static [&'static str] {
        SIZES
    }

    fn build(&self, parameters: &mut Parameters, v: i64, sizes: &Sizes) -> Result<Box<dyn Layers>> {
        let (c, h) = (sizes.n_embd(), sizes.n_embd2());
        let layers = Recurrent::of(parameters, v, sizes, |parameters| {
            let xh_to_h = Linear::of(parameters, "cell.xh_to_h", [c + h, h], true)?;
            Ok(Cell::Rnn { xh_to_h })
        })?;
        Ok(Box::new(layers))
    }

    fn numbers_of_a_step(&self, sizes: &Sizes, _longest: usize) -> PerToken {
        PerToken::packed(5 * sizes.n_embd2)
    }

    fn recipe(&self, _sizes: &Sizes) -> Recipe {
        Recipe {
            // It has so few parameters that only very short lists need more weight decay.
            decay_of_a_tenth: (0.13, 4.0),
            ..Recipe::default()
        }
    }

    fn of_weights(&self, shapes: &Shapes, given: &Sizes) -> Option<(Sizes, usize)> {
        let rows = shapes.matrix("cell.xh_to_h.weight").map(|[rows, _]| rows);
        shapes.recurrent(given, rows)
    }
}

/// makemore.py's recurrent network with gates, which decide how much of the state is kept.
#[derive(Debug)]
pub struct Gru;

impl Kind for Gru {
    fn name(&self) -> &'static str {
        "gru"
    }

    fn about(&self) -> &'static str {
        "makemore.py's recurrent network with gates"
    }

    fn sizes(&self) -> &'static [&'static str] {
        SIZES
    }

    fn default_sizes(&self, longest: usize, preset: Preset) -> Sizes {
        Sizes {
            block_size: longest + 1,
            n_embd2: match preset {
                Preset::Ours(_) => 384,
                Preset::Makemore => 64,
            },
            ..Sizes::default()
        }
    }

    fn build(&self, parameters: &mut Parameters, v: i64, sizes: &Sizes) -> Result<Box<dyn Layers>> {
        let (c, h) = (sizes.n_embd(), sizes.n_embd2());
        let layers = Recurrent::of(parameters, v, sizes, |parameters| {
            Ok(Cell::Gru {
                xh_to_z: Linear::of(parameters, "cell.xh_to_z", [c + h, h], true)?,
                xh_to_r: Linear::of(parameters, "cell.xh_to_r", [c + h, h], true)?,
                xh_to_hbar: Linear::of(parameters, "cell.xh_to_hbar", [c + h, h], true)?,
            })
        })?;
        Ok(Box::new(layers))
    }

    fn numbers_of_a_step(&self, sizes: &Sizes, _longest: usize) -> PerToken {
        PerToken::packed(12 * sizes.n_embd2)
    }

    fn recipe(&self, _sizes: &Sizes) -> Recipe {
        Recipe {
            steps: 1_400,
            dropout: 0.35,
            ..Recipe::default()
        }
    }

    fn of_weights(&self, shapes: &Shapes, given: &Sizes) -> Option<(Sizes, usize)> {
        let rows = shapes.matrix("cell.xh_to_z.weight").map(|[rows, _]| rows);
        shapes.recurrent(given, rows)
    }
}

/// The sizes of both kinds.
const SIZES: &[&str] = &["block_size", "n_embd", "n_embd2"];

/// `C` is the size of an embedding, `H` of the state.
#[derive(Debug)]
struct Recurrent {
    /// The state before the first character, `[1, H]`.
    start: Tensor,
    /// `[V, C]`.
    wte: Tensor,
    cell: Cell,
    /// Linear layer from `H` to `V`.
    lm_head: Linear,
    sizes: Sizes,
}

#[derive(Debug)]
enum Cell {
    /// Linear layer from `C + H` to `H`.
    Rnn { xh_to_h: Linear },
    /// Each from `C + H` to `H`.
    Gru {
        xh_to_z: Linear,
        xh_to_r: Linear,
        xh_to_hbar: Linear,
    },
}

impl Recurrent {
    fn of(
        parameters: &mut Parameters,
        v: i64,
        sizes: &Sizes,
        cell: impl FnOnce(&mut Parameters) -> Result<Cell>,
    ) -> Result<Self> {
        let (c, h) = (sizes.n_embd(), sizes.n_embd2());
        Ok(Self {
            start: parameters.zeros("start", &[1, h])?,
            wte: parameters.embedding("wte", v, c)?,
            cell: cell(parameters)?,
            lm_head: Linear::of(parameters, "lm_head", [h, v], true)?,
            sizes: *sizes,
        })
    }

    /// The matrix products: one in a plain cell, two in one with gates (`z` and `r` side by side, then
    /// `hbar`).
    fn products(&self) -> Result<Vec<Product>> {
        let layers = match &self.cell {
            Cell::Rnn { xh_to_h } => vec![vec![xh_to_h]],
            Cell::Gru {
                xh_to_z,
                xh_to_r,
                xh_to_hbar,
            } => vec![vec![xh_to_z, xh_to_r], vec![xh_to_hbar]],
        };
        let product = |layers: &Vec<&Linear>| Product::of(layers, &self.sizes);
        layers.iter().map(product).collect()
    }

    /// The states after each row of [`Columns`](crate::models::tokens::Columns), `[M, H]`, from the terms of
    /// the characters for each product, and the matrices of the state.
    fn states(&self, x: &[Tensor], factors: &[&Tensor], counts: &[i64]) -> Result<Tensor> {
        let of_position = x.iter().map(|x| Ok(x.f_split_with_sizes(counts, 0)?));
        let of_position: Vec<Vec<Tensor>> = of_position.collect::<Result<_>>()?;
        let words = counts.first().copied().unwrap_or(0);
        let mut state = self.start.f_expand([words, self.sizes.n_embd2()], false)?; // [B, H]
        let mut states = Vec::new();
        for (position, &count) in counts.iter().enumerate() {
            // The longest words come first: those that have ended are at the end.
            if count < state.size()[0] {
                state = state.f_narrow(0, 0, count)?;
            }
            let products = of_position.iter().zip(factors);
            let products = products.map(|(x, factors)| (x[position].shallow_clone(), *factors));
            state = self.advance(&state, &products.collect::<Vec<_>>())?;
            states.push(state.shallow_clone());
        }
        Ok(Tensor::f_cat(&states, 0)?)
    }

    /// The state after a character, `[B, H]`, from the state before it, and for each product the
    /// character's terms and the matrix of the state.
    fn advance(&self, state: &Tensor, products: &[(Tensor, &Tensor)]) -> Result<Tensor> {
        match products {
            [(x, factors)] => Ok(x.f_addmm(state, factors)?.f_tanh()?),
            [(x_zr, zr_factors), (x_hbar, hbar_factors)] => {
                let zr = x_zr.f_addmm(state, zr_factors)?.f_sigmoid()?;
                let zr = zr.f_chunk(2, 1)?; // [B, H] each
                let reset = zr[1].f_mul(state)?;
                let hbar = x_hbar.f_addmm(&reset, hbar_factors)?.f_tanh()?;
                Ok(state.f_lerp_tensor(&hbar, &zr[0])?) // (1 - z) * state + z * hbar
            }
            _ => Err(Error::Value {
                what: "the number of products of a cell",
                value: products.len().to_string(),
                expected: "those that `prepare` gives would work",
            }),
        }
    }
}

impl Layers for Recurrent {
    fn logits(&self, tokens: &Tokens) -> Result<Tensor> {
        let columns = tokens.columns(self.sizes.block_size)?;
        let products = self.products()?;
        let terms = |x: &Tensor| products.iter().map(|product| product.terms(x)).collect();
        let x: Vec<Tensor> = recurrence::terms(&self.wte, &columns.characters, terms)?;
        let factors: Vec<&Tensor> = products.iter().map(|product| &product.factors).collect();
        let counts = columns.counts.as_slice();
        let states = match (<[Tensor; 2]>::try_from(x), self.wte.device()) {
            (Ok(x), Device::Cpu) => {
                recurrence::gru(x, [factors[0], factors[1]], &self.start, counts)?
            }
            (Ok(x), _) => self.states(&x, &factors, counts)?,
            (Err(x), _) => self.states(&x, &factors, counts)?,
        }; // [M, H]
        let states = columns.tokens(&states)?; // [N, H]
        self.lm_head.forward(&tokens.drop_out(states)?) // [N, V]
    }

    /// The terms of every character, `[V, ..]`, and the matrix of the state, for each product.
    fn prepare(&self) -> Result<Vec<Tensor>> {
        let products = self.products()?.into_iter();
        let prepared = products
            .map(|product| Ok([product.terms(&self.wte)?, product.factors.f_contiguous()?]));
        Ok(prepared
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect())
    }

    fn step(
        &self,
        prepared: &[Tensor],
        state: Option<&[Tensor]>,
        characters: &Tensor,
    ) -> Result<Advanced> {
        let (products, _) = prepared.as_chunks();
        let products = products
            .iter()
            .map(|[table, factors]| Ok((recurrence::embedding(table, characters)?, factors)));
        let products: Vec<(Tensor, &Tensor)> = products.collect::<Result<_>>()?;
        let state = match state {
            Some(state) => state[0].shallow_clone(),
            None => self.start.f_expand([characters.size()[0], -1], false)?,
        };
        let state = self.advance(&state, &products)?; // [B, H]
        Ok(Advanced {
            logits: self.lm_head.forward(&state)?,
            state: vec![state],
        })
    }

    fn state_numbers(&self) -> usize {
        self.sizes.n_embd2
    }
}

/// Layers side by side, whose product with a character's embedding and the state is a sum of two.
#[derive(Debug)]
struct Product {
    /// `[.., C]`.
    of_x: Tensor,
    /// `[..]`.
    bias: Tensor,
    /// The matrix that multiplies the state, `[H, ..]`.
    factors: Tensor,
}

impl Product {
    fn of(layers: &[&Linear], sizes: &Sizes) -> Result<Self> {
        let (c, h) = (sizes.n_embd(), sizes.n_embd2());
        let weights: Vec<&Tensor> = layers.iter().map(|layer| &layer.weight).collect();
        let biases: Vec<&Tensor> = layers.iter().filter_map(|l| l.bias.as_ref()).collect();
        let weight = one_after_the_other(&weights)?; // [.., C + H]
        let mut parts = weight.f_split_with_sizes([c, h], 1)?;
        Ok(Self {
            factors: parts.remove(1).f_tr()?,
            of_x: parts.remove(0),
            bias: one_after_the_other(&biases)?,
        })
    }

    /// The terms of embeddings, `[M, ..]` of `[M, C]`.
    fn terms(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_linear(&self.of_x, Some(&self.bias))?)
    }
}

/// Tensors in one; a single one is not copied.
fn one_after_the_other(tensors: &[&Tensor]) -> Result<Tensor> {
    match tensors {
        [one] => Ok(one.shallow_clone()),
        _ => Ok(Tensor::f_cat(tensors, 0)?),
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;
    use crate::libtorch::random::Generator;

    fn layers_of_both(v: i64) -> [Recurrent; 2] {
        let sizes = Sizes::default();
        let mut generator = Generator::seeded(1).unwrap();
        let mut parameters = Parameters::new(&mut generator, Device::Cpu);
        let (c, h) = (sizes.n_embd(), sizes.n_embd2());
        ["rnn", "gru"].map(|kind| {
            Recurrent::of(&mut parameters, v, &sizes, |parameters| {
                let mut linear = |name: &str| {
                    Linear::of(parameters, &format!("{kind}.{name}"), [c + h, h], true)
                };
                Ok(match kind {
                    "rnn" => Cell::Rnn {
                        xh_to_h: linear("xh_to_h")?,
                    },
                    _ => Cell::Gru {
                        xh_to_z: linear("xh_to_z")?,
                        xh_to_r: linear("xh_to_r")?,
                        xh_to_hbar: linear("xh_to_hbar")?,
                    },
                })
            })
            .unwrap()
        })
    }

    /// Overwrites the embedding of a character, which then makes all that is computed of it NaN.
    fn spoil(layers: &Recurrent, character: i64) {
        let _guard = tch::no_grad_guard();
        let _spoiled = layers.wte.get(character).fill_(f64::NAN);
    }

    /// The terms of thousands of characters were once computed for words of a few.
    #[test]
    fn a_few_tokens_do_not_compute_the_whole_vocabulary() {
        for layers in layers_of_both(100) {
            spoil(&layers, 99);
            let is_finite = |word: &[i64]| {
                let tokens = Tokens::of(&[word], Device::Cpu);
                let loss = layers.logits(&tokens).unwrap().sum(Kind::Float);
                let weight = match &layers.cell {
                    Cell::Rnn { xh_to_h } => &xh_to_h.weight,
                    Cell::Gru { xh_to_z, .. } => &xh_to_z.weight,
                };
                let gradient = Tensor::run_backward(&[&loss], &[weight], false, false);
                gradient[0].isfinite().all().int64_value(&[]) == 1
            };
            assert!(is_finite(&[0, 1, 2]));
            // The table covers the spoiled character where there are more tokens than characters.
            assert!(!is_finite(&[1; 101]));
        }
    }

    /// The terms of the vocabulary were once computed for each character that was drawn.
    #[test]
    fn a_step_computes_no_products_of_the_vocabulary() {
        for layers in layers_of_both(100) {
            let prepared = layers.prepare().unwrap();
            (0..100).for_each(|character| spoil(&layers, character));
            let characters = Tensor::from_slice(&[0_i64, 7]);
            let step = layers.step(&prepared, None, &characters).unwrap();
            assert_eq!(step.logits.isfinite().all().int64_value(&[]), 1);
            assert!(layers.step(&[], None, &characters).is_err());
        }
    }
}
