//! What goes wrong after a model was saved.

use std::path::PathBuf;

use super::Outputs;
use crate::cli::report::is_closed_pipe;

/// Faults after a model was saved. They are told at the end, and keep nothing from being done.
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

    /// The first fault, behind files that could not be written where they belong.
    pub fn finish(self, outputs: &Outputs) -> anyhow::Result<()> {
        outputs.check_displaced()?;
        self.fault
    }
}
