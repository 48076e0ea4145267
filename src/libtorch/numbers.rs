//! Numbers of tensors as slices, where calling libtorch would cost more than the arithmetic.

use tch::{Device, Kind, Tensor};

/// The numbers of a tensor, if they are contiguous 32-bit floats on the CPU.
pub(crate) fn of(tensor: &Tensor) -> Option<&[f32]> {
    if !are_plain(tensor) {
        return None;
    }
    // SAFETY: the tensor has `numel` floats there and lives as long as the slice. libtorch writes to
    // them only when it is called. Callers, all in this crate, never pass tensors that share memory to
    // `of` and `of_mut` at the same time.
    Some(unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), tensor.numel()) })
}

/// Like [`of`], to write to; tensors that share the memory change too.
pub(crate) fn of_mut(tensor: &mut Tensor) -> Option<&mut [f32]> {
    if !are_plain(tensor) {
        return None;
    }
    // SAFETY: as in `of`.
    Some(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) })
}

/// Whether the numbers are contiguous 32-bit floats on the CPU.
fn are_plain(tensor: &Tensor) -> bool {
    tensor.defined()
        && tensor.device() == Device::Cpu
        && tensor.kind() == Kind::Float
        && tensor.is_contiguous()
        && tensor.numel() > 0
}
