//! Finding words in a list without keeping it.

use std::collections::{HashMap, HashSet};

use strum::VariantArray;

use super::parts::Parts;
use super::pass::threads;
use super::reader::Source;
use super::split::Part;
use super::tidy::Tidier;
use super::words::each_tidy;
use crate::error::Result;

/// Words to find.
struct Wanted<'a> {
    words: HashSet<&'a str>,
    /// Lengths of the words by their first byte, as bits: they rule most other words out.
    lengths: [u64; 256],
}

impl<'a> Wanted<'a> {
    fn of(words: impl IntoIterator<Item = &'a str>) -> Self {
        let words: HashSet<&str> = words.into_iter().collect();
        let mut lengths = [0; 256];
        for word in &words {
            if let Some(&first) = word.as_bytes().first() {
                lengths[usize::from(first)] |= bit_of_length(word);
            }
        }
        Self { words, lengths }
    }

    #[inline]
    fn find(&self, word: &str) -> Option<&'a str> {
        let first = usize::from(*word.as_bytes().first()?);
        let is_likely = self.lengths[first] & bit_of_length(word) != 0;
        is_likely.then(|| self.words.get(word).copied())?
    }
}

/// All long words have the last bit.
#[inline]
fn bit_of_length(word: &str) -> u64 {
    1 << word.len().min(63)
}

/// Finds which of some words are in a list, in memory that does not grow with the list.
///
/// # Errors
///
/// If the list cannot be read.
pub fn known<'a>(
    source: &Source,
    words: impl IntoIterator<Item = &'a str>,
) -> Result<HashSet<&'a str>> {
    let wanted = Wanted::of(words);
    let mut found = HashSet::new();
    each_tidy(source, &mut Tidier::of_checked(), |tidy| {
        found.extend(tidy.text.lines().filter_map(|word| wanted.find(word)));
        Ok(())
    })?;
    Ok(found)
}

/// The parts that some words are in, the train part before the others; those that are in none are
/// left out.
///
/// # Errors
///
/// If a list cannot be read or has changed.
pub fn parts_of<'a>(
    parts: &Parts,
    words: impl IntoIterator<Item = &'a str>,
) -> Result<HashMap<&'a str, Part>> {
    let wanted = Wanted::of(words);
    let mut workers = vec![HashMap::new(); threads()];
    let keep_first = |found: &mut HashMap<&'a str, Part>, word, part: Part| {
        let first = found.entry(word).or_insert(part);
        *first = part.min(*first);
    };
    parts.each_word(Part::VARIANTS, &mut workers, |found, part, word| {
        if let Some(word) = wanted.find(word) {
            keep_first(found, word, part);
        }
        Ok(())
    })?;
    let mut found = workers.pop().unwrap_or_default();
    for (word, part) in workers.into_iter().flatten() {
        keep_first(&mut found, word, part);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whatever_is_around_them() {
        let list = Source::text("list", "emma\n  zo\u{EB}\t\r\n\nNew York\nolivia");
        let found = known(&list, ["zo\u{EB}", "York", "New York", "olivia", "em", ""]).unwrap();
        assert_eq!(found, HashSet::from(["zo\u{EB}", "New York", "olivia"]));
    }
}
