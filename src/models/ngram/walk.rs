//! The probabilities of words, several words at a time.
//!
//! A large model does not fit the processor's cache, so a walk through the trie waits for memory at
//! each character. Several walks side by side wait at the same time.

use super::trie::Node;
use super::view::{View, WeightedNode};

/// The number of walks side by side.
const LANES: usize = 8;

/// The probabilities of all characters of words, and of their ends, word after word, stored as
/// [`small`](super::small) says.
pub(super) fn probabilities(view: &View, words: &[&[usize]]) -> Vec<f32> {
    let characters = |words: &[&[usize]]| words.iter().map(|word| word.len() + 1).sum();
    let mut p = vec![0.0; characters(words)];
    let mut rest = p.as_mut_slice();
    let mut lanes = Vec::new();
    for words in words.chunks(words.len().div_ceil(LANES).max(1)) {
        let (of_lane, others) = rest.split_at_mut(characters(words));
        rest = others;
        lanes.extend(Lane::of(words, of_lane, view));
    }
    while !lanes.is_empty() {
        lanes.retain_mut(|lane| lane.go_on(view));
    }
    p
}

/// A walk, which reads words one after the other.
struct Lane<'a> {
    word: &'a [usize],
    words: std::slice::Iter<'a, &'a [usize]>,
    p: &'a mut [f32],
    /// The word's characters so far: their probabilities, and the contexts after them. Neighbouring
    /// words often begin alike, and the walk begins after their common prefix.
    found: Vec<(f32, Node)>,
    /// The context in which the next character is looked up.
    at: WeightedNode,
    /// Whether that context's children were prefetched.
    is_fetched: bool,
}

impl<'a> Lane<'a> {
    fn of(words: &'a [&'a [usize]], p: &'a mut [f32], view: &View) -> Option<Self> {
        let mut words = words.iter();
        Some(Self {
            word: words.next()?,
            words,
            p,
            found: Vec::new(),
            at: (view.start(), 1.0),
            is_fetched: false,
        })
    }

    /// Takes a step, up to the next wait for memory; false at the end of the last word.
    fn go_on(&mut self, view: &View) -> bool {
        if !self.is_fetched {
            fetch_children(view, self.at.0);
            self.is_fetched = true;
            return true;
        }
        let index = self.word.get(self.found.len()).copied().unwrap_or(0);
        match view.look(self.at, index) {
            None => self.at = view.shorter(self.at),
            Some(found) => {
                self.found.push(found);
                if self.found.len() > self.word.len() && !self.next_word() {
                    return false;
                }
                let after = self.found.last().map_or(view.start(), |&(_, after)| after);
                self.at = (after, 1.0);
            }
        }
        fetch_context(view, self.at.0);
        self.is_fetched = false;
        true
    }

    /// Stores a word's probabilities and begins the next word; false if there is none.
    fn next_word(&mut self) -> bool {
        let (of_word, rest) = std::mem::take(&mut self.p).split_at_mut(self.found.len());
        self.p = rest;
        for (to, &(p, _)) in of_word.iter_mut().zip(&self.found) {
            *to = p;
        }
        let Some(next) = self.words.next() else {
            return false;
        };
        let pairs = next.iter().zip(self.word);
        let same = pairs.take_while(|(one, other)| one == other).count();
        self.found.truncate(same);
        self.word = next;
        true
    }
}

/// Prefetches the children's range, the suffix and the backoff of a context.
#[inline]
fn fetch_context(view: &View, node: Node) {
    if node == Node::ROOT {
        return;
    }
    let level = view.trie.level(node.length);
    fetch(&level.children, node.index);
    fetch(&level.suffix, node.index);
    fetch(&view.levels[node.length - 1].backoff, node.index);
}

/// Prefetches the first children of a context.
#[inline]
fn fetch_children(view: &View, node: Node) {
    if node == Node::ROOT {
        return;
    }
    let range = view.trie.children(node);
    let level = view.trie.level(node.length + 1);
    fetch(&level.last, range.start);
    fetch(&view.levels[node.length].p, range.start);
    if node.length + 1 == view.order() {
        fetch(&level.suffix, range.start);
    }
}

#[inline(always)]
fn fetch<T>(items: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let item = items.as_ptr().wrapping_add(index);
        // SAFETY: a prefetch reads nothing, and any address is good for it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(item.cast()) }
    }
}
