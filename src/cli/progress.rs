//! Progress bars, on standard error if it is a terminal.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, WeakProgressBar};

/// After this time a user wonders what long work does.
const LONG: Duration = Duration::from_secs(4);

/// The bar made last.
static LAST: Mutex<Option<WeakProgressBar>> = Mutex::new(None);

/// Writes to the terminal, above the bar if there is one.
pub fn beside_bar<T>(write: impl FnOnce() -> T) -> T {
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match last.and_then(|bar| bar.upgrade()) {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// A bar, remembered as the last one; hidden if `quiet`, and in unit tests.
fn bar(length: u64, template: &str, quiet: bool) -> ProgressBar {
    if quiet || cfg!(test) {
        return ProgressBar::hidden();
    }
    remembered(ProgressBar::new(length).with_style(style(template)))
}

fn remembered(bar: ProgressBar) -> ProgressBar {
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.downgrade());
    bar
}

fn style(template: &str) -> ProgressStyle {
    // The default style is a bar too, should the template ever be wrong.
    ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar())
}

/// A bar over the words of a list.
pub fn words(count: u64, quiet: bool) -> ProgressBar {
    let template = "words {pos}/{len} {wide_bar} {elapsed} (eta {eta})";
    bar(count, template, quiet)
}

/// Shows how many of some words are found while `work` reports it, which is always told to go on. Time goes on in
/// the bar also while none is found.
pub fn of_words<T>(
    count: u64,
    quiet: bool,
    work: impl FnOnce(&mut dyn FnMut(u64) -> bool) -> T,
) -> T {
    let bar = words(count, quiet);
    if !bar.is_hidden() {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    let done = work(&mut |found| {
        bar.set_position(found);
        true
    });
    bar.finish_and_clear();
    done
}

/// Calls `tell` beside `work` if that takes long.
pub fn told_if_long<T>(tell: impl FnOnce() + Send + 'static, work: impl FnOnce() -> T) -> T {
    let (working, ended) = channel::<()>();
    thread::spawn(move || {
        if ended.recv_timeout(LONG) == Err(RecvTimeoutError::Timeout) {
            tell();
        }
    });
    let done = work();
    drop(working);
    done
}

/// A bar of a thousand thousandths, for a training that may be limited by time; the prefix is the
/// step, the message the losses.
pub fn training(quiet: bool) -> ProgressBar {
    let template = "{prefix} {wide_bar} {msg} {elapsed} (eta {eta})";
    bar(1000, template, quiet)
}

/// Shows the progress of a training: its step, the fraction that is done, and its losses.
pub fn show(bar: &ProgressBar, prefix: String, fraction: f64, message: String) {
    bar.set_prefix(prefix);
    bar.set_message(message);
    bar.set_position((fraction * bar.length().unwrap_or(0) as f64) as u64);
}

/// Shows a bar while `work` reports its done share, from 0 to 1.
pub fn share_of<T>(quiet: bool, work: impl FnOnce(&mut dyn FnMut(f64)) -> T) -> T {
    let bar = training(quiet);
    let done = work(&mut |share| bar.set_position((share * 1000.0) as u64));
    bar.finish_and_clear();
    done
}

/// A bar over the steps of lectures, with their rate; hidden until [`begin_lecture`].
pub fn lecture() -> ProgressBar {
    let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let seconds = state.elapsed().as_secs_f64().max(1e-3);
        let _ = write!(out, "{:.0} steps/s", state.pos() as f64 / seconds);
    };
    let style = style("step {pos}/{len} {wide_bar} {rate} {elapsed} (eta {eta})");
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
    remembered(bar.with_style(style.with_key("rate", rate)))
}

/// Shows the bar of lectures at the first of `count` steps.
pub fn begin_lecture(bar: &ProgressBar, count: u64, quiet: bool) {
    bar.reset_elapsed();
    bar.set_length(count);
    bar.set_position(0);
    bar.reset_eta();
    if !(quiet || cfg!(test)) {
        bar.set_draw_target(ProgressDrawTarget::stderr());
    }
}
