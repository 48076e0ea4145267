//! The numbers of small tensors, where an operation of libtorch would cost more than the arithmetic.

use tch::{Device, Kind, Tensor};

/// The numbers of a tensor, if they are 32-bit floats that lie on the processor one after the other.
pub(crate) fn of(tensor: &Tensor) -> Option<&[f32]> {
    if !lie_in_a_row(tensor) {
        return None;
    }
    // SAFETY: the tensor has so many floats there, and lives as long as the slice. Nobody writes to
    // them meanwhile: libtorch does so only when it is called, and `of_mut` borrows its tensor. That
    // tensors which share their numbers are not passed to both is for the callers, all in this crate.
    Some(unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), tensor.numel()) })
}

/// The same to write to; tensors that share them have what is written.
pub(crate) fn of_mut(tensor: &mut Tensor) -> Option<&mut [f32]> {
    if !lie_in_a_row(tensor) {
        return None;
    }
    // SAFETY: as in `of`.
    Some(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) })
}

fn lie_in_a_row(tensor: &Tensor) -> bool {
    tensor.device() == Device::Cpu
        && tensor.kind() == Kind::Float
        && tensor.is_contiguous()
        && tensor.numel() > 0
}
