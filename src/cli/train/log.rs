//! The losses as they come: kept, shown in a progress bar, printed.

use std::io::{self, Write};

use indicatif::ProgressBar;
use makemore_tch::format;
use makemore_tch::train::full_batch::{EPOCH, Step, TrainOptions};
use makemore_tch::train::run_state::Losses;

use crate::cli::context::Context;
use crate::cli::{output, progress};

/// What was seen of a training.
pub struct Log<'a> {
    options: &'a TrainOptions,
    /// Of how many epochs one is shown.
    every: u64,
    /// Whether losses are printed as they come.
    prints: bool,
    bar: ProgressBar,
    stage: &'static str,
    losses: Vec<(u64, f32)>,
    /// What became of what was printed; after a fault nothing more is.
    printed: io::Result<()>,
}

impl<'a> Log<'a> {
    pub fn new(options: &'a TrainOptions, every: u64, json: bool, context: Context) -> Self {
        Self {
            options,
            every,
            prints: !json,
            bar: progress::steps(options.epochs, context.remarks.quiet),
            stage: "",
            losses: Vec::new(),
            printed: Ok(()),
        }
    }

    pub fn add(&mut self, step: Step) {
        let is_epoch = step.stage == EPOCH;
        if !self.bar.is_hidden() {
            self.show(step, is_epoch);
        }
        if is_epoch {
            self.losses.push((step.number, step.loss));
            let prints = self.prints && step.number.is_multiple_of(self.every);
            if prints && self.printed.is_ok() {
                self.printed = self.bar.suspend(|| print(step));
            }
        }
    }

    /// Takes the progress bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// The losses of all epochs.
    pub fn losses(&self) -> &[(u64, f32)] {
        &self.losses
    }

    /// The lowest loss of an epoch.
    pub fn lowest(&self) -> Option<f32> {
        let losses = self.losses.iter().map(|&(_, loss)| loss);
        losses.min_by(f32::total_cmp)
    }

    /// The losses of all epochs as rows of a table.
    pub fn rows(&self) -> Vec<(u64, f64)> {
        let losses = self.losses.iter();
        losses.map(|&(epoch, loss)| (epoch, loss.into())).collect()
    }

    /// The losses that are shown; the error of printing them, if there was one.
    pub fn logged(self) -> io::Result<Vec<Losses>> {
        self.printed?;
        let losses = self.losses.into_iter();
        let logged = losses.filter(|(epoch, _)| epoch.is_multiple_of(self.every));
        Ok(logged
            .map(|(step, loss)| Losses {
                step,
                train: loss.into(),
                dev: None,
            })
            .collect())
    }

    fn show(&mut self, step: Step, is_epoch: bool) {
        let options = self.options;
        let (count, rate) = match is_epoch {
            true => (options.epochs, options.learning_rate),
            false => (options.warmup_epochs, options.warmup_learning_rate),
        };
        if self.stage != step.stage {
            self.stage = step.stage;
            progress::begin(&self.bar, step.stage, count);
        }
        self.bar
            .set_message(format!("loss {:.4} lr {rate:.4}", step.loss));
        self.bar.inc(1);
    }
}

fn print(step: Step) -> io::Result<()> {
    let mut results = output::results();
    let loss = format::float(step.loss.into());
    writeln!(results, "Epochs: {}, loss: {loss}", step.number)?;
    results.flush()
}
