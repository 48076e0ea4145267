//! The digest of a word list: its checksum and sizes.

use std::fmt;

use crc32fast::Hasher;
use serde::{Deserialize, Serialize};

use super::tidy::Tidy;

/// The checksum of the words of a list in their order, each trimmed and followed by a line end, and
/// their numbers.
///
/// The digest does not depend on the division into files, compression, line ends (LF or CRLF) and blank
/// lines. It detects lists that were confused by mistake, and not forged ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// The CRC-32 of the words.
    pub crc32: u32,
    /// The number of words.
    pub words: u64,
    /// The number of their characters, without start and end tokens.
    pub characters: u64,
}

impl Digest {
    /// The digest of a list in which words occur several times.
    pub(crate) fn with_counts(self, counts: Option<&[u64]>) -> Self {
        let mut crc32 = Hasher::new_with_initial(self.crc32);
        for count in counts.unwrap_or_default() {
            crc32.update(&count.to_le_bytes());
        }
        Self {
            crc32: crc32.finalize(),
            ..self
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "{} words with {} characters",
            self.words, self.characters
        )
    }
}

/// Computes a digest while a list, or a section of it, is read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Digester {
    crc32: Hasher,
    /// The number of bytes, line ends included.
    bytes: u64,
    words: u64,
    characters: u64,
}

impl Digester {
    /// Adds the words that follow.
    pub fn add(&mut self, tidy: &Tidy) {
        self.crc32.update(tidy.text.as_bytes());
        self.bytes += tidy.text.len() as u64;
        self.words += tidy.words as u64;
        self.characters += tidy.characters as u64;
    }

    /// Appends the section of the list that follows this one.
    pub fn append(&mut self, next: &Self) {
        self.crc32.combine(&next.crc32);
        self.bytes += next.bytes;
        self.words += next.words;
        self.characters += next.characters;
    }

    /// The digest of a section and the number of its bytes, from which [`of_section`](Self::of_section)
    /// makes it again.
    pub fn section(self) -> (Digest, u64) {
        let bytes = self.bytes;
        (self.digest(), bytes)
    }

    /// The digester of a section that another process has read.
    pub fn of_section((digest, bytes): (Digest, u64)) -> Self {
        Self {
            crc32: Hasher::new_with_initial_len(digest.crc32, bytes),
            bytes,
            words: digest.words,
            characters: digest.characters,
        }
    }

    /// The number of words so far.
    pub fn words(&self) -> u64 {
        self.words
    }

    /// The digest of all words added.
    pub fn digest(self) -> Digest {
        Digest {
            crc32: self.crc32.finalize(),
            words: self.words,
            characters: self.characters,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tidy::Tidier;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_of_a_list_make_the_digest_of_the_whole(
            words in prop::collection::vec("[a-zé]{1,5}", 0..20),
            cut: prop::sample::Index,
        ) {
            let text = |words: &[String]| words.iter().map(|word| format!("{word}\n")).collect::<String>();
            let (one, two) = words.split_at(cut.index(words.len() + 1));
            let mut tidier = Tidier::new('.');
            let mut parts = Digester::default();
            parts.add(&tidier.tidy(text(one).as_bytes()));
            let mut second = Digester::default();
            second.add(&tidier.tidy(text(two).replace('\n', " \r\n\n").as_bytes()));
            parts.append(&second);
            let expected = Digest {
                crc32: crc32fast::hash(text(&words).as_bytes()),
                words: words.len() as u64,
                characters: words.concat().chars().count() as u64,
            };
            prop_assert_eq!(parts.digest(), expected);
        }
    }
}
