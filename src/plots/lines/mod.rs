//! Pictures of lines and points between two axes.
//!
//! `losses`, `histograms` and `update_ratios` are drawn by `curves`: lines between `axes`, with a
//! `legend` above. `scatter` has points only.

mod axes;
mod curves;
mod histograms;
mod legend;
mod losses;
mod scatter;
mod update_ratios;

pub use histograms::{Histogram, Histograms};
pub use losses::{BatchLosses, ByOrder, DevLosses, LossCurve, TrainingCurves};
pub use scatter::Scatter;
pub use update_ratios::{Ratios, UpdateRatios};
