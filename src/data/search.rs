//! Finding words in a list, without holding the list in memory.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use strum::VariantArray;

use super::parts::Parts;
use super::pass::threads;
use super::reader::Source;
use super::split::Part;
use super::words::each_tidy;
use crate::error::Result;

/// The words to find, with a hash that is fast: every word of a list is looked up.
type Wanted<'a> = HashSet<&'a str, RandomState>;

/// Finds those of some words that are in a list.
///
/// # Errors
///
/// If the list cannot be read.
pub fn known<'a>(
    source: &Source,
    words: impl IntoIterator<Item = &'a str>,
) -> Result<HashSet<&'a str>> {
    let wanted: Wanted = words.into_iter().collect();
    let mut found = HashSet::new();
    each_tidy(source, None, |tidy, _| {
        found.extend(tidy.text.lines().filter_map(|word| wanted.get(word)));
        Ok(())
    })?;
    Ok(found)
}

/// The number of distinct words that a list has more than once. All words are kept in memory.
///
/// # Errors
///
/// If the list cannot be read.
pub fn repeated(source: &Source) -> Result<usize> {
    if let Some(counts) = source.counts() {
        return Ok(counts.iter().filter(|&&count| count > 1).count());
    }
    let mut times: HashMap<String, usize, RandomState> = HashMap::default();
    each_tidy(source, None, |tidy, _| {
        for word in tidy.text.lines() {
            match times.get_mut(word) {
                Some(times) => *times += 1,
                None => drop(times.insert(word.to_owned(), 1)),
            }
        }
        Ok(())
    })?;
    Ok(times.into_values().filter(|&times| times > 1).count())
}

/// Finds the parts that some words are in: of several parts the first, of no part no entry.
///
/// # Errors
///
/// If a list cannot be read or has changed.
pub fn parts_of<'a>(
    parts: &Parts,
    words: impl IntoIterator<Item = &'a str>,
) -> Result<HashMap<&'a str, Part>> {
    let wanted: Wanted = words.into_iter().collect();
    let mut workers = vec![HashMap::new(); threads()];
    let keep_first = |found: &mut HashMap<&'a str, Part>, word, part: Part| {
        let first = found.entry(word).or_insert(part);
        *first = part.min(*first);
    };
    parts.each_word(Part::VARIANTS, &mut workers, |found, part, word, _| {
        if let Some(&word) = wanted.get(word) {
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
        assert_eq!(repeated(&list).unwrap(), 0);
        let list = Source::text("list", "emma\nava\n emma\nmia\nemma\nava\n");
        assert_eq!(repeated(&list).unwrap(), 2);
    }
}
