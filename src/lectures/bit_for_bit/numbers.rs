//! The numbers of small tensors, where an operation of libtorch would cost more than the arithmetic.

use tch::{Device, Kind, Tensor};

use crate::error::Result;

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

/// The numbers of a tensor, if they are 32-bit floats that lie on the processor one after the other.
pub fn of(tensor: &Tensor) -> Option<&[f32]> {
    if !are_plain(tensor) {
        return None;
    }
    // SAFETY: the tensor has so many floats there, and lives as long as the slice. libtorch writes to
    // them only when it is called. Callers, all in this crate, do not pass tensors that share their
    // numbers to `of` and `of_mut` at the same time.
    Some(unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), tensor.numel()) })
}

/// The same to write to; tensors that share them have what is written.
pub fn of_mut(tensor: &mut Tensor) -> Option<&mut [f32]> {
    if !are_plain(tensor) {
        return None;
    }
    // SAFETY: as in `of`.
    Some(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) })
}

/// Whether two tensors that lie in a row have as many numbers, and none in common.
fn are_apart(one: &Tensor, other: &Tensor) -> bool {
    let (first, second) = (one.data_ptr().addr(), other.data_ptr().addr());
    one.numel() == other.numel() && first.abs_diff(second) >= one.numel() * size_of::<f32>()
}

/// Whether all numbers are 32-bit floats on the processor, without gaps.
fn are_plain(tensor: &Tensor) -> bool {
    tensor.defined()
        && tensor.device() == Device::Cpu
        && tensor.kind() == Kind::Float
        && tensor.is_contiguous()
        && tensor.numel() > 0
}
