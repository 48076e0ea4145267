//! The layers of lectures 3 and 5, each as short as there.
//!
//! [`Linear`], [`BatchNorm1d`], [`Tanh`], [`Embedding`] and [`FlattenConsecutive`] take a tensor and
//! give another, and a [`Sequential`] is several of them one after the other. `one_pass` is the
//! arithmetic of batch normalisation where it has to be fast.
//!
//! Source: makemore_part3_bn.ipynb and makemore_part5_cnn1.ipynb of
//! <https://github.com/karpathy/nn-zero-to-hero>. Unlike `torch.nn.Linear`, and so unlike
//! [`parameters::Linear`](super::parameters::Linear), the lecture's has a weight of
//! `[inputs, outputs]`.

pub mod batch_norm;
mod one_pass;

use std::fmt;

use tch::Tensor;

use super::parameters::Parameters;
use crate::error::Result;
use crate::libtorch::autograd::Tape;

pub use batch_norm::BatchNorm1d;

/// What layers compute for.
#[derive(Debug)]
pub enum Mode<'a> {
    /// To learn from a batch.
    Training,
    /// The same on a tape, which is faster where a layer has a backward pass of ours.
    Taped(&'a mut Tape),
    /// To use what was learned.
    Evaluation,
}

/// What a tensor passes through.
pub trait Layer: fmt::Debug + Send {
    /// The output for an input `x`.
    ///
    /// # Errors
    ///
    /// If the shapes do not fit or the device has no room.
    fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor>;
}

/// `x @ weight + bias`, `[N, inputs]` to `[N, outputs]`.
#[derive(Debug)]
pub struct Linear {
    /// `[inputs, outputs]`.
    pub weight: Tensor,
    /// `[outputs]`.
    pub bias: Option<Tensor>,
}

impl Linear {
    /// With normal weights divided by the root of the number of inputs (Kaiming's, for a gain of 1),
    /// times `gain`, and a bias of 0 if there is one.
    ///
    /// # Errors
    ///
    /// As [`Parameters::linear`].
    pub fn of(
        parameters: &mut Parameters,
        name: &str,
        [inputs, outputs]: [i64; 2],
        gain: f64,
        bias: bool,
    ) -> Result<Self> {
        let weight = parameters.kaiming(&format!("{name}.weight"), &[inputs, outputs], gain)?;
        let bias = match bias {
            true => Some(parameters.zeros(&format!("{name}.bias"), &[outputs])?),
            false => None,
        };
        Ok(Self { weight, bias })
    }
}

impl Layer for Linear {
    fn forward(&self, x: &Tensor, _: &mut Mode) -> Result<Tensor> {
        let out = x.f_mm(&self.weight)?;
        Ok(match &self.bias {
            Some(bias) => out.f_add(bias)?,
            None => out,
        })
    }
}

/// The hyperbolic tangent of each number.
#[derive(Debug)]
pub struct Tanh;

impl Layer for Tanh {
    fn forward(&self, x: &Tensor, _: &mut Mode) -> Result<Tensor> {
        Ok(x.f_tanh()?)
    }
}

/// A vector for each index: `[..]`, i64, to `[.., C]`.
#[derive(Debug)]
pub struct Embedding {
    /// `[V, C]`.
    pub weight: Tensor,
}

impl Embedding {
    /// With normal weights.
    ///
    /// # Errors
    ///
    /// As [`Parameters::embedding`].
    pub fn of(parameters: &mut Parameters, name: &str, rows: i64, size: i64) -> Result<Self> {
        let weight = parameters.embedding(name, rows, size)?;
        Ok(Self { weight })
    }
}

impl Layer for Embedding {
    fn forward(&self, x: &Tensor, _: &mut Mode) -> Result<Tensor> {
        Ok(Tensor::f_embedding(&self.weight, x, -1, false, false)?)
    }
}

/// Puts each so many vectors side by side: `[N, C]` to `[N / n, C * n]`.
///
/// The lecture has `[B, T, C]` and `[B, T / n, C * n]`; contexts one after the other are the same
/// numbers in the same order, and take fewer operations.
#[derive(Debug)]
pub struct FlattenConsecutive(pub i64);

impl Layer for FlattenConsecutive {
    fn forward(&self, x: &Tensor, _: &mut Mode) -> Result<Tensor> {
        let (_, c) = x.size2()?;
        Ok(x.f_view([-1, c * self.0])?)
    }
}

/// Layers one after the other.
#[derive(Debug, Default)]
pub struct Sequential {
    /// The first one first.
    pub layers: Vec<Box<dyn Layer>>,
}

impl Sequential {
    /// The same with one more at the end.
    pub fn then(mut self, layer: impl Layer + 'static) -> Self {
        self.layers.push(Box::new(layer));
        self
    }

    /// The output of each layer.
    ///
    /// # Errors
    ///
    /// As [`Layer::forward`].
    pub fn each(&self, x: &Tensor, mode: &mut Mode) -> Result<Vec<Tensor>> {
        let mut outs: Vec<Tensor> = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let out = layer.forward(outs.last().unwrap_or(x), mode)?;
            outs.push(out);
        }
        Ok(outs)
    }
}

impl Layer for Sequential {
    fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        let mut x = x.shallow_clone();
        for layer in &self.layers {
            x = layer.forward(&x, mode)?;
        }
        Ok(x)
    }
}
