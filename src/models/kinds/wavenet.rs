//! Lecture 5's network: layers join the characters of a context in pairs, then the pairs, until one
//! vector is left.
//!
//! Parameters and buffers are named by the index of their layer in the lecture's list.
//!
//! Source: makemore_part5_cnn1.ipynb of <https://github.com/karpathy/nn-zero-to-hero>, after van den
//! Oord et al., *WaveNet*, 2016.

use tch::Tensor;

use super::kind::{Advanced, Kind, Layers, PerToken, Preset, Recipe};
use super::sizes::Sizes;
use crate::error::{Error, Result};
use crate::models::layers::BatchNorm1d;
use crate::models::layers::activation::tanh;
use crate::models::parameters::Parameters;
use crate::models::tokens::Tokens;

/// The most numbers of a layer that are computed at once at inference, so that they stay in the
/// processor's cache.
const AT_ONCE: i64 = 1 << 19;

/// Lecture 5's network, which joins the last characters two by two.
#[derive(Debug)]
pub struct Wavenet;

/// A list of fewer distinct characters has a smaller network: the lecture's learns it by heart at once.
const FEW: u64 = 16_700;

/// The widest hidden layer by default: batch normalisation takes its time on one thread.
const WIDEST: usize = 256;

/// The longest block.
const MOST_JOINED: usize = 64;

impl Kind for Wavenet {
    fn name(&self) -> &'static str {
        "wavenet"
    }

    fn about(&self) -> &'static str {
        "Lecture 5's network, which joins the last characters two by two"
    }

    fn sizes(&self) -> &'static [&'static str] {
        &["block_size", "n_embd", "n_embd2"]
    }

    fn default_sizes(&self, _longest: usize, preset: Preset) -> Sizes {
        let (block_size, n_embd, n_embd2) = match preset {
            Preset::Ours(..FEW) => (4, 10, 48),
            _ => (8, 24, preset.widened(128).min(WIDEST)),
        };
        Sizes {
            block_size,
            n_embd,
            n_embd2,
            ..Sizes::default()
        }
    }

    fn check(&self, _v: usize, sizes: &Sizes) -> Result<()> {
        let size = sizes.block_size;
        match size.is_power_of_two() && (2..=MOST_JOINED).contains(&size) {
            true => Ok(()),
            false => Err(Error::Value {
                what: "the block size",
                value: format!("{size}, whose characters are joined two by two"),
                expected: "2, 4, 8, 16, 32 or 64 would work",
            }),
        }
    }

    fn build(&self, parameters: &mut Parameters, v: i64, sizes: &Sizes) -> Result<Box<dyn Layers>> {
        let name = |place: usize| format!("layers.{place}");
        let (mut c, h) = (sizes.n_embd(), sizes.n_embd2());
        let wte = parameters.embedding(&name(0), v, c)?;
        let mut joints = Vec::new();
        // Four layers of the lecture's list: FlattenConsecutive, Linear, BatchNorm1d, Tanh.
        for place in (1..).step_by(4).take(sizes.block_size.ilog2() as usize) {
            let weight = format!("{}.weight", name(place + 1));
            let weight = parameters.kaiming(&weight, &[2 * c, h], 1.0)?;
            joints.push((weight, BatchNorm1d::of(parameters, &name(place + 2), h)?));
            c = h;
        }
        let head = name(1 + 4 * joints.len());
        // With small weights, all characters are about equally probable at first.
        let weight = parameters.kaiming(&format!("{head}.weight"), &[h, v], 0.1)?;
        let bias = parameters.zeros(&format!("{head}.bias"), &[v])?;
        Ok(Box::new(WavenetLayers {
            wte,
            joints,
            head: (weight, bias),
            sizes: *sizes,
        }))
    }

    fn numbers_of_a_step(&self, sizes: &Sizes, _longest: usize) -> PerToken {
        PerToken::packed(sizes.block_size * (2 * sizes.n_embd + 4 * sizes.n_embd2))
    }

    fn recipe(&self, _sizes: &Sizes) -> Recipe {
        Recipe {
            learning_rate: 1e-2,
            power_of_rate: -0.4,
            decay_of_a_tenth: (1.35, 1.25),
            ..Recipe::default()
        }
    }

    fn has_state(&self) -> bool {
        false
    }

    fn has_batchnorm(&self, _sizes: &Sizes) -> bool {
        true
    }
}

/// `C` is the size of an embedding, `H` of the hidden layers, `K` the block size.
#[derive(Debug)]
struct WavenetLayers {
    /// `[V, C]`.
    wte: Tensor,
    /// Layers that join neighbours: a weight, `[2 * C, H]` and then `[2 * H, H]`, and a normalisation.
    joints: Vec<(Tensor, BatchNorm1d)>,
    /// `[H, V]` and `[V]`.
    head: (Tensor, Tensor),
    sizes: Sizes,
}

impl WavenetLayers {
    /// The vectors, `[N, H]`, of contexts one after the other, `[N * K]`.
    fn body(&self, contexts: &Tensor, is_training: bool) -> Result<Tensor> {
        let mut x = Tensor::f_embedding(&self.wte, contexts, -1, false, false)?; // [N * K, C]
        for (weight, norm) in &self.joints {
            let pairs = x.f_view([-1, weight.size()[0]])?; // [N * K / 2, 2 * C]
            x = tanh(&norm.forward(&pairs.f_mm(weight)?, is_training)?)?;
        }
        Ok(x)
    }

    /// The logits, `[N, V]`, of vectors, `[N, H]`.
    fn head(&self, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = &self.head;
        Ok(x.f_mm(weight)?.f_add(bias)?)
    }

    /// The logits, `[N, V]`, after contexts, `[N, K]`, at inference.
    fn inferred(&self, contexts: &Tensor) -> Result<Tensor> {
        let of_context = self.sizes.block_size() * self.sizes.widest() as i64;
        let parts = contexts.f_split((AT_ONCE / of_context).max(1), 0)?;
        let logits = parts
            .iter()
            .map(|part| self.head(&self.body(&part.f_view([-1])?, false)?));
        Ok(Tensor::f_cat(&logits.collect::<Result<Vec<_>>>()?, 0)?)
    }
}

impl Layers for WavenetLayers {
    fn logits(&self, tokens: &Tokens) -> Result<Tensor> {
        let contexts = tokens.windows(self.sizes.block_size)?; // [N, K]
        if !tokens.is_training() {
            return self.inferred(&contexts);
        }
        let x = self.body(&contexts.f_view([-1])?, true)?; // [N, H]
        self.head(&tokens.drop_out(x)?) // [N, V]
    }

    /// The state is the context, `[B, K]`.
    fn step(
        &self,
        _: &[Tensor],
        state: Option<&[Tensor]>,
        characters: &Tensor,
    ) -> Result<Advanced> {
        let (b, k) = (characters.size()[0], self.sizes.block_size());
        let before = match state {
            Some(state) => state[0].f_narrow(1, 1, k - 1)?,
            None => Tensor::f_zeros([b, k - 1], (tch::Kind::Int64, characters.device()))?,
        };
        let context = Tensor::f_cat(&[&before, &characters.f_unsqueeze(1)?], 1)?; // [B, K]
        Ok(Advanced {
            logits: self.inferred(&context)?,
            state: vec![context],
        })
    }

    fn state_numbers(&self) -> usize {
        // Its numbers are of 64 bits.
        2 * self.sizes.block_size
    }
}
