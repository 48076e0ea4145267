//! The loop that every training runs. It counts steps and time, follows the learning-rate schedule,
//! refuses losses that diverge, and calls for evaluation and saving when they are due.
//!
//! A [`Learner`] makes one update. There are three: [`full_batch`](super::full_batch) as in the notes,
//! [`word_batches`](super::word_batches) as in makemore.py, and the random examples of the lectures.
//! An [`Observer`] evaluates, saves and shows progress.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::rate::LearningRate;
use crate::error::{Error, Result};

/// The name of one update in errors.
pub const STEP: &str = "step";

/// The first step that is evaluated early.
pub const FIRST: u64 = 10;

/// A model with its data and its optimizer, which makes one update at a time.
pub trait Learner {
    /// Makes update number `step`, from 0, and returns the loss before it: a scalar, in nats.
    ///
    /// # Errors
    ///
    /// [`Error::Diverged`] if the learner finds out itself.
    fn step(&mut self, step: u64, learning_rate: f64) -> Result<Tensor>;

    /// The time after a step, in seconds, which is `own` without other processes. Processes that share a
    /// training go by the clock of the first one, as it was when the step began.
    fn clock(&self, own: f64) -> f64 {
        own
    }

    /// What holds after a step, which is `own` without other processes. Others hear of `own` with the next
    /// step, so that all end at the same one.
    fn agree(&mut self, own: Note) -> Note {
        own
    }
}

/// What processes that share a training have to agree on, so that all end at the same step.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Note {
    /// The time that the training took, in seconds. That of process 0 holds for all.
    pub seconds: f64,
    /// Whether the training ends here, which any of them may want.
    pub stops: bool,
}

impl Note {
    /// The note as bytes.
    pub fn bytes(self) -> [u8; 9] {
        let mut bytes = [u8::from(self.stops); 9];
        bytes[1..].copy_from_slice(&self.seconds.to_le_bytes());
        bytes
    }

    /// What holds for all, from the bytes of all notes.
    pub fn of_all(notes: &[Vec<u8>]) -> Self {
        let seconds = notes
            .first()
            .and_then(|first| first.get(1..)?.try_into().ok());
        Self {
            seconds: seconds.map_or(0.0, f64::from_le_bytes),
            stops: notes.iter().any(|note| note.first() == Some(&1)),
        }
    }
}

/// The limits of a training, its learning rate, and how often it is evaluated and saved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// The number of steps in all, if it is limited.
    pub steps: Option<u64>,
    /// The time in all, if it is limited, in seconds.
    pub seconds: Option<f64>,
    /// The learning-rate schedule.
    pub learning_rate: LearningRate,
    /// The number of steps from one loss that is read to the next. Reading waits for the device.
    pub read_every: u64,
    /// The number of steps from one evaluation to the next; the last step is evaluated too.
    pub evaluate_every: Option<u64>,
    /// Whether steps 10, 20, 40 and so on are evaluated too, until the first of these intervals ends.
    pub evaluate_early: bool,
    /// The time from one save of the run to the next.
    pub save_every: Option<Duration>,
}

/// The progress of a training.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The number of updates made.
    pub steps: u64,
    /// The time that they and the evaluations took, in seconds.
    pub seconds: f64,
}

/// An update that was made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    /// The number of the step, from 0.
    pub step: u64,
    /// Its learning rate.
    pub learning_rate: f64,
    /// The loss before it in nats, if it was read.
    pub loss: Option<f64>,
    /// The progress after it.
    pub progress: Progress,
    /// The share of the training that is done after it, from 0 to 1.
    pub fraction: f64,
    /// The time of this update, without evaluation.
    pub took: Duration,
}

/// A training's surroundings: they evaluate it, save it and show its progress. Any error ends the training.
pub trait Observer<L> {
    /// Is called after each update.
    fn updated(&mut self, update: &Update) -> Result<()>;

    /// Is called when an evaluation is due.
    fn evaluate(&mut self, _learner: &L, _learning_rate: f64) -> Result<()> {
        Ok(())
    }

    /// Is called when the run is to be saved.
    fn save(&mut self, _learner: &L) -> Result<()> {
        Ok(())
    }

    /// Whether the user wants the training to end here.
    fn stops(&self) -> bool {
        false
    }

    /// Whether the training is over after an evaluation.
    fn is_over(&self) -> bool {
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

    /// Whether an evaluation is due after `steps` steps, when `fraction` of the training is done.
    pub fn evaluates(&self, steps: u64, fraction: f64) -> bool {
        let is_early =
            self.evaluate_early && steps.is_multiple_of(FIRST) && (steps / FIRST).is_power_of_two();
        self.evaluate_every.is_some_and(|every| {
            steps.is_multiple_of(every) || fraction >= 1.0 || steps < every && is_early
        })
    }
}

/// Trains from `begin` to the end of the plan, or until the observer stops it. Returns the progress.
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
    let _of_others = learner.agree(Note {
        seconds: begin.seconds,
        stops: false,
    });
    while fraction < 1.0 {
        let (step, before) = (progress.steps, Instant::now());
        let learning_rate = plan.learning_rate.at(step, fraction);
        let loss = learner.step(step, learning_rate)?;
        let loss = match step.is_multiple_of(plan.read_every) {
            true => Some(read(&loss, step, learning_rate)?),
            false => None,
        };
        progress.steps += 1;
        progress.seconds = learner.clock(begin.seconds + start.elapsed().as_secs_f64());
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
            observer.evaluate(learner, learning_rate)?;
        }
        if plan
            .save_every
            .is_some_and(|every| saved.elapsed() >= every)
        {
            observer.save(learner)?;
            saved = Instant::now();
        }
        let agreed = learner.agree(Note {
            seconds: begin.seconds + start.elapsed().as_secs_f64(),
            stops: observer.stops(),
        });
        if agreed.stops || observer.is_over() {
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
            evaluate_early: false,
            save_every: None,
        };
        let fraction = |steps, seconds| plan.fraction(Progress { steps, seconds });
        assert_eq!((fraction(50, 1.0), fraction(50, 6.0)), (0.25, 0.6));
        assert_eq!((fraction(200, 1.0), fraction(0, 11.0)), (1.0, 1.0));
        let evaluates = |steps, fraction| plan.evaluates(steps, fraction);
        assert!(evaluates(60, 0.3) && evaluates(200, 1.0) && !evaluates(61, 0.3));
        let early = Plan {
            evaluate_early: true,
            evaluate_every: Some(100),
            ..plan
        };
        let evaluated = (1..=300).filter(|&steps| early.evaluates(steps, 0.5));
        let evaluated: Vec<u64> = evaluated.collect();
        assert_eq!(evaluated, [10, 20, 40, 80, 100, 200, 300]);
    }
}
