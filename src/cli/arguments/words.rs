//! The arguments of `train` for makemore.py's networks and lecture 5's.

use clap::Args;
use makemore_tch::models::Shaping;
use makemore_tch::sample::SampleOptions;

use super::{above_zero, below_one, whole, zero_or_more};

/// The largest size that may be asked for.
const MOST: usize = 1 << 14;

/// Arguments of networks that learn from batches of words.
#[derive(Debug, Args)]
#[command(next_help_heading = "Networks of makemore.py and lecture 5")]
pub struct WordArguments {
    /// How many layers a transformer has [default: 4]
    #[arg(long, value_name = "N", value_parser = whole(1..=1024_usize), allow_negative_numbers = true)]
    pub n_layer: Option<usize>,

    /// How many heads its attention has [default: 4]
    #[arg(long, value_name = "N", value_parser = whole(1..=1024_usize), allow_negative_numbers = true)]
    pub n_head: Option<usize>,

    /// The size of an embedding [default: 64, of a wavenet 24]
    #[arg(long, value_name = "N", value_parser = whole(1..=MOST), allow_negative_numbers = true)]
    pub n_embd: Option<usize>,

    /// The size of a hidden layer or a state [default: 64, of a wavenet 128; without --preset, of a gru
    /// 384 and of an lstm 256]
    #[arg(long, value_name = "N", value_parser = whole(1..=MOST), allow_negative_numbers = true)]
    pub n_embd2: Option<usize>,

    /// How many characters back a network looks, the start token among them; of a wavenet 2, 4, 8, 16,
    /// 32 or 64, however long words are [default: as many as the longest word has, and one; of a
    /// wavenet 8]
    #[arg(long, value_name = "N", value_parser = whole(1..=MOST), allow_negative_numbers = true)]
    pub block_size: Option<usize>,

    /// Normalise the hidden layer of an mlp over each batch, as in lecture 3. With it training takes one
    /// thread, as that of a wavenet does, which has it in any case
    #[arg(long)]
    pub batchnorm: bool,

    /// How many words a step learns from [default: 128; with --preset makemore 32]
    #[arg(long, value_name = "N", value_parser = whole(1..=1_usize << 20), allow_negative_numbers = true)]
    pub batch_size: Option<usize>,

    /// What share of its numbers a network leaves out in each step: before the last layer, of a
    /// transformer in every block [default: 0.35 of a gru or lstm, 0.1 of a transformer; of others
    /// and with --preset makemore 0]
    #[arg(long, value_name = "X", value_parser = below_one, allow_negative_numbers = true)]
    pub dropout: Option<f64>,

    /// What weights lose at each step, times the learning rate [default: 0.05, of a transformer
    /// 0.1; with --preset makemore 0.01]
    #[arg(long, value_name = "X", value_parser = zero_or_more, allow_negative_numbers = true)]
    pub weight_decay: Option<f64>,

    /// How many steps, with --resume those before included; a falling learning rate falls to its end
    /// in these steps, so that a finished training that is prolonged is not that of more steps from
    /// the beginning [default: 2000, of a gru 1400, of a
    /// transformer 4000; with --preset makemore 10000; with --minutes as many as there is time for]
    #[arg(long, value_name = "N", value_parser = whole(1..=u64::MAX / 2), allow_negative_numbers = true)]
    pub max_steps: Option<u64>,

    /// Train for so long; the learning rate comes down in that time
    #[arg(long, value_name = "X", value_parser = above_zero, allow_negative_numbers = true)]
    pub minutes: Option<f64>,

    /// Evaluate on dev every so many steps; the best is kept [default: 100]
    #[arg(long, value_name = "N", value_parser = whole(1..=u64::MAX), allow_negative_numbers = true)]
    pub eval_every: Option<u64>,

    /// Train as makemore.py does: batches of 32, a constant learning rate of 0.0005, AdamW for all
    /// parameters, and a transformer with layer norm and learned positions
    #[arg(long, value_parser = ["makemore"])]
    pub preset: Option<String>,

    /// Draw the names at the end only from so many of the most probable characters
    #[arg(long, value_name = "N", value_parser = whole(1..=usize::MAX), allow_negative_numbers = true)]
    pub top_k: Option<usize>,

    /// Write the losses into this folder for TensorBoard
    #[arg(long, value_name = "FOLDER")]
    pub tensorboard: Option<std::path::PathBuf>,
}

impl WordArguments {
    /// How the names at the end are drawn.
    pub fn of_names(&self) -> SampleOptions {
        SampleOptions {
            shaping: Shaping {
                top_k: self.top_k,
                ..Shaping::default()
            },
            ..SampleOptions::default()
        }
    }

    /// How long training takes, in seconds.
    pub fn seconds(&self) -> Option<f64> {
        self.minutes.map(|minutes| 60.0 * minutes)
    }

    /// Whether makemore.py's settings are taken.
    pub fn has_preset(&self) -> bool {
        self.preset.is_some()
    }
}
