//! What a model of longer n-grams says of pairs: how often each character follows each one in the
//! words that it makes.
//!
//! All words set out from the start token, and at each character their share flows on: from an
//! n-gram to its children, and what is left for other characters to its suffix, which passes it on
//! to its own children. Some of those are for characters that the n-gram has children for itself,
//! so as much is taken back there; that is possible because the suffix of a child is a child of the
//! suffix. So a step costs as much as the model has n-grams, however many characters there are.

use tch::Tensor;

use super::trie::Node;
use super::{Ngram, Unseen, View};
use crate::error::Result;
use crate::models::LanguageModel;
use crate::models::table::Table;

/// What of all words is followed no further: less than a table shows.
const NEGLIGIBLE: f64 = 1e-9;

/// The most characters of a word that are followed.
const LONGEST: usize = 1000;

/// A number for each place, by the length of the n-gram and its index.
type Places = Vec<Vec<f64>>;

/// `[V, V]`: the expected number of times that a character follows another, by the expected number
/// of times that anything does.
pub(super) fn of(model: &Ngram) -> Result<Table> {
    let (view, v) = (&model.view, model.vocabulary().len());
    let mut expected = vec![0.0; v * v];
    if view.order() > 1 {
        let flow = Flow { view, v };
        flow.pairs(flow.visits(), &mut expected);
    }
    let mut p = vec![0.0; v];
    for (before, row) in expected.chunks_exact_mut(v).enumerate() {
        let sum: f64 = row.iter().sum();
        if sum > 0.0 {
            row.iter_mut().for_each(|p| *p /= sum);
        } else {
            // No word has it: what the model would say, had one.
            view.fill(view.step(view.start(), before).1, &mut p);
            let sum: f64 = p.iter().map(|&p| f64::from(p)).sum();
            let share = |p: f32| f64::from(p) / if sum > 0.0 { sum } else { 1.0 };
            row.iter_mut().zip(&p).for_each(|(to, &p)| *to = share(p));
        }
    }
    let p: Vec<f32> = expected.iter().map(|&p| p as f32).collect();
    let p = Tensor::f_from_slice(&p)?.f_view([v as i64, v as i64])?;
    Table::new(model.vocabulary().clone(), &p)
}

struct Flow<'m> {
    view: &'m View,
    v: usize,
}

impl Flow<'_> {
    /// How many characters of all words, by the share of the words, are at each place.
    fn visits(&self) -> Places {
        let sums = self.sums();
        let mut visits = self.none();
        let mut here = self.none();
        here[1][0] = 1.0; // The start token.
        for _ in 0..LONGEST {
            let mut words = 0.0;
            let all = here.iter_mut().flatten().zip(sums.iter().flatten());
            for ((here, &sum), visits) in all.zip(visits.iter_mut().flatten()) {
                // Of words that can go on.
                *here = if sum > 0.0 { here.max(0.0) / sum } else { 0.0 };
                *visits += *here;
                words += *here;
            }
            if words < NEGLIGIBLE {
                break;
            }
            let mut next = self.none();
            self.pass_on(here, |_, index, child, share| {
                if index != 0 {
                    let after = match child.length == self.view.order() {
                        true => self.view.trie.suffix(child),
                        false => child,
                    };
                    next[after.length][after.index] += share;
                }
            });
            here = next;
        }
        visits
    }

    /// Adds to each pair how many characters of all words are it.
    fn pairs(&self, visits: Places, expected: &mut [f64]) {
        self.pass_on(visits, |before, index, _, share| {
            expected[before * self.v + index] += share;
        });
        expected.iter_mut().for_each(|pair| *pair = pair.max(0.0));
    }

    /// Passes what is at each place on to its children. `to` is told the character before, the next
    /// one, the child, and its share, which is below 0 where a longer n-gram takes something back.
    fn pass_on(&self, here: Places, mut to: impl FnMut(usize, usize, Node, f64)) {
        let uniform = self.view.unseen == Unseen::IsUniform;
        // What longer n-grams leave to these.
        let mut left = self.none();
        // What is left for all characters after each single one.
        let mut at_root = vec![0.0; self.v];
        for length in (1..self.view.order()).rev() {
            for (index, &here) in here[length].iter().enumerate() {
                let from_longer = left[length][index];
                if here == 0.0 && from_longer == 0.0 {
                    continue;
                }
                let node = Node { length, index };
                let before = usize::from(self.view.trie.level(length).last[index]);
                if before >= self.v {
                    continue;
                }
                let for_others = match uniform {
                    true => here * self.view.backoff(node) + from_longer,
                    false => (here + from_longer) * self.view.backoff(node),
                };
                for (index, child) in self.children(node) {
                    let p = self.view.p(child);
                    let share = match uniform {
                        true => here * p + from_longer,
                        false => (here + from_longer) * p,
                    };
                    to(before, index, child, share);
                    let lower = self.view.trie.suffix(child);
                    let taken = if uniform { 1.0 } else { self.view.p(lower) };
                    to(before, index, lower, -for_others * taken);
                }
                match self.view.trie.suffix(node) {
                    Node::ROOT => at_root[before] += for_others,
                    suffix => left[suffix.length][suffix.index] += for_others,
                }
            }
        }
        for (before, &share) in at_root
            .iter()
            .enumerate()
            .filter(|&(_, &share)| share > 0.0)
        {
            for (index, child) in self.children(Node::ROOT) {
                let p = if uniform { 1.0 } else { self.view.p(child) };
                to(before, index, child, share * p);
            }
        }
    }

    /// The sum of the probabilities of all characters of the vocabulary after each place.
    fn sums(&self) -> Places {
        let mut sums = self.none();
        let p = |(_, child)| self.view.p(child);
        sums[0][0] = self.children(Node::ROOT).map(p).sum();
        for length in 1..self.view.order() {
            for index in 0..sums[length].len() {
                let node = Node { length, index };
                let of_children: f64 = self.children(node).map(p).sum();
                let of_others = match self.view.unseen {
                    Unseen::IsUniform => (self.v - self.children(node).count()) as f64,
                    Unseen::BacksOff => {
                        let lower = |(_, child)| self.view.p(self.view.trie.suffix(child));
                        let suffix = self.view.trie.suffix(node);
                        let of_lower: f64 = self.children(node).map(lower).sum();
                        (sums[suffix.length][suffix.index] - of_lower).max(0.0)
                    }
                };
                sums[length][index] = of_children + of_others * self.view.backoff(node);
            }
        }
        sums
    }

    /// The children of a node that are characters of the vocabulary, by their indices.
    fn children(&self, node: Node) -> impl Iterator<Item = (usize, Node)> {
        let (length, v) = (node.length + 1, self.v);
        let children = self.view.trie.children(node).map(move |index| {
            let last = self.view.trie.level(length).last[index];
            (usize::from(last), Node { length, index })
        });
        children.filter(move |&(last, _)| last < v)
    }

    fn none(&self) -> Places {
        let levels = &self.view.trie.levels[..self.view.order() - 1];
        let empty = levels.iter().map(|level| vec![0.0; level.last.len()]);
        std::iter::once(vec![0.0]).chain(empty).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::Words;
    use crate::counting::tests::ngrams_of;
    use crate::memory::Memory;
    use crate::models::LanguageModel;
    use crate::models::ngram::trie::Node;
    use crate::models::ngram::{Ngram, Smoothing};
    use crate::{SampleOptions, Sampler};

    fn model(order: usize, smoothing: Smoothing) -> Ngram {
        let names = Words::lecture('.').unwrap();
        Ngram::of(&ngrams_of(&names, order), smoothing, &Memory::new(1 << 30)).unwrap()
    }

    #[test]
    fn the_marginal_of_bigrams_is_the_model_itself() {
        let model = model(2, Smoothing::Additive(1.0));
        let every = crate::models::language_model::single_characters(model.vocabulary()).unwrap();
        let p = model.distributions(&every).unwrap();
        let difference = (p - model.marginal().unwrap().tensor().unwrap())
            .abs()
            .max();
        assert!(difference.double_value(&[]) < 1e-6);
    }

    /// The same by asking for the whole distribution at each place.
    fn plainly(model: &Ngram) -> Vec<f64> {
        let (view, v) = (&model.view, model.vocabulary().len());
        let mut expected = vec![0.0; v * v];
        let mut places = BTreeMap::from([(view.start(), 1.0)]);
        let mut row = vec![0.0; v];
        while !places.is_empty() {
            let mut next: BTreeMap<Node, f64> = BTreeMap::new();
            for (node, words) in places {
                view.fill(node, &mut row);
                let sum: f64 = row.iter().map(|&p| f64::from(p)).sum();
                for (index, &p) in row.iter().enumerate() {
                    let words = words * f64::from(p) / sum;
                    let before = view.trie.level(node.length).last[node.index];
                    expected[usize::from(before) * v + index] += words;
                    if index != 0 && words > 1e-15 {
                        *next.entry(view.step(node, index).1).or_default() += words;
                    }
                }
            }
            places = next;
        }
        for row in expected.chunks_exact_mut(v) {
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|p| *p /= sum);
        }
        expected
    }

    #[test]
    fn all_ways_of_smoothing_have_the_marginal_of_their_distributions() {
        for smoothing in [
            Smoothing::KneserNey,
            Smoothing::WittenBell,
            Smoothing::Additive(0.5),
            Smoothing::Additive(0.0),
        ] {
            let model = model(3, smoothing);
            let marginal = model.marginal().unwrap();
            let p = marginal.rows().flatten();
            for (p, expected) in p.zip(plainly(&model)) {
                let off = (f64::from(*p) - expected).abs();
                assert!(off < 1e-5, "{smoothing}: {p} {expected}");
            }
        }
    }

    /// Pairs of 100,000 words: with n occurrences of the first character, the share of the second
    /// has a standard error below 0.5 / sqrt(n).
    #[test]
    fn the_words_of_a_model_have_its_marginal() {
        let model = model(4, Smoothing::KneserNey);
        let (marginal, v) = (model.marginal().unwrap(), model.vocabulary().len());
        let mut counts = vec![0.0_f64; v * v];
        let names = Sampler::new(&model, 1, &SampleOptions::default()).unwrap();
        for name in names.take(100_000) {
            for (i, j) in model.vocabulary().bigrams(&name.unwrap()).unwrap() {
                counts[i * v + j] += 1.0;
            }
        }
        for (row, p) in counts.chunks(v).zip(marginal.rows()) {
            let n: f64 = row.iter().sum();
            for (&count, &p) in row.iter().zip(p) {
                let off = (count / n - f64::from(p)).abs();
                assert!(off < 5.0 * 0.5 / n.sqrt(), "{off} of {n}");
            }
        }
    }
}
