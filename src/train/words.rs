//! Training on batches of words, as makemore.py does it.
//!
//! [`WordList`] is what is learned, [`Training`] the loop: forward, loss, backward, update. Where
//! there are several threads, each computes its share of a batch with a network of its own, which
//! has the same parameters; their gradients are summed, and the update is made in one place. A
//! network with batch normalisation is trained on one thread: its statistics are those of a whole
//! batch, not of a share.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use super::adamw::AdamWOptions;
use super::batches::{Batch, nll};
use super::mixed::{Mixed, Ordered};
use super::muon::MuonOptions;
use crate::data::Vocabulary;
use crate::data::split::{Permutation, SplitMix};
use crate::error::{Error, Result};
use crate::models::{Dropout, LanguageModel, Makemore, Network};
use crate::score::evaluate::{self, Evaluation};

/// What a step on a batch is called.
pub const STEP: &str = "step";

/// The most words of a batch.
pub const LARGEST_BATCH: usize = 1 << 20;

/// Words by their indices, to choose from.
#[derive(Debug, Clone, Default)]
pub struct WordList {
    /// Of all words, one after the other.
    indices: Vec<u16>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl WordList {
    /// Appends a word.
    ///
    /// # Errors
    ///
    /// [`Error::Word`] if it has a character that the vocabulary does not have.
    pub fn push(&mut self, word: &str, vocabulary: &Vocabulary) -> Result<()> {
        let indices = vocabulary.encode(word)?;
        self.indices
            .extend(indices.into_iter().map(|index| index as u16));
        self.ends.push(self.indices.len());
        Ok(())
    }

    /// How many words there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The number of characters of the longest word.
    pub fn longest(&self) -> usize {
        self.iter().map(<[u16]>::len).max().unwrap_or(0)
    }

    /// The words, by their indices.
    pub fn iter(&self) -> impl Iterator<Item = &[u16]> {
        (0..self.len()).map(|place| self.word(place))
    }

    /// How well a model fits them.
    ///
    /// # Errors
    ///
    /// If libtorch fails.
    pub fn evaluate(&self, model: &dyn LanguageModel) -> Result<Evaluation> {
        evaluate::indices(model, self.iter())
    }

    fn word(&self, place: usize) -> &[u16] {
        let begin = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.indices[begin..self.ends[place]]
    }

    /// The words of a step: all words come once before any comes again, in another order each time.
    /// It follows from the seed and the number of the step alone.
    fn batch(&self, step: u64, size: usize, seed: u64) -> Vec<Vec<usize>> {
        let words = self.len() as u64;
        let mut batch = Vec::with_capacity(size);
        for place in 0..size as u64 {
            let place = step * size as u64 + place;
            let order = Permutation::new(words, seed.wrapping_add(place / words));
            let word = self.word(order.of(place % words) as usize);
            batch.push(word.iter().map(|&index| usize::from(index)).collect());
        }
        batch
    }
}

/// Chooses some of the words of a list, from everywhere in it and always the same, one after the
/// other.
#[derive(Debug)]
pub struct Choice {
    order: Permutation,
    most: u64,
    /// The place of the next word.
    place: u64,
}

impl Choice {
    /// At most so many of a number of words; which ones follows from a seed.
    pub fn new(words: u64, most: u64, seed: u64) -> Self {
        Self {
            order: Permutation::new(words, seed),
            most,
            place: 0,
        }
    }

    /// Whether the next word is one of them.
    pub fn takes_next(&mut self) -> bool {
        let place = self.order.of(self.place);
        self.place += 1;
        place < self.most
    }
}

/// How to train; the default is makemore.py's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordOptions {
    /// How many steps in all, if they are not limited by time alone.
    pub steps: Option<u64>,
    /// How many seconds in all, if they are limited.
    pub seconds: Option<f64>,
    /// How many words a step learns from.
    pub batch_size: usize,
    /// The learning rate.
    pub learning_rate: LearningRate,
    /// How parameters are moved.
    pub adamw: AdamWOptions,
    /// How the matrices of hidden layers are moved, if otherwise; of a network that has some, see
    /// [`Config::hidden_matrices`](crate::models::Config::hidden_matrices).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muon: Option<MuonOptions>,
    /// What share of its numbers a network leaves out in each step, below 1.
    pub dropout: f64,
    /// What the order of the words follows from, and what is left out.
    pub seed: u64,
}

impl Default for WordOptions {
    fn default() -> Self {
        Self {
            steps: Some(10_000),
            seconds: None,
            batch_size: 32,
            learning_rate: LearningRate::Constant(5e-4),
            adamw: AdamWOptions::default(),
            muon: None,
            dropout: 0.0,
            seed: 3407,
        }
    }
}

/// The learning rate in the course of a training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LearningRate {
    /// The same at every step.
    Constant(f64),
    /// It rises to its highest in some steps, and falls evenly to 0 at the end.
    Falling {
        /// Its highest.
        highest: f64,
        /// How many steps it rises.
        warm_up: u64,
    },
}

impl LearningRate {
    /// That of a step, by its number and by how much of the training is done before it, from 0 to 1.
    pub fn at(self, step: u64, done: f64) -> f64 {
        match self {
            Self::Constant(rate) => rate,
            Self::Falling { highest, warm_up } => {
                let risen = (step + 1) as f64 / warm_up.max(1) as f64;
                highest * risen.min(1.0 - done)
            }
        }
    }

    /// The highest of all steps.
    pub fn highest(self) -> f64 {
        match self {
            Self::Constant(rate) => rate,
            Self::Falling { highest, .. } => highest,
        }
    }
}

/// How far a training is.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// How many steps were made.
    pub steps: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// The step whose parameters are kept: those with the lowest loss on dev, or the last ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// How many steps were made.
    pub step: u64,
    /// The loss, in nats, if there is a dev part.
    pub dev: Option<f64>,
    /// By which the parameters are recognised.
    pub sha256: String,
}

/// What it takes to go on with a training, beside the parameters.
#[derive(Debug)]
pub struct Run {
    /// How it was trained.
    pub options: WordOptions,
    /// How far.
    pub done: Done,
    /// The step that is kept.
    pub best: Best,
    /// The step that was evaluated last; 0 if none was.
    pub evaluated: u64,
    /// The sum of the losses of the batches since then, and their number.
    pub since: (f64, u32),
    /// What the optimizer remembers, by names.
    pub optimizer: Vec<(String, Tensor)>,
}

/// A step that was made, which [`Training::run`] tells of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WordStep {
    /// Its number, from 0.
    pub number: u64,
    /// The loss of its batch before it, in nats.
    pub loss: f64,
    /// Its learning rate.
    pub learning_rate: f64,
    /// How much of the training is done after it, from 0 to 1; 1 for the last step.
    pub done: f64,
}

/// The training of a network, in place.
#[derive(Debug)]
pub struct Training<'a> {
    network: &'a Makemore,
    words: &'a WordList,
    options: WordOptions,
    optimizer: Mixed,
    done: Done,
    device: Device,
    /// A network for each further thread.
    others: Vec<Makemore>,
}

impl<'a> Training<'a> {
    /// A training from its beginning, on so many threads; on one if the network has buffers.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if there are no words to train on or batches are empty; if the device has no
    /// room.
    pub fn new(
        network: &'a Makemore,
        words: &'a WordList,
        options: WordOptions,
        threads: usize,
    ) -> Result<Self> {
        options.check()?;
        if words.is_empty() {
            return Err(Error::Value {
                what: "the number of words to train on",
                value: "0".to_owned(),
                expected: "at least one word would work",
            });
        }
        let optimizer = Mixed::new(Ordered::of(network, &options), &options)?;
        let threads = match network.buffers().is_empty() {
            true => threads.min(options.batch_size),
            false => 1,
        };
        let others = (1..threads).map(|_| {
            let other = network.copy()?;
            optimizer.share(&mut Ordered::of(&other, &options))?;
            Ok(other)
        });
        let others = others.collect::<Result<_>>()?;
        Ok(Self {
            network,
            words,
            options,
            optimizer,
            done: Done::default(),
            device: network.device(),
            others,
        })
    }

    /// The same from where a training was interrupted, with what its optimizer remembers (see
    /// [`Mixed::state`]).
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if that is not of such a network.
    pub fn after(mut self, done: Done, optimizer: &[(String, Tensor)]) -> Result<Self> {
        self.optimizer.restore(optimizer, done.steps)?;
        self.done = done;
        Ok(self)
    }

    /// How far it is.
    pub fn done(&self) -> Done {
        self.done
    }

    /// What the optimizer remembers.
    ///
    /// # Errors
    ///
    /// If the device has no room.
    pub fn optimizer(&self) -> Result<Vec<(String, Tensor)>> {
        self.optimizer.state()
    }

    /// Trains until the end; `observe` is called after every step, and [`ControlFlow::Break`] ends
    /// it there.
    ///
    /// # Errors
    ///
    /// [`Error::Diverged`] as soon as a loss is not finite; what `observe` returns; if the device
    /// has no room.
    pub fn run(
        &mut self,
        mut observe: impl FnMut(WordStep) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let before = self.done.seconds;
        let start = Instant::now();
        let (options, network, device) = (self.options, self.network, self.device);
        let Self {
            words,
            optimizer,
            done,
            others,
            ..
        } = self;
        thread::scope(|scope| {
            let workers: Vec<Worker> = others
                .iter_mut()
                .map(|other| {
                    let (share, shares) = channel::<Share>();
                    let (sender, gradients) = channel();
                    scope.spawn(move || work(other, &options, device, &shares, &sender));
                    Worker { share, gradients }
                })
                .collect();
            let own = Ordered::of(network, &options).parameters;
            let mut fraction = options.fraction(*done);
            while fraction < 1.0 {
                let number = done.steps;
                let learning_rate = options.learning_rate.at(number, fraction);
                let mut shares = options.shares(words, number, workers.len() + 1);
                let first = shares.remove(0);
                // A small batch has fewer shares than there are threads.
                let busy = &workers[..shares.len()];
                for (worker, share) in busy.iter().zip(shares) {
                    let _ = worker.share.send(share);
                }
                let (mut loss, mut gradient) =
                    first.gradient(network, &own, options.dropout, device)?;
                for worker in busy {
                    let (other, of_other) = worker.gradients.recv().map_err(|_| ended())??;
                    loss += other;
                    gradient = gradient.f_add(&of_other)?;
                }
                optimizer.update(&gradient, learning_rate)?;
                done.steps += 1;
                done.seconds = before + start.elapsed().as_secs_f64();
                fraction = options.fraction(*done);
                if !loss.is_finite() {
                    return Err(Error::Diverged {
                        stage: STEP,
                        number,
                        learning_rate,
                        regularization: 0.0,
                        loss: loss as f32,
                    });
                }
                let step = WordStep {
                    number,
                    loss,
                    learning_rate,
                    done: fraction,
                };
                if observe(step)?.is_break() {
                    return Ok(());
                }
            }
            Ok(())
        })
    }
}

impl WordOptions {
    /// Finds out whether a network can be trained so.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if a number is out of range.
    pub fn check(&self) -> Result<()> {
        let AdamWOptions {
            weight_decay,
            beta1,
            beta2,
        } = self.adamw;
        let share = |share: f64| (0.0..1.0).contains(&share);
        let above_zero = |number: f64| number.is_finite() && number > 0.0;
        let zero_or_more = |number: f64| number.is_finite() && number >= 0.0;
        // What is not used has no number that could be wrong.
        let muon = self.muon.unwrap_or(MuonOptions {
            learning_rate_factor: 1.0,
            weight_decay: 0.0,
            momentum: 0.0,
        });
        let numbers = [
            ("the dropout", self.dropout, share(self.dropout)),
            ("a beta of AdamW", beta1, share(beta1)),
            ("a beta of AdamW", beta2, share(beta2)),
            ("the weight decay", weight_decay, zero_or_more(weight_decay)),
            (
                "the learning rate of Muon",
                muon.learning_rate_factor,
                above_zero(muon.learning_rate_factor),
            ),
            (
                "the weight decay of Muon",
                muon.weight_decay,
                zero_or_more(muon.weight_decay),
            ),
            ("the momentum of Muon", muon.momentum, share(muon.momentum)),
            (
                "the learning rate",
                self.learning_rate.highest(),
                above_zero(self.learning_rate.highest()),
            ),
            (
                "the batch size",
                self.batch_size as f64,
                (1..=LARGEST_BATCH).contains(&self.batch_size),
            ),
            (
                "the time for training",
                self.seconds.unwrap_or(1.0),
                self.seconds.is_none_or(above_zero),
            ),
            (
                "the number of steps",
                self.steps.unwrap_or(1) as f64,
                self.steps != Some(0),
            ),
        ];
        match numbers.into_iter().find(|(.., is_possible)| !is_possible) {
            None => Ok(()),
            Some((what, number, _)) => Err(Error::Value {
                what,
                value: number.to_string(),
                expected: "a number in its range would work",
            }),
        }
    }

    /// How much of the training is done, from 0 to 1.
    pub fn fraction(&self, done: Done) -> f64 {
        let steps = self.steps.map(|steps| done.steps as f64 / steps as f64);
        let seconds = self.seconds.map(|seconds| done.seconds / seconds);
        let fraction = steps.into_iter().chain(seconds).fold(0.0, f64::max);
        fraction.min(1.0)
    }

    /// The words of a step, in so many shares.
    fn shares(&self, words: &WordList, step: u64, threads: usize) -> Vec<Share> {
        let batch = words.batch(step, self.batch_size, self.seed);
        let tokens = |words: &[Vec<usize>]| words.iter().map(|word| word.len() + 1).sum::<usize>();
        let all = tokens(&batch);
        let mut seeds = SplitMix(self.seed ^ step.rotate_left(32));
        let share = |words: &[Vec<usize>]| Share {
            weight: tokens(words) as f64 / all as f64,
            words: words.to_vec(),
            seed: seeds.next(),
        };
        batch
            .chunks(batch.len().div_ceil(threads))
            .map(share)
            .collect()
    }
}

/// What a thread learns of a batch.
struct Share {
    words: Vec<Vec<usize>>,
    /// How much of the batch that is, from 0 to 1.
    weight: f64,
    /// What is left out follows from it.
    seed: u64,
}

impl Share {
    /// The loss, and its gradient with respect to all parameters, one after the other, `[P]`; both
    /// times the weight.
    fn gradient(
        &self,
        network: &Makemore,
        parameters: &[Tensor],
        dropout: f64,
        device: Device,
    ) -> Result<(f64, Tensor)> {
        let words: Vec<&[usize]> = self.words.iter().map(Vec::as_slice).collect();
        let batch = Batch::of(&words, device)?;
        let batch = batch.for_training(Dropout::new(dropout, self.seed));
        let mut loss = nll(network, &batch)?;
        if self.weight < 1.0 {
            loss = loss.f_mul_scalar(self.weight)?;
        }
        let gradient = super::adamw::gradient(&loss, parameters)?;
        Ok((loss.f_double_value(&[])?, gradient))
    }
}

/// A thread that computes gradients.
struct Worker {
    share: Sender<Share>,
    gradients: Receiver<Result<(f64, Tensor)>>,
}

/// Computes gradients until no more are wanted.
fn work(
    network: &mut Makemore,
    options: &WordOptions,
    device: Device,
    shares: &Receiver<Share>,
    gradients: &Sender<Result<(f64, Tensor)>>,
) {
    let parameters = Ordered::of(network, options).parameters;
    for share in shares {
        let gradient = share.gradient(network, &parameters, options.dropout, device);
        if gradients.send(gradient).is_err() {
            break;
        }
    }
}

fn ended() -> Error {
    Error::Libtorch("a thread of the training has ended".to_owned())
}

/// Copies of parameters and buffers as they are now, by their names.
///
/// # Errors
///
/// If the device has no room.
pub fn copies(network: &dyn Network) -> Result<std::collections::BTreeMap<String, Tensor>> {
    let copied = network.state_dict().into_iter().map(|(name, tensor)| {
        let copy = tch::no_grad(|| tensor.f_detach_copy())?;
        Ok((name, copy))
    });
    copied.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Words;
    use crate::models::{Config, Norm, Positions, Sizes};

    fn names(count: usize) -> (WordList, Vocabulary) {
        let words = Words::lecture('.').unwrap();
        let vocabulary = Vocabulary::of(&words).unwrap();
        let mut list = WordList::default();
        for word in words.iter().take(count) {
            list.push(word, &vocabulary).unwrap();
        }
        (list, vocabulary)
    }

    #[test]
    fn every_word_comes_once_before_any_comes_again() {
        let (list, _) = names(100);
        let mut seen = Vec::new();
        for step in 0..8 {
            let batch = list.batch(step, 25, 7);
            assert_eq!(batch.len(), 25);
            seen.extend(batch);
        }
        let (mut first, mut second) = (seen[..100].to_vec(), seen[100..].to_vec());
        assert_ne!(first, second);
        first.sort();
        second.sort();
        assert_eq!(first, second);
    }

    #[test]
    fn a_falling_rate_rises_first_and_ends_close_to_nothing() {
        let rate = LearningRate::Falling {
            highest: 1.0,
            warm_up: 10,
        };
        assert_eq!((rate.at(0, 0.0), rate.at(9, 0.0)), (0.1, 1.0));
        assert_eq!((rate.at(50, 0.5), rate.at(99, 0.99)), (0.5, 1.0 - 0.99));
        assert_eq!(LearningRate::Constant(0.5).at(3, 0.9), 0.5);
        let options = WordOptions {
            steps: Some(200),
            seconds: Some(10.0),
            ..WordOptions::default()
        };
        let fraction = |steps, seconds| options.fraction(Done { steps, seconds });
        assert_eq!((fraction(50, 1.0), fraction(50, 6.0)), (0.25, 0.6));
        assert_eq!((fraction(200, 1.0), fraction(0, 11.0)), (1.0, 1.0));
    }

    fn network(vocabulary: &Vocabulary) -> Makemore {
        let sizes = Sizes {
            n_embd: 8,
            n_embd2: 8,
            ..Sizes::default()
        };
        Makemore::new(vocabulary.clone(), Config::Gru(sizes), 1, Device::Cpu).unwrap()
    }

    const OPTIONS: WordOptions = WordOptions {
        steps: Some(30),
        seconds: None,
        batch_size: 32,
        learning_rate: LearningRate::Falling {
            highest: 0.02,
            warm_up: 5,
        },
        adamw: AdamWOptions {
            weight_decay: 0.05,
            beta1: 0.9,
            beta2: 0.999,
        },
        muon: None,
        dropout: 0.2,
        seed: 1,
    };

    /// A network that Muon has something of, and its options.
    fn with_muon(vocabulary: &Vocabulary) -> (Makemore, WordOptions) {
        let sizes = Sizes {
            n_embd: 16,
            n_layer: 2,
            norm: Norm::Rms,
            positions: Positions::Rotary,
            ..Sizes::default()
        };
        let muon = MuonOptions {
            learning_rate_factor: 3.0,
            weight_decay: 0.05,
            momentum: 0.95,
        };
        let options = WordOptions {
            muon: Some(muon),
            ..OPTIONS
        };
        let config = Config::Transformer(sizes);
        let network = Makemore::new(vocabulary.clone(), config, 1, Device::Cpu).unwrap();
        (network, options)
    }

    /// The losses until the end or so many steps.
    fn run(training: &mut Training, steps: u64) -> Vec<f64> {
        let mut losses = Vec::new();
        let trained = training.run(|step| {
            losses.push(step.loss);
            Ok(match step.number + 1 < steps {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            })
        });
        trained.unwrap();
        losses
    }

    #[test]
    fn the_same_seed_and_threads_learn_the_same() {
        let (list, vocabulary) = names(500);
        let train = |seed, dropout, threads| {
            let options = WordOptions {
                seed,
                dropout,
                ..OPTIONS
            };
            let network = network(&vocabulary);
            run(
                &mut Training::new(&network, &list, options, threads).unwrap(),
                100,
            )
        };
        let losses = train(1, 0.2, 1);
        assert_eq!(losses.len(), 30);
        assert_eq!(losses, train(1, 0.2, 1));
        assert_ne!(losses, train(2, 0.2, 1));
        assert!(losses[29] < losses[0] - 0.3, "{losses:?}");
        assert_eq!(train(1, 0.2, 3), train(1, 0.2, 3));
        // Threads add up in another order, and leave out other numbers.
        for (one, other) in train(1, 0.0, 1).into_iter().zip(train(1, 0.0, 3)) {
            assert!((one - other).abs() < 1e-4, "{one} {other}");
        }
    }

    /// Interrupts a training after 11 of 30 steps, and goes on with another network.
    fn goes_on_bit_for_bit(of: impl Fn(&Vocabulary) -> (Makemore, WordOptions)) {
        let (list, vocabulary) = names(500);
        for threads in [1, 2] {
            let (whole, options) = of(&vocabulary);
            let mut training = Training::new(&whole, &list, options, threads).unwrap();
            let losses = run(&mut training, 30);
            assert!(losses[29] < losses[0] - 0.3, "{losses:?}");

            let (first, _) = of(&vocabulary);
            let mut training = Training::new(&first, &list, options, threads).unwrap();
            let mut parts = run(&mut training, 11);
            let (done, optimizer) = (training.done(), training.optimizer().unwrap());
            let parameters = copies(&first).unwrap();
            drop(training);
            let second =
                Makemore::of(vocabulary.clone(), first.config(), &parameters, Device::Cpu).unwrap();
            let training = Training::new(&second, &list, options, threads).unwrap();
            let mut training = training.after(done, &optimizer).unwrap();
            parts.extend(run(&mut training, 30));
            assert_eq!(parts, losses);
            assert_eq!(copies(&second).unwrap(), copies(&whole).unwrap());
            assert_eq!(training.done().steps, 30);
        }
    }

    #[test]
    fn an_interrupted_training_goes_on_bit_for_bit() {
        goes_on_bit_for_bit(|vocabulary| (network(vocabulary), OPTIONS));
    }

    #[test]
    fn an_interrupted_training_with_muon_goes_on_bit_for_bit() {
        goes_on_bit_for_bit(with_muon);
    }

    #[test]
    fn an_interrupted_training_with_batch_normalisation_goes_on_bit_for_bit() {
        goes_on_bit_for_bit(|vocabulary| {
            let sizes = Sizes {
                block_size: 8,
                n_embd: 8,
                n_embd2: 16,
                ..Sizes::default()
            };
            let config = Config::Wavenet(sizes);
            let network = Makemore::new(vocabulary.clone(), config, 1, Device::Cpu).unwrap();
            (network, OPTIONS)
        });
    }

    /// Threads add up in another order.
    #[test]
    fn muon_learns_the_same_on_several_threads() {
        let (list, vocabulary) = names(500);
        let train = |threads| {
            let (network, options) = with_muon(&vocabulary);
            let options = WordOptions {
                dropout: 0.0,
                ..options
            };
            run(
                &mut Training::new(&network, &list, options, threads).unwrap(),
                30,
            )
        };
        for (one, other) in train(1).into_iter().zip(train(3)) {
            assert!((one - other).abs() < 1e-3, "{one} {other}");
        }
    }

    #[test]
    fn what_another_optimizer_remembers_is_refused() {
        let (list, vocabulary) = names(50);
        let network = network(&vocabulary);
        let training = || Training::new(&network, &list, OPTIONS, 1).unwrap();
        let mut state = training().optimizer().unwrap();
        let (other, options) = with_muon(&vocabulary);
        let of_muon = || Training::new(&other, &list, options, 1).unwrap();
        assert!(of_muon().after(Done::default(), &state).is_err());
        let both = of_muon().optimizer().unwrap();
        assert!(of_muon().after(Done::default(), &both).is_ok());
        assert!(of_muon().after(Done::default(), &both[..2]).is_err());
        assert!(training().after(Done::default(), &state).is_ok());
        state[0].1 = state[0].1.narrow(0, 0, 5);
        assert!(training().after(Done::default(), &state).is_err());
        state.pop();
        assert!(training().after(Done::default(), &state).is_err());
    }
}
