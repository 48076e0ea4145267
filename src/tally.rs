//! The counting loop: bigrams of blocks of lines, at the speed of memory where the text allows.
//!
//! A [`Tally`] is what one thread has counted. It takes whole lines, cut into pieces that fit into
//! the fastest cache, in one of two ways that count the same:
//!
//! - A *plain* piece has printable ASCII only, and no space where one would have to be trimmed.
//!   There a line end is a boundary like any other byte, so that all pairs of neighbouring bytes
//!   can be counted without looking at them: one load and one increment a byte, in four tables in
//!   turn, because the same counter twice in a row would wait for itself.
//! - Any other piece is decoded, trimmed and checked line by line, and its characters numbered as
//!   they come.
//!
//! The vocabulary is not known before the last line, so each thread numbers the characters that it
//! meets, and [`merge`] brings the numbers together. A thread remembers where it met a character
//! first: if there turn out to be too many, the line of the one too many can be named.

use std::collections::{BTreeMap, HashMap};
use std::str::Chars;

use crate::error::{LineFault, MAX_CHARACTERS};

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

/// What one thread has counted.
pub(crate) struct Tally {
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
    /// The characters in the order met, and where; the boundary first.
    characters: Vec<(char, Place)>,
    /// For each character 1 more than its number, which is its index in `characters`, or 0 without
    /// a number; with [`SPACE`] added where it is white space.
    entries: Box<[u16]>,
}

impl Tally {
    pub fn new(boundary: char) -> Self {
        let side = 64;
        let mut entries: Box<[u16]> = vec![0; char::MAX as usize + 1].into();
        for space in ('\0'..='\u{3000}').filter(|character| character.is_whitespace()) {
            entries[space as usize] = SPACE;
        }
        entries['\n' as usize] = 1; // A line end counts as the boundary.
        Self {
            boundary,
            bytes: vec![[0; TABLE]; TABLES],
            pairs: vec![0; side * side],
            side,
            counted: 0,
            emptied: HashMap::new(),
            characters: vec![(boundary, (0, 0))],
            entries,
        }
    }

    /// Counts a block of whole lines, of which the last may lack its end; tells how many.
    pub fn count(&mut self, index: usize, block: &[u8]) -> Result<usize, Fault> {
        let mut lines = 0;
        let mut rest = block;
        while !rest.is_empty() {
            let (piece, others) = rest.split_at(end_of_piece(rest));
            if self.is_plain(piece) {
                lines += self.count_plain(piece);
            } else {
                lines += self.count_lines(piece, (index, lines), block)?;
            }
            rest = others;
            self.counted += piece.len() as u64;
            if self.counted > FULL {
                self.number_bytes(index, block);
                self.empty();
            }
        }
        self.number_bytes(index, block);
        Ok(lines)
    }

    /// Whether all bytes are printable ASCII or line ends, none is the boundary, and no space
    /// stands where a line begins or ends.
    fn is_plain(&self, piece: &[u8]) -> bool {
        // A boundary that is not ASCII cannot be here; a tab is no printable byte either.
        let boundary = u8::try_from(self.boundary).unwrap_or(b'\t');
        let (mut unusual, mut space) = (0, 0);
        for &byte in piece {
            let printable = u8::from(byte.wrapping_sub(b' ') <= b'~' - b' ');
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

    /// How many line ends the byte counters have.
    fn line_ends(&self) -> u64 {
        let row = pair(0, b'\n');
        let tables = self.bytes.iter();
        let counts = tables.flat_map(|table| &table[row..row + 256]);
        counts.map(|&count| u64::from(count)).sum()
    }

    /// Gives numbers to the bytes that were counted in this block for the first time.
    fn number_bytes(&mut self, index: usize, block: &[u8]) {
        for byte in b' '..=b'~' {
            let row = pair(0, byte);
            let counted = |table: &[u32; TABLE]| table[row..row + 256].iter().any(|&n| n > 0);
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
        let line_before = |rest: &str| {
            let before = &piece[..valid.len() - rest.len()];
            (
                place.0,
                place.1 + memchr::memchr_iter(b'\n', before).count(),
            )
        };
        let mut characters = valid.chars();
        let mut i = 0;
        while let Some(special) = self.count_numbered(&mut characters, &mut i) {
            i = self.count_special(special, i, &mut characters, line_before, block)?;
        }
        if i != 0 {
            self.pairs[i * self.side] += 1;
        }
        if valid.len() < piece.len() {
            return Err(Fault {
                place: line_before(""),
                fault: LineFault::Utf8,
            });
        }
        Ok(memchr::memchr_iter(b'\n', piece).count() + usize::from(!piece.ends_with(b"\n")))
    }

    /// Counts line ends and numbered characters, from character `i` on, up to one that is special.
    fn count_numbered(&mut self, characters: &mut Chars, i: &mut usize) -> Option<char> {
        for character in characters {
            let j = self.entries[character as usize].wrapping_sub(1);
            if j >= SPACE - 1 {
                return Some(character);
            }
            self.pairs[*i * self.side + usize::from(j)] += 1;
            *i = usize::from(j);
        }
        None
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
        line_before: impl Fn(&str) -> Place,
        block: &[u8],
    ) -> Result<usize, Fault> {
        let rest = characters.as_str();
        if !special.is_whitespace() {
            return self.count_one(special, i, || line_before(rest), block);
        }
        if i == 0 {
            return Ok(0);
        }
        let is_visible = |next: char| next == '\n' || !next.is_whitespace();
        let (spaces, rest) = rest.split_at(rest.find(is_visible).unwrap_or(rest.len()));
        *characters = rest.chars();
        if rest.is_empty() || rest.starts_with('\n') {
            return Ok(i);
        }
        let mut last = self.count_one(special, i, || line_before(rest), block)?;
        for space in spaces.chars() {
            last = self.count_one(space, last, || line_before(rest), block)?;
        }
        Ok(last)
    }

    /// Counts a character, with or without a number, after character `i`; returns its number.
    fn count_one(
        &mut self,
        character: char,
        i: usize,
        place: impl Fn() -> Place,
        block: &[u8],
    ) -> Result<usize, Fault> {
        let j = match self.number_of(character) {
            Some(number) => number,
            None => self.meet(character, place(), block)?,
        };
        self.pairs[i * self.side + j] += 1;
        Ok(j)
    }

    /// Numbers a character without a number, if it may be part of a word.
    fn meet(&mut self, character: char, place: Place, block: &[u8]) -> Result<usize, Fault> {
        let fault = |fault| Err(Fault { place, fault });
        if character.is_control() {
            return fault(LineFault::Control(character));
        }
        if character == self.boundary {
            return fault(LineFault::Boundary(character));
        }
        // It may stand in an earlier plain piece of the block too.
        let first = match u8::try_from(character) {
            Ok(byte) if byte.is_ascii() => first_place(byte, place.0, block),
            _ => place,
        };
        if self.characters.len() > MAX_CHARACTERS {
            self.characters.push((character, first));
            return fault(LineFault::TooManyCharacters);
        }
        Ok(self.number(character, first))
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
        let side = (2 * self.side).min(MAX_CHARACTERS + 2);
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

/// Where a byte stands first in a block.
fn first_place(byte: u8, index: usize, block: &[u8]) -> Place {
    let first = memchr::memchr(byte, block).unwrap_or_default();
    (index, memchr::memchr_iter(b'\n', &block[..first]).count())
}

/// All characters that were counted, sorted, and `N`, `[V, V]`; the boundary has index 0.
pub(crate) struct Total {
    pub characters: Vec<char>,
    pub n: Vec<u64>,
}

/// Adds up what the threads have counted.
pub(crate) fn merge(tallies: Vec<Tally>) -> Result<Total, Fault> {
    let mut places = BTreeMap::new();
    for &(character, place) in tallies.iter().flat_map(|tally| &tally.characters[1..]) {
        let first = places.entry(character).or_insert(place);
        *first = place.min(*first);
    }
    if places.len() > MAX_CHARACTERS {
        let mut places: Vec<Place> = places.into_values().collect();
        places.sort_unstable();
        return Err(Fault {
            place: places[MAX_CHARACTERS],
            fault: LineFault::TooManyCharacters,
        });
    }
    let characters: Vec<char> = places.into_keys().collect();
    let v = characters.len() + 1;
    let mut n = vec![0; v * v];
    for mut tally in tallies {
        tally.empty();
        let sorted = |&(character, _): &(char, Place)| {
            characters
                .binary_search(&character)
                .map_or(0, |index| index + 1)
        };
        let indices: Vec<usize> = tally.characters.iter().map(sorted).collect();
        for ((i, j), count) in tally.emptied {
            n[indices[i] * v + indices[j]] += count;
        }
    }
    Ok(Total { characters, n })
}

/// Counts a text by itself.
pub(crate) fn count_text(text: &str, boundary: char) -> Result<Total, Fault> {
    let mut tally = Tally::new(boundary);
    tally.count(0, text.as_bytes())?;
    merge(vec![tally])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emptied_counters_go_on_counting() {
        let text = "emma\n\n olivia \nzo\u{EB}\nanna";
        let once = count_text(text, '.').unwrap();
        let mut tally = Tally::new('.');
        for index in 0..3 {
            tally.count(index, text.as_bytes()).unwrap();
            tally.empty();
        }
        let thrice = merge(vec![tally]).unwrap();
        assert_eq!(thrice.characters, once.characters);
        assert!(
            thrice
                .n
                .iter()
                .zip(once.n)
                .all(|(thrice, once)| *thrice == 3 * once)
        );
    }
}
