//! Options of a training on batches of words, and the plan that follows from them.

use serde::{Deserialize, Serialize};

use super::adamw::AdamWOptions;
use super::muon::MuonOptions;
use super::rate::LearningRate;
use super::steps::{FIRST, Plan};
use crate::error::{Error, Result};
use crate::models::kinds::kind::Recipe;

/// The largest batch size.
pub const LARGEST_BATCH: usize = 1 << 20;

/// The largest number of threads.
const MOST_THREADS: f64 = 1024.0;

/// Options of a training on batches of words. The defaults are makemore.py's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordOptions {
    /// The number of steps in all, if it is limited.
    pub steps: Option<u64>,
    /// The time in all, if it is limited, in seconds.
    pub seconds: Option<f64>,
    /// The number of words in a batch.
    pub batch_size: usize,
    /// The learning-rate schedule.
    pub learning_rate: LearningRate,
    /// Options of AdamW, which updates all parameters but Muon's.
    pub adamw: AdamWOptions,
    /// Options of Muon, if it updates the matrices of hidden layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muon: Option<MuonOptions>,
    /// The probability that dropout sets a number to 0, below 1.
    pub dropout: f64,
    /// The seed of the batches and of dropout.
    pub seed: u64,
    /// The number of steps from one evaluation to the next.
    #[serde(default = "hundred")]
    pub eval_every: u64,
    /// Whether the first steps are evaluated too: 10, 20, 40 and so on.
    #[serde(default)]
    pub eval_early: bool,
    /// The training ends after so many evaluations in a row without a lower dev loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<u64>,
    /// The number of threads that share a batch. The last digits of the losses depend on it.
    #[serde(default = "one")]
    pub threads: usize,
}

fn hundred() -> u64 {
    100
}

fn one() -> usize {
    1
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
            eval_every: hundred(),
            eval_early: false,
            patience: None,
            threads: one(),
        }
    }
}

impl WordOptions {
    /// The options of a kind of network's recipe.
    pub fn of(recipe: &Recipe) -> Self {
        Self {
            eval_early: true,
            patience: Some(10),
            steps: None,
            batch_size: 128,
            learning_rate: LearningRate::Falling {
                highest: recipe.learning_rate,
                warm_up: 100,
            },
            adamw: AdamWOptions {
                beta2: 0.999,
                ..AdamWOptions::default()
            },
            muon: recipe.muon.map(|learning_rate_factor| MuonOptions {
                learning_rate_factor,
                weight_decay: recipe.weight_decay,
                momentum: 0.95,
            }),
            dropout: recipe.dropout,
            ..Self::default()
        }
        .with_weight_decay(recipe.weight_decay)
        .limited(Some(recipe.steps), None)
    }

    /// The default number of steps between evaluations: ten evaluations or more in all.
    pub fn interval(steps: u64) -> u64 {
        (steps / 10).clamp(10, hundred())
    }

    /// The first step that is evaluated.
    pub fn first_evaluation(&self) -> u64 {
        match self.eval_early {
            true => self.eval_every.min(FIRST),
            false => self.eval_every,
        }
    }

    /// The default patience in `steps` steps: a quarter of the evaluations, or ten.
    pub fn patience_of(&self, steps: u64) -> u64 {
        (steps / self.eval_every.max(1) / 4).max(10)
    }

    /// The same options with other limits, and the evaluations and the patience that suit these: in a
    /// given time the loss may fall at the end, with the learning rate, so that patience is never lost.
    pub fn limited(mut self, steps: Option<u64>, seconds: Option<f64>) -> Self {
        if (self.steps, self.seconds) == (steps, seconds) {
            return self;
        }
        (self.steps, self.seconds) = (steps, seconds);
        let steps = steps.filter(|_| seconds.is_none());
        if self.eval_early {
            self.eval_every = steps.map_or(hundred(), Self::interval);
        }
        if self.patience.is_some() {
            self.patience = steps.map(|steps| self.patience_of(steps));
        }
        self
    }

    /// The same options with another weight decay, for AdamW and Muon alike.
    pub fn with_weight_decay(mut self, weight_decay: f64) -> Self {
        self.adamw.weight_decay = weight_decay;
        if let Some(muon) = &mut self.muon {
            muon.weight_decay = weight_decay;
        }
        self
    }

    /// Checks that all options are in their ranges.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for the first one that is not.
    pub fn check(&self) -> Result<()> {
        let (adamw, rate) = (self.adamw, self.learning_rate.highest());
        // Stand-ins for options that are absent.
        let (steps, seconds) = (self.steps.unwrap_or(1), self.seconds.unwrap_or(1.0));
        let muon = self.muon.unwrap_or(MuonOptions {
            learning_rate_factor: 1.0,
            weight_decay: 0.0,
            momentum: 0.0,
        });
        let (factor, batch) = (muon.learning_rate_factor, self.batch_size as f64);
        let [share, above_zero, zero_or_more, of_words, of_threads] = [
            0.0..=1.0_f64.next_down(),
            f64::MIN_POSITIVE..=f64::MAX,
            0.0..=f64::MAX,
            1.0..=LARGEST_BATCH as f64,
            1.0..=MOST_THREADS,
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
            (
                "the steps between evaluations",
                self.eval_every as f64,
                &above_zero,
            ),
            ("the number of threads", self.threads as f64, &of_threads),
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

    /// The plan of a training with these options; it does not save the run.
    pub fn plan(&self) -> Plan {
        Plan {
            steps: self.steps,
            seconds: self.seconds,
            learning_rate: self.learning_rate,
            read_every: 1,
            evaluate_every: Some(self.eval_every),
            evaluate_early: self.eval_early,
            save_every: None,
        }
    }
}
