//! Scanning a list with several threads: each takes the next block and counts it while another
//! one reads on.

use std::sync::{Mutex, PoisonError};

use super::scan::{Fault, Scan, Scanned, Total, merge};
use crate::data::Source;
use crate::data::digest::Checksum;
use crate::data::reader::Blocks;
use crate::error::Result;

/// Gives each of some tasks to a thread of its own, and collects what they return in their order.
///
/// # Errors
///
/// The first error.
pub(super) fn each<T: Send, R: Send>(
    tasks: Vec<T>,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    std::thread::scope(|scope| {
        let work = &work;
        let start = |task| scope.spawn(move || work(task));
        let threads: Vec<_> = tasks.into_iter().map(start).collect();
        let end = |thread: std::thread::ScopedJoinHandle<_>| {
            let ended = thread.join();
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(end).collect()
    })
}

/// Counts a list and takes its CRC-32.
pub(super) fn scan(source: &Source, boundary: char, threads: usize) -> Result<(Total, u32)> {
    let mut blocks = Blocks::of(source);
    let mut first = Vec::new();
    let start = blocks.next(&mut first);
    let threads = if blocks.is_at_end() { 1 } else { threads };
    let mut workers = Vec::new();
    workers.resize_with(threads.max(1), || Worker::new(boundary));
    let shared = Shared(Mutex::new(Progress::of(blocks)));
    if let [one, others @ ..] = workers.as_mut_slice() {
        std::thread::scope(|scope| {
            for other in others {
                scope.spawn(|| {
                    let mut block = Vec::new();
                    let index = shared.next(&mut block);
                    other.work(index, block, &shared);
                });
            }
            one.work(start, first, &shared);
        });
    }
    let progress = shared.0.into_inner();
    let Progress {
        blocks, checksum, ..
    } = progress.unwrap_or_else(PoisonError::into_inner);

    let (scans, faults): (Vec<_>, Vec<_>) = workers
        .into_iter()
        .map(|worker| (worker.scan, worker.fault))
        .unzip();
    let merged = merge(scans);
    let too_many = merged.as_ref().err().cloned();
    let mut faults: Vec<Fault> = faults.into_iter().flatten().chain(too_many).collect();
    faults.sort_by_key(|fault| fault.place);
    let error = |Fault { place, fault }| blocks.fault_at(place.0, place.1, fault);
    match faults.into_iter().next() {
        Some(first) => Err(error(first)),
        None => {
            let total = merged.map_err(error)?;
            // What could not be read comes after all that could.
            blocks.finish()?;
            Ok((total, checksum.crc32()))
        }
    }
}

/// What the threads share: the blocks that are left, and the checksum of those before the first
/// one that is not counted yet.
struct Progress<'a> {
    blocks: Blocks<'a>,
    checksum: Checksum,
    done: usize,
    /// The checksums of counted blocks that are not the next, with their numbers.
    waiting: Vec<(usize, Checksum)>,
}

impl<'a> Progress<'a> {
    fn of(blocks: Blocks<'a>) -> Self {
        Self {
            blocks,
            checksum: Checksum::default(),
            done: 0,
            waiting: Vec::new(),
        }
    }

    fn add(&mut self, index: usize, scanned: Scanned) {
        self.blocks.set_lines(index, scanned.lines);
        self.waiting.push((index, scanned.checksum));
        while let Some(next) = self
            .waiting
            .iter()
            .position(|&(index, _)| index == self.done)
        {
            let (_, checksum) = self.waiting.swap_remove(next);
            self.checksum.append(&checksum);
            self.done += 1;
        }
    }
}

struct Shared<'a>(Mutex<Progress<'a>>);

impl<'a> Shared<'a> {
    fn with<T>(&self, f: impl FnOnce(&mut Progress<'a>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn next(&self, block: &mut Vec<u8>) -> Option<usize> {
        self.with(|progress| progress.blocks.next(block))
    }
}

/// A thread that counts blocks.
struct Worker {
    scan: Scan,
    fault: Option<Fault>,
}

impl Worker {
    fn new(boundary: char) -> Self {
        Self {
            scan: Scan::new(boundary),
            fault: None,
        }
    }

    /// Counts a block and then the next ones, up to the end or a fault.
    fn work(&mut self, mut index: Option<usize>, mut block: Vec<u8>, shared: &Shared) {
        while let Some(counted) = index {
            match self.scan.count(counted, &block) {
                Ok(scanned) => {
                    index = shared.with(|progress| {
                        progress.add(counted, scanned);
                        progress.blocks.next(&mut block)
                    });
                }
                Err(fault) => {
                    self.fault = Some(fault);
                    // The other threads need not go on either.
                    shared.with(|progress| progress.blocks.stop());
                    return;
                }
            }
        }
    }
}
