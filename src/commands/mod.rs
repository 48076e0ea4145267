//! One file per command: its arguments, a call or two into the library, printing.

mod completions;
mod count;
mod devices;
mod heatmap;
mod lecture;
mod sample;
mod score;
mod train;

use std::path::Path;

use anyhow::bail;
use clap::Subcommand;
use makemore_tch::{Checkpoint, Data};

use crate::arguments::Arguments;
use crate::output::Remarks;

#[derive(Debug, Subcommand)]
pub enum Command {
    Train(train::Train),
    Sample(sample::Sample),
    Score(score::Score),
    Count(count::Count),
    Heatmap(heatmap::Heatmap),
    Lecture(lecture::Lecture),
    Devices(devices::Devices),
    Completions(completions::Completions),
}

/// What every command is told.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    pub remarks: Remarks,
    threads: Option<u16>,
}

impl Context {
    /// The 27 × 27 work is faster on one thread than on several, which wait for each other, the
    /// more the busier the machine is.
    const SMALL: usize = 1 << 20;

    /// Prepares for matrices of `elements` numbers: with more threads, unless the user chose.
    pub fn compute_with(&self, elements: usize) {
        if elements <= Self::SMALL {
            return;
        }
        if self.threads.is_none() {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            tch::set_num_threads(processors as i32);
        }
        keep_freed_memory();
    }
}

/// Has the allocator keep what libtorch frees: every epoch allocates the same tensors again, and
/// the system clearing 25 MB each time takes a third of the epoch.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn keep_freed_memory() {
    // SAFETY: sets two numbers of the allocator; it refuses what it cannot do.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keep_freed_memory() {}

/// Runs a command and returns its exit status.
pub fn run(arguments: Arguments) -> anyhow::Result<u8> {
    tch::set_num_threads(arguments.threads.unwrap_or(1).into());
    let context = Context {
        remarks: Remarks {
            quiet: arguments.quiet,
        },
        threads: arguments.threads,
    };
    match arguments.command {
        Command::Train(train) => return train.run(context),
        Command::Lecture(lecture) => return lecture.run(context),
        Command::Sample(sample) => sample.run(context)?,
        Command::Score(score) => score.run()?,
        Command::Count(count) => count.run()?,
        Command::Heatmap(heatmap) => heatmap.run(context)?,
        Command::Devices(devices) => devices.run()?,
        Command::Completions(completions) => completions.run()?,
    }
    Ok(0)
}

/// A model can only be compared with data of the same characters.
fn check_same_vocabulary(file: &Path, model: &Checkpoint, data: &Data) -> anyhow::Result<()> {
    let (learned, counted) = (model.network.vocabulary(), data.counts.vocabulary());
    if learned == counted {
        return Ok(());
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

/// Reads the model that the user named, if any.
fn load(model: Option<&Path>) -> makemore_tch::Result<Option<Checkpoint>> {
    model.map(Checkpoint::load).transpose()
}
