//! N-gram models as ARPA files, the format that KenLM, SRILM and others read and write.
//!
//! A file lists for each n-gram the logarithm to base 10 of its probability, the n-gram, and the
//! logarithm of its backoff. What is a word there is a character here; `<s>` and `</s>` are the
//! start/end token, `<unk>` is a character that the vocabulary does not have.
//!
//! A space cannot be a word there, since spaces stand between words, and other tools take other
//! white space for the same. So white space is written as its code point: `<U+0020>` is a space.
//! No other character is written with more than one, so nothing else looks like that.
//!
//! [`read`] is for files that anyone has written, [`write()`] for ours.
//!
//! Sources: SRILM's manual page *ngram-format(5)*; KenLM's `lm/read_arpa.cc`, whose strictness is
//! ours.

mod read;
mod write;

pub use read::read;
pub(crate) use read::read_from;
pub use write::write;

/// The token of a character.
fn token_of(character: char) -> String {
    match character.is_whitespace() {
        true => format!("<U+{:04X}>", u32::from(character)),
        false => character.to_string(),
    }
}

/// The character of a token, if it is one.
fn character_of(token: &str) -> Option<char> {
    let mut characters = token.chars();
    if let (Some(character), None) = (characters.next(), characters.next()) {
        return Some(character);
    }
    let code = token.strip_prefix("<U+")?.strip_suffix('>')?;
    let is_hexadecimal = code.bytes().all(|byte| byte.is_ascii_hexdigit());
    let code = is_hexadecimal.then(|| u32::from_str_radix(code, 16).ok())?;
    char::from_u32(code?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_written_as_its_code_point_and_read_again() {
        assert_eq!(token_of(' '), "<U+0020>");
        assert_eq!(token_of('\u{3000}'), "<U+3000>");
        assert_eq!(token_of('<'), "<");
        for character in [' ', '\u{A0}', '\u{2028}', 'a', '日', '🦀', '<', '+'] {
            assert_eq!(character_of(&token_of(character)), Some(character));
        }
        for word in [
            "",
            "ab",
            "<U+>",
            "<U+110000>",
            "<U+D800>",
            "<U++020>",
            "<s>",
        ] {
            assert_eq!(character_of(word), None, "{word}");
        }
    }
}
