//! Normalisation of each token's numbers, which keeps them in range.

use std::ffi::c_char;

use tch::Tensor;

use crate::error::Result;
use crate::libtorch::interface::{Raw, made, raw};
use crate::libtorch::numbers;
use crate::models::kinds::sizes::Norm;
use crate::models::parameters::Parameters;

unsafe extern "C" {
    fn norm_rms(x: Raw, weight: Raw, epsilon: f64, y: *mut Raw) -> *mut c_char;
}

/// The normalisation of a transformer, of `[.., size]` numbers.
#[derive(Debug)]
pub enum AnyNorm {
    /// `torch.nn.LayerNorm`, as in makemore.py: each row gets a mean of 0 and a variance of 1.
    Layer {
        /// `[size]`.
        weight: Tensor,
        /// `[size]`.
        bias: Tensor,
    },
    /// `torch.nn.RMSNorm`, as in newer transformers: each row gets a mean square of 1.
    ///
    /// Source: Zhang and Sennrich, *Root mean square layer normalization*, 2019.
    Rms {
        /// `[size]`.
        weight: Tensor,
    },
}

impl AnyNorm {
    /// PyTorch's epsilon of `LayerNorm`, added to the variance.
    const LAYER_EPSILON: f64 = 1e-5;

    /// The epsilon of `RMSNorm`, added to the mean square.
    const RMS_EPSILON: f64 = 1e-6;

    /// A layer with a weight of ones and, for `torch.nn.LayerNorm`, a bias of zeros.
    pub fn of(parameters: &mut Parameters, name: &str, size: i64, norm: Norm) -> Result<Self> {
        let weight = parameters.constant(&format!("{name}.weight"), &[size], 1.0)?;
        Ok(match norm {
            Norm::Layer => Self::Layer {
                weight,
                bias: parameters.zeros(&format!("{name}.bias"), &[size])?,
            },
            Norm::Rms => Self::Rms { weight },
        })
    }

    /// `[.., size]`, of the same shape.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Layer { weight, bias } => {
                let epsilon = Self::LAYER_EPSILON;
                Ok(x.f_layer_norm(weight.size(), Some(weight), Some(bias), epsilon, true)?)
            }
            Self::Rms { weight } => rms_norm(x, weight, Self::RMS_EPSILON),
        }
    }
}

/// `torch.nn.functional.rms_norm` of `[.., size]` numbers, with a weight, `[size]`. On a processor `norm.cpp`
/// computes it, where libtorch composes it of many operations.
fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f64) -> Result<Tensor> {
    match numbers::are_plain(x) {
        // SAFETY: it takes two tensors and writes a new one, or returns a message.
        true => unsafe { made(|y| norm_rms(raw(x), raw(weight), epsilon, y)) },
        // Not the fused operation itself, which has no backward pass on MPS.
        false => Ok(x.f_rms_norm(weight.size(), Some(weight), epsilon)?),
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::libtorch::random::Generator;

    /// The mean square of 3 and 4 is 12.5; that of numbers around 1e-3 does not hide the epsilon.
    #[test]
    fn rms_norm_divides_by_the_root_of_the_mean_square() {
        let weight = Tensor::from_slice(&[1.0_f32, 2.0]);
        let norm = AnyNorm::Rms { weight };
        let x = Tensor::from_slice(&[3.0_f32, 4.0, 1e-3, -1e-3]).view([2, 2]);
        let y: Vec<f32> = Vec::try_from(norm.forward(&x).unwrap().view([-1])).unwrap();
        let (root, small) = (12.5_f32.sqrt(), 2e-6_f32.sqrt());
        let expected = [3.0 / root, 8.0 / root, 1e-3 / small, -2e-3 / small];
        for (y, expected) in y.into_iter().zip(expected) {
            assert!((y - expected).abs() < 1e-5, "{y} {expected}");
        }
    }

    #[test]
    fn rms_norm_passes_the_gradients_on_that_autograd_finds() {
        let mut generator = Generator::seeded(3).unwrap();
        let mut randn = |shape: &[i64]| generator.randn(shape).unwrap().set_requires_grad(true);
        let (x, weight) = (randn(&[3, 5, 19]), randn(&[19]));
        let gradients = |y: Tensor| {
            let weights = x.detach().cos();
            let loss = (&y * weights).sum(Kind::Float);
            let mut all = Tensor::run_backward(&[loss], &[&x, &weight], false, false);
            all.push(y.detach());
            all
        };
        let ours = gradients(rms_norm(&x, &weight, 1e-6).unwrap());
        let scale = (x.square().mean_dim([-1].as_slice(), true, Kind::Float) + 1e-6).rsqrt();
        for (ours, plain) in ours.iter().zip(gradients(&x * scale * &weight)) {
            assert!((ours - &plain).abs().max().double_value(&[]) < 1e-5);
            assert!(plain.abs().max().double_value(&[]) > 0.1);
        }
    }

    #[test]
    fn what_is_no_number_stays_so_within_its_row() {
        let x = Tensor::ones([3, 19], (Kind::Float, Device::Cpu));
        let _ = x.get(1).get(17).fill_(f64::NAN);
        let x = x.set_requires_grad(true);
        let weight = Tensor::ones([19], (Kind::Float, Device::Cpu));
        let y = rms_norm(&x, &weight, 1e-6).unwrap();
        let loss = y.sum(Kind::Float);
        let gradient = Tensor::run_backward(&[loss], &[&x], false, false).remove(0);
        for all in [y, gradient] {
            let counts = all
                .isnan()
                .sum_dim_intlist([1].as_slice(), false, Kind::Int64);
            assert_eq!(Vec::<i64>::try_from(counts).unwrap(), [0, 19, 0]);
        }
    }

    #[test]
    fn rows_of_another_size_than_the_weight_are_a_fault() {
        let options = (Kind::Float, Device::Cpu);
        let (x, weight) = (Tensor::ones([3, 4], options), Tensor::ones([6], options));
        assert!(rms_norm(&x, &weight, 1e-6).is_err());
    }
}
