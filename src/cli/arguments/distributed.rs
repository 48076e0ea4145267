//! The arguments of commands that share their work with other processes.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use makemore_tch::distributed::processes::{Here, host};
use makemore_tch::distributed::{Alone, Launch, Processes, agree};
use makemore_tch::host::{share_memory, share_processors};
use makemore_tch::libtorch::device::libtorch_version;
use makemore_tch::{Error, Source};

use super::above_zero;
use crate::cli::context::Context;

/// The variable in which `launch` tells its processes their number.
pub const LAUNCHED: &str = "MAKEMORE_TCH_LAUNCHED";

/// The number of processes, if `launch` started this one.
pub fn launched() -> Option<String> {
    std::env::var(LAUNCHED).ok()
}

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
        let mut processes = self.open()?;
        let connected = processes.connect();
        let processes = &*processes;
        let mut context = context;
        context.remarks.quiet |= processes.rank() > 0;
        let here = connected
            .and_then(|()| check_version(processes))
            .and_then(|()| Here::of(processes));
        let mut is_first_here = false;
        let result = here.map_err(anyhow::Error::from).and_then(|here| {
            context.place = here.place;
            is_first_here = here.place == 0;
            context.threads = context.threads.shared_by(here.on_processors);
            share_memory(here.processes);
            share_processors(here.on_processors);
            work(processes, context)
        });
        match result {
            Err(error) if processes.size() > 1 => blame(processes, is_first_here, error),
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

/// Refuses standard input and pipes among files of which each process reads the whole: one of them would get
/// what the others lack.
pub fn check_rereadable<'a>(
    files: impl IntoIterator<Item = &'a PathBuf>,
    processes: &dyn Processes,
) -> anyhow::Result<()> {
    let is_read_once = |file: &&PathBuf| !Source::files(vec![file.to_path_buf()]).is_rereadable();
    let mut files = files.into_iter();
    match files.find(is_read_once).filter(|_| processes.size() > 1) {
        Some(file) if file.as_os_str() == "-" => {
            bail!("standard input is that of one process; a file that all can read would work")
        }
        Some(file) => bail!(
            "{}: a pipe is read once, and each process reads all of it; a file would work",
            file.display()
        ),
        None => Ok(()),
    }
}

/// Checks that all processes are the same program: others may exchange something else.
fn check_version(processes: &dyn Processes) -> makemore_tch::Result<()> {
    let of_program = env!("CARGO_PKG_VERSION");
    let version = format!("{of_program} with libtorch {}", libtorch_version());
    agree(processes, "the version", &version)
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
/// another one only where process 0 has ended.
fn blame(
    processes: &dyn Processes,
    is_first_here: bool,
    error: anyhow::Error,
) -> anyhow::Result<u8> {
    let rank = processes.rank();
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref());
    let has_own = !causes.any(|cause| matches!(cause, Error::Processes { .. }));
    let (text, place) = (format!("{error:#}"), format!("rank {rank} on {}", host()));
    let own = has_own.then(|| format!("{place}: {text}"));
    match (rank, processes.blame(own.as_deref())) {
        // A fault that both have is told once.
        (0, Some(first)) => match first.split_once(": ") {
            Some((_, told)) if !text.starts_with(told) => Err(error.context(first)),
            _ => Err(error),
        },
        (0, None) => Err(error),
        (_, Some(_)) => Ok(1),
        // That process 0 has ended is told by `launch`, or by process 1 and the first process of each host, if the
        // hosts are known.
        (_, None) if has_own || (is_first_here || rank == 1) && launched().is_none() => {
            Err(error.context(place))
        }
        (_, None) => Ok(1),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tch::Tensor;

    use super::*;

    /// A process of a launch of which others told a fault, and what it told them.
    #[derive(Debug)]
    struct Told {
        rank: usize,
        first: Option<&'static str>,
        own: Mutex<Option<String>>,
    }

    impl Processes for Told {
        fn rank(&self) -> usize {
            self.rank
        }
        fn size(&self) -> usize {
            4
        }
        fn sum(&self, _: &Tensor, _: &[u8]) -> makemore_tch::Result<(Tensor, Vec<Vec<u8>>)> {
            unreachable!()
        }
        fn gather(&self, _: &[u8]) -> makemore_tch::Result<Vec<Vec<u8>>> {
            unreachable!()
        }
        fn all_to_all(&self, _: &Tensor, _: &[i64]) -> makemore_tch::Result<(Tensor, Vec<i64>)> {
            unreachable!()
        }

        fn blame(&self, own: Option<&str>) -> Option<String> {
            *self.own.lock().unwrap() = own.map(str::to_owned);
            self.first.map(str::to_owned)
        }
    }

    /// What a process tells the user, if it does, and what it told the others.
    fn blamed(
        rank: usize,
        first: Option<&'static str>,
        is_first_here: bool,
        error: anyhow::Error,
    ) -> (Option<String>, Option<String>) {
        let own = Mutex::default();
        let processes = Told { rank, first, own };
        let told = match blame(&processes, is_first_here, error) {
            Ok(status) => {
                assert_eq!(status, 1);
                None
            }
            Err(error) => Some(format!("{error:#}").replace(&host(), "HOST")),
        };
        let own = processes.own.into_inner().unwrap();
        (told, own.map(|own| own.replace(&host(), "HOST")))
    }

    fn closed() -> anyhow::Error {
        let doing = "collecting from the other processes";
        let cause = "Connection closed".to_owned();
        Error::Processes { doing, cause }.into()
    }

    const CLOSED: &str = "collecting from the other processes: Connection closed";

    #[test]
    fn process_0_tells_the_first_fault_and_its_own_once() {
        let own = || anyhow::anyhow!("the loss is NaN; try another (nothing was saved)");
        let told = |first, error| blamed(0, Some(first), true, error).0.unwrap();
        let of_2 = "rank 2 on h: no room";
        assert_eq!(told(of_2, closed()), format!("{of_2}: {CLOSED}"));
        assert_eq!(told("", closed()), CLOSED);
        // Process 2 has the same fault, but saves nothing.
        let same = "rank 2 on h: the loss is NaN; try another";
        assert_eq!(told(same, own()), own().to_string());
        assert_eq!(told(of_2, own()), format!("{of_2}: {}", own()));
    }

    /// A process that diverged alone ended in silence.
    #[test]
    fn every_fault_of_another_process_is_told_by_process_0_or_by_itself() {
        let own = || anyhow::anyhow!("no room");
        let of_own = Some("rank 2 on HOST: no room".to_owned());
        let first = "rank 2 on HOST: no room";
        assert_eq!(blamed(2, Some(first), false, own()), (None, of_own.clone()));
        assert_eq!(blamed(2, None, false, own()), (of_own.clone(), of_own));
    }

    #[test]
    fn the_end_of_process_0_is_told_by_one_process_of_each_host() {
        let told = |rank, first, is_first_here| {
            let (told, own) = blamed(rank, first, is_first_here, closed());
            assert_eq!(own, None);
            told
        };
        assert_eq!(told(1, Some(""), true), None);
        assert_eq!(
            told(1, None, false),
            Some(format!("rank 1 on HOST: {CLOSED}"))
        );
        assert_eq!(told(2, None, false), None);
        assert_eq!(
            told(2, None, true),
            Some(format!("rank 2 on HOST: {CLOSED}"))
        );
    }
}
