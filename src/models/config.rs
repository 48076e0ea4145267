//! The architecture of a network and its sizes.

use super::kinds::kind::{PerToken, Preset};
use super::kinds::{self, Kind, Sizes};
use crate::error::Result;
use crate::memory::Memory;

/// The numbers that a network computes at once at inference, about; a single word may take more.
const AT_ONCE: usize = 1 << 25;

/// The most words at once: more are no faster.
const WORDS_AT_ONCE: usize = 256;

/// The numbers that a token takes at inference for each character: logits and probabilities.
const OF_LOGITS: usize = 3;

/// What a network reads of some words.
#[derive(Debug, Default)]
struct Reading {
    /// The words, and a block for each further token of longer ones, if the kind has a state.
    rows: usize,
    /// The tokens of all rows.
    tokens: usize,
    /// The tokens of the longest row.
    longest: usize,
    /// The tokens without logits, which are there for the last one of their block.
    context: usize,
}

impl Reading {
    fn add(&mut self, length: usize, config: &Config) {
        let block_size = config.sizes.block_size;
        let further = match config.kind.has_state() {
            true => length.saturating_sub(block_size),
            false => 0,
        };
        self.rows += 1 + further;
        self.tokens += length - further + further * block_size;
        self.longest = self.longest.max(length - further);
        self.context += further * block_size.saturating_sub(1);
    }

    /// The numbers that are kept, with some for the logits of a token.
    fn numbers(&self, per_token: PerToken, of_logits: usize) -> usize {
        let tokens = per_token.tokens(self.rows, self.tokens, self.longest);
        tokens * (per_token.numbers + of_logits) - self.context * of_logits
    }
}

/// A kind of network and its sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    kind: &'static dyn Kind,
    sizes: Sizes,
}

impl Config {
    /// A kind with sizes, which are ignored for a kind that has none.
    pub fn new(kind: &'static dyn Kind, sizes: Sizes) -> Self {
        let sizes = match kind.sizes() {
            [] => kind.default_sizes(0, Preset::Makemore),
            _ => sizes,
        };
        Self { kind, sizes }
    }

    /// The kind.
    pub fn kind(&self) -> &'static dyn Kind {
        self.kind
    }

    /// The sizes.
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// Whether the network has batch normalisation.
    pub fn has_batchnorm(&self) -> bool {
        self.kind.has_batchnorm(&self.sizes)
    }

    /// Checks the sizes, for a vocabulary of `v` characters.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] names the first size that is out of range.
    pub(super) fn check(&self, v: usize) -> Result<()> {
        self.sizes.check(v)?;
        self.kind.check(v, &self.sizes)
    }

    /// The bytes that a step of training takes, about, for a batch of words with `lengths` tokens each
    /// and a vocabulary of `v` characters.
    pub fn step_bytes(&self, v: usize, lengths: impl Iterator<Item = usize>) -> u64 {
        let mut reading = Reading::default();
        lengths.for_each(|length| reading.add(length, self));
        let per_token = self.kind.numbers_of_a_step(&self.sizes, reading.longest);
        let of_tables = self.kind.numbers_of_tables(v, &self.sizes);
        // 4 V: the logits, their log-softmax, and the gradients of both.
        4 * (reading.numbers(per_token, 4 * v) + of_tables) as u64
    }

    /// The most tokens of a word that are read at once: those of a block, or more where memory has room.
    pub(super) fn most_tokens(&self, v: usize) -> usize {
        let block_size = self.sizes.block_size;
        let numbers = self.kind.numbers_of_a_step(&self.sizes, block_size).numbers;
        let read = if self.kind.has_state() { block_size } else { 1 };
        (AT_ONCE / (read * numbers + OF_LOGITS * v)).max(block_size)
    }

    /// The number of threads that may read as many words at once, each with 128 MB: all take a quarter of
    /// the machine's memory at most.
    pub(super) fn threads_at_once() -> usize {
        let half = Memory::half_of_the_machine().limit();
        let threads = half / 2 / (4 * AT_ONCE as u64);
        usize::try_from(threads).unwrap_or(usize::MAX).max(1)
    }

    /// The number of words to read at once, of the next ones with `tokens` tokens each: at least one,
    /// and no more than memory has room for.
    pub(super) fn words_at_once(&self, v: usize, tokens: impl Iterator<Item = usize>) -> usize {
        let mut reading = Reading::default();
        let fitting = tokens.take(WORDS_AT_ONCE).take_while(|&tokens| {
            reading.add(tokens, self);
            let per_token = self.kind.numbers_of_a_step(&self.sizes, reading.longest);
            reading.numbers(per_token, OF_LOGITS * v) <= AT_ONCE
        });
        fitting.count().max(1)
    }

    /// The sizes as JSON, as a checkpoint holds them.
    pub(crate) fn sizes_as_json(&self) -> serde_json::Result<String> {
        match self.kind.sizes() {
            [] => Ok("{}".to_owned()),
            _ => Ok(serde_json::to_value(self.sizes)?.to_string()),
        }
    }

    /// Reads the kind and the sizes of a checkpoint; none if this version does not know them.
    pub(crate) fn read(kind: &str, sizes: &str) -> Option<Self> {
        let kind = kinds::named(kind)?;
        let sizes = match kind.sizes() {
            [] if sizes == "{}" => Sizes::default(),
            [] => return None,
            _ => serde_json::from_str(sizes).ok()?,
        };
        Some(Self::new(kind, sizes))
    }
}

#[cfg(test)]
mod tests {
    use super::super::kinds::{KINDS, Norm, Positions, Transformer};
    use super::*;

    /// Checkpoints from before there was a choice of norm, positions and hidden layers name none of them.
    #[test]
    fn what_is_makemores_is_not_written_down() {
        let makemores = Sizes::default();
        let ours = Sizes {
            norm: Norm::Rms,
            positions: Positions::Rotary,
            hidden_layers: 3,
            batchnorm: true,
            ..makemores
        };
        let five = r#""block_size":16,"n_embd":64,"n_embd2":64,"n_head":4,"n_layer":4"#;
        let five_more = five.replace(r#","n_embd":"#, r#","hidden_layers":3,"n_embd":"#);
        let more = format!(r#"{{"batchnorm":true,{five_more},"norm":"rms","positions":"rotary"}}"#);
        for (sizes, expected) in [(makemores, format!("{{{five}}}")), (ours, more)] {
            let config = Config::new(&Transformer, sizes);
            let written = config.sizes_as_json().unwrap();
            assert_eq!(written, expected);
            assert_eq!(Config::read("transformer", &written), Some(config));
        }
        assert_eq!(Config::read("transformer", r#"{"n_embd":64}"#), None);
        assert_eq!(Config::read("lookup", &format!("{{{five}}}")), None);
        assert_eq!(Config::read("none", "{}"), None);
    }

    /// Once 256 words were read at once, however long they were.
    #[test]
    fn longer_blocks_and_more_characters_are_read_fewer_at_once() {
        for &kind in KINDS {
            let words = |block_size, v| {
                let sizes = Sizes {
                    block_size,
                    ..Sizes::default()
                };
                let config = Config::new(kind, sizes);
                config.words_at_once(v, std::iter::repeat(block_size))
            };
            assert_eq!(words(8, 27), WORDS_AT_ONCE, "{kind:?}");
            for (block_size, v) in [(8, 50_000), (1000, 4000), (10_000, 27)] {
                let numbers = words(block_size, v) * block_size * v;
                assert!(numbers <= AT_ONCE, "{kind:?}: {numbers}");
            }
            assert_eq!(words(1 << 16, 4000), 1, "{kind:?}");
        }
    }

    /// Ten times the characters take ten times the memory, in training and in pieces.
    #[test]
    fn a_word_longer_than_the_block_takes_no_more_for_each_character() {
        for &kind in KINDS {
            let sizes = Sizes {
                block_size: 4,
                ..Sizes::default()
            };
            let config = Config::new(kind, sizes);
            let tables = 4 * kind.numbers_of_tables(27, config.sizes()) as u64;
            let bytes = |length: usize| config.step_bytes(27, [length].into_iter()) - tables;
            let (short, long) = (bytes(60), bytes(600));
            assert!(long <= 11 * short, "{kind:?}: {short} {long}");
            // A token beyond the block takes a block of those within it at most.
            assert!(short <= 61 * bytes(4), "{kind:?}: {short} {}", bytes(4));
            assert!(config.most_tokens(27) > 600, "{kind:?}");
        }
    }

    #[test]
    fn heads_that_are_rotated_have_an_even_size() {
        let sizes = Sizes {
            n_embd: 12,
            n_head: 4,
            ..Sizes::default()
        };
        assert!(Config::new(&Transformer, sizes).check(27).is_ok());
        let rotated = Sizes {
            positions: Positions::Rotary,
            ..sizes
        };
        let refusal = Config::new(&Transformer, rotated).check(27).unwrap_err();
        assert!(refusal.to_string().contains("12, for 4 heads"), "{refusal}");
    }
}
