//! The sections of a lecture, and the audience to which they are shown.

use std::fmt;
use std::path::Path;

use serde::Serialize;
use tch::Device;

use super::figures::{Figure, Kind, Origin};
use crate::error::Result;
use crate::plots::{self, Drawing};
use crate::train::Rows;

/// The width and height of pictures, in pixels.
const PICTURE: (u32, u32) = (1500, 940);

/// Options of a replay.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The source of lecture 1; both by default, the notes first.
    pub source: Option<Source>,
    /// The layout of the examples of lecture 1.
    pub rows: Rows,
    /// At most so many steps in each training of lectures 2 to 5.
    pub steps: u64,
    /// The device of lectures 2 to 5. The published figures are from a CPU, on one thread.
    pub device: Device,
    /// Whether pictures are drawn.
    pub pictures: bool,
}

/// A source of lecture 1.
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
pub enum Source {
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
        source: Origin,
        mut figures: Vec<Figure>,
    ) -> Self {
        for figure in &mut figures {
            figure.source.get_or_insert(source);
        }
        Self {
            title,
            explanation,
            agrees: figures.iter().all(|figure| figure.agrees != Some(false)),
            training: None,
            figures,
        }
    }
}

/// The heading, the explanation, the steps of a training, where the figures are published, and a line for
/// each figure. Where there are checks, they have a column.
impl fmt::Display for Section {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        writeln!(out, "{}\n   {}", self.title, self.explanation)?;
        if let Some(training) = self.training {
            let each = 1000.0 * training.seconds / training.steps.max(1) as f64;
            writeln!(
                out,
                "   Steps: {} of {} in {:.1} s, {each:.3} ms each",
                training.steps, training.published_steps, training.seconds
            )?;
        }
        let names = self.figures.iter();
        let widths = names.map(|figure| figure.name.chars().count());
        let width = widths.max().unwrap_or(0).max(26);
        let mut sources: Vec<&Origin> = Vec::new();
        let of_figures = self.figures.iter();
        for source in of_figures.filter_map(|figure| figure.source.as_ref()) {
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
        if !sources.is_empty() {
            writeln!(out, "   Published in: {}", sources.join("; "))?;
        }
        let has_checks = self.figures.iter().any(Figure::is_check);
        for figure in &self.figures {
            let name = &figure.name;
            let published = figure.published.as_deref().unwrap_or("-");
            write!(
                out,
                "   {name:<width$} ours {:<30} published {published:<30} ",
                figure.ours
            )?;
            if has_checks {
                write!(out, "check {:<20} ", figure.check().unwrap_or("-"))?;
            }
            writeln!(out, "{}", verdict(figure))?;
        }
        Ok(())
    }
}

/// Whether a figure agrees, and the tolerance or the reason that goes with it.
fn verdict(figure: &Figure) -> String {
    let word = match (figure.agrees, figure.is_check()) {
        (None, _) => "not compared",
        (Some(true), false) => "agrees",
        (Some(false), false) => "DOES NOT AGREE",
        (Some(true), true) => "holds",
        (Some(false), true) => "DOES NOT HOLD",
    };
    match &figure.kind {
        Kind::Tolerance { tolerance, reason } => {
            // As 0.03, 2e-6 or 6.2e-5.
            let tolerance = match *tolerance >= 1e-3 {
                true => tolerance.to_string(),
                false => format!("{tolerance:.1e}").replace(".0e", "e"),
            };
            format!("{word} (within {tolerance}: {reason})")
        }
        Kind::Shown { reason } => format!("{word} ({reason})"),
        _ => word.to_owned(),
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
    pub audience: &'a mut dyn Audience,
}

impl Stage<'_> {
    pub fn show(&mut self, section: Section) -> Result<()> {
        self.audience.section(section)
    }

    pub fn picture(&mut self, name: &'static str, drawing: &impl Drawing) -> Result<()> {
        let draw = |path: &Path| plots::draw(path, PICTURE, drawing);
        self.audience.picture(name, &draw)
    }
}
