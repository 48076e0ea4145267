//! The lecture's network, which `train` trains on all examples at once.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use makemore_tch::checkpoint::Checkpoint;
use makemore_tch::error::Error;
use makemore_tch::lectures::published_average_nll;
use makemore_tch::plots;
use makemore_tch::sample::{SampleOptions, Sampler};
use makemore_tch::score;
use makemore_tch::train::full_batch::{EPOCH, Trained, train};

use super::arguments::Train;
use super::bigram_task::Task;
use super::data::HeldOut;
use super::log::Log;
use super::model_type::ModelType;
use super::print::{Document, found};
use crate::cli::context::Context;
use crate::cli::interrupt::Interrupt;
use crate::cli::outputs::Outputs;
use crate::cli::report::is_closed_pipe;

/// The first line of the losses as CSV.
const COLUMNS: &str = "epoch,loss\n";

/// The number of names that are drawn after training.
const NAMES: usize = 5;

impl Train {
    pub(super) fn train_bigram(self, context: Context) -> anyhow::Result<u8> {
        let out = self.out(ModelType::Bigram);
        let mut outputs = Outputs::check(self.request(&out, false, COLUMNS))?;
        let task = self.task(&mut outputs, context)?;
        let interrupt = Interrupt::catch(context.remarks)?;
        let log_every = self.log_every.unwrap_or(50);
        let mut log = Log::new(&task.options, log_every, self.json.json, context);
        let (mut saved, every) = (Instant::now(), self.save_every());
        let mut last = None;
        let trained = train(&task.network, &task.examples, &task.options, |step| {
            log.add(step);
            if step.stage == EPOCH && saved.elapsed() >= every {
                // What cannot be saved now is saved, or told, at the end.
                last = task.save(&mut outputs, &log, step).ok().or(last.take());
                saved = Instant::now();
            }
            match interrupt.is_pressed() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        log.end();
        let trained = trained.map_err(|error| self.explain(error, &task, last))?;

        // Saved before anything is printed, and whatever becomes of what is printed.
        let loss = trained.final_loss;
        let checkpoint = task.checkpoint(trained.epochs_done, loss)?;
        let nll = task.nll(&checkpoint)?;
        let saved = outputs.save(&checkpoint, Some(nll))?;
        outputs.write_metrics(&log.rows())?;
        outputs.write_plot(&plots::LossCurve {
            losses: log.losses(),
            counting_nll: task.counting_nll,
        })?;
        let is_cut = trained.epochs_done < task.options.first_epoch + task.options.epochs;
        let remark = match is_cut {
            true => Some(self.how_to_go_on_with_epochs(&trained, &task.options, &saved)),
            false => self.warning(&trained, log.lowest(), &task),
        };
        let printed = self.print(log, &task, &checkpoint, trained, (&saved, &interrupt));
        // All this is said even if nobody reads the results any more.
        for remark in remark.into_iter().chain(outputs.remark()) {
            context.remarks.say(remark);
        }
        outputs.check_displaced()?;
        match printed {
            Err(error) if is_cut && is_closed_pipe(&error) => {}
            printed => printed?,
        }
        Ok(if is_cut { interrupt.status() } else { 0 })
    }

    /// Prints the results, among them names that the network draws.
    fn print(
        &self,
        log: Log,
        task: &Task,
        checkpoint: &Checkpoint,
        trained: Trained,
        (saved, interrupt): (&Path, &Interrupt),
    ) -> anyhow::Result<()> {
        let is_saved = || {
            let saved = saved.display();
            format!("the network was saved to {saved}, but not all could be printed")
        };
        let losses = log.logged().with_context(is_saved)?;
        let model = checkpoint.model.language_model();
        let sampler = Sampler::new(model, task.seed, &SampleOptions::default())?;
        let is_of_the_notes = task.counts.order() == 2 && task.data.parts.is_whole();
        let published = published_average_nll(task.data.counted.digest, self.added()?);
        let names = score::ranked(&*task.p, sampler.take(NAMES))?.into_iter();
        let names = names.map(|scored| (scored.name, Some(scored.likelihood)));
        let parts = task.data.parts.clone().stopped_by(interrupt.flag());
        let held_out = match HeldOut::of(model, &parts, &self.memory.memory()) {
            Err(Error::Interrupted) => HeldOut::default(),
            held_out => held_out?,
        };
        let document = Document {
            kind: ModelType::Bigram.name(),
            steps: Some(trained.epochs_done),
            losses: Some(losses),
            final_loss: Some(trained.final_loss.into()),
            counting_nll: Some(task.counting_nll),
            held_out,
            checkpoint: saved.to_string_lossy().into_owned(),
            names: found(&task.data.parts, &names.collect::<Vec<_>>())?,
            published: published.filter(|_| is_of_the_notes),
            ..Document::default()
        };
        document.print(self.json.json).with_context(is_saved)
    }
}
