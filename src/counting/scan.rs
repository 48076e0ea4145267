//! The loop that counts bigrams in blocks of lines.
//!
//! A [`Scan`] counts for one thread. It cuts a block into pieces of whole lines that fit into the fastest
//! cache, tidies each there, and counts its bigrams in one of two ways, with the same result:
//!
//! - ASCII is counted byte by byte, without decoding: the line end is the start/end token, and each pair
//!   of neighbouring bytes is a bigram. This costs one load and one increment a byte. Four tables take
//!   turns, since incrementing one counter twice in a row would wait for the first increment.
//! - In other text each new character gets the next number. Below [`SIDE`] characters, a thread counts their
//!   bigrams in a table of its own; with more, in the one that all threads share. Where characters
//!   of one byte and of two are mixed, each byte and the one before it have the number in a table: a decoder
//!   would have to guess how long the next character is.
//!
//! The vocabulary is only known after the last line. Until then the shared [`Total`] numbers characters
//! as the threads meet them. It stores the first line of each, to name the line with one character too
//! many.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use crate::data::digest::Digester;
use crate::data::pass::lock;
use crate::data::tidy::{LeftOut, Tidier, Tidy};
use crate::data::united::{Fault, LinePlace, MAX_CHARACTERS};
use crate::error::LineFault;

/// The number of bytes in a piece, which fits into the fastest cache beside the counters.
const PIECE: usize = 1 << 14;

/// After so many bytes the counters, which have 32 bits, are added to the total.
const FULL: u64 = 1 << 31;

/// The number of counters in a row: 256 bytes, and 16 more, since rows at powers of two would compete for
/// the same lines of the cache.
const ROW: usize = 256 + 16;

/// The number of counters in a table of pairs of bytes; [`pair`] is the place of each.
const TABLE: usize = 256 * ROW + 16;

/// The number of ASCII characters.
const ASCII: usize = 0x80;

/// The number of tables of pairs of bytes, which take turns.
const TABLES: usize = 4;

/// A thread counts the bigrams of fewer characters in a table of its own, `[SIDE, SIDE]`, of 4 MB.
const SIDE: usize = 1 << 10;

/// The entry of the first of two bytes: no character ends there.
const UNENDED: u16 = u16::MAX;

/// The first byte of the first character of three.
const FIRST_OF_THREE: u8 = 0xE0;

/// The number of code points.
const CODE_POINTS: usize = char::MAX as usize + 1;

/// The number of cells of the shared table that are fetched from memory at once.
const BATCH: usize = 1 << 8;

/// The number of numbers: that of the start/end token, and those of [`MAX_CHARACTERS`] characters.
const NUMBERS: usize = MAX_CHARACTERS + 1;

/// The results of a block beside its counts.
#[derive(Default)]
pub(crate) struct Scanned {
    pub lines: usize,
    pub digester: Digester,
    pub fault: Option<Fault>,
    pub left_out: LeftOut<LinePlace>,
}

/// The counts of all threads.
pub(crate) struct Total {
    /// The number of each character, from 1, and its first line.
    characters: Mutex<BTreeMap<char, (usize, LinePlace)>>,
    /// The counts of bigrams: a row for each first character, by number; the start/end token is 0.
    rows: Vec<OnceLock<Box<[AtomicU64]>>>,
}

impl Total {
    pub fn new() -> Self {
        Self {
            characters: Mutex::default(),
            rows: (0..NUMBERS).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The number of a character that occurs at a line. If there are too many, the last ones share a
    /// number: the list is refused then, and the counts are not used.
    pub fn number(&self, character: char, place: LinePlace) -> usize {
        let mut characters = lock(&self.characters);
        let next = characters.len() + 1;
        let (number, first) = characters.entry(character).or_insert((next, place));
        *first = place.min(*first);
        (*number).min(MAX_CHARACTERS)
    }

    fn cell(&self, i: usize, j: usize) -> &AtomicU64 {
        let zeros = || (0..NUMBERS).map(|_| AtomicU64::new(0)).collect();
        &self.rows[i].get_or_init(zeros)[j]
    }

    pub fn add(&self, i: usize, j: usize, count: impl Into<u64>) {
        self.cell(i, j).fetch_add(count.into(), Ordering::Relaxed);
    }

    /// Counts bigrams, and empties the vector.
    fn add_each(&self, pairs: &mut Vec<(u16, u16)>) {
        let cell = |&(i, j): &(u16, u16)| self.cell(i.into(), j.into());
        // Reads all cells first: the processor fetches them at the same time.
        let fetch = |all, pair| all | cell(pair).load(Ordering::Relaxed);
        std::hint::black_box(pairs.iter().fold(0, fetch));
        for pair in pairs.iter() {
            cell(pair).fetch_add(1, Ordering::Relaxed);
        }
        pairs.clear();
    }

    /// The first line with a character too many.
    pub fn fault(&self) -> Option<Fault> {
        let characters = lock(&self.characters);
        if characters.len() <= MAX_CHARACTERS {
            return None;
        }
        let mut places: Vec<LinePlace> = characters.values().map(|&(_, place)| place).collect();
        places.sort_unstable();
        Some(Fault {
            place: places[MAX_CHARACTERS],
            fault: LineFault::TooManyCharacters(MAX_CHARACTERS),
        })
    }

    /// All characters, sorted.
    pub fn characters(&self) -> Vec<char> {
        lock(&self.characters).keys().copied().collect()
    }

    /// The place of the first line of each character.
    pub fn first_places(&self) -> BTreeMap<char, LinePlace> {
        let characters = lock(&self.characters);
        let places = characters.iter();
        places
            .map(|(&character, &(_, place))| (character, place))
            .collect()
    }

    /// The numbers of the start/end token and of sorted characters, as far as they were met.
    pub fn numbers(&self, characters: &[char]) -> Vec<Option<usize>> {
        let met = lock(&self.characters);
        let number = |character| met.get(character).map(|&(number, _)| number);
        std::iter::once(Some(0))
            .chain(characters.iter().map(number))
            .collect()
    }

    /// Adds the counts after the character at a place among [`numbers`](Self::numbers) to those of a row.
    pub fn add_row(&self, numbers: &[Option<usize>], place: usize, row: &mut [i64]) {
        let Some(counts) = numbers[place].and_then(|number| self.rows[number].get()) else {
            return;
        };
        for (cell, number) in row.iter_mut().zip(numbers) {
            *cell += number.map_or(0, |number| counts[number].load(Ordering::Relaxed)) as i64;
        }
    }
}

/// The counts of one thread that are not added to the total yet.
pub(crate) struct Scan<'a> {
    total: &'a Total,
    /// The counts of pairs of bytes, at [`pair`]; those of all [`TABLES`] are to be added.
    bytes: Vec<[u32; TABLE]>,
    /// The counts of bigrams of characters, by number, `[side, side]`. The last column is for bytes at which no
    /// character ends.
    pairs: Vec<u32>,
    /// 0 with [`SIDE`] characters and more.
    side: usize,
    /// Bigrams that wait to be counted in the total, with [`SIDE`] characters and more.
    waiting: Vec<(u16, u16)>,
    /// The number of bytes since the counters were added to the total.
    counted: u64,
    /// For each code point 1 more than its number; 0 if it has none yet.
    entries: Box<[u16]>,
    /// The same for the character that ends in a byte, by that byte and the one before it, `[256, 256]`, or
    /// [`UNENDED`]. Characters of more bytes are not here.
    of_bytes: Box<[u16]>,
}

impl<'a> Scan<'a> {
    pub fn new(total: &'a Total) -> Self {
        let side = 64;
        let mut entries: Box<[u16]> = vec![0; CODE_POINTS].into();
        entries['\n' as usize] = 1; // A line end is the start/end token, number 0.
        let mut of_bytes: Box<[u16]> = vec![0; 256 * 256].into();
        for row in of_bytes.chunks_mut(256) {
            row[usize::from(b'\n')] = 1;
            row[0xC0..usize::from(FIRST_OF_THREE)].fill(UNENDED);
        }
        Self {
            total,
            bytes: vec![[0; TABLE]; TABLES],
            pairs: vec![0; side * side],
            side,
            waiting: Vec::with_capacity(BATCH),
            counted: 0,
            entries,
            of_bytes,
        }
    }

    /// Counts a block of whole lines, up to the first bad one.
    pub fn count(&mut self, index: usize, block: &[u8], tidier: &mut Tidier) -> Scanned {
        let mut scanned = Scanned::default();
        let mut rest = block;
        while !rest.is_empty() && scanned.fault.is_none() {
            let (piece, others) = rest.split_at(end_of_piece(rest));
            rest = others;
            let tidy = tidier.tidy(piece);
            match tidy.is_ascii() {
                true => self.count_bytes(tidy.text.as_bytes()),
                false => self.count_characters(&tidy, (index, scanned.lines), block),
            }
            scanned.digester.add(&tidy);
            let lines = tidy.lines();
            let LeftOut { lines: bad, first } = tidy.left_out;
            let first = first.map(|(line, fault)| ((index, scanned.lines + line), fault));
            scanned.left_out.add(bad, first);
            scanned.fault = tidy.fault.map(|(line, fault)| Fault {
                place: (index, scanned.lines + line),
                fault,
            });
            scanned.lines += lines;
            self.counted += piece.len() as u64;
            if self.counted > FULL {
                self.number_bytes(index, block);
                self.finish();
            }
        }
        self.number_bytes(index, block);
        scanned
    }

    /// Counts words of ASCII.
    // Not inlined: in a function of its own the loop has more of the processor's registers.
    #[inline(never)]
    fn count_bytes(&mut self, words: &[u8]) {
        let [one, two, three, four] = self.bytes.as_mut_slice() else {
            return; // There are TABLES of them.
        };
        let mut rest = words;
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
    }

    /// Numbers the ASCII characters that were counted in this block for the first time.
    fn number_bytes(&mut self, index: usize, block: &[u8]) {
        for byte in b' '..=b'~' {
            let row = pair(0, byte);
            let counted = |table: &[u32; TABLE]| table[row..][..ASCII] != [0; ASCII];
            if self.entries[usize::from(byte)] == 0 && self.bytes.iter().any(counted) {
                self.number(byte.into(), (index, first_line(byte, block)));
            }
        }
    }

    /// Counts words character by character; the second argument is the place of their first line.
    fn count_characters(&mut self, words: &Tidy, (index, line): LinePlace, block: &[u8]) {
        let is_mixed = is_mixed(words);
        let (mut rest, mut i, mut word) = (words.text, 0, 0);
        loop {
            let before = rest;
            let new = match is_mixed && self.side > 0 {
                true => self.count_pairs_of_bytes(&mut rest, &mut i),
                false => self.count_numbered(&mut rest, &mut i),
            };
            let Some(new) = new else { return };
            let read = &before[..before.len() - rest.len()];
            word += memchr::memchr_iter(b'\n', read.as_bytes()).count();
            let line = match u8::try_from(new) {
                // Earlier pieces were counted byte by byte, and may have it too.
                Ok(byte) if byte.is_ascii() => first_line(byte, block),
                _ => line + words.line_of(word),
            };
            let j = self.number(new, (index, line));
            match self.side {
                0 => self.total.add(i, j, 1_u64),
                side => self.pairs[i * side + j] += 1,
            }
            i = j;
        }
    }

    /// Counts bigrams after character `i`, up to a character without a number, which is returned. `rest` is then
    /// what is behind it.
    fn count_numbered(&mut self, rest: &mut &str, i: &mut usize) -> Option<char> {
        let (entries, side) = (&self.entries, self.side);
        if side > 0 {
            let pairs = &mut self.pairs;
            return each_numbered(entries, rest, i, |i, j| pairs[i * side + j] += 1);
        }
        let (total, waiting) = (self.total, &mut self.waiting);
        each_numbered(entries, rest, i, |i, j| {
            waiting.push((i as u16, j as u16));
            if waiting.len() == BATCH {
                total.add_each(waiting);
            }
        })
    }

    /// The same where no character has more than two bytes, in a table of the thread's own.
    // Not inlined, as `count_bytes`.
    #[inline(never)]
    fn count_pairs_of_bytes(&mut self, rest: &mut &str, i: &mut usize) -> Option<char> {
        let of_bytes = self.of_bytes.first_chunk::<{ 256 * 256 }>()?;
        let (pairs, side) = (self.pairs.as_mut_slice(), self.side);
        let (last, columns) = (side - 1, side.trailing_zeros());
        let (mut before, mut row, mut end) = (b'\n', *i * side, rest.len());
        for (at, &byte) in rest.as_bytes().iter().enumerate() {
            let entry = of_bytes[usize::from(before) << 8 | usize::from(byte)];
            before = byte;
            if entry == 0 {
                end = at + 1;
                break;
            }
            let j = usize::from(entry - 1).min(last);
            pairs[row + j] += 1;
            row = if entry == UNENDED { row } else { j << columns };
        }
        *i = row >> columns;
        // The last character is a line end, which has a number.
        let new = (end < rest.len()).then(|| rest[..end].chars().next_back());
        *rest = &rest[end..];
        new.flatten()
    }

    /// Numbers a new character.
    fn number(&mut self, character: char, place: LinePlace) -> usize {
        let number = self.total.number(character, place);
        let entry = number as u16 + 1;
        self.entries[character as usize] = entry;
        match character.encode_utf8(&mut [0; 4]).as_bytes() {
            // Whatever character stands before it.
            [byte] => {
                let column = self.of_bytes.iter_mut().skip((*byte).into()).step_by(256);
                column.for_each(|place| *place = entry);
            }
            [first, second] => {
                self.of_bytes[usize::from(*first) << 8 | usize::from(*second)] = entry
            }
            _ => {}
        }
        if (1..=number + 1).contains(&self.side) {
            self.widen(number);
        }
        number
    }

    /// Widens the thread's table for a number, or gives it up.
    fn widen(&mut self, number: usize) {
        let side = (number + 2).next_power_of_two();
        if side > SIDE {
            self.empty_pairs();
            self.pairs = Vec::new();
            self.side = 0;
            return;
        }
        let mut pairs = vec![0; side * side];
        for (wide, row) in pairs.chunks_mut(side).zip(self.pairs.chunks(self.side)) {
            let numbered = self.side - 1;
            wide[..numbered].copy_from_slice(&row[..numbered]);
        }
        self.pairs = pairs;
        self.side = side;
    }

    /// Adds all counts to the total.
    pub fn finish(&mut self) {
        let numbered = |byte: u8| {
            let number = usize::from(self.entries[usize::from(byte)]).checked_sub(1);
            number.map(|number| (byte, number))
        };
        let numbers: Vec<(u8, usize)> = (0..ASCII as u8).filter_map(numbered).collect();
        for table in &mut self.bytes {
            for &(next, j) in &numbers {
                for &(byte, i) in &numbers {
                    let count = std::mem::take(&mut table[pair(byte, next)]);
                    if count > 0 {
                        self.total.add(i, j, count);
                    }
                }
            }
        }
        self.empty_pairs();
        self.total.add_each(&mut self.waiting);
        self.counted = 0;
    }

    /// Adds the thread's table to the total.
    fn empty_pairs(&mut self) {
        for (place, count) in self.pairs.iter_mut().enumerate() {
            let (i, j) = (place / self.side, place % self.side);
            let count = std::mem::take(count);
            if count > 0 && j + 1 < self.side {
                self.total.add(i, j, count);
            }
        }
    }
}

/// Whether text has characters of one byte and of two alone, and both are frequent.
fn is_mixed(words: &Tidy) -> bool {
    let characters = words.characters + words.words;
    let of_two = words.text.len() - characters;
    8 * of_two > characters
        && 8 * of_two < 7 * characters
        && words.text.bytes().fold(0, u8::max) < FIRST_OF_THREE
}

/// Calls `each` with the numbers of every two neighbours, of which the first is `last`, up to a character
/// without a number, which is returned.
// Not inlined, as `count_bytes`.
#[inline(never)]
fn each_numbered(
    entries: &[u16],
    rest: &mut &str,
    last: &mut usize,
    mut each: impl FnMut(usize, usize),
) -> Option<char> {
    // With a known length the compiler checks no index.
    let entries = entries.first_chunk::<CODE_POINTS>()?;
    let mut i = *last;
    let (mut new, mut characters) = (None, rest.chars());
    for character in characters.by_ref() {
        let entry = entries[character as usize];
        if entry == 0 {
            new = Some(character);
            break;
        }
        let j = usize::from(entry) - 1;
        each(i, j);
        i = j;
    }
    (*last, *rest) = (i, characters.as_str());
    new
}

/// The place in a table of the counter of `next` after `byte`.
fn pair(byte: u8, next: u8) -> usize {
    usize::from(next) * ROW + usize::from(byte)
}

/// The end of the first piece of lines: after a line end.
fn end_of_piece(lines: &[u8]) -> usize {
    let least = lines.len().min(PIECE) - 1;
    memchr::memchr(b'\n', &lines[least..]).map_or(lines.len(), |end| least + end + 1)
}

/// The first line of a block, from 0, whose word has an ASCII character.
fn first_line(byte: u8, block: &[u8]) -> usize {
    let has_byte = |line: &[u8]| {
        String::from_utf8_lossy(line)
            .trim()
            .contains(char::from(byte))
    };
    let mut lines = block.split(|&byte| byte == b'\n');
    lines.position(has_byte).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The counts of blocks by one thread, and the first fault.
    fn scan(blocks: &[&str]) -> (Total, Option<Fault>) {
        let total = Total::new();
        let mut scan = Scan::new(&total);
        let mut tidier = Tidier::new('.');
        let scanned = blocks.iter().enumerate();
        let scanned =
            scanned.map(|(index, block)| scan.count(index, block.as_bytes(), &mut tidier));
        let faults: Vec<Fault> = scanned.filter_map(|scanned| scanned.fault).collect();
        scan.finish();
        let faults = faults.into_iter().chain(total.fault());
        let first = faults.min_by_key(|fault| fault.place);
        (total, first)
    }

    /// Lines with a Chinese character each, all different.
    fn chinese(characters: usize) -> String {
        let characters = ('\u{4E00}'..).take(characters);
        characters.flat_map(|character| [character, '\n']).collect()
    }

    fn too_many_at(place: LinePlace) -> Option<Fault> {
        Some(Fault {
            place,
            fault: LineFault::TooManyCharacters(MAX_CHARACTERS),
        })
    }

    #[test]
    fn emptied_counters_go_on_counting() {
        let text = "emma\n\n olivia \nzo\u{EB}\nanna";
        let (once, thrice) = (scan(&[text]).0, Total::new());
        let mut emptied = Scan::new(&thrice);
        for index in 0..3 {
            emptied.count(index, text.as_bytes(), &mut Tidier::new('.'));
            emptied.finish();
        }
        let characters = once.characters();
        assert_eq!(thrice.characters(), characters);
        let [once, thrice] = [once, thrice].map(|total| {
            let numbers = total.numbers(&characters);
            let mut n = vec![0; numbers.len() * numbers.len()];
            for (i, row) in n.chunks_mut(numbers.len()).enumerate() {
                total.add_row(&numbers, i, row);
            }
            n
        });
        let expected: Vec<i64> = once.into_iter().map(|count| 3 * count).collect();
        assert_eq!(thrice, expected);
    }

    /// The numbers of ASCII characters once went beyond the end of the table.
    #[test]
    fn ascii_after_4096_other_characters_is_refused_and_no_panic() {
        let others = chinese(MAX_CHARACTERS);
        let (_, fault) = scan(&[&others, "ok\nab\n", &"\u{4E00}bb\n".repeat(100_000)]);
        assert_eq!(fault, too_many_at((1, 0)));
        let ascii: String = ('!'..='~').filter(|&character| character != '.').collect();
        let (_, fault) = scan(&[&others, &ascii, &chinese(MAX_CHARACTERS + 1)]);
        assert_eq!(fault, too_many_at((1, 0)));
    }

    /// The characters of earlier lines in ASCII were once not counted among those that are too many.
    #[test]
    fn the_line_of_the_character_that_is_one_too_many_is_named_behind_plain_lines() {
        let plain = "abcdefghijklmnopqrstuvwxyz\n\n".repeat(700);
        let (_, fault) = scan(&[&(plain + &chinese(4200))]);
        assert_eq!(fault, too_many_at((0, 1400 + MAX_CHARACTERS - 26)));
        let blank = chinese(4200).replace('\n', "\n \n");
        assert_eq!(scan(&[&blank]).1, too_many_at((0, 2 * MAX_CHARACTERS)));
    }

    /// The line of a space that is trimmed was once named, not that of the first space inside a word.
    #[test]
    fn a_space_is_first_met_inside_a_word() {
        for text in [" \u{3000}\nab cd\n", " a\nab cd\n", "a \r\nab cd\r\n"] {
            let (total, _) = scan(&[text]);
            let characters = lock(&total.characters);
            assert_eq!(characters[&' '].1, (0, 1), "{text:?}");
        }
    }
}
