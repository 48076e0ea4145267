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
    Bigram {},
}
