//! Plain gradient descent.

use tch::Tensor;

use crate::error::Result;

/// Plain gradient descent.
///
/// Source: the notes, `W.grad = None` and `W.data += -lr * W.grad`.
#[derive(Debug)]
pub struct Sgd {
    parameters: Vec<Tensor>,
    /// The factor of the learning rate for each row of a parameter, `[rows, 1]`.
    factors: Option<Tensor>,
}

impl Sgd {
    /// An optimizer of these parameters, which it shares with their network.
    pub fn new(parameters: Vec<Tensor>) -> Self {
        Self {
            parameters,
            factors: None,
        }
    }

    /// The same with other steps for some rows of its parameters: `factors` is `[rows, 1]`.
    pub fn with_factors(self, factors: Tensor) -> Self {
        Self {
            factors: Some(factors),
            ..self
        }
    }

    /// The parameters.
    pub fn parameters(&self) -> &[Tensor] {
        &self.parameters
    }

    /// Sets the gradients to zero.
    pub fn zero_grad(&mut self) {
        for parameter in &mut self.parameters {
            parameter.zero_grad();
        }
    }

    /// Subtracts the gradients, times the learning rate, from the parameters.
    ///
    /// # Errors
    ///
    /// [`Error::Libtorch`](crate::error::Error::Libtorch) without a backward pass before.
    pub fn step(&mut self, learning_rate: f64) -> Result<()> {
        for parameter in &mut self.parameters {
            let mut update = parameter.f_grad()?.f_mul_scalar(learning_rate)?;
            if let Some(factors) = &self.factors {
                update = update.f_mul(factors)?;
            }
            let _updated_in_place = tch::no_grad(|| parameter.f_sub_(&update))?;
        }
        Ok(())
    }
}
