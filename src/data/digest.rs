//! Digest of a word list: its checksum and sizes, whatever files it is cut into.

use std::fmt;

use crc32fast::Hasher;
use serde::{Deserialize, Serialize};

use super::tidy::Tidy;

/// A checksum of the words of a list in their order, each trimmed and followed by a line end.
///
/// The digest does not depend on how the list is split into files, compressed, or where its lines
/// end in CRLF or are blank. It tells apart lists that were mixed up by mistake; it is no
/// protection against someone who wants two lists to look alike.
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

/// The digest of a list as it is read, or of a part of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Digester {
    crc32: Hasher,
    words: u64,
    characters: u64,
}

impl Digester {
    /// Adds the words that follow.
    pub fn add(&mut self, tidy: &Tidy) {
        self.crc32.update(tidy.text.as_bytes());
        self.words += tidy.words as u64;
        self.characters += tidy.characters as u64;
    }

    /// Adds the part that follows this one.
    pub fn append(&mut self, next: &Self) {
        self.crc32.combine(&next.crc32);
        self.words += next.words;
        self.characters += next.characters;
    }

    /// How many words there were.
    pub fn words(&self) -> u64 {
        self.words
    }

    /// The digest of all parts.
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
