//! The place of this process among those of a launch, from the variables that a launcher sets.
//!
//! Source: the documentation of torchrun ("Environment Variables"), SLURM's `srun`, OpenMPI's `mpirun`,
//! MPICH and Intel MPI (PMI).

use crate::error::{Error, Result};

/// The place of this process among those of a launch, and where they meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The name or address of the host where the processes meet.
    pub host: String,
    /// The port there.
    pub port: u16,
    /// The number of this process, from 0.
    pub rank: usize,
    /// The number of processes.
    pub size: usize,
    /// Whether this process serves the others where they meet: rank 0, but where a launcher's agent does.
    pub serves: bool,
    /// The job and the attempt, so that others at the same place meet apart from it.
    pub attempt: String,
    /// The launcher whose variables were found.
    pub launcher: &'static str,
}

const SLURM: &str = "SLURM";

/// The variables of a launcher: its name, that of the rank, of the number of processes.
const LAUNCHERS: [[&str; 3]; 4] = [
    // torchrun, Kubernetes' PyTorchJob, `makemore-tch launch`, a shell.
    ["RANK and WORLD_SIZE", "RANK", "WORLD_SIZE"],
    ["OpenMPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"],
    // MPICH, Intel MPI.
    ["PMI", "PMI_RANK", "PMI_SIZE"],
    // Not SLURM_NTASKS: a batch script has that too, which is one process.
    [SLURM, "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"],
];

/// The variables of a launcher that tell a job and its attempt from others.
const ATTEMPT: [&str; 2] = ["TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT"];
const ATTEMPT_OF_SLURM: [&str; 2] = ["SLURM_JOB_ID", "SLURM_STEP_ID"];

/// The port of torchrun. Jobs of SLURM take one of those behind it, by their number.
const PORT: usize = 29_500;

impl Launch {
    /// The place of this process, if a launcher started it.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] names a variable that is missing or has no value that would work.
    pub fn from_env() -> Result<Option<Self>> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// The same of given variables.
    ///
    /// # Errors
    ///
    /// As of [`from_env`](Self::from_env).
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let number = |name: &'static str| -> Result<Option<usize>> {
            let parse = |value: String| {
                value
                    .parse()
                    .map_err(|_| fault(name, value, "a whole number would work"))
            };
            variable(name).map(parse).transpose()
        };
        for [launcher, name, of_size] in LAUNCHERS {
            let (Some(rank), Some(size)) = (number(name)?, number(of_size)?) else {
                continue;
            };
            if rank >= size {
                let value = format!("{rank} of {size}");
                return Err(fault(
                    name,
                    value,
                    "a rank below the number of processes would work",
                ));
            }
            let is_here = |of_host| Ok::<_, Error>(number(of_host)? == Some(size));
            let host =
                match variable("MASTER_ADDR").or_else(|| variable("SLURM_LAUNCH_NODE_IPADDR")) {
                    Some(host) => host,
                    None if size == 1
                        || is_here("LOCAL_WORLD_SIZE")?
                        || is_here("OMPI_COMM_WORLD_LOCAL_SIZE")? =>
                    {
                        "127.0.0.1".to_owned()
                    }
                    None => {
                        let expected = "the name or address of the host of rank 0 would work";
                        return Err(fault("MASTER_ADDR", "not set".to_owned(), expected));
                    }
                };
            let of_job = number("SLURM_JOB_ID")?.map_or(PORT, |job| PORT + job % 4_000);
            let port = number("MASTER_PORT")?.unwrap_or(of_job);
            let is_agent = variable("TORCHELASTIC_USE_AGENT_STORE").as_deref() == Some("True");
            return Ok(Some(Self {
                host,
                port: u16::try_from(port).map_err(|_| {
                    fault(
                        "MASTER_PORT",
                        port.to_string(),
                        "a port up to 65535 would work",
                    )
                })?,
                rank,
                size,
                serves: rank == 0 && !is_agent,
                attempt: attempt(launcher, variable),
                launcher,
            }));
        }
        Ok(None)
    }
}

/// The job and the attempt of a launcher.
fn attempt(launcher: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let names = match launcher {
        SLURM => ATTEMPT_OF_SLURM,
        _ => ATTEMPT,
    };
    names
        .map(|name| variable(name).unwrap_or_default())
        .join("/")
}

fn fault(what: &'static str, value: String, expected: &'static str) -> Error {
    Error::Value {
        what,
        value,
        expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(variables: &str) -> Result<Option<Launch>> {
        let find = |name: &str| {
            let mut pairs = variables.split(' ').filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(other, _)| *other == name)
                .map(|(_, value)| value.to_owned())
        };
        Launch::from_variables(find)
    }

    #[test]
    fn launchers_are_told_apart() {
        for alone in [
            "",
            "RANK=0",
            "RANK= WORLD_SIZE=",
            "SLURM_PROCID=0 SLURM_NTASKS=4",
        ] {
            assert_eq!(launch(alone).unwrap(), None, "{alone}");
        }
        for (variables, launcher, rank, host, port, serves) in [
            (
                "RANK=0 WORLD_SIZE=2 MASTER_ADDR=a MASTER_PORT=7",
                "RANK and WORLD_SIZE",
                0,
                "a",
                7,
                true,
            ),
            (
                "RANK=0 WORLD_SIZE=2 MASTER_ADDR=a MASTER_PORT=7 TORCHELASTIC_USE_AGENT_STORE=True",
                "RANK and WORLD_SIZE",
                0,
                "a",
                7,
                false,
            ),
            (
                "SLURM_PROCID=3 SLURM_STEP_NUM_TASKS=4 SLURM_LAUNCH_NODE_IPADDR=10.0.0.1 SLURM_JOB_ID=4001",
                "SLURM",
                3,
                "10.0.0.1",
                29_501,
                false,
            ),
            (
                "PMI_RANK=1 PMI_SIZE=2 MASTER_ADDR=b",
                "PMI",
                1,
                "b",
                29_500,
                false,
            ),
            (
                "OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_LOCAL_SIZE=2",
                "OpenMPI",
                0,
                "127.0.0.1",
                29_500,
                true,
            ),
        ] {
            let found = launch(variables).unwrap().unwrap();
            assert_eq!(
                (
                    found.launcher,
                    found.rank,
                    found.host.as_str(),
                    found.port,
                    found.serves
                ),
                (launcher, rank, host, port, serves)
            );
        }
    }

    /// A process that was started by hand in a job of SLURM did not meet one outside of it.
    #[test]
    fn attempts_are_those_of_the_launcher_that_was_found() {
        let attempt = |variables: &str| launch(variables).unwrap().unwrap().attempt;
        let by_hand = "RANK=0 WORLD_SIZE=1 SLURM_JOB_ID=7";
        assert_eq!(attempt(by_hand), attempt("RANK=0 WORLD_SIZE=1"));
        let again = "RANK=0 WORLD_SIZE=1 TORCHELASTIC_RESTART_COUNT=1";
        assert_ne!(attempt(by_hand), attempt(again));
        let step = "SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=1 SLURM_JOB_ID";
        assert_ne!(attempt(&format!("{step}=7")), attempt(&format!("{step}=8")));
    }

    #[test]
    fn variables_that_make_no_sense_are_named() {
        for (variables, expected) in [
            ("RANK=2 WORLD_SIZE=2", "RANK is 2 of 2; a rank below"),
            (
                "RANK=x WORLD_SIZE=2",
                "RANK is x; a whole number would work",
            ),
            (
                "RANK=1 WORLD_SIZE=2",
                "MASTER_ADDR is not set; the name or address",
            ),
            (
                "RANK=1 WORLD_SIZE=2 MASTER_ADDR=a MASTER_PORT=65536",
                "MASTER_PORT is 65536; a port up to",
            ),
        ] {
            let error = launch(variables).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
