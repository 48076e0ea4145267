//! `makemore-tch train`: what a model is trained on, by the kind of model.
//!
//! `bigram` is the lecture's gradient descent, `ngram` is counting, `words` are the networks that
//! learn from batches of words: `begin` makes what is trained or finds what is resumed, `saver` shows
//! and saves it as it goes on. Around them: `recipe` has the arguments and defaults of networks,
//! `data` reads the lists and splits them, `log` shows losses as they come, `print` the results,
//! `advice` tells the user what helps.

mod advice;
mod begin;
mod bigram;
mod data;
mod log;
mod ngram;
mod print;
mod recipe;
mod saver;
mod words;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use makemore_tch::checkpoint::resume::{self, base_of};
use makemore_tch::checkpoint::{MAX_EPOCHS, Weights};
use makemore_tch::counting::MAX_ORDER;
use makemore_tch::libtorch::device::DeviceRequest;
use makemore_tch::models::Smoothing;
use makemore_tch::models::kinds::{KINDS, Kind, Lookup};
use makemore_tch::{Checkpoint, Rows, Shares};

use super::arguments::{
    DataArguments, JsonArguments, MemoryArguments, above_zero, one_of, whole, zero_or_more,
};
use super::context::Context;
use super::outputs::Request;
use recipe::WordArguments;

/// Train a model: the lecture's network, n-grams by counting, or one of makemore.py or lecture 5
///
/// For the lecture's names, the defaults are the lecture's run: one step at 0.1, then 301 epochs at
/// 50; for another list, the learning rate is as high as the list allows. --type ngram counts and
/// smooths instead, and prints the loss of each order. The networks of makemore.py and lecture 5 are
/// trained on batches of words, and the best one on dev is kept. Ctrl-C finishes the epoch or step and
/// saves; a second Ctrl-C ends at once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch train                       the lecture's run
  makemore-tch train --device cuda
  makemore-tch train --data towns.txt --out towns.safetensors --plot loss.png
  makemore-tch train --resume makemore.safetensors --epochs 1000 --log-every 100
  makemore-tch train --order 3             the lecture's exercise: trigrams by gradient descent
  makemore-tch train --type gru            makemore.py's network with gates, by our settings
  makemore-tch train --type transformer --minutes 3 --plot loss.png --tensorboard runs/1
  makemore-tch train --type mlp --preset makemore --split makemore    as makemore.py does it
  makemore-tch train --type mlp --batchnorm    with lecture 3's batch normalisation
  makemore-tch train --type wavenet        lecture 5's network
  makemore-tch train --resume makemore-gru.safetensors    go on where Ctrl-C was
  makemore-tch train --type ngram          six characters by counting, smoothed as KenLM does it
  makemore-tch train --type ngram --order 4 --smoothing auto --plot orders.png")]
pub struct Train {
    /// What is trained [default: bigram, or what --resume has]
    #[arg(long = "type", value_parser = model_type())]
    kind: Option<ModelType>,

    /// How many characters are looked at together, 1 to 16 [default: 2; of n-grams 6]
    #[arg(long, value_name = "N", value_parser = whole(1..=MAX_ORDER), allow_negative_numbers = true)]
    order: Option<usize>,

    /// How probabilities are made of counts: kneser-ney, witten-bell, a number that is added to every
    /// count, or auto, the number that is best on dev [default: 1, with which a network is compared;
    /// of n-grams kneser-ney]
    #[arg(long, value_name = "WAY", value_parser = choice, allow_negative_numbers = true)]
    smoothing: Option<Choice>,

    /// How many percent of the words are for training, for choosing between models (dev), and for
    /// one look at the end (test), or makemore: the 1,000 words that makemore.py tests with, and no
    /// dev part [default: 100,0,0; of other types 80,10,10]
    #[arg(long, value_name = "TRAIN,DEV,TEST", allow_hyphen_values = true)]
    split: Option<Shares>,

    /// A list that is the dev part, instead of a share of the data
    #[arg(long, value_name = "FILE")]
    dev: Option<PathBuf>,

    /// A list that is the test part, instead of a share of the data
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,

    /// cpu, cuda, cuda:N, mps or auto, which is the first that can be used [default: cpu]
    #[arg(long)]
    device: Option<DeviceRequest>,

    /// What all random numbers follow from, the split too [default: 420, or that of --resume]
    #[arg(long, value_name = "N", value_parser = whole(0..=u64::MAX), allow_negative_numbers = true)]
    seed: Option<u64>,

    /// What the split follows from, so that models of several seeds hold out the same words [default:
    /// that of --seed]
    #[arg(long, value_name = "N", value_parser = whole(0..=u64::MAX), allow_negative_numbers = true)]
    split_seed: Option<u64>,

    /// Steps at the learning rate; with --resume further ones [default: 301]
    #[arg(long, value_name = "N", value_parser = whole(0..=MAX_EPOCHS / 2), allow_negative_numbers = true)]
    epochs: Option<u64>,

    /// The learning rate [default: 50 for the lecture's names, else as high as the list allows; of
    /// networks of makemore.py at its highest 0.005, times 5 for the matrices that Muon moves, of a
    /// wavenet and with --batchnorm 0.01, with --preset makemore 0.0005]
    #[arg(long, value_name = "X", value_parser = above_zero, allow_negative_numbers = true)]
    lr: Option<f64>,

    /// Steps at the warm-up rate before the first epoch [default: 1, with --resume 0]
    #[arg(long, value_name = "N", value_parser = whole(0..=MAX_EPOCHS / 2), allow_negative_numbers = true)]
    warmup_epochs: Option<u64>,

    /// The warm-up rate [default: 0.1]
    #[arg(long, value_name = "X", value_parser = above_zero, allow_negative_numbers = true)]
    warmup_lr: Option<f64>,

    /// The factor of mean(W²) in the loss [default: 0]
    #[arg(long, value_name = "X", value_parser = zero_or_more, allow_negative_numbers = true)]
    regularization: Option<f64>,

    /// How the data is laid out: the same loss and gradient, but not the same time [default:
    /// distinct]
    #[arg(long, value_parser = one_of::<Rows>())]
    rows: Option<Rows>,

    /// Print the loss of every so many epochs [default: 50]
    #[arg(long, value_name = "N", value_parser = whole(1..=u64::MAX), allow_negative_numbers = true)]
    log_every: Option<u64>,

    /// Where to save the model [default: makemore.safetensors, or the file of --resume; of other
    /// types makemore-TYPE.safetensors]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Overwrite files that are no checkpoint or losses of makemore-tch, or those of another list or
    /// kind of model
    #[arg(long)]
    force: bool,

    /// Go on from a checkpoint of a network; of those of makemore.py as if the training had not been
    /// interrupted, if FILE.last is there too, else with a new training of that network
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,

    /// Draw the losses into a picture, ending in .png or .svg: of a network in the course of its
    /// training, of n-grams those of every order on dev
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,

    /// Save what is trained every so many seconds, so that no more than that is lost
    /// [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = whole(1..=u64::MAX), allow_negative_numbers = true)]
    save_every: Option<u64>,

    /// Write the loss of every epoch as CSV, of networks of makemore.py those of every evaluation;
    /// with --resume, append them
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,

    #[command(flatten)]
    data: DataArguments,

    #[command(flatten)]
    memory: MemoryArguments,

    #[command(flatten)]
    json: JsonArguments,

    #[command(flatten)]
    words: WordArguments,
}

/// The lecture's.
const SEED: u64 = 420;

/// The types of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ModelType {
    /// The lecture's network.
    Bigram,
    /// N-grams.
    Ngram,
    /// A network of makemore.py or lecture 5.
    Network(&'static dyn Kind),
}

impl ModelType {
    fn all() -> impl Iterator<Item = Self> {
        let networks = KINDS.iter().copied().map(Self::Network);
        [Self::Bigram, Self::Ngram].into_iter().chain(networks)
    }

    fn named(name: &str) -> Option<Self> {
        Self::all().find(|of| of.name() == name)
    }

    /// Its name in the command line and in checkpoints.
    fn name(self) -> &'static str {
        match self {
            Self::Bigram => "bigram",
            Self::Ngram => "ngram",
            Self::Network(kind) => kind.name(),
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Bigram => {
                "The lecture's network, by gradient descent; with --preset makemore makemore.py's, which is the same model trained by batches"
            }
            Self::Ngram => "N-grams, by counting",
            Self::Network(kind) => kind.about(),
        }
    }

    /// Where a model is saved, if the user does not say.
    fn out(self) -> PathBuf {
        match self {
            Self::Bigram => "makemore.safetensors".into(),
            other => format!("makemore-{}.safetensors", other.name()).into(),
        }
    }
}

/// Reads the name of a type.
fn model_type() -> impl TypedValueParser<Value = ModelType> {
    let values = ModelType::all().map(|of| PossibleValue::new(of.name()).help(of.about()));
    PossibleValuesParser::new(values)
        .try_map(|name| ModelType::named(&name).ok_or("one of the types would work"))
}

/// How probabilities are made of counts.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Choice {
    /// The number that is best on dev is added to every count.
    Auto,
    Smoothing(Smoothing),
}

fn choice(text: &str) -> Result<Choice, String> {
    if text == "auto" {
        return Ok(Choice::Auto);
    }
    let smoothing = text.parse().map(Choice::Smoothing);
    smoothing.map_err(|_| "kneser-ney, witten-bell, auto or a number from 0 would work".to_owned())
}

impl Train {
    pub fn run(self, context: Context) -> anyhow::Result<u8> {
        // The weights of makemore.py are no checkpoint; n-grams are not resumed at all.
        let resumed = self.resume.as_deref();
        let resumed = resumed.filter(|_| self.kind != Some(ModelType::Ngram));
        let weights = resumed.map(Weights::load).transpose()?;
        let weights = weights.flatten();
        let kind = self.kind(weights.as_ref())?;
        if let ModelType::Bigram | ModelType::Ngram = kind {
            let reason = "is of the networks of makemore.py; choose one with --type";
            self.refuse(Of::is_of_words, reason)?;
        }
        match kind {
            ModelType::Bigram => self.train_bigram(context),
            ModelType::Ngram => self.count_ngrams(context),
            ModelType::Network(kind) => self.train_on_words(kind, weights, context),
        }
    }

    /// What is trained: as the user says, or what is resumed.
    fn kind(&self, weights: Option<&Weights>) -> anyhow::Result<ModelType> {
        let resumed = self.resume.as_ref().filter(|_| self.kind.is_none());
        let Some(file) = resumed else {
            return Ok(match self.kind.unwrap_or(ModelType::Bigram) {
                ModelType::Bigram if self.words.has_preset() => ModelType::Network(&Lookup),
                kind => kind,
            });
        };
        let kind = match weights {
            Some(weights) => weights.kind().name(),
            None => Checkpoint::load(&resume::file_of(file))?.model.kind(),
        };
        ModelType::named(kind).ok_or_else(|| anyhow!("{}: a model of type {kind}", file.display()))
    }

    /// Where the model is saved.
    fn out(&self, kind: ModelType) -> PathBuf {
        match (&self.out, &self.resume, kind) {
            (Some(out), ..) => out.clone(),
            (None, Some(resumed), ModelType::Bigram) => resumed.clone(),
            (None, Some(resumed), _) => base_of(resumed),
            (None, None, kind) => kind.out(),
        }
    }

    fn request<'a>(&'a self, out: &'a Path, has_state: bool, columns: &'static str) -> Request<'a> {
        let lists = self.data.data.iter().chain(&self.dev).chain(&self.test);
        Request {
            out,
            has_state,
            columns,
            force: self.force,
            resume: self.resume.as_deref(),
            metrics: self.metrics.as_deref(),
            plot: self.plot.as_deref(),
            data: lists.map(PathBuf::as_path).collect(),
        }
    }

    /// How often what is trained is saved.
    fn save_every(&self) -> Duration {
        Duration::from_secs(self.save_every.unwrap_or(60))
    }

    /// Refuses arguments that are given and say nothing where they are.
    fn refuse(&self, is_wrong: impl Fn(Of) -> bool, reason: &str) -> anyhow::Result<()> {
        let mut given = self.given().into_iter().chain(self.words.given());
        match given.find(|&(_, is_given, of)| is_given && is_wrong(of)) {
            Some((argument, ..)) => bail!("{argument} {reason}"),
            None => Ok(()),
        }
    }

    /// The arguments that not every training takes: whether they are given, and what they are of.
    fn given(&self) -> [(&'static str, bool, Of); 13] {
        [
            ("--order", self.order.is_some(), Of::Ngrams),
            ("--smoothing", self.smoothing.is_some(), Of::Ngrams),
            ("--epochs", self.epochs.is_some(), Of::Lecture),
            ("--warmup-epochs", self.warmup_epochs.is_some(), Of::Lecture),
            ("--warmup-lr", self.warmup_lr.is_some(), Of::Lecture),
            (
                "--regularization",
                self.regularization.is_some(),
                Of::Lecture,
            ),
            ("--rows", self.rows.is_some(), Of::Lecture),
            ("--log-every", self.log_every.is_some(), Of::Lecture),
            ("--lr", self.lr.is_some(), Of::Rate),
            ("--metrics", self.metrics.is_some(), Of::Networks),
            ("--device", self.device.is_some(), Of::Networks),
            ("--save-every", self.save_every.is_some(), Of::Networks),
            ("--seed", self.seed.is_some(), Of::Run),
        ]
    }
}

/// What an argument is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// The lecture's network and n-grams.
    Ngrams,
    /// The lecture's network.
    Lecture,
    /// All networks.
    Networks,
    /// The same, and it stays what it was from the beginning of a run to its end.
    Rate,
    /// All models; the same from the beginning of a run to its end.
    Run,
    /// A size of networks that learn from batches, by its name.
    Size(&'static str),
    /// Those networks; the same from the beginning of a run to its end.
    Recipe,
    /// The same, of networks with a layer before the last one.
    Dropout,
    /// Those networks, each time that they are trained.
    Course,
}

impl Of {
    /// Whether it is of networks that learn from batches alone.
    fn is_of_words(self) -> bool {
        matches!(
            self,
            Self::Size(_) | Self::Recipe | Self::Dropout | Self::Course
        )
    }

    /// Whether it is the same from the beginning of a run to its end.
    fn is_of_a_run(self) -> bool {
        self != Self::Course && (self.is_of_words() || matches!(self, Self::Rate | Self::Run))
    }
}
