//! A matrix as one picture, where cells are too small to be drawn one by one.

use plotters::coord::Shift;
use plotters::element::BitMapElement;
use plotters::prelude::*;

use super::Drawn;
use super::colour_scale::ColourScale;
use super::layout::Layout;

/// One picture of all cells; where several fall into one pixel, the largest value counts.
pub fn draw<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    layout: &Layout,
    colours: &ColourScale,
    values: &[f64],
) -> Drawn<DB> {
    let (columns, rows) = (&layout.columns, &layout.rows);
    let (width, height) = (columns.pixels as usize, rows.pixels as usize);
    let mut pixels = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        if y > 0 && rows.at(y) == rows.at(y - 1) {
            pixels.extend_from_within(pixels.len() - 3 * width..);
            continue;
        }
        for x in 0..width {
            let largest = rows
                .at(y)
                .flat_map(|i| &values[i * columns.number..][columns.at(x)])
                .copied()
                .fold(f64::NEG_INFINITY, f64::max);
            let RGBColor(red, green, blue) = colours.colour(largest);
            pixels.extend([red, green, blue]);
        }
    }
    let size = (width as u32, height as u32);
    let corner = (layout.left, layout.top);
    match BitMapElement::with_owned_buffer(corner, size, pixels) {
        Some(picture) => area.draw(&picture),
        None => Ok(()),
    }
}
