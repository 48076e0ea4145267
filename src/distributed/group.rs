//! Processes connected through c10d.

use std::ffi::{CString, c_char, c_int};
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tch::{Device, Kind, Tensor};

use super::address::{has_ended, named_interfaces, route, sign_of_life};
use super::launch::Launch;
use super::nccl::{Communicator, Gpu};
use super::processes::{Processes, gather_as, host, tree_sum};
use super::within::within;
use crate::error::{Error, Result};
use crate::libtorch::interface::{Raw, raw, taken};

/// The times that a process waits.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For all processes to come.
    pub meeting: Duration,
    /// For the others in an exchange: longer than anything that one process does alone.
    pub exchange: Duration,
}

#[repr(C)]
struct Opaque {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn c10d_meet(
        host: *const c_char,
        port: u16,
        listener: c_int,
        rank: c_int,
        size: c_int,
        prefix: *const c_char,
        meeting_ms: i64,
        opened: *mut *mut Opaque,
    ) -> *mut c_char;
    fn c10d_connect(
        group: *mut Opaque,
        address: *const c_char,
        interfaces: *const c_char,
        meeting_ms: i64,
        exchange_ms: i64,
    ) -> *mut c_char;
    fn c10d_close(group: *mut Opaque) -> *mut c_char;
    fn c10d_all_gather(group: *mut Opaque, output: Raw, input: Raw) -> *mut c_char;
    fn c10d_all_to_all(
        group: *mut Opaque,
        output: Raw,
        input: Raw,
        received: *const i64,
        sent: *const i64,
        size: c_int,
    ) -> *mut c_char;
    fn c10d_lost(group: *mut Opaque, own: *const c_char) -> *mut c_char;
    fn c10d_blame(group: *mut Opaque, own: *const c_char, waiting_ms: i64) -> *mut c_char;
}

/// The time in which a process that has ended is expected to have told why, and then the others to have
/// heard it.
const BLAME: Duration = Duration::from_secs(1);

/// The time in which the system closes all files of a process that has ended.
const CLOSED: Duration = Duration::from_millis(300);

const MEETING: &str = "meeting the other processes";

/// The processes of a launch.
#[derive(Debug)]
pub struct Group {
    /// One exchange is under way at a time, as c10d asks. A thread that never ends keeps it open.
    handle: Arc<Mutex<Handle>>,
    rank: usize,
    size: usize,
    timeouts: Timeouts,
    /// Where the processes meet, for the user.
    place: String,
    /// The address at which the others reach this one, if it is known.
    address: Option<IpAddr>,
    /// The network interfaces that the user names, separated by commas; none by default.
    interfaces: String,
    /// What sums the tensors of GPUs, if NCCL can.
    gpus: Mutex<Option<Communicator>>,
    /// The host of each process and its sign of life; none until they are connected.
    others: Vec<(String, Option<SocketAddr>)>,
    _sign_of_life: Option<TcpListener>,
    /// The processes that had ended when an exchange failed, for the user; empty if none had.
    lost: OnceLock<String>,
}

/// A group of the interface, which is open.
#[derive(Debug)]
struct Handle(NonNull<Opaque>);

// SAFETY: a process group of c10d belongs to no thread, and is used under a lock.
unsafe impl Send for Handle {}

impl Handle {
    fn as_ptr(&self) -> *mut Opaque {
        self.0.as_ptr()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the group is open until here. A fault on leaving tells nobody anything.
        let _ = outcome("leaving", unsafe { c10d_close(self.as_ptr()) });
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A text of the interface, or null.
struct Text(*mut c_char);

// SAFETY: it belongs to no thread.
unsafe impl Send for Text {}

impl Group {
    /// Meets the processes at the place of the launch. [`connect`](Processes::connect) is next.
    ///
    /// # Errors
    ///
    /// [`Error::Processes`] if nobody is there in time, another process has the same rank or another number of
    /// processes, or this host has not the network interface that the user names.
    pub fn open(launch: &Launch, timeouts: Timeouts) -> Result<Self> {
        allow_connections();
        let interfaces = named_interfaces()?;
        let (listener, server) = server_of(launch, timeouts.meeting)?;
        let handle = meet(launch, (listener, server), timeouts.meeting)?;
        Ok(Self {
            handle: Arc::new(Mutex::new(handle)),
            rank: launch.rank,
            size: launch.size,
            timeouts,
            place: launch.place(),
            address: route(server),
            interfaces,
            gpus: Mutex::default(),
            others: Vec::new(),
            _sign_of_life: None,
            lost: OnceLock::new(),
        })
    }

    /// Takes the message of an exchange. If that has failed, it is found out at once who has ended, as the others
    /// end soon after.
    fn exchanged(&self, doing: &'static str, message: *mut c_char) -> Result<()> {
        outcome(doing, message).map_err(|error| self.named(doing, error))
    }

    /// A fault of an exchange, or who has ended if that is its cause.
    fn named(&self, doing: &'static str, error: Error) -> Error {
        match self.lost.get_or_init(|| self.find_lost()).as_str() {
            "" => error,
            lost => fault(doing, lost.to_owned()),
        }
    }

    fn has_lost(&self) -> bool {
        let mut signs = self.others.iter().filter_map(|(_, sign)| *sign);
        signs.any(has_ended)
    }

    /// The processes that have ended, as the first that missed them knows it.
    fn find_lost(&self) -> String {
        let start = Instant::now();
        let find = || {
            let signs = (0..).zip(&self.others);
            let lost = signs.filter_map(|(rank, (host, sign))| {
                let is_lost = start.elapsed() < BLAME && has_ended((*sign)?);
                is_lost.then(|| format!("rank {rank} on {host}"))
            });
            lost.collect::<Vec<String>>()
        };
        let mut lost = find();
        // The system may close the connections of a process a little earlier.
        while lost.is_empty() && start.elapsed() < CLOSED {
            thread::sleep(Duration::from_millis(10));
            lost = find();
        }
        let own = match lost.as_slice() {
            [] => return String::new(),
            [one] => format!("{one} has ended"),
            several => format!("{} have ended", several.join(", ")),
        };
        let (told, handle) = (own.replace('\0', " "), Arc::clone(&self.handle));
        let tell = move || {
            let text = CString::new(told).unwrap_or_default();
            // SAFETY: the group is open, and the text lives through the call.
            Text(unsafe { c10d_lost(locked(&handle).as_ptr(), text.as_ptr()) })
        };
        let first = within(BLAME, tell);
        // SAFETY: a text of the interface, once.
        first
            .and_then(|Text(first)| unsafe { taken(first) })
            .unwrap_or(own)
    }

    /// The exchange of rows whose numbers both sides know.
    fn exchange(&self, rows: &Tensor, sent: &[i64], received: &[i64]) -> Result<Tensor> {
        let mut size = rows.size();
        size[0] = received.iter().sum();
        let output = Tensor::f_empty(size, (rows.kind(), rows.device()))?;
        // SAFETY: the group is open, the tensors and slices live through the call.
        let message = unsafe {
            c10d_all_to_all(
                locked(&self.handle).as_ptr(),
                raw(&output),
                raw(rows),
                received.as_ptr(),
                sent.as_ptr(),
                self.size as c_int,
            )
        };
        self.exchanged("exchanging rows with the other processes", message)?;
        Ok(output)
    }

    /// The tensors of all processes, `[N]` each, one behind the other, `[size * N]`.
    fn all_gather(&self, tensor: &Tensor) -> Result<Tensor> {
        let length = tensor.size()[0] * self.size as i64;
        let output = Tensor::f_empty([length], (tensor.kind(), tensor.device()))?;
        // SAFETY: the group is open, the tensors live through the call.
        let message =
            unsafe { c10d_all_gather(locked(&self.handle).as_ptr(), raw(&output), raw(tensor)) };
        self.exchanged("collecting from the other processes", message)?;
        Ok(output)
    }

    /// Sums through the memory of the CPU.
    fn sum_by_gloo(&self, tensor: &Tensor, note: &[u8]) -> Result<(Tensor, Vec<Vec<u8>>)> {
        let (size, length) = (self.size as i64, tensor.size()[0]);
        // Gloo exchanges what is in the memory of the CPU.
        let (device, tensor) = (tensor.device(), tensor.f_to(Device::Cpu)?);
        // Each process sums one part of the tensors of all.
        let part = length.div_euclid(size) + i64::from(length % size > 0);
        let padded = tensor.f_constant_pad_nd([0, part * size - length])?;
        let ones = vec![1; self.size];
        let parts = self.exchange(&padded.f_view([size, part])?, &ones, &ones)?; // [size, part]
        let sum = tree_sum(&parts.f_unbind(0)?)?; // [part]
        // The notes travel with the sums, as bytes.
        let bytes = sum.f_view_dtype(Kind::Uint8)?;
        let of_sum = bytes.size()[0];
        let note = Tensor::f_from_slice(note)?;
        let of_all = self.all_gather(&Tensor::f_cat(&[&bytes, &note], 0)?)?;
        let rows = of_all.f_view([size, -1])?;
        let sums = rows
            .f_narrow(1, 0, of_sum)?
            .f_reshape([-1])?
            .f_view_dtype(tensor.kind())?;
        let notes = rows_of(&rows.f_narrow(1, of_sum, note.size()[0])?)?;
        Ok((sums.f_narrow(0, 0, length)?.f_to(device)?, notes))
    }

    /// Sums on GPUs. NCCL waits without end for a process that has ended. So each process computes its own tensor
    /// to the end, then exchanges notes by Gloo, and NCCL begins if all have come.
    fn sum_by_nccl(
        &self,
        communicator: &Communicator,
        tensor: &Tensor,
        note: &[u8],
    ) -> Result<(Tensor, Vec<Vec<u8>>)> {
        communicator.wait(self.timeouts.exchange, &|| self.has_lost())?;
        // Gloo exchanges nothing if there is nothing in a note.
        let own = [note, &[0]].concat();
        let of_all = self.all_gather(&Tensor::f_from_slice(&own)?)?;
        let rows = of_all.f_view([self.size as i64, -1])?;
        let notes = rows.f_narrow(1, 0, note.len() as i64)?;
        let sum = communicator.sum(tensor, self.timeouts.exchange, &|| self.has_lost())?;
        Ok((sum, rows_of(&notes)?))
    }
}

impl Processes for Group {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn connect(&mut self) -> Result<()> {
        let interfaces = c_string(&self.interfaces)?;
        let address = self.address.map(|address| address.to_string());
        let address = c_string(&address.unwrap_or_default())?;
        let (handle, timeouts) = (Arc::clone(&self.handle), self.timeouts);
        let connect = move || {
            // SAFETY: the group is open, and the texts live through the call.
            let message = unsafe {
                c10d_connect(
                    locked(&handle).as_ptr(),
                    address.as_ptr(),
                    interfaces.as_ptr(),
                    milliseconds(timeouts.meeting),
                    milliseconds(timeouts.exchange),
                )
            };
            Text(message)
        };
        // It waits for all to come, and then for all to connect.
        let Some(Text(message)) = within(timeouts.meeting * 2 + BLAME, connect) else {
            return Err(fault(
                MEETING,
                format!("rank 0 at {} does not answer any more", self.place),
            ));
        };
        outcome(MEETING, message)?;
        let own = self
            .address
            .and_then(|address| sign_of_life(address).ok())
            .unzip();
        self._sign_of_life = own.0;
        self.others = gather_as(self, (host(), own.1))?;
        Ok(())
    }

    fn prepare(&self, device: Device) -> Result<Option<String>> {
        let gpu = match device {
            Device::Cuda(index) => Some(Gpu::find(index)),
            _ => None,
        };
        let connected = Communicator::connect(self, gpu, self.timeouts.exchange)?;
        let (communicator, reason) = match connected {
            Ok(communicator) => (communicator, None),
            Err(reason) => (None, Some(reason)),
        };
        *locked(&self.gpus) = communicator;
        Ok(reason)
    }

    fn sum(&self, tensor: &Tensor, note: &[u8]) -> Result<(Tensor, Vec<Vec<u8>>)> {
        let mut gpus = locked(&self.gpus);
        let Some(communicator) = gpus.as_ref().filter(|gpus| gpus.takes(tensor)) else {
            return self.sum_by_gloo(tensor, note);
        };
        let result = self.sum_by_nccl(communicator, tensor, note);
        if result.is_err()
            && let Some(stopped) = gpus.take()
        {
            stopped.abort();
        }
        result.map_err(|error| self.named("summing on GPUs", error))
    }

    fn gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
        let length = Tensor::f_from_slice(&[bytes.len() as i64])?;
        let lengths = Vec::<i64>::try_from(&self.all_gather(&length)?)?;
        let longest = lengths.iter().copied().max().unwrap_or(0).max(1);
        let padded = Tensor::f_zeros([longest], (Kind::Uint8, Device::Cpu))?;
        let mut own = padded.f_narrow(0, 0, bytes.len() as i64)?;
        own.f_copy_(&Tensor::f_from_slice(bytes)?)?;
        let of_all = self.all_gather(&padded)?.f_view([-1, longest])?;
        let texts = of_all.f_unbind(0)?.into_iter().zip(lengths);
        texts
            .map(|(bytes, length)| Ok(Vec::try_from(bytes.f_narrow(0, 0, length)?)?))
            .collect()
    }

    fn all_to_all(&self, rows: &Tensor, sent: &[i64]) -> Result<(Tensor, Vec<i64>)> {
        let ones = vec![1; self.size];
        let counts = self.exchange(&Tensor::f_from_slice(sent)?, &ones, &ones)?;
        let received = Vec::<i64>::try_from(&counts)?;
        let rows = self.exchange(&rows.f_contiguous()?, sent, &received)?;
        Ok((rows, received))
    }

    fn blame(&self, own: Option<&str>) -> Option<String> {
        let own = own.map(|own| CString::new(own.replace('\0', " ")));
        let own = own.transpose().ok()?;
        let handle = Arc::clone(&self.handle);
        let ask = move || {
            let text = own.as_ref().map_or(ptr::null(), |own| own.as_ptr());
            // SAFETY: the group is open, and the text lives through the call.
            Text(unsafe { c10d_blame(locked(&handle).as_ptr(), text, milliseconds(BLAME)) })
        };
        let Text(first) = within(BLAME * 3, ask)?;
        // SAFETY: a text of the interface, once.
        unsafe { taken(first) }
    }
}

/// The bytes of each row, `[N, B]`.
fn rows_of(bytes: &Tensor) -> Result<Vec<Vec<u8>>> {
    let rows = bytes.f_unbind(0)?.into_iter();
    rows.map(|row| Ok(Vec::try_from(row)?)).collect()
}

/// Where the processes meet, and the socket with which this one serves the others, or -1.
fn server_of(launch: &Launch, timeout: Duration) -> Result<(c_int, SocketAddr)> {
    let place = launch.place();
    match launch.serves {
        true => {
            let listener = launch.listen(timeout);
            let listener = listener.and_then(|listener| Ok((listener.local_addr()?, listener)));
            let (server, listener) = listener.map_err(|cause| {
                let other = match cause.kind() {
                    io::ErrorKind::AddrInUse => "; another MASTER_PORT would work",
                    _ => "",
                };
                fault(MEETING, format!("cannot listen at {place}: {cause}{other}"))
            })?;
            Ok((listener.into_raw_fd(), server))
        }
        false => {
            let found = launch.await_server(timeout);
            let server = found.map_err(|cause| {
                let seconds = timeout.as_secs_f64();
                let nobody = format!("nobody was found at {place} in {seconds} seconds");
                fault(MEETING, format!("{nobody}: {cause}"))
            })?;
            Ok((-1, server))
        }
    }
}

/// Meets the others at the place of the launch, where `listener` is the socket of this process, or -1.
fn meet(
    launch: &Launch,
    (listener, server): (c_int, SocketAddr),
    timeout: Duration,
) -> Result<Handle> {
    let host = c_string(&server.ip().to_string())?;
    let prefix = c_string(&format!("makemore-tch/{}", launch.attempt))?;
    let (port, rank, size) = (launch.port, launch.rank as c_int, launch.size as c_int);
    let wait = move || {
        let mut opened = ptr::null_mut();
        // SAFETY: the texts live through the call, which owns the socket from then on; `opened` is written
        // if it succeeds.
        let message = unsafe {
            c10d_meet(
                host.as_ptr(),
                port,
                listener,
                rank,
                size,
                prefix.as_ptr(),
                milliseconds(timeout),
                &raw mut opened,
            )
        };
        (NonNull::new(opened).map(Handle), Text(message))
    };
    let silent = || {
        fault(
            MEETING,
            format!("who listens at {server} did not answer, and may be another program"),
        )
    };
    let (opened, Text(message)) = within(timeout, wait).ok_or_else(silent)?;
    outcome(MEETING, message)?;
    opened.ok_or_else(|| fault(MEETING, "no group".to_owned()))
}

/// Allows this process as many open files as the system does: it has a connection to each other one, and
/// process 0 two.
fn allow_connections() {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: the limit is written if the call succeeds, and read only then. Where it cannot be raised, a
    // connection that fails is told.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, limit.as_mut_ptr()) == 0 {
            let mut limit = limit.assume_init();
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

fn milliseconds(duration: Duration) -> i64 {
    // c10d takes 0 for no limit.
    i64::try_from(duration.as_millis())
        .unwrap_or(i64::MAX)
        .max(1)
}

fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| fault(MEETING, format!("{text:?} has a zero character")))
}

fn fault(doing: &'static str, cause: String) -> Error {
    Error::Processes { doing, cause }
}

/// Takes a message of the interface; null is success.
fn outcome(doing: &'static str, message: *mut c_char) -> Result<()> {
    // SAFETY: a message of the interface, once.
    let Some(text) = (unsafe { taken(message) }) else {
        return Ok(());
    };
    // The first line, without the place in Gloo's sources and its advice; the others are a stack trace.
    let line = text.lines().next().unwrap_or_default();
    let line = line
        .split(". This is typically caused by")
        .next()
        .unwrap_or_default();
    let line = match line
        .strip_prefix('[')
        .and_then(|line| line.split_once("] "))
    {
        Some((place, message)) if place.contains(".cc:") || place.contains(".h:") => message,
        // The store's words, whose server is in process 0.
        None if line.starts_with("Failed to recv") => "process 0 has ended",
        _ => line,
    };
    Err(fault(doing, line.trim_end().to_owned()))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::distributed::address::free_port;
    use crate::distributed::nccl::tests::fake_gpu;
    use crate::distributed::processes::{Stoppable, agree, bytes_of_first};

    const TIMEOUTS: Timeouts = Timeouts {
        meeting: Duration::from_secs(20),
        exchange: Duration::from_secs(20),
    };

    fn launch(port: u16, rank: usize, size: usize) -> Launch {
        Launch {
            hosts: vec!["127.0.0.1".to_owned()],
            port,
            rank,
            size,
            serves: rank == 0,
            attempt: "0".to_owned(),
            launcher: "a test",
        }
    }

    /// The results of a thread for each rank, connected as processes are.
    pub(crate) fn each<T: Send>(size: usize, work: impl Fn(&Group) -> T + Sync) -> Vec<T> {
        let port = free_port().unwrap();
        thread::scope(|scope| {
            let start = |rank| {
                let work = &work;
                scope.spawn(move || {
                    let mut group = Group::open(&launch(port, rank, size), TIMEOUTS).unwrap();
                    group.connect().unwrap();
                    work(&group)
                })
            };
            let started: Vec<_> = (0..size).map(start).collect();
            started
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        })
    }

    /// Numbers whose sum depends on the order of the additions.
    fn numbers(rank: usize) -> Tensor {
        let number = |place: i32| {
            (f64::from(place * 7919 % 997) - 400.0) * 10_f64.powi((rank as i32 * 5 + place) % 9)
        };
        let numbers: Vec<f32> = (0..1_003).map(|place| number(place) as f32).collect();
        Tensor::from_slice(&numbers)
    }

    #[test]
    fn nothing_is_exchanged_before_the_processes_are_connected() {
        let group = Group::open(&launch(free_port().unwrap(), 0, 1), TIMEOUTS).unwrap();
        let fault = group.sum(&numbers(0), &[0]).unwrap_err().to_string();
        assert!(fault.contains("not connected"), "{fault}");
    }

    #[test]
    fn all_get_the_sum_of_one_process_and_the_notes_of_all() {
        for size in [1, 2, 3, 4] {
            let alone: Vec<Tensor> = (0..size).map(numbers).collect();
            let expected = Vec::<f32>::try_from(tree_sum(&alone).unwrap()).unwrap();
            let sums = each(size, |group| {
                let rank = group.rank();
                let (sum, notes) = group.sum(&numbers(rank), &[rank as u8, 7]).unwrap();
                (Vec::<f32>::try_from(sum).unwrap(), notes)
            });
            for (sum, notes) in sums {
                assert_eq!(sum, expected, "{size}");
                let of_all: Vec<Vec<u8>> = (0..size as u8).map(|rank| vec![rank, 7]).collect();
                assert_eq!(notes, of_all);
            }
        }
    }

    /// As by threads of one process, so by processes of some threads.
    #[test]
    fn a_sum_of_sums_is_the_sum() {
        let all: Vec<Tensor> = (0..8).map(numbers).collect();
        let whole = tree_sum(&all).unwrap();
        for parts in [2, 4] {
            let sums = all.chunks(8 / parts).map(|part| tree_sum(part).unwrap());
            assert_eq!(tree_sum(&sums.collect::<Vec<_>>()).unwrap(), whole);
        }
    }

    #[test]
    fn the_flag_of_one_process_stops_all_at_a_sum() {
        let stopped = each(3, |group| {
            let stop = AtomicBool::new(false);
            let processes = Stoppable {
                processes: group,
                stop: &stop,
            };
            let (sum, notes) = processes.sum(&Tensor::from_slice(&[1_i64]), b"x").unwrap();
            assert_eq!((sum.int64_value(&[0]), notes), (3, vec![b"x".to_vec(); 3]));
            stop.store(group.rank() == 1, Ordering::Relaxed);
            let error = processes.sum(&sum, b"x").unwrap_err();
            assert!(matches!(error, Error::Interrupted), "{error}");
            stop.into_inner()
        });
        assert_eq!(stopped, [true; 3]);
    }

    #[test]
    fn bytes_of_different_lengths_and_rows_are_exchanged() {
        let gathered = each(3, |group| {
            group.gather(&vec![b'x'; group.rank() * 5]).unwrap()
        });
        for texts in gathered {
            let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
            assert_eq!(lengths, [0, 5, 10]);
        }
        // More than are sent at once.
        let expected = b"0123456789abcdef".repeat(100_000);
        for received in each(3, |group| {
            let own = if group.rank() == 0 {
                expected.clone()
            } else {
                b"none".to_vec()
            };
            bytes_of_first(group, own).unwrap()
        }) {
            assert!(received == expected);
        }
        let rows = each(3, |group| {
            // Rank r sends r rows to each, which name the sender and the receiver.
            let rank = group.rank() as i64;
            let rows: Vec<i64> = (0..3)
                .flat_map(|to| vec![[rank, to]; rank as usize].concat())
                .collect();
            let rows = Tensor::from_slice(&rows).view([-1, 2]);
            let (rows, received) = group.all_to_all(&rows, &[rank; 3]).unwrap();
            (Vec::<i64>::try_from(rows.view([-1])).unwrap(), received)
        });
        for (rank, (rows, received)) in (0..).zip(rows) {
            assert_eq!(received, [0, 1, 2]);
            assert_eq!(rows, [1, rank, 2, rank, 2, rank]);
        }
    }

    #[test]
    fn a_process_that_has_another_value_is_named() {
        let errors = each(3, |group| {
            let value = if group.rank() == 2 {
                "1,000 words"
            } else {
                "900 words"
            };
            agree(group, "the list", value).unwrap_err().to_string()
        });
        for error in errors {
            assert_eq!(
                error,
                "the list is 900 words for rank 0 and 1,000 words for rank 2; all processes take the same"
            );
        }
    }

    #[test]
    fn the_first_fault_reaches_all() {
        let told = each(3, |group| match group.rank() {
            1 => group.blame(Some("rank 1: no room")),
            _ => group.blame(None),
        });
        assert_eq!(told, vec![Some("rank 1: no room".to_owned()); 3]);
    }

    /// NCCL would wait without end for the process that has ended.
    #[test]
    fn gpus_begin_a_sum_when_all_have_answered() {
        let results = each(2, |group| {
            let rank = group.rank();
            let gpus = Communicator::connect(group, fake_gpu(rank), TIMEOUTS.exchange).unwrap();
            let gpus = gpus.unwrap().unwrap();
            let tensor = Tensor::from_slice(&[1.5_f32, -2.0]);
            for note in [&b"note"[..], b""] {
                let (sum, notes) = group.sum_by_nccl(&gpus, &tensor, note).unwrap();
                assert_eq!(Vec::<f32>::try_from(sum).unwrap(), [3.0, -4.0]);
                assert_eq!(notes, [note; 2]);
            }
            let again = (rank == 0).then(|| group.sum_by_nccl(&gpus, &tensor, b""));
            again.map(|result| result.unwrap_err().to_string())
        });
        let error = results[0].as_ref().unwrap();
        assert!(
            error.starts_with("collecting from the other processes: "),
            "{error}"
        );
    }

    #[test]
    fn who_has_ended_is_named() {
        for lost in [0, 2] {
            let told = each(4, |group| {
                let is_lost = group.rank() == lost;
                (!is_lost).then(|| group.gather(b"x").unwrap_err().to_string())
            });
            let expected = format!("other processes: rank {lost} on {} has ended", host());
            // Those that it has no connection to miss another one later.
            let named = |told: &&String| told.ends_with(&expected);
            assert!(told.iter().flatten().filter(named).count() > 0, "{told:?}");
        }
    }

    /// Several processes told what one of them tells now: that another has ended.
    #[test]
    fn who_has_no_fault_hears_whether_process_0_is_there() {
        let told = each(3, |group| match group.rank() {
            2 => None,
            _ => group.blame(None),
        });
        assert_eq!(told, [Some(String::new()), Some(String::new()), None]);
        let told = each(3, |group| match group.rank() {
            0 => None,
            _ => {
                // Until process 0 has ended.
                thread::sleep(Duration::from_millis(300));
                group.blame(None)
            }
        });
        assert_eq!(told, [None, None, None]);
    }

    #[test]
    fn what_was_launched_wrongly_is_told() {
        let short = Timeouts {
            meeting: Duration::from_millis(400),
            exchange: Duration::from_millis(400),
        };
        let refusal = |launch: Launch| {
            let connected = Group::open(&launch, short).and_then(|mut group| group.connect());
            connected.unwrap_err().to_string()
        };
        let meet = |text: &str| format!("meeting the other processes: {text}");
        let error = refusal(launch(free_port().unwrap(), 1, 2));
        assert!(
            error.starts_with(&meet("nobody was found at 127.0.0.1:")),
            "{error}"
        );
        let error = refusal(launch(free_port().unwrap(), 0, 3));
        assert_eq!(error, meet("these ranks of 3 did not come: 1, 2"));
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = refusal(launch(taken.local_addr().unwrap().port(), 0, 2));
        assert!(
            error.starts_with(&meet("cannot listen at 127.0.0.1:")),
            "{error}"
        );
        let error = refusal(launch(taken.local_addr().unwrap().port(), 1, 2));
        assert!(
            error.ends_with("did not answer, and may be another program"),
            "{error}"
        );
        let nowhere = Launch {
            hosts: vec!["no.such.host.invalid".to_owned()],
            ..launch(1, 1, 2)
        };
        let error = refusal(nowhere);
        assert!(
            error.starts_with(&meet("nobody was found at no.such.host.invalid:1 in 0.4")),
            "{error}"
        );
    }
}
