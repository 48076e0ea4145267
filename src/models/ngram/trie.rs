//! All n-grams of up to `N` characters as a trie, from the first character to the last.
//!
//! Level `k` has the n-grams of `k` characters, sorted, with indices from 0. The children of an
//! n-gram are the n-grams that continue it by a character, side by side on the next level. The
//! suffix of an n-gram is the same without its first character, one level below; the trie has the
//! suffix of every n-gram. So a model reads a word character by character without going back to the
//! root: to a child where there is one, else to the suffix.
//!
//! Index 0 is the start token, which begins n-grams and is never predicted, and also the end token,
//! which ends them and has no children.

use std::ops::Range;

use crate::counting::ngrams::{BYTES_IN_A_MODEL, SampledNgrams, no_memory};
use crate::counting::packed::{Packed, Packing};
use crate::counting::{NgramCounts, for_any_width};
use crate::data::split::Part;
use crate::error::{Error, Result};
use crate::memory::Memory;

/// The n-grams of one length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Level {
    /// The last character of each n-gram.
    pub last: Vec<u16>,
    /// The index of each n-gram's first child on the next level, and at the end the number of all
    /// children; empty on the last level.
    pub children: Vec<u32>,
    /// The index of each n-gram's suffix one level below; empty on the first level, where the suffix
    /// is the root.
    pub suffix: Vec<u32>,
}

/// All levels. The first has every character at its index, then `<unk>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trie {
    pub levels: Vec<Level>,
}

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

/// An n-gram in the trie: its length and its index on that level; the root has length 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node {
    pub length: usize,
    pub index: usize,
}

impl Node {
    /// The empty n-gram.
    pub const ROOT: Self = Self {
        length: 0,
        index: 0,
    };

    /// The start token.
    pub const START: Self = Self {
        length: 1,
        index: 0,
    };
}

impl Trie {
    /// The trie of the n-grams that were counted and all shorter ones, and their counts.
    ///
    /// # Errors
    ///
    /// [`Error::Memory`] if the n-grams take more memory than there is.
    pub fn of(counts: &NgramCounts, memory: &Memory) -> Result<(Self, Vec<Occurrences>)> {
        let (packing, v) = (counts.packing(), counts.vocabulary().len());
        for_any_width!(counts.ngrams(), ngrams => of_ngrams(ngrams, packing, v, memory))
    }

    /// The level of n-grams of a length.
    pub fn level(&self, length: usize) -> &Level {
        &self.levels[length - 1]
    }

    /// The indices of a node's children on the next level.
    pub fn children(&self, node: Node) -> Range<usize> {
        if node.length == 0 {
            return 0..self.levels[0].last.len();
        }
        let children = &self.level(node.length).children;
        children[node.index] as usize..children[node.index + 1] as usize
    }

    /// The children of a node by their last characters, those with an index below `v`.
    pub fn children_by_character(
        &self,
        node: Node,
        v: usize,
    ) -> impl Iterator<Item = (usize, Node)> {
        let length = node.length + 1;
        let last = &self.level(length).last;
        let children = self
            .children(node)
            .map(move |index| (usize::from(last[index]), Node { length, index }));
        children.filter(move |&(last, _)| last < v)
    }

    /// The child of a node with a last character, if there is one.
    #[inline]
    pub fn child(&self, node: Node, index: usize) -> Option<Node> {
        let range = self.children(node);
        let length = node.length + 1;
        if node == Node::ROOT {
            return range.contains(&index).then_some(Node { length, index });
        }
        let last = &self.level(length).last[range.clone()];
        let place = last.binary_search(&(index as u16)).ok()?;
        let index = range.start + place;
        Some(Node { length, index })
    }

    /// The n-gram without its first character.
    pub fn suffix(&self, node: Node) -> Node {
        match node.length {
            0 | 1 => Node::ROOT,
            length => Node {
                length: length - 1,
                index: self.level(length).suffix[node.index] as usize,
            },
        }
    }

    /// Adds the suffixes to levels that lack them, for a vocabulary of `v`. None if the levels are not
    /// sorted, have other characters, or lack the suffix of an n-gram.
    pub fn with_suffixes(mut levels: Vec<Level>, v: usize) -> Option<Self> {
        for length in 1..levels.len() {
            let (lower, upper) = levels.split_at_mut(length);
            upper[0].suffix = suffixes(lower, &upper[0].last, v)?;
        }
        Some(Self { levels })
    }
}

impl Level {
    /// Sets the children, from the indices of the contexts of the n-grams on the next level.
    pub fn set_children(&mut self, contexts: impl Iterator<Item = usize>) {
        self.children = Vec::with_capacity(self.last.len() + 1);
        let mut end = 0;
        for (child, context) in contexts.enumerate() {
            while self.children.len() <= context {
                self.children.push(child as u32);
            }
            end = child as u32 + 1;
        }
        self.children.resize(self.last.len() + 1, end);
    }
}

/// The suffixes of the n-grams of a level with these last characters; `lower` are the levels below.
fn suffixes(lower: &[Level], last: &[u16], v: usize) -> Option<Vec<u32>> {
    let (level, below) = lower.split_last()?;
    if *level.children.last()? as usize != last.len() {
        return None;
    }
    let mut suffixes = Vec::with_capacity(last.len());
    for (index, ends) in level.children.windows(2).enumerate() {
        let children = last.get(ends[0] as usize..ends[1] as usize)?;
        let is_sorted = children.is_sorted_by(|one, other| one < other);
        if !is_sorted || children.last().is_some_and(|&last| usize::from(last) > v) {
            return None;
        }
        let Some(below) = below.last() else {
            suffixes.extend(children.iter().map(|&last| u32::from(last)));
            continue;
        };
        // The children of the context's suffix are these and others.
        let suffix = level.suffix[index] as usize;
        let mut place = below.children[suffix] as usize;
        let end = below.children[suffix + 1] as usize;
        for last in children {
            while place < end && level.last[place] < *last {
                place += 1;
            }
            if place == end || level.last[place] != *last {
                return None;
            }
            suffixes.push(place as u32);
        }
    }
    Some(suffixes)
}

/// A level that is made of counts.
struct Made<K> {
    ngrams: Vec<K>,
    counts: Occurrences,
}

fn of_ngrams<K: Packed>(
    counted: &[(K, u64)],
    packing: Packing,
    v: usize,
    memory: &Memory,
) -> Result<(Trie, Vec<Occurrences>)> {
    let order = packing.order();
    // Memory reserved for other counts, such as those of dev.
    let others = memory.limit() - memory.free();
    let others = others.saturating_sub(size_of_val(counted) as u64);
    let mut levels: Vec<Level> = Vec::new();
    let mut occurrences: Vec<Occurrences> = Vec::new();
    let mut above: Vec<K> = Vec::new();
    for length in (1..=order).rev() {
        // Counted n-grams at the beginning of a word are padded with start tokens; here one is left.
        let begun = with_starts(counted, packing, order - length);
        if !reserve::<K>(begun.len() + above.len(), memory)? {
            let sample = SampledNgrams::all(Part::Train, counted);
            return Err(no_memory(packing, &[sample], others, memory));
        }
        let packing = packing.of_order(length);
        let mut made = match length {
            1 => Made::characters(begun, packing, v),
            _ => Made::of(begun),
        };
        if let (Some(upper), Some(counts)) = (levels.last_mut(), occurrences.last()) {
            upper.suffix = made.add_suffixes(&above, counts, packing);
        }
        let last = made.ngrams.iter();
        let mut level = Level {
            last: last.map(|&ngram| packing.last(ngram) as u16).collect(),
            ..Level::default()
        };
        if length < order {
            let upper = packing.of_order(length + 1);
            level.set_children(contexts(above.iter().copied(), upper, &made.ngrams));
        }
        levels.push(level);
        occurrences.push(made.counts);
        above = made.ngrams;
    }
    levels.reverse();
    occurrences.reverse();
    Ok((Trie { levels }, occurrences))
}

/// Reserves memory for at most so many n-grams of one length; false if there is too little.
fn reserve<K: Packed>(ngrams: usize, memory: &Memory) -> Result<bool> {
    if ngrams > u32::MAX as usize {
        return Err(Error::Value {
            what: "the number of n-grams of one length",
            value: ngrams.to_string(),
            expected: "up to 4294967295 would work",
        });
    }
    Ok(memory.reserve(ngrams as u64 * (BYTES_IN_A_MODEL + size_of::<K>() as u64)))
}

/// The indices of the contexts of sorted n-grams among the n-grams one character shorter.
pub(crate) fn contexts<K: Packed>(
    ngrams: impl Iterator<Item = K>,
    packing: Packing,
    shorter: &[K],
) -> impl Iterator<Item = usize> {
    let mut place = 0;
    ngrams.map(move |ngram| {
        let context = packing.context(ngram);
        while shorter[place] < context {
            place += 1;
        }
        place
    })
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
