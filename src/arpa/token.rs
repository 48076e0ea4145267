//! The tokens of an ARPA file.
//!
//! White space stands between tokens and cannot be one, so white-space characters are written as their
//! code points: a space is `<U+0020>`. All other characters are written as they are, as one character,
//! so the code cannot be confused with them. Other programs have other tokens for the space.

pub(super) const START: &str = "<s>";
pub(super) const END: &str = "</s>";
pub(super) const UNKNOWN: &str = "<unk>";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Token {
    Start,
    End,
    Unknown,
    Character(char),
}

impl Token {
    /// Parses a token; none if the text is more than one character.
    pub fn of(text: &str) -> Option<Self> {
        match text {
            START | "<S>" => Some(Self::Start),
            END | "</S>" => Some(Self::End),
            UNKNOWN | "<UNK>" => Some(Self::Unknown),
            "<space>" | "<SPACE>" | "<sp>" => Some(Self::Character(' ')),
            text => character_of(text).map(Self::Character),
        }
    }
}

/// The text of a character in a file.
pub(super) fn text_of(character: char) -> String {
    match character.is_whitespace() {
        true => format!("<U+{:04X}>", u32::from(character)),
        false => character.to_string(),
    }
}

fn character_of(text: &str) -> Option<char> {
    let mut characters = text.chars();
    if let (Some(character), None) = (characters.next(), characters.next()) {
        return Some(character);
    }
    let code = text.strip_prefix("<U+")?.strip_suffix('>')?;
    let is_hexadecimal = code.bytes().all(|byte| byte.is_ascii_hexdigit());
    let code = is_hexadecimal.then(|| u32::from_str_radix(code, 16).ok())?;
    char::from_u32(code?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_written_as_its_code_point_and_read_again() {
        assert_eq!(text_of(' '), "<U+0020>");
        assert_eq!(text_of('\u{3000}'), "<U+3000>");
        assert_eq!(text_of('<'), "<");
        for character in [' ', '\u{A0}', '\u{2028}', 'a', '日', '🦀', '<', '+'] {
            let token = Token::of(&text_of(character));
            assert_eq!(token, Some(Token::Character(character)));
        }
        for word in ["", "ab", "<U+>", "<U+110000>", "<U+D800>", "<U++020>"] {
            assert_eq!(Token::of(word), None, "{word}");
        }
        assert_eq!(Token::of("<s>"), Some(Token::Start));
        for space in ["<space>", "<SPACE>", "<sp>"] {
            assert_eq!(Token::of(space), Some(Token::Character(' ')));
        }
    }
}
