//! The title, the frame and the characters of the heatmap's rows and columns.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::Drawn;
use super::font::Font;
use super::labels::is_character;
use super::layout::Layout;

/// The colour of lines that only part things.
pub const GREY: RGBColor = RGBColor(150, 150, 150);

pub fn draw<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    layout: &Layout,
    font: &Font,
    labels: &[String],
    title: &str,
) -> Drawn<DB> {
    draw_title(area, font, title, layout.em, layout.ems(1.8))?;
    let middle = layout.side / 2;
    let at = (layout.left + middle, layout.ems(4.1));
    area.draw(&font.text("next character", at, layout.em))?;
    let at = (layout.ems(1.0), layout.top + middle);
    area.draw(&font.text("first character", at, layout.em).upwards())?;

    // As many characters as can stand side by side.
    let every = (1.2 * layout.label_em / layout.cell()).ceil() as usize;
    let gap = layout.ems(0.43);
    let higher = (0.5 * layout.label_em).round() as i32;
    for (index, label) in labels.iter().enumerate().step_by(every.max(1)) {
        let x = layout.left + layout.middle(index);
        let above = layout.top - gap;
        let column = if is_character(label) {
            font.text(label, (x, above - higher), layout.label_em)
        } else {
            let column = font.text(label, (x, above), layout.label_em);
            column.align(HPos::Left).upwards()
        };
        area.draw(&column)?;
        let at = (layout.left - gap, layout.top + layout.middle(index));
        let row = font.text(label, at, layout.label_em);
        area.draw(&row.align(HPos::Right))?;
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
