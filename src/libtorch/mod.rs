//! What we need of libtorch beside tensors: functions of ours that it differentiates through, devices,
//! its random number generator, its threads.

pub mod autograd;
pub mod device;
pub(crate) mod numbers;
pub mod random;
pub mod threads;
