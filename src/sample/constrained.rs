//! The words that meet constraints, of any that come one after the other.

use std::collections::{HashSet, VecDeque};

use crate::data::reader::Source;
use crate::data::search;
use crate::error::{Error, Result};

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
}

impl<'a, W: Iterator<Item = Result<String>>> Constrained<'a, W> {
    pub(super) fn of(
        words: W,
        wanted: u64,
        constraints: Constraints<'a>,
        most_in_vain: usize,
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
        })
    }

    /// Where the words come from.
    pub fn words(&self) -> &W {
        &self.words
    }

    /// The words, and the error if there were no more after them or an interrupt ended the search. `on_found` is told their number so far, and
    /// says whether more are wanted.
    ///
    /// # Errors
    ///
    /// Any other error of where they come from.
    pub fn found(
        &mut self,
        on_found: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(Vec<String>, Option<Error>)> {
        let mut words = Vec::new();
        for word in self {
            match word {
                Err(error @ (Error::GaveUp { .. } | Error::Interrupted)) => {
                    return Ok((words, Some(error)));
                }
                word => words.push(word?),
            }
            if !on_found(words.len() as u64) {
                break;
            }
        }
        Ok((words, None))
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
        match self.end.take() {
            Some(Error::GaveUp { why, .. }) => Error::GaveUp { why, found, wanted },
            Some(error) => error,
            None => gave_up(self.in_vain, found, wanted),
        }
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
