//! `makemore-tch devices`: what libtorch found, for those whose set-up makes trouble.

use clap::Args;
use makemore_tch::device::{self, DeviceRequest};
use serde::Serialize;

use crate::arguments::JsonArguments;
use crate::output;

/// Tell which devices can be used and, if not, why
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  makemore-tch devices")]
pub struct Devices {
    #[command(flatten)]
    json: JsonArguments,
}

#[derive(Serialize)]
struct Document {
    libtorch: String,
    threads: i32,
    devices: Vec<Found>,
}

#[derive(Serialize)]
struct Found {
    device: &'static str,
    usable: bool,
    reason: Option<String>,
}

impl Devices {
    pub fn run(self) -> anyhow::Result<()> {
        let document = Document {
            libtorch: device::libtorch_version(),
            threads: tch::get_num_threads(),
            devices: vec![
                find("cpu", DeviceRequest::Cpu),
                find("cuda", DeviceRequest::Cuda(0)),
                find("mps", DeviceRequest::Mps),
            ],
        };
        if self.json.json {
            return output::json(&document);
        }
        let mut results = output::results();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        writeln!(results, "libtorch {}", document.libtorch)?;
        writeln!(
            results,
            "threads  {} of {processors} processors",
            document.threads
        )?;
        for Found { device, reason, .. } in &document.devices {
            match reason {
                None => writeln!(results, "{device:<8} can be used")?,
                Some(reason) => writeln!(results, "{device:<8} cannot be used: {reason}")?,
            }
        }
        results.flush()?;
        Ok(())
    }
}

fn find(name: &'static str, request: DeviceRequest) -> Found {
    let reason = match request.open() {
        Ok(_) => None,
        Err(makemore_tch::Error::Device { reason, .. }) => Some(reason),
        Err(other) => Some(other.to_string()),
    };
    Found {
        device: name,
        usable: reason.is_none(),
        reason,
    }
}
