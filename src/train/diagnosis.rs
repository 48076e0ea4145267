//! Diagnosis of a training of the lecture's network that diverged or ended too high.

use super::full_batch::{TrainOptions, Trained, WARM_UP};
use super::rate;
use crate::counting::NgramCounts;
use crate::score::lowest_nll;

/// A loss may end this far above counting before the user is told, in nats.
const A_LITTLE: f64 = 0.02;

/// A change that brings the loss of another training down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Remedy {
    /// A warm-up at this rate.
    WarmUpRate(f64),
    /// This learning rate.
    LearningRate(f64),
    /// Less regularization.
    LessRegularization,
    /// More epochs.
    MoreEpochs,
}

/// An average NLL that is too high.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TooHigh {
    /// The average NLL, in nats.
    pub nll: f64,
    /// The loss that the NLL is above, in nats.
    pub bound: f64,
    /// Whether the bound is the loss of guessing; else it is the loss of counting without
    /// smoothing.
    pub is_above_guessing: bool,
    /// The change that helps.
    pub remedy: Remedy,
}

/// The remedy of a training that diverged at a step of a stage.
pub fn of_divergence(
    options: &TrainOptions,
    counts: &NgramCounts,
    stage: &str,
    number: u64,
) -> Remedy {
    let stable = rate::stable(counts, options.regularization);
    // A loss is due to the step before it.
    let is_first = number == options.first_epoch && options.warmup_epochs > 0;
    match stage == WARM_UP || is_first {
        true => Remedy::WarmUpRate(stable),
        false => Remedy::LearningRate(stable),
    }
}

/// The diagnosis of a training that ended too high, if it did; `lowest_loss` is the lowest of all epochs.
pub fn of_loss(
    options: &TrainOptions,
    counts: &NgramCounts,
    trained: &Trained,
    lowest_loss: Option<f32>,
) -> Option<TooHigh> {
    let (nll, lowest) = (f64::from(trained.nll), lowest_nll(counts));
    let uniform = (counts.vocabulary().len() as f64).ln();
    let is_above_guessing = nll > uniform;
    if !is_above_guessing && nll <= lowest + A_LITTLE {
        return None;
    }
    let stable = rate::stable(counts, options.regularization);
    let has_risen = lowest_loss.is_some_and(|lowest| f64::from(lowest) < nll - A_LITTLE);
    let remedy = match () {
        () if options.learning_rate > stable && (has_risen || is_above_guessing) => {
            Remedy::LearningRate(stable)
        }
        () if options.regularization > 0.0 => Remedy::LessRegularization,
        () => Remedy::MoreEpochs,
    };
    Some(TooHigh {
        nll,
        bound: if is_above_guessing { uniform } else { lowest },
        is_above_guessing,
        remedy,
    })
}
