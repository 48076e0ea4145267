//! A table of logits, trained by batches: as many parameters as the lecture's `W`, and the same model.
//!
//! Source: makemore.py, `Bigram`.

use tch::Tensor;

use super::network::{Layers, Step};
use super::parameters::Parameters;
use super::tokens::Tokens;
use crate::error::Result;

/// The logits of the next character, looked up by the one before it.
#[derive(Debug)]
pub struct Lookup {
    /// `[V, V]`, zeros at first.
    logits: Tensor,
}

impl Lookup {
    pub(super) fn of(parameters: &mut Parameters, v: i64) -> Result<Self> {
        Ok(Self {
            logits: parameters.zeros("logits", &[v, v])?,
        })
    }
}

impl Layers for Lookup {
    fn logits(&self, tokens: &Tokens) -> Result<Tensor> {
        Ok(self.logits.f_index_select(0, &tokens.characters)?) // [N, V]
    }

    /// The state is nothing.
    fn step(&self, _state: Option<&[Tensor]>, characters: &Tensor) -> Result<Step> {
        Ok(Step {
            logits: self.logits.f_index_select(0, characters)?, // [B, V]
            state: Vec::new(),
        })
    }

    fn state(&self) -> usize {
        0
    }
}
