//! Devices: the CPU, NVIDIA GPUs (CUDA) and Apple's (MPS); and the version of libtorch.
//!
//! The program links only libtorch's CPU parts, so that it starts fast. The CUDA parts are a library
//! beside them, `libtorch_cuda`, which registers the CUDA backend when it is loaded. Linked, it would be
//! dropped, because the program uses no symbol of it
//! ([pytorch/pytorch#36437](https://github.com/pytorch/pytorch/issues/36437)). It is loaded before the
//! first question to libtorch about CUDA devices, because libtorch remembers its answer.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use tch::{Cuda, Kind, Tensor};

use crate::error::{DeviceFault, Error, Result};

/// The device that a user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceRequest {
    /// The CPU.
    Cpu,
    /// The NVIDIA GPU with this index, or the first one; of several processes on a host without an index,
    /// each has the next one.
    Cuda(Option<usize>),
    /// The GPU of an Apple computer.
    Mps,
    /// The first of CUDA, MPS and CPU that can be used.
    Auto,
}

impl FromStr for DeviceRequest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(None)),
            "mps" => Ok(Self::Mps),
            "auto" => Ok(Self::Auto),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(|index| Self::Cuda(Some(index)))
                .ok_or_else(|| Error::Value {
                    what: "the device",
                    value: text.to_owned(),
                    expected: "cpu, cuda, cuda:N, mps or auto would work",
                }),
        }
    }
}

impl fmt::Display for DeviceRequest {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(None) => f.write_str("cuda"),
            Self::Cuda(Some(index)) => write!(f, "cuda:{index}"),
            Self::Mps => f.write_str("mps"),
            Self::Auto => f.write_str("auto"),
        }
    }
}

impl DeviceRequest {
    /// Opens the device. `place` is the number of this process among those that share the work on this
    /// host, from 0.
    ///
    /// # Errors
    ///
    /// [`Error::Device`] with the reason; never for `Auto`.
    pub fn open(self, place: usize) -> Result<tch::Device> {
        let opened = match self {
            Self::Cpu => Ok(tch::Device::Cpu),
            Self::Cuda(index) => open_cuda(index, place),
            Self::Mps => open_mps(),
            Self::Auto => open_cuda(None, place)
                .or_else(|_| open_mps())
                .or(Ok(tch::Device::Cpu)),
        };
        opened.map_err(|cause| Error::Device {
            device: self.to_string(),
            cause,
        })
    }
}

fn open_cuda(index: Option<usize>, place: usize) -> Result<tch::Device, DeviceFault> {
    load_cuda()?;
    let count = usize::try_from(Cuda::device_count()).unwrap_or_default();
    probe(tch::Device::Cuda(gpu(index, place, count)?))
}

/// The index of the GPU that was asked for, of `count`. More processes than GPUs begin with the first again,
/// and so do processes each of which is shown one GPU.
fn gpu(index: Option<usize>, place: usize, count: usize) -> Result<usize, DeviceFault> {
    match (index, count) {
        // If there is no GPU, libtorch's error says whether the driver or the GPU is missing.
        (index, 0) => Ok(index.unwrap_or(0)),
        (None, _) => Ok(place % count),
        (Some(index), _) if index < count => Ok(index),
        (_, 1) => Err(DeviceFault::Other(
            "there is 1 CUDA device, cuda:0".to_owned(),
        )),
        _ => Err(DeviceFault::Other(format!(
            "there are {count} CUDA devices, cuda:0 to cuda:{}",
            count - 1
        ))),
    }
}

fn open_mps() -> Result<tch::Device, DeviceFault> {
    if !cfg!(target_os = "macos") {
        let (os, machine) = (std::env::consts::OS, std::env::consts::ARCH);
        return Err(DeviceFault::Other(format!(
            "MPS is for Apple's GPUs, and this is {os} on {machine}"
        )));
    }
    if !tch::utils::has_mps() {
        return Err(DeviceFault::Other(
            "this libtorch or this macOS has no MPS; macOS 14 or later on Apple silicon would work"
                .to_owned(),
        ));
    }
    probe(tch::Device::Mps)
}

/// Allocates a number on the device, to find out whether it works.
fn probe(device: tch::Device) -> Result<tch::Device, DeviceFault> {
    match Tensor::f_zeros([1], (Kind::Float, device)) {
        Ok(_) => Ok(device),
        Err(error) => match Error::from(error) {
            Error::Libtorch(reason) => Err(DeviceFault::Other(reason)),
            other => Err(DeviceFault::Other(other.to_string())),
        },
    }
}

/// Loads libtorch's CUDA parts from beside its CPU parts, once.
pub(crate) fn load_cuda() -> Result<(), DeviceFault> {
    static LOADED: OnceLock<Result<(), DeviceFault>> = OnceLock::new();
    LOADED.get_or_init(load_cuda_parts).clone()
}

#[cfg(target_os = "linux")]
fn load_cuda_parts() -> Result<(), DeviceFault> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

    // The bare name would find a library in LD_LIBRARY_PATH, which may not fit the libtorch_cpu that
    // is loaded.
    let file = folder_of_libtorch()
        .ok_or_else(|| DeviceFault::NoCudaParts("the place of libtorch is unknown".to_owned()))?
        .join("libtorch_cuda.so");
    // SAFETY: loading runs only the initialisers of libtorch's own library.
    match unsafe { Library::open(Some(&file), RTLD_NOW | RTLD_GLOBAL) } {
        Ok(library) => {
            // The backend stays registered, so the library must never be unloaded.
            std::mem::forget(library);
            Ok(())
        }
        Err(error) => Err(DeviceFault::NoCudaParts(reason(&error))),
    }
}

/// What the system says of a library.
#[cfg(any(target_os = "linux", feature = "distributed"))]
pub(crate) fn reason(error: &libloading::Error) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), ToString::to_string)
}

/// The folder of the libtorch_cpu that this process has loaded.
#[cfg(target_os = "linux")]
fn folder_of_libtorch() -> Option<std::path::PathBuf> {
    use std::ffi::{CStr, OsStr};
    use std::os::unix::ffi::OsStrExt;

    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    let function = aoti_torch_abi_version as *const libc::c_void;
    // SAFETY: dladdr fills in the library that holds the function; the name is a C string that lives
    // as long as the library.
    let name = unsafe {
        if libc::dladdr(function, info.as_mut_ptr()) == 0 {
            return None;
        }
        let name = info.assume_init().dli_fname;
        if name.is_null() {
            return None;
        }
        CStr::from_ptr(name)
    };
    let library = std::path::Path::new(OsStr::from_bytes(name.to_bytes()));
    library.parent().map(std::path::Path::to_owned)
}

#[cfg(not(target_os = "linux"))]
fn load_cuda_parts() -> Result<(), DeviceFault> {
    Err(DeviceFault::Other(format!(
        "libtorch has no CUDA parts for {}",
        std::env::consts::OS
    )))
}

unsafe extern "C" {
    /// Part of libtorch's stable C interface: major, minor and patch in the three top bytes.
    safe fn aoti_torch_abi_version() -> u64;
}

/// The version of the libtorch that is linked, such as `2.13.0`.
pub fn libtorch_version() -> String {
    let [major, minor, patch, ..] = aoti_torch_abi_version().to_be_bytes();
    format!("{major}.{minor}.{patch}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_parsed_and_written_alike() {
        for name in ["cpu", "cuda", "cuda:0", "cuda:3", "mps", "auto"] {
            assert_eq!(name.parse::<DeviceRequest>().unwrap().to_string(), name);
        }
        for name in ["", "gpu", "cuda:", "cuda:-1", "CUDA", "cuda:x"] {
            assert!(name.parse::<DeviceRequest>().is_err(), "{name}");
        }
    }

    #[test]
    fn each_process_of_a_host_has_the_next_gpu_unless_one_is_named() {
        for (index, place, count, expected) in [
            (None, 0, 4, 0),
            (None, 3, 4, 3),
            (None, 5, 4, 1),
            (None, 3, 1, 0),
            (Some(2), 0, 4, 2),
            (Some(2), 3, 4, 2),
            (None, 3, 0, 0),
        ] {
            assert_eq!(gpu(index, place, count).unwrap(), expected);
        }
        let fault = gpu(Some(4), 0, 4).unwrap_err().to_string();
        assert_eq!(fault, "there are 4 CUDA devices, cuda:0 to cuda:3");
        let fault = gpu(Some(1), 1, 1).unwrap_err().to_string();
        assert_eq!(fault, "there is 1 CUDA device, cuda:0");
    }

    /// The bare name once found whatever `LD_LIBRARY_PATH` had.
    #[cfg(target_os = "linux")]
    #[test]
    fn libtorch_is_known_by_the_folder_that_it_was_loaded_from() {
        let folder = folder_of_libtorch().unwrap();
        assert!(folder.join("libtorch_cpu.so").is_file(), "{folder:?}");
    }

    #[test]
    fn the_linked_libtorch_is_the_one_that_tch_is_made_for() {
        assert_eq!(libtorch_version(), "2.13.0");
    }
}
