//! Errors of saving a model and of the work after it.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use makemore_tch::Error;
use makemore_tch::train::options::WordOptions;

use super::outputs::Outputs;
use super::report::is_closed_pipe;

/// Collects the errors of saving a model and of the work after it. None of them stops that work; all
/// are reported at the end.
pub struct Aftermath {
    what: &'static str,
    /// The file of the model, if it could be saved.
    saved: Option<PathBuf>,
    faults: Vec<anyhow::Error>,
}

impl Aftermath {
    /// Begins with the result of saving a model, which messages call `what`. `other` is another file
    /// that has the model, if this one could not be written.
    pub fn of(what: &'static str, saved: anyhow::Result<PathBuf>, other: Option<PathBuf>) -> Self {
        let (saved, fault) = match saved {
            Ok(saved) => (Some(saved), None),
            Err(fault) => (other, Some(fault)),
        };
        Self {
            what,
            saved,
            faults: fault.into_iter().collect(),
        }
    }

    /// Returns a value, or records its error and returns a default. `left_out` tells the user what is
    /// missing. A closed pipe (`… | head`) is no error.
    pub fn note<T: Default>(
        &mut self,
        result: Result<T, impl Into<anyhow::Error>>,
        left_out: &str,
    ) -> T {
        let error: anyhow::Error = match result {
            Ok(result) => return result,
            Err(error) => error.into(),
        };
        if !is_closed_pipe(&error) {
            let is_first = self.faults.is_empty();
            let context = match &self.saved {
                Some(saved) if is_first => {
                    let (what, saved) = (self.what, saved.display());
                    format!("the {what} was saved to {saved}, but {left_out}")
                }
                _ => left_out.to_owned(),
            };
            self.faults.push(error.context(context));
        }
        T::default()
    }

    /// Adds the result of saving the model again.
    pub fn saved_again(&mut self, saved: anyhow::Result<PathBuf>) {
        match saved {
            Ok(saved) => self.saved = Some(saved),
            Err(fault) => self.faults.push(fault),
        }
    }

    /// The file of the model.
    pub fn path(&self) -> Option<&Path> {
        self.saved.as_deref()
    }

    /// The name of the model's file, for the document.
    pub fn saved(&self) -> Option<String> {
        let saved = self.path()?.to_string_lossy();
        Some(saved.into_owned())
    }

    /// A clause for an error: the file that `what` was saved to, if there is one, and all errors.
    pub fn told(self, what: &str, outputs: &Outputs) -> String {
        let told = match &self.saved {
            Some(saved) => format!("{what} was saved to {}", saved.display()),
            None => format!("nothing was saved to {}", outputs.path().display()),
        };
        match self.finish(outputs) {
            Ok(()) => told,
            Err(faults) => format!("{told}; {faults:#}"),
        }
    }

    /// One error of all that were recorded and of files that were written elsewhere than named.
    pub fn finish(mut self, outputs: &Outputs) -> anyhow::Result<()> {
        self.faults.extend(outputs.check_displaced().err());
        let told = self.faults.iter().map(|fault| format!("{fault:#}"));
        let told: Vec<String> = told.collect();
        match self.faults.pop() {
            None => Ok(()),
            Some(only) if self.faults.is_empty() => Err(only),
            Some(_) => Err(anyhow!("{}", told.join("; "))),
        }
    }
}

/// An error of a training on batches, with what was saved and, if it diverged, a lower learning rate.
pub fn explain_fault(fault: Error, options: &WordOptions, saved: &str) -> anyhow::Error {
    match fault {
        Error::Diverged { number, loss, .. } => {
            let lower = (options.learning_rate.highest() / 10.0).min(5e-3);
            let number = number + 1;
            anyhow!(
                "training diverged: the loss is {loss} at step {number}; try a new training with --lr {lower:.0e} ({saved})"
            )
        }
        fault => anyhow::Error::from(fault).context(saved.to_owned()),
    }
}
