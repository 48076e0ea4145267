//! Drawing words from an n-gram model.
//!
//! The next place of a word is known only when its character is drawn, and then has to be fetched
//! from memory. To have something to do meanwhile, several words are drawn at once: the uniform
//! numbers that come are cut into stretches, and each is drawn from as if a word began there. Seldom
//! one does, but soon a word that was drawn from the stretch before ends where one of this stretch
//! begins, and from there on the same numbers make the same words.

use std::collections::VecDeque;

use tch::Tensor;

use super::Ngram;
use super::places::Places;
use super::trie::Node;
use crate::error::Result;
use crate::libtorch::random::Generator;
use crate::models::draw::{Drawer, Method, Shaping};

/// How many words are drawn at once.
const LANES: usize = 8;

pub(super) fn of(model: &Ngram, method: Method, shaping: Shaping) -> Result<Box<dyn Drawer + '_>> {
    shaping.check()?;
    Ok(Box::new(NgramDrawer {
        places: Places::new(model, method, shaping),
        method,
        ahead: Ahead::default(),
    }))
}

#[derive(Debug)]
struct NgramDrawer<'m> {
    places: Places<'m>,
    method: Method,
    ahead: Ahead,
}

/// Words that were drawn before they were asked for.
#[derive(Debug, Default)]
struct Ahead {
    /// What they were drawn for: what they begin with, and their most characters.
    prefix: Vec<usize>,
    max_length: usize,
    /// How many uniform numbers were given away when the first one is asked for.
    total: u64,
    words: VecDeque<Word>,
    /// The characters of all words, without what they begin with.
    indices: VecDeque<u16>,
}

/// A word: how many characters were drawn for it, and how many uniform numbers it took.
#[derive(Debug, Clone, Copy)]
struct Word {
    characters: usize,
    numbers: usize,
}

/// Words that are drawn from a stretch of uniform numbers.
#[derive(Debug, Default)]
struct Lane {
    /// Where the number is that the next character is drawn by.
    at: usize,
    /// Where the stretch ends; the word that is being drawn then is drawn to its end.
    end: usize,
    /// The place that the word has come to; none where the lane has stopped.
    place: Option<u32>,
    /// Where the word began.
    begin: usize,
    /// The words that are complete: where each began, and the word.
    words: Vec<(usize, Word)>,
    indices: Vec<u16>,
}

impl Lane {
    /// Draws a character.
    #[inline(always)]
    fn step(
        &mut self,
        uniforms: &[f64],
        places: &mut Places,
        start: u32,
        longest: usize,
    ) -> Result<()> {
        let (Some(place), Some(&uniform)) = (self.place, uniforms.get(self.at)) else {
            self.place = None;
            return Ok(());
        };
        let (index, next) = places.draw(place, uniform)?;
        self.at += 1;
        if index != 0 {
            self.indices.push(index as u16);
        }
        let numbers = self.at - self.begin;
        let is_complete = index == 0 || numbers == longest;
        if is_complete {
            let characters = numbers - usize::from(index == 0);
            let word = Word {
                characters,
                numbers,
            };
            self.words.push((self.begin, word));
            self.begin = self.at;
        }
        self.place = match (is_complete, self.at < self.end) {
            (true, true) => Some(start),
            (true, false) => None,
            (false, _) => next,
        };
        if let Some(next) = self.place {
            places.fetch(next);
        }
        Ok(())
    }
}

impl NgramDrawer<'_> {
    /// The place after the characters of a word so far.
    fn after(&self, word: &[usize]) -> Node {
        let view = self.places.view;
        let step = |node, &index| view.step(node, index).1;
        word.iter().fold(view.start(), step)
    }

    /// Draws words from the numbers that come.
    fn draw_ahead(
        &mut self,
        prefix: &[usize],
        max_length: usize,
        generator: &mut Generator,
    ) -> Result<()> {
        self.ahead.words.clear();
        self.ahead.indices.clear();
        self.ahead.prefix = prefix.to_vec();
        self.ahead.max_length = max_length;
        self.ahead.total = generator.total();
        let longest = max_length - prefix.len();
        let Some(start) = self.places.number(self.after(prefix))? else {
            return Ok(());
        };
        let uniforms = generator.ahead()?;
        let stretch = uniforms.len() / LANES;
        let lane = |number: usize| Lane {
            at: number * stretch,
            end: (number + 1) * stretch,
            begin: number * stretch,
            place: Some(start),
            ..Lane::default()
        };
        let mut lanes: Vec<Lane> = (0..LANES).map(lane).collect();
        while lanes.iter().any(|lane| lane.place.is_some()) {
            for lane in &mut lanes {
                lane.step(uniforms, &mut self.places, start, longest)?;
            }
        }
        // Where the words so far end.
        let mut end = 0;
        for mut lane in lanes {
            // Words between the end of the lane before and the first one that this lane has too.
            let mut between = Lane {
                at: end,
                begin: end,
                end,
                ..Lane::default()
            };
            let first = loop {
                let first = lane
                    .words
                    .binary_search_by_key(&between.begin, |&(begin, _)| begin);
                if first.is_ok() || between.begin >= lane.at {
                    break first;
                }
                between.place = Some(start);
                let words = between.words.len();
                while between.place.is_some() {
                    between.step(uniforms, &mut self.places, start, longest)?;
                }
                if between.words.len() == words {
                    break first; // The numbers or the distributions have ended.
                }
            };
            self.ahead.take(&between, 0);
            end = between.begin;
            if let Ok(first) = first {
                lane.indices
                    .truncate(lane.words.iter().map(|(_, word)| word.characters).sum());
                self.ahead.take(&lane, first);
                end = lane.begin;
            }
        }
        Ok(())
    }
}

impl Ahead {
    /// Takes the words of a lane from one on.
    fn take(&mut self, lane: &Lane, first: usize) {
        let (before, words) = lane.words.split_at(first);
        let skipped: usize = before.iter().map(|(_, word)| word.characters).sum();
        let taken: usize = words.iter().map(|(_, word)| word.characters).sum();
        self.indices.extend(&lane.indices[skipped..skipped + taken]);
        self.words.extend(words.iter().map(|&(_, word)| word));
    }
}

impl Drawer for NgramDrawer<'_> {
    fn next(&mut self, word: &[usize], generator: &mut Generator) -> Result<Option<usize>> {
        let Some(number) = self.places.number(self.after(word))? else {
            return Ok(None);
        };
        match self.method {
            Method::Multinomial => {
                let row = Tensor::f_from_slice(self.places.whole(number)?)?;
                generator.multinomial(&row).map(Some)
            }
            Method::Cumulative => {
                let (index, _) = self.places.draw(number, generator.uniform()?)?;
                Ok(Some(index))
            }
        }
    }

    fn complete(
        &mut self,
        word: &mut Vec<usize>,
        max_length: usize,
        generator: &mut Generator,
    ) -> Result<bool> {
        if self.method == Method::Cumulative && word.len() < max_length {
            let ahead = &self.ahead;
            let is_for_this = ahead.total == generator.total()
                && ahead.max_length == max_length
                && ahead.prefix == *word;
            if !is_for_this || ahead.words.is_empty() {
                self.draw_ahead(word, max_length, generator)?;
            }
            if let Some(drawn) = self.ahead.words.pop_front() {
                let indices = self.ahead.indices.drain(..drawn.characters);
                word.extend(indices.map(usize::from));
                generator.give(drawn.numbers);
                self.ahead.total = generator.total();
                return Ok(true);
            }
        }
        // Longer than all numbers ahead, or somewhere without a distribution.
        while word.len() < max_length {
            match self.next(word, generator)? {
                Some(0) => break,
                Some(index) => word.push(index),
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Words;
    use crate::counting::tests::ngrams_of;
    use crate::data::Vocabulary;
    use crate::memory::Memory;
    use crate::models::LanguageModel;
    use crate::models::ngram::Smoothing;

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
