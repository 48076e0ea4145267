//! Karpathy's *makemore* bigram lecture on libtorch: learn from a list of words which character
//! follows which, once by counting and once with a one-layer neural network, and make more words
//! like them.

pub mod error;
pub mod vocabulary;
pub mod words;

pub use error::{Error, Result};
pub use vocabulary::Vocabulary;
pub use words::Words;
