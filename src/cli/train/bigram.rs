//! The lecture's network, which `train` trains on all examples at once.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use indicatif::ProgressBar;
use makemore_tch::checkpoint::Checkpoint;
use makemore_tch::distributed::{Alone, Processes};
use makemore_tch::error::Error;
use makemore_tch::format;
use makemore_tch::lectures::published_average_nll;
use makemore_tch::plots;
use makemore_tch::sample::{SampleOptions, Sampler};
use makemore_tch::score::{self, Ranking, drawn, held_out::HeldOut};
use makemore_tch::train::full_batch::{EPOCH, Step, Trained, train};
use makemore_tch::train::run_state::Losses;

use super::bigram_task::BigramTask;
use super::print::Document;
use crate::cli::aftermath::Aftermath;
use crate::cli::arguments::model_type::ModelType;
use crate::cli::arguments::train::Train;
use crate::cli::context::Context;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::Printer;
use crate::cli::outputs::Outputs;
use crate::cli::progress;

/// The first line of the losses as CSV.
const COLUMNS: &str = "epoch,loss\n";

/// The number of names that are drawn after training.
const NAMES: usize = 5;

impl Train {
    pub(super) fn train_bigram(
        self,
        resumed: Option<&Checkpoint>,
        processes: &dyn Processes,
        context: Context,
    ) -> anyhow::Result<u8> {
        if processes.rank() > 0 {
            return self.count_for_bigram(resumed, processes, context);
        }
        let out = self.out(ModelType::Bigram);
        let mut outputs = Outputs::check(self.request(&out, false, COLUMNS))?;
        let task = self.task(resumed, &mut outputs, processes, context)?;
        let interrupt = Interrupt::catch(context.remarks)?;
        let mut log = Log::new(&self, &task, outputs, context);
        let (network, examples) = (&task.network, &task.lesson.examples);
        let trained = train(network, examples, &task.options, |step| {
            log.add(step);
            if log.saved.elapsed() >= self.save_every() {
                log.save(step);
            }
            match interrupt.is_pressed() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        log.bar.finish_and_clear();
        let (last, fault) = (log.last(), log.fault.as_ref());
        let trained = trained.map_err(|error| self.explain(error, &task, last, fault))?;
        // Saved before anything is printed, since printing may fail.
        let checkpoint = task.checkpoint(trained.epochs_done, trained.final_loss)?;
        let mut after = log.finish(&checkpoint);
        let is_cut = task.is_cut(&trained);
        let now = after.path().map(|file| (trained.epochs_done, file));
        let remark = match is_cut {
            true => {
                Some(self.how_to_go_on_with_epochs(&trained, &task.options, now.or(log.last())))
            }
            false => self.warning(&trained, &log.losses, &task),
        };
        let document = self.document(&log, &checkpoint, trained, &interrupt, &mut after)?;
        after.note(document.print(log.printer), "not all could be printed");
        // Remarks go to standard error, even if standard output is closed.
        for remark in remark.into_iter().chain(log.outputs.remark()) {
            context.remarks.say(remark);
        }
        after.finish(&log.outputs)?;
        Ok(interrupt.status())
    }

    /// The results, among them names that the network draws.
    fn document(
        &self,
        log: &Log,
        checkpoint: &Checkpoint,
        trained: Trained,
        interrupt: &Interrupt,
        after: &mut Aftermath,
    ) -> anyhow::Result<Document> {
        let task = log.task;
        let logged = log
            .losses
            .iter()
            .filter(|(epoch, _)| epoch.is_multiple_of(log.log_every));
        let model = checkpoint.model.language_model();
        let draw = || {
            let names = Sampler::new(model, task.seed, &SampleOptions::default())?.take(NAMES);
            let names = score::ranked(&*task.lesson.p, names, Ranking::default())?.into_iter();
            if !self.json.json {
                // Only JSON says which part has a name; a long list takes time to search.
                return Ok(names.map(drawn::DrawnName::from).collect());
            }
            drawn::found(&task.lesson.data.parts, names.map(Ok))
        };
        let is_of_the_notes = task.lesson.counts.order() == 2 && task.lesson.data.parts.is_whole();
        let published = published_average_nll(task.lesson.data.counted.digest, self.added()?);
        let parts = task.lesson.data.parts.clone().stopped_by(interrupt.flag());
        let held_out = match HeldOut::of(model, &parts, &task.lesson.data.memory, &Alone) {
            Err(Error::Interrupted) => Ok(HeldOut::default()),
            held_out => held_out,
        };
        Ok(Document {
            kind: ModelType::Bigram.name(),
            interrupted: task.is_cut(&trained) || interrupt.is_pressed(),
            steps: Some(trained.epochs_done),
            losses: Some(
                logged
                    .map(|&(step, loss)| Losses {
                        step,
                        train: loss.into(),
                        dev: None,
                    })
                    .collect(),
            ),
            final_loss: Some(trained.final_loss.into()),
            counting_nll: Some(task.lesson.counting_nll),
            held_out: after.note(held_out, "not all could be evaluated"),
            checkpoint: after.saved(),
            names: after.note(draw(), "no names could be drawn"),
            published: published.filter(|_| is_of_the_notes),
            ..Document::default()
        })
    }
}

/// The losses of a training, and the files that are saved while it goes on.
struct Log<'a> {
    task: &'a BigramTask,
    outputs: Outputs,
    printer: Printer,
    bar: ProgressBar,
    log_every: u64,
    losses: Vec<(u64, f32)>,
    /// The time of the last save, or of the start.
    saved: Instant,
    /// The number of epochs and the file of the last save that succeeded.
    last: Option<(u64, PathBuf)>,
    /// The error of the last save, if it failed.
    fault: Option<anyhow::Error>,
}

impl<'a> Log<'a> {
    fn new(train: &Train, task: &'a BigramTask, outputs: Outputs, context: Context) -> Self {
        Self {
            task,
            outputs,
            printer: Printer::new(train.json.json),
            bar: progress::training(context.remarks.quiet),
            log_every: train.log_every.unwrap_or(50),
            losses: Vec::new(),
            saved: Instant::now(),
            last: None,
            fault: None,
        }
    }

    fn add(&mut self, step: Step) {
        if !self.bar.is_hidden() {
            let (prefix, fraction, message) = self.task.progress(step);
            progress::show(&self.bar, prefix, fraction, message);
        }
        if step.stage == EPOCH {
            self.losses.push((step.number, step.loss));
            if step.number.is_multiple_of(self.log_every) {
                let loss = format::float(step.loss.into());
                let line = format!("Epochs: {}, loss: {loss}", step.number);
                self.printer.line(line);
            }
        }
    }

    fn last(&self) -> Option<(u64, &Path)> {
        let (epochs, file) = self.last.as_ref()?;
        Some((*epochs, file))
    }

    /// Saves the trained network, its losses and their picture.
    fn finish(&mut self, checkpoint: &Checkpoint) -> Aftermath {
        let loss = self.task.lesson.nll(&checkpoint.model);
        let written = self.outputs.write_metrics(&rows(&self.losses));
        let known = *loss.as_ref().unwrap_or(&None);
        let saved = self.outputs.save(checkpoint, known);
        let mut after = Aftermath::of("network", saved, None);
        after.note(loss, "it could not be evaluated");
        after.note(written, "the losses were not saved");
        let plotted = self.outputs.write_plot(&plots::LossCurve {
            title: "Loss of the network",
            losses: &self.losses,
            counting_nll: self.task.lesson.counting_nll,
        });
        after.note(plotted, "no picture was drawn");
        after
    }

    /// Saves the losses, then the network: on resume, losses of epochs after the network's are dropped.
    /// An error does not end the training, since the next save tries again.
    fn save(&mut self, step: Step) {
        let epochs = match step.stage == EPOCH {
            true => step.number + 1,
            false => self.task.options.first_epoch,
        };
        let mut save = || {
            self.outputs.write_metrics(&rows(&self.losses))?;
            let now = self.task.checkpoint(epochs, step.loss)?;
            let loss = self.task.lesson.nll(&now.model)?;
            self.last = Some((epochs, self.outputs.save(&now, loss)?));
            anyhow::Ok(())
        };
        self.fault = save().err();
        self.saved = Instant::now();
    }
}

/// The losses of epochs as rows of a table.
fn rows(losses: &[(u64, f32)]) -> Vec<(u64, f64)> {
    let losses = losses.iter();
    losses.map(|&(epoch, loss)| (epoch, loss.into())).collect()
}

#[cfg(test)]
mod tests {
    use makemore_tch::checkpoint::TrainedBigram;
    use makemore_tch::{Checkpoint, Model};

    use crate::cli::testing::Folder;

    /// The lecture's network in a checkpoint.
    fn trained(folder: &Folder, file: &str) -> TrainedBigram {
        match Checkpoint::load(&folder.path(file)).unwrap().model {
            Model::Bigram(trained) => trained,
            other => panic!("a model of type {}", other.kind()),
        }
    }

    #[test]
    fn a_checkpoint_of_other_characters_is_not_resumed() {
        let folder = Folder::new();
        folder.write("list.txt", "ab\n");
        folder.stdout("train --data list.txt --out ab.safetensors");
        let before = folder.read("ab.safetensors");
        folder.write("other.txt", "abc\n");
        let error = folder.error("train --resume ab.safetensors --data other.txt", 1);
        assert!(
            error.contains("ab.safetensors: its vocabulary (3 characters"),
            "{error}"
        );
        assert_eq!(folder.read("ab.safetensors"), before);
    }

    #[test]
    fn all_rows_have_the_losses_of_distinct_rows() {
        let folder = Folder::new();
        let names = include_str!("../../../assets/names.txt")
            .lines()
            .step_by(10);
        folder.write("list.txt", names.collect::<Vec<_>>().join("\n"));
        let losses = |rows: &str| -> Vec<f64> {
            let arguments =
                format!("train --json --data list.txt --log-every 1 --epochs 10 --rows {rows}");
            let document = folder.json(&arguments);
            let losses = document["losses"].as_array().unwrap().iter();
            losses.map(|loss| loss["train"].as_f64().unwrap()).collect()
        };
        let (all, distinct) = (losses("all"), losses("distinct"));
        assert_eq!(all.len(), 10);
        for (all, distinct) in all.iter().zip(distinct) {
            assert!((all - distinct).abs() < 1e-6, "{all} and {distinct}");
        }
    }

    #[test]
    fn resuming_goes_on_where_the_checkpoint_was() {
        let folder = Folder::new();
        folder.stdout("train --epochs 300 --out whole.safetensors");
        folder.stdout("train --epochs 100 --out part.safetensors");
        let resumed = folder.stdout("train --resume part.safetensors --epochs 200");
        assert!(
            resumed.starts_with("Epochs: 100, loss: 2.4727"),
            "{resumed}"
        );
        assert!(resumed.contains("Epochs: 250, loss: 2.4606"), "{resumed}");
        let weights = |file: &str| {
            let trained = trained(&folder, file);
            assert_eq!(trained.epochs, 300);
            trained.network.weights().copy()
        };
        assert_eq!(weights("whole.safetensors"), weights("part.safetensors"));
    }

    #[test]
    fn regularization_is_part_of_the_loss_and_shrinks_the_weights() {
        let folder = Folder::new();
        folder.stdout("train --out free.safetensors");
        let squeezed = folder.json("train --json --regularization 0.01 --out squeezed.safetensors");
        assert!(squeezed["final_loss"].as_f64().unwrap() > 2.4594);
        let squares = |file: &str| -> f64 {
            let trained = trained(&folder, file);
            let w = trained.network.weights();
            w.square().sum(tch::Kind::Double).double_value(&[])
        };
        assert!(squares("squeezed.safetensors") < squares("free.safetensors"));
    }
}
