//! Witten–Bell smoothing: what never followed a context is as probable as something new was in it.
//!
//! With `c` how often an n-gram occurs, `s` how often its context does, and `t` how many different
//! characters follow the context:
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

use super::trie::{Node, Occurrences, Trie};
use super::view::{Probabilities, View};

/// Estimates the probabilities of all n-grams.
pub(crate) fn estimate(trie: Arc<Trie>, occurrences: &[Occurrences]) -> View {
    let mut levels: Vec<Arc<Probabilities>> = Vec::new();
    for (below, counts) in occurrences.iter().enumerate() {
        let counts = &counts.raw;
        let Some(lower) = levels.last_mut() else {
            // Without <unk>, which is the last.
            let counts = &counts[..counts.len() - 1];
            let uniform = 1.0 / counts.len() as f64;
            let weights = Weights::of(counts);
            let p = counts.iter().map(|&count| weights.p(count, uniform));
            levels.push(Arc::new(Probabilities {
                p: p.collect(),
                backoff: Vec::new(),
            }));
            continue;
        };
        let lower = Arc::make_mut(lower);
        let suffix = &trie.level(below + 1).suffix;
        let mut p = vec![0.0; counts.len()];
        let of_context = |index| {
            let length = below;
            let children = trie.children(Node { length, index });
            if children.is_empty() {
                return 1.0;
            }
            let weights = Weights::of(&counts[children.clone()]);
            for child in children {
                let lower = lower.p[suffix[child] as usize];
                p[child] = weights.p(counts[child], lower.into());
            }
            weights.backoff() as f32
        };
        let contexts = 0..trie.level(below).last.len();
        let backoff = contexts.map(of_context).collect();
        lower.backoff = backoff;
        levels.push(Arc::new(Probabilities {
            p,
            backoff: Vec::new(),
        }));
    }
    View {
        trie,
        levels,
        unit: 1.0,
    }
}

/// How often a context occurs, and how many characters follow it.
struct Weights {
    sum: f64,
    distinct: f64,
}

impl Weights {
    fn of(counts: &[u64]) -> Self {
        Self {
            sum: counts.iter().sum::<u64>() as f64,
            distinct: counts.iter().filter(|&&count| count > 0).count() as f64,
        }
    }

    fn p(&self, count: u64, lower: f64) -> f32 {
        ((count as f64 + self.distinct * lower) / (self.sum + self.distinct)) as f32
    }

    fn backoff(&self) -> f64 {
        self.distinct / (self.sum + self.distinct)
    }
}

#[cfg(test)]
mod tests {
    use crate::Words;
    use crate::counting::tests::ngrams_of;
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
