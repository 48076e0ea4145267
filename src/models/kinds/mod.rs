//! The kinds of networks that are trained on words, a file each.
//!
//! Reading order: [`sizes`] (the sizes of a network), [`kind`] (the description of a kind, and the
//! forward pass of its layers), then the kinds: [`lookup`], [`mlp`], [`bow`], [`rnn`] (RNN and
//! GRU), [`lstm`], [`transformer`], [`wavenet`].
//!
//! A new kind is a file here, its `mod` line and its entry in [`KINDS`].

pub mod bow;
pub mod kind;
pub mod lookup;
pub mod lstm;
pub mod mlp;
pub mod rnn;
pub mod sizes;
#[cfg(test)]
mod toy;
pub mod transformer;
pub mod wavenet;

pub use bow::Bow;
pub use kind::Kind;
pub use lookup::Lookup;
pub use lstm::Lstm;
pub use mlp::Mlp;
pub use rnn::{Gru, Rnn};
pub use sizes::{Norm, Positions, Sizes};
pub use transformer::Transformer;
pub use wavenet::Wavenet;

/// All kinds, in the order of the help of `--type`.
pub const KINDS: &[&dyn Kind] = &[
    &Lookup,
    &Mlp,
    &Bow,
    &Rnn,
    &Gru,
    &Lstm,
    &Transformer,
    &Wavenet,
    #[cfg(test)]
    &toy::Toy,
];

/// The kind of a name, if there is one.
pub fn named(name: &str) -> Option<&'static dyn Kind> {
    KINDS.iter().copied().find(|kind| kind.name() == name)
}
