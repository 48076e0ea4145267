//! The average NLL of a model on words: on all words of some parts, and on new words, which training
//! never saw.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use foldhash::quality::FixedState;
use serde::{Deserialize, Serialize};
use strum::VariantArray;

use crate::counting::repeated_words::RepeatedWords;
use crate::counting::{NgramCounts, Row};
use crate::data::parts::{Parts, Reading};
use crate::data::pass::{lock, threads};
use crate::data::split::Part;
use crate::data::vocabulary::Encoder;
use crate::data::word_list::WordList;
use crate::distributed::Processes;
use crate::distributed::processes::{gather_as, gather_numbers};
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::models::LanguageModel;
use crate::models::language_model::{BATCH as CONTEXTS, Between, contexts};
use crate::sum::Sum;

/// The most bytes that a word takes while it is looked for in the train part.
const BYTES_A_WORD: u64 = 64;

/// The least memory for such words, however little is free, because each round reads the lists again.
const LEAST_BYTES: u64 = 16 << 20;

/// The most words that are evaluated at once.
const WORDS: usize = 1 << 12;

/// The most characters of several words that are evaluated at once.
const CHARACTERS: usize = 1 << 18;

/// The average NLL of a model on words, as exact sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The number of words.
    pub words: u64,
    /// The number of their characters, with an end token for each word.
    pub characters: u64,
    /// The number of unknown characters among these.
    pub unknown: u64,
    known_sum: Sum,
    unknown_sum: Sum,
}

impl Evaluation {
    /// The average NLL, in nats per character; infinite if one is impossible, NaN without words.
    pub fn nll(&self) -> f64 {
        (self.known_sum + self.unknown_sum).nats() / self.characters as f64
    }

    /// The average NLL without unknown characters.
    pub fn known_nll(&self) -> f64 {
        self.known_sum.nats() / (self.characters - self.unknown) as f64
    }

    /// The number of characters with probability 0.
    pub fn impossible(&self) -> u64 {
        self.known_sum.impossible() + self.unknown_sum.impossible()
    }

    /// The average NLL without characters of probability 0, if there are others.
    pub fn possible_nll(&self) -> Option<f64> {
        let sum = (self.known_sum + self.unknown_sum).possible_nats();
        let possible = self.characters - self.impossible();
        (possible > 0).then(|| sum / possible as f64)
    }

    /// Adds a character that occurs `times`, by the logarithm of its probability.
    fn add(&mut self, ln: f64, times: u64) {
        self.characters += times;
        self.known_sum.add_ln(ln, times);
    }

    fn add_unknown(&mut self, ln: f64, times: u64) {
        self.characters += times;
        self.unknown += times;
        self.unknown_sum.add_ln(ln, times);
    }
}

impl std::ops::AddAssign for Evaluation {
    fn add_assign(&mut self, other: Self) {
        self.words += other.words;
        self.characters += other.characters;
        self.unknown += other.unknown;
        self.known_sum += other.known_sum;
        self.unknown_sum += other.unknown_sum;
    }
}

/// The evaluations of all words of a part, and of the new ones among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldAndNew {
    /// All words.
    pub all: Evaluation,
    /// New words: those that are not in the train part.
    pub new: Evaluation,
}

impl std::ops::AddAssign for OldAndNew {
    fn add_assign(&mut self, other: Self) {
        self.all += other.all;
        self.new += other.new;
    }
}

/// The evaluations of the parts; without words for a part that was not wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByPart([OldAndNew; 3]);

impl ByPart {
    /// The evaluation of a part.
    pub fn of(&self, part: Part) -> OldAndNew {
        self.0[part as usize]
    }

    /// The evaluation of all parts together.
    pub fn together(&self) -> OldAndNew {
        let mut sum = OldAndNew::default();
        for part in self.0 {
            sum += part;
        }
        sum
    }
}

impl std::ops::AddAssign for ByPart {
    fn add_assign(&mut self, other: Self) {
        for (part, other) in self.0.iter_mut().zip(other.0) {
            *part += other;
        }
    }
}

/// Evaluates counted n-grams.
///
/// # Errors
///
/// [`Error::UnknownCharacter`] if the model's vocabulary lacks a character, [`Error::Value`] if the model's
/// block is longer than the contexts that were counted.
pub fn counts(model: &dyn LanguageModel, counts: &NgramCounts) -> Result<Evaluation> {
    if model.block_size() >= counts.order() {
        return Err(Error::Value {
            what: "the order of the counts",
            value: counts.order().to_string(),
            expected: "more than the block size of the model would work",
        });
    }
    let (vocabulary, v) = (model.vocabulary(), model.vocabulary().len());
    // The vocabulary of the list may be a part of the model's.
    let index_of = |index| match index {
        0 => Ok(0),
        index => vocabulary.stoi(counts.vocabulary().itos(index)),
    };
    let indices: Vec<usize> = (0..counts.vocabulary().len())
        .map(index_of)
        .collect::<Result<_>>()?;
    let index_of = |index: usize| {
        indices.get(index).copied().ok_or_else(|| Error::Value {
            what: "a counted character",
            value: "one that the vocabulary does not have".to_owned(),
            expected: "counts of a whole list would work",
        })
    };
    let mut evaluation = Evaluation {
        words: counts.words(),
        ..Evaluation::default()
    };
    let mut rows = counts.contexts().peekable();
    while rows.peek().is_some() {
        let batch: Vec<Row> = rows.by_ref().take(CONTEXTS).collect();
        let contexts_of_batch: Vec<Vec<usize>> = batch
            .iter()
            .map(|row| row.context.iter().map(|&index| index_of(index)).collect())
            .collect::<Result<_>>()?;
        let contexts = contexts(
            contexts_of_batch.iter().map(Vec::as_slice),
            model.block_size(),
        )?;
        let p: Vec<f32> = Vec::try_from(model.distributions(&contexts)?.f_view([-1])?)?;
        for (p, row) in p.chunks_exact(v).zip(batch) {
            for (next, count) in row.next {
                evaluation.add(f64::from(p[index_of(next)?]).ln(), count);
            }
        }
    }
    Ok(evaluation)
}

/// Evaluates some words.
///
/// # Errors
///
/// [`Error::Word`] if a word has a character that has no probability in the model.
pub fn words<'a>(
    model: &dyn LanguageModel,
    words: impl IntoIterator<Item = &'a str>,
) -> Result<Evaluation> {
    let evaluator = Evaluator::of(model, &|_| false, &|| Ok(()));
    let mut waiting = WaitingWords::default();
    for word in words {
        waiting.add(Part::Train, (word, 1), &evaluator)?;
    }
    Ok(waiting.finish(&evaluator)?.together().all)
}

/// Evaluates a list. `between` is called between batches of words.
///
/// # Errors
///
/// The error of `between`.
pub fn word_list(
    model: &dyn LanguageModel,
    list: &WordList,
    between: Between,
) -> Result<Evaluation> {
    let mut evaluation = Evaluation::default();
    let mut times = (0..list.len()).map(|place| list.times(place));
    let mut words = list.iter().peekable();
    while words.peek().is_some() {
        let (mut some, mut characters) = (Vec::<Vec<usize>>::new(), 0);
        while some.len() < WORDS
            && let Some(word) =
                words.next_if(|word| some.is_empty() || characters + word.len() <= CHARACTERS)
        {
            characters += word.len();
            some.push(word.iter().map(|&index| index.into()).collect());
        }
        let some: Vec<&[usize]> = some.iter().map(Vec::as_slice).collect();
        let mut ln = model.log_probabilities(&some, between)?.into_iter();
        for (word, times) in some.iter().zip(times.by_ref()) {
            evaluation.words += times;
            for ln in ln.by_ref().take(word.len() + 1) {
                evaluation.add(ln, times);
            }
        }
    }
    Ok(evaluation)
}

/// Evaluates all words of some parts. Processes that share the parts evaluate their sections, and all get the
/// sum, which is that of one process.
///
/// # Errors
///
/// [`Error::Word`] if a word has a character that has no probability in the model; if a list cannot be
/// read or has changed; [`Error::Processes`].
pub fn parts(
    model: &dyn LanguageModel,
    parts: &Parts,
    wanted: &[Part],
    processes: &dyn Processes,
) -> Result<Evaluation> {
    let evaluation = pass(model, parts, wanted, processes, (&|_| true, &|_| false))?;
    Ok(evaluation.together().all)
}

/// Evaluates all words of some parts, and the new ones among them. Memory does not grow with the lists:
/// lists with too many words are read in several rounds.
///
/// # Errors
///
/// As [`parts`].
pub fn parts_and_new(
    model: &dyn LanguageModel,
    parts: &Parts,
    wanted: &[Part],
    memory: &Memory,
    processes: &dyn Processes,
) -> Result<ByPart> {
    let (train, held_out): (Vec<Part>, Vec<Part>) =
        wanted.iter().partition(|&&part| part == Part::Train);
    let mut evaluation = pass(model, parts, &train, processes, (&|_| true, &|_| false))?;
    let rounds = rounds(parts, &held_out, memory, processes)?;
    for round in 0..rounds {
        let is_in_round = |hash: u64| hash % rounds == round;
        let seen = seen(parts, &held_out, &is_in_round, processes)?;
        let has = |seen: &AtomicBool| seen.load(Ordering::Relaxed);
        let is_new = |hash| !seen.get(&hash).is_some_and(has);
        evaluation += pass(model, parts, &held_out, processes, (&is_in_round, &is_new))?;
    }
    Ok(evaluation)
}

/// The number of rounds in which the words of some parts are looked for in the train part, from an
/// estimate of the number of different words.
fn rounds(
    parts: &Parts,
    held_out: &[Part],
    memory: &Memory,
    processes: &dyn Processes,
) -> Result<u64> {
    // All processes have as much as the one with the least.
    let free = gather_numbers(processes, vec![memory.free()])?;
    let bytes = (free.into_iter().min().unwrap_or(0) / 2).max(LEAST_BYTES);
    let rounds_for = |words: u64| (BYTES_A_WORD * words).div_ceil(bytes);
    let most = rounds_for(held_out.iter().map(|&part| parts.words(part)).sum());
    if most <= 1 {
        return Ok(most);
    }
    let sample = different(parts, held_out, &|hash| hash % most == 0, processes)?;
    Ok(rounds_for(sample.len() as u64 * most).clamp(1, most))
}

/// Evaluates the words of some parts whose hashes are wanted, and which of them are new.
fn pass(
    model: &dyn LanguageModel,
    parts: &Parts,
    wanted: &[Part],
    processes: &dyn Processes,
    (is_wanted, is_new): (&IsWanted, &IsWanted),
) -> Result<ByPart> {
    let is_wanted = |word: &str| is_wanted(hash(word));
    let between = &|| parts.check_stopped();
    let mut own = ByPart::default();
    match model.as_shared() {
        None => {
            let evaluator = Evaluator::of(model, is_new, between);
            own += in_order(&evaluator, parts, wanted, processes, &is_wanted)?;
        }
        Some(shared) => {
            let evaluator = Evaluator::of(shared, is_new, between);
            let mut workers = Vec::new();
            workers.resize_with(threads(), WaitingWords::default);
            parts.each_word(
                wanted,
                &mut workers,
                |waiting, part, word, times| match is_wanted(word) {
                    true => waiting.add(part, (word, times), &evaluator),
                    false => Ok(()),
                },
            )?;
            for waiting in workers {
                own += waiting.finish(&evaluator)?;
            }
        }
    }
    let mut evaluation = ByPart::default();
    for of_process in gather_as(processes, own)? {
        evaluation += of_process;
    }
    Ok(evaluation)
}

/// Evaluates the sections of this process in the batches of one process that reads all words in their order:
/// the last digits of a network's probabilities depend on the words that it is given at once.
fn in_order(
    evaluator: &Evaluator<dyn LanguageModel + '_>,
    parts: &Parts,
    wanted: &[Part],
    processes: &dyn Processes,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Result<ByPart> {
    let readings = parts.readings(wanted);
    let mut runs = readings.chunk_by(|one, next| one.section.rank == next.section.rank);
    let (mut waiting, mut evaluation) = (<[RepeatedWords; 3]>::default(), ByPart::default());
    let (mut begins, last) = (Vec::new(), runs.next_back());
    // Where a process begins, the words of the one before it may wait for more.
    for run in runs {
        if run[0].is_own {
            begins.push((run, waiting.clone()));
            for reading in run {
                parts.each_word_in(reading, wanted, |part, word, times| {
                    let words = &mut waiting[part as usize];
                    if is_wanted(word) {
                        words.add(word, times);
                    }
                    if words.is_full() {
                        words.clear();
                    }
                    Ok(())
                })?;
            }
        }
        let mut of_all = gather_as(processes, waiting)?;
        waiting = of_all
            .swap_remove(run[0].section.rank)
            .map(RepeatedWords::received);
    }
    let is_last = |run: &[Reading]| last.is_some_and(|last| std::ptr::eq(run, last));
    begins.extend(last.filter(|run| run[0].is_own).map(|run| (run, waiting)));
    for (run, words) in begins {
        let mut waiting = WaitingWords {
            words,
            evaluation: ByPart::default(),
        };
        for reading in run {
            parts.each_word_in(reading, wanted, |part, word, times| match is_wanted(word) {
                true => waiting.add(part, (word, times), evaluator),
                false => Ok(()),
            })?;
        }
        evaluation += match is_last(run) {
            true => waiting.finish(evaluator)?,
            false => waiting.evaluation,
        };
    }
    Ok(evaluation)
}

/// An evaluator of words.
struct Evaluator<'a, M: ?Sized> {
    model: &'a M,
    encoder: Encoder,
    is_new: &'a (dyn Fn(u64) -> bool + Sync),
    /// Called between batches of words.
    between: &'a (dyn Fn() -> Result<()> + Sync),
}

impl<'a, M: LanguageModel + ?Sized> Evaluator<'a, M> {
    fn of(
        model: &'a M,
        is_new: &'a (dyn Fn(u64) -> bool + Sync),
        between: &'a (dyn Fn() -> Result<()> + Sync),
    ) -> Self {
        Self {
            model,
            encoder: model.vocabulary().encoder(),
            is_new,
            between,
        }
    }

    fn evaluate(&self, words: &RepeatedWords) -> Result<OldAndNew> {
        let v = self.model.vocabulary().len();
        let mut indices = Vec::new();
        let mut encoded: Vec<(&str, u64, Range<usize>)> = Vec::new();
        for (word, times) in words.iter() {
            let begin = indices.len();
            let of_word = word.chars().map(|character| self.encoder.index(character));
            indices.extend(of_word.map(usize::from));
            let of_word = begin..indices.len();
            if indices[begin..].contains(&v) {
                // An unknown character: an error in most models.
                self.model.indices(word)?;
            }
            encoded.push((word, times, of_word));
        }
        // Neighbours among sorted words begin alike, which makes an n-gram model faster.
        encoded.sort_unstable_by_key(|&(word, ..)| word);
        let mut evaluation = OldAndNew::default();
        let indices = |of_word: &Range<usize>| &indices[of_word.clone()];
        let of_words: Vec<&[usize]> = encoded.iter().map(|(.., word)| indices(word)).collect();
        let between = &mut || (self.between)();
        let ln = self.model.log_probabilities(&of_words, between)?;
        let mut rest = ln.as_slice();
        for (&(word, times, _), indices) in encoded.iter().zip(of_words) {
            let (ln, others) = rest.split_at(indices.len() + 1);
            rest = others;
            let mut of_word = Evaluation {
                words: times,
                ..Evaluation::default()
            };
            // The end token comes after the last index.
            for (place, &ln) in ln.iter().enumerate() {
                match indices.get(place) == Some(&v) {
                    true => of_word.add_unknown(ln, times),
                    false => of_word.add(ln, times),
                }
            }
            evaluation.all += of_word;
            if (self.is_new)(hash(word)) {
                evaluation.new += of_word;
            }
        }
        Ok(evaluation)
    }
}

/// Words of each part that wait to be evaluated in a batch, and the evaluations of earlier ones.
#[derive(Default)]
struct WaitingWords {
    words: [RepeatedWords; 3],
    evaluation: ByPart,
}

impl WaitingWords {
    #[inline]
    fn add<M: LanguageModel + ?Sized>(
        &mut self,
        part: Part,
        (word, times): (&str, u64),
        evaluator: &Evaluator<M>,
    ) -> Result<()> {
        let words = &mut self.words[part as usize];
        words.add(word, times);
        match words.is_full() {
            true => self.evaluate(part, evaluator),
            false => Ok(()),
        }
    }

    fn evaluate<M: LanguageModel + ?Sized>(
        &mut self,
        part: Part,
        evaluator: &Evaluator<M>,
    ) -> Result<()> {
        let words = &mut self.words[part as usize];
        self.evaluation.0[part as usize] += evaluator.evaluate(words)?;
        words.clear();
        Ok(())
    }

    fn finish<M: LanguageModel + ?Sized>(mut self, evaluator: &Evaluator<M>) -> Result<ByPart> {
        for &part in Part::VARIANTS {
            self.evaluate(part, evaluator)?;
        }
        Ok(self.evaluation)
    }
}

fn hash(word: &str) -> u64 {
    FixedState::default().hash_one(word)
}

/// The hashes of the different words of some parts, as far as they are wanted.
fn different(
    parts: &Parts,
    held_out: &[Part],
    is_wanted: &IsWanted,
    processes: &dyn Processes,
) -> Result<Hashes> {
    let all = Mutex::new(Hashes::default());
    let mut workers = vec![HashSet::<u64, BuildHasherDefault<Hashed>>::default(); threads()];
    let hand_over = |found: &mut HashSet<u64, _>| {
        let found = found.drain().map(|hash| (hash, AtomicBool::new(false)));
        lock(&all).extend(found);
    };
    parts.each_word(held_out, &mut workers, |found, _, word, _| {
        let hash = hash(word);
        if is_wanted(hash) && found.insert(hash) && found.len() >= WORDS {
            hand_over(found);
        }
        Ok(())
    })?;
    workers.iter_mut().for_each(hand_over);
    let mut all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    let of_all = gather_numbers(processes, all.keys().copied().collect())?;
    all.extend(
        of_all
            .into_iter()
            .map(|hash| (hash, AtomicBool::new(false))),
    );
    Ok(all)
}

type IsWanted<'a> = dyn Fn(u64) -> bool + Sync + 'a;

/// Hashes of words, and whether the train part has the word.
type Hashes = HashMap<u64, AtomicBool, BuildHasherDefault<Hashed>>;

/// The different words of some parts, as far as they are wanted, and whether the train part has them.
fn seen(
    parts: &Parts,
    held_out: &[Part],
    is_wanted: &IsWanted,
    processes: &dyn Processes,
) -> Result<Hashes> {
    let words = different(parts, held_out, is_wanted, processes)?;
    let mut workers = vec![(); threads()];
    parts.each_word(&[Part::Train], &mut workers, |(), _, word, _| {
        if let Some(seen) = words.get(&hash(word)) {
            seen.store(true, Ordering::Relaxed);
        }
        Ok(())
    })?;
    let seen = words
        .iter()
        .filter(|(_, seen)| seen.load(Ordering::Relaxed));
    for hash in gather_numbers(processes, seen.map(|(&hash, _)| hash).collect())? {
        if let Some(seen) = words.get(&hash) {
            seen.store(true, Ordering::Relaxed);
        }
    }
    Ok(words)
}

/// A hasher of hashes, which returns them as they are.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 ^= hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counting::count;
    use crate::data::{List, Shares, Source, Split, Vocabulary};
    use crate::distributed::Alone;
    use crate::libtorch::threads::Threads;
    use crate::models::kinds::{Gru, Kind, Mlp};
    use crate::models::{Config, Network, Sizes, Table};
    use tch::Tensor;

    /// Thousands of words were once evaluated at once, however long they were.
    #[test]
    fn long_words_are_evaluated_a_few_at_once() {
        let vocabulary = Vocabulary::new('.', ['a']).unwrap();
        let p = Tensor::full([2, 2], 0.5, (tch::Kind::Float, tch::Device::Cpu));
        let table = Table::new(vocabulary.clone(), &p).unwrap();
        let calls = |length: usize, words: usize| {
            let mut list = WordList::default();
            for _ in 0..words {
                list.push(&"a".repeat(length), 1, &vocabulary).unwrap();
            }
            let mut calls = 0;
            let evaluation = word_list(&table, &list, &mut || {
                calls += 1;
                Ok(())
            });
            assert_eq!(evaluation.unwrap().words, list.len() as u64);
            calls
        };
        assert_eq!(calls(7, 4097), 2);
        assert_eq!(calls(60_000, 9), 3);
    }

    /// Ctrl-C once waited for thousands of words, with a large network for a minute.
    #[test]
    fn a_network_can_be_stopped_between_its_batches() {
        let vocabulary = Vocabulary::new('.', ['a']).unwrap();
        let config = Config::new(&Gru, Sizes::default());
        let network = Network::new(vocabulary.clone(), config, 1, tch::Device::Cpu).unwrap();
        let mut list = WordList::default();
        for length in 0..1000 {
            list.push(&"a".repeat(length % 7), 1, &vocabulary).unwrap();
        }
        let mut calls = 0;
        let stopped = word_list(&network, &list, &mut || {
            calls += 1;
            match calls {
                3 => Err(Error::Interrupted),
                _ => Ok(()),
            }
        });
        assert!(matches!(stopped, Err(Error::Interrupted)), "{stopped:?}");
    }

    /// Dev was once evaluated by one thread, whatever trained.
    #[test]
    fn threads_share_the_batches_of_a_network_and_come_to_what_one_has() {
        let vocabulary = Vocabulary::new('.', ['a', 'b']).unwrap();
        let mut list = WordList::default();
        for number in 0..2_000_usize {
            let word = format!("{number:011b}").replace('0', "a").replace('1', "b");
            list.push(&word[..number % 12], 1, &vocabulary).unwrap();
        }
        // Matrices of the MLP are so large that libtorch divides them among its threads.
        for config in
            [&Gru as &'static dyn Kind, &Mlp].map(|kind| Config::new(kind, Sizes::default()))
        {
            let network = Network::new(vocabulary.clone(), config, 1, tch::Device::Cpu).unwrap();
            let evaluations = [1, 3, 8].map(|threads| {
                Threads::new(Some(threads)).prepare_for_reading();
                let mut batches = 0;
                let evaluation = word_list(&network, &list, &mut || {
                    batches += 1;
                    Ok(())
                });
                (evaluation.unwrap(), batches)
            });
            assert!(evaluations[0].1 > 1, "{evaluations:?}");
            assert!(
                evaluations.iter().all(|one| *one == evaluations[0]),
                "{config:?}"
            );
        }
    }

    #[cfg(feature = "distributed")]
    #[test]
    fn processes_share_the_batches_of_a_network_and_come_to_what_one_has() {
        use crate::distributed::Alone;
        use crate::distributed::group::tests::each;
        use crate::models::Together;

        let vocabulary = Vocabulary::new('.', ['a', 'b']).unwrap();
        let mut list = WordList::default();
        for number in 0..6_000_usize {
            let word = format!("{number:013b}").replace('0', "a").replace('1', "b");
            list.push(&word[..number % 14], 1 + number as u64 % 2, &vocabulary)
                .unwrap();
        }
        let evaluate = |processes: &dyn Processes| {
            let config = Config::new(&Gru, Sizes::default());
            let network = Network::new(vocabulary.clone(), config, 1, tch::Device::Cpu).unwrap();
            let mut batches = 0;
            let network = &network;
            let evaluation = word_list(
                &Together {
                    model: network,
                    processes,
                },
                &list,
                &mut || {
                    batches += 1;
                    Ok(())
                },
            );
            (evaluation.unwrap(), batches)
        };
        let (alone, all) = evaluate(&Alone);
        assert_eq!((alone.words, all), (9_000, 24));
        for size in [2, 3] {
            let shared = each(size, |group| evaluate(group));
            assert!(shared.iter().all(|&(evaluation, _)| evaluation == alone));
            let batches: Vec<usize> = shared.into_iter().map(|(_, batches)| batches).collect();
            assert_eq!(batches.iter().sum::<usize>(), all, "{batches:?}");
            assert!(
                batches.iter().all(|&own| own <= all / size + 1),
                "{batches:?}"
            );
        }
    }

    /// A list of thousands of words once had no average but an infinite one.
    #[test]
    fn one_impossible_character_does_not_hide_the_average_of_the_others() {
        let vocabulary = Vocabulary::new('.', ['a', 'b']).unwrap();
        let p = Tensor::from_slice(&[0.0_f32, 0.5, 0.5, 0.5, 0.5, 0.0, 1.0, 0.0, 0.0]);
        let table = Table::new(vocabulary, &p.view([3, 3])).unwrap();
        // After a, b is impossible.
        let evaluation = words(&table, ["a", "ab", "a"]).unwrap();
        assert_eq!(evaluation.nll(), f64::INFINITY);
        assert_eq!(evaluation.impossible(), 1);
        let others = evaluation.possible_nll().unwrap();
        assert!((others - 5.0 * 2.0_f64.ln() / 6.0).abs() < 1e-12);
        assert_eq!(
            words(&table, ["a"]).unwrap().possible_nll(),
            Some(2.0_f64.ln())
        );
        assert_eq!(words(&table, []).unwrap().possible_nll(), None);
    }

    /// The number of rounds once grew with the number of words, also of repeated ones.
    #[test]
    fn a_list_that_repeats_its_words_is_read_in_one_round() {
        let rounds = |text: String| {
            let source = Source::text("list", text);
            let digest = count(&source, '.').unwrap().digest;
            let split = Split::new(Shares::Percents([1, 99, 0]), 1, digest.words);
            let parts = Parts::new(List { source, digest }, split);
            rounds(&parts, &[Part::Dev], &Memory::new(1 << 20), &Alone).unwrap()
        };
        assert_eq!(rounds("emma\nava\n".repeat(300_000)), 1);
        let different = (0..600_000).map(|word| format!("{word}\n"));
        assert_eq!(rounds(different.collect()), 3);
    }

    /// A model whose probabilities depend on the words that it is given at once.
    #[cfg(feature = "distributed")]
    #[derive(Debug)]
    struct Dependent(Vocabulary);

    #[cfg(feature = "distributed")]
    impl LanguageModel for Dependent {
        fn vocabulary(&self) -> &Vocabulary {
            &self.0
        }

        fn block_size(&self) -> usize {
            1
        }

        fn distributions(&self, _: &Tensor) -> Result<Tensor> {
            unreachable!()
        }

        fn log_probabilities(&self, words: &[&[usize]], _: Between) -> Result<Vec<f64>> {
            let all = words.concat();
            let sum = all.iter().sum::<usize>() + words.len();
            let numbers = words.iter().flat_map(|word| 0..=word.len());
            Ok(numbers.map(|place| -((sum + place) as f64).ln()).collect())
        }
    }

    /// Each of these processes is a thread here.
    #[cfg(feature = "distributed")]
    #[test]
    fn processes_evaluate_what_one_process_evaluates() {
        use crate::counting::count_shared;
        use crate::distributed::group::tests::each;

        // So many that they are evaluated in several batches, with some words twice.
        let word = |number: u32| format!("{}\n", number.wrapping_mul(7919) % 90_000);
        let source = Source::text("list", (0..100_000).map(word).collect::<String>());
        let vocabulary = Vocabulary::new('.', '0'..='9').unwrap();
        let p = Tensor::full([11, 11], 1.0 / 11.0, (tch::Kind::Float, tch::Device::Cpu));
        let table = Table::new(vocabulary.clone(), &p).unwrap();
        let evaluated = |processes: &dyn Processes, model: &dyn LanguageModel| {
            let counted = count_shared(&source, Some('.'), processes).unwrap();
            let split = Split::new(Shares::Percents([80, 15, 5]), 1, counted.digest.words);
            let list = List {
                source: source.clone(),
                digest: counted.digest,
            };
            let parts = Parts::new(list, split).shared(Part::Train, &counted.sections);
            let memory = Memory::new(1 << 30);
            parts_and_new(model, &parts, Part::VARIANTS, &memory, processes).unwrap()
        };
        let dependent = Dependent(vocabulary);
        let alone = [evaluated(&Alone, &table), evaluated(&Alone, &dependent)];
        for size in [2, 3] {
            for together in each(size, |group| {
                [evaluated(group, &table), evaluated(group, &dependent)]
            }) {
                assert_eq!(together, alone, "{size}");
            }
        }
    }
}
