//! The counting model's counts: how often each character follows each context (`N`).
//!
//! There are two ways to count, which both return [`NgramCounts`]:
//!
//! - [`bigrams`] counts the bigrams of a whole list and finds its vocabulary. Its threads `scan` blocks
//!   of bytes; several processes scan a part of the list each.
//! - [`ngrams`] counts n-grams of any order in parts of a list whose vocabulary is known. It groups equal
//!   words (`repeated_words`), packs n-grams into numbers (`packed`), and counts these in a `hash_table`.

pub mod bigrams;
pub mod counts;
mod hash_table;
pub mod ngrams;
pub(crate) mod packed;
pub(crate) mod repeated_words;
mod scan;

pub use crate::data::pass::threads;
pub use bigrams::{Counted, TOKENS, count, count_for, count_shared, count_shared_for, count_with};
pub use counts::{NgramCounts, Row};
pub use ngrams::{count_parts, count_shared_parts};
pub use packed::MAX_ORDER;

#[cfg(test)]
pub(crate) use counts::tests;
