//! What training needs of anything that is trained by gradient descent.

use tch::{Kind, Tensor};

use super::config::Config;
use super::language_model::LanguageModel;
use crate::error::Result;

/// A language model with parameters that have gradients.
pub trait Network: LanguageModel {
    /// The kind of network, and what it takes to make another one like it.
    fn config(&self) -> Config;

    /// The parameters with their names, on the device that they are trained on.
    fn parameters(&self) -> Vec<(String, Tensor)>;

    /// What the forward pass takes for contexts, `[B, T]`, i64: itself, or another form of it that
    /// is made once and used for every pass.
    ///
    /// # Errors
    ///
    /// If the device has no room.
    fn encode(&self, contexts: &Tensor) -> Result<Tensor>;

    /// How many times the learning rate the rows of its parameters move by, `[rows, 1]`, where they
    /// do not all move by the same; `contexts`, `[C, T]`, i64, are those of the data, with the share
    /// that each has in them, `[C]`.
    ///
    /// # Errors
    ///
    /// If the device has no room.
    fn factors(&self, _contexts: &Tensor, _shares: &Tensor) -> Result<Option<Tensor>> {
        Ok(None)
    }

    /// The forward pass: the logits of the next character, whose last dimension is `V`, for what
    /// [`encode`](Self::encode) has made.
    ///
    /// # Errors
    ///
    /// If the shapes do not fit or the device has no room.
    fn forward(&self, xs: &Tensor) -> Result<Tensor>;
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
