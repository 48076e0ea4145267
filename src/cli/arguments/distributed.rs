//! The arguments of commands that share their work with other processes.

use anyhow::bail;
use clap::Args;
use makemore_tch::Error;
use makemore_tch::distributed::processes::host;
use makemore_tch::distributed::{Alone, Launch, Processes};

use super::above_zero;
use crate::cli::context::Context;

/// Arguments of a command that several processes may share.
#[derive(Debug, Clone, Copy, Args)]
pub struct DistributedArguments {
    /// Share the work with the other processes of a launch; on trusted networks only
    ///
    /// `makemore-tch launch 2 -- train ...` starts two processes here; torchrun, srun, mpirun and
    /// Kubernetes start them on several machines. They exchange numbers without passwords and without
    /// encryption.
    #[arg(long)]
    distributed: bool,

    /// How long processes wait for each other [default: 600, and 300 until all have come]
    #[arg(long, value_name = "SECONDS", value_parser = above_zero, allow_negative_numbers = true)]
    timeout: Option<f64>,
}

impl DistributedArguments {
    /// Does work with all processes of the launch. Process 0 alone prints; the first fault of any of them is
    /// told once.
    pub fn together(
        self,
        context: Context,
        work: impl FnOnce(&dyn Processes, Context) -> anyhow::Result<u8>,
    ) -> anyhow::Result<u8> {
        let processes = self.open()?;
        let mut context = context;
        context.remarks.quiet |= processes.rank() > 0;
        let result = work(&*processes, context);
        match result {
            Err(error) if processes.size() > 1 => blame(&*processes, error),
            result => result,
        }
    }

    /// Meets the other processes, if there are any.
    fn open(self) -> anyhow::Result<Box<dyn Processes>> {
        if !self.distributed {
            if self.timeout.is_some() {
                bail!("--timeout is of --distributed; leave it out");
            }
            return Ok(Box::new(Alone));
        }
        let Some(launch) = Launch::from_env()? else {
            bail!(
                "--distributed shares the work of processes that a launcher starts, and none has started this one; makemore-tch launch 2 -- COMMAND, torchrun, srun or mpirun would work"
            );
        };
        meet(&launch, self.timeout)
    }
}

/// Meets the other processes of a launch.
#[cfg(feature = "distributed")]
fn meet(launch: &Launch, seconds: Option<f64>) -> anyhow::Result<Box<dyn Processes>> {
    use std::time::Duration;

    use makemore_tch::distributed::{Group, Timeouts};

    /// A month.
    const LONGEST: f64 = 31.0 * 86_400.0;

    let wait = |default| Duration::from_secs_f64(seconds.unwrap_or(default).min(LONGEST));
    let timeouts = Timeouts {
        meeting: wait(300.0),
        exchange: wait(600.0),
    };
    Ok(Box::new(Group::open(launch, timeouts)?))
}

#[cfg(not(feature = "distributed"))]
fn meet(_: &Launch, _: Option<f64>) -> anyhow::Result<Box<dyn Processes>> {
    bail!(
        "this program was built without the feature `distributed`; one that was built with it would work"
    )
}

/// Tells the other processes of a fault, or finds out which of them had the first one. Process 0 returns it;
/// another one only if it cannot tell process 0.
fn blame(processes: &dyn Processes, error: anyhow::Error) -> anyhow::Result<u8> {
    let rank = processes.rank();
    let is = |is: fn(&Error) -> bool| {
        error
            .chain()
            .filter_map(|cause| cause.downcast_ref())
            .any(is)
    };
    if rank > 0 && is(|error| matches!(error, Error::Disagreement { .. } | Error::Diverged { .. }))
    {
        // Process 0 has it too.
        return Ok(1);
    }
    let has_own = !is(|error| matches!(error, Error::Processes { .. }));
    let own = has_own.then(|| format!("rank {rank} on {}: {error:#}", host()));
    match processes.blame(own.as_deref()) {
        // A fault that all have is told once.
        Some(first) if rank == 0 && !first.ends_with(&format!("{error:#}")) => {
            Err(error.context(first))
        }
        // Without an answer, process 0 has ended, by a fault of its own or because it was killed: those that
        // waited for it tell that.
        None if rank > 0 && !has_own => Err(error.context(format!("rank {rank} on {}", host()))),
        _ if rank > 0 => Ok(1),
        _ => Err(error),
    }
}
