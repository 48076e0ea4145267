//! Pictures of a matrix: `heatmap`, and `matrix_image` for one without contexts. Both have a
//! `layout`, `cells` with `cell_text` where there is room, a `frame` with labels, and a `colour_bar`
//! that says which value has which colour of the `colour_scale`.

mod cell_text;
mod cells;
mod colour_bar;
mod colour_scale;
mod frame;
mod heatmap;
mod layout;
mod matrix_image;

pub use colour_scale::Scale;
pub use heatmap::{Context, Heatmap};
pub use matrix_image::MatrixImage;
