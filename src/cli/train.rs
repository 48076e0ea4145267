//! `makemore-tch train`: gradient descent with progress, Ctrl-C, and the losses as they come.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use indicatif::ProgressBar;
use makemore_tch::checkpoint::MAX_EPOCHS;
use makemore_tch::lecture::published_average_nll;
use makemore_tch::libtorch::device::{self, DeviceRequest};
use makemore_tch::models::network_of;
use makemore_tch::train::{self, EPOCH, Step};
use makemore_tch::{
    Bigram, Checkpoint, Counted, Error, Examples, Network, Rows, SampleOptions, Sampler,
    ScoredName, Table, TrainOptions, Trained, Words, count, format, score,
};
use serde::Serialize;

use super::arguments::{
    DataArguments, JsonArguments, SmoothingArguments, above_zero, one_of, whole, zero_or_more,
};
use super::context::{Context, check_same_vocabulary, load};
use super::interrupt::{INTERRUPTED, Interrupt};
use super::train_outputs::{EpochLoss, Outputs, Request};
use super::{output, progress};

/// The names that are drawn after training.
const NAMES: usize = 5;

/// How far above counting a loss may end before the user is told, in nats.
const A_LITTLE: f64 = 0.02;

/// Train the network by gradient descent
///
/// The defaults are the lecture's run: one step at 0.1, then 301 epochs at 50. Ctrl-C finishes the
/// epoch and saves; a second Ctrl-C ends at once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch train                       the lecture's run
  makemore-tch train --device cuda
  makemore-tch train --data towns.txt --out towns.safetensors --plot loss.png
  makemore-tch train --resume makemore.safetensors --epochs 1000 --log-every 100")]
pub struct Train {
    /// cpu, cuda, cuda:N, mps or auto, which is the first that can be used
    #[arg(long, default_value = "cpu")]
    device: DeviceRequest,

    /// What all random numbers follow from [default: 420, or that of --resume]
    #[arg(long, value_name = "N", value_parser = whole(0..=u64::MAX), allow_negative_numbers = true)]
    seed: Option<u64>,

    /// Steps at the learning rate; with --resume further ones
    #[arg(long, value_name = "N", default_value_t = 301, value_parser = whole(0..=MAX_EPOCHS / 2), allow_negative_numbers = true)]
    epochs: u64,

    /// The learning rate [default: 50 for the lecture's names, else as high as the list allows]
    #[arg(long, value_name = "X", value_parser = above_zero, allow_negative_numbers = true)]
    lr: Option<f64>,

    /// Steps at the warm-up rate before the first epoch [default: 1, with --resume 0]
    #[arg(long, value_name = "N", value_parser = whole(0..=MAX_EPOCHS / 2), allow_negative_numbers = true)]
    warmup_epochs: Option<u64>,

    /// The warm-up rate
    #[arg(long, value_name = "X", default_value_t = 0.1, value_parser = above_zero, allow_negative_numbers = true)]
    warmup_lr: f64,

    /// The factor of mean(W²) in the loss
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = zero_or_more, allow_negative_numbers = true)]
    regularization: f64,

    /// How the data is laid out: the same loss and gradient, but not the same time
    #[arg(long, value_parser = one_of::<Rows>(), default_value = "distinct")]
    rows: Rows,

    /// Print the loss of every so many epochs
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = whole(1..=u64::MAX), allow_negative_numbers = true)]
    log_every: u64,

    /// Where to save the network [default: makemore.safetensors, or the file of --resume]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Overwrite a file that is no checkpoint of makemore-tch, or one of another list
    #[arg(long)]
    force: bool,

    /// Go on from a checkpoint
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,

    /// Draw the losses into a picture, ending in .png or .svg
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,

    /// Write the loss of every epoch as CSV; with --resume, append it
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,

    #[command(flatten)]
    data: DataArguments,

    #[command(flatten)]
    smoothing: SmoothingArguments,

    #[command(flatten)]
    json: JsonArguments,
}

#[derive(Serialize)]
struct Document {
    losses: Vec<EpochLoss>,
    final_loss: f64,
    counting_nll: f64,
    checkpoint: String,
    names: Vec<ScoredName>,
}

impl Train {
    pub fn run(self, context: Context) -> anyhow::Result<u8> {
        let outputs = Outputs::check(self.request())?;
        let resumed = load(self.resume.as_deref())?;
        let (data, words) = self.read(resumed.as_ref())?;
        outputs.check_list(&data)?;
        let p = Table::of(&data.counts, self.smoothing.smoothing)?;
        let counting_nll = score::average_nll(&p, &data.counts)?;

        let device = self.open_device(context)?;
        let examples = match &words {
            Some(words) => Examples::all(words, data.counts.vocabulary(), device)?,
            None => Examples::distinct(&data.counts, device)?,
        };
        context
            .threads
            .prepare_for(examples.rows() * data.counts.vocabulary().len());
        let seed = self
            .seed
            .or(resumed.as_ref().map(|resumed| resumed.seed))
            .unwrap_or(420);
        let options = self.options(resumed.as_ref(), &data)?;
        let network = new_network(resumed, &data, seed, device)?;

        let interrupt = Interrupt::catch()?;
        let mut log = Log::new(&self, &options, context.remarks.quiet);
        let trained = train::train(&*network, &examples, &options, |step| {
            log.add(step);
            match interrupt.is_pressed() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        log.bar.finish_and_clear();
        let trained = trained.map_err(|error| self.explain(error, &options, &data))?;

        // Saved before anything is printed, and whatever became of what was printed.
        let checkpoint = Checkpoint {
            network,
            seed,
            epochs: trained.epochs_done,
            loss: trained.final_loss,
            libtorch: device::libtorch_version(),
            data: data.digest,
        };
        let saved = outputs.save(&checkpoint)?;
        outputs.write_losses(&log.losses, counting_nll)?;
        log.printed?;

        let sampler = Sampler::new(&*checkpoint.network, seed, &SampleOptions::default())?;
        let document = Document {
            losses: logged(&log.losses, self.log_every).collect(),
            final_loss: trained.final_loss.into(),
            counting_nll,
            checkpoint: format::visible(&saved.to_string_lossy()),
            names: score::ranked(&p, sampler.take(NAMES))?,
        };
        self.report(document, &data)?;
        outputs.check_saved(&saved)?;
        if interrupt.is_pressed() {
            context
                .remarks
                .say(self.how_to_go_on(&trained, &options, &saved));
            return Ok(INTERRUPTED);
        }
        if let Some(warning) = self.warning(&trained, &options, &data) {
            context.remarks.say(warning);
        }
        Ok(0)
    }

    fn out(&self) -> &Path {
        let out = self.out.as_deref().or(self.resume.as_deref());
        out.unwrap_or(Path::new("makemore.safetensors"))
    }

    fn request(&self) -> Request<'_> {
        Request {
            out: self.out(),
            force: self.force,
            resume: self.resume.as_deref(),
            metrics: self.metrics.as_deref(),
            plot: self.plot.as_deref(),
            data: &self.data.data,
        }
    }

    /// The counts of the list, and its words where every bigram is a row.
    fn read(&self, resumed: Option<&Checkpoint>) -> anyhow::Result<(Counted, Option<Words>)> {
        let (source, boundary) = (self.data.source(), self.data.boundary(resumed));
        let (data, words) = match self.rows {
            Rows::All => {
                let words = Words::read(&source, boundary)?;
                (count(&words.source(), boundary)?, Some(words))
            }
            Rows::Distinct => (count(&source, boundary)?, None),
        };
        if let (Some(file), Some(resumed)) = (&self.resume, resumed) {
            check_same_vocabulary(file, resumed, &data)?;
        }
        Ok((data, words))
    }

    fn open_device(&self, context: Context) -> anyhow::Result<tch::Device> {
        let device = self.device.open()?;
        if self.device == DeviceRequest::Auto {
            context.remarks.say(match device {
                tch::Device::Cpu => "neither CUDA nor MPS can be used (`makemore-tch devices` says why): training on the CPU",
                tch::Device::Mps => "training on MPS",
                _ => "training on CUDA",
            });
        }
        Ok(device)
    }

    fn options(
        &self,
        resumed: Option<&Checkpoint>,
        data: &Counted,
    ) -> anyhow::Result<TrainOptions> {
        let learning_rate = match self.lr {
            Some(chosen) => chosen,
            None => train::default_rate(data, self.regularization)?,
        };
        Ok(TrainOptions {
            warmup_epochs: self.warmup_epochs.unwrap_or(u64::from(resumed.is_none())),
            warmup_learning_rate: self.warmup_lr,
            first_epoch: resumed.map_or(0, |resumed| resumed.epochs),
            epochs: self.epochs,
            learning_rate,
            regularization: self.regularization,
        })
    }

    /// An error of the training, and what would work on this list.
    fn explain(&self, error: Error, options: &TrainOptions, data: &Counted) -> anyhow::Error {
        if !matches!(error, Error::Diverged { .. }) {
            return error.into();
        }
        let highest = train::highest_stable_rate(&data.counts, options.regularization);
        let rate = format::rounded_down(0.95 * highest);
        let mut remedies = Vec::new();
        if options.warmup_epochs > 0 && options.warmup_learning_rate > highest {
            remedies.push(format!("--warmup-lr {rate}"));
        }
        if options.learning_rate > highest {
            remedies.push(format!("--lr {rate}"));
        }
        if options.regularization > 0.0 {
            remedies.push("a smaller --regularization".to_owned());
        }
        if remedies.is_empty() {
            remedies.push("a lower --lr".to_owned());
        }
        let (remedies, out) = (remedies.join(" and "), self.out().display());
        anyhow!("{error}; try {remedies} (nothing was saved to {out})")
    }

    fn report(&self, document: Document, data: &Counted) -> anyhow::Result<()> {
        if self.json.json {
            return output::json(&document);
        }
        let mut results = output::results();
        writeln!(
            results,
            "Final loss: {}",
            format::float(document.final_loss)
        )?;
        let published = published_average_nll(data.digest, self.smoothing.smoothing)?;
        let counting = output::average_nll(document.counting_nll, published);
        writeln!(
            results,
            "Average negative log-likelihood of the counting model: {counting}"
        )?;
        writeln!(results, "Checkpoint: {}", document.checkpoint)?;
        for name in document.names {
            writeln!(results, "{name}")?;
        }
        results.flush()?;
        Ok(())
    }

    /// What a loss that is too high has come from, and what to do.
    fn warning(&self, trained: &Trained, options: &TrainOptions, data: &Counted) -> Option<String> {
        let (nll, lowest) = (f64::from(trained.nll), data.counts.lowest_nll());
        let uniform = (data.counts.vocabulary().len() as f64).ln();
        let above = match () {
            () if nll > uniform => format!("{uniform:.4}, which guessing has"),
            () if nll > lowest + A_LITTLE => format!("{lowest:.4}, which counting has"),
            () => return None,
        };
        let highest = train::highest_stable_rate(&data.counts, options.regularization);
        let remedy = match () {
            () if self.lr.is_some_and(|lr| lr > highest) => {
                format!("try --lr {}", format::rounded_down(0.95 * highest))
            }
            () if options.regularization > 0.0 => {
                "a smaller --regularization comes closer".to_owned()
            }
            () => "more --epochs come closer".to_owned(),
        };
        Some(format!("the loss is {nll:.4}, above {above}; {remedy}"))
    }

    /// The command that does what was not done because of Ctrl-C.
    fn how_to_go_on(&self, trained: &Trained, options: &TrainOptions, saved: &Path) -> String {
        let mut command = vec!["makemore-tch train --resume".to_owned(), quoted(saved)];
        let mut add = |flag: &str, value: String| command.extend([flag.to_owned(), value]);
        let epochs = options.epochs - (trained.epochs_done - options.first_epoch);
        add("--epochs", epochs.to_string());
        let warmup = options.warmup_epochs - trained.warmup_done;
        if warmup > 0 {
            add("--warmup-epochs", warmup.to_string());
            add("--warmup-lr", options.warmup_learning_rate.to_string());
        }
        if let Some(lr) = self.lr {
            add("--lr", lr.to_string());
        }
        if self.regularization > 0.0 {
            add("--regularization", self.regularization.to_string());
        }
        if self.rows == Rows::All {
            add("--rows", "all".to_owned());
        }
        if self.device != DeviceRequest::Cpu {
            add("--device", self.device.to_string());
        }
        for (flag, file) in [("--metrics", &self.metrics), ("--plot", &self.plot)] {
            if let Some(file) = file {
                add(flag, quoted(file));
            }
        }
        if !self.data.data.is_empty() {
            let files: Vec<String> = self.data.data.iter().map(|file| quoted(file)).collect();
            add("--data", files.join(" "));
        }
        let (done, all) = (trained.epochs_done, options.first_epoch + options.epochs);
        format!(
            "interrupted after {done} of {all} epochs; go on with: {}",
            command.join(" ")
        )
    }
}

/// A file as a shell takes it.
fn quoted(file: &Path) -> String {
    let name = file.to_string_lossy();
    shlex::try_quote(&name).map_or_else(|_| name.to_string(), |quoted| quoted.into_owned())
}

/// The network that is resumed, or a new one, on a device.
fn new_network(
    resumed: Option<Checkpoint>,
    data: &Counted,
    seed: u64,
    device: tch::Device,
) -> anyhow::Result<Box<dyn Network>> {
    let vocabulary = data.counts.vocabulary().clone();
    let Some(resumed) = resumed else {
        return Ok(Box::new(Bigram::new(vocabulary, seed, device)?));
    };
    let parameters = resumed.network.parameters().into_iter();
    let parameters = parameters.map(|(name, parameter)| (name.to_owned(), parameter));
    let config = resumed.network.config();
    Ok(network_of(
        config,
        vocabulary,
        &parameters.collect(),
        device,
    )?)
}

/// The losses that are shown.
fn logged(losses: &[(u64, f32)], every: u64) -> impl Iterator<Item = EpochLoss> {
    let logged = losses
        .iter()
        .filter(move |(epoch, _)| epoch.is_multiple_of(every));
    logged.map(|&(epoch, loss)| EpochLoss {
        epoch,
        loss: loss.into(),
    })
}

/// The losses as they come, and where they are shown.
struct Log<'a> {
    train: &'a Train,
    options: &'a TrainOptions,
    bar: ProgressBar,
    stage: &'static str,
    losses: Vec<(u64, f32)>,
    /// What became of what was printed; after a fault nothing more is.
    printed: std::io::Result<()>,
}

impl<'a> Log<'a> {
    fn new(train: &'a Train, options: &'a TrainOptions, quiet: bool) -> Self {
        Self {
            train,
            options,
            bar: progress::steps(options.epochs, quiet),
            stage: "",
            losses: Vec::new(),
            printed: Ok(()),
        }
    }

    fn add(&mut self, step: Step) {
        let is_epoch = step.stage == EPOCH;
        if !self.bar.is_hidden() {
            self.show(step, is_epoch);
        }
        if is_epoch {
            self.losses.push((step.number, step.loss));
            let is_shown =
                !self.train.json.json && step.number.is_multiple_of(self.train.log_every);
            if is_shown && self.printed.is_ok() {
                self.printed = self.bar.suspend(|| print(step));
            }
        }
    }

    fn show(&mut self, step: Step, is_epoch: bool) {
        let (count, rate) = match is_epoch {
            true => (self.options.epochs, self.options.learning_rate),
            false => (
                self.options.warmup_epochs,
                self.options.warmup_learning_rate,
            ),
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

fn print(step: Step) -> std::io::Result<()> {
    let mut results = output::results();
    let loss = format::float(step.loss.into());
    writeln!(results, "Epochs: {}, loss: {loss}", step.number)?;
    results.flush()
}
