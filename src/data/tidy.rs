//! The rules of a word list: turns lines into words, or names the first line that breaks a rule.

use multiversion::multiversion;

use super::reader::LONGEST_WORD;
use crate::error::LineFault;

/// The words of some lines, up to the first line that breaks a rule.
#[derive(Debug)]
pub(crate) struct Tidy<'a> {
    /// The words, each trimmed and followed by a line end; no line is blank.
    pub text: &'a str,
    /// The number of words.
    pub words: usize,
    /// The number of their characters.
    pub characters: usize,
    /// The numbers of the blank lines, from 0.
    blank: &'a [usize],
    /// The number of the first line that breaks a rule, from 0, and the fault.
    pub fault: Option<(usize, LineFault)>,
}

impl<'a> Tidy<'a> {
    fn of(text: &'a str, kinds: u8, blank: &'a [usize], fault: Option<LineFault>) -> Self {
        let words = memchr::memchr_iter(b'\n', text.as_bytes()).count();
        let length = match kinds & kinds::NOT_ASCII {
            0 => text.len(),
            _ => text.chars().count(),
        };
        Self {
            text,
            words,
            characters: length - words,
            blank,
            fault: fault.map(|fault| (words + blank.len(), fault)),
        }
    }

    pub fn is_ascii(&self) -> bool {
        self.characters + self.words == self.text.len()
    }

    /// The number of lines, with blank ones.
    pub fn lines(&self) -> usize {
        self.words + self.blank.len()
    }

    /// The number of a word's line, from 0, by the index of the word.
    pub fn line_of(&self, word: usize) -> usize {
        let after = |line, &blank: &usize| line + usize::from(blank <= line);
        self.blank.iter().fold(word, after)
    }
}

/// Turns lines into words, with buffers that are used again.
#[derive(Debug, Clone)]
pub(crate) struct Tidier {
    /// The start/end token, which words must not have; none where it is not checked.
    boundary: Option<char>,
    without_cr: Vec<u8>,
    text: String,
    blank: Vec<usize>,
}

impl Tidier {
    /// Checks all rules, with a start/end token.
    pub fn new(boundary: char) -> Self {
        Self {
            boundary: Some(boundary),
            ..Self::of_checked()
        }
    }

    /// Checks all rules but the start/end token, for lines that were checked before.
    pub fn of_checked() -> Self {
        Self {
            boundary: None,
            without_cr: Vec::new(),
            text: String::new(),
            blank: Vec::new(),
        }
    }

    /// Trims whole lines and drops blank ones, up to the first that is not UTF-8, is too long, or has a
    /// control character or the start/end token. The last line may lack its line end.
    pub fn tidy<'a>(&'a mut self, lines: &'a [u8]) -> Tidy<'a> {
        let Self {
            boundary,
            without_cr,
            text,
            blank,
        } = self;
        // Usually all lines end alike. If they do not, trimming below removes the CRs.
        let lines = match lines.ends_with(b"\r\n") {
            true => remove_cr(lines, without_cr),
            false => lines,
        };
        let mut first_of_boundary = [0; 4];
        if let Some(boundary) = boundary {
            boundary.encode_utf8(&mut first_of_boundary);
        }
        let kinds = look(lines, first_of_boundary[0]);
        if is_tidy(lines, kinds)
            && let Ok(text) = simdutf8::basic::from_utf8(lines)
        {
            return Tidy::of(text, kinds, &[], None);
        }
        text.clear();
        blank.clear();
        let valid = valid_lines(lines);
        for (number, line) in lines_of(valid).enumerate() {
            let word = trimmed(line);
            if word.is_empty() {
                blank.push(number);
                continue;
            }
            let fault = fault_of(word, *boundary, kinds & kinds::REFUSED != 0);
            if fault.is_some() {
                return Tidy::of(text, kinds, blank, fault);
            }
            text.push_str(word);
            text.push('\n');
        }
        let fault = (valid.len() < lines.len()).then_some(LineFault::Utf8);
        Tidy::of(text, kinds, blank, fault)
    }
}

/// Kinds of bytes, a bit each, for a quick look at all lines.
mod kinds {
    pub const NOT_ASCII: u8 = 0x80;
    /// A control character or the start/end token, maybe.
    pub const REFUSED: u8 = 1;
    pub const SPACE: u8 = 2;
    /// The first bytes of white space beyond U+00FF, with the bit for each.
    pub const SPACES: [(u8, &[u8]); 4] = [
        (4, b"\xE1\x9A\x80"),
        (8, b"\xE2\x80"),
        (8, b"\xE2\x81"),
        (16, b"\xE3\x80\x80"),
    ];
}

/// The [`kinds`] of bytes in some lines.
// The loops have no early exit, which would prevent vectorisation.
#[multiversion(targets("x86_64+avx2"))]
fn look(lines: &[u8], first_of_boundary: u8) -> u8 {
    let (mut refused, mut space, mut not_ascii) = (0, 0, 0);
    for &byte in lines {
        let control = u8::from(byte < b' ') & u8::from(byte != b'\n') | u8::from(byte == 0x7F);
        refused |= control | u8::from(byte == first_of_boundary);
        space |= u8::from(byte == b' ');
        not_ascii |= byte & kinds::NOT_ASCII;
    }
    let mut kinds = (refused * kinds::REFUSED) | (space * kinds::SPACE) | not_ascii;
    if not_ascii != 0 {
        for &byte in lines {
            // The first byte of U+0080 to U+00BF: control characters, a white space and others.
            kinds |= u8::from(byte == 0xC2) * kinds::REFUSED;
            kinds |= u8::from(byte == 0xE1) << 2 | u8::from(byte == 0xE2) << 3;
            kinds |= u8::from(byte == 0xE3) << 4;
        }
    }
    kinds
}

/// Whether lines are certainly words as they stand, if they are UTF-8.
fn is_tidy(lines: &[u8], kinds: u8) -> bool {
    let find = |needle: &[u8]| memchr::memmem::find(lines, needle).is_some();
    let is_blank = || lines.starts_with(b"\n") || find(b"\n\n");
    let to_trim = || lines.starts_with(b" ") || find(b" \n") || find(b"\n ");
    let mut spaces = kinds::SPACES.iter();
    // A line that is too long spans one of these without a line end.
    let mut halves = lines.chunks(LONGEST_WORD / 2);
    kinds & kinds::REFUSED == 0
        && lines.ends_with(b"\n")
        && !is_blank()
        && !(kinds & kinds::SPACE != 0 && to_trim())
        && !spaces.any(|&(kind, space)| kinds & kind != 0 && find(space))
        && halves.all(|half| memchr::memchr(b'\n', half).is_some())
}

/// The fault of a word, if it has one. Its characters are checked only if `refused`, when some may be.
fn fault_of(word: &str, boundary: Option<char>, refused: bool) -> Option<LineFault> {
    if word.len() > LONGEST_WORD && word.chars().count() > LONGEST_WORD {
        return Some(LineFault::TooLong(LONGEST_WORD));
    }
    let mut characters = word.chars().filter(|_| refused);
    characters.find_map(|character| match character {
        control if control.is_control() => Some(LineFault::Control(control)),
        token if Some(token) == boundary => Some(LineFault::Token(token)),
        _ => None,
    })
}

/// A line without the white space at its ends.
fn trimmed(line: &str) -> &str {
    let is_graphic = |end: Option<&u8>| end.is_some_and(u8::is_ascii_graphic);
    match is_graphic(line.as_bytes().first()) && is_graphic(line.as_bytes().last()) {
        true => line,
        false => line.trim(),
    }
}

fn lines_of(text: &str) -> impl Iterator<Item = &str> {
    let end = (!text.is_empty() && !text.ends_with('\n')).then_some(text.len());
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', text.as_bytes()).chain(end);
    ends.map(move |end| &text[std::mem::replace(&mut start, end + 1)..end])
}

/// The lines before the first that is not UTF-8.
fn valid_lines(lines: &[u8]) -> &str {
    if let Ok(text) = simdutf8::basic::from_utf8(lines) {
        return text;
    }
    let valid = std::str::from_utf8(lines).map_or_else(|error| error.valid_up_to(), str::len);
    let end = memchr::memrchr(b'\n', &lines[..valid]).map_or(0, |end| end + 1);
    std::str::from_utf8(&lines[..end]).unwrap_or_default()
}

/// Copies lines and replaces CRLF by LF.
fn remove_cr<'a>(lines: &[u8], copy: &'a mut Vec<u8>) -> &'a [u8] {
    copy.clear();
    let mut start = 0;
    let crs = memchr::memchr_iter(b'\r', lines);
    for cr in crs.filter(|&cr| lines.get(cr + 1) == Some(&b'\n')) {
        copy.extend_from_slice(&lines[start..cr]);
        start = cr + 1;
    }
    copy.extend_from_slice(&lines[start..]);
    copy
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The words of some lines, by a plain reading of the rules, and the first line that breaks one.
    fn plainly(lines: &[u8]) -> (String, Option<usize>) {
        let mut text = String::new();
        for (number, line) in lines.split(|&byte| byte == b'\n').enumerate() {
            let refused = |character: char| character.is_control() || character == '.';
            match std::str::from_utf8(line).map(str::trim) {
                Ok("") => {}
                Ok(word) if !word.contains(refused) => text += &format!("{word}\n"),
                _ => return (text, Some(number)),
            }
        }
        (text, None)
    }

    #[test]
    fn cr_is_removed_before_lf_only() {
        let mut copy = Vec::new();
        let removed = remove_cr(b"a\r\n\r\r\nb\rc\n\r", &mut copy);
        assert_eq!(removed, b"a\n\r\nb\rc\n\r");
        let lines = "short\r\na line of many more characters\r\n\r\nend\r\n".repeat(3);
        let removed = remove_cr(lines.as_bytes(), &mut copy);
        assert_eq!(removed, lines.replace('\r', "").as_bytes());
    }

    #[test]
    fn the_longest_word_is_tidy_and_a_longer_one_is_none() {
        for character in ["a", "é", "\u{3042}"] {
            let longest = character.repeat(LONGEST_WORD);
            let list = format!("a\n{longest}\n\n{longest}{character}\nb\n");
            let mut tidier = Tidier::new('.');
            let tidy = tidier.tidy(list.as_bytes());
            assert_eq!(tidy.fault, Some((3, LineFault::TooLong(LONGEST_WORD))));
            assert_eq!((tidy.words, tidy.characters), (2, LONGEST_WORD + 1));
        }
    }

    proptest! {
        #[test]
        fn lines_become_the_words_that_the_rules_make_of_them(
            lines in prop::collection::vec(
                prop_oneof![
                    8 => "[ \u{3000}]{0,2}[a-d ]{0,6}[äßた日🦀’]{0,2}[ \u{A0}\u{2003}]?\r?",
                    1 => "[a-d.\u{7F}\u{85}\t]{0,3}",
                ],
                0..20,
            ),
            bad: Option<prop::sample::Index>,
        ) {
            let mut list = lines.join("\n").into_bytes();
            if let Some(bad) = bad {
                list.insert(bad.index(list.len() + 1), 0xFF);
            }
            let mut tidier = Tidier::new('.');
            let tidy = tidier.tidy(&list);
            let (text, fault) = plainly(&list);
            prop_assert_eq!(tidy.text, &text);
            prop_assert_eq!(tidy.fault.as_ref().map(|&(line, _)| line), fault);
            prop_assert_eq!(tidy.words, text.lines().count());
            prop_assert_eq!(tidy.characters, text.chars().count() - tidy.words);
            let list = String::from_utf8_lossy(&list);
            for (word, expected) in text.lines().enumerate() {
                prop_assert_eq!(list.split('\n').nth(tidy.line_of(word)).unwrap().trim(), expected);
            }
        }
    }
}
