//! N-gram models of any order `N`: the probability of a character after up to `N - 1` others.
//!
//! Reading order: `trie` holds all n-grams of up to `N` characters, `view` their probabilities, `small`
//! those that no float has. A `share` of them, with their counts, is in each process that estimates a model;
//! `gathering` makes one model of all shares.
//! [`kneser_ney`] (as in KenLM) and [`witten_bell`], both by `interpolation`, and [`additive`] (as in
//! the lecture) estimate these from counts. `model` is the language model: `walk` computes the
//! probabilities of words, `drawer` draws words, `contexts` numbers the contexts, `marginal` computes the distribution of pairs.
//! [`orders`] compares models of every order.
//!
//! ```
//! use makemore_tch::counting::count_parts;
//! use makemore_tch::distributed::Alone;
//! use makemore_tch::memory::Memory;
//! use makemore_tch::models::LanguageModel;
//! use makemore_tch::models::ngram::{Ngram, Smoothing};
//! use makemore_tch::{List, Part, Parts, Shares, Source, Split, count, score};
//!
//! let names = count(&Source::lecture(), '.')?;
//! let list = List { source: Source::lecture(), digest: names.digest };
//! let parts = Parts::new(list, Split::new(Shares::USUAL, 420, names.digest.words));
//! let memory = Memory::half_of_the_machine();
//!
//! let vocabulary = names.counts.vocabulary();
//! let train = &count_parts(&parts, &[Part::Train], vocabulary, 6, &memory, &|_| ())?[0];
//! let model = Ngram::of(train, Smoothing::KneserNey, &memory)?;
//! let dev = score::evaluate::parts(&model, &parts, &[Part::Dev], &Alone)?;
//! assert!(dev.nll() < 2.0, "{}", dev.nll()); // the bigram has 2.46
//! # Ok::<(), makemore_tch::Error>(())
//! ```

pub mod additive;
mod contexts;
mod drawer;
mod gathering;
mod interpolation;
pub mod kneser_ney;
mod marginal;
mod model;
pub mod orders;
pub(crate) mod share;
pub(crate) mod small;
mod smoothing;
pub(crate) mod trie;
pub(crate) mod view;
mod walk;
pub mod witten_bell;

pub use marginal::{Cut, Marginal};
pub use model::Ngram;
pub use smoothing::Smoothing;
