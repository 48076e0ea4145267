//! The counting model: `P`, the table of the probabilities of each character after each other.

use tch::{Kind, Tensor};

use super::draw::{Distributions, Drawer, Method, Shaping};
use super::language_model::{Contexts, LanguageModel};
use crate::counting::NgramCounts;
use crate::data::Vocabulary;
use crate::error::{Error, Result};
use crate::libtorch::random::Generator;

/// The parts of equal probability that a row is divided into, to find a character faster.
const PARTS: usize = 256;

/// `P[i, j]`: the probability of character `j` after character `i`, `[V, V]`, f32.
///
/// Source: the notes, "Probability".
///
/// ```
/// # use makemore_tch::{NgramCounts, Table, Words};
/// let p = Table::of(&NgramCounts::of(&Words::lecture('.')?)?, 1.0)?;
/// assert_eq!(format!("{:.4}", p.row(0)[7]), "0.0209"); // a g at the start
/// # Ok::<(), makemore_tch::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Table {
    vocabulary: Vocabulary,
    p: Vec<f32>,
}

impl Table {
    /// `P = (N + smoothing) / row sums` of counted bigrams.
    ///
    /// With a smoothing of 0, bigrams that never occur are impossible.
    ///
    /// # Errors
    ///
    /// If `smoothing` is negative or not finite, or the counts are not of bigrams.
    pub fn of(counts: &NgramCounts, smoothing: f64) -> Result<Self> {
        if !(smoothing.is_finite() && smoothing >= 0.0) {
            return Err(Error::Value {
                what: "the smoothing",
                value: smoothing.to_string(),
                expected: "0 or more would work",
            });
        }
        let n = counts.tensor()?.f_to_kind(Kind::Double)?;
        let smoothed = n.f_add_scalar(smoothing)?.f_to_kind(Kind::Float)?;
        // Summed in f64 and then rounded to f32, so the order of the characters does not matter.
        let sums = smoothed.f_sum_dim_intlist([1].as_slice(), true, Kind::Double)?;
        let sums = sums.f_to_kind(Kind::Float)?;
        let p = if bool::try_from(sums.f_isfinite()?.f_all()?)? {
            // A row without counts would be 0 / 0.
            let empty = sums.f_eq(0.0)?;
            smoothed.f_div(&sums.f_masked_fill(&empty, 1.0)?)?
        } else {
            // The same where sums are too large for f32: everything is divided by the smoothing.
            let smoothed = n.f_div_scalar(smoothing)?.f_add_scalar(1.0)?;
            let sums = smoothed.f_sum_dim_intlist([1].as_slice(), true, Kind::Double)?;
            smoothed.f_div(&sums)?.f_to_kind(Kind::Float)?
        };
        Self::new(counts.vocabulary().clone(), &p)
    }

    /// A table of given probabilities, `[V, V]`, f32, on any device. A row of zeros is no distribution:
    /// nothing can be drawn after its character.
    ///
    /// # Errors
    ///
    /// If the shape is not `[V, V]`, or a number is negative or not finite.
    pub fn new(vocabulary: Vocabulary, p: &Tensor) -> Result<Self> {
        let v = vocabulary.len();
        if p.size() != [v as i64, v as i64] {
            return Err(Error::Value {
                what: "the shape of P",
                value: format!("{:?}", p.size()),
                expected: "[V, V] of the vocabulary would work",
            });
        }
        let p: Vec<f32> = Vec::try_from(p.f_contiguous()?.f_view([-1])?)?;
        let is_probability = |&p: &f32| p.is_finite() && p >= 0.0;
        if let Some(index) = p.iter().position(|p| !is_probability(p)) {
            return Err(Error::NoDistribution {
                after: vocabulary.itos(index / v).to_string(),
                reason: "there are numbers that are negative or not finite",
            });
        }
        Ok(Self { vocabulary, p })
    }

    /// `P` as a tensor, `[V, V]`, f32.
    pub fn tensor(&self) -> Result<Tensor> {
        let v = self.vocabulary.len() as i64;
        Ok(Tensor::f_from_slice(&self.p)?.f_view([v, v])?)
    }

    /// The rows of `P`: `V` slices of `V` probabilities.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.p.chunks_exact(self.vocabulary.len())
    }

    /// `P[i, :]`, `[V]`.
    ///
    /// # Panics
    ///
    /// If `i` is not below `V`.
    pub fn row(&self, i: usize) -> &[f32] {
        let v = self.vocabulary.len();
        &self.p[i * v..(i + 1) * v]
    }

    /// A drawer that owns the table.
    ///
    /// # Errors
    ///
    /// As [`Shaping::check`].
    pub fn into_drawer(self, method: Method, shaping: Shaping) -> Result<Box<dyn Drawer>> {
        let p = Distributions::of(&self.tensor()?, method, shaping)?;
        let starts = match method {
            Method::Multinomial => Vec::new(),
            Method::Cumulative => (0..self.vocabulary.len())
                .flat_map(|i| starts(p.row(i)))
                .collect(),
        };
        Ok(Box::new(TableDrawer { p, starts }))
    }
}

impl LanguageModel for Table {
    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn block_size(&self) -> usize {
        1
    }

    fn distributions(&self, contexts: &Tensor) -> Result<Tensor> {
        let contexts: Vec<i64> = Vec::try_from(contexts.f_contiguous()?.f_view([-1])?)?;
        let rows = contexts.iter().map(|&i| self.row(i as usize));
        let p = rows.flatten().copied().collect::<Vec<f32>>();
        Ok(Tensor::f_from_slice(&p)?.f_view([-1, self.vocabulary.len() as i64])?)
    }

    fn probabilities(&self, words: &[&[usize]]) -> Result<Vec<f32>> {
        let bigrams = words.iter().flat_map(|word| {
            let before = [0].into_iter().chain(word.iter().copied());
            before.zip(word.iter().copied().chain([0]))
        });
        Ok(bigrams.map(|(i, j)| self.row(i)[j]).collect())
    }

    fn draws_empty_words(&self) -> bool {
        true
    }

    fn as_shared(&self) -> Option<&(dyn LanguageModel + Sync)> {
        Some(self)
    }

    fn drawer(&self, method: Method, shaping: Shaping) -> Result<Box<dyn Drawer + '_>> {
        self.clone().into_drawer(method, shaping)
    }

    fn contexts(&self) -> Option<Box<dyn Contexts + '_>> {
        Some(Box::new(LastCharacter(self)))
    }
}

/// The contexts of a table: the last character of each.
#[derive(Debug)]
struct LastCharacter<'m>(&'m Table);

impl Contexts for LastCharacter<'_> {
    fn start(&mut self) -> usize {
        0
    }

    fn after(&mut self, _context: usize, index: usize) -> usize {
        index
    }

    fn distribution(&self, context: usize) -> Vec<f32> {
        self.0.row(context).to_vec()
    }
}

/// A drawer with a table for the lookup of cumulative sums.
#[derive(Debug)]
struct TableDrawer {
    p: Distributions,
    /// For [`Method::Cumulative`], the first index of each part of each row, and of what is behind the
    /// last part, `[V, PARTS + 1]`.
    starts: Vec<u16>,
}

/// The first index of each part of cumulative sums, `[PARTS + 1]`: all sums before it are below the part.
fn starts(sums: &[f32]) -> impl Iterator<Item = u16> {
    let start = |part| sums.partition_point(|&sum| sum < part as f32 / PARTS as f32);
    (0..=PARTS).map(move |part| start(part) as u16)
}

impl Drawer for TableDrawer {
    #[inline(always)]
    fn next(&mut self, word: &[usize], generator: &mut Generator) -> Result<Option<usize>> {
        let i = word.last().copied().unwrap_or(0);
        let range = |uniform| {
            let part = i * (PARTS + 1) + (uniform * PARTS as f64) as usize;
            self.starts[part].into()..self.starts[part + 1].into()
        };
        self.p.draw_among(i, range, generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Words;
    use crate::models::language_model::stepwise;
    use proptest::prelude::*;

    fn table(text: &str, smoothing: f64) -> Result<Table> {
        let counts = NgramCounts::of(&Words::parse("list", text.to_owned(), '.')?)?;
        Table::of(&counts, smoothing)
    }

    #[test]
    fn smoothing_out_of_range_is_refused() {
        for smoothing in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(table("ab", smoothing).is_err());
        }
    }

    /// It once left no probabilities at all.
    #[test]
    fn the_largest_smoothing_makes_all_characters_equally_probable() {
        for smoothing in [1e20, 1e39, 1e300, f64::MAX] {
            let p = table("ab", smoothing).unwrap();
            assert!(
                p.rows().flatten().all(|&p| (p - 1.0 / 3.0).abs() < 1e-6),
                "{p:?}"
            );
        }
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        let vocabulary = Vocabulary::new('.', ['a']).unwrap();
        for wrong in [f32::NAN, f32::INFINITY, -0.5] {
            let p = Tensor::from_slice(&[0.0, 1.0, wrong, 1.0]).view([2, 2]);
            let error = Table::new(vocabulary.clone(), &p).unwrap_err().to_string();
            assert!(
                error.contains("what follows \"a\" has no probabilities"),
                "{error}"
            );
        }
    }

    #[test]
    fn temperature_1_changes_not_a_bit() {
        let p = table("emma\nolivia", 1.0).unwrap();
        let drawn = |mut drawer: Box<dyn Drawer + '_>| {
            let mut generator = Generator::seeded(1).unwrap();
            let next = |_| drawer.next(&[], &mut generator).unwrap();
            (0..100).map(next).collect::<Vec<_>>()
        };
        let at = |temperature| {
            let shaping = Shaping {
                temperature,
                ..Shaping::default()
            };
            drawn(p.clone().into_drawer(Method::Cumulative, shaping).unwrap())
        };
        let plain = stepwise(&p, Method::Cumulative, Shaping::default()).unwrap();
        assert_eq!(at(1.0), drawn(plain));
        assert_ne!(at(1.0), at(0.1));
    }

    proptest! {
        #[test]
        fn rows_sum_to_1(list in prop::collection::vec("[a-zä]{1,8}", 1..20), smoothing in 0.0..10.0) {
            for row in table(&list.join("\n"), smoothing).unwrap().rows() {
                let sum: f32 = row.iter().sum();
                prop_assert!((sum - 1.0).abs() < 1e-5, "a row sums to {}", sum);
            }
        }
    }
}
