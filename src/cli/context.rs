//! What every command is told.

use std::path::Path;

use anyhow::bail;
use makemore_tch::libtorch::threads::Threads;
use makemore_tch::{Checkpoint, Counted};

use super::output::Remarks;

#[derive(Debug, Clone, Copy)]
pub struct Context {
    pub remarks: Remarks,
    pub threads: Threads,
}

/// Reads the model that the user named, if any.
pub fn load(model: Option<&Path>) -> makemore_tch::Result<Option<Checkpoint>> {
    model.map(Checkpoint::load).transpose()
}

/// A model can only be compared with data of the same characters.
pub fn check_same_vocabulary(
    file: &Path,
    model: &Checkpoint,
    data: &Counted,
) -> anyhow::Result<()> {
    let (learned, counted) = (model.network.vocabulary(), data.counts.vocabulary());
    if learned == counted {
        return Ok(());
    }
    if learned.boundary() != counted.boundary() {
        bail!(
            "{}: its words begin and end with {:?}, not with {:?}; leave --boundary out",
            file.display(),
            learned.boundary(),
            counted.boundary()
        );
    }
    bail!(
        "{}: its vocabulary ({} characters, boundary {:?}) is not that of {} ({} characters, boundary {:?}); \
         pass the list that it was trained on with --data FILE",
        file.display(),
        learned.len(),
        learned.boundary(),
        data.origin,
        counted.len(),
        counted.boundary(),
    )
}
