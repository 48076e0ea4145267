//! Pictures: the heatmap of a matrix (the notes' Figure 1), the loss curve of the lecture's network,
//! the curves of networks that are trained in steps, losses by the order of n-grams, and what is
//! inside a network: its embedding, activations, gradients and updates.
//!
//! A picture is a PNG or an SVG by its file's ending. The font is part of the program, so a PNG is
//! the same on a machine without fonts.
//!
//! Read `heatmap` and `loss_curve` first; both write with `font` and mark their axes with
//! `ticks`. The heatmap's parts are its `layout`, `cell_text`, `pixels`, `axes` and `colour_bar`, its
//! colours are `colour_scale`, and `labels` says what is written for a character; `matrix_image` has
//! most of them, too. The loss curve's parts are its lines and `linear_axes`, which all pictures of
//! lines and points have. `histograms` and `update_ratios` share a `legend`, `scatter` has none.

mod axes;
mod batch_losses;
mod by_order;
mod cell_text;
mod colour_bar;
mod colour_scale;
mod font;
mod heatmap;
mod histograms;
mod labels;
mod layout;
mod legend;
mod linear_axes;
mod loss_curve;
mod matrix_image;
mod pixels;
mod scatter;
mod ticks;
mod training_curves;
mod update_ratios;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ImageEncoder, RgbImage, imageops};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters_backend::DrawingErrorKind;

pub use batch_losses::BatchLosses;
pub use by_order::{ByOrder, DevLosses};
pub use colour_scale::Scale;
pub use heatmap::{Context, Heatmap};
pub use histograms::{Histogram, Histograms};
pub use loss_curve::LossCurve;
pub use matrix_image::MatrixImage;
pub use scatter::Scatter;
pub use training_curves::TrainingCurves;
pub use update_ratios::{Ratios, UpdateRatios};

use crate::error::{Error, Result};
use crate::files::Output;

/// The widths and heights that a picture can have, in pixels.
pub const SIZES: std::ops::RangeInclusive<u32> = 200..=8000;

/// The default takes twice as long for a little smaller files.
const QUICK: CompressionType = CompressionType::Level(2);

/// Something that can be drawn on every backend.
pub trait Drawing {
    /// Whether it has slanting lines, which a PNG shows in steps unless they are smoothed.
    const SMOOTHED: bool = false;

    /// Finds out whether there is something that cannot be drawn.
    ///
    /// # Errors
    ///
    /// What it is, in one line.
    fn check(&self) -> std::result::Result<(), String>;

    /// Draws on a white area.
    ///
    /// # Errors
    ///
    /// If the backend fails.
    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Drawn<DB>;
}

/// The result of drawing on a backend.
pub type Drawn<DB> =
    std::result::Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// Finds out before any work whether a picture can be written to `path`.
///
/// # Errors
///
/// If it ends neither in .png nor in .svg, its folder cannot be written to, or there is a file that
/// is no picture.
pub fn check(path: &Path) -> Result<Output> {
    Format::of(path)?;
    let output = Output::check(path)?;
    if !is_picture_or_nothing(path) {
        return Err(Error::NotAPicture {
            file: path.to_owned(),
        });
    }
    Ok(output)
}

/// Draws a picture into a file, see [`draw`].
///
/// # Errors
///
/// As [`check`] and [`draw`].
pub fn write(path: &Path, size: (u32, u32), drawing: &impl Drawing) -> Result<()> {
    check(path)?.replace(&draw(path, size, drawing)?)
}

/// Whether what is at `path` may be overwritten by a picture.
fn is_picture_or_nothing(path: &Path) -> bool {
    let mut start = [0; 8];
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) => return error.kind() == std::io::ErrorKind::NotFound,
    };
    match file.read(&mut start) {
        Ok(length) => {
            let start = &start[..length];
            let pictures = [&b"\x89PNG\r\n\x1A\n"[..], b"<svg", b"<?xml"];
            start.is_empty() || pictures.iter().any(|picture| start.starts_with(picture))
        }
        Err(_) => false,
    }
}

/// Draws a picture of `width` × `height` pixels, in the format that `path` asks for; returns the
/// contents of the file.
///
/// # Errors
///
/// If `path` ends neither in .png nor in .svg, width or height is none of [`SIZES`], or the drawing
/// has values that cannot be drawn.
pub fn draw(path: &Path, (width, height): (u32, u32), drawing: &impl Drawing) -> Result<Vec<u8>> {
    let format = Format::of(path)?;
    if !SIZES.contains(&width) || !SIZES.contains(&height) {
        return Err(Error::Value {
            what: "the size of the picture",
            value: format!("{width} × {height}"),
            expected: "200 to 8000 pixels would work",
        });
    }
    let failed = |reason: String| Error::Plot {
        file: path.to_owned(),
        reason,
    };
    drawing.check().map_err(failed)?;
    match format {
        Format::Png => png((width, height), drawing).map_err(failed),
        Format::Svg => {
            let mut text = String::new();
            let backend = SVGBackend::with_string(&mut text, (width, height));
            on_white(backend, drawing).map_err(failed)?;
            Ok(text.into_bytes())
        }
    }
}

/// A PNG; one that is smoothed is drawn larger, so that each of its pixels is the mean of several.
fn png<D: Drawing>((width, height): (u32, u32), drawing: &D) -> Result<Vec<u8>, String> {
    let times = if D::SMOOTHED {
        // Larger pictures have wider lines and need it less.
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
    PngEncoder::new_with_quality(&mut file, QUICK, FilterType::Adaptive)
        .write_image(&picture, width, height, image::ExtendedColorType::Rgb8)
        .map_err(|error| error.to_string())?;
    Ok(file)
}

fn on_white<DB: DrawingBackend>(backend: DB, drawing: &impl Drawing) -> Result<(), String> {
    let area = backend.into_drawing_area();
    area.fill(&WHITE)
        .and_then(|()| drawing.draw(&area))
        .and_then(|()| area.present())
        .map_err(|error| error.to_string())
}

/// A font that cannot be read, as an error of a backend.
fn font_error<E: std::error::Error + Send + Sync>(
    error: ab_glyph::InvalidFont,
) -> DrawingAreaErrorKind<E> {
    DrawingAreaErrorKind::BackendError(DrawingErrorKind::FontError(Box::new(error)))
}

#[derive(Debug, Clone, Copy)]
enum Format {
    Png,
    Svg,
}

impl Format {
    fn of(path: &Path) -> Result<Self> {
        let ending = path.extension().and_then(|ending| ending.to_str());
        match ending.map(str::to_lowercase).as_deref() {
            Some("png") => Ok(Self::Png),
            Some("svg") => Ok(Self::Svg),
            _ => Err(Error::PictureFormat {
                file: path.to_owned(),
            }),
        }
    }
}
