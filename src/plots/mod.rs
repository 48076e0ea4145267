//! Pictures: the heatmap of a matrix (the notes' Figure 1), losses by epoch, step or order, and the
//! embedding, activations, gradients and updates of a network.
//!
//! A picture is a PNG or an SVG by its file's ending. The font is part of the program, so a PNG is
//! the same on every machine.
//!
//! Read `drawing` first, then `matrix/heatmap` and `lines/losses`. Both use `font`, `labels` of
//! characters, `ticks` of axes and the colours and sizes of `style`.

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
pub use matrix::{ContextRow, Heatmap, MatrixImage, Scale};
