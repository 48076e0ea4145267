//! Layers that keep numbers in range: each token's are divided by about how large they are.

use tch::Tensor;

use crate::error::Result;

/// One of both kinds.
#[derive(Debug)]
pub enum AnyNorm {
    /// makemore.py's.
    Layer(LayerNorm),
    /// That of newer transformers.
    Rms(RmsNorm),
}

impl AnyNorm {
    /// `[..., size]`, of the same shape.
    ///
    /// # Errors
    ///
    /// If the shapes do not fit or the device has no room.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Layer(norm) => norm.forward(x),
            Self::Rms(norm) => norm.forward(x),
        }
    }
}

/// A layer that makes the mean of each row 0 and its variance 1.
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

    /// `[..., size]`, of the same shape.
    ///
    /// # Errors
    ///
    /// If the shapes do not fit or the device has no room.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (Some(&self.weight), Some(&self.bias));
        Ok(x.f_layer_norm(self.weight.size(), weight, bias, Self::EPSILON, true)?)
    }
}

/// A layer that makes the mean square of each row 1, and leaves its mean what it is.
///
/// Source: Zhang and Sennrich, *Root mean square layer normalization*, 2019.
#[derive(Debug)]
pub struct RmsNorm {
    /// `[size]`.
    pub weight: Tensor,
}

impl RmsNorm {
    /// What keeps a division from overflowing.
    const EPSILON: f64 = 1e-6;

    /// `[..., size]`, of the same shape.
    ///
    /// # Errors
    ///
    /// If the shapes do not fit or the device has no room.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (size, weight) = (self.weight.size(), Some(&self.weight));
        let (y, _) = x.f_internal_fused_rms_norm(size, weight, Self::EPSILON)?;
        Ok(y)
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
