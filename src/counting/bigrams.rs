//! Bigrams of a whole list, counted by several threads, each of which takes the next block.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use foldhash::fast::RandomState;
use tch::Tensor;

use super::counts::NgramCounts;
use super::scan::{Scan, Scanned, Total};
use crate::data::columns::guess;
use crate::data::digest::{Digest, Digester};
use crate::data::list_format::LinesLeftOut;
use crate::data::pass::{each_task, lock, threads};
use crate::data::reader::{Blocks, Source};
use crate::data::sections::{Sections, cut, in_memory};
use crate::data::tidy::{LeftOut, Tidier};
use crate::data::united::{Fault, LinePlace, ScannedSection, United, unite};
use crate::data::vocabulary::Vocabulary;
use crate::data::words::{BOUNDARY, Words, each_tidy};
use crate::distributed::processes::of_first;
use crate::distributed::{Alone, Processes};
use crate::error::{Error, LineFault, Result};

/// The start/end tokens to choose from, the lecture's first.
pub const TOKENS: [char; 6] = [BOUNDARY, '$', '|', '^', '¶', '␂'];

/// The number of counts that processes add up at once.
const CELLS: usize = 1 << 20;

/// A counted list.
#[derive(Debug, Clone)]
pub struct Counted {
    /// The name of the list.
    pub origin: String,
    /// Its bigrams.
    pub counts: NgramCounts,
    /// Its digest.
    pub digest: Digest,
    /// The lines that were left out, since they cannot be words; none if its format does not say so.
    pub left_out: Option<LinesLeftOut>,
    /// Which process reads what of it.
    pub sections: Sections,
}

/// Counts the bigrams of a list, in memory that does not depend on its length; `boundary` is the
/// start/end token. If there is none, it is the first of [`TOKENS`] that the list does not have.
///
/// # Errors
///
/// [`Error::Line`] names the first line that is no word, [`Error::NoWords`] a list without words,
/// [`Error::Token`] if the list has all tokens; if a file cannot be read.
pub fn count(source: &Source, boundary: impl Into<Option<char>>) -> Result<Counted> {
    count_with(source, boundary, threads())
}

/// Counts the bigrams of a list as [`count`] does, by several processes, each of which reads a part of it.
/// All get the same.
///
/// # Errors
///
/// As [`count`]; [`Error::Disagreement`] if the list is another one for another process,
/// [`Error::Processes`].
pub fn count_shared(
    source: &Source,
    boundary: Option<char>,
    processes: &dyn Processes,
) -> Result<Counted> {
    match boundary {
        None => counted(source, None, TOKENS, threads(), processes),
        Some(_) => counted(source, boundary, boundary, threads(), processes),
    }
}

/// Counts the bigrams of a list that a model of the vocabulary `learned` scores. Words may have the
/// model's start/end token, which is a character that the model does not know there; the token of the
/// counts is then another one.
///
/// # Errors
///
/// As [`count`], but for [`Error::Token`].
pub fn count_for(source: &Source, learned: &Vocabulary) -> Result<Counted> {
    count_shared_for(source, learned, &Alone)
}

/// Counts the bigrams of a list as [`count_for`] does, by several processes.
///
/// # Errors
///
/// As [`count_shared`], but for [`Error::Token`].
pub fn count_shared_for(
    source: &Source,
    learned: &Vocabulary,
    processes: &dyn Processes,
) -> Result<Counted> {
    // More characters than a list may have are for private use.
    let others = TOKENS.into_iter().chain('\u{E000}'..='\u{F8FF}');
    let tokens = std::iter::once(learned.boundary()).chain(others);
    counted(source, None, tokens, threads(), processes)
}

impl NgramCounts {
    /// Counts the bigrams of a word list.
    ///
    /// # Errors
    ///
    /// None: the words of a list are valid.
    pub fn of(words: &Words) -> Result<Self> {
        Ok(count(&words.source(), words.boundary())?.counts)
    }
}

/// [`count`] on `threads` threads, for tests and benches; the result does not depend on their number.
///
/// # Errors
///
/// As [`count`].
#[doc(hidden)]
pub fn count_with(
    source: &Source,
    boundary: impl Into<Option<char>>,
    threads: usize,
) -> Result<Counted> {
    match boundary.into() {
        None => counted(source, None, TOKENS, threads, &Alone),
        Some(boundary) => counted(source, Some(boundary), [boundary], threads, &Alone),
    }
}

/// Counts a list whose words must not have the `boundary`, if there is one. The start/end token is the
/// first of `tokens` that the list does not have.
fn counted(
    source: &Source,
    boundary: Option<char>,
    tokens: impl IntoIterator<Item = char>,
    threads: usize,
    processes: &dyn Processes,
) -> Result<Counted> {
    let (totals, united) = match source.counts() {
        None => scan_all(source, boundary, threads, processes)
            .map_err(|error| with_columns(error, source, processes))?,
        Some(_) => counted_once(source, boundary, processes)?,
    };
    let origin = source.origin();
    if united.digest.words == 0 {
        return Err(match united.left_out {
            Some(LinesLeftOut { lines, first }) => Error::AllLeftOut { lines, first },
            None => Error::NoWords { file: origin },
        });
    }
    let characters = united.characters;
    let counts = match source.counts() {
        None => added_up(&totals, &characters, processes)?,
        // Each process has all words.
        Some(_) => added_up(&totals, &characters, &Alone)?,
    };
    let is_free = |token: &char| characters.binary_search(token).is_err();
    let token = tokens.into_iter().find(is_free).unwrap_or(BOUNDARY);
    let vocabulary = Vocabulary::new(token, characters)?;
    Ok(Counted {
        origin,
        counts: NgramCounts::bigrams(vocabulary, counts.into_iter()),
        digest: united.digest,
        left_out: united.left_out,
        sections: united.sections,
    })
}

/// The distinct bigrams of all processes with their counts, sorted; the start/end token has index 0, the
/// first of the `characters` 1. `totals` are those of this process.
///
/// # Errors
///
/// [`Error::Processes`].
fn added_up(
    totals: &[Total],
    characters: &[char],
    processes: &dyn Processes,
) -> Result<Vec<([usize; 2], u64)>> {
    let v = characters.len() + 1;
    let numbers: Vec<_> = totals
        .iter()
        .map(|total| total.numbers(characters))
        .collect();
    let mut counts = Vec::new();
    let rows = (CELLS / v).max(1);
    for begin in (0..v).step_by(rows) {
        let end = v.min(begin + rows);
        let mut n = vec![0_i64; (end - begin) * v];
        for (total, numbers) in totals.iter().zip(&numbers) {
            for (i, row) in (begin..end).zip(n.chunks_mut(v)) {
                total.add_row(numbers, i, row);
            }
        }
        let (sum, _) = processes.sum(&Tensor::f_from_slice(&n)?, &[0])?;
        let sum = Vec::<i64>::try_from(&sum)?;
        let cells = sum.into_iter().enumerate().filter(|&(_, count)| count > 0);
        counts.extend(cells.map(|(cell, count)| ([begin + cell / v, cell % v], count as u64)));
    }
    Ok(counts)
}

/// The error of a list, which all processes have, with the columns that it looks as if it had if a tab is in a
/// word.
fn with_columns(error: Error, source: &Source, processes: &dyn Processes) -> Error {
    match error {
        Error::Line {
            file,
            line,
            fault: LineFault::Control('\t'),
        } => {
            let found = of_first(processes, || {
                let lines = source.is_rereadable().then(|| source.first_lines().ok());
                let columns = lines.flatten().and_then(|lines| guess(&lines));
                Ok(columns.map_or(LineFault::Control('\t'), LineFault::Tab))
            });
            found.map_or_else(|error| error, |fault| Error::Line { file, line, fault })
        }
        error => error,
    }
}

/// Counts a list that has each word once, with how often it occurs.
fn counted_once(
    source: &Source,
    boundary: Option<char>,
    processes: &dyn Processes,
) -> Result<(Vec<Total>, United)> {
    let (total, mut digester, mut place) = (Total::new(), Digester::default(), 0);
    let mut numbers = HashMap::<char, usize, RandomState>::default();
    each_tidy(source, boundary, |tidy, _| {
        for (line, word) in tidy.text.lines().enumerate() {
            let (times, mut i) = (source.times(place), 0);
            for character in word.chars() {
                let number = || total.number(character, (0, line));
                let j = *numbers.entry(character).or_insert_with(number);
                total.add(i, j, times);
                i = j;
            }
            total.add(i, 0, times);
            place += 1;
        }
        digester.add(tidy);
        Ok(())
    })?;
    let united = United {
        characters: total.characters(),
        digest: digester.digest().with_counts(source.counts()),
        left_out: source.left_out().cloned(),
        sections: in_memory(source, processes),
        starts: Vec::new(),
    };
    Ok((vec![total], united))
}

/// Scans the sections of this process, and unites them with those of the others.
fn scan_all(
    source: &Source,
    boundary: Option<char>,
    threads: usize,
    processes: &dyn Processes,
) -> Result<(Vec<Total>, United)> {
    let cuts = cut(source, processes)?;
    let own = cuts.iter().filter(|cut| cut.rank == processes.rank());
    let scanned = own.map(|cut| scan(&cut.source, boundary, threads));
    let (totals, sections) = scanned.collect::<Result<Vec<_>>>()?.into_iter().unzip();
    let united = unite(&source.names(), cuts, sections, processes)?;
    Ok((totals, united))
}

/// Scans a section up to the first bad line, whichever thread finds it.
fn scan(
    source: &Source,
    boundary: Option<char>,
    threads: usize,
) -> Result<(Total, ScannedSection)> {
    let total = Total::new();
    let progress = BlocksLeft::of(Blocks::of(source));
    let threads = match progress.blocks.is_at_end() {
        true => 1,
        false => threads.max(1),
    };
    let progress = Mutex::new(progress);
    each_task(0..threads, |_| {
        let mut scan = Scan::new(&total);
        let mut tidier = Tidier::of(source.format_of_lines(), boundary);
        let mut block = Vec::new();
        let mut index = lock(&progress).next(&mut block);
        while let Some(scanning) = index {
            let scanned = scan.count(scanning, &block, &mut tidier);
            let mut progress = lock(&progress);
            progress.add(scanning, scanned, &total);
            index = progress.next(&mut block);
        }
        scan.finish();
        Ok(())
    })?;
    let progress = progress
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let BlocksLeft {
        blocks,
        digester,
        faults,
        left_out,
        ..
    } = progress;
    let scanned = ScannedSection::of(blocks, total.first_places(), digester, faults, left_out);
    Ok((total, scanned))
}

/// The blocks that are left, and the digest of those that are counted.
struct BlocksLeft<'a> {
    blocks: Blocks<'a>,
    /// The first block, read in advance: a list of one block is scanned on one thread.
    first: Option<(usize, Vec<u8>)>,
    /// The digest of the first `done` blocks.
    digester: Digester,
    done: usize,
    /// The numbers and digests of later blocks, until those before them are done.
    waiting: Vec<(usize, Digester)>,
    faults: Vec<Fault>,
    left_out: LeftOut<LinePlace>,
}

impl<'a> BlocksLeft<'a> {
    fn of(mut blocks: Blocks<'a>) -> Self {
        let mut first = Vec::new();
        let index = blocks.next(&mut first);
        Self {
            blocks,
            first: index.map(|index| (index, first)),
            digester: Digester::default(),
            done: 0,
            waiting: Vec::new(),
            faults: Vec::new(),
            left_out: LeftOut::default(),
        }
    }

    fn next(&mut self, block: &mut Vec<u8>) -> Option<usize> {
        let Some((index, first)) = self.first.take() else {
            return self.blocks.next(block);
        };
        *block = first;
        Some(index)
    }

    fn add(&mut self, index: usize, scanned: Scanned, total: &Total) {
        if scanned.fault.is_some() || total.fault().is_some() {
            self.blocks.stop();
        }
        self.faults.extend(scanned.fault);
        self.left_out
            .add(scanned.left_out.lines, scanned.left_out.first);
        self.blocks.set_lines(index, scanned.lines);
        self.waiting.push((index, scanned.digester));
        while let Some(place) = self.waiting.iter().position(|next| next.0 == self.done) {
            self.digester.append(&self.waiting.swap_remove(place).1);
            self.done += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::counting::count_parts;
    use crate::data::words::with_counts;
    use crate::data::{Columns, List, ListFormat, Part, Parts};
    use crate::memory::Memory;
    use crate::models::{Ngram, Smoothing};
    use crate::score::evaluate;
    use crate::train::lists::Lists;

    fn in_blocks(text: &[u8], block: usize, threads: usize) -> Result<Counted> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        std::fs::write(&file, text).unwrap();
        count_with(&Source::files(vec![file]).in_blocks_of(block), '.', threads)
    }

    /// The message of an error, after the name of the file.
    fn fault(text: &[u8], block: usize, threads: usize) -> String {
        let error = in_blocks(text, block, threads).unwrap_err().to_string();
        error.split_once("list:").unwrap().1.to_owned()
    }

    /// The bigrams of a text, counted one by one.
    fn plainly(text: &str) -> HashMap<String, u64> {
        let mut counts = HashMap::new();
        let words = text.split('\n').map(str::trim);
        for word in words.filter(|word| !word.is_empty()) {
            let bounded: Vec<char> = format!(".{word}.").chars().collect();
            for bigram in bounded.windows(2) {
                *counts.entry(bigram.iter().collect()).or_default() += 1;
            }
        }
        counts
    }

    fn as_map(counts: &NgramCounts) -> HashMap<String, u64> {
        let ngrams = counts.distinct();
        ngrams
            .map(|(context, next, count)| (counts.ngram(&context, next), count))
            .collect()
    }

    /// A list with counts, and the same list written out.
    fn with_counts_and_written_out() -> [Source; 2] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.csv");
        let lines = "zoë,3\nava,2\nzoe,70000\nava,5\nanna,0\nann,1\n";
        std::fs::write(&file, lines).unwrap();
        let source = Source::files(vec![file]);
        let columns = Some(Columns::find("1,2", &source.first_lines().unwrap()).unwrap());
        let format = ListFormat {
            columns,
            ..ListFormat::default()
        };
        let counted = with_counts(source.in_format(format), &Memory::new(1 << 30), &Alone).unwrap();
        let written = [("zoë", 3), ("ava", 7), ("zoe", 70_000), ("ann", 1)];
        let written = written.map(|(word, times)| format!("{word}\n").repeat(times));
        [counted, Source::text("list", written.concat())]
    }

    #[test]
    fn a_list_with_counts_is_the_list_written_out() {
        let memory = Memory::new(1 << 30);
        let figures = |source: &Source| {
            let counted = count(source, '.').unwrap();
            let list = List {
                source: source.clone(),
                digest: counted.digest,
            };
            let parts = Parts::whole(list);
            let (train, vocabulary) = ([Part::Train], counted.counts.vocabulary());
            let trigrams = count_parts(&parts, &train, vocabulary, 3, &memory, &|_| ()).unwrap();
            let model = Ngram::of(&trigrams[0], Smoothing::KneserNey, &memory).unwrap();
            let evaluation = evaluate::parts(&model, &parts, &train, &Alone).unwrap();
            let lists = Lists::read(&parts, vocabulary).unwrap();
            let by_list = evaluate::word_list(&model, &lists.train, &mut || Ok(())).unwrap();
            assert_eq!(by_list.words, counted.counts.words());
            let drawn =
                (0..lists.train.total()).map(|place| lists.train.written_out(place).to_vec());
            (
                as_map(&counted.counts),
                as_map(&trigrams[0]),
                (evaluation, by_list),
                drawn.collect::<Vec<_>>(),
            )
        };
        let [counted, written] = with_counts_and_written_out();
        assert!(figures(&counted) == figures(&written));
        // All of a word is in one part, and other counts are another list.
        let digests = [&counted, &written].map(|source| count(source, '.').unwrap().digest);
        assert_eq!(digests.map(|digest| digest.words), [4, 70_011]);
        assert_ne!(digests[0], digests[0].with_counts(Some(&[1])));
    }

    /// A list with full stops was refused, and then the one with the token that was advised.
    #[test]
    fn the_start_end_token_is_the_first_that_the_list_lacks() {
        let token = |list: &'static str| {
            let counted = count(&Source::text("list", list), None);
            counted.map(|list| list.counts.vocabulary().boundary())
        };
        assert_eq!(token("emma\n").unwrap(), '.');
        assert_eq!(token("st. ives\n").unwrap(), '$');
        assert_eq!(token("st. ives\n5 $\na|b\n").unwrap(), '^');
        let all: String = TOKENS.into_iter().collect();
        let error = count(&Source::text("list", all), None).unwrap_err();
        assert!(matches!(error, Error::Token { .. }), "{error}");
        assert!(count(&Source::text("list", "st. ives\n"), '.').is_err());
        let skip = ListFormat {
            skip_bad_lines: true,
            ..ListFormat::default()
        };
        let bad = Source::text("list", "a\tb\n").in_format(skip);
        let error = count(&bad, None).unwrap_err();
        assert!(
            matches!(error, Error::AllLeftOut { lines: 1, .. }),
            "{error}"
        );
    }

    #[test]
    fn the_4097th_distinct_character_is_found_across_threads() {
        let characters = ('\u{4E00}'..).take(4090).chain('a'..='g');
        let lines: Vec<String> = characters
            .map(|character| format!("{character}\n"))
            .collect();
        for block in [10, 1000, 1 << 20] {
            let fault = fault(lines.concat().as_bytes(), block, 2);
            assert!(fault.starts_with("4097: more than 4096"), "{fault}");
            assert!(in_blocks(lines[1..].concat().as_bytes(), block, 2).is_ok());
        }
    }

    #[test]
    fn thousands_of_characters_are_counted_by_several_threads() {
        let lines = (0..10_000_u32).map(|line| {
            let character = |times: u32| char::from_u32(0x4E00 + line * times % 1501);
            [1, 7, 77].into_iter().filter_map(character).collect()
        });
        let text = lines.collect::<Vec<String>>().join("\n");
        for threads in [1, 3] {
            let counted = in_blocks(text.as_bytes(), 5000, threads).unwrap();
            assert_eq!(as_map(&counted.counts), plainly(&text));
        }
    }

    /// Each new character was once searched for from the start of its line.
    #[test]
    fn thousands_of_new_characters_on_one_line_are_found_in_one_pass() {
        let line: String = ('\u{4E00}'..).take(4096).collect();
        let text = format!("{}\n{line}\n", "é".repeat(60_000)).repeat(3);
        let counted = in_blocks(text.as_bytes(), 1 << 19, 1);
        assert!(
            counted
                .unwrap_err()
                .to_string()
                .contains("list:2: more than 4096")
        );
        let line = &line[..3 * 4095];
        let text = format!("{}\n{line}\n", "é".repeat(60_000)).repeat(3);
        assert_eq!(
            in_blocks(text.as_bytes(), 1 << 19, 1).unwrap().digest.words,
            6
        );
    }

    /// A line without an end once took all memory.
    #[test]
    fn an_endless_line_is_refused_where_it_stands() {
        struct Endless;
        impl std::io::Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                buffer.fill(b'a');
                Ok(buffer.len())
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        let mut zstd = zstd::Encoder::new(std::fs::File::create(&file).unwrap(), 1).unwrap();
        std::io::Write::write_all(&mut zstd, b"emma\n").unwrap();
        let mut endless = std::io::Read::take(Endless, 1 << 26);
        std::io::copy(&mut endless, &mut zstd).unwrap();
        zstd.finish().unwrap();
        for block in [100, 1 << 19] {
            let source = Source::files(vec![file.clone()]).in_blocks_of(block);
            let error = count(&source, '.').unwrap_err().to_string();
            assert!(error.contains("list:2: the word is too long"), "{error}");
        }
    }

    #[test]
    fn several_files_are_one_list_and_errors_name_the_right_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let one = file("one", "\u{FEFF}emma");
        let two = file("two", "\u{FEFF}ava\r\nanna\n");
        let bad = file("bad", "ok\nst. ives\n");
        let whole = file("whole", "emma\nava\nanna\n");
        let both = Source::files(vec![one.clone(), two.clone()]);
        let counted = count(&both, '.').unwrap();
        assert_eq!(as_map(&counted.counts), plainly("emma\nava\nanna"));
        // One file or two, it is the same list.
        assert_eq!(
            counted.digest,
            count(&Source::files(vec![whole]), '.').unwrap().digest
        );
        let words = Words::read(&both, '.').unwrap();
        assert_eq!(words.iter().collect::<Vec<_>>(), ["emma", "ava", "anna"]);
        let error = count(&Source::files(vec![one, bad, two]), '.').unwrap_err();
        assert!(error.to_string().contains("bad:2: "), "{error}");
    }

    /// Files of all forms in a folder, by their names.
    #[cfg(feature = "distributed")]
    fn files() -> (tempfile::TempDir, impl Fn(&str) -> Source) {
        use std::io::Write;

        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        let lecture = include_str!("../../assets/names.txt");
        let names: Vec<&str> = lecture.lines().step_by(40).collect();
        let [one, two, three] = [&names[..300], &names[300..500], &names[500..]];
        write("one", one.join("\n").as_bytes());
        write("cr", two.join("\r").as_bytes());
        write("blank", b"\n\r\n");
        let utf_16 = "\u{FEFF}zoë\r\nanna\n".encode_utf16();
        write(
            "utf-16",
            &utf_16.flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
        );
        write(
            "latin1",
            &b"zo\xEB\n\xEF\xBB\xBFa\n\xFF\xFEb\nanna\n".repeat(9),
        );
        let mut zstd = zstd::Encoder::new(Vec::new(), 1).unwrap();
        zstd.write_all(three.join("\n").as_bytes()).unwrap();
        let zstd = zstd.finish().unwrap();
        write("cut", &zstd[..zstd.len() / 2]);
        write("zstd", &zstd);
        let counted = |names: &[&str]| {
            let lines = names
                .iter()
                .zip(0..)
                .map(|(name, n)| format!("{n};{name}\n"));
            "n;name\n".to_owned() + &lines.collect::<String>() + "7;emma\n"
        };
        write("one.csv", counted(one).as_bytes());
        write("two.csv", counted(two).as_bytes());
        write("bad", format!("{}\nan\tna\n", one.join("\n")).as_bytes());
        let many: String = ('\u{4E00}'..).take(4097).flat_map(|c| [c, '\n']).collect();
        write("many", many.as_bytes());
        write("most", &many.as_bytes()[4..]);
        let path = folder.path().to_owned();
        let source = move |names: &str| {
            let files = names.split(' ').map(|name| path.join(name));
            Source::files(files.collect()).in_blocks_of(500)
        };
        (folder, source)
    }

    /// Each of these processes is a thread here.
    #[cfg(feature = "distributed")]
    #[test]
    fn processes_count_what_one_process_counts() {
        use crate::distributed::group::tests::each;

        let (_folder, files) = files();
        let format = |options: &str, source: &Source| ListFormat {
            encoding: options
                .contains("latin1")
                .then_some(encoding_rs::WINDOWS_1252),
            columns: options.split(' ').find_map(|option| {
                let names = option.strip_prefix("columns:")?;
                Some(Columns::find(names, &source.first_lines().unwrap()).unwrap())
            }),
            skip_bad_lines: options.contains("skip"),
            ..ListFormat::default()
        };
        for (list, options) in [
            ("one cr blank utf-16 zstd", ""),
            ("latin1", "latin1"),
            ("one bad one", "skip"),
            ("blank one.csv two.csv", "columns:name"),
            ("two.csv one.csv one.csv", "columns:name,n"),
            ("most", ""),
            // Faults, of which the first is told.
            ("one cr bad", ""),
            ("bad missing", ""),
            ("one missing bad", ""),
            ("many bad", ""),
            ("one many many", ""),
            ("one most", ""),
            ("one.csv two.csv cr", "columns:name"),
            ("blank blank", ""),
            (".", ""),
        ] {
            let source = files(list);
            let source = source.clone().in_format(format(options, &source));
            let counted = |processes: &dyn Processes| {
                let memory = Memory::new(1 << 30);
                let source = with_counts(source.clone(), &memory, processes)?;
                let counted = count_shared(&source, Some('.'), processes)?;
                Ok((
                    counted.counts,
                    counted.digest,
                    counted.left_out,
                    source.counts().map(<[u64]>::to_vec),
                ))
            };
            let shown = |counted: Result<_>| counted.map_err(|error| error.to_string());
            let alone = shown(counted(&Alone));
            for size in [2, 3] {
                for together in each(size, |group| shown(counted(group))) {
                    assert_eq!(together, alone, "{list} by {size}");
                }
            }
        }
        // What cannot be read to its end is told with the process that has it.
        let source = files("one cut");
        for together in each(2, |group| count_shared(&source, None, group)) {
            let error = together.unwrap_err().to_string();
            assert!(error.contains("cut of rank 1 on "), "{error}");
        }
    }

    proptest! {
        #[test]
        fn blocks_of_any_size_are_counted_as_one_text(
            lines in prop::collection::vec(" {0,2}[a-d ]{0,6}[äß日🦀]{0,2} ?\r?", 0..30),
            block in 1..100_usize,
            threads in 1..4_usize,
        ) {
            // The last word has no line end. Without it the list might have no words.
            let text = lines.join("\n") + "\nend";
            let counted = in_blocks(text.as_bytes(), block, threads).unwrap();
            prop_assert_eq!(as_map(&counted.counts), plainly(&text));
            let words = Words::parse("list", text, '.').unwrap();
            prop_assert_eq!(counted.digest, words.digest());
        }

    }

    proptest! {
        // Fewer than usual: each has a text of many blocks.
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn plain_and_other_pieces_are_counted_alike(seed: u64, accents in 0..5_u64) {
            let mut state = seed;
            let mut random = |below: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) % below
            };
            let mut text = String::new();
            while text.len() < 50_000 {
                match random(40) {
                    0 => text.push(' '),
                    1..=4 => text.push('\n'),
                    5 => text.push_str("\r\n"),
                    // Some texts have no accent, some one, some many, some of very many letters.
                    6 if [1, 2].contains(&accents) && random(1 + 2000 * (2 - accents)) == 0 => {
                        text.push('é');
                    }
                    7..=19 if accents > 2 => {
                        let letters = [90, 1500][accents as usize - 3];
                        text.extend(char::from_u32(0xC0 + random(letters) as u32));
                    }
                    _ => text.push((b'A' + random(50) as u8) as char),
                }
            }
            let digest = Words::parse("list", text.clone(), '.').unwrap().digest();
            let expected = plainly(&text);
            for block in [7_000, 20_000, 1 << 20] {
                let counted = in_blocks(text.as_bytes(), block, 2).unwrap();
                prop_assert!(as_map(&counted.counts) == expected);
                prop_assert_eq!(counted.digest, digest);
            }
        }

    }

    proptest! {
        // Fewer than usual: each counts four lists.
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_fault_is_on_its_line_whatever_the_blocks(
            before in prop::collection::vec("[a-zé ]{0,8}", 0..40),
            block in 1..100_usize,
        ) {
            let line = before.len() + 1;
            let lines = before.iter().map(|line| format!("{line}\n")).collect::<String>();
            for (bad, says) in [
                (b"an\xFFna".as_slice(), "not valid UTF-8"),
                (b"an.na", "the word has a '.'"),
                (b"an\tna", "a control character (U+0009, a tab)"),
                ("an\u{85}na".as_bytes(), "a control character (U+0085)"),
            ] {
                let text = [lines.as_bytes(), bad, b"\nemma\n.\n\xFF\n"].concat();
                let fault = fault(&text, block, 2);
                prop_assert!(fault.starts_with(&format!("{line}: {says}")), "{}", fault);
            }
        }

        #[test]
        fn reading_any_bytes_never_panics(bytes: Vec<u8>, block in 1..50_usize) {
            let _ = in_blocks(&bytes, block, 2);
        }
    }
}
