//! Words in memory as indices of characters, and random subsets of lists.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::split::Permutation;
use super::vocabulary::Vocabulary;
use crate::error::Result;

/// Words in memory by the indices of their characters, two bytes each.
#[derive(Debug, Clone, Default)]
pub struct WordList {
    /// The indices of all words, one after the other.
    indices: Vec<u16>,
    /// The end of each word in `indices`.
    ends: Vec<usize>,
    /// How often the words up to each one occur together; none if each occurs once.
    times: Vec<u64>,
}

impl WordList {
    /// Appends a word that occurs `times` times.
    ///
    /// # Errors
    ///
    /// [`Error::Word`](crate::error::Error::Word) if it has a character that the vocabulary does not have.
    pub fn push(&mut self, word: &str, times: u64, vocabulary: &Vocabulary) -> Result<()> {
        let indices = vocabulary.encode(word)?;
        self.indices
            .extend(indices.into_iter().map(|index| index as u16));
        if times != 1 && self.times.is_empty() {
            self.times = (1..=self.ends.len() as u64).collect();
        }
        self.ends.push(self.indices.len());
        if times != 1 || !self.times.is_empty() {
            let before = self.times.last().unwrap_or(&0);
            self.times.push(before + times);
        }
        Ok(())
    }

    /// The number of words.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no words.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The number of characters of the longest word.
    pub fn longest(&self) -> usize {
        self.iter().map(<[u16]>::len).max().unwrap_or(0)
    }

    /// The words, each by its indices.
    pub fn iter(&self) -> impl Iterator<Item = &[u16]> {
        (0..self.len()).map(|place| self.word(place))
    }

    /// How many words there are, each as often as it occurs.
    pub fn total(&self) -> u64 {
        self.times.last().copied().unwrap_or(self.len() as u64)
    }

    /// How often the word at a place occurs.
    pub fn times(&self, place: usize) -> u64 {
        let up_to = |place: usize| self.times.get(place);
        let before = place.checked_sub(1).and_then(up_to).unwrap_or(&0);
        up_to(place).map_or(1, |up_to| up_to - before)
    }

    /// The number of each word among the distinct ones, which are counted as they come first, and how many
    /// these are.
    pub fn numbers(&self) -> (Vec<u64>, u64) {
        let mut distinct: HashMap<&[u16], u64, RandomState> = HashMap::default();
        let number = |word| {
            let next = distinct.len() as u64;
            *distinct.entry(word).or_insert(next)
        };
        let numbers = self.iter().map(number).collect();
        (numbers, distinct.len() as u64)
    }

    /// The distinct words, each with how often it occurs.
    pub fn distinct(&self) -> Self {
        let (numbers, count) = self.numbers();
        let mut times = vec![0; count as usize];
        let mut distinct = Self::default();
        for (place, &number) in numbers.iter().enumerate() {
            times[number as usize] += self.times(place);
            if number as usize == distinct.len() {
                distinct.indices.extend_from_slice(self.word(place));
                distinct.ends.push(distinct.indices.len());
            }
        }
        if times.iter().any(|&times| times != 1) {
            let up_to = times.iter().scan(0, |sum, times| {
                *sum += times;
                Some(*sum)
            });
            distinct.times = up_to.collect();
        }
        distinct
    }

    /// The number of characters of the distinct words, with their ends.
    pub fn distinct_characters(&self) -> u64 {
        let distinct: HashSet<&[u16], RandomState> = self.iter().collect();
        distinct.iter().map(|word| word.len() as u64 + 1).sum()
    }

    /// The words, each by its indices, as models read them.
    pub fn encoded(&self) -> Vec<Vec<usize>> {
        let words = self.iter();
        words
            .map(|word| word.iter().map(|&index| index.into()).collect())
            .collect()
    }

    /// How often each character occurs, word after word with its end.
    pub fn times_of_characters(&self) -> Vec<f64> {
        let words = self.iter().enumerate().flat_map(|(place, word)| {
            std::iter::repeat_n(self.times(place) as f64, word.len() + 1)
        });
        words.collect()
    }

    /// The word at a place in the list written out, in which each is as often as it occurs.
    pub(crate) fn written_out(&self, place: u64) -> &[u16] {
        match self.times.is_empty() {
            true => self.word(place as usize),
            false => self.word(self.times.partition_point(|&up_to| up_to <= place)),
        }
    }

    /// The word at a place in the list, by its indices.
    pub(crate) fn word(&self, place: usize) -> &[u16] {
        let begin = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.indices[begin..self.ends[place]]
    }
}

/// A random subset of the words of a list, which follows from a seed. The list is read word by word.
#[derive(Debug)]
pub struct Subset {
    order: Permutation,
    most: u64,
    /// The index of the next word.
    place: u64,
}

impl Subset {
    /// A subset of `most` of `words` words, or of all if there are fewer.
    pub fn new(words: u64, most: u64, seed: u64) -> Self {
        Self {
            order: Permutation::new(words, seed),
            most,
            place: 0,
        }
    }

    /// Passes over some words.
    pub fn skip(&mut self, words: u64) {
        self.place += words;
    }

    /// Whether the next word of the list is in the subset.
    pub fn takes_next(&mut self) -> bool {
        let place = self.order.of(self.place);
        self.place += 1;
        place < self.most
    }
}
