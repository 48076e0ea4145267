//! Karpathy's *makemore* bigram lecture on libtorch: learn from a list of words which character
//! follows which, once by counting and once with a one-layer neural network, and make more words
//! like them.

pub mod checkpoint;
pub mod counts;
pub mod device;
pub mod error;
pub mod files;
pub mod network;
pub mod pairs;
pub mod plots;
pub mod probabilities;
pub mod random;
pub mod sampler;
pub mod train;
pub mod vocabulary;
pub mod words;

pub use checkpoint::Checkpoint;
pub use counts::BigramCounts;
pub use error::{Error, Result};
pub use network::Network;
pub use pairs::{Rows, TrainingPairs};
pub use probabilities::Probabilities;
pub use sampler::{Method, SampleOptions, Sampler};
pub use train::{Schedule, Trained, train};
pub use vocabulary::Vocabulary;
pub use words::Words;
