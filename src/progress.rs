//! Progress bars, made in one place. They are drawn on standard error, and only on a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over epochs; its message is the loss and the rate.
pub fn epochs(count: u64, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let template = "epoch {pos}/{len} {wide_bar} {msg} {elapsed} (eta {eta})";
    // The default style is a bar too, should the template ever be wrong.
    let style = ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar());
    ProgressBar::new(count).with_style(style)
}
