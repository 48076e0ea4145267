//! Updates of small tensors in place: calling libtorch would take longer than the arithmetic.

use tch::Tensor;

use crate::error::Result;
use crate::libtorch::numbers::{of, of_mut};

/// Plain gradient descent: subtracts each parameter's gradient, times the learning rate.
pub fn descend(parameters: &mut [Tensor], gradients: &[Tensor], lr: f64) -> Result<()> {
    for (parameter, gradient) in parameters.iter_mut().zip(gradients) {
        // SAFETY: no other tensor is used until the numbers are updated.
        let Some((numbers, gradient)) = (unsafe { both(parameter, gradient) }) else {
            // p.data += -lr * p.grad
            let update = gradient.f_mul_scalar(lr)?;
            let _in_place = tch::no_grad(|| parameter.f_sub_(&update))?;
            continue;
        };
        // The same, faster:
        for (number, gradient) in numbers.iter_mut().zip(gradient) {
            *number -= lr as f32 * gradient;
        }
    }
    Ok(())
}

/// Updates a running mean, `[C]`, by that of a batch, `[C]`, with weight `momentum`.
pub fn update_running(running: &Tensor, of_batch: &Tensor, momentum: f64) -> Result<()> {
    let mut running = running.shallow_clone();
    // SAFETY: no other tensor is used until the numbers are updated.
    let Some((numbers, of_batch)) = (unsafe { both(&mut running, of_batch) }) else {
        // running_mean = (1 - momentum) * running_mean + momentum * xmean
        let share = of_batch.f_mul_scalar(momentum)?;
        let _in_place = tch::no_grad(|| running.f_mul_scalar_(1.0 - momentum)?.f_add_(&share))?;
        return Ok(());
    };
    // The same, faster:
    let (old, new) = ((1.0 - momentum) as f32, momentum as f32);
    for (number, of_batch) in numbers.iter_mut().zip(of_batch) {
        *number = old * *number + new * of_batch;
    }
    Ok(())
}

/// The numbers of two tensors in place, those of the first to write to. `None` if the tensors differ in
/// size, share memory, or have no such slices.
///
/// # Safety
///
/// No other tensor that shares these numbers may be used while they are borrowed.
unsafe fn both<'a>(one: &'a mut Tensor, other: &'a Tensor) -> Option<(&'a mut [f32], &'a [f32])> {
    let (first, second) = (one.data_ptr().addr(), other.data_ptr().addr());
    let are_apart = first.abs_diff(second) >= one.numel() * size_of::<f32>();
    if !are_apart || one.numel() != other.numel() {
        return None;
    }
    // SAFETY: they share no memory, and the caller uses no other tensor meanwhile.
    unsafe { Some((of_mut(one)?, of(other)?)) }
}
