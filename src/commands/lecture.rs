//! `makemore-tch lecture`: the notes replayed; the steps themselves are in the library.

use anyhow::Context as _;
use clap::Args;
use makemore_tch::lecture::{self, Step};
use serde::Serialize;

use super::Context;
use crate::arguments::{DataArguments, JsonArguments, RowsName};
use crate::{output, progress};

/// Replay the lecture and compare every figure with the published one
///
/// Ends with status 1 if one does not agree.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch lecture                     as in the notes, about 20 seconds
  makemore-tch lecture --rows distinct     the same in less than one")]
pub struct Lecture {
    /// How the data is laid out for training
    #[arg(long, value_enum, default_value_t = RowsName::All)]
    rows: RowsName,

    #[command(flatten)]
    data: DataArguments,

    #[command(flatten)]
    json: JsonArguments,
}

#[derive(Serialize)]
struct Document {
    agrees: bool,
    steps: Vec<StepDocument>,
}

#[derive(Serialize)]
struct StepDocument {
    title: &'static str,
    agrees: bool,
    figures: Vec<FigureDocument>,
}

#[derive(Serialize)]
struct FigureDocument {
    name: String,
    ours: String,
    published: String,
    agrees: bool,
}

impl Lecture {
    pub fn run(self, context: Context) -> anyhow::Result<u8> {
        let data = self.data.source(None).read()?;
        let words = data.words.context("the words were not kept")?;
        if self.rows == RowsName::All {
            let v = data.counts.vocabulary().len();
            context.compute_with(data.counts.bigrams() as usize * v);
        }
        let bar = progress::epochs(lecture::EPOCHS, context.remarks.quiet);
        let mut steps = Vec::new();
        let on_step = |step: Step| {
            if !self.json.json {
                bar.suspend(|| print(steps.len() + 1, &step))?;
            }
            steps.push(step);
            anyhow::Ok(())
        };
        lecture::replay(&words, self.rows.into(), on_step, |_| bar.inc(1))?;
        bar.finish_and_clear();

        let agrees = steps.iter().all(Step::agrees);
        if self.json.json {
            let steps = steps.into_iter().map(StepDocument::from).collect();
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

impl From<Step> for StepDocument {
    fn from(step: Step) -> Self {
        let figures = step.figures.iter().cloned();
        Self {
            title: step.title,
            agrees: step.agrees(),
            figures: figures
                .map(|figure| FigureDocument {
                    name: figure.name,
                    ours: figure.ours,
                    published: figure.published,
                    agrees: figure.agrees,
                })
                .collect(),
        }
    }
}
