//! The lecture's network: one layer of weights `W`, whose exponentials are the counts.
//!
//! `xenc = one_hot(xs)`, `logits = xenc @ W`, `counts = exp(logits)`, `probs = counts / row sums`.
//!
//! Source: the notes, "Neural Network".
//!
//! ```
//! use makemore_tch::{Bigram, Words, Vocabulary};
//! use makemore_tch::models::{LanguageModel, Network};
//! use tch::{Device, Tensor};
//!
//! let vocabulary = Vocabulary::of(&Words::lecture('.')?)?;
//! let network = Bigram::new(vocabulary, 420, Device::Cpu)?;
//! let xenc = network.encode(&Tensor::from_slice(&[0i64, 5]).view([2, 1]))?;
//! assert_eq!(network.forward(&xenc)?.size(), [2, 27]);
//! # Ok::<(), makemore_tch::Error>(())
//! ```

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::config::Config;
use super::draw::{Drawer, Method};
use super::language_model::{LanguageModel, single_characters};
use super::network::{Network, probabilities};
use super::table::Table;
use crate::data::Vocabulary;
use crate::error::{Error, Result};
use crate::libtorch::random::Generator;

/// One layer without bias: `W`, `[V, V]`, f32, on the device it is trained on.
#[derive(Debug)]
pub struct Bigram {
    vocabulary: Vocabulary,
    w: Tensor,
}

impl Bigram {
    /// `W = randn((V, V))` from a seed, the same on every device.
    ///
    /// # Errors
    ///
    /// If this thread is still sampling (see [`crate::libtorch::random`]) or the device has no
    /// room.
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
        if w.size() != [v, v] || w.kind() != Kind::Float {
            return Err(Error::Value {
                what: "W",
                value: format!("a tensor of shape {:?} and kind {:?}", w.size(), w.kind()),
                expected: "[V, V] of the vocabulary in 32-bit floats would work",
            });
        }
        let w = tch::no_grad(|| w.f_detach_copy())?.f_to_device(device)?;
        Ok(Self {
            vocabulary,
            w: w.f_set_requires_grad(true)?,
        })
    }

    /// A network with given parameters, of which there must be one, `W`, that leaves every
    /// character with probabilities.
    pub(super) fn of(
        vocabulary: Vocabulary,
        parameters: &BTreeMap<String, Tensor>,
        device: Device,
    ) -> Result<Self> {
        match parameters.get("W") {
            Some(w) if parameters.len() == 1 => {
                let network = Self::with_weights(vocabulary, w, device)?;
                network.table()?;
                Ok(network)
            }
            _ => {
                let names: Vec<&str> = parameters.keys().map(String::as_str).collect();
                Err(Error::Value {
                    what: "the list of parameters",
                    value: format!("{names:?}"),
                    expected: "W alone would work",
                })
            }
        }
    }

    /// `W`, `[V, V]`, f32: the logits of every character (column) after every one (row).
    pub fn weights(&self) -> &Tensor {
        &self.w
    }

    /// The network's table: the distribution after every character.
    ///
    /// # Errors
    ///
    /// If weights overflow, or the device has no room.
    pub fn table(&self) -> Result<Table> {
        let p = self.distributions(&single_characters(&self.vocabulary)?)?;
        Table::new(self.vocabulary.clone(), &p)
    }
}

impl LanguageModel for Bigram {
    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn block_size(&self) -> usize {
        1
    }

    fn distributions(&self, contexts: &Tensor) -> Result<Tensor> {
        let p = tch::no_grad(|| {
            let xenc = self.encode(&contexts.f_to_device(self.w.device())?)?;
            probabilities(&self.forward(&xenc)?)
        })?;
        Ok(p.f_to_device(Device::Cpu)?)
    }

    fn drawer(&self, method: Method, temperature: f64) -> Result<Box<dyn Drawer + '_>> {
        self.table()?.into_drawer(method, temperature)
    }
}

impl Network for Bigram {
    fn config(&self) -> Config {
        Config::Bigram {}
    }

    fn parameters(&self) -> Vec<(String, Tensor)> {
        vec![("W".to_owned(), self.w.shallow_clone())]
    }

    fn encode(&self, contexts: &Tensor) -> Result<Tensor> {
        let xs = contexts.f_view([-1])?; // [B]
        let xenc = xs.f_one_hot(self.vocabulary.len() as i64)?; // [B, V]
        Ok(xenc.f_to_kind(Kind::Float)?)
    }

    fn forward(&self, xenc: &Tensor) -> Result<Tensor> {
        Ok(xenc.f_matmul(&self.w)?) // [B, V] @ [V, V]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(seed: u64) -> Bigram {
        let vocabulary = Vocabulary::new('.', 'a'..='z').unwrap();
        Bigram::new(vocabulary, seed, Device::Cpu).unwrap()
    }

    #[test]
    fn the_weights_are_those_of_the_seed() {
        assert_eq!(network(420).weights(), network(420).weights());
        assert_ne!(network(420).weights(), network(421).weights());
    }

    #[test]
    fn weights_that_overflow_are_an_error_and_no_nan() {
        for weight in [1e38, -1e38] {
            let vocabulary = Vocabulary::new('.', ['a']).unwrap();
            let w = Tensor::full([2, 2], weight, (Kind::Float, Device::Cpu));
            let network = Bigram::with_weights(vocabulary, &w, Device::Cpu).unwrap();
            let error = network.table().unwrap_err().to_string();
            assert!(
                error.contains("what follows \".\" has no probabilities"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_table_and_its_network_hold_a_word_equally_probable() {
        let network = network(1);
        let word = [1, 2, 26];
        let table = network.table().unwrap();
        assert_eq!(table.probabilities(&word).unwrap().len(), 4);
        assert_eq!(
            table.probabilities(&word).unwrap(),
            network.probabilities(&word).unwrap()
        );
    }

    /// The drawer of the table draws what the one that every model has draws.
    #[test]
    fn the_fast_drawer_draws_as_one_call_for_each_character_does() {
        #[derive(Debug)]
        struct Plain(Bigram);
        impl LanguageModel for Plain {
            fn vocabulary(&self) -> &Vocabulary {
                self.0.vocabulary()
            }
            fn block_size(&self) -> usize {
                1
            }
            fn distributions(&self, contexts: &Tensor) -> Result<Tensor> {
                self.0.distributions(contexts)
            }
        }
        let drawn = |model: &dyn LanguageModel, method, temperature| {
            let mut drawer = model.drawer(method, temperature).unwrap();
            let mut generator = Generator::seeded(7).unwrap();
            let mut word = Vec::new();
            for _ in 0..300 {
                word.push(drawer.next(&word, &mut generator).unwrap().unwrap());
            }
            word
        };
        for method in [Method::Cumulative, Method::Multinomial] {
            for temperature in [1.0, 0.5] {
                assert_eq!(
                    drawn(&network(1), method, temperature),
                    drawn(&Plain(network(1)), method, temperature)
                );
            }
        }
    }
}
