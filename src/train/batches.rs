//! Batches of words, for networks that read words from their first character on.

use tch::{Device, Tensor};

use super::loss::cross_entropy;
use crate::error::Result;
use crate::models::{Dropout, Network, Tokens};

/// Some words and what follows each of their tokens.
#[derive(Debug)]
pub struct Batch {
    /// The words, each from its start token on.
    pub xs: Tokens,
    /// The character after each token, or the end, `[N]`, i64.
    pub ys: Tensor,
}

impl Batch {
    /// Words by their indices, without start and end token.
    ///
    /// # Errors
    ///
    /// If the device has no room.
    pub fn of(words: &[&[usize]], device: Device) -> Result<Self> {
        let ys = words
            .iter()
            .flat_map(|word| word.iter().copied().chain([0]));
        let ys: Vec<i64> = ys.map(|index| index as i64).collect();
        Ok(Self {
            xs: Tokens::of_words(words, device)?,
            ys: Tensor::f_from_slice(&ys)?.f_to_device(device)?,
        })
    }

    /// The same for a network to learn from, which may leave out something.
    pub fn for_training(self, dropout: Option<Dropout>) -> Self {
        Self {
            xs: self.xs.for_training(dropout),
            ..self
        }
    }
}

/// The mean negative log-likelihood of a batch's characters, ends among them, in nats; a scalar.
///
/// # Errors
///
/// If the device has no room.
pub fn nll(network: &dyn Network, batch: &Batch) -> Result<Tensor> {
    let logits = network.logits(&batch.xs)?; // [N, V]
    cross_entropy(&logits, &batch.ys)
}
