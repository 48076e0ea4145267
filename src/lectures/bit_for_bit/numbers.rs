//! Updates of small tensors, where an operation of libtorch would cost more than the arithmetic.

use tch::Tensor;

use crate::error::Result;
use crate::libtorch::numbers::{of, of_mut};

/// Plain gradient descent with a gradient for each parameter.
///
/// Source: the lectures, `p.data += -lr * p.grad`.
pub fn descend(parameters: &mut [Tensor], gradients: &[Tensor], rate: f64) -> Result<()> {
    for (parameter, gradient) in parameters.iter_mut().zip(gradients) {
        // Products and differences are rounded alike in both ways.
        if are_apart(parameter, gradient)
            && let Some(gradient) = of(gradient)
            && let Some(parameter) = of_mut(parameter)
        {
            for (parameter, gradient) in parameter.iter_mut().zip(gradient) {
                *parameter -= rate as f32 * gradient;
            }
            continue;
        }
        tch::no_grad(|| -> Result<()> {
            let _in_place = parameter.f_sub_(&gradient.f_mul_scalar(rate)?)?;
            Ok(())
        })?;
    }
    Ok(())
}

/// Moves a running mean, `[C]`, towards that of a batch, `[C]`, whose weight is `momentum`.
pub fn update_running(running: &Tensor, of_batch: &Tensor, momentum: f64) -> Result<()> {
    let mut running = running.shallow_clone();
    if are_apart(&running, of_batch)
        && let Some(of_batch) = of(of_batch)
        && let Some(running) = of_mut(&mut running)
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

/// Whether two tensors that lie in a row have as many numbers, and none in common.
fn are_apart(one: &Tensor, other: &Tensor) -> bool {
    let (first, second) = (one.data_ptr().addr(), other.data_ptr().addr());
    one.numel() == other.numel() && first.abs_diff(second) >= one.numel() * size_of::<f32>()
}
