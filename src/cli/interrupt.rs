//! Ctrl-C and other signals that ask the program to end during long work.

use std::io;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use super::output::Remarks;

/// Shells add the number of the signal to this for the exit status of a program that it ended.
const BY_SIGNAL: i32 = 128;

/// A request of the user or the system to end. A second Ctrl-C ends the program at once; a second
/// SIGHUP, which a closed terminal sends, does not.
#[derive(Debug)]
pub struct Interrupt {
    stops: Arc<AtomicBool>,
    /// The first signal; 0 for none.
    signal: Arc<AtomicI32>,
    /// How often Ctrl-C was pressed.
    presses: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Begins to catch signals. Answers the first Ctrl-C on standard error.
    pub fn catch(remarks: Remarks) -> io::Result<Self> {
        let is_answered = !is_ignored(SIGINT);
        let interrupt = Self::begin(Some(remarks))?;
        if !is_answered {
            return Ok(interrupt);
        }
        // The handler itself ends the program, whatever its threads wait for. It is registered before
        // the flag, so that the first Ctrl-C finds the flag not set.
        let again = Arc::new(AtomicBool::new(false));
        flag::register_conditional_shutdown(SIGINT, BY_SIGNAL + SIGINT, Arc::clone(&again))?;
        flag::register(SIGINT, again)?;
        Ok(interrupt)
    }

    /// Begins to catch signals for other processes, which answer them. A second Ctrl-C does not end this
    /// program, which has to end those.
    #[cfg(feature = "distributed")]
    pub fn catch_for_others() -> io::Result<Self> {
        Self::begin(None)
    }

    fn begin(remarks: Option<Remarks>) -> io::Result<Self> {
        let interrupt = Self {
            stops: Arc::default(),
            signal: Arc::default(),
            presses: Arc::default(),
        };
        let mut caught = vec![SIGINT, SIGTERM, SIGHUP];
        caught.retain(|&signal| !is_ignored(signal));
        let mut signals = Signals::new(caught)?;
        let (stops, first) = (Arc::clone(&interrupt.stops), Arc::clone(&interrupt.signal));
        let presses = Arc::clone(&interrupt.presses);
        let watch = move || {
            for signal in signals.forever() {
                let before =
                    first.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed);
                stops.store(true, Ordering::Relaxed);
                if signal == SIGINT {
                    presses.fetch_add(1, Ordering::Relaxed);
                }
                if let (SIGINT, Ok(_), Some(remarks)) = (signal, before, remarks) {
                    remarks.say("stopping; a second Ctrl-C ends at once, without saving");
                }
            }
        };
        thread::Builder::new().spawn(watch)?;
        Ok(interrupt)
    }

    /// Ends the work as a signal would, since another process has had one.
    pub fn stop(&self) {
        self.stops.store(true, Ordering::Relaxed);
    }

    pub fn is_pressed(&self) -> bool {
        self.stops.load(Ordering::Relaxed)
    }

    /// Whether Ctrl-C was pressed a second time.
    #[cfg(feature = "distributed")]
    pub fn is_pressed_again(&self) -> bool {
        self.presses.load(Ordering::Relaxed) > 1
    }

    /// The flag that the library polls.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stops)
    }

    /// The exit status after the first signal.
    pub fn status(&self) -> u8 {
        match self.signal.load(Ordering::Relaxed) {
            0 => 0,
            signal => (BY_SIGNAL + signal) as u8,
        }
    }
}

/// Handles SIGXFSZ, so that writing past the file size limit (`ulimit -f`) is an error. By default the
/// signal ends the program.
pub fn survive_file_size_limit() {
    let _ = flag::register(SIGXFSZ, Arc::default());
}

/// Whether the program was started with a signal ignored, as `nohup` does with SIGHUP and shells with
/// the SIGINT of what a script starts in the background.
pub fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action, sigaction only writes the current one.
    unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: sigaction has written it, and zeros are valid too.
    unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}

/// Stops this program as Ctrl-Z does, until it is continued: not where no shell could do that, which the system knows.
#[cfg(feature = "distributed")]
pub fn stop_at_terminal() -> io::Result<()> {
    let (mut own, mut default) = (
        MaybeUninit::<libc::sigaction>::zeroed(),
        MaybeUninit::<libc::sigaction>::zeroed(),
    );
    // SAFETY: zeros are an action, the default one with an empty mask; sigaction writes the one before, which is
    // set again.
    unsafe {
        (*default.as_mut_ptr()).sa_sigaction = libc::SIG_DFL;
        if libc::sigaction(libc::SIGTSTP, default.as_ptr(), own.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        libc::raise(libc::SIGTSTP);
        libc::sigaction(libc::SIGTSTP, own.as_ptr(), std::ptr::null_mut());
    }
    Ok(())
}
