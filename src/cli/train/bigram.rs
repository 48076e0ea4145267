//! The lecture's network, which `train` trains on all examples at once.

use std::ops::ControlFlow;
use std::time::Instant;

use anyhow::bail;
use makemore_tch::checkpoint::{Checkpoint, MAX_EPOCHS, Model, TrainedBigram};
use makemore_tch::data::Shares;
use makemore_tch::error::Error;
use makemore_tch::format;
use makemore_tch::lectures::published_average_nll;
use makemore_tch::models::{Bigram, Smoothing};
use makemore_tch::plots;
use makemore_tch::sample::{SampleOptions, Sampler};
use makemore_tch::score::{self, drawn::found, held_out::HeldOut};
use makemore_tch::train::full_batch::{EPOCH, Step, TrainOptions, Trained, train};
use makemore_tch::train::lesson::Lesson;
use makemore_tch::train::run_state::Losses;
use makemore_tch::train::{Rows, rate};

use super::print::Document;
use crate::cli::arguments::model_type::{Choice, ModelType};
use crate::cli::arguments::train::{SEED, Train};
use crate::cli::context::{Context, check_same_vocabulary};
use crate::cli::interrupt::Interrupt;
use crate::cli::output::Printer;
use crate::cli::outputs::{Aftermath, Outputs};
use crate::cli::progress;

/// The first line of the losses as CSV.
const COLUMNS: &str = "epoch,loss\n";

/// The number of names that are drawn after training.
const NAMES: usize = 5;

/// What is trained, and on what.
pub struct Task {
    pub lesson: Lesson,
    pub options: TrainOptions,
    seed: u64,
    network: Bigram,
}

impl Train {
    pub(super) fn train_bigram(
        self,
        resumed: Option<&Checkpoint>,
        context: Context,
    ) -> anyhow::Result<u8> {
        let out = self.out(ModelType::Bigram);
        let mut outputs = Outputs::check(self.request(&out, false, COLUMNS))?;
        let task = self.task(resumed, &mut outputs, context)?;
        let interrupt = Interrupt::catch(context.remarks)?;
        let mut printer = Printer::new(self.json.json);
        let bar = progress::training(context.remarks.quiet);
        let (mut losses, mut saved, mut last) = (Vec::new(), Instant::now(), None);
        let trained = train(
            &task.network,
            &task.lesson.examples,
            &task.options,
            |step| {
                if !bar.is_hidden() {
                    let (prefix, fraction, message) = task.progress(step);
                    progress::show(&bar, prefix, fraction, message);
                }
                if step.stage == EPOCH {
                    losses.push((step.number, step.loss));
                    if step.number.is_multiple_of(self.log_every()) {
                        let loss = format::float(step.loss.into());
                        printer.line(format_args!("Epochs: {}, loss: {loss}", step.number));
                    }
                    if saved.elapsed() >= self.save_every() {
                        // What cannot be saved now is saved, or told, at the end.
                        let now = task.checkpoint(step.number + 1, step.loss);
                        let file = now.map_err(anyhow::Error::from).and_then(|now| {
                            let file = outputs.save(&now, task.lesson.nll(&now.model)?)?;
                            outputs.write_metrics(&rows(&losses)).map(|()| file)
                        });
                        last = file
                            .ok()
                            .map(|file| (step.number + 1, file))
                            .or(last.take());
                        saved = Instant::now();
                    }
                }
                match interrupt.is_pressed() {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            },
        );
        bar.finish_and_clear();
        let trained = trained.map_err(|error| self.explain(error, &task, last))?;

        // Saved before anything is printed, and whatever becomes of what is printed.
        let checkpoint = task.checkpoint(trained.epochs_done, trained.final_loss)?;
        let saved = outputs.save(&checkpoint, task.lesson.nll(&checkpoint.model)?)?;
        let mut after = Aftermath::of("network", saved.clone());
        let written = outputs.write_metrics(&rows(&losses));
        after.note(written, "the losses were not saved");
        let plotted = outputs.write_plot(&plots::LossCurve {
            losses: &losses,
            counting_nll: task.lesson.counting_nll,
        });
        after.note(plotted, "no picture was drawn");
        let is_cut = trained.epochs_done < task.options.first_epoch + task.options.epochs;
        let remark = match is_cut {
            true => Some(self.how_to_go_on_with_epochs(&trained, &task.options, &saved)),
            false => self.warning(&trained, &losses, &task),
        };
        let document =
            self.document(&losses, &task, &checkpoint, trained, &interrupt, &mut after)?;
        after.note(document.print(printer), "not all could be printed");
        // All this is said even if nobody reads the results any more.
        for remark in remark.into_iter().chain(outputs.remark()) {
            context.remarks.say(remark);
        }
        after.finish(&outputs)?;
        Ok(if is_cut { interrupt.status() } else { 0 })
    }

    /// The results, among them names that the network draws.
    fn document(
        &self,
        losses: &[(u64, f32)],
        task: &Task,
        checkpoint: &Checkpoint,
        trained: Trained,
        interrupt: &Interrupt,
        after: &mut Aftermath,
    ) -> anyhow::Result<Document> {
        let logged = losses
            .iter()
            .filter(|(epoch, _)| epoch.is_multiple_of(self.log_every()));
        let model = checkpoint.model.language_model();
        let draw = || {
            let sampler = Sampler::new(model, task.seed, &SampleOptions::default())?;
            let names = score::ranked(&*task.lesson.p, sampler.take(NAMES))?.into_iter();
            found(&task.lesson.data.parts, names.map(Ok))
        };
        let is_of_the_notes = task.lesson.counts.order() == 2 && task.lesson.data.parts.is_whole();
        let published = published_average_nll(task.lesson.data.counted.digest, self.added()?);
        let parts = task.lesson.data.parts.clone().stopped_by(interrupt.flag());
        let held_out = match HeldOut::of(model, &parts, &self.memory.memory()) {
            Err(Error::Interrupted) => Ok(HeldOut::default()),
            held_out => held_out,
        };
        Ok(Document {
            kind: ModelType::Bigram.name(),
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

    /// Reads the list and makes ready what is trained on it.
    fn task(
        &self,
        resumed: Option<&Checkpoint>,
        outputs: &mut Outputs,
        context: Context,
    ) -> anyhow::Result<Task> {
        let added = self.added()?;
        let before = match resumed.map(|resumed| &resumed.model) {
            Some(Model::Bigram(before)) => Some(before),
            _ => None,
        };
        let data = self.read_data(Shares::ALL, resumed, context)?;
        if let (Some(file), Some(resumed)) = (&self.resume, resumed) {
            check_same_vocabulary(file, resumed.model.vocabulary(), &data.counted)?;
        }
        data.check_characters()?;
        outputs.check_list(&data.counted, ModelType::Bigram.name())?;
        let order = self.network_order(before.map(|before| &before.network))?;
        let rows = self.rows.unwrap_or(Rows::Distinct);
        let (memory, device) = (self.memory.memory(), context.open_device(self.device)?);
        let lesson = Lesson::of(data, order, added, rows, &memory, device)?;
        let loss = |model: &Model| lesson.nll(model);
        outputs.keep_better(&lesson.data.parts.split_of(), false, loss)?;
        let vocabulary = lesson.counts.vocabulary();
        context
            .threads
            .prepare_for(lesson.examples.rows() * vocabulary.len());
        let seed_before = resumed.map(|resumed| resumed.seed);
        let seed = self.seed.or(seed_before).unwrap_or(SEED);
        let options = self.options(before, &lesson)?;
        if resumed.is_some() {
            let made = options.first_epoch.checked_sub(1);
            outputs.resume_metrics(made, None::<&[u64]>, "epoch")?;
        }
        let network = match before {
            Some(before) => before.network.copied_to(device)?,
            None => Bigram::new(vocabulary.clone(), order, seed, device)?,
        };
        Ok(Task {
            lesson,
            options,
            seed,
            network,
        })
    }

    /// The number that is added to the counts that the network is compared with.
    fn added(&self) -> anyhow::Result<f64> {
        match self.smoothing {
            None => Ok(1.0),
            Some(Choice::Smoothing(Smoothing::Additive(added))) => Ok(added),
            Some(_) => bail!(
                "--smoothing is a number here, added to the counts that the network is compared with; --type ngram smooths in other ways"
            ),
        }
    }

    /// The order of the network.
    fn network_order(&self, resumed: Option<&Bigram>) -> anyhow::Result<usize> {
        let before = resumed.map(Bigram::order);
        let order = self.order.or(before).unwrap_or(2);
        if before.is_some_and(|before| before != order) {
            bail!("--order {order} is not that of the network that is resumed; leave it out");
        }
        Ok(order)
    }

    fn options(
        &self,
        resumed: Option<&TrainedBigram>,
        lesson: &Lesson,
    ) -> anyhow::Result<TrainOptions> {
        let regularization = self.regularization.unwrap_or(0.0);
        let default = || rate::default(&lesson.counts, lesson.data.counted.digest, regularization);
        let (first_epoch, epochs) = (
            resumed.map_or(0, |resumed| resumed.epochs),
            self.epochs.unwrap_or(301),
        );
        if first_epoch + epochs > MAX_EPOCHS {
            bail!(
                "--epochs {epochs} after {first_epoch} is more than {MAX_EPOCHS}, which no checkpoint has"
            );
        }
        Ok(TrainOptions {
            warmup_epochs: self.warmup_epochs.unwrap_or(u64::from(resumed.is_none())),
            warmup_learning_rate: self.warmup_lr.unwrap_or(0.1),
            first_epoch,
            epochs,
            learning_rate: self.lr.unwrap_or_else(default),
            regularization,
        })
    }

    fn log_every(&self) -> u64 {
        self.log_every.unwrap_or(50)
    }
}

impl Task {
    /// The network after some epochs as it is saved.
    fn checkpoint(&self, epochs: u64, loss: f32) -> makemore_tch::Result<Checkpoint> {
        let trained = TrainedBigram::of(&self.network, epochs, loss)?;
        Ok(Checkpoint::new(
            Model::Bigram(trained),
            self.seed,
            &self.lesson.data,
        ))
    }

    /// How far a training is, as the bar shows it.
    fn progress(&self, step: Step) -> (String, f64, String) {
        let options = &self.options;
        let (first, count, rate) = match step.stage == EPOCH {
            true => (options.first_epoch, options.epochs, options.learning_rate),
            false => (0, options.warmup_epochs, options.warmup_learning_rate),
        };
        let done = step.number + 1 - first;
        (
            format!("{} {done}/{count}", step.stage),
            done as f64 / count as f64,
            format!("loss {:.4} lr {rate:.4}", step.loss),
        )
    }
}

/// The losses of epochs as rows of a table.
fn rows(losses: &[(u64, f32)]) -> Vec<(u64, f64)> {
    let losses = losses.iter();
    losses.map(|&(epoch, loss)| (epoch, loss.into())).collect()
}
