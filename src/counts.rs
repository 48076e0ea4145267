//! The counting model: how often each character follows each other one (`N` and `P`).

use sha2::{Digest, Sha256};
use tch::{Kind, Tensor};

use crate::error::{Error, Result};
use crate::probabilities::Probabilities;
use crate::tally::{Total, count_text};
use crate::vocabulary::Vocabulary;
use crate::words::Words;

/// `N`: how often character `j` follows character `i`, `[V, V]`.
///
/// Source: the notes, "Frequency" and "Probability".
///
/// ```
/// # use makemore_tch::{BigramCounts, Words};
/// let counts = BigramCounts::of(&Words::lecture('.')?)?;
/// let (i, j, count) = counts.most_common(1)[0];
/// assert_eq!((counts.vocabulary().bigram(i, j).as_str(), count), ("n.", 6763));
/// # Ok::<(), makemore_tch::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct BigramCounts {
    vocabulary: Vocabulary,
    n: Vec<u64>,
}

impl BigramCounts {
    /// Counts the bigrams of a word list.
    ///
    /// # Errors
    ///
    /// None for a list that was read: it is checked there.
    pub fn of(words: &Words) -> Result<Self> {
        Self::of_text(words.origin(), words.text(), words.boundary())
    }

    /// Counts and checks a text, which errors call `origin`.
    pub(crate) fn of_text(origin: &str, text: &str, boundary: char) -> Result<Self> {
        let total = count_text(text, boundary).map_err(|fault| Error::Line {
            file: origin.to_owned(),
            line: fault.place.1 + 1,
            fault: fault.fault,
        })?;
        Self::new(boundary, total)
    }

    pub(crate) fn new(boundary: char, total: Total) -> Result<Self> {
        Ok(Self {
            vocabulary: Vocabulary::new(boundary, total.characters)?,
            n: total.n,
        })
    }

    /// The vocabulary that the indices are of.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The number of words that were counted: as many as boundaries after another character.
    pub fn words(&self) -> u64 {
        self.rows().map(|row| row[0]).sum()
    }

    /// The number of bigrams that were counted: the sum of `N`.
    pub fn bigrams(&self) -> u64 {
        self.n.iter().sum()
    }

    /// `N[i, j]`.
    pub fn count(&self, i: usize, j: usize) -> u64 {
        self.n[i * self.vocabulary.len() + j]
    }

    /// The rows of `N`: `V` slices of `V` counts.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[u64]> {
        self.n.chunks_exact(self.vocabulary.len())
    }

    /// The bigrams that occur, each as `(i, j, N[i, j])`, in the order of their indices.
    pub fn distinct(&self) -> impl Iterator<Item = (usize, usize, u64)> {
        let v = self.vocabulary.len();
        let all = self.n.iter().enumerate();
        all.filter(|&(_, &count)| count > 0)
            .map(move |(index, &count)| (index / v, index % v, count))
    }

    /// The `top` most common bigrams as `(i, j, N[i, j])`; ties are in the order of the indices.
    pub fn most_common(&self, top: usize) -> Vec<(usize, usize, u64)> {
        let mut bigrams: Vec<_> = self.distinct().collect();
        bigrams.sort_by_key(|&(_, _, count)| std::cmp::Reverse(count));
        bigrams.truncate(top);
        bigrams
    }

    /// The SHA-256 of vocabulary and counts, in hexadecimal.
    pub(crate) fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        for &character in self.vocabulary.characters() {
            hasher.update(u32::from(character).to_le_bytes());
        }
        for (i, j, count) in self.distinct() {
            for number in [i as u64, j as u64, count] {
                hasher.update(number.to_le_bytes());
            }
        }
        base16ct::lower::encode_string(&hasher.finalize())
    }

    /// `N` as a tensor, `[V, V]`, i64.
    ///
    /// # Errors
    ///
    /// If libtorch cannot allocate it.
    pub fn tensor(&self) -> Result<Tensor> {
        let v = self.vocabulary.len() as i64;
        let n: Vec<i64> = self.n.iter().map(|&count| count as i64).collect();
        Ok(Tensor::f_from_slice(&n)?.f_view([v, v])?)
    }

    /// `P = (N + smoothing) / row sums`, `[V, V]`, f32.
    ///
    /// With smoothing 0 a row of `N` without counts stays all zeros and is an error where it is
    /// needed.
    ///
    /// # Errors
    ///
    /// If `smoothing` is negative or not finite, or libtorch cannot allocate `P`.
    pub fn probabilities(&self, smoothing: f64) -> Result<Probabilities> {
        if !(smoothing.is_finite() && smoothing >= 0.0) {
            return Err(Error::Value {
                what: "the smoothing",
                value: smoothing.to_string(),
                expected: "0 or more would work",
            });
        }
        let smoothed = self
            .tensor()?
            .f_to_kind(Kind::Double)?
            .f_add_scalar(smoothing)?
            .f_to_kind(Kind::Float)?;
        let sums = smoothed.f_sum_dim_intlist([1].as_slice(), true, Kind::Float)?;
        // An empty row would be 0 / 0.
        let empty = sums.f_eq(0.0)?;
        let p = smoothed.f_div(&sums.f_masked_fill(&empty, 1.0)?)?;
        Probabilities::new(self.vocabulary.clone(), &p)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(text: &str) -> BigramCounts {
        BigramCounts::of(&Words::parse("list", text.to_owned(), '.').unwrap()).unwrap()
    }

    #[test]
    fn the_lecture_has_the_published_counts() {
        let counts = BigramCounts::of(&Words::lecture('.').unwrap()).unwrap();
        assert_eq!(counts.bigrams(), 228_146);
        assert_eq!(counts.distinct().count(), 627);
        let top: Vec<_> = counts
            .most_common(5)
            .into_iter()
            .map(|(i, j, count)| (counts.vocabulary().bigram(i, j), count))
            .collect();
        let published = [
            ("n.", 6763),
            ("a.", 6640),
            ("an", 5438),
            (".a", 4410),
            ("e.", 3983),
        ];
        assert_eq!(
            top,
            published.map(|(bigram, count)| (bigram.to_owned(), count))
        );
    }

    #[test]
    fn ties_are_in_the_order_of_the_vocabulary() {
        let counts = counts("ba\nab");
        let all = counts.most_common(10);
        assert_eq!(
            all,
            [
                (0, 1, 1),
                (0, 2, 1),
                (1, 0, 1),
                (1, 2, 1),
                (2, 0, 1),
                (2, 1, 1)
            ]
        );
    }

    #[test]
    fn smoothing_out_of_range_is_refused() {
        for smoothing in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(counts("ab").probabilities(smoothing).is_err());
        }
    }

    proptest! {
        #[test]
        fn rows_of_p_sum_to_1(list in prop::collection::vec("[a-zä]{1,8}", 1..20), smoothing in 0.0..10.0) {
            let p = counts(&list.join("\n")).probabilities(smoothing).unwrap();
            for i in 0..p.vocabulary().len() {
                let sum: f32 = p.row(i).unwrap().iter().sum();
                prop_assert!((sum - 1.0).abs() < 1e-5, "row {} sums to {}", i, sum);
            }
        }
    }
}
