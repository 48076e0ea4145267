//! Words that were read several times, to count or to evaluate each once.
//!
//! Lists made of texts repeat their words, and one look for a word is faster than one for each of
//! its characters.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// How many words are kept at most, so that they stay in the processor's cache.
const MOST: usize = 1 << 15;

/// The bytes after which no more words are kept.
const MOST_BYTES: usize = 1 << 19;

/// Rounds without a search for repeated words, after a round that had few.
const DISTINCT_ROUNDS: u32 = 15;

/// Words in the order in which they came first, each with how often it came; where few words are
/// repeated, some are there more than once.
#[derive(Debug, Default)]
pub(crate) struct RepeatedWords {
    words: Vec<Word>,
    /// The words one after the other.
    text: String,
    /// The places of words in `words`, by their hashes.
    places: HashTable<u32>,
    hasher: FixedState,
    /// Rounds left without a search for repeated words.
    distinct: u32,
}

#[derive(Debug)]
struct Word {
    hash: u64,
    end: usize,
    count: u64,
}

impl RepeatedWords {
    /// Whether no more words are to be added.
    pub fn is_full(&self) -> bool {
        self.words.len() >= MOST || self.text.len() >= MOST_BYTES
    }

    #[inline]
    pub fn add(&mut self, word: &str) {
        let Self {
            words,
            text,
            places,
            hasher,
            distinct,
        } = self;
        if *distinct > 0 {
            text.push_str(word);
            let (hash, end, count) = (0, text.len(), 1);
            return words.push(Word { hash, end, count });
        }
        let hash = hasher.hash_one(word);
        let is_same = |&place: &u32| {
            let place = place as usize;
            words[place].hash == hash && &text[start(words, place)..words[place].end] == word
        };
        match places.entry(hash, is_same, |&place| words[place as usize].hash) {
            Entry::Occupied(place) => words[*place.get() as usize].count += 1,
            Entry::Vacant(vacant) => {
                vacant.insert(words.len() as u32);
                text.push_str(word);
                let end = text.len();
                words.push(Word {
                    hash,
                    end,
                    count: 1,
                });
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

    /// Forgets all words.
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
            words.add(word);
        }
        let counted: Vec<(&str, u64)> = words.iter().collect();
        assert_eq!(counted, [("emma", 3), ("zoë", 2), ("em", 1)]);
        words.clear();
        assert_eq!(words.iter().next(), None);
        assert!(!words.is_full());
        (0..MOST).for_each(|word| words.add(&word.to_string()));
        assert!(words.is_full());
    }
}
