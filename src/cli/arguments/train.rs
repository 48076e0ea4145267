//! The arguments of `train`. Those that the type of model does not take are refused.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use makemore_tch::checkpoint::MAX_EPOCHS;
use makemore_tch::checkpoint::resume::base_of;
use makemore_tch::data::Shares;
use makemore_tch::libtorch::device::DeviceRequest;
use makemore_tch::train::Rows;
use serde_json::json;

use super::distributed::DistributedArguments;
use super::model_type::{Choice, ModelType, choice, model_type};
use super::order::{ChosenOrder, order};
use super::words::WordArguments;
use super::{
    DataArguments, JsonArguments, MemoryArguments, above_zero, one_of, whole, zero_or_more,
};
use crate::cli::outputs::Request;
use crate::cli::typed::Typed;

/// The typed arguments that a suggested command with `--resume` repeats, by their fields' names.
pub const AGAIN: [&str; 23] = [
    "plot",
    "lr",
    "regularization",
    "rows",
    "smoothing",
    "log_every",
    "device",
    "save_every",
    "metrics",
    "tensorboard",
    "dev",
    "test",
    "memory",
    "top_k",
    "data",
    "columns",
    "boundary",
    "encoding",
    "skip_bad_lines",
    "lowercase",
    "normalize",
    "distributed",
    "timeout",
];

/// The lecture's seed.
pub const SEED: u64 = 420;

/// Train the lecture's network, n-grams by counting, or a network of makemore.py or lecture 5
///
/// For the lecture's names, the defaults are the lecture's run: one epoch at a learning rate of 0.1,
/// then 301 epochs at 50. For another list, the learning rate is as high as it can be without diverging.
/// --type ngram counts and smooths instead, and prints the loss of each order. The networks of
/// makemore.py and lecture 5 are trained on batches of words, and the one with the lowest dev loss is
/// saved or, without a dev part, the last one. Ctrl-C finishes the epoch or step and saves; a second Ctrl-C ends at once.
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
  makemore-tch train --type mlp --n-layer 5 --batchnorm    a deep network, as lecture 3's
  makemore-tch train --type wavenet        lecture 5's network
  makemore-tch train --resume makemore-gru.safetensors    go on after Ctrl-C
  makemore-tch train --type ngram          six characters by counting, smoothed as KenLM does it
  makemore-tch train --type ngram --order 4 --smoothing auto --plot orders.png")]
pub struct Train {
    #[command(flatten)]
    pub data: DataArguments,

    /// The type of the model [default: that of --resume, else bigram]
    #[arg(long = "type", value_name = "TYPE", value_parser = model_type())]
    pub kind: Option<ModelType>,

    /// The length of the n-grams, 1 to 16 [default: bigram 2; ngram the best on dev]
    ///
    /// An n-gram is the next character and those that it is predicted from. The best one on dev is the order
    /// from 1 to 8 with the lowest dev loss (auto); without dev words it is 6.
    #[arg(long, value_name = "N", value_parser = order, allow_negative_numbers = true)]
    pub order: Option<ChosenOrder>,

    /// How counts become probabilities: kneser-ney, witten-bell, a number or auto [default: kneser-ney]
    ///
    /// A number is added to every count, and auto is the number with the lowest dev loss. A bigram network
    /// takes only a number, for the counting model that it is compared with; there, 1 is the default.
    #[arg(long, value_name = "WAY", value_parser = choice, allow_negative_numbers = true)]
    pub smoothing: Option<Choice>,

    #[command(flatten)]
    pub words: WordArguments,

    #[command(flatten)]
    pub distributed: DistributedArguments,

    /// The percentages of words for training, dev and test [default: bigram 100,0,0; other types 80,10,10]
    ///
    /// Dev is for choosing between models, test for one look at the end. With makemore, the 1,000 test words
    /// of makemore.py are held out, and there is no dev part. With --resume, the split is that of the file.
    #[arg(long, value_name = "TRAIN,DEV,TEST", allow_hyphen_values = true)]
    pub split: Option<Shares>,

    /// A list to use as the dev part, instead of words of --data
    ///
    /// It is read as those are: in the same --columns, by their names in its own first line or by their
    /// numbers, and the same --encoding. Where no line has more than one column, lines are words, and a list
    /// that is UTF-8 is read so.
    #[arg(long, value_name = "FILE")]
    pub dev: Option<PathBuf>,

    /// A list to use as the test part, instead of words of --data, read as that of --dev
    #[arg(long, value_name = "FILE")]
    pub test: Option<PathBuf>,

    /// The seed of all random numbers [default: that of --resume, else 420]
    ///
    /// It is also that of the split, unless --split-seed is given.
    #[arg(long, value_name = "N", value_parser = whole(0..=u64::MAX), allow_negative_numbers = true)]
    pub seed: Option<u64>,

    /// The seed of the split alone [default: that of --seed]
    ///
    /// With it, models with different --seed hold out the same words.
    #[arg(long, value_name = "N", value_parser = whole(0..=u64::MAX), allow_negative_numbers = true)]
    pub split_seed: Option<u64>,

    /// The learning rate, or the highest of one that rises and falls [default: as it suits the type]
    ///
    /// Networks trained on batches have their highest rate between warm-up and fall. The default of a bigram
    /// is 50 for the lecture's names at order 2, else as high as possible without diverging; that of a
    /// wavenet and of --batchnorm is 0.01, that of other networks 0.005 (for lists longer than the
    /// lecture's names less in a wavenet and a transformer, and more in an lstm), and with --preset makemore a
    /// constant 0.0005. The hidden layers of a transformer, which the optimizer Muon updates, get 5 times
    /// this rate, but not with --preset makemore.
    #[arg(long, value_name = "X", value_parser = above_zero, allow_negative_numbers = true)]
    pub lr: Option<f64>,

    /// The file to save the model to [default: makemore.safetensors or makemore-TYPE.safetensors]
    ///
    /// The first is that of a bigram, the second that of other types. With --resume, the default is its
    /// checkpoint.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Overwrite also other files, models of other lists or types, and better models
    ///
    /// Without it, only checkpoints and losses of makemore-tch are overwritten, and of checkpoints those of
    /// the same list and type that are not better.
    #[arg(long)]
    pub force: bool,

    /// Train the network of a checkpoint, or weights of makemore.py, further
    ///
    /// The lecture's network is trained for --epochs more. A network trained on batches goes on from the run
    /// state in FILE.last, as if it had not been interrupted, to --max-steps in all; without FILE.last, a new
    /// training begins with that network.
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,

    /// Draw the losses into a picture, ending in .png or .svg
    ///
    /// Of a network they are those during training, of n-grams the dev loss of each order.
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,

    /// Save the training every so many seconds; a crash loses no more than that [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = above_zero, allow_negative_numbers = true)]
    pub save_every: Option<f64>,

    /// Write the losses as CSV
    ///
    /// Of the lecture's network they are those of every epoch, of other networks those of every evaluation;
    /// with --resume, the file has those before too.
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,

    /// The number of epochs after the warm-up, each one step on all the data [default: 301]
    ///
    /// With --resume it counts further epochs, while --max-steps of other networks counts all steps.
    #[arg(long, value_name = "N", value_parser = whole(0..=MAX_EPOCHS / 2), allow_negative_numbers = true)]
    pub epochs: Option<u64>,

    /// The number of epochs at --warmup-lr before the others [default: 1, with --resume 0]
    #[arg(long, value_name = "N", value_parser = whole(0..=MAX_EPOCHS / 2), allow_negative_numbers = true)]
    pub warmup_epochs: Option<u64>,

    /// The learning rate of the warm-up epochs [default: 0.1]
    #[arg(long, value_name = "X", value_parser = above_zero, allow_negative_numbers = true)]
    pub warmup_lr: Option<f64>,

    /// The factor of mean(W²), which is added to the loss [default: 0]
    #[arg(long, value_name = "X", value_parser = zero_or_more, allow_negative_numbers = true)]
    pub regularization: Option<f64>,

    /// The layout of the training data [default: distinct]
    ///
    /// Loss and gradient are the same, an epoch takes more or less time.
    #[arg(long, value_parser = one_of::<Rows>())]
    pub rows: Option<Rows>,

    /// Print the loss every N epochs [default: 50]
    #[arg(long, value_name = "N", value_parser = whole(1..=u64::MAX), allow_negative_numbers = true)]
    pub log_every: Option<u64>,

    /// The device: cpu, cuda, cuda:N, mps, or auto for the first that works of cuda, mps and cpu [default: cpu]
    ///
    /// Of several processes on a machine (--distributed) each has the next GPU with cuda, and all have the
    /// same with cuda:N.
    #[arg(long)]
    pub device: Option<DeviceRequest>,

    #[command(flatten)]
    pub memory: MemoryArguments,

    #[command(flatten)]
    pub json: JsonArguments,

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
            // Without a slash at the end: `run/` and `run` are the same path.
            events: events.map(|folder| folder.components().as_path()),
            data: lists.map(PathBuf::as_path).collect(),
        }
    }

    /// The options of n-grams on which the losses depend that processes compute together.
    pub fn options_of_ngrams(&self) -> serde_json::Value {
        json!({
            "order": self.order.and_then(|order| order.named()),
            "smoothing": self.smoothing.map(|smoothing| match smoothing {
                Choice::Auto => "auto".to_owned(),
                Choice::Smoothing(smoothing) => smoothing.to_string(),
            }),
            "plot": self.plot.is_some(),
        })
    }

    /// The file of `--resume`, for messages.
    pub fn resumed(&self) -> String {
        let file = self.resume.as_deref();
        file.map_or_else(String::new, |file| file.display().to_string())
    }

    /// The time from one save to the next.
    pub fn save_every(&self) -> Duration {
        Duration::try_from_secs_f64(self.save_every.unwrap_or(60.0)).unwrap_or(Duration::MAX)
    }

    /// Whether the model will give unknown characters a probability.
    pub fn knows_unknown(&self) -> bool {
        self.kind == Some(ModelType::Ngram)
            && match self.smoothing {
                None => true,
                Some(Choice::Smoothing(smoothing)) => smoothing.knows_unknown(),
                Some(Choice::Auto) => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::cli::testing::{check_refusals, refusal};

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
                    "--type gru --n-layer 2",
                    "--n-layer is not of --type gru, but of mlp, transformer",
                ),
                (
                    "--type mlp --n-layer 1024 --n-embd2 16384",
                    "more than 268435456 numbers in one parameter, or four times as many in all",
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
        for layers in ["0", "1025"] {
            let error = refusal(&format!("train --type mlp --n-layer {layers}"), 2);
            assert!(error.contains("--n-layer"), "{error}");
        }
    }
}
