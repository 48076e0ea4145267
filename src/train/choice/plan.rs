//! The plan of what is tried on a list: how many words are held out, and which networks are trained, of
//! which sizes and for how many steps.

use std::ops::Range;
use std::time::{Duration, Instant};

use tch::Device;

use super::report::Report;
use crate::data::Vocabulary;
use crate::data::split::Permutation;
use crate::data::word_list::WordList;
use crate::error::Result;
use crate::models::kinds::kind::{Kind, Preset};
use crate::models::kinds::{Gru, Lstm, Mlp, Rnn, Sizes, Transformer};
use crate::models::{Config, Network};
use crate::train::corpus::Corpus;
use crate::train::lists::Lists;
use crate::train::options::WordOptions;
use crate::train::rate::LearningRate;
use crate::train::steps::{self, Observer, Progress, Update};
use crate::train::word_batches::{LEAST_WORDS, WordBatches};

/// Lists with fewer words are held out in ten parts in turn: one part alone says little.
pub const FEW: u64 = 50;

/// Lists with fewer words are held out in three parts in turn.
const SOME: u64 = 3_000;

/// The most words that are held out at a time.
const MOST_HELD_OUT: u64 = 2_000;

/// The number of characters in a batch, ends of words included.
const CHARACTERS: f64 = 1024.0;

/// The threads that share a batch: as many on every machine, since the last digits depend on it.
const THREADS: usize = 2;

/// The time that a step takes for each character of the longest word, in milliseconds of a processor.
const MS_OF_POSITION: f64 = 0.25;

/// The most time of all steps together, in the same milliseconds, on one processor.
const MOST_MS: f64 = 8_200.0;

/// A network that could make fewer steps in that time is not tried.
const FEWEST_STEPS: u64 = 20;

/// The most steps, and the most where the user gives the time.
const MOST_STEPS: [f64; 2] = [900.0, 3_000.0];

/// A network that may be tried.
#[derive(Debug, Clone, Copy)]
struct Row {
    kind: &'static dyn Kind,
    /// The hidden units; the kind's own by default.
    hidden: Option<usize>,
    /// The time that a step takes for each [`CHARACTERS`] with 27 different ones, in milliseconds of a
    /// processor.
    ms: f64,
    /// The fewest distinct characters of a list that it is tried on.
    characters: u64,
    /// Whether it is trained for fewer steps where there is little time, and not left out.
    is_shortened: bool,
}

/// The networks that may be tried, in their order. Of a kind, it is the first for which there is time.
const ROWS: [Row; 6] = [
    // Fewer characters are better known to the small one.
    Row {
        characters: 20_000,
        ..row(&Gru, None, 66.0)
    },
    Row {
        is_shortened: true,
        ..row(&Gru, Some(128), 7.0)
    },
    row(&Rnn, None, 3.6),
    row(&Mlp, None, 3.0),
    row(&Lstm, Some(128), 14.0),
    row(&Transformer, None, 60.0),
];

const fn row(kind: &'static dyn Kind, hidden: Option<usize>, ms: f64) -> Row {
    Row {
        kind,
        hidden,
        ms,
        characters: 0,
        is_shortened: false,
    }
}

/// The place of the small network, which is the usual one.
const SMALL: usize = 1;

/// The number of times that a network in training predicts the held-out words.
const LOOKS: u64 = 16;

/// How much is tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Effort {
    /// N-grams alone.
    Quick,
    /// N-grams and a small network.
    Usual,
    /// N-grams and as many networks as take about so many seconds in all, on two processors.
    Seconds(f64),
}

/// A network that is tried.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    config: Config,
    options: WordOptions,
    /// The time of a training, in milliseconds.
    ms: f64,
}

/// What is tried on a list.
#[derive(Debug)]
pub struct Plan {
    /// The number of each word of the list among the distinct ones, and how many these are. All lines of a
    /// word are held out together.
    numbers: Vec<u64>,
    words: u64,
    folds: u64,
    seed: u64,
    vocabulary: Vocabulary,
    networks: Vec<Candidate>,
    /// The share of all trainings that is done.
    done: f64,
    /// When no further network is begun.
    end: Option<Instant>,
}

impl Plan {
    /// The plan for a list, whose words are in memory.
    pub fn of(data: &Corpus, lists: &Lists, seed: u64, effort: Effort) -> Self {
        let (numbers, words) = lists.train.numbers();
        let folds = match words {
            0..2 => 0,
            2..FEW => words.min(10),
            FEW..SOME => 3,
            _ => 1,
        };
        let vocabulary = data.counted.counts.vocabulary().clone();
        let (rows, mut left, most_steps): (&[Row], f64, f64) = match effort {
            // Nothing can be held out of a word.
            _ if folds == 0 => (&[], 0.0, 0.0),
            Effort::Quick => (&[], 0.0, 0.0),
            Effort::Usual => (&ROWS[SMALL..=SMALL], MOST_MS, MOST_STEPS[0]),
            Effort::Seconds(seconds) => (&ROWS, 1000.0 * seconds, MOST_STEPS[1]),
        };
        let trainings = (folds + 1) as f64;
        let mut networks: Vec<Candidate> = Vec::new();
        for row in rows {
            let has_kind = networks.iter().any(|one| one.config.kind() == row.kind);
            if has_kind || lists.characters < row.characters {
                continue;
            }
            let most = (most_steps, left / trainings);
            let Some(network) = candidate(*row, lists, vocabulary.len(), most) else {
                continue;
            };
            let Candidate {
                config,
                options,
                ms,
            } = network;
            // Time is left for the networks after it.
            let has_time = row.is_shortened || ms * trainings <= left / 2.0;
            let bytes = lists.step_bytes(config, vocabulary.len(), options.batch_size);
            if has_time && bytes <= data.memory.free() {
                left -= ms * trainings;
                networks.push(network);
            }
        }
        let end = match effort {
            Effort::Seconds(seconds) => Duration::try_from_secs_f64(seconds).ok(),
            _ => None,
        };
        Self {
            numbers,
            words,
            folds,
            seed,
            networks,
            vocabulary,
            done: 0.0,
            end: end.and_then(|time| Instant::now().checked_add(time)),
        }
    }

    /// The words that are held out in turn, each time by their sorted indices in the list.
    pub fn held_out(&self) -> impl Iterator<Item = Vec<u64>> {
        let order = Permutation::new(self.words, self.seed);
        self.folds().map(move |fold| {
            let numbers = (0..).zip(&self.numbers);
            let held_out = numbers.filter(|&(_, &number)| fold.contains(&order.of(number)));
            held_out.map(|(index, _)| index).collect()
        })
    }

    /// The places of the distinct words that are held out in turn, in the permutation of the seed.
    fn folds(&self) -> impl Iterator<Item = Range<u64>> + use<> {
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

    /// Whether there is time for a network: for the first one always.
    pub fn has_time(&self, place: usize) -> bool {
        place == 0 || self.end.is_none_or(|end| Instant::now() < end)
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
        self.train(place, words, options, None, report, look)?;
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
        let Candidate { config, ms, .. } = self.networks[place];
        let network = Network::new(self.vocabulary.clone(), config, self.seed, Device::Cpu)?;
        let mut learner = WordBatches::new(&network, words, options)?;
        let of_all: f64 = self.networks.iter().map(|network| network.ms).sum();
        let share = ms / (of_all * (self.folds + 1) as f64);
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

/// A network with its options for a list: few steps and much dropout for few characters. None if the words
/// are so long that the steps of a training would take more than `most` milliseconds.
fn candidate(row: Row, lists: &Lists, v: usize, most: (f64, f64)) -> Option<Candidate> {
    let (most_steps, most_ms) = most;
    let [default, of_names] = [Preset::Ours(lists.characters), Preset::NAMES]
        .map(|preset| row.kind.default_sizes(lists.longest, preset));
    let wider = default.n_embd2 as f64 / of_names.n_embd2 as f64;
    let sizes = Sizes {
        n_embd2: row.hidden.unwrap_or(default.n_embd2),
        ..default
    };
    let (words, config) = (&lists.train, Config::new(row.kind, sizes));
    let lengths = words.iter().map(|word| word.len() as f64 + 1.0);
    let mean = lengths.sum::<f64>() / words.len().max(1) as f64;
    let characters = lists.characters as f64;
    let batch_size = ((CHARACTERS / mean) as usize).clamp(8, 128);
    // The products for a character: those of a GRU, and those of the last layer, beside 27 characters.
    let hidden = sizes.n_embd2 as f64;
    let own = 3.0 * hidden * (hidden + sizes.n_embd as f64);
    let slower = (own + hidden * v as f64) / (own + hidden * 27.0);
    let of_characters = row.ms * wider * slower * batch_size as f64 * mean / CHARACTERS;
    let step = of_characters + MS_OF_POSITION * (lists.longest + 1) as f64;
    let steps = (6.0 * (characters / 7.0).sqrt()).clamp(60.0, most_steps);
    // Few words are not shared by threads.
    let threads = (batch_size / LEAST_WORDS).clamp(1, THREADS) as f64;
    let steps = steps.min(threads * most_ms / step) as u64;
    let recipe = WordOptions::of(&row.kind.recipe(&sizes));
    let options = WordOptions {
        steps: Some(steps),
        batch_size,
        learning_rate: LearningRate::Falling {
            highest: recipe.learning_rate.highest(),
            warm_up: (steps / 4).min(100),
        },
        dropout: (0.5 - 0.22 * (characters / 7_000.0).log10()).clamp(0.1, 0.5),
        eval_every: steps.div_ceil(LOOKS),
        threads: THREADS,
        ..recipe
    };
    let ms = steps as f64 * step / threads;
    (steps >= FEWEST_STEPS).then_some(Candidate {
        config,
        options,
        ms,
    })
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
        self.until == Some(self.steps) || self.report.stops()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::data::{Shares, Source, Split};
    use crate::memory::Memory;
    use crate::train::choice::report::Silent;
    use crate::train::choice::trial::Trials;

    fn corpus(text: String, memory: u64) -> Corpus {
        let all =
            |list: &crate::counting::Counted| Ok(Split::new(Shares::ALL, 1, list.digest.words));
        let source = Source::text("list.txt", text);
        Corpus::read(
            source,
            Vec::new(),
            None,
            all,
            Memory::new(memory),
            &crate::distributed::Alone,
        )
        .unwrap()
    }

    fn plan(text: String, memory: u64, effort: Effort) -> Plan {
        let data = corpus(text, memory);
        Plan::of(&data, &data.lists().unwrap(), 1, effort)
    }

    /// 300 lines of 230 characters took more than a minute, and `--memory` was no limit.
    #[test]
    fn networks_are_tried_where_time_and_memory_are_enough() {
        let names = || include_str!("../../../assets/names.txt").to_owned();
        let memory = 1 << 30;
        assert_eq!(plan(names(), memory, Effort::Usual).networks(), ["gru"]);
        assert!(plan(names(), memory, Effort::Quick).networks().is_empty());
        assert!(plan(names(), 1 << 20, Effort::Usual).networks().is_empty());
        let long = || format!("{}\n", "ab".repeat(10_000)).repeat(60);
        assert!(plan(long(), memory, Effort::Usual).networks().is_empty());
        let steps = |plan: Plan| plan.networks[0].options.steps.unwrap();
        let lines = (0..300).map(|n| format!("{}{n}\n", "ab".repeat(110)));
        assert!(steps(plan(lines.collect(), memory, Effort::Usual)) < 40);
        // With more time there are more of them, and the first may be larger.
        for (seconds, kinds, hidden) in [
            (60.0, &["gru", "rnn", "mlp", "lstm"][..], 128),
            (1_000.0, &["gru", "rnn", "mlp", "lstm", "transformer"], 384),
        ] {
            let plan = plan(names(), memory, Effort::Seconds(seconds));
            assert_eq!(plan.networks(), kinds);
            assert_eq!(plan.networks[0].config.sizes().n_embd2, hidden);
            let all: f64 = plan.networks.iter().map(|network| 2.0 * network.ms).sum();
            assert!(all < 1000.0 * seconds, "{all}");
        }
    }

    /// A list of people has names many times: what was learned of the one line was asked for the other.
    #[test]
    fn all_lines_of_a_word_are_held_out_together() {
        let names = (0..2_100).map(|n| format!("{}\n", n % 70));
        let plan = plan(names.collect(), 1 << 30, Effort::Quick);
        let mut held_out = vec![0; 2_100];
        let folds: Vec<Vec<u64>> = plan.held_out().collect();
        assert_eq!(folds.len(), 3);
        for fold in folds {
            let words: HashSet<u64> = fold.iter().map(|index| index % 70).collect();
            assert_eq!(fold.len(), 30 * words.len());
            assert!((23..=24).contains(&words.len()), "{words:?}");
            fold.iter().for_each(|&index| held_out[index as usize] += 1);
        }
        assert!(held_out.iter().all(|&times| times == 1));
    }

    /// It ended the work, without a word.
    #[test]
    fn a_network_that_diverges_is_left_out() {
        let words = (0..60).map(|n| format!("{n}\n"));
        let data = corpus(words.collect(), 1 << 30);
        for (rate, models) in [(1e30, 1), (1e-3, 2)] {
            let mut plan = Plan::of(&data, &data.lists().unwrap(), 1, Effort::Usual);
            plan.networks[0].options.learning_rate = LearningRate::Constant(rate);
            let splits = plan
                .held_out()
                .map(|held_out| Split::holding_out(held_out, 1, 60));
            let splits: Vec<Corpus> = splits.map(|split| data.split_again(split)).collect();
            let trials = Trials::of(&mut plan, &splits, &data.memory, &mut Silent).unwrap();
            assert_eq!(trials.all.len(), models);
        }
    }

    #[test]
    fn few_words_are_held_out_in_turn() {
        let words = |count: usize| (0..count).map(|n| format!("{n}\n")).collect::<String>();
        let folds = |count| -> Vec<(u64, u64)> {
            let plan = plan(words(count), 1 << 30, Effort::Quick);
            plan.folds().map(|fold| (fold.start, fold.end)).collect()
        };
        assert!(folds(1).is_empty());
        assert_eq!(folds(2), [(0, 1), (1, 2)]);
        assert_eq!(folds(20).len(), 10);
        assert_eq!(folds(300), [(0, 100), (100, 200), (200, 300)]);
        assert_eq!(folds(5_000), [(0, 500)]);
        assert_eq!(folds(100_000), [(0, 2_000)]);
    }
}
