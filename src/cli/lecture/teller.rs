//! The audience of the lectures: prints their sections, shows a progress bar, saves their pictures.

use std::path::Path;

use indicatif::ProgressBar;
use makemore_tch::files::{Output, check_distinct};
use makemore_tch::lectures::{Audience, Lecture, Section};
use makemore_tch::{Error, Result, plots};
use serde::{Serialize, Serializer};

use crate::cli::interrupt::Interrupt;
use crate::cli::output::{self, Printer, Remarks};
use crate::cli::outputs::make_folder;
use crate::cli::progress;

use super::print::{Printed, paragraph};
use super::tally::{Table, Tally};

/// The files of the pictures, checked before the work begins.
pub struct Pictures {
    files: Vec<(&'static str, Output)>,
    /// The names of the pictures that were drawn.
    drawn: Vec<&'static str>,
}

impl Pictures {
    /// Makes the folder if it is missing, and checks that all files can be written.
    pub fn check(folder: &Path, lectures: &[Lecture]) -> anyhow::Result<Self> {
        make_folder(folder, "--plots")?;
        let mut files = Vec::new();
        for name in lectures.iter().flat_map(|lecture| lecture.pictures()) {
            for ending in ["png", "svg"] {
                let output = plots::check(&folder.join(format!("{name}.{ending}")))?;
                files.push((*name, output));
            }
        }
        let paths: Vec<&Path> = files.iter().map(|(_, output)| output.path()).collect();
        check_distinct(&paths, &[])?;
        Ok(Self {
            files,
            drawn: Vec::new(),
        })
    }

    /// The names of the pictures that were not drawn.
    fn missing(&self) -> impl Iterator<Item = &'static str> {
        let names = self.files.iter().map(|(name, _)| *name).step_by(2);
        names.filter(|name| !self.drawn.contains(name))
    }
}

/// The document of `--json`.
#[derive(Serialize)]
struct Replayed {
    agrees: bool,
    /// Whether all lectures that the user wants were replayed to their ends.
    complete: bool,
    #[serde(rename = "steps")]
    sections: Vec<Numbered>,
}

/// A section of one of the lectures.
#[derive(Serialize)]
struct Numbered {
    #[serde(serialize_with = "as_number")]
    lecture: Lecture,
    #[serde(flatten)]
    section: Section,
}

fn as_number<S: Serializer>(lecture: &Lecture, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(lecture.number())
}

/// The audience that prints.
pub struct Teller {
    lecture: Lecture,
    is_wide: bool,
    printer: Printer,
    bar: ProgressBar,
    interrupt: Interrupt,
    remarks: Remarks,
    pictures: Option<Pictures>,
    told: Vec<Numbered>,
}

impl Teller {
    pub fn new(
        [is_json, is_wide]: [bool; 2],
        remarks: Remarks,
        pictures: Option<Pictures>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            lecture: Lecture::Bigram,
            is_wide,
            printer: Printer::new(is_json),
            bar: progress::lecture(),
            interrupt: Interrupt::catch(remarks)?,
            remarks,
            pictures,
            told: Vec::new(),
        })
    }

    /// Prints the heading of a lecture: its title, and its file in plain `tch`.
    pub fn begin(&mut self, lecture: Lecture) {
        self.lecture = lecture;
        let (number, title, file) = (lecture.number(), lecture.title(), lecture.example());
        self.printer
            .line(format!("Lecture {number}: {title} ({file})\n"));
        let follows = match lecture {
            Lecture::Bigram => " That file follows the notes, with their seed 420.",
            _ => "",
        };
        self.tell(&format!(
            "Under the text of a section stand the lines of that file that make its figures, if it has them; \
             … stands for lines left out.{follows}"
        ));
    }

    /// Prints a paragraph.
    pub fn tell(&mut self, text: &str) {
        let mut lines = String::new();
        // A text takes what is written.
        let _ = paragraph(&mut lines, text);
        self.printer.line(lines);
    }

    /// Prints the verdict, or the document, and returns the exit status.
    pub fn end(mut self, complete: bool) -> anyhow::Result<u8> {
        self.bar.finish_and_clear();
        let missing = self.pictures.iter().flat_map(Pictures::missing);
        let why = match complete {
            true => "it shows what comes after more steps",
            false => "the lecture ended before it",
        };
        for name in missing.filter(|_| !self.printer.has_failed()) {
            self.remarks.say(format!("{name} was not drawn: {why}"));
        }
        if let Some(table) = self.table() {
            self.printer.line(table);
        }
        let verdict = self.verdict(complete);
        self.printer.line(verdict);
        let agrees = self.told.iter().all(|told| told.section.agrees);
        let is_json = self.printer.is_json();
        self.printer.finish()?;
        if is_json {
            output::json(&Replayed {
                agrees,
                complete,
                sections: self.told,
            })?;
        }
        Ok(match complete {
            true => u8::from(!agrees),
            false => self.interrupt.status(),
        })
    }

    /// How many figures there are of each kind in each of several lectures.
    fn table(&self) -> Option<Table> {
        let lectures = self.told.chunk_by(|a, b| a.lecture == b.lecture);
        let lectures = lectures.map(|told| {
            let figures = told.iter().flat_map(|told| &told.section.figures);
            (told[0].lecture, figures.collect())
        });
        let lectures: Vec<(Lecture, Tally)> = lectures.collect();
        (lectures.len() > 1).then_some(Table(lectures))
    }

    /// How many figures are as published, how many checks hold, how many figures cannot be repeated, and
    /// what
    /// was not compared.
    fn verdict(&self, complete: bool) -> String {
        let sections = || self.told.iter().map(|told| &told.section);
        let tally: Tally = sections().flat_map(|section| &section.figures).collect();
        let mut verdict = tally.to_string();
        let mut trainings = sections().filter_map(|section| section.training);
        let is_short = trainings.any(|training| !training.is_whole());
        if complete && is_short {
            verdict += "\nNot compared: what is published after more steps";
        }
        if !complete {
            verdict += "\nEnded before the rest";
        }
        verdict
    }

    /// Ends the replay after Ctrl-C, or if nothing can be printed any more and no pictures are drawn.
    fn go_on(&self) -> Result<()> {
        let is_in_vain = self.printer.has_failed() && self.pictures.is_none();
        match self.interrupt.is_pressed() || is_in_vain {
            true => Err(Error::Interrupted),
            false => Ok(()),
        }
    }
}

impl Audience for Teller {
    fn section(&mut self, section: Section) -> Result<()> {
        let lecture = self.lecture;
        let of_lecture = |told: &&Numbered| told.lecture == lecture;
        let number = self.told.iter().filter(of_lecture).count() + 1;
        self.printer.coloured(Printed {
            number,
            section: &section,
            is_wide: self.is_wide,
        });
        self.told.push(Numbered { lecture, section });
        self.go_on()
    }

    fn trained(&mut self, done: u64, all: u64) -> Result<()> {
        if self.bar.length() != Some(all) || done < self.bar.position() {
            progress::begin_lecture(&self.bar, all, self.remarks.quiet);
        }
        self.bar.set_position(done);
        self.go_on()
    }

    fn picture(
        &mut self,
        name: &'static str,
        draw: &dyn Fn(&Path) -> Result<Vec<u8>>,
    ) -> Result<()> {
        let Some(pictures) = &mut self.pictures else {
            return Ok(());
        };
        pictures.drawn.push(name);
        for (_, output) in pictures.files.iter().filter(|(other, _)| *other == name) {
            output.replace(&draw(output.path())?)?;
            let remark = format!("wrote {}", output.path().display());
            self.remarks.say(remark);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use makemore_tch::lectures::{Comparison, Figure};

    #[test]
    fn a_figure_that_does_not_agree_ends_with_status_1() {
        for (agrees, status) in [(true, 0), (false, 1)] {
            let mut teller = Teller::new([false; 2], Remarks { quiet: true }, None).unwrap();
            let figure = Figure {
                name: "loss".to_owned(),
                ours: "3.3167".to_owned(),
                published: Some("3.3168".to_owned()),
                source: None,
                difference: Some(-1e-4),
                comparison: Comparison::Rounded,
                agrees: Some(agrees),
            };
            let section = Section {
                title: "Training",
                explanation: "",
                code: Vec::new(),
                code_at: None,
                agrees,
                training: None,
                figures: vec![figure],
            };
            teller.section(section).unwrap();
            assert_eq!(teller.end(true).unwrap(), status);
        }
    }
}
