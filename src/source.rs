//! Where words come from: files, standard input or the crate itself, plain or compressed.
//!
//! A list is read once, in blocks of whole lines, by as many threads as there are processors: each
//! takes the next block and counts it while another one reads on. However long the list is, no more
//! than a block a thread is in memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::{Mutex, PoisonError};

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::counts::BigramCounts;
use crate::error::{Error, Result};
use crate::probabilities::Probabilities;
use crate::tally::{Fault, Tally, merge};
use crate::words::{BYTE_ORDER_MARK, LECTURE, LECTURE_NAME, Words};

/// The bytes that a thread takes at once, or more where a line is longer: half of what its cache
/// may have beside the other's, so that what was just read is still there when it is counted.
const BLOCK: usize = 1 << 19;

/// More threads would only wait for the one that reads, and each has tables of its own.
const MOST_THREADS: usize = 16;

/// A word list that can be read; only once where it is standard input.
///
/// Files compressed by gzip or zstd are recognised by their content.
///
/// ```no_run
/// use makemore_tch::Source;
///
/// let towns = Source::files(vec!["north.txt".into(), "south.txt.gz".into()], '.').count()?;
/// println!("{} towns", towns.counts.words());
/// # Ok::<(), makemore_tch::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Source {
    inputs: Vec<Input>,
    boundary: char,
    block: usize,
}

#[derive(Debug, Clone)]
enum Input {
    File(PathBuf),
    Stdin,
    Lecture,
}

/// A list that was read and counted.
#[derive(Debug, Clone)]
pub struct Data {
    /// What the list is called.
    pub origin: String,
    /// Its bigrams.
    pub counts: BigramCounts,
    /// Its words, where they were asked for or there are few.
    pub words: Option<Words>,
    /// The SHA-256 of the list, uncompressed, in hexadecimal; of a list in several files or over
    /// 512 KiB that of its counts, since hashing gigabytes would take as long as counting them.
    pub sha256: String,
    is_short: bool,
}

impl Data {
    /// The average negative log-likelihood of the list in nats, see [`Probabilities::nll_of`];
    /// lists over 512 KiB are summed bigram by bigram.
    ///
    /// # Errors
    ///
    /// As [`Probabilities::nll_of`].
    pub fn nll(&self, p: &Probabilities) -> Result<f64> {
        match &self.words {
            Some(words) if self.is_short => p.nll_of(words, &self.counts),
            _ => p.nll_of_counts(&self.counts),
        }
    }
}

impl Source {
    /// The lecture's names, which are part of the crate.
    pub fn lecture(boundary: char) -> Self {
        Self {
            inputs: vec![Input::Lecture],
            boundary,
            block: BLOCK,
        }
    }

    /// Files, one after the other; `-` is standard input.
    pub fn files(files: Vec<PathBuf>, boundary: char) -> Self {
        let input = |file| match file {
            file if file == Path::new("-") => Input::Stdin,
            file => Input::File(file),
        };
        Self {
            inputs: files.into_iter().map(input).collect(),
            boundary,
            block: BLOCK,
        }
    }

    /// Reads and counts the list, in memory that does not grow with it.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or is no word list: [`Error::Line`] names its first bad line,
    /// [`Error::NoWords`] says that there is none.
    pub fn count(&self) -> Result<Data> {
        self.scan(false)
    }

    /// Reads and counts the list, and keeps its words.
    ///
    /// # Errors
    ///
    /// As [`count`](Self::count).
    pub fn read(&self) -> Result<Data> {
        self.scan(true)
    }

    fn scan(&self, keep: bool) -> Result<Data> {
        let mut blocks = Blocks::of(&self.inputs, self.block);
        let mut first = Vec::new();
        let start = blocks.next(&mut first);
        let is_short = blocks.is_at_end();
        let sha256 = is_short.then(|| blocks.sha256_of(&first));

        let mut text = (keep || is_short).then(String::new);
        let mut workers = vec![Worker::new(self.boundary)];
        if text.is_none() {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            let threads = processors.min(MOST_THREADS);
            workers.resize_with(threads, || Worker::new(self.boundary));
        }
        let shared = Mutex::new(blocks);
        match workers.as_mut_slice() {
            [only] => only.work(start, first, &shared, text.as_mut()),
            [one, others @ ..] => std::thread::scope(|scope| {
                for other in others {
                    let start = || {
                        let mut block = Vec::new();
                        let index = next(&shared, &mut block);
                        other.work(index, block, &shared, None);
                    };
                    scope.spawn(start);
                }
                one.work(start, first, &shared, None);
            }),
            [] => {}
        }

        let blocks = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        let origin = self.origin();
        let counts = self.total(workers, blocks)?;
        if counts.words() == 0 {
            return Err(Error::NoWords { file: origin });
        }
        Ok(Data {
            words: text.map(|text| Words::counted(origin.clone(), text.into(), &counts)),
            sha256: sha256.unwrap_or_else(|| counts.sha256()),
            is_short,
            origin,
            counts,
        })
    }

    /// Adds up what the workers counted, or finds the first fault of the list.
    fn total(&self, workers: Vec<Worker>, blocks: Blocks) -> Result<BigramCounts> {
        let mut lines = vec![0; blocks.files.len()];
        let mut faults = Vec::new();
        let mut tallies = Vec::new();
        for worker in workers {
            for (index, count) in worker.lines {
                lines[index] = count;
            }
            faults.extend(worker.fault);
            tallies.push(worker.tally);
        }
        let error = |Fault { place, fault }| {
            let (index, line) = place;
            let file = blocks.files[index];
            let before = (0..index).filter(|&before| blocks.files[before] == file);
            Error::Line {
                file: self.inputs[file].name(),
                line: 1 + before.map(|before| lines[before]).sum::<usize>() + line,
                fault,
            }
        };
        let merged = merge(tallies);
        faults.extend(merged.as_ref().err().cloned());
        if let Some(first) = faults.into_iter().min_by_key(|fault| fault.place) {
            return Err(error(first));
        }
        let total = merged.map_err(error)?;
        // What could not be read comes after all that could.
        match blocks.failure {
            Some(failure) => Err(failure),
            None => BigramCounts::new(self.boundary, total),
        }
    }

    fn origin(&self) -> String {
        let names: Vec<String> = self.inputs.iter().take(3).map(Input::name).collect();
        let names = names.join(", ");
        match self.inputs.len() {
            0..=3 => names,
            many => format!("{names} and {} more", many - 3),
        }
    }
}

impl Input {
    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "standard input".to_owned(),
            Self::Lecture => LECTURE_NAME.to_owned(),
        }
    }

    fn open(&self) -> Result<Box<dyn Read + Send>> {
        let unreadable = |reason| Error::Read {
            file: self.name(),
            reason,
        };
        match self {
            Self::File(path) if path.is_dir() => Err(Error::Folder { file: self.name() }),
            Self::File(path) => File::open(path).and_then(decompressed).map_err(unreadable),
            Self::Stdin => decompressed(io::stdin()).map_err(unreadable),
            Self::Lecture => Ok(Box::new(LECTURE.as_bytes())),
        }
    }
}

/// What a file says once it is uncompressed.
fn decompressed(mut file: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start)?;
    let is_gzip = start.starts_with(&[0x1F, 0x8B]);
    let is_zstd = start == [0x28, 0xB5, 0x2F, 0xFD];
    let whole = io::Cursor::new(start).chain(file);
    Ok(match () {
        () if is_gzip => Box::new(MultiGzDecoder::new(whole)),
        () if is_zstd => Box::new(zstd::Decoder::new(whole)?),
        () => Box::new(whole),
    })
}

/// The blocks of all inputs, one after the other.
struct Blocks<'a> {
    size: usize,
    inputs: slice::Iter<'a, Input>,
    input: Option<(&'a Input, Box<dyn Read + Send>)>,
    /// The beginning of the line in which the last block would have ended.
    carried: Vec<u8>,
    /// Whether the last block began with a byte-order mark, which was taken off.
    marked: bool,
    /// The number of the input of each block.
    files: Vec<usize>,
    /// Why there are no more blocks, if not because the inputs end.
    failure: Option<Error>,
    inputs_opened: usize,
}

impl<'a> Blocks<'a> {
    fn of(inputs: &'a [Input], block: usize) -> Self {
        Self {
            size: block,
            inputs: inputs.iter(),
            input: None,
            carried: Vec::new(),
            marked: false,
            files: Vec::new(),
            failure: None,
            inputs_opened: 0,
        }
    }

    /// Fills a block of whole lines and returns its number.
    fn next(&mut self, block: &mut Vec<u8>) -> Option<usize> {
        while self.failure.is_none() {
            match self.fill(block) {
                Ok(true) if block.is_empty() => {}
                Ok(true) => {
                    self.files.push(self.inputs_opened - 1);
                    return Some(self.files.len() - 1);
                }
                Ok(false) => return None,
                Err(failure) => self.failure = Some(failure),
            }
        }
        None
    }

    fn is_at_end(&self) -> bool {
        self.input.is_none() && self.inputs.len() == 0
    }

    /// Fills a block, which is empty at the end of a file; `false` after the last one.
    fn fill(&mut self, block: &mut Vec<u8>) -> Result<bool> {
        block.clear();
        self.marked = false;
        let begins = self.input.is_none();
        if begins {
            let Some(input) = self.inputs.next() else {
                return Ok(false);
            };
            self.inputs_opened += 1;
            self.input = Some((input, input.open()?));
        }
        let Some((input, reader)) = &mut self.input else {
            return Ok(false);
        };
        block.append(&mut self.carried);
        let mut wanted = block.len() + self.size;
        loop {
            let missing = wanted - block.len();
            block.reserve(missing);
            let read = reader.take(missing as u64).read_to_end(block);
            let read = read.map_err(|reason| Error::Read {
                file: input.name(),
                reason,
            })?;
            if read < missing {
                self.input = None;
                break;
            }
            if let Some(end) = memchr::memrchr(b'\n', block) {
                self.carried.extend_from_slice(&block[end + 1..]);
                block.truncate(end + 1);
                break;
            }
            wanted *= 2;
        }
        if begins && block.starts_with(BYTE_ORDER_MARK.as_bytes()) {
            block.drain(..BYTE_ORDER_MARK.len());
            self.marked = true;
        }
        Ok(true)
    }

    /// The SHA-256 of the last block as it was read.
    fn sha256_of(&self, block: &[u8]) -> String {
        let mut hasher = Sha256::new();
        if self.marked {
            hasher.update(BYTE_ORDER_MARK);
        }
        hasher.update(block);
        base16ct::lower::encode_string(&hasher.finalize())
    }
}

fn next(blocks: &Mutex<Blocks>, block: &mut Vec<u8>) -> Option<usize> {
    blocks
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .next(block)
}

/// A thread that counts blocks.
struct Worker {
    tally: Tally,
    /// How many lines each of its blocks had.
    lines: Vec<(usize, usize)>,
    fault: Option<Fault>,
}

impl Worker {
    fn new(boundary: char) -> Self {
        Self {
            tally: Tally::new(boundary),
            lines: Vec::new(),
            fault: None,
        }
    }

    /// Counts a block and then the next ones, up to the end or a fault; keeps their text if asked.
    fn work(
        &mut self,
        mut index: Option<usize>,
        mut block: Vec<u8>,
        blocks: &Mutex<Blocks>,
        mut text: Option<&mut String>,
    ) {
        while let Some(counted) = index {
            match self.tally.count(counted, &block) {
                Ok(lines) => self.lines.push((counted, lines)),
                Err(fault) => {
                    self.fault = Some(fault);
                    // The other threads need not go on either.
                    let mut blocks = blocks.lock().unwrap_or_else(PoisonError::into_inner);
                    blocks.input = None;
                    blocks.inputs = [].iter();
                    return;
                }
            }
            if let Some(text) = &mut text {
                // Counting has checked that it is UTF-8.
                text.push_str(&String::from_utf8_lossy(&block));
                if !text.ends_with('\n') {
                    text.push('\n');
                }
            }
            index = next(blocks, &mut block);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fs;
    use std::io::Write;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    /// A list in a folder of its own, read in blocks of a size.
    fn source(bytes: &[u8], block: usize) -> (TempDir, Source) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        fs::write(&file, bytes).unwrap();
        let source = Source {
            block,
            ..Source::files(vec![file], '.')
        };
        (folder, source)
    }

    fn count(bytes: &[u8], block: usize) -> Result<BigramCounts> {
        let (_folder, source) = source(bytes, block);
        source.count().map(|data| data.counts)
    }

    /// What an error says after the name of the file.
    fn fault(bytes: &[u8], block: usize) -> String {
        let error = count(bytes, block).unwrap_err().to_string();
        error.split_once("list:").unwrap().1.to_owned()
    }

    /// The bigrams of a text, counted in the plainest way.
    fn plainly(text: &str) -> HashMap<(char, char), u64> {
        let mut counts = HashMap::new();
        for word in text
            .split('\n')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            let bounded = format!(".{word}.");
            for (one, next) in bounded.chars().zip(bounded.chars().skip(1)) {
                *counts.entry((one, next)).or_default() += 1;
            }
        }
        counts
    }

    fn as_map(counts: &BigramCounts) -> HashMap<(char, char), u64> {
        let itos = |index| counts.vocabulary().itos(index);
        let bigrams = counts.distinct();
        bigrams
            .map(|(i, j, count)| ((itos(i), itos(j)), count))
            .collect()
    }

    proptest! {
        #[test]
        fn blocks_of_any_size_are_counted_as_one_text(
            lines in prop::collection::vec(" {0,2}[a-d ]{0,6}[äß日🦀]{0,2} ?\r?", 0..30),
            block in 1..100_usize,
        ) {
            // The last word has no line end, and makes sure that there is one.
            let text = lines.join("\n") + "\nend";
            prop_assert_eq!(as_map(&count(text.as_bytes(), block).unwrap()), plainly(&text));
        }

        #[test]
        fn plain_and_other_pieces_are_counted_alike(seed: u64, accents in 0..3_u64) {
            let mut state = seed;
            let mut random = |below: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) % below
            };
            let mut text = String::new();
            while text.len() < 50_000 {
                match random(40) {
                    0 => text.push(' '),
                    1..=5 => text.push('\n'),
                    // Some texts have an accent somewhere, some have many, some have none.
                    6 if accents > 0 && random(1 + 2000 * (2 - accents)) == 0 => text.push('é'),
                    _ => text.push((b'A' + random(50) as u8) as char),
                }
            }
            for block in [7_000, 20_000, 1 << 20] {
                prop_assert_eq!(as_map(&count(text.as_bytes(), block).unwrap()), plainly(&text));
            }
        }

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
                (b"an\tna", "a control character (U+0009)"),
                ("an\u{85}na".as_bytes(), "a control character (U+0085)"),
            ] {
                let text = [lines.as_bytes(), bad, b"\nemma\n.\n\xFF\n"].concat();
                let fault = fault(&text, block);
                prop_assert!(fault.starts_with(&format!("{line}: {says}")), "{}", fault);
            }
        }

        #[test]
        fn reading_any_bytes_never_panics(bytes: Vec<u8>, block in 1..50_usize) {
            let _ = count(&bytes, block);
        }
    }

    #[test]
    fn the_4097th_distinct_character_is_found_across_threads() {
        let characters = ('\u{4E00}'..).take(4090).chain('a'..='g');
        let lines: Vec<String> = characters
            .map(|character| format!("{character}\n"))
            .collect();
        for block in [10, 1000, 1 << 20] {
            let fault = fault(lines.concat().as_bytes(), block);
            assert!(fault.starts_with("4097: more than 4096"), "{fault}");
            assert!(count(lines[1..].concat().as_bytes(), block).is_ok());
        }
    }

    #[test]
    fn compressed_files_are_recognised_by_their_content() {
        let text = "emma\nolivia\n".repeat(1000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
        for block in [100, 1 << 20] {
            let plain = count(text.as_bytes(), block).unwrap();
            for bytes in [&gzip, &zstd, &[gzip.as_slice(), &gzip].concat()] {
                let times = if bytes.len() > gzip.len() { 2 } else { 1 };
                let counts = count(bytes, block).unwrap();
                assert_eq!(counts.words(), times * plain.words());
            }
            // What is cut off or damaged is an error, not a shorter list.
            for bytes in [&gzip[..gzip.len() / 2], &zstd[..zstd.len() / 2]] {
                assert!(matches!(count(bytes, block), Err(Error::Read { .. })));
            }
        }
    }

    #[test]
    fn several_files_are_one_list_and_errors_name_the_right_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let one = file("one", "\u{FEFF}emma");
        let two = file("two", "\u{FEFF}ava\nanna\n");
        let bad = file("bad", "ok\nst. ives\n");
        let both = Source::files(vec![one.clone(), two.clone()], '.');
        for data in [both.count().unwrap(), both.read().unwrap()] {
            assert_eq!(as_map(&data.counts), plainly("emma\nava\nanna"));
        }
        let words = both.read().unwrap().words.unwrap();
        assert_eq!(words.iter().collect::<Vec<_>>(), ["emma", "ava", "anna"]);
        let error = Source::files(vec![one, bad, two], '.').count().unwrap_err();
        assert!(error.to_string().contains("bad:2: "), "{error}");
    }

    #[test]
    fn a_short_list_has_the_checksum_of_its_file() {
        let names = Source::lecture('.').count().unwrap();
        assert_eq!(
            names.sha256,
            "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d"
        );
        let long = "emma\n".repeat(200_000);
        let (_folder, long) = source(long.as_bytes(), BLOCK);
        assert_eq!(long.count().unwrap().sha256, long.read().unwrap().sha256);
    }
}
