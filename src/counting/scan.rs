//! The counting loop: bigrams of blocks of lines, at the speed of memory where the text allows.
//!
//! A [`Scan`] is what one thread has counted. It takes whole lines, cut into pieces that fit into
//! the fastest cache, in one of two ways that count the same:
//!
//! - A *plain* piece has printable ASCII only, and no space where one would have to be trimmed.
//!   There a line end is a start/end token like any other byte, so that all pairs of neighbouring
//!   bytes can be counted without looking at them: one load and one increment a byte, in four tables
//!   in turn, because the same counter twice in a row would wait for itself.
//! - Any other piece is decoded, trimmed and checked line by line, and its characters numbered as
//!   they come.
//!
//! Lines that end in CRLF are copied without their CR first, and are then plain or not like others.
//!
//! The vocabulary is not known before the last line, so each thread numbers the characters that it
//! meets, and [`merge`] brings the numbers together. A thread remembers where it met a character
//! first: if there turn out to be too many, the line of the one too many can be named.

use std::collections::{BTreeMap, HashMap};
use std::str::Chars;

use crate::data::digest::Checksum;
use crate::data::words::{LONGEST_WORD, MAX_CHARACTERS, fault_of, is_too_long};
use crate::error::LineFault;

/// Small enough for the fastest cache, beside the counters.
const PIECE: usize = 1 << 14;

/// Counters are 32 bits wide, so after this many bytes they are emptied.
const FULL: u64 = 1 << 31;

/// The bytes that may precede another one, and 64 bytes more: rows at a power of two would share
/// few lines of the cache.
const ROW: usize = 256 + 16;

/// The size of a table that counts pairs of bytes, [`pair`] by [`pair`].
const TABLE: usize = 256 * ROW + 16;

/// How many tables count pairs of bytes in turn.
const TABLES: usize = 4;

/// The bytes that may stand in a plain piece, besides the line end.
const PRINTABLE: std::ops::RangeInclusive<u8> = b' '..=b'~';

/// The most numbers that a scan gives: besides the characters of a list, the start/end token, and
/// one more that is met before it is refused, also the printable bytes, which are numbered only
/// after they were counted.
const MOST_NUMBERS: usize =
    MAX_CHARACTERS + 2 + (*PRINTABLE.end() - *PRINTABLE.start()) as usize + 1;

/// As long as most lines are.
const SHORT: usize = 16;

/// Marks white space, which is trimmed at the ends of a line.
const SPACE: u16 = 1 << 15;

/// Where something is: the number of a block, and the line in it from 0.
pub(crate) type Place = (usize, usize);

/// What makes a line unusable, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub place: Place,
    pub fault: LineFault,
}

/// What is known of a block after it was counted.
#[derive(Default)]
pub(crate) struct Scanned {
    pub lines: usize,
    pub checksum: Checksum,
}

/// What one thread has counted.
pub(crate) struct Scan {
    boundary: char,
    /// How often one byte follows another, at [`pair`], the total in [`TABLES`] parts.
    bytes: Vec<[u32; TABLE]>,
    /// How often one numbered character follows another, `[side, side]`.
    pairs: Vec<u32>,
    side: usize,
    /// Bytes counted since the counters were empty.
    counted: u64,
    /// What was counted before, by the numbers of the characters.
    emptied: HashMap<(usize, usize), u64>,
    /// The characters in the order met, and where; the start/end token first.
    characters: Vec<(char, Place)>,
    /// For each character 1 more than its number, which is its index in `characters`, or 0 without
    /// a number; with [`SPACE`] added where it is white space.
    entries: Box<[u16]>,
    /// Whether white space was trimmed from a line of the piece that is being counted.
    trimmed: bool,
    /// A piece without its CRs.
    without_cr: Vec<u8>,
}

impl Scan {
    pub fn new(boundary: char) -> Self {
        let side = 64;
        let mut entries: Box<[u16]> = vec![0; char::MAX as usize + 1].into();
        for space in ('\0'..='\u{3000}').filter(|character| character.is_whitespace()) {
            entries[space as usize] = SPACE;
        }
        entries['\n' as usize] = 1; // A line end counts as the start/end token.
        Self {
            boundary,
            bytes: vec![[0; TABLE]; TABLES],
            pairs: vec![0; side * side],
            side,
            counted: 0,
            emptied: HashMap::new(),
            characters: vec![(boundary, (0, 0))],
            entries,
            trimmed: false,
            without_cr: Vec::new(),
        }
    }

    /// Counts a block of whole lines, of which the last may lack its end.
    pub fn count(&mut self, index: usize, block: &[u8]) -> Result<Scanned, Fault> {
        let scanned = self.count_pieces(index, block);
        // Also where a fault ended it: the characters before count among those that are too many.
        self.number_bytes(index, block);
        scanned
    }

    fn count_pieces(&mut self, index: usize, block: &[u8]) -> Result<Scanned, Fault> {
        let mut scanned = Scanned::default();
        let mut without_cr = std::mem::take(&mut self.without_cr);
        let mut rest = block;
        while !rest.is_empty() {
            let (piece, others) = rest.split_at(end_of_piece(rest));
            rest = others;
            let mut piece = piece;
            // Mostly all lines end alike; where they do not, the slower way counts them too.
            if piece.ends_with(b"\r\n") {
                remove_cr(piece, &mut without_cr);
                piece = &without_cr;
            }
            let is_plain = self.is_plain(piece);
            let place = (index, scanned.lines);
            let blank = self.blank_lines();
            self.trimmed = false;
            let lines = if is_plain {
                self.count_plain(piece)
            } else {
                self.count_lines(piece, place, block)?
            };
            check_length(piece, lines, place)?;
            if self.trimmed || self.blank_lines() > blank {
                // Counting has checked that it is UTF-8.
                scanned.checksum.add_lines(&String::from_utf8_lossy(piece));
            } else {
                scanned.checksum.add_words(piece);
            }
            scanned.lines += lines;
            self.counted += piece.len() as u64;
            if self.counted > FULL {
                self.number_bytes(index, block);
                self.empty();
            }
        }
        self.without_cr = without_cr;
        Ok(scanned)
    }

    /// Whether all bytes are printable ASCII or line ends, none is the start/end token, and no space
    /// stands where a line begins or ends.
    fn is_plain(&self, piece: &[u8]) -> bool {
        // A token that is not ASCII cannot be here; a tab is no printable byte either.
        let boundary = u8::try_from(self.boundary).unwrap_or(b'\t');
        let (mut unusual, mut space) = (0, 0);
        for &byte in piece {
            let printable = u8::from(PRINTABLE.contains(&byte));
            unusual |= (printable | u8::from(byte == b'\n')) ^ 1 | u8::from(byte == boundary);
            space |= u8::from(byte == b' ');
        }
        let to_trim = || {
            piece.starts_with(b" ")
                || piece.ends_with(b" ")
                || memchr::memmem::find(piece, b" \n").is_some()
                || memchr::memmem::find(piece, b"\n ").is_some()
        };
        unusual == 0 && !(space == 1 && to_trim())
    }

    fn count_plain(&mut self, piece: &[u8]) -> usize {
        let before = self.line_ends();
        let [one, two, three, four] = self.bytes.as_mut_slice() else {
            return 0; // There are TABLES of them.
        };
        let mut rest = piece;
        if let Some(&first) = rest.first() {
            one[pair(b'\n', first)] += 1;
        }
        while let Some(&[a, b, c, d, e]) = rest.first_chunk() {
            one[pair(a, b)] += 1;
            two[pair(b, c)] += 1;
            three[pair(c, d)] += 1;
            four[pair(d, e)] += 1;
            rest = &rest[4..];
        }
        for bytes in rest.windows(2) {
            one[pair(bytes[0], bytes[1])] += 1;
        }
        match piece.last() {
            Some(&last) if last != b'\n' => {
                one[pair(last, b'\n')] += 1;
            }
            _ => {}
        }
        (self.line_ends() - before) as usize
    }

    /// How many blank lines the counters have: line ends that follow one.
    fn blank_lines(&self) -> u64 {
        let tables = self.bytes.iter().map(|table| table[pair(b'\n', b'\n')]);
        let counts = tables.chain([self.pairs[0]]);
        counts.map(u64::from).sum()
    }

    /// How many line ends the byte counters have.
    fn line_ends(&self) -> u64 {
        let row = pair(0, b'\n');
        let tables = self.bytes.iter();
        let counts = tables.flat_map(|table| &table[row..row + 256]);
        counts.map(|&count| u64::from(count)).sum()
    }

    /// Gives numbers to the bytes that were counted in this block for the first time.
    fn number_bytes(&mut self, index: usize, block: &[u8]) {
        for byte in PRINTABLE {
            let row = pair(0, byte);
            // Without an early end, which would keep the processor from taking several at once.
            let counted = |table: &[u32; TABLE]| {
                let counts = table[row..row + 256].iter();
                counts.fold(0, |all, count| all | count) != 0
            };
            let character = char::from(byte);
            if self.number_of(character).is_none() && self.bytes.iter().any(counted) {
                self.number(character, first_place(byte, index, block));
            }
        }
    }

    /// Counts the lines of a piece character by character; `place` is that of its first line.
    fn count_lines(&mut self, piece: &[u8], place: Place, block: &[u8]) -> Result<usize, Fault> {
        let valid = match simdutf8::basic::from_utf8(piece) {
            Ok(text) => text,
            Err(_) => whole_valid_lines(piece),
        };
        let mut lines = Lines {
            text: valid,
            place,
            at: 0,
            block,
        };
        let mut characters = valid.chars();
        let mut i = 0;
        while let Some(special) = self.count_numbered(&mut characters, &mut i) {
            i = self.count_special(special, i, &mut characters, &mut lines)?;
        }
        if i != 0 {
            self.pairs[i * self.side] += 1;
        }
        if valid.len() < piece.len() {
            return Err(Fault {
                place: lines.place_before(""),
                fault: LineFault::Utf8,
            });
        }
        Ok(memchr::memchr_iter(b'\n', piece).count() + usize::from(!piece.ends_with(b"\n")))
    }

    /// Counts line ends and numbered characters, from character `i` on, up to one that is special.
    // By itself, the loop has more of the processor's registers.
    #[inline(never)]
    fn count_numbered(&mut self, characters: &mut Chars, i: &mut usize) -> Option<char> {
        let (entries, pairs, side) = (&self.entries, &mut self.pairs, self.side);
        let mut last = *i;
        let mut special = None;
        for character in characters {
            let j = entries[character as usize].wrapping_sub(1);
            if j >= SPACE - 1 {
                special = Some(character);
                break;
            }
            pairs[last * side + usize::from(j)] += 1;
            last = usize::from(j);
        }
        *i = last;
        special
    }

    /// Counts a white space, and those after it, or a character without a number after character
    /// `i`; white space at the ends of a line is passed over.
    ///
    /// Returns the number of the character that the next one follows.
    fn count_special(
        &mut self,
        special: char,
        i: usize,
        characters: &mut Chars,
        lines: &mut Lines,
    ) -> Result<usize, Fault> {
        let rest = characters.as_str();
        if !special.is_whitespace() {
            return self.count_one(special, i, rest, lines);
        }
        if i == 0 {
            self.trimmed = true;
            return Ok(0);
        }
        let is_visible = |next: char| next == '\n' || !next.is_whitespace();
        let (spaces, rest) = rest.split_at(rest.find(is_visible).unwrap_or(rest.len()));
        *characters = rest.chars();
        if rest.is_empty() || rest.starts_with('\n') {
            self.trimmed = true;
            return Ok(i);
        }
        let mut last = self.count_one(special, i, rest, lines)?;
        for space in spaces.chars() {
            last = self.count_one(space, last, rest, lines)?;
        }
        Ok(last)
    }

    /// Counts a character, with or without a number, after character `i`; returns its number.
    ///
    /// `rest` is what follows on its line, or from its line on.
    fn count_one(
        &mut self,
        character: char,
        i: usize,
        rest: &str,
        lines: &mut Lines,
    ) -> Result<usize, Fault> {
        let j = match self.number_of(character) {
            Some(number) => number,
            None => self.meet(character, lines.place_before(rest), lines.block)?,
        };
        self.pairs[i * self.side + j] += 1;
        Ok(j)
    }

    /// Numbers a character without a number, if it may be part of a word.
    fn meet(&mut self, character: char, place: Place, block: &[u8]) -> Result<usize, Fault> {
        if let Some(fault) = fault_of(character, self.boundary) {
            return Err(Fault { place, fault });
        }
        // It may stand in an earlier plain piece of the block too.
        let first = match u8::try_from(character) {
            Ok(byte) if byte.is_ascii() => first_place(byte, place.0, block),
            _ => place,
        };
        let number = self.number(character, first);
        // Beyond that number there are only bytes, which were counted before they were numbered.
        if self.characters.len() > MAX_CHARACTERS + 1 {
            return Err(Fault {
                place: first,
                fault: LineFault::TooManyCharacters(MAX_CHARACTERS),
            });
        }
        Ok(number)
    }

    fn number_of(&self, character: char) -> Option<usize> {
        let entry = self.entries[character as usize] & !SPACE;
        usize::from(entry).checked_sub(1)
    }

    fn number(&mut self, character: char, place: Place) -> usize {
        let number = self.characters.len();
        self.characters.push((character, place));
        self.entries[character as usize] |= number as u16 + 1;
        if number >= self.side {
            self.widen();
        }
        number
    }

    /// Makes room for more characters.
    fn widen(&mut self) {
        let side = (2 * self.side).min(MOST_NUMBERS);
        let mut pairs = vec![0; side * side];
        for (wide, row) in pairs.chunks_mut(side).zip(self.pairs.chunks(self.side)) {
            wide[..self.side].copy_from_slice(row);
        }
        self.pairs = pairs;
        self.side = side;
    }

    /// Moves what is counted out of the counters.
    fn empty(&mut self) {
        // Two line ends in a row are a blank line, not a word.
        self.pairs[0] = 0;
        for table in &mut self.bytes {
            table[pair(b'\n', b'\n')] = 0;
        }
        let number = |byte: usize| usize::from(self.entries[byte] & !SPACE).saturating_sub(1);
        let tables = self
            .bytes
            .iter_mut()
            .flat_map(|table| table.iter_mut().enumerate());
        let bytes = tables.map(|(index, count)| (number(index % ROW), number(index / ROW), count));
        let pairs = self.pairs.iter_mut().enumerate();
        let pairs = pairs.map(|(index, count)| (index / self.side, index % self.side, count));
        for (i, j, count) in bytes.chain(pairs).filter(|(_, _, count)| **count > 0) {
            *self.emptied.entry((i, j)).or_default() += u64::from(*count);
            *count = 0;
        }
        self.counted = 0;
    }
}

/// The text of a piece, to find the line in which something is.
struct Lines<'a> {
    text: &'a str,
    /// Where the line is in which `at` is.
    place: Place,
    at: usize,
    block: &'a [u8],
}

impl Lines<'_> {
    /// The line that `rest`, the end of the text, begins in; it gets shorter from call to call, so
    /// that no line end is looked for twice.
    fn place_before(&mut self, rest: &str) -> Place {
        let end = self.text.len() - rest.len();
        let passed = &self.text.as_bytes()[self.at..end];
        self.place.1 += memchr::memchr_iter(b'\n', passed).count();
        self.at = end;
        self.place
    }
}

/// A fault if the last of some lines has a word that is too long; the others end within the
/// smallest length of a piece.
fn check_length(piece: &[u8], lines: usize, (index, line): Place) -> Result<(), Fault> {
    if piece.len() <= LONGEST_WORD {
        return Ok(());
    }
    let ended = piece.strip_suffix(b"\n").unwrap_or(piece);
    let start = memchr::memrchr(b'\n', ended).map_or(0, |end| end + 1);
    if is_too_long(String::from_utf8_lossy(&ended[start..]).trim()) {
        return Err(Fault {
            place: (index, line + lines - 1),
            fault: LineFault::TooLong(LONGEST_WORD),
        });
    }
    Ok(())
}

/// Copies lines, those that end in CRLF with LF alone.
fn remove_cr(lines: &[u8], copy: &mut Vec<u8>) {
    copy.clear();
    copy.resize(lines.len() + SHORT, 0);
    let (mut start, mut end) = (0, 0);
    let mut copy_up_to = |next: usize| {
        let length = next - start;
        // A fixed length is copied at once, and what is too much is written over.
        match lines.get(start..start + SHORT) {
            Some(short) if length <= SHORT => copy[end..end + SHORT].copy_from_slice(short),
            _ => copy[end..end + length].copy_from_slice(&lines[start..next]),
        }
        start = next + 1;
        end += length;
    };
    let crs = memchr::memchr_iter(b'\r', lines);
    crs.filter(|&cr| lines.get(cr + 1) == Some(&b'\n'))
        .for_each(&mut copy_up_to);
    copy_up_to(lines.len());
    copy.truncate(end);
}

/// Where the byte tables count `next` after `byte`.
fn pair(byte: u8, next: u8) -> usize {
    usize::from(next) * ROW + usize::from(byte)
}

/// Where the first piece of some lines ends: after a line end.
fn end_of_piece(lines: &[u8]) -> usize {
    let least = lines.len().min(PIECE) - 1;
    memchr::memchr(b'\n', &lines[least..]).map_or(lines.len(), |end| least + end + 1)
}

/// The lines before the one that is not valid UTF-8.
fn whole_valid_lines(piece: &[u8]) -> &str {
    let valid = match std::str::from_utf8(piece) {
        Ok(_) => piece,
        Err(error) => &piece[..error.valid_up_to()],
    };
    let end = memchr::memrchr(b'\n', valid).map_or(0, |end| end + 1);
    std::str::from_utf8(&valid[..end]).unwrap_or_default()
}

/// Where a byte of a word stands first in a block.
fn first_place(byte: u8, index: usize, block: &[u8]) -> Place {
    if byte == b' ' {
        // Those that are trimmed are no part of a word.
        let mut lines = block.split(|&byte| byte == b'\n');
        let in_word = |line: &[u8]| String::from_utf8_lossy(line).trim().contains(' ');
        return (index, lines.position(in_word).unwrap_or_default());
    }
    let first = memchr::memchr(byte, block).unwrap_or_default();
    (index, memchr::memchr_iter(b'\n', &block[..first]).count())
}

/// All characters that were counted, sorted, and `N`, `[V, V]`; the start/end token has index 0.
pub(crate) struct Total {
    pub characters: Vec<char>,
    pub n: Vec<u64>,
}

/// Adds up what the threads have counted.
pub(crate) fn merge(scans: Vec<Scan>) -> Result<Total, Fault> {
    let mut places = BTreeMap::new();
    for &(character, place) in scans.iter().flat_map(|scan| &scan.characters[1..]) {
        let first = places.entry(character).or_insert(place);
        *first = place.min(*first);
    }
    if places.len() > MAX_CHARACTERS {
        let mut places: Vec<Place> = places.into_values().collect();
        places.sort_unstable();
        return Err(Fault {
            place: places[MAX_CHARACTERS],
            fault: LineFault::TooManyCharacters(MAX_CHARACTERS),
        });
    }
    let characters: Vec<char> = places.into_keys().collect();
    let v = characters.len() + 1;
    let mut n = vec![0; v * v];
    for mut scan in scans {
        scan.empty();
        let sorted = |&(character, _): &(char, Place)| {
            characters
                .binary_search(&character)
                .map_or(0, |index| index + 1)
        };
        let indices: Vec<usize> = scan.characters.iter().map(sorted).collect();
        for ((i, j), count) in scan.emptied {
            n[indices[i] * v + indices[j]] += count;
        }
    }
    Ok(Total { characters, n })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(pieces: &[&str]) -> Total {
        let mut scan = Scan::new('.');
        for (index, text) in pieces.iter().enumerate() {
            scan.count(index, text.as_bytes()).unwrap();
        }
        merge(vec![scan]).unwrap()
    }

    #[test]
    fn emptied_counters_go_on_counting() {
        let text = "emma\n\n olivia \nzo\u{EB}\nanna";
        let once = scan(&[text]);
        let mut emptied = Scan::new('.');
        for index in 0..3 {
            emptied.count(index, text.as_bytes()).unwrap();
            emptied.empty();
        }
        let thrice = merge(vec![emptied]).unwrap();
        assert_eq!(thrice.characters, once.characters);
        let mut counts = thrice.n.iter().zip(once.n);
        assert!(counts.all(|(thrice, once)| *thrice == 3 * once));
    }

    /// The numbers of ASCII characters once went beyond the end of the table.
    #[test]
    fn ascii_after_4096_other_characters_is_refused_and_no_panic() {
        let others: String = ('\u{4E00}'..)
            .take(MAX_CHARACTERS)
            .flat_map(|other| [other, '\n'])
            .collect();
        let mut scan = Scan::new('.');
        scan.count(0, others.as_bytes()).unwrap();
        scan.count(1, b"ok\nab\n").unwrap();
        let _ = scan.count(2, "\u{4E00}bb\n".repeat(100_000).as_bytes());
        let fault = merge(vec![scan]).err().unwrap();
        assert_eq!(fault.place, (1, 0));
        assert_eq!(fault.fault, LineFault::TooManyCharacters(MAX_CHARACTERS));
    }

    #[test]
    fn every_byte_that_can_be_numbered_has_a_number() {
        let others: String = ('\u{4E00}'..).take(MAX_CHARACTERS + 1).collect();
        // The space last but one: at an end it would be trimmed.
        let mut ascii: Vec<u8> = PRINTABLE.filter(|&byte| byte != b'.').collect();
        ascii.swap(0, 1);
        let mut scan = Scan::new('.');
        scan.count(0, &others.as_bytes()[..3 * MAX_CHARACTERS])
            .unwrap();
        scan.count(1, &[&ascii[..], b"\n"].concat()).unwrap();
        assert!(scan.count(2, others.as_bytes()).is_err());
        assert!(merge(vec![scan]).is_err());
    }

    /// The characters of the plain lines before were once not among those that are too many.
    #[test]
    fn the_line_of_the_character_that_is_one_too_many_is_named_behind_plain_lines() {
        let plain = "abcdefghijklmnopqrstuvwxyz\n".repeat(700);
        let others: String = ('\u{4E00}'..)
            .take(4200)
            .flat_map(|other| [other, '\n'])
            .collect();
        let mut scan = Scan::new('.');
        let fault = scan.count(0, (plain + &others).as_bytes());
        let faults = [fault.err(), merge(vec![scan]).err()];
        let first = faults.into_iter().flatten().map(|fault| fault.place).min();
        assert_eq!(first, Some((0, 700 + MAX_CHARACTERS - 26)));
    }

    /// The line of a trimmed space was once named, where one inside a word was one too many.
    #[test]
    fn a_space_is_first_met_inside_a_word() {
        for text in [" \u{3000}\nab cd\n", " a\nab cd\n", "a \r\nab cd\r\n"] {
            let mut scan = Scan::new('.');
            scan.count(0, text.as_bytes()).unwrap();
            let mut places = scan.characters.iter();
            let space = places.find(|&&(character, _)| character == ' ');
            assert_eq!(space, Some(&(' ', (0, 1))), "{text:?}");
        }
    }

    #[test]
    fn cr_is_removed_before_lf_only() {
        let mut copy = Vec::new();
        remove_cr(b"a\r\n\r\r\nb\rc\n\r", &mut copy);
        assert_eq!(copy, b"a\n\r\nb\rc\n\r");
        let lines = "short\r\na line of many more characters\r\n\r\nend\r\n".repeat(3);
        remove_cr(lines.as_bytes(), &mut copy);
        assert_eq!(copy, lines.replace('\r', "").as_bytes());
    }
}
