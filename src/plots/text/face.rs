//! A face of a font: its glyphs, and how they follow each other.

use ab_glyph::v2::GlyphImage;
use ab_glyph::{Font as _, FontRef, GlyphId, GlyphImageFormat, PxScale, ScaleFont};
use harfrust::{Buffer, Direction, Script, ShapeOptions, ShaperFont};

/// A face.
#[derive(Debug)]
pub struct Face {
    pub outlines: FontRef<'static>,
    shaping: Shaping,
    /// ab_glyph's scale at an em of one pixel.
    scale_per_em: f32,
}

/// The face as harfrust reads it.
struct Shaping(harfrust::Font);

impl std::fmt::Debug for Shaping {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("Shaping").finish_non_exhaustive()
    }
}

/// A glyph and its place right of the text's left end and below its baseline.
#[derive(Debug, Clone, Copy)]
pub struct Glyph {
    pub face: &'static Face,
    pub id: GlyphId,
    pub x: f32,
    pub y: f32,
}

impl Face {
    /// Reads the face `index` of a font's file; nothing if it is none.
    pub fn read(file: &'static [u8], index: u32) -> Option<Self> {
        let outlines = FontRef::try_from_slice_and_index(file, index).ok()?;
        let scale_per_em = outlines.height_unscaled() / outlines.units_per_em()?;
        Some(Self {
            outlines,
            shaping: Shaping(harfrust::Font::new(file, index)?),
            scale_per_em,
        })
    }

    /// Whether the face has a glyph for a character, perhaps a blank one.
    pub fn has(&self, character: char) -> bool {
        self.outlines.glyph_id(character) != GlyphId(0)
    }

    /// Whether the face has a glyph for a character, and not a blank one.
    pub fn draws(&self, character: char) -> bool {
        let id = self.outlines.glyph_id(character);
        let outline = self.outlines.outline(id);
        let is_outlined = outline.is_some_and(|outline| !outline.curves.is_empty());
        self.has(character) && (is_outlined || self.bitmap(id).is_some())
    }

    /// The largest picture of a glyph as a PNG, if it has one.
    pub fn bitmap(&self, id: GlyphId) -> Option<GlyphImage<'_>> {
        let bitmap = self.outlines.glyph_raster_image2(id, u16::MAX)?;
        matches!(bitmap.format, GlyphImageFormat::Png).then_some(bitmap)
    }

    /// ab_glyph's scale at an em, in pixels.
    pub fn scale(&self, em: f64) -> PxScale {
        PxScale::from(em as f32 * self.scale_per_em)
    }

    /// The glyphs of a text in the order of its characters, without joining any, each with its distance
    /// from the text's left end; and the text's width. All in pixels.
    pub fn in_a_row(&'static self, text: &str, em: f64) -> (Vec<Glyph>, f32) {
        let face = self.outlines.as_scaled(self.scale(em));
        let mut glyphs: Vec<Glyph> = Vec::with_capacity(text.len());
        let mut x = 0.0;
        for character in text.chars() {
            let id = face.glyph_id(character);
            if let Some(last) = glyphs.last() {
                x += face.h_advance(last.id) + face.kern(last.id, id);
            }
            let (face, y) = (self, 0.0);
            glyphs.push(Glyph { face, id, x, y });
        }
        let last = glyphs.last().map_or(0.0, |last| face.h_advance(last.id));
        (glyphs, x + last)
    }

    /// The glyphs of a text of one script and direction from left to right, and the text's width, in em.
    pub fn shape(&'static self, text: &str, script: Script, is_rtl: bool) -> (Vec<Glyph>, f32) {
        let mut buffer = Buffer::new();
        buffer.push_str(text);
        buffer.set_script(Some(script));
        buffer.set_direction(match is_rtl {
            true => Direction::RightToLeft,
            false => Direction::LeftToRight,
        });
        let font = &self.shaping.0;
        let shaper = ShaperFont::new(font);
        if harfrust::shape(&shaper, &mut buffer, ShapeOptions::new()).is_err() {
            return self.in_a_row(text, 1.0);
        }
        let em = f32::from(font.units_per_em());
        let mut x = 0.0;
        let glyphs = buffer.glyph_infos().iter().zip(buffer.glyph_positions());
        let glyphs = glyphs.map(|(glyph, place)| {
            let start = x;
            x += place.x_advance as f32 / em;
            Glyph {
                face: self,
                id: GlyphId(glyph.glyph_id as u16),
                x: start + place.x_offset as f32 / em,
                y: -place.y_offset as f32 / em,
            }
        });
        (glyphs.collect(), x)
    }
}
