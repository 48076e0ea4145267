//! A long short-term memory: a recurrent network with two states, of which one changes slowly.
//!
//! Source: `torch.nn.LSTM`, of one layer.

use tch::{Device, Tensor};

use super::kind::{Advanced, Kind, Layers, PerToken, Preset, Recipe, Shapes};
use super::sizes::Sizes;
use crate::error::Result;
use crate::models::layers::{Linear, recurrence};
use crate::models::parameters::Parameters;
use crate::models::tokens::Tokens;

/// A long short-term memory.
#[derive(Debug)]
pub struct Lstm;

impl Kind for Lstm {
    fn name(&self) -> &'static str {
        "lstm"
    }

    fn about(&self) -> &'static str {
        "A long short-term memory"
    }

    fn sizes(&self) -> &'static [&'static str] {
        &["block_size", "n_embd", "n_embd2"]
    }

    fn default_sizes(&self, longest: usize, preset: Preset) -> Sizes {
        Sizes {
            block_size: longest + 1,
            n_embd2: match preset {
                Preset::Ours(_) => 256,
                Preset::Makemore => 64,
            },
            ..Sizes::default()
        }
    }

    fn build(&self, parameters: &mut Parameters, v: i64, sizes: &Sizes) -> Result<Box<dyn Layers>> {
        let (c, h) = (sizes.n_embd(), sizes.n_embd2());
        let bound = 1.0 / (h as f64).sqrt();
        Ok(Box::new(LstmLayers {
            wte: parameters.embedding("wte", v, c)?,
            weights: [
                parameters.uniform("lstm.weight_ih_l0", &[4 * h, c], bound)?,
                parameters.uniform("lstm.weight_hh_l0", &[4 * h, h], bound)?,
                parameters.uniform("lstm.bias_ih_l0", &[4 * h], bound)?,
                parameters.uniform("lstm.bias_hh_l0", &[4 * h], bound)?,
            ],
            lm_head: Linear::of(parameters, "lm_head", [h, v], true)?,
            sizes: *sizes,
        }))
    }

    fn numbers_of_a_step(&self, sizes: &Sizes, _longest: usize) -> PerToken {
        PerToken::packed(12 * sizes.n_embd2)
    }

    fn recipe(&self, _sizes: &Sizes) -> Recipe {
        Recipe {
            power_of_rate: 0.4,
            dropout: 0.35,
            ..Recipe::default()
        }
    }

    fn of_weights(&self, shapes: &Shapes, given: &Sizes) -> Option<(Sizes, usize)> {
        let columns = shapes
            .matrix("lstm.weight_hh_l0")
            .map(|[_, columns]| columns);
        shapes.recurrent(given, columns)
    }
}

/// `C` is the size of an embedding, `H` of a state.
#[derive(Debug)]
struct LstmLayers {
    /// `[V, C]`.
    wte: Tensor,
    /// `[4 H, C]`, `[4 H, H]`, `[4 H]`, `[4 H]`.
    weights: [Tensor; 4],
    /// Linear layer from `H` to `V`.
    lm_head: Linear,
    sizes: Sizes,
}

impl LstmLayers {
    /// The states after each token, `[N, H]`, by cuDNN or what MPS has.
    fn states_on_gpu(&self, tokens: &Tokens) -> Result<Tensor> {
        let grid = tokens.grid(self.sizes.block_size)?;
        let columns = grid.characters.f_tr()?;
        let x = Tensor::f_embedding(&self.wte, &columns, -1, false, false)?; // [T, B, C]
        let shape = [1, columns.size()[1], self.sizes.n_embd2()];
        let state = Tensor::f_zeros(shape, (x.kind(), x.device()))?;
        let states = [state.shallow_clone(), state];
        let weights = self.weights()?;
        let (out, ..) = x.f_lstm(&states, &weights, true, 1, 0.0, true, false, false)?; // [T, B, H]
        grid.tokens(&out.f_transpose(0, 1)?)
    }

    /// The states after each token, `[N, H]`, on a processor.
    fn states(&self, tokens: &Tokens) -> Result<Tensor> {
        let columns = tokens.columns(self.sizes.block_size)?;
        let [of_x, of_state, bias, other_bias] = &self.weights;
        let bias = bias.f_add(other_bias)?;
        let terms = |x: &Tensor| Ok(vec![x.f_linear(of_x, Some(&bias))?]); // [.., 4 H]
        let x = recurrence::terms(&self.wte, &columns.characters, terms)?.remove(0);
        let states = recurrence::lstm(x, &of_state.f_tr()?, &columns.counts)?; // [M, H]
        columns.tokens(&states)
    }

    /// The weights, on CUDA in one chunk.
    fn weights(&self) -> Result<Vec<Tensor>> {
        match self.wte.device() {
            Device::Cuda(_) => in_one_chunk(&self.weights),
            _ => Ok(self.weights.iter().map(Tensor::shallow_clone).collect()),
        }
    }
}

/// Weights in one chunk of memory, one after the other, as cuDNN takes them. It would copy other weights
/// in each call, with a warning.
///
/// Source: `torch.nn.LSTM.flatten_parameters`.
fn in_one_chunk(weights: &[Tensor]) -> Result<Vec<Tensor>> {
    let flat = weights.iter().map(|weight| Ok(weight.f_flatten(0, -1)?));
    let chunk = Tensor::f_cat(&flat.collect::<Result<Vec<_>>>()?, 0)?;
    let sizes = weights.iter().map(|weight| weight.numel() as i64);
    let parts = chunk.f_split_with_sizes(sizes.collect::<Vec<_>>(), 0)?;
    let parts = parts.iter().zip(weights);
    parts
        .map(|(part, weight)| Ok(part.f_view(weight.size().as_slice())?))
        .collect()
}

impl Layers for LstmLayers {
    fn logits(&self, tokens: &Tokens) -> Result<Tensor> {
        let states = match self.wte.device() {
            Device::Cpu => self.states(tokens)?,
            _ => self.states_on_gpu(tokens)?,
        };
        self.lm_head.forward(&tokens.drop_out(states)?) // [N, V]
    }

    fn step(
        &self,
        _: &[Tensor],
        state: Option<&[Tensor]>,
        characters: &Tensor,
    ) -> Result<Advanced> {
        let x = Tensor::f_embedding(&self.wte, characters, -1, false, false)?.f_unsqueeze(0)?; // [1, B, C]
        let states = match state {
            Some(state) => [state[0].f_unsqueeze(0)?, state[1].f_unsqueeze(0)?], // [1, B, H]
            None => {
                let shape = [1, characters.size()[0], self.sizes.n_embd2()];
                let zeros = Tensor::f_zeros(shape, (x.kind(), x.device()))?;
                [zeros.shallow_clone(), zeros]
            }
        };
        let weights = self.weights()?;
        let (out, h, c) = x.f_lstm(&states, &weights, true, 1, 0.0, false, false, false)?;
        Ok(Advanced {
            logits: self.lm_head.forward(&out.f_get(0)?)?,
            state: vec![h.f_get(0)?, c.f_get(0)?],
        })
    }

    fn state_numbers(&self) -> usize {
        2 * self.sizes.n_embd2
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;
    use crate::libtorch::random::Generator;

    /// cuDNN once copied the four weights in each call, because they lay among other parameters.
    #[test]
    fn weights_of_one_chunk_lie_one_after_the_other_and_pass_gradients_on() {
        let float = (Kind::Float, Device::Cpu);
        let shapes: [&[i64]; 4] = [&[8, 3], &[8, 2], &[8], &[8]];
        // Locks libtorch's generator, which other tests draw from at the same time.
        let mut generator = Generator::seeded(1).unwrap();
        let weights = shapes.map(|shape| generator.randn(shape).unwrap());
        drop(generator);
        let weights = weights.map(|weight| weight.set_requires_grad(true));
        let chunk = in_one_chunk(&weights).unwrap();
        let mut place = chunk[0].data_ptr() as usize;
        for (part, weight) in chunk.iter().zip(&weights) {
            assert_eq!(part, weight);
            assert_eq!(part.data_ptr() as usize, place);
            place += weight.numel() * size_of::<f32>();
        }
        let of = |weights: &[Tensor]| {
            let (x, state) = (
                Tensor::ones([4, 5, 3], float),
                Tensor::zeros([1, 5, 2], float),
            );
            let states = [state.shallow_clone(), state];
            let (out, ..) = x.lstm(&states, weights, true, 1, 0.0, true, false, false);
            (out.shallow_clone(), out.sum(Kind::Float))
        };
        let ((one, sum), (other, other_sum)) = (of(&chunk), of(&weights));
        assert_eq!(one, other);
        let gradients = Tensor::run_backward(&[sum], &weights, false, false);
        assert_eq!(
            gradients,
            Tensor::run_backward(&[other_sum], &weights, false, false)
        );
    }
}
