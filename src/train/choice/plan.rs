//! The plan of what is tried on a list: how many words are held out, and which networks are trained, of
//! which sizes and for how many steps.

use std::ops::Range;

use tch::Device;

use super::report::Report;
use crate::data::Vocabulary;
use crate::data::word_list::WordList;
use crate::error::Result;
use crate::models::kinds::kind::{Kind, Preset};
use crate::models::kinds::{Gru, Sizes, Transformer};
use crate::models::{Config, Network};
use crate::train::corpus::Corpus;
use crate::train::lists::Lists;
use crate::train::options::WordOptions;
use crate::train::rate::LearningRate;
use crate::train::steps::{self, Observer, Progress, Update};
use crate::train::word_batches::WordBatches;

/// Lists with fewer words are held out in ten parts in turn: one part alone says little.
pub const FEW: u64 = 50;

/// Lists with fewer words are held out in three parts in turn.
const SOME: u64 = 3_000;

/// The most words that are held out at a time.
const MOST_HELD_OUT: u64 = 2_000;

/// The number of characters in a batch, ends of words included.
const CHARACTERS: f64 = 1024.0;

/// The hidden units of the small network.
const HIDDEN: usize = 128;

/// The threads that share a batch: as many on every machine, since the last digits depend on it.
const THREADS: usize = 2;

/// The number of times that a network in training predicts the held-out words.
const LOOKS: u64 = 16;

/// How much is tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Effort {
    /// N-grams alone.
    Quick,
    /// N-grams and a small network.
    Usual,
    /// N-grams and larger networks, for so many seconds in all.
    Seconds(f64),
}

/// A network that is tried.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    config: Config,
    options: WordOptions,
}

/// What is tried on a list.
#[derive(Debug)]
pub struct Plan {
    words: u64,
    folds: u64,
    seed: u64,
    vocabulary: Vocabulary,
    networks: Vec<Candidate>,
    /// The share of all trainings that is done.
    done: f64,
}

impl Plan {
    /// The plan for a list, whose words are in memory.
    pub fn of(data: &Corpus, lists: &Lists, seed: u64, effort: Effort) -> Self {
        let words = data.counted.digest.words;
        let folds = match words {
            0..2 => 0,
            2..FEW => words.min(10),
            FEW..SOME => 3,
            _ => 1,
        };
        let vocabulary = data.counted.counts.vocabulary().clone();
        let kinds: &[(&'static dyn Kind, Option<usize>)] = match effort {
            // Nothing can be held out of a word.
            _ if folds == 0 => &[],
            Effort::Quick => &[],
            Effort::Usual => &[(&Gru, Some(HIDDEN))],
            Effort::Seconds(_) => &[(&Gru, None), (&Transformer, None)],
        };
        let trainings = kinds.len() as f64 * (folds + 1) as f64;
        let networks = kinds.iter().map(|&(kind, hidden)| {
            let default = kind.default_sizes(lists.longest, Preset::Ours);
            let sizes = Sizes {
                n_embd2: hidden.unwrap_or(default.n_embd2),
                ..default
            };
            let options = options(kind, &lists.train, vocabulary.len(), &sizes);
            Candidate {
                config: Config::new(kind, sizes),
                options: match effort {
                    Effort::Seconds(seconds) => WordOptions {
                        steps: None,
                        seconds: Some(seconds / trainings),
                        eval_every: 25,
                        ..options
                    },
                    _ => options,
                },
            }
        });
        Self {
            words,
            folds,
            seed,
            networks: networks.collect(),
            vocabulary,
            done: 0.0,
        }
    }

    /// The places of the words that are held out in turn, in the permutation of the seed.
    pub fn folds(&self) -> impl Iterator<Item = Range<u64>> + use<> {
        let (words, folds) = (self.words, self.folds);
        let parts = if folds == 1 { 10 } else { folds };
        (0..folds).map(move |fold| {
            let [begin, end] = [fold, fold + 1].map(|place| words * place / parts);
            begin..end.min(begin + MOST_HELD_OUT)
        })
    }

    /// The names of the networks.
    pub fn networks(&self) -> Vec<&'static str> {
        let networks = self.networks.iter();
        networks
            .map(|network| network.config.kind().name())
            .collect()
    }

    /// Trains a network on the words that are not held out, and calls `look` with the number of steps and
    /// the network as often as the plan says.
    pub fn try_out(
        &mut self,
        place: usize,
        words: &WordList,
        report: &mut dyn Report,
        look: &mut dyn FnMut(u64, &Network) -> Result<()>,
    ) -> Result<()> {
        let options = self.networks[place].options;
        let (_, steps) = self.train(place, words, options, None, report, look)?;
        // Where the clock was the limit: as many steps again.
        let options = &mut self.networks[place].options;
        (options.steps, options.seconds) = (Some(steps), None);
        Ok(())
    }

    /// Trains a network on all words, until it has made the steps that were best without the words that
    /// were held out, and some more for those. Returns it with their number.
    pub fn train_on_all(
        &mut self,
        place: usize,
        words: &WordList,
        best: u64,
        report: &mut dyn Report,
    ) -> Result<(Network, u64)> {
        let held_out = self.folds().map(|fold| fold.end - fold.start).max();
        let others = self.words - held_out.unwrap_or_default();
        let more = (self.words as f64 / others as f64).sqrt();
        let scaled = |steps: u64| (steps as f64 * more).round() as u64;
        let mut options = self.networks[place].options;
        options.steps = options.steps.map(scaled);
        let look = &mut |_, _: &Network| Ok(());
        self.train(place, words, options, Some(scaled(best)), report, look)
    }

    fn train(
        &mut self,
        place: usize,
        words: &WordList,
        options: WordOptions,
        until: Option<u64>,
        report: &mut dyn Report,
        look: &mut dyn FnMut(u64, &Network) -> Result<()>,
    ) -> Result<(Network, u64)> {
        let config = self.networks[place].config;
        let network = Network::new(self.vocabulary.clone(), config, self.seed, Device::Cpu)?;
        let mut learner = WordBatches::new(&network, words, options)?;
        let share = 1.0 / (self.networks.len() as f64 * (self.folds + 1) as f64);
        let mut training = Training {
            network: &network,
            until,
            steps: 0,
            before: self.done,
            share,
            report,
            look,
        };
        let plan = steps::Plan {
            evaluate_every: until.is_none().then_some(options.eval_every),
            ..options.plan()
        };
        let end = steps::run(&mut learner, &plan, Progress::default(), &mut training)?;
        self.done += share;
        drop(learner);
        Ok((network, end.steps))
    }
}

/// The options of a network for a list: few steps and much dropout for few characters.
fn options(kind: &dyn Kind, words: &WordList, v: usize, sizes: &Sizes) -> WordOptions {
    let characters = words
        .iter()
        .map(|word| word.len() as f64 + 1.0)
        .sum::<f64>();
    let mean = characters / words.len().max(1) as f64;
    let recipe = WordOptions::of(&kind.recipe(sizes));
    // Of a GRU: the products of a step for each character, and those of the last layer among them.
    let hidden = sizes.n_embd2 as f64;
    let own = 3.0 * hidden * (hidden + sizes.n_embd as f64);
    let slower = (own + hidden * v as f64) / (own + hidden * 27.0);
    let steps = (6.0 * (characters / 7.0).sqrt()).clamp(60.0, 900.0) / slower.max(1.0);
    let steps = (steps as u64).max(LOOKS);
    WordOptions {
        steps: Some(steps),
        batch_size: ((CHARACTERS / mean) as usize).clamp(8, 128),
        learning_rate: LearningRate::Falling {
            highest: recipe.learning_rate.highest(),
            warm_up: (steps / 4).min(100),
        },
        dropout: (0.5 - 0.22 * (characters / 7_000.0).log10()).clamp(0.1, 0.5),
        eval_every: steps.div_ceil(LOOKS),
        threads: THREADS,
        ..recipe
    }
}

/// The observer of a training.
struct Training<'a> {
    network: &'a Network,
    /// The number of steps after which it ends.
    until: Option<u64>,
    steps: u64,
    /// The share of all trainings that was done before, and that of this one.
    before: f64,
    share: f64,
    report: &'a mut dyn Report,
    look: &'a mut dyn FnMut(u64, &Network) -> Result<()>,
}

impl Observer<WordBatches<'_>> for Training<'_> {
    fn updated(&mut self, update: &Update) -> Result<()> {
        self.steps = update.progress.steps;
        let done = match self.until {
            Some(until) => self.steps as f64 / until as f64,
            None => update.fraction,
        };
        self.report.progress(self.before + self.share * done);
        Ok(())
    }

    fn evaluate(&mut self, _: &WordBatches, _: f64) -> Result<()> {
        (self.look)(self.steps, self.network)
    }

    fn stops(&self) -> bool {
        self.until == Some(self.steps)
    }
}
