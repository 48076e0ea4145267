//! The kinds of networks.

use serde::{Deserialize, Serialize};

/// A kind of network, with what it takes to make one beside its vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "model",
    content = "config",
    rename_all = "kebab-case",
    deny_unknown_fields
)]
pub enum Config {
    /// [`Bigram`](super::Bigram).
    Bigram {
        /// The length of the n-grams that it learns.
        #[serde(default = "two", skip_serializing_if = "is_two")]
        order: usize,
    },
}

/// The order of the lecture, which is not written down.
fn two() -> usize {
    2
}

fn is_two(order: &usize) -> bool {
    *order == 2
}
