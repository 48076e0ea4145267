//! The program: parses the command line, runs a command, reports its error. Everything that a
//! second program would want is in the library.

mod arguments;
mod commands;
mod output;
mod progress;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use makemore_tch::Error;
use makemore_tch::error::LineFault;

use crate::arguments::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::try_parse().unwrap_or_else(|error| exit(&error));
    match commands::run(arguments) {
        Ok(code) => code,
        // Whoever reads our output has enough of it, as `head` does after ten lines.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let hint = error.downcast_ref().and_then(hint);
            let separator = if hint.is_some() { ": " } else { "" };
            let hint = hint.unwrap_or_default();
            // With standard error closed too there is nobody left to tell.
            let _ = writeln!(io::stderr(), "error: {error:#}{separator}{hint}");
            ExitCode::FAILURE
        }
    }
}

/// A value that cannot be used gets one line; everything else is clap's to say.
fn exit(error: &clap::Error) -> ! {
    if let ErrorKind::InvalidValue | ErrorKind::ValueValidation = error.kind() {
        let message = error.render().to_string();
        let first = message.split("\n\n").next().unwrap_or_default();
        let line: Vec<&str> = first.lines().map(str::trim).collect();
        // With standard error closed too there is nobody left to tell.
        let _ = writeln!(io::stderr(), "{}", line.join(" "));
        std::process::exit(error.exit_code());
    }
    error.exit()
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
