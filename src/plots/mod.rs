//! Pictures: the heatmap of a matrix (the notes' Figure 1) and the loss curve.
//!
//! A picture is a PNG or an SVG by its file's ending. The font, DejaVu Sans, is part of the
//! program, so a PNG is the same on a machine without fonts.

mod heatmap;
mod loss_curve;

use std::path::Path;
use std::sync::Once;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

pub use heatmap::Heatmap;
pub use loss_curve::LossCurve;

use crate::error::{Error, Result};
use crate::files::Output;

const FONT: &str = "sans-serif";

/// The widths and heights that a picture can have, in pixels.
pub const SIZES: std::ops::RangeInclusive<u32> = 200..=8000;

/// Something that can be drawn on every backend.
pub trait Drawing {
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
/// If it ends neither in .png nor in .svg, or its folder cannot be written to.
pub fn check(path: &Path) -> Result<()> {
    Format::of(path)?;
    Output::check(path).map(drop)
}

/// Writes a drawing of `width` × `height` pixels to `path`.
///
/// # Errors
///
/// As [`check`], or if width or height is none of [`SIZES`].
pub fn write(path: &Path, (width, height): (u32, u32), drawing: &impl Drawing) -> Result<()> {
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
    register_the_font();
    let contents = match format {
        Format::Png => {
            let mut pixels = vec![255; (width * height * 3) as usize];
            on_white(
                BitMapBackend::with_buffer(&mut pixels, (width, height)),
                drawing,
            )
            .map_err(failed)?;
            encode_png(width, height, &pixels).map_err(failed)?
        }
        Format::Svg => {
            let mut text = String::new();
            on_white(SVGBackend::with_string(&mut text, (width, height)), drawing)
                .map_err(failed)?;
            text.into_bytes()
        }
    };
    Output::check(path)?.replace(&contents)
}

fn on_white<DB: DrawingBackend>(backend: DB, drawing: &impl Drawing) -> Result<(), String> {
    let area = backend.into_drawing_area();
    area.fill(&WHITE)
        .and_then(|()| drawing.draw(&area))
        .and_then(|()| area.present())
        .map_err(|error| error.to_string())
}

fn encode_png(width: u32, height: u32, pixels: &[u8]) -> Result<Vec<u8>, String> {
    let mut file = Vec::new();
    PngEncoder::new_with_quality(&mut file, CompressionType::Default, FilterType::NoFilter)
        .write_image(pixels, width, height, ExtendedColorType::Rgb8)
        .map_err(|error| error.to_string())?;
    Ok(file)
}

fn register_the_font() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // If this font could not be read, drawing its first text would say so.
        let _ = register_font(FONT, FontStyle::Normal, dejavu::sans::regular());
    });
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
