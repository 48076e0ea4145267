//! The font of all pictures: DejaVu Sans, embedded in the program.
//!
//! Plotters' own text ignores the left bearing of glyphs and the height of digits, so that texts are
//! uneven and off the middle. We place the glyphs and give plotters their pixels; an SVG has the text at
//! the same position and size.

use std::convert::Infallible;
use std::fmt;

use ab_glyph::{Font as _, FontRef, GlyphId, InvalidFont, PxScale, ScaleFont, point};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontFamily, FontStyle};
use plotters_backend::{BackendColor, BackendCoord, BackendTextStyle};

/// The font of an SVG, and the fallback of viewers that lack it.
const FAMILY: &str = "DejaVu Sans, sans-serif";

/// The distance from the upper end of a text down to its baseline in plotters' SVG, in em.
const BASELINE: f64 = 0.76;

/// The height of digits and capital letters of DejaVu Sans, in em.
const CAPITAL: f64 = 0.729;

/// The smallest readable em, in pixels.
pub const SMALLEST: f64 = 7.0;

/// DejaVu Sans.
#[derive(Debug)]
pub struct Font {
    face: FontRef<'static>,
    /// ab_glyph's scale at an em of one pixel.
    scale_per_em: f32,
}

impl Font {
    /// Reads the embedded font.
    pub fn embedded() -> Result<Self, InvalidFont> {
        let face = FontRef::try_from_slice(dejavu::sans::regular())?;
        let scale_per_em = face.height_unscaled() / face.units_per_em().ok_or(InvalidFont)?;
        Ok(Self { face, scale_per_em })
    }

    /// Whether the font has a glyph for a character, and not a blank one.
    pub fn draws(&self, character: char) -> bool {
        let glyph = self.face.glyph_id(character);
        let missing = GlyphId(0);
        let outline = self.face.outline(glyph);
        glyph != missing && outline.is_some_and(|outline| !outline.curves.is_empty())
    }

    /// The width of a text in em.
    pub fn width(&self, text: &str) -> f64 {
        let face = self.face.as_scaled(self.scale(1.0));
        let mut end = 0.0;
        for (glyph, start) in self.places(text, 1.0) {
            end = start + face.h_advance(glyph);
        }
        end.into()
    }

    /// The width of the widest text in em, 0 for none.
    pub fn widest<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> f64 {
        let widths = texts.into_iter().map(|text| self.width(text));
        widths.fold(0.0, f64::max)
    }

    /// The text; one wider than `width` em is cut and ends in an ellipsis.
    pub fn cut(&self, text: &str, width: f64) -> String {
        if self.width(text) <= width {
            return text.to_owned();
        }
        let room = (width - self.width("…")) as f32;
        let ends = text.char_indices().zip(self.places(text, 1.0)).skip(1);
        let fitting = ends.take_while(|&(_, (_, end))| end <= room);
        let length = fitting.last().map_or(0, |((byte, _), _)| byte);
        format!("{}…", text[..length].trim_end())
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

    fn scale(&self, em: f64) -> PxScale {
        PxScale::from(em as f32 * self.scale_per_em)
    }

    /// The glyphs of a text, each with its distance from the text's left end in pixels.
    fn places<'a>(&'a self, text: &'a str, em: f64) -> impl Iterator<Item = (GlyphId, f32)> + 'a {
        let face = self.face.as_scaled(self.scale(em));
        let mut start = 0.0;
        let mut last = None;
        text.chars().map(move |character| {
            let glyph = face.glyph_id(character);
            if let Some(last) = last {
                start += face.h_advance(last) + face.kern(last, glyph);
            }
            last = Some(glyph);
            (glyph, start)
        })
    }
}

/// A text, its position and its style.
pub struct Text<'a> {
    font: &'a Font,
    pub text: &'a str,
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
        let baseline = point(left as f32, (top + self.baseline()) as f32);
        let colour = self.color();
        for (glyph, start) in self.font.places(text, self.em) {
            let place = point(baseline.x + start, baseline.y);
            let glyph = glyph.with_scale_and_position(self.font.scale(self.em), place);
            let Some(outline) = self.font.face.outline_glyph(glyph) else {
                continue;
            };
            let corner = outline.px_bounds().min;
            let mut result = Ok(());
            outline.draw(|x, y, coverage| {
                if result.is_ok() && coverage > 0.0 {
                    let (x, y) = (corner.x as i32 + x as i32, corner.y as i32 + y as i32);
                    let alpha = f64::from(coverage.min(1.0));
                    result = draw(x, y, BackendColor { alpha, ..colour });
                }
            });
            if result.is_err() {
                return Ok(result);
            }
        }
        Ok(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_and_a_short_one_is_not() {
        let font = Font::embedded().unwrap();
        let long = "long ".repeat(50);
        let cut = font.cut(&long, 20.0);
        assert!(cut.starts_with("long long") && cut.ends_with('…'), "{cut}");
        assert!((17.0..=20.0).contains(&font.width(&cut)));
        assert_eq!(font.cut("short", 20.0), "short");
    }

    #[test]
    fn the_baseline_is_the_one_that_an_svg_has() {
        let mut svg = String::new();
        {
            let mut backend = SVGBackend::with_string(&mut svg, (100, 100));
            let font = Font::embedded().unwrap();
            let text = font.text("x", (50, 50), 20.0);
            backend.draw_text("x", &text, text.corner()).unwrap();
            backend.present().unwrap();
        }
        assert!(svg.contains(&format!("dy=\"{BASELINE}em\"")), "{svg}");
        assert!(svg.contains("font-size=\"20\""), "{svg}");
    }
}
