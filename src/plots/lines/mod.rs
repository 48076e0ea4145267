//! Pictures of lines and points in a plane. `curves` draws them between the `axes`, with a `legend`
//! above; `losses`, `histograms` and `update_ratios` are such pictures. `scatter` has points only.

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
