//! `makemore-tch train --type mlp` and the other networks of makemore.py.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::time::Instant;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use indicatif::ProgressBar;
use makemore_tch::checkpoint::TrainedNetwork;
use makemore_tch::libtorch::device::{self, DeviceRequest};
use makemore_tch::models::{Config, Makemore, Sizes};
use makemore_tch::score::evaluate;
use makemore_tch::train::adamw::{AdamW, AdamWOptions};
use makemore_tch::train::words::{
    LearningRate, STEP, WordList, WordOptions, WordStep, copies, train_on_words,
};
use makemore_tch::{Checkpoint, Error, Model, Network, Part, Shares, Words, format};
use serde::Serialize;
use tch::Tensor;

use super::data::{Data, nll};
use super::names::{self, Name};
use super::outputs::Outputs;
use super::{Kind, SEED, Train};
use crate::cli::arguments::{below_one, whole, zero_or_more};
use crate::cli::context::Context;
use crate::cli::interrupt::Interrupt;
use crate::cli::{output, progress};

/// The largest size that may be asked for.
const MOST: usize = 1 << 14;

/// What is said of the networks of makemore.py.
#[derive(Debug, Args)]
#[command(next_help_heading = "Networks of makemore.py")]
pub struct WordArguments {
    /// How many layers a transformer has [default: 4]
    #[arg(long, value_name = "N", value_parser = whole(1..=1024_usize), allow_negative_numbers = true)]
    n_layer: Option<usize>,

    /// How many heads its attention has [default: 4]
    #[arg(long, value_name = "N", value_parser = whole(1..=1024_usize), allow_negative_numbers = true)]
    n_head: Option<usize>,

    /// The size of an embedding [default: 64]
    #[arg(long, value_name = "N", value_parser = whole(1..=MOST), allow_negative_numbers = true)]
    n_embd: Option<usize>,

    /// The size of a hidden layer or a state [default: 64; without --preset, of a gru 384
    /// and of an lstm 256]
    #[arg(long, value_name = "N", value_parser = whole(1..=MOST), allow_negative_numbers = true)]
    n_embd2: Option<usize>,

    /// How many characters back a network looks, the start token among them [default: as many as the
    /// longest word has, and one]
    #[arg(long, value_name = "N", value_parser = whole(1..=MOST), allow_negative_numbers = true)]
    block_size: Option<usize>,

    /// How many words a step learns from [default: 128; with --preset makemore 32]
    #[arg(long, value_name = "N", value_parser = whole(1..=1_usize << 20), allow_negative_numbers = true)]
    batch_size: Option<usize>,

    /// What share of the numbers before the last layer is left out in each step [default: 0.35 of a
    /// gru or lstm; of others and with --preset makemore 0]
    #[arg(long, value_name = "X", value_parser = below_one, allow_negative_numbers = true)]
    dropout: Option<f64>,

    /// What weights lose at each step, times the learning rate [default: 0.05; with --preset makemore
    /// 0.01]
    #[arg(long, value_name = "X", value_parser = zero_or_more, allow_negative_numbers = true)]
    weight_decay: Option<f64>,

    /// How many steps [default: 2000, of a gru 1400; with --preset makemore 10000]
    #[arg(long, value_name = "N", value_parser = whole(1..=u64::MAX / 2), allow_negative_numbers = true)]
    max_steps: Option<u64>,

    /// Evaluate on dev every so many steps; the best is kept [default: 250]
    #[arg(long, value_name = "N", value_parser = whole(1..=u64::MAX), allow_negative_numbers = true)]
    eval_every: Option<u64>,

    /// Train as makemore.py does: batches of 32, a constant learning rate of 0.0005
    #[arg(long, value_enum)]
    preset: Option<Preset>,
}

/// Whose settings are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Preset {
    /// Those of makemore.py
    Makemore,
}

impl WordArguments {
    /// The arguments, and whether they are given.
    pub fn given(&self) -> [(bool, &'static str); 11] {
        [
            (self.n_layer.is_some(), "--n-layer"),
            (self.n_head.is_some(), "--n-head"),
            (self.n_embd.is_some(), "--n-embd"),
            (self.n_embd2.is_some(), "--n-embd2"),
            (self.block_size.is_some(), "--block-size"),
            (self.batch_size.is_some(), "--batch-size"),
            (self.dropout.is_some(), "--dropout"),
            (self.weight_decay.is_some(), "--weight-decay"),
            (self.max_steps.is_some(), "--max-steps"),
            (self.eval_every.is_some(), "--eval-every"),
            (self.preset.is_some(), "--preset"),
        ]
    }
}

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
    losses: Vec<Losses>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dev_loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test_loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test_loss_new: Option<f64>,
    checkpoint: String,
    names: Vec<Name>,
}

/// The losses up to a step.
#[derive(Debug, Clone, Copy, Serialize)]
struct Losses {
    step: u64,
    /// The mean of the batches since the losses before.
    train: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dev: Option<f64>,
}

impl std::fmt::Display for Losses {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "Step: {}, train loss: {:.6}", self.step, self.train)?;
        match self.dev {
            Some(dev) => write!(f, ", dev loss: {dev:.6}"),
            None => Ok(()),
        }
    }
}

/// What became of a training.
struct Course {
    /// How many steps were made.
    steps: u64,
    losses: Vec<Losses>,
    best: Option<Best>,
    /// What ended it before its time.
    fault: Option<Error>,
}

/// The parameters with the lowest dev loss so far; without dev data the last ones.
struct Best {
    losses: Losses,
    parameters: BTreeMap<String, Tensor>,
}

impl Train {
    pub(super) fn train_on_words(self, context: Context) -> anyhow::Result<u8> {
        self.refuse_of_the_lecture()?;
        let start = Instant::now();
        let outputs = Outputs::check(self.request())?;
        let data = self.read_data(Shares::USUAL, None, context)?;
        data.check_characters()?;
        let kind = self.kind.name();
        outputs.check_list(&data.counted, kind)?;
        let vocabulary = data.counted.counts.vocabulary().clone();
        let words = train_words(&data)?;
        let (config, sizes) = self.config(&words)?;
        let seed = self.seed.unwrap_or(SEED);
        let device = self.device.unwrap_or(DeviceRequest::Cpu).open()?;
        let options = self.word_options(seed);
        context
            .threads
            .prepare_for(options.batch_size * sizes.block_size * sizes.n_embd.max(sizes.n_embd2));
        let network = Makemore::new(vocabulary.clone(), config, seed, device)?;
        let interrupt = Interrupt::catch()?;
        let trained = self.steps(
            &network, &words, &data, &options, device, &interrupt, context,
        );
        let Course {
            steps,
            losses,
            best,
            fault,
        } = trained?;
        let Some(Best {
            losses: of_best,
            parameters,
        }) = best
        else {
            let nothing = format!("nothing was saved to {}", self.out().display());
            let fault = fault.unwrap_or(Error::Libtorch("no step was made".to_owned()));
            return Err(self.explain_fault(fault, &nothing));
        };

        // Saved before it is said that it is, and whatever became of what was printed.
        let network = Makemore::of(vocabulary, config, &parameters, tch::Device::Cpu)?;
        let numbers = parameters.values().map(Tensor::numel).sum();
        let checkpoint = Checkpoint {
            model: Model::Network(TrainedNetwork {
                network: Box::new(network),
                epochs: of_best.step,
                loss: of_best.train as f32,
            }),
            seed,
            libtorch: device::libtorch_version(),
            data: data.counted.digest,
            split: data.parts.split_of(),
        };
        let saved = outputs.save(&checkpoint)?;
        let model = checkpoint.model.language_model();
        let held_out = data.held_out(model, &self.memory.memory())?;
        let names = names::draw(model, seed, &data.parts)?;
        let written = self.print_words(
            Document {
                kind,
                parameters: numbers,
                steps,
                best_step: of_best.step,
                seconds: start.elapsed().as_secs_f64(),
                losses,
                dev_loss: nll(held_out.dev.all),
                test_loss: nll(held_out.test.all),
                test_loss_new: nll(held_out.test.new),
                checkpoint: saved.to_string_lossy().into_owned(),
                names,
            },
            &held_out.lines(),
        );
        outputs.check_displaced(&saved, &[])?;
        if let Some(fault) = fault {
            let step = of_best.step;
            let best = format!(
                "the network of step {step} was saved to {}",
                saved.display()
            );
            return Err(self.explain_fault(fault, &best));
        }
        if steps < options.steps {
            context.remarks.say(format_args!(
                "interrupted after {steps} of {} steps",
                options.steps
            ));
        }
        written.with_context(|| {
            let saved = saved.display();
            format!("the network was saved to {saved}, but not all could be printed")
        })?;
        Ok(match steps < options.steps {
            true => interrupt.status(),
            false => 0,
        })
    }

    /// Trains until the end, Ctrl-C or a fault.
    #[expect(clippy::too_many_arguments, reason = "all that a training has")]
    fn steps(
        &self,
        network: &Makemore,
        words: &WordList,
        data: &Data,
        options: &WordOptions,
        device: tch::Device,
        interrupt: &Interrupt,
        context: Context,
    ) -> makemore_tch::Result<Course> {
        let parameters = network.parameters().into_iter().map(|(_, tensor)| tensor);
        let mut optimizer = AdamW::new(parameters.collect(), self.adamw())?;
        let bar = progress::steps(options.steps, context.remarks.quiet).with_prefix("step");
        let every = self.words.eval_every.unwrap_or(250);
        let mut losses: Vec<Losses> = Vec::new();
        let mut best: Option<Best> = None;
        let mut since = (0.0, 0);
        let mut made = 0;
        let trained = train_on_words(network, words, &mut optimizer, options, device, |step| {
            let WordStep {
                number,
                loss,
                learning_rate,
            } = step;
            since = (since.0 + loss, since.1 + 1);
            bar.set_message(format!("loss {loss:.4} lr {learning_rate:.5}"));
            bar.inc(1);
            let done = number + 1;
            made = done;
            let stops = interrupt.is_pressed();
            if done.is_multiple_of(every) || done == options.steps || stops {
                let dev = match data.has(Part::Dev) {
                    true => Some(evaluate::parts(network, &data.parts, &[Part::Dev])?.nll()),
                    false => None,
                };
                let now = Losses {
                    step: done,
                    train: since.0 / f64::from(since.1),
                    dev,
                };
                since = (0.0, 0);
                self.show(&bar, now);
                losses.push(now);
                let parameters = copies(network)?;
                let loss = dev.unwrap_or(now.train);
                if !loss.is_finite() || !are_finite(&parameters)? {
                    return Err(Error::Diverged {
                        stage: STEP,
                        number,
                        learning_rate,
                        regularization: 0.0,
                        loss: loss as f32,
                    });
                }
                let before = best.as_ref().and_then(|best| best.losses.dev);
                if before.is_none_or(|before| dev.is_none_or(|dev| dev < before)) {
                    best = Some(Best {
                        losses: now,
                        parameters,
                    });
                }
            }
            Ok(match stops {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            })
        });
        bar.finish_and_clear();
        Ok(Course {
            steps: made,
            losses,
            best,
            fault: trained.err(),
        })
    }

    /// Prints losses as they come; a closed pipe does not end the training.
    fn show(&self, bar: &ProgressBar, losses: Losses) {
        if !self.json.json {
            bar.suspend(|| {
                let mut results = output::results();
                let _ = writeln!(results, "{losses}").and_then(|()| results.flush());
            });
        }
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

    fn config(&self, words: &WordList) -> anyhow::Result<(Config, Sizes)> {
        let longest = words.longest();
        let block_size = self.words.block_size.unwrap_or(longest + 1);
        if block_size <= longest {
            bail!(
                "--block-size {block_size} is too short for the longest word, which has {longest} characters; {} would work",
                longest + 1
            );
        }
        let n_embd2 = match self.kind {
            Kind::Gru if self.has_our_gates() => 384,
            Kind::Lstm if self.has_our_gates() => 256,
            _ => 64,
        };
        let sizes = Sizes {
            block_size,
            n_embd: self.words.n_embd.unwrap_or(64),
            n_embd2: self.words.n_embd2.unwrap_or(n_embd2),
            n_layer: self.words.n_layer.unwrap_or(4),
            n_head: self.words.n_head.unwrap_or(4),
        };
        let config = match self.kind {
            Kind::Mlp => Config::Mlp(sizes),
            Kind::Bow => Config::Bow(sizes),
            Kind::Rnn => Config::Rnn(sizes),
            Kind::Gru => Config::Gru(sizes),
            Kind::Lstm => Config::Lstm(sizes),
            Kind::Transformer => Config::Transformer(sizes),
            Kind::Bigram | Kind::Ngram => bail!("no network of makemore.py"),
        };
        Ok((config, sizes))
    }

    /// Whether a network with gates is trained by our settings.
    fn has_our_gates(&self) -> bool {
        self.words.preset.is_none() && matches!(self.kind, Kind::Gru | Kind::Lstm)
    }

    fn word_options(&self, seed: u64) -> WordOptions {
        let (steps, batch_size, learning_rate) = match self.words.preset {
            Some(Preset::Makemore) => (10_000, 32, LearningRate::Constant(self.lr.unwrap_or(5e-4))),
            None => {
                let falling = LearningRate::Falling {
                    highest: self.lr.unwrap_or(5e-3),
                    warm_up: 100,
                };
                let steps = if self.kind == Kind::Gru { 1_400 } else { 2_000 };
                (steps, 128, falling)
            }
        };
        WordOptions {
            steps: self.words.max_steps.unwrap_or(steps),
            batch_size: self.words.batch_size.unwrap_or(batch_size),
            learning_rate,
            dropout: self.words.dropout.unwrap_or(match self.has_our_gates() {
                true => 0.35,
                false => 0.0,
            }),
            seed,
        }
    }

    fn adamw(&self) -> AdamWOptions {
        let preset = match self.words.preset {
            Some(Preset::Makemore) => AdamWOptions::default(),
            None => AdamWOptions {
                weight_decay: 0.05,
                beta2: 0.999,
                ..AdamWOptions::default()
            },
        };
        AdamWOptions {
            weight_decay: self.words.weight_decay.unwrap_or(preset.weight_decay),
            ..preset
        }
    }

    /// A fault of the training, what would work, and what was saved.
    fn explain_fault(&self, fault: Error, saved: &str) -> anyhow::Error {
        match fault {
            Error::Diverged { number, loss, .. } => {
                let (LearningRate::Constant(rate) | LearningRate::Falling { highest: rate, .. }) =
                    self.word_options(SEED).learning_rate;
                let lower = rate / 10.0;
                anyhow!(
                    "training diverged: the loss is {loss} at step {}; try --lr {lower:.0e} ({saved})",
                    number + 1
                )
            }
            fault => anyhow::Error::from(fault).context(saved.to_owned()),
        }
    }

    fn refuse_of_the_lecture(&self) -> anyhow::Result<()> {
        if let Some(file) = &self.resume {
            bail!(
                "--resume {} goes on training the lecture's network; leave it out",
                file.display()
            );
        }
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
                (self.metrics.is_some(), "--metrics"),
                (self.plot.is_some(), "--plot"),
            ],
            "is not of this type of model; leave it out",
        )
    }
}

fn are_finite(parameters: &BTreeMap<String, Tensor>) -> makemore_tch::Result<bool> {
    for parameter in parameters.values() {
        if !bool::try_from(parameter.f_isfinite()?.f_all()?)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The words of the train part.
fn train_words(data: &Data) -> makemore_tch::Result<WordList> {
    let vocabulary = data.counted.counts.vocabulary();
    let all = Words::read(&data.parts.list().source, vocabulary.boundary())?;
    let split = data.parts.split();
    let mut words = WordList::default();
    for (place, word) in (0..).zip(all.iter()) {
        if split.part_of(place) == Part::Train {
            words.push(word, vocabulary)?;
        }
    }
    Ok(words)
}
