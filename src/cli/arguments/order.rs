//! The length of n-grams, as the user chooses it.

use anyhow::Context as _;
use makemore_tch::counting::MAX_ORDER;

use super::whole;

/// The length of n-grams.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ChosenOrder {
    /// The one that predicts words best which were not learned.
    Auto,
    Of(usize),
}

impl ChosenOrder {
    /// The length, if it is named.
    pub fn named(self) -> Option<usize> {
        match self {
            Self::Auto => None,
            Self::Of(order) => Some(order),
        }
    }

    /// The length for a network of n-grams.
    pub fn of_network(self) -> anyhow::Result<usize> {
        let named = self.named();
        named.context("--order auto is of --type ngram; a number would work")
    }
}

pub fn order(text: &str) -> Result<ChosenOrder, String> {
    if text == "auto" {
        return Ok(ChosenOrder::Auto);
    }
    let named = whole(1..=MAX_ORDER)(text).map(ChosenOrder::Of);
    named.map_err(|fault| format!("auto or {fault}"))
}
