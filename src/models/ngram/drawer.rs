//! Drawing words from an n-gram model.
//!
//! The distribution of a context is made when a word first comes to it, and kept: all words come
//! through the same tens of thousands of contexts. A context that is kept also knows which ones follow
//! it, so that a word goes on without a search.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use tch::Tensor;

use super::trie::Node;
use super::view::View;
use crate::error::Result;
use crate::libtorch::random::Generator;
use crate::models::draw::{Distributions, Drawer, Method, Shaping};

/// The most numbers in kept distributions, beyond which all are forgotten: 128 MB with those of the
/// contexts that follow, and with few characters as much again for the contexts.
const MOST: usize = 1 << 24;

/// A context that is not known yet.
const UNKNOWN: u32 = u32::MAX;

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
        numbers: HashMap::default(),
        contexts: Vec::new(),
        distributions: Distributions::new(v, method, shaping),
        next: Vec::new(),
        last: 0,
    }))
}

/// A drawer that numbers contexts in the order in which words come to them.
#[derive(Debug)]
struct NgramDrawer<'m> {
    view: &'m View,
    v: usize,
    /// The number of each context.
    numbers: HashMap<Node, u32, RandomState>,
    /// The contexts by their numbers.
    contexts: Vec<Node>,
    /// A row for each context.
    distributions: Distributions,
    /// The number of the context after a context and a character, `[contexts, V]`.
    next: Vec<u32>,
    /// The number of the context of the last word.
    last: usize,
}

impl NgramDrawer<'_> {
    /// The number of the context after the characters of a word so far.
    fn after(&mut self, word: &[usize]) -> Result<usize> {
        let step = |context, &index: &usize| self.view.step(context, index).1;
        self.number(word.iter().fold(self.view.start(), step))
    }

    /// The number of the context after a context and a character.
    #[inline]
    fn follow(&mut self, number: usize, index: usize) -> Result<usize> {
        let place = number * self.v + index;
        if self.next[place] != UNKNOWN {
            return Ok(self.next[place] as usize);
        }
        let context = self.view.step(self.contexts[number], index).1;
        if self.next.len() > MOST {
            self.numbers.clear();
            self.contexts.clear();
            self.distributions.clear();
            self.next.clear();
            return self.number(context);
        }
        let number = self.number(context)?;
        self.next[place] = number as u32;
        Ok(number)
    }

    /// The number of a context, which becomes a known one.
    fn number(&mut self, context: Node) -> Result<usize> {
        if let Some(&number) = self.numbers.get(&context) {
            return Ok(number as usize);
        }
        let mut p = vec![0.0; self.v];
        self.view.fill(context, &mut p);
        let p = Tensor::f_from_slice(&p)?.f_view([1, -1])?;
        self.distributions.push(&p)?;
        let number = self.contexts.len();
        self.contexts.push(context);
        self.next.resize(self.next.len() + self.v, UNKNOWN);
        self.numbers.insert(context, number as u32);
        Ok(number)
    }
}

impl Drawer for NgramDrawer<'_> {
    fn next(&mut self, word: &[usize], generator: &mut Generator) -> Result<Option<usize>> {
        self.last = self.after(word)?;
        self.distributions.draw(self.last, generator)
    }

    fn next_longer(&mut self, word: &[usize], generator: &mut Generator) -> Result<Option<usize>> {
        if let Some(&index) = word.last() {
            self.last = self.follow(self.last, index)?;
        }
        self.distributions.draw(self.last, generator)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::counting::tests::ngrams_of;
    use crate::data::{Vocabulary, Words};
    use crate::memory::Memory;
    use crate::models::ngram::{Ngram, Smoothing};
    use crate::models::{Bounds, LanguageModel};

    /// The same model with the drawer of every model that has none of its own.
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
        let bounds = Bounds {
            longest: 30,
            automaton: None,
        };
        let mut word = || {
            let mut word = Vec::new();
            drawer.complete(&mut word, &bounds, &mut generator).unwrap();
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
                    let shaping = Shaping {
                        temperature,
                        top_k,
                        ..Shaping::default()
                    };
                    assert_eq!(
                        drawn(&model, method, shaping),
                        drawn(&Plain(model.clone()), method, shaping),
                        "{order} {smoothing} {method:?} {shaping:?}"
                    );
                }
            }
        }
    }

    /// The word so far was once compared with that of the character before: 19 s for this one.
    #[test]
    fn drawing_a_word_takes_time_that_grows_with_its_length_alone() {
        let words = Words::parse("list", "ab".repeat(1000), '.').unwrap();
        let memory = Memory::new(1 << 30);
        let model = Ngram::of(&ngrams_of(&words, 3), Smoothing::KneserNey, &memory).unwrap();
        let shaping = Shaping {
            top_k: Some(1),
            ..Shaping::default()
        };
        let mut drawer = model.drawer(Method::Cumulative, shaping).unwrap();
        let mut generator = Generator::seeded(7).unwrap();
        let bounds = Bounds {
            longest: 320_000,
            automaton: None,
        };
        let (mut word, begin) = (Vec::new(), Instant::now());
        drawer.complete(&mut word, &bounds, &mut generator).unwrap();
        assert_eq!(word, [1, 2].repeat(160_000));
        let elapsed = begin.elapsed();
        assert!(elapsed < Duration::from_secs(4), "{elapsed:?}");
    }
}
