//! Batch normalisation as lecture 3 writes it down, by operations of libtorch.

use tch::{Kind, Tensor};

use crate::error::Result;

/// Two formulas of batch normalisation; their results differ in the last bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Formula {
    /// `gain * (x - mean) / std + bias`, as lecture 3 begins.
    Deviation,
    /// `gain * ((x - mean) / sqrt(var + eps)) + bias`, as in its `BatchNorm1d`.
    Variance {
        /// Keeps the root from 0.
        eps: f64,
    },
}

/// A batch that was normalised, and its statistics.
#[derive(Debug)]
pub struct Normalized {
    /// The output, of the input's shape.
    pub out: Tensor,
    /// The mean of each column, `[C]`.
    pub mean: Tensor,
    /// The standard deviation or the variance of each column, as the formula has it, `[C]`.
    pub spread: Tensor,
}

/// Normalises `x`, `[.., C]`, over all dimensions but the last; `gain` and `bias` are `[C]`.
pub fn by_operations(
    x: &Tensor,
    gain: &Tensor,
    bias: &Tensor,
    formula: Formula,
) -> Result<Normalized> {
    let dims: Vec<i64> = (0..x.dim() as i64 - 1).collect();
    let dims = dims.as_slice();
    let mean = x.f_mean_dim(dims, true, Kind::Float)?;
    let (out, spread) = match formula {
        Formula::Deviation => {
            let std = x.f_std_dim(dims, true, true)?;
            let scaled = gain.f_mul(&x.f_sub(&mean)?)?.f_div(&std)?;
            (scaled.f_add(bias)?, std)
        }
        Formula::Variance { eps } => {
            let var = x.f_var_dim(dims, true, true)?;
            let out = x.f_sub(&mean)?.f_div(&var.f_add_scalar(eps)?.f_sqrt()?)?;
            (gain.f_mul(&out)?.f_add(bias)?, var)
        }
    };
    Ok(Normalized {
        out,
        mean: mean.f_view([-1])?,
        spread: spread.f_view([-1])?,
    })
}
