//! The loop that every training runs: the schedule, counting and time, losses that diverge,
//! evaluation, saving and stopping.
//!
//! One update is a [`Learner`]'s: [`full_batch`](super::full_batch) as the notes do it,
//! [`word_batches`](super::word_batches) as makemore.py does it, and the lectures' random examples.
//! An [`Observer`] evaluates, saves and shows.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::rate::LearningRate;
use crate::error::{Error, Result};

/// The name of one update in errors.
pub const STEP: &str = "step";

/// A model and its optimizer: anything that gradient descent trains.
pub trait Learner {
    /// Makes update number `step`, from 0, and returns the loss before it: a scalar, in nats.
    ///
    /// # Errors
    ///
    /// [`Error::Diverged`] where the learner itself finds out.
    fn step(&mut self, step: u64, learning_rate: f64) -> Result<Tensor>;
}

/// The limits of a training, its learning rate, and how often it is evaluated and saved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// The number of steps in all, where it is limited.
    pub steps: Option<u64>,
    /// The seconds in all, where they are limited.
    pub seconds: Option<f64>,
    /// The learning rate of each step.
    pub learning_rate: LearningRate,
    /// Losses are read every so many steps: reading waits for the device.
    pub read_every: u64,
    /// Evaluation takes place every so many steps, and after the last one.
    pub evaluate_every: Option<u64>,
    /// The time between two saves of the run.
    pub save_every: Option<Duration>,
}

/// The progress of a training.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The number of updates made.
    pub steps: u64,
    /// The time that they took with all evaluations between them, in seconds.
    pub seconds: f64,
}

/// An update that was made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    /// The number of the step, from 0.
    pub step: u64,
    /// Its learning rate.
    pub learning_rate: f64,
    /// The loss before it in nats, where it was read.
    pub loss: Option<f64>,
    /// The progress after it.
    pub progress: Progress,
    /// The share of the training that is done after it, from 0 to 1; 1 after the last step.
    pub fraction: f64,
    /// The time that the update alone took.
    pub took: Duration,
}

/// The surroundings of a training: evaluation, saving, a progress bar.
pub trait Observer<L> {
    /// Sees an update.
    ///
    /// # Errors
    ///
    /// Any error ends the training.
    fn updated(&mut self, update: &Update) -> Result<()>;

    /// Evaluates the network in training.
    ///
    /// # Errors
    ///
    /// Any error ends the training, [`Error::Interrupted`] too.
    fn evaluate(&mut self, _learner: &L, _update: &Update) -> Result<()> {
        Ok(())
    }

    /// Saves the run.
    ///
    /// # Errors
    ///
    /// Any error ends the training.
    fn save(&mut self, _learner: &L) -> Result<()> {
        Ok(())
    }

    /// Whether the training stops after this step.
    fn stops(&self) -> bool {
        false
    }
}

impl Plan {
    /// The share of the training that is done, from 0 to 1.
    pub fn fraction(&self, progress: Progress) -> f64 {
        let steps = self
            .steps
            .map(|steps| progress.steps as f64 / steps.max(1) as f64);
        let seconds = self.seconds.map(|seconds| progress.seconds / seconds);
        let fraction = steps.into_iter().chain(seconds).fold(0.0, f64::max);
        match self.steps {
            Some(0) => 1.0,
            _ => fraction.min(1.0),
        }
    }

    /// Whether evaluation is due after so many steps, of which a share is done.
    pub fn evaluates(&self, steps: u64, fraction: f64) -> bool {
        self.evaluate_every
            .is_some_and(|every| steps.is_multiple_of(every) || fraction >= 1.0)
    }
}

/// Trains from where it is until the end of the plan, or until the observer stops it. Returns how
/// far it came.
///
/// # Errors
///
/// [`Error::Diverged`] as soon as a loss that is read is not finite; the errors of the learner and
/// the observer.
pub fn run<L: Learner>(
    learner: &mut L,
    plan: &Plan,
    begin: Progress,
    observer: &mut impl Observer<L>,
) -> Result<Progress> {
    let start = Instant::now();
    let mut saved = start;
    let mut progress = begin;
    let mut fraction = plan.fraction(progress);
    while fraction < 1.0 {
        let (step, before) = (progress.steps, Instant::now());
        let learning_rate = plan.learning_rate.at(step, fraction);
        let loss = learner.step(step, learning_rate)?;
        let loss = match step.is_multiple_of(plan.read_every) {
            true => Some(read(&loss, step, learning_rate)?),
            false => None,
        };
        progress.steps += 1;
        progress.seconds = begin.seconds + start.elapsed().as_secs_f64();
        fraction = plan.fraction(progress);
        let update = Update {
            step,
            learning_rate,
            loss,
            progress,
            fraction,
            took: before.elapsed(),
        };
        observer.updated(&update)?;
        if plan.evaluates(progress.steps, fraction) {
            observer.evaluate(learner, &update)?;
        }
        if plan
            .save_every
            .is_some_and(|every| saved.elapsed() >= every)
        {
            observer.save(learner)?;
            saved = Instant::now();
        }
        if observer.stops() {
            break;
        }
    }
    Ok(progress)
}

fn read(loss: &Tensor, number: u64, learning_rate: f64) -> Result<f64> {
    let loss = loss.f_double_value(&[])?;
    match loss.is_finite() {
        true => Ok(loss),
        false => Err(Error::Diverged {
            stage: STEP,
            number,
            learning_rate,
            regularization: 0.0,
            loss: loss as f32,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_done_by_steps_or_by_time_whichever_comes_first() {
        let plan = Plan {
            steps: Some(200),
            seconds: Some(10.0),
            learning_rate: LearningRate::Constant(0.1),
            read_every: 1,
            evaluate_every: Some(30),
            save_every: None,
        };
        let fraction = |steps, seconds| plan.fraction(Progress { steps, seconds });
        assert_eq!((fraction(50, 1.0), fraction(50, 6.0)), (0.25, 0.6));
        assert_eq!((fraction(200, 1.0), fraction(0, 11.0)), (1.0, 1.0));
        let evaluates = |steps, fraction| plan.evaluates(steps, fraction);
        assert!(evaluates(60, 0.3) && evaluates(200, 1.0) && !evaluates(61, 0.3));
    }
}
