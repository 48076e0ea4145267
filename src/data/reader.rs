//! The sources of words (files, standard input, memory), read as blocks of whole lines.
//!
//! A pass over a list holds one block in memory, however long the list is and however long its lines
//! are.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use encoding_rs::Encoding;
use encoding_rs_io::DecodeReaderBytesBuilder;

use serde::{Deserialize, Serialize};

use super::decompress::decompressed;
use super::list_format::{LinesLeftOut, ListFormat};
use crate::error::{Error, LineFault, Result};

/// The bytes of a block: small enough to be in the processor's cache still when its words are counted.
const BLOCK: usize = 1 << 19;

/// The most characters that a word may have.
pub const LONGEST_WORD: usize = 65_536;

/// A line with more bytes has more characters than a word may have, white space at its ends aside.
const LONGEST_LINE: usize = 4 * LONGEST_WORD;

/// The bytes of the first lines of a list.
const FIRST: usize = 1 << 16;

/// The 32,033 names of the lecture.
const LECTURE: &str = include_str!("../../assets/names.txt");

/// The source of a word list. Standard input can be read only once.
///
/// Files compressed by gzip or zstd are recognised by their contents, those in UTF-16 by their byte-order
/// mark.
///
/// ```no_run
/// use makemore_tch::{Source, count};
///
/// let towns = Source::files(vec!["north.txt".into(), "south.txt.gz".into()]);
/// println!("{} towns", count(&towns, '.')?.counts.words());
/// # Ok::<(), makemore_tch::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Source {
    pub(super) inputs: Vec<Input>,
    block: usize,
    format: ListFormat,
    /// The line that names the columns, where another section of the list has it.
    header: Option<Vec<u8>>,
    /// For a list in memory whose words were read from columns with their counts.
    counted: Option<Arc<CountedWords>>,
}

/// What the columns of a list say of its words, which are in memory, each once.
#[derive(Debug)]
pub(super) struct CountedWords {
    /// How often each word occurs.
    pub counts: Vec<u64>,
    /// The line of each word where it stands first, from 0.
    pub lines: Vec<usize>,
    /// The number of words before each file.
    pub first_words: Vec<usize>,
    /// The names of the files.
    pub names: Vec<String>,
    /// The files as saved with a model.
    pub files: Option<ListFiles>,
    /// The lines that were left out.
    pub left_out: Option<LinesLeftOut>,
}

impl CountedWords {
    /// The file and the line of a word where it stands first, from 0.
    fn place(&self, word: usize) -> (usize, usize) {
        let files = self.first_words.partition_point(|&first| first <= word);
        (files.saturating_sub(1), self.lines[word])
    }
}

/// The files of a list and its format, as saved with a model that was trained on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListFiles {
    /// The absolute paths of the files; none for the lecture's names.
    pub files: Vec<String>,
    /// Their format.
    #[serde(default)]
    pub format: ListFormat,
}

#[derive(Debug, Clone)]
pub(super) enum Input {
    File(PathBuf),
    /// The lines of a plain file that begin in a range of its bytes, in an encoding that is not UTF-8, if
    /// there is one.
    Lines {
        file: PathBuf,
        range: Range<u64>,
        encoding: Option<&'static Encoding>,
    },
    Stdin,
    /// An input that can be read only once, and is copied as it is read.
    Copied(Arc<Copied>),
    /// The lines of a text that begin in a range of its bytes.
    Text {
        origin: String,
        text: Arc<str>,
        range: Range<u64>,
    },
}

impl Source {
    /// The lecture's names, which are part of the crate.
    pub fn lecture() -> Self {
        Self::text("the built-in names", LECTURE)
    }

    /// A text in memory; `origin` is its name in errors.
    pub fn text(origin: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        Self::of(vec![Input::Text {
            origin: origin.into(),
            range: 0..text.len() as u64,
            text,
        }])
    }

    /// Files, one after the other; `-` is standard input.
    pub fn files(files: Vec<PathBuf>) -> Self {
        let input = |file| match file {
            file if file == Path::new("-") => Input::Stdin,
            file => Input::File(file),
        };
        Self::of(files.into_iter().map(input).collect())
    }

    fn of(inputs: Vec<Input>) -> Self {
        Self {
            inputs,
            block: BLOCK,
            format: ListFormat::default(),
            header: None,
            counted: None,
        }
    }

    /// The list that a model names; `None` if it is no longer where it was, or cannot be opened.
    pub fn of_model(list: &ListFiles) -> Option<Self> {
        let files: Vec<PathBuf> = list.files.iter().map(PathBuf::from).collect();
        let source = match files.is_empty() {
            true => Self::lecture(),
            false => {
                let is_there = |file: &PathBuf| file.is_file() && File::open(file).is_ok();
                Self::files(files.iter().all(is_there).then_some(files)?)
            }
        };
        Some(source.in_format(list.format))
    }

    /// The list as a model names it, so that it is found again; `None` for a list that was in no file.
    pub fn list_files(&self) -> Option<ListFiles> {
        if let Some(counted) = &self.counted {
            return counted.files.clone();
        }
        let is_lecture =
            |input: &Input| matches!(input, Input::Text { text, .. } if **text == *LECTURE);
        let file = |input: &Input| match input {
            Input::File(path) => std::path::absolute(path)
                .ok()?
                .into_os_string()
                .into_string()
                .ok(),
            Input::Lines { .. } | Input::Stdin | Input::Copied(_) | Input::Text { .. } => None,
        };
        let files = match self.inputs.as_slice() {
            [input] if is_lecture(input) => Some(Vec::new()),
            inputs => inputs.iter().map(file).collect(),
        };
        Some(ListFiles {
            files: files?,
            format: self.format,
        })
    }

    /// A section of the list, with the line of another section that names the columns, if there is one.
    pub(super) fn section(&self, inputs: Vec<Input>, header: Option<Vec<u8>>) -> Self {
        Self {
            inputs,
            header,
            block: self.block,
            format: self.format_of_lines(),
            counted: None,
        }
    }

    /// The line that names the columns.
    pub(super) fn header(&self) -> Result<Option<Vec<u8>>> {
        let (mut blocks, mut block) = (Blocks::of(self), Vec::new());
        while blocks.header.is_none() && blocks.next(&mut block).is_some() {}
        let header = blocks.header.take();
        match header.is_none() {
            true => blocks.finish().map(|()| None),
            false => Ok(header),
        }
    }

    /// The same list read in another format.
    pub fn in_format(self, format: ListFormat) -> Self {
        Self { format, ..self }
    }

    /// The format of the list.
    pub fn format(&self) -> ListFormat {
        self.format
    }

    /// The format in which the lines are to be read: words that were taken from columns are lines now.
    pub(crate) fn format_of_lines(&self) -> ListFormat {
        match self.counted {
            None => self.format,
            Some(_) => ListFormat::default(),
        }
    }

    /// A list in memory with how often each of its words occurs, in place of one whose columns say it.
    pub(super) fn with_counts(self, text: String, counted: CountedWords) -> Self {
        Self {
            counted: Some(counted.into()),
            format: self.format,
            ..Self::text(self.origin(), text)
        }
    }

    /// The names of its files.
    pub(crate) fn names(&self) -> Vec<String> {
        self.inputs.iter().map(Input::name).collect()
    }

    /// How often the word at a place in the list occurs: once, but for lists with a column of counts.
    #[inline]
    pub fn times(&self, place: u64) -> u64 {
        let times = self
            .counts()
            .and_then(|counts| counts.get(place as usize).copied());
        times.unwrap_or(1)
    }

    /// The lines that were left out of such a list when its counts were read.
    pub fn left_out(&self) -> Option<&LinesLeftOut> {
        self.counted.as_ref()?.left_out.as_ref()
    }

    /// How often each word occurs, for a list that has a column of counts.
    pub fn counts(&self) -> Option<&[u64]> {
        self.counted
            .as_ref()
            .map(|counted| counted.counts.as_slice())
    }

    /// The first lines of the first file that is not blank there, of which the columns are found.
    ///
    /// # Errors
    ///
    /// If the list cannot be read.
    pub fn first_lines(&self) -> Result<String> {
        for input in &self.inputs {
            let lines = self.first_lines_of(input)?;
            if !lines.trim().is_empty() {
                return Ok(lines);
            }
        }
        Ok(String::new())
    }

    /// Whether the first lines have characters beyond ASCII in UTF-8, but are read in another encoding.
    ///
    /// # Errors
    ///
    /// As [`first_lines`](Self::first_lines).
    pub fn looks_like_utf_8(&self) -> Result<bool> {
        if self.format.encoding.is_none() {
            return Ok(false);
        }
        let as_utf_8 = ListFormat {
            encoding: None,
            ..self.format
        };
        let lines = self.clone().in_format(as_utf_8).first_lines()?;
        // A byte-order mark goes before the encoding, and UTF-8 itself is one.
        Ok(self.format.of_other(&lines).encoding.is_none() && lines != self.first_lines()?)
    }

    fn first_lines_of(&self, input: &Input) -> Result<String> {
        let mut start = Vec::new();
        let opened = input.open(self.format.encoding)?;
        let read = opened.take(FIRST as u64).read_to_end(&mut start);
        read.map_err(|cause| Error::Read {
            file: input.name(),
            cause,
        })?;
        if start.len() == FIRST {
            start.truncate(end_of_lines(&start).unwrap_or(FIRST));
        }
        let text = String::from_utf8_lossy(&start);
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        Ok(text.trim_start_matches('\u{FEFF}').to_owned())
    }

    /// The same list in blocks of another size, for tests; the words do not depend on it.
    #[doc(hidden)]
    pub fn in_blocks_of(self, block: usize) -> Self {
        Self { block, ..self }
    }

    /// Makes the list one that can be read several times: standard input and pipes are copied to a
    /// temporary file as they are read for the first time.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if no temporary file can be created.
    pub fn rereadable(mut self) -> Result<Self> {
        for input in &mut self.inputs {
            if input.is_read_once() {
                let copy = tempfile::tempfile().map_err(|cause| Error::Write {
                    file: std::env::temp_dir(),
                    cause,
                })?;
                let copying = Mutex::new(Copying {
                    original: None,
                    copy,
                    length: 0,
                    has_ended: false,
                });
                *input = Input::Copied(Arc::new(Copied {
                    input: input.clone(),
                    copying,
                }));
            }
        }
        Ok(self)
    }

    /// Whether the list can be read several times as it is.
    pub fn is_rereadable(&self) -> bool {
        !self.inputs.iter().any(Input::is_read_once)
    }

    /// The name of the list: its first three files.
    pub fn origin(&self) -> String {
        let names: Vec<String> = self.inputs.iter().take(3).map(Input::name).collect();
        let names = names.join(", ");
        match self.inputs.len() {
            0..=3 => names,
            many => format!("{names} and {} more", many - 3),
        }
    }
}

impl Input {
    /// Whether it is standard input or a pipe, and is not copied.
    pub(super) fn is_read_once(&self) -> bool {
        match self {
            Self::Stdin => true,
            Self::File(path) => path
                .metadata()
                .is_ok_and(|there| !there.is_file() && !there.is_dir()),
            Self::Lines { .. } | Self::Copied(_) | Self::Text { .. } => false,
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::File(path) | Self::Lines { file: path, .. } => path.display().to_string(),
            Self::Stdin => "standard input".to_owned(),
            Self::Copied(copied) => copied.input.name(),
            Self::Text { origin, .. } => origin.clone(),
        }
    }

    fn open(&self, encoding: Option<&'static Encoding>) -> Result<Box<dyn Read + Send + '_>> {
        let opened: io::Result<Box<dyn Read + Send>> = match self {
            Self::Text { text, range, .. } => {
                let lines = lines_in(io::Cursor::new(text.as_bytes()), range);
                return lines.map_err(|cause| self.unread(cause));
            }
            Self::Lines {
                file,
                range,
                encoding,
            } => {
                let lines = File::open(file).and_then(|file| lines_in(file, range));
                let lines = lines.map(|lines| without_marks(lines, *encoding));
                return lines.map_err(|cause| self.unread(cause));
            }
            Self::File(path) if path.is_dir() => {
                return Err(Error::Folder { file: self.name() });
            }
            Self::File(path) => File::open(path).and_then(decompressed),
            Self::Stdin => decompressed(io::stdin()),
            Self::Copied(copied) => Pass::over(copied).and_then(decompressed),
        };
        let decoded = opened.and_then(|opened| decoded(opened, encoding));
        decoded.map_err(|cause| self.unread(cause))
    }

    /// The lines that begin in a range of its bytes, in an encoding other than UTF-8, if there is one.
    pub(super) fn lines(&self, range: Range<u64>, encoding: Option<&'static Encoding>) -> Self {
        match self {
            Self::File(file) => Self::Lines {
                file: file.clone(),
                range,
                encoding,
            },
            Self::Text {
                origin,
                text,
                range: of,
            } => Self::Text {
                origin: origin.clone(),
                text: Arc::clone(text),
                range: of.start + range.start..of.start + range.end,
            },
            other => other.clone(),
        }
    }

    fn unread(&self, cause: io::Error) -> Error {
        Error::Read {
            file: self.name(),
            cause,
        }
    }
}

/// The lines of a plain text that begin in a range of its bytes. Lines end in LF there.
fn lines_in<'a>(
    mut text: impl Read + Seek + Send + 'a,
    range: &Range<u64>,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    let begin = first_line_from(&mut text, range.start)?;
    let end = first_line_from(&mut text, range.end)?;
    text.seek(SeekFrom::Start(begin))?;
    Ok(Box::new(text.take(end.saturating_sub(begin))))
}

/// The place of the first line that begins at a place or behind it, or the end of the text.
fn first_line_from(text: &mut (impl Read + Seek), place: u64) -> io::Result<u64> {
    // A line begins behind the end of the one before it.
    let Some(mut at) = place.checked_sub(1) else {
        return Ok(0);
    };
    text.seek(SeekFrom::Start(at))?;
    let mut buffer = vec![0; FIRST];
    loop {
        let read = match text.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        match memchr::memchr(b'\n', &buffer[..read]) {
            Some(end) => return Ok(at + end as u64 + 1),
            None if read == 0 => return Ok(at),
            None => at += read as u64,
        }
    }
}

/// A reader of a text in UTF-8, of an encoding that is known: bytes like a byte-order mark are none.
fn without_marks<'a>(
    text: Box<dyn Read + Send + 'a>,
    encoding: Option<&'static Encoding>,
) -> Box<dyn Read + Send + 'a> {
    let Some(encoding) = encoding else {
        return text;
    };
    let mut decoder = DecodeReaderBytesBuilder::new();
    decoder.encoding(Some(encoding)).bom_sniffing(false);
    Box::new(decoder.build(text))
}

/// A reader of a text in UTF-8. The encoding is that of the byte-order mark, else the one given, else
/// UTF-8, whose bytes are passed on as they are.
fn decoded(
    mut text: Box<dyn Read + Send>,
    encoding: Option<&'static Encoding>,
) -> io::Result<Box<dyn Read + Send>> {
    let mut start = Vec::new();
    text.by_ref().take(3).read_to_end(&mut start)?;
    let encoding = encoding_of(&start, encoding);
    let whole = io::Cursor::new(start).chain(text);
    Ok(match encoding {
        None => Box::new(whole),
        encoding => {
            let mut decoder = DecodeReaderBytesBuilder::new();
            Box::new(decoder.encoding(encoding).bom_override(true).build(whole))
        }
    })
}

/// The encoding of a text that begins with some bytes: that of the byte-order mark, else the one given; none
/// for UTF-8.
pub(super) fn encoding_of(
    start: &[u8],
    encoding: Option<&'static Encoding>,
) -> Option<&'static Encoding> {
    let marked = Encoding::for_bom(start).map(|(encoding, _)| encoding);
    marked
        .or(encoding)
        .filter(|&encoding| encoding != encoding_rs::UTF_8)
}

/// An input that can be read only once, with its copy.
#[derive(Debug)]
pub(super) struct Copied {
    input: Input,
    copying: Mutex<Copying>,
}

/// An input, and a copy of what was read so far in a temporary file.
#[derive(Debug)]
struct Copying {
    original: Option<File>,
    copy: File,
    length: u64,
    has_ended: bool,
}

impl Copying {
    /// Reads from the copy or, at its end, from the original, and extends the copy.
    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset < self.length || self.has_ended {
            self.copy.seek(SeekFrom::Start(offset))?;
            return self.copy.read(buffer);
        }
        let read = match &mut self.original {
            Some(original) => original.read(buffer)?,
            None => 0,
        };
        self.has_ended = read == 0 && !buffer.is_empty();
        let copied = self.copy.seek(SeekFrom::Start(self.length));
        let copied = copied.and_then(|_| self.copy.write_all(&buffer[..read]));
        copied.map_err(|error| {
            let folder = std::env::temp_dir();
            let reason = format!("no copy in {}: {error}", folder.display());
            io::Error::new(error.kind(), reason)
        })?;
        self.length += read as u64;
        Ok(read)
    }
}

/// A pass over a copied input, with an offset of its own.
struct Pass {
    copied: Arc<Copied>,
    offset: u64,
}

impl Pass {
    fn over(copied: &Arc<Copied>) -> io::Result<Self> {
        let pass = Self {
            copied: Arc::clone(copied),
            offset: 0,
        };
        let mut copying = pass.copying();
        if copying.original.is_none() {
            copying.original = Some(match &copied.input {
                Input::File(path) => File::open(path)?,
                _ => io::stdin().as_fd().try_clone_to_owned()?.into(),
            });
        }
        drop(copying);
        Ok(pass)
    }

    fn copying(&self) -> MutexGuard<'_, Copying> {
        let copying = self.copied.copying.lock();
        copying.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for Pass {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.copying().read(self.offset, buffer)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// The blocks of all inputs, one after the other.
pub(crate) struct Blocks<'a> {
    size: usize,
    format: ListFormat,
    inputs: slice::Iter<'a, Input>,
    input: Option<(&'a Input, Box<dyn Read + Send + 'a>)>,
    inputs_opened: usize,
    /// The beginning of the next block: the bytes after the last line end that was read.
    carried: Vec<u8>,
    /// The index of each block's input, and its number of lines, once it was set.
    blocks: Vec<(usize, usize)>,
    names: Vec<String>,
    /// What columns say of the words, if they are in memory.
    counted: Option<&'a CountedWords>,
    /// The first line of the first file, if it names columns.
    header: Option<Vec<u8>>,
    /// The failure that ended the blocks, if any did.
    failure: Option<Failure>,
}

/// Shortens the white space of an unfinished line, of which there may be any amount. Removes it at the
/// beginning. At the end, where a word may still go on, keeps no more than makes the word too long.
/// Returns the number of bytes without the white space at the end.
fn shorten_white_space(line: &mut Vec<u8>) -> usize {
    let valid = std::str::from_utf8(line).map_or_else(|error| error.valid_up_to(), str::len);
    if line.len() - valid >= '\u{10FFFF}'.len_utf8() {
        return line.len(); // Not UTF-8: more bytes are invalid than a cut-off character has.
    }
    let unfinished = line.split_off(valid);
    let text = String::from_utf8_lossy(line);
    let word = text.trim();
    let spaces = text.trim_start()[word.len()..].chars();
    let mut shortened = word.to_owned();
    shortened.extend(spaces.take(LONGEST_WORD + 1));
    let mut shortened = shortened.into_bytes();
    shortened.extend_from_slice(&unfinished);
    let length = word.len() + unfinished.len();
    *line = shortened;
    length
}

/// Empties the first line that is not blank, and returns it. The blank line stays, so that lines have their
/// numbers.
fn blank_first_line(block: &mut Vec<u8>) -> Vec<u8> {
    let mark = "\u{FEFF}".as_bytes();
    let mut start = 0;
    for line in block.split(|byte| matches!(byte, b'\n' | b'\r')) {
        let end = start + line.len();
        let text = line.trim_ascii();
        let text = text.strip_prefix(mark).unwrap_or(text).trim_ascii();
        if !text.is_empty() {
            let text = text.to_vec();
            block.drain(start..end);
            return text;
        }
        start = end + 1;
    }
    Vec::new()
}

/// The end of the last whole line of a block.
fn end_of_lines(block: &[u8]) -> Option<usize> {
    // A CR at the end may be the first half of a CRLF.
    let end_of_cr = || memchr::memrchr(b'\r', block.split_last()?.1);
    let end = memchr::memrchr(b'\n', block).or_else(end_of_cr);
    end.map(|end| end + 1)
}

/// A failure to read a list to its end.
pub(crate) enum Failure {
    Read(Error),
    /// The next block would begin with a line that breaks a rule.
    Line(LineFault),
}

impl<'a> Blocks<'a> {
    pub fn of(source: &'a Source) -> Self {
        Self {
            size: source.block,
            format: source.format_of_lines(),
            inputs: source.inputs.iter(),
            input: None,
            inputs_opened: 0,
            carried: Vec::new(),
            blocks: Vec::new(),
            names: source.names(),
            counted: source.counted.as_deref(),
            header: source.header.clone(),
            failure: None,
        }
    }

    /// Reads the next block of whole lines and returns its number; none at the end of the list or at a
    /// failure. The last line of a file may lack its line end.
    pub fn next(&mut self, block: &mut Vec<u8>) -> Option<usize> {
        while self.failure.is_none() {
            match self.fill(block) {
                Ok(true) if block.is_empty() => {}
                Ok(true) => {
                    self.blocks.push((self.inputs_opened - 1, 0));
                    return Some(self.blocks.len() - 1);
                }
                Ok(false) => return None,
                Err(failure) => self.failure = Some(failure),
            }
        }
        None
    }

    pub fn is_at_end(&self) -> bool {
        self.input.is_none() && self.inputs.len() == 0
    }

    /// Ends the reading: no more blocks follow.
    pub fn stop(&mut self) {
        self.input = None;
        self.inputs = [].iter();
    }

    /// Sets the number of lines of a block, which line numbers in errors need.
    pub fn set_lines(&mut self, block: usize, lines: usize) {
        self.blocks[block].1 = lines;
    }

    /// The index of a block's file, and the number of the lines before it there. The lines of the blocks
    /// before must be set.
    pub fn start_of(&self, block: usize) -> (usize, usize) {
        let file = match self.blocks.get(block) {
            Some(&(file, _)) => file,
            None => self.inputs_opened - 1,
        };
        let before = self.blocks.iter().take(block);
        let before = before.filter(|&&(of, _)| of == file);
        (file, before.map(|&(_, lines)| lines).sum())
    }

    /// The number of lines of each file so far. The lines of all blocks must be set.
    pub fn lines_of_files(&self) -> Vec<usize> {
        let mut lines = vec![0; self.inputs_opened];
        for &(file, of_block) in &self.blocks {
            lines[file] += of_block;
        }
        lines
    }

    /// The index of each block's file, and the number of the lines before it there.
    pub fn starts(&self) -> Vec<(usize, usize)> {
        let mut lines = vec![0; self.inputs_opened];
        let starts = self.blocks.iter().map(|&(file, of_block)| {
            let before = lines[file];
            lines[file] += of_block;
            (file, before)
        });
        starts.collect()
    }

    /// The error for a line of a block, counted from 0. The lines of the blocks before must be set.
    pub fn fault_at(&self, block: usize, line: usize, fault: LineFault) -> Error {
        let (file, before) = self.start_of(block);
        let line = before + line;
        let (names, (file, line)) = match self.counted {
            Some(counted) => (&counted.names, counted.place(line)),
            None => (&self.names, (file, line)),
        };
        Error::Line {
            file: names[file].clone(),
            line: 1 + line,
            fault,
        }
    }

    /// The failure at which [`next`](Self::next) ended, if it did.
    pub fn failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// Checks that the list was read to its end. The lines of all blocks must be set.
    ///
    /// # Errors
    ///
    /// The failure at which [`next`](Self::next) ended.
    pub fn finish(mut self) -> Result<()> {
        match self.failure.take() {
            None => Ok(()),
            Some(Failure::Read(error)) => Err(error),
            Some(Failure::Line(fault)) => Err(self.fault_at(self.blocks.len(), 0, fault)),
        }
    }

    /// Fills a block, which may be empty at the end of a file; false after the last file.
    fn fill(&mut self, block: &mut Vec<u8>) -> Result<bool, Failure> {
        block.clear();
        let begins = self.input.is_none();
        if begins {
            let Some(input) = self.inputs.next() else {
                return Ok(false);
            };
            self.inputs_opened += 1;
            let opened = input.open(self.format.encoding);
            self.input = Some((input, opened.map_err(Failure::Read)?));
        }
        let Some((input, reader)) = &mut self.input else {
            return Ok(false);
        };
        let has_first_line = !matches!(input, Input::Lines { range, .. } if range.start > 0);
        block.append(&mut self.carried);
        let mut wanted = block.len() + self.size;
        loop {
            let missing = wanted - block.len();
            block.reserve(missing);
            let read = reader.take(missing as u64).read_to_end(block);
            let read = read.map_err(|cause| {
                Failure::Read(Error::Read {
                    file: input.name(),
                    cause,
                })
            })?;
            if read < missing {
                self.input = None;
                break;
            }
            if let Some(end) = end_of_lines(block) {
                self.carried.extend_from_slice(&block[end..]);
                block.truncate(end);
                break;
            }
            if block.len() > LONGEST_LINE && shorten_white_space(block) > LONGEST_LINE {
                if !self.format.skip_bad_lines {
                    return Err(Failure::Line(LineFault::TooLong(LONGEST_WORD)));
                }
                // Stands for the beginning of the line, and is too long as well.
                block.clear();
                block.resize(LONGEST_WORD + 1, b'x');
                if self.format.columns.is_some() {
                    // The word may be in another column.
                    block.push(0xFF);
                }
            }
            wanted = 2 * block.len().max(self.size);
        }
        let columns = self.format.columns.filter(|_| begins && has_first_line);
        if columns.is_some_and(|columns| columns.has_header) {
            self.drop_header(block)?;
        }
        Ok(true)
    }

    /// Drops the first line of a file, which names the columns as that of the first file does.
    fn drop_header(&mut self, block: &mut Vec<u8>) -> Result<(), Failure> {
        let header = blank_first_line(block);
        if header.is_empty() {
            return Ok(());
        }
        let first = self.header.get_or_insert_with(|| header.clone());
        match *first == header {
            true => Ok(()),
            false => Err(Failure::Line(LineFault::Header)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// White space of another script, in the middle of a word, once became spaces.
    #[test]
    fn white_space_at_the_end_of_an_unfinished_line_stays_what_it_is() {
        let mut line = " \u{3000}a\u{3000}\u{3000}".as_bytes().to_vec();
        assert_eq!(shorten_white_space(&mut line), 1);
        assert_eq!(line, "a\u{3000}\u{3000}".as_bytes());
    }

    fn words(bytes: &[u8], format: ListFormat) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        std::fs::write(&file, bytes).unwrap();
        let source = Source::files(vec![file]).in_format(format).in_blocks_of(7);
        let words = crate::data::Words::read(&source, '.').unwrap();
        words.iter().map(str::to_owned).collect()
    }

    #[test]
    fn encodings_are_followed_and_a_byte_order_mark_by_itself() {
        let of = |label: &str| ListFormat {
            encoding: Encoding::for_label(label.as_bytes()),
            ..ListFormat::default()
        };
        let expected = ["zoë", "emma"];
        assert_eq!(words(b"zo\xEB\nemma", of("latin1")), expected);
        let utf_16: Vec<u8> = "\u{FEFF}zoë\r\nemma"
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        assert_eq!(words(&utf_16, ListFormat::default()), expected);
        assert_eq!(words(&utf_16, of("latin1")), expected);
        assert_eq!(words(&utf_16[2..], of("utf-16be")), expected);
        assert_eq!(
            words("\u{FEFF}zoë\nemma".as_bytes(), of("latin1")),
            expected
        );
    }

    /// A list of an old Mac was one line that is too long.
    #[test]
    fn lines_that_end_in_cr_alone_are_read_in_blocks() {
        let lines = "emma\rolivia\r".repeat(40_000);
        assert_eq!(words(lines.as_bytes(), ListFormat::default()).len(), 80_000);
    }

    #[test]
    fn a_line_that_is_too_long_is_left_out() {
        let skip = ListFormat {
            skip_bad_lines: true,
            ..ListFormat::default()
        };
        let long = "ab ".repeat(LONGEST_LINE);
        let list = format!("emma\n{long}\nava\n{long}");
        assert_eq!(words(list.as_bytes(), skip), ["emma", "ava"]);
    }

    /// Two passes once shared an offset.
    #[cfg(unix)]
    #[test]
    fn two_passes_at_once_over_a_pipe_read_the_same_list() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let status = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(status.unwrap().success());
        let source = Source::files(vec![pipe.clone()]).rereadable().unwrap();
        let source = source.in_blocks_of(10_000);
        let writer = std::thread::spawn(move || std::fs::write(pipe, LECTURE).unwrap());
        let (mut one, mut other) = (Blocks::of(&source), Blocks::of(&source));
        let (mut block, mut read) = (Vec::new(), [Vec::new(), Vec::new()]);
        for turn in 0.. {
            // The second pass begins later, and overtakes the first one.
            let (pass, read) = match turn {
                1..=3 => (&mut one, &mut read[0]),
                _ => (&mut other, &mut read[1]),
            };
            match pass.next(&mut block) {
                Some(_) => read.extend_from_slice(&block),
                None => break,
            }
        }
        while one.next(&mut block).is_some() {
            read[0].extend_from_slice(&block);
        }
        writer.join().unwrap();
        assert!(read.iter().all(|read| read == LECTURE.as_bytes()));
    }
}
