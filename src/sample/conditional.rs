//! Drawing words that meet constraints from a model of contexts, directly.
//!
//! For each context and state of the automaton the probability that a word goes on to meet the constraint is
//! summed backwards from the ends of words. Each character is then drawn with that in mind, so that no draw is
//! in vain, however rare the words are.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;
use tch::Tensor;

use crate::error::Result;
use crate::libtorch::random::Generator;
use crate::models::automaton::{Automaton, DEAD, State};
use crate::models::{Contexts, Drawn, Shaping};

/// The most ways from one pair of context and state to another that are kept: 256 MB.
const MOST: usize = 1 << 24;

/// The sums are complete once none of them changes by more than this share.
const CHANGE: f64 = 1e-15;

/// The most sweeps over all sums, which grow by what longer words add.
const MOST_SWEEPS: usize = 100_000;

/// A drawer of words that meet a constraint.
#[derive(Debug)]
pub(super) struct Conditional {
    /// The ways out of each pair of context and state: those of pair `i` end where those of pair `i + 1`
    /// begin.
    ends: Vec<usize>,
    ways: Vec<Way>,
    /// The probability that a word ends in each pair and meets the constraint.
    end: Vec<f32>,
    /// The probability that a word goes on from each pair to meet the constraint.
    sums: Vec<f64>,
}

/// A character and the pair that it leads to.
#[derive(Debug, Clone, Copy)]
struct Way {
    p: f32,
    index: u32,
    to: u32,
}

/// What follows a context: the probability of each character, and the context after it, `[V]`.
struct Row {
    p: Vec<f32>,
    after: Vec<usize>,
}

impl Row {
    fn of(context: usize, contexts: &mut dyn Contexts, shaping: Shaping) -> Result<Self> {
        let mut p = contexts.distribution(context);
        if !shaping.is_none() {
            let shaped = Tensor::f_from_slice(&p)?.f_view([1, -1])?;
            p = Vec::try_from(shaping.shape(&shaped)?.f_view([-1])?)?;
        }
        // Kneser–Ney leaves a share to characters that the vocabulary does not have, which are not drawn.
        let sum: f32 = p.iter().sum();
        if sum > 0.0 {
            p.iter_mut().for_each(|p| *p /= sum);
        }
        let after = (0..p.len()).map(|index| match index {
            0 => 0,
            index => contexts.after(context, index),
        });
        Ok(Self {
            after: after.collect(),
            p,
        })
    }
}

impl Conditional {
    /// The drawer of words from a model's contexts; `None` if they take too much memory.
    ///
    /// # Errors
    ///
    /// As [`Shaping::check`].
    pub fn of(
        contexts: &mut dyn Contexts,
        automaton: &Automaton,
        shaping: Shaping,
    ) -> Result<Option<Self>> {
        let first = (contexts.start(), automaton.start());
        let mut numbers = HashMap::<(usize, State), u32, RandomState>::default();
        numbers.insert(first, 0);
        let mut pairs = vec![first];
        let (mut ends, mut ways, mut end) = (vec![0], Vec::new(), Vec::new());
        let mut rows = HashMap::<usize, Row, RandomState>::default();
        while let Some(&(context, state)) = pairs.get(end.len()) {
            let Row { p, after } = match rows.entry(context) {
                Entry::Occupied(row) => row.into_mut(),
                Entry::Vacant(free) => free.insert(Row::of(context, contexts, shaping)?),
            };
            end.push(if automaton.accepts(state) { p[0] } else { 0.0 });
            for (index, (&p, &context)) in p.iter().zip(after.iter()).enumerate().skip(1) {
                let state = automaton.step(state, index);
                if state == DEAD || p <= 0.0 {
                    continue;
                }
                let pair = (context, state);
                let to = *numbers.entry(pair).or_insert_with(|| {
                    pairs.push(pair);
                    pairs.len() as u32 - 1
                });
                ways.push(Way {
                    p,
                    index: index as u32,
                    to,
                });
            }
            if ways.len() > MOST {
                return Ok(None);
            }
            ends.push(ways.len());
        }
        let mut conditional = Self {
            sums: vec![0.0; end.len()],
            ends,
            ways,
            end,
        };
        conditional.sum();
        Ok(Some(conditional))
    }

    /// Sums the probabilities, from the pairs that were found last to the first, until nothing changes.
    fn sum(&mut self) {
        for _ in 0..MOST_SWEEPS {
            let mut largest: f64 = 0.0;
            for pair in (0..self.sums.len()).rev() {
                let sum = self.after(pair).map(|(p, _)| p).sum::<f64>() + f64::from(self.end[pair]);
                largest = largest.max((sum - self.sums[pair]) / sum.max(f64::MIN_POSITIVE));
                self.sums[pair] = sum;
            }
            if largest <= CHANGE {
                return;
            }
        }
    }

    /// The ways out of a pair, each with its probability times that of what follows.
    fn after(&self, pair: usize) -> impl Iterator<Item = (f64, Way)> {
        let ways = &self.ways[self.ends[pair]..self.ends[pair + 1]];
        ways.iter()
            .map(|&way| (f64::from(way.p) * self.sums[way.to as usize], way))
    }

    /// The probability that a word of the model meets the constraint.
    pub fn probability(&self) -> f64 {
        self.sums[0]
    }

    /// Draws a word, which is too long if it has more characters than `longest`.
    pub fn draw(
        &self,
        word: &mut Vec<usize>,
        longest: usize,
        generator: &mut Generator,
    ) -> Result<Drawn> {
        let mut pair = 0;
        loop {
            let mut rest = generator.uniform()? * self.sums[pair] - f64::from(self.end[pair]);
            if rest < 0.0 {
                return Ok(Drawn::Word);
            }
            let mut chosen = None;
            for (p, way) in self.after(pair).filter(|&(p, _)| p > 0.0) {
                chosen = Some(way);
                rest -= p;
                if rest < 0.0 {
                    break;
                }
            }
            // Rounding may leave a rest at a pair where words only end.
            let Some(way) = chosen else {
                return Ok(Drawn::Word);
            };
            if word.len() == longest {
                return Ok(Drawn::TooLong);
            }
            word.push(way.index as usize);
            pair = way.to as usize;
        }
    }
}
