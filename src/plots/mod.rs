//! Pictures: heatmaps (the notes' Figure 1), losses by epoch, step or order, and a network's embedding,
//! activations, gradients and updates.
//!
//! The ending of the file's name decides between PNG and SVG. The font is part of the program, so that
//! a PNG is the same on every machine.
//!
//! Read `drawing` first, then `matrix/heatmap` and `lines/losses`. These use `font`, the `labels` of
//! characters, the `ticks` of axes, and the colours and sizes in `style`.

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
pub use matrix::{ContextRow, Heatmap, LeftOut, MatrixImage, Scale};
