//! Finding words in a list without keeping it.

use std::collections::{HashMap, HashSet};

use strum::VariantArray;

use super::parts::Parts;
use super::reader::{Blocks, Source};
use super::split::Part;
use crate::error::Result;

/// Which of some words are words of a list, in memory that does not grow with the list.
///
/// # Errors
///
/// If the list cannot be read.
pub fn known<'a>(
    source: &Source,
    words: impl IntoIterator<Item = &'a str>,
) -> Result<HashSet<&'a str>> {
    let words: HashSet<&str> = words.into_iter().collect();
    let longest = words.iter().map(|word| word.len()).max().unwrap_or(0);
    // By their first byte, which rules most lines out.
    let mut begins = [false; 256];
    for word in &words {
        if let Some(&first) = word.as_bytes().first() {
            begins[usize::from(first)] = true;
        }
    }
    let mut found = HashSet::new();
    let mut blocks = Blocks::of(source);
    let mut block = Vec::new();
    while blocks.next(&mut block).is_some() {
        for line in String::from_utf8_lossy(&block).split('\n') {
            let line = line.trim();
            let first = line.as_bytes().first();
            if line.len() <= longest
                && first.is_some_and(|&first| begins[usize::from(first)])
                && let Some(&word) = words.get(line)
            {
                found.insert(word);
            }
        }
    }
    blocks.finish()?;
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
    let words: HashSet<&str> = words.into_iter().collect();
    let mut found = HashMap::new();
    parts.each_word_here(Part::VARIANTS, |part, word| {
        if let Some(&word) = words.get(word) {
            let first = found.entry(word).or_insert(part);
            *first = part.min(*first);
        }
        Ok(())
    })?;
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
