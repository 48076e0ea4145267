//! A limit of memory, so that too large a task is refused before the system ends the program.

use std::sync::atomic::{AtomicU64, Ordering};

use sysinfo::{MemoryRefreshKind, System};

use crate::host;

/// A limit of memory. Memory is reserved before it is allocated.
#[derive(Debug)]
pub struct Memory {
    limit: u64,
    reserved: AtomicU64,
}

impl Memory {
    /// Creates a limit in bytes.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            reserved: AtomicU64::new(0),
        }
    }

    /// Half of the memory of the machine, or of the container if that has less, divided among the processes
    /// that work together on this host.
    pub fn half_of_the_machine() -> Self {
        let mut system = System::new();
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let machine = system.total_memory();
        let container = system.cgroup_limits().map(|limits| limits.total_memory);
        let memory = container.map_or(machine, |container| container.min(machine));
        Self::new(memory / 2 / host::of_memory() as u64)
    }

    /// The limit in bytes.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The bytes that are not reserved yet.
    pub fn free(&self) -> u64 {
        let reserved = self.reserved.load(Ordering::Relaxed);
        self.limit.saturating_sub(reserved)
    }

    /// Reserves bytes; false if too few are free.
    #[must_use]
    pub fn reserve(&self, bytes: u64) -> bool {
        let more = |reserved: u64| {
            let sum = reserved.checked_add(bytes)?;
            (sum <= self.limit).then_some(sum)
        };
        let order = Ordering::Relaxed;
        self.reserved.fetch_update(order, order, more).is_ok()
    }

    /// Frees reserved bytes.
    pub fn release(&self, bytes: u64) {
        self.reserved.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_reserved_than_there_is() {
        let memory = Memory::new(100);
        assert!(memory.reserve(60) && !memory.reserve(41) && memory.reserve(40));
        assert!(!memory.reserve(u64::MAX));
        memory.release(10);
        assert_eq!(memory.free(), 10);
    }

    #[test]
    fn a_machine_has_memory() {
        let half = Memory::half_of_the_machine().limit();
        assert!((1 << 24..1 << 50).contains(&half), "{half}");
    }
}
