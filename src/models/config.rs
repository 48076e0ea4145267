//! The kinds of networks.

use serde::{Deserialize, Serialize};

use crate::data::words::LONGEST_WORD;
use crate::error::{Error, Result};

/// A kind of network, with what it takes to make one beside its vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "model",
    content = "config",
    rename_all = "kebab-case",
    deny_unknown_fields
)]
pub enum Config {
    /// [`Lookup`](super::lookup::Lookup), which has no sizes.
    Lookup {},
    /// [`Mlp`](super::mlp::Mlp).
    Mlp(Sizes),
    /// [`Bow`](super::bow::Bow).
    Bow(Sizes),
    /// A plain [`Rnn`](super::rnn::Rnn).
    Rnn(Sizes),
    /// An [`Rnn`](super::rnn::Rnn) with gates.
    Gru(Sizes),
    /// [`Lstm`](super::rnn::Lstm).
    Lstm(Sizes),
    /// [`Transformer`](super::transformer::Transformer).
    Transformer(Sizes),
    /// [`Wavenet`](super::wavenet::Wavenet).
    Wavenet(Sizes),
}

/// How large a network of makemore.py is; each kind has those that it has there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sizes {
    /// How many tokens back it looks.
    pub block_size: usize,
    /// The size of an embedding.
    pub n_embd: usize,
    /// The size of a hidden layer or a state.
    pub n_embd2: usize,
    /// How many layers a transformer has.
    pub n_layer: usize,
    /// How many heads its attention has.
    pub n_head: usize,
    /// What keeps a transformer's numbers in range.
    #[serde(default, skip_serializing_if = "Norm::is_makemores")]
    pub norm: Norm,
    /// How a transformer knows where a character stands.
    #[serde(default, skip_serializing_if = "Positions::is_makemores")]
    pub positions: Positions,
    /// Whether the hidden layer of an MLP has [batch normalisation](super::layers::batch_norm), as
    /// in lecture 3.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub batchnorm: bool,
}

/// What keeps a transformer's numbers in range; makemore.py's is not written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// [`LayerNorm`](super::norm::LayerNorm), makemore.py's.
    #[default]
    Layer,
    /// [`RmsNorm`](super::norm::RmsNorm).
    Rms,
}

impl Norm {
    fn is_makemores(&self) -> bool {
        *self == Self::default()
    }
}

/// How a transformer knows where a character stands; makemore.py's way is not written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Positions {
    /// An embedding of each position is added to that of the character, as in makemore.py.
    #[default]
    Learned,
    /// Queries and keys are turned by their positions, see [`Rotation`](super::rotary::Rotation).
    Rotary,
}

impl Positions {
    fn is_makemores(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Sizes {
    /// makemore.py's, for its names.
    fn default() -> Self {
        Self {
            block_size: 16,
            n_embd: 64,
            n_embd2: 64,
            n_layer: 4,
            n_head: 4,
            norm: Norm::Layer,
            positions: Positions::Learned,
            batchnorm: false,
        }
    }
}

/// The largest size of a layer.
const MOST: usize = 1 << 14;

/// The longest block whose characters are joined two by two.
const MOST_JOINED: usize = 64;

/// The most layers and heads.
const MOST_LAYERS: usize = 1 << 10;

/// The most numbers of one parameter: 1 GB of them.
const MOST_NUMBERS: usize = 1 << 28;

impl Config {
    /// What the kind is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Lookup {} => "lookup",
            Self::Mlp(_) => "mlp",
            Self::Bow(_) => "bow",
            Self::Rnn(_) => "rnn",
            Self::Gru(_) => "gru",
            Self::Lstm(_) => "lstm",
            Self::Transformer(_) => "transformer",
            Self::Wavenet(_) => "wavenet",
        }
    }

    /// How many tokens back a network looks.
    pub(super) fn block_size(&self) -> usize {
        self.sizes().map_or(1, |sizes| sizes.block_size)
    }

    /// Its sizes, if it has some.
    fn sizes(&self) -> Option<&Sizes> {
        match self {
            Self::Lookup {} => None,
            Self::Mlp(sizes)
            | Self::Bow(sizes)
            | Self::Rnn(sizes)
            | Self::Gru(sizes)
            | Self::Lstm(sizes)
            | Self::Transformer(sizes)
            | Self::Wavenet(sizes) => Some(sizes),
        }
    }

    /// Whether words may be longer than the block: what follows depends on the last characters alone,
    /// wherever in a word they are.
    pub fn takes_longer_words(&self) -> bool {
        match self {
            Self::Lookup {} | Self::Wavenet(_) => true,
            Self::Mlp(_)
            | Self::Bow(_)
            | Self::Rnn(_)
            | Self::Gru(_)
            | Self::Lstm(_)
            | Self::Transformer(_) => false,
        }
    }

    /// Whether it has batch normalisation.
    pub fn has_batchnorm(&self) -> bool {
        match self {
            Self::Mlp(sizes) => sizes.batchnorm,
            Self::Wavenet(_) => true,
            _ => false,
        }
    }

    /// About how many bytes a step of training keeps for a batch with words of such lengths, with
    /// their start tokens, of a vocabulary of `v` characters. Most networks compute words padded to the
    /// longest.
    pub fn step_bytes(&self, v: usize, lengths: impl Iterator<Item = usize>) -> u64 {
        let (words, sum, longest) = lengths.fold((0, 0, 0), |(words, sum, longest), length| {
            (words + 1, sum + length as u64, longest.max(length as u64))
        });
        let padded = words * longest;
        // As measured: the states between its operations, and their gradients.
        let (tokens, numbers) = match self {
            Self::Lookup {} => (sum, 0),
            Self::Mlp(sizes) | Self::Rnn(sizes) | Self::Gru(sizes) => (sum, 26 * sizes.widest()),
            Self::Bow(sizes) | Self::Lstm(sizes) => (padded, 26 * sizes.widest()),
            Self::Transformer(sizes) => (padded, 32 * sizes.n_layer * sizes.n_embd),
            Self::Wavenet(sizes) => (sum, 10 * sizes.block_size * sizes.widest()),
        };
        // The logits, their logarithms, and the gradients of both.
        4 * tokens * (numbers + 4 * v) as u64
    }

    /// How many matrices of hidden layers a parameter has, one below the other; 0 for one that is
    /// something else.
    ///
    /// These are what [`Muon`](crate::train::muon::Muon) may move: they take numbers of a layer to
    /// numbers of a layer, which embeddings, biases and the last layer do not.
    pub fn hidden_matrices(&self, parameter: &str) -> i64 {
        let of_block = match self {
            Self::Transformer(_) => parameter.strip_prefix("transformer.h."),
            _ => None,
        };
        match of_block.and_then(|name| name.split_once('.')) {
            // Queries, keys, values.
            Some((_, "attn.c_attn.weight")) => 3,
            Some((_, "attn.c_proj.weight" | "mlp.c_fc.weight" | "mlp.c_proj.weight")) => 1,
            _ => 0,
        }
    }

    /// Finds out whether a network of a vocabulary of `v` characters can have its sizes.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] names the first that is out of range.
    pub(super) fn check(&self, v: usize) -> Result<()> {
        match self {
            Self::Transformer(sizes) if !sizes.n_embd.is_multiple_of(sizes.n_head.max(1)) => {
                Err(Error::Value {
                    what: "the size of an embedding",
                    value: format!("{}, for {} heads", sizes.n_embd, sizes.n_head),
                    expected: "a multiple of the number of heads would work",
                })
            }
            Self::Transformer(sizes)
                if sizes.positions == Positions::Rotary
                    && !sizes.n_embd.is_multiple_of(2 * sizes.n_head.max(1)) =>
            {
                Err(Error::Value {
                    what: "the size of an embedding",
                    value: format!(
                        "{}, for {} heads that are turned",
                        sizes.n_embd, sizes.n_head
                    ),
                    expected: "a multiple of twice the number of heads would work",
                })
            }
            Self::Wavenet(sizes)
                if !sizes.block_size.is_power_of_two()
                    || !(2..=MOST_JOINED).contains(&sizes.block_size) =>
            {
                Err(Error::Value {
                    what: "the block size",
                    value: format!(
                        "{}, whose characters are joined two by two",
                        sizes.block_size
                    ),
                    expected: "2, 4, 8, 16, 32 or 64 would work",
                })
            }
            _ => match self.sizes() {
                Some(sizes) => sizes.check(v, matches!(self, Self::Mlp(_))),
                None => Ok(()),
            },
        }
    }
}

impl Sizes {
    /// `is_joined` if the embeddings of a whole block go into the hidden layer.
    fn check(&self, v: usize, is_joined: bool) -> Result<()> {
        let ranges = [
            ("the block size", self.block_size, LONGEST_WORD + 1),
            ("the size of an embedding", self.n_embd, MOST),
            ("the size of a hidden layer", self.n_embd2, MOST),
            ("the number of layers", self.n_layer, MOST_LAYERS),
            ("the number of heads", self.n_head, MOST_LAYERS),
        ];
        for (what, value, most) in ranges {
            if !(1..=most).contains(&value) {
                return Err(Error::Value {
                    what,
                    value: format!("{value}, not from 1 to {most}"),
                    expected: "one in that range would work",
                });
            }
        }
        let largest = self.n_embd.max(self.n_embd2) * 4;
        let rows = self.block_size.max(v + 1).max(largest);
        let joined = match is_joined {
            true => self.block_size * self.n_embd.max(v + 1) * self.n_embd2,
            false => 0,
        };
        // A block of a transformer has about 12 C² of them.
        let of_blocks = self.n_layer * 12 * self.n_embd * self.n_embd;
        let is_small = joined.max(rows * largest) <= MOST_NUMBERS && of_blocks <= 4 * MOST_NUMBERS;
        match is_small {
            true => Ok(()),
            false => Err(Error::Value {
                what: "the size of the network",
                value: "more than 268435456 numbers in one parameter, or four times as many in all"
                    .to_owned(),
                expected: "smaller embeddings, hidden layers or blocks would work",
            }),
        }
    }

    fn widest(&self) -> usize {
        self.n_embd.max(self.n_embd2)
    }

    pub(super) fn block_size(&self) -> i64 {
        self.block_size as i64
    }

    pub(super) fn n_embd(&self) -> i64 {
        self.n_embd as i64
    }

    pub(super) fn n_embd2(&self) -> i64 {
        self.n_embd2 as i64
    }

    pub(super) fn n_layer(&self) -> i64 {
        self.n_layer as i64
    }

    pub(super) fn n_head(&self) -> i64 {
        self.n_head as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checkpoints that were written before there was a choice have none.
    #[test]
    fn what_is_makemores_is_not_written_down() {
        let of = |sizes| serde_json::to_value(Config::Transformer(sizes)).unwrap();
        let makemores = of(Sizes::default());
        assert_eq!(makemores["config"].as_object().unwrap().len(), 5);
        let ours = Sizes {
            norm: Norm::Rms,
            positions: Positions::Rotary,
            ..Sizes::default()
        };
        let written = of(ours);
        assert_eq!(written["config"]["norm"], "rms");
        assert_eq!(written["config"]["positions"], "rotary");
        let normalised = Sizes {
            batchnorm: true,
            ..Sizes::default()
        };
        assert_eq!(of(normalised)["config"]["batchnorm"], true);
        for (written, sizes) in [
            (makemores, Sizes::default()),
            (written, ours),
            (of(normalised), normalised),
        ] {
            let read: Config = serde_json::from_value(written).unwrap();
            assert_eq!(read, Config::Transformer(sizes));
        }
    }

    #[test]
    fn heads_that_are_turned_have_an_even_size() {
        let sizes = Sizes {
            n_embd: 12,
            n_head: 4,
            ..Sizes::default()
        };
        assert!(Config::Transformer(sizes).check(27).is_ok());
        let turned = Sizes {
            positions: Positions::Rotary,
            ..sizes
        };
        let refusal = Config::Transformer(turned).check(27).unwrap_err();
        assert!(refusal.to_string().contains("12, for 4 heads"), "{refusal}");
    }
}
