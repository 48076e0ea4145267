//! Progress bars, made in one place. They are drawn on standard error, and only on a terminal.

use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, WeakProgressBar};

/// The bar that was made last.
static LAST: Mutex<Option<WeakProgressBar>> = Mutex::new(None);

/// Writes to the terminal, above the bar if there is one.
pub fn beside_bar(write: impl FnOnce()) {
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

/// A bar over steps; its prefix is what they are called, its message the loss and the rate.
pub fn steps(count: u64, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let template = "{prefix} {pos}/{len} {wide_bar} {msg} {elapsed} (eta {eta})";
    // The default style is a bar too, should the template ever be wrong.
    let style = ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar());
    made(
        ProgressBar::new(count)
            .with_style(style)
            .with_prefix("epoch"),
    )
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

/// Has that bar begin with the steps of a training.
pub fn begin_lecture(bar: &ProgressBar, count: u64, quiet: bool) {
    bar.reset_elapsed();
    begin(bar, "step", count);
    if !quiet {
        bar.set_draw_target(ProgressDrawTarget::stderr());
    }
}

/// A bar over the words of a list.
pub fn words(count: u64, quiet: bool) -> ProgressBar {
    steps(count, quiet).with_prefix("words")
}

/// Has a bar begin again with steps of another name.
pub fn begin(bar: &ProgressBar, prefix: &'static str, count: u64) {
    bar.set_prefix(prefix);
    bar.set_length(count);
    bar.set_position(0);
    bar.reset_eta();
}
