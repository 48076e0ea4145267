//! Text in pictures, in every script.
//!
//! A `font` measures texts and draws them. It has `faces`: DejaVu Sans, and for a PNG those of the
//! system. A text that is more than a row of glyphs becomes a `line`, whose words are ordered by
//! direction and shaped by a `face`. Emoji are `bitmaps`.

mod bitmaps;
mod face;
mod faces;
mod font;
mod line;

pub use faces::is_selector;
pub use font::{Font, SMALLEST, Text};
