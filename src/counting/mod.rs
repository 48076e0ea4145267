//! The counting model's counts: how often each character follows each context (`N`).
//!
//! Bigrams of a whole list are counted by [`bigrams`], whose threads `scan` blocks of its bytes; that
//! finds the vocabulary too. N-grams of any order, of any part of a list whose vocabulary is known,
//! are counted by [`ngrams`], in the tables of `hash_table`, after `repeated_words` has counted equal
//! words once. Both end in [`NgramCounts`], where n-grams are `packed` into numbers.

pub mod bigrams;
pub mod counts;
mod hash_table;
pub mod ngrams;
pub(crate) mod packed;
pub(crate) mod repeated_words;
mod scan;

pub use crate::data::pass::threads;
pub use bigrams::{Counted, count, count_with};
pub use counts::{NgramCounts, Row};
pub use ngrams::count_parts;
pub use packed::MAX_ORDER;

pub(crate) use counts::for_any_width;
#[cfg(test)]
pub(crate) use counts::tests;
