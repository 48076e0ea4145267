//! The training of lectures 2 to 5: plain gradient descent on random batches.

use tch::Tensor;

use super::data::{Dataset, Splits};
use super::figures::{Figure, Tolerance};
use super::layers::Module;
use super::location::Location;
use super::names::{self, Names};
use super::stage::{Audience, Section, Stage, Training};
use crate::error::{Error, Result};
use crate::libtorch::random::Generator;
use crate::plots::BatchLosses;
use crate::train::rate::LearningRate;
use crate::train::steps::{self, Learner, Observer, Plan, Progress, Update};

/// The number of steps of a whole training in lectures 2 to 5.
pub const STEPS: u64 = 200_000;

/// The number of steps up to the second loss that is published.
pub const QUICK_STEPS: u64 = 10_001;

/// The number of steps from one published loss to the next.
const SHOWN_EVERY: u64 = 10_000;

/// The number of steps from one call of [`Audience::trained`] to the next.
const TOLD_EVERY: u64 = 100;

/// The number of batches that are drawn at once, which is faster.
const AHEAD: u64 = 1000;

/// A training and its losses.
#[derive(Debug)]
pub struct Run {
    pub training: Training,
    /// Whether the audience interrupted it.
    is_interrupted: bool,
    /// Steps and losses: those that the notebook prints, or all if they are drawn.
    losses: Vec<(u64, f64)>,
}

/// A network and the random batches that it is trained on.
struct RandomBatches<'a, N> {
    network: &'a mut N,
    dataset: &'a Dataset,
    generator: &'a mut Generator,
    /// The number of steps in all.
    steps: u64,
    /// The batches of the present step and the steps around it, `[B, 32, T]` and `[B, 32]`.
    batches: (Tensor, Tensor),
    /// The loss of the step before, a scalar.
    loss: Tensor,
}

impl<N: Module> Learner for RandomBatches<'_, N> {
    fn step(&mut self, step: u64, learning_rate: f64) -> Result<Tensor> {
        let place = (step % AHEAD) as i64;
        if place == 0 {
            // No more batches than steps: the lecture samples with the same generator afterwards.
            let b = AHEAD.min(self.steps - step) as i64;
            self.batches = self.dataset.batches(self.generator, b)?;
        }
        let (xb, yb) = &self.batches;
        let (xb, yb) = (xb.f_get(place)?, yb.f_get(place)?);
        self.loss = self.network.step(&xb, &yb, learning_rate)?;
        Ok(self.loss.shallow_clone())
    }
}

/// Collects the losses of a training, and tells the audience its progress.
struct Watch<'a> {
    audience: &'a mut dyn Audience,
    steps: u64,
    is_interrupted: bool,
    losses: Vec<(u64, f64)>,
}

impl<L> Observer<L> for Watch<'_> {
    fn updated(&mut self, update: &Update) -> Result<()> {
        let loss = update.loss.map(|loss| (update.step, loss));
        self.losses.extend(loss);
        if update.progress.steps.is_multiple_of(TOLD_EVERY) {
            match self.audience.trained(update.progress.steps, self.steps) {
                Err(Error::Interrupted) => self.is_interrupted = true,
                told => told?,
            }
        }
        Ok(())
    }

    fn stops(&self) -> bool {
        self.is_interrupted
    }
}

/// Trains a network on random batches: at learning rate 0.1, and from step `lower_from` on at 0.01.
pub fn train(
    stage: &mut Stage,
    splits: &Splits,
    generator: &mut Generator,
    network: &mut impl Module,
    [published_steps, lower_from]: [u64; 2],
) -> Result<Run> {
    let steps = stage.options.steps.min(published_steps);
    let plan = Plan {
        steps: Some(steps),
        seconds: None,
        learning_rate: LearningRate::Stepped {
            steps: lower_from,
            first: 0.1,
            then: 0.01,
        },
        read_every: match stage.options.pictures {
            true => 1,
            false => SHOWN_EVERY,
        },
        evaluate_every: None,
        evaluate_early: false,
        save_every: None,
    };
    let mut learner = RandomBatches {
        network,
        dataset: &splits.train,
        generator,
        steps,
        batches: (Tensor::new(), Tensor::new()),
        loss: Tensor::new(),
    };
    let mut watch = Watch {
        audience: stage.audience,
        steps,
        is_interrupted: false,
        losses: Vec::new(),
    };
    let done = steps::run(&mut learner, &plan, Progress::default(), &mut watch)?;
    Ok(Run {
        training: Training {
            steps: done.steps,
            published_steps,
            seconds: done.seconds,
            last_loss: learner.loss.f_double_value(&[])?,
        },
        is_interrupted: watch.is_interrupted,
        losses: watch.losses,
    })
}

/// The published figures of a lecture's training.
#[derive(Debug)]
pub struct Published {
    pub title: &'static str,
    pub explanation: &'static str,
    /// Where its first figures and losses are published.
    pub source: Location,
    /// The losses of single batches, every 10,000 steps, separated by spaces.
    pub losses: &'static str,
    /// The train and dev loss after all steps.
    pub at_the_end: [(Location, &'static str); 2],
    pub tolerance: Tolerance,
    /// The names that the lecture samples afterwards.
    pub names: Option<Names>,
}

impl Published {
    /// Shows the section of a training, with `figures` first and then its losses, and that of the names.
    pub fn show(
        self,
        stage: &mut Stage,
        splits: &Splits,
        (run, generator): (Run, Generator),
        network: &impl Module,
        mut figures: Vec<Figure>,
    ) -> Result<()> {
        let is_whole = run.training.is_whole();
        figures.extend(self.tolerance.losses(&run.shown(), self.losses));
        if is_whole {
            figures.extend(at_the_end(
                splits,
                self.at_the_end,
                self.tolerance,
                network,
            )?);
        }
        let section = Section::new(self.title, self.explanation, self.source, figures);
        run.show(stage, section)?;
        match self.names {
            Some(names) if is_whole => {
                names::show(stage, splits, generator, names, self.tolerance, network)
            }
            _ => Ok(()),
        }
    }
}

/// The train and dev loss after a training.
pub fn at_the_end(
    splits: &Splits,
    [train, dev]: [(Location, &str); 2],
    tolerance: Tolerance,
    network: &impl Module,
) -> Result<[Figure; 2]> {
    let figure = |name, dataset: &Dataset, (source, published)| -> Result<Figure> {
        let figure = tolerance.at_the_end(name, dataset.loss(network)?, published);
        Ok(figure.published_in(source))
    };
    Ok([
        figure("train loss", &splits.train, train)?,
        figure("dev loss", &splits.dev, dev)?,
    ])
}

impl Run {
    /// The steps and losses that the notebook prints.
    pub fn shown(&self) -> Vec<(u64, f64)> {
        let losses = self.losses.iter().copied();
        losses
            .filter(|(step, _)| step.is_multiple_of(SHOWN_EVERY))
            .collect()
    }

    /// Shows the section of this training. If it was interrupted, the replay ends there.
    pub fn show(&self, stage: &mut Stage, section: Section) -> Result<()> {
        stage.show(Section {
            training: Some(self.training),
            ..section
        })?;
        match self.is_interrupted {
            true => Err(Error::Interrupted),
            false => Ok(()),
        }
    }

    /// Whether its pictures are drawn. Those of an interrupted training would replace better ones.
    pub fn is_drawn(&self, stage: &Stage) -> bool {
        stage.options.pictures && !self.is_interrupted
    }

    /// Draws the decimal logarithms of the batches' losses, as in lectures 2 and 3.
    pub fn draw_logarithms(
        &self,
        stage: &mut Stage,
        name: &'static str,
        lecture: u8,
    ) -> Result<()> {
        let logarithms = self.losses.iter().map(|&(step, loss)| (step, loss.log10()));
        let losses = BatchLosses {
            title: &self.title(lecture),
            vertical: "log10 of the loss of a batch",
            losses: &logarithms.collect::<Vec<_>>(),
        };
        stage.picture(name, &losses)
    }

    /// Draws the means of 1,000 batches' losses, as in lecture 5; the losses themselves where there are fewer
    /// than two means.
    pub fn draw_means(&self, stage: &mut Stage, name: &'static str, lecture: u8) -> Result<()> {
        let means = means(&self.losses);
        let (vertical, losses) = match means.len() {
            0 | 1 => ("loss of a batch (nats per character)", &self.losses),
            _ => ("loss (nats per character, mean of 1,000 batches)", &means),
        };
        let losses = BatchLosses {
            title: &self.title(lecture),
            vertical,
            losses,
        };
        stage.picture(name, &losses)
    }

    fn title(&self, lecture: u8) -> String {
        format!("Lecture {lecture}: loss in {} steps", self.training.steps)
    }
}

/// The means of 1,000 losses each, at the number of steps made until then. The mean of fewer at the end would be noisier, so they
/// are left out.
fn means(losses: &[(u64, f64)]) -> Vec<(u64, f64)> {
    let blocks = losses.chunks_exact(1000);
    let means = blocks.map(|losses| {
        let sum: f64 = losses.iter().map(|(_, loss)| loss).sum();
        (losses[losses.len() - 1].0 + 1, sum / losses.len() as f64)
    });
    means.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean of steps 0 to 999 once stood at step 0.
    #[test]
    fn a_mean_stands_at_the_end_of_its_block() {
        let losses: Vec<(u64, f64)> = (0..2500).map(|step| (step, (step / 1000) as f64)).collect();
        assert_eq!(means(&losses), [(1000, 0.0), (2000, 1.0)]);
    }
}
