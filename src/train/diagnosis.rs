//! Advice on a training of the lecture's network that diverged or ended with a high loss.

use super::full_batch::{TrainOptions, Trained, WARM_UP};
use super::rate;
use crate::counting::NgramCounts;
use crate::score::lowest_nll;

/// The user is told of a loss that ends this far above counting, in nats.
const A_LITTLE: f64 = 0.02;

/// A change of the options that lowers the loss.
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

/// An average NLL that is too high, and the reason to say so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TooHigh {
    /// The average NLL, in nats.
    pub nll: f64,
    /// The loss that it should be below, in nats.
    pub bound: f64,
    /// Whether the bound is the loss of guessing every character alike; else it is that of counting
    /// without smoothing.
    pub is_above_guessing: bool,
    /// The change that helps.
    pub remedy: Remedy,
}

/// The remedy of a training that diverged at step `number` of a stage.
pub fn of_divergence(
    options: &TrainOptions,
    counts: &NgramCounts,
    stage: &str,
    number: u64,
) -> Remedy {
    let stable = rate::stable(counts, options.regularization);
    // The loss at the first epoch comes from the last step of the warm-up.
    let is_first = number == options.first_epoch && options.warmup_epochs > 0;
    match stage == WARM_UP || is_first {
        true => Remedy::WarmUpRate(stable),
        false => Remedy::LearningRate(stable),
    }
}

/// The diagnosis of a training that ended with too high a loss; `None` if it did not. `lowest_loss` is
/// the lowest of all epochs.
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
