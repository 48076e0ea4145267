//! Ctrl-C during long work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGINT;

/// The exit status after Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// Whether Ctrl-C was pressed; a second one ends the program at once.
#[derive(Debug)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Begins to catch Ctrl-C.
    pub fn catch() -> std::io::Result<Self> {
        let pressed = Arc::new(AtomicBool::new(false));
        // In this order: the first one finds the flag not set yet.
        let status = INTERRUPTED.into();
        signal_hook::flag::register_conditional_shutdown(SIGINT, status, Arc::clone(&pressed))?;
        signal_hook::flag::register(SIGINT, Arc::clone(&pressed))?;
        Ok(Self(pressed))
    }

    pub fn is_pressed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
