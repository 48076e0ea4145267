//! The description of a kind of network, and the forward pass of its layers.

use std::collections::BTreeMap;
use std::fmt;

use tch::Tensor;

use super::sizes::Sizes;
use crate::error::Result;
use crate::models::parameters::Parameters;
use crate::models::tokens::Tokens;

/// A kind of network; [`KINDS`](super::KINDS) lists all of them.
pub trait Kind: fmt::Debug + Sync {
    /// The name, such as `gru`, as checkpoints have it.
    fn name(&self) -> &'static str;

    /// A line that describes it, for help texts.
    fn about(&self) -> &'static str;

    /// The names in [`Sizes`] of the sizes that a user may choose or that follow from the list. A kind
    /// with none is saved without sizes, and its default sizes must be the same for all lists.
    fn sizes(&self) -> &'static [&'static str];

    /// The default sizes for words of at most `longest` characters. Without an own method, makemore.py's
    /// for both presets, but that ours is wider for long lists.
    fn default_sizes(&self, longest: usize, preset: Preset) -> Sizes {
        let default = Sizes::default();
        Sizes {
            block_size: longest + 1,
            n_embd2: preset.widened(default.n_embd2),
            ..default
        }
    }

    /// Checks that sizes, each in its range, are possible together, for `v` characters.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](crate::Error::Value) names the first size that is not.
    fn check(&self, _v: usize, _sizes: &Sizes) -> Result<()> {
        Ok(())
    }

    /// Builds the layers for `v` characters, which take their parameters by name.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](crate::Error::Value) if given parameters are not those of the network.
    fn build(&self, parameters: &mut Parameters, v: i64, sizes: &Sizes) -> Result<Box<dyn Layers>>;

    /// The numbers that a step of training keeps for each token, as measured, in words of at most
    /// `longest` tokens.
    fn numbers_of_a_step(&self, sizes: &Sizes, longest: usize) -> PerToken;

    /// The default training settings.
    fn recipe(&self, _sizes: &Sizes) -> Recipe {
        Recipe::default()
    }

    /// The numbers that a step of training keeps whatever its words are, beside the parameters, for
    /// `v` characters.
    fn numbers_of_tables(&self, _v: usize, _sizes: &Sizes) -> usize {
        0
    }

    /// Whether a token is computed from what was computed of those before it. If not, it is computed from
    /// the characters of its block alone.
    ///
    /// With a state, a token of a word that is longer than the block is computed from the beginning of its
    /// block on, since the state knows more than that.
    fn has_state(&self) -> bool {
        true
    }

    /// Whether the network has batch normalisation, so that a batch cannot be divided.
    fn has_batchnorm(&self, _sizes: &Sizes) -> bool {
        false
    }

    /// The number of matrices between hidden layers that a parameter has, one below the other; 0 for
    /// embeddings, biases and the last layer. [`Muon`](crate::train::muon::Muon) may move these
    /// matrices.
    fn hidden_matrices(&self, _parameter: &str) -> i64 {
        0
    }

    /// Recognises weights that makemore.py saved: the sizes and the number of characters, or none if
    /// they are of another kind. Sizes that do not follow from the shapes are those of `given`.
    fn of_weights(&self, _shapes: &Shapes, _given: &Sizes) -> Option<(Sizes, usize)> {
        None
    }
}

impl PartialEq for dyn Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for dyn Kind {}

/// The forward pass of a network.
pub trait Layers: fmt::Debug + Send {
    /// The logits of the character after each token, `[N, V]`, of which each is that of the block that
    /// ends with it.
    fn logits(&self, tokens: &Tokens) -> Result<Tensor>;

    /// Computes tensors that [`step`](Self::step) needs, and that are the same until the parameters
    /// change.
    fn prepare(&self) -> Result<Vec<Tensor>> {
        Ok(Vec::new())
    }

    /// Reads one more character, `[B]`, i64, of each of `B` words with their state, or the first one
    /// without; `prepared` are the tensors of [`prepare`](Self::prepare). A word has at most as many
    /// tokens as the block, if the kind [has a state](Kind::has_state).
    fn step(
        &self,
        prepared: &[Tensor],
        state: Option<&[Tensor]>,
        characters: &Tensor,
    ) -> Result<Advanced>;

    /// The most 32-bit numbers in the state of a word.
    fn state_numbers(&self) -> usize;
}

/// The result of [`Layers::step`].
#[derive(Debug)]
pub struct Advanced {
    /// The logits of the next character, `[B, V]`.
    pub logits: Tensor,
    /// The state of the words after the character, each tensor `[B, ..]`.
    pub state: Vec<Tensor>,
}

/// The memory that a step of training takes for each token, beside its logits.
#[derive(Debug, Clone, Copy)]
pub struct PerToken {
    /// The numbers kept, 4 bytes each.
    pub numbers: usize,
    /// Whether words are padded to the longest, so that padding counts.
    pub is_padded: bool,
}

impl PerToken {
    /// Numbers per token, of words without padding.
    pub fn packed(numbers: usize) -> Self {
        Self {
            numbers,
            is_padded: false,
        }
    }

    /// Numbers per token, of words padded to the longest.
    pub fn padded(numbers: usize) -> Self {
        Self {
            is_padded: true,
            ..Self::packed(numbers)
        }
    }

    /// The tokens of `words` words with padding, of which `sum` are no padding.
    pub fn tokens(&self, words: usize, sum: usize, longest: usize) -> usize {
        match self.is_padded {
            true => words * longest,
            false => sum,
        }
    }
}

/// The choice of default settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Ours, which reach a lower loss, for a list of so many distinct characters, ends of words included.
    Ours(u64),
    /// makemore.py's.
    Makemore,
}

/// Our training settings of a kind of network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    /// The number of steps.
    pub steps: u64,
    /// Whether it can learn a list by heart, so that few characters need fewer steps and more dropout or
    /// weight decay.
    pub learns_by_heart: bool,
    /// Without dropout, the weight decay of a list with a tenth of the characters, and the power of the tens
    /// with which it grows for fewer.
    pub decay_of_a_tenth: (f64, f64),
    /// The highest learning rate.
    pub learning_rate: f64,
    /// The power with which the learning rate grows, up to twice, for a list of more characters; below 0 it
    /// falls.
    pub power_of_rate: f64,
    /// AdamW's weight decay.
    pub weight_decay: f64,
    /// The probability of dropout.
    pub dropout: f64,
    /// The learning rate of Muon divided by that of AdamW, if Muon moves the matrices between hidden
    /// layers.
    pub muon: Option<f64>,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            steps: 2_000,
            learns_by_heart: true,
            decay_of_a_tenth: (1.0, 2.0),
            learning_rate: 5e-3,
            power_of_rate: 0.0,
            weight_decay: 0.05,
            dropout: 0.0,
            muon: None,
        }
    }
}

impl Preset {
    /// Ours, for the list that the recipes were found with: the train part of the lecture's names.
    pub const NAMES: Self = Self::Ours(CHARACTERS);

    /// The width of a small network, which grows with a list of more characters: twice, four or eight times.
    pub fn widened(self, width: usize) -> usize {
        let Self::Ours(characters) = self else {
            return width;
        };
        let doublings = 1.3 * (characters as f64 / CHARACTERS as f64).log2();
        width << doublings.round().clamp(0.0, 3.0) as u32
    }
}

/// The distinct characters of the train part of the lecture's names.
const CHARACTERS: u64 = 167_000;

/// At most so many times the steps of the lecture's names, however many characters a list has.
const MOST_STEPS: f64 = 10.0;

/// At most so many times the learning rate of the lecture's names.
const MOST_RATE: f64 = 2.0;

/// The fewest steps, however few characters a list has.
const FEWEST_STEPS: u64 = 40;

/// The lowest and the highest dropout that follows from a list.
const DROPOUT: [f64; 2] = [0.05, 0.5];

/// The highest weight decay that follows from a list.
const MOST_DECAY: f64 = 4.0;

impl Recipe {
    /// The recipe for a list of so many distinct characters. Fewer characters are known by heart after
    /// fewer steps, and need more dropout or, without dropout, more weight decay; more characters need more
    /// steps and less dropout.
    pub fn of_list(self, characters: u64) -> Self {
        let factor = characters.max(1) as f64 / CHARACTERS as f64;
        let (is_short, has_dropout) = (factor < 1.0, self.dropout > 0.0);
        if (0.9..1.1).contains(&factor) || is_short && !self.learns_by_heart {
            return self;
        }
        let (power, of_dropout) = match (is_short, has_dropout) {
            (true, true) => (0.6, 0.3),
            (true, false) => (0.3, 0.0),
            (false, _) => (0.9, 0.37),
        };
        let times = factor.powf(power).min(MOST_STEPS);
        let (steps, tens) = (self.steps as f64 * times, factor.log10());
        let of_rate = factor.max(1.0).powf(self.power_of_rate);
        let mut scaled = Self {
            steps: (steps.round() as u64).max(FEWEST_STEPS),
            learning_rate: self.learning_rate * of_rate.min(MOST_RATE),
            ..self
        };
        if has_dropout {
            let dropout = self.dropout - of_dropout * tens;
            scaled.dropout = dropout.clamp(DROPOUT[0], DROPOUT[1]);
        } else if is_short {
            let (decay, power) = self.decay_of_a_tenth;
            let decay = decay * tens.abs().powf(power);
            scaled.weight_decay = self.weight_decay.max(decay.min(MOST_DECAY));
        }
        scaled
    }
}

/// The shapes of tensors by their names, to recognise makemore.py's weights.
#[derive(Debug, Default)]
pub struct Shapes(pub BTreeMap<String, Vec<usize>>);

impl Shapes {
    /// The sizes and the number of characters of a recurrent network with the embedding `wte` and a
    /// state of `n_embd2` numbers, which is none where the weights are of another kind.
    pub fn recurrent(&self, given: &Sizes, n_embd2: Option<usize>) -> Option<(Sizes, usize)> {
        let n_embd2 = n_embd2?;
        let [v, n_embd] = self.matrix("wte.weight")?;
        let sizes = Sizes {
            n_embd,
            n_embd2,
            ..*given
        };
        Some((sizes, v))
    }

    /// The rows and columns of a tensor, if there is one of this name and it is a matrix.
    pub fn matrix(&self, name: &str) -> Option<[usize; 2]> {
        self.0.get(name)?.as_slice().try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bow, Gru, KINDS, Lookup, Lstm, Mlp, Rnn, Transformer, Wavenet};
    use super::*;

    /// The defaults were those of 32,033 names for every list: copies of a small one, less than two looks
    /// at a long one.
    #[test]
    fn fewer_characters_take_fewer_steps_and_more_dropout() {
        let gru = Gru.recipe(&Sizes::default());
        assert_eq!(gru.of_list(165_000), gru);
        let [small, large] = [2_000, 1_000_000].map(|characters| gru.of_list(characters));
        assert!(
            small.steps < 150 && large.steps > 3_000,
            "{small:?} {large:?}"
        );
        assert_eq!(small.dropout, 0.5);
        assert!((0.05..0.2).contains(&large.dropout), "{large:?}");
        for kind in KINDS {
            let recipe = kind.recipe(&Sizes::default());
            let tiny = recipe.of_list(1);
            assert!(tiny.steps >= 40 && recipe.of_list(u64::MAX).steps > recipe.steps);
            assert!(tiny.dropout <= 0.5, "{}", kind.name());
        }
        assert_eq!(Mlp.recipe(&Sizes::default()).of_list(2_000).dropout, 0.0);
        let decay = |kind: &dyn Kind, characters| {
            let recipe = kind.recipe(&Sizes::default());
            recipe.of_list(characters).weight_decay
        };
        assert!(decay(&Mlp, 2_000) > 2.0 && decay(&Bow, 700) > 3.0);
        assert!(decay(&Mlp, 20_000) > 0.5 && decay(&Bow, 20_000) < 0.2);
        assert!(decay(&Rnn, 3_000) < decay(&Bow, 3_000));
        // English, where half or twice the rate of the names was better than all of it.
        let better: [(&dyn Kind, f64); 3] =
            [(&Wavenet, 0.005), (&Transformer, 0.0025), (&Lstm, 0.01)];
        for (kind, better) in better {
            let recipe = kind.recipe(&Sizes::default());
            let rate = |characters| recipe.of_list(characters).learning_rate;
            assert_eq!(rate(20_000), rate(165_000));
            let factor = rate(787_000) / better;
            assert!((0.9..1.2).contains(&factor), "{}: {factor}", kind.name());
            assert!(rate(u64::MAX) <= 0.01);
        }
        // It cannot learn words by heart, and begins with all characters equally probable.
        let lookup = Lookup.recipe(&Sizes::default());
        assert_eq!(lookup.of_list(2_000), lookup);
    }
}
