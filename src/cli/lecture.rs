//! `makemore-tch lecture`: the lectures replayed; the steps themselves are in the library.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use indicatif::ProgressBar;
use makemore_tch::data::words::BOUNDARY;
use makemore_tch::files::{Output, check_distinct};
use makemore_tch::lectures::{
    Audience, Ended, Lecture as Number, Options, QUICK_STEPS, STEPS, Step, replay,
};
use makemore_tch::libtorch::device::DeviceRequest;
use makemore_tch::train::Rows;
use makemore_tch::{Vocabulary, Words, plots};
use serde::Serialize;
use strum::VariantArray;

use super::arguments::{JsonArguments, one_of, whole};
use super::context::Context;
use super::interrupt::Interrupt;
use super::output::Remarks;
use super::{output, progress};

/// Replay the lectures and compare every figure with the published one
///
/// 1 is the lecture on bigrams, 2 an MLP, 3 batch normalisation, 4 backpropagation by hand and 5 a
/// WaveNet. Ends with status 1 if a figure does not agree. Lectures 2 to 5 are computed on one thread,
/// as the published figures were.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch lecture                     the first, some seconds
  makemore-tch lecture --rows distinct     the same in less than one
  makemore-tch lecture 3 --quick           the third up to its second loss
  makemore-tch lecture all --plots out     the whole series, some minutes, with its pictures")]
pub struct Lecture {
    /// Which one: 1 to 5, or all
    #[arg(value_name = "LECTURE", default_value = "1", value_parser = which)]
    which: Which,

    /// End the trainings of lectures 2 to 5 after so many steps; what is published later is not
    /// compared [default: all 200000]
    #[arg(long, value_name = "N", value_parser = whole(1..=STEPS), allow_negative_numbers = true)]
    steps: Option<u64>,

    /// The same as --steps 10001, which is up to the second loss
    #[arg(long, conflicts_with = "steps")]
    quick: bool,

    /// Draw the pictures of lectures 2 to 5 into this folder, as PNG and as SVG; it is made if it is
    /// not there
    #[arg(long, value_name = "FOLDER")]
    plots: Option<PathBuf>,

    /// How the data of lecture 1 is laid out for training [default: all]
    #[arg(long, value_parser = one_of::<Rows>())]
    rows: Option<Rows>,

    /// Where lectures 2 to 5 are computed: cpu, cuda, cuda:N, mps or auto; published figures are of
    /// the CPU, and others are compared less strictly [default: cpu]
    #[arg(long)]
    device: Option<DeviceRequest>,

    /// Refused, with a word on why.
    #[arg(long, hide = true, num_args = 0.., value_name = "FILE")]
    data: Option<Vec<PathBuf>>,

    #[command(flatten)]
    json: JsonArguments,
}

/// One lecture or all.
#[derive(Debug, Clone)]
struct Which(Vec<Number>);

fn which(text: &str) -> Result<Which, String> {
    if text == "all" {
        return Ok(Which(Number::VARIANTS.to_vec()));
    }
    let found = Number::VARIANTS
        .iter()
        .find(|lecture| lecture.number().to_string() == text);
    match found {
        Some(&lecture) => Ok(Which(vec![lecture])),
        None => Err("there are lectures 1 to 5; one of them or all would work".to_owned()),
    }
}

#[derive(Serialize)]
struct Document {
    agrees: bool,
    /// Whether everything was replayed that was asked for.
    complete: bool,
    steps: Vec<Shown>,
}

/// A step of one of the lectures.
#[derive(Serialize)]
struct Shown {
    lecture: u8,
    #[serde(flatten)]
    step: Step,
}

impl Lecture {
    pub fn run(self, context: Context) -> anyhow::Result<u8> {
        if self.data.is_some() {
            bail!(
                "the lectures are about their own names, whose figures are published; leave --data out (train, sample and score read other lists)"
            );
        }
        let Which(lectures) = &self.which;
        self.refuse_of_others(lectures)?;
        let pictures = match &self.plots {
            Some(folder) => Some(Pictures::check(folder, lectures)?),
            None => None,
        };
        let steps = match self.quick {
            true => QUICK_STEPS,
            false => self.steps.unwrap_or(STEPS),
        };
        let options = Options {
            rows: self.rows.unwrap_or(Rows::All),
            steps,
            device: context.open_device(self.device)?,
            pictures: pictures.is_some(),
        };
        let mut teller = Teller {
            lecture: Number::Bigram,
            is_json: self.json.json,
            has_heading: lectures[..] != [Number::Bigram],
            bar: progress::lecture(),
            interrupt: Interrupt::catch()?,
            remarks: context.remarks,
            pictures,
            shown: Vec::new(),
            fault: None,
        };
        let mut ended = Ended::Whole;
        for &lecture in lectures {
            prepare(lecture, options.rows, context)?;
            teller.begin(lecture);
            match replay(lecture, options, &mut teller) {
                Ok(Ended::Whole) => {}
                Ok(Ended::Early) => {
                    ended = Ended::Early;
                    break;
                }
                // What was checked until then is told nevertheless.
                Err(error) => {
                    teller.end(Ended::Early)?;
                    return Err(error.into());
                }
            }
        }
        teller.end(ended)
    }

    /// Refuses what says nothing to any of the lectures.
    fn refuse_of_others(&self, lectures: &[Number]) -> anyhow::Result<()> {
        let has_first = lectures.contains(&Number::Bigram);
        let has_others = lectures != [Number::Bigram];
        for (is_in_vain, argument, of) in [
            (self.rows.is_some() && !has_first, "--rows", "lecture 1"),
            (self.steps.is_some() && !has_others, "--steps", OTHERS),
            (self.quick && !has_others, "--quick", OTHERS),
            (self.device.is_some() && !has_others, "--device", OTHERS),
            (self.plots.is_some() && !has_others, "--plots", OTHERS),
        ] {
            if is_in_vain {
                bail!("{argument} is of {of}; leave it out");
            }
        }
        Ok(())
    }
}

/// Those of which most arguments are.
const OTHERS: &str = "lectures 2 to 5";

/// Has libtorch compute as a lecture does best, and the published figures of lectures 2 to 5 are
/// from: on one thread.
fn prepare(lecture: Number, rows: Rows, context: Context) -> anyhow::Result<()> {
    if lecture != Number::Bigram {
        let _one = context.threads.prepare_for_training(0);
        return Ok(());
    }
    context.threads.use_small();
    if rows == Rows::All {
        let words = Words::lecture(BOUNDARY)?;
        let bigrams = words.digest().characters + words.digest().words;
        let v = Vocabulary::of(&words)?.len();
        context.threads.prepare_for(bigrams as usize * v);
    }
    Ok(())
}

/// Where pictures go, which was looked at before the work.
struct Pictures {
    files: Vec<(&'static str, Output)>,
    /// The names of those that were drawn.
    drawn: Vec<&'static str>,
}

impl Pictures {
    /// A folder that is not there is made.
    fn check(folder: &Path, lectures: &[Number]) -> anyhow::Result<Self> {
        if folder.exists() && !folder.is_dir() {
            bail!(
                "{}: is a file; --plots takes a folder, which is made if it is not there",
                folder.display()
            );
        }
        std::fs::create_dir_all(folder).map_err(|cause| makemore_tch::Error::Write {
            file: folder.to_owned(),
            cause,
        })?;
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

    /// The names of those that were not drawn.
    fn missing(&self) -> impl Iterator<Item = &'static str> {
        let names = self.files.iter().map(|(name, _)| *name).step_by(2);
        names.filter(|name| !self.drawn.contains(name))
    }
}

/// Tells what a replay does.
struct Teller {
    lecture: Number,
    is_json: bool,
    /// Whether lectures are told apart; the first one alone is not.
    has_heading: bool,
    bar: ProgressBar,
    interrupt: Interrupt,
    remarks: Remarks,
    pictures: Option<Pictures>,
    shown: Vec<Shown>,
    /// Why something could not be told.
    fault: Option<anyhow::Error>,
}

impl Teller {
    fn begin(&mut self, lecture: Number) {
        self.lecture = lecture;
        if self.has_heading && !self.is_json {
            self.tell(|| print_heading(lecture));
        }
    }

    /// Prints something, if everything could be printed until then.
    fn tell(&mut self, print: impl FnOnce() -> std::io::Result<()>) {
        if self.fault.is_none() {
            let printed = self.bar.suspend(print);
            self.fault = printed.err().map(anyhow::Error::from);
        }
    }

    /// Tells how it all went, and returns the exit status.
    fn end(self, ended: Ended) -> anyhow::Result<u8> {
        self.bar.finish_and_clear();
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        for name in self.pictures.iter().flat_map(Pictures::missing) {
            self.remarks.say(format!(
                "{name} was not drawn: it shows what comes after more steps"
            ));
        }
        let agrees = self.shown.iter().all(|shown| shown.step.agrees);
        let complete = ended == Ended::Whole;
        if self.is_json {
            output::json(&Document {
                agrees,
                complete,
                steps: self.shown,
            })?;
        } else {
            print_verdict(&self.shown, complete)?;
        }
        Ok(match complete {
            true => u8::from(!agrees),
            false => self.interrupt.status(),
        })
    }

    /// Nothing is left to do once nothing can be told, but for pictures.
    fn flow(&self) -> ControlFlow<()> {
        let is_in_vain = self.fault.is_some() && self.pictures.is_none();
        match self.interrupt.is_pressed() || is_in_vain {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

impl Audience for Teller {
    fn step(&mut self, step: Step) -> ControlFlow<()> {
        let of_lecture = |shown: &&Shown| shown.lecture == self.lecture.number();
        let number = self.shown.iter().filter(of_lecture).count() + 1;
        if !self.is_json {
            self.tell(|| print(number, &step));
        }
        self.shown.push(Shown {
            lecture: self.lecture.number(),
            step,
        });
        self.flow()
    }

    fn trained(&mut self, done: u64, all: u64) -> ControlFlow<()> {
        if self.bar.length() != Some(all) || done < self.bar.position() {
            progress::begin_lecture(&self.bar, all, self.remarks.quiet);
        }
        self.bar.set_position(done);
        self.flow()
    }

    fn picture(
        &mut self,
        name: &'static str,
        draw: &dyn Fn(&Path) -> makemore_tch::Result<Vec<u8>>,
    ) -> makemore_tch::Result<()> {
        let Some(pictures) = &mut self.pictures else {
            return Ok(());
        };
        pictures.drawn.push(name);
        for (_, output) in pictures.files.iter().filter(|(other, _)| *other == name) {
            output.replace(&draw(output.path())?)?;
            let remark = format!("wrote {}", output.path().display());
            self.bar.suspend(|| self.remarks.say(remark));
        }
        Ok(())
    }
}

fn print_heading(lecture: Number) -> std::io::Result<()> {
    let mut results = output::results();
    let (number, title) = (lecture.number(), lecture.title());
    writeln!(results, "Lecture {number}: {title}\n")?;
    results.flush()
}

fn print(number: usize, step: &Step) -> std::io::Result<()> {
    let mut results = output::results();
    writeln!(results, "{number}. {}", step.title)?;
    writeln!(results, "   {}", step.explanation)?;
    if let Some(training) = step.training {
        let each = 1000.0 * training.seconds / training.steps.max(1) as f64;
        writeln!(
            results,
            "   Steps: {} of {} in {:.1} s, {each:.3} ms each",
            training.steps, training.published_steps, training.seconds
        )?;
    }
    let names = step
        .figures
        .iter()
        .map(|figure| figure.name.chars().count());
    let width = names.max().unwrap_or(0).max(24);
    for figure in &step.figures {
        let verdict = match figure.agrees {
            Some(true) => "agrees",
            Some(false) => "DOES NOT AGREE",
            None => "not compared",
        };
        let note = figure.note.iter().map(|note| format!(" ({note})"));
        let note: String = note.collect();
        writeln!(
            results,
            "   {:<width$} ours {:<30} published {:<30} {verdict}{note}",
            figure.name, figure.ours, figure.published
        )?;
    }
    writeln!(results)?;
    results.flush()
}

/// How many figures agree, and what was not compared.
fn print_verdict(shown: &[Shown], complete: bool) -> std::io::Result<()> {
    let figures = || shown.iter().flat_map(|shown| &shown.step.figures);
    let of = |agrees| figures().filter(|figure| figure.agrees == agrees).count();
    let (agreeing, differing, beside) = (of(Some(true)), of(Some(false)), of(None));
    let mut results = output::results();
    write!(
        results,
        "{agreeing} of {} figures agree",
        agreeing + differing
    )?;
    let mut trainings = shown.iter().filter_map(|shown| shown.step.training);
    let is_short = trainings.any(|training| training.steps < training.published_steps);
    let without: Vec<String> = [
        (beside > 0).then(|| format!("{beside} that cannot be repeated")),
        (complete && is_short).then(|| "what is published after more steps".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !without.is_empty() {
        write!(results, "; not compared: {}", without.join(", and "))?;
    }
    if !complete {
        write!(results, "; ended before the rest")?;
    }
    writeln!(results)?;
    results.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use makemore_tch::lectures::Figure;

    /// A teller that was told of one figure.
    fn teller(agrees: bool) -> Teller {
        let figure = Figure {
            name: "loss".to_owned(),
            ours: "3.3167".to_owned(),
            published: "3.3168".to_owned(),
            agrees: Some(agrees),
            note: None,
        };
        Teller {
            lecture: Number::WaveNet,
            is_json: false,
            has_heading: false,
            bar: ProgressBar::hidden(),
            interrupt: Interrupt::catch().unwrap(),
            remarks: Remarks { quiet: true },
            pictures: None,
            shown: vec![Shown {
                lecture: 5,
                step: Step {
                    title: "Training",
                    explanation: "",
                    agrees,
                    training: None,
                    figures: vec![figure],
                },
            }],
            fault: None,
        }
    }

    #[test]
    fn a_figure_that_does_not_agree_ends_with_status_1() {
        assert_eq!(teller(true).end(Ended::Whole).unwrap(), 0);
        assert_eq!(teller(false).end(Ended::Whole).unwrap(), 1);
    }
}
