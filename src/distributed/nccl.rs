//! Sums of tensors on GPUs by NVIDIA's NCCL.
//!
//! libtorch's CUDA parts bring NCCL and CUDA's runtime, or the system has NCCL. Their functions are looked up
//! when they are needed, since the program is linked with neither.
//!
//! Source: `nccl.h` of NCCL 2 and `cuda_runtime_api.h`, whose values and signatures stay the same.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fs;
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::processes::{Processes, gather_as, host};
use super::within::within;
use crate::error::{Error, Result};
use crate::libtorch::device::{load_cuda, reason};

const LIBRARY: &str = "libnccl.so.2";

/// `ncclSuccess` and `cudaSuccess`.
const SUCCESS: c_int = 0;
/// `cudaErrorNotReady`.
const NOT_READY: c_int = 600;
/// `ncclFloat32`.
const FLOAT: c_int = 7;
/// `ncclSum`.
const SUM: c_int = 0;

/// `ncclUniqueId`: the place where the processes meet.
#[derive(Clone, Copy)]
#[repr(C)]
struct UniqueId([u8; 128]);

/// `ncclComm_t`.
type Raw = *mut c_void;

/// `cudaStream_t`. On the default stream, which is null, libtorch computes.
type Stream = *mut c_void;

const DEFAULT: Stream = ptr::null_mut();

/// Declares functions of C, and how they are looked up by their names.
macro_rules! functions {
    ($($field:ident: $name:literal ($($argument:ty),*) -> $result:ty;)*) => {
        #[derive(Debug, Clone, Copy)]
        struct Functions {
            $($field: unsafe extern "C" fn($($argument),*) -> $result,)*
        }

        impl Functions {
            /// Looks the functions up in a library, which stays loaded.
            fn of(library: &Library) -> Result<Self, String> {
                Ok(Self {
                    // SAFETY: the type is that of the function in its header.
                    $($field: *unsafe { library.get($name) }.map_err(|error| reason(&error))?,)*
                })
            }
        }
    };
}

functions! {
    version: "ncclGetVersion" (*mut c_int) -> c_int;
    error_text: "ncclGetErrorString" (c_int) -> *const c_char;
    unique_id: "ncclGetUniqueId" (*mut UniqueId) -> c_int;
    connect: "ncclCommInitRank" (*mut Raw, c_int, UniqueId, c_int) -> c_int;
    all_reduce: "ncclAllReduce" (*const c_void, *mut c_void, usize, c_int, c_int, Raw, Stream) -> c_int;
    async_error: "ncclCommGetAsyncError" (Raw, *mut c_int) -> c_int;
    destroy: "ncclCommDestroy" (Raw) -> c_int;
    abort: "ncclCommAbort" (Raw) -> c_int;
    choose_gpu: "cudaSetDevice" (c_int) -> c_int;
    bus_of_gpu: "cudaDeviceGetPCIBusId" (*mut c_char, c_int, c_int) -> c_int;
    state_of_stream: "cudaStreamQuery" (Stream) -> c_int;
    forget_error: "cudaGetLastError" () -> c_int;
    cuda_error_text: "cudaGetErrorString" (c_int) -> *const c_char;
}

impl Functions {
    fn find() -> Result<Self, String> {
        load_cuda().map_err(|fault| fault.to_string())?;
        // The one that libtorch has loaded has this name too, unless it is a part of libtorch itself. Then there
        // may be none.
        let opened = open(LIBRARY);
        Self::of(&Library::this()).map_err(|lacking| opened.err().unwrap_or(lacking))
    }

    /// Takes a result of NCCL.
    fn of_nccl(&self, result: c_int) -> Result<(), String> {
        outcome(result, "NCCL", self.error_text)
    }

    /// Takes a result of CUDA's runtime.
    fn of_cuda(&self, result: c_int) -> Result<(), String> {
        outcome(result, "CUDA", self.cuda_error_text)
    }
}

/// Loads a library, whose functions can then be looked up among all, for good.
fn open(name: &str) -> Result<(), String> {
    // SAFETY: loading runs only the initialisers of NVIDIA's library.
    let opened = unsafe { Library::open(Some(name), RTLD_NOW | RTLD_GLOBAL) };
    opened.map(std::mem::forget).map_err(|error| reason(&error))
}

fn outcome(
    result: c_int,
    library: &str,
    text: unsafe extern "C" fn(c_int) -> *const c_char,
) -> Result<(), String> {
    if result == SUCCESS {
        return Ok(());
    }
    // SAFETY: every number has a text, which is never freed.
    let text = unsafe { CStr::from_ptr(text(result)) };
    Err(format!("{library}: {}", text.to_string_lossy()))
}

/// The version of NCCL, such as `2.29.7`.
///
/// # Errors
///
/// Why NCCL cannot be used.
pub fn version() -> Result<String, String> {
    let functions = Functions::find()?;
    let mut number = 0;
    // SAFETY: it writes a number.
    functions.of_nccl(unsafe { (functions.version)(&raw mut number) })?;
    Ok(written(number))
}

fn written(version: c_int) -> String {
    format!(
        "{}.{}.{}",
        version / 10_000,
        version / 100 % 100,
        version % 100
    )
}

/// A GPU, by its number in this process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gpu {
    functions: Functions,
    index: c_int,
}

/// What a process tells the others before they connect.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Offer {
    /// The GPU, by a name that is the same in all processes.
    gpu: String,
    /// Where to meet, of process 0.
    place: Vec<u8>,
}

impl Gpu {
    /// A GPU, if NCCL can be used there.
    pub fn find(index: usize) -> Result<Self, String> {
        Ok(Self {
            functions: Functions::find()?,
            index: index as c_int,
        })
    }

    /// Makes the GPU that of this thread, which NCCL and the default stream take.
    fn choose(&self) -> Result<(), String> {
        // SAFETY: any number may be asked for.
        let chosen = unsafe { (self.functions.choose_gpu)(self.index) };
        self.functions.of_cuda(chosen)
    }

    fn offer(&self, serves: bool) -> Result<Offer, String> {
        let mut bus: [c_char; 64] = [0; 64];
        // SAFETY: it writes a string of at most so many bytes.
        let found = unsafe {
            (self.functions.bus_of_gpu)(bus.as_mut_ptr(), bus.len() as c_int, self.index)
        };
        self.functions.of_cuda(found)?;
        // SAFETY: a string was written.
        let bus = unsafe { CStr::from_ptr(bus.as_ptr()) }.to_string_lossy();
        // Containers of a machine have other names, but not another boot.
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_else(|_| host());
        let mut place = Vec::new();
        if serves {
            let mut id = UniqueId([0; 128]);
            // SAFETY: it writes an ID.
            self.functions
                .of_nccl(unsafe { (self.functions.unique_id)(&raw mut id) })?;
            place.extend(id.0);
        }
        let gpu = format!("{boot} {bus}");
        Ok(Offer { gpu, place })
    }

    /// Connects to the other processes, for which this may wait without end.
    fn connect(self, place: UniqueId, rank: usize, size: usize) -> Result<Communicator, String> {
        self.choose()?;
        let mut raw = ptr::null_mut();
        let (rank, size) = (rank as c_int, size as c_int);
        // SAFETY: it writes a communicator if it succeeds.
        let connected = unsafe { (self.functions.connect)(&raw mut raw, size, place, rank) };
        self.functions.of_nccl(connected)?;
        Ok(Communicator { gpu: self, raw })
    }
}

/// The place where all processes meet, if each has a GPU of its own; none if no process computes on one.
fn agreed(offers: Vec<Option<Result<Offer, String>>>) -> Result<Option<UniqueId>, String> {
    if offers.iter().all(Option::is_none) {
        return Ok(None);
    }
    let mut places = Vec::new();
    let mut gpus = Vec::new();
    for (rank, offer) in offers.into_iter().enumerate() {
        let Offer { gpu, place } =
            offer.unwrap_or_else(|| Err(format!("rank {rank} does not compute on a GPU")))?;
        if let Some(other) = gpus.iter().position(|other| *other == gpu) {
            return Err(format!("ranks {other} and {rank} share a GPU"));
        }
        gpus.push(gpu);
        places.extend(place);
    }
    let place = places.try_into();
    let place = place.map_err(|_| "rank 0 said nothing of where to meet".to_owned())?;
    Ok(Some(UniqueId(place)))
}

/// The processes as NCCL connects them, each with a GPU of its own.
#[derive(Debug)]
pub(super) struct Communicator {
    gpu: Gpu,
    raw: Raw,
}

// SAFETY: a communicator belongs to no thread, and is used by one at a time.
unsafe impl Send for Communicator {}

/// How long the end of a communicator may take, which waits for processes of the same host.
const END: Duration = Duration::from_secs(3);

/// How often a process that waits asks whether the others are there.
const ASK: Duration = Duration::from_millis(500);

impl Communicator {
    /// Connects the GPUs of all processes, which call this together; none if there are none. Inside is the
    /// reason if NCCL cannot be used, the same in all.
    pub fn connect(
        processes: &dyn Processes,
        gpu: Option<Result<Gpu, String>>,
        timeout: Duration,
    ) -> Result<Result<Option<Self>, String>> {
        let (rank, size) = (processes.rank(), processes.size());
        let of_this = |why: &String| format!("rank {rank} on {}: {why}", host());
        let offer = gpu
            .clone()
            .map(|gpu| gpu.and_then(|gpu| gpu.offer(rank == 0)));
        let offers = gather_as(
            processes,
            offer.map(|offer| offer.map_err(|why| of_this(&why))),
        )?;
        let place = match agreed(offers) {
            Ok(place) => place,
            Err(why) => return Ok(Err(why)),
        };
        let (Some(Ok(gpu)), Some(place)) = (gpu, place) else {
            return Ok(Ok(None));
        };
        // One that fails at once waits for the others, but no longer than the timeout.
        let connected = within(timeout / 2, move || gpu.connect(place, rank, size));
        let connected = connected.unwrap_or_else(|| Err("NCCL does not connect".to_owned()));
        let fault = connected.as_ref().err().map(of_this);
        let first = gather_as(processes, fault)?.into_iter().flatten().next();
        let Some(first) = first else {
            return Ok(connected.map(Some));
        };
        if let Ok(own) = connected {
            own.abort();
        }
        Ok(Err(first))
    }

    /// Whether it sums such tensors.
    pub fn takes(&self, tensor: &Tensor) -> bool {
        matches!(tensor.device(), Device::Cuda(_)) && tensor.kind() == Kind::Float
    }

    /// The sum of the tensors of all processes, which is there when this returns.
    pub fn sum(
        &self,
        tensor: &Tensor,
        timeout: Duration,
        has_lost: &dyn Fn() -> bool,
    ) -> Result<Tensor> {
        let tensor = tensor.f_contiguous()?;
        let sum = tensor.f_empty_like()?;
        self.gpu.choose().map_err(fault)?;
        // SAFETY: both tensors have so many floats, and live until the work has ended or was aborted.
        let begun = unsafe {
            (self.gpu.functions.all_reduce)(
                tensor.data_ptr(),
                sum.data_ptr(),
                tensor.numel(),
                FLOAT,
                SUM,
                self.raw,
                DEFAULT,
            )
        };
        self.gpu.functions.of_nccl(begun).map_err(fault)?;
        let ended = self.wait(timeout, has_lost);
        if ended.is_err() {
            // NCCL may use them until it is aborted.
            std::mem::forget([tensor, sum.shallow_clone()]);
        }
        ended.map(|()| sum)
    }

    /// Waits until the GPU has done its work, and asks at times whether another process has ended, for which NCCL
    /// would wait without end.
    pub fn wait(&self, timeout: Duration, has_lost: &dyn Fn() -> bool) -> Result<()> {
        let functions = &self.gpu.functions;
        let (start, mut asked) = (Instant::now(), Instant::now());
        let mut is_at_work = || {
            let mut result = SUCCESS;
            // SAFETY: the communicator is open; it writes a number.
            functions.of_nccl(unsafe { (functions.async_error)(self.raw, &raw mut result) })?;
            functions.of_nccl(result)?;
            // SAFETY: it only asks.
            let state = unsafe { (functions.state_of_stream)(DEFAULT) };
            if state != NOT_READY {
                return functions.of_cuda(state).map(|()| false);
            }
            // SAFETY: as above. It is the answer, which libtorch would take for a fault of its own.
            unsafe { (functions.forget_error)() };
            if asked.elapsed() > ASK {
                asked = Instant::now();
                if has_lost() {
                    return Err("another process has ended".to_owned());
                }
            }
            match start.elapsed() < timeout {
                true => Ok(true),
                false => Err(format!("no end in {} seconds", timeout.as_secs_f64())),
            }
        };
        self.gpu.choose().map_err(fault)?;
        while is_at_work().map_err(fault)? {
            thread::yield_now();
        }
        Ok(())
    }

    /// Ends work that waits for a process without end, and this with it.
    pub fn abort(self) {
        self.end(self.gpu.functions.abort);
        std::mem::forget(self);
    }

    fn end(&self, by: unsafe extern "C" fn(Raw) -> c_int) {
        struct Last(Raw);
        // SAFETY: as of the communicator.
        unsafe impl Send for Last {}
        let (gpu, last) = (self.gpu, Last(self.raw));
        // A fault on leaving tells nobody anything.
        within(END, move || {
            let Last(raw) = { last };
            // SAFETY: the communicator is open until here.
            gpu.choose().map(|()| unsafe { by(raw) })
        });
    }
}

impl Drop for Communicator {
    fn drop(&mut self) {
        self.end(self.gpu.functions.destroy);
    }
}

fn fault(cause: String) -> Error {
    Error::Processes {
        doing: "summing on GPUs",
        cause,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::distributed::group::tests::each;
    use crate::libtorch::device::DeviceRequest;

    const TIMEOUT: Duration = Duration::from_secs(20);

    /// Functions for which every process has the same tensor, and a communicator is the number of processes.
    const FAKE: Functions = Functions {
        version,
        error_text: text,
        unique_id: with_id,
        connect,
        all_reduce: multiply,
        async_error,
        destroy: end,
        abort: end,
        choose_gpu,
        bus_of_gpu: bus,
        state_of_stream: ready,
        forget_error: none,
        cuda_error_text: text,
    };

    extern "C" fn version(number: *mut c_int) -> c_int {
        unsafe { *number = 22_907 };
        SUCCESS
    }

    extern "C" fn text(result: c_int) -> *const c_char {
        match result {
            2 => c"unhandled system error".as_ptr(),
            6 => c"remote process exited".as_ptr(),
            _ => c"another".as_ptr(),
        }
    }

    extern "C" fn with_id(id: *mut UniqueId) -> c_int {
        unsafe { (*id).0[127] = 7 };
        SUCCESS
    }

    extern "C" fn connect(raw: *mut Raw, size: c_int, id: UniqueId, _: c_int) -> c_int {
        assert_eq!(id.0[127], 7);
        unsafe { *raw = ptr::without_provenance_mut(size as usize) };
        SUCCESS
    }

    /// Process 1 cannot, and the others do.
    extern "C" fn connect_some(raw: *mut Raw, size: c_int, id: UniqueId, rank: c_int) -> c_int {
        match rank {
            1 => 2,
            _ => connect(raw, size, id, rank),
        }
    }

    extern "C" fn multiply(
        tensor: *const c_void,
        sum: *mut c_void,
        length: usize,
        kind: c_int,
        operation: c_int,
        raw: Raw,
        stream: Stream,
    ) -> c_int {
        assert!((kind, operation) == (7, 0) && stream.is_null());
        for place in 0..length {
            let number = unsafe { *tensor.cast::<f32>().add(place) };
            unsafe { *sum.cast::<f32>().add(place) = number * raw.addr() as f32 };
        }
        SUCCESS
    }

    extern "C" fn async_error(_: Raw, result: *mut c_int) -> c_int {
        unsafe { *result = SUCCESS };
        SUCCESS
    }

    extern "C" fn remote(_: Raw, result: *mut c_int) -> c_int {
        unsafe { *result = 6 };
        SUCCESS
    }

    extern "C" fn end(_: Raw) -> c_int {
        SUCCESS
    }

    extern "C" fn choose_gpu(_: c_int) -> c_int {
        SUCCESS
    }

    extern "C" fn bus(bus: *mut c_char, length: c_int, index: c_int) -> c_int {
        let name = format!("0000:{index}");
        assert!(name.len() < length as usize);
        for (place, byte) in name.bytes().enumerate() {
            unsafe { *bus.add(place) = byte as c_char };
        }
        SUCCESS
    }

    extern "C" fn ready(_: Stream) -> c_int {
        SUCCESS
    }

    extern "C" fn at_work(_: Stream) -> c_int {
        NOT_READY
    }

    extern "C" fn none() -> c_int {
        NOT_READY
    }

    fn fake(index: usize, functions: Functions) -> Option<Result<Gpu, String>> {
        let index = index as c_int;
        Some(Ok(Gpu { functions, index }))
    }

    /// A GPU on which every process has the same tensor.
    pub fn fake_gpu(index: usize) -> Option<Result<Gpu, String>> {
        fake(index, FAKE)
    }

    /// Why each of some processes does without NCCL.
    fn reasons(gpu: impl Fn(usize) -> Option<Result<Gpu, String>> + Sync) -> Vec<String> {
        each(3, |group| {
            let connected = Communicator::connect(group, gpu(group.rank()), TIMEOUT).unwrap();
            connected.unwrap_err().replace(&host(), "HOST")
        })
    }

    #[test]
    fn a_library_that_is_missing_or_another_one_is_told() {
        let missing = open("libnccl-of-nobody.so.2").unwrap_err();
        assert!(
            missing.starts_with("libnccl-of-nobody.so.2: cannot open"),
            "{missing}"
        );
        let other = unsafe { Library::open(Some("libm.so.6"), RTLD_NOW) }.unwrap();
        let lacking = Functions::of(&other).unwrap_err();
        assert!(
            lacking.ends_with("undefined symbol: ncclGetVersion"),
            "{lacking}"
        );
    }

    #[test]
    fn versions_are_written_as_nvidia_does() {
        assert_eq!(written(22_907), "2.29.7");
        assert_eq!(written(21_805), "2.18.5");
    }

    #[test]
    fn each_gets_the_sum_of_all() {
        for size in [1, 3] {
            let sums = each(size, |group| {
                let gpu = fake(group.rank(), FAKE);
                let all = Communicator::connect(group, gpu, TIMEOUT).unwrap();
                let all = all.unwrap().unwrap();
                let tensor = Tensor::from_slice(&[1.5_f32, -2.0]);
                Vec::<f32>::try_from(all.sum(&tensor, TIMEOUT, &|| false).unwrap()).unwrap()
            });
            assert_eq!(sums, vec![[1.5 * size as f32, -2.0 * size as f32]; size]);
        }
    }

    #[test]
    fn processes_without_a_gpu_each_do_without() {
        let same = "ranks 0 and 2 share a GPU";
        assert_eq!(reasons(|rank| fake(rank % 2, FAKE)), [same; 3]);
        let no_gpu = |rank| fake(rank, FAKE).filter(|_| rank != 1);
        assert_eq!(reasons(no_gpu), ["rank 1 does not compute on a GPU"; 3]);
        let missing = "libnccl.so.2: cannot open";
        let some = |rank| match rank {
            2 => Some(Err(missing.to_owned())),
            _ => fake(rank, FAKE),
        };
        assert_eq!(reasons(some), vec![format!("rank 2 on HOST: {missing}"); 3]);
        let all = each(2, |group| {
            let connected = Communicator::connect(group, None, TIMEOUT).unwrap();
            connected.unwrap().is_none()
        });
        assert_eq!(all, [true; 2]);
    }

    #[test]
    fn those_that_connect_do_without_where_another_does_not() {
        let functions = Functions {
            connect: connect_some,
            ..FAKE
        };
        let reason = "rank 1 on HOST: NCCL: unhandled system error";
        assert_eq!(reasons(|rank| fake(rank, functions)), [reason; 3]);
    }

    /// A process that has ended once the others have begun.
    #[test]
    fn nobody_waits_without_end() {
        static ENDS: AtomicUsize = AtomicUsize::new(0);
        extern "C" fn count_abort(_: Raw) -> c_int {
            ENDS.fetch_add(1, Ordering::SeqCst);
            SUCCESS
        }
        let stuck = Functions {
            state_of_stream: at_work,
            abort: count_abort,
            ..FAKE
        };
        let told = Functions {
            async_error: remote,
            ..stuck
        };
        let (soon, late) = (Duration::from_millis(50), Duration::from_secs(600));
        for (functions, timeout, expected) in [
            (stuck, soon, "summing on GPUs: no end in 0.05 seconds"),
            (stuck, late, "summing on GPUs: another process has ended"),
            (told, late, "summing on GPUs: NCCL: remote process exited"),
        ] {
            let gpu = Gpu {
                functions,
                index: 0,
            };
            let all = gpu.connect(UniqueId([7; 128]), 0, 1).unwrap();
            let error = all.wait(timeout, &|| true).unwrap_err();
            assert_eq!(error.to_string(), expected);
            all.abort();
        }
        assert_eq!(ENDS.load(Ordering::SeqCst), 3);
    }

    /// On a machine without a GPU the reason is checked instead.
    #[test]
    fn one_process_has_the_sum_of_gloo_or_says_why_not() {
        let Ok(device) = DeviceRequest::Cuda(None).open(0) else {
            let error = Functions::find().err();
            let known = ["libtorch has no CUDA parts", LIBRARY, "CUDA parts for"];
            let is_known = |error: String| known.iter().any(|known| error.contains(known));
            assert!(error.is_none_or(is_known));
            return;
        };
        each(1, |group| {
            let numbers: Vec<f32> = (0..100_003).map(|place| (place as f32).sin()).collect();
            let tensor = Tensor::from_slice(&numbers).to(device);
            let (by_gloo, _) = group.sum(&tensor, b"note").unwrap();
            let reason = group.prepare(device).unwrap();
            assert_eq!(reason, None);
            let (sum, notes) = group.sum(&tensor, b"note").unwrap();
            assert_eq!((sum, notes), (by_gloo, vec![b"note".to_vec()]));
        });
    }
}
