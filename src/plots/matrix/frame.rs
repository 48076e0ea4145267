//! The title and the frame of a matrix, and the labels of its rows and columns.

use plotters::style::text_anchor::HPos;

use super::layout::Layout;
use crate::plots::drawing::Canvas;
use crate::plots::labels::is_code_point;
use crate::plots::style::{GREY, draw_title};
use crate::plots::text::Font;

/// The labels of the rows and the columns of a matrix, and their names.
pub struct Labels<'a> {
    pub rows: Vec<String>,
    pub columns: Vec<String>,
    /// The name of the rows.
    pub row: &'a str,
    /// The name of the columns, longer and shorter; the first that fits is drawn.
    pub column: &'a [&'a str],
}

impl Labels<'_> {
    /// What the matrix shows, in a sentence; the values are `unit`, and their ends follow.
    pub fn described(&self, unit: &str, [low, high]: &[String; 2]) -> String {
        let (rows, columns) = (self.rows.len(), self.columns.len());
        let (row, column) = (self.row, self.column.last().unwrap_or(&"column"));
        format!(
            "Each row is a {row} ({rows} of them), each column a {column} ({columns}); the colours show the {unit}, from {low} to {high}."
        )
    }
}

/// The number of labels, and the width of the widest in em.
pub fn widest(labels: &[String], font: &Font) -> (usize, f64) {
    let texts = labels.iter().map(String::as_str);
    (labels.len(), font.widest(texts))
}

/// The name of an axis; it says which labels are drawn if not all are.
fn named(name: &str, every: usize) -> String {
    match every {
        1 => name.to_owned(),
        _ => format!("{name}, 1 in {every} named"),
    }
}

/// Draws the labels of rows and columns, their names, the title, and a frame around the matrix.
pub fn draw(canvas: &mut dyn Canvas, layout: &Layout, font: &Font, labels: &Labels, title: &str) {
    draw_title(canvas, font, title, layout.em, layout.ems(1.8));
    let middle = layout.left + layout.columns.pixels / 2;
    let room = 2 * middle.min(layout.width - middle);
    let (every_row, every_column) = layout.labelled();
    let mut names = labels.column.iter().map(|name| named(name, every_column));
    let fitting = names.find(|name| layout.em * font.width(name) < f64::from(room));
    if let Some(name) = fitting {
        canvas.text(&font.text(&name, (middle, layout.ems(4.1)), layout.em));
    }
    let at = (layout.ems(1.0), layout.top + layout.rows.pixels / 2);
    let name = named(labels.row, every_row);
    canvas.text(&font.text(&name, at, layout.em).upwards());

    let gap = layout.ems(0.43);
    let higher = (0.5 * layout.column_em).round() as i32;
    for index in 0..labels.rows.len().max(labels.columns.len()) {
        let column = labels.columns.get(index);
        if let Some(label) = column.filter(|_| index.is_multiple_of(every_column)) {
            let x = layout.left + layout.columns.middle(index);
            let above = layout.top - gap;
            canvas.text(&match is_code_point(label) {
                false => font.text(label, (x, above - higher), layout.column_em),
                true => {
                    let column = font.text(label, (x, above), layout.column_em);
                    column.align(HPos::Left).upwards()
                }
            });
        }
        let row = labels.rows.get(index);
        if let Some(label) = row.filter(|_| index.is_multiple_of(every_row)) {
            let at = (layout.left - gap, layout.top + layout.rows.middle(index));
            canvas.text(&font.text(label, at, layout.row_em).align(HPos::Right));
        }
    }
    // Around the matrix, since a cell may be a single pixel.
    let corners = [
        (layout.left - 1, layout.top - 1),
        (layout.right(), layout.bottom()),
    ];
    canvas.rectangle(corners, GREY.into());
}
