//! Drawing words from an n-gram model.
//!
//! Words come through tens of thousands of contexts, each of them often. The distribution of a
//! context is made when a word first comes through it, and kept with the contexts that its characters
//! lead to.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use tch::Tensor;

use super::trie::Node;
use super::view::View;
use crate::error::Result;
use crate::libtorch::random::Generator;
use crate::models::draw::{Drawer, Method, Shaping, cumulative_sums};

/// The most numbers of distributions that are kept, 128 MB with what they lead to; after that all
/// are forgotten.
const MOST: usize = 1 << 24;

/// A context that is not known yet.
const NONE: u32 = u32::MAX;

pub(super) fn of(
    view: &View,
    v: usize,
    method: Method,
    shaping: Shaping,
) -> Result<Box<dyn Drawer + '_>> {
    shaping.check()?;
    Ok(Box::new(NgramDrawer {
        view,
        v,
        method,
        shaping,
        kept: Kept::default(),
        word: Vec::new(),
        contexts: Vec::new(),
    }))
}

#[derive(Debug)]
struct NgramDrawer<'m> {
    view: &'m View,
    v: usize,
    method: Method,
    shaping: Shaping,
    kept: Kept,
    /// The word of the last call, and the contexts before each of its characters and behind the last,
    /// with their numbers; [`NONE`] where one has none.
    word: Vec<usize>,
    contexts: Vec<(Node, u32)>,
}

/// The contexts that words came through, numbered in the order in which they came first.
#[derive(Debug, Default)]
struct Kept {
    numbers: HashMap<Node, u32, RandomState>,
    nodes: Vec<Node>,
    /// Distributions by that number, `[V]` each; cumulative sums for [`Method::Cumulative`]. NaN
    /// where there is none.
    rows: Vec<f32>,
    /// The number of the context after a context and a character, `[V]` for each context.
    next: Vec<u32>,
}

impl NgramDrawer<'_> {
    /// The number of the context after the characters of a word so far.
    fn after(&mut self, word: &[usize]) -> Result<usize> {
        if self.kept.rows.len() > MOST {
            self.kept = Kept::default();
            // The word goes on from its last context, whatever the contexts before it were.
            self.contexts
                .iter_mut()
                .for_each(|(_, number)| *number = NONE);
        }
        let pairs = self.word.iter().zip(word);
        let same = pairs.take_while(|(one, other)| one == other).count();
        self.word.truncate(same);
        self.contexts.truncate(same + 1);
        if self.contexts.is_empty() {
            self.contexts.push((self.view.start(), NONE));
        }
        for &index in &word[same..] {
            let (node, at) = self.contexts[self.word.len()];
            let next = match at {
                NONE => NONE,
                at => self.kept.next[at as usize * self.v + index],
            };
            let after = match next {
                NONE => self.view.step(node, index).1,
                next => self.kept.nodes[next as usize],
            };
            self.word.push(index);
            self.contexts.push((after, next));
        }
        self.number_of_last()
    }

    /// The number of the last context, which the one before it keeps too.
    fn number_of_last(&mut self) -> Result<usize> {
        let last = self.word.len();
        let (node, mut number) = self.contexts[last];
        if number == NONE {
            number = self.number(node)?;
            self.contexts[last].1 = number;
            if let Some(before) = last.checked_sub(1)
                && self.contexts[before].1 != NONE
            {
                let at = self.contexts[before].1;
                self.kept.next[at as usize * self.v + self.word[before]] = number;
            }
        }
        Ok(number as usize)
    }

    /// The number of a context, whose distribution is made if it is a new one.
    fn number(&mut self, node: Node) -> Result<u32> {
        if let Some(&number) = self.kept.numbers.get(&node) {
            return Ok(number);
        }
        let row = self.distribution(node)?;
        let kept = &mut self.kept;
        let number = kept.nodes.len() as u32;
        kept.nodes.push(node);
        kept.rows.extend(row);
        kept.next.resize(kept.rows.len(), NONE);
        kept.numbers.insert(node, number);
        Ok(number)
    }

    fn distribution(&self, node: Node) -> Result<Vec<f32>> {
        let mut row = vec![0.0; self.v];
        self.view.fill(node, &mut row);
        if !self.shaping.is_none() {
            let p = Tensor::f_from_slice(&row)?.f_view([1, -1])?;
            row = Vec::try_from(self.shaping.shape(&p)?.f_view([-1])?)?;
        }
        Ok(match self.method {
            _ if !row.iter().any(|&p| p > 0.0) => vec![f32::NAN; self.v],
            Method::Multinomial => row,
            Method::Cumulative => cumulative_sums(&row).collect(),
        })
    }
}

impl Drawer for NgramDrawer<'_> {
    fn next(&mut self, word: &[usize], generator: &mut Generator) -> Result<Option<usize>> {
        let at = self.after(word)?;
        let row = &self.kept.rows[at * self.v..][..self.v];
        match self.method {
            _ if row[0].is_nan() => Ok(None),
            Method::Multinomial => generator.multinomial(&Tensor::f_from_slice(row)?).map(Some),
            Method::Cumulative => {
                let uniform = generator.uniform()?;
                Ok(Some(row.partition_point(|&sum| f64::from(sum) < uniform)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counting::tests::ngrams_of;
    use crate::data::{Vocabulary, Words};
    use crate::memory::Memory;
    use crate::models::LanguageModel;
    use crate::models::ngram::{Ngram, Smoothing};

    /// Draws as every model does that has no drawer of its own.
    #[derive(Debug)]
    struct Plain(Ngram);

    impl LanguageModel for Plain {
        fn vocabulary(&self) -> &Vocabulary {
            self.0.vocabulary()
        }
        fn block_size(&self) -> usize {
            self.0.block_size()
        }
        fn distributions(&self, contexts: &Tensor) -> Result<Tensor> {
            self.0.distributions(contexts)
        }
    }

    fn drawn(model: &dyn LanguageModel, method: Method, shaping: Shaping) -> Vec<Vec<usize>> {
        let mut drawer = model.drawer(method, shaping).unwrap();
        let mut generator = Generator::seeded(7).unwrap();
        let mut word = || {
            let mut word = Vec::new();
            assert!(drawer.complete(&mut word, 30, &mut generator).unwrap());
            word
        };
        (0..40).map(|_| word()).collect()
    }

    #[test]
    fn the_fast_drawer_draws_as_one_call_for_each_character_does() {
        let names = Words::lecture('.').unwrap();
        let memory = Memory::new(1 << 30);
        for (order, smoothing) in [
            (1, Smoothing::KneserNey),
            (4, Smoothing::KneserNey),
            (3, Smoothing::WittenBell),
            (3, Smoothing::Additive(0.1)),
        ] {
            let model = Ngram::of(&ngrams_of(&names, order), smoothing, &memory).unwrap();
            for method in [Method::Cumulative, Method::Multinomial] {
                for (temperature, top_k) in [(1.0, None), (0.5, None), (1.0, Some(5))] {
                    let shaping = Shaping { temperature, top_k };
                    assert_eq!(
                        drawn(&model, method, shaping),
                        drawn(&Plain(model.clone()), method, shaping),
                        "{order} {smoothing} {method:?} {shaping:?}"
                    );
                }
            }
        }
    }
}
