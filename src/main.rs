//! The program: parses the command line, runs a command, reports its error. Everything that a
//! second program would want is in the library.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cli;

use std::env;
use std::io::{self, Write};

fn main() {
    cli::interrupt::survive_file_size_limit();
    let status = match cli::parse(env::args_os()) {
        Ok(arguments) => cli::report::report(cli::run(arguments)),
        Err(error) => cli::report::explain(&error),
    };
    let _ = io::stdout().flush();
    // A usual exit would spend a tenth of a second on libtorch's destructors. Our files are written
    // and closed.
    signal_hook::low_level::exit(status.into())
}
