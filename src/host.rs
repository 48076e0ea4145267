//! What the processes on this host share: its processors and its memory.

use std::sync::atomic::{AtomicUsize, Ordering};

static PROCESSES: AtomicUsize = AtomicUsize::new(1);

/// Divides what this host has among so many processes that work together, of which this is one.
pub fn share_among(processes: usize) {
    PROCESSES.store(processes, Ordering::Relaxed);
}

/// The number of processes that work together on this host; 1 until [`share_among`].
pub fn processes() -> usize {
    PROCESSES.load(Ordering::Relaxed)
}
