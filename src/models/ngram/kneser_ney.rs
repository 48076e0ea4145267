//! Interpolated modified Kneser–Ney smoothing, as KenLM's `lmplz --discount_fallback` does it.
//!
//! A little is taken from every count, and what was taken is given to all characters, in
//! proportion to the probabilities of the order below. There, a character counts not for how often
//! it occurs but for how many different characters it occurs after: it is asked for where the
//! longer context was never followed by it.
//!
//! With `a` the count of an n-gram (see `Occurrences::adjusted`), `s` the sum of those with the
//! same context, and `D` the discounts of its order, of counts of 1, 2, and 3 or more:
//!
//! ```text
//! p(last | context) = (a - D[a]) / s + b(context) p(last | context without its first character)
//! b(context)        = (D[1] n1 + D[2] n2 + D[3] n3) / s
//! ```
//!
//! where `n1`, `n2`, `n3` are how many different characters follow the context once, twice, more
//! often. Below the first order all characters are equally probable, an unknown one (`<unk>`) among
//! them. All in f32, as KenLM computes it.
//!
//! In one thing we do not follow KenLM: of each order it counts one n-gram, the last one in its own
//! order, with how often it occurs instead of with `a` when it finds the discounts (the end of
//! `AdjustCounts::Run` in `lm/builder/adjust_counts.cc`). Which one that is depends on the order of
//! the words, so that its model of a list of few words changes when they are shuffled. In others,
//! one among thousands does not show.
//!
//! Sources: Chen and Goodman, *An empirical study of smoothing techniques for language modeling*,
//! 1998, section 3 and equation (26); Heafield, Pouzyrevsky, Clark and Koehn, *Scalable modified
//! Kneser–Ney language model estimation*, 2013.

use std::sync::Arc;

use serde::Serialize;

use super::trie::{Node, Occurrences, Trie};
use super::view::{Probabilities, View};

/// What is taken from counts of 1, 2, and 3 or more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Discounts(pub [f32; 3]);

impl Discounts {
    /// Where they cannot be had from the counts: KenLM's `--discount_fallback`.
    pub const FALLBACK: Self = Self([0.5, 1.0, 1.5]);

    /// From how many n-grams of an order have a count of 1, 2, 3 and 4; the fallback if one of the
    /// first three is 0 or a discount would be negative or more than its count.
    ///
    /// Source: Chen and Goodman, equation (26).
    pub fn of(n: [u64; 4]) -> Self {
        let [n1, n2, ..] = n;
        if n[..3].contains(&0) {
            return Self::FALLBACK;
        }
        let y = n1 as f32 / (n1 as f64 + 2.0 * n2 as f64) as f32;
        let discounts = [0, 1, 2].map(|i| {
            let count = (i + 1) as f32;
            count - (count + 1.0) * y * n[i + 1] as f32 / n[i] as f32
        });
        let mut counts = [1.0, 2.0, 3.0].into_iter().zip(discounts);
        match counts.all(|(count, discount)| (0.0..=count).contains(&discount)) {
            true => Self(discounts),
            false => Self::FALLBACK,
        }
    }

    /// What is taken from a count.
    fn from(&self, count: u64) -> f32 {
        match count {
            0 => 0.0,
            count => self.0[count.min(3) as usize - 1],
        }
    }
}

/// A model, and the discounts of its orders from 1 on.
#[derive(Debug)]
pub(crate) struct Estimate {
    pub view: View,
    pub discounts: Vec<Discounts>,
}

/// Estimates the probabilities of all n-grams.
pub(crate) fn estimate(trie: Arc<Trie>, occurrences: &[Occurrences]) -> Estimate {
    let mut lower = Lower::new(trie, occurrences);
    for _ in 1..occurrences.len() {
        lower.add();
    }
    lower.with_top()
}

/// The levels below the highest one of a model, as many as were added.
#[derive(Debug)]
pub(crate) struct Lower<'a> {
    trie: Arc<Trie>,
    occurrences: &'a [Occurrences],
    /// The last one without backoffs: these follow from the counts of the level above.
    levels: Vec<Arc<Probabilities>>,
    discounts: Vec<Discounts>,
}

impl<'a> Lower<'a> {
    pub fn new(trie: Arc<Trie>, occurrences: &'a [Occurrences]) -> Self {
        Self {
            trie,
            occurrences,
            levels: Vec::new(),
            discounts: Vec::new(),
        }
    }

    /// Adds a level below the highest, and returns its discounts.
    pub fn add(&mut self) -> Discounts {
        let (p, backoff, discounts) = self.next(|occurrences| &occurrences.adjusted);
        self.levels = self.levels_with(backoff);
        self.levels.push(Arc::new(Probabilities {
            p,
            backoff: Vec::new(),
        }));
        self.discounts.push(discounts);
        discounts
    }

    /// The model that ends with the next level.
    pub fn with_top(&self) -> Estimate {
        let (p, backoff, discounts) = self.next(|occurrences| &occurrences.raw);
        let mut levels = self.levels_with(backoff);
        levels.push(Arc::new(Probabilities {
            p,
            backoff: Vec::new(),
        }));
        Estimate {
            view: View {
                trie: Arc::clone(&self.trie),
                levels,
                unit: 1.0,
            },
            discounts: [&self.discounts[..], &[discounts]].concat(),
        }
    }

    fn levels_with(&self, backoff: Vec<f32>) -> Vec<Arc<Probabilities>> {
        let mut levels = self.levels.clone();
        if let Some(last) = levels.last_mut() {
            Arc::make_mut(last).backoff = backoff;
        }
        levels
    }

    /// The probabilities of the next level, the backoffs of the one below, and the discounts.
    fn next(&self, counts: impl Fn(&Occurrences) -> &Vec<u64>) -> (Vec<f32>, Vec<f32>, Discounts) {
        let counts = counts(&self.occurrences[self.levels.len()]);
        let discounts = discounts_of(counts);
        match self.levels.last() {
            None => (unigrams(counts, &discounts), Vec::new(), discounts),
            Some(below) => {
                let (p, backoff) = self.longer(counts, &discounts, below);
                (p, backoff, discounts)
            }
        }
    }

    fn longer(
        &self,
        counts: &[u64],
        discounts: &Discounts,
        below: &Probabilities,
    ) -> (Vec<f32>, Vec<f32>) {
        let length = self.levels.len() + 1;
        let suffix = &self.trie.level(length).suffix;
        let mut p = vec![0.0; counts.len()];
        let contexts = 0..self.trie.level(length - 1).last.len();
        let of_context = |index| {
            let children = self.trie.children(Node {
                length: length - 1,
                index,
            });
            if children.is_empty() {
                return 1.0;
            }
            let (sum, backoff) = sum_and_backoff(&counts[children.clone()], discounts);
            for child in children {
                let lower = below.p[suffix[child] as usize];
                p[child] = discounted(counts[child], sum, discounts) + backoff * lower;
            }
            backoff
        };
        let backoff = contexts.map(of_context).collect();
        (p, backoff)
    }
}

fn unigrams(counts: &[u64], discounts: &Discounts) -> Vec<f32> {
    // All characters and the end token, and <unk>, which is the last count here.
    let uniform = 1.0 / counts.len() as f32;
    let (sum, backoff) = sum_and_backoff(counts, discounts);
    let p = counts.iter();
    p.map(|&count| discounted(count, sum, discounts) + backoff * uniform)
        .collect()
}

fn discounted(count: u64, sum: f32, discounts: &Discounts) -> f32 {
    (count as f32 - discounts.from(count)) / sum
}

/// The sum of the counts after a context, and the share of it that the discounts take.
fn sum_and_backoff(counts: &[u64], discounts: &Discounts) -> (f32, f32) {
    let sum = counts.iter().sum::<u64>() as f32;
    let mut n = [0_u64; 3];
    for &count in counts.iter().filter(|&&count| count > 0) {
        n[count.min(3) as usize - 1] += 1;
    }
    let taken = n.iter().zip(discounts.0);
    let taken = taken.fold(0.0, |taken, (&n, discount)| taken + discount * n as f32);
    (sum, taken / sum)
}

fn discounts_of(counts: &[u64]) -> Discounts {
    let mut n = [0; 4];
    for &count in counts.iter().filter(|count| (1..=4).contains(*count)) {
        n[count as usize - 1] += 1;
    }
    Discounts::of(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use crate::models::LanguageModel;
    use crate::models::ngram::{Ngram, Smoothing};
    use crate::score;
    use crate::{Words, counting::tests::ngrams_of};

    /// The 1st, 3rd, 5th … line of the names, or the 2nd, 4th, 6th ….
    fn every_other_line(first: usize) -> Words {
        let names = Words::lecture('.').unwrap();
        let lines: Vec<&str> = names.iter().skip(first).step_by(2).collect();
        Words::parse("list", lines.join("\n"), '.').unwrap()
    }

    fn memory() -> Memory {
        Memory::new(1 << 30)
    }

    fn model(order: usize) -> (Ngram, Vec<Discounts>) {
        let counts = ngrams_of(&every_other_line(0), order);
        let (trie, occurrences) = Trie::of(&counts, &memory()).unwrap();
        let Estimate { view, discounts } = estimate(Arc::new(trie), &occurrences);
        let vocabulary = counts.vocabulary().clone();
        (
            Ngram::with(vocabulary, Some(Smoothing::KneserNey), view),
            discounts,
        )
    }

    /// Printed by KenLM (`lmplz -o N --discount_fallback`, `query`), one character a token.
    #[test]
    fn held_out_names_have_the_perplexities_of_kenlm() {
        let held_out = every_other_line(1);
        let printed = [
            (2, 11.667731),
            (3, 9.293934),
            (4, 8.004647),
            (5, 7.550554),
            (6, 7.506218),
        ];
        for (order, perplexity) in printed {
            let (model, _) = model(order);
            let evaluation = score::evaluate::words(&model, held_out.iter()).unwrap();
            let ours = evaluation.nll().exp();
            assert!(
                (ours / perplexity - 1.0_f64).abs() < 1e-6,
                "{ours} for {perplexity}"
            );
        }
    }

    /// Printed by `lmplz -o 5 --discount_fallback`.
    #[test]
    fn ngrams_and_discounts_are_those_of_kenlm() {
        let (model, discounts) = model(5);
        assert_eq!(model.ngrams(), [29, 602, 5228, 18284, 31106]);
        let printed = |discounts: Discounts| discounts.0.map(|d| format!("{d:.5}"));
        assert_eq!(discounts[0], Discounts::FALLBACK);
        assert_eq!(printed(discounts[2]), ["0.52394", "0.93879", "1.68297"]);
        assert_eq!(printed(discounts[4]), ["0.65126", "1.18121", "1.63842"]);
    }

    /// From the ARPA file of `lmplz -o 3 --discount_fallback`.
    #[test]
    fn probabilities_and_backoffs_are_those_of_kenlm() {
        let (model, _) = model(3);
        let stoi = |text: &str| model.vocabulary().encode(text).unwrap();
        let log10_after = |context: &[usize], next: &str| {
            let view = model.view();
            let (p, _) = view.step(view.after(context), stoi(next)[0]);
            p.log10()
        };
        assert_eq!(log10_after(&[0, stoi("e")[0]], "m"), -0.7306228);
        assert_eq!(log10_after(&stoi("em"), "m"), -0.8892351);
        let unigrams = &model.view().levels[0];
        assert_eq!(unigrams.p[27].log10(), -2.6192994);
        assert_eq!(unigrams.backoff[stoi("e")[0]].log10(), -0.99280185);
    }

    #[test]
    fn discounts_out_of_range_are_replaced_by_the_fallback() {
        assert_eq!(Discounts::of([0, 1, 1, 1]), Discounts::FALLBACK);
        assert_eq!(Discounts::of([1, 1, 0, 1]), Discounts::FALLBACK);
        // D[2] = 2 - 3 y n3/n2 would be negative.
        assert_eq!(Discounts::of([10, 1, 10, 1]), Discounts::FALLBACK);
        let Discounts([one, two, three]) = Discounts::of([84, 45, 50, 30]);
        // Of the bigrams, printed by lmplz.
        let printed = [0.482759, 0.390805, 1.84138];
        for (ours, printed) in [one, two, three].into_iter().zip(printed) {
            assert!((ours - printed).abs() < 5e-6, "{ours} for {printed}");
        }
    }
}
