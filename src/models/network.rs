//! What training needs of anything that is trained by gradient descent.

use tch::{Kind, Tensor};

use super::bigram::Bigram;
use super::config::Config;
use super::language_model::LanguageModel;
use super::tokens::Tokens;
use crate::error::Result;

/// A language model with parameters that have gradients.
pub trait Network: LanguageModel {
    /// The kind of network, and what it takes to make another one like it.
    fn config(&self) -> Config;

    /// The parameters with their names, on the device that they are trained on.
    fn parameters(&self) -> Vec<(String, Tensor)>;

    /// What is learned without gradients, with names, such as the running means of batch
    /// normalisation. It follows from all words of a batch together.
    fn buffers(&self) -> Vec<(String, Tensor)> {
        Vec::new()
    }

    /// Parameters and buffers: the numbers that make another network of its config the same.
    fn state_dict(&self) -> Vec<(String, Tensor)> {
        let mut all = self.parameters();
        all.extend(self.buffers());
        all
    }

    /// The forward pass: the logits of the character after each token, `[N, V]`.
    ///
    /// Tokens that are [for training](Tokens::for_training) change the buffers.
    ///
    /// # Errors
    ///
    /// If the shapes do not fit or the device has no room.
    fn logits(&self, tokens: &Tokens) -> Result<Tensor>;

    /// The lecture's network, if it is one, which is trained as the lecture does it.
    fn bigram(&self) -> Option<&Bigram> {
        None
    }
}

/// Exponentiates and normalises logits over their last dimension, such as `[B, V]`: the
/// probabilities, of the same shape.
///
/// Source: the notes, "Understanding Weights".
///
/// # Errors
///
/// If the device has no room.
pub fn probabilities(logits: &Tensor) -> Result<Tensor> {
    let counts = logits.f_exp()?; // [B, V]
    let sums = counts.f_sum_dim_intlist([-1].as_slice(), true, Kind::Float)?; // [B, 1]
    Ok(counts.f_div(&sums)?)
}
