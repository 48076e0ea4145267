//! Checkpoints: a trained model in one safetensors file.
//!
//! The file's metadata, all strings, are `format` (`makemore-tch`), `format_version`, `model` (its
//! kind) and `config` (JSON), `vocabulary` (its characters in the order of their indices, the
//! start/end token first), `boundary` (that token), `seed`, `libtorch`, `data_crc32`, `data_words`,
//! `data_characters` (the [`Digest`](crate::data::Digest) of the list that it was trained on), `split`
//! (JSON, see [`SplitOf`](crate::data::SplitOf)) and `sha256`. Python's `safetensors` loads it.
//!
//! The lecture's [bigram] has one tensor, `W`, `[V, V]`, f32, and `epochs` and `loss` besides. A
//! [network] has its parameters as tensors under their names, the running means and variances of batch
//! normalisation, and `steps` and `loss`. Where it was saved to go on with its training, `run` (JSON, see
//! [`RunState`](crate::train::run_state::RunState)) and the tensors of its optimizer, which begin with `optimizer.`,
//! are there too. The tensors of an [n-gram model](ngram) are its n-grams and their probabilities.
//!
//! safetensors itself has no checksum. `sha256` is that of all other metadata and of all tensors,
//! sorted by their names, so that no flipped bit passes, and a file that another program saved
//! again with the same contents does.

pub mod bigram;
mod file;
pub mod model;
pub mod network;
pub mod ngram;
pub mod resume;
pub mod weights;

pub use bigram::TrainedBigram;
pub use model::{Checkpoint, Model};
pub use network::{MAX_EPOCHS, TrainedNetwork, sha256_of};
pub use weights::Weights;
