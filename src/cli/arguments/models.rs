//! Arguments that name models.

use std::path::PathBuf;

use clap::Args;

use super::{whole, zero_or_more};

/// What a command makes of several models.
#[derive(Debug, Clone, Copy)]
pub enum Several<'a> {
    /// Their average, by the weights that a flag names, or by those that are best on dev.
    Mixed {
        weights: Option<&'a [f64]>,
        flag: &'static str,
    },
    /// Each for itself, `with` other arguments if these are needed.
    Apart { with: &'static str },
}

/// Arguments that name models, and the weights of their mixture.
#[derive(Debug, Args)]
pub struct ModelArguments {
    #[command(flatten)]
    pub files: ModelFileArguments,

    /// The weight of each --model in the average of several [default: those that are best on dev]
    ///
    /// Dev is the dev part of the list that they were trained on.
    #[arg(long, value_name = "X,X", value_delimiter = ',', value_parser = zero_or_more, requires = "models", allow_negative_numbers = true)]
    pub weights: Option<Vec<f64>>,
}

/// Arguments that name models.
#[derive(Debug, Args)]
pub struct ModelFileArguments {
    /// Use a trained model, an ARPA file or weights of makemore.py instead of counts; may be given several
    /// times
    #[arg(long = "model", value_name = "FILE")]
    pub models: Vec<PathBuf>,

    /// The token that stands for the space in an ARPA file, such as | or ▁
    ///
    /// <space>, <SPACE>, <sp> and <U+0020> always do.
    #[arg(
        long,
        value_name = "TOKEN",
        requires = "models",
        allow_hyphen_values = true
    )]
    pub space_token: Option<String>,

    /// The number of attention heads of makemore.py's weights, whose file does not have it [default: 4]
    #[arg(long, value_name = "N", value_parser = whole(1..=1024_usize), requires = "models", allow_negative_numbers = true)]
    pub n_head: Option<usize>,
}
