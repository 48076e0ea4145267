//! Pictures: heatmaps (the notes' Figure 1), losses by epoch, step or order, and a network's embedding,
//! activations, gradients and updates.
//!
//! The ending of the file's name decides between PNG and SVG. DejaVu Sans is part of the program, so that
//! a PNG of its characters is the same on every machine; others are drawn with fonts of the system.
//!
//! Read `drawing` first, then `matrix/heatmap` and `lines/losses`. These use `text`, the `labels` of
//! characters, the `ticks` of axes, and the colours and sizes in `style`.

mod drawing;
mod labels;
mod lines;
mod matrix;
mod style;
mod text;
mod ticks;

pub use drawing::{Canvas, Drawing, SIZES, check, draw, write};
pub use lines::{
    BatchLosses, ByOrder, DevLosses, Histogram, Histograms, LossCurve, Ratios, Scatter,
    TrainingCurves, UpdateRatios,
};
pub use matrix::{ContextRow, Heatmap, LeftOut, MatrixImage, Panels, Scale};
