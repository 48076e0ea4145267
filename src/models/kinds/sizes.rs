//! The sizes of a network.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::data::words::LONGEST_WORD;
use crate::error::{Error, Result};

/// The sizes of a network, under makemore.py's names. Each kind uses some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sizes {
    /// The number of tokens that the network looks back.
    pub block_size: usize,
    /// The size of an embedding.
    pub n_embd: usize,
    /// The size of a hidden layer or a state.
    pub n_embd2: usize,
    /// The number of layers of a transformer.
    pub n_layer: usize,
    /// The number of attention heads.
    pub n_head: usize,
    /// The normalisation of a transformer.
    #[serde(default, skip_serializing_if = "is_default")]
    pub norm: Norm,
    /// The encoding of positions in a transformer.
    #[serde(default, skip_serializing_if = "is_default")]
    pub positions: Positions,
    /// The number of hidden layers of an MLP. A checkpoint does not name makemore.py's, which is 1; and
    /// always names `n_layer`, whatever its kind.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub hidden_layers: usize,
    /// [Batch normalisation](crate::models::layers::batch_norm) of an MLP's hidden layers, as in lecture
    /// 3.
    #[serde(default, skip_serializing_if = "is_default")]
    pub batchnorm: bool,
}

/// The normalisation of a transformer. A checkpoint does not name makemore.py's, the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// `torch.nn.LayerNorm`, as in makemore.py.
    #[default]
    Layer,
    /// `torch.nn.RMSNorm`.
    Rms,
}

/// The encoding of positions in a transformer. A checkpoint does not name makemore.py's, the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Positions {
    /// An embedding of each position is added to that of the character, as in makemore.py.
    #[default]
    Learned,
    /// Queries and keys are rotated by their positions, see
    /// [`Rotation`](crate::models::layers::rotary::Rotation).
    Rotary,
}

fn one() -> usize {
    1
}

fn is_one(number: &usize) -> bool {
    *number == 1
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for Sizes {
    /// makemore.py's defaults.
    fn default() -> Self {
        Self {
            block_size: 16,
            n_embd: 64,
            n_embd2: 64,
            n_layer: 4,
            n_head: 4,
            norm: Norm::Layer,
            positions: Positions::Learned,
            hidden_layers: 1,
            batchnorm: false,
        }
    }
}

/// The largest size of a layer.
const WIDEST: usize = 1 << 14;

/// The most layers, and the most heads.
const MOST_LAYERS: usize = 1 << 10;

/// The most numbers of one parameter: 1 GB of them.
const MOST_NUMBERS: usize = 1 << 28;

/// The sizes that a user may choose: name, range, value.
const TABLE: [ChosenSize; 7] = [
    ("block_size", 1..=LONGEST_WORD + 1, |sizes| sizes.block_size),
    ("n_embd", 1..=WIDEST, |sizes| sizes.n_embd),
    ("n_embd2", 1..=WIDEST, |sizes| sizes.n_embd2),
    ("n_layer", 1..=MOST_LAYERS, |sizes| sizes.n_layer),
    ("n_head", 1..=MOST_LAYERS, |sizes| sizes.n_head),
    ("hidden_layers", 1..=MOST_LAYERS, |sizes| {
        sizes.hidden_layers
    }),
    ("batchnorm", 0..=1, |sizes| sizes.batchnorm.into()),
];

type ChosenSize = (&'static str, RangeInclusive<usize>, fn(&Sizes) -> usize);

impl Sizes {
    /// Checks that each size is in its range, and that a network for `v` characters is not too large.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] names the first size that is out of range.
    pub(crate) fn check(&self, v: usize) -> Result<()> {
        for (name, range, value) in TABLE {
            let value = value(self);
            if !range.contains(&value) {
                return Err(Error::Value {
                    what: name,
                    value: format!("{value}, not from {} to {}", range.start(), range.end()),
                    expected: "one in that range would work",
                });
            }
        }
        let largest = self.widest() * 4;
        let rows = self.block_size.max(v + 1).max(largest);
        check_numbers(rows * largest)?;
        // A block of a transformer has about 12 C² numbers.
        check_numbers(self.n_layer * 3 * self.n_embd * self.n_embd)
    }

    /// The larger of `n_embd` and `n_embd2`.
    pub fn widest(&self) -> usize {
        self.n_embd.max(self.n_embd2)
    }

    /// `block_size`, as a dimension of a tensor.
    pub fn block_size(&self) -> i64 {
        self.block_size as i64
    }

    /// `n_embd`, as a dimension of a tensor.
    pub fn n_embd(&self) -> i64 {
        self.n_embd as i64
    }

    /// `n_embd2`, as a dimension of a tensor.
    pub fn n_embd2(&self) -> i64 {
        self.n_embd2 as i64
    }

    /// `n_head`, as a dimension of a tensor.
    pub fn n_head(&self) -> i64 {
        self.n_head as i64
    }
}

/// Refuses a parameter of too many numbers.
pub(super) fn check_numbers(numbers: usize) -> Result<()> {
    match numbers <= MOST_NUMBERS {
        true => Ok(()),
        false => Err(Error::Value {
            what: "the size of the network",
            value: "more than 268435456 numbers in one parameter, or four times as many in all"
                .to_owned(),
            expected: "smaller embeddings, hidden layers or blocks would work",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::kinds::KINDS;
    use crate::models::kinds::kind::Preset;

    /// A checkpoint has only the sizes that a kind lists.
    #[test]
    fn every_size_that_follows_from_the_list_is_saved() {
        for kind in KINDS {
            for preset in [Preset::NAMES, Preset::Makemore] {
                let [short, long] = [3, 90].map(|longest| kind.default_sizes(longest, preset));
                for (name, _, value) in TABLE {
                    let is_saved = kind.sizes().contains(&name);
                    assert!(
                        is_saved || value(&short) == value(&long),
                        "{kind:?}: {name}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_kind_has_sizes_of_the_table() {
        let written = serde_json::to_value(Sizes {
            hidden_layers: 2,
            batchnorm: true,
            ..Sizes::default()
        });
        let written = written.unwrap();
        for name in KINDS.iter().flat_map(|kind| kind.sizes()) {
            assert!(TABLE.iter().any(|(known, ..)| known == name), "{name}");
            assert!(written.get(name).is_some(), "{name}");
        }
    }
}
