//! Passes over a list that was checked before: blocks of its words, shared out among threads.

use std::sync::{Mutex, PoisonError};

use super::digest::{Checksum, Digest};
use super::reader::{Blocks, Source};
use crate::error::{Error, Result};

/// More threads would only wait for the one that reads, and each has tables of its own.
const MOST_THREADS: usize = 16;

/// How many threads pass over a list: one for each processor, up to a limit.
pub fn threads() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    processors.min(MOST_THREADS)
}

/// Some words of a list, each followed by a line end, trimmed and without blank lines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines<'a> {
    text: &'a str,
    /// The place of the first one in the list, from 0.
    first: u64,
}

impl<'a> Lines<'a> {
    /// The words, each with its place in the list.
    #[inline]
    pub fn words(self) -> impl Iterator<Item = (u64, &'a str)> {
        let mut start = 0;
        let ends = memchr::memchr_iter(b'\n', self.text.as_bytes());
        let words = ends.map(move |end| &self.text[std::mem::replace(&mut start, end + 1)..end]);
        (self.first..).zip(words)
    }
}

/// Gives every block of a list to one of the workers, each of which has a thread of its own.
///
/// # Errors
///
/// If the list cannot be read, or is not the one with this digest any more; the first error of a
/// worker.
pub(crate) fn each_block<W: Send>(
    source: &Source,
    expected: Digest,
    workers: &mut [W],
    work: impl Fn(&mut W, Lines) -> Result<()> + Sync,
) -> Result<()> {
    let shared = Mutex::new(Reading::of(source));
    let next = |block: &mut Vec<u8>| {
        let mut reading = shared.lock().unwrap_or_else(PoisonError::into_inner);
        reading.next(block)
    };
    let run = |worker: &mut W| -> Result<()> {
        let mut block = Vec::new();
        while let Some(first) = next(&mut block) {
            let worked = match simdutf8::basic::from_utf8(&block) {
                Ok(text) => work(worker, Lines { text, first }),
                Err(_) => Err(changed(source)),
            };
            if let Err(error) = worked {
                let mut reading = shared.lock().unwrap_or_else(PoisonError::into_inner);
                reading.blocks.stop();
                return Err(error);
            }
        }
        Ok(())
    };
    match workers {
        [] => {}
        [one] => run(one)?,
        [one, others @ ..] => std::thread::scope(|scope| {
            let run = &run;
            let others: Vec<_> = others
                .iter_mut()
                .map(|other| scope.spawn(move || run(other)))
                .collect();
            let ended = others.into_iter().map(|other| {
                other
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            std::iter::once(run(one))
                .chain(ended)
                .collect::<Result<()>>()
        })?,
    }
    let reading = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    reading.finish(source, expected)
}

/// As [`each_block`], on this thread alone.
///
/// # Errors
///
/// As [`each_block`].
pub(crate) fn each_block_here(
    source: &Source,
    expected: Digest,
    mut work: impl FnMut(Lines) -> Result<()>,
) -> Result<()> {
    let mut reading = Reading::of(source);
    let mut block = Vec::new();
    while let Some(first) = reading.next(&mut block) {
        let text = simdutf8::basic::from_utf8(&block).map_err(|_| changed(source))?;
        work(Lines { text, first })?;
    }
    reading.finish(source, expected)
}

fn changed(source: &Source) -> Error {
    Error::Changed {
        file: source.origin().into(),
    }
}

/// What was read so far.
struct Reading<'a> {
    blocks: Blocks<'a>,
    checksum: Checksum,
    words: u64,
    characters: u64,
    spare: Vec<u8>,
}

impl<'a> Reading<'a> {
    fn of(source: &'a Source) -> Self {
        Self {
            blocks: Blocks::of(source),
            checksum: Checksum::default(),
            words: 0,
            characters: 0,
            spare: Vec::new(),
        }
    }

    /// Fills a block with tidy lines; returns the place of the first one.
    fn next(&mut self, block: &mut Vec<u8>) -> Option<u64> {
        self.blocks.next(block)?;
        if !is_tidy(block) {
            tidy(block, &mut self.spare);
        }
        self.checksum.add_words(block);
        let first = self.words;
        let words = memchr::memchr_iter(b'\n', block).count() as u64;
        // All bytes but those that continue a character in UTF-8.
        let starts = block
            .iter()
            .filter(|&&byte| byte.cast_signed() >= -64)
            .count() as u64;
        self.words += words;
        self.characters += starts - words;
        Some(first)
    }

    fn finish(self, source: &Source, expected: Digest) -> Result<()> {
        self.blocks.finish()?;
        let digest = Digest {
            crc32: self.checksum.crc32(),
            words: self.words,
            characters: self.characters,
        };
        match digest == expected {
            true => Ok(()),
            false => Err(changed(source)),
        }
    }
}

/// Whether lines certainly have nothing to trim and none is blank: they are printable ASCII without
/// spaces at their ends.
fn is_tidy(lines: &[u8]) -> bool {
    let mut unusual = false;
    let mut space = false;
    for &byte in lines {
        unusual |= !(b' '..=b'~').contains(&byte) && byte != b'\n';
        space |= byte == b' ';
    }
    if unusual || !lines.ends_with(b"\n") || lines.starts_with(b"\n") {
        return false;
    }
    let blank = memchr::memmem::find(lines, b"\n\n").is_some();
    let to_trim = space
        && (lines.starts_with(b" ")
            || memchr::memmem::find(lines, b" \n").is_some()
            || memchr::memmem::find(lines, b"\n ").is_some());
    !blank && !to_trim
}

/// Trims lines and leaves out the blank ones, where there is need to. What is not valid UTF-8 stays
/// as it is: the digest or whoever reads it as a text will tell.
fn tidy(lines: &mut Vec<u8>, spare: &mut Vec<u8>) {
    let Ok(text) = simdutf8::basic::from_utf8(lines) else {
        return;
    };
    let is_trimmed = |line: &str| {
        let is_graphic = |end: Option<&u8>| end.is_some_and(u8::is_ascii_graphic);
        let is_space = |end: Option<char>| end.is_none_or(char::is_whitespace);
        let bytes = line.as_bytes();
        (is_graphic(bytes.first()) || !is_space(line.chars().next()))
            && (is_graphic(bytes.last()) || !is_space(line.chars().next_back()))
    };
    spare.clear();
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', lines).chain([lines.len()]);
    for end in ends {
        let line = text.get(start..end).unwrap_or_default();
        start = end + 1;
        let word = match is_trimmed(line) {
            true => line,
            false => line.trim(),
        };
        if !word.is_empty() {
            spare.extend_from_slice(word.as_bytes());
            spare.push(b'\n');
        }
    }
    std::mem::swap(lines, spare);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Words;
    use proptest::prelude::*;

    fn words(source: &Source, expected: Digest, threads: usize) -> Result<Vec<String>> {
        let mut workers = vec![Vec::new(); threads];
        each_block(source, expected, &mut workers, |words, lines| {
            words.extend(lines.words().map(|(place, word)| (place, word.to_owned())));
            Ok(())
        })?;
        let mut words = workers.concat();
        words.sort();
        let places = words.iter().map(|&(place, _)| place);
        assert!(places.eq(0..words.len() as u64));
        Ok(words.into_iter().map(|(_, word)| word).collect())
    }

    #[test]
    fn a_list_that_changed_since_it_was_checked_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        std::fs::write(&file, "emma\nava\n").unwrap();
        let source = Source::files(vec![file.clone()]);
        let digest = Words::read(&source, '.').unwrap().digest();
        for other in [&b"emma\navb\n"[..], b"emma\n", b"em\xFFma\n", b""] {
            std::fs::write(&file, other).unwrap();
            let error = words(&source, digest, 1).unwrap_err();
            assert!(matches!(error, Error::Changed { .. }), "{error}");
        }
    }

    #[test]
    fn the_first_error_of_a_worker_ends_the_pass() {
        let source = Source::text("list", "emma\nava\n".repeat(1000)).in_blocks_of(10);
        let digest = Words::read(&source, '.').unwrap().digest();
        let refuse = |_: &mut (), lines: Lines| match lines.words().next() {
            Some((place, _)) if place > 500 => Err(Error::NoWords {
                file: String::new(),
            }),
            _ => Ok(()),
        };
        let error = each_block(&source, digest, &mut [(), ()], refuse);
        assert!(matches!(error, Err(Error::NoWords { .. })), "{error:?}");
    }

    proptest! {
        #[test]
        fn every_word_is_passed_once_with_its_place(
            lines in prop::collection::vec("[ \u{3000}]{0,2}[a-d ]{0,6}[äß日🦀]{0,2}[ \u{A0}]?\r?", 0..30),
            block in 1..100_usize,
            threads in 1..4_usize,
        ) {
            let text = lines.join("\n") + "\nend";
            let source = Source::text("list", text.clone()).in_blocks_of(block);
            let checked = Words::parse("list", text, '.').unwrap();
            let passed = words(&source, checked.digest(), threads).unwrap();
            prop_assert_eq!(passed, checked.iter().collect::<Vec<_>>());
        }
    }
}
