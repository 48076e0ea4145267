//! The numbers of tensors, as copies or in place.

use tch::{Device, Kind, Tensor};

use crate::error::Result;

/// The numbers of a tensor of 32-bit floats, row by row.
pub(crate) fn copied(tensor: &Tensor) -> Result<Vec<f32>> {
    let tensor = tensor.f_detach()?.f_to_device(Device::Cpu)?;
    Ok(Vec::try_from(tensor.f_contiguous()?.f_view([-1])?)?)
}

/// The numbers of a tensor in place, if they are 32-bit floats on the CPU without gaps.
///
/// # Safety
///
/// Nothing may write to these numbers as long as the slice lives, neither through a slice nor through a
/// tensor that shares them.
pub(crate) unsafe fn of(tensor: &Tensor) -> Option<&[f32]> {
    // SAFETY: `start` is that of so many floats, which live as long as the tensor; the caller has
    // nothing write to them.
    start(tensor).map(|start| unsafe { std::slice::from_raw_parts(start, tensor.numel()) })
}

/// The numbers of a tensor as [`of`], to be written; tensors that share them change too.
///
/// # Safety
///
/// Nothing else may read or write these numbers as long as the slice lives.
pub(crate) unsafe fn of_mut(tensor: &mut Tensor) -> Option<&mut [f32]> {
    // SAFETY: as in `of`; the caller has nothing else read or write them.
    start(tensor).map(|start| unsafe { std::slice::from_raw_parts_mut(start, tensor.numel()) })
}

/// The first number of a tensor, if its numbers are 32-bit floats on the CPU without gaps.
fn start(tensor: &Tensor) -> Option<*mut f32> {
    are_plain(tensor).then(|| tensor.data_ptr().cast())
}

/// Whether a tensor has numbers, and they are 32-bit floats on the CPU without gaps.
pub(crate) fn are_plain(tensor: &Tensor) -> bool {
    tensor.defined()
        && tensor.device() == Device::Cpu
        && tensor.kind() == Kind::Float
        && tensor.is_contiguous()
        && tensor.numel() > 0
}
