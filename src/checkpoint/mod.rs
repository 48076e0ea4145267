//! Checkpoints: a trained model in one safetensors file.
//!
//! The metadata of the file, all strings, are:
//!
//! | key | value |
//! |---|---|
//! | `format`, `format_version` | `makemore-tch`, and the version |
//! | `model`, `config` | the kind of model, and its config (JSON) |
//! | `vocabulary`, `boundary` | the characters in the order of their indices, and the first of them, the start/end token |
//! | `seed`, `libtorch` | the seed, and the version of libtorch |
//! | `data_crc32`, `data_words`, `data_characters` | the [`Digest`](crate::data::Digest) of the list of the training |
//! | `split` | its split (JSON, see [`SplitOf`](crate::data::SplitOf)) |
//! | `list` | its files and format (JSON, see [`ListFiles`](crate::data::ListFiles)), if it was in files |
//! | `sha256` | the checksum |
//!
//! The lecture's [bigram] has one tensor, `W`, `[V, V]`, f32, and in the metadata `epochs` and `loss`. A
//! [network] has its parameters and buffers as tensors under their names, and `steps` and `loss`. If it
//! was saved to be resumed, it also has `run` (JSON, see
//! [`RunState`](crate::train::run_state::RunState)) and the optimizer state, in tensors whose names begin
//! with `optimizer.`; else `dev_losses`, the dev losses of its training as JSON, `[[step, loss], …]`. The
//! tensors of an [n-gram model](ngram) are its n-grams and their probabilities.
//!
//! safetensors itself has no checksum. `sha256` covers all other metadata and all tensors, sorted by
//! their names: a flipped bit is found, and a file that another program saved again with the same
//! contents is accepted, also with metadata of its own and `pt` as its format. Tensors that were rounded
//! to another precision have no checksum. Python's `safetensors` loads the file.

pub mod bigram;
mod file;
pub mod model;
pub mod network;
pub mod ngram;
pub mod resume;
pub mod weights;

pub use bigram::TrainedBigram;
pub(crate) use file::Stored;
pub use model::{Checkpoint, Model};
pub use network::{MAX_EPOCHS, TrainedNetwork, sha256_of};
pub use weights::Weights;
