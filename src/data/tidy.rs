//! The rules of a word list: turns lines into words, or names the first line that breaks a rule.

use std::borrow::Cow;

use multiversion::multiversion;

use super::list_format::ListFormat;
use super::reader::LONGEST_WORD;
use crate::error::LineFault;

/// The byte-order mark, with which programs on Windows begin a text in UTF-8.
const BYTE_ORDER_MARK: char = '\u{FEFF}';

/// The words of some lines, up to the first line that breaks a rule.
#[derive(Debug)]
pub(crate) struct Tidy<'a> {
    /// The words, each trimmed and followed by a line end; no line is blank.
    pub text: &'a str,
    /// The number of words.
    pub words: usize,
    /// The number of their characters.
    pub characters: usize,
    /// How often each word occurs; none if a column does not say it.
    pub counts: &'a [u64],
    /// The number of words with the count 0, which are left out.
    pub zeros: usize,
    /// The numbers of the blank lines and of those left out, from 0.
    blank: &'a [usize],
    /// The number of the first line that breaks a rule, from 0, and the fault.
    pub fault: Option<(usize, LineFault)>,
    /// The lines that break a rule and were left out.
    pub left_out: LeftOut<usize>,
}

/// Lines that were left out of a list, since they cannot be words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeftOut<P> {
    /// The number of lines.
    pub lines: u64,
    /// The place of the first one, and its fault.
    pub first: Option<(P, LineFault)>,
}

impl<P: PartialOrd> LeftOut<P> {
    /// Adds lines, of which the first stands at a place.
    pub fn add(&mut self, lines: u64, first: Option<(P, LineFault)>) {
        self.lines += lines;
        let is_before = |(place, _): &(P, LineFault)| match &self.first {
            Some((first, _)) => place < first,
            None => true,
        };
        if let Some(first) = first.filter(is_before) {
            self.first = Some(first);
        }
    }
}

impl<P> Default for LeftOut<P> {
    fn default() -> Self {
        Self {
            lines: 0,
            first: None,
        }
    }
}

impl<'a> Tidy<'a> {
    fn of(text: &'a str, kinds: u8) -> Self {
        let words = memchr::memchr_iter(b'\n', text.as_bytes()).count();
        let length = match kinds & kinds::NOT_ASCII {
            0 => text.len(),
            _ => text.chars().count(),
        };
        Self {
            text,
            words,
            characters: length - words,
            counts: &[],
            zeros: 0,
            blank: &[],
            fault: None,
            left_out: LeftOut::default(),
        }
    }

    pub fn is_ascii(&self) -> bool {
        self.characters + self.words == self.text.len()
    }

    /// The number of lines, with blank ones.
    pub fn lines(&self) -> usize {
        self.words + self.blank.len()
    }

    /// The words, each with the number of its line, from 0.
    pub fn numbered(&self) -> impl Iterator<Item = (usize, &'a str)> {
        let (mut blank, mut line) = (self.blank.iter().peekable(), 0);
        self.text.lines().map(move |word| {
            while blank.next_if_eq(&&line).is_some() {
                line += 1;
            }
            line += 1;
            (line - 1, word)
        })
    }

    /// The number of a word's line, from 0, by the index of the word.
    pub fn line_of(&self, word: usize) -> usize {
        let numbered = self.numbered().nth(word);
        numbered.map_or(word, |(line, _)| line)
    }
}

/// Turns lines into words, with buffers that are used again.
#[derive(Debug, Clone)]
pub(crate) struct Tidier {
    /// The start/end token, which words must not have; none where it is not checked.
    boundary: Option<char>,
    format: ListFormat,
    without_cr: Vec<u8>,
    text: String,
    counts: Vec<u64>,
    blank: Vec<usize>,
}

impl Tidier {
    /// Checks all rules, with a start/end token.
    #[cfg(test)]
    pub fn new(boundary: char) -> Self {
        Self::of(ListFormat::default(), Some(boundary))
    }

    /// Reads lines of a format. Words must not have the start/end token; `None` is for lists that were
    /// checked before.
    pub fn of(format: ListFormat, boundary: Option<char>) -> Self {
        // Whichever lines are left out once are left out each time.
        let always = format.boundary.filter(|_| format.skip_bad_lines);
        Self {
            boundary: boundary.or(always),
            format,
            without_cr: Vec::new(),
            text: String::new(),
            counts: Vec::new(),
            blank: Vec::new(),
        }
    }

    /// Trims whole lines and drops blank ones, up to the first that is not UTF-8, is too long, or has a
    /// control character or the start/end token; where the format says so, such lines are left out. The
    /// last line may lack its line end.
    pub fn tidy<'a>(&'a mut self, lines: &'a [u8]) -> Tidy<'a> {
        let Self {
            boundary,
            format,
            without_cr,
            text,
            counts,
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
        // Stands for bytes that are none of the encoding.
        let has_replaced = format.encoding.is_some()
            && memchr::memmem::find(lines, "\u{FFFD}".as_bytes()).is_some();
        if !format.changes_words()
            && !has_replaced
            && is_tidy(lines, kinds)
            && let Ok(text) = simdutf8::basic::from_utf8(lines)
        {
            return Tidy::of(text, kinds);
        }
        text.clear();
        counts.clear();
        blank.clear();
        let refused = kinds & kinds::REFUSED != 0 || format.changes_words();
        let has_counts = format
            .columns
            .is_some_and(|columns| columns.count.is_some());
        let (mut left_out, mut number, mut zeros) = (LeftOut::default(), 0, 0);
        // Not a `for` loop, which is slower over lines that are chained.
        let read = valid_and_other_lines(lines).try_for_each(|line| {
            let word = line.and_then(|line| word_of(line, *format, *boundary, refused));
            match word {
                Ok((word, count)) if !word.is_empty() && count > 0 => {
                    text.push_str(&word);
                    text.push('\n');
                    if has_counts {
                        counts.push(count);
                    }
                }
                Ok((word, _)) => {
                    zeros += usize::from(!word.is_empty());
                    blank.push(number);
                }
                Err(bad) if format.skip_bad_lines => {
                    left_out.add(1, Some((number, bad)));
                    blank.push(number);
                }
                Err(bad) => return Err((number, bad)),
            }
            number += 1;
            Ok(())
        });
        Tidy {
            counts,
            zeros,
            blank,
            fault: read.err(),
            left_out,
            ..Tidy::of(text, kinds)
        }
    }
}

/// Kinds of bytes, a bit each, for a quick look at all lines.
mod kinds {
    pub const NOT_ASCII: u8 = 0x80;
    /// A control character or the start/end token, maybe.
    pub const REFUSED: u8 = 1;
    pub const SPACE: u8 = 2;
    /// The first bytes of white space beyond U+00FF and of the byte-order mark, with the bit for each.
    pub const SPACES: [(u8, &[u8]); 5] = [
        (4, b"\xE1\x9A\x80"),
        (8, b"\xE2\x80"),
        (8, b"\xE2\x81"),
        (16, b"\xE3\x80\x80"),
        (32, b"\xEF\xBB\xBF"),
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
            kinds |= u8::from(byte == 0xE3) << 4 | u8::from(byte == 0xEF) << 5;
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

/// The word of a line, which is empty for a blank line, and how often it occurs. Its characters are
/// checked only if `refused`, when some may be.
fn word_of(
    line: &str,
    format: ListFormat,
    boundary: Option<char>,
    refused: bool,
) -> Result<(Cow<'_, str>, u64), LineFault> {
    if format.encoding.is_some() && line.contains(char::REPLACEMENT_CHARACTER) {
        return Err(LineFault::Encoding);
    }
    let (word, count) = match format.columns {
        Some(columns) => columns.of_line(trimmed(line))?,
        None => (trimmed(line).into(), 1),
    };
    let word = match format.changes_words() {
        // A normal form may put a space at an end.
        true => Cow::from(trimmed(&format.word(trimmed(&word))).to_owned()),
        false => word,
    };
    if word.len() > LONGEST_WORD && word.chars().count() > LONGEST_WORD {
        return Err(LineFault::TooLong(LONGEST_WORD));
    }
    if !refused {
        return Ok((word, count));
    }
    let fault = word.chars().find_map(|character| match character {
        control if control.is_control() => Some(LineFault::Control(control)),
        token if Some(token) == boundary => Some(LineFault::Token(token)),
        _ => None,
    });
    fault.map_or(Ok((word, count)), Err)
}

/// A line without the white space at its ends, and without a byte-order mark at its begin, as it is left
/// where files were joined.
fn trimmed(line: &str) -> &str {
    let is_graphic = |end: Option<&u8>| end.is_some_and(u8::is_ascii_graphic);
    match is_graphic(line.as_bytes().first()) && is_graphic(line.as_bytes().last()) {
        true => line,
        false => line.trim_start_matches(is_space_or_mark).trim_end(),
    }
}

fn is_space_or_mark(character: char) -> bool {
    character.is_whitespace() || character == BYTE_ORDER_MARK
}

/// Lines of text, each ended by LF, CRLF or CR.
fn lines_of(text: &str) -> impl Iterator<Item = &str> {
    let end = (!text.is_empty() && !text.ends_with(['\n', '\r'])).then_some(text.len());
    let mut start = 0;
    let bytes = text.as_bytes();
    let ends = memchr::memchr2_iter(b'\n', b'\r', bytes);
    // Trimming removes the CR of a CRLF.
    let ends = ends.filter(|&end| bytes[end] == b'\n' || bytes.get(end + 1) != Some(&b'\n'));
    ends.chain(end)
        .map(move |end| &text[std::mem::replace(&mut start, end + 1)..end])
}

/// All lines; for each that is not UTF-8 its fault.
fn valid_and_other_lines(lines: &[u8]) -> impl Iterator<Item = Result<&str, LineFault>> {
    let mut rest = lines;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let valid = valid_lines(rest);
        rest = &rest[valid.len()..];
        let end = memchr::memchr2(b'\n', b'\r', rest).map_or(rest.len(), |end| end + 1);
        let other = (!rest.is_empty()).then_some(Err(LineFault::Utf8));
        rest = &rest[end..];
        Some(lines_of(valid).map(Ok).chain(other))
    })
    .flatten()
}

/// The lines before the first that is not UTF-8.
fn valid_lines(lines: &[u8]) -> &str {
    if let Ok(text) = simdutf8::basic::from_utf8(lines) {
        return text;
    }
    let valid = std::str::from_utf8(lines).map_or_else(|error| error.valid_up_to(), str::len);
    let end = memchr::memrchr2(b'\n', b'\r', &lines[..valid]).map_or(0, |end| end + 1);
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
    use crate::data::list_format::Normalization;
    use proptest::prelude::*;

    /// The words of some lines, by a plain reading of the rules, and the first line that breaks one.
    fn plainly(lines: &[u8]) -> (String, Option<usize>) {
        let mut text = String::new();
        let lines = plain_ends(lines);
        for (number, line) in lines.split(|&byte| byte == b'\n').enumerate() {
            let refused = |character: char| character.is_control() || character == '.';
            let trimmed =
                |line: &'_ str| line.trim().trim_start_matches('\u{FEFF}').trim().to_owned();
            match std::str::from_utf8(line).map(trimmed).as_deref() {
                Ok("") => {}
                Ok(word) if !word.contains(refused) => text += &format!("{word}\n"),
                _ => return (text, Some(number)),
            }
        }
        (text, None)
    }

    /// The same lines, all ended by LF.
    fn plain_ends(lines: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        for (place, &byte) in lines.iter().enumerate() {
            match byte {
                b'\r' if lines.get(place + 1) == Some(&b'\n') => {}
                b'\r' => plain.push(b'\n'),
                byte => plain.push(byte),
            }
        }
        plain
    }

    /// The words of a list in a format, and the number and first of the lines left out.
    fn read(list: &[u8], format: ListFormat) -> (Vec<String>, LeftOut<usize>) {
        let mut tidier = Tidier::of(format, format.boundary);
        let tidy = tidier.tidy(list);
        assert_eq!(tidy.fault, None);
        let words = tidy.text.lines().map(str::to_owned).collect();
        (words, tidy.left_out)
    }

    #[test]
    fn bad_lines_are_left_out_and_the_first_is_known() {
        let list = b"emma\nan\tna\nzo\xEB\n\n st. ives \nava\n\xFF";
        let skip = ListFormat {
            skip_bad_lines: true,
            ..ListFormat::default()
        };
        let (words, left_out) = read(list, skip);
        // No start/end token is given, so that words may have it.
        assert_eq!(words, ["emma", "st. ives", "ava"]);
        assert_eq!(left_out.lines, 3);
        assert_eq!(left_out.first, Some((1, LineFault::Control('\t'))));
        let boundary = Some('.');
        let (words, left_out) = read(list, ListFormat { boundary, ..skip });
        assert_eq!((words.len(), left_out.lines), (2, 4));
    }

    #[test]
    fn lower_case_and_normal_forms_are_words_of_their_own() {
        let format = ListFormat {
            lowercase: true,
            normalization: Some(Normalization::Nfc),
            ..ListFormat::default()
        };
        let list = " Zoe\u{308} \nEMMA\n\u{FEFF}Ava\n";
        let (words, _) = read(list.as_bytes(), format);
        assert_eq!(words, ["zo\u{EB}", "emma", "ava"]);
    }

    /// Bytes that are none of the encoding became a letter, unless another line was not tidy.
    #[test]
    fn what_an_encoding_lacks_is_refused_among_tidy_lines_too() {
        let format = ListFormat {
            encoding: encoding_rs::Encoding::for_label(b"shift_jis"),
            ..ListFormat::default()
        };
        let mut tidier = Tidier::of(format, None);
        let fault = tidier.tidy("anna\nzo\u{FFFD}\n".as_bytes()).fault;
        assert_eq!(fault, Some((1, LineFault::Encoding)));
    }

    #[test]
    fn a_normal_form_leaves_no_space_at_an_end() {
        let format = ListFormat {
            normalization: Some(Normalization::Nfkc),
            ..ListFormat::default()
        };
        assert_eq!(read("\u{B4}a\n".as_bytes(), format).0, ["\u{301}a"]);
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
                    1 => "\u{FEFF}?[a-d]{0,3}\r[a-d\u{FEFF}]{0,3}",
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
            let list = plain_ends(&list);
            let list = String::from_utf8_lossy(&list);
            for (word, expected) in text.lines().enumerate() {
                let line = list.split('\n').nth(tidy.line_of(word)).unwrap();
                prop_assert_eq!(line.trim().trim_start_matches('\u{FEFF}').trim(), expected);
            }
        }
    }
}
