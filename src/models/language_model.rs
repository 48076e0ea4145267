//! The interface of sampling and scoring to a model, whether trained, counted or loaded.

use std::fmt;

use tch::{Kind, Tensor};

use super::draw::{Distributions, Drawer, Method, Shaping};
use crate::data::Vocabulary;
use crate::distributed::Processes;
use crate::error::Result;
use crate::libtorch::random::Generator;

/// The number of contexts in a batch, for models that are asked context by context.
pub const BATCH: usize = 256;

/// A function that is called between the batches of long work; its error ends the work.
pub type Between<'a> = &'a mut dyn FnMut() -> Result<()>;

/// A language model: the probability of each next character after a context.
pub trait LanguageModel: fmt::Debug {
    /// The vocabulary, of `V` characters.
    fn vocabulary(&self) -> &Vocabulary;

    /// The block size: the number of characters that the model looks back, `T`.
    fn block_size(&self) -> usize;

    /// The distribution of the next character after each of `B` contexts, `[B, V]`, f32, on the
    /// CPU.
    ///
    /// `contexts` are `[B, T]`, i64, on the CPU, padded on the left with the start token, 0.
    fn distributions(&self, contexts: &Tensor) -> Result<Tensor>;

    /// The probability of each character of each word after those before it, and of its end; f32, one
    /// more than the word has indices, word after word.
    fn probabilities(&self, words: &[&[usize]]) -> Result<Vec<f32>> {
        by_contexts(self, words)
    }

    /// The natural logarithms of [`probabilities`](Self::probabilities); of a network and of n-grams finite
    /// also where a probability is too small for f32. `between` is called after each batch of words.
    ///
    /// # Errors
    ///
    /// The error of `between`.
    fn log_probabilities(&self, words: &[&[usize]], between: Between) -> Result<Vec<f64>> {
        let p = self.probabilities(words)?;
        between()?;
        Ok(p.into_iter().map(|p| f64::from(p).ln()).collect())
    }

    /// [`probabilities`](Self::probabilities) by several processes, which have the model and ask it for the
    /// same words. They share the batches of a network. All get what one process has.
    ///
    /// # Errors
    ///
    /// [`Error::Processes`](crate::error::Error::Processes).
    fn probabilities_shared(&self, words: &[&[usize]], _: &dyn Processes) -> Result<Vec<f32>> {
        self.probabilities(words)
    }

    /// [`log_probabilities`](Self::log_probabilities) by several processes. `between` is called after each
    /// batch of this process.
    ///
    /// # Errors
    ///
    /// As [`probabilities_shared`](Self::probabilities_shared); the error of `between`.
    fn log_probabilities_shared(
        &self,
        words: &[&[usize]],
        _: &dyn Processes,
        between: Between,
    ) -> Result<Vec<f64>> {
        self.log_probabilities(words, between)
    }

    /// Whether unknown characters, which have the index `V`, have a probability.
    fn knows_unknown(&self) -> bool {
        false
    }

    /// The indices of a word's characters; `V` for unknown ones, such as the start/end token.
    ///
    /// # Errors
    ///
    /// [`Error::Word`](crate::Error::Word) if the model gives one of them no probability.
    fn indices(&self, word: &str) -> Result<Vec<usize>> {
        let vocabulary = self.vocabulary();
        if !self.knows_unknown() {
            return vocabulary.encode(word);
        }
        let index = |character| match vocabulary.stoi(character) {
            Ok(index) if index > 0 => index,
            _ => vocabulary.len(),
        };
        Ok(word.chars().map(index).collect())
    }

    /// The characters of the longest word that the model was made for; none if it does not know.
    fn longest_word(&self) -> Option<usize> {
        None
    }

    /// Whether empty words are drawn, which no list has; PyTorch draws them from the lecture's models.
    fn draws_empty_words(&self) -> bool {
        false
    }

    /// The model as one that several threads share; none for a model that computes with libtorch, which
    /// has threads of its own.
    fn as_shared(&self) -> Option<&(dyn LanguageModel + Sync)> {
        None
    }

    /// The contexts of a model that has few, so that words can be sought among all of them; none for a
    /// network.
    fn contexts(&self) -> Option<Box<dyn Contexts + '_>> {
        None
    }

    /// A reader of many words side by side.
    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(ContextReader(self)))
    }

    /// A drawer of words. The default calls [`distributions`](Self::distributions) once a character.
    ///
    /// # Errors
    ///
    /// As [`Shaping::check`].
    fn drawer(&self, method: Method, shaping: Shaping) -> Result<Box<dyn Drawer + '_>> {
        stepwise(self, method, shaping)
    }
}

/// A model that several processes have and ask for the same words, so that they share its work where they
/// can. All get what one process has.
#[derive(Debug)]
pub struct Together<'a> {
    /// The model.
    pub model: &'a dyn LanguageModel,
    /// The processes.
    pub processes: &'a dyn Processes,
}

impl LanguageModel for Together<'_> {
    fn vocabulary(&self) -> &Vocabulary {
        self.model.vocabulary()
    }

    fn block_size(&self) -> usize {
        self.model.block_size()
    }

    fn distributions(&self, contexts: &Tensor) -> Result<Tensor> {
        self.model.distributions(contexts)
    }

    fn probabilities(&self, words: &[&[usize]]) -> Result<Vec<f32>> {
        self.model.probabilities_shared(words, self.processes)
    }

    fn log_probabilities(&self, words: &[&[usize]], between: Between) -> Result<Vec<f64>> {
        let processes = self.processes;
        self.model
            .log_probabilities_shared(words, processes, between)
    }

    fn knows_unknown(&self) -> bool {
        self.model.knows_unknown()
    }
}

/// The contexts of a model as the states of an automaton, numbered in the order in which they are met.
pub trait Contexts: fmt::Debug {
    /// The context at the beginning of a word.
    fn start(&mut self) -> usize;

    /// The context after a context and the character of an index above 0.
    fn after(&mut self, context: usize, index: usize) -> usize;

    /// The distribution of the next character after a context, `[V]`.
    fn distribution(&self, context: usize) -> Vec<f32>;
}

/// A reader of words for a model, character by character.
pub trait Reader: fmt::Debug {
    /// The distributions of the next character after `B` words of one length, `[B, V]`, f32, on the
    /// CPU; `B` may be 0.
    ///
    /// `parents` are indices into the words of the call before: each word is its parent and one more
    /// character. Without `parents`, words are read from their beginnings.
    fn read(&mut self, words: &[&[usize]], parents: Option<&[i64]>) -> Result<Tensor>;

    /// The most words that may be read side by side.
    fn most_words(&self) -> usize {
        MOST_WORDS
    }
}

/// The most words side by side: more are no faster.
pub(super) const MOST_WORDS: usize = 1 << 14;

/// The reader of a model that is asked context by context.
#[derive(Debug)]
pub(super) struct ContextReader<'m, M: ?Sized>(pub &'m M);

impl<M: LanguageModel + ?Sized> Reader for ContextReader<'_, M> {
    fn read(&mut self, words: &[&[usize]], _parents: Option<&[i64]>) -> Result<Tensor> {
        let v = self.0.vocabulary().len() as i64;
        let mut parts = vec![Tensor::f_zeros([0, v], (Kind::Float, tch::Device::Cpu))?];
        for words in words.chunks(BATCH) {
            let contexts = contexts(words.iter().copied(), self.0.block_size())?;
            parts.push(self.0.distributions(&contexts)?);
        }
        Ok(Tensor::f_cat(&parts, 0)?)
    }
}

/// [`LanguageModel::probabilities`] of a model that is asked context by context.
pub(super) fn by_contexts<M: LanguageModel + ?Sized>(
    model: &M,
    words: &[&[usize]],
) -> Result<Vec<f32>> {
    let v = model.vocabulary().len();
    // The characters before each one, and its index.
    let places = words.iter().flat_map(|word| {
        let next = |length: usize| word.get(length).copied().unwrap_or(0);
        (0..=word.len()).map(move |length| (&word[..length], next(length)))
    });
    let places: Vec<(&[usize], usize)> = places.collect();
    let mut probabilities = Vec::with_capacity(places.len());
    for places in places.chunks(BATCH) {
        let before = places.iter().map(|&(before, _)| before);
        let contexts = contexts(before, model.block_size())?;
        let p: Vec<f32> = Vec::try_from(model.distributions(&contexts)?.f_view([-1])?)?;
        let rows = p.chunks_exact(v).zip(places);
        probabilities.extend(rows.map(|(row, &(_, next))| row[next]));
    }
    Ok(probabilities)
}

/// The distributions of a word's characters, each after those before it, and of its end: `[R, V]`,
/// f32, with one more row than the word has indices.
pub fn along(model: &dyn LanguageModel, word: &[usize]) -> Result<Vec<f32>> {
    let mut reader = model.reader()?;
    let mut rows = Vec::new();
    for length in 0..=word.len() {
        let parents = (length > 0).then_some([0].as_slice());
        let p = reader.read(&[&word[..length]], parents)?; // [1, V]
        rows.extend(Vec::<f32>::try_from(p.f_contiguous()?.f_view([-1])?)?);
    }
    Ok(rows)
}

/// The drawer of a model that has no faster one.
pub(super) fn stepwise<M: LanguageModel + ?Sized>(
    model: &M,
    method: Method,
    shaping: Shaping,
) -> Result<Box<dyn Drawer + '_>> {
    shaping.check()?;
    Ok(Box::new(Stepwise {
        model,
        method,
        shaping,
    }))
}

/// A drawer that asks its model once for each character.
#[derive(Debug)]
struct Stepwise<'m, M: ?Sized> {
    model: &'m M,
    method: Method,
    shaping: Shaping,
}

impl<M: LanguageModel + ?Sized> Drawer for Stepwise<'_, M> {
    fn next(&mut self, word: &[usize], generator: &mut Generator) -> Result<Option<usize>> {
        let contexts = contexts([word], self.model.block_size())?;
        let p = self.model.distributions(&contexts)?; // [1, V]
        Distributions::of(&p, self.method, self.shaping)?.draw(0, generator)
    }
}

/// The contexts of a single character, all `V` of them in their order, `[V, 1]`.
pub fn single_characters(vocabulary: &Vocabulary) -> Result<Tensor> {
    let every = Tensor::f_arange(vocabulary.len() as i64, (Kind::Int64, tch::Device::Cpu))?;
    Ok(every.f_view([-1, 1])?)
}

/// Contexts as a tensor, `[B, T]`, each padded with 0 or cut on the left to length `T`.
pub fn contexts<'a>(
    contexts: impl IntoIterator<Item = &'a [usize]>,
    block_size: usize,
) -> Result<Tensor> {
    let (mut indices, mut rows) = (Vec::new(), 0);
    for context in contexts {
        rows += 1;
        let start = context.len().saturating_sub(block_size);
        indices.resize(indices.len() + block_size.saturating_sub(context.len()), 0);
        indices.extend(context[start..].iter().map(|&index| index as i64));
    }
    Ok(Tensor::f_from_slice(&indices)?.f_view([rows, block_size as i64])?)
}
