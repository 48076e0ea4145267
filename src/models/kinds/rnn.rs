//! Recurrent networks: a state goes through the word and takes each character in.
//!
//! What a character brings to the state does not depend on the state, so it is looked up in a table
//! that is made once for all words; only what the state brings is computed step by step.
//!
//! Source: makemore.py, `RNN` with `RNNCell` and `GRUCell` (which resets the state before the
//! product, unlike `torch.nn.GRU`).

use tch::Tensor;

use super::kind::{Advanced, Kind, Layers, PerToken, Preset, Recipe, Shapes};
use super::sizes::Sizes;
use crate::error::{Error, Result};
use crate::models::parameters::{Linear, Parameters};
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
            let xh_to_h = parameters.linear("cell.xh_to_h", c + h, h, true)?;
            Ok(Cell::Rnn { xh_to_h })
        })?;
        Ok(Box::new(layers))
    }

    fn numbers_of_a_step(&self, sizes: &Sizes) -> PerToken {
        per_token(sizes)
    }

    fn of_weights(&self, shapes: &Shapes, given: &Sizes) -> Option<(Sizes, usize)> {
        of_weights(shapes, given, "cell.xh_to_h.weight")
    }
}

/// makemore.py's recurrent network with gates, which keep parts of the state.
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
                Preset::Ours => 384,
                Preset::Makemore => 64,
            },
            ..Sizes::default()
        }
    }

    fn build(&self, parameters: &mut Parameters, v: i64, sizes: &Sizes) -> Result<Box<dyn Layers>> {
        let (c, h) = (sizes.n_embd(), sizes.n_embd2());
        let layers = Recurrent::of(parameters, v, sizes, |parameters| {
            Ok(Cell::Gru {
                xh_to_z: parameters.linear("cell.xh_to_z", c + h, h, true)?,
                xh_to_r: parameters.linear("cell.xh_to_r", c + h, h, true)?,
                xh_to_hbar: parameters.linear("cell.xh_to_hbar", c + h, h, true)?,
            })
        })?;
        Ok(Box::new(layers))
    }

    fn numbers_of_a_step(&self, sizes: &Sizes) -> PerToken {
        per_token(sizes)
    }

    fn recipe(&self, _sizes: &Sizes) -> Recipe {
        Recipe {
            steps: 1_400,
            dropout: 0.35,
            ..Recipe::default()
        }
    }

    fn of_weights(&self, shapes: &Shapes, given: &Sizes) -> Option<(Sizes, usize)> {
        of_weights(shapes, given, "cell.xh_to_z.weight")
    }
}

const SIZES: &[&str] = &["block_size", "n_embd", "n_embd2"];

fn per_token(sizes: &Sizes) -> PerToken {
    PerToken {
        numbers: 26 * sizes.widest(),
        is_padded: false,
    }
}

/// The sizes of weights with a layer of the cell.
fn of_weights(shapes: &Shapes, given: &Sizes, layer: &str) -> Option<(Sizes, usize)> {
    let [n_embd2, _] = shapes.matrix(layer)?;
    let [v, n_embd] = shapes.matrix("wte.weight")?;
    let sizes = Sizes {
        n_embd,
        n_embd2,
        ..*given
    };
    Some((sizes, v))
}

/// `C` is the size of an embedding, `H` of the state.
#[derive(Debug)]
struct Recurrent {
    /// The state before the first character, `[1, H]`.
    start: Tensor,
    /// `[V, C]`.
    wte: Tensor,
    cell: Cell,
    /// From `H` to `V`.
    lm_head: Linear,
    sizes: Sizes,
}

#[derive(Debug)]
enum Cell {
    /// From `C + H` to `H`.
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
            lm_head: parameters.linear("lm_head", h, v, true)?,
            sizes: *sizes,
        })
    }

    /// The cell, made ready for many steps.
    fn prepare(&self) -> Result<Prepared> {
        let layers: &[&[&Linear]] = match &self.cell {
            Cell::Rnn { xh_to_h } => &[&[xh_to_h]],
            Cell::Gru {
                xh_to_z,
                xh_to_r,
                xh_to_hbar,
            } => &[&[xh_to_z, xh_to_r], &[xh_to_hbar]],
        };
        let halves = layers.iter().map(|layers| self.halves(layers));
        Ok(Prepared(halves.collect::<Result<_>>()?))
    }

    /// What each character brings to some layers of the cell, `[V, H]` or several `H` side by side,
    /// and what a state is multiplied with, `[H, H]` or several side by side.
    fn halves(&self, layers: &[&Linear]) -> Result<(Tensor, Tensor)> {
        let (c, h) = (self.sizes.n_embd(), self.sizes.n_embd2());
        let weights: Vec<&Tensor> = layers.iter().map(|layer| &layer.weight).collect();
        let biases: Vec<&Tensor> = layers
            .iter()
            .filter_map(|layer| layer.bias.as_ref())
            .collect();
        let weight = Tensor::f_cat(&weights, 0)?; // [.., C + H]
        let bias = Tensor::f_cat(&biases, 0)?;
        let of_character = self.wte.f_linear(&weight.f_narrow(1, 0, c)?, Some(&bias))?;
        let of_state = weight.f_narrow(1, c, h)?.f_tr()?.f_contiguous()?;
        Ok((of_character, of_state))
    }
}

/// For each product of the cell, one of a plain one and two of one with gates (`z` and `r` side by
/// side, then `hbar`): what each character brings to it, and what the state is multiplied with.
struct Prepared(Vec<(Tensor, Tensor)>);

impl Prepared {
    /// What characters, `[..]`, bring to each product, `[.., H]` or `[.., 2 H]`.
    fn look_up(&self, characters: &Tensor) -> Result<Vec<Tensor>> {
        let look_up = |(table, _): &(Tensor, Tensor)| {
            Ok(Tensor::f_embedding(table, characters, -1, false, false)?)
        };
        self.0.iter().map(look_up).collect()
    }

    /// The state after a character, `[B, H]`, of the state before it and what the character brings.
    fn advance(&self, state: &Tensor, brought: &[&Tensor]) -> Result<Tensor> {
        match (self.0.as_slice(), brought) {
            ([(_, of_state)], [x]) => Ok(x.f_addmm(state, of_state)?.f_tanh()?),
            ([(_, zr_of_state), (_, hbar_of_state)], [x_zr, x_hbar]) => {
                let zr = x_zr
                    .f_addmm(state, zr_of_state)?
                    .f_sigmoid()?
                    .f_chunk(2, 1)?; // [B, H] each
                let reset = zr[1].f_mul(state)?;
                let hbar = x_hbar.f_addmm(&reset, hbar_of_state)?.f_tanh()?;
                Ok(state.f_lerp_tensor(&hbar, &zr[0])?) // (1 - z) * state + z * hbar
            }
            _ => Err(Error::Libtorch("a cell without its products".to_owned())),
        }
    }
}

impl Layers for Recurrent {
    fn logits(&self, tokens: &Tokens) -> Result<Tensor> {
        let cell = self.prepare()?;
        let columns = tokens.columns()?;
        let counts = columns.counts.as_slice();
        let brought = cell.look_up(&columns.characters)?; // [N, ..] each
        let brought = brought.iter().map(|x| Ok(x.f_split_with_sizes(counts, 0)?));
        let brought: Vec<Vec<Tensor>> = brought.collect::<Result<_>>()?;
        let h = self.sizes.n_embd2();
        let mut state = self.start.f_expand([tokens.words, h], false)?; // [B, H]
        let mut states = Vec::new();
        for (position, &count) in counts.iter().enumerate() {
            // The words that go on are the first ones.
            if count < state.size()[0] {
                state = state.f_narrow(0, 0, count)?;
            }
            let brought: Vec<&Tensor> = brought.iter().map(|x| &x[position]).collect();
            state = cell.advance(&state, &brought)?;
            states.push(state.shallow_clone());
        }
        let states = columns.tokens(&Tensor::f_cat(&states, 0)?)?; // [N, H]
        self.lm_head.forward(&tokens.drop_out(states)?) // [N, V]
    }

    fn step(&self, state: Option<&[Tensor]>, characters: &Tensor) -> Result<Advanced> {
        let cell = self.prepare()?;
        let brought = cell.look_up(characters)?; // [B, ..] each
        let brought: Vec<&Tensor> = brought.iter().collect();
        let state = match state {
            Some(state) => state[0].shallow_clone(),
            None => self.start.f_expand([characters.size()[0], -1], false)?,
        };
        let state = cell.advance(&state, &brought)?; // [B, H]
        Ok(Advanced {
            logits: self.lm_head.forward(&state)?,
            state: vec![state],
        })
    }

    fn state_numbers(&self) -> usize {
        self.sizes.n_embd2
    }
}
