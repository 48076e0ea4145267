//! The networks of makemore.py and lecture 5, which read words from their first character on.
//!
//! A [`Network`] is what they have in common: a vocabulary, a config, parameters under makemore.py's
//! own names, and probabilities from logits. The layers of each are in a file of its own.
//!
//! Source: <https://github.com/karpathy/makemore>, makemore.py; lecture 5.

use std::collections::BTreeMap;

use tch::{Device, Kind, TchError, Tensor};

use super::config::Config;
use super::draw::{Drawer, Method, Shaping};
use super::kinds::kind::Layers;
use super::language_model::{LanguageModel, Reader, by_contexts};
use super::parameters::{Parameters, Taken};
use super::rounds;
use super::state_reader::StateReader;
use super::tokens::Tokens;
use crate::data::Vocabulary;
use crate::error::{Error, Result};
use crate::libtorch::random::Generator;

/// How many words are computed at once.
const WORDS: usize = 256;

/// At most this many numbers of tokens are computed at once, unless a single word has more: of their
/// contexts or the probabilities of what follows.
const NUMBERS: usize = 1 << 22;

/// From logits to probabilities or their logarithms, over the last dimension.
type Normalise = fn(&Tensor) -> std::result::Result<Tensor, TchError>;

/// The probabilities.
const SOFTMAX: Normalise = |logits| logits.f_softmax(-1, Kind::Float);

/// Their natural logarithms, which do not underflow.
const LOG_SOFTMAX: Normalise = |logits| logits.f_log_softmax(-1, Kind::Float);

/// A network of makemore.py or lecture 5: a language model whose parameters gradient descent moves.
#[derive(Debug)]
pub struct Network {
    vocabulary: Vocabulary,
    config: Config,
    block_size: usize,
    device: Device,
    layers: Box<dyn Layers>,
    tensors: Taken,
}

impl Network {
    /// A network with new parameters, which follow from a seed and are the same on every device.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if the sizes are out of range; if this thread is still sampling (see
    /// [`crate::libtorch::random`]).
    pub fn new(vocabulary: Vocabulary, config: Config, seed: u64, device: Device) -> Result<Self> {
        config.check(vocabulary.len())?;
        let mut generator = Generator::seeded(seed)?;
        let new = Parameters::new(&mut generator, device);
        Self::with(vocabulary, config, new, device)
    }

    /// A network with given parameters and buffers, by their names.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if names or shapes are not those of the network or the sizes are out of
    /// range.
    pub fn of(
        vocabulary: Vocabulary,
        config: Config,
        parameters: &BTreeMap<String, Tensor>,
        device: Device,
    ) -> Result<Self> {
        config.check(vocabulary.len())?;
        let given = Parameters::given(parameters, device);
        let network = Self::with(vocabulary, config, given, device)?;
        network.check_logits()?;
        Ok(network)
    }

    fn with(
        vocabulary: Vocabulary,
        config: Config,
        mut parameters: Parameters,
        device: Device,
    ) -> Result<Self> {
        let v = vocabulary.len() as i64;
        let layers = config.kind().build(&mut parameters, v, config.sizes())?;
        Ok(Self {
            block_size: config.sizes().block_size,
            vocabulary,
            config,
            device,
            layers,
            tensors: parameters.finish()?,
        })
    }

    /// The architecture and its sizes.
    pub fn config(&self) -> Config {
        self.config
    }

    /// The number of all parameters' numbers.
    pub fn parameter_count(&self) -> usize {
        let parameters = self.tensors.parameters.iter();
        parameters.map(|(_, parameter)| parameter.numel()).sum()
    }

    /// The device that its parameters are on.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The parameters with their names, on the device that they are trained on.
    pub fn parameters(&self) -> Vec<(String, Tensor)> {
        shared(&self.tensors.parameters)
    }

    /// What is learned without gradients, with names: the running means and variances of batch
    /// normalisation, which follow from all words of a batch together.
    pub fn buffers(&self) -> Vec<(String, Tensor)> {
        shared(&self.tensors.buffers)
    }

    /// Parameters and buffers: the numbers that make another network of its config the same.
    pub fn state_dict(&self) -> Vec<(String, Tensor)> {
        let mut all = self.parameters();
        all.extend(self.buffers());
        all
    }

    /// The forward pass: the logits of the character after each token, `[N, V]`.
    ///
    /// Tokens that are [for training](Tokens::for_training) change the buffers.
    pub fn logits(&self, tokens: &Tokens) -> Result<Tensor> {
        self.layers.logits(tokens)
    }

    pub(super) fn state_reader(&self) -> StateReader<'_> {
        let v = self.vocabulary.len() as i64;
        let tensors = self.state_dict().into_iter().collect();
        StateReader::of(&*self.layers, self.config, v, tensors, self.device)
    }

    /// Another network with the same numbers, for another thread.
    pub(crate) fn copy(&self) -> Result<Self> {
        let tensors = self.state_dict().into_iter().collect();
        let given = Parameters::given(&tensors, self.device);
        Self::with(self.vocabulary.clone(), self.config, given, self.device)
    }

    /// Finds out whether parameters overflow where every character is read once.
    fn check_logits(&self) -> Result<()> {
        let every: Vec<i64> = (0..self.vocabulary.len() as i64).collect();
        let words: Vec<&[i64]> = every.chunks(self.block_size).collect();
        let are_finite = tch::no_grad(|| -> Result<_> {
            let tokens = Tokens::of(&words, self.device)?;
            Ok(self.logits(&tokens)?.f_isfinite()?.f_all()?)
        })?;
        match bool::try_from(are_finite)? {
            true => Ok(()),
            false => Err(Error::NoDistribution {
                after: "some character".to_owned(),
                reason: "there are weights that overflow",
            }),
        }
    }

    /// The probabilities of what follows each token of words, word after word.
    fn of_next(&self, words: &[&[usize]], normalise: Normalise) -> Result<Vec<f32>> {
        let of_next = tch::no_grad(|| -> Result<_> {
            let tokens = Tokens::of_words(words, self.device)?;
            let all = normalise(&self.logits(&tokens)?)?; // [N, V]
            let next = tokens.targets()?.f_view([-1, 1])?; // [N, 1]
            Ok(all.f_gather(1, &next, false)?)
        })?;
        let of_next = of_next.f_to_device(Device::Cpu)?.f_view([-1])?;
        Ok(Vec::try_from(of_next)?)
    }

    /// The probabilities of what follows each token of a long word, of which the network sees only a
    /// block at a time.
    fn in_pieces(&self, word: &[usize], normalise: Normalise) -> Result<Vec<f32>> {
        let length = NUMBERS / self.block_size.max(self.vocabulary.len());
        let mut p = Vec::with_capacity(word.len() + 1);
        for begin in (0..word.len()).step_by(length) {
            // What is before a piece is seen from its first token on.
            let before = begin.min(self.block_size);
            let end = (begin + length).min(word.len());
            let of_piece = self.of_next(&[&word[begin - before..end]], normalise)?;
            let is_last = end == word.len();
            p.extend(&of_piece[before..before + end - begin + usize::from(is_last)]);
        }
        Ok(p)
    }

    /// How many of the words that come next are computed at once, at least one.
    fn at_once(&self, words: &[&[usize]], places: &[usize]) -> usize {
        let mut numbers = 0;
        let fitting = places.iter().take(WORDS).take_while(|&&place| {
            numbers += self.numbers(words[place]);
            numbers <= NUMBERS
        });
        fitting.count().max(1)
    }

    /// About how many numbers a word's tokens take.
    fn numbers(&self, word: &[usize]) -> usize {
        (word.len() + 1)
            * self
                .block_size
                .min(word.len() + 1)
                .max(self.vocabulary.len())
    }

    /// The distributions after `[B, T]` contexts, `[B, V]`, on the CPU.
    fn after(&self, contexts: &Tensor, normalise: Normalise) -> Result<Tensor> {
        let contexts: Vec<i64> = Vec::try_from(contexts.f_contiguous()?.f_view([-1])?)?;
        let words: Vec<&[i64]> = contexts
            .chunks_exact(self.block_size)
            .map(started)
            .collect();
        let p = tch::no_grad(|| -> Result<_> {
            let tokens = Tokens::of(&words, self.device)?;
            tokens.last(&normalise(&self.logits(&tokens)?)?)
        })?;
        Ok(p.f_to_device(Device::Cpu)?)
    }

    /// The probability of each character of words and of their ends, or its logarithm.
    fn of_words(&self, words: &[&[usize]], normalise: Normalise) -> Result<Vec<f32>> {
        // A longer word does not fit with its start token.
        let is_longer = |word: &&[usize]| word.len() >= self.block_size;
        if !self.config.kind().takes_longer_words() && words.iter().any(is_longer) {
            return by_contexts(self, words, |contexts| self.after(contexts, normalise));
        }
        let begins = words.iter().scan(0, |end, word| {
            let begin = *end;
            *end += word.len() + 1;
            Some(begin)
        });
        let begins: Vec<usize> = begins.collect();
        let mut p = vec![0.0; words.iter().map(|word| word.len() + 1).sum()];
        // Words of about one length leave little to pad.
        let mut order: Vec<usize> = (0..words.len()).collect();
        order.sort_by_key(|&place| words[place].len());
        let mut order = order.as_slice();
        while !order.is_empty() {
            let (places, further) = order.split_at(self.at_once(words, order));
            order = further;
            let of_places: Vec<&[usize]> = places.iter().map(|&place| words[place]).collect();
            let mut rest = match of_places[..] {
                [long]
                    if self.numbers(long) > NUMBERS && self.config.kind().takes_longer_words() =>
                {
                    self.in_pieces(long, normalise)?
                }
                _ => self.of_next(&of_places, normalise)?,
            }
            .into_iter();
            for (&place, word) in places.iter().zip(of_places) {
                let begin = begins[place];
                for p in &mut p[begin..=begin + word.len()] {
                    *p = rest.next().unwrap_or_default();
                }
            }
        }
        Ok(p)
    }
}

impl LanguageModel for Network {
    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn block_size(&self) -> usize {
        self.block_size
    }

    fn distributions(&self, contexts: &Tensor) -> Result<Tensor> {
        self.after(contexts, SOFTMAX)
    }

    fn probabilities(&self, words: &[&[usize]]) -> Result<Vec<f32>> {
        self.of_words(words, SOFTMAX)
    }

    fn log_probabilities(&self, words: &[&[usize]]) -> Result<Vec<f64>> {
        let ln = self.of_words(words, LOG_SOFTMAX)?;
        Ok(ln.into_iter().map(f64::from).collect())
    }

    /// Draws many words side by side, and so not in the order of a drawer that asks for one
    /// character after the other.
    fn drawer(&self, method: Method, shaping: Shaping) -> Result<Box<dyn Drawer + '_>> {
        rounds::of(self, method, shaping)
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(self.state_reader()))
    }
}

fn shared(tensors: &[(String, Tensor)]) -> Vec<(String, Tensor)> {
    let shared = |(name, tensor): &(String, Tensor)| (name.clone(), tensor.shallow_clone());
    tensors.iter().map(shared).collect()
}

/// A context as a word is read: what fills it up on the left is one start token; none if it does
/// not reach back to the beginning of its word.
fn started(context: &[i64]) -> &[i64] {
    let filling = context.iter().take_while(|&&index| index == 0).count();
    &context[filling.saturating_sub(1)..]
}
