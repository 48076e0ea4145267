//! How probable the characters of words are, of several words at a time.
//!
//! A large model does not fit the processor's cache, and a walk through it waits for memory at each
//! character. Walks side by side wait together.

use super::trie::Node;
use super::{View, probability};
use crate::counting::MAX_ORDER;

/// How many walks there are.
const LANES: usize = 8;

/// The probabilities of all characters of words, and of their ends, word after word.
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

/// Words one after the other.
struct Lane<'a> {
    word: &'a [usize],
    words: std::slice::Iter<'a, &'a [usize]>,
    p: &'a mut [f32],
    /// What was found of the word, each character's probability with the place after it. Words
    /// that follow each other often begin alike: what is the same in the next one is kept.
    found: Vec<(f32, Node)>,
    step: Step,
    /// Whether the children of the place are on their way from memory.
    is_fetched: bool,
}

impl<'a> Lane<'a> {
    fn of(words: &'a [&'a [usize]], p: &'a mut [f32], view: &View) -> Option<Self> {
        let mut words = words.iter();
        let word = words.next()?;
        Some(Self {
            word,
            words,
            p,
            found: Vec::new(),
            step: Step::new(view.start(), word.first().copied().unwrap_or(0)),
            is_fetched: false,
        })
    }

    /// Goes on until it would wait for memory; whether there is more to do.
    fn go_on(&mut self, view: &View) -> bool {
        if !self.is_fetched {
            view.fetch_children(self.step.node);
            self.is_fetched = true;
            return true;
        }
        if let Some(found) = self.step.look(view) {
            self.found.push(found);
            if self.found.len() > self.word.len() && !self.next_word() {
                return false;
            }
            let after = self.found.last().map_or(view.start(), |&(_, after)| after);
            let index = self.word.get(self.found.len()).copied().unwrap_or(0);
            self.step.begin(after, index);
        }
        view.fetch(self.step.node);
        self.is_fetched = false;
        true
    }

    /// Writes down what was found of a word, and goes to the next one, if there is one.
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

/// The way from a place to the one after a character, from the longest context to the shortest.
pub(super) struct Step {
    from: Node,
    node: Node,
    index: usize,
    /// Of the contexts that the character does not follow, by their lengths.
    backoffs: [f64; MAX_ORDER],
}

impl Step {
    pub fn new(from: Node, index: usize) -> Self {
        Self {
            from,
            node: from,
            index,
            backoffs: [1.0; MAX_ORDER],
        }
    }

    fn begin(&mut self, from: Node, index: usize) {
        self.from = from;
        self.node = from;
        self.index = index;
    }

    /// Looks for the character after one context: its probability and the place after it, or none
    /// if it has to be looked for after the next shorter one.
    #[inline]
    pub fn look(&mut self, view: &View) -> Option<(f32, Node)> {
        let Self {
            from, node, index, ..
        } = *self;
        let child = match node {
            Node::ROOT if index < view.levels[0].p.len() => Node { length: 1, index },
            // No character of the model.
            Node::ROOT => return Some((0.0, Node::ROOT)),
            node => match view.trie.child(node, index) {
                Some(child) => child,
                None => {
                    self.backoffs[node.length] = view.backoff(node);
                    self.node = view.trie.suffix(node);
                    return None;
                }
            },
        };
        let p = view.after_backoffs(child, node, from, &self.backoffs);
        let after = match child.length == view.order() {
            true => view.trie.suffix(child),
            false => child,
        };
        Some((probability(p), after))
    }
}
