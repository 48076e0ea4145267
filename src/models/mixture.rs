//! Several models as one: the weighted average of their probabilities.
//!
//! Models with different errors are better together, a network and n-grams most of all.

use tch::{Device, Kind, Tensor};

use super::draw::{Drawer, Method, Shaping};
use super::language_model::{Between, LanguageModel, Reader};
use super::rounds;
use crate::data::{Vocabulary, WordList};
use crate::distributed::Processes;
use crate::distributed::processes::of_first;
use crate::error::{Error, Result};
use crate::format;

/// Models of one vocabulary and their weights, which add up to 1.
#[derive(Debug)]
pub struct Mixture<'m> {
    models: Vec<&'m dyn LanguageModel>,
    weights: Vec<f64>,
}

impl<'m> Mixture<'m> {
    /// Mixes models; the weights are divided by their sum.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if there is no model, if there are not as many weights, if one is negative,
    /// or all are 0; [`Error::MixedVocabularies`] if the models have different characters.
    pub fn new(models: Vec<&'m dyn LanguageModel>, weights: &[f64]) -> Result<Self> {
        let sum: f64 = weights.iter().sum();
        let are_possible = weights.iter().all(|&weight| weight >= 0.0);
        if models.is_empty()
            || weights.len() != models.len()
            || !are_possible
            || !sum.is_finite()
            || sum == 0.0
        {
            let written = weights.iter().map(|&weight| format::float(weight));
            let written: Vec<String> = written.collect();
            return Err(Error::Value {
                what: "the list of weights",
                value: format!("{}, for {} models", written.join(","), models.len()),
                expected: "a number from 0 for each model, with one above 0 and a sum that is a number, would work",
            });
        }
        check_same_vocabulary(&models)?;
        Ok(Self {
            models,
            weights: weights.iter().map(|weight| weight / sum).collect(),
        })
    }

    /// Mixes models with the weights that make words most probable, by processes which all have these words.
    /// All get the weights of one process.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); [`Error::Value`] if there are no words; [`Error::Processes`].
    pub fn fitted(
        models: Vec<&'m dyn LanguageModel>,
        words: &WordList,
        processes: &dyn Processes,
    ) -> Result<Self> {
        check_same_vocabulary(&models)?;
        let (times, words) = (words.times_of_characters(), words.encoded());
        let words: Vec<&[usize]> = words.iter().map(Vec::as_slice).collect();
        let p = models.iter();
        let p = p.map(|model| model.probabilities_shared(&words, processes));
        let p: Vec<Vec<f32>> = p.collect::<Result<_>>()?;
        if words.is_empty() || p.is_empty() {
            return Err(Error::Value {
                what: "the number of words to find weights by",
                value: words.len().to_string(),
                expected: "at least one word would work",
            });
        }
        // Process 0 finds them, as another machine may round otherwise.
        let weights = of_first(processes, || Ok::<_, Error>(fit(&p, &times)))?;
        Self::new(models, &weights)
    }

    /// The weight of each model.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The weighted sum of the models' probabilities, `[.., V]`.
    fn mix(&self, p: impl Iterator<Item = Result<Tensor>>) -> Result<Tensor> {
        let mut sum = Tensor::f_zeros([1, 1], (Kind::Double, Device::Cpu))?;
        for (p, &weight) in p.zip(&self.weights) {
            sum = sum.f_add(&p?.f_to_kind(Kind::Double)?.f_mul_scalar(weight)?)?;
        }
        Ok(sum.f_to_kind(Kind::Float)?)
    }
}

fn check_same_vocabulary(models: &[&dyn LanguageModel]) -> Result<()> {
    let first = models.first().map(|model| model.vocabulary());
    let other = models
        .iter()
        .position(|model| Some(model.vocabulary()) != first);
    match other {
        None => Ok(()),
        Some(model) => Err(Error::MixedVocabularies { model }),
    }
}

/// The weights under which the data are most probable, by expectation maximisation. `p` has for each
/// model the probabilities of the same characters, of which each occurs some times.
///
/// Source: Dempster, Laird and Rubin, *Maximum likelihood from incomplete data via the EM
/// algorithm*, 1977.
pub(crate) fn fit<P: AsRef<[f32]>>(p: &[P], times: &[f64]) -> Vec<f64> {
    let mut weights = vec![1.0 / p.len() as f64; p.len()];
    for _ in 0..MOST_ROUNDS {
        let mut shares = vec![0.0; p.len()];
        let mut counted = 0.0;
        for (place, times) in times.iter().enumerate() {
            let parts = weights.iter().zip(p);
            let parts: Vec<f64> = parts
                .map(|(weight, p)| weight * f64::from(p.as_ref()[place]))
                .collect();
            let sum: f64 = parts.iter().sum();
            // A character that is impossible in all models has no part in the weights.
            if sum > 0.0 {
                counted += times;
                for (share, part) in shares.iter_mut().zip(parts) {
                    *share += times * part / sum;
                }
            }
        }
        if counted == 0.0 {
            break;
        }
        let next: Vec<f64> = shares.iter().map(|share| share / counted).collect();
        let moved = weights.iter().zip(&next);
        let moved = moved.map(|(one, other)| (one - other).abs());
        let is_still = moved.fold(0.0, f64::max) < STILL;
        weights = next;
        if is_still {
            break;
        }
    }
    weights
}

/// The iteration ends when no weight moves by more.
const STILL: f64 = 1e-7;

/// The most iterations.
const MOST_ROUNDS: usize = 1000;

impl LanguageModel for Mixture<'_> {
    fn vocabulary(&self) -> &Vocabulary {
        self.models[0].vocabulary()
    }

    fn block_size(&self) -> usize {
        let sizes = self.models.iter().map(|model| model.block_size());
        sizes.max().unwrap_or(0)
    }

    fn distributions(&self, contexts: &Tensor) -> Result<Tensor> {
        let longest = contexts.size()[1];
        self.mix(self.models.iter().map(|model| {
            let own = model.block_size() as i64;
            model.distributions(&contexts.f_narrow(1, longest - own, own)?.f_contiguous()?)
        }))
    }

    fn probabilities(&self, words: &[&[usize]]) -> Result<Vec<f32>> {
        let mut sums: Vec<f64> = Vec::new();
        for (model, weight) in self.models.iter().zip(&self.weights) {
            let p = model.probabilities(words)?;
            sums.resize(p.len(), 0.0);
            for (sum, p) in sums.iter_mut().zip(p) {
                *sum += weight * f64::from(p);
            }
        }
        Ok(sums.into_iter().map(|sum| sum as f32).collect())
    }

    fn log_probabilities(&self, words: &[&[usize]], between: Between) -> Result<Vec<f64>> {
        let mut all: Vec<f64> = Vec::new();
        for (model, &weight) in self.models.iter().zip(&self.weights) {
            let ln = model.log_probabilities(words, between)?;
            all.resize(ln.len(), f64::NEG_INFINITY);
            for (sum, ln) in all.iter_mut().zip(ln) {
                // ln(e^a + e^b), where the smaller exponential may underflow.
                let (small, large) = match (*sum, weight.ln() + ln) {
                    (one, other) if one < other => (one, other),
                    (one, other) => (other, one),
                };
                if large > f64::NEG_INFINITY {
                    *sum = large + (small - large).exp().ln_1p();
                }
            }
        }
        Ok(all)
    }

    fn longest_word(&self) -> Option<usize> {
        let longest = self.models.iter().filter_map(|model| model.longest_word());
        longest.max()
    }

    /// A mixture knows unknown characters only if all of its models do.
    fn knows_unknown(&self) -> bool {
        self.models.iter().all(|model| model.knows_unknown())
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        let readers = self.models.iter().map(|model| model.reader());
        Ok(Box::new(MixtureReader {
            mixture: self,
            readers: readers.collect::<Result<_>>()?,
        }))
    }

    fn drawer(&self, method: Method, shaping: Shaping) -> Result<Box<dyn Drawer + '_>> {
        rounds::of(self, method, shaping)
    }
}

/// The readers of all models.
#[derive(Debug)]
struct MixtureReader<'m> {
    mixture: &'m Mixture<'m>,
    readers: Vec<Box<dyn Reader + 'm>>,
}

impl Reader for MixtureReader<'_> {
    fn read(&mut self, words: &[&[usize]], parents: Option<&[i64]>) -> Result<Tensor> {
        let readers = self.readers.iter_mut();
        self.mixture
            .mix(readers.map(|reader| reader.read(words, parents)))
    }

    fn most_words(&self) -> usize {
        let most = self.readers.iter().map(|reader| reader.most_words());
        most.min().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counting::tests::ngrams_of;
    use crate::data::Words;
    use crate::data::word_list::WordList;
    use crate::distributed::Alone;
    use crate::memory::Memory;
    use crate::models::language_model::by_contexts;
    use crate::models::state_reader::tests::networks;
    use crate::models::{Ngram, Smoothing, Table};
    use crate::score::evaluate::word_list;
    use crate::{SampleOptions, Sampler};

    fn ngram() -> Ngram {
        let counts = ngrams_of(&Words::lecture('.').unwrap(), 4);
        Ngram::of(&counts, Smoothing::KneserNey, &Memory::new(1 << 30)).unwrap()
    }

    #[test]
    fn a_mixture_is_the_average_whatever_way_it_is_asked() {
        let (ngram, networks) = (ngram(), networks());
        let models: Vec<&dyn LanguageModel> = vec![&ngram, &networks[3], &networks[5]];
        let mixture = Mixture::new(models.clone(), &[2.0, 1.0, 1.0]).unwrap();
        assert_eq!(mixture.weights(), [0.5, 0.25, 0.25]);
        let words: [&[usize]; 2] = [&[5, 13, 13, 1], &[]];
        let p = mixture.probabilities(&words).unwrap();
        let of = |model: usize| models[model].probabilities(&words).unwrap();
        for (place, p) in p.iter().enumerate() {
            let average = 0.5 * of(0)[place] + 0.25 * of(1)[place] + 0.25 * of(2)[place];
            assert!((p - average).abs() < 1e-6);
        }
        // Context by context, and read character by character.
        let by_contexts = by_contexts(&mixture, &words).unwrap();
        let mut reader = mixture.reader().unwrap();
        for (length, p) in p[..5].iter().enumerate() {
            assert!((p - by_contexts[length]).abs() < 1e-5);
            let parents = (length > 0).then_some([0].as_slice());
            let read = reader.read(&[&words[0][..length]], parents).unwrap();
            let next = words[0].get(length).copied().unwrap_or(0) as i64;
            assert!((read.double_value(&[0, next]) - f64::from(*p)).abs() < 1e-5);
        }
    }

    #[test]
    fn one_model_alone_draws_what_it_draws_by_itself() {
        let networks = networks();
        let gru: &dyn LanguageModel = &networks[3];
        let draw = |model: &dyn LanguageModel| -> Vec<String> {
            let sampler = Sampler::new(model, 5, &SampleOptions::default()).unwrap();
            sampler.take(40).collect::<Result<_>>().unwrap()
        };
        let mixture = Mixture::new(vec![gru], &[3.0]).unwrap();
        assert_eq!(draw(&mixture), draw(gru));
    }

    #[test]
    fn fitted_weights_are_the_best_of_a_grid() {
        let words = Words::lecture('.').unwrap();
        let ngram = ngram();
        let table = Table::of(&ngrams_of(&words, 2), 1.0).unwrap();
        let models: Vec<&dyn LanguageModel> = vec![&table, &ngram];
        let mut held_out = WordList::default();
        for word in ["mirabella", "qzx", "jon", "vwq", "xzz"] {
            held_out.push(word, 1, ngram.vocabulary()).unwrap();
        }
        let nll = |mixture: &Mixture| {
            let nll = word_list(mixture, &held_out, &mut || Ok(()));
            nll.unwrap().nll()
        };
        let fitted = Mixture::fitted(models.clone(), &held_out, &Alone).unwrap();
        let best = nll(&fitted);
        for percent in 0..=100 {
            let weight = f64::from(percent) / 100.0;
            let mixture = Mixture::new(models.clone(), &[weight, 1.0 - weight]).unwrap();
            assert!(best <= nll(&mixture) + 1e-6, "{weight}");
        }
        assert!(fitted.weights().iter().all(|&weight| weight > 0.01));
    }

    #[test]
    fn weights_and_vocabularies_that_do_not_fit_are_refused() {
        let ngram = ngram();
        let models: Vec<&dyn LanguageModel> = vec![&ngram, &ngram];
        for weights in [
            &[1.0][..],
            &[1.0, -1.0],
            &[0.0, 0.0],
            &[f64::NAN, 1.0],
            &[f64::INFINITY, 1.0],
        ] {
            assert!(
                Mixture::new(models.clone(), weights).is_err(),
                "{weights:?}"
            );
        }
        let words = Words::parse("list", "añb".to_owned(), '.').unwrap();
        let other = Table::of(&ngrams_of(&words, 2), 1.0).unwrap();
        let error = Mixture::new(vec![&ngram, &other], &[1.0, 1.0]).unwrap_err();
        assert!(matches!(error, Error::MixedVocabularies { model: 1 }));
        assert!(Mixture::fitted(models, &WordList::default(), &Alone).is_err());
    }

    /// The dev loss was once infinite, and the training called diverged, when one character was less
    /// probable than the smallest f32.
    #[test]
    fn a_probability_too_small_for_f32_has_a_finite_loss() {
        for network in networks() {
            for (_, mut parameter) in network.parameters() {
                let numbers = Tensor::arange(parameter.numel() as i64, (Kind::Float, Device::Cpu));
                let large = numbers.square().sin() * 300.0;
                tch::no_grad(|| parameter.copy_(&large.view(parameter.size().as_slice())));
            }
            let mut list = WordList::default();
            for word in ["mirabella", "qzx", "jon", "vwqqqqqqqqqqqqqqqqqqq", "xzz"] {
                list.push(word, 1, network.vocabulary()).unwrap();
            }
            let indices = |word: &[u16]| word.iter().map(|&index| index.into()).collect();
            let words: Vec<Vec<usize>> = list.iter().map(indices).collect();
            let words: Vec<&[usize]> = words.iter().map(Vec::as_slice).collect();
            let p = network.probabilities(&words).unwrap();
            assert!(p.contains(&0.0), "{network:?}");
            let ln = network.log_probabilities(&words, &mut || Ok(())).unwrap();
            for (p, ln) in p.iter().zip(&ln) {
                let off = (f64::from(*p).ln() - ln).abs();
                assert!(off < 1e-4 || *p < f32::MIN_POSITIVE, "{p} {ln}");
            }
            let nll = -ln.iter().sum::<f64>() / ln.len() as f64;
            let evaluation = word_list(&network, &list, &mut || Ok(())).unwrap();
            assert!(nll.is_finite() && (evaluation.nll() / nll - 1.0).abs() < 1e-9);
            let both = Mixture::new(vec![&network, &network], &[3.0, 1.0]).unwrap();
            let mixed = word_list(&both, &list, &mut || Ok(())).unwrap();
            assert!((mixed.nll() / nll - 1.0).abs() < 1e-9);
            let score = crate::score::word(&network, "qzx").unwrap();
            assert!(score.nll.is_finite() && score.likelihood.ln().is_finite());
        }
    }
}
