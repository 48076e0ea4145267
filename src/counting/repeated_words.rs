//! Equal words grouped, so that each is counted or evaluated once.
//!
//! Lists made of texts repeat their words, and one look-up for a word is faster than one for each of its
//! characters.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use serde::{Deserialize, Serialize};

/// At most so many distinct words, which fit into the processor's cache.
const MOST: usize = 1 << 15;

/// After so many bytes no more words are added, for the same reason.
const MOST_BYTES: usize = 1 << 19;

/// After a round with few repeated words, so many rounds do not look for them.
const DISTINCT_ROUNDS: u32 = 15;

/// Words in the order in which they were first added, each with its count. In lists that seldom repeat
/// words, equal ones may stand apart.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct RepeatedWords {
    words: Vec<Word>,
    /// The text of all words.
    text: String,
    /// The places of words in `words`, by their hashes.
    #[serde(skip)]
    places: HashTable<u32>,
    #[serde(skip)]
    hasher: FixedState,
    /// The number of rounds left that do not look for repeated words.
    distinct: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Word {
    hash: u64,
    /// Its end in the text; the word before ends at its start.
    end: usize,
    count: u64,
}

impl RepeatedWords {
    /// Whether no more words may be added before [`clear`](Self::clear).
    pub fn is_full(&self) -> bool {
        self.words.len() >= MOST || self.text.len() >= MOST_BYTES
    }

    /// The same words, as another process has sent them.
    pub fn received(mut self) -> Self {
        if self.distinct == 0 {
            let words = &self.words;
            for (place, word) in (0..).zip(words) {
                let hash = |&place: &u32| words[place as usize].hash;
                self.places.insert_unique(word.hash, place, hash);
            }
        }
        self
    }

    /// Adds a word that occurs `count` times.
    #[inline]
    pub fn add(&mut self, word: &str, count: u64) {
        let Self {
            words,
            text,
            places,
            hasher,
            distinct,
        } = self;
        if *distinct > 0 {
            text.push_str(word);
            let (hash, end) = (0, text.len());
            return words.push(Word { hash, end, count });
        }
        let hash = hasher.hash_one(word);
        let is_same = |&place: &u32| {
            let place = place as usize;
            words[place].hash == hash && &text[start(words, place)..words[place].end] == word
        };
        match places.entry(hash, is_same, |&place| words[place as usize].hash) {
            Entry::Occupied(place) => words[*place.get() as usize].count += count,
            Entry::Vacant(vacant) => {
                vacant.insert(words.len() as u32);
                text.push_str(word);
                let end = text.len();
                words.push(Word { hash, end, count });
            }
        }
    }

    /// All words with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        (0..self.words.len()).map(|place| {
            let Word { end, count, .. } = self.words[place];
            (&self.text[start(&self.words, place)..end], count)
        })
    }

    /// Removes all words, and begins another round.
    pub fn clear(&mut self) {
        let read: u64 = self.words.iter().map(|word| word.count).sum();
        self.distinct = match self.distinct {
            0 if read < (self.words.len() + self.words.len() / 16) as u64 => DISTINCT_ROUNDS,
            rounds => rounds.saturating_sub(1),
        };
        self.words.clear();
        self.text.clear();
        self.places.clear();
    }
}

fn start(words: &[Word], place: usize) -> usize {
    match place {
        0 => 0,
        place => words[place - 1].end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_kept_once_with_its_count() {
        let mut words = RepeatedWords::default();
        for word in ["emma", "zoë", "emma", "em", "zoë", "emma"] {
            words.add(word, 1);
        }
        let counted: Vec<(&str, u64)> = words.iter().collect();
        assert_eq!(counted, [("emma", 3), ("zoë", 2), ("em", 1)]);
        words.clear();
        assert_eq!(words.iter().next(), None);
        assert!(!words.is_full());
        (0..MOST).for_each(|word| words.add(&word.to_string(), 1));
        assert!(words.is_full());
    }
}
