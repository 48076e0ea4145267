//! Word lists in memory: one word a line, checked.
//!
//! [`Source`](crate::Source) reads lists from files and counts those that are too large for memory.

use std::borrow::Cow;

use crate::counts::BigramCounts;
use crate::error::{Error, Result};

/// The 32,033 names of the lecture.
pub(crate) const LECTURE: &str = include_str!("../assets/names.txt");

/// What they are called.
pub(crate) const LECTURE_NAME: &str = "the built-in names";

/// What may stand at the beginning of a text in UTF-8.
pub(crate) const BYTE_ORDER_MARK: &str = "\u{FEFF}";

/// The boundary token of the lecture: it begins and ends every word.
pub const BOUNDARY: char = '.';

/// A checked list of words.
///
/// One word a line in UTF-8. Lines end in LF or CRLF, a byte-order mark may come first, white
/// space around a word is trimmed and blank lines are skipped. A word is a sequence of Unicode
/// scalar values without control characters and without the boundary; spaces inside are allowed.
///
/// ```
/// let towns = makemore_tch::Words::parse("towns", "Ulm\nBad Tölz\n", '.')?;
/// assert_eq!(towns.iter().collect::<Vec<_>>(), ["Ulm", "Bad Tölz"]);
/// # Ok::<(), makemore_tch::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Words {
    origin: String,
    text: Cow<'static, str>,
    boundary: char,
    len: usize,
    characters: Vec<char>,
}

impl Words {
    /// The lecture's names, which are part of the crate.
    ///
    /// # Errors
    ///
    /// None with the lecture's own boundary; a letter as boundary is refused.
    pub fn lecture(boundary: char) -> Result<Self> {
        Self::parse(LECTURE_NAME, LECTURE, boundary)
    }

    /// Checks a text; `origin` is what errors call it.
    ///
    /// # Errors
    ///
    /// [`Error::Line`] for the boundary or a control character inside a word and for more than
    /// [`MAX_CHARACTERS`](crate::error::MAX_CHARACTERS) distinct characters, [`Error::NoWords`] if there is none.
    pub fn parse(
        origin: impl Into<String>,
        text: impl Into<Cow<'static, str>>,
        boundary: char,
    ) -> Result<Self> {
        let (origin, text) = (origin.into(), text.into());
        let counts = BigramCounts::of_text(&origin, unmarked(&text), boundary)?;
        if counts.words() == 0 {
            return Err(Error::NoWords { file: origin });
        }
        Ok(Self::counted(origin, text, &counts))
    }

    /// A text that was counted, and so checked.
    pub(crate) fn counted(origin: String, text: Cow<'static, str>, counts: &BigramCounts) -> Self {
        let characters = counts.vocabulary().characters();
        Self {
            origin,
            text,
            boundary: characters[0],
            len: counts.words() as usize,
            characters: characters[1..].to_vec(),
        }
    }

    /// The words, in the order of the list.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let lines = self.text().lines().map(str::trim);
        lines.filter(|word| !word.is_empty())
    }

    /// How many words there are; at least one.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a list without words is an error"
    )]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The distinct characters of the words, sorted.
    pub fn characters(&self) -> &[char] {
        &self.characters
    }

    /// The character that begins and ends every word.
    pub fn boundary(&self) -> char {
        self.boundary
    }

    /// What the list is called: its file, or where else it is from.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The list itself, one word a line, not trimmed.
    pub(crate) fn text(&self) -> &str {
        unmarked(&self.text)
    }
}

fn unmarked(text: &str) -> &str {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::MAX_CHARACTERS;
    use proptest::prelude::*;

    fn words(text: &'static str) -> Vec<String> {
        let words = Words::parse("list", text, '.').unwrap();
        words.iter().map(str::to_owned).collect()
    }

    fn fault(text: &str) -> String {
        Words::parse("list", text.to_owned(), '.')
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn the_lecture_has_its_published_size_and_checksum() {
        let names = Words::lecture(BOUNDARY).unwrap();
        assert_eq!(names.len(), 32_033);
        assert_eq!(names.iter().next(), Some("emma"));
    }

    #[test]
    fn mark_line_ends_blank_lines_and_space_around_words_are_no_part_of_them() {
        assert_eq!(
            words("\u{FEFF}emma\r\n\n  \t\r\n New York \nzoë"),
            ["emma", "New York", "zoë"]
        );
    }

    #[test]
    fn each_fault_names_its_line() {
        assert!(fault("emma\n\nst. ives\n").starts_with("list:3: the word has a '.'"));
        assert!(fault("em\x07ma\n").starts_with("list:1: a control character (U+0007)"));
        assert!(fault("em\rma\n").starts_with("list:1: a control character (U+000D)"));
        assert!(fault(" \r\n\n").starts_with("list: no words"));
        assert!(fault("").starts_with("list: no words"));
    }

    #[test]
    fn the_4097th_distinct_character_is_refused_where_it_stands() {
        let characters = ('\u{4E00}'..).take(MAX_CHARACTERS + 1);
        let mut text: String = characters.flat_map(|character| [character, '\n']).collect();
        assert!(fault(&text).starts_with("list:4097: more than 4096 distinct"));
        text.truncate(text.len() - 4);
        assert!(Words::parse("list", text, '.').is_ok());
    }

    proptest! {
        #[test]
        fn every_line_of_printable_text_is_a_word(list in prop::collection::vec("[^.\\p{Cc}\\s\u{FEFF}]{1,8}", 1..20)) {
            let words = Words::parse("list", list.join("\n"), '.').unwrap();
            prop_assert_eq!(words.iter().collect::<Vec<_>>(), list);
        }
    }
}
