//! `makemore-tch lecture`: replays the lectures of the library.

mod print;
mod tally;
mod teller;

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use makemore_tch::data::words::BOUNDARY;
use makemore_tch::lectures::{self, Options, QUICK_STEPS, STEPS, Version, replay};
use makemore_tch::libtorch::device::DeviceRequest;
use makemore_tch::train::Rows;
use makemore_tch::{Error, Vocabulary, Words};
use strum::VariantArray;

use super::arguments::{JsonArguments, one_of, whole};
use super::context::Context;
use teller::{Pictures, Teller};

/// Replay the lectures and compare every figure with the published one
///
/// The lectures are 1 bigrams, 2 an MLP, 3 batch normalisation, 4 backpropagation by hand and 5 a
/// WaveNet. The exit status is 1 if a figure does not agree or a check of ours fails. Lectures 2 to 5 run
/// on one thread, as the published ones did.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch lecture                     the first, in a second
  makemore-tch lecture --rows all          the same with a row for each bigram
  makemore-tch lecture --source notebook   Karpathy's figures, without those of the notes
  makemore-tch lecture 3 --quick           the third up to its second loss
  makemore-tch lecture 1 --plots out       the first with its heatmap, W beside log P, and the loss
  makemore-tch lecture all --plots out     the whole series, some minutes, with its pictures")]
pub struct ReplayLectures {
    /// The lecture to replay: 1 to 5, or all
    #[arg(value_name = "LECTURE", default_value = "1", value_parser = which)]
    which: Which,

    /// The number of training steps in lectures 2 to 5 [default: all 200000]
    ///
    /// Figures of later steps are not compared.
    #[arg(long, value_name = "N", value_parser = whole(1..=STEPS), allow_negative_numbers = true)]
    steps: Option<u64>,

    /// Train for 10001 steps only
    ///
    /// Lectures 3 to 5 come to their second published loss; lecture 2 publishes none of single batches.
    #[arg(long, conflicts_with = "steps")]
    quick: bool,

    /// Refused with an explanation, since other commands have it.
    #[arg(long, hide = true, num_args = 0.., value_name = "FILE")]
    data: Option<Vec<PathBuf>>,

    /// Draw the pictures of the lectures into this folder, as PNG and SVG; a missing folder is made
    ///
    /// Lecture 1 has its heatmap, the network's W beside log P, and the loss.
    #[arg(long, value_name = "FOLDER")]
    plots: Option<PathBuf>,

    /// The source of lecture 1 [default: both, the notes first]
    #[arg(long, value_parser = one_of::<Version>())]
    source: Option<Version>,

    /// The layout of lecture 1's training data; the figures of both agree [default: distinct]
    #[arg(long, value_parser = one_of::<Rows>())]
    rows: Option<Rows>,

    /// The device of lectures 2 to 5: cpu, cuda, cuda:N, mps or auto [default: cpu]
    ///
    /// Figures of other devices than the CPU are compared less strictly.
    #[arg(long)]
    device: Option<DeviceRequest>,

    /// Print each figure in one wide line, with its difference, reason and source
    #[arg(long, conflicts_with = "json")]
    verbose: bool,

    #[command(flatten)]
    json: JsonArguments,
}

/// The lectures to replay.
#[derive(Debug, Clone)]
struct Which(Vec<lectures::Lecture>);

fn which(text: &str) -> Result<Which, String> {
    if text == "all" {
        return Ok(Which(lectures::Lecture::VARIANTS.to_vec()));
    }
    let found = lectures::Lecture::VARIANTS
        .iter()
        .find(|lecture| lecture.number().to_string() == text);
    match found {
        Some(&lecture) => Ok(Which(vec![lecture])),
        None => Err("there are lectures 1 to 5; one of them or all would work".to_owned()),
    }
}

impl ReplayLectures {
    pub fn run(self, context: Context) -> anyhow::Result<u8> {
        if self.data.is_some() {
            bail!(
                "the lectures are about their own names, whose figures are published; leave --data out (train, sample and score read other lists)"
            );
        }
        let Which(lectures) = &self.which;
        self.refuse_of_others(lectures)?;
        let plots = self.plots.as_deref();
        let pictures = plots.map(|folder| Pictures::check(folder, lectures));
        let pictures = pictures.transpose()?;
        let options = Options {
            version: self.source,
            rows: self.rows.unwrap_or(Rows::Distinct),
            steps: match self.quick {
                true => QUICK_STEPS,
                false => self.steps.unwrap_or(STEPS),
            },
            device: context.open_device(self.device)?,
            pictures: pictures.is_some(),
        };
        let mut teller = Teller::new([self.json.json, self.verbose], context.remarks, pictures)?;
        for &lecture in lectures {
            prepare(lecture, options.rows, context)?;
            teller.begin(lecture);
            if lecture == lectures::Lecture::Bigram {
                teller.tell(match options.rows {
                    Rows::Distinct => QUICK_ROWS,
                    Rows::All => ALL_ROWS,
                });
            }
            if let Err(error) = replay(lecture, options, &mut teller) {
                // The figures that were compared until then are counted all the same.
                let status = teller.end(false)?;
                return match error {
                    Error::Interrupted => Ok(status),
                    error => Err(error.into()),
                };
            }
        }
        teller.end(true)
    }

    /// Refuses arguments that none of these lectures uses.
    fn refuse_of_others(&self, lectures: &[lectures::Lecture]) -> anyhow::Result<()> {
        let has_first = lectures.contains(&lectures::Lecture::Bigram);
        let has_others = lectures != [lectures::Lecture::Bigram];
        for (is_in_vain, argument, of) in [
            (self.rows.is_some() && !has_first, "--rows", "lecture 1"),
            (self.source.is_some() && !has_first, "--source", "lecture 1"),
            (self.steps.is_some() && !has_others, "--steps", OTHERS),
            (self.quick && !has_others, "--quick", OTHERS),
            (self.device.is_some() && !has_others, "--device", OTHERS),
        ] {
            if is_in_vain {
                bail!("{argument} is of {of}; leave it out");
            }
        }
        Ok(())
    }
}

const OTHERS: &str = "lectures 2 to 5";

/// What is said of the rows of lecture 1.
const QUICK_ROWS: &str = "Trained on each distinct bigram with its count, which is quick; --rows all has a row for \
     each bigram, as in the notebook. Both agree with what is published.";
const ALL_ROWS: &str = "Trained on a row for each bigram, as in the notebook.";

/// Sets libtorch's threads for a lecture: one for lectures 2 to 5, as for the published figures.
fn prepare(lecture: lectures::Lecture, rows: Rows, context: Context) -> anyhow::Result<()> {
    if lecture != lectures::Lecture::Bigram {
        let _one = context.threads.prepare_for_training(0);
        return Ok(());
    }
    context.threads.use_small();
    if rows == Rows::All {
        let words = Words::lecture(BOUNDARY)?;
        let bigrams = words.digest().characters + words.digest().words;
        let v = Vocabulary::of(&words)?.len();
        context.threads.prepare_for_matrix(bigrams as usize * v);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::cli::testing::refusal;

    #[test]
    fn what_makes_no_sense_gets_one_line() {
        for (arguments, status, expected) in [
            ("lecture 6", 2, "one of them or all would work"),
            (
                "lecture 3 --steps 0",
                2,
                "a whole number from 1 to 200000 would work",
            ),
            ("lecture 3 --quick --steps 5", 2, "cannot be used with"),
            (
                "lecture 3 --plots /dev/null",
                1,
                "/dev/null is a file; --plots takes a folder",
            ),
            ("lecture 1 --quick", 1, "--quick is of lectures 2 to 5"),
            ("lecture 2 --rows all", 1, "--rows is of lecture 1"),
            ("lecture 2 --source notes", 1, "--source is of lecture 1"),
            ("lecture --source video", 2, "notes, notebook"),
            ("lecture --data Cargo.toml", 1, "leave --data out"),
        ] {
            let error = refusal(arguments, status);
            assert!(error.contains(expected), "{arguments}: {error}");
        }
    }
}
