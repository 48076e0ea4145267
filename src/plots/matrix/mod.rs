//! Pictures of a matrix: `heatmap`, several of them as `panels`, and `matrix_image` for a matrix whose rows
//! are not contexts.
//!
//! All have a `layout`; `cells` in the colours of a `colour_scale`, with a `cell_text` if it fits; a
//! `frame` with labels; and a `colour_bar`.

mod cell_text;
mod cells;
mod colour_bar;
mod colour_scale;
mod frame;
mod heatmap;
mod layout;
mod matrix_image;
mod panels;

pub use colour_scale::Scale;
pub use heatmap::{ContextRow, Heatmap, LeftOut};
pub use matrix_image::MatrixImage;
pub use panels::Panels;
