//! The results of a training: lines as they come, one document at the end, and what went wrong
//! after the model was saved.

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::path::PathBuf;

use makemore_tch::data::search;
use makemore_tch::data::{Part, Parts};
use makemore_tch::format;
use makemore_tch::models::LanguageModel;
use makemore_tch::models::ngram::orders::{Order, Tried};
use makemore_tch::sample::{SampleOptions, Sampler};
use makemore_tch::score::held_out::HeldOut;
use makemore_tch::score::{Likelihood, shown};
use makemore_tch::train::run_state::Losses;
use serde::Serialize;

use crate::cli::output;
use crate::cli::progress::beside_bar;
use crate::cli::report::is_closed_pipe;

/// The number of words that are drawn after a training.
const NAMES: usize = 10;

/// The results, of which each kind of model has its own.
#[derive(Debug, Default, Serialize)]
pub struct Document {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
    /// The number of steps made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// The step of the parameters that are saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_step: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Milliseconds of a step on average, without evaluations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub losses: Option<Vec<Losses>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smoothing: Option<String>,
    /// The n-grams of every order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<Order>,
    /// The numbers that were tried to be added to every count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Tried>,
    /// The loss at the end with regularization, as the notes print it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_loss: Option<f64>,
    /// The average NLL of the counting model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counting_nll: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_loss: Option<f64>,
    #[serde(flatten)]
    pub held_out: HeldOut,
    pub checkpoint: String,
    pub names: Vec<Name>,
    /// The counting model's figure in the notes.
    #[serde(skip)]
    pub published: Option<&'static str>,
}

impl Document {
    /// Prints the document, as JSON or as lines.
    pub fn print(&self, as_json: bool) -> anyhow::Result<()> {
        if as_json {
            return output::json(self);
        }
        let mut results = output::results();
        if let (Some(parameters), Some(step)) = (self.parameters, self.best_step) {
            let which = match self.held_out.dev_loss {
                Some(_) => format!("best on dev at step {step}"),
                None => format!("after step {step}"),
            };
            writeln!(results, "Parameters: {parameters}, {which}")?;
        }
        if let Some(loss) = self.final_loss {
            writeln!(results, "Final loss: {}", format::float(loss))?;
        }
        if let Some(nll) = self.counting_nll {
            let counting = output::average_nll(nll, self.published);
            writeln!(
                results,
                "Average negative log-likelihood of the counting model: {counting}"
            )?;
        }
        if let Some(loss) = self.train_loss {
            writeln!(results, "Train loss: {loss:.6}")?;
        }
        write!(results, "{}", self.held_out)?;
        writeln!(results, "Checkpoint: {}", format::visible(&self.checkpoint))?;
        for name in &self.names {
            writeln!(results, "{name}")?;
        }
        results.flush()?;
        Ok(())
    }
}

/// A word that a model has made.
#[derive(Debug, Serialize)]
pub struct Name {
    pub name: String,
    #[serde(flatten)]
    pub likelihood: Option<Likelihood>,
    /// The part of the data that has it; none for a new word.
    #[serde(rename = "in", serialize_with = "as_text")]
    pub part: Option<Part>,
}

fn as_text<S: serde::Serializer>(part: &Option<Part>, serializer: S) -> Result<S::Ok, S::Error> {
    part.map(|part| part.to_string()).serialize(serializer)
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let name = shown(&self.name);
        match (&self.likelihood, self.part) {
            (Some(likelihood), _) => write!(f, "Likelihood for {name}: {likelihood}"),
            (None, Some(part)) => write!(f, "{name} ({part})"),
            (None, None) => write!(f, "{name} (new)"),
        }
    }
}

/// Words that a model draws, in the order drawn, each with the part of the data that has it.
pub fn draw(
    model: &dyn LanguageModel,
    seed: u64,
    parts: &Parts,
    options: &SampleOptions,
) -> makemore_tch::Result<Vec<Name>> {
    let sampler = Sampler::new(model, seed, options)?;
    let names = sampler.take(NAMES).map(|name| Ok((name?, None)));
    found(parts, &names.collect::<makemore_tch::Result<Vec<_>>>()?)
}

/// Words with the parts of the data that have them.
pub fn found(
    parts: &Parts,
    names: &[(String, Option<Likelihood>)],
) -> makemore_tch::Result<Vec<Name>> {
    let found = search::parts_of(parts, names.iter().map(|(name, _)| name.as_str()))?;
    let name = |(name, likelihood): &(String, Option<Likelihood>)| Name {
        name: name.clone(),
        likelihood: *likelihood,
        part: found.get(name.as_str()).copied(),
    };
    Ok(names.iter().map(name).collect())
}

/// Standard output while a training goes on. What cannot be printed is told at the end, so that it
/// does not end the work.
pub struct Printer {
    json: bool,
    printed: io::Result<()>,
}

impl Printer {
    pub fn new(json: bool) -> Self {
        Self {
            json,
            printed: Ok(()),
        }
    }

    /// Prints a line beside the document; nothing with JSON.
    pub fn line(&mut self, line: impl Display) {
        if self.printed.is_ok() && !self.json {
            self.printed = beside_bar(|| {
                let mut results = output::results();
                writeln!(results, "{line}")?;
                results.flush()
            });
        }
    }

    /// Prints the document, unless lines before it could not be printed.
    pub fn finish(self, document: &Document) -> anyhow::Result<()> {
        self.printed?;
        document.print(self.json)
    }
}

/// What goes wrong after a model was saved. It is told at the end, and keeps nothing from being done.
pub struct Aftermath {
    what: &'static str,
    saved: PathBuf,
    fault: anyhow::Result<()>,
}

impl Aftermath {
    /// After a network or another model was saved.
    pub fn of(what: &'static str, saved: PathBuf) -> Self {
        Self {
            what,
            saved,
            fault: Ok(()),
        }
    }

    /// Keeps the first fault, with what it left out. A closed pipe is none: whoever reads wants no
    /// more.
    pub fn note<T: Default>(
        &mut self,
        result: Result<T, impl Into<anyhow::Error>>,
        left_out: &str,
    ) -> T {
        let error: anyhow::Error = match result {
            Ok(result) => return result,
            Err(error) => error.into(),
        };
        if self.fault.is_ok() && !is_closed_pipe(&error) {
            let (what, saved) = (self.what, self.saved.display());
            self.fault =
                Err(error.context(format!("the {what} was saved to {saved}, but {left_out}")));
        }
        T::default()
    }

    /// Where the model was saved, for the document.
    pub fn saved(&self) -> String {
        self.saved.to_string_lossy().into_owned()
    }

    pub fn finish(self) -> anyhow::Result<()> {
        self.fault
    }
}
