//! The place of this process among those of a launch, from the variables that a launcher sets.
//!
//! Source: the documentation of torchrun ("Environment Variables"), SLURM's `srun`, OpenMPI's `mpirun`,
//! MPICH and Intel MPI (PMI).

use crate::error::{Error, Result};

/// The place of this process among those of a launch, and where they meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The names or addresses of the host where the processes meet; which of them is its own is found out.
    pub hosts: Vec<String>,
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
const OPEN_MPI: &str = "OpenMPI";

/// The variables of a launcher: its name, that of the rank, of the number of processes.
const LAUNCHERS: [[&str; 3]; 4] = [
    // torchrun, Kubernetes' PyTorchJob, `makemore-tch launch`, a shell.
    ["RANK and WORLD_SIZE", "RANK", "WORLD_SIZE"],
    [OPEN_MPI, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"],
    // MPICH, Intel MPI.
    ["PMI", "PMI_RANK", "PMI_SIZE"],
    // Not SLURM_NTASKS: a batch script has that too, which is one process.
    [SLURM, "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"],
];

/// The variables of a launcher that tell a job and its attempt from others.
const ATTEMPT: [&str; 2] = ["TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT"];
const ATTEMPT_OF_SLURM: [&str; 2] = ["SLURM_JOB_ID", "SLURM_STEP_ID"];
const ATTEMPT_OF_OPEN_MPI: [&str; 2] = ["PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid"];

/// The variables with the number of processes on this host.
const SIZES_HERE: [&str; 3] = [
    "LOCAL_WORLD_SIZE",
    "OMPI_COMM_WORLD_LOCAL_SIZE",
    "MPI_LOCALNRANKS",
];

/// The port of torchrun. Steps of SLURM and runs of OpenMPI, of which there may be several at a time, take one of
/// the [`PORTS`] from it on.
const PORT: usize = 29_500;
const PORTS: usize = 4_000;

impl Launch {
    /// The meeting place, for the user.
    pub fn place(&self) -> String {
        format!("{}:{}", self.hosts.join(" or "), self.port)
    }

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
            let mut hosts = meeting_places(variable);
            if hosts.is_empty() {
                let of_hosts = SIZES_HERE.map(number).into_iter();
                let of_hosts = of_hosts.collect::<Result<Vec<_>>>()?;
                if size > 1 && !of_hosts.contains(&Some(size)) {
                    let expected = "the name or address of the host of rank 0 would work";
                    return Err(fault("MASTER_ADDR", "not set".to_owned(), expected));
                }
                hosts.push("127.0.0.1".to_owned());
            }
            let attempt = attempt(launcher, variable);
            let of_job = number("SLURM_JOB_ID")?.unwrap_or(0);
            let of_job = match launcher {
                OPEN_MPI => crc32fast::hash(attempt.as_bytes()) as usize,
                SLURM => of_job + 1_009 * number("SLURM_STEP_ID")?.unwrap_or(0),
                // Those that are started by hand may be of several steps.
                _ => of_job,
            };
            let port = number("MASTER_PORT")?.unwrap_or(PORT + of_job % PORTS);
            let is_agent = variable("TORCHELASTIC_USE_AGENT_STORE").as_deref() == Some("True");
            return Ok(Some(Self {
                hosts,
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
                attempt,
                launcher,
            }));
        }
        Ok(None)
    }
}

/// Where the processes meet, if a variable says it. `srun` is called on one of the hosts of a step, as a batch
/// script does, or on another machine.
fn meeting_places(variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    if let Some(host) = variable("MASTER_ADDR") {
        return vec![host.trim_matches(['[', ']']).to_owned()];
    }
    let first = variable("SLURM_STEP_NODELIST").map(|hosts| first_of(&hosts));
    variable("SLURM_LAUNCH_NODE_IPADDR")
        .into_iter()
        .chain(first)
        .collect()
}

/// The first name of hosts as SLURM writes them, such as `node[07-12,20],login`.
fn first_of(hosts: &str) -> String {
    let end = hosts.find([',', '[']).unwrap_or(hosts.len());
    let (name, rest) = hosts.split_at(end);
    let Some((numbers, rest)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) else {
        return name.to_owned();
    };
    let number = numbers.split(['-', ',']).next().unwrap_or_default();
    let behind = rest.split(',').next().unwrap_or_default();
    format!("{name}{number}{behind}")
}

/// The job and the attempt of a launcher.
fn attempt(launcher: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let names = match launcher {
        SLURM => ATTEMPT_OF_SLURM,
        OPEN_MPI => ATTEMPT_OF_OPEN_MPI,
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
                "SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=4 SLURM_LAUNCH_NODE_IPADDR=10.0.0.1 SLURM_JOB_ID=1 SLURM_STEP_ID=1 SLURM_STEP_NODELIST=a[07-12,20]-x,b",
                "SLURM",
                0,
                "10.0.0.1 a07-x",
                30_510,
                true,
            ),
            (
                "PMI_RANK=0 PMI_SIZE=2 MPI_LOCALNRANKS=2",
                "PMI",
                0,
                "127.0.0.1",
                29_500,
                true,
            ),
            (
                "PMI_RANK=1 PMI_SIZE=2 MASTER_ADDR=[::1]",
                "PMI",
                1,
                "::1",
                29_500,
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
                "OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_LOCAL_SIZE=2 MASTER_PORT=7",
                "OpenMPI",
                0,
                "127.0.0.1",
                7,
                true,
            ),
        ] {
            let found = launch(variables).unwrap().unwrap();
            assert_eq!(
                (
                    found.launcher,
                    found.rank,
                    found.hosts.join(" "),
                    found.port,
                    found.serves
                ),
                (launcher, rank, host.to_owned(), port, serves)
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
        let mpi = "OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=1 PMIX_NAMESPACE";
        let [one, other] = ["7", "8"].map(|job| launch(&format!("{mpi}={job}")).unwrap().unwrap());
        assert!(one.attempt != other.attempt && one.port != other.port);
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
