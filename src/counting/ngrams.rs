//! N-grams of any order, counted in parts of a list whose vocabulary is known.
//!
//! Only n-grams of the highest order are counted, with start tokens before a word's first characters: the
//! counts of lower orders follow from them. Memory depends on the number of distinct n-grams, not on the
//! length of the list.
//!
//! The slots of n-grams in one large hash table would be anywhere in memory, and fetching them would take
//! most of the time. So there are many small tables, and n-grams wait until one table can take hundreds
//! of them at once.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use super::counts::{NgramCounts, Ngrams, add_up, for_any_width};
use super::hash_table::{HashTable, Slot};
use super::packed::{Packed, Packing};
use super::repeated_words::RepeatedWords;

use crate::data::Vocabulary;
use crate::data::parts::Parts;
use crate::data::pass::{each_task, lock, threads};
use crate::data::split::Part;
use crate::data::vocabulary::Encoder;
use crate::distributed::processes::{agree_on_options, gather_as, gather_numbers};
use crate::distributed::rows::{Exchange, Row};
use crate::distributed::{Alone, Processes};
use crate::error::{Error, Result};
use crate::memory::Memory;

/// The number of slots of an empty table, as a power of two.
const SMALLEST_BITS: u32 = 4;

/// The number of tables, as a power of two: so many that each fits into the processor's cache and threads
/// seldom wait for the same one.
const TABLES_BITS: u32 = 8;

/// The number of recent n-grams that a thread counts before they go to a table, as a power of two; they
/// fit into the processor's cache.
const RECENT_BITS: u32 = 13;

/// At most so many n-grams wait for a table.
const MOST_WAITING: usize = 512;

/// The bytes of an n-gram of any order in a model that is being estimated, without the n-gram itself.
pub(crate) const BYTES_IN_A_MODEL: u64 = 40;

/// The bytes of an n-gram of dev while models are compared, without its counts.
pub(crate) const BYTES_IN_DEV: u64 = size_of::<(f64, f64, f64)>() as u64;

/// The number of n-grams of a lower order is estimated from about so many.
const SAMPLE: u64 = 1 << 16;

/// Counts the n-grams of each of the `wanted` parts, and returns them in that order.
///
/// Several threads call `on_words` with the number of words that they counted.
///
/// # Errors
///
/// [`Error::Order`] if the order is too high for the vocabulary; [`Error::Memory`] before more memory is
/// used than there is; if a list cannot be read or has changed, or if the train part has a character
/// that the vocabulary does not have.
pub fn count_parts(
    parts: &Parts,
    wanted: &[Part],
    vocabulary: &Vocabulary,
    order: usize,
    memory: &Memory,
    on_words: &(dyn Fn(u64) + Sync),
) -> Result<Vec<NgramCounts>> {
    count_shared_parts(parts, wanted, vocabulary, order, memory, on_words, &Alone)
}

/// Counts n-grams as [`count_parts`] does, by several processes that share the parts. Each adds up those that
/// it owns; process 0 gets all, the others none.
///
/// # Errors
///
/// As [`count_parts`], also where another process has too little memory; [`Error::Disagreement`] if another
/// process counts others; [`Error::Processes`].
pub fn count_shared_parts(
    parts: &Parts,
    wanted: &[Part],
    vocabulary: &Vocabulary,
    order: usize,
    memory: &Memory,
    on_words: &(dyn Fn(u64) + Sync),
    processes: &dyn Processes,
) -> Result<Vec<NgramCounts>> {
    let gather = Gather::First;
    let (counts, _) = count_gathered(
        (parts, wanted),
        vocabulary,
        order,
        memory,
        on_words,
        (processes, gather),
    )?;
    Ok(counts)
}

/// Which processes get the n-grams that are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gather {
    /// Each gets those that it owns.
    Owners,
    /// Process 0 gets all.
    First,
}

/// The processes that own n-grams, by the last character of the context. So an n-gram, its suffixes and all
/// that have the same context or a suffix of it are in one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owners {
    of_last: Vec<usize>,
}

impl Owners {
    /// Shares characters out among processes, so that the sums of their numbers of n-grams are about equal.
    fn of_numbers(numbers: &[u64], size: usize) -> Self {
        let mut of_last = vec![0; numbers.len()];
        let mut sums = vec![0; size];
        let mut by_number: Vec<usize> = (0..numbers.len()).collect();
        by_number.sort_by_key(|&index| Reverse(numbers[index]));
        for index in by_number {
            let least = (0..size).min_by_key(|&rank| sums[rank]).unwrap_or(0);
            of_last[index] = least;
            sums[least] += numbers[index];
        }
        Self { of_last }
    }

    /// Shares the n-grams out that all processes have together.
    fn of<K: Packed>(
        packing: Packing,
        v: usize,
        parts: &[Vec<(K, u64)>],
        processes: &dyn Processes,
    ) -> Result<Self> {
        if processes.size() == 1 {
            return Ok(Self::of_numbers(&vec![0; v + 1], 1));
        }
        let mut numbers = vec![0; v + 1];
        for part in parts {
            add_numbers(packing, part, &mut numbers);
        }
        let of_all = gather_numbers(processes, numbers)?;
        let of_index = |index| of_all.iter().skip(index).step_by(v + 1).sum();
        let numbers: Vec<u64> = (0..=v).map(of_index).collect();
        Ok(Self::of_numbers(&numbers, processes.size()))
    }

    /// Shares the n-grams of counts out, which all processes have.
    pub fn of_counts(counts: &NgramCounts, size: usize) -> Self {
        let mut numbers = vec![0; counts.vocabulary().len() + 1];
        let packing = counts.packing();
        for_any_width!(counts.ngrams(), ngrams => add_numbers(packing, ngrams, &mut numbers));
        Self::of_numbers(&numbers, size)
    }

    /// The process that owns an n-gram.
    fn owner<K: Packed>(&self, packing: Packing, ngram: K) -> usize {
        self.of_last[packing.last(packing.context(ngram))]
    }

    /// The n-grams of counts that a process owns.
    pub fn owned(&self, counts: &NgramCounts, rank: usize) -> NgramCounts {
        fn of<K: Packed>(ngrams: &[(K, u64)], is_own: impl Fn(K) -> bool) -> Vec<(K, u64)> {
            let own = ngrams.iter().filter(|&&(ngram, _)| is_own(ngram));
            own.copied().collect()
        }
        let packing = counts.packing();
        let ngrams = match counts.ngrams() {
            Ngrams::Narrow(ngrams) => {
                Ngrams::Narrow(of(ngrams, |ngram| self.owner(packing, ngram) == rank))
            }
            Ngrams::Wide(ngrams) => {
                Ngrams::Wide(of(ngrams, |ngram| self.owner(packing, ngram) == rank))
            }
        };
        NgramCounts {
            vocabulary: counts.vocabulary.clone(),
            order: counts.order,
            ngrams,
            longest_word: counts.longest_word,
        }
    }
}

/// Adds the number of n-grams to that of the last character of their contexts.
fn add_numbers<K: Packed>(packing: Packing, ngrams: &[(K, u64)], numbers: &mut [u64]) {
    for &(ngram, _) in ngrams {
        numbers[packing.last(packing.context(ngram))] += 1;
    }
}

/// Counts n-grams of some parts by processes that share them, which get what `gather` says. Nothing is counted
/// of no parts.
///
/// # Errors
///
/// As [`count_shared_parts`].
pub(crate) fn count_gathered(
    (parts, wanted): (&Parts, &[Part]),
    vocabulary: &Vocabulary,
    order: usize,
    memory: &Memory,
    on_words: &(dyn Fn(u64) + Sync),
    (processes, gather): (&dyn Processes, Gather),
) -> Result<(Vec<NgramCounts>, Owners)> {
    let of_parts: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    let split = parts.split_of();
    let options = json!({
        "order": order,
        "parts": of_parts.join(", "),
        "split": split.shares.to_string(),
        "split_seed": split.seed,
        "dev": split.dev,
        "test": split.test,
    });
    agree_on_options(processes, &options)?;
    let counting = Counting {
        parts,
        wanted,
        vocabulary,
        packing: Packing::checked(vocabulary.len() + 1, order)?,
        memory,
        on_words,
        processes,
        counted: AtomicU64::new(0),
        fixed: AtomicU64::new(0),
        longest_word: AtomicUsize::new(0),
    };
    let (counted, owners) = match Slot::<u64>::holds(counting.packing) {
        true => wrapped(counting.together(gather)?, Ngrams::Narrow),
        false => wrapped(counting.together(gather)?, Ngrams::Wide),
    };
    let longest_word = counting.longest_word.load(Ordering::Relaxed) as u64;
    let longest_word = gather_numbers(processes, vec![longest_word])?;
    let longest_word = longest_word.into_iter().max().unwrap_or(0) as usize;
    let counts = counted.into_iter().map(|ngrams| NgramCounts {
        vocabulary: vocabulary.clone(),
        order,
        ngrams,
        longest_word: Some(longest_word),
    });
    Ok((counts.collect(), owners))
}

/// The result of this process or, if another one has too little memory, that error.
///
/// # Errors
///
/// That of `own`; [`Error::Processes`].
pub(crate) fn all_fit<T>(own: Result<T>, processes: &dyn Processes) -> Result<T> {
    let lack = match &own {
        Ok(_) => None,
        &Err(Error::Memory { order, limit, fits }) => Some((fits, order, limit)),
        Err(_) => return own,
    };
    let lacks: Vec<Option<_>> = gather_as(processes, lack)?;
    match lacks.into_iter().flatten().min() {
        None => own,
        Some((fits, order, limit)) => Err(Error::Memory { order, limit, fits }),
    }
}

/// Reserves memory in each process for n-grams of an order.
///
/// # Errors
///
/// [`Error::Memory`] if one of them has too little; [`Error::Processes`].
pub(crate) fn reserve_in_all(
    bytes: u64,
    order: usize,
    memory: &Memory,
    processes: &dyn Processes,
) -> Result<()> {
    let fits = match memory.reserve(bytes) {
        true => Ok(()),
        false => Err(Error::Memory {
            order,
            limit: memory.limit(),
            fits: None,
        }),
    };
    all_fit(fits, processes)
}

/// The n-grams of each part, sorted, and who owns them.
type CountedParts<K> = (Vec<Vec<(K, u64)>>, Owners);

fn wrapped<K>(
    (counted, owners): CountedParts<K>,
    wrap: fn(Vec<(K, u64)>) -> Ngrams,
) -> (Vec<Ngrams>, Owners) {
    (counted.into_iter().map(wrap).collect(), owners)
}

/// The state of counting that all threads share.
struct Counting<'a> {
    parts: &'a Parts,
    wanted: &'a [Part],
    vocabulary: &'a Vocabulary,
    packing: Packing,
    memory: &'a Memory,
    on_words: &'a (dyn Fn(u64) + Sync),
    processes: &'a dyn Processes,
    /// The number of words so far.
    counted: AtomicU64,
    /// The bytes that counting takes for any number of n-grams.
    fixed: AtomicU64,
    /// The characters of the longest word so far.
    longest_word: AtomicUsize,
}

impl Counting<'_> {
    /// Counts the n-grams of all processes.
    fn together<K: Packed>(&self, gather: Gather) -> Result<CountedParts<K>>
    where
        (K, u64): Row,
    {
        let (processes, packing) = (self.processes, self.packing);
        let own = all_fit(self.count(), processes)?;
        let owners = Owners::of(packing, self.vocabulary.len(), &own, processes)?;
        let of_part = |ngrams| {
            let ngrams = self.owned(ngrams, |&(ngram, _)| owners.owner(packing, ngram))?;
            match gather {
                Gather::Owners => Ok(ngrams),
                Gather::First => self.owned(ngrams, |_| 0),
            }
        };
        let counted = own.into_iter().map(of_part).collect::<Result<_>>()?;
        Ok((counted, owners))
    }

    /// Sends n-grams to their owners, and adds up those that come, sorted.
    fn owned<K: Packed>(
        &self,
        ngrams: Vec<(K, u64)>,
        owner: impl Fn(&(K, u64)) -> usize,
    ) -> Result<Vec<(K, u64)>>
    where
        (K, u64): Row,
    {
        let exchange = Exchange::of(self.processes, &ngrams, &owner)?;
        let under_way = exchange.bytes_under_way::<(K, u64)>();
        let come = exchange.bytes_to_come::<(K, u64)>();
        let order = self.packing.order();
        reserve_in_all(come + under_way, order, self.memory, self.processes)?;
        let before = (ngrams.capacity() * size_of::<(K, u64)>()) as u64;
        let mut ngrams = exchange.run(ngrams, owner)?;
        if self.processes.size() > 1 {
            self.memory.release(before + under_way);
        }
        ngrams.sort_unstable_by_key(|&(ngram, _)| ngram);
        add_up(&mut ngrams);
        Ok(ngrams)
    }

    fn count<K: Packed>(&self) -> Result<Vec<Vec<(K, u64)>>> {
        let parts = self.wanted.len();
        let threads = threads();
        let readers = (parts * threads) as u64;
        let most = WaitingNgrams::<K>::most(self.memory.free() / readers);
        let waiting = threads * (most << TABLES_BITS);
        let bytes = parts as u64 * Tables::<K>::bytes() + readers * WaitingNgrams::<K>::bytes(most);
        if !self.memory.reserve(bytes) {
            return Err(Error::Memory {
                order: self.packing.order(),
                limit: self.memory.limit(),
                fits: None,
            });
        }
        self.fixed.store(bytes, Ordering::Relaxed);
        let tables: Vec<Tables<K>> = (0..parts).map(|_| Tables::new()).collect();
        let counters = || (0..parts).map(|_| PartCounter::<K>::new(most)).collect();
        let mut workers: Vec<Vec<PartCounter<K>>> =
            std::iter::repeat_with(counters).take(threads).collect();
        let encoder = self.vocabulary.encoder();
        self.parts
            .each_word(self.wanted, &mut workers, |worker, part, word, times| {
                let place = self.wanted.iter().position(|&wanted| wanted == part);
                let place = place.unwrap_or_default();
                match worker[place].add((word, times), &encoder, self, &tables[place]) {
                    true => Ok(()),
                    false => Err(self.no_memory(&tables, waiting)),
                }
            })?;
        each_task(workers, |worker| {
            let mut parts = worker.into_iter().zip(&tables);
            match parts.all(|(part, tables)| part.finish(&encoder, self, tables)) {
                true => Ok(()),
                false => Err(self.no_memory(&tables, waiting)),
            }
        })?;
        let all: usize = tables.iter().map(Tables::len).sum();
        if !self.memory.reserve((all * size_of::<(K, u64)>()) as u64) {
            return Err(self.no_memory(&tables, 0));
        }
        let sorted = tables.into_iter().map(|tables| tables.sorted(self.memory));
        sorted.collect()
    }

    /// The error of too little memory, with the highest order that would fit. That is estimated from the
    /// n-grams so far, in the tables and `waiting` for those of a part.
    fn no_memory<K: Packed>(&self, tables: &[Tables<K>], waiting: usize) -> Error {
        let all = self.wanted.iter().map(|&part| self.parts.words(part));
        let all = all.sum::<u64>() as f64;
        // An upper bound: the more words were read, the fewer n-grams of the next ones are new.
        let growth = all / self.counted.load(Ordering::Relaxed).max(1) as f64;
        let samples = self
            .wanted
            .iter()
            .zip(tables)
            .map(|(&part, tables)| SampledNgrams {
                part,
                ngrams: tables.len(),
                growth: growth * (1.0 + waiting as f64 / tables.len().max(1) as f64),
                visit: Box::new(|visit: &mut dyn FnMut(K)| {
                    for table in &tables.tables {
                        lock(table).ngrams().for_each(&mut *visit);
                    }
                }),
            });
        let samples: Vec<SampledNgrams<K>> = samples.collect();
        let fixed = self.fixed.load(Ordering::Relaxed);
        no_memory(self.packing, &samples, fixed, self.memory)
    }
}

/// A function that calls another with all n-grams of a part.
type VisitAll<'a, K> = dyn Fn(&mut dyn FnMut(K)) + 'a;

/// The n-grams of a part, from which the number of those of lower orders is estimated.
pub(crate) struct SampledNgrams<'a, K> {
    pub part: Part,
    /// The number of distinct n-grams.
    pub ngrams: usize,
    /// An upper bound of their number in the end, divided by that.
    pub growth: f64,
    /// Visits all of them.
    pub visit: Box<VisitAll<'a, K>>,
}

impl<'a, K: Packed> SampledNgrams<'a, K> {
    /// All n-grams of a counted part.
    pub fn all(part: Part, counted: &'a [(K, u64)]) -> Self {
        Self {
            part,
            ngrams: counted.len(),
            growth: 1.0,
            visit: Box::new(|visit| counted.iter().for_each(|&(ngram, _)| visit(ngram))),
        }
    }

    /// An upper bound of the number of n-grams of an order.
    fn of_order(&self, packing: Packing) -> f64 {
        let one_in = (self.ngrams as u64 / SAMPLE).max(1);
        let mask = packing.mask();
        let mut sample = HashSet::new();
        (self.visit)(&mut |ngram| {
            let shorter = ngram & mask;
            if shorter.scattered().is_multiple_of(one_in) {
                sample.insert(shorter);
            }
        });
        self.growth * (sample.len() as u64 * one_in) as f64
    }
}

/// [`no_memory`] after both parts are counted.
pub(crate) fn no_memory_for(train: &NgramCounts, dev: &NgramCounts, memory: &Memory) -> Error {
    fn of<K: Packed>(packing: Packing, parts: [&[(K, u64)]; 2], memory: &Memory) -> Error {
        let [train, dev] = parts;
        let train = SampledNgrams::all(Part::Train, train);
        no_memory(
            packing,
            &[train, SampledNgrams::all(Part::Dev, dev)],
            0,
            memory,
        )
    }
    let packing = train.packing();
    match (train.ngrams(), dev.ngrams()) {
        (Ngrams::Narrow(train), Ngrams::Narrow(dev)) => of(packing, [train, dev], memory),
        (Ngrams::Wide(train), Ngrams::Wide(dev)) => of(packing, [train, dev], memory),
        // Never: n-grams of one list have the same packing.
        (Ngrams::Narrow(_), Ngrams::Wide(_)) | (Ngrams::Wide(_), Ngrams::Narrow(_)) => {
            Error::Memory {
                order: packing.order(),
                limit: memory.limit(),
                fits: None,
            }
        }
    }
}

/// The error of too little memory, with the highest order that would fit. `fixed` bytes are taken for any
/// order.
pub(crate) fn no_memory<K: Packed>(
    packing: Packing,
    samples: &[SampledNgrams<K>],
    fixed: u64,
    memory: &Memory,
) -> Error {
    let counted = size_of::<(K, u64)>() as u64;
    let in_a_model = BYTES_IN_A_MODEL + size_of::<K>() as u64;
    // The bytes of models, which have the n-grams of all orders up to theirs.
    let mut models = fixed as f64;
    let fits = (1..packing.order()).take_while(|&order| {
        let mut counts = 0.0;
        for sample in samples {
            let ngrams = sample.of_order(packing.of_order(order));
            match sample.part {
                Part::Train => {
                    models += ngrams * in_a_model as f64;
                    counts += ngrams * (counted + in_a_model) as f64;
                }
                // Its counts, those of a lower order, and the search's numbers.
                _ => counts += ngrams * (2 * counted + BYTES_IN_DEV) as f64,
            }
        }
        models + counts < memory.limit() as f64
    });
    Error::Memory {
        order: packing.order(),
        limit: memory.limit(),
        fits: fits.last(),
    }
}

/// The words and n-grams of a part that one thread has not added to the tables yet.
struct PartCounter<K> {
    words: RepeatedWords,
    /// The number of words in `words`, repeated ones included.
    read: u64,
    /// The characters of the longest word.
    longest_word: usize,
    waiting: WaitingNgrams<K>,
}

impl<K: Packed> PartCounter<K> {
    fn new(most_waiting: usize) -> Self {
        Self {
            words: RepeatedWords::default(),
            read: 0,
            longest_word: 0,
            waiting: WaitingNgrams::new(most_waiting),
        }
    }

    /// Adds a word and how often it occurs; false if there is no memory for n-grams.
    #[inline]
    #[must_use]
    fn add(
        &mut self,
        (word, times): (&str, u64),
        encoder: &Encoder,
        counting: &Counting,
        tables: &Tables<K>,
    ) -> bool {
        self.words.add(word, times);
        self.read += 1;
        // Characters are counted where there are enough bytes for more than before.
        if word.len() > self.longest_word {
            self.longest_word = self.longest_word.max(word.chars().count());
        }
        !self.words.is_full() || self.count(encoder, counting, tables)
    }

    /// Counts the n-grams of the words; false if there is no memory for them.
    #[must_use]
    fn count(&mut self, encoder: &Encoder, counting: &Counting, tables: &Tables<K>) -> bool {
        let waiting = &mut self.waiting;
        let mut last = LastWord::new(counting.packing);
        let mut counted = true;
        let mut add = |ngram, count| counted &= waiting.add(ngram, count, tables, counting.memory);
        for (word, count) in self.words.iter() {
            last.replace(word, count, encoder, &mut add);
        }
        last.leave(0, &mut add);
        self.words.clear();
        counting
            .longest_word
            .fetch_max(self.longest_word, Ordering::Relaxed);
        let read = std::mem::take(&mut self.read);
        counting.counted.fetch_add(read, Ordering::Relaxed);
        (counting.on_words)(read);
        counted
    }

    /// Counts the rest; false if there is no memory for it.
    #[must_use]
    fn finish(mut self, encoder: &Encoder, counting: &Counting, tables: &Tables<K>) -> bool {
        self.count(encoder, counting, tables) && self.waiting.finish(tables, counting.memory)
    }
}

/// The last word, whose n-grams are not counted yet.
///
/// Neighbouring words often begin alike, above all in sorted lists. The n-grams of a common beginning are
/// counted once for all these words, as soon as a word begins otherwise.
struct LastWord<K> {
    packing: Packing,
    word: Vec<u8>,
    /// The n-gram that ends at each of its characters and at its end token, with the number of words
    /// before the first of the neighbours that share it.
    ngrams: Vec<(K, u64)>,
    /// The number of words so far.
    words: u64,
}

impl<K: Packed> LastWord<K> {
    fn new(packing: Packing) -> Self {
        Self {
            packing,
            word: Vec::new(),
            ngrams: Vec::new(),
            words: 0,
        }
    }

    /// Replaces the word by the next one, which occurs `count` times.
    #[inline]
    fn replace(&mut self, word: &str, count: u64, encoder: &Encoder, add: impl FnMut(K, u64)) {
        let both = self.word.iter().zip(word.as_bytes());
        let mut same = both.take_while(|(one, other)| one == other).count();
        while !word.is_char_boundary(same) {
            same -= 1;
        }
        let (same, others) = word.split_at(same);
        let is_start = |&&byte: &&u8| byte.cast_signed() >= -64; // No continuation byte of UTF-8.
        self.leave(same.as_bytes().iter().filter(is_start).count(), add);
        self.word.truncate(same.len());
        self.word.extend_from_slice(others.as_bytes());

        let mask = self.packing.mask();
        let mut ngram = self.ngrams.last().map_or(K::default(), |&(ngram, _)| ngram);
        self.ngrams.reserve(others.len() + 1);
        if others.is_ascii() {
            let indices = others.bytes().map(|byte| encoder.ascii(byte));
            self.ngrams.extend(indices.map(|index| {
                ngram = self.packing.push(ngram, index, mask);
                (ngram, self.words)
            }));
        } else {
            for character in others.chars() {
                ngram = self.packing.push(ngram, encoder.index(character), mask);
                self.ngrams.push((ngram, self.words));
            }
        }
        let end = self.packing.push(ngram, 0, mask);
        self.ngrams.push((end, self.words));
        self.words += count;
    }

    /// Counts the n-grams of all characters behind the first `same`, and removes them.
    #[inline]
    fn leave(&mut self, same: usize, mut add: impl FnMut(K, u64)) {
        for &(ngram, before) in &self.ngrams[same..] {
            add(ngram, self.words - before);
        }
        self.ngrams.truncate(same);
    }
}

/// N-grams that wait for their tables. A full batch is added at once: the table then comes into the
/// processor's cache once for all of them.
struct WaitingNgrams<K> {
    /// Recent n-grams, by the highest bits of their hashes. Common ones, such as ends of words, are
    /// counted here many times before they go to a table.
    recent: Vec<Slot<K>>,
    /// The n-grams that wait for each table.
    of_table: Vec<Vec<Slot<K>>>,
    /// At most so many wait for one table.
    most: usize,
}

impl<K: Packed> WaitingNgrams<K> {
    /// The number of n-grams that may wait for one table, by the bytes of free memory.
    fn most(memory: u64) -> usize {
        let share = memory / 16 / ((size_of::<Slot<K>>() as u64) << TABLES_BITS);
        share.clamp(8, MOST_WAITING as u64) as usize
    }

    /// The bytes of all that wait.
    fn bytes(most: usize) -> u64 {
        (size_of::<Slot<K>>() * ((most << TABLES_BITS) + (1 << RECENT_BITS))) as u64
    }

    fn new(most: usize) -> Self {
        let of_table = || Vec::with_capacity(most);
        Self {
            recent: vec![Slot::default(); 1 << RECENT_BITS],
            of_table: std::iter::repeat_with(of_table)
                .take(1 << TABLES_BITS)
                .collect(),
            most,
        }
    }

    /// Adds a count; false if there is no memory for it.
    #[inline(always)]
    #[must_use]
    fn add(&mut self, ngram: K, mut count: u64, tables: &Tables<K>, memory: &Memory) -> bool {
        if count > Slot::<K>::MOST {
            tables.add_above(ngram, count - 1);
            count = 1;
        }
        let place = (ngram.scattered() >> (u64::BITS - RECENT_BITS)) as usize;
        let recent = &mut self.recent[place];
        if recent.ngram() == ngram && recent.count() + count <= Slot::<K>::MOST {
            *recent = Slot::new(ngram, recent.count() + count);
            return true;
        }
        let before = std::mem::replace(recent, Slot::new(ngram, count));
        before.is_free() || self.wait(before, tables, memory)
    }

    /// Has a count wait for its table; false if there is no memory to empty a full batch.
    #[inline(always)]
    #[must_use]
    fn wait(&mut self, counted: Slot<K>, tables: &Tables<K>, memory: &Memory) -> bool {
        let hash = counted.ngram().scattered();
        let table = (hash >> (u64::BITS - TABLES_BITS)) as usize;
        let waiting = &mut self.of_table[table];
        waiting.push(counted);
        waiting.len() < self.most || tables.add(table, waiting, memory)
    }

    /// Adds all that wait to the tables; false if there is no memory for them.
    #[must_use]
    fn finish(mut self, tables: &Tables<K>, memory: &Memory) -> bool {
        let recent = std::mem::take(&mut self.recent);
        let mut recent = recent.into_iter().filter(|counted| !counted.is_free());
        let mut added = recent.all(|counted| self.wait(counted, tables, memory));
        let mut waiting = self.of_table.iter_mut().enumerate();
        added = added && waiting.all(|(table, waiting)| tables.add(table, waiting, memory));
        memory.release(Self::bytes(self.most));
        added
    }
}

/// The counts of a part, which all threads share: many tables, by the highest bits of the hashes.
struct Tables<K> {
    tables: Vec<Mutex<HashTable<K>>>,
}

impl<K: Packed> Tables<K> {
    /// The bytes of empty tables.
    fn bytes() -> u64 {
        HashTable::<K>::bytes(SMALLEST_BITS) << TABLES_BITS
    }

    fn new() -> Self {
        let table = || Mutex::new(HashTable::new(TABLES_BITS, SMALLEST_BITS));
        Self {
            tables: std::iter::repeat_with(table)
                .take(1 << TABLES_BITS)
                .collect(),
        }
    }

    /// Moves counts into a table; false if there is no memory for them.
    #[must_use]
    fn add(&self, table: usize, counts: &mut Vec<Slot<K>>, memory: &Memory) -> bool {
        let mut table = lock(&self.tables[table]);
        while table.room() < counts.len() {
            let now = table.bits();
            if !memory.reserve(HashTable::<K>::bytes(now + 1)) {
                return false;
            }
            table.grow();
            memory.release(HashTable::<K>::bytes(now));
        }
        table.add_all(counts);
        counts.clear();
        true
    }

    /// Adds to the count of an n-gram what no slot holds. The n-gram itself must be added too.
    #[cold]
    fn add_above(&self, ngram: K, count: u64) {
        let table = (ngram.scattered() >> (u64::BITS - TABLES_BITS)) as usize;
        lock(&self.tables[table]).add_above(ngram, count);
    }

    /// The number of distinct n-grams.
    fn len(&self) -> usize {
        self.tables.iter().map(|table| lock(table).len()).sum()
    }

    /// All n-grams with their counts, sorted.
    fn sorted(self, memory: &Memory) -> Result<Vec<(K, u64)>> {
        let each = (1_usize << TABLES_BITS).div_ceil(threads());
        let mut tables = self.tables;
        let mut groups = Vec::new();
        while !tables.is_empty() {
            groups.push(tables.split_off(tables.len().saturating_sub(each)));
        }
        let runs = each_task(groups, |group| {
            let mut run = Vec::with_capacity(group.iter().map(|table| lock(table).len()).sum());
            for table in group {
                let table = table.into_inner().unwrap_or_else(PoisonError::into_inner);
                run.extend(table.iter());
                memory.release(HashTable::<K>::bytes(table.bits()));
            }
            run.sort_unstable_by_key(|&(ngram, _)| ngram);
            Ok(run)
        })?;
        let mut sorted = runs.concat();
        // The stable sort finds the sorted runs and merges them.
        sorted.sort_by_key(|&(ngram, _)| ngram);
        Ok(sorted)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::counting::{MAX_ORDER, count};
    use crate::data::{List, Shares, Source, Split};
    use proptest::prelude::*;

    /// The n-grams of a list, counted one by one.
    fn plainly(words: &[String], order: usize) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for word in words {
            let bounded: Vec<char> = format!("{}{word}.", ".".repeat(order - 1))
                .chars()
                .collect();
            for ngram in bounded.windows(order) {
                *counts.entry(ngram.iter().collect()).or_default() += 1;
            }
        }
        counts
    }

    fn as_map(counts: &NgramCounts) -> BTreeMap<String, u64> {
        let ngrams = counts.distinct();
        ngrams
            .map(|(context, next, count)| (counts.ngram(&context, next), count))
            .collect()
    }

    fn parts(source: Source, shares: Shares) -> (Parts, Vocabulary) {
        let counted = count(&source, '.').unwrap();
        let split = Split::new(shares, 1, counted.digest.words);
        let list = List {
            source,
            digest: counted.digest,
        };
        (Parts::new(list, split), counted.counts.vocabulary().clone())
    }

    fn counts(source: Source, order: usize, memory: u64) -> Result<NgramCounts> {
        let (parts, vocabulary) = parts(source, Shares::ALL);
        let memory = Memory::new(memory);
        let counted = count_parts(&parts, &[Part::Train], &vocabulary, order, &memory, &|_| ());
        counted.map(|mut counted| counted.remove(0))
    }

    #[test]
    fn bigrams_are_those_of_the_other_way() {
        let ours = counts(Source::lecture(), 2, 1 << 30).unwrap();
        assert_eq!(ours.longest_word(), Some(15));
        let scanned = count(&Source::lecture(), '.').unwrap().counts;
        assert_eq!(ours.ngrams(), scanned.ngrams());
    }

    /// Each of these processes is a thread here.
    #[cfg(feature = "distributed")]
    #[test]
    fn processes_add_up_the_ngrams_of_one_process() {
        use crate::counting::count_shared;
        use crate::distributed::group::tests::each;

        let source = Source::lecture();
        let counted = |order, memory, processes: &dyn Processes| {
            let counted = count_shared(&source, Some('.'), processes)?;
            let list = List {
                source: source.clone(),
                digest: counted.digest,
            };
            let split = Split::new(Shares::USUAL, 1, counted.digest.words);
            let parts = Parts::new(list, split).shared(Part::Train, &counted.sections);
            let (wanted, vocabulary) = ([Part::Train, Part::Dev], counted.counts.vocabulary());
            let memory = Memory::new(memory);
            count_shared_parts(
                &parts,
                &wanted,
                vocabulary,
                order,
                &memory,
                &|_| (),
                processes,
            )
        };
        // In numbers of 64 and of 128 bits.
        for (order, size) in [(4, 2), (4, 3), (14, 2)] {
            let alone = counted(order, 1 << 30, &Alone).unwrap();
            let together = each(size, |group| counted(order, 1 << 30, group).unwrap());
            assert!(together[0] == alone, "{order} by {size}");
            assert!(
                together[1..]
                    .iter()
                    .flatten()
                    .all(|counts| counts.len() == 0)
            );
        }
        // One that has too little memory ends all in the same way.
        let errors = each(2, |group| {
            let memory = if group.rank() == 0 { 1 << 30 } else { 1 << 20 };
            counted(8, memory, group).unwrap_err().to_string()
        });
        assert_eq!(errors[0], errors[1]);
        assert!(errors[0].contains("memory"), "{}", errors[0]);
        // Others were added up to a model of nothing.
        let errors = each(2, |group| {
            let order = 3 + group.rank();
            counted(order, 1 << 30, group).unwrap_err().to_string()
        });
        assert!(
            errors[1].starts_with("the option order is 3 for rank 0 and "),
            "{errors:?}"
        );
        assert_eq!(errors[0], errors[1]);
    }

    #[test]
    fn parts_are_counted_apart_and_make_the_whole() {
        let (parts, vocabulary) = parts(Source::lecture(), Shares::USUAL);
        let all = [Part::Train, Part::Dev, Part::Test];
        let memory = Memory::new(1 << 30);
        let counted = count_parts(&parts, &all, &vocabulary, 4, &memory, &|_| ()).unwrap();
        let words = |part: Part| counted[part as usize].words();
        assert_eq!(all.map(words), [25_626, 3203, 3204]);
        let mut sum = BTreeMap::new();
        for (ngram, count) in counted.iter().flat_map(as_map) {
            *sum.entry(ngram).or_default() += count;
        }
        assert_eq!(sum, as_map(&counts(Source::lecture(), 4, 1 << 30).unwrap()));
    }

    #[test]
    fn too_little_memory_is_an_error_with_the_order_that_fits() {
        let count = |order, memory| counts(Source::lecture(), order, memory);
        let error = count(8, 1_500_000).unwrap_err();
        let Error::Memory {
            fits: Some(fits), ..
        } = error
        else {
            panic!("{error}");
        };
        assert!((2..8).contains(&fits), "{error}");
        assert!(count(fits, 1_500_000).is_ok());
        assert!(matches!(count(2, 1000), Err(Error::Memory { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn ngrams_of_any_order_are_counted(
            words in prop::collection::vec("[a-dß日]{1,9}", 1..30),
            order in 1..=MAX_ORDER,
        ) {
            let text = words.join("\n");
            let counted = counts(Source::text("list", text).in_blocks_of(50), order, 1 << 30).unwrap();
            prop_assert_eq!(as_map(&counted), plainly(&words, order));
            prop_assert_eq!(counted.words(), words.len() as u64);
            for shorter in 1..order {
                prop_assert_eq!(as_map(&counted.of_order(shorter)), plainly(&words, shorter));
            }
        }
    }
}
