//! `makemore-tch launch`: starts processes on this machine that share the work of a command.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use makemore_tch::distributed::{free_port, named_interfaces};
use signal_hook::consts::SIGTSTP;
use signal_hook::flag;

use super::arguments::distributed::LAUNCHED;
use super::arguments::whole;
use super::context::Context;
use super::interrupt::{Interrupt, is_ignored, stop_at_terminal};

/// The option by which commands share their work.
const DISTRIBUTED: &str = "--distributed";

/// The time that processes have to end by themselves when one has failed, and then after a signal.
const GRACE: Duration = Duration::from_secs(30);

/// Start several processes on this machine that share the work of a command
///
/// Each has the command with --distributed, and finds the others at a port of this machine that no other
/// one reaches. With several machines, torchrun, srun, mpirun or Kubernetes start the processes.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  makemore-tch launch 2 -- train --type gru --data towns.txt")]
pub struct Launch {
    /// The number of processes
    #[arg(value_name = "N", value_parser = whole(1..=1024_usize), allow_negative_numbers = true)]
    size: usize,

    /// The command, behind --
    #[arg(value_name = "COMMAND", last = true, required = true)]
    pub command: Vec<OsString>,
}

impl Launch {
    pub fn run(self, context: Context) -> anyhow::Result<u8> {
        // What all processes would tell is told once.
        named_interfaces()?;
        if io::stdin().is_terminal() && self.reads_standard_input() {
            bail!(
                "words that are typed at a terminal cannot be shared by processes; a file or a pipe would work"
            );
        }
        // Process 0 answers it.
        let interrupt = Interrupt::catch_for_others()?;
        let stop = Arc::default();
        if !is_ignored(SIGTSTP) {
            flag::register(SIGTSTP, Arc::clone(&stop))?;
        }
        let port = free_port()?;
        let mut started = Started(Vec::new());
        for rank in 0..self.size {
            started.0.push(self.start(rank, port, context)?);
        }
        started.wait(&interrupt, &stop)
    }

    /// The words of the command that each process has: ours are before a `--`, behind which are words to score.
    pub fn words(&self, context: Context) -> Vec<OsString> {
        let end = self.command.iter().position(|word| word == "--");
        let (before, behind) = self.command.split_at(end.unwrap_or(self.command.len()));
        let has = |option: &str| {
            let typed = before.iter().filter_map(|word| word.to_str());
            let mut options = typed.map(|word| word.split('=').next().unwrap_or(word));
            options.any(|word| word == option)
        };
        let mut words = before.to_vec();
        if !has(DISTRIBUTED) {
            words.push(DISTRIBUTED.into());
        }
        if context.remarks.quiet && !has("-q") && !has("--quiet") {
            words.push("--quiet".into());
        }
        if context.threads.is_chosen && !has("--threads") {
            let threads = context.threads.small.to_string();
            words.extend(["--threads".into(), threads.into()]);
        }
        words.extend_from_slice(behind);
        words
    }

    /// Whether a list of the command is `-`.
    fn reads_standard_input(&self) -> bool {
        let words = self.command.iter().filter_map(|word| word.to_str());
        let mut option = "";
        for word in words.take_while(|&word| word != "--") {
            match word.split_once('=').unwrap_or((option, word)) {
                ("--data" | "--dev" | "--test", "-") => return true,
                _ if word.starts_with("--") => option = word,
                _ => {}
            }
        }
        false
    }

    /// Starts a process.
    fn start(&self, rank: usize, port: u16, context: Context) -> anyhow::Result<Child> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut command = Command::new(program);
        command.args(self.words(context));
        // The terminal stops processes in the background that read from it.
        if rank > 0 || io::stdin().is_terminal() {
            command.stdin(Stdio::null());
        }
        for (variable, value) in [
            ("RANK", rank.to_string()),
            ("WORLD_SIZE", self.size.to_string()),
            ("LOCAL_RANK", rank.to_string()),
            ("LOCAL_WORLD_SIZE", self.size.to_string()),
            ("MASTER_ADDR", "127.0.0.1".to_owned()),
            ("MASTER_PORT", port.to_string()),
            ("NCCL_SOCKET_IFNAME", "=lo".to_owned()),
            ("TORCHELASTIC_RUN_ID", std::process::id().to_string()),
            (LAUNCHED, self.size.to_string()),
        ] {
            command.env(variable, value);
        }
        // Of a launcher around this one, whose agent does not serve these processes.
        for variable in ["TORCHELASTIC_USE_AGENT_STORE", "TORCHELASTIC_RESTART_COUNT"] {
            command.env_remove(variable);
        }
        // Ctrl-C reaches them through this process, once.
        command.process_group(0);
        end_with_parent(&mut command);
        command
            .spawn()
            .with_context(|| format!("cannot start process {rank}"))
    }
}

/// Has the system end a process when this one is killed, where it can.
fn end_with_parent(command: &mut Command) {
    let tell = || {
        #[cfg(target_os = "linux")]
        // SAFETY: only sets an attribute of the new process.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM)
        };
        Ok(())
    };
    // SAFETY: the function calls the system once, and allocates nothing.
    unsafe { command.pre_exec(tell) };
}

/// The processes that were started. None of them outlives this value.
struct Started(Vec<Child>);

impl Started {
    /// Waits for all. Hands a signal on to them, and ends all if one fails, or at once if Ctrl-C is pressed
    /// again; `stop` is set by Ctrl-Z. Returns the status of the first that failed.
    fn wait(&mut self, interrupt: &Interrupt, stop: &AtomicBool) -> anyhow::Result<u8> {
        let mut ended = vec![None; self.0.len()];
        let mut first: Option<(usize, ExitStatus, Instant)> = None;
        let (mut is_told, mut signalled) = (false, 0);
        while ended.iter().any(Option::is_none) {
            for (rank, child) in self.0.iter_mut().enumerate() {
                if ended[rank].is_none() {
                    ended[rank] = child.try_wait()?;
                    let failed = |status: &ExitStatus| !status.success() && !is_interrupted(status);
                    if let Some(status) = ended[rank].filter(failed) {
                        first.get_or_insert((rank, status, Instant::now()));
                    }
                }
            }
            if interrupt.is_pressed() && !is_told {
                is_told = true;
                self.signal(i32::from(interrupt.status()) - 128);
            }
            if interrupt.is_pressed_again() {
                return Ok(interrupt.status());
            }
            if stop.swap(false, Ordering::Relaxed) {
                self.signal(libc::SIGSTOP);
                stop_at_terminal()?;
                // A shell has continued this process.
                self.signal(libc::SIGCONT);
            }
            // Those that wait for one that has failed end by themselves, or are ended.
            if let Some((.., since)) = first
                && since.elapsed() > GRACE * (signalled + 1)
            {
                signalled += 1;
                self.signal(if signalled == 1 {
                    libc::SIGTERM
                } else {
                    libc::SIGKILL
                });
            }
            sleep(Duration::from_millis(10));
        }
        let Some((rank, status, _)) = first else {
            let interrupted = ended.into_iter().flatten().find(is_interrupted);
            let code = interrupted.and_then(|status| status.code());
            return Ok(code.unwrap_or_default() as u8);
        };
        match status.signal() {
            Some(signal) if is_told => Ok((128 + signal) as u8),
            _ => outcome(
                (rank, status),
                ended.first().copied().flatten(),
                signalled > 0,
            ),
        }
    }

    /// Sends a signal to those that are still there.
    fn signal(&mut self, signal: i32) {
        for child in &mut self.0 {
            if matches!(child.try_wait(), Ok(None)) {
                // SAFETY: a child that was not waited for keeps its number.
                unsafe { libc::kill(child.id() as libc::pid_t, signal) };
            }
        }
    }
}

/// The status of a launch whose process `rank` failed first, while process 0 ended as it did.
/// `is_ended` is whether this program has ended those that did not end by themselves.
fn outcome(
    (rank, status): (usize, ExitStatus),
    of_0: Option<ExitStatus>,
    is_ended: bool,
) -> anyhow::Result<u8> {
    // Process 0 tells why all end, but not if a signal ended it, nor if it has stopped as one asked it to.
    let told = of_0.and_then(|of_0| of_0.code()).filter(|&code| code > 0);
    let stopped = is_ended || of_0.is_some_and(|of_0| is_interrupted(&of_0));
    match (told, of_0.and_then(|of_0| of_0.signal()), status.signal()) {
        (Some(_), _, Some(signal)) if !stopped => Ok((128 + signal) as u8),
        (_, _, Some(signal)) => bail!("process {rank} was ended by signal {signal}"),
        (None, Some(_), _) if is_ended => bail!("process 0 did not answer, and was ended"),
        (None, Some(signal), _) => bail!("process 0 was ended by signal {signal}"),
        _ => Ok(status.code().or(told).unwrap_or(1) as u8),
    }
}

/// Whether a process has ended as the user wanted it.
fn is_interrupted(status: &ExitStatus) -> bool {
    status.code().is_some_and(|code| code > 128)
}

impl Drop for Started {
    fn drop(&mut self) {
        self.signal(libc::SIGKILL);
        for child in &mut self.0 {
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Process 0 names it, unless it had not noticed when it was stopped.
    #[test]
    fn a_process_that_a_signal_ended_is_named() {
        let [killed, failed, good] = [9, 1 << 8, 0].map(ExitStatus::from_raw);
        let told =
            |first, of_0| outcome(first, Some(of_0), false).map_err(|error| error.to_string());
        let named = |rank| Err(format!("process {rank} was ended by signal 9"));
        assert_eq!(told((2, killed), failed), Ok(137));
        assert_eq!(told((2, killed), good), named(2));
        assert_eq!(told((2, killed), ExitStatus::from_raw(143 << 8)), named(2));
        assert_eq!(told((0, killed), killed), named(0));
        assert_eq!(told((2, failed), killed), named(0));
        for of_0 in [failed, good] {
            assert_eq!(told((2, failed), of_0), Ok(1));
        }
        let stopped = outcome((2, failed), Some(killed), true).unwrap_err();
        assert_eq!(
            stopped.to_string(),
            "process 0 did not answer, and was ended"
        );
    }
}
