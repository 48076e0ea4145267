//! Checked word lists in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use serde::{Deserialize, Serialize};

use super::digest::{Digest, Digester};
use super::list_format::LinesLeftOut;
use super::reader::{Blocks, CountedWords, Source};
use super::sections::cut;
use super::tidy::{LeftOut, Tidier, Tidy};
use super::united::{Fault, ScannedSection, unite};
use crate::distributed::Processes;
use crate::distributed::processes::gather_as;
use crate::error::{Error, LineFault, Result};
use crate::memory::Memory;

pub use super::reader::LONGEST_WORD;
pub use super::united::MAX_CHARACTERS;

/// The start/end token of the lecture: it begins and ends every word.
pub const BOUNDARY: char = '.';

/// The largest sum of counts: above it, 64-bit floats leave numbers out.
const MOST_COUNTED: u64 = 1 << 53;

/// A checked list of words.
///
/// The text is UTF-8 with one word a line. Lines end in LF, CRLF or CR, white space around a word and a
/// byte-order mark before it are trimmed, and blank lines are skipped. A word has at most
/// [`LONGEST_WORD`] characters (Unicode scalar values), no control characters and no start/end token;
/// spaces inside are allowed.
///
/// ```
/// let towns = makemore_tch::Words::parse("towns", "Ulm\nBad Tölz\n", '.')?;
/// assert_eq!(towns.iter().collect::<Vec<_>>(), ["Ulm", "Bad Tölz"]);
/// # Ok::<(), makemore_tch::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Words {
    origin: String,
    /// Trimmed, each followed by a line end.
    text: Arc<str>,
    boundary: char,
    characters: Vec<char>,
    digest: Digest,
}

impl Words {
    /// The lecture's names, which are part of the crate.
    ///
    /// # Errors
    ///
    /// [`Error::Line`] if the start/end token is a letter of the names; none for [`BOUNDARY`].
    pub fn lecture(boundary: char) -> Result<Self> {
        Self::read(&Source::lecture(), boundary)
    }

    /// Checks a text; `origin` is its name in errors.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn parse(
        origin: impl Into<String>,
        text: impl Into<Arc<str>>,
        boundary: char,
    ) -> Result<Self> {
        Self::read(&Source::text(origin, text), boundary)
    }

    /// Reads and checks a list.
    ///
    /// # Errors
    ///
    /// If a file cannot be read; [`Error::Line`] for the first line that cannot be used (see
    /// [`LineFault`]), [`Error::NoWords`] if there is none.
    pub fn read(source: &Source, boundary: char) -> Result<Self> {
        let mut text = String::new();
        let mut digester = Digester::default();
        let mut characters = Characters::default();
        each_tidy(source, Some(boundary), |tidy, _| {
            digester.add(tidy);
            text.push_str(tidy.text);
            let mut words = tidy.numbered();
            words.try_for_each(|(line, word)| characters.add(word).map_err(|fault| (line, fault)))
        })?;
        let (origin, digest) = (source.origin(), digester.digest());
        if digest.words == 0 {
            return Err(Error::NoWords { file: origin });
        }
        Ok(Self {
            origin,
            boundary,
            characters: characters.distinct.into_iter().collect(),
            digest,
            text: text.into(),
        })
    }

    /// The words, in the order of the list.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.text.lines()
    }

    /// The number of words, at least one.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a list without words is an error"
    )]
    pub fn len(&self) -> usize {
        self.digest.words as usize
    }

    /// The distinct characters of the words, sorted.
    pub fn characters(&self) -> &[char] {
        &self.characters
    }

    /// The character that begins and ends every word.
    pub fn boundary(&self) -> char {
        self.boundary
    }

    /// The name of the list's source.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The digest of the list.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The list as a source that can be read again.
    pub fn source(&self) -> Source {
        Source::text(self.origin.clone(), Arc::clone(&self.text))
    }
}

/// The distinct characters of words.
struct Characters {
    distinct: BTreeSet<char>,
    seen: Vec<bool>,
}

impl Default for Characters {
    fn default() -> Self {
        Self {
            distinct: BTreeSet::new(),
            seen: vec![false; char::MAX as usize + 1],
        }
    }
}

impl Characters {
    /// Adds those of a word, up to one too many.
    fn add(&mut self, word: &str) -> Result<(), LineFault> {
        for character in word.chars() {
            if !std::mem::replace(&mut self.seen[character as usize], true) {
                self.distinct.insert(character);
            }
        }
        match self.distinct.len() > MAX_CHARACTERS {
            true => Err(LineFault::TooManyCharacters(MAX_CHARACTERS)),
            false => Ok(()),
        }
    }
}

/// Whether a list is the lecture's, in any file.
pub fn is_lecture(list: Digest) -> bool {
    let lecture = Words::lecture(BOUNDARY);
    lecture.is_ok_and(|names| names.digest() == list)
}

/// A list in memory that has each word of another list once, with the sum of its counts, if a column of
/// that list says how often words occur; else the same list.
///
/// # Errors
///
/// As [`Words::read`]; [`Error::NoCounts`] if all counts are 0, [`Error::Value`] if the counts add up to more
/// than a 64-bit float can count. The words take no more than `memory`, of which they reserve their bytes.
/// Several processes read a part of the list each, and all get the same; [`Error::Processes`].
pub fn with_counts(source: Source, memory: &Memory, processes: &dyn Processes) -> Result<Source> {
    if source
        .format()
        .columns
        .is_none_or(|columns| columns.count.is_none())
    {
        return Ok(source);
    }
    let (cuts, names) = (cut(&source, processes)?, source.names());
    let ranks: Vec<usize> = cuts.iter().map(|cut| cut.rank).collect();
    let mut reserved = 0;
    let own = cuts.iter().filter(|cut| cut.rank == processes.rank());
    let own = own.map(|cut| CountedSection::read(&cut.source, memory, &mut reserved));
    let (scanned, own) = own.unzip();
    let united = unite(&names, cuts, scanned, processes)?;
    let of_all: Vec<Vec<CountedSection>> = gather_as(processes, own)?;
    let mut of_all: Vec<_> = of_all.into_iter().map(Vec::into_iter).collect();
    let sections = ranks.iter().filter_map(|&rank| of_all[rank].next());
    let mut all = CountedSection::default();
    for ((file, before), section) in united.starts.into_iter().zip(sections) {
        all.append(section, file, before);
        let more = all.words.bytes().saturating_sub(reserved);
        reserved += more;
        if !memory.reserve(more) {
            return Err(Error::Line {
                file: names[file].clone(),
                line: 1 + before,
                fault: LineFault::Memory(memory.limit()),
            });
        }
    }
    let CountedSection {
        words,
        total,
        zeros,
    } = all;
    if words.counts.is_empty() && zeros > 0 {
        return Err(Error::NoCounts {
            file: source.origin(),
        });
    }
    if total > MOST_COUNTED.into() {
        return Err(Error::Value {
            what: "the number of n-grams, by the counts of the words,",
            value: total.to_string(),
            expected: "at most 2^53, which is 9,007,199,254,740,992, would work",
        });
    }
    memory.release(reserved - words.kept_bytes());
    let counted = CountedWords {
        counts: words.counts,
        lines: words.lines,
        first_words: words.first_words,
        names,
        files: source.list_files(),
        left_out: united.left_out,
    };
    Ok(source.with_counts(words.text, counted))
}

/// The words of a section of a list with counts.
#[derive(Default, Serialize, Deserialize)]
struct CountedSection {
    words: Distinct,
    /// The number of n-grams.
    total: u128,
    /// The number of words with the count 0.
    zeros: usize,
}

impl CountedSection {
    /// Reads a section up to the first line that breaks a rule. The words reserve their bytes, in addition
    /// to those that are `reserved`.
    fn read(source: &Source, memory: &Memory, reserved: &mut u64) -> (ScannedSection, Self) {
        let mut section = Self::default();
        let (mut blocks, mut tidier) = (
            Blocks::of(source),
            Tidier::of(source.format_of_lines(), None),
        );
        let (mut block, mut own) = (Vec::new(), 0);
        let mut characters = BTreeMap::new();
        let (mut faults, mut left_out) = (Vec::new(), LeftOut::default());
        while let Some(index) = blocks.next(&mut block) {
            let mut tidy = tidier.tidy(&block);
            let (file, before) = blocks.start_of(index);
            section.zeros += tidy.zeros;
            section.words.begin(file);
            for ((line, word), &count) in tidy.numbered().zip(tidy.counts) {
                section.total += u128::from(count) * (word.chars().count() as u128 + 1);
                if section.words.add(word, count, before + line) {
                    for character in word.chars() {
                        characters.entry(character).or_insert((index, line));
                    }
                }
            }
            let LeftOut { lines, first } = std::mem::take(&mut tidy.left_out);
            left_out.add(lines, first.map(|(line, fault)| ((index, line), fault)));
            let more = section.words.bytes().saturating_sub(own);
            (own, *reserved) = (own + more, *reserved + more);
            let last = tidy.lines().saturating_sub(1);
            let memory = (!memory.reserve(more)).then(|| (last, LineFault::Memory(memory.limit())));
            let fault = tidy.fault.take().into_iter().chain(memory);
            faults.extend(fault.map(|(line, fault)| Fault {
                place: (index, line),
                fault,
            }));
            blocks.set_lines(index, tidy.lines());
            if !faults.is_empty() || characters.len() > MAX_CHARACTERS {
                blocks.stop();
            }
        }
        let scanned = ScannedSection::of(blocks, characters, Digester::default(), faults, left_out);
        (scanned, section)
    }

    /// Appends the section that follows, whose first file is `file`, behind a number of lines of it.
    fn append(&mut self, next: Self, file: usize, before: usize) {
        self.total += next.total;
        self.zeros += next.zeros;
        // What another process sent has no places.
        if (file, before) == (0, 0) && next.words.places.len() == next.words.counts.len() {
            self.words = next.words;
            return;
        }
        let Distinct {
            text,
            counts,
            lines,
            first_words,
            ..
        } = next.words;
        let (mut files, mut before) = (first_words.iter().enumerate().peekable(), before);
        for (place, ((word, count), line)) in text.lines().zip(counts).zip(lines).enumerate() {
            while let Some((of, _)) = files.next_if(|&(_, &first)| first <= place) {
                before = if of == 0 { before } else { 0 };
                self.words.begin(file + of);
            }
            self.words.add(word, count, before + line);
        }
        for (of, _) in files {
            self.words.begin(file + of);
        }
    }
}

/// The distinct words of a list with the sums of their counts, each held once.
#[derive(Default, Serialize, Deserialize)]
struct Distinct {
    /// Each followed by a line end.
    text: String,
    /// The place in the text after each word and its line end.
    ends: Vec<usize>,
    counts: Vec<u64>,
    /// The line of each word in its file, where it stands first, from 0.
    lines: Vec<usize>,
    /// The number of words before each file.
    first_words: Vec<usize>,
    /// The places of words in `ends`, by their hashes.
    #[serde(skip)]
    places: HashTable<usize>,
    #[serde(skip)]
    hasher: RandomState,
}

impl Distinct {
    /// Begins or continues a file.
    fn begin(&mut self, file: usize) {
        if self.first_words.len() <= file {
            self.first_words.resize(file + 1, self.counts.len());
        }
    }

    /// Adds a word that stands at a line; returns whether it is new.
    fn add(&mut self, word: &str, count: u64, line: usize) -> bool {
        let Self {
            text,
            ends,
            counts,
            places,
            hasher,
            ..
        } = self;
        let of = |&place: &usize| {
            let start = place.checked_sub(1).map_or(0, |before| ends[before]);
            &text[start..ends[place] - 1]
        };
        let hash = |word: &str| hasher.hash_one(word);
        let is_same = |place: &usize| of(place) == word;
        match places.entry(hash(word), is_same, |place| hash(of(place))) {
            Entry::Occupied(place) => {
                let sum = &mut counts[*place.get()];
                *sum = sum.saturating_add(count);
                return false;
            }
            Entry::Vacant(vacant) => drop(vacant.insert(counts.len())),
        }
        text.push_str(word);
        text.push('\n');
        ends.push(text.len());
        counts.push(count);
        self.lines.push(line);
        true
    }

    /// The bytes of what is kept once all words are read.
    fn kept_bytes(&self) -> u64 {
        let numbers = self.counts.capacity() + self.lines.capacity();
        (self.text.len() + size_of::<u64>() * numbers) as u64
    }

    /// The bytes that all of it takes.
    fn bytes(&self) -> u64 {
        let numbers = self.ends.capacity() + self.counts.capacity() + self.lines.capacity();
        let bytes = self.text.capacity() + size_of::<u64>() * numbers;
        (bytes + self.places.allocation_size()) as u64
    }
}

/// Reads a list block by block, up to the first line that breaks a rule. `each` is also given the index of
/// the block's file and the number of the lines before it there, and may refuse a line too, by its number in
/// the block.
pub(crate) fn each_tidy(
    source: &Source,
    boundary: Option<char>,
    mut each: impl FnMut(&Tidy, (usize, usize)) -> Result<(), (usize, LineFault)>,
) -> Result<Option<LinesLeftOut>> {
    let mut left_out: Option<LinesLeftOut> = None;
    let (mut blocks, mut tidier) = (
        Blocks::of(source),
        Tidier::of(source.format_of_lines(), boundary),
    );
    let mut block = Vec::new();
    while let Some(index) = blocks.next(&mut block) {
        let mut tidy = tidier.tidy(&block);
        let fault = each(&tidy, blocks.start_of(index));
        let fault = fault.err().or(tidy.fault.take());
        if let Some((line, fault)) = fault {
            return Err(blocks.fault_at(index, line, fault));
        }
        if let LeftOut {
            lines,
            first: Some((line, fault)),
        } = std::mem::take(&mut tidy.left_out)
        {
            let first = || LinesLeftOut {
                lines: 0,
                first: blocks.fault_at(index, line, fault).to_string(),
            };
            left_out.get_or_insert_with(first).lines += lines;
        }
        blocks.set_lines(index, tidy.lines());
    }
    blocks.finish()?;
    Ok(left_out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Columns, ListFormat};
    use crate::distributed::Alone;
    use proptest::prelude::*;

    fn words(text: &'static str) -> Vec<String> {
        let words = Words::parse("list", text, '.').unwrap();
        words.iter().map(str::to_owned).collect()
    }

    fn fault(text: &str) -> String {
        Words::parse("list", text.to_owned(), '.')
            .unwrap_err()
            .to_string()
    }

    /// The CRC-32 is that of the file with a line end after its last name, as `crc32` and Python's
    /// `zlib.crc32` compute it.
    #[test]
    fn the_lecture_has_its_published_size_and_checksum() {
        let names = Words::lecture(BOUNDARY).unwrap();
        assert_eq!(names.len(), 32_033);
        assert_eq!(names.iter().next(), Some("emma"));
        let file = include_str!("../../assets/names.txt");
        let expected = Digest {
            crc32: crc32fast::hash(format!("{}\n", file.trim_end()).as_bytes()),
            words: 32_033,
            characters: 228_146 - 32_033,
        };
        assert_eq!(names.digest(), expected);
    }

    #[test]
    fn mark_line_ends_blank_lines_and_space_around_words_are_no_part_of_them() {
        assert_eq!(
            words("\u{FEFF}emma\r\n\n  \t\r\n New York \nzoë\n\u{FEFF}ava\rmia"),
            ["emma", "New York", "zoë", "ava", "mia"]
        );
    }

    fn in_columns(names: &str, list: &str, format: ListFormat) -> Vec<(String, u64)> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        std::fs::write(&file, list).unwrap();
        let source = Source::files(vec![file]).in_format(format);
        let columns = Columns::find(names, &source.first_lines().unwrap()).unwrap();
        let format = ListFormat {
            columns: Some(columns),
            ..format
        };
        let source = with_counts(source.in_format(format), &Memory::new(1 << 30), &Alone).unwrap();
        let words = Words::read(&source, '.').unwrap();
        let words = words.iter().map(str::to_owned);
        (0..)
            .zip(words)
            .map(|(place, word)| (word, source.times(place)))
            .collect()
    }

    /// The second reading of words that were taken from columns changed them again, and all counts after
    /// a word that it dropped were those of their neighbours.
    #[test]
    fn words_of_columns_keep_their_counts() {
        let format = ListFormat {
            skip_bad_lines: true,
            ..ListFormat::default()
        };
        let read = |names, list| in_columns(names, list, format);
        let of = |words: &[(&str, u64)]| -> Vec<(String, u64)> {
            words
                .iter()
                .map(|&(word, times)| (word.to_owned(), times))
                .collect()
        };
        assert_eq!(
            read("2,1", "1,a\n5,\u{FEFF}\n7,b\n"),
            of(&[("a", 1), ("b", 7)])
        );
        assert_eq!(
            read("name,n", "\nname,n\nMary,5\nbad\n"),
            of(&[("Mary", 5)])
        );
        let long = "y".repeat(1 << 20);
        let list = format!("x,bob,1\nx,{long},carl\nx,ava,2\n");
        assert_eq!(read("2,3", &list), of(&[("bob", 1), ("ava", 2)]));
    }

    /// Words stood in memory twice, and the limit did not count them.
    #[test]
    fn the_distinct_words_of_columns_take_no_more_memory_than_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        let words = 20_000_u64;
        let lines = (0..words).map(|word| format!("{word:010},3\n"));
        std::fs::write(&file, lines.collect::<String>().repeat(3)).unwrap();
        let source = Source::files(vec![file]).in_blocks_of(10_000);
        let columns = Columns::find("1,2", &source.first_lines().unwrap()).unwrap();
        let format = ListFormat {
            columns: Some(columns),
            ..ListFormat::default()
        };
        let read = |memory| with_counts(source.clone().in_format(format), memory, &Alone);
        let (enough, few) = (Memory::new(100 * words), Memory::new(40 * words));
        let counted = read(&enough).unwrap();
        assert_eq!((counted.times(0), counted.times(words - 1)), (9, 9));
        assert_eq!(counted.counts().unwrap().len() as u64, words);
        let kept = enough.limit() - enough.free();
        assert!((27 * words..60 * words).contains(&kept), "{kept}");
        let error = read(&few).unwrap_err().to_string();
        assert!(
            error.contains("the distinct words up to here take more than the 800"),
            "{error}"
        );
    }

    /// The first line of every file was dropped unread, and equal words had the numbers of summed lines.
    #[test]
    fn lines_of_columns_are_named_as_their_files_have_them() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["one", "other"].map(|name| folder.path().join(name));
        let fault = |one: &str, other: &str| {
            std::fs::write(&files[0], one).unwrap();
            std::fs::write(&files[1], other).unwrap();
            let source = Source::files(files.to_vec());
            let columns = Columns::find("name,n", &source.first_lines().unwrap()).unwrap();
            let format = ListFormat {
                columns: Some(columns),
                ..ListFormat::default()
            };
            let counted = with_counts(source.in_format(format), &Memory::new(1 << 30), &Alone);
            let read = counted.and_then(|counted| Words::read(&counted, '.'));
            let error = read.map(|words| words.len()).unwrap_err().to_string();
            let inside = format!("{}/", folder.path().display());
            error.strip_prefix(&inside).map(str::to_owned).unwrap()
        };
        let error = fault("name,n\nMary,5\n", "Anna,2\nEmma,3\n");
        assert!(
            error.starts_with("other:1: the first line is not that of the first file"),
            "{error}"
        );
        let error = fault(
            "name,n\nMary,5\nMary,1\n",
            "\n\u{FEFF}name,n\r\nAnna,2\n\nst.ives,3\n",
        );
        assert!(error.starts_with("other:5: the word has a '.'"), "{error}");
        let characters: String = ('\u{4E00}'..)
            .take(MAX_CHARACTERS + 1)
            .flat_map(|c| [c, ',', '1', '\n'])
            .collect();
        let error = fault("name,n\na,1\na,1\n", &format!("name,n\n{characters}"));
        assert!(
            error.starts_with("other:4097: more than 4096 distinct"),
            "{error}"
        );
    }

    #[test]
    fn each_fault_names_its_line() {
        assert!(fault("emma\n\nst. ives\n").starts_with("list:3: the word has a '.'"));
        assert!(fault("em\x07ma\n").starts_with("list:1: a control character (U+0007)"));
        assert!(fault(" \r\n\n").starts_with("list: no words"));
        assert!(fault("").starts_with("list: no words"));
    }

    #[test]
    fn the_longest_word_is_read_and_one_character_more_is_refused() {
        let longest = "é".repeat(LONGEST_WORD);
        let list = Words::parse("list", format!("a\n {longest} \n"), '.').unwrap();
        assert_eq!(list.len(), 2);
        let error = fault(&format!("a\n{longest}é\nb\n"));
        assert!(
            error.starts_with("list:2: the word is too long; 65536"),
            "{error}"
        );
    }

    #[test]
    fn the_4097th_distinct_character_is_refused_where_it_stands() {
        let characters = ('\u{4E00}'..).take(MAX_CHARACTERS + 1);
        let mut text: String = characters.flat_map(|character| [character, '\n']).collect();
        assert!(fault(&text).starts_with("list:4097: more than 4096 distinct"));
        text.truncate(text.len() - 4);
        assert!(Words::parse("list", text, '.').is_ok());
    }

    proptest! {
        #[test]
        fn the_digest_does_not_depend_on_line_ends_space_and_blank_lines(
            words in prop::collection::vec("[a-zé]{1,6}( [a-z]{1,3})?", 1..20),
            ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r\n", " \n\n", "\n\t\n"]), 20),
        ) {
            let plain = words.iter().map(|word| format!("{word}\n")).collect::<String>();
            let wild = words.iter().zip(ends).map(|(word, end)| format!(" {word}{end}")).collect::<String>();
            let plain = Words::parse("list", plain, '.').unwrap();
            prop_assert_eq!(plain.digest(), Words::parse("list", wild, '.').unwrap().digest());
            let mut other = words.clone();
            other.swap(0, words.len() - 1);
            if other != words {
                let other = Words::parse("list", other.join("\n"), '.').unwrap();
                prop_assert_ne!(plain.digest(), other.digest());
            }
        }

        #[test]
        fn every_line_of_printable_text_is_a_word(list in prop::collection::vec("[^.\\p{Cc}\\s\u{FEFF}]{1,8}", 1..20)) {
            let words = Words::parse("list", list.join("\n"), '.').unwrap();
            prop_assert_eq!(words.iter().collect::<Vec<_>>(), list);
        }

        #[test]
        fn parsing_any_text_never_panics(text: String) {
            let _ = Words::parse("list", text, '.');
        }
    }
}
