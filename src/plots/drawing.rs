//! Pictures as PNG and SVG files, and the canvas that pictures are drawn on.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::RangeInclusive;
use std::path::Path;

use image::codecs::png::PngEncoder;
use image::{ImageEncoder, RgbImage, imageops};
use plotters::prelude::*;
use plotters_backend::DrawingErrorKind;

use super::text::{Font, Text};
use crate::error::{Error, Result};
use crate::files::Output;

/// The possible widths and heights of a picture, in pixels.
pub const SIZES: RangeInclusive<u32> = 200..=8000;

/// A picture that can be drawn in every format.
pub trait Drawing {
    /// Whether a PNG is smoothed, since slanting lines would be jagged.
    const SMOOTHED: bool = false;

    /// The least width and height, in pixels: in smaller pictures texts could not be read.
    const SMALLEST: (u32, u32) = (*SIZES.start(), *SIZES.start());

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

    /// Draws a filled polygon with these corners.
    fn polygon(&mut self, corners: &[(i32, i32)], colour: RGBColor);

    /// Writes a text.
    fn text(&mut self, text: &Text);

    /// Gives the picture's title, and a sentence about it, to readers who do not see it. An SVG has both.
    fn describe(&mut self, title: &str, sentence: &str);

    /// Draws pixels of three bytes each, row by row from the upper left corner.
    fn image(&mut self, corner: (i32, i32), size: (u32, u32), pixels: &[u8]);
}

/// A backend of plotters, the first error in drawing, and what is said about the picture.
struct PlottersCanvas<DB: DrawingBackend> {
    backend: DB,
    fault: Option<String>,
    description: Description,
}

/// What a picture shows, in words.
#[derive(Default)]
struct Description {
    title: String,
    sentence: String,
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

    fn polygon(&mut self, corners: &[(i32, i32)], colour: RGBColor) {
        let style = colour.filled();
        let drawn = self.backend.fill_polygon(corners.iter().copied(), &style);
        self.record(drawn);
    }

    fn text(&mut self, text: &Text) {
        let drawn = self.backend.draw_text(&text.written(), text, text.corner());
        self.record(drawn);
    }

    fn describe(&mut self, title: &str, sentence: &str) {
        self.description = Description {
            title: title.to_owned(),
            sentence: sentence.to_owned(),
        };
    }

    fn image(&mut self, corner: (i32, i32), size: (u32, u32), pixels: &[u8]) {
        let drawn = self.backend.blit_bitmap(corner, size, pixels);
        self.record(drawn);
    }
}

/// A part of a canvas, as a canvas of its own.
pub struct Part<'a> {
    canvas: &'a mut dyn Canvas,
    corner: (i32, i32),
    size: (u32, u32),
    /// The title and the sentence about what was drawn here.
    pub description: (String, String),
}

impl<'a> Part<'a> {
    /// The part from its upper left corner.
    pub fn of(canvas: &'a mut dyn Canvas, corner: (i32, i32), size: (u32, u32)) -> Self {
        Self {
            canvas,
            corner,
            size,
            description: <_>::default(),
        }
    }

    /// A point of this part on the whole canvas.
    fn whole(&self, (x, y): (i32, i32)) -> (i32, i32) {
        (self.corner.0 + x, self.corner.1 + y)
    }
}

impl Canvas for Part<'_> {
    fn size(&self) -> (u32, u32) {
        self.size
    }

    fn rectangle(&mut self, corners: [(i32, i32); 2], style: ShapeStyle) {
        let corners = corners.map(|corner| self.whole(corner));
        self.canvas.rectangle(corners, style);
    }

    fn line(&mut self, points: &[(i32, i32)], style: ShapeStyle) {
        let points: Vec<(i32, i32)> = points.iter().map(|&point| self.whole(point)).collect();
        self.canvas.line(&points, style);
    }

    fn circle(&mut self, middle: (i32, i32), radius: u32, colour: RGBColor) {
        self.canvas.circle(self.whole(middle), radius, colour);
    }

    fn polygon(&mut self, corners: &[(i32, i32)], colour: RGBColor) {
        let corners: Vec<(i32, i32)> = corners.iter().map(|&corner| self.whole(corner)).collect();
        self.canvas.polygon(&corners, colour);
    }

    fn text(&mut self, text: &Text) {
        self.canvas.text(&text.moved(self.corner));
    }

    fn describe(&mut self, title: &str, sentence: &str) {
        self.description = (title.to_owned(), sentence.to_owned());
    }

    fn image(&mut self, corner: (i32, i32), size: (u32, u32), pixels: &[u8]) {
        self.canvas.image(self.whole(corner), size, pixels);
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
/// height is outside of [`SIZES`], [`Error::Plot`] if a value cannot be drawn or the picture is smaller than
/// [`Drawing::SMALLEST`].
pub fn draw<D: Drawing>(path: &Path, (width, height): (u32, u32), drawing: &D) -> Result<Vec<u8>> {
    let is_svg = is_svg(path)?;
    if !SIZES.contains(&width) || !SIZES.contains(&height) {
        return Err(Error::Value {
            what: "the size of the picture",
            value: format!("{width} × {height}"),
            expected: "200 to 8000 pixels would work",
        });
    }
    let (least_width, least_height) = D::SMALLEST;
    let has_room = width >= least_width && height >= least_height;
    let large_enough = match has_room {
        true => Ok(()),
        false => Err(format!(
            "its text cannot be read in {width} × {height} pixels; {} × {} would work",
            width.max(least_width),
            height.max(least_height)
        )),
    };
    let drawn = large_enough.and(drawing.check()).and_then(|()| {
        let font = font_for(path)?;
        match is_svg {
            false => png((width, height), &font, drawing),
            true => svg((width, height), &font, drawing),
        }
    });
    drawn.map_err(|reason| Error::Plot {
        file: path.to_owned(),
        reason,
    })
}

/// The font of a picture in the format of `path`'s ending.
pub fn font_for(path: &Path) -> Result<Font, String> {
    let font = match is_svg(path) {
        Ok(true) => Font::for_svg(),
        _ => Font::for_png(),
    };
    font.map_err(|error| error.to_string())
}

/// The contents of an SVG.
fn svg(size: (u32, u32), font: &Font, drawing: &impl Drawing) -> Result<Vec<u8>, String> {
    let mut text = String::new();
    let backend = SVGBackend::with_string(&mut text, size);
    let description = on_white(backend, font, drawing)?;
    Ok(described(&text, &description).into_bytes())
}

/// An SVG with a title and a description as its first elements, where screen readers look for them.
fn described(svg: &str, Description { title, sentence }: &Description) -> String {
    let escaped = |text: &str| {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        text.replace('>', "&gt;")
    };
    let (start, rest) = svg.split_at(svg.find('>').map_or(0, |end| end + 1));
    let (title, sentence) = (escaped(title), escaped(sentence));
    format!("{start}\n<title>{title}</title>\n<desc>{sentence}</desc>{rest}")
}

/// The contents of a PNG. A smoothed one is drawn larger and then reduced, so that each pixel is the mean
/// of several.
fn png<D: Drawing>(
    (width, height): (u32, u32),
    font: &Font,
    drawing: &D,
) -> Result<Vec<u8>, String> {
    let times = if D::SMOOTHED {
        // Larger pictures have wider lines and need less smoothing.
        (SIZES.end() / width.max(height)).clamp(1, 3)
    } else {
        1
    };
    let mut picture = RgbImage::new(times * width, times * height);
    let size = picture.dimensions();
    let backend = BitMapBackend::with_buffer(&mut picture, size);
    on_white(backend, font, drawing)?;
    if times > 1 {
        picture = imageops::thumbnail(&picture, width, height);
    }
    let mut file = Vec::new();
    PngEncoder::new(&mut file)
        .write_image(&picture, width, height, image::ColorType::Rgb8)
        .map_err(|error| error.to_string())?;
    Ok(file)
}

/// Draws on white, and returns what the drawing says about itself.
fn on_white<DB: DrawingBackend>(
    backend: DB,
    font: &Font,
    drawing: &impl Drawing,
) -> Result<Description, String> {
    let (width, height) = backend.get_size();
    let mut canvas = PlottersCanvas {
        backend,
        fault: None,
        description: Description::default(),
    };
    let prepared = canvas.backend.ensure_prepared();
    canvas.record(prepared);
    canvas.rectangle([(0, 0), (width as i32, height as i32)], WHITE.filled());
    drawing.draw(&mut canvas, font);
    let presented = canvas.backend.present();
    canvas.record(presented);
    match canvas.fault {
        Some(fault) => Err(fault),
        None => Ok(canvas.description),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plots::{Heatmap, Scatter};

    #[test]
    fn an_svg_had_neither_a_title_nor_a_description() {
        let path = Path::new("out.svg");
        let heatmap = Heatmap {
            vocabulary: crate::Vocabulary::new('.', ['a']).unwrap(),
            contexts: None,
            values: vec![0.0, 1.0, 7.0, 0.0],
            scale: None,
            decimals: 0,
            title: "Bigrams of <a> & b".to_owned(),
            unit: "count".to_owned(),
        };
        let scatter = Scatter {
            title: "Embedding",
            horizontal: "first dimension",
            vertical: "second dimension",
            characters: &['a', 'b'],
            points: &[(0.0, 0.0), (1.0, 2.0)],
        };
        let start = |svg: Vec<u8>| {
            let svg = String::from_utf8(svg).unwrap();
            let lines = svg.lines().skip(1).take(2).map(str::to_owned);
            lines.collect::<Vec<String>>()
        };
        assert_eq!(
            start(draw(path, (400, 400), &heatmap).unwrap()),
            [
                "<title>Bigrams of &lt;a&gt; &amp; b</title>",
                "<desc>Each row is a first character (2 of them), each column a next character (2); the colours show the count, from 0 to 7.</desc>",
            ]
        );
        assert_eq!(
            start(draw(path, (600, 400), &scatter).unwrap()),
            [
                "<title>Embedding</title>",
                "<desc>The horizontal axis is first dimension, from -0.0500 to 1.0500; the vertical axis is second dimension, from -0.1000 to 2.1000.</desc>",
            ]
        );
    }
}
