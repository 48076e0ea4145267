//! The refusal of arguments of `train` that its type of model does not take or that are fixed in a run.

use anyhow::bail;

use super::model_type::{ModelType, OF, Of};
use super::train::Train;
use crate::cli::typed::flag;

impl Train {
    /// Refuses typed arguments that only other types of models take.
    pub fn refuse_others(&self, kind: ModelType) -> anyhow::Result<()> {
        let mut typed = OF.iter().filter(|(id, _)| self.typed.has(id));
        let Some((id, of)) = typed.find(|(id, of)| !of.is_of(id, kind)) else {
            return Ok(());
        };
        let or_choose = match self.resume {
            Some(_) => "",
            None => ", or choose another --type",
        };
        bail!(
            "{} is not of --type {}, but of {}; leave it out{or_choose}",
            flag(id),
            kind.name(),
            of.takers(id).join(", ")
        )
    }

    /// Refuses a typed argument of the table [`OF`] if `is_wrong`, with a reason for the user.
    pub fn refuse(&self, is_wrong: impl Fn(&str, Of) -> bool, reason: &str) -> anyhow::Result<()> {
        let mut typed = OF.iter().filter(|(id, _)| self.typed.has(id));
        match typed.find(|&&(id, of)| is_wrong(id, of)) {
            Some((id, _)) => bail!("{} {reason}", flag(id)),
            None => Ok(()),
        }
    }
}
