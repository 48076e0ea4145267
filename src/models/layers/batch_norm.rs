//! Batch normalisation: every column of a batch is given a mean of 0 and a deviation of 1.
//!
//! Source: Ioffe and Szegedy, *Batch normalization*, 2015; lectures 3 and 5.

use tch::{Kind, Tensor};

use super::{Layer, Mode, one_pass};
use crate::error::{Error, Result};
use crate::libtorch::numbers;
use crate::models::parameters::Parameters;

/// In which way the lectures write it down; the last bits differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Formula {
    /// `gain * (x - mean) / std + bias`, as lecture 3 begins.
    Deviation,
    /// `gain * ((x - mean) / sqrt(var + eps)) + bias`, that of its `BatchNorm1d`.
    Variance {
        /// What keeps the root from 0.
        eps: f64,
    },
}

/// A batch that was normalised, and what it was before.
#[derive(Debug)]
pub(crate) struct Normalized {
    /// Of the shape of the input.
    pub out: Tensor,
    /// The mean of each column, `[C]`.
    pub mean: Tensor,
    /// The standard deviation or the variance of each column, as the formula has it, `[C]`.
    pub spread: Tensor,
}

/// Normalises `x`, `[.., C]`, over all dimensions but the last; `gain` and `bias` are `[C]`.
///
/// # Errors
///
/// If the shapes do not fit or the device has no room.
pub(crate) fn normalized(
    x: &Tensor,
    gain: &Tensor,
    bias: &Tensor,
    formula: Formula,
    mode: &mut Mode,
) -> Result<Normalized> {
    if let Mode::Taped(tape) = mode
        && one_pass::is_for(x)
        && let Some(normalized) = one_pass::normalized(tape, x, gain, bias, formula)?
    {
        return Ok(normalized);
    }
    by_operations(x, gain, bias, formula)
}

/// The same by operations of libtorch.
pub(super) fn by_operations(
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

/// Batch normalisation with what it takes to do without a batch: running means and variances.
#[derive(Debug)]
pub struct BatchNorm1d {
    /// The deviation of each column afterwards, `[C]`.
    pub gamma: Tensor,
    /// Its mean afterwards, `[C]`.
    pub beta: Tensor,
    /// The means of the batches, `[C]`, of which the last ones count most.
    pub running_mean: Tensor,
    /// The same of their variances.
    pub running_var: Tensor,
}

impl BatchNorm1d {
    /// What keeps the root of the variance from 0; PyTorch's.
    const EPS: f64 = 1e-5;

    /// How much a batch counts in the running means; PyTorch's.
    const MOMENTUM: f64 = 0.1;

    /// For `C` columns, whose deviation is `gain` at first.
    ///
    /// # Errors
    ///
    /// As [`Parameters::linear`].
    pub fn of(parameters: &mut Parameters, name: &str, columns: i64, gain: f64) -> Result<Self> {
        let shape = [columns];
        let running_var = parameters.buffer(&format!("{name}.running_var"), &shape, 1.0)?;
        if running_var.f_min()?.f_double_value(&[])? < 0.0 {
            return Err(Error::Value {
                what: "a running variance",
                value: format!("below 0 in \"{name}.running_var\""),
                expected: "numbers from 0 would work",
            });
        }
        Ok(Self {
            gamma: parameters.constant(&format!("{name}.weight"), &shape, gain)?,
            beta: parameters.zeros(&format!("{name}.bias"), &shape)?,
            running_mean: parameters.buffer(&format!("{name}.running_mean"), &shape, 0.0)?,
            running_var,
        })
    }
}

impl Layer for BatchNorm1d {
    fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        let formula = Formula::Variance { eps: Self::EPS };
        // One row alone has no variance.
        let is_alone = x.numel() <= self.gamma.numel();
        if is_alone || matches!(mode, Mode::Evaluation) {
            let root = self.running_var.f_add_scalar(Self::EPS)?.f_sqrt()?;
            let out = x.f_sub(&self.running_mean)?.f_div(&root)?;
            return Ok(self.gamma.f_mul(&out)?.f_add(&self.beta)?);
        }
        let Normalized { out, mean, spread } =
            normalized(x, &self.gamma, &self.beta, formula, mode)?;
        update_running(&self.running_mean, &mean, Self::MOMENTUM)?;
        update_running(&self.running_var, &spread, Self::MOMENTUM)?;
        Ok(out)
    }
}

/// Updates a running mean, `[C]`, by that of a batch, `[C]`, which counts with a weight of `momentum`.
///
/// # Errors
///
/// If the shapes do not fit or the device has no room.
pub(crate) fn update_running(running: &Tensor, of_batch: &Tensor, momentum: f64) -> Result<()> {
    let mut running = running.shallow_clone();
    if numbers::are_apart(&running, of_batch)
        && let Some(of_batch) = numbers::of(of_batch)
        && let Some(running) = numbers::of_mut(&mut running)
    {
        let (kept, new) = ((1.0 - momentum) as f32, momentum as f32);
        for (running, of_batch) in running.iter_mut().zip(of_batch) {
            *running = kept * *running + new * of_batch;
        }
        return Ok(());
    }
    tch::no_grad(|| {
        let share = of_batch.f_mul_scalar(momentum)?;
        let _in_place = running.f_mul_scalar_(1.0 - momentum)?.f_add_(&share)?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libtorch::random::Generator;
    use tch::Device;

    #[test]
    fn a_row_alone_is_normalised_by_what_runs() {
        let mut generator = Generator::seeded(3).unwrap();
        let mut parameters = Parameters::new(&mut generator, Device::Cpu);
        let norm = BatchNorm1d::of(&mut parameters, "norm", 3, 1.0).unwrap();
        let x = Tensor::from_slice(&[-1.0_f32, 0.5, 2.0]).view([1, 3]);
        let forward = |mode: &mut Mode| norm.forward(&x, mode).unwrap();
        assert_eq!(forward(&mut Mode::Training), forward(&mut Mode::Evaluation));
        assert_eq!(
            norm.running_mean,
            Tensor::zeros([3], (Kind::Float, Device::Cpu))
        );
    }
}
