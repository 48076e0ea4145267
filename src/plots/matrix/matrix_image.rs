//! A grey picture of a matrix whose rows are not contexts, such as the gradient of logits.

use super::colour_scale::ColourScale;
use super::frame::{self, Labels, widest};
use super::layout::Layout;
use super::{cells, colour_bar};
use crate::plots::drawing::{Canvas, Drawing};
use crate::plots::labels::{self, drawable};
use crate::plots::text::Font;

/// Smaller cells, in pixels, are drawn as one image.
const SMALLEST_CELL: f64 = 3.0;

/// A matrix in grey, from black for the lowest value to white for the highest, with a colour bar. A pixel
/// with several cells has the grey of the largest value.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixImage<'a> {
    /// The title above the matrix, cut if it is too long.
    pub title: &'a str,
    /// The name of the rows, whose labels are their numbers from 0.
    pub row: &'a str,
    /// The name of the columns.
    pub column: &'a str,
    /// The characters of the columns, `C`.
    pub columns: &'a [char],
    /// The values, row by row, `[R, C]`, finite.
    pub values: &'a [f64],
    /// The name of the values, above the colour bar.
    pub unit: &'a str,
}

impl Drawing for MatrixImage<'_> {
    fn check(&self) -> Result<(), String> {
        let (values, columns) = (self.values.len(), self.columns.len());
        if values == 0 || columns == 0 || !values.is_multiple_of(columns) {
            return Err(format!("{values} values for rows of {columns}"));
        }
        match self.values.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(format!(
                "the value of row {} at {:?} is {}; only finite values have a grey",
                index / columns,
                self.columns[index % columns],
                self.values[index]
            )),
            None => Ok(()),
        }
    }

    fn draw(&self, canvas: &mut dyn Canvas, font: &Font) {
        let rows = self.values.len() / self.columns.len();
        let columns = self.columns.iter();
        let labels = Labels {
            rows: (0..rows).map(|row| row.to_string()).collect(),
            columns: columns.map(|&column| labels::label(column, font)).collect(),
            row: self.row,
            column: &[self.column],
        };
        let (rows, columns) = (widest(&labels.rows, font), widest(&labels.columns, font));
        let layout = Layout::filling(canvas.size(), rows, columns);
        let colours = ColourScale::greys(self.values);
        match layout.rows.size().min(layout.columns.size()) < SMALLEST_CELL {
            true => cells::draw_as_pixels(canvas, &layout, &colours, self.values),
            false => cells::draw(canvas, &layout, &colours, self.values, None),
        }
        let title = drawable(self.title, font);
        let ends = colours.ends().map(|end| labels::number(end, 4));
        canvas.describe(&title, &labels.described(self.unit, &ends));
        frame::draw(canvas, &layout, font, &labels, &title);
        colour_bar::draw(canvas, &layout, font, &colours, &[self.unit], false);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plots::drawing::draw;

    fn image<'a>(columns: &'a [char], values: &'a [f64]) -> MatrixImage<'a> {
        MatrixImage {
            title: "Gradient of the logits",
            row: "example",
            column: "next character",
            columns,
            values,
            unit: "gradient",
        }
    }

    fn svg(columns: &[char], values: &[f64]) -> String {
        let svg = draw(Path::new("out.svg"), (1500, 940), &image(columns, values)).unwrap();
        String::from_utf8(svg).unwrap()
    }

    #[test]
    fn values_without_a_grey_are_refused() {
        let check = |values: &[f64]| image(&['.', 'a'], values).check();
        assert_eq!(check(&[0.0, 1.0]), Ok(()));
        assert_eq!(check(&[0.0; 3]).unwrap_err(), "3 values for rows of 2");
        assert!(check(&[]).is_err());
        assert!(image(&[], &[0.0]).check().is_err());
        assert_eq!(
            check(&[0.0, 1.0, 2.0, f64::NAN]).unwrap_err(),
            "the value of row 1 at 'a' is NaN; only finite values have a grey"
        );
    }

    #[test]
    fn the_lowest_value_is_black_and_the_highest_white() {
        let columns: Vec<char> = ('a'..='z').chain(['.']).collect();
        let mut values = vec![-0.001; 32 * 27];
        values[5] = -0.031;
        values[40] = 0.009;
        let svg = svg(&columns, &values);
        // All cells but two, and one piece of the colour bar.
        let cells = |grey: &str| svg.matches(&format!("fill=\"{grey}\"")).count();
        assert_eq!(cells("#BFBFBF"), 32 * 27 - 2 + 1);
        for label in ["31", "a", ".", "example", "next character", "gradient"] {
            assert!(svg.contains(&format!(">\n{label}\n</text>")), "{label}");
        }
    }

    #[test]
    fn a_large_matrix_is_one_picture() {
        let columns: Vec<char> = ('\u{4E00}'..).take(700).collect();
        let values: Vec<f64> = (0..700_000).map(f64::from).collect();
        let svg = svg(&columns, &values);
        assert!(svg.contains("<image"));
        assert!(svg.len() < 2_000_000, "{} bytes", svg.len());
    }
}
