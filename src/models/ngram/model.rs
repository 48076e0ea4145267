//! An n-gram model as a language model.

use tch::Tensor;

use super::contexts::NumberedContexts;
use super::marginal::{self, Marginal};
use super::share::Share;
use super::smoothing::Smoothing;
use super::view::View;
use super::{additive, drawer, kneser_ney, small, walk, witten_bell};
use crate::counting::NgramCounts;
use crate::data::Vocabulary;
use crate::distributed::Alone;
use crate::error::Result;
use crate::memory::Memory;
use crate::models::draw::{Drawer, Method, Shaping};
use crate::models::language_model::{Between, Contexts, LanguageModel};

/// An n-gram model.
#[derive(Debug, Clone)]
pub struct Ngram {
    vocabulary: Vocabulary,
    smoothing: Option<Smoothing>,
    view: View,
    longest_word: Option<usize>,
}

impl Ngram {
    /// Estimates a model from counts.
    ///
    /// # Errors
    ///
    /// [`Error::Memory`](crate::error::Error::Memory) if the n-grams take more memory than there is.
    pub fn of(counts: &NgramCounts, smoothing: Smoothing, memory: &Memory) -> Result<Self> {
        let share = Share::of(counts, memory, &Alone)?;
        let vocabulary = counts.vocabulary().clone();
        let model = Self::of_share(vocabulary, share, smoothing)?;
        Ok(model.of_words_up_to(counts.longest_word()))
    }

    /// Estimates a model from the shares of all processes: in process 0, and in the others one of single
    /// characters.
    pub(super) fn of_share(
        vocabulary: Vocabulary,
        share: Share,
        smoothing: Smoothing,
    ) -> Result<Self> {
        let (view, unseen) = match smoothing {
            Smoothing::KneserNey => (kneser_ney::estimate(&share)?.view, 1.0),
            Smoothing::WittenBell => (witten_bell::estimate(&share), 1.0),
            Smoothing::Additive(added) => (
                additive::estimate(&share, share.order(), added),
                additive::unseen(added, vocabulary.len()),
            ),
        };
        let view = share.whole(view, unseen)?;
        Ok(Self::with(vocabulary, Some(smoothing), view))
    }

    /// A model of known probabilities.
    pub(crate) fn with(vocabulary: Vocabulary, smoothing: Option<Smoothing>, view: View) -> Self {
        Self {
            vocabulary,
            smoothing,
            view,
            longest_word: None,
        }
    }

    /// The same model, which knows how many characters the longest word has that it was estimated from.
    pub(crate) fn of_words_up_to(self, longest_word: Option<usize>) -> Self {
        Self {
            longest_word,
            ..self
        }
    }

    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// The length of the longest n-grams.
    pub fn order(&self) -> usize {
        self.view.order()
    }

    /// The smoothing that the model was estimated with; none if it is from an ARPA file.
    pub fn smoothing(&self) -> Option<Smoothing> {
        self.smoothing
    }

    /// The number of n-grams of each length, from 1 on. As in an ARPA file, the start and the end
    /// token are two, and an unknown character is one.
    pub fn ngrams(&self) -> Vec<u64> {
        let lengths = 1..=self.order();
        lengths.map(|length| self.view.ngrams(length)).collect()
    }

    /// The number of parameters: a probability for each n-gram but the start token, a backoff for
    /// each but the longest.
    pub fn parameters(&self) -> u64 {
        let levels = self.view.levels.iter();
        levels
            .map(|level| (level.p.len() + level.backoff.len()) as u64)
            .sum()
    }

    /// The marginal distribution of pairs in words drawn from the model, whatever comes before.
    /// `on_step` is told the share of the work that is done.
    pub fn marginal(&self, on_step: &mut dyn FnMut(f64)) -> Result<Marginal> {
        marginal::of(&self.view, &self.vocabulary, on_step)
    }
}

impl LanguageModel for Ngram {
    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn block_size(&self) -> usize {
        self.order() - 1
    }

    fn distributions(&self, contexts: &Tensor) -> Result<Tensor> {
        let (size, v) = (contexts.size(), self.vocabulary.len());
        let contexts: Vec<i64> = Vec::try_from(contexts.f_contiguous()?.f_view([-1])?)?;
        let contexts: Vec<usize> = contexts.iter().map(|&index| index as usize).collect();
        let rows = size.first().map_or(0, |&rows| rows as usize);
        let mut p = vec![0.0; rows * v];
        for (row, p) in p.chunks_exact_mut(v).enumerate() {
            let context = &contexts[row * self.block_size()..][..self.block_size()];
            self.view.fill(self.view.after(context), p);
        }
        Ok(Tensor::f_from_slice(&p)?.f_view([rows as i64, v as i64])?)
    }

    fn probabilities(&self, words: &[&[usize]]) -> Result<Vec<f32>> {
        let p = walk::probabilities(&self.view, words).into_iter();
        Ok(p.map(|p| small::value(p.into()) as f32).collect())
    }

    fn log_probabilities(&self, words: &[&[usize]], between: Between) -> Result<Vec<f64>> {
        let p = walk::probabilities(&self.view, words);
        between()?;
        Ok(p.into_iter().map(small::ln).collect())
    }

    fn knows_unknown(&self) -> bool {
        let unknown = self.view.levels[0].p.get(self.vocabulary.len());
        unknown.is_some_and(|&p| p != 0.0)
    }

    fn longest_word(&self) -> Option<usize> {
        self.longest_word
    }

    fn drawer(&self, method: Method, shaping: Shaping) -> Result<Box<dyn Drawer + '_>> {
        drawer::of(&self.view, self.vocabulary.len(), method, shaping)
    }

    fn contexts(&self) -> Option<Box<dyn Contexts + '_>> {
        Some(Box::new(NumberedContexts::of(
            &self.view,
            self.vocabulary.len(),
        )))
    }

    fn as_shared(&self) -> Option<&(dyn LanguageModel + Sync)> {
        Some(self)
    }
}
