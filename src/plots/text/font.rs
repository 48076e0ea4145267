//! The font of all pictures: it measures texts, and draws them.
//!
//! Plotters' own text ignores the left bearing of glyphs and the height of digits, so that texts are
//! uneven and off the middle. We place the glyphs and give plotters their pixels; an SVG has the text at
//! the same position and size.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::rc::Rc;
#[cfg(test)]
use std::sync::LazyLock;

use ab_glyph::{Font as _, InvalidFont, OutlinedGlyph, Point, point};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontFamily, FontStyle};
use plotters_backend::{BackendColor, BackendCoord, BackendTextStyle};
use unicode_bidi::{BidiClass, Direction, bidi_class, get_base_direction};
use unicode_segmentation::UnicodeSegmentation;

use super::bitmaps::{Bitmap, Bitmaps};
use super::face::Glyph;
#[cfg(test)]
use super::faces::System;
use super::faces::{EMBEDDED, Faces, OF_THE_SYSTEM, Others};
use super::line::Line;

/// The font of an SVG, and the fallback of viewers that lack it.
const FAMILY: &str = "DejaVu Sans, sans-serif";

/// The distance from the upper end of a text down to its baseline in plotters' SVG, in em.
const BASELINE: f64 = 0.76;

/// The height of digits and capital letters of DejaVu Sans, in em.
const CAPITAL: f64 = 0.729;

/// The smallest readable em, in pixels.
pub const SMALLEST: f64 = 7.0;

/// At most so many lines are kept.
const KEPT_LINES: usize = 10_000;

/// DejaVu Sans, and what draws the characters that it lacks.
#[derive(Debug)]
pub struct Font {
    faces: Faces,
    /// The lines that were laid out last: the labels of a heatmap stand in its every row.
    lines: RefCell<HashMap<String, Rc<Line>>>,
    bitmaps: Bitmaps,
}

impl Font {
    /// The font of an SVG, whose viewer draws what DejaVu Sans lacks.
    pub fn for_svg() -> Result<Self, InvalidFont> {
        Self::with(Others::Viewer)
    }

    /// The font of a PNG, in which fonts of the system draw what DejaVu Sans lacks.
    pub fn for_png() -> Result<Self, InvalidFont> {
        Self::with(Others::System(&OF_THE_SYSTEM))
    }

    fn with(others: Others) -> Result<Self, InvalidFont> {
        let embedded = EMBEDDED.as_ref().ok_or(InvalidFont)?;
        Ok(Self::of(Faces { embedded, others }))
    }

    fn of(faces: Faces) -> Self {
        Self {
            faces,
            lines: RefCell::default(),
            bitmaps: Bitmaps::default(),
        }
    }

    /// DejaVu Sans alone, as in a PNG on a machine without fonts.
    #[cfg(test)]
    pub fn alone() -> Self {
        static NONE: LazyLock<System> = LazyLock::new(|| System::of(fontdb::Database::new()));
        Self::with(Others::System(&NONE)).unwrap()
    }

    /// Whether each character of a grapheme is drawn, and not blank.
    pub fn draws(&self, grapheme: &str) -> bool {
        self.faces.draw(grapheme)
    }

    /// Whether no face has a grapheme; an SVG is for its viewer's.
    pub fn lacks(&self, grapheme: &str) -> bool {
        matches!(self.faces.others, Others::System(_)) && self.faces.of(grapheme).is_none()
    }

    /// The width of a text in em.
    pub fn width(&self, text: &str) -> f64 {
        let width = match self.is_row(text) {
            true => self.faces.embedded.in_a_row(text, 1.0).1,
            false => self.line(text).width,
        };
        width.into()
    }

    /// The width of the widest text in em, 0 for none.
    pub fn widest<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> f64 {
        let widths = texts.into_iter().map(|text| self.width(text));
        widths.fold(0.0, f64::max)
    }

    /// The text; one wider than `width` em is cut between graphemes and ends in an ellipsis.
    pub fn cut(&self, text: &str, width: f64) -> String {
        if self.width(text) <= width {
            return text.to_owned();
        }
        let room = width - self.width("…");
        let starts = text.grapheme_indices(true).map(|(byte, _)| &text[..byte]);
        let fitting = starts.take_while(|start| self.width(start) <= room);
        format!("{}…", fitting.last().unwrap_or_default().trim_end())
    }

    /// A black text around the point `at`: the middle of its width and of its digits' height.
    pub fn text<'a>(&'a self, text: &'a str, at: (i32, i32), em: f64) -> Text<'a> {
        Text {
            font: self,
            text,
            at,
            em,
            colour: BLACK,
            align: HPos::Center,
            upwards: false,
        }
    }

    /// Whether a text is drawn as a row of DejaVu's glyphs from left to right, one for each character.
    fn is_row(&self, text: &str) -> bool {
        text.chars().all(|character| {
            let is_in_row = !matches!(
                bidi_class(character),
                BidiClass::R | BidiClass::AL | BidiClass::AN | BidiClass::NSM
            );
            character.is_ascii() || (is_in_row && self.faces.embedded.has(character))
        })
    }

    /// The glyphs of a text in pixels.
    fn glyphs(&self, text: &str, em: f64) -> Vec<Glyph> {
        if self.is_row(text) {
            return self.faces.embedded.in_a_row(text, em).0;
        }
        let scaled = |glyph: &Glyph| Glyph {
            x: glyph.x * em as f32,
            y: glyph.y * em as f32,
            ..*glyph
        };
        self.line(text).glyphs.iter().map(scaled).collect()
    }

    fn line(&self, text: &str) -> Rc<Line> {
        let mut lines = self.lines.borrow_mut();
        if let Some(line) = lines.get(text) {
            return Rc::clone(line);
        }
        if lines.len() == KEPT_LINES {
            lines.clear();
        }
        let line = Rc::new(Line::of(text, &self.faces));
        lines.insert(text.to_owned(), Rc::clone(&line));
        line
    }
}

/// A text, its position and its style.
pub struct Text<'a> {
    font: &'a Font,
    text: &'a str,
    at: (i32, i32),
    em: f64,
    colour: RGBColor,
    align: HPos,
    upwards: bool,
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let text = &self.text;
        f.debug_struct("Text")
            .field("text", text)
            .finish_non_exhaustive()
    }
}

impl Text<'_> {
    /// The text for the picture's format. An SVG has one that is read from the right in an isolate, so that
    /// its viewer begins at the right too.
    pub fn written(&self) -> Cow<'_, str> {
        let is_rtl = || get_base_direction(self.text) == Direction::Rtl;
        match self.font.faces.others {
            Others::Viewer if is_rtl() => Cow::Owned(format!("\u{2067}{}\u{2069}", self.text)),
            _ => Cow::Borrowed(self.text),
        }
    }

    /// The text so far to the right and below.
    pub fn moved(&self, (right, below): (i32, i32)) -> Self {
        let at = (self.at.0 + right, self.at.1 + below);
        Self { at, ..*self }
    }

    /// Sets the colour.
    pub fn colour(self, colour: RGBColor) -> Self {
        Self { colour, ..self }
    }

    /// Aligns the text at its point.
    pub fn align(self, align: HPos) -> Self {
        Self { align, ..self }
    }

    /// Turns the text to read upwards.
    pub fn upwards(self) -> Self {
        Self {
            upwards: true,
            ..self
        }
    }

    /// The point that plotters takes: the upper left corner of an unturned, left-aligned text.
    pub fn corner(&self) -> (i32, i32) {
        let (x, y) = self.at;
        let rise = self.baseline() - (0.5 * CAPITAL * self.em).round() as i32;
        match self.upwards {
            true => (x - rise, y),
            false => (x, y - rise),
        }
    }

    /// The distance from the upper end to the baseline, in whole pixels, so that digits are sharp.
    fn baseline(&self) -> i32 {
        (BASELINE * self.em).round() as i32
    }
}

impl BackendTextStyle for Text<'_> {
    type FontError = Infallible;

    fn color(&self) -> BackendColor {
        self.colour.to_backend_color()
    }

    /// The size for plotters, whose SVG divides it by 1.24.
    fn size(&self) -> f64 {
        1.24 * self.em
    }

    fn transform(&self) -> FontTransform {
        if self.upwards {
            FontTransform::Rotate270
        } else {
            FontTransform::None
        }
    }

    fn style(&self) -> FontStyle {
        FontStyle::Normal
    }

    fn anchor(&self) -> Pos {
        Pos::new(self.align, VPos::Top)
    }

    fn family(&self) -> FontFamily<'_> {
        FontFamily::Name(FAMILY)
    }

    fn layout_box(&self, text: &str) -> Result<((i32, i32), (i32, i32)), Infallible> {
        let width = self.em * self.font.width(text);
        Ok(((0, 0), (width.round() as i32, self.em.round() as i32)))
    }

    fn draw<E, DrawFunc: FnMut(i32, i32, BackendColor) -> Result<(), E>>(
        &self,
        text: &str,
        (left, top): BackendCoord,
        mut draw: DrawFunc,
    ) -> Result<Result<(), E>, Infallible> {
        let (left, baseline) = (left as f32, (top + self.baseline()) as f32);
        for Glyph { face, id, x, y } in self.font.glyphs(text, self.em) {
            let place = point(left + x, baseline + y);
            let glyph = id.with_scale_and_position(face.scale(self.em), place);
            let drawn = if let Some(outline) = face.outlines.outline_glyph(glyph) {
                self.draw_outline(&outline, &mut draw)
            } else if let Some(bitmap) = self.font.bitmaps.get(face, id, self.em) {
                draw_bitmap(&bitmap, place, &mut draw)
            } else {
                Ok(())
            };
            if drawn.is_err() {
                return Ok(drawn);
            }
        }
        Ok(Ok(()))
    }
}

impl Text<'_> {
    fn draw_outline<E>(
        &self,
        outline: &OutlinedGlyph,
        mut draw: impl FnMut(i32, i32, BackendColor) -> Result<(), E>,
    ) -> Result<(), E> {
        let colour = self.color();
        let corner = outline.px_bounds().min;
        let mut result = Ok(());
        outline.draw(|x, y, coverage| {
            if result.is_ok() && coverage > 0.0 {
                let (x, y) = (corner.x as i32 + x as i32, corner.y as i32 + y as i32);
                let alpha = f64::from(coverage.min(1.0));
                result = draw(x, y, BackendColor { alpha, ..colour });
            }
        });
        result
    }
}

/// Draws a glyph in colours of its own.
fn draw_bitmap<E>(
    bitmap: &Bitmap,
    place: Point,
    mut draw: impl FnMut(i32, i32, BackendColor) -> Result<(), E>,
) -> Result<(), E> {
    for ((x, y), [red, green, blue], alpha) in bitmap.pixels(place.x, place.y) {
        let rgb = (red, green, blue);
        draw(x, y, BackendColor { alpha, rgb })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use image::ImageEncoder;

    use super::*;
    use crate::plots::text::face::Face;

    /// DejaVu Sans Mono, which lacks Hebrew, on a machine with DejaVu Sans.
    fn mono() -> Font {
        static MONO: LazyLock<Face> =
            LazyLock::new(|| Face::read(dejavu::sans_mono::regular(), 0).unwrap());
        static SANS: LazyLock<System> = LazyLock::new(|| {
            let mut fonts = fontdb::Database::new();
            fonts.load_font_data(dejavu::sans::bold().to_vec());
            fonts.load_font_data(dejavu::sans::regular().to_vec());
            System::of(fonts)
        });
        Font::of(Faces {
            embedded: &MONO,
            others: Others::System(&SANS),
        })
    }

    fn ids(font: &Font, text: &str) -> Vec<u16> {
        let glyphs = font.glyphs(text, 20.0);
        assert!(glyphs.is_sorted_by_key(|glyph| glyph.x), "{text}");
        glyphs.iter().map(|glyph| glyph.id.0).collect()
    }

    fn png(font: &Font, text: &str) -> Vec<u8> {
        let mut pixels = vec![255; 3 * 200 * 40];
        let mut backend = BitMapBackend::with_buffer(&mut pixels, (200, 40));
        let text = font.text(text, (100, 20), 20.0);
        let drawn = backend.draw_text(&text.written(), &text, text.corner());
        drawn.unwrap();
        drop(backend);
        pixels
    }

    #[test]
    fn hebrew_stood_in_the_order_of_its_letters() {
        for font in [Font::for_svg().unwrap(), Font::alone(), mono()] {
            let ids = |text| ids(&font, text);
            let reversed = ids("ם").into_iter().chain(ids("ו")).chain(ids("ל"));
            let word: Vec<u16> = reversed.chain(ids("ש")).collect();
            assert_eq!(ids("שלום"), word);
            // A word in a text that begins in Latin, and the start token of a text in Hebrew.
            assert_eq!(ids("ab שלום"), [ids("ab "), word.clone()].concat());
            assert_eq!(ids(".שלום"), [word, ids(".")].concat());
            // Two scripts, in one of the fonts by two faces.
            assert_eq!(ids("שر"), [ids("ر"), ids("ש")].concat());
        }
    }

    #[test]
    fn arabic_letters_did_not_join() {
        let font = Font::alone();
        let word = ids(&font, "سليم");
        assert_eq!(word.len(), 4);
        for letter in ["س", "ل", "ي", "م"] {
            let alone = ids(&font, letter);
            assert!(!word.contains(&alone[0]), "{letter}");
        }
        assert!(font.width("سليم") < ["س", "ل", "ي", "م"].map(|c| font.width(c)).iter().sum());
    }

    #[test]
    fn a_character_that_the_font_lacks_is_drawn_by_a_font_of_the_system() {
        let (mono, sans) = (mono(), Font::alone());
        assert!(mono.draws("ש") && mono.draws("a") && !mono.draws("一"));
        // Of DejaVu Sans, not of its bold face.
        assert_eq!(png(&mono, "שלום"), png(&sans, "שלום"));
        assert_ne!(png(&mono, "abc"), png(&sans, "abc"));
        let both = mono.width("abש") - mono.width("ab");
        assert!((both - sans.width("ש")).abs() < 1e-6, "{both}");
    }

    /// DejaVu Sans in which the blank braille pattern is a red square of half an em on the baseline, as in
    /// fonts of emoji. The picture has 50 pixels.
    fn with_a_picture(pixels_per_em: u8) -> Vec<u8> {
        let sans = dejavu::sans::regular();
        let face = Face::read(sans, 0).unwrap();
        let (id, number) = (
            face.outlines.glyph_id('\u{2800}').0,
            face.outlines.glyph_count(),
        );
        let mut png = Vec::new();
        image::codecs::png::PngEncoder::new(&mut png)
            .write_image(
                &[255, 0, 0, 255].repeat(50 * 50),
                50,
                50,
                image::ColorType::Rgba8,
            )
            .unwrap();
        // The table of pictures: one size, and where its glyphs begin and end.
        let mut table = [
            &[0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 12][..],
            &[0, pixels_per_em, 0, 72],
        ]
        .concat();
        let start = 4 + 4 * (number as u32 + 1);
        for glyph in 0..=number as u16 {
            let end = start + if glyph > id { 8 + png.len() as u32 } else { 0 };
            table.extend(end.to_be_bytes());
        }
        table.extend([&[0, 0, 0, 0][..], b"png ", &png].concat());

        let tables = u16::from_be_bytes([sans[4], sans[5]]);
        let (header, rest) = sans.split_at(12 + 16 * usize::from(tables));
        let mut font = header.to_vec();
        font[4..6].copy_from_slice(&(tables + 1).to_be_bytes());
        for record in font[12..].chunks_mut(16) {
            let offset = u32::from_be_bytes(record[8..12].try_into().unwrap()) + 16;
            record[8..12].copy_from_slice(&offset.to_be_bytes());
        }
        font.extend(b"sbix\0\0\0\0");
        font.extend((sans.len() as u32 + 16).to_be_bytes());
        font.extend((table.len() as u32).to_be_bytes());
        [&font, rest, &table].concat()
    }

    #[test]
    fn an_emoji_is_drawn_in_its_colours() {
        static EMOJI: LazyLock<Face> =
            LazyLock::new(|| Face::read(with_a_picture(100).leak(), 0).unwrap());
        let alone = Font::alone();
        let font = Font::of(Faces {
            embedded: &EMOJI,
            ..alone.faces
        });
        assert!(font.draws("\u{2800}") && !alone.draws("\u{2800}"));
        assert_eq!(png(&font, "abc"), png(&alone, "abc"));
        let pixels = png(&font, "\u{2800}");
        let pixels: Vec<&[u8]> = pixels.chunks(3).collect();
        let red = (0..pixels.len()).filter(|&pixel| pixels[pixel] == [255, 0, 0]);
        let rows: Vec<usize> = red.map(|pixel| pixel / 200).collect();
        assert_eq!(rows.len(), 10 * 10);
        // The baseline is half the height of capital letters below the middle.
        assert_eq!((rows[0], rows[99]), (17, 26));
        let others = pixels.iter().filter(|pixel| **pixel != [255; 3]);
        assert_eq!(others.count(), 10 * 10);
    }

    /// The memory for a picture of infinite size was asked for.
    #[test]
    fn a_picture_of_many_em_is_not_drawn() {
        static BROKEN: LazyLock<[Face; 2]> =
            LazyLock::new(|| [0, 2].map(|n| Face::read(with_a_picture(n).leak(), 0).unwrap()));
        let alone = Font::alone();
        for face in BROKEN.iter() {
            let font = Font::of(Faces {
                embedded: face,
                ..alone.faces
            });
            assert_eq!(png(&font, "a\u{2800}"), png(&alone, "a\u{2800}"));
        }
    }

    /// It stood to the right of its circle.
    #[test]
    fn an_arabic_vowel_stands_above_its_circle() {
        let font = Font::alone();
        let glyphs = font.glyphs("◌\u{64E}", 20.0);
        let right = |glyph: &Glyph| {
            let glyph =
                (glyph.id).with_scale_and_position(glyph.face.scale(20.0), point(glyph.x, 0.0));
            let outline = font.faces.embedded.outlines.outline_glyph(glyph).unwrap();
            outline.px_bounds().max.x
        };
        let circle = font.glyphs("◌", 20.0);
        assert_eq!(glyphs.len(), 2);
        assert!(glyphs.iter().all(|glyph| right(glyph) <= right(&circle[0])));
    }

    #[test]
    fn an_svg_leaves_other_characters_to_its_viewer() {
        let font = Font::for_svg().unwrap();
        for (text, width) in [("一二", 2.0), ("क", 0.6), ("🧠", 1.0), ("👩‍🚀", 1.0)] {
            assert!(font.draws(text));
            assert!((font.width(text) - width).abs() < 1e-6, "{text}");
        }
        for text in ["\u{3164}", "\u{FFFF}", "\u{7F}", "\u{2800}"] {
            assert!(!font.draws(text), "{text:?}");
        }
        // As we order it: from the right, beginning with the start token.
        let written = |text| font.text(text, (0, 0), 10.0).written().into_owned();
        assert_eq!(written(".שלום"), "\u{2067}.שלום\u{2069}");
        assert_eq!(written("a שלום"), "a שלום");
        assert_eq!(Font::alone().text("של", (0, 0), 10.0).written(), "של");
    }

    #[test]
    fn a_long_text_is_cut_and_a_short_one_is_not() {
        let font = Font::for_svg().unwrap();
        let long = "long ".repeat(50);
        let cut = font.cut(&long, 20.0);
        assert!(cut.starts_with("long long") && cut.ends_with('…'), "{cut}");
        assert!((17.0..=20.0).contains(&font.width(&cut)));
        assert_eq!(font.cut("short", 20.0), "short");
        // One letter of a flag is narrower than the flag.
        let viewer = Font::for_svg().unwrap();
        for tenths in 10..80 {
            let cut = viewer.cut(&"🇩🇪".repeat(9), f64::from(tenths) / 10.0);
            let (start, _) = cut.split_once('…').unwrap();
            assert_eq!(start.replace("🇩🇪", ""), "", "{cut}");
        }
    }

    #[test]
    fn the_baseline_is_the_one_that_an_svg_has() {
        let mut svg = String::new();
        {
            let mut backend = SVGBackend::with_string(&mut svg, (100, 100));
            let font = Font::for_svg().unwrap();
            let text = font.text("x", (50, 50), 20.0);
            backend.draw_text("x", &text, text.corner()).unwrap();
            backend.present().unwrap();
        }
        assert!(svg.contains(&format!("dy=\"{BASELINE}em\"")), "{svg}");
        assert!(svg.contains("font-size=\"20\""), "{svg}");
    }
}
