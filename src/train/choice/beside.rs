//! N-grams beside a network: what they predict of the dev words, and what both mixed do.

use std::fmt;

use serde::Serialize;

use super::trial::{Trial, nll};
use crate::data::word_list::{Subset, WordList};
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::models::LanguageModel;
use crate::models::mixture::fit;
use crate::train::corpus::Corpus;

/// At most this many dev words, drawn from all of them, are predicted.
const MOST: u64 = 5_000;

/// The dev losses of n-grams of the same split beside that of a network, in nats per character.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Beside {
    /// The order of the n-grams with the lowest dev loss.
    pub ngram_order: u64,
    /// Their dev loss.
    pub ngram_dev_loss: f64,
    /// The dev loss of the mixture of these n-grams and the network.
    pub mixture_dev_loss: f64,
    /// The dev loss of the network on the same words.
    #[serde(skip)]
    pub network: f64,
    /// The dev loss of counted pairs.
    #[serde(skip)]
    pub pairs: f64,
    /// The loss of guessing: the logarithm of the number of characters.
    #[serde(skip)]
    pub guessing: f64,
}

impl Beside {
    /// Counts n-grams of the train part, and predicts dev words with them and a model; none if
    /// there are no dev words, or not enough memory.
    ///
    /// # Errors
    ///
    /// If a list cannot be read or has changed; [`Error::Interrupted`] once the flag of the parts is set.
    pub fn of(
        model: &dyn LanguageModel,
        data: &Corpus,
        dev: &WordList,
        memory: &Memory,
    ) -> Result<Option<Self>> {
        if dev.is_empty() {
            return Ok(None);
        }
        let (mut words, mut times) = (Vec::new(), Vec::new());
        let mut subset = Subset::new(dev.len() as u64, MOST, data.parts.split().seed());
        for (place, word) in dev.encoded().into_iter().enumerate() {
            if subset.takes_next() {
                let occurs = dev.times(place) as f64;
                times.extend(std::iter::repeat_n(occurs, word.len() + 1));
                words.push(word);
            }
        }
        let words: Vec<&[usize]> = words.iter().map(Vec::as_slice).collect();
        let ngrams = match Trial::of_ngrams(data, &words, &times, memory) {
            Err(Error::Memory { .. } | Error::Order { .. }) => return Ok(None),
            ngrams => ngrams?,
        };
        let own = model.probabilities(&words)?;
        let p = [own.as_slice(), ngrams.p()];
        let weights = fit(&p, &times);
        let mixed = own
            .iter()
            .zip(ngrams.p())
            .map(|(&own, &ngram)| weights[0] * f64::from(own) + weights[1] * f64::from(ngram));
        Ok(Some(Self {
            ngram_order: ngrams.setting(),
            ngram_dev_loss: ngrams.loss(),
            mixture_dev_loss: nll(mixed, &times),
            network: nll(own.iter().map(|&p| p.into()), &times),
            pairs: ngrams.loss_of(2, &times),
            guessing: (model.vocabulary().len() as f64).ln(),
        }))
    }

    /// Something simple that predicts better than the network, and its loss.
    pub fn simpler(&self) -> Option<(&'static str, f64)> {
        let simple = [("guessing", self.guessing), ("counting pairs", self.pairs)];
        simple.into_iter().find(|&(_, loss)| self.network > loss)
    }
}

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let best = [
            (self.network, "the network"),
            (self.ngram_dev_loss, "n-grams"),
            (self.mixture_dev_loss, "the mixture"),
        ];
        let lowest = best.iter().min_by(|one, other| one.0.total_cmp(&other.0));
        let best = lowest.map_or("", |(_, name)| name);
        writeln!(
            f,
            "Dev loss of n-grams (order {}): {:.6}, mixed: {:.6} (lowest: {best})",
            self.ngram_order, self.ngram_dev_loss, self.mixture_dev_loss,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::counting::Counted;
    use crate::data::{Source, Split};
    use crate::models::Table;

    /// Ctrl-C was not seen before n-grams of every order were counted.
    #[test]
    fn counting_ends_once_the_flag_is_set() {
        let source = Source::text("list", "ab\nba\nbab\naab\n");
        let half = |list: &Counted| Ok(Split::holding_out(vec![0, 1], 1, list.digest.words));
        let memory = Memory::new(1 << 30);
        let data = Corpus::read(
            source,
            Vec::new(),
            Some('.'),
            half,
            memory,
            &crate::distributed::Alone,
        )
        .unwrap();
        let (dev, model) = (
            data.lists().unwrap().dev,
            Table::of(&data.counted.counts, 1.0).unwrap(),
        );
        let beside = |stopped: bool| {
            let data = data.stopped_by(Arc::new(AtomicBool::new(stopped)));
            Beside::of(&model, &data, &dev, &data.memory)
        };
        assert!(beside(false).unwrap().is_some());
        assert!(matches!(beside(true), Err(Error::Interrupted)));
    }
}
