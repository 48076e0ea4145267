//! The format of a list: its encoding, and what becomes of its lines.

use std::ops::Not;

use encoding_rs::Encoding;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::columns::Columns;

/// How the lines of a list are read as words. The default is a word a line in UTF-8, kept as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListFormat {
    /// The start/end token, which no word has; if there is none, one is chosen that no word has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boundary: Option<char>,
    /// The encoding; UTF-8 if there is none. A byte-order mark goes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<&'static Encoding>,
    /// The columns; the whole line is the word if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Columns>,
    /// Reads words in lower case.
    #[serde(skip_serializing_if = "Not::not")]
    pub lowercase: bool,
    /// Normalizes words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalization: Option<Normalization>,
    /// Leaves out lines that cannot be words, instead of refusing the list.
    #[serde(skip_serializing_if = "Not::not")]
    pub skip_bad_lines: bool,
}

/// Lines of a list that were left out, since they cannot be words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinesLeftOut {
    /// The number of lines.
    pub lines: u64,
    /// The first one, and the reason.
    pub first: String,
}

/// A normal form of Unicode, in which equal texts have equal characters.
///
/// Source: <https://www.unicode.org/reports/tr15/>.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::EnumString,
    strum::EnumMessage,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Normalization {
    /// Letters with their accents in one character
    Nfc,
    /// Letters and accents apart
    Nfd,
    /// As nfc, and variants of a character, such as ﬁ or full-width letters, as the usual ones
    Nfkc,
}

impl ListFormat {
    /// Whether words differ from the text of their lines.
    pub(super) fn changes_words(self) -> bool {
        self.lowercase || self.normalization.is_some() || self.columns.is_some()
    }

    /// The format of a list beside one of this format, by its first lines, read as UTF-8: they are UTF-8, whatever
    /// the encoding of the other, if they have characters of several bytes and no bad ones.
    pub fn of_other(self, lines: &str) -> Self {
        let is_utf_8 = !lines.is_ascii() && !lines.contains(char::REPLACEMENT_CHARACTER);
        Self {
            encoding: self.encoding.filter(|_| !is_utf_8),
            ..self
        }
    }

    /// A word as the list's format has it.
    ///
    /// ```
    /// use makemore_tch::data::list_format::{ListFormat, Normalization};
    ///
    /// let format = ListFormat {
    ///     lowercase: true,
    ///     normalization: Some(Normalization::Nfc),
    ///     ..ListFormat::default()
    /// };
    /// assert_eq!(format.word("Zoe\u{308}"), "zoë");
    /// ```
    pub fn word(self, word: &str) -> String {
        let word = match self.lowercase {
            true => word.to_lowercase(),
            false => word.to_owned(),
        };
        let word: String = match self.normalization {
            None => return word,
            Some(Normalization::Nfc) => word.nfc().collect(),
            Some(Normalization::Nfd) => word.nfd().collect(),
            Some(Normalization::Nfkc) => word.nfkc().collect(),
        };
        // Characters such as ℃ have capitals only once they are normalized.
        match self.lowercase {
            true => word.to_lowercase(),
            false => word,
        }
    }
}

/// The characters that are not seen, or stand for what was lost when a text was converted.
pub fn unseen(characters: &[char]) -> impl Iterator<Item = char> {
    let is_unseen = |character: &char| {
        matches!(
            character,
            '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{FFFD}'
        )
    };
    characters.iter().copied().filter(is_unseen)
}

/// A character that a list has in one piece and, maybe, also as a letter with a mark of its own.
///
/// ```
/// use makemore_tch::data::list_format::in_two_forms;
///
/// assert_eq!(in_two_forms(&['e', 'z', 'ë', '\u{308}']), Some('ë'));
/// assert_eq!(in_two_forms(&['e', 'z', 'ë']), None);
/// ```
pub fn in_two_forms(characters: &[char]) -> Option<char> {
    let has_pieces = |character: &&char| {
        let mut pieces = std::iter::once(**character).nfd();
        pieces.clone().count() > 1 && pieces.all(|piece| characters.contains(&piece))
    };
    characters.iter().find(has_pieces).copied()
}
