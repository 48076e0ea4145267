//! By which a word list is recognised, whatever files it is cut into.

use std::fmt;

use crc32fast::Hasher;
use serde::{Deserialize, Serialize};

/// A checksum of the words of a list in their order, each trimmed and followed by a line end.
///
/// It does not depend on how the list is split into files, compressed, or where its lines end in
/// CRLF or are blank. It tells apart lists that were mixed up by mistake; it is no protection
/// against someone who wants two lists to look alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// The CRC-32 of the words.
    pub crc32: u32,
    /// How many words there are.
    pub words: u64,
    /// How many characters they have together, start and end tokens not counted.
    pub characters: u64,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self {
            crc32,
            words,
            characters,
        } = self;
        write!(
            f,
            "{words} words, {characters} characters, CRC-32 {crc32:08x}"
        )
    }
}

/// The CRC-32 of a part of a list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checksum {
    hasher: Hasher,
}

impl Checksum {
    /// Adds lines that are not blank and have nothing to trim; the last may lack its end.
    pub fn add_words(&mut self, lines: &[u8]) {
        self.hasher.update(lines);
        if lines.last().is_some_and(|&last| last != b'\n') {
            self.hasher.update(b"\n");
        }
    }

    /// Adds any lines.
    pub fn add_lines(&mut self, lines: &str) {
        let words = lines.split('\n').map(str::trim);
        let mut trimmed = String::with_capacity(lines.len() + 1);
        for word in words.filter(|word| !word.is_empty()) {
            trimmed.push_str(word);
            trimmed.push('\n');
        }
        self.hasher.update(trimmed.as_bytes());
    }

    /// Adds the part that follows this one.
    pub fn append(&mut self, next: &Self) {
        self.hasher.combine(&next.hasher);
    }

    /// The CRC-32 of all parts.
    pub fn crc32(self) -> u32 {
        self.hasher.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_of_a_list_make_the_checksum_of_the_whole(
            words in prop::collection::vec("[a-zé]{1,5}", 0..20),
            cut: prop::sample::Index,
        ) {
            let (one, two) = words.split_at(cut.index(words.len() + 1));
            let text = |words: &[String]| words.iter().map(|word| format!("{word}\n")).collect::<String>();
            let mut parts = Checksum::default();
            parts.add_words(text(one).as_bytes());
            let mut second = Checksum::default();
            second.add_lines(&text(two).replace('\n', " \r\n\n"));
            parts.append(&second);
            prop_assert_eq!(parts.crc32(), crc32fast::hash(text(&words).as_bytes()));
        }
    }
}
