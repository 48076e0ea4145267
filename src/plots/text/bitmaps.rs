//! Glyphs that are small pictures, such as emoji in colour.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use ab_glyph::GlyphId;
use image::imageops::{self, FilterType};
use image::{ImageFormat, Rgba, RgbaImage};

use super::face::Face;

/// The largest width and height of a picture, in em. A larger one is of a broken font.
const LARGEST: f64 = 8.0;

/// A face, a glyph and an em in pixels.
type Key = (*const Face, GlyphId, u64);

/// The pictures of glyphs in the sizes of texts. They are kept: an emoji stands in a heatmap's every row.
#[derive(Debug, Default)]
pub struct Bitmaps {
    scaled: RefCell<HashMap<Key, Option<Rc<Bitmap>>>>,
}

/// The picture of a glyph. Its colours are multiplied by their opacity.
#[derive(Debug)]
pub struct Bitmap {
    /// The distance of its left edge from the start of the glyph, to the right.
    left: f32,
    /// The distance of its upper edge from the baseline, downwards.
    top: f32,
    pixels: RgbaImage,
}

impl Bitmaps {
    /// The picture of a glyph at an em in pixels, if it has one.
    pub fn get(&self, face: &Face, id: GlyphId, em: f64) -> Option<Rc<Bitmap>> {
        let key = (std::ptr::from_ref(face), id, em.to_bits());
        let mut scaled = self.scaled.borrow_mut();
        let bitmap = scaled
            .entry(key)
            .or_insert_with(|| Bitmap::of(face, id, em).map(Rc::new));
        bitmap.clone()
    }
}

impl Bitmap {
    fn of(face: &Face, id: GlyphId, em: f64) -> Option<Self> {
        let bitmap = face.bitmap(id)?;
        let picture = image::load_from_memory_with_format(bitmap.data, ImageFormat::Png).ok()?;
        let mut picture = picture.into_rgba8();
        for Rgba([red, green, blue, alpha]) in picture.pixels_mut() {
            for colour in [red, green, blue] {
                *colour = (u16::from(*colour) * u16::from(*alpha) / 255) as u8;
            }
        }
        let scale = em as f32 / f32::from(bitmap.pixels_per_em);
        let scaled = |pixels: u32| (scale * pixels as f32).round().max(1.0) as u32;
        let (width, height) = (scaled(picture.width()), scaled(picture.height()));
        if f64::from(width.max(height)) > LARGEST * em {
            return None;
        }
        Some(Self {
            left: scale * bitmap.origin.x,
            top: -scale * (bitmap.origin.y + picture.height() as f32),
            pixels: imageops::resize(&picture, width, height, FilterType::Triangle),
        })
    }

    /// The pixels that are seen of a glyph that starts at a place on the baseline, each with its colour and
    /// opacity.
    pub fn pixels(&self, x: f32, y: f32) -> impl Iterator<Item = ((i32, i32), [u8; 3], f64)> {
        let (left, top) = (
            (x + self.left).round() as i32,
            (y + self.top).round() as i32,
        );
        let pixels = self.pixels.enumerate_pixels();
        let seen = pixels.filter(|(_, _, pixel)| pixel.0[3] > 0);
        seen.map(move |(x, y, &Rgba([red, green, blue, alpha]))| {
            let alpha = f64::from(alpha) / 255.0;
            let colours = [red, green, blue];
            let colours = colours.map(|colour| (f64::from(colour) / alpha).round() as u8);
            ((left + x as i32, top + y as i32), colours, alpha)
        })
    }
}
