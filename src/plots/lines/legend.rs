//! The legend: the names of lines, between the title and the axes.

use plotters::style::text_anchor::HPos;

use super::axes::{Axes, LEGEND_ROW, LEGEND_TOP};
use crate::plots::drawing::Canvas;
use crate::plots::labels;
use crate::plots::style::{self, Stroke};
use crate::plots::text::Font;

/// The largest width of an entry in columns, in em; two fit into every picture.
const WIDEST: f64 = 31.0;

/// The width of an entry without its text, in em: a piece of its line, and gaps.
const BESIDE: f64 = 4.5;

/// The length of a piece of a line, in em.
const PIECE: f64 = 2.0;

/// The room left and right of the axes, in em.
const AROUND: f64 = 12.0;

/// The largest width of a text in a row of its own, in em.
const ROW: f64 = 60.0;

/// The name of a line and its style.
pub struct Entry {
    text: String,
    stroke: Stroke,
}

impl Stroke {
    pub fn entry(self, text: String) -> Entry {
        Entry { text, stroke: self }
    }
}

/// The entries and their positions.
pub struct Legend {
    entries: Vec<Entry>,
    /// The number of rows for which the axes leave room.
    pub rows: usize,
    /// The number of entries in a column.
    in_column: usize,
    /// The width of a column, in em.
    column: f64,
}

impl Legend {
    /// Entries in as few rows as the width of a picture of `size` pixels allows.
    pub fn in_columns(mut entries: Vec<Entry>, size: (u32, u32), font: &Font) -> Self {
        for entry in &mut entries {
            entry.text = font.cut(&labels::drawable(&entry.text, font), WIDEST - BESIDE);
        }
        let column = font.widest(entries.iter().map(|entry| entry.text.as_str())) + BESIDE;
        let room = f64::from(size.0) / style::em(size) - AROUND;
        let columns = ((room / column) as usize).max(1);
        let rows = entries.len().div_ceil(columns);
        Self {
            entries,
            rows,
            in_column: rows,
            column,
        }
    }

    /// Entries in rows of their own. There is room for at least two rows, so that the axes are as high in
    /// all pictures.
    pub fn in_rows(entries: impl IntoIterator<Item = Entry>, font: &Font) -> Self {
        let cut = |entry: Entry| entry.stroke.entry(font.cut(&entry.text, ROW));
        let entries: Vec<Entry> = entries.into_iter().map(cut).collect();
        Self {
            rows: entries.len().max(2),
            in_column: entries.len(),
            entries,
            column: 0.0,
        }
    }

    /// Draws the entries column by column, each with a piece of its line.
    pub fn draw(&self, canvas: &mut dyn Canvas, axes: &Axes, font: &Font) {
        for (index, entry) in self.entries.iter().enumerate() {
            let (column, row) = (index / self.in_column, index % self.in_column);
            let x = axes.left + axes.ems(self.column * column as f64);
            let y = axes.ems(LEGEND_TOP + LEGEND_ROW * row as f64);
            let style = axes.stroke(entry.stroke.colour, entry.stroke.width);
            canvas.line(&[(x, y), (x + axes.ems(PIECE), y)], style);
            if entry.stroke.marker.is_some() {
                entry
                    .stroke
                    .mark(canvas, axes, (x + axes.ems(0.5 * PIECE), y));
            }
            let at = (x + axes.ems(PIECE + 0.5), y);
            canvas.text(&font.text(&entry.text, at, axes.em).align(HPos::Left));
        }
    }
}

#[cfg(test)]
mod tests {
    use plotters::style::BLACK;

    use super::*;

    #[test]
    fn rows_are_as_few_as_the_width_allows() {
        let font = Font::alone();
        let rows = |text: &str, number, size| {
            let stroke = Stroke {
                colour: BLACK,
                width: 0.1,
                marker: None,
            };
            let entry = |_| stroke.entry(text.to_owned());
            Legend::in_columns((0..number).map(entry).collect(), size, &font).rows
        };
        assert_eq!(rows("layer 1", 1, (1500, 940)), 1);
        assert_eq!(rows("layer 1", 5, (1500, 940)), 1);
        assert_eq!(rows("layer 1", 9, (1500, 940)), 2);
        assert_eq!(rows("layer 1", 9, (1500, 400)), 1);
        // Long texts are cut, so that there are at least two columns.
        let long = "long ".repeat(50);
        for size in [(1500, 940), (600, 400), (300, 3000)] {
            assert_eq!(rows(&long, 8, size), 4);
        }
    }
}
