//! `torch.nn.Linear`.

use tch::Tensor;

use crate::error::Result;
use crate::models::parameters::Parameters;

/// A linear layer: `x @ weight.T + bias`.
#[derive(Debug)]
pub struct Linear {
    /// `[outputs, inputs]`.
    pub weight: Tensor,
    /// `[outputs]`.
    pub bias: Option<Tensor>,
}

impl Linear {
    /// A layer with parameters as PyTorch draws them.
    pub fn of(
        parameters: &mut Parameters,
        name: &str,
        [inputs, outputs]: [i64; 2],
        bias: bool,
    ) -> Result<Self> {
        let bound = 1.0 / (inputs as f64).sqrt();
        let mut uniform = |name: String, shape: &[i64]| parameters.uniform(&name, shape, bound);
        let weight = uniform(format!("{name}.weight"), &[outputs, inputs])?;
        let bias = match bias {
            true => Some(uniform(format!("{name}.bias"), &[outputs])?),
            false => None,
        };
        Ok(Self { weight, bias })
    }

    /// `[.., inputs]` to `[.., outputs]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_linear(&self.weight, self.bias.as_ref())?)
    }
}
