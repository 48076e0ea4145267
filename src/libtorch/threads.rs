//! The number of threads, libtorch's and ours, and the memory that the allocator keeps.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The value of [`reading`].
static READING: AtomicUsize = AtomicUsize::new(1);

/// The number of our threads that may read words by a network, to draw or to evaluate; 1 until
/// [`prepare_for_reading`](Threads::prepare_for_reading) or
/// [`prepare_for_training`](Threads::prepare_for_training).
pub fn reading() -> usize {
    READING.load(Ordering::Relaxed)
}

/// Gives this thread one of libtorch's: a new one has as many as there are processors, which wait for those of
/// other threads and round other last digits.
pub fn use_one() {
    tch::set_num_threads(1);
}

/// The most numbers of a matrix for which one thread is faster than several.
const SMALL: usize = 1 << 20;

/// The most multiplications of a step for which one thread is faster than several.
const SHORT: usize = 1 << 22;

/// Numbers of threads, by the size of the matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads {
    /// Threads for small matrices, such as the lecture's 27 × 27.
    pub small: usize,
    /// Threads for all others.
    pub large: usize,
    /// Whether the user chose the number.
    pub is_chosen: bool,
}

impl Threads {
    /// One thread for small matrices and one for each processor for others, or the user's number for both.
    pub fn new(chosen: Option<usize>) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            small: chosen.unwrap_or(1),
            large: chosen.unwrap_or(processors),
            is_chosen: chosen.is_some(),
        }
    }

    /// The threads of one of several processes that share this host: together they have as many as one.
    pub fn shared_by(self, processes: usize) -> Self {
        match self.is_chosen {
            true => self,
            false => Self {
                large: (self.large / processes).max(1),
                ..self
            },
        }
    }

    /// Sets libtorch's threads to those for small matrices.
    pub fn use_small(self) {
        tch::set_num_threads(self.small as i32);
    }

    /// Prepares for reading words by networks, with as many of our threads as for large matrices, each
    /// with one of libtorch's.
    pub fn prepare_for_reading(self) {
        self.use_ours();
    }

    /// Prepares for training on words, and returns the number of our threads, each with one of libtorch's:
    /// several if a step is long enough. `products` is the number of multiplications by parameters in a
    /// step with one character of each word.
    pub fn prepare_for_training(self, products: usize) -> usize {
        self.use_ours();
        match products > SHORT {
            true => self.large,
            false => self.small,
        }
    }

    /// Gives each of our threads one of libtorch's.
    fn use_ours(self) {
        use_one();
        READING.store(self.large, Ordering::Relaxed);
        keep_freed_memory();
    }

    /// Prepares for a matrix of `elements` numbers.
    pub fn prepare_for_matrix(self, elements: usize) {
        if elements > SMALL {
            tch::set_num_threads(self.large as i32);
            keep_freed_memory();
        }
    }
}

/// Makes the allocator keep freed memory: every step allocates tensors of the same sizes, and the system
/// would have to clear their memory each time.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn keep_freed_memory() {
    // SAFETY: sets two options of the allocator, which refuses what it cannot do.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keep_freed_memory() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_on_one_host_share_its_processors_unless_a_number_is_chosen() {
        let of_host = Threads {
            small: 1,
            large: 8,
            is_chosen: false,
        };
        let large = |processes| of_host.shared_by(processes).large;
        assert_eq!([large(1), large(3), large(8), large(9)], [8, 2, 1, 1]);
        assert_eq!(of_host.shared_by(4).small, 1);
        let chosen = Threads::new(Some(4));
        assert_eq!(chosen.shared_by(4), chosen);
    }
}
