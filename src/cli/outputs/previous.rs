//! Checkpoints that are already where a training will save, and must not be overwritten.

use std::path::Path;

use anyhow::bail;
use makemore_tch::checkpoint::Checkpoint;
use makemore_tch::counting::Counted;
use makemore_tch::error::Error;

/// Advice if a file must not be overwritten.
const CHOOSE: &str =
    "not overwritten; choose another file with --out, or overwrite it with --force";

/// Refuses to overwrite the checkpoint of another list, or of another kind of model.
pub fn check_previous(
    file: &Path,
    previous: &Checkpoint,
    data: &Counted,
    kind: &str,
) -> anyhow::Result<()> {
    let file = file.display();
    if previous.data != data.digest {
        bail!(
            "{file}: trained on another list ({}) than {} ({}); {CHOOSE}",
            previous.data,
            data.origin,
            data.digest
        );
    }
    let there = previous.model.kind();
    if there != kind {
        bail!("{file}: a model of type {there} is there; {CHOOSE}");
    }
    if previous.model.vocabulary() != data.counts.vocabulary() {
        bail!(
            "{file}: its words begin and end with {:?}, not with {:?}; {CHOOSE}",
            previous.model.vocabulary().boundary(),
            data.counts.vocabulary().boundary()
        );
    }
    Ok(())
}

/// The checkpoint that would be overwritten.
pub fn load_previous(out: &Path) -> anyhow::Result<Checkpoint> {
    match Checkpoint::load(out) {
        Ok(previous) => Ok(previous),
        Err(fault @ (Error::NotACheckpoint { .. } | Error::Checkpoint { .. })) => {
            bail!("{fault}; {CHOOSE}")
        }
        Err(error) => Err(error.into()),
    }
}
