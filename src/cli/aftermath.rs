//! Faults from the moment when a model is saved.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::outputs::Outputs;
use super::report::is_closed_pipe;

/// Faults of saving a model and of all that follows. They are told at the end, and keep nothing from
/// being done.
pub struct Aftermath {
    what: &'static str,
    /// The file of the model, if it could be saved.
    saved: Option<PathBuf>,
    faults: Vec<anyhow::Error>,
}

impl Aftermath {
    /// A network or another model was saved to a file, or could not be. `other` is a file that has it
    /// all the same.
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

    /// Keeps a fault, with what it left out. A closed pipe is none: whoever reads wants no more.
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

    /// The model was saved again, or could not be.
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

    /// The name of that file, as the document has it.
    pub fn saved(&self) -> Option<String> {
        let saved = self.path()?.to_string_lossy();
        Some(saved.into_owned())
    }

    /// The file that something was saved to, or that there is none, and all faults.
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

    /// All faults in one, and files that could not be written where they belong.
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
