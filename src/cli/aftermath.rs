//! Errors of saving a model and of the work after it.

use std::mem;
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
    /// The error of saving it to the file that was named.
    unsaved: Option<anyhow::Error>,
    /// What else is missing, as the user is told, and why.
    missing: Vec<(String, anyhow::Error)>,
}

impl Aftermath {
    /// Begins with the result of saving a model, which messages call `what`. `other` is another file
    /// that has the model, if this one could not be written.
    pub fn of(what: &'static str, saved: anyhow::Result<PathBuf>, other: Option<PathBuf>) -> Self {
        let (saved, unsaved) = match saved {
            Ok(saved) => (Some(saved), None),
            Err(fault) => (other, Some(fault)),
        };
        Self {
            what,
            saved,
            unsaved,
            missing: Vec::new(),
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
            self.missing.push((left_out.to_owned(), error));
        }
        T::default()
    }

    /// Adds the result of saving the model again.
    pub fn saved_again(&mut self, saved: anyhow::Result<PathBuf>) {
        match saved {
            Ok(saved) => self.saved = Some(saved),
            Err(fault) => self.unsaved = Some(fault),
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
        let saved = self.saved.as_ref();
        let saved = saved.map(|saved| format!("{what} was saved to {}", saved.display()));
        let faults = joined(&self.faults(what, outputs));
        match saved {
            Some(saved) if faults.is_empty() => saved,
            Some(saved) if !faults.starts_with(&saved) => format!("{saved}; {faults}"),
            _ => faults,
        }
    }

    /// One error of all that were recorded and of files that were written elsewhere than named.
    pub fn finish(self, outputs: &Outputs) -> anyhow::Result<()> {
        let what = format!("the {}", self.what);
        let mut faults = self.faults(&what, outputs);
        let told = joined(&faults);
        match faults.pop() {
            None => Ok(()),
            Some(only) if faults.is_empty() => Err(only),
            Some(_) => Err(anyhow!("{told}")),
        }
    }

    /// All errors. The first that is not about the model says where that was saved.
    fn faults(self, what: &str, outputs: &Outputs) -> Vec<anyhow::Error> {
        let mut beside = match (&self.saved, &self.unsaved) {
            (Some(saved), None) => format!("{what} was saved to {}, but ", saved.display()),
            _ => String::new(),
        };
        let missing = self.missing.into_iter();
        let missing =
            missing.map(|(left_out, error)| error.context(mem::take(&mut beside) + &left_out));
        let faults = self.unsaved.into_iter().chain(missing);
        faults.chain(outputs.check_displaced().err()).collect()
    }
}

fn joined(faults: &[anyhow::Error]) -> String {
    let told: Vec<String> = faults.iter().map(|fault| format!("{fault:#}")).collect();
    told.join("; ")
}

/// An error of a training on batches, with what was saved and, if it diverged, a lower learning rate.
/// `saved` is empty in a process that saves nothing.
pub fn explain_fault(fault: Error, options: &WordOptions, saved: &str) -> anyhow::Error {
    match fault {
        Error::Diverged { number, loss, .. } => {
            let lower = (options.learning_rate.highest() / 10.0).min(5e-3);
            let number = number + 1;
            let saved = match saved {
                "" => String::new(),
                saved => format!(" ({saved})"),
            };
            anyhow!(
                "training diverged: the loss is {loss} at step {number}; try a new training with --lr {lower:.0e}{saved}"
            )
        }
        fault if saved.is_empty() => fault.into(),
        fault => anyhow::Error::from(fault).context(saved.to_owned()),
    }
}
