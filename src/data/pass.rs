//! Reading a list again that was checked before: blocks of its words, shared out among threads.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::digest::Digester;
use super::reader::Blocks;
use super::sections::Section;
use super::tidy::Tidier;
use crate::error::{Error, Result};
use crate::host;

/// The most threads: more would wait for the one that reads, and each takes memory.
const MOST_THREADS: usize = 16;

/// The number of threads that read a list: one for each processor of this process, up to a limit.
pub fn threads() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    threads_of(processors, host::of_processors())
}

fn threads_of(processors: usize, processes: usize) -> usize {
    (processors / processes).clamp(1, MOST_THREADS)
}

/// Some words of a list, each followed by a line end, trimmed and without blank lines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines<'a> {
    text: &'a str,
    /// The index of the first word in the list.
    first: u64,
}

impl<'a> Lines<'a> {
    /// The words, each with its index in the list.
    #[inline]
    pub fn words(self) -> impl Iterator<Item = (u64, &'a str)> {
        let mut start = 0;
        let ends = memchr::memchr_iter(b'\n', self.text.as_bytes());
        let words = ends.map(move |end| &self.text[std::mem::replace(&mut start, end + 1)..end]);
        (self.first..).zip(words)
    }
}

/// Runs each task on a thread of its own, the first on this one, and collects the results in order.
///
/// # Errors
///
/// The first error.
pub(crate) fn each_task<T: Send, R: Send>(
    tasks: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let mut tasks = tasks.into_iter();
    let Some(one) = tasks.next() else {
        return Ok(Vec::new());
    };
    std::thread::scope(|scope| {
        let work = &work;
        let start = |task| scope.spawn(move || work(task));
        let others: Vec<_> = tasks.map(start).collect();
        let end = |thread: std::thread::ScopedJoinHandle<_>| {
            let ended = thread.join();
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        let one = work(one);
        std::iter::once(one)
            .chain(others.into_iter().map(end))
            .collect()
    })
}

/// Locks a mutex, also where a thread has panicked: its panic is passed on when it is joined.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a section of a list on several threads, one for each worker, and gives each block to one of them.
///
/// # Errors
///
/// [`Error::Changed`] if the section no longer has its digest; if it cannot be read; the first error of
/// `work`.
pub(crate) fn each_block<W: Send>(
    section: &Section,
    workers: &mut [W],
    work: impl Fn(&mut W, Lines) -> Result<()> + Sync,
) -> Result<()> {
    let reading = Mutex::new(SectionAgain::of(section));
    each_task(workers, |worker| {
        let format = section.source.format_of_lines();
        let (mut block, mut tidier) = (Vec::new(), Tidier::of(format, None));
        loop {
            let Some(lines) = lock(&reading).next(&mut block, &mut tidier) else {
                return Ok(());
            };
            let worked = work(worker, lines);
            if worked.is_err() {
                lock(&reading).blocks.stop();
                return worked;
            }
        }
    })?;
    let reading = reading.into_inner().unwrap_or_else(PoisonError::into_inner);
    reading.finish()
}

/// [`each_block`] on this thread alone.
///
/// # Errors
///
/// As [`each_block`].
pub(crate) fn each_block_here(
    section: &Section,
    mut work: impl FnMut(Lines) -> Result<()>,
) -> Result<()> {
    let mut reading = SectionAgain::of(section);
    let format = section.source.format_of_lines();
    let (mut block, mut tidier) = (Vec::new(), Tidier::of(format, None));
    while let Some(lines) = reading.next(&mut block, &mut tidier) {
        work(lines)?;
    }
    reading.finish()
}

/// A section that is read again.
struct SectionAgain<'a> {
    section: &'a Section,
    blocks: Blocks<'a>,
    digester: Digester,
    has_fault: bool,
}

impl<'a> SectionAgain<'a> {
    fn of(section: &'a Section) -> Self {
        Self {
            section,
            blocks: Blocks::of(&section.source),
            digester: Digester::default(),
            has_fault: false,
        }
    }

    /// The words of the next block.
    fn next<'b>(&mut self, block: &'b mut Vec<u8>, tidier: &'b mut Tidier) -> Option<Lines<'b>> {
        self.blocks.next(block)?;
        let first = self.section.first + self.digester.words();
        let tidy = tidier.tidy(block);
        self.digester.add(&tidy);
        if tidy.fault.is_some() {
            self.has_fault = true;
            self.blocks.stop();
        }
        let text = tidy.text;
        Some(Lines { text, first })
    }

    fn finish(self) -> Result<()> {
        self.blocks.finish()?;
        let source = &self.section.source;
        let digest = self.digester.digest().with_counts(source.counts());
        let is_same = |before| digest == before;
        match !self.has_fault && self.section.digest.is_none_or(is_same) {
            true => Ok(()),
            false => Err(Error::Changed {
                file: source.origin().into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::digest::Digest;
    use crate::data::{Source, Words};
    use proptest::prelude::*;

    /// Each of several processes read with a thread for each processor.
    #[test]
    fn processes_of_a_host_have_a_thread_for_each_processor_together() {
        let threads = [(8, 1), (8, 3), (2, 4), (64, 1), (64, 8)];
        let threads = threads.map(|(processors, processes)| threads_of(processors, processes));
        assert_eq!(threads, [8, 2, 1, 16, 8]);
    }

    fn words(source: &Source, expected: Digest, threads: usize) -> Result<Vec<String>> {
        let mut workers = vec![Vec::new(); threads];
        each_block(
            &Section::whole(source, expected),
            &mut workers,
            |words, lines| {
                words.extend(lines.words().map(|(place, word)| (place, word.to_owned())));
                Ok(())
            },
        )?;
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
        let error = each_block(&Section::whole(&source, digest), &mut [(), ()], refuse);
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
