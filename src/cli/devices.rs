//! `makemore-tch devices`: the devices that can be used, and why others cannot.

use clap::Args;
use makemore_tch::counting;
use makemore_tch::distributed::Launch;
#[cfg(feature = "distributed")]
use makemore_tch::distributed::nccl_version;
use makemore_tch::error::Error;
use makemore_tch::libtorch::device::{self, DeviceRequest};
use serde::Serialize;

use super::arguments::JsonArguments;
use super::context::Context;
use super::output;
use super::report::device_hint;

/// Tell which devices can be used, and why others cannot
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  makemore-tch devices")]
pub struct Devices {
    #[command(flatten)]
    json: JsonArguments,
}

#[derive(Serialize)]
struct DevicesDocument {
    libtorch: String,
    threads: usize,
    threads_for_large_matrices: usize,
    threads_for_counting: usize,
    devices: Vec<FoundDevice>,
    processes: FoundProcesses,
}

#[derive(Serialize)]
struct FoundProcesses {
    gloo: bool,
    nccl: Option<String>,
    launcher: Option<&'static str>,
    rank: Option<usize>,
    size: Option<usize>,
}

#[derive(Serialize)]
struct FoundDevice {
    device: &'static str,
    usable: bool,
    reason: Option<String>,
}

impl Devices {
    pub fn run(self, context: Context) -> anyhow::Result<()> {
        let found = Launch::from_env();
        let launch = found.as_ref().ok().and_then(Option::as_ref);
        let nccl = nccl_version();
        let document = DevicesDocument {
            libtorch: device::libtorch_version(),
            threads: context.threads.small,
            threads_for_large_matrices: context.threads.large,
            threads_for_counting: counting::threads(),
            devices: vec![
                find("cpu", DeviceRequest::Cpu),
                find("cuda", DeviceRequest::Cuda(None)),
                find("mps", DeviceRequest::Mps),
            ],
            processes: FoundProcesses {
                gloo: cfg!(feature = "distributed"),
                nccl: nccl.as_ref().ok().cloned(),
                launcher: launch.map(|launch| launch.launcher),
                rank: launch.map(|launch| launch.rank),
                size: launch.map(|launch| launch.size),
            },
        };
        if self.json.json {
            return output::json(&document);
        }
        let mut results = output::results();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        writeln!(results, "libtorch {}", document.libtorch)?;
        writeln!(
            results,
            "threads  {} for small matrices, {} for large ones, {} to count a list; {processors} processors",
            document.threads, document.threads_for_large_matrices, document.threads_for_counting
        )?;
        for FoundDevice { device, reason, .. } in &document.devices {
            match reason {
                None => writeln!(results, "{device:<8} can be used")?,
                Some(reason) => writeln!(results, "{device:<8} cannot be used: {reason}")?,
            }
        }
        writeln!(results, "gloo     {}", gloo())?;
        writeln!(results, "nccl     {}", sums_on_gpus(&nccl))?;
        if let Some(launch) = launch {
            let place = launch.place();
            let Launch {
                rank,
                size,
                launcher,
                ..
            } = launch;
            writeln!(
                results,
                "launch   rank {rank} of {size}, which meet at {place} ({launcher})"
            )?;
        }
        if let Err(fault) = &found {
            writeln!(results, "launch   cannot be used: {fault}")?;
        }
        Ok(results.flush()?)
    }
}

/// Whether several processes can exchange numbers.
fn gloo() -> &'static str {
    match cfg!(feature = "distributed") {
        true => "can be used by several processes (--distributed)",
        false => "cannot be used: this program was built without the feature `distributed`",
    }
}

/// Whether several processes can sum on GPUs by this version of NCCL, or why not.
fn sums_on_gpus(nccl: &Result<String, String>) -> String {
    match nccl {
        Ok(version) => format!("{version} can be used by several processes with a GPU each"),
        Err(reason) => format!("cannot be used: {reason}"),
    }
}

#[cfg(not(feature = "distributed"))]
fn nccl_version() -> Result<String, String> {
    Err("it needs gloo".to_owned())
}

fn find(name: &'static str, request: DeviceRequest) -> FoundDevice {
    let reason = match request.open(0) {
        Ok(_) => None,
        Err(Error::Device { cause, .. }) => Some(match device_hint(&cause) {
            Some(hint) => format!("{cause}; {hint}"),
            None => cause.to_string(),
        }),
        Err(other) => Some(other.to_string()),
    };
    FoundDevice {
        device: name,
        usable: reason.is_none(),
        reason,
    }
}
