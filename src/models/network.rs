//! The networks of makemore.py and lecture 5, which read words from their first character on.
//!
//! A [`Network`] holds what is common to all kinds: a vocabulary, a config, parameters under
//! makemore.py's names, and probabilities from logits. The layers of each kind are in a file of its
//! own in [`kinds`](super::kinds).
//!
//! Source: <https://github.com/karpathy/makemore>, makemore.py; lecture 5.

use std::collections::BTreeMap;
use std::ops::Range;
use std::{iter, thread};

use tch::{Device, Kind, TchError, Tensor};

use super::config::Config;
use super::draw::{Drawer, Method, Shaping};
use super::kinds::kind::Layers;
use super::language_model::{Between, LanguageModel, Reader};
use super::parameters::{Parameters, Taken};
use super::rounds;
use super::state_reader::{StateReader, after};
use super::tokens::Tokens;
use crate::data::Vocabulary;
use crate::distributed::{Alone, Processes};
use crate::error::{Error, Result};
use crate::libtorch::random::Generator;
use crate::libtorch::threads;

/// A function from logits to probabilities or their logarithms, over the last dimension.
type Normalise = fn(&Tensor) -> std::result::Result<Tensor, TchError>;

/// Probabilities.
const SOFTMAX: Normalise = |logits| logits.f_softmax(-1, Kind::Float);

/// Natural logarithms of probabilities, which do not underflow.
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

    /// The kind of network and its sizes.
    pub fn config(&self) -> Config {
        self.config
    }

    /// The number of parameters, counted number by number.
    pub fn parameter_count(&self) -> usize {
        let parameters = self.tensors.parameters.iter();
        parameters.map(|(_, parameter)| parameter.numel()).sum()
    }

    /// The device of the parameters.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The parameters, by their names, on the network's device.
    pub fn parameters(&self) -> Vec<(String, Tensor)> {
        shared(&self.tensors.parameters)
    }

    /// Tensors that are learned without gradients, by their names: the running means and variances of
    /// batch normalisation.
    pub fn buffers(&self) -> Vec<(String, Tensor)> {
        shared(&self.tensors.buffers)
    }

    /// Parameters and buffers: with the config, all that the network is made of.
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

    /// A copy for another thread.
    pub(crate) fn copy(&self) -> Result<Self> {
        let tensors = self.state_dict().into_iter().collect();
        let given = Parameters::given(&tensors, self.device);
        Self::with(self.vocabulary.clone(), self.config, given, self.device)
    }

    /// Checks that no logit overflows where every character is read once.
    fn check_logits(&self) -> Result<()> {
        let every: Vec<i64> = (0..self.vocabulary.len() as i64).collect();
        let words: Vec<&[i64]> = every.chunks(self.block_size).collect();
        let are_finite = tch::no_grad(|| -> Result<_> {
            let tokens = Tokens::of(&words, self.device);
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

    /// The probabilities of the words' characters after each asked token of pieces, piece after piece.
    fn of_pieces(&self, pieces: &[Piece], normalise: Normalise) -> Result<Vec<f32>> {
        let (mut tokens, mut lengths) = (Vec::new(), Vec::new());
        let (mut asked, mut next) = (Vec::new(), Vec::new());
        for Piece {
            word, read, from, ..
        } in pieces
        {
            let first = tokens.len();
            asked.extend((from - read.start..read.len()).map(|token| (first + token) as i64));
            next.extend(
                (*from..read.end).map(|token| word.get(token).map_or(0, |&index| index as i64)),
            );
            tokens.extend(read.clone().map(|token| match token {
                0 => 0,
                token => word[token - 1] as i64,
            }));
            lengths.push(read.len());
        }
        let p = tch::no_grad(|| -> Result<_> {
            let tokens = Tokens::joined(tokens, lengths, self.device);
            let asked = Tensor::f_from_slice(&asked)?.f_to_device(self.device)?;
            let next = Tensor::f_from_slice(&next)?.f_to_device(self.device)?;
            let logits = self.logits(&tokens)?.f_index_select(0, &asked)?; // [A, V]
            Ok(normalise(&logits)?.f_gather(1, &next.f_view([-1, 1])?, false)?)
        })?;
        Ok(Vec::try_from(p.f_to_device(Device::Cpu)?.f_view([-1])?)?)
    }

    /// The probabilities of some batches, the first here and each other one in a thread with a copy.
    fn of_batches(
        &self,
        copies: &mut [Self],
        batches: &[&[Piece]],
        normalise: Normalise,
    ) -> Result<Vec<Vec<f32>>> {
        thread::scope(|scope| {
            let others = copies.iter_mut().zip(&batches[1..]);
            let others = others.map(|(copy, batch)| {
                scope.spawn(move || {
                    threads::use_one();
                    copy.of_pieces(batch, normalise)
                })
            });
            let others: Vec<_> = others.collect();
            let own = self.of_pieces(batches[0], normalise);
            let others = others.into_iter().map(|other| {
                let p = other.join();
                p.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            iter::once(own).chain(others).collect()
        })
    }

    /// Cuts words into pieces that fit memory. A word that fits a block is one piece. Each further piece
    /// begins with the rest of the block of its first prediction.
    fn pieces<'w>(&self, words: &[&'w [usize]]) -> Vec<Piece<'w>> {
        let most = self.config.most_tokens(self.vocabulary.len());
        let (mut pieces, mut place) = (Vec::new(), 0);
        for &word in words {
            let mut from = 0;
            while from <= word.len() {
                let end = (from + most).min(word.len() + 1);
                let read = (from + 1).saturating_sub(self.block_size)..end;
                pieces.push(Piece {
                    word,
                    read,
                    from,
                    place,
                });
                place += end - from;
                from = end;
            }
        }
        pieces
    }

    /// The probabilities of the characters of words and of their ends, or the logarithms.
    fn of_words(
        &self,
        words: &[&[usize]],
        normalise: Normalise,
        processes: &dyn Processes,
        between: Between,
    ) -> Result<Vec<f32>> {
        let mut pieces = self.pieces(words);
        let last = pieces
            .last()
            .map_or(0, |piece| piece.place + piece.read.end - piece.from);
        let mut p = vec![0.0; last];
        // Pieces of about one length need little padding.
        pieces.sort_by_key(|piece| piece.read.len());
        let (mut batches, mut rest) = (Vec::new(), pieces.as_slice());
        while !rest.is_empty() {
            let lengths = rest.iter().map(|piece| piece.read.len());
            let words = self.config.words_at_once(self.vocabulary.len(), lengths);
            let (batch, further) = rest.split_at(words);
            batches.push(batch);
            rest = further;
        }
        let own = batches.into_iter().skip(processes.rank());
        let own: Vec<&[Piece]> = own.step_by(processes.size()).collect();
        let threads = match (self.device, threads::reading().min(own.len())) {
            (Device::Cpu, several @ 2..) => several.min(Config::threads_at_once()),
            _ => 1,
        };
        let copies = (1..threads).map(|_| self.copy());
        let mut copies: Vec<Self> = copies.collect::<Result<_>>()?;
        for batches in own.chunks(threads) {
            let of_batches = self.of_batches(&mut copies, batches, normalise)?;
            for (batch, of_batch) in batches.iter().zip(of_batches) {
                let mut of_batch = of_batch.into_iter();
                for Piece {
                    read, from, place, ..
                } in *batch
                {
                    let of_piece = &mut p[*place..place + read.end - from];
                    for (p, asked) in of_piece.iter_mut().zip(&mut of_batch) {
                        *p = asked;
                    }
                }
                between()?;
            }
        }
        // Where another process has computed them, there are zeros here.
        let (p, _) = processes.sum(&Tensor::f_from_slice(&p)?, &[])?;
        Ok(Vec::try_from(p)?)
    }
}

/// Tokens of a word that are read at once, to predict the characters after the last ones.
struct Piece<'w> {
    /// The indices of the word; its tokens are the start token and these.
    word: &'w [usize],
    /// The tokens that are read.
    read: Range<usize>,
    /// The first token whose next character is predicted.
    from: usize,
    /// The index of the first prediction among those of all words.
    place: usize,
}

impl LanguageModel for Network {
    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn block_size(&self) -> usize {
        self.block_size
    }

    fn distributions(&self, contexts: &Tensor) -> Result<Tensor> {
        let contexts: Vec<i64> = Vec::try_from(contexts.f_contiguous()?.f_view([-1])?)?;
        let words: Vec<&[i64]> = contexts
            .chunks_exact(self.block_size)
            .map(started)
            .collect();
        let v = self.vocabulary.len();
        after(&*self.layers, &words, &self.config, v, self.device)
    }

    fn probabilities(&self, words: &[&[usize]]) -> Result<Vec<f32>> {
        self.probabilities_shared(words, &Alone)
    }

    fn probabilities_shared(
        &self,
        words: &[&[usize]],
        processes: &dyn Processes,
    ) -> Result<Vec<f32>> {
        self.of_words(words, SOFTMAX, processes, &mut || Ok(()))
    }

    fn log_probabilities(&self, words: &[&[usize]], between: Between) -> Result<Vec<f64>> {
        self.log_probabilities_shared(words, &Alone, between)
    }

    fn log_probabilities_shared(
        &self,
        words: &[&[usize]],
        processes: &dyn Processes,
        between: Between,
    ) -> Result<Vec<f64>> {
        let ln = self.of_words(words, LOG_SOFTMAX, processes, between)?;
        Ok(ln.into_iter().map(f64::from).collect())
    }

    /// The block has the start token and, by default, the characters of the longest word.
    fn longest_word(&self) -> Option<usize> {
        Some(self.block_size - 1)
    }

    /// Draws many words side by side, so a seed draws other words than the default drawer would.
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

/// The tokens of a context: its padding becomes one start token, and a context without padding, from
/// the middle of a word, has none.
fn started(context: &[i64]) -> &[i64] {
    let filling = context.iter().take_while(|&&index| index == 0).count();
    &context[filling.saturating_sub(1)..]
}
