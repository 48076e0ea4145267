//! Words in memory: indices of characters, and a random subset of a list.

use super::split::Permutation;
use super::vocabulary::Vocabulary;
use crate::error::Result;

/// Words in memory by the indices of their characters, two bytes each.
#[derive(Debug, Clone, Default)]
pub struct WordList {
    /// The indices of all words, one after the other.
    indices: Vec<u16>,
    /// Where each word ends in them.
    ends: Vec<usize>,
}

impl WordList {
    /// Appends a word.
    ///
    /// # Errors
    ///
    /// [`Error::Word`](crate::error::Error::Word) if it has a character that the vocabulary does not have.
    pub fn push(&mut self, word: &str, vocabulary: &Vocabulary) -> Result<()> {
        let indices = vocabulary.encode(word)?;
        self.indices
            .extend(indices.into_iter().map(|index| index as u16));
        self.ends.push(self.indices.len());
        Ok(())
    }

    /// How many words there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The number of characters of the longest word.
    pub fn longest(&self) -> usize {
        self.iter().map(<[u16]>::len).max().unwrap_or(0)
    }

    /// The words, by their indices.
    pub fn iter(&self) -> impl Iterator<Item = &[u16]> {
        (0..self.len()).map(|place| self.word(place))
    }

    /// The word at a place, by its indices.
    pub(crate) fn word(&self, place: usize) -> &[u16] {
        let begin = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.indices[begin..self.ends[place]]
    }
}

/// A random subset of the words of a list, which follows from a seed. The words are asked for one
/// after the other.
#[derive(Debug)]
pub struct Subset {
    order: Permutation,
    most: u64,
    /// The place of the next word.
    place: u64,
}

impl Subset {
    /// `most` of so many words at most.
    pub fn new(words: u64, most: u64, seed: u64) -> Self {
        Self {
            order: Permutation::new(words, seed),
            most,
            place: 0,
        }
    }

    /// Whether the next word belongs to it.
    pub fn takes_next(&mut self) -> bool {
        let place = self.order.of(self.place);
        self.place += 1;
        place < self.most
    }
}
