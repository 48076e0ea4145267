//! What the processes on this host share: its memory and its processors.

use std::sync::atomic::{AtomicUsize, Ordering};

static OF_MEMORY: AtomicUsize = AtomicUsize::new(1);
static OF_PROCESSORS: AtomicUsize = AtomicUsize::new(1);

/// Divides the memory of this host among so many processes that work together, of which this is one.
pub fn share_memory(processes: usize) {
    OF_MEMORY.store(processes, Ordering::Relaxed);
}

/// Divides the processors that this process may use among so many.
pub fn share_processors(processes: usize) {
    OF_PROCESSORS.store(processes, Ordering::Relaxed);
}

/// The number of processes that share this host's memory; 1 until [`share_memory`].
pub fn of_memory() -> usize {
    OF_MEMORY.load(Ordering::Relaxed)
}

/// The number of processes that share this one's processors; 1 until [`share_processors`].
pub fn of_processors() -> usize {
    OF_PROCESSORS.load(Ordering::Relaxed)
}
