//! Our interfaces to libtorch in C++, for what torch-sys lacks.

use std::ffi::{CStr, c_char};
use std::ptr::{self, NonNull};

use tch::{TchError, Tensor};

use crate::error::Result;

/// A tensor in C++.
pub(crate) type Raw = *mut torch_sys::C_tensor;

/// A tensor as a function in C++ takes it, which neither keeps nor frees it.
pub(crate) fn raw(tensor: &Tensor) -> Raw {
    tensor.as_ptr().cast_mut()
}

/// Takes a text of an interface, if there is one.
///
/// # Safety
///
/// It is null, or a string from C's `malloc` that nobody else frees.
pub(crate) unsafe fn taken(text: *mut c_char) -> Option<String> {
    let text = NonNull::new(text)?;
    // SAFETY: the caller promises a string.
    let own = unsafe { CStr::from_ptr(text.as_ptr()) }
        .to_string_lossy()
        .into_owned();
    // SAFETY: the caller promises that it is freed here alone.
    unsafe { libc::free(text.as_ptr().cast()) };
    Some(own)
}

/// The tensor that a function in C++ makes.
///
/// # Safety
///
/// The function writes a tensor that nobody else frees and returns null, or returns a message as for [`taken`].
///
/// # Errors
///
/// The message.
pub(crate) unsafe fn made(function: impl FnOnce(*mut Raw) -> *mut c_char) -> Result<Tensor> {
    let mut tensor: Raw = ptr::null_mut();
    // SAFETY: the caller promises a message that is ours.
    match unsafe { taken(function(&raw mut tensor)) } {
        Some(message) => Err(TchError::Torch(message).into()),
        // SAFETY: without a message there is a tensor, which nobody else frees.
        None => Ok(unsafe { Tensor::from_ptr(tensor) }),
    }
}
