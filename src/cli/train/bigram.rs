//! The lecture's network, which `train` trains on all examples at once.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail};
use makemore_tch::checkpoint::{Checkpoint, MAX_EPOCHS, Model, TrainedBigram};
use makemore_tch::counting::{NgramCounts, count_parts};
use makemore_tch::data::{Part, Shares, Words};
use makemore_tch::lectures::published_average_nll;
use makemore_tch::libtorch::device;
use makemore_tch::models::{Bigram, LanguageModel, Ngram, Smoothing, Table};
use makemore_tch::plots;
use makemore_tch::sample::{SampleOptions, Sampler};
use makemore_tch::score::{self, evaluate};
use makemore_tch::train::full_batch::{EPOCH, Step, TrainOptions, Trained, train};
use makemore_tch::train::{Examples, Rows, rate};

use super::data::{Data, HeldOut};
use super::log::Log;
use super::print::{Document, found};
use super::{Choice, ModelType, SEED, Train};
use crate::cli::context::{Context, check_same_vocabulary};
use crate::cli::interrupt::Interrupt;
use crate::cli::outputs::Outputs;
use crate::cli::report::is_closed_pipe;

/// The first line of the losses as CSV.
const COLUMNS: &str = "epoch,loss\n";

/// The number of names that are drawn after training.
const NAMES: usize = 5;

/// What is trained, and on what.
pub(super) struct Task {
    pub data: Data,
    /// The n-grams that are trained on.
    pub counts: NgramCounts,
    examples: Examples,
    /// The counting model, which the network is compared with.
    p: Box<dyn LanguageModel>,
    counting_nll: f64,
    seed: u64,
    pub options: TrainOptions,
    network: Bigram,
}

impl Train {
    pub(super) fn train_bigram(self, context: Context) -> anyhow::Result<u8> {
        let out = self.out(ModelType::Bigram);
        let mut outputs = Outputs::check(self.request(&out, false, COLUMNS))?;
        let task = self.task(&mut outputs, context)?;
        let interrupt = Interrupt::catch(context.remarks)?;
        let log_every = self.log_every.unwrap_or(50);
        let mut log = Log::new(&task.options, log_every, self.json.json, context);
        let (mut saved, every) = (Instant::now(), self.save_every());
        let trained = train(&task.network, &task.examples, &task.options, |step| {
            log.add(step);
            if step.stage == EPOCH && saved.elapsed() >= every {
                // What cannot be saved now is saved, or told, at the end.
                let _ = task.save(&mut outputs, &log, step);
                saved = Instant::now();
            }
            match interrupt.is_pressed() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        log.end();
        let trained = trained.map_err(|error| self.explain(error, &task))?;

        // Saved before anything is printed, and whatever becomes of what is printed.
        let loss = trained.final_loss;
        let checkpoint = task.checkpoint(trained.epochs_done, loss)?;
        let saved = outputs.save(&checkpoint, Some(loss.into()), None)?;
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
        let printed = self.print(log, &task, &checkpoint, trained, &saved);
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

    /// Reads the list and makes ready what is trained on it.
    fn task(&self, outputs: &mut Outputs, context: Context) -> anyhow::Result<Task> {
        let added = self.added()?;
        let resumed = self.resume.as_deref().map(Checkpoint::load).transpose()?;
        let before = resumed
            .as_ref()
            .map(|resumed| self.resumed(resumed))
            .transpose()?;
        let data = self.read_data(Shares::ALL, resumed.as_ref(), context)?;
        if let (Some(file), Some(resumed)) = (&self.resume, &resumed) {
            check_same_vocabulary(file, resumed.model.vocabulary(), &data.counted)?;
        }
        data.check_characters()?;
        outputs.check_list(&data.counted, ModelType::Bigram.name())?;
        let split = data.parts.split_of();
        outputs.keep_better(&split, |model| match model {
            Model::Bigram(trained) => Ok(Some(trained.loss.into())),
            Model::Network(_) | Model::Ngram(_) => Ok(None),
        })?;
        let counts = self.counts(&data, before.map(|trained| &trained.network))?;
        let p = self.counting_model(&counts, added)?;
        let counting_nll = evaluate::counts(&*p, &counts)?.nll();

        let device = context.open_device(self.device)?;
        let vocabulary = counts.vocabulary();
        let examples = match self.rows() {
            Rows::All => {
                let words = Words::read(&data.parts.list().source, vocabulary.boundary())?;
                let words = (0..).zip(words.iter());
                let split = data.parts.split();
                let train = words.filter(|&(place, _)| split.part_of(place) == Part::Train);
                Examples::all(train.map(|(_, word)| word), &counts, device)?
            }
            Rows::Distinct => Examples::distinct(&counts, device)?,
        };
        let elements = examples.rows() * vocabulary.len();
        context.threads.prepare_for(elements);
        let resumed_seed = resumed.as_ref().map(|resumed| resumed.seed);
        let seed = self.seed.or(resumed_seed).unwrap_or(SEED);
        let options = self.options(before, &counts, &data)?;
        if resumed.is_some() {
            let made = options.first_epoch.checked_sub(1);
            outputs.resume_metrics(made, &[] as &[(u64, f64)], "epoch")?;
        }
        let network = match before {
            Some(trained) => copy_of(&trained.network, device)?,
            None => Bigram::new(vocabulary.clone(), counts.order(), seed, device)?,
        };
        Ok(Task {
            data,
            counts,
            examples,
            p,
            counting_nll,
            seed,
            options,
            network,
        })
    }

    /// The network that training goes on with.
    fn resumed<'a>(&self, checkpoint: &'a Checkpoint) -> anyhow::Result<&'a TrainedBigram> {
        let file = self.resume.as_deref().unwrap_or(Path::new("")).display();
        match &checkpoint.model {
            Model::Bigram(trained) => Ok(trained),
            Model::Network(_) => {
                bail!("{file}: a network of another type; only the lecture's is trained further")
            }
            Model::Ngram(_) => bail!(
                "{file}: an n-gram model, which is counted and not trained further; count all lists together: --type ngram --data FILE FILE"
            ),
        }
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

    /// The n-grams of the train part.
    fn counts(&self, data: &Data, resumed: Option<&Bigram>) -> anyhow::Result<NgramCounts> {
        let before = resumed.map(Bigram::order);
        let order = self.order.or(before).unwrap_or(2);
        if before.is_some_and(|before| before != order) {
            bail!("--order {order} is not that of the network that is resumed; leave it out");
        }
        if order == 2 && data.parts.is_whole() {
            return Ok(data.counted.counts.clone());
        }
        let (vocabulary, memory) = (data.counted.counts.vocabulary(), self.memory.memory());
        // Refused before anything is counted.
        Bigram::check_order(vocabulary, order)?;
        let mut counted = count_parts(
            &data.parts,
            &[Part::Train],
            vocabulary,
            order,
            &memory,
            &|_| (),
        )?;
        Ok(counted.remove(0))
    }

    fn options(
        &self,
        resumed: Option<&TrainedBigram>,
        counts: &NgramCounts,
        data: &Data,
    ) -> anyhow::Result<TrainOptions> {
        let regularization = self.regularization();
        let learning_rate = match self.lr {
            Some(chosen) => chosen,
            None => rate::default(counts, data.counted.digest, regularization),
        };
        let (first_epoch, epochs) = (resumed.map_or(0, |resumed| resumed.epochs), self.epochs());
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
            learning_rate,
            regularization,
        })
    }

    /// The counts as a model, with a number added to each.
    fn counting_model(
        &self,
        counts: &NgramCounts,
        added: f64,
    ) -> makemore_tch::Result<Box<dyn LanguageModel>> {
        if counts.order() == 2 {
            return Ok(Box::new(Table::of(counts, added)?));
        }
        let memory = self.memory.memory();
        let model = Ngram::of(counts, Smoothing::Additive(added), &memory)?;
        Ok(Box::new(model))
    }

    fn epochs(&self) -> u64 {
        self.epochs.unwrap_or(301)
    }

    pub(super) fn regularization(&self) -> f64 {
        self.regularization.unwrap_or(0.0)
    }

    pub(super) fn rows(&self) -> Rows {
        self.rows.unwrap_or(Rows::Distinct)
    }

    /// Prints the results, among them names that the network draws.
    fn print(
        &self,
        log: Log,
        task: &Task,
        checkpoint: &Checkpoint,
        trained: Trained,
        saved: &Path,
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
        let document = Document {
            kind: ModelType::Bigram.name(),
            steps: Some(trained.epochs_done),
            losses: Some(losses),
            final_loss: Some(trained.final_loss.into()),
            counting_nll: Some(task.counting_nll),
            held_out: HeldOut::of(model, &task.data.parts, &self.memory.memory())?,
            checkpoint: saved.to_string_lossy().into_owned(),
            names: found(&task.data.parts, &names.collect::<Vec<_>>())?,
            published: published.filter(|_| is_of_the_notes),
            ..Document::default()
        };
        document.print(self.json.json).with_context(is_saved)
    }
}

impl Task {
    /// Saves the network after an epoch, and the losses.
    fn save(&self, outputs: &mut Outputs, log: &Log, step: Step) -> anyhow::Result<()> {
        let checkpoint = self.checkpoint(step.number + 1, step.loss)?;
        outputs.save(&checkpoint, None, None)?;
        outputs.write_metrics(&log.rows())
    }

    /// The network after some epochs as it is saved.
    fn checkpoint(&self, epochs: u64, loss: f32) -> makemore_tch::Result<Checkpoint> {
        Ok(Checkpoint {
            model: Model::Bigram(TrainedBigram {
                network: copy_of(&self.network, tch::Device::Cpu)?,
                epochs,
                loss,
            }),
            seed: self.seed,
            libtorch: device::libtorch_version(),
            data: self.data.counted.digest,
            split: self.data.parts.split_of(),
        })
    }
}

/// A copy of a network on a device.
fn copy_of(network: &Bigram, device: tch::Device) -> makemore_tch::Result<Bigram> {
    let (vocabulary, order) = (network.vocabulary().clone(), network.order());
    Bigram::with_weights(vocabulary, order, network.weights(), device)
}
