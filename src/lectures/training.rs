//! The training of lectures 2 to 5: plain gradient descent on random examples.

use std::time::Instant;

use tch::Tensor;

use super::data::{Batches, Dataset, Examples};
use super::figures::{Figure, Tolerance};
use super::stage::{Section, Stage, Training};
use crate::error::{Error, Result};
use crate::libtorch::random::Generator;
use crate::plots::BatchLosses;

/// The steps of the long trainings of lectures 2 to 5.
pub const STEPS: u64 = 200_000;

/// So many steps show that the first losses agree.
pub const QUICK_STEPS: u64 = 10_001;

/// After so many steps each a loss is printed.
const SHOWN_EVERY: u64 = 10_000;

/// After so many steps each the audience is told.
const TOLD_EVERY: u64 = 100;

/// How a lecture trains.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// The number of steps.
    pub steps: u64,
    /// The step from which on the learning rate is a hundredth, and not a tenth.
    pub lower_from: u64,
}

impl Schedule {
    fn rate(self, step: u64) -> f64 {
        if step < self.lower_from { 0.1 } else { 0.01 }
    }
}

/// A training that was done.
#[derive(Debug)]
pub struct Run {
    pub training: Training,
    /// Whether the audience has ended it.
    pub is_interrupted: bool,
    /// The losses that the notebook prints, with their steps.
    pub shown: Vec<(u64, f64)>,
    /// The loss of every step, for a picture; none where there is none.
    pub losses: Vec<(u64, f64)>,
}

/// Trains on random examples; `step` makes a step with a batch and a learning rate, and returns its
/// loss.
pub fn train(
    stage: &mut Stage,
    examples: &Examples,
    generator: &mut Generator,
    schedule: Schedule,
    mut step: impl FnMut(&Tensor, &Tensor, f64) -> Result<Tensor>,
) -> Result<Run> {
    let start = Instant::now();
    let steps = stage.options.steps.min(schedule.steps);
    let mut batches = Batches::new(examples, generator, steps);
    let (mut shown, mut losses) = (Vec::new(), Vec::new());
    let (mut done, mut is_interrupted) = (0, false);
    while let Some((xb, yb)) = batches.next()? {
        let loss = step(&xb, &yb, schedule.rate(done))?;
        // Reading a loss waits for it.
        if stage.options.pictures {
            losses.push((done, loss.f_double_value(&[])?));
        }
        if done.is_multiple_of(SHOWN_EVERY) {
            shown.push((done, loss.f_double_value(&[])?));
        }
        done += 1;
        if done.is_multiple_of(TOLD_EVERY) {
            match stage.audience.trained(done, steps) {
                Err(Error::Interrupted) => {
                    is_interrupted = true;
                    break;
                }
                told => told?,
            }
        }
    }
    if let Some(&(_, last)) = shown.last()
        && !last.is_finite()
    {
        return Err(Error::Diverged {
            stage: crate::train::steps::STEP,
            number: done,
            learning_rate: schedule.rate(done),
            regularization: 0.0,
            loss: last as f32,
        });
    }
    Ok(Run {
        training: Training {
            steps: done,
            published_steps: schedule.steps,
            seconds: start.elapsed().as_secs_f64(),
        },
        is_interrupted,
        shown,
        losses,
    })
}

/// What a lecture says of a training, and the losses that it publishes.
#[derive(Debug)]
pub struct Published {
    pub title: &'static str,
    pub explanation: &'static str,
    /// The losses of single batches, one every 10,000 steps.
    pub losses: &'static str,
    /// The losses of train and dev after all steps.
    pub at_the_end: [&'static str; 2],
    pub tolerance: Tolerance,
}

impl Published {
    /// Shows a training with its losses after other figures; `logits` are those of the trained
    /// network, `[N, T]` to `[N, V]`.
    pub fn show(
        &self,
        stage: &mut Stage,
        data: &Dataset,
        run: &Run,
        mut figures: Vec<Figure>,
        logits: impl Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<()> {
        figures.extend(self.tolerance.losses(&run.shown, self.losses));
        if run.training.is_whole() {
            let at_the_end = at_the_end(data, self.at_the_end, self.tolerance, logits)?;
            figures.extend(at_the_end);
        }
        let section = Section::new(self.title, self.explanation, figures);
        stage.show_training(run.training, run.is_interrupted, section)
    }
}

/// The losses of train and dev after a training.
pub fn at_the_end(
    data: &Dataset,
    published: [&str; 2],
    tolerance: Tolerance,
    logits: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<[Figure; 2]> {
    let losses = [data.train.loss(&logits)?, data.dev.loss(&logits)?];
    let [train, dev] = published;
    Ok([
        tolerance.at_the_end("train loss", losses[0], train),
        tolerance.at_the_end("dev loss", losses[1], dev),
    ])
}

impl Run {
    /// Whether its pictures are drawn: those of one that was interrupted would replace better ones.
    pub fn is_drawn(&self, stage: &Stage) -> bool {
        stage.options.pictures && !self.is_interrupted
    }

    /// Draws the losses of single steps, which fall so far at first that their logarithm shows more.
    pub fn draw_logarithms(&self, stage: &mut Stage, name: &'static str) -> Result<()> {
        let logarithms = self.losses.iter().map(|&(step, loss)| (step, loss.log10()));
        let losses = BatchLosses {
            vertical: "log10 of the loss of a batch",
            losses: &logarithms.collect::<Vec<_>>(),
        };
        stage.picture(name, &losses)
    }

    /// Draws the losses, each the mean of 1,000 steps.
    pub fn draw_means(&self, stage: &mut Stage, name: &'static str) -> Result<()> {
        // Fewer at the end would not be alike.
        let of = self.losses.len().clamp(1, 1000);
        let means = self.losses.chunks_exact(of).map(|losses| {
            let sum: f64 = losses.iter().map(|(_, loss)| loss).sum();
            (losses[0].0, sum / losses.len() as f64)
        });
        let losses = BatchLosses {
            vertical: match of {
                1000 => "loss (nats per character, mean of 1,000 batches)",
                _ => "loss (nats per character, mean of the batches)",
            },
            losses: &means.collect::<Vec<_>>(),
        };
        stage.picture(name, &losses)
    }
}
