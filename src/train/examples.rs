//! Examples: the contexts and what follows them (`xs` and `ys`).

use tch::{Device, Kind, Tensor};

use crate::counting::NgramCounts;
use crate::data::{Vocabulary, Words};
use crate::error::Result;

/// How the data is laid out in rows.
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
    /// Each distinct bigram is a row, weighted by its count
    Distinct,
    /// Every bigram is a row, as in the lecture
    All,
}

/// The contexts that a network is trained on, and the targets that its loss is taken from.
///
/// Two layouts of the same data have the same loss and gradient up to rounding: every bigram as a
/// row of its own, or every distinct bigram once with its share of the data as weight. `R` is the
/// number of rows: 228,146 or 627 for the lecture.
///
/// Distinct rows with the same context have the same probabilities. These are computed once, so
/// that there are only `C` contexts, 27 for the lecture.
///
/// Source: the notes, "Training Data Preparation".
#[derive(Debug)]
pub struct Examples {
    /// The contexts, `[R, 1]` or `[C, 1]`, i64.
    xs: Tensor,
    /// Where the target of each row is in the flattened probabilities, `[R]`, i64.
    ys: Tensor,
    /// The share of each row in all bigrams, `[R]`, f32; none where every row is one bigram.
    weights: Option<Tensor>,
}

impl Examples {
    /// [`Rows::All`].
    ///
    /// # Errors
    ///
    /// If the vocabulary is not the words' own, or the device has no room for `[R]`.
    pub fn all(words: &Words, vocabulary: &Vocabulary, device: Device) -> Result<Self> {
        let (mut xs, mut ys) = (Vec::new(), Vec::new());
        for word in words.iter() {
            for (i, j) in vocabulary.bigrams(word)? {
                ys.push((xs.len() * vocabulary.len() + j) as i64);
                xs.push(i as i64);
            }
        }
        Self::new(&xs, &ys, None, device)
    }

    /// [`Rows::Distinct`].
    ///
    /// # Errors
    ///
    /// If the device has no room for `[R]`.
    pub fn distinct(counts: &NgramCounts, device: Device) -> Result<Self> {
        let total = counts.total() as f64;
        let (mut xs, mut ys, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for (row, (context, next)) in counts.contexts().enumerate() {
            xs.extend(context.iter().map(|&index| index as i64));
            for (j, &count) in next.iter().enumerate().filter(|&(_, &count)| count > 0) {
                ys.push((row * next.len() + j) as i64);
                weights.push((count as f64 / total) as f32);
            }
        }
        Self::new(&xs, &ys, Some(&weights), device)
    }

    fn new(xs: &[i64], ys: &[i64], weights: Option<&[f32]>, device: Device) -> Result<Self> {
        let weights = weights.map(|weights| Tensor::f_from_slice(weights)?.f_to_device(device));
        Ok(Self {
            xs: Tensor::f_from_slice(xs)?
                .f_view([-1, 1])?
                .f_to_device(device)?,
            ys: Tensor::f_from_slice(ys)?.f_to_device(device)?,
            weights: weights.transpose()?,
        })
    }

    /// `R`, the number of rows.
    pub fn rows(&self) -> usize {
        self.ys.size()[0] as usize
    }

    /// The contexts, `[R, 1]` with every bigram as a row, else `[C, 1]`; i64.
    pub fn xs(&self) -> &Tensor {
        &self.xs
    }

    /// The mean of a number of each row, `[R]`, as the data are made of rows; a scalar.
    ///
    /// # Errors
    ///
    /// If the shape does not fit or the device has no room.
    pub fn mean(&self, of_rows: &Tensor) -> Result<Tensor> {
        Ok(match &self.weights {
            Some(weights) => of_rows.f_dot(weights)?,
            None => of_rows.f_mean(Kind::Float)?,
        })
    }

    /// The probabilities of the targets, `[R]`, where `probs` are those after the contexts,
    /// `[R, V]` or `[C, V]`.
    ///
    /// # Errors
    ///
    /// If the shape does not fit or the device has no room.
    pub fn of_targets(&self, probs: &Tensor) -> Result<Tensor> {
        // probs[torch.arange(R), ys], whose gradient libtorch computes faster this way.
        Ok(probs.f_view([-1])?.f_gather(0, &self.ys, false)?)
    }
}
