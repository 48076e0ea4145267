//! Examples: contexts and the characters that follow them (`xs` and `ys`).

use tch::{Device, Kind, Tensor};

use crate::counting::{NgramCounts, Row};
use crate::data::{Part, Parts};
use crate::error::Result;

/// The layout of the data in rows.
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

/// The contexts that a network is trained on, and the targets that its loss is taken from.
///
/// Two layouts of the same data have the same loss and gradient up to rounding: every n-gram as a
/// row of its own, or every distinct one once with its share of the data as weight. `R` is the
/// number of rows: 228,146 or 627 for the lecture's bigrams. `T` is the length of a context, 1 for
/// bigrams.
///
/// Distinct rows with the same context have the same probabilities. These are computed once, so
/// that there are only `C` contexts, 27 for the lecture.
///
/// Source: the notes, "Training Data Preparation".
#[derive(Debug)]
pub struct Examples {
    /// The contexts, `[R, T]` or `[C, T]`, i64.
    xs: Tensor,
    /// The place of each row's target in the flattened probabilities, `[R]`, i64.
    ys: Tensor,
    /// The share of each row in all n-grams, `[R]`, f32; none where every row is one n-gram.
    weights: Option<Tensor>,
    /// The contexts that occur, each with its share of all n-grams.
    shares: Vec<(Vec<i64>, f64)>,
}

impl Examples {
    /// The examples of the train part, whose n-grams were counted.
    ///
    /// # Errors
    ///
    /// If a list cannot be read or has changed.
    pub fn of(rows: Rows, parts: &Parts, counts: &NgramCounts, device: Device) -> Result<Self> {
        if rows == Rows::Distinct {
            return Self::distinct(counts, device);
        }
        let mut words = String::new();
        parts.each_word_here(&[Part::Train], |_, word| {
            words.push_str(word);
            words.push('\n');
            Ok(())
        })?;
        Self::all(words.lines(), counts, device)
    }

    /// [`Rows::All`].
    ///
    /// # Errors
    ///
    /// [`Error::UnknownCharacter`](crate::error::Error::UnknownCharacter) if the counts are not of
    /// these words.
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
        Self::new(&xs, &ys, None, counts, device)
    }

    /// [`Rows::Distinct`].
    pub fn distinct(counts: &NgramCounts, device: Device) -> Result<Self> {
        let total = counts.total() as f64;
        let (mut xs, mut ys, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        let v = counts.vocabulary().len();
        for (row, Row { context, next }) in counts.contexts().enumerate() {
            xs.extend(context.iter().map(|&index| index as i64));
            for (j, count) in next {
                ys.push((row * v + j) as i64);
                weights.push((count as f64 / total) as f32);
            }
        }
        Self::new(&xs, &ys, Some(&weights), counts, device)
    }

    fn new(
        xs: &[i64],
        ys: &[i64],
        weights: Option<&[f32]>,
        counts: &NgramCounts,
        device: Device,
    ) -> Result<Self> {
        let weights = weights.map(|weights| Tensor::f_from_slice(weights)?.f_to_device(device));
        let block_size = counts.order() as i64 - 1;
        let total = counts.total() as f64;
        let shares = counts.contexts().map(|row| {
            let share = row.total() as f64 / total;
            (
                row.context.iter().map(|&index| index as i64).collect(),
                share,
            )
        });
        Ok(Self {
            xs: Tensor::f_from_slice(xs)?
                .f_view([-1, block_size])?
                .f_to_device(device)?,
            ys: Tensor::f_from_slice(ys)?.f_to_device(device)?,
            weights: weights.transpose()?,
            shares: shares.collect(),
        })
    }

    /// The contexts that occur, `[C, T]`, i64, and the share that each has in all n-grams, `[C]`,
    /// f32.
    pub fn shares(&self) -> Result<(Tensor, Tensor)> {
        let contexts: Vec<i64> = self
            .shares
            .iter()
            .flat_map(|(context, _)| context)
            .copied()
            .collect();
        let shares: Vec<f32> = self.shares.iter().map(|&(_, share)| share as f32).collect();
        let (device, block_size) = (self.xs.device(), self.xs.size()[1]);
        let contexts = Tensor::f_from_slice(&contexts)?.f_view([-1, block_size])?;
        Ok((
            contexts.f_to_device(device)?,
            Tensor::f_from_slice(&shares)?.f_to_device(device)?,
        ))
    }

    /// `R`, the number of rows.
    pub fn rows(&self) -> usize {
        self.ys.size()[0] as usize
    }

    /// The contexts, `[R, T]` with every n-gram as a row, else `[C, T]`; i64.
    pub fn xs(&self) -> &Tensor {
        &self.xs
    }

    /// The mean of a number of each row, `[R]`, as the data are made of rows; a scalar.
    pub fn mean(&self, of_rows: &Tensor) -> Result<Tensor> {
        Ok(match &self.weights {
            Some(weights) => of_rows.f_dot(weights)?,
            None => of_rows.f_mean(Kind::Float)?,
        })
    }

    /// The probabilities of the targets, `[R]`, where `probs` are those after the contexts,
    /// `[R, V]` or `[C, V]`.
    pub fn of_targets(&self, probs: &Tensor) -> Result<Tensor> {
        // probs[torch.arange(R), ys], whose gradient libtorch computes faster this way.
        Ok(probs.f_view([-1])?.f_gather(0, &self.ys, false)?)
    }
}
