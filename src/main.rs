//! The program: parses the command line, runs a command, reports its error. Everything that a
//! second program would want is in the library.

mod arguments;
mod commands;
mod output;
mod progress;

use std::io::{self, Write};

use clap::Parser;
use clap::error::ErrorKind;
use makemore_tch::Error;
use makemore_tch::error::LineFault;

use crate::arguments::Arguments;

/// The status of an argument that makes no sense, as clap has it.
const USAGE: u8 = 2;

fn main() {
    let status = match Arguments::try_parse() {
        Ok(arguments) => report(commands::run(arguments)),
        Err(error) => explain(&error),
    };
    let _ = io::stdout().flush();
    // At a usual exit libtorch would take its thousands of operators apart again, one by one, for
    // a tenth of a second. Everything of ours is written and closed.
    signal_hook::low_level::exit(status.into())
}

/// The exit status of a command; its error goes to standard error.
fn report(result: anyhow::Result<u8>) -> u8 {
    let error = match result {
        Ok(status) => return status,
        // Whoever reads our output has enough of it, as `head` has after ten lines.
        Err(error) if is_closed_pipe(&error) => return 0,
        Err(error) => error,
    };
    let hint = error.downcast_ref().and_then(hint);
    let separator = if hint.is_some() { ": " } else { "" };
    let hint = hint.unwrap_or_default();
    // With standard error closed too there is nobody left to tell.
    let _ = writeln!(io::stderr(), "error: {error:#}{separator}{hint}");
    1
}

/// A value that cannot be used gets one line; everything else is clap's to say, also the help.
fn explain(error: &clap::Error) -> u8 {
    if let ErrorKind::InvalidValue | ErrorKind::ValueValidation = error.kind() {
        let message = error.render().to_string();
        let first = message.split("\n\n").next().unwrap_or_default();
        let line: Vec<&str> = first.lines().map(str::trim).collect();
        let _ = writeln!(io::stderr(), "{}", line.join(" "));
    } else {
        let _ = error.print();
    }
    if error.use_stderr() { USAGE } else { 0 }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// The argument that helps against an error of the library, which knows no command line.
fn hint(error: &Error) -> Option<&'static str> {
    match error {
        Error::Line {
            fault: LineFault::Boundary(_),
            ..
        } => Some("--boundary CHAR"),
        Error::EmptyRow { .. } => Some("--smoothing 1"),
        Error::Diverged { .. } => Some("--lr 50"),
        _ => None,
    }
}
