//! The command line: whatever is typed is parsed or refused with a message.
//!
//! An input is the arguments after the program's name, with a zero byte between one and the next.
//! The modules are the program's own: its library knows no command line.
#![no_main]
#![allow(dead_code, reason = "nothing is run")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use clap::Parser;
use libfuzzer_sys::fuzz_target;

#[path = "../../../src/cli/mod.rs"]
mod cli;

fuzz_target!(|data: &[u8]| {
    let typed = data.split(|&byte| byte == 0).map(OsStr::from_bytes);
    let words = [OsStr::new("makemore-tch")].into_iter().chain(typed);
    if let Err(error) = cli::Arguments::try_parse_from(words) {
        let _ = error.render().to_string();
    }
});
