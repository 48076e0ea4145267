//! Faster ways to the figures of the lectures, which are the same to the last bit.
//!
//! The lectures learn from 32 examples at a time, where calling libtorch takes longer than the
//! arithmetic. [`updates`] moves small tensors in place, [`formula`] is batch normalisation by
//! operations of libtorch, [`one_pass`] the same in one loop, and [`tape`] differentiates through it.

pub mod formula;
pub mod one_pass;
pub mod tape;
pub mod updates;
