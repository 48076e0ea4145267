//! Layers that several networks have, a file each.

pub mod batch_norm;

pub use batch_norm::BatchNorm1d;
