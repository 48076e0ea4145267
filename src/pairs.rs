//! Training pairs: the bigrams as inputs and targets of the network (`xs` and `ys`).

use tch::{Device, Kind, Tensor};

use crate::counts::BigramCounts;
use crate::error::Result;
use crate::vocabulary::Vocabulary;
use crate::words::Words;

/// How the data is laid out in rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Every bigram is a row, as in the notes.
    All,
    /// Every distinct bigram is a row, weighted by its share of the data.
    Distinct,
}

/// The rows that the network is trained on.
///
/// Two layouts of the same data have the same loss and gradient up to rounding: every bigram as a
/// row of its own, or every distinct bigram once with its share of the data as weight. `R` is the
/// number of rows: 228,146 or 627 for the lecture.
///
/// Source: the notes, "Training Data Preparation".
#[derive(Debug)]
pub struct TrainingPairs {
    /// `one_hot(xs, V).float()`, `[R, V]`, f32.
    pub(crate) xenc: Tensor,
    /// The targets, `[R, 1]`, i64.
    pub(crate) ys: Tensor,
    /// The share of each row in all bigrams, `[R]`, f32; none where every row is one bigram.
    pub(crate) weights: Option<Tensor>,
}

impl TrainingPairs {
    /// The rows of a list in a layout; `counts` are the list's own.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all) and [`distinct`](Self::distinct).
    pub fn of(words: &Words, counts: &BigramCounts, rows: Rows, device: Device) -> Result<Self> {
        match rows {
            Rows::All => Self::all(words, counts.vocabulary(), device),
            Rows::Distinct => Self::distinct(counts, device),
        }
    }

    /// [`Rows::All`].
    ///
    /// # Errors
    ///
    /// If the vocabulary is not the words' own, or the device has no room for `[R, V]`.
    pub fn all(words: &Words, vocabulary: &Vocabulary, device: Device) -> Result<Self> {
        let (mut xs, mut ys) = (Vec::new(), Vec::new());
        for word in words.iter() {
            for (i, j) in vocabulary.bigrams(word)? {
                xs.push(i as i64);
                ys.push(j as i64);
            }
        }
        Self::new(&xs, &ys, None, vocabulary, device)
    }

    /// [`Rows::Distinct`].
    ///
    /// # Errors
    ///
    /// If the device has no room for `[R, V]`.
    pub fn distinct(counts: &BigramCounts, device: Device) -> Result<Self> {
        let total = counts.bigrams() as f64;
        let (mut xs, mut ys, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for (i, j, count) in counts.distinct() {
            xs.push(i as i64);
            ys.push(j as i64);
            weights.push((count as f64 / total) as f32);
        }
        Self::new(&xs, &ys, Some(&weights), counts.vocabulary(), device)
    }

    fn new(
        xs: &[i64],
        ys: &[i64],
        weights: Option<&[f32]>,
        vocabulary: &Vocabulary,
        device: Device,
    ) -> Result<Self> {
        let xs = Tensor::f_from_slice(xs)?.f_to_device(device)?;
        let ys = Tensor::f_from_slice(ys)?.f_to_device(device)?;
        let weights = weights.map(|weights| Tensor::f_from_slice(weights)?.f_to_device(device));
        Ok(Self {
            xenc: xs
                .f_one_hot(vocabulary.len() as i64)?
                .f_to_kind(Kind::Float)?,
            ys: ys.f_unsqueeze(1)?,
            weights: weights.transpose()?,
        })
    }

    /// `R`, the number of rows.
    pub fn rows(&self) -> usize {
        self.ys.size()[0] as usize
    }

    /// The one-hot inputs, `[R, V]`, f32.
    pub fn xenc(&self) -> &Tensor {
        &self.xenc
    }
}
