//! `makemore-tch lecture`: the notes replayed; the steps themselves are in the library.

use clap::Args;
use makemore_tch::lecture::{self, Step};
use makemore_tch::{Rows, Vocabulary, Words};
use serde::Serialize;

use super::arguments::{DataArguments, JsonArguments, one_of};
use super::context::Context;
use super::{output, progress};

/// Replay the lecture and compare every figure with the published one
///
/// Ends with status 1 if one does not agree.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch lecture                     as in the notes, some seconds
  makemore-tch lecture --rows distinct     the same in less than one")]
pub struct Lecture {
    /// How the data is laid out for training
    #[arg(long, value_parser = one_of::<Rows>(), default_value = "all")]
    rows: Rows,

    #[command(flatten)]
    data: DataArguments,

    #[command(flatten)]
    json: JsonArguments,
}

#[derive(Serialize)]
struct Document {
    agrees: bool,
    steps: Vec<Step>,
}

impl Lecture {
    pub fn run(self, context: Context) -> anyhow::Result<u8> {
        let words = Words::read(&self.data.source(), self.data.boundary(None))?;
        if self.rows == Rows::All {
            let bigrams = words.digest().characters + words.digest().words;
            let v = Vocabulary::of(&words)?.len();
            context.threads.prepare_for(bigrams as usize * v);
        }
        let bar = progress::steps(lecture::EPOCHS, context.remarks.quiet);
        let mut steps = Vec::new();
        let on_step = |step: Step| {
            if !self.json.json {
                bar.suspend(|| print(steps.len() + 1, &step))?;
            }
            steps.push(step);
            anyhow::Ok(())
        };
        lecture::replay(&words, self.rows, on_step, |_| bar.inc(1))?;
        bar.finish_and_clear();

        let agrees = steps.iter().all(|step| step.agrees);
        if self.json.json {
            output::json(&Document { agrees, steps })?;
        } else {
            print_verdict(&steps)?;
        }
        Ok(u8::from(!agrees))
    }
}

fn print(number: usize, step: &Step) -> std::io::Result<()> {
    let mut results = output::results();
    writeln!(results, "{number}. {}", step.title)?;
    writeln!(results, "   {}", step.explanation)?;
    for figure in &step.figures {
        let verdict = if figure.agrees {
            "agrees"
        } else {
            "DOES NOT AGREE"
        };
        writeln!(
            results,
            "   {:<24} ours {:<30} published {:<30} {verdict}",
            figure.name, figure.ours, figure.published
        )?;
    }
    writeln!(results)?;
    results.flush()
}

fn print_verdict(steps: &[Step]) -> std::io::Result<()> {
    let figures = steps.iter().flat_map(|step| &step.figures);
    let total = figures.clone().count();
    let agreeing = figures.filter(|figure| figure.agrees).count();
    let mut results = output::results();
    writeln!(results, "{agreeing} of {total} figures agree")?;
    results.flush()
}
