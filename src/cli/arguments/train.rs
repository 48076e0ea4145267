//! The arguments of `train`, and which of them make no sense together.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use makemore_tch::checkpoint::MAX_EPOCHS;
use makemore_tch::checkpoint::resume::base_of;
use makemore_tch::counting::MAX_ORDER;
use makemore_tch::data::Shares;
use makemore_tch::libtorch::device::DeviceRequest;
use makemore_tch::train::Rows;

use super::model_type::{Choice, ModelType, OF, Of, choice, model_type};
use super::words::WordArguments;
use super::{
    DataArguments, JsonArguments, MemoryArguments, above_zero, one_of, whole, zero_or_more,
};
use crate::cli::outputs::Request;
use crate::cli::typed::{Typed, flag};

/// The lecture's.
pub const SEED: u64 = 420;

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
    pub kind: Option<ModelType>,

    /// How many characters are looked at together, 1 to 16 [default: 2; of n-grams 6]
    #[arg(long, value_name = "N", value_parser = whole(1..=MAX_ORDER), allow_negative_numbers = true)]
    pub order: Option<usize>,

    /// How probabilities are made of counts: kneser-ney, witten-bell, a number that is added to every
    /// count, or auto, the number that is best on dev [default: 1, with which a network is compared;
    /// of n-grams kneser-ney]
    #[arg(long, value_name = "WAY", value_parser = choice, allow_negative_numbers = true)]
    pub smoothing: Option<Choice>,

    /// How many percent of the words are for training, for choosing between models (dev), and for
    /// one look at the end (test), or makemore: the 1,000 words that makemore.py tests with, and no
    /// dev part [default: 100,0,0; of other types 80,10,10]
    #[arg(long, value_name = "TRAIN,DEV,TEST", allow_hyphen_values = true)]
    pub split: Option<Shares>,

    /// A list that is the dev part, instead of a share of the data
    #[arg(long, value_name = "FILE")]
    pub dev: Option<PathBuf>,

    /// A list that is the test part, instead of a share of the data
    #[arg(long, value_name = "FILE")]
    pub test: Option<PathBuf>,

    /// cpu, cuda, cuda:N, mps or auto, which is the first that can be used [default: cpu]
    #[arg(long)]
    pub device: Option<DeviceRequest>,

    /// Seed of all random numbers, of the split too [default: 420, or that of --resume]
    #[arg(long, value_name = "N", value_parser = whole(0..=u64::MAX), allow_negative_numbers = true)]
    pub seed: Option<u64>,

    /// Seed of the split, so that models of several seeds hold out the same words [default: that of
    /// --seed]
    #[arg(long, value_name = "N", value_parser = whole(0..=u64::MAX), allow_negative_numbers = true)]
    pub split_seed: Option<u64>,

    /// Steps at the learning rate; with --resume further ones [default: 301]
    #[arg(long, value_name = "N", value_parser = whole(0..=MAX_EPOCHS / 2), allow_negative_numbers = true)]
    pub epochs: Option<u64>,

    /// The learning rate [default: 50 for the lecture's names, else as high as the list allows; of
    /// networks of makemore.py at its highest 0.005, times 5 for the matrices that Muon moves, of a
    /// wavenet and with --batchnorm 0.01, with --preset makemore 0.0005]
    #[arg(long, value_name = "X", value_parser = above_zero, allow_negative_numbers = true)]
    pub lr: Option<f64>,

    /// Steps at the warm-up rate before the first epoch [default: 1, with --resume 0]
    #[arg(long, value_name = "N", value_parser = whole(0..=MAX_EPOCHS / 2), allow_negative_numbers = true)]
    pub warmup_epochs: Option<u64>,

    /// The warm-up rate [default: 0.1]
    #[arg(long, value_name = "X", value_parser = above_zero, allow_negative_numbers = true)]
    pub warmup_lr: Option<f64>,

    /// The factor of mean(W²) in the loss [default: 0]
    #[arg(long, value_name = "X", value_parser = zero_or_more, allow_negative_numbers = true)]
    pub regularization: Option<f64>,

    /// How the data is laid out: the same loss and gradient, but not the same time [default:
    /// distinct]
    #[arg(long, value_parser = one_of::<Rows>())]
    pub rows: Option<Rows>,

    /// Print the loss of every so many epochs [default: 50]
    #[arg(long, value_name = "N", value_parser = whole(1..=u64::MAX), allow_negative_numbers = true)]
    pub log_every: Option<u64>,

    /// Where to save the model [default: makemore.safetensors, or the file of --resume; of other
    /// types makemore-TYPE.safetensors]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Overwrite files that are no checkpoint or losses of makemore-tch, those of another list or kind
    /// of model, or a better model of the same list
    #[arg(long)]
    pub force: bool,

    /// Go on from a checkpoint of a network; of those of makemore.py as if the training had not been
    /// interrupted, from the state in FILE.last, or if that is not there with a new training of that
    /// network
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,

    /// Draw the losses into a picture, ending in .png or .svg: of a network in the course of its
    /// training, of n-grams those of every order on dev
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,

    /// Save what is trained every so many seconds, so that no more than that is lost
    /// [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = whole(1..=u64::MAX), allow_negative_numbers = true)]
    pub save_every: Option<u64>,

    /// Write the loss of every epoch as CSV, of networks of makemore.py those of every evaluation;
    /// with --resume, append them
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,

    #[command(flatten)]
    pub data: DataArguments,

    #[command(flatten)]
    pub memory: MemoryArguments,

    #[command(flatten)]
    pub json: JsonArguments,

    #[command(flatten)]
    pub words: WordArguments,

    /// The arguments that the user typed.
    #[arg(skip)]
    pub typed: Typed,
}

impl Train {
    /// Where the model is saved.
    pub fn out(&self, kind: ModelType) -> PathBuf {
        match (&self.out, &self.resume, kind) {
            (Some(out), ..) => out.clone(),
            (None, Some(resumed), ModelType::Bigram) => resumed.clone(),
            (None, Some(resumed), _) => base_of(resumed),
            (None, None, kind) => kind.out(),
        }
    }

    pub fn request<'a>(
        &'a self,
        out: &'a Path,
        has_state: bool,
        columns: &'static str,
    ) -> Request<'a> {
        let events = self.words.tensorboard.as_deref();
        let lists = self.data.data.iter().chain(&self.dev).chain(&self.test);
        Request {
            out,
            has_state,
            columns,
            force: self.force,
            resume: self.resume.as_deref(),
            metrics: self.metrics.as_deref(),
            plot: self.plot.as_deref(),
            // Without a slash at the end, which would hide that a file is named.
            events: events.map(|folder| folder.components().as_path()),
            data: lists.map(PathBuf::as_path).collect(),
        }
    }

    /// The file that is resumed, for messages.
    pub fn resumed(&self) -> String {
        let file = self.resume.as_deref();
        file.map_or_else(String::new, |file| file.display().to_string())
    }

    /// How often what is trained is saved.
    pub fn save_every(&self) -> Duration {
        Duration::from_secs(self.save_every.unwrap_or(60))
    }

    /// Refuses arguments that the user typed and that are of other types of models.
    pub fn refuse_others(&self, kind: ModelType) -> anyhow::Result<()> {
        let mut typed = OF.iter().filter(|(id, _)| self.typed.has(id));
        let Some((id, of)) = typed.find(|(id, of)| !of.is_of(id, kind)) else {
            return Ok(());
        };
        let takers = ModelType::all().filter(|&other| of.is_of(id, other));
        let takers: Vec<&str> = takers.map(ModelType::name).collect();
        let or_choose = match self.resume {
            Some(_) => "",
            None => ", or choose another --type",
        };
        bail!(
            "{} is not of --type {}, but of {}; leave it out{or_choose}",
            flag(id),
            kind.name(),
            takers.join(", ")
        )
    }

    /// Refuses arguments that the user typed and that are wrong here.
    pub fn refuse(&self, is_wrong: impl Fn(&str, Of) -> bool, reason: &str) -> anyhow::Result<()> {
        let mut typed = OF.iter().filter(|(id, _)| self.typed.has(id));
        match typed.find(|&&(id, of)| is_wrong(id, of)) {
            Some((id, _)) => bail!("{} {reason}", flag(id)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::cli::{check_refusals, refusal};

    #[test]
    fn numbers_that_make_no_sense_are_named() {
        check_refusals(
            "",
            2,
            &[
                ("train --lr nan", "'nan'"),
                ("train --lr -1", "'-1'"),
                ("train --epochs -1", "'-1'"),
                ("train --seed -1", "'-1'"),
                ("train --regularization inf", "'inf'"),
                ("train --log-every 0", "'0'"),
                ("train --threads 0", "'0'"),
                ("train --device gpu", "'gpu'"),
                ("train --rows some", "'some'"),
            ],
        );
    }

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        check_refusals(
            "train --type ngram",
            2,
            &[
                ("--order 0", "--order"),
                ("--order 17", "--order"),
                ("--smoothing good-turing", "kneser-ney, witten-bell"),
                ("--smoothing -1", "--smoothing"),
                ("--memory much", "--memory"),
            ],
        );
        check_refusals(
            "train --type ngram",
            1,
            &[
                ("--resume makemore.safetensors", "is counted"),
                ("--epochs 3", "--epochs"),
                ("--lr 1", "--lr"),
                ("--metrics losses.csv", "--metrics"),
                ("--out names.arpa", "export names.arpa"),
            ],
        );
    }

    #[test]
    fn parts_that_would_be_empty_and_splits_that_are_none_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("few.txt");
        fs::write(&list, "emma\nolivia\n").unwrap();
        let list = list.display();
        let error = refusal(
            &format!("train --type ngram --data {list} --split 90,5,5"),
            1,
        );
        assert!(
            error.contains(&format!(
                "leaves the dev part of {list} without words (2 in all)"
            )),
            "{error}"
        );
        check_refusals(
            "train --type ngram --split",
            2,
            &[
                ("50,60,10", "add up to 100"),
                ("0,50,50", "above 0"),
                ("80,20", "three whole percentages"),
                ("a,b,c", "three whole percentages"),
            ],
        );
    }

    #[test]
    fn what_does_not_go_together_is_refused_by_name() {
        check_refusals(
            "train",
            1,
            &[
                (
                    "--type gru --out run --tensorboard run/",
                    "run is given twice",
                ),
                (
                    "--type gru --order 3",
                    "--order is not of --type gru, but of bigram, ngram",
                ),
                (
                    "--type gru --resume none.safetensors",
                    "cannot read none.safetensors",
                ),
                (
                    "--minutes 1",
                    "--minutes is not of --type bigram, but of lookup, mlp",
                ),
                (
                    "--type ngram --tensorboard runs",
                    "--tensorboard is not of --type ngram",
                ),
                (
                    "--type gru --block-size 3",
                    "too short for the longest word",
                ),
                ("--type transformer --n-head 3", "64, for 3 heads"),
                ("--n-embd 8", "--n-embd is not of --type bigram"),
                (
                    "--type ngram --preset makemore",
                    "--preset is not of --type ngram",
                ),
                (
                    "--batchnorm",
                    "--batchnorm is not of --type bigram, but of mlp",
                ),
                (
                    "--type wavenet --batchnorm",
                    "--batchnorm is not of --type wavenet, but of mlp",
                ),
                (
                    "--type wavenet --block-size 12",
                    "the block size is 12, whose characters are joined two by two; 2, 4, 8, 16, 32 or 64",
                ),
                ("--type wavenet --block-size 1", "the block size is 1, "),
                ("--type wavenet --block-size 128", "the block size is 128, "),
            ],
        );
        let error = refusal("train --type gru --n-embd2 99999999", 2);
        assert!(error.contains("--n-embd2"), "{error}");
    }
}
