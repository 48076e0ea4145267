//! What changes the distributions that characters are drawn from.

use anyhow::anyhow;
use clap::Args;
use makemore_tch::Error;
use makemore_tch::models::Shaping;

use super::{share, whole, zero_or_more};

/// Arguments that change distributions before characters are drawn.
#[derive(Debug, Args)]
pub struct ShapingArguments {
    /// The temperature: below 1, probable characters are drawn more often; above 1, improbable ones
    ///
    /// At 0 the most probable character is drawn each time.
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = zero_or_more, allow_negative_numbers = true)]
    temperature: f64,

    /// Draw only from the N most probable characters
    #[arg(long, value_name = "N", value_parser = whole(1..=usize::MAX), allow_negative_numbers = true)]
    top_k: Option<usize>,

    /// Draw only from the fewest most probable characters that add up to X, such as 0.9
    #[arg(long, value_name = "X", value_parser = share, allow_negative_numbers = true)]
    top_p: Option<f64>,
}

impl ShapingArguments {
    pub fn shaping(&self) -> Shaping {
        Shaping {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
        }
    }

    /// An error of drawing, with what would work where every draw is the same word.
    pub fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let (only, above) = match (self.temperature == 0.0, self.top_k == Some(1)) {
            (true, true) => (
                "--temperature 0 and at --top-k 1",
                "a --temperature above 0 with a --top-k above 1",
            ),
            (true, false) => ("--temperature 0", "a --temperature above 0"),
            (false, true) => ("--top-k 1", "a --top-k above 1"),
            (false, false) => return error,
        };
        match error.downcast_ref() {
            Some(Error::GaveUp { .. } | Error::Wish(_)) => anyhow!(
                "{error:#}; only one word is drawn at {only}, so that {above}, or --most-probable, would work"
            ),
            _ => error,
        }
    }
}
