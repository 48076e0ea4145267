//! The vocabulary: the indices of characters (`stoi` and `itos` of the notes).

use std::collections::HashMap;

use super::words::{MAX_CHARACTERS, Words};
use crate::error::{Error, Result};

/// `V` characters with their indices: the start/end token at 0, the others sorted from 1.
///
/// Source: the notes, "Numericallization".
///
/// ```
/// # use makemore_tch::Vocabulary;
/// let vocabulary = Vocabulary::new('.', "banana".chars())?;
/// assert_eq!(vocabulary.encode("ban")?, [2, 1, 3]);
/// assert_eq!(vocabulary.decode(&[2, 1, 3]), "ban");
/// assert_eq!(vocabulary.bigrams("ab")?, [(0, 1), (1, 2), (2, 0)]);
/// # Ok::<(), makemore_tch::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    itos: Vec<char>,
    stoi: HashMap<char, usize>,
}

impl Vocabulary {
    /// A vocabulary of characters, in any order and with repetitions; `boundary` is the start/end token.
    ///
    /// # Errors
    ///
    /// [`Error::Token`] if the token is among the characters or a control character, [`Error::Value`] if
    /// a control character is among them, [`Error::TooManyCharacters`] if more than [`MAX_CHARACTERS`]
    /// are distinct.
    pub fn new(boundary: char, characters: impl IntoIterator<Item = char>) -> Result<Self> {
        let mut itos: Vec<char> = characters.into_iter().collect();
        itos.sort_unstable();
        itos.dedup();
        let refused = |reason| Error::Token {
            token: boundary,
            reason,
        };
        if itos.binary_search(&boundary).is_ok() {
            return Err(refused("it is a character of the words too"));
        }
        if boundary.is_control() {
            return Err(refused("it is a control character"));
        }
        if let Some(&control) = itos.iter().find(|character| character.is_control()) {
            return Err(Error::Value {
                what: "a character of the vocabulary",
                value: format!("U+{:04X}", u32::from(control)),
                expected: "characters that are no control characters would work",
            });
        }
        if itos.len() > MAX_CHARACTERS {
            return Err(Error::TooManyCharacters {
                characters: itos.len(),
                most: MAX_CHARACTERS,
            });
        }
        itos.insert(0, boundary);
        let stoi = itos.iter().enumerate().map(|(i, &c)| (c, i)).collect();
        Ok(Self { itos, stoi })
    }

    /// The vocabulary of a word list.
    ///
    /// # Errors
    ///
    /// None for a list that was read, and so checked.
    pub fn of(words: &Words) -> Result<Self> {
        Self::new(words.boundary(), words.characters().iter().copied())
    }

    /// `V`: the number of characters, the start/end token included.
    #[expect(
        clippy::len_without_is_empty,
        reason = "the start/end token is always there"
    )]
    pub fn len(&self) -> usize {
        self.itos.len()
    }

    /// The character that begins and ends every word; its index is 0.
    pub fn boundary(&self) -> char {
        self.itos[0]
    }

    /// All characters in the order of their indices.
    pub fn characters(&self) -> &[char] {
        &self.itos
    }

    /// The index of a character.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownCharacter`] if the vocabulary does not have it.
    pub fn stoi(&self, character: char) -> Result<usize> {
        self.stoi.get(&character).copied().ok_or_else(|| {
            let mut vocabulary: String = self.itos.iter().take(60).collect();
            if self.itos.len() > 60 {
                vocabulary.push('…');
            }
            Error::UnknownCharacter {
                character,
                vocabulary,
            }
        })
    }

    /// Whether words may have all characters of another vocabulary, whose start/end token is not looked at.
    pub fn includes(&self, other: &Self) -> bool {
        let mut characters = other.itos[1..].iter();
        characters.all(|character| self.stoi.get(character).is_some_and(|&index| index > 0))
    }

    /// The character at an index.
    ///
    /// # Panics
    ///
    /// If the index is not below [`len`](Self::len).
    pub fn itos(&self, index: usize) -> char {
        self.itos[index]
    }

    /// The indices of a word's characters, without the start/end token around them.
    ///
    /// # Errors
    ///
    /// [`Error::Word`], whose source is [`Error::UnknownCharacter`] for a character that the
    /// vocabulary does not have, or [`Error::TokenInWord`] for the start/end token.
    pub fn encode(&self, word: &str) -> Result<Vec<usize>> {
        let index = |character| match self.stoi(character)? {
            0 => Err(Error::TokenInWord { token: character }),
            index => Ok(index),
        };
        let indices: Result<_> = word.chars().map(index).collect();
        indices.map_err(|cause| Error::Word {
            word: word.to_owned(),
            cause: cause.into(),
        })
    }

    /// The word of these indices.
    ///
    /// # Panics
    ///
    /// If an index is not below [`len`](Self::len).
    pub fn decode(&self, indices: &[usize]) -> String {
        indices.iter().map(|&index| self.itos(index)).collect()
    }

    /// A table of the indices of all characters of words, for fast lookups.
    pub(crate) fn encoder(&self) -> Encoder {
        let unknown = self.len() as u16;
        let last = self.itos.iter().map(|&character| character as usize).max();
        let mut indices = vec![unknown; last.unwrap_or(0).max(127) + 1];
        for (index, &character) in self.itos.iter().enumerate().skip(1) {
            indices[character as usize] = index as u16;
        }
        let mut ascii = [0; 128];
        ascii.copy_from_slice(&indices[..128]);
        Encoder {
            ascii,
            all: indices.into(),
            unknown,
        }
    }

    /// The bigrams of a word with its start and end tokens: one more than it has characters. The empty
    /// word, which a model may draw, has one.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn bigrams(&self, word: &str) -> Result<Vec<(usize, usize)>> {
        let mut i = 0;
        let ends = self.encode(word)?.into_iter().chain([0]);
        Ok(ends.map(|j| (std::mem::replace(&mut i, j), j)).collect())
    }
}

/// The index of every character; `V` for unknown ones, such as the start/end token inside a word.
#[derive(Debug)]
pub(crate) struct Encoder {
    ascii: [u16; 128],
    /// Up to the last character of the vocabulary.
    all: Box<[u16]>,
    unknown: u16,
}

impl Encoder {
    /// [`index`](Self::index) of an ASCII character, faster.
    #[inline(always)]
    pub fn ascii(&self, byte: u8) -> u16 {
        self.ascii[usize::from(byte) % self.ascii.len()]
    }

    #[inline(always)]
    pub fn index(&self, character: char) -> u16 {
        let index = self.all.get(character as usize);
        index.copied().unwrap_or(self.unknown)
    }

    /// Whether all characters of a word are known.
    #[inline]
    pub fn knows(&self, word: &str) -> bool {
        word.chars()
            .all(|character| self.index(character) != self.unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_lecture_has_the_token_and_the_alphabet() {
        let vocabulary = Vocabulary::of(&Words::lecture('.').unwrap()).unwrap();
        assert_eq!(
            vocabulary.characters().iter().collect::<String>(),
            ".abcdefghijklmnopqrstuvwxyz"
        );
        assert_eq!(vocabulary.stoi('z').unwrap(), 26);
    }

    #[test]
    fn a_character_without_an_index_is_named_with_its_code_point() {
        let vocabulary = Vocabulary::new('.', "ab".chars()).unwrap();
        let error = vocabulary.encode("aü").unwrap_err();
        assert_eq!(error.to_string(), "in the word \"aü\"");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            cause.starts_with("the character 'ü' (U+00FC)") && cause.ends_with(".ab"),
            "{cause}"
        );
        assert!(vocabulary.bigrams("a.b").is_err());
        assert_eq!(vocabulary.bigrams("").unwrap(), [(0, 0)]);
    }

    #[test]
    fn the_token_is_no_character_of_a_word() {
        assert!(Vocabulary::new('a', "banana".chars()).is_err());
    }

    #[test]
    fn control_characters_are_refused() {
        assert!(Vocabulary::new('\n', "ab".chars()).is_err());
        assert!(Vocabulary::new('.', "a\u{1B}b".chars()).is_err());
    }

    proptest! {
        #[test]
        fn encode_then_decode_is_the_identity(word in "[^.\\p{Cc}]{0,20}") {
            let vocabulary = Vocabulary::new('.', word.chars()).unwrap();
            let indices = vocabulary.encode(&word).unwrap();
            prop_assert_eq!(vocabulary.decode(&indices), word);
        }
    }
}
