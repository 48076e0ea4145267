//! Drawing words from an n-gram model.
//!
//! The distribution of a context is made when a word first comes to it, and kept: all words come
//! through the same tens of thousands of contexts.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;
use tch::Tensor;

use super::trie::Node;
use super::view::View;
use crate::error::Result;
use crate::libtorch::random::Generator;
use crate::models::draw::{Distributions, Drawer, Method, Shaping};

/// The most numbers in kept distributions, 64 MB; beyond that all are forgotten.
const MOST: usize = 1 << 24;

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
        kept: HashMap::default(),
        word: Vec::new(),
        contexts: vec![view.start()],
    }))
}

#[derive(Debug)]
struct NgramDrawer<'m> {
    view: &'m View,
    v: usize,
    method: Method,
    shaping: Shaping,
    /// Distributions after contexts.
    kept: HashMap<Node, Distributions, RandomState>,
    /// The word of the last call.
    word: Vec<usize>,
    /// The contexts before each of its characters, and after the last.
    contexts: Vec<Node>,
}

impl NgramDrawer<'_> {
    /// The context after the characters of a word so far.
    fn after(&mut self, word: &[usize]) -> Node {
        let pairs = self.word.iter().zip(word);
        let same = pairs.take_while(|(one, other)| one == other).count();
        self.word.truncate(same);
        self.contexts.truncate(same + 1);
        let mut context = self.contexts[same];
        for &index in &word[same..] {
            context = self.view.step(context, index).1;
            self.word.push(index);
            self.contexts.push(context);
        }
        context
    }
}

impl Drawer for NgramDrawer<'_> {
    fn next(&mut self, word: &[usize], generator: &mut Generator) -> Result<Option<usize>> {
        let context = self.after(word);
        if self.kept.len() * self.v > MOST {
            self.kept.clear();
        }
        let distribution = match self.kept.entry(context) {
            Entry::Occupied(kept) => kept.into_mut(),
            Entry::Vacant(place) => {
                let mut p = vec![0.0; self.v];
                self.view.fill(context, &mut p);
                let p = Tensor::f_from_slice(&p)?.f_view([1, -1])?;
                place.insert(Distributions::of(&p, self.method, self.shaping)?)
            }
        };
        distribution.draw(0, generator)
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
