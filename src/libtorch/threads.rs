//! How many threads libtorch computes with, and what its allocator does with freed memory.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many threads of ours draw words of a network.
static DRAWING: AtomicUsize = AtomicUsize::new(1);

/// How many threads of ours may compute a step of many words; 1 if nothing else was said.
pub fn drawing() -> usize {
    DRAWING.load(Ordering::Relaxed)
}

/// The most numbers of a matrix that is computed faster on one thread than on several, which wait
/// for each other, the more the busier the machine is.
const SMALL: usize = 1 << 20;

/// The most products of a step that is over before a second thread has begun.
const SHORT: usize = 1 << 22;

/// Threads for matrices of some size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads {
    /// For small matrices, such as the 27 × 27 of the lecture.
    pub small: usize,
    /// For all others.
    pub large: usize,
    /// Whether the user chose their number.
    pub is_chosen: bool,
}

impl Threads {
    /// One for small matrices and all processors for others, or what the user chose for both.
    pub fn new(chosen: Option<usize>) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            small: chosen.unwrap_or(1),
            large: chosen.unwrap_or(processors),
            is_chosen: chosen.is_some(),
        }
    }

    /// Has libtorch compute with as many threads as small matrices take.
    pub fn use_small(self) {
        tch::set_num_threads(self.small as i32);
    }

    /// Prepares for drawing words of networks: on all processors, or as many threads as the user
    /// chose, each of which computes with one thread of libtorch's.
    pub fn prepare_for_drawing(self) {
        tch::set_num_threads(1);
        DRAWING.store(self.large, Ordering::Relaxed);
        keep_freed_memory();
    }

    /// Prepares for training on words, and returns on how many threads: all where a step is long
    /// enough for them, and each computes with one thread of libtorch's. `numbers` is how many
    /// products with parameters a step has for each character of a word.
    pub fn prepare_for_training(self, numbers: usize) -> usize {
        tch::set_num_threads(1);
        keep_freed_memory();
        match numbers > SHORT {
            true => self.large,
            false => self.small,
        }
    }

    /// Prepares for matrices of `elements` numbers.
    pub fn prepare_for(self, elements: usize) {
        if elements > SMALL {
            tch::set_num_threads(self.large as i32);
            keep_freed_memory();
        }
    }
}

/// Has the allocator keep what libtorch frees: every step allocates the same tensors again, and
/// having the system clear their memory each time takes a good part of a step.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn keep_freed_memory() {
    // SAFETY: sets two numbers of the allocator; it refuses what it cannot do.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keep_freed_memory() {}
