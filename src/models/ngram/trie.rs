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

use crate::counting::packed::{Packed, Packing};

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
