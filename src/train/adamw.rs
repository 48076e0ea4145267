//! AdamW: gradient descent with a step of about the same size for every parameter, and weight decay.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::error::{Error, Result};
use crate::libtorch::numbers;

/// Options of AdamW beside the learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamWOptions {
    /// Each step multiplies a parameter by `1 - learning rate * weight_decay`.
    pub weight_decay: f64,
    /// The decay of the running mean of the gradients, from 0 to below 1.
    pub beta1: f64,
    /// The decay of the running mean of their squares, from 0 to below 1.
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

/// The default of PyTorch: keeps the divisor of an update above 0.
const EPSILON: f64 = 1e-8;

/// The names of the tensors of the optimizer state.
const MEAN: &str = "mean";
const SQUARES: &str = "squares";

/// AdamW.
///
/// All parameters become views of one flat tensor. A step is then a few operations, however many
/// parameters there are, and the gradients of several threads are summed in one operation.
///
/// Source: Loshchilov and Hutter, *Decoupled weight decay regularization*, 2019; `torch.optim.AdamW`.
#[derive(Debug)]
pub struct AdamW {
    options: AdamWOptions,
    parameters: Vec<Tensor>,
    /// All parameters, `[P]`, f32.
    pub(super) flat: Tensor,
    /// The running mean of the gradients, `[P]`.
    mean: Tensor,
    /// The running mean of their squares, `[P]`.
    squares: Tensor,
    steps: i32,
}

/// The factors of one step, the same for all parameters.
struct UpdateRule {
    options: AdamWOptions,
    /// Multiplies the parameter: weight decay.
    decay: f64,
    /// The learning rate, corrected for a running mean that begins at 0.
    rate: f64,
    /// Multiplies the root of the running mean of squares, to correct it likewise.
    of_root: f64,
}

impl AdamW {
    /// An optimizer of a network's parameters, which become views of one tensor.
    pub fn new(mut parameters: Vec<Tensor>, options: AdamWOptions) -> Result<Self> {
        let flat = tch::no_grad(|| flat(&parameters))?;
        share(&flat, &mut parameters)?;
        Ok(Self {
            options,
            parameters,
            mean: flat.f_zeros_like()?,
            squares: flat.f_zeros_like()?,
            flat,
            steps: 0,
        })
    }

    /// The optimizer state: copies of both running means, `[P]`, by name.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let copy = |(name, tensor): (&str, &Tensor)| Ok((name.to_owned(), tensor.f_detach_copy()?));
        [(MEAN, &self.mean), (SQUARES, &self.squares)]
            .into_iter()
            .map(copy)
            .collect()
    }

    /// Restores an optimizer state that was taken after `steps` steps.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if the state is of other parameters.
    pub fn restore(&mut self, state: &[(String, Tensor)], steps: u64) -> Result<()> {
        copy_state(state, MEAN, &mut self.mean)?;
        copy_state(state, SQUARES, &mut self.squares)?;
        self.steps = steps.try_into().unwrap_or(i32::MAX);
        Ok(())
    }

    /// Updates the parameters by the gradient of a loss, a scalar, which depends on all of them.
    pub fn step(&mut self, loss: &Tensor, learning_rate: f64) -> Result<()> {
        self.update(&gradient(loss, &self.parameters, &[])?, learning_rate)
    }

    /// Updates the parameters by a gradient, `[P]`.
    pub fn update(&mut self, gradient: &Tensor, learning_rate: f64) -> Result<()> {
        let options = self.options;
        self.steps = self.steps.saturating_add(1);
        let of_mean = 1.0 - options.beta1.powi(self.steps);
        let of_squares = 1.0 - options.beta2.powi(self.steps);
        let step = UpdateRule {
            options,
            decay: 1.0 - learning_rate * options.weight_decay,
            rate: learning_rate / of_mean,
            of_root: 1.0 / of_squares.sqrt(),
        };
        let (flat, mean, squares) = (&mut self.flat, &mut self.mean, &mut self.squares);
        tch::no_grad(|| step.update(flat, gradient, mean, squares))
    }
}

impl UpdateRule {
    fn update(
        &self,
        flat: &mut Tensor,
        gradient: &Tensor,
        mean: &mut Tensor,
        squares: &mut Tensor,
    ) -> Result<()> {
        let AdamWOptions { beta1, beta2, .. } = self.options;
        // The same as the operations on tensors below, in one pass over the numbers instead of one for
        // each operation.
        // SAFETY: the four share no numbers, and `update_numbers` uses the slices alone.
        let in_place = unsafe {
            numbers::of_mut(flat)
                .zip(numbers::of(gradient))
                .zip(numbers::of_mut(mean))
                .zip(numbers::of_mut(squares))
        };
        if let Some((((flat, gradient), mean), squares)) = in_place {
            self.update_numbers(flat, gradient, mean, squares);
            return Ok(());
        }
        let _ = mean.f_lerp_(gradient, 1.0 - beta1)?;
        let of_gradient = gradient.f_square()?.f_mul_scalar(1.0 - beta2)?;
        let _ = squares.f_mul_scalar_(beta2)?.f_add_(&of_gradient)?;
        let mut root = squares.f_sqrt()?.f_mul_scalar_(self.of_root)?;
        let root = root.f_add_scalar_(EPSILON)?;
        let update = mean.f_div(&root)?.f_mul_scalar_(self.rate)?;
        let _ = flat.f_mul_scalar_(self.decay)?.f_sub_(&update)?;
        Ok(())
    }

    fn update_numbers(
        &self,
        parameters: &mut [f32],
        gradient: &[f32],
        mean: &mut [f32],
        squares: &mut [f32],
    ) {
        let AdamWOptions { beta1, beta2, .. } = self.options;
        let (of_gradient, of_square) = ((1.0 - beta1) as f32, (1.0 - beta2) as f32);
        let (beta1, beta2) = (beta1 as f32, beta2 as f32);
        let (decay, rate) = (self.decay as f32, self.rate as f32);
        let (of_root, epsilon) = (self.of_root as f32, EPSILON as f32);
        let means = mean.iter_mut().zip(squares);
        for ((parameter, &gradient), (mean, square)) in
            parameters.iter_mut().zip(gradient).zip(means)
        {
            *mean = beta1 * *mean + of_gradient * gradient;
            *square = beta2 * *square + of_square * (gradient * gradient);
            let root = square.sqrt() * of_root + epsilon;
            *parameter = decay * *parameter - rate * *mean / root;
        }
    }
}

/// The gradient of a loss with respect to the parameters, flat in their order, `[P]`, and behind it other
/// numbers. The loss depends on all parameters.
pub fn gradient(loss: &Tensor, parameters: &[Tensor], behind: &[Tensor]) -> Result<Tensor> {
    let mut gradients = Tensor::f_run_backward(&[loss], parameters, false, false)?;
    gradients.extend(behind.iter().map(Tensor::shallow_clone));
    tch::no_grad(|| flat(&gradients))
}

/// Copies the tensor with a name out of an optimizer state into `own`. Shapes must match.
pub(super) fn copy_state(state: &[(String, Tensor)], name: &str, own: &mut Tensor) -> Result<()> {
    let found = state.iter().find(|(other, _)| other == name);
    let found = found.filter(|(_, found)| found.size() == own.size());
    let (_, found) = found.ok_or_else(|| not_of(format!("one without {name:?}")))?;
    own.f_copy_(found)?;
    Ok(())
}

pub(super) fn not_of(value: String) -> Error {
    Error::Value {
        what: "the optimizer state",
        value,
        expected: "that of a training of such a network would work",
    }
}

/// Makes parameters views of a flat tensor, `[P]`, in their order.
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

/// All tensors in one, `[P]`, f32, in their order.
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
    use tch::Device;

    /// The parameters after thirty steps on a loss that is steep in some of them and flat in others.
    fn thirty_steps(change: impl Fn(&mut AdamW)) -> Vec<f32> {
        let options = (Kind::Float, Device::Cpu);
        let steep = Tensor::full([2, 3], 3.0, options).set_requires_grad(true);
        let flat = Tensor::full([4], -0.1, options).set_requires_grad(true);
        let parameters = vec![steep.shallow_clone(), flat.shallow_clone()];
        let mut optimizer = AdamW::new(parameters, AdamWOptions::default()).unwrap();
        change(&mut optimizer);
        for _ in 0..30 {
            // The gradient of a transposed tensor is not contiguous.
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
        let numbers = thirty_steps(|_| {});
        let tensors = thirty_steps(|optimizer| {
            // A tensor with gaps between its numbers has no slice.
            optimizer.mean = Tensor::zeros([10, 2], (Kind::Float, Device::Cpu)).select(1, 0);
        });
        assert!(numbers[1] < 2.0 && numbers[6] > -0.02, "{numbers:?}");
        for (one, other) in numbers.iter().zip(tensors) {
            assert!((one - other).abs() < 1e-6, "{one} {other}");
        }
    }
}
