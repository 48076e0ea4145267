//! The title and the frame of a matrix, and the labels of its rows and columns.

use plotters::style::text_anchor::HPos;

use super::layout::{Cells, Layout};
use crate::plots::drawing::Canvas;
use crate::plots::font::Font;
use crate::plots::labels::is_character;
use crate::plots::style::{GREY, draw_title};

/// The labels of the rows and the columns of a matrix, and their names.
pub struct Labels<'a> {
    pub rows: Vec<String>,
    pub columns: Vec<String>,
    /// The name of the rows.
    pub row: &'a str,
    /// The name of the columns, longer and shorter; the first that fits is drawn.
    pub column: &'a [&'a str],
}

/// The number of labels, and the width of the widest in em.
pub fn widest(labels: &[String], font: &Font) -> (usize, f64) {
    let texts = labels.iter().map(String::as_str);
    (labels.len(), font.widest(texts))
}

/// Draws the labels of rows and columns, their names, the title, and a frame around the matrix.
pub fn draw(canvas: &mut dyn Canvas, layout: &Layout, font: &Font, labels: &Labels, title: &str) {
    draw_title(canvas, font, title, layout.em, layout.ems(1.8));
    let middle = layout.left + layout.columns.pixels / 2;
    let room = 2 * middle.min(layout.width - middle);
    let mut names = labels.column.iter();
    let fitting = names.find(|name| layout.em * font.width(name) < f64::from(room));
    if let Some(name) = fitting {
        canvas.text(&font.text(name, (middle, layout.ems(4.1)), layout.em));
    }
    let at = (layout.ems(1.0), layout.top + layout.rows.pixels / 2);
    canvas.text(&font.text(labels.row, at, layout.em).upwards());

    // Where not all labels fit, every second, third, … is drawn.
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
            canvas.text(&match is_character(label) {
                true => font.text(label, (x, above - higher), layout.column_em),
                false => {
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
