//! The processes that share some work, and what all of them agree on.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::{Device, Tensor};

use crate::error::{Error, Result};

/// The processes that share the work, of which this is one.
pub trait Processes: fmt::Debug + Sync {
    /// The number of this process, from 0.
    fn rank(&self) -> usize;

    /// The number of processes.
    fn size(&self) -> usize;

    /// Connects this process to all others, before anything is exchanged.
    ///
    /// # Errors
    ///
    /// As of [`sum`](Self::sum).
    fn connect(&mut self) -> Result<()> {
        Ok(())
    }

    /// The sum of the tensors of all processes, `[N]`, and a note of each of them, of the same length.
    /// All processes get the same bytes, whatever their number: the tensors of two halves of the
    /// processes are summed first, as [`tree_sum`] does it. NCCL adds in an order of its own.
    ///
    /// # Errors
    ///
    /// [`Error::Processes`] if a process has ended or does not come in time.
    fn sum(&self, tensor: &Tensor, note: &[u8]) -> Result<(Tensor, Vec<Vec<u8>>)>;

    /// Prepares sums of tensors that this process has on a device, before the first of them. All call this
    /// together, with a device each. The result says why tensors of GPUs will be copied, if they will.
    ///
    /// # Errors
    ///
    /// As of [`sum`](Self::sum).
    fn prepare(&self, _: Device) -> Result<Option<String>> {
        Ok(None)
    }

    /// The bytes of all processes, in order of their ranks.
    ///
    /// # Errors
    ///
    /// As of [`sum`](Self::sum).
    fn gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>>;

    /// Rows of a tensor, `[N, ..]`, of which `sent[rank]` go to each process in their order; the rows that
    /// come from all, in order of the ranks, and how many come from each.
    ///
    /// # Errors
    ///
    /// As of [`sum`](Self::sum).
    fn all_to_all(&self, rows: &Tensor, sent: &[i64]) -> Result<(Tensor, Vec<i64>)>;

    /// Tells the others why this process ends, and returns the first fault that one of them told. A process
    /// without a fault of its own, whose exchange has failed, waits a second for another's. The fault is
    /// empty if nobody told one, and none if process 0 does not answer. No other function is called
    /// afterwards.
    fn blame(&self, own: Option<&str>) -> Option<String>;
}

/// Checks that all processes have the same value, such as a digest. `what` is its name.
///
/// # Errors
///
/// [`Error::Disagreement`] names the first process that has another one than process 0.
pub fn agree(processes: &dyn Processes, what: &str, value: &str) -> Result<()> {
    let values = processes.gather(value.as_bytes())?;
    let other = (1..)
        .zip(&values[1..])
        .find(|(_, other)| **other != values[0]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match other {
        None => Ok(()),
        Some((rank, other)) => Err(Error::Disagreement {
            what: what.to_owned(),
            first: text(&values[0]),
            rank,
            other: text(other),
        }),
    }
}

/// Checks that all processes have the same options: a struct, of which a field that differs is named.
///
/// # Errors
///
/// As [`agree`].
pub fn agree_on_options(processes: &dyn Processes, options: &impl Serialize) -> Result<()> {
    if processes.size() == 1 {
        return Ok(());
    }
    let own = serde_json::to_value(options).map_err(not_exchanged)?;
    let of_all: Vec<serde_json::Value> = gather_as(processes, own)?;
    let differing = (1..).zip(&of_all[1..]).find_map(|(rank, other)| {
        let mut names = of_all[0]
            .as_object()?
            .keys()
            .chain(other.as_object()?.keys());
        let name = names.find(|&name| of_all[0][name] != other[name])?;
        Some((rank, name))
    });
    let Some((rank, name)) = differing else {
        return Ok(());
    };
    let text = |options: &serde_json::Value| match &options[name] {
        serde_json::Value::Null => "not given".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Err(Error::Disagreement {
        what: format!("the option {}", name.replace('_', "-")),
        first: text(&of_all[0]),
        rank,
        other: text(&of_all[rank]),
    })
}

/// A process among those on its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Here {
    /// Its number, from 0.
    pub place: usize,
    /// How many there are.
    pub processes: usize,
    /// How many of them have the same processors: a launcher may have divided them.
    pub on_processors: usize,
}

impl Here {
    /// Finds the processes on this host.
    ///
    /// # Errors
    ///
    /// As of [`sum`](Processes::sum).
    pub fn of(processes: &dyn Processes) -> Result<Self> {
        let of_all = gather_as(processes, (host(), processors()))?;
        let rank = processes.rank();
        let (host, own) = &of_all[rank];
        let is_here = |(other, _): &&(String, String)| other == host;
        let here = of_all.iter().filter(is_here);
        Ok(Self {
            place: of_all[..rank].iter().filter(is_here).count(),
            processes: here.clone().count(),
            on_processors: here.filter(|(_, processors)| processors == own).count(),
        })
    }
}

/// The processors that this process may use, as Linux writes them.
fn processors() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut lines = status.lines();
    let allowed = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    allowed.unwrap_or_default().trim().to_owned()
}

/// The values of all processes, in order of their ranks.
///
/// # Errors
///
/// As of [`Processes::sum`].
pub fn gather_as<T: Serialize + DeserializeOwned>(
    processes: &dyn Processes,
    value: T,
) -> Result<Vec<T>> {
    if processes.size() == 1 {
        return Ok(vec![value]);
    }
    let own = serde_json::to_vec(&value).map_err(not_exchanged)?;
    let values = processes.gather(&own)?.into_iter();
    let values = values.map(|bytes| serde_json::from_slice(&bytes).map_err(not_exchanged));
    values.collect()
}

fn not_exchanged(cause: serde_json::Error) -> Error {
    Error::Processes {
        doing: "exchanging values with the other processes",
        cause: cause.to_string(),
    }
}

/// What process 0 finds by some work, which no other does.
///
/// # Errors
///
/// The error of the work in process 0; as of [`Processes::sum`].
pub fn of_first<T: Serialize + DeserializeOwned, E: From<Error>>(
    processes: &dyn Processes,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let own = match processes.rank() {
        0 => Some(work()?),
        _ => None,
    };
    let mut of_all = gather_as(processes, own)?.into_iter();
    let nothing = || Error::Processes {
        doing: "waiting for what process 0 finds",
        cause: "it sent nothing".to_owned(),
    };
    of_all.next().flatten().ok_or_else(|| nothing().into())
}

/// The bytes that process 0 has, in all processes.
///
/// # Errors
///
/// As of [`Processes::sum`].
pub fn bytes_of_first(processes: &dyn Processes, own: Vec<u8>) -> Result<Vec<u8>> {
    let (rank, size) = (processes.rank(), processes.size());
    if size == 1 {
        return Ok(own);
    }
    let length = gather_numbers(processes, vec![own.len() as u64])?[0] as usize;
    let mut received = Vec::with_capacity(if rank == 0 { 0 } else { length });
    let at_once = (BYTES_AT_ONCE / size).max(1);
    let mut pieces = own.chunks(at_once);
    for _ in 0..length.div_ceil(at_once) {
        let piece = pieces.next().filter(|_| rank == 0).unwrap_or_default();
        let mut sent = vec![piece.len() as i64; size];
        sent[0] = 0;
        let rows = Tensor::f_from_slice(&piece.repeat(size - 1))?;
        let (rows, _) = processes.all_to_all(&rows, &sent)?;
        received.extend(Vec::<u8>::try_from(&rows)?);
    }
    Ok(if rank == 0 { own } else { received })
}

/// The most bytes that process 0 sends to all others together at once.
const BYTES_AT_ONCE: usize = 1 << 20;

/// The numbers of all processes, in order of their ranks.
///
/// # Errors
///
/// As of [`Processes::sum`].
pub fn gather_numbers(processes: &dyn Processes, numbers: Vec<u64>) -> Result<Vec<u64>> {
    if processes.size() == 1 {
        return Ok(numbers);
    }
    let own: Vec<u8> = numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    drop(numbers);
    let mut of_all = Vec::new();
    for bytes in processes.gather(&own)? {
        let numbers = bytes.as_chunks().0.iter();
        of_all.extend(numbers.map(|&bytes| u64::from_le_bytes(bytes)));
    }
    Ok(of_all)
}

/// The sum of tensors of one shape, at least one: that of the first half and that of the second are added.
/// So a sum of sums has the same rounding, if the tensors are divided among processes by halves.
///
/// # Errors
///
/// Only those of libtorch.
pub fn tree_sum(tensors: &[Tensor]) -> Result<Tensor> {
    match tensors {
        [one] => Ok(one.shallow_clone()),
        several => {
            let (first, second) = several.split_at(several.len().div_ceil(2));
            Ok(tree_sum(first)?.f_add(&tree_sum(second)?)?)
        }
    }
}

/// One process, by itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Processes for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn sum(&self, tensor: &Tensor, note: &[u8]) -> Result<(Tensor, Vec<Vec<u8>>)> {
        Ok((tensor.shallow_clone(), vec![note.to_owned()]))
    }

    fn gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
        Ok(vec![bytes.to_owned()])
    }

    fn all_to_all(&self, rows: &Tensor, sent: &[i64]) -> Result<(Tensor, Vec<i64>)> {
        Ok((rows.shallow_clone(), sent.to_owned()))
    }

    fn blame(&self, own: Option<&str>) -> Option<String> {
        Some(own.unwrap_or_default().to_owned())
    }
}

/// Processes that all end their work with [`Error::Interrupted`], at the same [`sum`](Processes::sum), once the flag
/// of any of them is set. It is then set in all.
#[derive(Debug)]
pub struct Stoppable<'a> {
    /// The processes.
    pub processes: &'a dyn Processes,
    /// The flag of this process.
    pub stop: &'a AtomicBool,
}

impl Processes for Stoppable<'_> {
    fn rank(&self) -> usize {
        self.processes.rank()
    }

    fn size(&self) -> usize {
        self.processes.size()
    }

    fn sum(&self, tensor: &Tensor, note: &[u8]) -> Result<(Tensor, Vec<Vec<u8>>)> {
        let own = [note, &[self.stop.load(Ordering::Relaxed).into()]].concat();
        let (sum, mut notes) = self.processes.sum(tensor, &own)?;
        let stops: Vec<Option<u8>> = notes.iter_mut().map(Vec::pop).collect();
        if stops.contains(&Some(1)) {
            self.stop.store(true, Ordering::Relaxed);
            return Err(Error::Interrupted);
        }
        Ok((sum, notes))
    }

    fn prepare(&self, device: Device) -> Result<Option<String>> {
        self.processes.prepare(device)
    }

    fn gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
        self.processes.gather(bytes)
    }

    fn all_to_all(&self, rows: &Tensor, sent: &[i64]) -> Result<(Tensor, Vec<i64>)> {
        self.processes.all_to_all(rows, sent)
    }

    fn blame(&self, own: Option<&str>) -> Option<String> {
        self.processes.blame(own)
    }
}

/// The name of this host.
pub fn host() -> String {
    sysinfo::System::host_name().unwrap_or_else(|| "a host without a name".to_owned())
}
