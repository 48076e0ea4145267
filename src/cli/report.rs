//! The one place where errors are told: what happened in one line, and the argument or script that
//! helps, of which the library knows nothing.

use std::io::{self, Write};

use clap::error::ErrorKind;
use makemore_tch::Error;
use makemore_tch::error::{DeviceFault, LineFault};
use makemore_tch::format::visible;

/// The status of an argument that makes no sense, as clap has it.
const USAGE: u8 = 2;

/// The exit status of a command; its error goes to standard error.
pub fn report(result: anyhow::Result<u8>) -> u8 {
    let error = match result {
        Ok(status) => return status,
        // Whoever reads our output wants no more of it, as `head` after ten lines.
        Err(error) if is_closed_pipe(&error) => return 0,
        Err(error) => error,
    };
    let hint = error.downcast_ref().and_then(hint);
    let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
    // With standard error closed too there is nobody left to tell.
    let _ = writeln!(
        io::stderr(),
        "error: {}{hint}",
        visible(&format!("{error:#}"))
    );
    1
}

/// The exit status of a command line that is none, or asks for help. A value that cannot be used
/// gets one line; everything else is clap's to say.
pub fn explain(error: &clap::Error) -> u8 {
    if let ErrorKind::InvalidValue | ErrorKind::ValueValidation = error.kind() {
        let message = error.render().to_string();
        let first = message.split("\n\n").next().unwrap_or_default();
        let line: Vec<&str> = first.lines().map(str::trim).collect();
        let _ = writeln!(io::stderr(), "{}", visible(&line.join(" ")));
        return USAGE;
    }
    if error.use_stderr() {
        let _ = error.print();
        return USAGE;
    }
    let printed = error.print().and_then(|()| io::stdout().flush());
    report(printed.map(|()| 0).map_err(anyhow::Error::from))
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// What helps against an error of the library.
fn hint(error: &Error) -> Option<&'static str> {
    match error {
        Error::Line {
            fault: LineFault::Token(_),
            ..
        } => Some("--boundary CHAR chooses another one"),
        Error::NotACheckpoint { .. } => Some("`makemore-tch train` writes one"),
        Error::SameFile { .. } => Some("name different files"),
        Error::Device { cause, .. } => device_hint(cause),
        _ => None,
    }
}

/// What helps against a device that cannot be used.
pub fn device_hint(fault: &DeviceFault) -> Option<&'static str> {
    match fault {
        DeviceFault::NoCudaParts(_) => Some("install them with scripts/setup.sh --cuda"),
        DeviceFault::Other(_) => None,
    }
}
