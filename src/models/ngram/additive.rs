//! Additive smoothing, as in the lecture: a number is added to every count.
//!
//! With `c` the count of an n-gram, `s` that of its context and `x` the number added, the probability
//! is `(c + x) / (s + x V)`. The lecture adds 1 to its bigrams. There is no backing off: after a
//! context that never occurs, all characters are equally probable.
//!
//! Source: the notes, "Probability".

use std::sync::Arc;

use super::share::Share;
use super::smoothing::Smoothing;
use super::trie::Node;
use super::view::{Probabilities, View};

/// Estimates the probabilities of n-grams of an order with `added` added to the counts of the longest n-grams; those of
/// order 2 are the lecture's `P`, to the last bit.
pub(super) fn estimate(share: &Share, order: usize, added: f64) -> View {
    let (trie, occurrences) = (&share.trie, &share.occurrences);
    let v = trie.levels[0].last.len() - 1; // Without <unk>.
    let unit = Smoothing::Additive(added).backoff_unit(v);
    let uniform = unseen(added, v);
    let mut levels: Vec<Probabilities> = trie
        .levels
        .iter()
        .take(order)
        .map(|level| Probabilities {
            p: vec![uniform; level.last.len()],
            backoff: vec![uniform; level.children.len().saturating_sub(1)],
        })
        .collect();
    levels[0].p.truncate(v);
    levels[order - 1].backoff.clear();
    if order == 1 {
        let row = CountsAfter::of(&occurrences[0].raw[..v], v, added);
        let p = occurrences[0].raw[..v].iter().map(|&count| row.p(count));
        levels[0].p = p.collect();
    }
    // The contexts of full length, and the shorter ones that begin with the start token.
    for length in 1..order {
        let contexts = match length == order - 1 {
            true => 0..trie.level(length).children.len() - 1,
            false => share.begun_contexts(length),
        };
        let counts = &occurrences[length].raw;
        for index in contexts {
            let children = trie.children(Node { length, index });
            if children.is_empty() {
                continue;
            }
            let row = CountsAfter::of(&counts[children.clone()], v, added);
            for child in children {
                levels[length].p[child] = row.p(counts[child]);
            }
            levels[length - 1].backoff[index] = row.p(0);
        }
    }
    View {
        trie: Arc::clone(trie),
        levels: levels.into_iter().map(Arc::new).collect(),
        unit,
    }
}

/// The stored backoff of n-grams after which no character came.
pub(super) fn unseen(added: f64, v: usize) -> f32 {
    match added > 0.0 {
        true => Smoothing::Additive(added).backoff_unit(v) as f32,
        // Without smoothing there is no distribution after a context that never occurs.
        false => 0.0,
    }
}

/// The counts of characters after a context.
struct CountsAfter {
    added: f64,
    /// The sum of the smoothed counts; infinite where it is too large for f32.
    sum: f32,
    /// The same sum, divided by `added`.
    relative_sum: f64,
}

impl CountsAfter {
    fn of(counts: &[u64], v: usize, added: f64) -> Self {
        let smoothed = |count: u64| f64::from((count as f64 + added) as f32);
        let unseen = (v - counts.len()) as f64;
        let sum: f64 = counts.iter().map(|&count| smoothed(count)).sum();
        let total: u64 = counts.iter().sum();
        Self {
            added,
            sum: (sum + unseen * smoothed(0)) as f32,
            relative_sum: total as f64 / added + v as f64,
        }
    }

    fn p(&self, count: u64) -> f32 {
        if self.sum.is_finite() {
            let smoothed = (count as f64 + self.added) as f32;
            return smoothed / self.sum;
        }
        ((count as f64 / self.added + 1.0) / self.relative_sum) as f32
    }
}

#[cfg(test)]
mod tests {
    use crate::counting::NgramCounts;
    use crate::counting::tests::ngrams_of;
    use crate::data::Words;
    use crate::memory::Memory;
    use crate::models::LanguageModel;
    use crate::models::ngram::{Ngram, Smoothing};
    use crate::models::table::Table;
    use proptest::prelude::*;

    fn model(words: &Words, order: usize, added: f64) -> Ngram {
        let memory = Memory::new(1 << 30);
        Ngram::of(
            &ngrams_of(words, order),
            Smoothing::Additive(added),
            &memory,
        )
        .unwrap()
    }

    fn rows_of_bigrams(words: &Words, added: f64) -> Vec<Vec<f32>> {
        let model = model(words, 2, added);
        let v = model.vocabulary().len();
        let every = crate::models::language_model::single_characters(model.vocabulary()).unwrap();
        let p: Vec<f32> = Vec::try_from(model.distributions(&every).unwrap().view([-1])).unwrap();
        p.chunks(v).map(<[f32]>::to_vec).collect()
    }

    #[test]
    fn one_added_to_bigrams_is_the_lectures_p_to_the_last_bit() {
        let names = Words::lecture('.').unwrap();
        let p = Table::of(&NgramCounts::of(&names).unwrap(), 1.0).unwrap();
        assert!(p.rows().eq(rows_of_bigrams(&names, 1.0)));
    }

    #[test]
    fn a_context_that_never_occurs_says_nothing() {
        let words = Words::parse("list", "ab\nbab\n", '.').unwrap();
        let model = model(&words, 3, 0.5);
        let after = |context: &[i64]| {
            let contexts = tch::Tensor::from_slice(context).view([1, 2]);
            Vec::<f32>::try_from(model.distributions(&contexts).unwrap().view([-1])).unwrap()
        };
        assert_eq!(after(&[2, 2]), [1.0 / 3.0; 3]);
        // After the start and b comes a, once.
        assert_eq!(after(&[0, 2]), [0.5 / 2.5, 1.5 / 2.5, 0.5 / 2.5]);
        // Before that, the start alone.
        assert_eq!(after(&[0, 0]), [0.5 / 3.5, 1.5 / 3.5, 1.5 / 3.5]);
    }

    proptest! {
        #[test]
        fn bigrams_of_any_list_are_those_of_the_table(
            list in prop::collection::vec("[a-eß]{1,6}", 1..20),
            added in prop::sample::select(vec![0.0, 1e-9, 0.1, 1.0, 2.5, 1e30, 1e39, 1e300]),
        ) {
            let words = Words::parse("list", list.join("\n"), '.').unwrap();
            let p = Table::of(&NgramCounts::of(&words).unwrap(), added).unwrap();
            prop_assert_eq!(p.rows().map(<[f32]>::to_vec).collect::<Vec<_>>(), rows_of_bigrams(&words, added));
        }
    }
}
