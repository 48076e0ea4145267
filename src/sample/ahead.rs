//! What beginnings may come to, for the search for the most probable words of a model of contexts.
//!
//! For each context and state of the automaton the probability of the most probable end of a wanted word is
//! found backwards from the ends of words. Then the search goes straight to the best words, however rare.

use crate::models::automaton::{Automaton, DEAD, State};
use crate::models::{Contexts, LanguageModel};

/// The most numbers that are kept of each kind: 128 MB.
const MOST: usize = 1 << 24;

/// The most characters after pairs of context and state: a second or a few.
const MOST_WAYS: usize = 1 << 29;

/// The most probable ends of beginnings.
#[derive(Debug)]
pub(super) struct Ahead {
    /// The natural logarithm of the probability of each character after each context, `[contexts, V]`.
    ln: Vec<f64>,
    /// The context after each context and character, `[contexts, V]`.
    after: Vec<u32>,
    v: usize,
    /// The natural logarithm of the probability of the best end from each state and context,
    /// `[states, contexts]`.
    best: Vec<f64>,
}

impl Ahead {
    /// The ends of a model's words; `None` if the model has no contexts or they take too much memory or
    /// time.
    pub fn of(model: &dyn LanguageModel, automaton: &Automaton) -> Option<Self> {
        let v = model.vocabulary().len();
        let mut contexts = model.contexts()?;
        let states = automaton.states();
        let most = (MOST / states.max(v)).min(MOST_WAYS / states / v);
        let (ln, after) = rows(contexts.as_mut(), most)?;
        let mut ahead = Self {
            best: vec![f64::NEG_INFINITY; after.len() / v * states],
            ln,
            after,
            v,
        };
        // The states were met in this order, so that most lead to later ones or to themselves.
        let mut changed = true;
        while std::mem::take(&mut changed) {
            for state in (DEAD + 1..automaton.states() as State).rev() {
                while ahead.improve(state, automaton) {
                    changed = true;
                }
            }
        }
        Some(ahead)
    }

    fn contexts(&self) -> usize {
        self.after.len() / self.v
    }

    /// Finds better ends from a state by those after one more character; whether there are any.
    fn improve(&mut self, state: State, automaton: &Automaton) -> bool {
        let mut changed = false;
        for context in (0..self.contexts()).rev() {
            let ends = self.ends(context, state, automaton);
            let best = ends.fold(f64::NEG_INFINITY, f64::max);
            let place = state as usize * self.contexts() + context;
            changed |= best > self.best[place];
            self.best[place] = best;
        }
        changed
    }

    /// The best end by way of each character, the end token among them.
    fn ends(
        &self,
        context: usize,
        state: State,
        automaton: &Automaton,
    ) -> impl Iterator<Item = f64> {
        let row = context * self.v..(context + 1) * self.v;
        let characters = self.ln[row.clone()].iter().zip(&self.after[row]);
        characters
            .enumerate()
            .map(move |(index, (&ln, &after))| match index {
                0 if automaton.accepts(state) => ln,
                0 => f64::NEG_INFINITY,
                index => ln + self.best(after as usize, automaton.step(state, index)),
            })
    }

    /// The best end from a pair.
    fn best(&self, context: usize, state: State) -> f64 {
        self.best[state as usize * self.contexts() + context]
    }

    /// By how much the best word that begins with `word` gets worse with each next character: exactly 0 for
    /// the character that the best word has.
    pub fn losses(
        &self,
        word: &[usize],
        state: State,
        automaton: &Automaton,
    ) -> impl Iterator<Item = f64> {
        let after = |context: usize, &index: &usize| self.after[context * self.v + index] as usize;
        let context = word.iter().fold(0, after);
        let best = self.best(context, state);
        self.ends(context, state, automaton)
            .map(move |end| end - best)
    }

    /// The best word of all.
    pub fn start(&self, automaton: &Automaton) -> f64 {
        self.best(0, automaton.start())
    }
}

/// The logarithms of what follows each context, and the contexts after it; the first one is that of the
/// beginning of words. `None` if there are more than `most` contexts.
fn rows(contexts: &mut dyn Contexts, most: usize) -> Option<(Vec<f64>, Vec<u32>)> {
    let (mut ln, mut after) = (Vec::new(), Vec::new());
    let mut count = contexts.start() + 1;
    let mut context = 0;
    while context < count {
        for (index, p) in contexts.distribution(context).into_iter().enumerate() {
            let next = match index {
                _ if p <= 0.0 => 0,
                0 => 0,
                index => contexts.after(context, index),
            };
            count = count.max(next + 1);
            after.push(next as u32);
            // Rounding may leave a probability a little above 1.
            ln.push(f64::from(p).ln().min(0.0));
        }
        context += 1;
        if count > most {
            return None;
        }
    }
    Some((ln, after))
}
