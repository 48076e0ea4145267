//! The loop of lectures 2 to 5: plain gradient descent on random examples.

use std::time::Instant;

use tch::Tensor;

use super::data::{Batches, Examples};
use super::{Flow, Stage, Stop, Trained};
use crate::error::Result;
use crate::libtorch::random::Generator;
use crate::plots::BatchLosses;

/// After how many steps a loss is printed.
const SHOWN_EVERY: u64 = 10_000;

/// After how many steps the audience is asked whether to go on.
const ASKED_EVERY: u64 = 100;

/// How a training went.
#[derive(Debug)]
pub struct Course {
    pub trained: Trained,
    /// Whether the audience has ended it.
    pub is_interrupted: bool,
    /// Every so many steps the loss, as the notebook prints it.
    pub shown: Vec<(u64, f64)>,
    /// The loss of every step, for a picture; none where there is none.
    pub losses: Vec<(u64, f64)>,
}

impl Course {
    /// Whether it is all of the lecture's.
    pub fn is_whole(&self) -> bool {
        self.trained.steps == self.trained.published_steps
    }

    /// Draws the losses of single steps, which fall so far at first that their logarithm shows more.
    pub fn draw_logarithms(&self, stage: &mut Stage, name: &'static str) -> Flow {
        let logarithms = self.losses.iter().map(|&(step, loss)| (step, loss.log10()));
        let losses = BatchLosses {
            vertical: "log10 of the loss of a batch",
            losses: &logarithms.collect::<Vec<_>>(),
        };
        stage.picture(name, &losses)
    }

    /// Draws the losses, each the mean of 1,000 steps.
    pub fn draw_means(&self, stage: &mut Stage, name: &'static str) -> Flow {
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

/// How a lecture trains.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// How many steps it makes.
    pub steps: u64,
    /// From which step on the learning rate is a hundredth, and not a tenth.
    pub lower_from: u64,
}

impl Schedule {
    fn rate(self, step: u64) -> f64 {
        if step < self.lower_from { 0.1 } else { 0.01 }
    }
}

/// Trains on random examples; `step` makes a step with a batch and a learning rate, and returns its
/// loss.
pub fn train(
    stage: &mut Stage,
    examples: &Examples,
    generator: &mut Generator,
    schedule: Schedule,
    mut step: impl FnMut(&Tensor, &Tensor, f64) -> Result<Tensor>,
) -> Flow<Course> {
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
        if done.is_multiple_of(ASKED_EVERY) && stage.audience.trained(done, steps).is_break() {
            is_interrupted = true;
            break;
        }
    }
    // The end of what a device was asked for.
    if let Some(&(_, last)) = shown.last()
        && !last.is_finite()
    {
        return Err(Stop::Failed(crate::Error::Diverged {
            stage: crate::train::word_batches::STEP,
            number: done,
            learning_rate: schedule.rate(done),
            regularization: 0.0,
            loss: last as f32,
        }));
    }
    Ok(Course {
        trained: Trained {
            steps: done,
            published_steps: schedule.steps,
            seconds: start.elapsed().as_secs_f64(),
        },
        is_interrupted,
        shown,
        losses,
    })
}
