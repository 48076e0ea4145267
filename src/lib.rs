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
//! let names = count(&Source::lecture(), '.')?; // 32,033 names; Source::files reads your own
//! let p = Table::of(&names.counts, 1.0)?; // P = (N + 1) / row sums, [27, 27]
//! let drawn: Vec<String> = Sampler::new(&p, 420, &SampleOptions::default())?.take(5).collect::<Result<_>>()?;
//! assert_eq!(drawn, ["jor", "anuir", "she", "tais", "jen"]);
//! assert_eq!(format!("{:.6}", score::average_nll(&p, &names.counts)?), "2.454577");
//!
//! let examples = Examples::distinct(&names.counts, tch::Device::Cpu)?; // xs, ys
//! let network = Bigram::new(names.counts.vocabulary().clone(), 2, 420, tch::Device::Cpu)?; // W, [27, 27]
//! let trained = train(&network, &examples, &TrainOptions::default(), |_step| ControlFlow::Continue(()))?;
//! assert!(trained.final_loss < 2.4595); // and the network draws the same names:
//! assert_eq!(Sampler::new(&network, 420, &SampleOptions::default())?.take(5).collect::<Result<Vec<_>>>()?, drawn);
//! # Ok::<(), Error>(())
//! ```
//!
//! A program that draws words from a model that `makemore-tch train --type ngram` has saved (the README
//! has the files around it):
//!
//! ```no_run
//! use makemore_tch::arpa::ReadOptions;
//! use makemore_tch::memory::Memory;
//! use makemore_tch::{ModelFile, Result, SampleOptions, Sampler};
//!
//! fn main() -> Result<()> {
//!     let (options, memory) = (ReadOptions::default(), Memory::half_of_the_machine());
//!     let file = ModelFile::load("makemore-ngram.safetensors".as_ref(), &options, &memory)?;
//!     for word in Sampler::new(file.model.language_model(), 420, &SampleOptions::default())?.take(5) {
//!         println!("{}", word?);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! The source is Karpathy's lecture, in the words of learning notes on it; "the notes" in these docs
//! are those, and a name in quotes is their section.
//!
//! [`lectures`] links the notebooks of the series. To be read beside them, the lectures are also there in plain `tch`,
//! with nothing of this crate: [`Lecture::example`](lectures::Lecture::example) names their files, and `cargo run
//! --release --example lecture1` runs the first.
//!
//! # The way of the data
//!
//! ```text
//! files, stdin ──reader──▶ lines ──▶ Words ──▶ Vocabulary ──split──▶ train / dev / test
//!                            │                                             │
//!                            └──scan──▶ counts of n-grams                  ├──▶ examples: xs, ys, batches
//!                                         │                                │        │
//!                                         ▼                                │        ▼
//!                                table, n-gram model                       │   network: logits ──▶ loss ──▶ update
//!                                         └──────────────┬─────────────────┴────────┘
//!                                                        ▼
//!                                any model ──▶ sample, score, heatmap, page, checkpoint
//! ```
//!
//! # Where things are
//!
//! Modules in the order of the lecture; the page of each says in which order to read its files.
//!
//! | module | holds |
//! |---|---|
//! | [`data`] | words, their vocabulary (`stoi`, `itos`), the reader of lists, the split into train, dev and test |
//! | [`counting`] | counts of n-grams: `N`, and longer ones |
//! | [`models`] | the distribution of the next character: `P`, n-gram models, the networks of the lecture, of makemore.py and of lecture 5; [`LanguageModel`] is their common trait |
//! | [`mod@train`] | gradient descent: examples, loss, optimizers, the loop |
//! | [`mod@sample`], [`score`] | new words of any model, and the likelihood of words |
//! | [`checkpoint`], [`arpa`], [`model_file`] | models in files: safetensors, KenLM's format, and files of either format |
//! | [`lectures`] | the series replayed beside its published figures |
//! | [`page`] | models in one HTML file that draws words by them |
//! | [`plots`] | pictures of matrices and of curves |
//! | [`libtorch`] | devices, random numbers, threads |
//! | [`distributed`] | several processes that share the work |
//! | [`error`], [`mod@format`], [`files`], [`host`], [`memory`], [`sum`] | shared parts: the type of errors, numbers as text, files replaced in one step, what processes of a host share, the limit of memory, exact sums |
//!
//! [`plots`] and [`lectures`], which draw pictures, are there with the feature `plots`, and the program with
//! `cli`, which is the default. Without them the library needs none of their crates.
//!
//! Words never count, counts never make probabilities, models never read files. The program
//! `makemore-tch` is a command line on top, a file for each command; nothing here knows of it.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod arpa;
pub mod checkpoint;
pub mod counting;
pub mod data;
pub mod distributed;
pub mod error;
pub mod files;
pub mod format;
pub mod host;
#[cfg(feature = "plots")]
pub mod lectures;
pub mod libtorch;
pub mod memory;
pub mod model_file;
pub mod models;
pub mod page;
#[cfg(feature = "plots")]
pub mod plots;
pub mod sample;
pub mod score;
pub mod sum;
pub mod train;

pub use checkpoint::{Checkpoint, Model};
pub use counting::{Counted, NgramCounts, count};
pub use data::{Digest, List, Part, Parts, Shares, Source, Split, Vocabulary, Words};
pub use error::{Error, Result};
pub use model_file::ModelFile;
pub use models::{Bigram, LanguageModel, Method, Network, Ngram, Smoothing, Table};
pub use sample::{Constraints, MostProbable, SampleOptions, Sampler};
pub use score::ScoredName;
pub use train::{Examples, Rows, TrainOptions, Trained, train};
