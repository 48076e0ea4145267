//! Training on batches of words, as makemore.py does it.
//!
//! [`Batch`] is what a step learns, [`AdamW`] the update; the loop over them is here.

use std::ops::ControlFlow;

use tch::{Device, Tensor};

use super::adamw::AdamW;
use super::batches::{Batch, nll};
use crate::data::Vocabulary;
use crate::data::split::Permutation;
use crate::error::{Error, Result};
use crate::libtorch::random::Generator;
use crate::models::Network;

/// What a step on a batch is called.
pub const STEP: &str = "step";

/// Words by their indices, to choose from.
#[derive(Debug, Clone, Default)]
pub struct WordList {
    /// Of all words, one after the other.
    indices: Vec<u16>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl WordList {
    /// Appends a word.
    ///
    /// # Errors
    ///
    /// [`Error::Word`] if it has a character that the vocabulary does not have.
    pub fn push(&mut self, word: &str, vocabulary: &Vocabulary) -> Result<()> {
        let indices = vocabulary.encode(word)?;
        self.indices
            .extend(indices.into_iter().map(|index| index as u16));
        self.ends.push(self.indices.len());
        Ok(())
    }

    /// How many words there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The number of characters of the longest word.
    pub fn longest(&self) -> usize {
        (0..self.len())
            .map(|place| self.word(place).len())
            .max()
            .unwrap_or(0)
    }

    fn word(&self, place: usize) -> &[u16] {
        let begin = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.indices[begin..self.ends[place]]
    }

    /// The words of a step: all words come once before any comes again, in another order each time.
    /// It follows from the seed and the number of the step alone.
    fn batch(&self, step: u64, size: usize, seed: u64, device: Device) -> Result<Batch> {
        let words = self.len() as u64;
        let mut batch = Vec::with_capacity(size);
        for place in 0..size as u64 {
            let place = step * size as u64 + place;
            let order = Permutation::new(words, seed.wrapping_add(place / words));
            let word = self.word(order.of(place % words) as usize);
            batch.push(
                word.iter()
                    .map(|&index| usize::from(index))
                    .collect::<Vec<_>>(),
            );
        }
        let batch: Vec<&[usize]> = batch.iter().map(Vec::as_slice).collect();
        Batch::of(&batch, device)
    }
}

/// How to train; the default is makemore.py's.
#[derive(Debug, Clone, PartialEq)]
pub struct WordOptions {
    /// How many steps.
    pub steps: u64,
    /// How many words a step learns from.
    pub batch_size: usize,
    /// The learning rate.
    pub learning_rate: LearningRate,
    /// What share of the numbers before the last layer is left out in each step, below 1.
    pub dropout: f64,
    /// What the order of the words follows from, and what is left out.
    pub seed: u64,
}

/// The learning rate in the course of a training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LearningRate {
    /// The same at every step.
    Constant(f64),
    /// It rises to its highest in some steps and then falls evenly to 0 at the last one.
    Falling {
        /// Its highest.
        highest: f64,
        /// How many steps it rises.
        warm_up: u64,
    },
}

impl LearningRate {
    /// That of a step, of so many.
    pub fn at(self, step: u64, steps: u64) -> f64 {
        match self {
            Self::Constant(rate) => rate,
            Self::Falling { highest, warm_up } => {
                let warm_up = warm_up.min(steps / 2);
                match step < warm_up {
                    true => highest * (step + 1) as f64 / warm_up as f64,
                    false => highest * (steps - step) as f64 / (steps - warm_up) as f64,
                }
            }
        }
    }
}

/// A step that was made, which [`train_on_words`] tells of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WordStep {
    /// Its number, from 0.
    pub number: u64,
    /// The loss of its batch before it, in nats.
    pub loss: f64,
    /// Its learning rate.
    pub learning_rate: f64,
}

/// Trains a network in place; returns how many steps were made.
///
/// `observe` is called after every step; [`ControlFlow::Break`] ends the training there.
///
/// # Errors
///
/// [`Error::Diverged`] as soon as a loss is not finite; what `observe` returns; if there are no
/// words, or the device has no room.
pub fn train_on_words(
    network: &dyn Network,
    words: &WordList,
    optimizer: &mut AdamW,
    options: &WordOptions,
    device: Device,
    mut observe: impl FnMut(WordStep) -> Result<ControlFlow<()>>,
) -> Result<u64> {
    if words.is_empty() || options.batch_size == 0 {
        return Err(Error::Value {
            what: "the number of words to train on",
            value: "0".to_owned(),
            expected: "at least one word would work",
        });
    }
    // What is left out is drawn by libtorch, which must not be seeded by anyone else until the end.
    let _generator = match options.dropout > 0.0 {
        true => Some(Generator::seeded(options.seed)?),
        false => None,
    };
    for number in 0..options.steps {
        let learning_rate = options.learning_rate.at(number, options.steps);
        let batch = words.batch(number, options.batch_size, options.seed, device)?;
        let batch = batch.with_dropout(options.dropout);
        let loss = nll(network, &batch)?;
        optimizer.step(&loss, learning_rate)?;
        let loss = loss.f_double_value(&[])?;
        if !loss.is_finite() {
            return Err(Error::Diverged {
                stage: STEP,
                number,
                learning_rate,
                regularization: 0.0,
                loss: loss as f32,
            });
        }
        let step = WordStep {
            number,
            loss,
            learning_rate,
        };
        if observe(step)?.is_break() {
            return Ok(number + 1);
        }
    }
    Ok(options.steps)
}

/// Copies of parameters as they are now, by their names.
///
/// # Errors
///
/// If the device has no room.
pub fn copies(network: &dyn Network) -> Result<std::collections::BTreeMap<String, Tensor>> {
    let parameters = network.parameters().into_iter();
    let copied = parameters.map(|(name, parameter)| {
        let copy = tch::no_grad(|| parameter.f_detach_copy())?;
        Ok((name, copy))
    });
    copied.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Words;
    use crate::models::{Config, Makemore, Sizes};
    use crate::train::adamw::AdamWOptions;

    fn names(count: usize) -> (WordList, Vocabulary) {
        let words = Words::lecture('.').unwrap();
        let vocabulary = Vocabulary::of(&words).unwrap();
        let mut list = WordList::default();
        for word in words.iter().take(count) {
            list.push(word, &vocabulary).unwrap();
        }
        (list, vocabulary)
    }

    #[test]
    fn every_word_comes_once_before_any_comes_again() {
        let (list, _) = names(100);
        let mut seen = Vec::new();
        for step in 0..8 {
            let batch = list.batch(step, 25, 7, Device::Cpu).unwrap();
            assert_eq!(batch.xs.words, 25);
            let rows: Vec<Vec<i64>> = Vec::try_from(&batch.xs.grid).unwrap();
            seen.extend(
                rows.into_iter()
                    .map(|row| row.into_iter().filter(|&i| i != 0).collect::<Vec<_>>()),
            );
        }
        let (mut first, mut second) = (seen[..100].to_vec(), seen[100..].to_vec());
        assert_ne!(first, second);
        first.sort();
        second.sort();
        assert_eq!(first, second);
    }

    #[test]
    fn a_falling_rate_rises_first_and_ends_close_to_nothing() {
        let rate = LearningRate::Falling {
            highest: 1.0,
            warm_up: 10,
        };
        let rates: Vec<f64> = (0..110).map(|step| rate.at(step, 110)).collect();
        assert_eq!(
            (rates[0], rates[9], rates[10], rates[109]),
            (0.1, 1.0, 1.0, 0.01)
        );
        assert!(LearningRate::Constant(0.5).at(3, 4) == 0.5);
        assert!((0..3).all(|step| rate.at(step, 3).is_finite()));
    }

    #[test]
    fn the_same_seed_learns_the_same() {
        let (list, vocabulary) = names(500);
        let train = |seed| {
            let sizes = Sizes {
                n_embd: 8,
                n_embd2: 8,
                ..Sizes::default()
            };
            let network =
                Makemore::new(vocabulary.clone(), Config::Gru(sizes), 1, Device::Cpu).unwrap();
            let parameters = network.parameters().into_iter().map(|(_, tensor)| tensor);
            let mut optimizer = AdamW::new(parameters.collect(), AdamWOptions::default()).unwrap();
            let options = WordOptions {
                steps: 30,
                batch_size: 32,
                learning_rate: LearningRate::Constant(0.01),
                dropout: 0.2,
                seed,
            };
            let mut losses = Vec::new();
            let done = train_on_words(
                &network,
                &list,
                &mut optimizer,
                &options,
                Device::Cpu,
                |step| {
                    losses.push(step.loss);
                    Ok(ControlFlow::Continue(()))
                },
            );
            assert_eq!(done.unwrap(), 30);
            losses
        };
        let losses = train(1);
        assert_eq!(losses, train(1));
        assert_ne!(losses, train(2));
        assert!(losses[29] < losses[0] - 0.3, "{losses:?}");
    }
}
