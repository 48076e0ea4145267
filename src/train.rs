//! Gradient descent, as the notes' "Optimization" does it: a warm-up of one small step, then
//! epochs over all pairs at a large rate.
//!
//! # What an epoch costs
//!
//! A forward pass of about ten tensor operations, and a backward pass of twice as many.
//!
//! - On distinct rows the tensors are `[27, 27]` for the lecture, so that the time (0.1 ms) is that
//!   of calling libtorch thirty times, and the same for any list with as many characters, however
//!   long. Reading the loss for every epoch costs nothing beside that on a CPU. A second thread
//!   would cost more than it brings: it is woken for each operation.
//! - On all rows they are `[228146, 27]`, 25 MB each, and the time (40 ms on two cores) is that of
//!   moving them through memory, which as many threads as there are processors share. An allocator
//!   that hands freed memory back to the system has it cleared again for each of them, which takes
//!   a third of the epoch; the program tells its allocator to keep it.

use std::ops::ControlFlow;

use tch::Tensor;

use crate::error::{Error, Result};
use crate::network::Network;
use crate::pairs::TrainingPairs;

/// How to train; the default is the notes' run.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
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

impl Default for Schedule {
    fn default() -> Self {
        Self {
            warmup_epochs: 1,
            warmup_learning_rate: 0.1,
            first_epoch: 0,
            epochs: 301,
            learning_rate: 50.0,
            regularization: 0.0,
        }
    }
}

/// What is behind the network after [`train`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trained {
    /// The number of the epoch that would come next.
    pub epochs_done: u64,
    /// The loss of the weights as they are now, after the last step.
    pub final_loss: f32,
    /// Whether the observer ended the training before its last epoch.
    pub stopped: bool,
}

/// Trains the network in place.
///
/// `observe` is called after every epoch with its number and its loss, which is that of the
/// weights before the epoch's step, as the notes print it; [`ControlFlow::Break`] ends the
/// training there. An epoch is one forward and one backward pass over all rows.
///
/// # Errors
///
/// [`Error::Diverged`] as soon as a loss is not finite; else if the device has no room.
pub fn train(
    network: &mut Network,
    pairs: &TrainingPairs,
    schedule: &Schedule,
    mut observe: impl FnMut(u64, f32) -> ControlFlow<()>,
) -> Result<Trained> {
    for epoch in 0..schedule.warmup_epochs {
        let rate = schedule.warmup_learning_rate;
        let loss = step(network, pairs, schedule, rate)?;
        finite(loss, "warm-up epoch", epoch, rate)?;
    }
    let rate = schedule.learning_rate;
    let mut epoch = schedule.first_epoch;
    let mut stopped = false;
    while epoch - schedule.first_epoch < schedule.epochs && !stopped {
        let loss = step(network, pairs, schedule, rate)?;
        let loss = finite(loss, "epoch", epoch, rate)?;
        stopped = observe(epoch, loss).is_break();
        epoch += 1;
    }
    let last = tch::no_grad(|| network.loss(pairs, schedule.regularization))?;
    Ok(Trained {
        epochs_done: epoch,
        final_loss: finite(value(&last)?, "epoch", epoch, rate)?,
        stopped,
    })
}

/// One step; its loss is that before it.
fn step(
    network: &mut Network,
    pairs: &TrainingPairs,
    schedule: &Schedule,
    learning_rate: f64,
) -> Result<f32> {
    let loss = network.loss(pairs, schedule.regularization)?;
    network.step(&loss, learning_rate)?;
    value(&loss)
}

fn value(loss: &Tensor) -> Result<f32> {
    Ok(loss.f_double_value(&[])? as f32)
}

fn finite(loss: f32, stage: &'static str, epoch: u64, learning_rate: f64) -> Result<f32> {
    if loss.is_finite() {
        return Ok(loss);
    }
    Err(Error::Diverged {
        stage,
        epoch,
        learning_rate,
        loss,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::BigramCounts;
    use crate::words::Words;
    use tch::Device;

    fn lecture() -> (TrainingPairs, Network) {
        let counts = BigramCounts::of(&Words::lecture('.').unwrap()).unwrap();
        let pairs = TrainingPairs::distinct(&counts, Device::Cpu).unwrap();
        let network = Network::new(counts.vocabulary().clone(), 420, Device::Cpu).unwrap();
        (pairs, network)
    }

    #[test]
    fn every_fiftieth_loss_is_the_published_one() {
        let (pairs, mut network) = lecture();
        let mut losses = Vec::new();
        let trained = train(&mut network, &pairs, &Schedule::default(), |epoch, loss| {
            if epoch % 50 == 0 {
                losses.push(f64::from(loss));
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
        assert_eq!(trained.epochs_done, 301);
    }

    #[test]
    fn a_stopped_training_goes_on_where_it_was() {
        let (pairs, mut whole) = lecture();
        let schedule = Schedule {
            epochs: 20,
            ..Schedule::default()
        };
        train(&mut whole, &pairs, &schedule, |_, _| {
            ControlFlow::Continue(())
        })
        .unwrap();

        let (_, mut parts) = lecture();
        let stopped = train(&mut parts, &pairs, &schedule, |epoch, _| match epoch {
            7 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .unwrap();
        assert!(stopped.stopped);
        assert_eq!(stopped.epochs_done, 8);
        let rest = Schedule {
            warmup_epochs: 0,
            first_epoch: 8,
            epochs: 12,
            ..schedule
        };
        train(&mut parts, &pairs, &rest, |_, _| ControlFlow::Continue(())).unwrap();
        assert_eq!(whole.weights(), parts.weights());
    }

    #[test]
    fn a_loss_that_is_not_finite_names_its_epoch() {
        let (pairs, mut network) = lecture();
        let schedule = Schedule {
            learning_rate: 1e9,
            ..Schedule::default()
        };
        let error = train(&mut network, &pairs, &schedule, |_, _| {
            ControlFlow::Continue(())
        });
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("at epoch 1 with learning rate 1000000000"),
            "{error}"
        );
    }
}
