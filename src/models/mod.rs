//! Models: the distribution of the next character.
//!
//! Reading order: [`language_model`] (the interface of sampling and scoring), [`table`] (`P` of the
//! lecture, by counting), [`ngram`] (n-grams of any order, by counting), [`bigram`] (the lecture's
//! network), [`network`] (the networks of makemore.py and lecture 5) with its [`config`], [`kinds`]
//! (a file a network), their [`layers`], [`parameters`] (new or given ones) and [`tokens`] (how
//! words are read), [`mixture`] (several models as one). [`draw`] draws a character from a
//! distribution, `rounds` draws many words side by side, which `state_reader` reads.

pub mod automaton;
pub mod bigram;
pub mod config;
pub mod constraint;
pub mod draw;
pub mod kinds;
pub mod language_model;
pub mod layers;
pub mod mixture;
pub mod network;
pub mod ngram;
pub mod parameters;
pub(crate) mod rounds;
mod state_reader;
pub mod table;
pub mod tokens;

pub use automaton::Automaton;
pub use bigram::Bigram;
pub use config::Config;
pub use constraint::WordConstraint;
pub use draw::{Bounds, Drawer, Drawn, Method, Shaping};
pub use kinds::{KINDS, Kind, Norm, Positions, Sizes};
pub use language_model::{Contexts, LanguageModel, Together};
pub use mixture::Mixture;
pub use network::Network;
pub use ngram::{Ngram, Smoothing};
pub use table::Table;
pub use tokens::{Dropout, Tokens};
