//! Progress bars, made in one place. They are drawn on standard error, and only on a terminal.

use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, WeakProgressBar};

/// The bar that was made last.
static LAST: Mutex<Option<WeakProgressBar>> = Mutex::new(None);

/// Writes to the terminal, above the bar if there is one.
pub fn beside_bar<T>(write: impl FnOnce() -> T) -> T {
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match last.and_then(|bar| bar.upgrade()) {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

fn made(bar: ProgressBar) -> ProgressBar {
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.downgrade());
    bar
}

/// A bar over the words of a list.
pub fn words(count: u64, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let template = "words {pos}/{len} {wide_bar} {elapsed} (eta {eta})";
    // The default style is a bar too, should the template ever be wrong.
    let style = ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar());
    made(ProgressBar::new(count).with_style(style))
}

/// A bar over a training that may be limited by time; its prefix is the step, its message the losses.
pub fn training(quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let template = "{prefix} {wide_bar} {msg} {elapsed} (eta {eta})";
    let style = ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar());
    // In thousandths.
    made(ProgressBar::new(1000).with_style(style))
}

/// Shows how far a training is: what it does, the share of it that is done, and its losses.
pub fn show(bar: &ProgressBar, prefix: String, fraction: f64, message: String) {
    bar.set_prefix(prefix);
    bar.set_message(message);
    bar.set_position((fraction * bar.length().unwrap_or(0) as f64) as u64);
}

/// A bar over work that tells the share of it that is done.
pub fn share_of<T>(quiet: bool, work: impl FnOnce(&mut dyn FnMut(f64)) -> T) -> T {
    let bar = training(quiet);
    let done = work(&mut |share| bar.set_position((share * 1000.0) as u64));
    bar.finish_and_clear();
    done
}

/// A bar over the steps of lectures, with their rate; it is not seen before the first.
pub fn lecture() -> ProgressBar {
    let template = "step {pos}/{len} {wide_bar} {rate} {elapsed} (eta {eta})";
    let style = ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar());
    let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let seconds = state.elapsed().as_secs_f64().max(1e-3);
        let _ = write!(out, "{:.0} steps/s", state.pos() as f64 / seconds);
    };
    made(
        ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden())
            .with_style(style.with_key("rate", rate)),
    )
}

/// Begins that bar again with the steps of a training.
pub fn begin_lecture(bar: &ProgressBar, count: u64, quiet: bool) {
    bar.reset_elapsed();
    bar.set_length(count);
    bar.set_position(0);
    bar.reset_eta();
    if !quiet {
        bar.set_draw_target(ProgressDrawTarget::stderr());
    }
}
