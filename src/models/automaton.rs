//! Wishes for words as a deterministic finite automaton over the characters of a vocabulary.
//!
//! A word is read character by character. A state from which no word that meets the wishes can be reached is
//! dead, so that a draw is given up as soon as it is hopeless.

use std::collections::HashMap;

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};

use super::constraint::WordConstraint;
use crate::data::Vocabulary;
use crate::error::{Error, Result};

/// The most transitions of an automaton: 64 MB.
const MOST: usize = 1 << 24;

/// The most states, each of which is a state of every wish while they are found.
const MOST_STATES: usize = 1 << 20;

/// The most characters of words that are listed, their beginnings among them: 8 MB.
const MOST_LISTED: usize = 1 << 20;

/// The most bytes of a regular expression's automaton, and of building it.
const MOST_BYTES: usize = 1 << 25;

/// A state of an [`Automaton`].
pub type State = u32;

/// The state from which no wanted word can be reached.
pub const DEAD: State = 0;

/// An automaton that accepts the words which meet some wishes.
#[derive(Debug, Clone)]
pub struct Automaton {
    /// The class of each character, by its index; characters of a class lead to the same states. The end
    /// token, 0, has the class 0, which is in no word.
    classes: Vec<u32>,
    /// The number of classes, `C`.
    width: usize,
    /// The state after each state and class, `[states, C]`.
    next: Vec<State>,
    /// Whether a word may end in a state.
    accepts: Vec<bool>,
    start: State,
}

impl Automaton {
    /// The automaton of some wishes.
    ///
    /// # Errors
    ///
    /// [`Error::Word`] if a wish has a character that the vocabulary lacks; [`Error::Pattern`] if a regular
    /// expression is none; [`Error::Wish`] if no word can meet the wishes, or they are too many.
    pub fn of(wishes: &WordConstraint, vocabulary: &Vocabulary) -> Result<Self> {
        let parts = Parts::of(wishes, vocabulary)?;
        let mut automaton = parts.explore()?;
        automaton.prune();
        match automaton.start {
            DEAD => Err(Error::Wish(
                "no word of these characters can meet all wishes".to_owned(),
            )),
            _ => Ok(automaton),
        }
    }

    /// The state at the beginning of a word.
    pub fn start(&self) -> State {
        self.start
    }

    /// The state after a state and the character of an index above 0.
    #[inline]
    pub fn step(&self, state: State, index: usize) -> State {
        self.next[state as usize * self.width + self.classes[index] as usize]
    }

    /// Whether a word may end in a state.
    #[inline]
    pub fn accepts(&self, state: State) -> bool {
        self.accepts[state as usize]
    }

    /// The number of states.
    pub fn states(&self) -> usize {
        self.accepts.len()
    }

    /// The indices of all words that it accepts; `None` if they are too many to be listed.
    pub fn words(&self) -> Option<Vec<Vec<usize>>> {
        let (mut words, mut characters) = (Vec::new(), 0);
        let mut begun = vec![(self.start, Vec::new())];
        while let Some((state, word)) = begun.pop() {
            for index in 1..self.classes.len() {
                let next = self.step(state, index);
                if next != DEAD {
                    let longer = [word.as_slice(), &[index]].concat();
                    characters += longer.len();
                    begun.push((next, longer));
                }
            }
            if characters > MOST_LISTED {
                return None;
            }
            if self.accepts(state) {
                words.push(word);
            }
        }
        Some(words)
    }

    /// Makes states from which no accepting one can be reached dead.
    fn prune(&mut self) {
        let states = self.states();
        let mut before = vec![Vec::new(); states];
        for (state, row) in self.next.chunks_exact(self.width).enumerate() {
            for &next in row {
                before[next as usize].push(state as State);
            }
        }
        let mut alive = self.accepts.clone();
        let mut waiting: Vec<State> = (0..states as State)
            .filter(|&state| alive[state as usize])
            .collect();
        while let Some(state) = waiting.pop() {
            for &state in &before[state as usize] {
                if !std::mem::replace(&mut alive[state as usize], true) {
                    waiting.push(state);
                }
            }
        }
        for next in self.next.iter_mut().chain([&mut self.start]) {
            if !alive[*next as usize] {
                *next = DEAD;
            }
        }
    }
}

/// The automata of single wishes, whose states together are one of an [`Automaton`].
struct Parts {
    classes: Vec<u32>,
    /// An index of each class; none is in the class 0.
    examples: Vec<usize>,
    prefix: Vec<usize>,
    suffix: Option<Search>,
    contained: Vec<Search>,
    /// The states after each state and index of the regular expressions.
    regexes: Vec<Table>,
    /// The least and the largest length. The last is none where any length will do.
    lengths: (usize, Option<usize>),
}

/// The states of all parts.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Together {
    /// The characters so far, as far as it matters how many.
    length: usize,
    /// The characters of the prefix that are still to come are those from this one on.
    prefix: usize,
    suffix: usize,
    contained: Vec<usize>,
    regexes: Vec<usize>,
}

impl Parts {
    fn of(wishes: &WordConstraint, vocabulary: &Vocabulary) -> Result<Self> {
        let prefix = vocabulary.encode(&wishes.prefix)?;
        let search = |text: &str| {
            Ok(Search {
                pattern: vocabulary.encode(text)?,
            })
        };
        let suffix = match wishes.suffix.is_empty() {
            true => None,
            false => Some(search(&wishes.suffix)?),
        };
        let contains = wishes.contains.iter().filter(|text| !text.is_empty());
        let contained: Vec<Search> = contains.map(|text| search(text)).collect::<Result<_>>()?;
        let patterns = wishes.matching.iter();
        let regexes = patterns.map(|pattern| Table::of_regex(pattern, vocabulary));
        let regexes: Vec<Table> = regexes.collect::<Result<_>>()?;
        let without = |index: usize| wishes.without.contains(&vocabulary.itos(index));

        // Characters that no wish tells apart are of one class.
        let searches = suffix.iter().chain(&contained);
        let named: Vec<usize> = searches
            .flat_map(|search| &search.pattern)
            .chain(&prefix)
            .copied()
            .collect();
        let mut numbers = HashMap::new();
        let (mut classes, mut examples) = (vec![0], vec![0]);
        for index in 1..vocabulary.len() {
            if without(index) {
                classes.push(0);
                continue;
            }
            let name = named.contains(&index).then_some(index);
            let columns = regexes.iter().map(|regex| regex.column(index));
            let columns: Vec<Vec<State>> = columns.collect();
            let class = *numbers.entry((name, columns)).or_insert_with(|| {
                examples.push(index);
                examples.len() as u32 - 1
            });
            classes.push(class);
        }
        Ok(Self {
            classes,
            examples,
            prefix,
            suffix,
            contained,
            regexes,
            lengths: (wishes.min_length, wishes.max_length),
        })
    }

    fn start(&self) -> Together {
        Together {
            length: 0,
            prefix: 0,
            suffix: 0,
            contained: vec![0; self.contained.len()],
            regexes: self.regexes.iter().map(|regex| regex.start).collect(),
        }
    }

    /// The states after a character; `None` if one of them is hopeless.
    fn step(&self, from: &Together, index: usize) -> Option<Together> {
        let mut to = from.clone();
        let (least, largest) = self.lengths;
        if largest.is_some_and(|largest| from.length >= largest) {
            return None;
        }
        to.length = (from.length + 1).min(largest.unwrap_or(least));
        if let Some(&wanted) = self.prefix.get(from.prefix) {
            to.prefix += 1;
            if wanted != index {
                return None;
            }
        }
        if let Some(suffix) = &self.suffix {
            to.suffix = suffix.step(from.suffix, index);
        }
        for (state, search) in to.contained.iter_mut().zip(&self.contained) {
            if *state < search.pattern.len() {
                *state = search.step(*state, index);
            }
        }
        for (state, regex) in to.regexes.iter_mut().zip(&self.regexes) {
            *state = regex.next[*state * regex.width + index] as usize;
        }
        Some(to)
    }

    fn accepts(&self, state: &Together) -> bool {
        let has_suffix = self
            .suffix
            .as_ref()
            .is_none_or(|suffix| state.suffix == suffix.pattern.len());
        let mut contained = state.contained.iter().zip(&self.contained);
        let mut regexes = state.regexes.iter().zip(&self.regexes);
        state.length >= self.lengths.0
            && state.prefix == self.prefix.len()
            && has_suffix
            && contained.all(|(&state, search)| state == search.pattern.len())
            && regexes.all(|(&state, regex)| regex.accepts[state])
    }

    /// All states that words can reach.
    fn explore(self) -> Result<Automaton> {
        let width = self.examples.len();
        let mut numbers = HashMap::from([(self.start(), 1)]);
        let mut states = vec![self.start()];
        // The first row is that of the dead state.
        let (mut next, mut accepts) = (vec![DEAD; width], vec![false]);
        let mut done = 0;
        while let Some(state) = states.get(done).cloned() {
            done += 1;
            accepts.push(self.accepts(&state));
            next.push(DEAD);
            for &example in &self.examples[1..] {
                let to = self.step(&state, example).map(|to| {
                    *numbers.entry(to).or_insert_with_key(|to| {
                        states.push(to.clone());
                        states.len() as State
                    })
                });
                next.push(to.unwrap_or(DEAD));
            }
            if next.len() > MOST || states.len() > MOST_STATES {
                return Err(Error::Wish(
                    "these wishes together take too much memory; fewer or shorter ones would work"
                        .to_owned(),
                ));
            }
        }
        Ok(Automaton {
            classes: self.classes,
            width,
            next,
            accepts,
            start: 1,
        })
    }
}

/// A search for some characters in a word. Its state is the number of them that the word so far ends in.
struct Search {
    pattern: Vec<usize>,
}

impl Search {
    fn step(&self, state: usize, index: usize) -> usize {
        let mut end = self.pattern[..state].to_vec();
        end.push(index);
        let longest = end.len().min(self.pattern.len());
        let is_end = |&length: &usize| end.ends_with(&self.pattern[..length]);
        (0..=longest).rev().find(is_end).unwrap_or(0)
    }
}

/// A regular expression that matches whole words.
#[derive(Debug)]
pub struct Pattern {
    dfa: dense::DFA<Vec<u32>>,
    start: StateID,
}

impl Pattern {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// [`Error::Pattern`] if it is none or takes too much memory.
    pub fn new(pattern: &str) -> Result<Self> {
        let config = dense::Config::new()
            .start_kind(StartKind::Anchored)
            .match_kind(MatchKind::All)
            .dfa_size_limit(Some(MOST_BYTES))
            .determinize_size_limit(Some(MOST_BYTES));
        // By itself, so that a group that is not closed is not closed by ours.
        regex_syntax::parse(pattern).map_err(|error| fault_of(pattern, &kind_of(&error)))?;
        let dfa = dense::Builder::new()
            .configure(config)
            .build(&format!("^(?:{pattern})$"))
            .map_err(|error| fault_of(pattern, &error.to_string()))?;
        let anchored = start::Config::new().anchored(Anchored::Yes);
        let start = dfa
            .start_state(&anchored)
            .map_err(|error| fault_of(pattern, &error.to_string()))?;
        Ok(Self { dfa, start })
    }

    /// Whether it matches a word.
    pub fn matches(&self, word: &str) -> bool {
        let step = |state, byte| self.dfa.next_state(state, byte);
        let end = word.bytes().fold(self.start, step);
        self.dfa.is_match_state(self.dfa.next_eoi_state(end))
    }
}

fn fault_of(pattern: &str, fault: &str) -> Error {
    Error::Pattern {
        pattern: pattern.to_owned(),
        fault: fault.to_owned(),
    }
}

/// The automaton of a regular expression over indices.
struct Table {
    width: usize,
    /// `[states, V]`.
    next: Vec<State>,
    accepts: Vec<bool>,
    start: usize,
}

impl Table {
    /// The automaton of an expression that matches whole words.
    fn of_regex(pattern: &str, vocabulary: &Vocabulary) -> Result<Self> {
        let Pattern { dfa, start: first } = Pattern::new(pattern)?;
        let characters = vocabulary.characters();
        let mut numbers = HashMap::from([(first, 0)]);
        let mut states = vec![first];
        let (mut next, mut accepts) = (Vec::new(), Vec::new());
        let mut done = 0;
        while let Some(&state) = states.get(done) {
            done += 1;
            accepts.push(dfa.is_match_state(dfa.next_eoi_state(state)));
            for character in characters {
                let mut bytes = [0; 4];
                let bytes = character.encode_utf8(&mut bytes).bytes();
                let to: StateID = bytes.fold(state, |state, byte| dfa.next_state(state, byte));
                let number = *numbers.entry(to).or_insert_with(|| {
                    states.push(to);
                    states.len() as State - 1
                });
                next.push(number);
            }
            if next.len() > MOST {
                return Err(fault_of(pattern, "it takes too much memory"));
            }
        }
        Ok(Self {
            width: characters.len(),
            next,
            accepts,
            start: 0,
        })
    }

    /// The states after the character of an index.
    fn column(&self, index: usize) -> Vec<State> {
        let rows = self.next.chunks_exact(self.width);
        rows.map(|row| row[index]).collect()
    }
}

/// The fault of a regular expression, without the picture of its place.
fn kind_of(error: &regex_syntax::Error) -> String {
    match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        error => error.to_string(),
    }
}
