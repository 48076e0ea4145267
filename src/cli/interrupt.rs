//! Ctrl-C, and what else asks a program to end, during long work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// What a shell adds to the number of a signal that ended a program.
const BY_SIGNAL: i32 = 128;

/// Whether Ctrl-C was pressed, the terminal closed, or the program asked to end; a second time
/// ends it at once.
#[derive(Debug)]
pub struct Interrupt {
    /// The signal; 0 for none.
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Begins to catch the signals.
    pub fn catch() -> std::io::Result<Self> {
        let signal = Arc::new(AtomicUsize::new(0));
        let again = Arc::new(AtomicBool::new(false));
        for number in [SIGINT, SIGTERM, SIGHUP] {
            let status = BY_SIGNAL + number;
            // In this order: the first one finds the flag not set yet.
            signal_hook::flag::register_conditional_shutdown(number, status, Arc::clone(&again))?;
            signal_hook::flag::register(number, Arc::clone(&again))?;
            signal_hook::flag::register_usize(number, Arc::clone(&signal), number as usize)?;
        }
        Ok(Self { signal })
    }

    pub fn is_pressed(&self) -> bool {
        self.signal.load(Ordering::Relaxed) != 0
    }

    /// The exit status of a program that was ended.
    pub fn status(&self) -> u8 {
        (BY_SIGNAL as usize + self.signal.load(Ordering::Relaxed)) as u8
    }
}
