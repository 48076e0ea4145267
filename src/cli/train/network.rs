//! `makemore-tch train`: gradient descent with all that surrounds it.

use std::collections::HashMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context as _, bail};
use makemore_tch::checkpoint::{MAX_EPOCHS, TrainedBigram};
use makemore_tch::counting::count_parts;
use makemore_tch::data::search;
use makemore_tch::lectures::published_average_nll;
use makemore_tch::libtorch::device::{self, DeviceRequest};
use makemore_tch::score::evaluate;
use makemore_tch::train::rate;
use makemore_tch::{
    Bigram, Checkpoint, Examples, LanguageModel, Model, Ngram, NgramCounts, Part, Rows,
    SampleOptions, Sampler, ScoredName, Shares, Smoothing, Table, TrainOptions, Trained, Words,
    format, plots, score, train,
};
use serde::Serialize;

use super::data::{Data, nll};
use super::log::{EpochLoss, Log};
use super::outputs::Outputs;
use super::{Choice, ModelType, SEED, Train};
use crate::cli::context::{Context, check_same_vocabulary};
use crate::cli::interrupt::Interrupt;
use crate::cli::output;
use crate::cli::report::is_closed_pipe;

/// The first line of the losses as CSV.
const CSV_COLUMNS: &str = "epoch,loss\n";

/// The names that are drawn after training.
const NAMES: usize = 5;

#[derive(Serialize)]
struct Document {
    #[serde(rename = "type")]
    kind: &'static str,
    losses: Vec<EpochLoss>,
    final_loss: f64,
    counting_nll: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dev_loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test_loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test_loss_new: Option<f64>,
    checkpoint: String,
    names: Vec<Name>,
    #[serde(skip)]
    published: Option<&'static str>,
    #[serde(skip)]
    held_out: Vec<String>,
}

/// A name that the network has drawn.
#[derive(Serialize)]
struct Name {
    #[serde(flatten)]
    scored: ScoredName,
    /// The part of the data that has it; none for a new one. Looked for in JSON only.
    #[serde(rename = "in")]
    part: Option<String>,
}

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
    pub(super) fn train_network(self, context: Context) -> anyhow::Result<u8> {
        let out = self.out(ModelType::Bigram);
        let outputs = Outputs::check(self.request(&out, None, CSV_COLUMNS))?;
        let task = self.task(&outputs, context)?;
        let interrupt = Interrupt::catch(context.remarks)?;
        let mut log = Log::new(&task.options, self.log_every(), self.json.json, context);
        let trained = task.train(&mut log, &interrupt);
        let trained = trained.map_err(|error| self.explain(error, &task))?;

        // Saved before anything is printed, and whatever became of what was printed.
        let checkpoint = Checkpoint {
            model: Model::Bigram(TrainedBigram {
                network: copy_of(&task.network, tch::Device::Cpu)?,
                epochs: trained.epochs_done,
                loss: trained.final_loss,
            }),
            seed: task.seed,
            libtorch: device::libtorch_version(),
            data: task.data.counted.digest,
            split: task.data.parts.split_of(),
        };
        let saved = outputs.save(&checkpoint)?;
        let mut written = vec![saved.clone()];
        let losses = log.losses();
        written.extend(
            outputs.write_metrics(losses.iter().map(|&(epoch, loss)| EpochLoss {
                epoch,
                loss: loss.into(),
            }))?,
        );
        written.extend(outputs.write_plot(&plots::LossCurve {
            losses,
            counting_nll: task.counting_nll,
        })?);

        let is_cut = trained.epochs_done < task.options.first_epoch + task.options.epochs;
        let remark = match is_cut {
            true => Some(self.how_to_go_on(&trained, &task.options, &saved)),
            false => self.warning(&trained, log.lowest(), &task),
        };
        let printed = self.print(log, &task, &checkpoint, trained, &saved);
        // All this is said even if nobody reads the results any more.
        if let Some(remark) = remark {
            context.remarks.say(remark);
        }
        outputs.check_displaced(&written)?;
        match printed {
            Err(error) if is_cut && is_closed_pipe(&error) => {}
            printed => printed?,
        }
        Ok(if is_cut { interrupt.status() } else { 0 })
    }

    /// Reads the list and makes ready what is trained on it.
    fn task(&self, outputs: &Outputs, context: Context) -> anyhow::Result<Task> {
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
        outputs.check_list(&data.counted, "bigram")?;
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
            outputs.check_metrics(options.first_epoch.checked_sub(1), "epoch")?;
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

    pub(super) fn device(&self) -> DeviceRequest {
        self.device.unwrap_or(DeviceRequest::Cpu)
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

    fn log_every(&self) -> u64 {
        self.log_every.unwrap_or(50)
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
        let held_out = task.data.held_out(model, &self.memory.memory())?;
        let sampler = Sampler::new(model, task.seed, &SampleOptions::default())?;
        let is_of_the_notes = task.counts.order() == 2 && task.data.parts.is_whole();
        let published = published_average_nll(task.data.counted.digest, self.added()?);
        let document = Document {
            kind: ModelType::Bigram.name(),
            losses,
            final_loss: trained.final_loss.into(),
            counting_nll: task.counting_nll,
            dev_loss: nll(held_out.dev.all),
            test_loss: nll(held_out.test.all),
            test_loss_new: nll(held_out.test.new),
            checkpoint: saved.to_string_lossy().into_owned(),
            names: self.names(score::ranked(&*task.p, sampler.take(NAMES))?, &task.data)?,
            published: published.filter(|_| is_of_the_notes),
            held_out: held_out.lines(),
        };
        self.print_document(document).with_context(is_saved)
    }

    fn names(&self, scored: Vec<ScoredName>, data: &Data) -> makemore_tch::Result<Vec<Name>> {
        let names = || scored.iter().map(|scored| scored.name.as_str());
        let found = match self.json.json {
            true => search::parts_of(&data.parts, names())?,
            false => HashMap::new(),
        };
        let parts = names().map(|name| found.get(name).map(Part::to_string));
        let parts: Vec<Option<String>> = parts.collect();
        let names = scored.into_iter().zip(parts);
        Ok(names.map(|(scored, part)| Name { scored, part }).collect())
    }

    fn print_document(&self, document: Document) -> anyhow::Result<()> {
        if self.json.json {
            return output::json(&document);
        }
        let mut results = output::results();
        writeln!(
            results,
            "Final loss: {}",
            format::float(document.final_loss)
        )?;
        let counting = output::average_nll(document.counting_nll, document.published);
        writeln!(
            results,
            "Average negative log-likelihood of the counting model: {counting}"
        )?;
        for line in document.held_out {
            writeln!(results, "{line}")?;
        }
        let checkpoint = format::visible(&document.checkpoint);
        writeln!(results, "Checkpoint: {checkpoint}")?;
        for name in document.names {
            writeln!(results, "{}", name.scored)?;
        }
        results.flush()?;
        Ok(())
    }
}

impl Task {
    /// Trains the network until the end or Ctrl-C.
    fn train(&self, log: &mut Log, interrupt: &Interrupt) -> makemore_tch::Result<Trained> {
        let trained = train::train(&self.network, &self.examples, &self.options, |step| {
            log.add(step);
            match interrupt.is_pressed() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        log.end();
        trained
    }
}

/// A copy of a network on a device.
fn copy_of(network: &Bigram, device: tch::Device) -> makemore_tch::Result<Bigram> {
    let (vocabulary, order) = (network.vocabulary().clone(), network.order());
    Bigram::with_weights(vocabulary, order, network.weights(), device)
}
