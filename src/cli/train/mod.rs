//! `makemore-tch train`: gradient descent with all that surrounds it.
//!
//! `outputs` is where the results go and what must not be overwritten, `log` the losses as they
//! come, `advice` what the user is told where something went wrong.

mod advice;
mod log;
mod outputs;

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use makemore_tch::checkpoint::MAX_EPOCHS;
use makemore_tch::lecture::published_average_nll;
use makemore_tch::libtorch::device::{self, DeviceRequest};
use makemore_tch::models::{Config, network_of, new_network};
use makemore_tch::train::rate;
use makemore_tch::{
    Checkpoint, Counted, Examples, Network, Rows, SampleOptions, Sampler, ScoredName, Table,
    TrainOptions, Trained, Words, count, format, score, train,
};
use serde::Serialize;

use super::arguments::{
    DataArguments, JsonArguments, SmoothingArguments, above_zero, one_of, whole, zero_or_more,
};
use super::context::{Context, check_same_vocabulary, load};
use super::interrupt::Interrupt;
use super::output;
use super::report::is_closed_pipe;
use log::{EpochLoss, Log};
use outputs::{Outputs, Request};

/// The names that are drawn after training.
const NAMES: usize = 5;

/// Train the network by gradient descent
///
/// For the lecture's names, the defaults are the lecture's run: one step at 0.1, then 301 epochs at
/// 50; for another list, the learning rate is as high as the list allows. Ctrl-C finishes the epoch
/// and saves; a second Ctrl-C ends at once.
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

    /// Overwrite files that are no checkpoint or losses of makemore-tch, or those of another list
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
    #[serde(skip)]
    published: Option<&'static str>,
}

/// What is trained, and on what.
struct Task {
    data: Counted,
    examples: Examples,
    /// The counting model, which the network is compared with.
    p: Table,
    counting_nll: f64,
    seed: u64,
    options: TrainOptions,
    network: Box<dyn Network>,
}

impl Train {
    pub fn run(self, context: Context) -> anyhow::Result<u8> {
        let outputs = Outputs::check(self.request())?;
        let task = self.task(&outputs, context)?;
        let interrupt = Interrupt::catch()?;
        let mut log = Log::new(&task.options, self.log_every, self.json.json, context);
        let trained = task.train(&mut log, &interrupt);
        let trained = trained.map_err(|error| self.explain(error, &task))?;

        // Saved before anything is printed, and whatever became of what was printed.
        let checkpoint = Checkpoint {
            network: copy_of(&*task.network, tch::Device::Cpu)?,
            seed: task.seed,
            epochs: trained.epochs_done,
            loss: trained.final_loss,
            libtorch: device::libtorch_version(),
            data: task.data.digest,
        };
        let saved = outputs.save(&checkpoint)?;
        let displaced = outputs.write_losses(log.losses(), task.counting_nll)?;

        let is_cut = trained.epochs_done < task.options.first_epoch + task.options.epochs;
        let remark = match is_cut {
            true => Some(self.how_to_go_on(&trained, &task.options, &saved)),
            false => self.warning(&trained, log.lowest(), &task),
        };
        let printed = self.print(log, &task, &checkpoint, &saved);
        // All this is said even if nobody reads the results any more.
        if let Some(remark) = remark {
            context.remarks.say(remark);
        }
        outputs.check_displaced(&saved, &displaced)?;
        match printed {
            Err(error) if is_cut && is_closed_pipe(&error) => {}
            printed => printed?,
        }
        Ok(if is_cut { interrupt.status() } else { 0 })
    }

    /// Reads the list and makes ready what is trained on it.
    fn task(&self, outputs: &Outputs, context: Context) -> anyhow::Result<Task> {
        let resumed = load(self.resume.as_deref())?;
        let (data, words) = self.read(resumed.as_ref())?;
        outputs.check_list(&data)?;
        let p = Table::of(&data.counts, self.smoothing.value())?;
        let counting_nll = score::average_nll(&p, &data.counts)?;

        let device = self.open_device(context)?;
        let vocabulary = data.counts.vocabulary();
        let examples = match &words {
            Some(words) => Examples::all(words, vocabulary, device)?,
            None => Examples::distinct(&data.counts, device)?,
        };
        let elements = examples.rows() * vocabulary.len();
        context.threads.prepare_for(elements);
        let resumed_seed = resumed.as_ref().map(|resumed| resumed.seed);
        let seed = self.seed.or(resumed_seed).unwrap_or(420);
        let options = self.options(resumed.as_ref(), &data)?;
        if resumed.is_some() {
            outputs.check_metrics(options.first_epoch)?;
        }
        let network = match &resumed {
            Some(resumed) => copy_of(&*resumed.network, device)?,
            None => new_network(Config::Bigram {}, vocabulary.clone(), seed, device)?,
        };
        Ok(Task {
            data,
            examples,
            p,
            counting_nll,
            seed,
            options,
            network,
        })
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
            None => rate::default(data, self.regularization),
        };
        let first_epoch = resumed.map_or(0, |resumed| resumed.epochs);
        if first_epoch + self.epochs > MAX_EPOCHS {
            bail!(
                "--epochs {} after {first_epoch} is more than {MAX_EPOCHS}, which no checkpoint has",
                self.epochs
            );
        }
        Ok(TrainOptions {
            warmup_epochs: self.warmup_epochs.unwrap_or(u64::from(resumed.is_none())),
            warmup_learning_rate: self.warmup_lr,
            first_epoch,
            epochs: self.epochs,
            learning_rate,
            regularization: self.regularization,
        })
    }

    /// Prints the results, among them names that the network draws.
    fn print(
        &self,
        log: Log,
        task: &Task,
        checkpoint: &Checkpoint,
        saved: &Path,
    ) -> anyhow::Result<()> {
        let is_saved = || {
            let saved = saved.display();
            format!("the network was saved to {saved}, but not all could be printed")
        };
        let losses = log.logged().with_context(is_saved)?;
        let sampler = Sampler::new(&*checkpoint.network, task.seed, &SampleOptions::default())?;
        let document = Document {
            losses,
            final_loss: checkpoint.loss.into(),
            counting_nll: task.counting_nll,
            checkpoint: saved.to_string_lossy().into_owned(),
            names: score::ranked(&task.p, sampler.take(NAMES))?,
            published: published_average_nll(task.data.digest, self.smoothing.value()),
        };
        self.print_document(document).with_context(is_saved)
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
        let checkpoint = format::visible(&document.checkpoint);
        writeln!(results, "Checkpoint: {checkpoint}")?;
        for name in document.names {
            writeln!(results, "{name}")?;
        }
        results.flush()?;
        Ok(())
    }
}

impl Task {
    /// Trains the network until the end or Ctrl-C.
    fn train(&self, log: &mut Log, interrupt: &Interrupt) -> makemore_tch::Result<Trained> {
        let trained = train::train(&*self.network, &self.examples, &self.options, |step| {
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

/// The network of a checkpoint on a device.
fn copy_of(network: &dyn Network, device: tch::Device) -> anyhow::Result<Box<dyn Network>> {
    let parameters = network.parameters().into_iter().collect();
    let vocabulary = network.vocabulary().clone();
    Ok(network_of(
        network.config(),
        vocabulary,
        &parameters,
        device,
    )?)
}
