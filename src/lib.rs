//! Karpathy's *makemore* bigram lecture on libtorch: learn from a list of words which character
//! follows which, once by counting and once with a one-layer neural network, and make more words
//! like them.
//!
//! The whole lecture:
//!
//! ```
//! use makemore_tch::*;
//! use std::ops::ControlFlow;
//!
//! let words = Words::lecture('.')?; // 32,033 names; a Source reads a list of your own
//! let counts = BigramCounts::of(&words)?; // N, [27, 27]
//! let p = counts.probabilities(1.0)?; // P = (N + 1) / row sums
//! let names: Vec<String> = Sampler::new(&p, 420, &SampleOptions::default())?.take(5).collect::<Result<_>>()?;
//! assert_eq!(names, ["jor", "anuir", "she", "tais", "jen"]);
//! assert_eq!(format!("{:.6}", p.nll_of(&words, &counts)?), "2.454579");
//!
//! let pairs = TrainingPairs::distinct(&counts, tch::Device::Cpu)?; // xs, ys
//! let mut network = Network::new(counts.vocabulary().clone(), 420, tch::Device::Cpu)?; // W, [27, 27]
//! let trained = train(&mut network, &pairs, &Schedule::default(), |_epoch, _loss| ControlFlow::Continue(()))?;
//! assert!(trained.final_loss < 2.4595);
//! let p = network.probabilities()?; // and the network draws the same names:
//! assert_eq!(Sampler::new(&p, 420, &SampleOptions::default())?.take(5).collect::<Result<Vec<_>>>()?, names);
//! # Ok::<(), Error>(())
//! ```
//!
//! The modules are in the order of the lecture: [`words`], read from a [`source`] → [`vocabulary`] → [`counts`] or
//! [`pairs`] → [`network`], trained by [`mod@train`] and kept in a [`checkpoint`] → [`probabilities`]
//! → names ([`sampler`]), scores and [`plots`]. [`lecture`] replays all of it beside the published
//! figures. The program `makemore-tch` is a command line on top of them.

pub mod checkpoint;
pub mod counts;
pub mod device;
pub mod error;
pub mod files;
pub mod format;
pub mod lecture;
pub mod network;
pub mod pairs;
pub mod plots;
pub mod probabilities;
pub mod random;
pub mod sampler;
pub mod source;
mod tally;
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
pub use source::{Data, Source};
pub use train::{Schedule, Trained, train};
pub use vocabulary::Vocabulary;
pub use words::Words;
