//! The cells of a matrix in the colours of their values.

use plotters::style::{Color, RGBColor};

use super::cell_text::CellText;
use super::colour_scale::{ColourScale, readable_on};
use super::layout::Layout;
use crate::plots::drawing::Canvas;

/// Draws each cell and its text.
pub fn draw(
    canvas: &mut dyn Canvas,
    layout: &Layout,
    colours: &ColourScale,
    values: &[f64],
    text: Option<&CellText>,
) {
    for (index, &value) in values.iter().enumerate() {
        let (row, column) = (index / layout.columns.number, index % layout.columns.number);
        let colour = colours.colour(value);
        canvas.rectangle(layout.cell((row, column)), colour.filled());
        if let Some(text) = text {
            let middle = (
                layout.left + layout.columns.middle(column),
                layout.top + layout.rows.middle(row),
            );
            text.draw(canvas, middle, (row, column), value, readable_on(colour));
        }
    }
}

/// Draws all cells as one image, if they are small. A pixel with several cells has the colour of the
/// largest value.
pub fn draw_as_pixels(
    canvas: &mut dyn Canvas,
    layout: &Layout,
    colours: &ColourScale,
    values: &[f64],
) {
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
    canvas.image((layout.left, layout.top), size, &pixels);
}
