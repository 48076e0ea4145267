//! A table of logits: the same model as the lecture's `W`, but trained by batches of words.
//!
//! Source: makemore.py, `Bigram`.

use tch::Tensor;

use super::kind::{Advanced, Kind, Layers, PerToken, Preset, Recipe, Shapes};
use super::sizes::Sizes;
use crate::error::Result;
use crate::models::parameters::Parameters;
use crate::models::tokens::Tokens;

/// makemore.py's bigram.
#[derive(Debug)]
pub struct Lookup;

impl Kind for Lookup {
    fn name(&self) -> &'static str {
        "lookup"
    }

    fn about(&self) -> &'static str {
        "makemore.py's bigram: the lecture's model, trained by batches"
    }

    fn sizes(&self) -> &'static [&'static str] {
        &[]
    }

    fn default_sizes(&self, _longest: usize, _preset: Preset) -> Sizes {
        Sizes {
            block_size: 1,
            ..Sizes::default()
        }
    }

    fn build(&self, parameters: &mut Parameters, v: i64, _: &Sizes) -> Result<Box<dyn Layers>> {
        Ok(Box::new(Logits(parameters.zeros("logits", &[v, v])?)))
    }

    fn numbers_of_a_step(&self, _sizes: &Sizes, _longest: usize) -> PerToken {
        PerToken::packed(0)
    }

    fn recipe(&self, _sizes: &Sizes) -> Recipe {
        Recipe {
            learns_by_heart: false,
            // As counting has it: no logit is held back, and each is far from 0 soon.
            learning_rate: 5e-2,
            weight_decay: 0.0,
            ..Recipe::default()
        }
    }

    fn has_state(&self) -> bool {
        false
    }

    fn of_weights(&self, shapes: &Shapes, given: &Sizes) -> Option<(Sizes, usize)> {
        let [v, _] = shapes.matrix("logits")?;
        Some((*given, v))
    }
}

/// The logits of the next character, `[V, V]`, by the one before it; zeros at first.
#[derive(Debug)]
struct Logits(Tensor);

impl Layers for Logits {
    fn logits(&self, tokens: &Tokens) -> Result<Tensor> {
        Ok(self.0.f_index_select(0, tokens.characters()?)?) // [N, V]
    }

    /// The state is empty.
    fn step(&self, _: &[Tensor], _: Option<&[Tensor]>, characters: &Tensor) -> Result<Advanced> {
        Ok(Advanced {
            logits: self.0.f_index_select(0, characters)?, // [B, V]
            state: Vec::new(),
        })
    }

    fn state_numbers(&self) -> usize {
        0
    }
}
