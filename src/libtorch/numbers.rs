//! The numbers of tensors in place, where operations of libtorch would cost more than the arithmetic.

use tch::{Device, Kind, Tensor};

/// The numbers of a tensor, if they are 32-bit floats that lie on the processor one after the other.
pub(crate) fn of(tensor: &Tensor) -> Option<&[f32]> {
    if !are_plain(tensor) {
        return None;
    }
    // SAFETY: the tensor has so many floats there, and lives as long as the slice. libtorch writes to
    // them only when it is called. Callers, all in this crate, do not pass tensors that share their
    // numbers to `of` and `of_mut` at the same time.
    Some(unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), tensor.numel()) })
}

/// The same to write to; tensors that share them have what is written.
pub(crate) fn of_mut(tensor: &mut Tensor) -> Option<&mut [f32]> {
    if !are_plain(tensor) {
        return None;
    }
    // SAFETY: as in `of`.
    Some(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) })
}

/// Whether all numbers are 32-bit floats on the processor, without gaps.
fn are_plain(tensor: &Tensor) -> bool {
    tensor.defined()
        && tensor.device() == Device::Cpu
        && tensor.kind() == Kind::Float
        && tensor.is_contiguous()
        && tensor.numel() > 0
}
