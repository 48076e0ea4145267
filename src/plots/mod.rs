//! Pictures: the heatmap of a matrix (the notes' Figure 1), losses by epoch, step or order, and what
//! is inside a network: its embedding, activations, gradients and updates.
//!
//! A picture is a PNG or an SVG by its file's ending. The font is part of the program, so a PNG is
//! the same on a machine without fonts.
//!
//! Read `drawing` first, then `matrix/heatmap` and `lines/losses`. Both kinds write with `font`, name
//! characters as `labels` says and mark their axes with `ticks`; `style` has what they look like.

mod drawing;
mod font;
mod labels;
mod lines;
mod matrix;
mod style;
mod ticks;

pub use drawing::{Canvas, Drawing, SIZES, check, draw, write};
pub use lines::{
    BatchLosses, ByOrder, DevLosses, Histogram, Histograms, LossCurve, Ratios, Scatter,
    TrainingCurves, UpdateRatios,
};
pub use matrix::{Context, Heatmap, MatrixImage, Scale};
