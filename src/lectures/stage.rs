//! The sections of a lecture, and the audience to which they are shown.

use std::path::Path;

use serde::Serialize;
use tch::Device;

use super::excerpt::Example;
use super::figures::Figure;
use super::location::Location;
use crate::error::Result;
use crate::plots::{self, Drawing};
use crate::train::Rows;

/// The width and height of pictures, in pixels.
const PICTURE: (u32, u32) = (1500, 940);

/// Options of a replay.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The version of lecture 1; both by default, the notes first.
    pub version: Option<Version>,
    /// The layout of the examples of lecture 1.
    pub rows: Rows,
    /// At most so many steps in each training of lectures 2 to 5.
    pub steps: u64,
    /// The device of lectures 2 to 5. The published figures are from a CPU, on one thread.
    pub device: Device,
    /// Whether pictures are drawn.
    pub pictures: bool,
}

/// A version of lecture 1.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    strum::EnumString,
    strum::EnumMessage,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Version {
    /// The learning notes, whose random numbers come from seed 420
    Notes,
    /// Karpathy's notebook makemore_part1_bigrams, seed 2147483647
    Notebook,
}

/// The observer of a replay. An error of any method ends the replay. An
/// [`Error::Interrupted`](crate::error::Error::Interrupted) of [`trained`](Self::trained) ends the
/// training, whose section is shown before the replay ends.
pub trait Audience {
    /// Is shown a finished section.
    fn section(&mut self, section: Section) -> Result<()>;

    /// Is told that `done` of `all` steps of a training are made.
    fn trained(&mut self, done: u64, all: u64) -> Result<()>;

    /// Saves a picture. `draw` returns the contents of the file, in the format of its path's ending.
    fn picture(
        &mut self,
        name: &'static str,
        draw: &dyn Fn(&Path) -> Result<Vec<u8>>,
    ) -> Result<()>;
}

/// A section of a lecture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// A sentence or two on its subject.
    #[serde(skip)]
    pub explanation: &'static str,
    /// Whether all comparable figures agree.
    pub agrees: bool,
    /// The lines of the lecture's example that make the figures; `…` is a line for those left out.
    pub code: Vec<&'static str>,
    /// The file and the number of the first line of `code`: `tests/examples/lecture4.rs:65`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_at: Option<String>,
    /// The training in it, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
    /// Its figures.
    pub figures: Vec<Figure>,
}

impl Section {
    /// A section of figures that are published in one place, but for those that have one of their own.
    pub(super) fn new(
        title: &'static str,
        explanation: &'static str,
        source: Location,
        mut figures: Vec<Figure>,
    ) -> Self {
        let published = |figure: &&mut Figure| figure.published.is_some();
        for figure in figures.iter_mut().filter(published) {
            figure.source.get_or_insert(source);
        }
        Self {
            title,
            explanation,
            agrees: figures.iter().all(|figure| figure.agrees != Some(false)),
            code: Vec::new(),
            code_at: None,
            training: None,
            figures,
        }
    }
}

/// The steps and the time of a training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Training {
    /// The number of steps made.
    pub steps: u64,
    /// The number of steps in the lecture.
    pub published_steps: u64,
    /// The time that they took, in seconds.
    pub seconds: f64,
    /// The loss of the last batch, in nats per character.
    pub last_loss: f64,
}

impl Training {
    /// Whether all of the lecture's steps were made.
    pub fn is_whole(&self) -> bool {
        self.steps == self.published_steps
    }
}

/// A replay: its options and its audience.
pub(super) struct Stage<'a> {
    pub options: Options,
    pub example: Example,
    pub audience: &'a mut dyn Audience,
}

impl Stage<'_> {
    pub fn show(&mut self, section: Section) -> Result<()> {
        let excerpt = self.example.excerpt(section.title);
        let file = self.example.file;
        self.audience.section(Section {
            code_at: excerpt
                .as_ref()
                .map(|code| format!("{file}:{}", code.number)),
            code: excerpt.map(|code| code.lines).unwrap_or_default(),
            ..section
        })
    }

    pub fn picture(&mut self, name: &'static str, drawing: &impl Drawing) -> Result<()> {
        self.picture_of(name, PICTURE, drawing)
    }

    /// A picture of another width and height, in pixels.
    pub fn picture_of(
        &mut self,
        name: &'static str,
        size: (u32, u32),
        drawing: &impl Drawing,
    ) -> Result<()> {
        let draw = |path: &Path| plots::draw(path, size, drawing);
        self.audience.picture(name, &draw)
    }
}
