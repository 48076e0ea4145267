//! Work that may never end.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// Does work in a thread of its own, which is left alone if it does not end in time: c10d's store and NCCL
/// wait without end for a process that has stopped.
pub(super) fn within<T: Send + 'static>(
    timeout: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, done) = channel();
    let started = thread::Builder::new().spawn(move || {
        let _ = sender.send(work());
    });
    started.ok()?;
    done.recv_timeout(timeout).ok()
}
