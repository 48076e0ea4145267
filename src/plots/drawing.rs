//! Pictures as PNG and SVG files, and the canvas that pictures are drawn on.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::RangeInclusive;
use std::path::Path;

use image::codecs::png::PngEncoder;
use image::{ImageEncoder, RgbImage, imageops};
use plotters::prelude::*;
use plotters_backend::DrawingErrorKind;

use super::font::{Font, Text};
use crate::error::{Error, Result};
use crate::files::Output;

/// The possible widths and heights of a picture, in pixels.
pub const SIZES: RangeInclusive<u32> = 200..=8000;

/// A picture that can be drawn in every format.
pub trait Drawing {
    /// Whether a PNG is smoothed, since slanting lines would be jagged.
    const SMOOTHED: bool = false;

    /// Checks that all values can be drawn.
    ///
    /// # Errors
    ///
    /// One line that names the value.
    fn check(&self) -> std::result::Result<(), String>;

    /// Draws on a white canvas.
    fn draw(&self, canvas: &mut dyn Canvas, font: &Font);
}

/// An area to draw on, of either format. Positions are pixels from its upper left corner.
pub trait Canvas {
    /// Its width and height.
    fn size(&self) -> (u32, u32);

    /// Draws a rectangle between its upper left and its lower right corner, as far as it is on the canvas.
    fn rectangle(&mut self, corners: [(i32, i32); 2], style: ShapeStyle);

    /// Draws a line through points.
    fn line(&mut self, points: &[(i32, i32)], style: ShapeStyle);

    /// Draws a filled circle.
    fn circle(&mut self, middle: (i32, i32), radius: u32, colour: RGBColor);

    /// Writes a text.
    fn text(&mut self, text: &Text);

    /// Draws pixels of three bytes each, row by row from the upper left corner.
    fn image(&mut self, corner: (i32, i32), size: (u32, u32), pixels: &[u8]);
}

/// A backend of plotters, and the first error in drawing.
struct PlottersCanvas<DB: DrawingBackend> {
    backend: DB,
    fault: Option<String>,
}

impl<DB: DrawingBackend> PlottersCanvas<DB> {
    fn record(&mut self, drawn: Result<(), DrawingErrorKind<DB::ErrorType>>) {
        if let Err(error) = drawn {
            self.fault.get_or_insert(error.to_string());
        }
    }
}

impl<DB: DrawingBackend> Canvas for PlottersCanvas<DB> {
    fn size(&self) -> (u32, u32) {
        self.backend.get_size()
    }

    fn rectangle(&mut self, corners: [(i32, i32); 2], style: ShapeStyle) {
        let (width, height) = self.size();
        let inside = |(x, y): (i32, i32)| (x.clamp(0, width as i32), y.clamp(0, height as i32));
        let [one, other] = corners.map(inside);
        let drawn = self.backend.draw_rect(one, other, &style, style.filled);
        self.record(drawn);
    }

    fn line(&mut self, points: &[(i32, i32)], style: ShapeStyle) {
        let drawn = self.backend.draw_path(points.iter().copied(), &style);
        self.record(drawn);
    }

    fn circle(&mut self, middle: (i32, i32), radius: u32, colour: RGBColor) {
        let style = colour.filled();
        let drawn = self.backend.draw_circle(middle, radius, &style, true);
        self.record(drawn);
    }

    fn text(&mut self, text: &Text) {
        let drawn = self.backend.draw_text(text.text, text, text.corner());
        self.record(drawn);
    }

    fn image(&mut self, corner: (i32, i32), size: (u32, u32), pixels: &[u8]) {
        let drawn = self.backend.blit_bitmap(corner, size, pixels);
        self.record(drawn);
    }
}

/// Checks that a picture can be written to `path`, before the work begins.
///
/// # Errors
///
/// [`Error::PictureFormat`] if it ends neither in .png nor in .svg, [`Error::NotAPicture`] if a file
/// there is no picture; those of [`Output::check`].
pub fn check(path: &Path) -> Result<Output> {
    is_svg(path)?;
    let output = Output::check(path)?;
    if !is_picture_or_nothing(path) {
        return Err(Error::NotAPicture {
            file: path.to_owned(),
        });
    }
    Ok(output)
}

/// Writes a picture of `width` × `height` pixels to a file, in the format of its ending.
///
/// # Errors
///
/// Those of [`check`] and [`draw`].
pub fn write(path: &Path, size: (u32, u32), drawing: &impl Drawing) -> Result<()> {
    check(path)?.replace(&draw(path, size, drawing)?)
}

/// Whether `path` has no file, an empty one or a picture.
fn is_picture_or_nothing(path: &Path) -> bool {
    let mut start = Vec::new();
    match File::open(path).map(|file| file.take(8).read_to_end(&mut start)) {
        Ok(Ok(_)) => {
            let pictures = [&b"\x89PNG\r\n\x1A\n"[..], b"<svg", b"<?xml"];
            start.is_empty() || pictures.iter().any(|picture| start.starts_with(picture))
        }
        Ok(Err(_)) => false,
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// Draws a picture of `width` × `height` pixels in the format of `path`'s ending, and returns the contents
/// of the file.
///
/// # Errors
///
/// [`Error::PictureFormat`] if `path` ends neither in .png nor in .svg, [`Error::Value`] if width or
/// height is outside of [`SIZES`], [`Error::Plot`] if a value cannot be drawn.
pub fn draw(path: &Path, (width, height): (u32, u32), drawing: &impl Drawing) -> Result<Vec<u8>> {
    let is_svg = is_svg(path)?;
    if !SIZES.contains(&width) || !SIZES.contains(&height) {
        return Err(Error::Value {
            what: "the size of the picture",
            value: format!("{width} × {height}"),
            expected: "200 to 8000 pixels would work",
        });
    }
    let drawn = drawing.check().and_then(|()| match is_svg {
        false => png((width, height), drawing),
        true => {
            let mut text = String::new();
            let backend = SVGBackend::with_string(&mut text, (width, height));
            on_white(backend, drawing)?;
            Ok(text.into_bytes())
        }
    });
    drawn.map_err(|reason| Error::Plot {
        file: path.to_owned(),
        reason,
    })
}

/// The contents of a PNG. A smoothed one is drawn larger and then reduced, so that each pixel is the mean
/// of several.
fn png<D: Drawing>((width, height): (u32, u32), drawing: &D) -> Result<Vec<u8>, String> {
    let times = if D::SMOOTHED {
        // Larger pictures have wider lines and need less smoothing.
        (SIZES.end() / width.max(height)).clamp(1, 3)
    } else {
        1
    };
    let mut picture = RgbImage::new(times * width, times * height);
    let size = picture.dimensions();
    on_white(BitMapBackend::with_buffer(&mut picture, size), drawing)?;
    if times > 1 {
        picture = imageops::thumbnail(&picture, width, height);
    }
    let mut file = Vec::new();
    PngEncoder::new(&mut file)
        .write_image(&picture, width, height, image::ColorType::Rgb8)
        .map_err(|error| error.to_string())?;
    Ok(file)
}

fn on_white<DB: DrawingBackend>(backend: DB, drawing: &impl Drawing) -> Result<(), String> {
    let font = Font::embedded().map_err(|error| error.to_string())?;
    let (width, height) = backend.get_size();
    let mut canvas = PlottersCanvas {
        backend,
        fault: None,
    };
    let prepared = canvas.backend.ensure_prepared();
    canvas.record(prepared);
    canvas.rectangle([(0, 0), (width as i32, height as i32)], WHITE.filled());
    drawing.draw(&mut canvas, &font);
    let presented = canvas.backend.present();
    canvas.record(presented);
    canvas.fault.map_or(Ok(()), Err)
}

/// Whether a path ends in .svg; else it ends in .png.
fn is_svg(path: &Path) -> Result<bool> {
    let ending = path.extension().and_then(|ending| ending.to_str());
    match ending.map(str::to_lowercase).as_deref() {
        Some("png") => Ok(false),
        Some("svg") => Ok(true),
        _ => Err(Error::PictureFormat {
            file: path.to_owned(),
        }),
    }
}
