//! A line of text: its words in the order of their directions, and its glyphs joined as scripts demand.

use harfrust::Script;
use harfrust::unicode::script;
use unicode_bidi::BidiInfo;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::face::{Face, Glyph};
use super::faces::{Faces, Others};

/// The glyphs of a text from left to right, and its width, in em.
#[derive(Debug, Default)]
pub struct Line {
    pub glyphs: Vec<Glyph>,
    pub width: f32,
}

/// A part of a text that has one face and one script.
struct Piece<'t> {
    text: &'t str,
    /// `None` for the viewer's.
    face: Option<&'static Face>,
    script: Script,
}

impl Line {
    /// Orders the words of a text as its first letter demands, as the Unicode Bidirectional Algorithm
    /// does: a text that begins in Arabic is read from the right, and begins there.
    pub fn of(text: &str, faces: &Faces) -> Self {
        let mut line = Self::default();
        let bidi = BidiInfo::new(text, None);
        for paragraph in &bidi.paragraphs {
            let (levels, runs) = bidi.visual_runs(paragraph, paragraph.range.clone());
            for run in runs {
                let is_rtl = levels[run.start].is_rtl();
                let mut pieces = pieces(&text[run], faces);
                if is_rtl {
                    pieces.reverse();
                }
                for piece in pieces {
                    line.push(&piece, is_rtl);
                }
            }
        }
        line
    }

    fn push(&mut self, piece: &Piece, is_rtl: bool) {
        let Some(face) = piece.face else {
            let widths = piece.text.graphemes(true).map(guessed_width);
            self.width += widths.sum::<f32>();
            return;
        };
        let (glyphs, width) = face.shape(piece.text, piece.script, is_rtl);
        let x = |glyph: &Glyph| self.width + glyph.x;
        let glyphs = glyphs.iter().map(|glyph| Glyph {
            x: x(glyph),
            ..*glyph
        });
        self.glyphs.extend(glyphs);
        self.width += width;
    }
}

/// Divides a text of one direction.
fn pieces<'t>(text: &'t str, faces: &Faces) -> Vec<Piece<'t>> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut start = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        let own = faces.of(grapheme);
        let face = own.or(match faces.others {
            Others::Viewer => None,
            Others::System(_) => Some(faces.embedded),
        });
        let mut scripts = grapheme.chars().map(script_of);
        let script = scripts
            .find(|&script| !is_shared(script))
            .unwrap_or(Script::COMMON);
        let end = at + grapheme.len();
        match pieces.last_mut() {
            Some(last)
                if last.face.map(std::ptr::from_ref) == face.map(std::ptr::from_ref)
                    && (last.script == script || is_shared(last.script) || is_shared(script)) =>
            {
                last.text = &text[start..end];
                if is_shared(last.script) {
                    last.script = script;
                }
            }
            _ => {
                start = at;
                let text = grapheme;
                pieces.push(Piece { text, face, script });
            }
        }
    }
    pieces
}

/// The script of a character. That of the Arabic vowel signs, which stand on letters of other scripts too, is
/// Arabic: on a dotted circle, fonts place them so.
fn script_of(character: char) -> Script {
    match character {
        '\u{64B}'..='\u{655}' | '\u{670}' => Script::ARABIC,
        _ => script(character.into()),
    }
}

/// Whether a script is that of characters, such as digits, that stand beside letters of any script.
fn is_shared(script: Script) -> bool {
    [Script::COMMON, Script::INHERITED, Script::UNKNOWN].contains(&script)
}

/// The width of a grapheme in a font that we do not know, in em.
fn guessed_width(grapheme: &str) -> f32 {
    match grapheme.width() {
        0 => 0.0,
        1 => 0.6,
        _ => 1.0,
    }
}
