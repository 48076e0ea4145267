//! AdamW: steps of about the same size for every parameter, and weights that decay.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::error::{Error, Result};

/// How AdamW moves parameters, beside the learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamWOptions {
    /// What of each parameter is taken away at each step, times the learning rate.
    pub weight_decay: f64,
    /// How much of the mean of the gradients is kept at each step.
    pub beta1: f64,
    /// The same of the mean of their squares.
    pub beta2: f64,
}

impl Default for AdamWOptions {
    /// makemore.py's.
    fn default() -> Self {
        Self {
            weight_decay: 0.01,
            beta1: 0.9,
            beta2: 0.99,
        }
    }
}

/// What keeps a division from overflowing; PyTorch's.
const EPSILON: f64 = 1e-8;

/// The names of what it remembers.
const MEAN: &str = "mean";
const SQUARES: &str = "squares";

/// AdamW. The parameters lie one after the other in one tensor, of which each is a view, so that a
/// step is a few operations whatever their number, and gradients of several machines can be summed
/// in one.
///
/// Source: Loshchilov and Hutter, *Decoupled weight decay regularization*, 2019; `torch.optim.AdamW`.
#[derive(Debug)]
pub struct AdamW {
    options: AdamWOptions,
    parameters: Vec<Tensor>,
    /// All of them, `[P]`, f32.
    flat: Tensor,
    /// The mean of the gradients, `[P]`.
    mean: Tensor,
    /// The mean of their squares, `[P]`.
    squares: Tensor,
    steps: i32,
}

impl AdamW {
    /// For these parameters, which it shares with their network.
    ///
    /// # Errors
    ///
    /// If the device has no room.
    pub fn new(parameters: Vec<Tensor>, options: AdamWOptions) -> Result<Self> {
        let flat = tch::no_grad(|| flat(&parameters))?;
        let mut optimizer = Self {
            options,
            parameters: Vec::new(),
            mean: flat.f_zeros_like()?,
            squares: flat.f_zeros_like()?,
            flat,
            steps: 0,
        };
        let mut parameters = parameters;
        optimizer.share(&mut parameters)?;
        optimizer.parameters = parameters;
        Ok(optimizer)
    }

    /// Has the parameters of another network of the same shapes be the same numbers in memory.
    ///
    /// # Errors
    ///
    /// If they are more.
    pub fn share(&self, parameters: &mut [Tensor]) -> Result<()> {
        let mut begin = 0;
        for parameter in parameters {
            let numbers = parameter.numel() as i64;
            let view = self.flat.f_narrow(0, begin, numbers)?;
            parameter.f_set_data(&view.f_view(parameter.size().as_slice())?)?;
            begin += numbers;
        }
        Ok(())
    }

    /// What it remembers beside the parameters, each `[P]`, by a name.
    ///
    /// # Errors
    ///
    /// If the device has no room.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let state = [(MEAN, &self.mean), (SQUARES, &self.squares)];
        let copy = |(name, tensor): (&str, &Tensor)| Ok((name.to_owned(), tensor.f_detach_copy()?));
        state.into_iter().map(copy).collect()
    }

    /// Goes on from what another one remembered after so many steps.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if that is not of such parameters.
    pub fn restore(&mut self, state: &[(String, Tensor)], steps: u64) -> Result<()> {
        let own = [(MEAN, &mut self.mean), (SQUARES, &mut self.squares)];
        if state.len() != own.len() {
            return Err(not_of(state.len().to_string() + " tensors"));
        }
        for (name, tensor) in own {
            let found = state.iter().find(|(other, _)| other == name);
            let found = found.filter(|(_, found)| found.size() == tensor.size());
            let (_, found) = found.ok_or_else(|| not_of(format!("one without {name:?}")))?;
            tensor.f_copy_(found)?;
        }
        self.steps = steps.try_into().unwrap_or(i32::MAX);
        Ok(())
    }

    /// Moves the parameters against the gradient of a loss.
    ///
    /// # Errors
    ///
    /// If the loss does not depend on a parameter, or the device has no room.
    pub fn step(&mut self, loss: &Tensor, learning_rate: f64) -> Result<()> {
        self.update(&gradient(loss, &self.parameters)?, learning_rate)
    }

    /// Moves the parameters against a gradient, `[P]`.
    ///
    /// # Errors
    ///
    /// If the device has no room.
    pub fn update(&mut self, gradient: &Tensor, learning_rate: f64) -> Result<()> {
        tch::no_grad(|| self.move_parameters(gradient, learning_rate))
    }

    fn move_parameters(&mut self, gradient: &Tensor, learning_rate: f64) -> Result<()> {
        let AdamWOptions {
            weight_decay,
            beta1,
            beta2,
        } = self.options;
        self.steps = self.steps.saturating_add(1);
        let _ = self
            .flat
            .f_mul_scalar_(1.0 - learning_rate * weight_decay)?;
        let _ = self.mean.f_lerp_(gradient, 1.0 - beta1)?;
        let squares = gradient.f_square()?.f_mul_scalar(1.0 - beta2)?;
        let _ = self.squares.f_mul_scalar_(beta2)?.f_add_(&squares)?;
        // Both means begin at 0, which makes them too small at first.
        let of_mean = 1.0 - beta1.powi(self.steps);
        let of_squares = 1.0 - beta2.powi(self.steps);
        let mut root = self.squares.f_sqrt()?.f_div_scalar_(of_squares.sqrt())?;
        let root = root.f_add_scalar_(EPSILON)?;
        let update = self
            .mean
            .f_div(&root)?
            .f_mul_scalar_(learning_rate / of_mean)?;
        let _ = self.flat.f_sub_(&update)?;
        Ok(())
    }
}

/// The gradient of a loss with respect to parameters, one after the other, `[P]`.
///
/// # Errors
///
/// If the loss does not depend on a parameter, or the device has no room.
pub fn gradient(loss: &Tensor, parameters: &[Tensor]) -> Result<Tensor> {
    let gradients = Tensor::f_run_backward(&[loss], parameters, false, false)?;
    tch::no_grad(|| flat(&gradients))
}

fn not_of(value: String) -> Error {
    Error::Value {
        what: "what the optimizer remembers",
        value,
        expected: "that of a training of such a network would work",
    }
}

/// Tensors one after the other.
fn flat(tensors: &[Tensor]) -> Result<Tensor> {
    let flat: Vec<Tensor> = tensors
        .iter()
        .map(|tensor| tensor.f_reshape([-1]))
        .collect::<std::result::Result<_, _>>()?;
    let flat: Vec<&Tensor> = flat.iter().collect();
    Ok(Tensor::f_cat(&flat, 0)?.f_to_kind(Kind::Float)?)
}
