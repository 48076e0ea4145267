//! Batch normalisation as in lecture 3, by libtorch's operations.

use tch::{Kind, Tensor};

use crate::error::Result;

/// The two formulas of batch normalisation in lecture 3; their results differ in the last bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Formula {
    /// `bngain * (x - mean) / std + bnbias`, in its first network.
    Deviation,
    /// `gamma * ((x - mean) / sqrt(var + eps)) + beta`, in its `BatchNorm1d`.
    Variance {
        /// Keeps the divisor above 0.
        eps: f64,
    },
}

/// A normalised batch and its statistics.
#[derive(Debug)]
pub struct Normalized {
    /// The output, of the input's shape.
    pub out: Tensor,
    /// The mean of each column, `[C]`.
    pub mean: Tensor,
    /// The standard deviation or the variance of each column, whichever the formula has, `[C]`.
    pub spread: Tensor,
}

/// Normalises the columns of `x`, `[.., C]`; `gain` and `bias` are `[C]`.
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
            // hpreact = bngain * (hpreact - bnmeani) / bnstdi + bnbias
            let std = x.f_std_dim(dims, true, true)?;
            let scaled = gain.f_mul(&x.f_sub(&mean)?)?.f_div(&std)?;
            (scaled.f_add(bias)?, std)
        }
        Formula::Variance { eps } => {
            // xhat = (x - xmean) / torch.sqrt(xvar + self.eps)
            // self.out = self.gamma * xhat + self.beta
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
