//! The title, the frame and the labels of a matrix' rows and columns.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::Drawn;
use super::font::Font;
use super::labels::is_character;
use super::layout::{Cells, Layout};

/// The colour of lines that only part things.
pub const GREY: RGBColor = RGBColor(150, 150, 150);

/// What is written along the rows and the columns of a matrix.
pub struct Labels<'a> {
    pub rows: Vec<String>,
    pub columns: Vec<String>,
    /// What a row is.
    pub row: &'a str,
    /// What a column is; the first of these that there is room for.
    pub column: &'a [&'a str],
}

impl Labels<'_> {
    /// How many rows there are, and how many em their widest label has.
    pub fn widest_row(&self, font: &Font) -> (usize, f64) {
        widest(&self.rows, font)
    }

    /// The same of the columns.
    pub fn widest_column(&self, font: &Font) -> (usize, f64) {
        widest(&self.columns, font)
    }
}

fn widest(labels: &[String], font: &Font) -> (usize, f64) {
    let widths = labels.iter().map(|label| font.width(label));
    (labels.len(), widths.fold(0.0, f64::max))
}

pub fn draw<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    layout: &Layout,
    font: &Font,
    labels: &Labels,
    title: &str,
) -> Drawn<DB> {
    draw_title(area, font, title, layout.em, layout.ems(1.8))?;
    let middle = layout.left + layout.columns.pixels / 2;
    let room = 2 * middle.min(layout.width - middle);
    let mut names = labels.column.iter();
    let fitting = names.find(|name| layout.em * font.width(name) < f64::from(room));
    if let Some(name) = fitting {
        area.draw(&font.text(name, (middle, layout.ems(4.1)), layout.em))?;
    }
    let at = (layout.ems(1.0), layout.top + layout.rows.pixels / 2);
    area.draw(&font.text(labels.row, at, layout.em).upwards())?;

    // As many labels as can stand side by side.
    let every = |label_em: f64, cells: &Cells| (1.2 * label_em / cells.size()).ceil().max(1.0);
    let every_column = every(layout.column_em, &layout.columns) as usize;
    let every_row = every(layout.row_em, &layout.rows) as usize;
    let gap = layout.ems(0.43);
    let higher = (0.5 * layout.column_em).round() as i32;
    for index in 0..labels.rows.len().max(labels.columns.len()) {
        let column = labels.columns.get(index);
        if let Some(label) = column.filter(|_| index.is_multiple_of(every_column)) {
            let x = layout.left + layout.columns.middle(index);
            let above = layout.top - gap;
            let column = if is_character(label) {
                font.text(label, (x, above - higher), layout.column_em)
            } else {
                let column = font.text(label, (x, above), layout.column_em);
                column.align(HPos::Left).upwards()
            };
            area.draw(&column)?;
        }
        let row = labels.rows.get(index);
        if let Some(label) = row.filter(|_| index.is_multiple_of(every_row)) {
            let at = (layout.left - gap, layout.top + layout.rows.middle(index));
            let row = font.text(label, at, layout.row_em);
            area.draw(&row.align(HPos::Right))?;
        }
    }
    // Around the matrix: a cell may be as small as a pixel.
    let corners = [
        (layout.left - 1, layout.top - 1),
        (layout.right(), layout.bottom()),
    ];
    area.draw(&Rectangle::new(corners, GREY))
}

/// Writes a title into the whole width: a little smaller where that makes it fit, else cut, and
/// larger than an axis' name in any case.
pub fn draw_title<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    font: &Font,
    title: &str,
    axis_em: f64,
    middle: i32,
) -> Drawn<DB> {
    let (width, _) = area.dim_in_pixel();
    let room = 0.95 * f64::from(width);
    let em = (room / font.width(title)).clamp(1.2 * axis_em, 1.46 * axis_em);
    let title = font.cut(title, room / em);
    let at = (width as i32 / 2, middle);
    area.draw(&font.text(&title, at, em))
}
