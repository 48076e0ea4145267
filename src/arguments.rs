//! The command line: what every command shares. Each command's own arguments are in its file.

use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum};
use makemore_tch::words::BOUNDARY;
use makemore_tch::{Checkpoint, Rows, Source};

use crate::commands::Command;

/// Learn from a list of words which character follows which, and make more words like them.
///
/// Karpathy's makemore bigram lecture on libtorch. Without --data, the lecture's 32,033 names are
/// the list.
#[derive(Debug, Parser)]
#[command(
    version,
    infer_subcommands = true,
    after_help = "\
Examples:
  makemore-tch sample                      five names with the lecture's seed
  makemore-tch train                       train the network, as in the lecture
  makemore-tch sample --data towns.txt     words like those of your own list
  makemore-tch heatmap out.png             which character follows which, as a picture
  makemore-tch lecture                     every figure of the lecture beside ours"
)]
pub struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub command: Command,

    /// Say nothing on standard error but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// Threads that libtorch computes with [default: 1 for small matrices, else all processors]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

/// Which words.
#[derive(Debug, Args)]
pub struct DataArguments {
    /// A list of words, one a line, in UTF-8, plain or compressed by gzip or zstd; may be given
    /// several times; - is standard input [default: the lecture's names]
    #[arg(long, value_name = "FILE")]
    pub data: Vec<PathBuf>,

    /// The character that marks where words begin and end; no word may have it [default: .]
    #[arg(long, value_name = "CHAR", value_parser = boundary)]
    pub boundary: Option<char>,
}

impl DataArguments {
    /// Where the words are, for a model where there is one: it has a boundary already.
    pub fn source(&self, model: Option<&Checkpoint>) -> Source {
        let learned = model.map(|checkpoint| checkpoint.network.vocabulary().boundary());
        let boundary = self.boundary.or(learned).unwrap_or(BOUNDARY);
        if self.data.is_empty() {
            return Source::lecture(boundary);
        }
        Source::files(self.data.clone(), boundary)
    }
}

/// How bigrams that were never seen are counted.
#[derive(Debug, Args)]
pub struct SmoothingArguments {
    /// Added to every count before normalising; 0 makes what was never seen impossible
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = zero_or_more, allow_negative_numbers = true)]
    pub smoothing: f64,
}

/// Whether the result is JSON.
#[derive(Debug, Args)]
pub struct JsonArguments {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// How training data is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RowsName {
    /// Each distinct bigram is a row, weighted by its count
    Distinct,
    /// Every bigram is a row, as in the lecture
    All,
}

impl From<RowsName> for Rows {
    fn from(name: RowsName) -> Self {
        match name {
            RowsName::All => Rows::All,
            RowsName::Distinct => Rows::Distinct,
        }
    }
}

fn boundary(text: &str) -> Result<char, String> {
    match text.parse::<char>() {
        Ok(boundary) if !boundary.is_control() => Ok(boundary),
        _ => Err("one character that is no control character would work, such as $".to_owned()),
    }
}

/// Parses a whole number from 0.
pub fn whole(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("a whole number from 0 to {} would work", u64::MAX))
}

/// Parses a finite number from 0.
pub fn zero_or_more(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("a number from 0 would work".to_owned()),
    }
}

/// Parses a finite number above 0.
pub fn above_zero(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("a number above 0 would work".to_owned()),
    }
}
