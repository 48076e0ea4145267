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

/// The rows that the network is trained on, and the targets that its loss is taken from.
///
/// Two layouts of the same data have the same loss and gradient up to rounding: every bigram as a
/// row of its own, or every distinct bigram once with its share of the data as weight. `R` is the
/// number of rows: 228,146 or 627 for the lecture.
///
/// Distinct rows with the same first character have the same one-hot input, and so the same
/// probabilities. These are computed once, so that there are only `C` inputs: the number of distinct
/// first characters, 27 for the lecture.
///
/// Source: the notes, "Training Data Preparation".
#[derive(Debug)]
pub struct TrainingPairs {
    /// `one_hot(xs, V).float()`, `[R, V]` or `[C, V]`, f32.
    xenc: Tensor,
    /// Where the target of each row is in the flattened probabilities, `[R]`, i64.
    targets: Tensor,
    /// The share of each row in all bigrams, `[R]`, f32; none where every row is one bigram.
    weights: Option<Tensor>,
}

impl TrainingPairs {
    /// [`Rows::All`].
    ///
    /// # Errors
    ///
    /// If the vocabulary is not the words' own, or the device has no room for `[R, V]`.
    pub fn all(words: &Words, vocabulary: &Vocabulary, device: Device) -> Result<Self> {
        let (mut xs, mut targets) = (Vec::new(), Vec::new());
        for word in words.iter() {
            for (i, j) in vocabulary.bigrams(word)? {
                targets.push((xs.len() * vocabulary.len() + j) as i64);
                xs.push(i as i64);
            }
        }
        Self::new(&xs, &targets, None, vocabulary, device)
    }

    /// [`Rows::Distinct`].
    ///
    /// # Errors
    ///
    /// If the device has no room for `[C, V]`.
    pub fn distinct(counts: &BigramCounts, device: Device) -> Result<Self> {
        let total = counts.bigrams() as f64;
        let (mut xs, mut targets, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for (i, j, count) in counts.distinct() {
            // They are in the order of their first characters.
            if xs.last() != Some(&(i as i64)) {
                xs.push(i as i64);
            }
            targets.push(((xs.len() - 1) * counts.vocabulary().len() + j) as i64);
            weights.push((count as f64 / total) as f32);
        }
        Self::new(&xs, &targets, Some(&weights), counts.vocabulary(), device)
    }

    fn new(
        xs: &[i64],
        targets: &[i64],
        weights: Option<&[f32]>,
        vocabulary: &Vocabulary,
        device: Device,
    ) -> Result<Self> {
        let xs = Tensor::f_from_slice(xs)?.f_to_device(device)?;
        let weights = weights.map(|weights| Tensor::f_from_slice(weights)?.f_to_device(device));
        Ok(Self {
            xenc: xs
                .f_one_hot(vocabulary.len() as i64)?
                .f_to_kind(Kind::Float)?,
            targets: Tensor::f_from_slice(targets)?.f_to_device(device)?,
            weights: weights.transpose()?,
        })
    }

    /// `R`, the number of rows.
    pub fn rows(&self) -> usize {
        self.targets.size()[0] as usize
    }

    /// The one-hot inputs: `[R, V]` with every bigram as a row, else `[C, V]`; f32.
    pub fn xenc(&self) -> &Tensor {
        &self.xenc
    }

    /// The mean negative log of the targets' probabilities, in nats; a scalar.
    ///
    /// `probs` are those of [`xenc`](Self::xenc), of its shape.
    ///
    /// # Errors
    ///
    /// If the shapes do not fit or the device has no room.
    pub fn nll(&self, probs: &Tensor) -> Result<Tensor> {
        // probs[torch.arange(R), ys], whose gradient libtorch computes faster this way.
        let of_targets = probs.f_view([-1])?.f_gather(0, &self.targets, false)?;
        let log = of_targets.f_log()?; // [R]
        let mean = match &self.weights {
            Some(weights) => log.f_dot(weights)?,
            None => log.f_mean(Kind::Float)?,
        };
        Ok(mean.f_neg()?)
    }
}
