//! Gradient descent on all examples at once, as the notes' "Optimization" does it: a warm-up of one
//! small step, then epochs at a large rate.
//!
//! # What an epoch costs
//!
//! A forward pass of about ten tensor operations, and a backward pass of twice as many.
//!
//! - On distinct rows the tensors are `[27, 27]` for the lecture, so that the time is that of
//!   calling libtorch thirty times, and the same for any list with as many characters, however
//!   long. Reading the loss for every epoch costs nothing beside that on a CPU. A second thread
//!   would cost more than it brings: it is woken for each operation.
//! - On all rows they are `[228146, 27]`, and the time is that of moving them through memory, which
//!   as many threads as there are processors share.

use std::ops::ControlFlow;

use super::examples::Examples;
use super::sgd::Sgd;
use super::{loss, rate};
use crate::error::{Error, Result};
use crate::models::Bigram;

/// What a step is called before the first epoch.
pub const WARM_UP: &str = "warm-up epoch";

/// What a step is called that is a pass over all examples.
pub const EPOCH: &str = "epoch";

/// How to train; the default is the notes' run.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainOptions {
    /// Steps before the first epoch.
    pub warmup_epochs: u64,
    /// Their learning rate.
    pub warmup_learning_rate: f64,
    /// The number of the first epoch: 0, or what a checkpoint has behind it.
    pub first_epoch: u64,
    /// How many epochs.
    pub epochs: u64,
    /// Their learning rate.
    pub learning_rate: f64,
    /// The factor of `mean(W²)` in the loss.
    pub regularization: f64,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            warmup_epochs: 1,
            warmup_learning_rate: 0.1,
            first_epoch: 0,
            epochs: 301,
            learning_rate: rate::LECTURE,
            regularization: 0.0,
        }
    }
}

/// One update, which [`train`] tells of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// [`WARM_UP`] or [`EPOCH`].
    pub stage: &'static str,
    /// Its number in that stage.
    pub number: u64,
    /// The loss before it, as the notes print it.
    pub loss: f32,
}

/// What is behind the network after [`train`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trained {
    /// How many warm-up epochs were done.
    pub warmup_done: u64,
    /// The number of the epoch that would come next.
    pub epochs_done: u64,
    /// The loss of the parameters as they are now, after the last step.
    pub final_loss: f32,
    /// The average negative log-likelihood in it, in nats: without regularization the same.
    pub nll: f32,
}

/// Trains the lecture's network in place.
///
/// `observe` is called after every step; [`ControlFlow::Break`] ends the training there. An epoch
/// is one forward and one backward pass over all examples.
///
/// # Errors
///
/// [`Error::Diverged`] as soon as a loss is not finite; else if the device has no room.
pub fn train(
    network: &Bigram,
    examples: &Examples,
    options: &TrainOptions,
    mut observe: impl FnMut(Step) -> ControlFlow<()>,
) -> Result<Trained> {
    let mut optimizer = Sgd::new(vec![network.weights().shallow_clone()]);
    let (contexts, shares) = examples.shares()?;
    if let Some(factors) = network.factors(&contexts, &shares)? {
        optimizer = optimizer.with_factors(factors);
    }
    let xenc = network.encode(examples.xs())?;
    let first = options.first_epoch;
    let stages = [
        (
            WARM_UP,
            0..options.warmup_epochs,
            options.warmup_learning_rate,
        ),
        (
            EPOCH,
            first..first.saturating_add(options.epochs),
            options.learning_rate,
        ),
    ];
    let mut done = [0, first];
    // That of the step before, to which a loss is due.
    let mut last_rate = None;
    'training: for ((stage, numbers, learning_rate), done) in stages.into_iter().zip(&mut done) {
        for number in numbers {
            let logits = network.forward(&xenc)?;
            let nll = loss::nll(&logits, examples)?;
            let loss = loss::regularized(&nll, optimizer.parameters(), options.regularization)?;
            optimizer.zero_grad();
            loss.f_backward()?;
            optimizer.step(learning_rate)?;
            *done = number + 1;

            let loss = loss.f_double_value(&[])? as f32;
            if !loss.is_finite() {
                let rate = last_rate.unwrap_or(learning_rate);
                return Err(diverged(options, stage, number, rate, loss));
            }
            last_rate = Some(learning_rate);
            let step = Step {
                stage,
                number,
                loss,
            };
            if observe(step).is_break() {
                break 'training;
            }
        }
    }

    let (last, nll) = tch::no_grad(|| -> Result<_> {
        let nll = loss::nll(&network.forward(&xenc)?, examples)?;
        let last = loss::regularized(&nll, optimizer.parameters(), options.regularization)?;
        Ok((last.f_double_value(&[])?, nll.f_double_value(&[])?))
    })?;
    let (final_loss, nll) = (last as f32, nll as f32);
    let [warmup_done, epochs_done] = done;
    if !final_loss.is_finite() {
        let rate = last_rate.unwrap_or(options.learning_rate);
        return Err(diverged(options, EPOCH, epochs_done, rate, final_loss));
    }
    Ok(Trained {
        warmup_done,
        epochs_done,
        final_loss,
        nll,
    })
}

fn diverged(
    options: &TrainOptions,
    stage: &'static str,
    number: u64,
    learning_rate: f64,
    loss: f32,
) -> Error {
    Error::Diverged {
        stage,
        number,
        learning_rate,
        regularization: options.regularization,
        loss,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counting::count;
    use crate::data::Source;
    use crate::models::Bigram;
    use tch::Device;

    fn lecture() -> (Examples, Bigram) {
        let counts = count(&Source::lecture(), '.').unwrap().counts;
        let examples = Examples::distinct(&counts, Device::Cpu).unwrap();
        let network = Bigram::new(counts.vocabulary().clone(), 2, 420, Device::Cpu).unwrap();
        (examples, network)
    }

    #[test]
    fn every_fiftieth_loss_is_the_published_one() {
        let (examples, network) = lecture();
        let mut losses = Vec::new();
        let trained = train(&network, &examples, &TrainOptions::default(), |step| {
            if step.stage == EPOCH && step.number % 50 == 0 {
                losses.push(f64::from(step.loss));
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        let published = [
            3.6365137100219727,
            2.4955990314483643,
            2.4727954864501953,
            2.4657769203186035,
            2.4625258445739746,
            2.4606406688690186,
            2.459399700164795,
        ];
        assert_eq!(losses.len(), published.len());
        for (ours, published) in losses.iter().zip(published) {
            assert!((ours - published).abs() < 1e-6, "{ours} for {published}");
        }
        assert!(f64::from(trained.final_loss) < published[6]);
        assert_eq!(trained.final_loss, trained.nll);
        assert_eq!((trained.warmup_done, trained.epochs_done), (1, 301));
    }

    #[test]
    fn a_stopped_training_goes_on_where_it_was() {
        let (examples, whole) = lecture();
        let options = TrainOptions {
            epochs: 20,
            ..TrainOptions::default()
        };
        train(&whole, &examples, &options, |_| ControlFlow::Continue(())).unwrap();

        let (_, parts) = lecture();
        let stopped = train(&parts, &examples, &options, |step| match step {
            Step {
                stage: EPOCH,
                number: 7,
                ..
            } => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .unwrap();
        assert_eq!(stopped.epochs_done, 8);
        let rest = TrainOptions {
            warmup_epochs: 0,
            first_epoch: 8,
            epochs: 12,
            ..options
        };
        train(&parts, &examples, &rest, |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(whole.weights(), parts.weights());
    }

    #[test]
    fn the_warm_up_can_be_stopped_too() {
        let (examples, network) = lecture();
        let options = TrainOptions {
            warmup_epochs: 400,
            ..TrainOptions::default()
        };
        let stopped = train(&network, &examples, &options, |step| match step.number {
            4 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .unwrap();
        assert_eq!((stopped.warmup_done, stopped.epochs_done), (5, 0));
    }

    #[test]
    fn a_loss_that_is_not_finite_names_its_step_and_rate() {
        let (examples, network) = lecture();
        let options = TrainOptions {
            learning_rate: 1e9,
            ..TrainOptions::default()
        };
        let error = train(&network, &examples, &options, |_| ControlFlow::Continue(()));
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("at epoch 1 with learning rate 1000000000"),
            "{error}"
        );
    }
}
