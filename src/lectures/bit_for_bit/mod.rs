//! Faster ways to compute the lectures' figures, the same to the last bit.
//!
//! On the lectures' batches of 32 examples, calling libtorch takes longer than the arithmetic.
//! [`updates`] updates small tensors in place. [`formula`] is batch normalisation by libtorch's
//! operations, [`one_pass`] the same in a few loops, and [`tape`] differentiates through it.

pub mod formula;
pub mod one_pass;
pub mod tape;
pub mod updates;
