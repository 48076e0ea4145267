//! Pictures of a matrix: `heatmap`, and `matrix_image` for one without contexts. Both have a
//! `layout`, `cells` in the colours of a `colour_scale`, with `cell_text` if there is room, a `frame`
//! with labels, and a `colour_bar`.

mod cell_text;
mod cells;
mod colour_bar;
mod colour_scale;
mod frame;
mod heatmap;
mod layout;
mod matrix_image;

pub use colour_scale::Scale;
pub use heatmap::{ContextRow, Heatmap};
pub use matrix_image::MatrixImage;
