//! The faces of a picture's texts: DejaVu Sans, embedded in the program, and others for what it lacks.

use std::sync::{LazyLock, OnceLock};

use fontdb::{Database, FaceInfo, ID, Source, Style};
use read_fonts::tables::cmap::CmapIterLimits;
use read_fonts::{FontRef, TableProvider};
use unicode_width::UnicodeWidthStr;

use super::face::Face;

/// DejaVu Sans; nothing if it cannot be read.
pub static EMBEDDED: LazyLock<Option<Face>> =
    LazyLock::new(|| Face::read(dejavu::sans::regular(), 0));

/// The faces of this machine. They are searched where a text first needs one.
pub static OF_THE_SYSTEM: LazyLock<System> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_system_fonts();
    System::of(fonts)
});

/// What draws the characters that DejaVu Sans lacks.
#[derive(Debug, Clone, Copy)]
pub enum Others {
    /// The viewer of an SVG, with fonts that we do not know.
    Viewer,
    /// The fonts of a machine.
    System(&'static LazyLock<System>),
}

/// The faces of a picture.
#[derive(Debug, Clone, Copy)]
pub struct Faces {
    pub embedded: &'static Face,
    pub others: Others,
}

impl Faces {
    /// Whether each character of a grapheme is drawn, and not blank.
    pub fn draw(&self, grapheme: &str) -> bool {
        match (self.of(grapheme), self.others) {
            (Some(face), _) => draws(face, grapheme),
            (None, Others::Viewer) => grapheme.width() > 0 && grapheme.chars().all(is_text),
            (None, Others::System(_)) => false,
        }
    }

    /// The first face that has all characters of a grapheme.
    pub fn of(&self, grapheme: &str) -> Option<&'static Face> {
        let has = |character| is_selector(character) || self.embedded.has(character);
        match self.others {
            _ if grapheme.chars().all(has) => Some(self.embedded),
            Others::Viewer => None,
            Others::System(system) => system.face_of(grapheme),
        }
    }
}

/// Whether an SVG may have a character.
fn is_text(character: char) -> bool {
    let is_noncharacter = u32::from(character) & 0xFFFE == 0xFFFE;
    !character.is_control() && !is_noncharacter
}

/// Whether a face draws each character of a grapheme, except those that choose among forms.
fn draws(face: &Face, grapheme: &str) -> bool {
    let mut seen = grapheme
        .chars()
        .filter(|&character| !is_selector(character))
        .peekable();
    seen.peek().is_some() && seen.all(|character| face.draws(character))
}

/// Whether a character only chooses among the forms of others: a (non-)joiner, a variation selector, or a
/// tag, as in the flag of Wales.
pub fn is_selector(character: char) -> bool {
    matches!(
        character,
        '\u{34F}' | '\u{180B}'..='\u{180F}' | '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{E0020}'..='\u{E007F}' | '\u{E0100}'..='\u{E01EF}'
    )
}

/// The faces of a machine's fonts, the plainest first.
#[derive(Debug)]
pub struct System {
    fonts: Database,
    faces: Vec<SystemFace>,
}

/// A face that is read when a text needs it. It is kept as long as the program runs.
#[derive(Debug)]
struct SystemFace {
    id: ID,
    /// Its characters, in order.
    characters: OnceLock<Vec<char>>,
    face: OnceLock<Option<Face>>,
}

impl System {
    /// Orders the faces of fonts: upright before slanted, of regular weight before others, proportional
    /// before monospaced, without serifs before those with, and at last by their files.
    pub fn of(fonts: Database) -> Self {
        let rank = |face: &FaceInfo| {
            let named = |part| face.families.iter().any(|(name, _)| name.contains(part));
            let file = match &face.source {
                Source::File(file) | Source::SharedFile(file, _) => Some(file.clone()),
                Source::Binary(_) => None,
            };
            (
                face.style != Style::Normal,
                face.weight.0.abs_diff(400),
                face.monospaced,
                named("Serif"),
                file,
                face.index,
            )
        };
        let mut ranked: Vec<_> = fonts.faces().map(|face| (rank(face), face.id)).collect();
        ranked.sort();
        let faces = ranked.into_iter().map(|(_, id)| SystemFace {
            id,
            characters: OnceLock::new(),
            face: OnceLock::new(),
        });
        Self {
            faces: faces.collect(),
            fonts,
        }
    }

    /// The first face that has all characters of a grapheme, none of them blank.
    fn face_of(&'static self, grapheme: &str) -> Option<&'static Face> {
        let mut covering = self.faces.iter().filter(|face| {
            let characters = face
                .characters
                .get_or_init(|| characters(&self.fonts, face.id));
            grapheme.chars().all(|character| {
                is_selector(character) || characters.binary_search(&character).is_ok()
            })
        });
        covering.find_map(|covering| {
            let face = covering.face.get_or_init(|| read(&self.fonts, covering.id));
            let face = face.as_ref()?;
            draws(face, grapheme).then_some(face)
        })
    }
}

/// The characters of a face, in order. Those of a broken font end where its glyphs do.
fn characters(fonts: &Database, id: ID) -> Vec<char> {
    let characters = fonts.with_face_data(id, |file, index| {
        let font = FontRef::from_index(file, index).ok()?;
        let (_, _, table) = font.cmap().ok()?.best_subtable()?;
        let glyphs = table.iter_with_limits(CmapIterLimits::default_for_font(&font));
        let drawn = glyphs.filter(|(_, glyph)| glyph.to_u32() != 0);
        Some(drawn.filter_map(|(code, _)| char::from_u32(code)).collect())
    });
    let mut characters: Vec<char> = characters.flatten().unwrap_or_default();
    characters.sort_unstable();
    characters
}

fn read(fonts: &Database, id: ID) -> Option<Face> {
    fonts.with_face_data(id, |file, index| Face::read(file.to_vec().leak(), index))?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of characters with the same glyph, such as the Cyrillic А and the Latin A, only one was known.
    #[test]
    fn the_characters_of_a_face_are_all_that_it_has() {
        let mut fonts = Database::new();
        fonts.load_font_data(dejavu::sans::regular().to_vec());
        let id = fonts.faces().next().unwrap().id;
        let face = Face::read(dejavu::sans::regular(), 0).unwrap();
        let all = ('\0'..=char::MAX).filter(|&character| face.has(character));
        assert_eq!(characters(&fonts, id), all.collect::<Vec<_>>());
    }
}
