//! The neural network: one layer of weights `W`, whose exponentials are the counts.
//!
//! `logits = xenc @ W`, `counts = exp(logits)`, `probs = counts / row sums`; the loss is the mean
//! negative log of the probability of each target, plus `regularization * mean(W²)`.
//!
//! Source: the notes, "Neural Network".
//!
//! ```
//! use makemore_tch::{BigramCounts, Network, TrainingPairs, Words};
//! use tch::Device;
//!
//! let counts = BigramCounts::of(&Words::lecture('.')?)?;
//! let pairs = TrainingPairs::distinct(&counts, Device::Cpu)?;
//! let mut network = Network::new(counts.vocabulary().clone(), 420, Device::Cpu)?;
//! let loss = network.loss(&pairs, 0.0)?;
//! network.step(&loss, 0.1)?;
//! assert!(network.loss(&pairs, 0.0)?.double_value(&[]) < loss.double_value(&[]));
//! # Ok::<(), makemore_tch::Error>(())
//! ```

use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::pairs::TrainingPairs;
use crate::probabilities::Probabilities;
use crate::random::Generator;
use crate::vocabulary::Vocabulary;

/// One layer without bias: `W`, `[V, V]`, f32, on the device it is trained on.
#[derive(Debug)]
pub struct Network {
    vocabulary: Vocabulary,
    w: Tensor,
}

impl Network {
    /// `W = randn((V, V))` from a seed, the same on every device.
    ///
    /// # Errors
    ///
    /// If this thread is still sampling (see [`crate::random`]) or the device has no room.
    pub fn new(vocabulary: Vocabulary, seed: u64, device: Device) -> Result<Self> {
        let w = Generator::seeded(seed)?.randn(vocabulary.len(), vocabulary.len())?;
        Self::with_weights(vocabulary, &w, device)
    }

    /// A network with given weights, `[V, V]`, f32.
    ///
    /// # Errors
    ///
    /// If the shape is another one or the device has no room.
    pub fn with_weights(vocabulary: Vocabulary, w: &Tensor, device: Device) -> Result<Self> {
        let v = vocabulary.len() as i64;
        if w.size() != [v, v] {
            return Err(Error::Value {
                what: "the shape of W",
                value: format!("{:?}", w.size()),
                expected: "[V, V] of the vocabulary would work",
            });
        }
        let w = tch::no_grad(|| w.f_detach_copy())?.f_to_device(device)?;
        Ok(Self {
            vocabulary,
            w: w.f_set_requires_grad(true)?,
        })
    }

    /// The vocabulary that the indices are of.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// `W`, `[V, V]`, f32: the logits of every character (column) after every one (row).
    pub fn weights(&self) -> &Tensor {
        &self.w
    }

    /// `W` read out, `V * V` numbers row by row.
    ///
    /// # Errors
    ///
    /// If libtorch cannot copy it.
    pub fn logits(&self) -> Result<Vec<f64>> {
        let w = self.w.f_detach()?.f_to_device(Device::Cpu)?;
        Ok(Vec::try_from(w.f_to_kind(Kind::Double)?.f_view([-1])?)?)
    }

    /// The forward pass: `xenc` is `[R, V]`, the result `probs` `[R, V]`, f32.
    ///
    /// # Errors
    ///
    /// If the shapes do not fit or the device has no room.
    pub fn forward(&self, xenc: &Tensor) -> Result<Tensor> {
        let logits = xenc.f_matmul(&self.w)?; // [R, V] @ [V, V]
        let counts = logits.f_exp()?; // [R, V]
        let sums = counts.f_sum_dim_intlist([1].as_slice(), true, Kind::Float)?; // [R, 1]
        Ok(counts.f_div(&sums)?)
    }

    /// The mean negative log of the targets' probabilities, in nats, plus
    /// `regularization * mean(W²)` where that is not 0; a scalar that can be differentiated.
    ///
    /// # Errors
    ///
    /// If the shapes do not fit or the device has no room.
    pub fn loss(&self, pairs: &TrainingPairs, regularization: f64) -> Result<Tensor> {
        let nll = pairs.nll(&self.forward(pairs.xenc())?)?;
        if regularization == 0.0 {
            return Ok(nll);
        }
        let squares = self.w.f_square()?.f_mean(Kind::Float)?;
        Ok(nll.f_add(&squares.f_mul_scalar(regularization)?)?)
    }

    /// The backward pass and the update: `W.grad = None`, `loss.backward()`, `W -= lr * W.grad`.
    ///
    /// # Errors
    ///
    /// If `loss` is not this network's, or was used for a step before.
    pub fn step(&mut self, loss: &Tensor, learning_rate: f64) -> Result<()> {
        self.w.zero_grad();
        loss.f_backward()?;
        let update = self.w.f_grad()?.f_mul_scalar(learning_rate)?;
        let _updated_in_place = tch::no_grad(|| self.w.f_sub_(&update))?;
        Ok(())
    }

    /// `W.grad` of the last step, `[V, V]`, f32.
    ///
    /// # Errors
    ///
    /// If libtorch has none to give.
    pub fn gradient(&self) -> Result<Tensor> {
        Ok(self.w.f_grad()?)
    }

    /// The network's transition matrix: the forward pass of every character.
    ///
    /// # Errors
    ///
    /// If the device has no room.
    pub fn probabilities(&self) -> Result<Probabilities> {
        let v = self.vocabulary.len() as i64;
        let every = Tensor::f_arange(v, (Kind::Int64, self.w.device()))?;
        let xenc = every.f_one_hot(v)?.f_to_kind(Kind::Float)?; // [V, V]
        let p = tch::no_grad(|| self.forward(&xenc))?;
        Probabilities::new(self.vocabulary.clone(), &p.f_to_device(Device::Cpu)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::BigramCounts;
    use crate::words::Words;
    use proptest::prelude::*;

    /// Loss and gradient of a fresh network on both layouts of a word list.
    fn both_layouts(text: String, regularization: f64) -> [(f64, Tensor); 2] {
        let words = Words::parse("list", text, '.').unwrap();
        let counts = BigramCounts::of(&words).unwrap();
        let vocabulary = counts.vocabulary();
        [
            TrainingPairs::all(&words, vocabulary, Device::Cpu).unwrap(),
            TrainingPairs::distinct(&counts, Device::Cpu).unwrap(),
        ]
        .map(|pairs| {
            let mut network = Network::new(vocabulary.clone(), 1, Device::Cpu).unwrap();
            let loss = network.loss(&pairs, regularization).unwrap();
            network.step(&loss, 1.0).unwrap();
            (loss.double_value(&[]), network.gradient().unwrap())
        })
    }

    proptest! {
        #[test]
        fn distinct_and_all_rows_have_the_same_loss_and_gradient(
            list in prop::collection::vec("[a-zä]{1,8}", 1..30),
            regularization in prop::sample::select(vec![0.0, 0.01]),
        ) {
            let [(all, gradient), (distinct, other)] = both_layouts(list.join("\n"), regularization);
            prop_assert!((all - distinct).abs() < 1e-5, "{} and {}", all, distinct);
            let difference = (gradient - other).abs().max().double_value(&[]);
            prop_assert!(difference < 1e-6, "gradients differ by {}", difference);
        }
    }

    #[test]
    fn the_weights_are_those_of_the_seed() {
        let vocabulary = Vocabulary::new('.', 'a'..='z').unwrap();
        let network = |seed| Network::new(vocabulary.clone(), seed, Device::Cpu).unwrap();
        assert_eq!(network(420).weights(), network(420).weights());
        assert_ne!(network(420).weights(), network(421).weights());
    }
}
