//! The program: parses the command line, runs a command, reports its error. Everything else that
//! another program could use is in the library.

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
    // Skips libtorch's destructors, which take a tenth of a second. Our files are written and closed.
    signal_hook::low_level::exit(status.into())
}
