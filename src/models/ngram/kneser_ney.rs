//! Interpolated modified Kneser–Ney smoothing, as KenLM's `lmplz --discount_fallback` does it.
//!
//! A discount is subtracted from every count, and the discounts are shared out among all characters,
//! in proportion to their probabilities of the order below. In lower orders the count of an n-gram is
//! the number of different characters before it, and not of its occurrences: a lower order matters
//! where the longer context never had the character.
//!
//! With `a` the count of an n-gram (see `Occurrences::adjusted`), `s` the sum of those with the
//! same context, and `D` the discounts of its order, of counts of 1, 2, and 3 or more:
//!
//! ```text
//! p(last | context) = (a - D[a]) / s + b(context) p(last | context without its first character)
//! b(context)        = (D[1] n1 + D[2] n2 + D[3] n3) / s
//! ```
//!
//! where `n1`, `n2`, `n3` are the numbers of different characters with a count of 1, 2, and 3 or more
//! after the context. Below the first order all characters are equally probable, `<unk>` among them.
//! Everything is computed in f32, as in KenLM.
//!
//! One departure from KenLM: to compute the discounts of an order, KenLM takes for the n-gram that it
//! sorts last its number of occurrences instead of `a` (the end of `AdjustCounts::Run` in
//! `lm/builder/adjust_counts.cc`). Which n-gram that is depends on the order of the words, so KenLM's
//! model of a short list changes when the list is shuffled. In a long list, one n-gram among
//! thousands makes no visible difference.
//!
//! Sources: Chen and Goodman, *An empirical study of smoothing techniques for language modeling*,
//! 1998, section 3 and equation (26); Heafield, Pouzyrevsky, Clark and Koehn, *Scalable modified
//! Kneser–Ney language model estimation*, 2013.

use std::sync::Arc;

use serde::Serialize;

use super::interpolation::{ContextWeights, interpolate};
use super::share::Share;
use super::view::{Probabilities, View};
use crate::error::Result;

/// The discounts of counts of 1, 2, and 3 or more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Discounts(pub [f32; 3]);

impl Discounts {
    /// KenLM's `--discount_fallback`, for counts that give none.
    pub const FALLBACK: Self = Self([0.5, 1.0, 1.5]);

    /// Discounts of an order, from its numbers of n-grams with a count of 1, 2, 3 and 4. The fallback
    /// if one of the first three is 0 or a discount would be negative or more than its count.
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

    /// The discount of a count.
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

/// Estimates the probabilities of all n-grams of a share.
///
/// # Errors
///
/// [`Error::Processes`](crate::error::Error::Processes).
pub(super) fn estimate(share: &Share) -> Result<Estimate> {
    let mut lower = Lower::new(share);
    for _ in 1..share.order() {
        lower.add()?;
    }
    lower.with_top()
}

/// The numbers of counts of 1, 2, 3 and 4.
fn numbers_of_counts(counts: &[u64]) -> [u64; 4] {
    let mut n = [0; 4];
    for &count in counts.iter().filter(|count| (1..=4).contains(*count)) {
        n[count as usize - 1] += 1;
    }
    n
}

/// The lower levels of a model, as many as were added.
#[derive(Debug)]
pub(crate) struct Lower<'a> {
    share: &'a Share<'a>,
    /// The last one has no backoffs yet: these follow from the counts of the level above.
    levels: Vec<Arc<Probabilities>>,
    discounts: Vec<Discounts>,
}

impl<'a> Lower<'a> {
    pub fn new(share: &'a Share) -> Self {
        Self {
            share,
            levels: Vec::new(),
            discounts: Vec::new(),
        }
    }

    /// Adds a level below the highest, and returns its discounts.
    ///
    /// # Errors
    ///
    /// As [`estimate`].
    pub fn add(&mut self) -> Result<Discounts> {
        let (levels, discounts) = self.with(&self.share.occurrences[self.levels.len()].adjusted)?;
        self.levels = levels;
        self.discounts.push(discounts);
        Ok(discounts)
    }

    /// The model whose highest level is the one above these.
    ///
    /// # Errors
    ///
    /// As [`estimate`].
    pub fn with_top(&self) -> Result<Estimate> {
        let (levels, discounts) = self.with(&self.share.occurrences[self.levels.len()].raw)?;
        let trie = Arc::clone(&self.share.trie);
        Ok(Estimate {
            view: View {
                trie,
                levels,
                unit: 1.0,
            },
            discounts: [&self.discounts[..], &[discounts]].concat(),
        })
    }

    /// The levels and one more, of n-grams with these counts; and the discounts of that one.
    fn with(&self, counts: &[u64]) -> Result<(Vec<Arc<Probabilities>>, Discounts)> {
        let length = self.levels.len() + 1;
        let numbers = self.share.sums_of(length, numbers_of_counts(counts))?;
        let discounts = Discounts::of(numbers);
        let weights = |counts: &[u64]| Discounted::of(counts, discounts);
        let mut levels = self.levels.clone();
        // The uniform distribution of all characters, the end token and <unk>, the last count.
        let uniform = 1.0 / counts.len() as f32;
        interpolate(self.share, &mut levels, counts, uniform.into(), weights);
        Ok((levels, discounts))
    }
}

/// The counts after a context.
struct Discounted {
    sum: f32,
    /// The sum of the discounts, divided by the sum of the counts.
    backoff: f32,
    discounts: Discounts,
}

impl Discounted {
    fn of(counts: &[u64], discounts: Discounts) -> Self {
        let sum = counts.iter().sum::<u64>() as f32;
        let mut n = [0_u64; 3];
        for &count in counts.iter().filter(|&&count| count > 0) {
            n[count.min(3) as usize - 1] += 1;
        }
        let taken = n.iter().zip(discounts.0);
        let taken = taken.fold(0.0, |taken, (&n, discount)| taken + discount * n as f32);
        Self {
            sum,
            backoff: taken / sum,
            discounts,
        }
    }
}

impl ContextWeights for Discounted {
    fn p(&self, count: u64, lower: f64) -> f32 {
        let discounted = (count as f32 - self.discounts.from(count)) / self.sum;
        discounted + self.backoff * lower as f32
    }

    fn backoff(&self) -> f32 {
        self.backoff
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counting::tests::ngrams_of;
    use crate::data::Words;
    use crate::distributed::Alone;
    use crate::memory::Memory;
    use crate::models::LanguageModel;
    use crate::models::ngram::{Ngram, Smoothing};
    use crate::score;

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
        let share = Share::of(&counts, &memory(), &Alone).unwrap();
        let Estimate { discounts, .. } = estimate(&share).unwrap();
        let model = Ngram::of(&counts, Smoothing::KneserNey, &memory()).unwrap();
        (model, discounts)
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

    /// The expected numbers are from the ARPA file of `lmplz -o 3 --discount_fallback`.
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
        // Discounts of the bigrams, printed by lmplz.
        let printed = [0.482759, 0.390805, 1.84138];
        for (ours, printed) in [one, two, three].into_iter().zip(printed) {
            assert!((ours - printed).abs() < 5e-6, "{ours} for {printed}");
        }
    }
}
