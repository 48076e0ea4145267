//! What a user is shown while models are tried.

use std::fmt;

use serde::Serialize;

/// Shows what is tried.
pub trait Report {
    /// Shows what was tried.
    fn tried(&mut self, tried: &Tried);

    /// Shows the share of all steps of networks that is done, from 0 to 1.
    fn progress(&mut self, done: f64);

    /// Whether no more networks are trained, so that what is best without them draws.
    fn stops(&self) -> bool;
}

/// Shows nothing.
#[derive(Debug)]
pub struct Silent;

impl Report for Silent {
    fn tried(&mut self, _: &Tried) {}

    fn progress(&mut self, _: f64) {}

    fn stops(&self) -> bool {
        false
    }
}

/// A model that was tried, by its best setting.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tried {
    /// The model and its setting, such as `ngram, order 4`.
    pub name: String,
    /// The loss on the held-out words, in nats per character.
    pub loss: f64,
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:<27} {:.4} nats per character", self.name, self.loss)
    }
}
