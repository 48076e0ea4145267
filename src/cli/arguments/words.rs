//! The arguments of `train` for makemore.py's networks and lecture 5's.

use clap::Args;
use makemore_tch::models::Shaping;
use makemore_tch::sample::SampleOptions;

use super::{above_zero, below_one, whole, zero_or_more};

/// The largest size that the user may choose.
const MOST: usize = 1 << 14;

/// Arguments of networks trained on batches of words.
#[derive(Debug, Args)]
#[command(next_help_heading = "Networks of makemore.py and lecture 5")]
pub struct WordArguments {
    /// The number of layers of a transformer [default: 4]
    #[arg(long, value_name = "N", value_parser = whole(1..=1024_usize), allow_negative_numbers = true)]
    pub n_layer: Option<usize>,

    /// The number of attention heads of a transformer [default: 4]
    #[arg(long, value_name = "N", value_parser = whole(1..=1024_usize), allow_negative_numbers = true)]
    pub n_head: Option<usize>,

    /// The size of an embedding [default: 64; wavenet 24]
    #[arg(long, value_name = "N", value_parser = whole(1..=MOST), allow_negative_numbers = true)]
    pub n_embd: Option<usize>,

    /// The size of a hidden layer or a state [default: 64; wavenet 128; without --preset, gru 384 and
    /// lstm 256]
    #[arg(long, value_name = "N", value_parser = whole(1..=MOST), allow_negative_numbers = true)]
    pub n_embd2: Option<usize>,

    /// The block size: the number of characters that a network looks back, the start token included; 3 in
    /// lecture 2. Of a longer word it sees the last ones. A wavenet takes 2, 4, 8, 16, 32 or 64
    /// [default: the length of the longest word plus one; wavenet 8]
    #[arg(long, value_name = "N", value_parser = whole(1..=MOST), allow_negative_numbers = true)]
    pub block_size: Option<usize>,

    /// Normalise the hidden layer of an mlp over each batch, as in lecture 3. A wavenet always has batch
    /// normalisation. Networks that have it are trained on one thread
    #[arg(long)]
    pub batchnorm: bool,

    /// The number of words in a batch [default: 128; with --preset makemore 32]
    #[arg(long, value_name = "N", value_parser = whole(1..=1_usize << 20), allow_negative_numbers = true)]
    pub batch_size: Option<usize>,

    /// The probability that dropout sets a number to 0 in training: before the last layer, or in a
    /// transformer in every block [default: for the lecture's names gru and lstm 0.35, transformer 0.1;
    /// more for fewer characters, less for more; other types, and with --preset makemore, 0]
    #[arg(long, value_name = "X", value_parser = below_one, allow_negative_numbers = true)]
    pub dropout: Option<f64>,

    /// The weight decay: each step subtracts this share of the weights, times the learning rate
    /// [default: 0.05; transformer 0.1; with --preset makemore 0.01]
    #[arg(long, value_name = "X", value_parser = zero_or_more, allow_negative_numbers = true)]
    pub weight_decay: Option<f64>,

    /// The number of steps in all; with --resume, it includes those already made [default: for the
    /// lecture's names 2000, gru 1400, transformer 4000; fewer for fewer characters, more for more; with
    /// --preset makemore 10000; with --minutes not limited]
    ///
    /// The learning rate falls to 0 over these steps, unless --preset makemore keeps it constant. A
    /// finished training that is resumed with a larger --max-steps therefore gives another network than
    /// one that has the larger number from the start.
    #[arg(long, value_name = "N", value_parser = whole(1..=u64::MAX / 2), allow_negative_numbers = true)]
    pub max_steps: Option<u64>,

    /// Train for so many minutes in all; with --resume, they include the time already taken. A falling
    /// learning rate falls to 0 in this time
    #[arg(long, value_name = "X", value_parser = above_zero, allow_negative_numbers = true)]
    pub minutes: Option<f64>,

    /// Evaluate on dev every N steps, and save the network if it has the lowest loss so far; without a dev
    /// part, save it each time [default: 100, in short trainings a tenth of the steps, and at first steps
    /// 10, 20, 40 and so on]
    #[arg(long, value_name = "N", value_parser = whole(1..=u64::MAX), allow_negative_numbers = true)]
    pub eval_every: Option<u64>,

    /// End the training after N evaluations in a row without a lower dev loss [default: a quarter of all
    /// evaluations, at least 10; with --minutes or --preset makemore never]
    #[arg(long, value_name = "N", value_parser = whole(1..=u64::MAX), allow_negative_numbers = true)]
    pub patience: Option<u64>,

    /// Train as makemore.py does: batches of 32, a constant learning rate of 0.0005, AdamW for all
    /// parameters, and a transformer with layer norm and learned positions
    #[arg(long, value_parser = ["makemore"])]
    pub preset: Option<String>,

    /// For the names that are printed at the end, draw only from the N most probable characters
    #[arg(long, value_name = "N", value_parser = whole(1..=usize::MAX), allow_negative_numbers = true)]
    pub top_k: Option<usize>,

    /// Write the losses into this folder for TensorBoard
    #[arg(long, value_name = "FOLDER")]
    pub tensorboard: Option<std::path::PathBuf>,
}

impl WordArguments {
    /// The options for drawing the names that are printed at the end.
    pub fn of_names(&self) -> SampleOptions {
        SampleOptions {
            shaping: Shaping {
                top_k: self.top_k,
                ..Shaping::default()
            },
            ..SampleOptions::default()
        }
    }

    /// The limit of `--minutes`, in seconds.
    pub fn seconds(&self) -> Option<f64> {
        self.minutes.map(|minutes| 60.0 * minutes)
    }

    /// Whether training has makemore.py's settings.
    pub fn has_preset(&self) -> bool {
        self.preset.is_some()
    }
}
