//! The arguments of `train` for makemore.py's networks and lecture 5's.

use clap::Args;
use makemore_tch::models::Shaping;
use makemore_tch::sample::SampleOptions;

use super::{above_zero, below_one, whole, zero_or_more};

/// The largest size that the user may choose.
const MOST: usize = 1 << 14;

/// Arguments of networks trained on batches of words.
#[derive(Debug, Args)]
pub struct WordArguments {
    /// The number of layers [default: 4; mlp 1]
    ///
    /// In an mlp they are hidden layers, each of --n-embd2 units. With --batchnorm, 5 of them are lecture 3's deep
    /// network, but for its last layer, which we do not normalise.
    #[arg(long, value_name = "N", value_parser = whole(1..=1024_usize), allow_negative_numbers = true)]
    pub n_layer: Option<usize>,

    /// The number of attention heads [default: 4]
    #[arg(long, value_name = "N", value_parser = whole(1..=1024_usize), allow_negative_numbers = true)]
    pub n_head: Option<usize>,

    /// The size of an embedding [default: 64; wavenet 24]
    #[arg(long, value_name = "N", value_parser = whole(1..=MOST), allow_negative_numbers = true)]
    pub n_embd: Option<usize>,

    /// The size of a hidden layer or a state [default: 64; wavenet 128; gru 384; lstm 256]
    ///
    /// With --preset makemore it is 64 in a gru and an lstm too.
    #[arg(long, value_name = "N", value_parser = whole(1..=MOST), allow_negative_numbers = true)]
    pub n_embd2: Option<usize>,

    /// The number of characters that a network looks back [default: those of the longest word; wavenet 8]
    ///
    /// This is the block size. The start token is counted, so that it is 3 in lecture 2, and by default the length
    /// of the longest word plus one. Of a longer word the network sees the last characters. A wavenet takes 2, 4, 8,
    /// 16, 32 or 64.
    #[arg(long, value_name = "N", value_parser = whole(1..=MOST), allow_negative_numbers = true)]
    pub block_size: Option<usize>,

    /// Normalise the hidden layers over each batch, as in lecture 3
    ///
    /// A wavenet always has batch normalisation. Networks that have it are trained on one thread.
    #[arg(long)]
    pub batchnorm: bool,

    /// The number of words in a batch [default: 128; with --preset makemore 32]
    #[arg(long, value_name = "N", value_parser = whole(1..=1_usize << 20), allow_negative_numbers = true)]
    pub batch_size: Option<usize>,

    /// The probability that dropout sets a number to 0 in training [default: as it suits the type]
    ///
    /// Dropout is before the last layer, in an mlp after every hidden layer, or in a transformer in every block. For the lecture's names the default is
    /// 0.35 in a gru and an lstm and 0.1 in a transformer, more for fewer characters and less for more; in other
    /// types, and with --preset makemore, it is 0.
    #[arg(long, value_name = "X", value_parser = below_one, allow_negative_numbers = true)]
    pub dropout: Option<f64>,

    /// The weight decay [default: 0.05; transformer 0.1; with --preset makemore 0.01]
    ///
    /// Each step subtracts this share of the weights, times the learning rate. Where a type has no dropout, the default
    /// is more for fewer characters than the lecture's names have, up to 4.
    #[arg(long, value_name = "X", value_parser = zero_or_more, allow_negative_numbers = true)]
    pub weight_decay: Option<f64>,

    /// The number of steps in all [default: for the lecture's names 2000, gru 1400, transformer 4000]
    ///
    /// With --resume, it includes those already made. The default is lower for fewer characters and higher for more,
    /// 10000 with --preset makemore, and with --minutes there is none.
    ///
    /// The learning rate falls to 0 over these steps, unless --preset makemore keeps it constant. A finished training
    /// that is resumed with a larger --max-steps therefore gives another network than one that has the larger number
    /// from the start.
    #[arg(long, value_name = "N", value_parser = whole(1..=u64::MAX / 2), allow_negative_numbers = true)]
    pub max_steps: Option<u64>,

    /// Train for so many minutes in all
    ///
    /// With --resume, they include the time already taken. A falling learning rate falls to 0 in this time.
    #[arg(long, value_name = "X", value_parser = above_zero, allow_negative_numbers = true)]
    pub minutes: Option<f64>,

    /// Evaluate on dev every N steps, and save the best network [default: 100, at first more often]
    ///
    /// The best network is that with the lowest dev loss so far; without a dev part, it is saved each time. In short
    /// trainings the default is a tenth of the steps, and it begins with steps 10, 20, 40 and so on.
    #[arg(long, value_name = "N", value_parser = whole(1..=u64::MAX), allow_negative_numbers = true)]
    pub eval_every: Option<u64>,

    /// End the training after N evaluations in a row without a lower dev loss [default: a quarter of all]
    ///
    /// The default is at least 10; with --minutes or --preset makemore no training is ended so.
    #[arg(long, value_name = "N", value_parser = whole(1..=u64::MAX), allow_negative_numbers = true)]
    pub patience: Option<u64>,

    /// Train as makemore.py does
    ///
    /// That is in batches of 32, at a constant learning rate of 0.0005, by AdamW for all parameters, and a
    /// transformer has layer norm and learned positions.
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
