//! The results of a training: one document, as JSON or as lines.

use std::io::Write;

use makemore_tch::data::Parts;
use makemore_tch::format;
use makemore_tch::models::LanguageModel;
use makemore_tch::models::ngram::orders::{Order, Tried};
use makemore_tch::sample::{SampleOptions, Sampler};
use makemore_tch::score::drawn::{DrawnName, found};
use makemore_tch::score::held_out::HeldOut;
use makemore_tch::train::choice::beside::Beside;
use makemore_tch::train::run_state::Losses;
use serde::Serialize;

use crate::cli::output::{self, Printer};

/// The number of words that are drawn after a training.
const NAMES: usize = 10;

/// The results. Fields that a kind of model does not have are left out.
#[derive(Debug, Default, Serialize)]
pub struct Document {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
    /// Whether the training was interrupted; some results may be missing then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
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
    /// The number of n-grams and the losses of every order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<Order>,
    /// The numbers that `--smoothing auto` tried.
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
    #[serde(flatten)]
    pub beside: Option<Beside>,
    /// The file of the model, if it was saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    pub names: Vec<DrawnName>,
    /// The counting model's figure in the notes.
    #[serde(skip)]
    pub published: Option<&'static str>,
}

impl Document {
    /// Prints the document, as JSON or as lines after those printed during the training.
    pub fn print(&self, printer: Printer) -> anyhow::Result<()> {
        if printer.is_json() {
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
        if let Some(beside) = &self.beside {
            write!(results, "{beside}")?;
        }
        if let Some(checkpoint) = &self.checkpoint {
            writeln!(results, "Checkpoint: {}", format::visible(checkpoint))?;
        }
        for name in &self.names {
            writeln!(results, "{name}")?;
        }
        results.flush()?;
        Ok(printer.finish()?)
    }
}

/// Words that a model draws, in the order drawn, each with the part of the data that has it.
pub fn draw(
    model: &dyn LanguageModel,
    seed: u64,
    parts: &Parts,
    options: &SampleOptions,
) -> makemore_tch::Result<Vec<DrawnName>> {
    found(parts, Sampler::new(model, seed, options)?.take(NAMES))
}
