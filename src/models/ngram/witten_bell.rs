//! Witten–Bell smoothing: the weight of the shorter context is the share of characters that were new
//! after the longer one when they came.
//!
//! With `c` the count of an n-gram, `s` that of its context, and `t` the number of different characters
//! after the context:
//!
//! ```text
//! p(last | context) = (c + t p(last | context without its first character)) / (s + t)
//! b(context)        = t / (s + t)
//! ```
//!
//! Below the first order all characters are equally probable.
//!
//! Source: Chen and Goodman, *An empirical study of smoothing techniques for language modeling*,
//! 1998, section 2.6.

use std::sync::Arc;

use super::interpolation::{ContextWeights, interpolate};
use super::share::{Occurrences, Share};
use super::view::View;

/// Estimates the probabilities of all n-grams.
pub(super) fn estimate(share: &Share) -> View {
    let mut levels = Vec::new();
    for (below, Occurrences { raw, .. }) in share.occurrences.iter().enumerate() {
        // Counts of single characters without <unk>, which is the last.
        let counts = if below == 0 {
            &raw[..raw.len() - 1]
        } else {
            raw
        };
        let uniform = 1.0 / counts.len() as f64;
        interpolate(share, &mut levels, counts, uniform, Followers::of);
    }
    View {
        trie: Arc::clone(&share.trie),
        levels,
        unit: 1.0,
    }
}

/// The counts after a context.
struct Followers {
    sum: f64,
    /// The number of different characters.
    distinct: f64,
}

impl Followers {
    fn of(counts: &[u64]) -> Self {
        Self {
            sum: counts.iter().sum::<u64>() as f64,
            distinct: counts.iter().filter(|&&count| count > 0).count() as f64,
        }
    }
}

impl ContextWeights for Followers {
    fn p(&self, count: u64, lower: f64) -> f32 {
        ((count as f64 + self.distinct * lower) / (self.sum + self.distinct)) as f32
    }

    fn backoff(&self) -> f32 {
        (self.distinct / (self.sum + self.distinct)) as f32
    }
}

#[cfg(test)]
mod tests {
    use crate::counting::tests::ngrams_of;
    use crate::data::Words;
    use crate::memory::Memory;
    use crate::models::LanguageModel;
    use crate::models::ngram::{Ngram, Smoothing};

    #[test]
    fn a_small_list_has_the_probabilities_of_the_formula() {
        let words = Words::parse("list", "ab\nabb\n", '.').unwrap();
        let memory = Memory::new(1 << 20);
        let model = Ngram::of(&ngrams_of(&words, 2), Smoothing::WittenBell, &memory).unwrap();
        // a twice, b three times, the end twice: 7 characters, 3 different ones.
        let unigram = |count: f64| (count + 3.0 / 3.0) / 10.0;
        // After b, b once and the end twice.
        let expected = [
            (2.0 + 1.0 * unigram(2.0)) / 3.0,
            1.0 / 3.0 * unigram(2.0),
            1.0 / 3.0 * unigram(2.0),
        ];
        // The start, then a; after a comes b twice and nothing else.
        let p = model.probabilities(&[&[1, 1]]).unwrap();
        for (ours, expected) in p.iter().zip(expected) {
            assert!((f64::from(*ours) - expected).abs() < 1e-7, "{p:?}");
        }
        assert!(!model.knows_unknown());
    }
}
