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

use super::loss::cross_entropy;
use super::mixed::{Mixed, Ordered};
use super::options::{Done, WordOptions};
use crate::data::split::{Permutation, SplitMix};
use crate::data::word_list::WordList;
use crate::error::{Error, Result};
use crate::models::{Dropout, Network, Tokens};

/// What a step on a batch is called.
pub const STEP: &str = "step";

/// Some words and what follows each of their tokens.
#[derive(Debug)]
pub struct Batch {
    /// The words, each from its start token on.
    pub xs: Tokens,
    /// The character after each token, or the end, `[N]`, i64.
    pub ys: Tensor,
}

impl Batch {
    /// Words by their indices, without start and end token.
    ///
    /// # Errors
    ///
    /// If the device has no room.
    pub fn of(words: &[&[usize]], device: Device) -> Result<Self> {
        let ys = words
            .iter()
            .flat_map(|word| word.iter().copied().chain([0]));
        let ys: Vec<i64> = ys.map(|index| index as i64).collect();
        Ok(Self {
            xs: Tokens::of_words(words, device)?,
            ys: Tensor::f_from_slice(&ys)?.f_to_device(device)?,
        })
    }

    /// The same for a network to learn from, which may leave out something.
    pub fn for_training(self, dropout: Option<Dropout>) -> Self {
        Self {
            xs: self.xs.for_training(dropout),
            ..self
        }
    }
}

/// The mean negative log-likelihood of a batch's characters, ends among them, in nats; a scalar.
///
/// # Errors
///
/// If the device has no room.
pub fn nll(network: &Network, batch: &Batch) -> Result<Tensor> {
    let logits = network.logits(&batch.xs)?; // [N, V]
    cross_entropy(&logits, &batch.ys)
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
    network: &'a Network,
    words: &'a WordList,
    options: WordOptions,
    optimizer: Mixed,
    done: Done,
    device: Device,
    /// A network for each further thread.
    others: Vec<Network>,
}

impl<'a> Training<'a> {
    /// A training from its beginning, on so many threads; on one if the network has buffers.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if there are no words to train on or batches are empty; if the device has no
    /// room.
    pub fn new(
        network: &'a Network,
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
    /// The words of a step, in so many shares.
    fn shares(&self, words: &WordList, step: u64, threads: usize) -> Vec<Share> {
        let batch = batch(words, step, self.batch_size, self.seed);
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

/// The words of a step: all words come once before any comes again, in another order each time.
/// It follows from the seed and the number of the step alone.
fn batch(list: &WordList, step: u64, size: usize, seed: u64) -> Vec<Vec<usize>> {
    let words = list.len() as u64;
    let mut batch = Vec::with_capacity(size);
    for place in 0..size as u64 {
        let place = step * size as u64 + place;
        let order = Permutation::new(words, seed.wrapping_add(place / words));
        let word = list.word(order.of(place % words) as usize);
        batch.push(word.iter().map(|&index| usize::from(index)).collect());
    }
    batch
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
        network: &Network,
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
    network: &mut Network,
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
pub fn copies(network: &Network) -> Result<std::collections::BTreeMap<String, Tensor>> {
    let copied = network.state_dict().into_iter().map(|(name, tensor)| {
        let copy = tch::no_grad(|| tensor.f_detach_copy())?;
        Ok((name, copy))
    });
    copied.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Vocabulary, Words};
    use crate::models::{Config, Norm, Positions, Sizes};
    use crate::train::adamw::AdamWOptions;
    use crate::train::muon::MuonOptions;
    use crate::train::options::LearningRate;

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
            let batch = batch(&list, step, 25, 7);
            assert_eq!(batch.len(), 25);
            seen.extend(batch);
        }
        let (mut first, mut second) = (seen[..100].to_vec(), seen[100..].to_vec());
        assert_ne!(first, second);
        first.sort();
        second.sort();
        assert_eq!(first, second);
    }

    fn network(vocabulary: &Vocabulary) -> Network {
        let sizes = Sizes {
            n_embd: 8,
            n_embd2: 8,
            ..Sizes::default()
        };
        Network::new(vocabulary.clone(), Config::Gru(sizes), 1, Device::Cpu).unwrap()
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
    fn with_muon(vocabulary: &Vocabulary) -> (Network, WordOptions) {
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
        let network = Network::new(vocabulary.clone(), config, 1, Device::Cpu).unwrap();
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
    fn goes_on_bit_for_bit(of: impl Fn(&Vocabulary) -> (Network, WordOptions)) {
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
                Network::of(vocabulary.clone(), first.config(), &parameters, Device::Cpu).unwrap();
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
            let network = Network::new(vocabulary.clone(), config, 1, Device::Cpu).unwrap();
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
