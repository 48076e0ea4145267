//! A kind of network: everything that is particular to it.

use std::collections::BTreeMap;
use std::fmt;

use tch::Tensor;

use super::sizes::Sizes;
use crate::error::Result;
use crate::models::parameters::Parameters;
use crate::models::tokens::Tokens;

/// A kind of network; [`KINDS`](super::KINDS) lists all of them.
pub trait Kind: fmt::Debug + Sync {
    /// Its name in `--type` and in checkpoints, such as `gru`.
    fn name(&self) -> &'static str;

    /// Its line in the help of `--type`.
    fn about(&self) -> &'static str;

    /// The sizes that a user may choose or that follow from the list, by their names in [`Sizes`]. A
    /// kind without any is saved without sizes, so that its default ones are the same for all lists.
    fn sizes(&self) -> &'static [&'static str];

    /// The sizes of a network for words of at most `longest` characters; makemore.py's, unless the
    /// kind says otherwise.
    fn default_sizes(&self, longest: usize, _preset: Preset) -> Sizes {
        Sizes {
            block_size: longest + 1,
            ..Sizes::default()
        }
    }

    /// Finds out whether sizes that are in their ranges go together, for `v` characters.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](crate::Error::Value) names the first that does not.
    fn check(&self, _v: usize, _sizes: &Sizes) -> Result<()> {
        Ok(())
    }

    /// The layers for `v` characters, whose parameters are asked for by their names.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](crate::Error::Value) if given parameters are not those of the network.
    fn build(&self, parameters: &mut Parameters, v: i64, sizes: &Sizes) -> Result<Box<dyn Layers>>;

    /// The numbers that a step of training keeps, as measured, where the longest word has `longest`
    /// tokens.
    fn numbers_of_a_step(&self, sizes: &Sizes, longest: usize) -> PerToken;

    /// Training settings, unless the user gives others.
    fn recipe(&self, _sizes: &Sizes) -> Recipe {
        Recipe::default()
    }

    /// The numbers that a step of training keeps beside the parameters, whatever its words are, for
    /// `v` characters.
    fn numbers_of_tables(&self, _v: usize, _sizes: &Sizes) -> usize {
        0
    }

    /// Whether words may be longer than the block: the next character depends on the last ones
    /// alone, wherever in a word they are.
    fn takes_longer_words(&self) -> bool {
        false
    }

    /// Whether the network has batch normalisation, whose statistics are of a whole batch.
    fn has_batchnorm(&self, _sizes: &Sizes) -> bool {
        false
    }

    /// The number of hidden layers' matrices in a parameter, one below the other; 0 if it is
    /// something else.
    ///
    /// [`Muon`](crate::train::muon::Muon) may move these matrices: they take numbers of a layer to
    /// numbers of a layer, which embeddings, biases and the last layer do not.
    fn hidden_matrices(&self, _parameter: &str) -> i64 {
        0
    }

    /// The sizes and the number of characters of weights that makemore.py saved; none if they are of
    /// another kind. What weights do not say is as `given`.
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
    /// The logits of the character after each token, `[N, V]`.
    fn logits(&self, tokens: &Tokens) -> Result<Tensor>;

    /// Tensors that every [`step`](Self::step) needs, while the parameters stay.
    fn prepare(&self) -> Result<Vec<Tensor>> {
        Ok(Vec::new())
    }

    /// Reads one more character, `[B]`, i64, of each of `B` words whose state is known, or of words
    /// that begin, with [prepared](Self::prepare) tensors. There are no more than the block size in
    /// all, unless the kind [takes longer words](Kind::takes_longer_words).
    fn step(
        &self,
        prepared: &[Tensor],
        state: Option<&[Tensor]>,
        characters: &Tensor,
    ) -> Result<Advanced>;

    /// The number of 32-bit numbers in the state of a word, at most.
    fn state_numbers(&self) -> usize;
}

/// Words after one more character of each.
#[derive(Debug)]
pub struct Advanced {
    /// The logits of the next character, `[B, V]`.
    pub logits: Tensor,
    /// The network's memory of the words, each `[B, ..]`.
    pub state: Vec<Tensor>,
}

/// The numbers that a step of training keeps for each token, beside its logits.
#[derive(Debug, Clone, Copy)]
pub struct PerToken {
    /// How many.
    pub numbers: usize,
    /// Whether words are padded to the longest, so that padding counts.
    pub is_padded: bool,
}

impl PerToken {
    /// Numbers per token of words side by side, none of which is padded.
    pub fn packed(numbers: usize) -> Self {
        Self {
            numbers,
            is_padded: false,
        }
    }

    /// Numbers per token of words that are padded to the longest.
    pub fn padded(numbers: usize) -> Self {
        Self {
            numbers,
            is_padded: true,
        }
    }
}

/// Whose settings are the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Ours, which reach a lower loss.
    Ours,
    /// makemore.py's.
    Makemore,
}

/// Our training settings of a kind of network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    /// How many steps.
    pub steps: u64,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// The part of weights that decays at each step, times the learning rate.
    pub weight_decay: f64,
    /// The share of numbers that a step leaves out.
    pub dropout: f64,
    /// The learning rate of Muon as a factor of that of AdamW, where matrices are moved by Muon.
    pub muon: Option<f64>,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            steps: 2_000,
            learning_rate: 5e-3,
            weight_decay: 0.05,
            dropout: 0.0,
            muon: None,
        }
    }
}

/// The shapes of named tensors, to recognise weights of makemore.py.
#[derive(Debug, Default)]
pub struct Shapes(pub BTreeMap<String, Vec<usize>>);

impl Shapes {
    /// The sizes of `given` with those of an embedding `wte` and of a state, and the number of
    /// characters; `n_embd2` is none where the weights are of another kind.
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

    /// The numbers of rows and columns, if there is such a matrix.
    pub fn matrix(&self, name: &str) -> Option<[usize; 2]> {
        self.0.get(name)?.as_slice().try_into().ok()
    }
}
