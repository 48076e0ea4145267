//! Layers that several networks have, a file each.

pub mod activation;
pub mod attention;
pub mod batch_norm;
pub mod linear;
pub mod norm;
pub mod recurrence;
pub mod rotary;

pub use batch_norm::BatchNorm1d;
pub use linear::Linear;
