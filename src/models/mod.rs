//! Everything that says how probable each next character is.
//!
//! In this order: [`language_model`] (the seam that sampling and scoring use), [`table`] (`P` of the
//! lecture, by counting), [`ngram`] (n-grams of any order, by counting), [`bigram`] (the
//! lecture's network), [`network`] (what makemore.py's networks have in common), [`lookup`], [`mlp`], [`bow`], [`rnn`], [`transformer`] with [`norm`] and [`rotary`],
//! [`layers`] (what several networks have), [`wavenet`] (the network of lecture 5), [`mixture`]
//! (several models as one). `draw` is how a character is drawn from a distribution,
//! [`reader`] how many words are read side by side and `rounds` how they are drawn so, [`tokens`] is
//! how networks read whole words, [`parameters`] where their parameters come from.
//!
//! A new network is a file here, a kind in [`config`] and a line in [`network`].

pub mod bigram;
pub mod bow;
pub mod config;
pub mod draw;
pub mod language_model;
pub mod layers;
pub mod lookup;
pub mod mixture;
pub mod mlp;
pub mod network;
pub mod ngram;
pub mod norm;
pub mod parameters;
pub mod reader;
pub mod rnn;
pub mod rotary;
mod rounds;
pub mod table;
pub mod tokens;
pub mod transformer;
pub mod wavenet;

pub use bigram::Bigram;
pub use config::{Config, Norm, Positions, Sizes};
pub use draw::{Drawer, Method, Shaping};
pub use language_model::LanguageModel;
pub use mixture::Mixture;
pub use network::Network;
pub use ngram::{Ngram, Smoothing};
pub use table::Table;
pub use tokens::{Dropout, Tokens};
