//! The kinds of smoothing, by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A way to estimate probabilities from counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Smoothing {
    /// [`kneser_ney`](super::kneser_ney).
    KneserNey,
    /// [`witten_bell`](super::witten_bell).
    WittenBell,
    /// [`additive`](super::additive): a number is added to every count.
    Additive(f64),
}

impl Smoothing {
    /// Whether models give unknown characters a probability.
    pub fn knows_unknown(self) -> bool {
        self == Self::KneserNey
    }

    /// The unit of a model's stored backoffs, for a vocabulary of `v`. Additive models store the
    /// probability of a character that never followed a context, which is the backoff times `1 / V`,
    /// the probability of every character after a shorter context.
    pub(crate) fn backoff_unit(self, v: usize) -> f64 {
        match self {
            Self::Additive(added) if added > 0.0 => f64::from((1.0 / v as f64) as f32),
            _ => 1.0,
        }
    }
}

impl FromStr for Smoothing {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "kneser-ney" => return Ok(Self::KneserNey),
            "witten-bell" => return Ok(Self::WittenBell),
            _ => {}
        }
        match text.parse::<f64>() {
            Ok(added) if added.is_finite() && added >= 0.0 => Ok(Self::Additive(added)),
            _ => Err(Error::Value {
                what: "the smoothing",
                value: text.to_owned(),
                expected: "kneser-ney, witten-bell or a number from 0 would work",
            }),
        }
    }
}

impl fmt::Display for Smoothing {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::KneserNey => f.write_str("kneser-ney"),
            Self::WittenBell => f.write_str("witten-bell"),
            Self::Additive(added) => added.fmt(f),
        }
    }
}
