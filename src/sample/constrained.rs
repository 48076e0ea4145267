//! The words that meet constraints, of any that come one after the other.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crate::data::reader::Source;
use crate::data::{Vocabulary, search};
use crate::error::{Error, Result};
use crate::models::Automaton;

/// Constraints on words.
#[derive(Debug, Clone, Copy, Default)]
pub struct Constraints<'a> {
    /// A list that no word may be in. Words are not empty then.
    pub new_to: Option<&'a Source>,
    /// Whether no word comes twice.
    pub unique: bool,
}

/// The number of drawn words in a row that may be in vain.
pub(super) const MOST_IN_VAIN: usize = 10_000;

/// The error of too many words in a row that are in vain.
pub(super) fn gave_up(in_vain: usize, found: u64, wanted: u64) -> Error {
    Error::GaveUp {
        why: format!("gave up after {in_vain} words in a row that were not wanted"),
        found,
        wanted,
    }
}

/// The most words that are looked for in a list at once.
const MOST_AT_ONCE: usize = 1 << 16;

/// An iterator over the first words of another one that meet constraints.
#[derive(Debug)]
pub struct Constrained<'a, W> {
    words: W,
    constraints: Constraints<'a>,
    wanted: u64,
    found: u64,
    /// The words found so far, if none may come twice.
    given: HashSet<String>,
    waiting: VecDeque<String>,
    /// The error that follows after those that wait.
    end: Option<Error>,
    /// The number of words to take next and to look for at once.
    at_once: usize,
    in_vain: usize,
    most_in_vain: usize,
    /// Whether the error was given.
    has_ended: bool,
    wishes: Option<Wishes>,
    /// Whether there are no more words than those found.
    has_all: bool,
}

/// What words that are drawn must be like, to count them where draws are in vain.
#[derive(Debug)]
pub(super) struct Wishes {
    pub automaton: Arc<Automaton>,
    pub vocabulary: Vocabulary,
    /// Whether the empty word is drawn.
    pub has_empty: bool,
}

impl Wishes {
    /// All words that meet them; `None` if they are too many to be listed.
    fn words(&self) -> Option<Vec<String>> {
        let words = self.automaton.words()?.into_iter();
        let words = words.filter(|word| self.has_empty || !word.is_empty());
        Some(words.map(|word| self.vocabulary.decode(&word)).collect())
    }
}

impl<'a, W: Iterator<Item = Result<String>>> Constrained<'a, W> {
    pub(super) fn of(
        words: W,
        wanted: u64,
        constraints: Constraints<'a>,
        most_in_vain: usize,
        wishes: Option<Wishes>,
    ) -> Self {
        Self {
            words,
            constraints,
            wanted,
            found: 0,
            given: HashSet::new(),
            waiting: VecDeque::new(),
            end: None,
            at_once: 16,
            in_vain: 0,
            most_in_vain,
            has_ended: false,
            wishes,
            has_all: false,
        }
    }

    /// Goes on with words of other origin after an error; none that was given comes again. The first origin is
    /// dropped before `words` opens the other one.
    pub fn go_on<V>(self, words: impl FnOnce() -> Result<V>) -> Result<Constrained<'a, V>> {
        drop(self.words);
        Ok(Constrained {
            words: words()?,
            constraints: self.constraints,
            wanted: self.wanted,
            found: self.found,
            given: self.given,
            waiting: self.waiting,
            end: None,
            at_once: self.at_once,
            in_vain: 0,
            most_in_vain: self.most_in_vain,
            has_ended: false,
            wishes: self.wishes,
            has_all: false,
        })
    }

    /// Whether all words that meet the constraints are found, known after the error.
    pub fn has_all(&self) -> bool {
        self.has_all
    }

    /// Where the words come from.
    pub fn words(&self) -> &W {
        &self.words
    }

    /// The words, and the error after them where there are fewer than are wanted. `on_found` is told their number so
    /// far, and says whether more are wanted.
    pub fn found(&mut self, on_found: &mut dyn FnMut(u64) -> bool) -> (Vec<String>, Option<Error>) {
        let mut words = Vec::new();
        for word in self {
            match word {
                Ok(word) => words.push(word),
                Err(error) => return (words, Some(error)),
            }
            if !on_found(words.len() as u64) {
                break;
            }
        }
        (words, None)
    }

    /// Takes some words, and keeps those that meet the constraints.
    fn take(&mut self) -> Result<()> {
        let at_once = match self.constraints.new_to {
            Some(_) => self.at_once,
            None => 1,
        };
        self.at_once = (2 * self.at_once).min(MOST_AT_ONCE);
        let mut taken = Vec::new();
        while taken.len() < at_once && self.end.is_none() {
            match self.words.next() {
                Some(Ok(word)) => taken.push(word),
                Some(Err(error)) => self.end = Some(error),
                None => {
                    self.end = Some(Error::GaveUp {
                        why: "there are no more such words".to_owned(),
                        found: 0,
                        wanted: 0,
                    });
                }
            }
        }
        let known = match self.constraints.new_to {
            Some(list) => search::known(list, taken.iter().map(String::as_str))?,
            None => HashSet::new(),
        };
        for word in &taken {
            let is_empty = self.constraints.new_to.is_some() && word.is_empty();
            let is_new = !is_empty && !known.contains(word.as_str());
            if is_new && (!self.constraints.unique || self.given.insert(word.clone())) {
                self.waiting.push_back(word.clone());
                self.in_vain = 0;
            } else {
                self.in_vain += 1;
            }
        }
        Ok(())
    }

    /// The error after the words found; it says how many these are.
    fn end(&mut self) -> Error {
        let (found, wanted) = (self.found, self.wanted);
        let gave_up = match self.end.take() {
            Some(Error::GaveUp { why, .. }) => Error::GaveUp { why, found, wanted },
            Some(error) => return error,
            None => gave_up(self.in_vain, found, wanted),
        };
        match self.too_few() {
            Ok(Some(why)) => Error::GaveUp { why, found, wanted },
            Ok(None) => gave_up,
            Err(error) => error,
        }
    }

    /// The reason of an end where there are fewer words than are wanted.
    fn too_few(&mut self) -> Result<Option<String>> {
        let Some(words) = self.wishes.as_ref().and_then(Wishes::words) else {
            return Ok(None);
        };
        let words = words.iter().map(String::as_str);
        let (new, all) = match self.constraints.new_to {
            None => ("", words.count()),
            Some(list) => {
                let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
                let known = search::known(list, words.iter().copied())?;
                ("new ", words.len() - known.len())
            }
        };
        let all = all as u64;
        self.has_all = self.found == all;
        if all > 0 && (!self.constraints.unique || all >= self.wanted) {
            return Ok(None);
        }
        Ok(Some(match all {
            0 => format!("no {new}word meets the wishes"),
            1 => format!("only 1 {new}word meets the wishes"),
            all => format!("only {all} {new}words meet the wishes"),
        }))
    }
}

impl<W: Iterator<Item = Result<String>>> Iterator for Constrained<'_, W> {
    type Item = Result<String>;

    /// The next word; none after an error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.found == self.wanted || self.has_ended {
            return None;
        }
        while self.waiting.is_empty() && self.in_vain < self.most_in_vain && self.end.is_none() {
            if let Err(error) = self.take() {
                self.end = Some(error);
            }
        }
        if let Some(word) = self.waiting.pop_front() {
            self.found += 1;
            return Some(Ok(word));
        }
        self.has_ended = true;
        Some(Err(self.end()))
    }
}
