//! `makemore-tch train --type mlp` and the other networks of makemore.py.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, anyhow, bail};
use bytesize::ByteSize;
use makemore_tch::checkpoint::{TrainedNetwork, Weights, sha256_of};
use makemore_tch::data::{Subset, WordList};
use makemore_tch::libtorch::device::{self, DeviceRequest};
use makemore_tch::models::{Config, Kind};
use makemore_tch::score::evaluate;
use makemore_tch::train::options::{Done, WordOptions};
use makemore_tch::train::tensorboard::EventFile;
use makemore_tch::train::word_batches::{Run, Training, copies};
use makemore_tch::{
    Checkpoint, Counted, Error, LanguageModel, Model, Network, Part, Shares, format, plots,
};
use serde::Serialize;

use super::advice::quoted;
use super::course::{Course, Kept, Losses};
use super::data::{Data, nll};
use super::names::{self, Name};
use super::outputs::Outputs;
use super::{ModelType, SEED, Train};
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
    run: Option<Box<Run>>,
    /// The network that was kept until then.
    kept: Option<Kept>,
}

/// A network that was trained before.
enum From {
    Checkpoint(Box<Checkpoint>),
    Weights(Weights),
}

impl Begin {
    /// Refuses to go on with a run on another list.
    fn check_list(&self, file: &Path, data: &Counted) -> anyhow::Result<()> {
        match self.checkpoint() {
            Some(checkpoint) if self.run.is_some() && checkpoint.data != data.digest => bail!(
                "{}: trained on another list ({}) than {} ({}); pass that list with --data FILE",
                file.display(),
                checkpoint.data,
                data.origin,
                data.digest
            ),
            _ => Ok(()),
        }
    }

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
        true => {
            let mut name = checkpoint.as_os_str().to_owned();
            name.push(LAST);
            name.into()
        }
        false => checkpoint.to_owned(),
    }
}

/// What is behind the name of a checkpoint in that of the file with the last network.
const LAST: &str = ".last";

/// The checkpoint that a file with the last network is beside.
pub fn base_of(last: &Path) -> PathBuf {
    let name = last.as_os_str().as_encoded_bytes();
    match (name.strip_suffix(LAST.as_bytes()), last.file_stem()) {
        (Some(_), Some(stem)) => last.with_file_name(stem),
        _ => last.to_owned(),
    }
}

impl Train {
    pub(super) fn train_on_words(
        self,
        kind: &'static dyn Kind,
        weights: Option<Weights>,
        context: Context,
    ) -> anyhow::Result<u8> {
        self.refuse_of_the_lecture()?;
        self.refuse(
            &self.words.of_other_kinds(kind),
            "is not of this type of network; leave it out",
        )?;
        let start = Instant::now();
        let out = match (&self.out, &weights) {
            (None, Some(_)) => ModelType::Network(kind).out(),
            _ => self.out(ModelType::Network(kind)),
        };
        let begin = self.begin(kind, weights, context)?;
        if base_of(&out) != out {
            bail!(
                "{}: a file with {LAST} behind its name has the last network of another; choose another name with --out",
                out.display()
            );
        }
        let last = last_of(&out);
        let outputs = Outputs::check(self.request(&out, Some(&last), COLUMNS))?;
        let resumed = begin.as_ref().and_then(Begin::checkpoint);
        let data = self.read_data(Shares::USUAL, resumed, context)?;
        if let (Some(file), Some(begin)) = (&self.resume, &begin) {
            begin.check_list(file, &data.counted)?;
        }
        data.check_characters()?;
        outputs.check_list(&data.counted, kind.name())?;
        let lists = lists(&data)?;
        let seed = self.seed.or(resumed.map(|resumed| resumed.seed));
        let seed = seed.unwrap_or(SEED);
        let device = context.open_device(self.device)?;
        let network = self.network(begin.as_ref(), kind, &data, &lists, seed, device)?;
        let is_trained = begin.is_some();
        let (run, kept) = begin.map_or((None, None), |begin| (begin.run, begin.kept));
        let options = match &run {
            Some(run) => self.options_of(run)?,
            None => self.word_options(network.config(), seed),
        };
        let evaluated = run.as_ref().map(|run| (run.evaluated, run.since));
        outputs.check_metrics(
            evaluated.map(|(step, _)| step).filter(|&step| step > 0),
            "step",
        )?;
        let before = run.as_ref().map_or(0, |run| run.done.steps);

        let parameters = network.parameters();
        let numbers = parameters.iter().map(|(_, tensor)| tensor.numel()).sum();
        self.check_memory(&network, &lists, options.batch_size)?;
        let events = self.words.tensorboard.as_deref().map(EventFile::create);
        let events = events.transpose()?;
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
        let interrupt = Interrupt::catch(context.remarks)?;
        let mut course = Course::new(
            &network,
            &lists.dev,
            progress::training(context.remarks.quiet),
        );
        course.kept = kept;
        match evaluated {
            Some((step, since)) => (course.evaluated, course.since) = (step, since),
            // What was trained before is not replaced by something worse.
            None if is_trained => course.keep_first()?,
            None => {}
        }
        course.every = self.words.eval_every.unwrap_or(100);
        course.prints = !self.json.json;
        course.events = events;
        let fault = course.run(&mut training, &interrupt);
        let Course {
            losses,
            kept,
            curve,
            stepping,
            evaluated,
            since,
            written: events,
            ..
        } = course;
        let Some(kept) = kept else {
            let nothing = format!("nothing was saved to {}", out.display());
            let fault = fault.unwrap_or(Error::Libtorch("no step was made".to_owned()));
            return Err(explain_fault(fault, &options, &nothing));
        };

        // Saved before it is said that it is, and whatever became of what was printed.
        let checkpoint = |network: Network, step, loss: f64, run| Checkpoint {
            model: Model::Network(TrainedNetwork {
                network,
                steps: step,
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
            Network::of(vocabulary, network.config(), parameters, tch::Device::Cpu)
        };
        let best = checkpoint(here(&kept.parameters)?, kept.step, kept.train, None);
        let saved = outputs.save(&best)?;
        let mut written = vec![saved.clone()];
        let done = training.done();
        if fault.is_none() {
            let run = Run {
                options,
                done,
                best: kept.best()?,
                evaluated,
                since,
                optimizer: training.optimizer()?,
            };
            let loss = losses.last().map_or(kept.train, |last| last.train);
            let last = checkpoint(
                here(&copies(&network)?)?,
                done.steps,
                loss,
                Some(Box::new(run)),
            );
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
                train_loss: evaluate::word_list(model, &lists.of_train, &mut || Ok(()))?.nll(),
                dev_loss: nll(held_out.dev.all),
                test_loss: nll(held_out.test.all),
                test_loss_new: nll(held_out.test.new),
                checkpoint: saved.to_string_lossy().into_owned(),
                names: names::draw(model, seed, &data.parts, &self.words.of_names())?,
            },
            &held_out.lines(),
        );
        let is_saved =
            |what: &str| format!("the network was saved to {}, but {what}", saved.display());
        written.extend(plotted.with_context(|| is_saved("no picture was drawn"))?);
        outputs.check_displaced(&written)?;
        events.with_context(|| is_saved("not all losses could be written for TensorBoard"))?;
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
                self.how_to_go_on_with(&saved, threads)
            ));
        }
        printed.with_context(|| is_saved("not all could be printed"))?;
        Ok(if is_cut { interrupt.status() } else { 0 })
    }

    /// What the training goes on from, if that is wanted.
    fn begin(
        &self,
        kind: &'static dyn Kind,
        weights: Option<Weights>,
        context: Context,
    ) -> anyhow::Result<Option<Begin>> {
        let Some(file) = &self.resume else {
            return Ok(None);
        };
        if let Some(weights) = weights {
            let there = weights.kind().name();
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
        let kept = match &run {
            Some(run) => Some(kept_of(run, &base_of(file), &last)?),
            None => {
                context.remarks.say(format_args!(
                    "{} is not there, so that a new training begins with the network of {}",
                    last.display(),
                    file.display()
                ));
                None
            }
        };
        Ok(Some(Begin {
            file: From::Checkpoint(Box::new(checkpoint)),
            run,
            kept,
        }))
    }

    /// The network that is trained: a new one, or that of a checkpoint.
    fn network(
        &self,
        begin: Option<&Begin>,
        kind: &'static dyn Kind,
        data: &Data,
        lists: &Lists,
        seed: u64,
        device: tch::Device,
    ) -> anyhow::Result<Network> {
        let vocabulary = data.counted.counts.vocabulary();
        let Some(begin) = begin else {
            let config = self.config(kind, lists.longest)?;
            return Ok(Network::new(vocabulary.clone(), config, seed, device)?);
        };
        let file = self.resume.as_deref().unwrap_or(Path::new(""));
        let checkpoint = match &begin.file {
            From::Checkpoint(checkpoint) => checkpoint,
            From::Weights(weights) => {
                let (vocabulary, n_head) = (vocabulary.clone(), self.n_head());
                let network = weights.network(vocabulary, lists.longest, n_head, device)?;
                self.check_block_size(&network, lists, &data.counted.origin)?;
                return Ok(network);
            }
        };
        let Model::Network(trained) = &checkpoint.model else {
            bail!("{}: no network", file.display());
        };
        check_same_vocabulary(file, trained.network.vocabulary(), &data.counted)?;
        let parameters = trained.network.state_dict().into_iter().collect();
        let config: Config = trained.network.config();
        let network = Network::of(vocabulary.clone(), config, &parameters, device)?;
        self.check_block_size(&network, lists, &data.counted.origin)?;
        Ok(network)
    }

    /// Refuses words that a network that was trained before would not read from their beginnings.
    fn check_block_size(
        &self,
        network: &Network,
        lists: &Lists,
        origin: &str,
    ) -> anyhow::Result<()> {
        let block_size = network.block_size();
        if network.config().kind().takes_longer_words() || lists.longest < block_size {
            return Ok(());
        }
        let file = self.resume.as_deref().unwrap_or(Path::new(""));
        bail!(
            "{}: its block size is {block_size}, too short for the longest word of {origin}, which has {} characters",
            file.display(),
            lists.longest
        )
    }

    /// Refuses batches that would fill the memory, as a long word in them can.
    fn check_memory(&self, network: &Network, lists: &Lists, batch: usize) -> anyhow::Result<()> {
        let mut lengths: Vec<usize> = lists.train.iter().map(|word| word.len() + 1).collect();
        lengths.sort_unstable_by(|one, other| other.cmp(one));
        let longest = lengths.first().map_or(0, |longest| longest - 1);
        let v = network.vocabulary().len();
        let bytes = network
            .config()
            .step_bytes(v, lengths.into_iter().cycle().take(batch));
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
    fn how_to_go_on_with(&self, saved: &Path, threads: usize) -> String {
        let mut command = vec!["makemore-tch train --resume".to_owned(), quoted(saved)];
        let mut add = |flag: &str, value: String| command.extend([flag.to_owned(), value]);
        // By these too it goes on as if there had been no interruption.
        add("--threads", threads.to_string());
        if let Some(every) = self.words.eval_every {
            add("--eval-every", every.to_string());
        }
        if let Some(boundary) = self.data.boundary {
            add("--boundary", quoted(Path::new(&boundary.to_string())));
        }
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

/// The network that a run has kept, from its file.
fn kept_of(run: &Run, file: &Path, last: &Path) -> anyhow::Result<Kept> {
    let (best, of_file) = (&run.best, Checkpoint::load(file)?.model);
    if let Model::Network(there) = of_file {
        let parameters = there.network.state_dict().into_iter().collect();
        if sha256_of(&parameters)? == best.sha256 {
            return Ok(Kept {
                step: best.step,
                train: there.loss.into(),
                dev: best.dev,
                parameters,
            });
        }
    }
    bail!(
        "{}: not the network of the training that {} goes on with; without the latter, a new training would begin with it",
        file.display(),
        last.display()
    )
}

/// A fault of the training, what would work, and what was saved.
fn explain_fault(fault: Error, options: &WordOptions, saved: &str) -> anyhow::Error {
    match fault {
        Error::Diverged { number, loss, .. } => {
            let lower = (options.learning_rate.highest() / 10.0).min(5e-3);
            let number = number + 1;
            anyhow!(
                "training diverged: the loss is {loss} at step {number}; a new training with --lr {lower:.0e} would work ({saved})"
            )
        }
        fault => anyhow::Error::from(fault).context(saved.to_owned()),
    }
}

/// Reads the parts once.
fn lists(data: &Data) -> makemore_tch::Result<Lists> {
    let vocabulary = data.counted.counts.vocabulary();
    let mut lists = Lists::default();
    let choices = [Part::Train, Part::Dev].map(|part| {
        let (words, seed) = (data.parts.words(part), data.parts.split().seed());
        Subset::new(words, EVALUATED, seed)
    });
    let [mut of_train, mut of_dev] = choices;
    let wanted = [Part::Train, Part::Dev, Part::Test];
    data.parts.each_word_here(&wanted, |part, word| {
        lists.longest = lists.longest.max(word.chars().count());
        match part {
            Part::Train => {
                lists.train.push(word, vocabulary)?;
                if of_train.takes_next() {
                    lists.of_train.push(word, vocabulary)?;
                }
            }
            Part::Dev if of_dev.takes_next() => lists.dev.push(word, vocabulary)?,
            Part::Dev | Part::Test => {}
        }
        Ok(())
    })?;
    Ok(lists)
}
