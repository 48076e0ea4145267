//! Learning-rate schedules, and the learning rate at which the lecture's network cannot diverge.

use serde::{Deserialize, Serialize};

use crate::counting::NgramCounts;
use crate::data::Digest;
use crate::data::words::is_lecture;

/// A learning-rate schedule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LearningRate {
    /// The same at every step.
    Constant(f64),
    /// One rate for the first steps, another for the rest, as in the notes and the lectures.
    Stepped {
        /// The number of first steps.
        steps: u64,
        /// Their rate.
        first: f64,
        /// The rate of the others.
        then: f64,
    },
    /// A linear warm-up, then a linear fall that reaches 0 at the end.
    Falling {
        /// The highest rate.
        highest: f64,
        /// The number of steps of the warm-up.
        warm_up: u64,
    },
}

impl LearningRate {
    /// The learning rate of step `step`, counted from 0, when a share `done` of the training, from 0 to
    /// 1, is behind it.
    pub fn at(self, step: u64, done: f64) -> f64 {
        match self {
            Self::Constant(rate) => rate,
            Self::Stepped { steps, first, then } => {
                if step < steps {
                    first
                } else {
                    then
                }
            }
            Self::Falling { highest, warm_up } => {
                let risen = (step + 1) as f64 / warm_up.max(1) as f64;
                highest * risen.min(1.0 - done)
            }
        }
    }

    /// The same schedule with another highest rate. [`Stepped`](Self::Stepped) becomes constant.
    pub fn with_highest(self, highest: f64) -> Self {
        match self {
            Self::Constant(_) | Self::Stepped { .. } => Self::Constant(highest),
            Self::Falling { warm_up, .. } => Self::Falling { highest, warm_up },
        }
    }

    /// The highest rate of all steps.
    pub fn highest(self) -> f64 {
        match self {
            Self::Constant(rate) => rate,
            Self::Stepped { first, then, .. } => first.max(then),
            Self::Falling { highest, .. } => highest,
        }
    }
}

/// The learning rate of the notes, at which the loss on their names reaches that of counting.
pub const LECTURE: f64 = 50.0;

/// A learning rate a little below the highest at which the lecture's network cannot diverge.
///
/// Gradient descent is stable below 2 divided by the curvature of the loss. For a context with share
/// `s` of all n-grams, the curvature of the NLL is at most `s / 2`, and that of
/// `regularization * mean(W²)` is `2 * regularization / weights`. Beyond bigrams each context's learning
/// rate is divided by its share (see [`Bigram::factors`]), which acts like dividing both curvatures.
///
/// [`Bigram::factors`]: crate::models::Bigram::factors
pub fn stable(counts: &NgramCounts, regularization: f64) -> f64 {
    let total = counts.total() as f64;
    let shares = counts.contexts().map(|row| row.total() as f64 / total);
    let weights = (counts.vocabulary().len() as f64).powi(counts.order() as i32);
    let decay = 2.0 * regularization / weights;
    let highest = match counts.order() {
        0..=2 => 2.0 / (shares.fold(0.0, f64::max) / 2.0 + decay),
        _ => 2.0 / (0.5 + decay / shares.fold(1.0, f64::min)),
    };
    0.95 * highest
}

/// The default learning rate: [`LECTURE`] for the bigrams of the lecture's names unless the
/// regularization is strong, else a stable one.
pub fn default(counts: &NgramCounts, list: Digest, regularization: f64) -> f64 {
    let stable = stable(counts, regularization);
    let is_weak = stable > 0.9 * self::stable(counts, 0.0);
    if counts.order() == 2 && is_weak && is_lecture(list) {
        return LECTURE;
    }
    stable
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::counting::count;
    use crate::data::Source;
    use crate::models::Bigram;
    use crate::score::lowest_nll;
    use crate::train::{Examples, TrainOptions, train};
    use tch::Device;

    /// The lecture's rate of 50 once ended at 5.05 on binary strings, where counting has 0.900.
    #[test]
    fn the_default_rate_comes_down_to_counting_on_small_alphabets() {
        let binary: String = (0..5000_u32)
            .map(|n| format!("{:b}\n", n * n % 8191 + 1))
            .collect();
        let dna: String = (0..2000_u32)
            .map(|n| {
                (0..20)
                    .map(|i| ['a', 'c', 'g', 't'][(n * n * 7 + i * n + i * i) as usize % 4])
                    .collect::<String>()
                    + "\n"
            })
            .collect();
        for text in [binary, dna, "ab\nba\n".to_owned(), "a\n".to_owned()] {
            let data = count(&Source::text("list", text), '.').unwrap();
            let examples = Examples::distinct(&data.counts, Device::Cpu).unwrap();
            let network =
                Bigram::new(data.counts.vocabulary().clone(), 2, 420, Device::Cpu).unwrap();
            let options = TrainOptions {
                learning_rate: default(&data.counts, data.digest, 0.0),
                ..TrainOptions::default()
            };
            let trained =
                train(&network, &examples, &options, |_| ControlFlow::Continue(())).unwrap();
            let above = f64::from(trained.nll) - lowest_nll(&data.counts);
            assert!(above.abs() < 0.001, "{above} above counting");
        }
    }

    #[test]
    fn the_lectures_names_keep_the_lectures_rate() {
        let names = count(&Source::lecture(), '.').unwrap();
        let default = |regularization| default(&names.counts, names.digest, regularization);
        assert_eq!(default(0.0), 50.0);
        assert_eq!(default(0.01), 50.0);
        assert!(default(100.0) < 10.0);
    }

    #[test]
    fn a_falling_rate_rises_first_and_ends_close_to_nothing() {
        let rate = LearningRate::Falling {
            highest: 1.0,
            warm_up: 10,
        };
        assert_eq!((rate.at(0, 0.0), rate.at(9, 0.0)), (0.1, 1.0));
        assert_eq!((rate.at(50, 0.5), rate.at(99, 0.99)), (0.5, 1.0 - 0.99));
        assert_eq!(LearningRate::Constant(0.5).at(3, 0.9), 0.5);
    }

    /// With steps in proportion to their shares, rare contexts would stay where they began: the
    /// loss would end at 2.42.
    #[test]
    fn trigrams_come_down_to_counting_too() {
        use crate::Words;
        use crate::counting::tests::ngrams_of;
        let names = Words::lecture('.').unwrap();
        let counts = ngrams_of(&names, 3);
        let examples = Examples::distinct(&counts, Device::Cpu).unwrap();
        let network = Bigram::new(counts.vocabulary().clone(), 3, 420, Device::Cpu).unwrap();
        let options = TrainOptions {
            learning_rate: default(&counts, names.digest(), 0.0),
            ..TrainOptions::default()
        };
        let trained = train(&network, &examples, &options, |_| ControlFlow::Continue(())).unwrap();
        let above = f64::from(trained.nll) - lowest_nll(&counts);
        assert!((0.0..0.01).contains(&above), "{above} above counting");
    }
}
