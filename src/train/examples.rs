//! Examples: contexts (`xs`) and the characters that follow them (`ys`).

use tch::{Device, Kind, Tensor};

use crate::counting::NgramCounts;
use crate::data::{Part, Parts};
use crate::error::{Error, Result};

/// The layout of the examples in rows.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    strum::EnumString,
    strum::EnumMessage,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Rows {
    /// Each distinct n-gram is a row, weighted by its count
    Distinct,
    /// Every n-gram is a row, as in the lecture
    All,
}

/// The contexts and targets that the lecture's network is trained on.
///
/// There are two layouts, with the same loss and gradient up to rounding: every n-gram is a row, or
/// every distinct n-gram is a row with its share of all n-grams as weight. `R` is the number of rows,
/// 228,146 or 627 for the lecture's bigrams. `T` is the length of a context, 1 for bigrams.
///
/// With distinct rows, the network computes the probabilities after each of the `C` contexts once: 27
/// for the lecture.
///
/// Source: the notes, "Training Data Preparation".
#[derive(Debug)]
pub struct Examples {
    /// The contexts, `[R, T]` or `[C, T]`, i64.
    xs: Tensor,
    /// The place of each row's target in the flattened probabilities, `[R]`, i64.
    ys: Tensor,
    /// The share of each row in all n-grams, `[R]`, f32; `None` if every n-gram is a row.
    weights: Option<Tensor>,
    /// The distinct contexts, `[C, T]`, i64.
    contexts: Tensor,
    /// The share of each of them in all n-grams, `[C]`, f32.
    shares: Tensor,
}

/// The most rows of a list with counts, which is written out for [`Rows::All`].
const MOST_ROWS: u64 = 1 << 27;

impl Examples {
    /// The examples of a train part, whose n-grams are `counts`.
    ///
    /// # Errors
    ///
    /// If a list cannot be read or has changed.
    pub fn of(rows: Rows, parts: &Parts, counts: &NgramCounts, device: Device) -> Result<Self> {
        if rows == Rows::Distinct {
            return Self::distinct(counts, device);
        }
        let has_counts = parts.list().source.counts().is_some();
        if has_counts && counts.total() > MOST_ROWS {
            return Err(Error::Value {
                what: "the number of rows",
                value: counts.total().to_string(),
                expected: "at most 134,217,728 for a list with counts, or distinct rows, would work",
            });
        }
        let mut words = String::new();
        parts.each_word_here(&[Part::Train], |_, word, times| {
            for _ in 0..times {
                words.push_str(word);
                words.push('\n');
            }
            Ok(())
        })?;
        Self::all(words.lines(), counts, device)
    }

    /// Every n-gram of the words as a row: [`Rows::All`].
    ///
    /// # Errors
    ///
    /// [`Error::UnknownCharacter`] if the counts are of other
    /// words.
    pub fn all<'a>(
        words: impl IntoIterator<Item = &'a str>,
        counts: &NgramCounts,
        device: Device,
    ) -> Result<Self> {
        let (vocabulary, block_size) = (counts.vocabulary(), counts.order() - 1);
        let (mut xs, mut ys) = (Vec::new(), Vec::new());
        for word in words {
            let mut context = vec![0; block_size];
            for j in vocabulary.encode(word)?.into_iter().chain([0]) {
                ys.push((ys.len() * vocabulary.len() + j) as i64);
                xs.extend_from_slice(&context);
                context.push(j as i64);
                context.remove(0);
            }
        }
        let xs = Tensor::f_from_slice(&xs)?.f_view([-1, block_size as i64])?;
        Ok(Self {
            xs: xs.f_to_device(device)?,
            ys: Tensor::f_from_slice(&ys)?.f_to_device(device)?,
            weights: None,
            ..Self::distinct(counts, device)?
        })
    }

    /// Every distinct n-gram as a row, weighted by its count: [`Rows::Distinct`].
    pub fn distinct(counts: &NgramCounts, device: Device) -> Result<Self> {
        let total = counts.total() as f64;
        let share = |count: u64| (count as f64 / total) as f32;
        let (mut contexts, mut ys) = (Vec::new(), Vec::new());
        let (mut weights, mut shares) = (Vec::new(), Vec::new());
        let v = counts.vocabulary().len();
        for (place, row) in counts.contexts().enumerate() {
            contexts.extend(row.context.iter().map(|&index| index as i64));
            shares.push(share(row.total()));
            for (j, count) in row.next {
                ys.push((place * v + j) as i64);
                weights.push(share(count));
            }
        }
        let contexts = Tensor::f_from_slice(&contexts)?.f_view([-1, counts.order() as i64 - 1])?;
        let contexts = contexts.f_to_device(device)?;
        Ok(Self {
            xs: contexts.shallow_clone(),
            ys: Tensor::f_from_slice(&ys)?.f_to_device(device)?,
            weights: Some(Tensor::f_from_slice(&weights)?.f_to_device(device)?),
            contexts,
            shares: Tensor::f_from_slice(&shares)?.f_to_device(device)?,
        })
    }

    /// The distinct contexts, `[C, T]`, i64.
    pub fn contexts(&self) -> &Tensor {
        &self.contexts
    }

    /// The share of each distinct context in all n-grams, `[C]`, f32.
    pub fn shares(&self) -> &Tensor {
        &self.shares
    }

    /// `R`, the number of rows.
    pub fn rows(&self) -> usize {
        self.ys.size()[0] as usize
    }

    /// The contexts: `[R, T]` if every n-gram is a row, else `[C, T]`; i64.
    pub fn xs(&self) -> &Tensor {
        &self.xs
    }

    /// The mean of numbers, one a row, `[R]`, weighted by the rows' shares; a scalar.
    pub fn mean(&self, of_rows: &Tensor) -> Result<Tensor> {
        Ok(match &self.weights {
            Some(weights) => of_rows.f_dot(weights)?,
            None => of_rows.f_mean(Kind::Float)?,
        })
    }

    /// The probabilities of the targets, `[R]`, out of those after the contexts, `[R, V]` or `[C, V]`.
    pub fn of_targets(&self, probs: &Tensor) -> Result<Tensor> {
        // probs[torch.arange(R), ys]
        // The same, faster:
        Ok(probs.f_view([-1])?.f_gather(0, &self.ys, false)?)
    }
}
