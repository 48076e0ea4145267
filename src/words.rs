//! Word lists: one word a line, read once and checked while they are read.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{Error, LineFault, MAX_CHARACTERS, Result};

/// The 32,033 names of the lecture.
const LECTURE: &str = include_str!("../assets/names.txt");

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
        Self::parse("the built-in names", LECTURE, boundary)
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is no word list (see [`Words::parse`]).
    pub fn open(path: &Path, boundary: char) -> Result<Self> {
        let file = path.display().to_string();
        if path.is_dir() {
            return Err(Error::Folder { file });
        }
        match File::open(path) {
            Ok(opened) => Self::read(file, opened, boundary),
            Err(reason) => Err(Error::Read { file, reason }),
        }
    }

    /// Reads standard input to its end.
    ///
    /// # Errors
    ///
    /// As [`Words::open`].
    pub fn stdin(boundary: char) -> Result<Self> {
        Self::read("standard input".to_owned(), io::stdin().lock(), boundary)
    }

    fn read(origin: String, mut reader: impl Read, boundary: char) -> Result<Self> {
        let mut bytes = Vec::new();
        if let Err(reason) = reader.read_to_end(&mut bytes) {
            return Err(Error::Read {
                file: origin,
                reason,
            });
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            Error::Line {
                file: origin.clone(),
                line: 1 + valid.iter().filter(|&&byte| byte == b'\n').count(),
                fault: LineFault::Utf8,
            }
        })?;
        Self::parse(origin, text, boundary)
    }

    /// Checks a text; `origin` is what errors call it.
    ///
    /// # Errors
    ///
    /// [`Error::Line`] for the boundary or a control character inside a word and for more than
    /// [`MAX_CHARACTERS`] distinct characters, [`Error::NoWords`] if there is none.
    pub fn parse(
        origin: impl Into<String>,
        text: impl Into<Cow<'static, str>>,
        boundary: char,
    ) -> Result<Self> {
        let (origin, text) = (origin.into(), text.into());
        let mut seen = vec![false; char::MAX as usize + 1];
        let mut distinct = 0;
        let mut len = 0;
        for (index, word) in lines(&text).enumerate() {
            let fault = |fault| Error::Line {
                file: origin.clone(),
                line: index + 1,
                fault,
            };
            len += usize::from(!word.is_empty());
            for character in word.chars() {
                if seen[character as usize] {
                    continue;
                }
                if character == boundary {
                    return Err(fault(LineFault::Boundary(boundary)));
                }
                if character.is_control() {
                    return Err(fault(LineFault::Control(character)));
                }
                if distinct == MAX_CHARACTERS {
                    return Err(fault(LineFault::TooManyCharacters));
                }
                seen[character as usize] = true;
                distinct += 1;
            }
        }
        if len == 0 {
            return Err(Error::NoWords { file: origin });
        }
        let characters = ('\0'..=char::MAX)
            .filter(|&character| seen[character as usize])
            .collect();
        Ok(Self {
            origin,
            text,
            boundary,
            len,
            characters,
        })
    }

    /// The words, in the order of the list.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        lines(&self.text).filter(|word| !word.is_empty())
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

    /// The SHA-256 of the list as it was read, in hexadecimal.
    pub fn sha256(&self) -> String {
        base16ct::lower::encode_string(&Sha256::digest(self.text.as_bytes()))
    }
}

/// The trimmed lines of a text, blank ones included.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    text.lines().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &'static str) -> Vec<String> {
        let words = Words::parse("list", text, '.').unwrap();
        words.iter().map(str::to_owned).collect()
    }

    fn fault(bytes: &[u8]) -> String {
        Words::read("list".to_owned(), bytes, '.')
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn the_lecture_has_its_published_size_and_checksum() {
        let names = Words::lecture(BOUNDARY).unwrap();
        assert_eq!(names.len(), 32_033);
        assert_eq!(names.iter().next(), Some("emma"));
        assert_eq!(
            names.sha256(),
            "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d"
        );
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
        assert_eq!(
            fault(b"emma\n\xFF\n"),
            "list:2: not valid UTF-8; save the list as UTF-8"
        );
        assert!(fault(b"emma\n\nst. ives\n").starts_with("list:3: the word has a '.'"));
        assert!(fault(b"em\x07ma\n").starts_with("list:1: a control character (U+0007)"));
        assert!(fault(b"em\rma\n").starts_with("list:1: a control character (U+000D)"));
        assert!(fault(b" \r\n\n").starts_with("list: no words"));
        assert!(fault(b"").starts_with("list: no words"));
    }

    #[test]
    fn the_4097th_distinct_character_is_refused_where_it_stands() {
        let characters = ('\u{4E00}'..).take(MAX_CHARACTERS + 1);
        let mut text: String = characters.flat_map(|character| [character, '\n']).collect();
        assert!(fault(text.as_bytes()).starts_with("list:4097: more than 4096 distinct"));
        text.truncate(text.len() - 4);
        assert!(Words::parse("list", text, '.').is_ok());
    }

    proptest! {
        #[test]
        fn reading_any_bytes_never_panics(bytes: Vec<u8>) {
            let _ = Words::read("list".to_owned(), bytes.as_slice(), '.');
        }

        #[test]
        fn every_line_of_printable_text_is_a_word(list in prop::collection::vec("[^.\\p{Cc}\\s\u{FEFF}]{1,8}", 1..20)) {
            let words = Words::parse("list", list.join("\n"), '.').unwrap();
            prop_assert_eq!(words.iter().collect::<Vec<_>>(), list);
        }
    }
}
