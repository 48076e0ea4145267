//! The probabilities of the n-grams of a trie, and backing off.
//!
//! A character that never followed a context has its probability after the shorter context, without
//! the first character, times the backoff of the longer one; and so on down to the root.

use std::sync::Arc;

use super::small::{product, stored, value};
use super::trie::{Node, Trie};

/// The probabilities of the n-grams of one length, stored as [`small`](super::small) says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Probabilities {
    /// The probability of the last character after the others.
    pub p: Vec<f32>,
    /// Backoff weight for characters that never followed, times the view's unit; empty for the
    /// longest n-grams.
    pub backoff: Vec<f32>,
}

/// The probabilities of a trie, or of its first levels.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub trie: Arc<Trie>,
    /// A level for each length. The first has probabilities of `V` characters, and of `<unk>` if the
    /// model has it.
    pub levels: Vec<Arc<Probabilities>>,
    /// Divisor of the stored backoffs: `Smoothing::backoff_unit`, or 1.
    pub unit: f64,
}

/// A context, and the product of the backoffs that led to it, stored as [`small`](super::small) says.
pub(super) type WeightedNode = (Node, f64);

/// Limits a probability to 1: backoffs from an ARPA file may lead to more.
#[inline]
fn probability(p: f64) -> f32 {
    stored(p.min(1.0))
}

impl View {
    pub fn order(&self) -> usize {
        self.levels.len()
    }

    /// The model of a lower order, for a smoothing whose probabilities do not depend on the order.
    pub fn cut(&self, order: usize) -> Self {
        Self {
            levels: self.levels[..order].to_vec(),
            ..self.clone()
        }
    }

    /// The number of n-grams of a length. As in an ARPA file, the start and the end token are two,
    /// and `<unk>` is one.
    pub fn ngrams(&self, length: usize) -> u64 {
        self.levels[length - 1].p.len() as u64 + u64::from(length == 1)
    }

    /// The probability of an n-gram's last character after the others.
    pub fn p(&self, node: Node) -> f64 {
        value(self.stored_p(node))
    }

    /// The backoff of a context.
    pub fn backoff(&self, node: Node) -> f64 {
        value(self.stored_backoff(node))
    }

    #[inline]
    fn stored_p(&self, node: Node) -> f64 {
        self.levels[node.length - 1].p[node.index].into()
    }

    #[inline]
    fn stored_backoff(&self, node: Node) -> f64 {
        f64::from(self.levels[node.length - 1].backoff[node.index]) / self.unit
    }

    /// The context of the first character of a word.
    pub fn start(&self) -> Node {
        match self.order() {
            1 => Node::ROOT,
            _ => Node::START,
        }
    }

    /// The context after an n-gram: itself, or its suffix if it is one of the longest.
    #[inline]
    pub fn context(&self, ngram: Node) -> Node {
        match ngram.length == self.order() {
            true => self.trie.suffix(ngram),
            false => ngram,
        }
    }

    /// The longest context at the end of some characters. Start tokens that pad them count as one;
    /// without any, the characters are from the middle of a word.
    pub fn after(&self, characters: &[usize]) -> Node {
        let starts = characters.iter().take_while(|&&index| index == 0).count();
        let begin = match starts {
            0 => Node::ROOT,
            _ => self.start(),
        };
        let after = |context, &index| self.step(context, index).1;
        characters[starts..].iter().fold(begin, after)
    }

    /// The probability of a character after a context, and the context after it. A character that
    /// the model does not have has the probability 0.
    #[inline]
    pub fn step(&self, context: Node, index: usize) -> (f32, Node) {
        let mut at = (context, 1.0);
        loop {
            match self.look(at, index) {
                Some((p, after)) => return (value(p.into()) as f32, after),
                None => at = self.shorter(at),
            }
        }
    }

    /// A step without backing off; none if the character never followed this context. The probability is
    /// stored as [`small`](super::small) says.
    #[inline]
    pub fn look(&self, at: WeightedNode, index: usize) -> Option<(f32, Node)> {
        let (p, child) = self.child(at, index)?;
        Some((p, self.context(child)))
    }

    /// As [`look`](Self::look), with the n-gram instead of the context after it.
    #[inline]
    fn child(&self, (context, weight): WeightedNode, index: usize) -> Option<(f32, Node)> {
        let child = match context {
            Node::ROOT if index < self.levels[0].p.len() => Node { length: 1, index },
            Node::ROOT => return Some((0.0, Node::ROOT)),
            context => self.trie.child(context, index)?,
        };
        Some((probability(product(weight, self.stored_p(child))), child))
    }

    /// The probability of a character after a context, as [`step`](Self::step) has it.
    pub fn after_context(&self, context: Node, index: usize) -> f32 {
        let mut at = (context, 1.0);
        loop {
            match self.child(at, index) {
                Some((p, _)) => return value(p.into()) as f32,
                None => at = self.shorter(at),
            }
        }
    }

    /// Backs off to the context without its first character.
    #[inline]
    pub fn shorter(&self, (context, weight): WeightedNode) -> WeightedNode {
        let weight = product(weight, self.stored_backoff(context));
        (self.trie.suffix(context), weight)
    }

    /// Writes the distribution of the next character after a context, `[V]`.
    pub fn fill(&self, context: Node, row: &mut [f32]) {
        let shorter = |at: &WeightedNode| (at.0 != Node::ROOT).then(|| self.shorter(*at));
        let contexts: Vec<_> = std::iter::successors(Some((context, 1.0)), shorter).collect();
        // Longer contexts overwrite the probabilities of shorter ones.
        for &(context, weight) in contexts.iter().rev() {
            for (index, child) in self.trie.children_by_character(context, row.len()) {
                let p = probability(product(weight, self.stored_p(child)));
                row[index] = value(p.into()) as f32;
            }
        }
    }
}
