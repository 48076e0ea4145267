//! The options of every command, and checks that a model and a list fit together.

use std::path::Path;

use anyhow::bail;
use makemore_tch::libtorch::device::DeviceRequest;
use makemore_tch::libtorch::threads::Threads;
use makemore_tch::{Counted, Vocabulary};
use tch::Device;

use super::output::Remarks;

/// The options of every command.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    pub remarks: Remarks,
    pub threads: Threads,
}

impl Context {
    /// Opens the requested device, by default the CPU; with `auto`, tells the user which one it is.
    pub fn open_device(self, request: Option<DeviceRequest>) -> makemore_tch::Result<Device> {
        let request = request.unwrap_or(DeviceRequest::Cpu);
        let device = request.open()?;
        if request == DeviceRequest::Auto {
            self.remarks.say(match device {
                Device::Cpu => "neither CUDA nor MPS can be used (`makemore-tch devices` says why): computing on the CPU",
                Device::Mps => "computing on MPS",
                _ => "computing on CUDA",
            });
        }
        Ok(device)
    }
}

/// Refuses data whose characters differ from the model's.
pub fn check_same_vocabulary(
    file: &Path,
    learned: &Vocabulary,
    data: &Counted,
) -> anyhow::Result<()> {
    let counted = data.counts.vocabulary();
    if learned == counted {
        return Ok(());
    }
    check_same_boundary(file, learned, counted)?;
    bail!(
        "{}: its vocabulary ({} characters, start/end token {:?}) is not that of {} ({} characters, start/end token {:?}); \
         pass the list that it was trained on with --data FILE",
        file.display(),
        learned.len(),
        learned.boundary(),
        data.origin,
        counted.len(),
        counted.boundary(),
    )
}

/// Refuses data with another start/end token than the model's.
pub fn check_same_boundary(
    file: &Path,
    learned: &Vocabulary,
    counted: &Vocabulary,
) -> anyhow::Result<()> {
    if learned.boundary() == counted.boundary() {
        return Ok(());
    }
    bail!(
        "{}: its words begin and end with {:?}, not with {:?}; leave --boundary out",
        file.display(),
        learned.boundary(),
        counted.boundary()
    )
}
