//! AdamW: steps of about the same size for every parameter, and weights that decay.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

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
    means: Means,
    steps: i32,
}

/// What AdamW remembers of the gradients.
#[derive(Debug)]
enum Means {
    /// On the processor: the update is one loop over numbers, where operations on tensors would each
    /// go through all of them.
    Numbers(Numbers),
    /// On another device.
    Tensors {
        /// The mean of the gradients, `[P]`.
        mean: Tensor,
        /// The mean of their squares, `[P]`.
        squares: Tensor,
    },
}

/// `P` numbers each.
#[derive(Debug)]
struct Numbers {
    /// The means of the gradients.
    mean: Vec<f32>,
    /// The means of their squares.
    squares: Vec<f32>,
    /// The gradient of this step.
    gradient: Vec<f32>,
    /// The parameters of this step.
    parameters: Vec<f32>,
}

/// What a step does to each parameter.
struct Step {
    /// What is left of it.
    decay: f64,
    /// The learning rate, more of it at first: the mean of the gradients begins at 0.
    rate: f64,
    /// What the root of the mean square is multiplied with, for the same reason.
    of_root: f64,
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
            means: match flat.device() {
                Device::Cpu => Means::numbers(&flat),
                _ => Means::tensors(&flat)?,
            },
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
        share(&self.flat, parameters)
    }

    /// What it remembers beside the parameters, each `[P]`, by a name.
    ///
    /// # Errors
    ///
    /// If the device has no room.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let [mean, squares] = match &self.means {
            Means::Numbers(numbers) => [
                Tensor::f_from_slice(&numbers.mean)?,
                Tensor::f_from_slice(&numbers.squares)?,
            ],
            Means::Tensors { mean, squares } => [mean.f_detach_copy()?, squares.f_detach_copy()?],
        };
        Ok(vec![(MEAN.to_owned(), mean), (SQUARES.to_owned(), squares)])
    }

    /// Goes on from what another one remembered after so many steps.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if that is not of such parameters.
    pub fn restore(&mut self, state: &[(String, Tensor)], steps: u64) -> Result<()> {
        if state.len() != 2 {
            return Err(not_of(state.len().to_string() + " tensors"));
        }
        let found = |name: &str| {
            let found = state.iter().find(|(other, _)| other == name);
            let found = found.filter(|(_, found)| found.size() == self.flat.size());
            found.ok_or_else(|| not_of(format!("one without {name:?}")))
        };
        let ((_, mean), (_, squares)) = (found(MEAN)?, found(SQUARES)?);
        match &mut self.means {
            Means::Numbers(numbers) => {
                mean.f_copy_data(&mut numbers.mean, mean.numel())?;
                squares.f_copy_data(&mut numbers.squares, squares.numel())?;
            }
            Means::Tensors {
                mean: own,
                squares: own_squares,
            } => {
                own.f_copy_(mean)?;
                own_squares.f_copy_(squares)?;
            }
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
        let AdamWOptions {
            weight_decay,
            beta1,
            beta2,
        } = self.options;
        self.steps = self.steps.saturating_add(1);
        let of_mean = 1.0 - beta1.powi(self.steps);
        let of_squares = 1.0 - beta2.powi(self.steps);
        let step = Step {
            decay: 1.0 - learning_rate * weight_decay,
            rate: learning_rate / of_mean,
            of_root: 1.0 / of_squares.sqrt(),
        };
        tch::no_grad(|| match &mut self.means {
            Means::Numbers(numbers) => {
                numbers.update(&mut self.flat, gradient, self.options, &step)
            }
            Means::Tensors { mean, squares } => {
                let _ = mean.f_lerp_(gradient, 1.0 - beta1)?;
                let of_gradient = gradient.f_square()?.f_mul_scalar(1.0 - beta2)?;
                let _ = squares.f_mul_scalar_(beta2)?.f_add_(&of_gradient)?;
                let mut root = squares.f_sqrt()?.f_mul_scalar_(step.of_root)?;
                let root = root.f_add_scalar_(EPSILON)?;
                let update = mean.f_div(&root)?.f_mul_scalar_(step.rate)?;
                let _ = self.flat.f_mul_scalar_(step.decay)?.f_sub_(&update)?;
                Ok(())
            }
        })
    }
}

impl Means {
    fn numbers(flat: &Tensor) -> Self {
        let zeros = || vec![0.0; flat.numel()];
        Self::Numbers(Numbers {
            mean: zeros(),
            squares: zeros(),
            gradient: zeros(),
            parameters: zeros(),
        })
    }

    fn tensors(flat: &Tensor) -> Result<Self> {
        Ok(Self::Tensors {
            mean: flat.f_zeros_like()?,
            squares: flat.f_zeros_like()?,
        })
    }
}

impl Numbers {
    /// The update of the parameters, `[P]`, by their gradient, `[P]`.
    fn update(
        &mut self,
        flat: &mut Tensor,
        gradient: &Tensor,
        options: AdamWOptions,
        step: &Step,
    ) -> Result<()> {
        let all = self.parameters.len();
        gradient.f_copy_data(&mut self.gradient, all)?;
        flat.f_copy_data(&mut self.parameters, all)?;
        let (beta1, beta2) = (options.beta1 as f32, options.beta2 as f32);
        let (of_gradient, of_square) = (1.0 - options.beta1, 1.0 - options.beta2);
        let (of_gradient, of_square) = (of_gradient as f32, of_square as f32);
        let (decay, rate) = (step.decay as f32, step.rate as f32);
        let (of_root, epsilon) = (step.of_root as f32, EPSILON as f32);
        let means = self.mean.iter_mut().zip(&mut self.squares);
        let parameters = self.parameters.iter_mut().zip(&self.gradient);
        for ((parameter, &gradient), (mean, square)) in parameters.zip(means) {
            *mean = beta1 * *mean + of_gradient * gradient;
            *square = beta2 * *square + of_square * (gradient * gradient);
            let root = square.sqrt() * of_root + epsilon;
            *parameter = decay * *parameter - rate * *mean / root;
        }
        flat.f_copy_(&Tensor::f_from_slice(&self.parameters)?)?;
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

pub(super) fn not_of(value: String) -> Error {
    Error::Value {
        what: "what the optimizer remembers",
        value,
        expected: "that of a training of such a network would work",
    }
}

/// Has parameters be views of a tensor in which their numbers lie one after the other.
pub(super) fn share(flat: &Tensor, parameters: &mut [Tensor]) -> Result<()> {
    let mut begin = 0;
    for parameter in parameters {
        let numbers = parameter.numel() as i64;
        let view = flat.f_narrow(0, begin, numbers)?;
        parameter.f_set_data(&view.f_view(parameter.size().as_slice())?)?;
        begin += numbers;
    }
    Ok(())
}

/// Tensors one after the other.
pub(super) fn flat(tensors: &[Tensor]) -> Result<Tensor> {
    let flat: Vec<Tensor> = tensors
        .iter()
        .map(|tensor| tensor.f_reshape([-1]))
        .collect::<std::result::Result<_, _>>()?;
    let flat: Vec<&Tensor> = flat.iter().collect();
    Ok(Tensor::f_cat(&flat, 0)?.f_to_kind(Kind::Float)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thirty steps down a bowl that is steep in one direction and flat in another.
    fn course(change: impl Fn(&mut AdamW)) -> Vec<f32> {
        let options = (Kind::Float, Device::Cpu);
        let steep = Tensor::full([2, 3], 3.0, options).set_requires_grad(true);
        let flat = Tensor::full([4], -0.1, options).set_requires_grad(true);
        let parameters = vec![steep.shallow_clone(), flat.shallow_clone()];
        let mut optimizer = AdamW::new(parameters, AdamWOptions::default()).unwrap();
        change(&mut optimizer);
        for _ in 0..30 {
            // The gradient of a transposed tensor does not lie in a row.
            let weights = Tensor::arange(6, options).view([3, 2]);
            let loss = (steep.tr() * weights).square().sum(Kind::Float) * 100.0
                + flat.square().sum(Kind::Float) * 1e-3;
            optimizer.step(&loss, 0.05).unwrap();
        }
        [steep, flat]
            .iter()
            .flat_map(|tensor| Vec::<f32>::try_from(tensor.detach().view([-1])).unwrap())
            .collect()
    }

    #[test]
    fn numbers_and_tensors_move_alike() {
        let numbers = course(|_| {});
        let tensors = course(|optimizer| {
            optimizer.means = Means::tensors(&optimizer.flat).unwrap();
        });
        assert!(numbers[1] < 2.0 && numbers[6] > -0.02, "{numbers:?}");
        for (one, other) in numbers.iter().zip(tensors) {
            assert!((one - other).abs() < 1e-6, "{one} {other}");
        }
    }
}
