//! Plain gradient descent.

use tch::Tensor;

use crate::error::Result;

/// Plain gradient descent on one parameter.
///
/// Source: the notes, `W.grad = None` and `W.data += -lr * W.grad`.
#[derive(Debug)]
pub struct Sgd {
    w: Tensor,
    factors: Option<Tensor>,
}

impl Sgd {
    /// An optimizer of a network's parameter. `factors`, `[rows, 1]`, multiply the learning rate of its
    /// rows.
    pub fn new(w: &Tensor, factors: Option<Tensor>) -> Self {
        Self {
            w: w.shallow_clone(),
            factors,
        }
    }

    /// Sets the gradient to zero.
    pub fn zero_grad(&mut self) {
        self.w.zero_grad();
    }

    /// Subtracts the gradient, times the learning rate, from the parameter. A backward pass comes before.
    pub fn step(&mut self, learning_rate: f64) -> Result<()> {
        let mut update = self.w.f_grad()?.f_mul_scalar(learning_rate)?;
        if let Some(factors) = &self.factors {
            update = update.f_mul(factors)?;
        }
        let _updated_in_place = tch::no_grad(|| self.w.f_sub_(&update))?;
        Ok(())
    }
}
