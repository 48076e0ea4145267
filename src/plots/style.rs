//! Colours, sizes and titles of pictures.

use plotters::style::RGBColor;

use super::drawing::Canvas;
use super::text::Font;

/// The main colour of pictures.
pub const BLUE: RGBColor = RGBColor(8, 81, 156);

/// The colour of comparisons and outlines.
pub const ORANGE: RGBColor = RGBColor(203, 75, 22);

/// The colour of frames and axes.
pub const GREY: RGBColor = RGBColor(150, 150, 150);

/// The colours of lines, in order. They are those of Okabe and Ito, which colour-blind people can tell
/// apart, with the pale ones darkened for thin lines on white. Black is left for a comparison.
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

/// The style of a line; its sizes are in em.
#[derive(Clone, Copy)]
pub struct Stroke {
    pub colour: RGBColor,
    pub width: f64,
    /// The radius of points.
    pub point: f64,
}

/// Refuses more lines than there are colours.
pub fn check_number(lines: usize) -> Result<(), String> {
    match (1..=COLOURS.len()).contains(&lines) {
        true => Ok(()),
        false => Err(format!("{lines} lines; 1 to {} would work", COLOURS.len())),
    }
}

/// The em of a picture of `width` × `height` pixels, in pixels.
pub fn em((width, height): (u32, u32)) -> f64 {
    (f64::from(width) / 75.0).min(f64::from(height) / 47.0)
}

/// Writes a title over the whole width, in larger letters than the axes' names. A long title is smaller,
/// and cut if it is still too long.
pub fn draw_title(canvas: &mut dyn Canvas, font: &Font, title: &str, axis_em: f64, middle: i32) {
    let (width, _) = canvas.size();
    let room = 0.95 * f64::from(width);
    let em = (room / font.width(title)).clamp(1.2 * axis_em, 1.46 * axis_em);
    let title = font.cut(title, room / em);
    canvas.text(&font.text(&title, (width as i32 / 2, middle), em));
}
