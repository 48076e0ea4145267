//! Parts of libtorch beside tensors: devices, its random number generator, its threads.

pub mod device;
pub(crate) mod interface;
pub(crate) mod numbers;
pub mod random;
pub mod threads;
