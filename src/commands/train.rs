//! `makemore-tch train`: gradient descent with all that surrounds it: what must not be overwritten,
//! Ctrl-C, progress, the checkpoint and the losses as figures.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::ProgressBar;
use makemore_tch::device::{self, DeviceRequest};
use makemore_tch::{
    Checkpoint, Network, SampleOptions, Sampler, Schedule, TrainingPairs, files, format, plots,
    train,
};
use serde::Serialize;
use signal_hook::consts::SIGINT;

use super::{Context, check_same_vocabulary, load};
use crate::arguments::{
    DataArguments, JsonArguments, RowsName, SmoothingArguments, above_zero, whole, zero_or_more,
};
use crate::output::{self, ScoredName};
use crate::progress;

/// The names that are drawn after training.
const NAMES: usize = 5;

/// The exit status after Ctrl-C.
const INTERRUPTED: u8 = 130;

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
    #[arg(long, value_name = "N", value_parser = whole, allow_negative_numbers = true)]
    seed: Option<u64>,

    /// Steps at the learning rate; with --resume further ones
    #[arg(long, value_name = "N", default_value_t = 301, value_parser = whole, allow_negative_numbers = true)]
    epochs: u64,

    /// The learning rate
    #[arg(long, value_name = "X", default_value_t = 50.0, value_parser = above_zero, allow_negative_numbers = true)]
    lr: f64,

    /// Steps at the warm-up rate before the first epoch; none with --resume
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole, allow_negative_numbers = true)]
    warmup_epochs: u64,

    /// The warm-up rate
    #[arg(long, value_name = "X", default_value_t = 0.1, value_parser = above_zero, allow_negative_numbers = true)]
    warmup_lr: f64,

    /// The factor of mean(W²) in the loss
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = zero_or_more, allow_negative_numbers = true)]
    regularization: f64,

    /// How the data is laid out: the same loss and gradient, but not the same time
    #[arg(long, value_enum, default_value_t = RowsName::Distinct)]
    rows: RowsName,

    /// Print the loss of every so many epochs
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    log_every: u64,

    /// Where to save the network [default: makemore.safetensors, or the file of --resume]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Overwrite a file that is not a checkpoint of makemore-tch
    #[arg(long)]
    force: bool,

    /// Go on from a checkpoint
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,

    /// Draw the losses into a picture, ending in .png or .svg
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,

    /// Write the loss of every epoch as CSV
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
    checkpoint: PathBuf,
    names: Vec<ScoredName>,
}

#[derive(Serialize)]
struct EpochLoss {
    epoch: u64,
    loss: f64,
}

impl Train {
    pub fn run(self, context: Context) -> anyhow::Result<u8> {
        let out = self.out();
        self.check_outputs(out)?;
        let resumed = load(self.resume.as_deref())?;
        let source = self.data.source(resumed.as_ref());
        let data = match self.rows {
            RowsName::All => source.read()?,
            RowsName::Distinct => source.count()?,
        };
        if let (Some(file), Some(resumed)) = (&self.resume, &resumed) {
            check_same_vocabulary(file, resumed, &data)?;
        }
        let counts = &data.counts;
        let p = counts.probabilities(self.smoothing.smoothing)?;
        let counting_nll = data.nll(&p)?;

        let device = self.device.open()?;
        if self.device == DeviceRequest::Auto {
            context.remarks.say(match device {
                tch::Device::Cpu => "neither CUDA nor MPS can be used (`makemore-tch devices` says why): training on the CPU",
                tch::Device::Mps => "training on MPS",
                _ => "training on CUDA",
            });
        }
        let pairs = match (self.rows, &data.words) {
            (RowsName::All, Some(words)) => TrainingPairs::all(words, counts.vocabulary(), device)?,
            _ => TrainingPairs::distinct(counts, device)?,
        };
        context.compute_with(pairs.rows() * counts.vocabulary().len());
        let seed = self
            .seed
            .or(resumed.as_ref().map(|resumed| resumed.seed))
            .unwrap_or(420);
        let epochs_before = resumed.as_ref().map_or(0, |resumed| resumed.epochs);
        let mut network = match &resumed {
            Some(Checkpoint { network, .. }) => {
                Network::with_weights(network.vocabulary().clone(), network.weights(), device)?
            }
            None => Network::new(counts.vocabulary().clone(), seed, device)?,
        };

        let schedule = Schedule {
            warmup_epochs: if resumed.is_some() {
                0
            } else {
                self.warmup_epochs
            },
            warmup_learning_rate: self.warmup_lr,
            first_epoch: epochs_before,
            epochs: self.epochs,
            learning_rate: self.lr,
            regularization: self.regularization,
        };
        let interrupted = catch_interrupts()?;
        let bar = progress::epochs(self.epochs, context.remarks.quiet);
        let mut losses = Vec::new();
        let mut printed = Ok(());
        let trained = train(&mut network, &pairs, &schedule, |epoch, loss| {
            losses.push((epoch, loss));
            self.show(&bar, loss);
            printed = self.print(&bar, epoch, loss);
            if printed.is_err() || interrupted.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        bar.finish_and_clear();
        let trained = trained.with_context(|| format!("nothing was saved to {}", out.display()));
        let trained = trained?;

        let checkpoint = Checkpoint {
            network,
            seed: resumed.map_or(seed, |resumed| resumed.seed),
            epochs: trained.epochs_done,
            loss: trained.final_loss,
            libtorch: device::libtorch_version(),
            data_sha256: data.sha256,
        };
        checkpoint.save(out)?;
        self.write_losses(&losses, counting_nll)?;
        printed?;

        let drawn_from = checkpoint.network.probabilities()?;
        let sampler = Sampler::new(&drawn_from, seed, &SampleOptions::default())?;
        let names = sampler.take(NAMES).collect::<makemore_tch::Result<_>>()?;
        self.report(Document {
            losses: self.logged(&losses),
            final_loss: trained.final_loss.into(),
            counting_nll,
            checkpoint: out.to_owned(),
            names: ScoredName::rank(names, &p)?,
        })?;
        if interrupted.load(Ordering::Relaxed) {
            let (epochs, out) = (trained.epochs_done, out.display());
            context.remarks.say(format_args!(
                "interrupted after {epochs} epochs; go on with --resume {out}"
            ));
            return Ok(INTERRUPTED);
        }
        Ok(0)
    }

    fn out(&self) -> &Path {
        let out = self.out.as_deref().or(self.resume.as_deref());
        out.unwrap_or(Path::new("makemore.safetensors"))
    }

    /// Finds out before any work what could not be written or must not be overwritten.
    fn check_outputs(&self, out: &Path) -> anyhow::Result<()> {
        files::check_writable(out)?;
        if out.exists() && !self.force {
            Checkpoint::load(out).context(
                "not overwritten; choose another file with --out, or overwrite it with --force",
            )?;
        }
        if let Some(plot) = &self.plot {
            plots::check(plot)?;
        }
        if let Some(metrics) = &self.metrics {
            files::check_writable(metrics)?;
        }
        let same = |one: &Path, other: &Path| match (one.canonicalize(), other.canonicalize()) {
            (Ok(one), Ok(other)) => one == other,
            _ => one == other,
        };
        let data = self.data.data.iter().map(PathBuf::as_path);
        let outputs = [Some(out), self.plot.as_deref(), self.metrics.as_deref()];
        for (index, output) in outputs.iter().enumerate() {
            let Some(output) = output else { continue };
            let others = outputs[..index].iter().flatten().copied();
            if others.chain(data.clone()).any(|other| same(output, other)) {
                bail!(
                    "{} is named for two purposes; name different files",
                    output.display()
                );
            }
        }
        Ok(())
    }

    fn is_logged(&self, epoch: u64) -> bool {
        epoch.is_multiple_of(self.log_every)
    }

    fn logged(&self, losses: &[(u64, f32)]) -> Vec<EpochLoss> {
        let logged = losses.iter().filter(|&&(epoch, _)| self.is_logged(epoch));
        logged
            .map(|&(epoch, loss)| EpochLoss {
                epoch,
                loss: loss.into(),
            })
            .collect()
    }

    fn show(&self, bar: &ProgressBar, loss: f32) {
        if !bar.is_hidden() {
            bar.set_message(format!("loss {loss:.4} lr {}", self.lr));
        }
        bar.inc(1);
    }

    fn print(&self, bar: &ProgressBar, epoch: u64, loss: f32) -> std::io::Result<()> {
        if self.json.json || !self.is_logged(epoch) {
            return Ok(());
        }
        bar.suspend(|| {
            let mut results = output::results();
            writeln!(
                results,
                "Epochs: {epoch}, loss: {}",
                format::float(loss.into())
            )?;
            results.flush()
        })
    }

    fn write_losses(&self, losses: &[(u64, f32)], counting_nll: f64) -> anyhow::Result<()> {
        if let Some(metrics) = &self.metrics {
            let mut csv = csv::Writer::from_writer(Vec::new());
            for &(epoch, loss) in losses {
                csv.serialize(EpochLoss {
                    epoch,
                    loss: loss.into(),
                })?;
            }
            files::replace(
                metrics,
                &csv.into_inner().map_err(|error| error.into_error())?,
            )?;
        }
        if let Some(plot) = &self.plot {
            let curve = plots::LossCurve {
                losses,
                counting_nll,
            };
            plots::write(plot, (1200, 750), &curve)?;
        }
        Ok(())
    }

    fn report(&self, document: Document) -> anyhow::Result<()> {
        if self.json.json {
            return output::json(&document);
        }
        let mut results = output::results();
        writeln!(
            results,
            "Final loss: {}",
            format::float(document.final_loss)
        )?;
        writeln!(
            results,
            "Average negative log-likelihood of the counting model: {:.6}",
            document.counting_nll
        )?;
        writeln!(results, "Checkpoint: {}", document.checkpoint.display())?;
        for name in document.names {
            writeln!(results, "{name}")?;
        }
        results.flush()?;
        Ok(())
    }
}

/// The flag that the first Ctrl-C sets; the second ends the program with status 130.
fn catch_interrupts() -> std::io::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register_conditional_shutdown(
        SIGINT,
        INTERRUPTED.into(),
        Arc::clone(&interrupted),
    )?;
    signal_hook::flag::register(SIGINT, Arc::clone(&interrupted))?;
    Ok(interrupted)
}
