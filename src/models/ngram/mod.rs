//! N-gram models of any order: how probable each character is after up to `N - 1` others.
//!
//! In this order: `trie` (all n-grams of up to `N` characters), then how probabilities are made of
//! their counts: [`kneser_ney`] (as KenLM does it), [`witten_bell`], [`additive`] (as the lecture
//! does it); [`orders`] compares them for every order. `walk` is how it says how
//! probable words are, `drawer` draws from it, `marginal` is what it says of pairs of characters.
//!
//! ```
//! use makemore_tch::counting::count_parts;
//! use makemore_tch::memory::Memory;
//! use makemore_tch::models::LanguageModel;
//! use makemore_tch::models::ngram::{Ngram, Smoothing};
//! use makemore_tch::{List, Part, Parts, Shares, Source, Split, count, score};
//!
//! let names = count(&Source::lecture(), '.')?;
//! let list = List { source: Source::lecture(), digest: names.digest };
//! let parts = Parts::new(list, Split::new(Shares::USUAL, 420, names.digest.words));
//! let memory = Memory::half_of_the_machine();
//!
//! let vocabulary = names.counts.vocabulary();
//! let train = &count_parts(&parts, &[Part::Train], vocabulary, 6, &memory, &|_| ())?[0];
//! let model = Ngram::of(train, Smoothing::KneserNey, &memory)?;
//! let dev = score::evaluate::parts(&model, &parts, &[Part::Dev])?;
//! assert!(dev.nll() < 2.0, "{}", dev.nll()); // the bigram has 2.46
//! # Ok::<(), makemore_tch::Error>(())
//! ```

pub mod additive;
mod drawer;
pub mod kneser_ney;
mod marginal;
pub mod orders;
mod places;
pub(crate) mod trie;
mod walk;
pub mod witten_bell;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::draw::{Drawer, Method, Shaping};
use super::language_model::LanguageModel;
use super::table::Table;
use crate::counting::NgramCounts;
use crate::data::Vocabulary;
use crate::error::{Error, Result};
use crate::memory::Memory;
use trie::{Node, Occurrences, Trie, fetch};
use walk::Step;

/// How probabilities are made of counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Smoothing {
    /// [`kneser_ney`].
    KneserNey,
    /// [`witten_bell`].
    WittenBell,
    /// [`additive`]: a number is added to every count.
    Additive(f64),
}

impl Smoothing {
    pub(crate) fn unseen(self) -> Unseen {
        match self {
            Self::KneserNey | Self::WittenBell => Unseen::BacksOff,
            Self::Additive(_) => Unseen::IsUniform,
        }
    }
}

impl FromStr for Smoothing {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "kneser-ney" => return Ok(Self::KneserNey),
            "witten-bell" => return Ok(Self::WittenBell),
            _ => {}
        }
        match text.parse::<f64>() {
            Ok(added) if added.is_finite() && added >= 0.0 => Ok(Self::Additive(added)),
            _ => Err(Error::Value {
                what: "the smoothing",
                value: text.to_owned(),
                expected: "kneser-ney, witten-bell or a number from 0 would work",
            }),
        }
    }
}

impl fmt::Display for Smoothing {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::KneserNey => f.write_str("kneser-ney"),
            Self::WittenBell => f.write_str("witten-bell"),
            Self::Additive(added) => added.fmt(f),
        }
    }
}

/// What is not among the n-grams of a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Unseen {
    /// Is as probable as after the context without its first character, times the backoff of the
    /// context.
    #[default]
    BacksOff,
    /// Has one probability after each context, which is kept in place of its backoff.
    IsUniform,
}

/// The probabilities of the n-grams of one length.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Probabilities {
    /// Of the last character after the others.
    pub p: Vec<f32>,
    /// What is left for characters that never followed; empty for the longest n-grams. See
    /// [`Unseen`].
    pub backoff: Vec<f32>,
}

/// A probability as it is told. The backoffs of a file that another program has written may lead
/// to one above 1, which is taken for 1.
#[inline]
fn probability(p: f64) -> f32 {
    p.min(1.0) as f32
}

/// An n-gram model.
#[derive(Debug, Clone)]
pub struct Ngram {
    vocabulary: Vocabulary,
    /// None for a model that another program has made.
    smoothing: Option<Smoothing>,
    view: View,
}

/// The probabilities of a trie, or of its first levels.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub trie: Arc<Trie>,
    /// The first one has probabilities of `V` characters, and of `<unk>` if the model has it.
    pub levels: Vec<Arc<Probabilities>>,
    pub unseen: Unseen,
}

impl Ngram {
    /// The model of counts.
    ///
    /// # Errors
    ///
    /// [`Error::Memory`] before more memory is used than there is.
    pub fn of(counts: &NgramCounts, smoothing: Smoothing, memory: &Memory) -> Result<Self> {
        let (trie, occurrences) = Trie::of(counts, memory)?;
        Ok(Self::of_trie(
            counts.vocabulary().clone(),
            Arc::new(trie),
            &occurrences,
            smoothing,
        ))
    }

    pub(crate) fn of_trie(
        vocabulary: Vocabulary,
        trie: Arc<Trie>,
        occurrences: &[Occurrences],
        smoothing: Smoothing,
    ) -> Self {
        let view = match smoothing {
            Smoothing::KneserNey => kneser_ney::estimate(trie, occurrences).view,
            Smoothing::WittenBell => witten_bell::estimate(trie, occurrences),
            Smoothing::Additive(added) => additive::estimate(trie, occurrences, added),
        };
        Self {
            vocabulary,
            smoothing: Some(smoothing),
            view,
        }
    }

    /// A model that was made before.
    pub(crate) fn with(vocabulary: Vocabulary, smoothing: Option<Smoothing>, view: View) -> Self {
        Self {
            vocabulary,
            smoothing,
            view,
        }
    }

    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// The length of its longest n-grams.
    pub fn order(&self) -> usize {
        self.view.order()
    }

    /// How its probabilities were made of counts; none if another program has made them.
    pub fn smoothing(&self) -> Option<Smoothing> {
        self.smoothing
    }

    /// How many n-grams there are of each length, from 1 on. As in an ARPA file, the start and the
    /// end token are two, and an unknown character is one.
    pub fn ngrams(&self) -> Vec<u64> {
        let levels = self.view.levels.iter().enumerate();
        let ngrams = levels.map(|(index, level)| level.p.len() as u64 + u64::from(index == 0));
        ngrams.collect()
    }

    /// How many numbers it has: a probability for each n-gram but the start token, a backoff for
    /// each but the longest.
    pub fn parameters(&self) -> u64 {
        let levels = self.view.levels.iter();
        levels
            .map(|level| (level.p.len() + level.backoff.len()) as u64)
            .sum()
    }

    /// How probable every character (column) is after every one (row) in the words that the model
    /// makes, whatever comes before: its marginal for pairs, `[V, V]`.
    ///
    /// # Errors
    ///
    /// If libtorch cannot make the table.
    pub fn marginal(&self) -> Result<Table> {
        marginal::of(self)
    }
}

impl View {
    pub fn order(&self) -> usize {
        self.levels.len()
    }

    /// The model of a lower order, where its probabilities do not depend on the order.
    pub fn cut(&self, order: usize) -> Self {
        Self {
            levels: self.levels[..order].to_vec(),
            ..self.clone()
        }
    }

    fn p(&self, node: Node) -> f64 {
        self.levels[node.length - 1].p[node.index].into()
    }

    fn backoff(&self, node: Node) -> f64 {
        match node.length {
            0 => 1.0,
            length => self.levels[length - 1].backoff[node.index].into(),
        }
    }

    /// The place before the first character of a word.
    pub fn start(&self) -> Node {
        match self.order() {
            1 => Node::ROOT,
            _ => Node::START,
        }
    }

    /// The place after some characters of which the first ones may be start tokens that fill up a
    /// context: the longest of their suffixes that is an n-gram with characters after it.
    pub fn after(&self, context: &[usize]) -> Node {
        // A context that does not reach back before the word begins in the middle of it.
        let starts = context.iter().take_while(|&&index| index == 0).count();
        let begin = match starts {
            0 => Node::ROOT,
            _ => self.start(),
        };
        let after = |node, &index| self.step(node, index).1;
        context[starts..].iter().fold(begin, after)
    }

    /// How probable a character is at a place, and the place after it. The probability of a
    /// character that the model does not have is 0.
    #[inline]
    pub fn step(&self, from: Node, index: usize) -> (f32, Node) {
        let mut step = Step::new(from, index);
        loop {
            if let Some(found) = step.look(self) {
                return found;
            }
        }
    }

    /// The probability of a child of a node, where the way from another place to that node led past
    /// contexts with some backoffs, by their lengths.
    #[inline]
    fn after_backoffs(&self, child: Node, node: Node, from: Node, backoffs: &[f64]) -> f64 {
        match self.unseen {
            Unseen::BacksOff => {
                let backoffs = &backoffs[node.length + 1..from.length + 1];
                // In the order of `fill`, to come to the same number.
                backoffs
                    .iter()
                    .fold(self.p(child), |p, backoff| p * backoff)
            }
            Unseen::IsUniform if node != from => backoffs[from.length],
            Unseen::IsUniform => self.p(child),
        }
    }

    /// Has what is known of a place fetched from memory, for when it is asked for.
    #[inline]
    fn fetch(&self, node: Node) {
        if node.length == 0 {
            return;
        }
        let level = self.trie.level(node.length);
        fetch(&level.children, node.index);
        fetch(&level.suffix, node.index);
        fetch(&self.levels[node.length - 1].backoff, node.index);
    }

    /// Has the children of a place fetched from memory.
    #[inline]
    fn fetch_children(&self, node: Node) {
        if node.length == 0 {
            return;
        }
        let range = self.trie.children(node);
        let level = self.trie.level(node.length + 1);
        fetch(&level.last, range.start);
        fetch(&self.levels[node.length].p, range.start);
        if node.length + 1 == self.order() {
            fetch(&level.suffix, range.start);
        }
    }

    /// The distribution of the next character at a place: its first `V` characters, `[V]`.
    pub fn fill(&self, node: Node, row: &mut [f32]) {
        let mut p = vec![0.0; self.trie.levels[0].last.len()];
        match self.unseen {
            Unseen::IsUniform if node != Node::ROOT => {
                p.fill(self.backoff(node));
                self.fill_children(node, &mut p);
            }
            _ => self.fill_backed_off(node, &mut p),
        }
        for (to, from) in row.iter_mut().zip(p) {
            *to = probability(from);
        }
    }

    fn fill_backed_off(&self, node: Node, p: &mut [f64]) {
        if node != Node::ROOT {
            self.fill_backed_off(self.trie.suffix(node), p);
            let backoff = self.backoff(node);
            p.iter_mut().for_each(|p| *p *= backoff);
        }
        self.fill_children(node, p);
    }

    fn fill_children(&self, node: Node, p: &mut [f64]) {
        let mut range = self.trie.children(node);
        if node == Node::ROOT {
            range.end = self.levels[0].p.len();
        }
        let last = &self.trie.level(node.length + 1).last[range.clone()];
        let children = &self.levels[node.length].p[range];
        for (&index, &child) in last.iter().zip(children) {
            p[usize::from(index)] = child.into();
        }
    }
}

impl LanguageModel for Ngram {
    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn block_size(&self) -> usize {
        self.order() - 1
    }

    fn distributions(&self, contexts: &Tensor) -> Result<Tensor> {
        let (size, v) = (contexts.size(), self.vocabulary.len());
        let contexts: Vec<i64> = Vec::try_from(contexts.f_contiguous()?.f_view([-1])?)?;
        let contexts: Vec<usize> = contexts.iter().map(|&index| index as usize).collect();
        let rows = size.first().map_or(0, |&rows| rows as usize);
        let mut p = vec![0.0; rows * v];
        for (row, p) in p.chunks_exact_mut(v).enumerate() {
            let context = &contexts[row * self.block_size()..][..self.block_size()];
            self.view.fill(self.view.after(context), p);
        }
        Ok(Tensor::f_from_slice(&p)?.f_view([rows as i64, v as i64])?)
    }

    fn probabilities(&self, words: &[&[usize]]) -> Result<Vec<f32>> {
        Ok(walk::probabilities(&self.view, words))
    }

    fn knows_unknown(&self) -> bool {
        let unknown = self.view.levels[0].p.get(self.vocabulary.len());
        unknown.is_some_and(|&p| p > 0.0)
    }

    fn drawer(&self, method: Method, shaping: Shaping) -> Result<Box<dyn Drawer + '_>> {
        drawer::of(self, method, shaping)
    }

    fn as_shared(&self) -> Option<&(dyn LanguageModel + Sync)> {
        Some(self)
    }
}
