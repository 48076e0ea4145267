//! The share of all n-grams of up to `N` characters that one process owns: those whose contexts end in some
//! characters.
//!
//! An n-gram and its suffixes have contexts that end alike, so they are in one share, as are all n-grams of a
//! context and those of its suffixes. So all is estimated and looked up in a share: the counts of lower
//! orders, probabilities, and those of characters that never followed a context. Only single characters are
//! in every share, with sums of all processes. One process has all n-grams.
//!
//! A share is a trie as in `trie`, but for its indices: those of contexts (`children`, `suffix`, backoffs)
//! count the contexts of a length that n-grams of the share have, and are not those of n-grams (`last`,
//! probabilities, counts). An n-gram that is itself a context may be in another share.

use std::sync::Arc;

use super::gathering::Gathering;
use super::trie::{Level, Node, Trie, contexts};
use super::view::View;
use crate::counting::NgramCounts;
use crate::counting::counts::Ngrams;
use crate::counting::ngrams::{BYTES_IN_A_MODEL, SampledNgrams, all_fit, no_memory};
use crate::counting::packed::{Packed, Packing};
use crate::data::split::Part;
use crate::distributed::Processes;
use crate::distributed::processes::gather_numbers;
use crate::distributed::rows::{Row, most_bytes_under_way};
use crate::error::{Error, Result};
use crate::memory::Memory;

/// The bytes of an n-gram in the whole model.
const BYTES_IN_THE_WHOLE: u64 = 18;

/// The bytes of an n-gram that a share gives up before the whole model is gathered: two counts and the index of a
/// suffix.
const BYTES_GIVEN_UP: u64 = 20;

/// The counts of the n-grams of one level.
#[derive(Debug, Clone, Default)]
pub(crate) struct Occurrences {
    /// The number of occurrences of each.
    pub raw: Vec<u64>,
    /// The number of different characters before each n-gram. For the longest, and for those that
    /// begin with the start token, which has nothing before it, the number of occurrences.
    ///
    /// Source: Chen and Goodman, 1998, section 3; Heafield et al., 2013, "adjusted counts".
    pub adjusted: Vec<u64>,
}

/// The n-grams of a share.
#[derive(Debug)]
pub(crate) struct Share<'a> {
    pub trie: Arc<Trie>,
    /// The counts of the n-grams of each length.
    pub occurrences: Vec<Occurrences>,
    /// The index of the suffix of each n-gram among those one character shorter; of single characters none.
    pub suffixes: Vec<Vec<u32>>,
    /// The number of n-grams of each length that begin with the start token; they come first.
    pub begun: Vec<usize>,
    /// The number of n-grams of each length in all shares.
    pub numbers: Vec<u64>,
    pub processes: &'a dyn Processes,
    packing: Packing,
    ngrams: Keys,
}

/// The n-grams of each length, sorted, in numbers as wide as the counts have.
#[derive(Debug)]
enum Keys {
    Narrow(Vec<Vec<u64>>),
    Wide(Vec<Vec<u128>>),
}

impl<'a> Share<'a> {
    /// The n-grams that were counted, which this process owns, and all shorter ones.
    ///
    /// # Errors
    ///
    /// [`Error::Memory`] if the n-grams take more memory than there is, here or in another process, or the
    /// [`whole`](Self::whole) model more than process 0 has; [`Error::Processes`].
    pub fn of(counts: &NgramCounts, memory: &Memory, processes: &'a dyn Processes) -> Result<Self> {
        let (packing, v) = (counts.packing(), counts.vocabulary().len());
        let share = match counts.ngrams() {
            Ngrams::Narrow(ngrams) => Built::of(ngrams, packing, v, memory)
                .map(|built| built.share(Keys::Narrow, processes)),
            Ngrams::Wide(ngrams) => Built::of(ngrams, packing, v, memory)
                .map(|built| built.share(Keys::Wide, processes)),
        };
        let mut share = all_fit(share, processes)?;
        share.add_up()?;
        let whole = match share.ngrams {
            Keys::Narrow(_) => share.reserve_whole::<u64>(memory),
            Keys::Wide(_) => share.reserve_whole::<u128>(memory),
        };
        all_fit(whole, processes)?;
        Ok(share)
    }

    /// Reserves what the whole model and its gathering take beside the share.
    fn reserve_whole<K: Packed>(&self, memory: &Memory) -> Result<()>
    where
        (K, u64): Row,
    {
        let (order, free) = (self.order(), memory.free());
        if memory.reserve(self.bytes_of_whole::<K>(order)) {
            return Ok(());
        }
        let fits = (1..order).take_while(|&lower| {
            // The share of a lower order lacks the longer n-grams.
            let longer: u64 = (lower + 1..=order).map(|length| self.own(length)).sum();
            let freed = longer * (BYTES_IN_A_MODEL + size_of::<K>() as u64);
            self.bytes_of_whole::<K>(lower) <= free + freed
        });
        Err(Error::Memory {
            order,
            limit: memory.limit(),
            fits: fits.last(),
        })
    }

    /// The bytes of the whole model of an order and its gathering beside the share.
    fn bytes_of_whole<K: Packed>(&self, order: usize) -> u64
    where
        (K, u64): Row,
    {
        let size = self.processes.size();
        if size == 1 {
            return 0;
        }
        let most = self.numbers[..order].iter().max().copied().unwrap_or(0);
        let under_way = most_bytes_under_way::<(K, u64)>(size, most as usize);
        let [row, ngram] = [size_of::<(K, u64)>(), size_of::<K>()].map(|bytes| bytes as u64);
        // One length at a time is gathered: the rows of this process, and those that come.
        let own = (1..=order).map(|length| self.own(length));
        let sent = own.clone().max().unwrap_or(0) * row;
        let own = own.sum::<u64>();
        if self.processes.rank() > 0 {
            return under_way + sent.saturating_sub(own * BYTES_GIVEN_UP);
        }
        // Beside them the n-grams of two lengths are still needed, and the numbers of one; what is given up goes into
        // the whole.
        let gathered = most * (row + 2 * ngram + size_of::<f32>() as u64);
        let others = self.numbers[..order].iter().sum::<u64>() - own;
        others * BYTES_IN_THE_WHOLE + gathered + sent + under_way
    }

    /// The number of n-grams of a length that this process owns.
    fn own(&self, length: usize) -> u64 {
        self.trie.level(length).last.len() as u64
    }

    /// Adds up the counts of single characters, which come from all shares, and the numbers of n-grams.
    fn add_up(&mut self) -> Result<()> {
        let single = &mut self.occurrences[0];
        let characters = single.raw.len();
        let counts = [single.raw.as_slice(), &single.adjusted, &self.numbers].concat();
        let counts = sums(self.processes, counts)?;
        single.raw = counts[..characters].to_vec();
        single.adjusted = counts[characters..2 * characters].to_vec();
        self.numbers = counts[2 * characters..].to_vec();
        self.numbers[0] = characters as u64;
        self.numbers.iter().copied().try_for_each(check_number)
    }

    /// The highest order.
    pub fn order(&self) -> usize {
        self.occurrences.len()
    }

    /// The sums of numbers of n-grams of a length over all shares.
    ///
    /// # Errors
    ///
    /// [`Error::Processes`].
    pub fn sums_of(&self, length: usize, numbers: [u64; 4]) -> Result<[u64; 4]> {
        if length == 1 {
            return Ok(numbers);
        }
        let sums = sums(self.processes, numbers.to_vec())?;
        Ok([0, 1, 2, 3].map(|place| sums[place]))
    }

    /// The contexts of a length that begin with the start token; they come first.
    pub fn begun_contexts(&self, length: usize) -> std::ops::Range<usize> {
        let (contexts, begun) = (&self.trie.level(length).children, self.begun[length]);
        0..contexts.partition_point(|&first| (first as usize) < begun)
    }

    /// The context that these characters are, if n-grams of the share have it; padding is left out.
    pub fn context(&self, characters: &[usize]) -> Option<Node> {
        match (without_padding(characters), &self.ngrams) {
            ([], _) => Some(Node::ROOT),
            (&[index], _) => Some(Node { length: 1, index }),
            (several, Keys::Narrow(ngrams)) => self.search(ngrams, several),
            (several, Keys::Wide(ngrams)) => self.search(ngrams, several),
        }
    }

    /// The longest context at the end of some characters.
    pub fn longest_context(&self, characters: &[usize]) -> Node {
        let characters = without_padding(characters);
        let mut ends = (0..characters.len()).map(|begin| &characters[begin..]);
        ends.find_map(|end| self.context(end)).unwrap_or(Node::ROOT)
    }

    fn search<K: Packed>(&self, ngrams: &[Vec<K>], context: &[usize]) -> Option<Node> {
        let length = context.len();
        let (packing, ngrams) = (self.packing.of_order(length), &ngrams[length]);
        let wanted: K = packing.pack(context.iter().copied());
        let of_context = |&first: &u32| packing.context(ngrams[first as usize]);
        let (_, contexts) = self.trie.level(length).children.split_last()?;
        let index = contexts.binary_search_by_key(&wanted, of_context).ok()?;
        Some(Node { length, index })
    }

    /// The whole model with the probabilities of a view of each share: in process 0, and in the others that of
    /// single characters. `unseen` is the backoff of n-grams that are no contexts.
    ///
    /// # Errors
    ///
    /// [`Error::Processes`].
    pub fn whole(self, view: View, unseen: f32) -> Result<View> {
        let gathering = Gathering {
            view,
            unseen,
            packing: self.packing,
            processes: self.processes,
        };
        let ngrams = self.ngrams;
        // These are needed no more, and the whole takes as much.
        drop((self.occurrences, self.suffixes));
        match ngrams {
            Keys::Narrow(ngrams) => gathering.whole(&ngrams),
            Keys::Wide(ngrams) => gathering.whole(&ngrams),
        }
    }
}

/// The sums of numbers over all processes, each of which has as many.
fn sums(processes: &dyn Processes, numbers: Vec<u64>) -> Result<Vec<u64>> {
    let length = numbers.len();
    let of_all = gather_numbers(processes, numbers)?;
    let sum = |place| of_all.iter().skip(place).step_by(length).sum();
    Ok((0..length).map(sum).collect())
}

/// Characters with one start token at most where they are padded with several.
fn without_padding(characters: &[usize]) -> &[usize] {
    let starts = characters.iter().take_while(|&&index| index == 0).count();
    &characters[starts.saturating_sub(1)..]
}

/// The n-grams of a share as they are built, from the longest on.
struct Built<K> {
    levels: Vec<Level>,
    occurrences: Vec<Occurrences>,
    suffixes: Vec<Vec<u32>>,
    begun: Vec<usize>,
    ngrams: Vec<Vec<K>>,
    packing: Packing,
}

impl<K: Packed> Built<K> {
    fn of(counted: &[(K, u64)], packing: Packing, v: usize, memory: &Memory) -> Result<Self> {
        let order = packing.order();
        // Memory reserved for other counts, such as those of dev.
        let others = memory.limit() - memory.free();
        let others = others.saturating_sub(size_of_val(counted) as u64);
        let mut built = Self {
            levels: Vec::new(),
            occurrences: Vec::new(),
            suffixes: Vec::new(),
            begun: Vec::new(),
            ngrams: Vec::new(),
            packing,
        };
        for length in (1..=order).rev() {
            // Counted n-grams at the beginning of a word are padded with start tokens; here one is left.
            let begun = with_starts(counted, packing, order - length);
            let above = built.ngrams.last().map_or(0, Vec::len);
            if !has_room::<K>(begun.len() + above, memory)? {
                let sample = SampledNgrams::all(Part::Train, counted);
                return Err(no_memory(packing, &[sample], others, memory));
            }
            let packing = packing.of_order(length);
            built.add(match length {
                1 => Made::characters(begun, packing, v),
                _ => Made::of(begun),
            });
        }
        built.suffixes.push(Vec::new());
        built.levels.reverse();
        built.occurrences.reverse();
        built.suffixes.reverse();
        built.begun.reverse();
        built.ngrams.reverse();
        built.add_suffixes_of_contexts();
        Ok(built)
    }

    /// Adds the n-grams one character shorter than the last ones.
    fn add(&mut self, mut made: Made<K>) {
        let length = self.packing.order() - self.levels.len();
        let packing = self.packing.of_order(length);
        let above = self.ngrams.last().zip(self.occurrences.last());
        if let Some((above, counts)) = above {
            self.suffixes
                .push(made.add_suffixes(above, counts, packing));
        }
        let last = made.ngrams.iter();
        let mut level = Level {
            last: last.map(|&ngram| packing.last(ngram) as u16).collect(),
            ..Level::default()
        };
        if let Some((above, _)) = above {
            let upper = packing.of_order(length + 1);
            match length {
                // All characters are there.
                1 => level.set_children(contexts(above.iter().copied(), upper, &made.ngrams)),
                _ => level.children = firsts(above, upper),
            }
        }
        let has_start = |&ngram: &K| packing.starts(ngram) > 0;
        self.begun.push(made.ngrams.partition_point(has_start));
        self.levels.push(level);
        self.occurrences.push(made.counts);
        self.ngrams.push(made.ngrams);
    }

    /// Adds the index of the suffix of each context among the contexts one character shorter.
    fn add_suffixes_of_contexts(&mut self) {
        for length in 2..self.levels.len() {
            let (lower, upper) = self.levels.split_at_mut(length - 1);
            let (below, level) = (&lower[length - 2], &mut upper[0]);
            let mut of_ngrams: Vec<u32> = Vec::with_capacity(level.last.len());
            for (context, ends) in (0..).zip(below.children.windows(2)) {
                of_ngrams.resize(ends[1] as usize, context);
            }
            let firsts = level
                .children
                .split_last()
                .map_or(&[][..], |(_, firsts)| firsts);
            // The context of the suffix of the first n-gram that has it.
            let suffix = |&first: &u32| of_ngrams[self.suffixes[length][first as usize] as usize];
            level.suffix = firsts.iter().map(suffix).collect();
        }
    }

    fn share(self, wrap: fn(Vec<Vec<K>>) -> Keys, processes: &dyn Processes) -> Share<'_> {
        Share {
            numbers: self
                .ngrams
                .iter()
                .map(|ngrams| ngrams.len() as u64)
                .collect(),
            trie: Arc::new(Trie {
                levels: self.levels,
            }),
            occurrences: self.occurrences,
            suffixes: self.suffixes,
            begun: self.begun,
            processes,
            packing: self.packing,
            ngrams: wrap(self.ngrams),
        }
    }
}

/// The index of the first n-gram of each context, and at the end the number of n-grams, which are sorted.
fn firsts<K: Packed>(ngrams: &[K], packing: Packing) -> Vec<u32> {
    let is_first = |&place: &usize| {
        place == 0 || packing.context(ngrams[place - 1]) != packing.context(ngrams[place])
    };
    let firsts = (0..ngrams.len()).filter(is_first).chain([ngrams.len()]);
    firsts.map(|place| place as u32).collect()
}

/// The n-grams of one length, made of counts.
struct Made<K> {
    ngrams: Vec<K>,
    counts: Occurrences,
}

/// The most n-grams of one length.
const NUMBERED: u64 = u32::MAX as u64;

/// Refuses more n-grams of one length than a model can number.
fn check_number(ngrams: u64) -> Result<()> {
    match ngrams {
        0..=NUMBERED => Ok(()),
        _ => Err(Error::Value {
            what: "the number of n-grams of one length",
            value: ngrams.to_string(),
            expected: "up to 4294967295 would work",
        }),
    }
}

/// Reserves memory for at most so many n-grams of one length; false if there is too little.
fn has_room<K: Packed>(ngrams: usize, memory: &Memory) -> Result<bool> {
    check_number(ngrams as u64)?;
    Ok(memory.reserve(ngrams as u64 * (BYTES_IN_A_MODEL + size_of::<K>() as u64)))
}

impl<K: Packed> Made<K> {
    fn of(counted: &[(K, u64)]) -> Self {
        let (ngrams, raw): (Vec<K>, Vec<u64>) = counted.iter().copied().unzip();
        let adjusted = raw.clone();
        Self {
            ngrams,
            counts: Occurrences { raw, adjusted },
        }
    }

    /// The first level: every character of the vocabulary, whether it occurs or not, and `<unk>`.
    fn characters(counted: &[(K, u64)], packing: Packing, v: usize) -> Self {
        let mut all: Vec<(K, u64)> = (0..=v as u16).map(|index| (index.into(), 0)).collect();
        for &(ngram, count) in counted {
            all[packing.last(ngram)].1 = count;
        }
        Self::of(&all)
    }

    /// Adds the suffixes of the n-grams above and returns the index of each. Single characters are
    /// there already; longer suffixes come, sorted, behind the n-grams that begin with the start token.
    fn add_suffixes(&mut self, above: &[K], counts: &Occurrences, packing: Packing) -> Vec<u32> {
        let mask = packing.mask();
        let mut suffixes: Vec<(K, u32)> = (0..)
            .zip(above)
            .map(|(place, &ngram)| (ngram & mask, place))
            .collect();
        // A stable sort is faster here: it makes use of the sorted run of each first character.
        suffixes.sort_by_key(|&(suffix, _)| suffix);
        let Occurrences { raw, adjusted } = &mut self.counts;
        let mut places = vec![0; above.len()];
        for group in suffixes.chunk_by(|one, other| one.0 == other.0) {
            let suffix = group[0].0;
            let index = match packing.order() {
                1 => packing.last(suffix),
                _ => {
                    self.ngrams.push(suffix);
                    raw.push(0);
                    adjusted.push(0);
                    self.ngrams.len() - 1
                }
            };
            adjusted[index] = group.len() as u64;
            for &(_, place) in group {
                places[place as usize] = index as u32;
                raw[index] += counts.raw[place as usize];
            }
        }
        places
    }
}

/// The n-grams that are padded with `filling` start tokens before their own; with a padding of 0 also
/// those that begin with another character.
fn with_starts<K: Packed>(ngrams: &[(K, u64)], packing: Packing, filling: usize) -> &[(K, u64)] {
    let starts = |ngram| packing.starts(ngram);
    // N-grams with more start tokens are sorted before others.
    let begin = ngrams.partition_point(|&(ngram, _)| starts(ngram) > filling + 1);
    let end = match filling {
        0 => ngrams.len(),
        _ => ngrams.partition_point(|&(ngram, _)| starts(ngram) > filling),
    };
    &ngrams[begin..end]
}
