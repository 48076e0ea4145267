//! Options of a training on batches of words, and the learning-rate schedule.

use serde::{Deserialize, Serialize};

use super::adamw::AdamWOptions;
use super::muon::MuonOptions;
use crate::error::{Error, Result};

/// The most words of a batch.
pub const LARGEST_BATCH: usize = 1 << 20;

/// Options of a training on batches of words; the default is makemore.py's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordOptions {
    /// The number of steps in all, if they are limited.
    pub steps: Option<u64>,
    /// The seconds in all, if they are limited.
    pub seconds: Option<f64>,
    /// The words of a step.
    pub batch_size: usize,
    /// The learning rate.
    pub learning_rate: LearningRate,
    /// AdamW, for all parameters but Muon's.
    pub adamw: AdamWOptions,
    /// Muon, if the matrices of hidden layers are moved by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muon: Option<MuonOptions>,
    /// The share of numbers that dropout leaves out, below 1.
    pub dropout: f64,
    /// The seed of the order of the words and of dropout.
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

/// A learning-rate schedule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LearningRate {
    /// The same at every step.
    Constant(f64),
    /// A warm-up, then a linear decay to 0 at the end.
    Falling {
        /// The highest learning rate.
        highest: f64,
        /// The steps of the warm-up.
        warm_up: u64,
    },
}

impl LearningRate {
    /// The learning rate of a step, by its number from 0 and the share of the training that is done
    /// before it, from 0 to 1.
    pub fn at(self, step: u64, done: f64) -> f64 {
        match self {
            Self::Constant(rate) => rate,
            Self::Falling { highest, warm_up } => {
                let risen = (step + 1) as f64 / warm_up.max(1) as f64;
                highest * risen.min(1.0 - done)
            }
        }
    }

    /// The highest learning rate.
    pub fn highest(self) -> f64 {
        match self {
            Self::Constant(rate) => rate,
            Self::Falling { highest, .. } => highest,
        }
    }
}

/// The progress of a training.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// The number of steps made.
    pub steps: u64,
    /// The time that they took, in seconds.
    pub seconds: f64,
}

impl WordOptions {
    /// Checks that every number is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for the first one that is not.
    pub fn check(&self) -> Result<()> {
        let (adamw, rate) = (self.adamw, self.learning_rate.highest());
        // A number that is not used cannot be wrong.
        let (steps, seconds) = (self.steps.unwrap_or(1), self.seconds.unwrap_or(1.0));
        let muon = self.muon.unwrap_or(MuonOptions {
            learning_rate_factor: 1.0,
            weight_decay: 0.0,
            momentum: 0.0,
        });
        let (factor, batch) = (muon.learning_rate_factor, self.batch_size as f64);
        let [share, above_zero, zero_or_more, of_words] = [
            0.0..=1.0_f64.next_down(),
            f64::MIN_POSITIVE..=f64::MAX,
            0.0..=f64::MAX,
            1.0..=LARGEST_BATCH as f64,
        ];
        let numbers = [
            ("the dropout", self.dropout, &share),
            ("a beta of AdamW", adamw.beta1, &share),
            ("a beta of AdamW", adamw.beta2, &share),
            ("the weight decay", adamw.weight_decay, &zero_or_more),
            ("the learning rate of Muon", factor, &above_zero),
            ("the weight decay of Muon", muon.weight_decay, &zero_or_more),
            ("the momentum of Muon", muon.momentum, &share),
            ("the learning rate", rate, &above_zero),
            ("the batch size", batch, &of_words),
            ("the time for training", seconds, &above_zero),
            ("the number of steps", steps as f64, &above_zero),
        ];
        let wrong = numbers
            .iter()
            .find(|(_, number, range)| !range.contains(number));
        wrong.map_or(Ok(()), |&(what, number, _)| {
            Err(Error::Value {
                what,
                value: number.to_string(),
                expected: "a number in its range would work",
            })
        })
    }

    /// The share of the training that is done, from 0 to 1.
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
