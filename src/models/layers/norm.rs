//! Normalisation of each token's numbers, which keeps them in range.

use tch::Tensor;

use crate::error::Result;
use crate::models::kinds::sizes::Norm;
use crate::models::parameters::Parameters;

/// The normalisation of a transformer.
#[derive(Debug)]
pub enum AnyNorm {
    /// Layer normalisation, as in makemore.py.
    Layer(LayerNorm),
    /// Root mean square normalisation, as in newer transformers.
    Rms(RmsNorm),
}

impl AnyNorm {
    /// A layer of `size` numbers: a weight of ones, and for `torch.nn.LayerNorm` a bias of zeros.
    ///
    /// # Errors
    ///
    /// As [`Parameters::uniform`].
    pub fn of(parameters: &mut Parameters, name: &str, size: i64, norm: Norm) -> Result<Self> {
        let weight = parameters.constant(&format!("{name}.weight"), &[size], 1.0)?;
        Ok(match norm {
            Norm::Layer => Self::Layer(LayerNorm {
                weight,
                bias: parameters.zeros(&format!("{name}.bias"), &[size])?,
            }),
            Norm::Rms => Self::Rms(RmsNorm { weight }),
        })
    }

    /// `[.., size]`, of the same shape.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Layer(norm) => norm.forward(x),
            Self::Rms(norm) => norm.forward(x),
        }
    }
}

/// `torch.nn.LayerNorm`: each row has a mean of 0 and a variance of 1.
#[derive(Debug)]
pub struct LayerNorm {
    /// `[size]`.
    pub weight: Tensor,
    /// `[size]`.
    pub bias: Tensor,
}

impl LayerNorm {
    /// PyTorch's.
    const EPSILON: f64 = 1e-5;

    /// `[.., size]`, of the same shape.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (Some(&self.weight), Some(&self.bias));
        Ok(x.f_layer_norm(self.weight.size(), weight, bias, Self::EPSILON, true)?)
    }
}

/// `torch.nn.RMSNorm`: each row has a mean square of 1, and its mean stays.
///
/// Source: Zhang and Sennrich, *Root mean square layer normalization*, 2019.
#[derive(Debug)]
pub struct RmsNorm {
    /// `[size]`.
    pub weight: Tensor,
}

impl RmsNorm {
    /// Keeps a division from overflowing.
    const EPSILON: f64 = 1e-6;

    /// `[.., size]`, of the same shape.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        // Not the fused operation itself, which has no backward pass on MPS.
        Ok(x.f_rms_norm(self.weight.size(), Some(&self.weight), Self::EPSILON)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean square of 3 and 4 is 12.5; that of numbers around 1e-3 does not hide the epsilon.
    #[test]
    fn rms_norm_divides_by_the_root_of_the_mean_square() {
        let weight = Tensor::from_slice(&[1.0_f32, 2.0]);
        let norm = RmsNorm { weight };
        let x = Tensor::from_slice(&[3.0_f32, 4.0, 1e-3, -1e-3]).view([2, 2]);
        let y: Vec<f32> = Vec::try_from(norm.forward(&x).unwrap().view([-1])).unwrap();
        let (root, small) = (12.5_f32.sqrt(), 2e-6_f32.sqrt());
        let expected = [3.0 / root, 8.0 / root, 1e-3 / small, -2e-3 / small];
        for (y, expected) in y.into_iter().zip(expected) {
            assert!((y - expected).abs() < 1e-5, "{y} {expected}");
        }
    }
}
