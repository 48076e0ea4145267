//! Faults from the moment when a model is saved.

use std::path::{Path, PathBuf};

use super::outputs::Outputs;
use super::report::is_closed_pipe;

/// Faults of saving a model and of all that follows. They are told at the end, and keep nothing from
/// being done.
pub struct Aftermath {
    what: &'static str,
    /// Where the model is, if it could be saved.
    saved: Option<PathBuf>,
    fault: anyhow::Result<()>,
}

impl Aftermath {
    /// A network or another model was saved, or could not be; then it is in `other` if that is a file.
    pub fn of(what: &'static str, saved: anyhow::Result<PathBuf>, other: Option<PathBuf>) -> Self {
        let (saved, fault) = match saved {
            Ok(saved) => (Some(saved), Ok(())),
            Err(fault) => (other, Err(fault)),
        };
        Self { what, saved, fault }
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
            let context = match &self.saved {
                Some(saved) => {
                    let (what, saved) = (self.what, saved.display());
                    format!("the {what} was saved to {saved}, but {left_out}")
                }
                None => left_out.to_owned(),
            };
            self.fault = Err(error.context(context));
        }
        T::default()
    }

    /// The model was saved again, or could not be.
    pub fn saved_again(&mut self, saved: anyhow::Result<PathBuf>) {
        match saved {
            Ok(saved) => self.saved = Some(saved),
            Err(_) if self.fault.is_err() => {}
            Err(fault) => self.fault = Err(fault),
        }
    }

    /// Where the model is.
    pub fn path(&self) -> Option<&Path> {
        self.saved.as_deref()
    }

    /// The same for the document.
    pub fn saved(&self) -> Option<String> {
        let saved = self.path()?.to_string_lossy();
        Some(saved.into_owned())
    }

    /// The first fault, behind files that could not be written where they belong.
    pub fn finish(self, outputs: &Outputs) -> anyhow::Result<()> {
        outputs.check_displaced()?;
        self.fault
    }
}
