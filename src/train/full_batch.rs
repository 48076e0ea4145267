//! Gradient descent on all examples in every step, as in the notes, "Optimization": one warm-up epoch at
//! a low learning rate, then epochs at a high one.
//!
//! # Cost of an epoch
//!
//! An epoch is about thirty tensor operations, forward and backward.
//!
//! - With distinct rows the lecture's tensors are `[27, 27]`, and calling libtorch takes most of the
//!   time, for a long list as for a short one. A second thread would cost more than it gains: every
//!   operation would wake it.
//! - With all rows they are `[228146, 27]`, and moving them through memory takes most of the time. All
//!   processors share it.

use std::ops::ControlFlow;

use tch::Tensor;

use super::examples::Examples;
use super::loss;
use super::rate::{self, LearningRate};
use super::sgd::Sgd;
use super::steps::{self, Learner, Observer, Plan, Progress, Update};
use crate::error::{Error, Result};
use crate::models::Bigram;

/// The stage of the first steps, in errors and in the log.
pub const WARM_UP: &str = "warm-up epoch";

/// The stage of the steps after the warm-up.
pub const EPOCH: &str = "epoch";

/// Options of a training on all examples. The defaults are the notes'.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainOptions {
    /// The number of warm-up epochs.
    pub warmup_epochs: u64,
    /// Their learning rate.
    pub warmup_learning_rate: f64,
    /// The number of the first epoch: 0, or the number of epochs before a checkpoint that is resumed.
    pub first_epoch: u64,
    /// The number of epochs.
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

/// An update, as its observer sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// [`WARM_UP`] or [`EPOCH`].
    pub stage: &'static str,
    /// Its number in that stage.
    pub number: u64,
    /// The loss before it, as the notes print it.
    pub loss: f32,
}

/// The result of [`train`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trained {
    /// The number of warm-up epochs made.
    pub warmup_done: u64,
    /// The number of the next epoch.
    pub epochs_done: u64,
    /// The loss after the last step.
    pub final_loss: f32,
    /// The same loss without regularization: the NLL in nats per character.
    pub nll: f32,
}

/// The lecture's network, its examples and its optimizer.
#[derive(Debug)]
pub struct FullBatch<'a> {
    network: &'a Bigram,
    examples: &'a Examples,
    regularization: f64,
    /// The encoded contexts of the examples.
    xenc: Tensor,
    optimizer: Sgd,
}

impl<'a> FullBatch<'a> {
    /// A training whose loss includes `regularization * mean(W²)`.
    pub fn new(network: &'a Bigram, examples: &'a Examples, regularization: f64) -> Result<Self> {
        let factors = network.factors(examples.contexts(), examples.shares())?;
        Ok(Self {
            network,
            examples,
            regularization,
            xenc: network.encode(examples.xs())?,
            optimizer: Sgd::new(network.weights(), factors),
        })
    }

    /// The loss with regularization and without it, a scalar each.
    fn loss(&self) -> Result<(Tensor, Tensor)> {
        // logits = xenc @ W
        let logits = self.network.forward(&self.xenc)?;
        // loss = -probs[torch.arange(num), ys].log().mean() + 0.01*(W**2).mean()
        let nll = loss::nll(&logits, self.examples)?;
        let loss = loss::regularized(&nll, self.network.weights(), self.regularization)?;
        Ok((loss, nll))
    }
}

impl Learner for FullBatch<'_> {
    /// Source: the notes, "Optimization".
    fn step(&mut self, _step: u64, learning_rate: f64) -> Result<Tensor> {
        let (loss, _) = self.loss()?;
        // W.grad = None
        self.optimizer.zero_grad();
        // loss.backward()
        loss.f_backward()?;
        // W.data += -50 * W.grad
        self.optimizer.step(learning_rate)?;
        Ok(loss)
    }
}

/// Trains the lecture's network in place.
///
/// `observe` is called after each step; [`ControlFlow::Break`] ends the training.
///
/// # Errors
///
/// [`Error::Diverged`] as soon as a loss is not finite.
pub fn train(
    network: &Bigram,
    examples: &Examples,
    options: &TrainOptions,
    observe: impl FnMut(Step) -> ControlFlow<()>,
) -> Result<Trained> {
    let mut learner = FullBatch::new(network, examples, options.regularization)?;
    let plan = Plan {
        steps: Some(options.warmup_epochs.saturating_add(options.epochs)),
        seconds: None,
        learning_rate: LearningRate::Stepped {
            steps: options.warmup_epochs,
            first: options.warmup_learning_rate,
            then: options.learning_rate,
        },
        read_every: 1,
        evaluate_every: None,
        evaluate_early: false,
        save_every: None,
    };
    let mut shown = Shown {
        options,
        observe,
        is_stopped: false,
    };
    let trained = steps::run(&mut learner, &plan, Progress::default(), &mut shown);
    let trained = trained.map_err(|error| match error {
        Error::Diverged { number, loss, .. } => options.diverged(number, loss),
        error => error,
    });
    let done = trained?.steps;

    let (loss, nll) = tch::no_grad(|| learner.loss())?;
    let (nll, loss) = (nll.f_double_value(&[])?, loss.f_double_value(&[])?);
    if !loss.is_finite() {
        return Err(options.diverged(done, loss as f32));
    }
    let warmup_done = done.min(options.warmup_epochs);
    Ok(Trained {
        warmup_done,
        epochs_done: options.first_epoch + done - warmup_done,
        final_loss: loss as f32,
        nll: nll as f32,
    })
}

/// Passes each step to a function, which may end the training.
struct Shown<'a, F> {
    options: &'a TrainOptions,
    observe: F,
    is_stopped: bool,
}

impl<L, F: FnMut(Step) -> ControlFlow<()>> Observer<L> for Shown<'_, F> {
    fn updated(&mut self, update: &Update) -> Result<()> {
        let (stage, number) = self.options.stage_of(update.step);
        let loss = update.loss.unwrap_or_default() as f32;
        let step = Step {
            stage,
            number,
            loss,
        };
        self.is_stopped = (self.observe)(step).is_break();
        Ok(())
    }

    fn stops(&self) -> bool {
        self.is_stopped
    }
}

impl TrainOptions {
    /// The stage of step `step` of the training, and the step's number in that stage.
    fn stage_of(&self, step: u64) -> (&'static str, u64) {
        match step.checked_sub(self.warmup_epochs) {
            None => (WARM_UP, step),
            Some(epoch) => (EPOCH, self.first_epoch.saturating_add(epoch)),
        }
    }

    /// The error of a loss at a step. It names the learning rate of the step before, which caused it.
    fn diverged(&self, step: u64, loss: f32) -> Error {
        let (stage, number) = self.stage_of(step);
        let learning_rate = match step <= self.warmup_epochs && self.warmup_epochs > 0 {
            true => self.warmup_learning_rate,
            false => self.learning_rate,
        };
        Error::Diverged {
            stage,
            number,
            learning_rate,
            regularization: self.regularization,
            loss,
        }
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
