//! `makemore-tch train --type mlp` and the other networks of makemore.py.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, anyhow, bail};
use bytesize::ByteSize;
use makemore_tch::checkpoint::{TrainedNetwork, Weights};
use makemore_tch::data::split::Permutation;
use makemore_tch::libtorch::device::{self, DeviceRequest};
use makemore_tch::models::{Config, Makemore};
use makemore_tch::tensorboard::EventFile;
use makemore_tch::train::words::{Done, Run, Training, WordList, WordOptions, copies};
use makemore_tch::{Checkpoint, Error, Model, Network, Part, Shares, format, plots};
use serde::Serialize;

use super::advice::quoted;
use super::course::{Course, Kept, Losses};
use super::data::{Data, nll};
use super::names::{self, Name};
use super::outputs::Outputs;
use super::{Kind, SEED, Train};
use crate::cli::context::{Context, check_same_vocabulary};
use crate::cli::interrupt::Interrupt;
use crate::cli::{output, progress};

/// The most words of a part that are evaluated to show a loss.
const EVALUATED: u64 = 50_000;

/// The first line of the losses as CSV.
pub const COLUMNS: &str = "step,train,dev\n";

#[derive(Serialize)]
struct Document {
    #[serde(rename = "type")]
    kind: &'static str,
    parameters: usize,
    /// How many were made.
    steps: u64,
    /// After how many the parameters are those that are saved.
    best_step: u64,
    seconds: f64,
    /// What a step takes on average, in milliseconds, without evaluation on dev.
    step_ms: f64,
    losses: Vec<Losses>,
    train_loss: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dev_loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test_loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test_loss_new: Option<f64>,
    checkpoint: String,
    names: Vec<Name>,
}

/// The words that a network learns from and is evaluated with.
#[derive(Default)]
struct Lists {
    train: WordList,
    /// Some of the train part.
    of_train: WordList,
    /// Some of the dev part.
    dev: WordList,
    /// The number of characters of the longest word of all parts.
    longest: usize,
}

/// What a training goes on from.
struct Begin {
    file: From,
    /// What it takes to go on as if there had been no interruption.
    run: Option<Run>,
    /// The network that was kept until then.
    kept: Option<Kept>,
}

/// A network that was trained before.
enum From {
    Checkpoint(Checkpoint),
    Weights(Weights),
}

impl Begin {
    fn checkpoint(&self) -> Option<&Checkpoint> {
        match &self.file {
            From::Checkpoint(checkpoint) => Some(checkpoint),
            From::Weights(_) => None,
        }
    }
}

/// The file beside a checkpoint with the last network of its training, which may not be the best,
/// and what it takes to go on.
pub fn last_of(checkpoint: &Path) -> PathBuf {
    match base_of(checkpoint) == checkpoint {
        true => checkpoint.with_extension("last.safetensors"),
        false => checkpoint.to_owned(),
    }
}

/// The checkpoint that a file with the last network is beside.
pub fn base_of(last: &Path) -> PathBuf {
    let name = last.to_string_lossy();
    match name.strip_suffix(".last.safetensors") {
        Some(stem) => format!("{stem}.safetensors").into(),
        None => last.to_owned(),
    }
}

impl Train {
    pub(super) fn train_on_words(
        self,
        kind: Kind,
        weights: Option<Weights>,
        context: Context,
    ) -> anyhow::Result<u8> {
        self.refuse_of_the_lecture()?;
        let start = Instant::now();
        let out = match (&self.out, &weights) {
            (None, Some(_)) => kind.out(),
            _ => self.out(kind),
        };
        let begin = self.begin(kind, weights)?;
        let last = last_of(&out);
        let outputs = Outputs::check(self.request(&out, Some(&last), COLUMNS))?;
        let resumed = begin.as_ref().and_then(Begin::checkpoint);
        let data = self.read_data(Shares::USUAL, resumed, context)?;
        data.check_characters()?;
        outputs.check_list(&data.counted, kind.name())?;
        let lists = lists(&data)?;
        let seed = self.seed.or(resumed.map(|resumed| resumed.seed));
        let seed = seed.unwrap_or(SEED);
        let device = self.device.unwrap_or(DeviceRequest::Cpu).open()?;
        let network = self.network(begin.as_ref(), kind, &data, &lists, seed, device)?;
        let (run, kept) = begin.map_or((None, None), |begin| (begin.run, begin.kept));
        let options = match &run {
            Some(run) => self.options_of(run)?,
            None => self.word_options(kind, seed),
        };
        let before = run.as_ref().map(|run| run.done.steps);
        outputs.check_metrics(before, "step")?;
        let before = before.unwrap_or(0);

        let parameters = network.parameters();
        let numbers = parameters.iter().map(|(_, tensor)| tensor.numel()).sum();
        self.check_memory(network.config(), &lists, options.batch_size)?;
        let threads = match device {
            tch::Device::Cpu => context
                .threads
                .prepare_for_training(options.batch_size * numbers),
            _ => 1,
        };
        let mut training = Training::new(&network, &lists.train, options, threads)?;
        if let Some(run) = run {
            training = training.after(run.done, &run.optimizer)?;
        }
        let interrupt = Interrupt::catch()?;
        let mut course = Course::new(
            &network,
            &lists.dev,
            progress::training(context.remarks.quiet),
        );
        course.kept = kept;
        course.every = self.words.eval_every.unwrap_or(100);
        course.prints = !self.json.json;
        course.events = self
            .words
            .tensorboard
            .as_deref()
            .map(EventFile::create)
            .transpose()?;
        let fault = course.run(&mut training, &interrupt);
        let Course {
            losses,
            kept,
            curve,
            stepping,
            ..
        } = course;
        let Some(kept) = kept else {
            let nothing = format!("nothing was saved to {}", out.display());
            let fault = fault.unwrap_or(Error::Libtorch("no step was made".to_owned()));
            return Err(explain_fault(fault, &options, &nothing));
        };

        // Saved before it is said that it is, and whatever became of what was printed.
        let checkpoint = |network: Makemore, step, loss: f64, run| Checkpoint {
            model: Model::Network(TrainedNetwork {
                network: Box::new(network),
                updates: step,
                loss: loss as f32,
                run,
            }),
            seed,
            libtorch: device::libtorch_version(),
            data: data.counted.digest,
            split: data.parts.split_of(),
        };
        let here = |parameters| {
            let vocabulary = data.counted.counts.vocabulary().clone();
            Makemore::of(vocabulary, network.config(), parameters, tch::Device::Cpu)
        };
        let best = checkpoint(here(&kept.parameters)?, kept.step, kept.train, None);
        let saved = outputs.save(&best)?;
        let mut written = vec![saved.clone()];
        let done = training.done();
        if fault.is_none() {
            let run = Run {
                options,
                done,
                best: kept.best(),
                optimizer: training.optimizer()?,
            };
            let loss = losses.last().map_or(kept.train, |last| last.train);
            let last = checkpoint(here(&copies(&network)?)?, done.steps, loss, Some(run));
            written.extend(outputs.save_last(&last)?);
        }
        written.extend(
            outputs.write_metrics(losses.iter().map(|now| (now.step, now.train, now.dev)))?,
        );
        // What fails from here on does so after the results.
        let dev: Vec<_> = losses
            .iter()
            .filter_map(|now| Some((now.step, now.dev?)))
            .collect();
        let (train, dev) = (curve.as_slice(), dev.as_slice());
        let plotted = outputs.write_plot(&plots::TrainingCurves { train, dev });
        let model = best.model.language_model();
        let held_out = data.held_out(model, &self.memory.memory())?;
        let printed = self.print_words(
            Document {
                kind: kind.name(),
                parameters: numbers,
                steps: done.steps,
                best_step: kept.step,
                seconds: start.elapsed().as_secs_f64(),
                step_ms: 1000.0 * stepping.as_secs_f64() / (done.steps - before).max(1) as f64,
                losses,
                train_loss: lists.of_train.evaluate(model)?.nll(),
                dev_loss: nll(held_out.dev.all),
                test_loss: nll(held_out.test.all),
                test_loss_new: nll(held_out.test.new),
                checkpoint: saved.to_string_lossy().into_owned(),
                names: names::draw(model, seed, &data.parts)?,
            },
            &held_out.lines(),
        );
        let is_saved =
            |what: &str| format!("the network was saved to {}, but {what}", saved.display());
        written.extend(plotted.with_context(|| is_saved("no picture was drawn"))?);
        outputs.check_displaced(&written)?;
        if let Some(fault) = fault {
            let step = kept.step;
            let best = format!(
                "the network of step {step} was saved to {}",
                saved.display()
            );
            return Err(explain_fault(fault, &options, &best));
        }
        let is_cut = options.fraction(done) < 1.0;
        if is_cut {
            context.remarks.say(format_args!(
                "interrupted after {} steps; go on with: {}",
                done.steps,
                self.how_to_go_on_with(&saved)
            ));
        }
        printed.with_context(|| is_saved("not all could be printed"))?;
        Ok(if is_cut { interrupt.status() } else { 0 })
    }

    /// What the training goes on from, if that is wanted.
    fn begin(&self, kind: Kind, weights: Option<Weights>) -> anyhow::Result<Option<Begin>> {
        let Some(file) = &self.resume else {
            return Ok(None);
        };
        if let Some(weights) = weights {
            let there = weights.kind().unwrap_or_default();
            if there != kind.name() {
                bail!(
                    "{}: weights of type {there}; leave --type out",
                    file.display()
                );
            }
            let mut sizes = self.words.of_sizes();
            sizes.retain(|&(_, argument)| argument != "--n-head");
            self.refuse(&sizes, "is that of the weights; leave it out")?;
            return Ok(Some(Begin {
                file: From::Weights(weights),
                run: None,
                kept: None,
            }));
        }
        let last = last_of(file);
        let mut checkpoint = match last.exists() {
            true => Checkpoint::load(&last)?,
            false => Checkpoint::load(file)?,
        };
        let there = checkpoint.model.kind();
        if there != kind.name() {
            let file = file.display();
            bail!("{file}: a model of type {there}; leave --type out");
        }
        let Model::Network(trained) = &mut checkpoint.model else {
            bail!("{}: no network", file.display());
        };
        let run = trained.run.take();
        let reason = match &run {
            Some(_) => "stays what it was from the beginning of a run to its end; leave it out",
            None => "is that of the network that is resumed; leave it out",
        };
        match &run {
            Some(_) => {
                self.refuse(&self.words.of_a_run(), reason)?;
                self.refuse(
                    &[(self.lr.is_some(), "--lr"), (self.seed.is_some(), "--seed")],
                    reason,
                )?;
            }
            None => self.refuse(&self.words.of_sizes(), reason)?,
        }
        let best = run.as_ref().and_then(|run| run.best);
        let kept = match best {
            Some(best) => {
                let file = base_of(file);
                let kept = match Checkpoint::load(&file)?.model {
                    Model::Network(there) if there.updates == best.step => Kept {
                        step: best.step,
                        train: there.loss.into(),
                        dev: Some(best.dev),
                        parameters: there.network.parameters().into_iter().collect(),
                    },
                    _ => bail!(
                        "{}: not the best network of the training that {} goes on with",
                        file.display(),
                        last.display()
                    ),
                };
                Some(kept)
            }
            None => None,
        };
        Ok(Some(Begin {
            file: From::Checkpoint(checkpoint),
            run,
            kept,
        }))
    }

    /// The network that is trained: a new one, or that of a checkpoint.
    fn network(
        &self,
        begin: Option<&Begin>,
        kind: Kind,
        data: &Data,
        lists: &Lists,
        seed: u64,
        device: tch::Device,
    ) -> anyhow::Result<Makemore> {
        let vocabulary = data.counted.counts.vocabulary();
        let Some(begin) = begin else {
            let config = self.config(kind, lists.longest)?;
            return Ok(Makemore::new(vocabulary.clone(), config, seed, device)?);
        };
        let file = self.resume.as_deref().unwrap_or(Path::new(""));
        let checkpoint = match &begin.file {
            From::Checkpoint(checkpoint) => checkpoint,
            From::Weights(weights) => {
                let (vocabulary, n_head) = (vocabulary.clone(), self.n_head());
                return Ok(weights.network(vocabulary, lists.longest, n_head, device)?);
            }
        };
        let Some(trained) = checkpoint.model.network() else {
            bail!("{}: no network", file.display());
        };
        check_same_vocabulary(file, trained.network.vocabulary(), &data.counted)?;
        if begin.run.is_some() && checkpoint.data != data.counted.digest {
            bail!(
                "{}: trained on another list ({}) than {} ({}); pass that list with --data FILE",
                file.display(),
                checkpoint.data,
                data.counted.origin,
                data.counted.digest
            );
        }
        let block_size = trained.network.block_size();
        // A bigram looks back at one character, however long the word is.
        if kind != Kind::Lookup && lists.longest >= block_size {
            bail!(
                "{}: its block size is {block_size}, too short for the longest word of {}, which has {} characters",
                file.display(),
                data.counted.origin,
                lists.longest
            );
        }
        let parameters = trained.network.parameters().into_iter().collect();
        let config: Config = trained.network.config();
        Ok(Makemore::of(
            vocabulary.clone(),
            config,
            &parameters,
            device,
        )?)
    }

    /// Refuses batches that would fill the memory, as a long word in them can.
    fn check_memory(&self, config: Config, lists: &Lists, batch: usize) -> anyhow::Result<()> {
        let mut lengths: Vec<usize> = lists.train.iter().map(|word| word.len() + 1).collect();
        lengths.sort_unstable_by(|one, other| other.cmp(one));
        let longest = lengths.first().map_or(0, |longest| longest - 1);
        let bytes = config.step_bytes(lengths.into_iter().cycle().take(batch));
        let limit = self.memory.memory().limit();
        if bytes <= limit {
            return Ok(());
        }
        let shown = |bytes| ByteSize::b(bytes).display().si();
        bail!(
            "a step of {batch} words, of which the longest has {longest} characters, takes about {} of memory, and there are {}; a smaller --batch-size or a list without its longest words would work",
            shown(bytes),
            shown(limit)
        )
    }

    /// How a run goes on: as it was, but for where it ends.
    fn options_of(&self, run: &Run) -> anyhow::Result<WordOptions> {
        let mut options = run.options;
        if self.words.max_steps.is_some() || self.words.minutes.is_some() {
            options.steps = self.words.max_steps;
            options.seconds = self.words.minutes.map(|minutes| 60.0 * minutes);
        }
        let Done { steps, seconds } = run.done;
        if options.fraction(run.done) >= 1.0 {
            let file = self.resume.as_deref().unwrap_or(Path::new(""));
            bail!(
                "{}: its training is over, after {steps} steps and {:.1} minutes; name more in all with --max-steps or --minutes",
                file.display(),
                seconds / 60.0
            );
        }
        Ok(options)
    }

    /// The command that does what was not done because of Ctrl-C.
    fn how_to_go_on_with(&self, saved: &Path) -> String {
        let mut command = vec!["makemore-tch train --resume".to_owned(), quoted(saved)];
        let mut add = |flag: &str, value: String| command.extend([flag.to_owned(), value]);
        if let Some(device) = self.device.filter(|&device| device != DeviceRequest::Cpu) {
            add("--device", device.to_string());
        }
        let files = [
            ("--metrics", &self.metrics),
            ("--dev", &self.dev),
            ("--test", &self.test),
        ];
        let folder = [("--tensorboard", &self.words.tensorboard)];
        for (argument, file) in files.into_iter().chain(folder) {
            if let Some(file) = file {
                add(argument, quoted(file));
            }
        }
        if !self.data.data.is_empty() {
            let files: Vec<String> = self.data.data.iter().map(|file| quoted(file)).collect();
            add("--data", files.join(" "));
        }
        command.join(" ")
    }

    fn print_words(&self, document: Document, held_out: &[String]) -> anyhow::Result<()> {
        if self.json.json {
            return output::json(&document);
        }
        let mut results = output::results();
        let (parameters, step) = (document.parameters, document.best_step);
        let which = match document.dev_loss {
            Some(_) => format!("best on dev at step {step}"),
            None => format!("after step {step}"),
        };
        writeln!(results, "Parameters: {parameters}, {which}")?;
        writeln!(results, "Train loss: {:.6}", document.train_loss)?;
        for line in held_out {
            writeln!(results, "{line}")?;
        }
        writeln!(
            results,
            "Checkpoint: {}",
            format::visible(&document.checkpoint)
        )?;
        for name in document.names {
            writeln!(results, "{name}")?;
        }
        results.flush()?;
        Ok(())
    }

    fn refuse_of_the_lecture(&self) -> anyhow::Result<()> {
        self.refuse(
            &[
                (self.order.is_some(), "--order"),
                (self.smoothing.is_some(), "--smoothing"),
                (self.epochs.is_some(), "--epochs"),
                (self.warmup_epochs.is_some(), "--warmup-epochs"),
                (self.warmup_lr.is_some(), "--warmup-lr"),
                (self.regularization.is_some(), "--regularization"),
                (self.rows.is_some(), "--rows"),
                (self.log_every.is_some(), "--log-every"),
            ],
            "is not of this type of model; leave it out",
        )
    }
}

/// A fault of the training, what would work, and what was saved.
fn explain_fault(fault: Error, options: &WordOptions, saved: &str) -> anyhow::Error {
    match fault {
        Error::Diverged { number, loss, .. } => {
            let lower = options.learning_rate.highest() / 10.0;
            anyhow!(
                "training diverged: the loss is {loss} at step {}; try --lr {lower:.0e} ({saved})",
                number + 1
            )
        }
        fault => anyhow::Error::from(fault).context(saved.to_owned()),
    }
}

/// Reads the parts once.
fn lists(data: &Data) -> makemore_tch::Result<Lists> {
    let vocabulary = data.counted.counts.vocabulary();
    let mut lists = Lists::default();
    let orders = [Part::Train, Part::Dev].map(|part| {
        let words = data.parts.words(part);
        (Permutation::new(words, data.parts.split().seed()), 0)
    });
    let [mut of_train, mut of_dev] = orders;
    // Some words from everywhere in a part, always the same.
    let is_chosen = |(order, place): &mut (Permutation, u64)| {
        *place += 1;
        order.of(*place - 1) < EVALUATED
    };
    let wanted = [Part::Train, Part::Dev, Part::Test];
    data.parts.each_word_here(&wanted, |part, word| {
        lists.longest = lists.longest.max(word.chars().count());
        match part {
            Part::Train => {
                lists.train.push(word, vocabulary)?;
                if is_chosen(&mut of_train) {
                    lists.of_train.push(word, vocabulary)?;
                }
            }
            Part::Dev if is_chosen(&mut of_dev) => lists.dev.push(word, vocabulary)?,
            Part::Dev | Part::Test => {}
        }
        Ok(())
    })?;
    Ok(lists)
}
