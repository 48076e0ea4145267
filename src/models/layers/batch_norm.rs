//! Batch normalisation: every column of a batch gets a mean of 0 and a standard deviation of 1.
//!
//! Source: Ioffe and Szegedy, *Batch normalization*, 2015; lectures 3 and 5.

use tch::Tensor;

use crate::error::{Error, Result};
use crate::models::parameters::Parameters;

/// `torch.nn.BatchNorm1d`: at inference the running mean and variance replace the batch's.
#[derive(Debug)]
pub struct BatchNorm1d {
    /// The learned standard deviation of each column, `[C]`.
    weight: Tensor,
    /// The learned mean of each column, `[C]`.
    bias: Tensor,
    /// The running mean of the batches, `[C]`.
    running_mean: Tensor,
    /// The running unbiased variance of the batches, `[C]`.
    running_var: Tensor,
}

impl BatchNorm1d {
    /// PyTorch's `eps`, added to the variance, whose root is then not 0.
    const EPS: f64 = 1e-5;

    /// PyTorch's `momentum`: the weight of a batch in the running mean and variance.
    const MOMENTUM: f64 = 0.1;

    /// Batch normalisation of `C` columns.
    ///
    /// # Errors
    ///
    /// As all methods of [`Parameters`]; [`Error::Value`] if a given variance is below 0.
    pub fn of(parameters: &mut Parameters, name: &str, columns: i64) -> Result<Self> {
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
            weight: parameters.constant(&format!("{name}.weight"), &shape, 1.0)?,
            bias: parameters.zeros(&format!("{name}.bias"), &shape)?,
            running_mean: parameters.buffer(&format!("{name}.running_mean"), &shape, 0.0)?,
            running_var,
        })
    }

    /// `[N, C]` to `[N, C]`; in training the running mean and variance move towards the batch's.
    pub fn forward(&self, x: &Tensor, is_training: bool) -> Result<Tensor> {
        // A single row has no variance.
        let is_training = is_training && x.numel() > self.weight.numel();
        Ok(x.f_batch_norm(
            Some(&self.weight),
            Some(&self.bias),
            Some(&self.running_mean),
            Some(&self.running_var),
            is_training,
            Self::MOMENTUM,
            Self::EPS,
            true, // cuDNN, where there is one.
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libtorch::random::Generator;
    use tch::Device;

    fn norm() -> BatchNorm1d {
        let mut generator = Generator::seeded(3).unwrap();
        let mut parameters = Parameters::new(&mut generator, Device::Cpu);
        BatchNorm1d::of(&mut parameters, "norm", 3).unwrap()
    }

    /// A batch of columns with the means 2, -1, 0 and the unbiased variances 1, 4, 0.
    fn batch() -> Tensor {
        Tensor::from_slice(&[1.0_f32, -3.0, 0.0, 2.0, -1.0, 0.0, 3.0, 1.0, 0.0]).view([3, 3])
    }

    fn assert_close(ours: &Tensor, expected: &[f32]) {
        let off = (ours.view([-1]) - Tensor::from_slice(expected)).abs().max();
        assert!(off.double_value(&[]) < 1e-6, "{ours} {expected:?}");
    }

    /// `momentum` is the weight of the batch, and its variance is divided by `N - 1`.
    #[test]
    fn running_statistics_move_as_those_of_torch() {
        let norm = norm();
        let _out = norm.forward(&batch(), false).unwrap();
        assert_close(&norm.running_mean, &[0.0, 0.0, 0.0]);
        let _out = norm.forward(&batch(), true).unwrap();
        assert_close(&norm.running_mean, &[0.2, -0.1, 0.0]);
        assert_close(&norm.running_var, &[1.0, 1.3, 0.9]);
        let _out = norm.forward(&batch(), true).unwrap();
        assert_close(&norm.running_mean, &[0.38, -0.19, 0.0]);
    }

    #[test]
    fn a_batch_is_normalised_by_its_biased_variance() {
        let deviation = 1.5_f32.sqrt();
        let row = [deviation, deviation, 0.0];
        let out = norm().forward(&batch(), true).unwrap();
        assert!((out.get(1).abs().max().double_value(&[])) < 1e-6);
        let off = (out.get(2) - Tensor::from_slice(&row)).abs().max();
        assert!(off.double_value(&[]) < 1e-4, "{out}");
    }

    #[test]
    fn a_row_alone_is_normalised_by_the_running_statistics() {
        let norm = norm();
        let x = Tensor::from_slice(&[-1.0_f32, 0.5, 2.0]).view([1, 3]);
        let forward = |is_training| norm.forward(&x, is_training).unwrap();
        assert_eq!(forward(true), forward(false));
        assert_close(&norm.running_mean, &[0.0, 0.0, 0.0]);
    }
}
