//! Options of a training on batches of words, and the learning-rate schedule.

use serde::{Deserialize, Serialize};

use super::adamw::AdamWOptions;
use super::muon::MuonOptions;
use crate::error::{Error, Result};

/// The most words of a batch.
pub const LARGEST_BATCH: usize = 1 << 20;

/// How to train; the default is makemore.py's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordOptions {
    /// How many steps in all, if they are not limited by time alone.
    pub steps: Option<u64>,
    /// How many seconds in all, if they are limited.
    pub seconds: Option<f64>,
    /// How many words a step learns from.
    pub batch_size: usize,
    /// The learning rate.
    pub learning_rate: LearningRate,
    /// How parameters are moved.
    pub adamw: AdamWOptions,
    /// How the matrices of hidden layers are moved, if otherwise; of a network that has some, see
    /// [`Kind::hidden_matrices`](crate::models::Kind::hidden_matrices).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muon: Option<MuonOptions>,
    /// What share of its numbers a network leaves out in each step, below 1.
    pub dropout: f64,
    /// What the order of the words follows from, and what is left out.
    pub seed: u64,
}

impl Default for WordOptions {
    fn default() -> Self {
        Self {
            steps: Some(10_000),
            seconds: None,
            batch_size: 32,
            learning_rate: LearningRate::Constant(5e-4),
            adamw: AdamWOptions::default(),
            muon: None,
            dropout: 0.0,
            seed: 3407,
        }
    }
}

/// The learning rate in the course of a training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LearningRate {
    /// The same at every step.
    Constant(f64),
    /// It rises to its highest in some steps, and falls evenly to 0 at the end.
    Falling {
        /// Its highest.
        highest: f64,
        /// How many steps it rises.
        warm_up: u64,
    },
}

impl LearningRate {
    /// That of a step, by its number and by how much of the training is done before it, from 0 to 1.
    pub fn at(self, step: u64, done: f64) -> f64 {
        match self {
            Self::Constant(rate) => rate,
            Self::Falling { highest, warm_up } => {
                let risen = (step + 1) as f64 / warm_up.max(1) as f64;
                highest * risen.min(1.0 - done)
            }
        }
    }

    /// The highest of all steps.
    pub fn highest(self) -> f64 {
        match self {
            Self::Constant(rate) => rate,
            Self::Falling { highest, .. } => highest,
        }
    }
}

/// How far a training is.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// How many steps were made.
    pub steps: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
}

impl WordOptions {
    /// Finds out whether a network can be trained so.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if a number is out of range.
    pub fn check(&self) -> Result<()> {
        let AdamWOptions {
            weight_decay,
            beta1,
            beta2,
        } = self.adamw;
        let share = |share: f64| (0.0..1.0).contains(&share);
        let above_zero = |number: f64| number.is_finite() && number > 0.0;
        let zero_or_more = |number: f64| number.is_finite() && number >= 0.0;
        // What is not used has no number that could be wrong.
        let muon = self.muon.unwrap_or(MuonOptions {
            learning_rate_factor: 1.0,
            weight_decay: 0.0,
            momentum: 0.0,
        });
        let numbers = [
            ("the dropout", self.dropout, share(self.dropout)),
            ("a beta of AdamW", beta1, share(beta1)),
            ("a beta of AdamW", beta2, share(beta2)),
            ("the weight decay", weight_decay, zero_or_more(weight_decay)),
            (
                "the learning rate of Muon",
                muon.learning_rate_factor,
                above_zero(muon.learning_rate_factor),
            ),
            (
                "the weight decay of Muon",
                muon.weight_decay,
                zero_or_more(muon.weight_decay),
            ),
            ("the momentum of Muon", muon.momentum, share(muon.momentum)),
            (
                "the learning rate",
                self.learning_rate.highest(),
                above_zero(self.learning_rate.highest()),
            ),
            (
                "the batch size",
                self.batch_size as f64,
                (1..=LARGEST_BATCH).contains(&self.batch_size),
            ),
            (
                "the time for training",
                self.seconds.unwrap_or(1.0),
                self.seconds.is_none_or(above_zero),
            ),
            (
                "the number of steps",
                self.steps.unwrap_or(1) as f64,
                self.steps != Some(0),
            ),
        ];
        match numbers.into_iter().find(|(.., is_possible)| !is_possible) {
            None => Ok(()),
            Some((what, number, _)) => Err(Error::Value {
                what,
                value: number.to_string(),
                expected: "a number in its range would work",
            }),
        }
    }

    /// How much of the training is done, from 0 to 1.
    pub fn fraction(&self, done: Done) -> f64 {
        let steps = self.steps.map(|steps| done.steps as f64 / steps as f64);
        let seconds = self.seconds.map(|seconds| done.seconds / seconds);
        let fraction = steps.into_iter().chain(seconds).fold(0.0, f64::max);
        fraction.min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_falling_rate_rises_first_and_ends_close_to_nothing() {
        let rate = LearningRate::Falling {
            highest: 1.0,
            warm_up: 10,
        };
        assert_eq!((rate.at(0, 0.0), rate.at(9, 0.0)), (0.1, 1.0));
        assert_eq!((rate.at(50, 0.5), rate.at(99, 0.99)), (0.5, 1.0 - 0.99));
        assert_eq!(LearningRate::Constant(0.5).at(3, 0.9), 0.5);
        let options = WordOptions {
            steps: Some(200),
            seconds: Some(10.0),
            ..WordOptions::default()
        };
        let fraction = |steps, seconds| options.fraction(Done { steps, seconds });
        assert_eq!((fraction(50, 1.0), fraction(50, 6.0)), (0.25, 0.6));
        assert_eq!((fraction(200, 1.0), fraction(0, 11.0)), (1.0, 1.0));
    }
}
