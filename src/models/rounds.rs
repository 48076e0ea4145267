//! Drawing words from a model, many side by side.
//!
//! A step for a thousand words takes little more time than one for a single word, so words are drawn
//! in rounds. The sizes of the rounds do not depend on the number of words that the user asks for: the
//! first words of a seed are always the same. Words with a common beginning are read as one until they
//! differ, and words that have ended leave the round.

use std::collections::{HashMap, VecDeque};

use super::automaton::{DEAD, State};
use super::draw::{Bounds, Distributions, Drawer, Drawn, Method, Shaping};
use super::language_model::{LanguageModel, Reader};
use crate::error::Result;
use crate::libtorch::random::Generator;

/// The words of the first round. Each round has twice as many as the one before, up to the most that
/// a reader reads: so a few words take little time.
const FIRST_ROUND: usize = 16;

/// The most probabilities of a step. With more than 256 characters they limit the words of a round, and
/// the later words of a seed depend on this number.
const MOST_PROBABILITIES: usize = 1 << 22;

/// The drawer of a model.
pub(super) fn of<M: LanguageModel + ?Sized>(
    model: &M,
    method: Method,
    shaping: Shaping,
) -> Result<Box<dyn Drawer + '_>> {
    Ok(Box::new(Rounds::of(model, method, shaping)?))
}

/// The most words of a round over `v` characters.
pub(crate) fn most_words(v: usize, reader: &dyn Reader) -> usize {
    (MOST_PROBABILITIES / v).min(reader.most_words())
}

#[derive(Debug)]
struct Rounds<'m> {
    reader: Box<dyn Reader + 'm>,
    /// The most words of a round.
    most_words: usize,
    method: Method,
    shaping: Shaping,
    /// The prefix of every word, and the bounds of words; none before the first round.
    begin: Option<(Vec<usize>, Bounds)>,
    /// Words that were drawn and not returned yet.
    drawn: VecDeque<(Vec<usize>, Drawn)>,
    /// The words of the next round.
    round: usize,
}

impl<'m> Rounds<'m> {
    fn of<M: LanguageModel + ?Sized>(
        model: &'m M,
        method: Method,
        shaping: Shaping,
    ) -> Result<Self> {
        shaping.check()?;
        let reader = model.reader()?;
        Ok(Self {
            most_words: most_words(model.vocabulary().len(), reader.as_ref()),
            reader,
            method,
            shaping,
            begin: None,
            drawn: VecDeque::new(),
            round: FIRST_ROUND,
        })
    }

    /// Draws a round of words that begin with `prefix`.
    fn draw_round(
        &mut self,
        prefix: &[usize],
        bounds: &Bounds,
        generator: &mut Generator,
    ) -> Result<()> {
        let round = self.round.min(self.most_words);
        let mut words = vec![(prefix.to_vec(), Drawn::Word); round];
        // Words that have not ended, each with the index of its characters in `begun`, and its state.
        let start = bounds.after(prefix);
        let mut open: Vec<(usize, usize, State)> =
            (0..round).map(|word| (word, 0, start)).collect();
        let mut begun: Vec<Vec<usize>> = vec![prefix.to_vec()];
        let mut parents: Option<Vec<i64>> = None;
        while !open.is_empty() {
            let so_far: Vec<&[usize]> = begun.iter().map(Vec::as_slice).collect();
            let p = self.reader.read(&so_far, parents.as_deref())?; // [begun, V]
            let p = Distributions::of(&p, self.method, self.shaping)?;
            let next = open.iter().map(|&(_, place, _)| p.draw(place, generator));
            let next = next.collect::<Result<Vec<_>>>()?;
            let mut places: HashMap<(usize, usize), usize> = HashMap::new();
            let (mut longer, mut from, mut still_open) = (Vec::new(), Vec::new(), Vec::new());
            for (&(word, place, state), next) in open.iter().zip(next) {
                let (drawn, result) = &mut words[word];
                let Some(index) = next else {
                    *result = Drawn::NoDistribution;
                    continue;
                };
                if index == 0 {
                    if !bounds.accepts(state) {
                        *result = Drawn::Unwanted;
                    }
                    continue;
                }
                let state = bounds.step(state, index);
                if state == DEAD || drawn.len() == bounds.longest {
                    *result = match state {
                        DEAD => Drawn::Unwanted,
                        _ => Drawn::TooLong,
                    };
                    continue;
                }
                drawn.push(index);
                let place = *places.entry((place, index)).or_insert_with(|| {
                    longer.push(drawn.clone());
                    from.push(place as i64);
                    longer.len() - 1
                });
                still_open.push((word, place, state));
            }
            (begun, parents, open) = (longer, Some(from), still_open);
        }
        self.drawn = words.into();
        self.round = (2 * round).min(self.most_words);
        self.begin = Some((prefix.to_vec(), bounds.clone()));
        Ok(())
    }
}

impl Drawer for Rounds<'_> {
    fn next(&mut self, word: &[usize], generator: &mut Generator) -> Result<Option<usize>> {
        let p = self.reader.read(&[word], None)?; // [1, V]
        Distributions::of(&p, self.method, self.shaping)?.draw(0, generator)
    }

    fn complete(
        &mut self,
        word: &mut Vec<usize>,
        bounds: &Bounds,
        generator: &mut Generator,
    ) -> Result<Drawn> {
        let is_same = |(prefix, of): &(Vec<usize>, Bounds)| prefix == word && of.is_same(bounds);
        let is_same = self.begin.as_ref().is_some_and(is_same);
        if !is_same {
            self.round = FIRST_ROUND;
        }
        if !is_same || self.drawn.is_empty() {
            self.draw_round(word, bounds, generator)?;
        }
        let (drawn, result) = self
            .drawn
            .pop_front()
            .unwrap_or((Vec::new(), Drawn::Unwanted));
        *word = drawn;
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::super::kinds::{Bow, Sizes};
    use super::super::language_model::MOST_WORDS;
    use super::super::state_reader::tests::networks;
    use super::super::{Config, Network};
    use super::*;
    use crate::data::Vocabulary;
    use crate::{SampleOptions, Sampler};

    #[test]
    fn the_first_words_of_a_seed_are_the_same_and_begin_as_wanted() {
        for network in networks() {
            let draw = |number: usize, options: &SampleOptions| -> Vec<String> {
                let sampler = Sampler::new(&network, 7, options).unwrap();
                sampler.take(number).collect::<Result<_>>().unwrap()
            };
            let mut options = SampleOptions {
                longest: Some(20),
                ..SampleOptions::default()
            };
            let many = draw(40, &options);
            assert_eq!(draw(3, &options), many[..3]);
            assert_ne!(many[..5], many[16..21]);
            assert!(many.iter().all(|word| word.len() <= 20));
            options.constraint.prefix = "mar".to_owned();
            assert!(
                draw(20, &options)
                    .iter()
                    .all(|word| word.starts_with("mar"))
            );
        }
    }

    /// A round once had as many words with a vocabulary of thousands as with one of 27.
    #[test]
    fn rounds_over_many_characters_have_fewer_words() {
        let vocabulary = |v: u32| {
            let others = (0..v - 1).filter_map(|i| char::from_u32(0x4e00 + i));
            Vocabulary::new('.', others).unwrap()
        };
        let most_words = |v| {
            let sizes = Sizes {
                n_embd: 4,
                ..Sizes::default()
            };
            let config = Config::new(&Bow, sizes);
            let network = Network::new(vocabulary(v), config, 1, Device::Cpu).unwrap();
            let mut drawer = Rounds::of(&network, Method::Cumulative, Shaping::default()).unwrap();
            let mut generator = Generator::seeded(1).unwrap();
            let bounds = Bounds {
                longest: 1,
                automaton: None,
            };
            while drawer.round < drawer.most_words {
                drawer.draw_round(&[], &bounds, &mut generator).unwrap();
            }
            drawer.draw_round(&[], &bounds, &mut generator).unwrap();
            assert_eq!(drawer.drawn.len(), drawer.most_words);
            drawer.most_words
        };
        assert_eq!(most_words(256), MOST_WORDS);
        assert_eq!(most_words(4000), MOST_PROBABILITIES / 4000);
    }

    /// The share of 20,480 words that begins with a character has a standard error below 0.0035.
    #[test]
    fn characters_are_drawn_as_often_as_they_are_probable() {
        for network in networks() {
            let p = network.probabilities(&[&[1]]).unwrap()[0];
            let mut drawer = Rounds::of(&network, Method::Cumulative, Shaping::default()).unwrap();
            let mut generator = Generator::seeded(1).unwrap();
            let bounds = Bounds {
                longest: 1,
                automaton: None,
            };
            let first = |_| {
                let mut word = Vec::new();
                let drawn = drawer.complete(&mut word, &bounds, &mut generator);
                drawn.map(|_| word.first() == Some(&1)).unwrap()
            };
            let share = (0..20_480).map(first).filter(|&is_a| is_a).count() as f32 / 20_480.0;
            assert!(
                (share - p).abs() < 0.014,
                "{:?}: {share} {p}",
                network.config()
            );
        }
    }
}
