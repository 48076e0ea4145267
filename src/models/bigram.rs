//! The lecture's network: one layer of weights `W`, whose exponentials are the counts.
//!
//! `xenc = one_hot(xs)`, `logits = xenc @ W`, `counts = exp(logits)`, `probs = counts / row sums`.
//!
//! The lecture's contexts are single characters. Longer ones (exercise E01) are numbered, `V²` of them
//! or more. A one-hot row times `W` is a row of `W`, which for longer contexts is looked up by the
//! number, without the one-hot row of thousands of numbers.
//!
//! Source: the notes, "Neural Network".
//!
//! ```
//! use makemore_tch::{Bigram, Words, Vocabulary};
//! use tch::{Device, Tensor};
//!
//! let vocabulary = Vocabulary::of(&Words::lecture('.')?)?;
//! let network = Bigram::new(vocabulary.clone(), 2, 420, Device::Cpu)?;
//! let xenc = network.encode(&Tensor::from_slice(&[0i64, 5]).view([2, 1]))?;
//! assert_eq!(network.forward(&xenc)?.size(), [2, 27]);
//!
//! let trigram = Bigram::new(vocabulary, 3, 420, Device::Cpu)?;
//! assert_eq!(trigram.weights().size(), [27 * 27, 27]);
//! # Ok::<(), makemore_tch::Error>(())
//! ```

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::draw::{Drawer, Method, Shaping};
use super::language_model::{LanguageModel, single_characters, stepwise};
use super::table::Table;
use crate::data::Vocabulary;
use crate::error::{Error, Result};
use crate::libtorch::random::Generator;

/// The most weights: 256 MB of them.
const MOST_WEIGHTS: usize = 1 << 26;

/// One layer without bias: `W`, `[V^(order - 1), V]`, f32, on the device that it is trained on;
/// `[V, V]` for bigrams.
#[derive(Debug)]
pub struct Bigram {
    vocabulary: Vocabulary,
    order: usize,
    w: Tensor,
}

impl Bigram {
    /// `W = randn((V, V))` from a seed, the same on every device. For a higher `order`, `W` has a row
    /// for each context.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if the order is below 2 or makes too many weights; if this thread is still
    /// sampling (see [`crate::libtorch::random`]).
    pub fn new(vocabulary: Vocabulary, order: usize, seed: u64, device: Device) -> Result<Self> {
        let v = vocabulary.len();
        let shape = [rows(v, order)? as i64, v as i64];
        let w = Generator::seeded(seed)?.randn(&shape)?;
        Self::with_weights(vocabulary, order, &w, device)
    }

    /// A network with given weights, `[V^(order - 1), V]`, f32.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if shape or kind are others.
    pub fn with_weights(
        vocabulary: Vocabulary,
        order: usize,
        w: &Tensor,
        device: Device,
    ) -> Result<Self> {
        let v = vocabulary.len();
        if w.size() != [rows(v, order)? as i64, v as i64] || w.kind() != Kind::Float {
            return Err(Error::Value {
                what: "W",
                value: format!("a tensor of shape {:?} and kind {:?}", w.size(), w.kind()),
                expected: "a row for each context and a column for each character in 32-bit floats would work",
            });
        }
        let w = tch::no_grad(|| w.f_detach_copy())?.f_to_device(device)?;
        Ok(Self {
            vocabulary,
            order,
            w: w.f_set_requires_grad(true)?,
        })
    }

    /// A copy of the network on a device.
    pub fn copied_to(&self, device: Device) -> Result<Self> {
        Self::with_weights(self.vocabulary.clone(), self.order, &self.w, device)
    }

    /// A network with the parameters of a checkpoint: `W` alone, whose exponentials do not overflow.
    pub(crate) fn of(
        vocabulary: Vocabulary,
        order: usize,
        parameters: &BTreeMap<String, Tensor>,
        device: Device,
    ) -> Result<Self> {
        match parameters.get("W") {
            Some(w) if parameters.len() == 1 => {
                let network = Self::with_weights(vocabulary, order, w, device)?;
                network.check()?;
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

    /// Checks that a network of an order can be made for a vocabulary.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if it would have too many weights.
    pub fn check_order(vocabulary: &Vocabulary, order: usize) -> Result<()> {
        rows(vocabulary.len(), order).map(drop)
    }

    /// `W`, `[V^(order - 1), V]`, f32: the logits of every character (column) after every context
    /// (row).
    pub fn weights(&self) -> &Tensor {
        &self.w
    }

    /// The length of the n-grams that the network learns; 2 in the lecture.
    pub fn order(&self) -> usize {
        self.order
    }

    /// The distribution after every character, of a network of order 2.
    ///
    /// # Errors
    ///
    /// [`Error::NoDistribution`] if weights overflow; if the order is higher.
    pub fn table(&self) -> Result<Table> {
        let p = self.distributions(&single_characters(&self.vocabulary)?)?;
        Table::new(self.vocabulary.clone(), &p)
    }

    /// Checks that there is a distribution after every context.
    fn check(&self) -> Result<()> {
        if self.order == 2 {
            return self.table().map(drop);
        }
        let p = tch::no_grad(|| probabilities(&self.w))?; // [V^(order - 1), V]
        let sums = p.f_sum_dim_intlist([1].as_slice(), false, Kind::Float)?;
        let good = sums.f_sub_scalar(1.0)?.f_abs()?.f_lt(0.01)?.f_all()?;
        match bool::try_from(good)? {
            true => Ok(()),
            false => Err(Error::NoDistribution {
                after: "one of the contexts".to_owned(),
                reason: "there are weights whose exponentials overflow",
            }),
        }
    }
}

/// The number of contexts, which are the rows of `W`.
fn rows(v: usize, order: usize) -> Result<usize> {
    let refused = |value, expected| Error::Value {
        what: "the order of the network",
        value,
        expected,
    };
    if order < 2 {
        let expected = "2 or more would work: it needs a character before the next one";
        return Err(refused(order.to_string(), expected));
    }
    let rows = |order: usize| {
        let rows = v.checked_pow(order as u32 - 1)?;
        (order == 2 || rows.saturating_mul(v) <= MOST_WEIGHTS).then_some(rows)
    };
    rows(order).ok_or_else(|| {
        let value = format!(
            "{order}, and {v} characters would have a weight for each of them after each context"
        );
        let fitting = (2..).take_while(|&order| rows(order).is_some());
        let expected = match fitting.last() {
            None | Some(2) => "2 would work",
            Some(3) => "2 or 3 would work",
            Some(4) => "2 to 4 would work",
            Some(5) => "2 to 5 would work",
            Some(_) => "2 to 6 would work",
        };
        refused(value, expected)
    })
}

impl LanguageModel for Bigram {
    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn block_size(&self) -> usize {
        self.order - 1
    }

    fn distributions(&self, contexts: &Tensor) -> Result<Tensor> {
        let p = tch::no_grad(|| {
            let xenc = self.encode(&contexts.f_to_device(self.w.device())?)?;
            probabilities(&self.forward(&xenc)?)
        })?;
        Ok(p.f_to_device(Device::Cpu)?)
    }

    fn draws_empty_words(&self) -> bool {
        self.order == 2
    }

    fn drawer(&self, method: Method, shaping: Shaping) -> Result<Box<dyn Drawer + '_>> {
        match self.order {
            2 => self.table()?.into_drawer(method, shaping),
            _ => stepwise(self, method, shaping),
        }
    }
}

impl Bigram {
    /// The input of the forward pass for contexts, `[B, T]`, i64: one-hot rows, `[B, V]`, for bigrams;
    /// else the numbers of the contexts, `[B]`. It is made once and serves for every pass.
    pub fn encode(&self, contexts: &Tensor) -> Result<Tensor> {
        let v = self.vocabulary.len() as i64;
        if self.order == 2 {
            let xs = contexts.f_view([-1])?; // [B]
            let xenc = xs.f_one_hot(v)?; // [B, V]
            return Ok(xenc.f_to_kind(Kind::Float)?);
        }
        // The indices of a context are the digits of its number to the base V.
        let places = (0..self.block_size() as u32)
            .rev()
            .map(|place| v.pow(place));
        let places = Tensor::f_from_slice(&places.collect::<Vec<i64>>())?; // [T]
        let digits = contexts.f_mul(&places.f_to_device(contexts.device())?)?; // [B, T]
        Ok(digits.f_sum_dim_intlist([1].as_slice(), false, Kind::Int64)?) // [B]
    }

    /// The learning rate of each row of `W` as a multiple of the usual one, `[rows, 1]`; none for
    /// bigrams. `contexts`, `[C, T]`, i64, are those of the data, and `shares`, `[C]`, the part of the
    /// data that each is.
    ///
    /// Most of thousands of contexts are rare, and their gradients are in proportion to their share.
    /// The factor is the share's reciprocal, so that each row moves as if its context were all data.
    pub fn factors(&self, contexts: &Tensor, shares: &Tensor) -> Result<Option<Tensor>> {
        if self.order == 2 {
            return Ok(None);
        }
        let factors = shares.f_reciprocal()?.f_view([-1, 1])?; // [C, 1]
        let every = Tensor::f_ones([self.w.size()[0], 1], (Kind::Float, self.w.device()))?;
        Ok(Some(every.f_index_copy(
            0,
            &self.encode(contexts)?,
            &factors,
        )?))
    }

    /// The forward pass: the logits of the next character, `[B, V]`, after contexts that
    /// [`encode`](Self::encode) encoded.
    pub fn forward(&self, xenc: &Tensor) -> Result<Tensor> {
        match self.order {
            2 => Ok(xenc.f_matmul(&self.w)?),         // [B, V] @ [V, V]
            _ => Ok(self.w.f_index_select(0, xenc)?), // [B, V]
        }
    }
}

/// The probabilities of logits, of the same shape: exponentials, normalised over the last dimension.
///
/// Source: the notes, "Understanding Weights".
pub fn probabilities(logits: &Tensor) -> Result<Tensor> {
    let counts = logits.f_exp()?; // [B, V]
    let sums = counts.f_sum_dim_intlist([-1].as_slice(), true, Kind::Float)?; // [B, 1]
    Ok(counts.f_div(&sums)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(seed: u64) -> Bigram {
        let vocabulary = Vocabulary::new('.', 'a'..='z').unwrap();
        Bigram::new(vocabulary, 2, seed, Device::Cpu).unwrap()
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
            let network = Bigram::with_weights(vocabulary, 2, &w, Device::Cpu).unwrap();
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
        assert_eq!(table.probabilities(&[&word]).unwrap().len(), 4);
        assert_eq!(
            table.probabilities(&[&word]).unwrap(),
            network.probabilities(&[&word]).unwrap()
        );
    }

    /// The table's drawer and the default drawer draw the same characters.
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
        let drawn = |model: &dyn LanguageModel, method, shaping| {
            let mut drawer = model.drawer(method, shaping).unwrap();
            let mut generator = Generator::seeded(7).unwrap();
            let mut word = Vec::new();
            for _ in 0..300 {
                word.push(drawer.next(&word, &mut generator).unwrap().unwrap());
            }
            word
        };
        for method in [Method::Cumulative, Method::Multinomial] {
            for temperature in [1.0, 0.5] {
                let shaping = Shaping {
                    temperature,
                    ..Shaping::default()
                };
                assert_eq!(
                    drawn(&network(1), method, shaping),
                    drawn(&Plain(network(1)), method, shaping)
                );
            }
        }
    }
}
