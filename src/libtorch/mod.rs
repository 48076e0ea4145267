//! Parts of libtorch beside tensors: devices, its random number generator, its threads.

pub mod device;
pub mod random;
pub mod threads;
