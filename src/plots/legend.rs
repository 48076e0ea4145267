//! The legend of pictures with several lines: their names in columns, between the title and the
//! axes.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::font::Font;
use super::linear_axes::{Axes, LEGEND_ROW, LEGEND_TOP, em};
use super::{Drawn, labels};

/// Of lines, in their order: after Okabe and Ito's, which colour-blind people can tell apart, the
/// pale ones darker, for thin lines on white. Black is free for what the lines are compared with.
pub const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 100, 165),
    RGBColor(213, 94, 0),
    RGBColor(0, 135, 100),
    RGBColor(190, 80, 145),
    RGBColor(215, 150, 0),
    RGBColor(70, 165, 220),
    RGBColor(105, 65, 25),
    RGBColor(125, 125, 125),
];

/// How wide an entry is at most, in em; two of these fit into every picture.
const WIDEST: f64 = 31.0;

/// What an entry has beside its text: a piece of a line, and a gap.
const BESIDE: f64 = 4.0;

/// What the axes have free on their left and right at most, in em.
const AROUND: f64 = 12.0;

/// The entries of a legend and how they are laid out.
pub struct Legend {
    texts: Vec<String>,
    /// How many em a column is wide.
    column: f64,
    rows: usize,
}

impl Legend {
    /// For a picture of `size` pixels; texts that are too long are cut.
    pub fn new<'a>(texts: impl Iterator<Item = &'a str>, size: (u32, u32), font: &Font) -> Self {
        let texts = texts.map(|text| font.cut(&labels::drawable(text, font), WIDEST - BESIDE));
        let texts: Vec<String> = texts.collect();
        let widths = texts.iter().map(|text| font.width(text));
        let column = widths.fold(0.0, f64::max) + BESIDE;
        let room = f64::from(size.0) / em(size) - AROUND;
        let columns = ((room / column) as usize).max(1);
        Self {
            rows: texts.len().div_ceil(columns),
            texts,
            column,
        }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Draws an entry for each of the styles, column by column.
    pub fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        axes: &Axes,
        font: &Font,
        styles: impl Iterator<Item = ShapeStyle>,
    ) -> Drawn<DB> {
        for (index, (text, style)) in self.texts.iter().zip(styles).enumerate() {
            let (column, row) = (index / self.rows, index % self.rows);
            let at = (
                self.column * column as f64,
                LEGEND_TOP + LEGEND_ROW * row as f64,
            );
            axes.draw_legend(area, font, at, style, text)?;
        }
        Ok(())
    }
}

/// Refuses more lines than there are colours.
pub fn check_number(lines: usize) -> Result<(), String> {
    if (1..=COLOURS.len()).contains(&lines) {
        Ok(())
    } else {
        let most = COLOURS.len();
        Err(format!("{lines} lines; 1 to {most} would work"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_as_few_as_the_width_allows() {
        let font = Font::embedded().unwrap();
        let rows = |text: &str, number, size| {
            Legend::new(std::iter::repeat_n(text, number), size, &font).rows()
        };
        assert_eq!(rows("layer 1", 1, (1500, 940)), 1);
        assert_eq!(rows("layer 1", 5, (1500, 940)), 1);
        assert_eq!(rows("layer 1", 9, (1500, 940)), 2);
        assert_eq!(rows("layer 1", 9, (1500, 400)), 1);
        // However long the texts are, there are two columns.
        let long = "long ".repeat(50);
        for size in [(1500, 940), (600, 400), (300, 3000)] {
            assert_eq!(rows(&long, 8, size), 4);
        }
    }
}
