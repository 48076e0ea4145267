//! Training on batches of words, as makemore.py does it.
//!
//! Several threads share a batch. Each computes the gradient of some of its words by a copy of the
//! network, which shares the parameters' memory. The gradients are summed, and the calling thread
//! updates the parameters; of Muon's matrices each thread updates some. Several processes share a batch
//! likewise: each sums the gradients of its threads, they exchange these sums, and each makes the same
//! update. Batch normalisation needs the statistics of the whole batch, so networks that have it are
//! trained on one thread of one process.

use std::mem;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use tch::{Kind, Tensor};

use super::adamw;
use super::loss::cross_entropy;
use super::mixed::{Mixed, Ordered};
use super::muon::Updates;
use super::options::WordOptions;
use super::steps::{Learner, Note};
use crate::data::split::{Permutation, SplitMix};
use crate::data::word_list::WordList;
use crate::distributed::{Alone, Processes, tree_sum};
use crate::error::{Error, Result};
use crate::libtorch::threads;
use crate::models::{Dropout, Network, Tokens};

/// A thread costs more than it gains on fewer words than this.
pub const LEAST_WORDS: usize = 16;

/// The loss of words: the mean NLL of their characters, end tokens included; a scalar, in nats.
pub fn nll(network: &Network, words: &Tokens) -> Result<Tensor> {
    let logits = network.logits(words)?; // [N, V]
    cross_entropy(&logits, &words.targets()?)
}

/// A network, the words that it is trained on, and its optimizer.
#[derive(Debug)]
pub struct WordBatches<'a> {
    network: &'a Network,
    words: &'a WordList,
    options: WordOptions,
    /// The parameters, in the order of the optimizer.
    parameters: Vec<Tensor>,
    /// The optimizer of all parameters.
    pub optimizer: Mixed,
    /// The threads beside the calling one.
    workers: Vec<Worker>,
    /// The processes that share a batch.
    processes: &'a dyn Processes,
    /// What this process tells the others with the next step, and after it what holds for all.
    note: Note,
}

impl<'a> WordBatches<'a> {
    /// A training before its first step. A network with buffers is trained on one thread, and a small
    /// batch on fewer threads than the options have.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if there are no words, an option is out of range, or the system cannot start a
    /// thread.
    pub fn new(network: &'a Network, words: &'a WordList, options: WordOptions) -> Result<Self> {
        Self::shared(network, words, options, &Alone)
    }

    /// The same of a batch that is shared with other processes, whose threads `options.threads` are in
    /// all. All processes have the same network, words and options.
    ///
    /// # Errors
    ///
    /// As of [`new`](Self::new); [`Error::Value`] too if a network with buffers is to be shared.
    pub fn shared(
        network: &'a Network,
        words: &'a WordList,
        options: WordOptions,
        processes: &'a dyn Processes,
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
        let (is_divided, size) = (network.buffers().is_empty(), processes.size());
        if !is_divided && size > 1 {
            return Err(Error::Value {
                what: "the number of processes",
                value: size.to_string(),
                expected: "this network normalises by the whole batch, so that one process would work",
            });
        }
        let threads = match is_divided {
            true => options.threads.min(options.batch_size / LEAST_WORDS) / size,
            false => 1,
        };
        let workers = (1..threads).map(|_| Worker::start(network.copy()?, &optimizer, &options));
        Ok(Self {
            network,
            words,
            options,
            parameters: Ordered::of(network, &options).parameters,
            workers: workers.collect::<Result<_>>()?,
            optimizer,
            processes,
            note: Note::default(),
        })
    }

    /// The gradient of a batch, `[P]`, and the losses of its shares, `[S]`, one behind the other, summed over
    /// all threads and processes.
    fn learn(&mut self, shares: Vec<Share>) -> Result<Tensor> {
        let of_threads = self.run(shares.into_iter().map(Job::Learn))?;
        let (sum, notes) = self
            .processes
            .sum(&tree_sum(&of_threads)?, &self.note.bytes())?;
        self.note = Note::of_all(&notes);
        Ok(sum)
    }

    /// What jobs give: this thread does the first, and the workers the others.
    fn run(&self, mut jobs: impl Iterator<Item = Job>) -> Result<Vec<Tensor>> {
        let own = jobs.next();
        let busy = jobs.zip(&self.workers);
        let busy: Vec<&Worker> = busy.map(|(job, worker)| worker.begin(job)).collect();
        let own = own.map(|job| job.run(self.network, &self.parameters, &self.options));
        // All results are received before an error returns: none is left for the next step.
        let others: Vec<Result<Tensor>> = busy.into_iter().map(Worker::finish).collect();
        own.into_iter().chain(others).collect()
    }

    /// The shares of this process in the batch of a step, one a thread.
    fn shares(&self, number: u64) -> Vec<Share> {
        let WordOptions {
            batch_size, seed, ..
        } = self.options;
        let batch = batch(self.words, number, batch_size, seed);
        let tokens = |words: &[&[u16]]| words.iter().map(|word| word.len() + 1).sum::<usize>();
        let all = tokens(&batch);
        let seed = SplitMix(seed ^ number.rotate_left(32)).next();
        let threads = self.workers.len() + 1;
        let (first, of) = (
            self.processes.rank() * threads,
            self.processes.size() * threads,
        );
        let share = |place: usize| {
            let begin = |place: usize| place * batch.len() / of;
            let words = &batch[begin(place)..begin(place + 1)];
            let behind_token = |word: &&[u16]| {
                [0].into_iter()
                    .chain(word.iter().map(|&index| index.into()))
                    .collect::<Vec<i64>>()
            };
            Share {
                tokens: words.iter().flat_map(behind_token).collect(),
                lengths: words.iter().map(|word| word.len() + 1).collect(),
                weight: tokens(words) as f64 / all as f64,
                seed,
                before: tokens(&batch[..begin(place)]),
                place,
                of,
            }
        };
        (first..first + threads).map(share).collect()
    }
}

/// The batch of a step. Each epoch has all words once, in an order of its own, and a batch may span
/// two epochs. It depends on the seed and the step alone, so that a resumed run has the same batches.
fn batch(list: &WordList, step: u64, size: usize, seed: u64) -> Vec<&[u16]> {
    let words = list.total();
    let first = step.wrapping_mul(size as u64);
    let word = |place: u64| {
        let order = Permutation::new(words, seed.wrapping_add(place / words));
        list.written_out(order.of(place % words))
    };
    let places = (0..size as u64).map(|place| first.wrapping_add(place));
    places.map(word).collect()
}

/// The words of a batch that one thread learns from.
struct Share {
    /// The indices of all words, each behind a start token.
    tokens: Vec<i64>,
    /// The number of tokens of each word, its start token included.
    lengths: Vec<usize>,
    /// The number of tokens, divided by that of the whole batch.
    weight: f64,
    /// The seed of dropout, the same of all shares.
    seed: u64,
    /// The number of tokens in the shares before this one.
    before: usize,
    /// The number of the share, from 0.
    place: usize,
    /// The number of shares in the batch.
    of: usize,
}

impl Share {
    /// The gradient of the loss, `[P]`, multiplied by the weight, so that those of all shares are summed, and
    /// behind it the loss in the place of this share, `[S]`. Elsewhere there are zeros: the sum of all
    /// shares has the loss of each.
    fn learn(
        self,
        network: &Network,
        parameters: &[Tensor],
        options: &WordOptions,
    ) -> Result<Tensor> {
        if self.lengths.is_empty() {
            // A batch of fewer words than shares.
            let numbers: usize = parameters.iter().map(Tensor::numel).sum();
            let zeros = [(numbers + self.of) as i64];
            return Ok(Tensor::f_zeros(zeros, (Kind::Float, network.device()))?);
        }
        let words = Tokens::joined(self.tokens, self.lengths, network.device());
        let words = words.for_training(Dropout::new(options.dropout, self.seed, self.before));
        // logits, loss = model(X, Y)
        let mut loss = nll(network, &words)?;
        if self.weight < 1.0 {
            loss = loss.f_mul_scalar(self.weight)?;
        }
        // model.zero_grad(set_to_none=True)
        // loss.backward()
        let behind = [self.place as i64, (self.of - self.place - 1) as i64];
        let losses = loss.f_detach()?.f_view([1])?.f_constant_pad_nd(behind)?;
        adamw::gradient(&loss, parameters, &[losses])
    }
}

/// What a thread does in a step.
enum Job {
    /// It computes a gradient.
    Learn(Share),
    /// It updates some of Muon's matrices, while no thread reads any.
    Update(Updates),
}

impl Job {
    /// The gradient and the losses that [`Share::learn`] gives; nothing for an update.
    fn run(
        self,
        network: &Network,
        parameters: &[Tensor],
        options: &WordOptions,
    ) -> Result<Tensor> {
        match self {
            Self::Learn(share) => share.learn(network, parameters, options),
            Self::Update(updates) => updates.finish().map(|()| Tensor::new()),
        }
    }
}

/// A thread that computes gradients with its own copy of the network and updates some matrices, until it is
/// dropped.
#[derive(Debug)]
struct Worker {
    jobs: Sender<Job>,
    results: Receiver<Result<Tensor>>,
}

impl Worker {
    /// Starts a thread. `network` is a copy of the trained one, and now shares its parameters' memory.
    fn start(network: Network, optimizer: &Mixed, options: &WordOptions) -> Result<Self> {
        let mut ordered = Ordered::of(&network, options);
        optimizer.share(&mut ordered)?;
        let (options, parameters) = (*options, ordered.parameters);
        let (sender, jobs) = channel::<Job>();
        let (learned, results) = channel();
        let work = move || {
            threads::use_one();
            for job in jobs {
                let result = job.run(&network, &parameters, &options);
                if learned.send(result).is_err() {
                    break;
                }
            }
        };
        let started = thread::Builder::new().spawn(work);
        started.map_err(|cause| Error::Value {
            what: "the number of threads",
            value: cause.to_string(),
            expected: "fewer threads would work",
        })?;
        Ok(Self {
            jobs: sender,
            results,
        })
    }

    fn begin(&self, job: Job) -> &Self {
        // If the thread has ended, `finish` finds no result.
        let _ = self.jobs.send(job);
        self
    }

    fn finish(&self) -> Result<Tensor> {
        self.results.recv().unwrap_or_else(|_| Err(ended()))
    }
}

fn ended() -> Error {
    Error::Value {
        what: "a thread of the training",
        value: "at its end before the others".to_owned(),
        expected: "a single thread would work",
    }
}

impl Learner for WordBatches<'_> {
    /// One update. Source: makemore.py, the body of `while True:`.
    fn step(&mut self, number: u64, learning_rate: f64) -> Result<Tensor> {
        // X, Y = batch_loader.next()
        let shares = self.shares(number);
        // logits, loss = model(X, Y)
        // model.zero_grad(set_to_none=True)
        // loss.backward()
        let of = shares.first().map_or(1, |share| share.of as i64);
        let sum = self.learn(shares)?;
        let numbers = sum.size()[0] - of;
        // optimizer.step()
        let gradient = sum.f_narrow(0, 0, numbers)?;
        let threads = self.workers.len() + 1;
        let updates = self.optimizer.update(&gradient, learning_rate, threads)?;
        self.run(updates.into_iter().map(Job::Update))?;
        Ok(sum.f_narrow(0, numbers, of)?.f_sum(Kind::Double)?)
    }

    fn clock(&self, own: f64) -> f64 {
        match self.processes.size() {
            1 => own,
            _ => self.note.seconds,
        }
    }

    fn agree(&mut self, own: Note) -> Note {
        match self.processes.size() {
            1 => own,
            _ => mem::replace(&mut self.note, own),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::data::{Vocabulary, Words};
    use crate::models::Config;
    use crate::models::kinds::{Gru, KINDS, Norm, Positions, Sizes, Transformer, Wavenet};
    use crate::train::adamw::AdamWOptions;
    use crate::train::muon::MuonOptions;
    use crate::train::rate::LearningRate;
    use crate::train::run_state::copies;
    use tch::Device;

    fn names(count: usize) -> (WordList, Vocabulary) {
        let words = Words::lecture('.').unwrap();
        let vocabulary = Vocabulary::of(&words).unwrap();
        let mut list = WordList::default();
        for word in words.iter().take(count) {
            list.push(word, 1, &vocabulary).unwrap();
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
        Network::new(vocabulary.clone(), Config::new(&Gru, sizes), 1, Device::Cpu).unwrap()
    }

    const OPTIONS: WordOptions = WordOptions {
        steps: Some(30),
        seconds: None,
        batch_size: 48,
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
        eval_every: 100,
        eval_early: false,
        patience: None,
        threads: 1,
    };

    /// A network with hidden matrices for Muon, and its options.
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
        let config = Config::new(&Transformer, sizes);
        let network = Network::new(vocabulary.clone(), config, 1, Device::Cpu).unwrap();
        (network, options)
    }

    /// The losses of some of the 30 steps.
    fn run(training: &mut WordBatches, steps: Range<u64>) -> Vec<f64> {
        let step = |number: u64| {
            let rate = OPTIONS.learning_rate.at(number, number as f64 / 30.0);
            training.step(number, rate).unwrap().double_value(&[])
        };
        steps.map(step).collect()
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
            let mut training =
                WordBatches::new(&network, &list, WordOptions { threads, ..options }).unwrap();
            run(&mut training, 0..30)
        };
        let losses = train(1, 0.2, 1);
        assert_eq!(losses.len(), 30);
        assert_eq!(losses, train(1, 0.2, 1));
        assert_ne!(losses, train(2, 0.2, 1));
        assert!(losses[29] < losses[0] - 0.3, "{losses:?}");
        assert_eq!(train(1, 0.2, 3), train(1, 0.2, 3));
        // Several threads add in another order. Without dropout, whose numbers differ too.
        for (one, other) in train(1, 0.0, 1).into_iter().zip(train(1, 0.0, 3)) {
            assert!((one - other).abs() < 1e-4, "{one} {other}");
        }
    }

    /// Each of these processes is a thread here, with a network of its own.
    #[cfg(feature = "distributed")]
    #[test]
    fn processes_learn_what_threads_of_one_learn() {
        use crate::distributed::Processes;
        use crate::distributed::group::tests::each;

        let (list, vocabulary) = names(300);
        let train = |processes: &dyn Processes, threads| {
            let (network, options) = with_muon(&vocabulary);
            let options = WordOptions {
                threads,
                batch_size: 100,
                ..options
            };
            let mut training = WordBatches::shared(&network, &list, options, processes).unwrap();
            let losses = run(&mut training, 0..12);
            (losses, copies(&network).unwrap())
        };
        for (size, threads) in [(2, 2), (2, 4), (4, 4), (3, 3)] {
            let alone = train(&Alone, threads);
            for together in each(size, |group| train(group, threads)) {
                assert_eq!(together, alone, "{size} {threads}");
            }
        }
    }

    /// Over 200 steps with dropout, by a thread each.
    #[cfg(feature = "distributed")]
    #[test]
    fn every_kind_has_the_same_losses_by_one_two_and_four_processes() {
        use crate::distributed::Processes;
        use crate::distributed::group::tests::each;

        let words = Words::lecture('.').unwrap();
        let vocabulary = Vocabulary::of(&words).unwrap();
        let mut list = WordList::default();
        for word in words.iter().filter(|word| word.len() == 3).take(150) {
            list.push(word, 1, &vocabulary).unwrap();
        }
        let sizes = Sizes {
            block_size: 4,
            n_embd: 8,
            n_embd2: 8,
            n_layer: 1,
            n_head: 2,
            ..Sizes::default()
        };
        for &kind in KINDS.iter().filter(|kind| !kind.has_batchnorm(&sizes)) {
            let train = |processes: &dyn Processes| {
                // As the program does it.
                tch::set_num_threads(1);
                let config = Config::new(kind, sizes);
                let network = Network::new(vocabulary.clone(), config, 1, Device::Cpu).unwrap();
                let options = WordOptions {
                    batch_size: 4 * LEAST_WORDS,
                    threads: processes.size(),
                    ..OPTIONS
                };
                let mut training =
                    WordBatches::shared(&network, &list, options, processes).unwrap();
                let step = |number| training.step(number, 0.01).unwrap().double_value(&[]);
                (0..200).map(step).collect::<Vec<f64>>()
            };
            let alone = train(&Alone);
            assert!(alone[199] < alone[0] - 0.3, "{kind:?}: {alone:?}");
            for size in [2, 4] {
                for losses in each(size, |group| train(group)) {
                    let pairs = losses.iter().zip(&alone);
                    let off = pairs.map(|(one, other)| (one - other).abs());
                    let off = off.fold(0.0, f64::max);
                    assert!(off < 1e-6, "{kind:?} {size}: {off}");
                }
            }
        }
    }

    #[test]
    fn what_is_normalised_by_batches_is_not_divided() {
        #[derive(Debug)]
        struct Two;
        impl Processes for Two {
            fn rank(&self) -> usize {
                0
            }
            fn size(&self) -> usize {
                2
            }
            fn sum(&self, _: &Tensor, _: &[u8]) -> Result<(Tensor, Vec<Vec<u8>>)> {
                unreachable!()
            }
            fn gather(&self, _: &[u8]) -> Result<Vec<Vec<u8>>> {
                unreachable!()
            }
            fn all_to_all(&self, _: &Tensor, _: &[i64]) -> Result<(Tensor, Vec<i64>)> {
                unreachable!()
            }
            fn blame(&self, _: Option<&str>) -> Option<String> {
                None
            }
        }
        let (list, vocabulary) = names(100);
        let config = Config::new(&Wavenet, Sizes::default());
        let network = Network::new(vocabulary, config, 1, Device::Cpu).unwrap();
        let error = WordBatches::shared(&network, &list, OPTIONS, &Two).unwrap_err();
        assert!(
            error.to_string().ends_with("one process would work"),
            "{error}"
        );
    }

    /// Those of a kind that is not lecture 5's once had to read whole words.
    #[test]
    fn every_kind_learns_from_words_longer_than_its_block() {
        let (list, vocabulary) = names(100);
        let sizes = Sizes {
            block_size: 4,
            n_embd: 16,
            n_embd2: 16,
            n_layer: 1,
            ..Sizes::default()
        };
        for &kind in KINDS {
            let config = Config::new(kind, sizes);
            let network = Network::new(vocabulary.clone(), config, 1, Device::Cpu).unwrap();
            let options = WordOptions {
                dropout: 0.0,
                ..OPTIONS
            };
            let losses = run(
                &mut WordBatches::new(&network, &list, options).unwrap(),
                0..30,
            );
            assert!(losses[29] < losses[0] - 0.1, "{kind:?}: {losses:?}");
        }
    }

    /// Interrupts a training after 11 of 30 steps, and resumes it with another network.
    fn goes_on_bit_for_bit(of: impl Fn(&Vocabulary) -> (Network, WordOptions)) {
        let (list, vocabulary) = names(500);
        for threads in [1, 2, 3] {
            let (whole, options) = of(&vocabulary);
            let training_of = |network| {
                WordBatches::new(network, &list, WordOptions { threads, ..options }).unwrap()
            };
            let losses = run(&mut training_of(&whole), 0..30);
            assert!(losses[29] < losses[0] - 0.3, "{losses:?}");

            let (first, _) = of(&vocabulary);
            let mut training = training_of(&first);
            let mut parts = run(&mut training, 0..11);
            let state = training.optimizer.state().unwrap();
            let parameters = copies(&first).unwrap();
            drop(training);
            let second =
                Network::of(vocabulary.clone(), first.config(), &parameters, Device::Cpu).unwrap();
            let mut training = training_of(&second);
            training.optimizer.restore(&state, 11).unwrap();
            parts.extend(run(&mut training, 11..30));
            assert_eq!(parts, losses);
            assert_eq!(copies(&second).unwrap(), copies(&whole).unwrap());
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
            let config = Config::new(&Wavenet, sizes);
            let network = Network::new(vocabulary.clone(), config, 1, Device::Cpu).unwrap();
            (network, OPTIONS)
        });
    }

    /// With a tolerance, since several threads add in another order.
    #[test]
    fn muon_learns_the_same_on_several_threads() {
        let (list, vocabulary) = names(500);
        let train = |threads| {
            let (network, options) = with_muon(&vocabulary);
            let options = WordOptions {
                dropout: 0.0,
                ..options
            };
            let mut training =
                WordBatches::new(&network, &list, WordOptions { threads, ..options }).unwrap();
            run(&mut training, 0..30)
        };
        for (one, other) in train(1).into_iter().zip(train(3)) {
            assert!((one - other).abs() < 1e-3, "{one} {other}");
        }
    }

    /// 64 threads took four times the processor time of one, for a word each.
    #[test]
    fn threads_without_sixteen_words_each_are_not_started() {
        let (list, vocabulary) = names(50);
        let network = network(&vocabulary);
        let workers = |batch_size, threads| {
            let options = WordOptions {
                batch_size,
                ..OPTIONS
            };
            let training =
                WordBatches::new(&network, &list, WordOptions { threads, ..options }).unwrap();
            training.workers.len()
        };
        assert_eq!(workers(32, 64), 1);
        assert_eq!((workers(128, 64), workers(128, 3)), (7, 2));
        assert_eq!((workers(15, 64), workers(31, 64)), (0, 0));
    }

    #[test]
    fn the_state_of_another_optimizer_is_refused() {
        let (list, vocabulary) = names(50);
        let network = network(&vocabulary);
        let training = WordBatches::new(&network, &list, OPTIONS).unwrap();
        let mut training = training.optimizer;
        let mut state = training.state().unwrap();
        let (other, options) = with_muon(&vocabulary);
        let of_muon = WordBatches::new(&other, &list, options).unwrap();
        let mut of_muon = of_muon.optimizer;
        assert!(of_muon.restore(&state, 0).is_err());
        let both = of_muon.state().unwrap();
        assert!(of_muon.restore(&both, 0).is_ok());
        assert!(of_muon.restore(&both[..2], 0).is_err());
        assert!(training.restore(&state, 0).is_ok());
        state[0].1 = state[0].1.narrow(0, 0, 5);
        assert!(training.restore(&state, 0).is_err());
        state.pop();
        assert!(training.restore(&state, 0).is_err());
    }
}
