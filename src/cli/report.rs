//! Errors in one line: what happened, and a hint at an argument or a script, which the library does
//! not know.

use std::borrow::Cow;
use std::io::{self, Write};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use makemore_tch::data::words::BOUNDARY;
use makemore_tch::error::{DeviceFault, LineFault};
use makemore_tch::{Error, Words};

use super::guesses;
use super::output::tell;
use super::typed::columns_typed;

/// The exit status for a faulty command line, as clap's.
const USAGE: u8 = 2;

/// Prints a command's error to standard error and returns the exit status.
pub fn report(result: anyhow::Result<u8>) -> u8 {
    match result {
        Ok(status) => status,
        // A closed pipe (`… | head`) is success, as for other Unix programs.
        Err(error) if is_closed_pipe(&error) => 0,
        Err(error) => {
            tell(&line(&error));
            1
        }
    }
}

/// An error with its hint in one line.
fn line(error: &anyhow::Error) -> String {
    let hint = error.downcast_ref().and_then(|error| match error {
        Error::Line {
            fault: LineFault::Tab(columns),
            ..
        } => Some(Cow::from(format!(
            "--columns {} would read its columns, --skip-bad-lines leaves such lines out",
            columns_typed(columns)
        ))),
        Error::Word { word, .. } => guesses::list(word).map(Cow::from),
        Error::PictureFormat { file } => guesses::list(&file.to_string_lossy()).map(Cow::from),
        error => hint(error).map(Cow::from),
    });
    let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
    // An I/O error alone is that of standard output; those of files have the file's name before them.
    let is_results = error.chain().count() == 1 && error.is::<io::Error>();
    let written = if is_results {
        "cannot write to standard output: "
    } else {
        ""
    };
    format!("error: {written}{error:#}{hint}")
}

/// Prints the fault of a command line in one line, or the help that it asks for, and returns the exit
/// status.
pub fn explain(error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        let printed = error.print().and_then(|()| io::stdout().flush());
        return report(printed.map(|()| 0).map_err(anyhow::Error::from));
    }
    // Without a command, the whole help is printed, since it lists the commands.
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
    } else {
        tell(&usage_line(error));
    }
    USAGE
}

/// The fault of a command line in one line.
fn usage_line(error: &clap::Error) -> String {
    let message = error.render().to_string();
    let line = match error.kind() {
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            message.split("\n\n").next().unwrap_or_default().to_owned()
        }
        _ => {
            let fault = message.split("\n\nUsage:").next().unwrap_or_default();
            let mut fault_and_tips: Vec<&str> = fault.split("\n  tip: ").map(str::trim).collect();
            let hint = usage_hint(error);
            match &hint {
                // What looks similar is something else.
                Some(_) => fault_and_tips.truncate(1),
                None => fault_and_tips.push("--help shows how it is used"),
            }
            fault_and_tips.extend(hint.as_deref());
            fault_and_tips.join("; ")
        }
    };
    let words: Vec<&str> = line.split_whitespace().collect();
    words.join(" ")
}

/// A hint for a command line that is not understood, if it is a natural guess.
fn usage_hint(error: &clap::Error) -> Option<String> {
    let typed = |context| match error.get(context) {
        Some(ContextValue::String(typed)) => Some(typed.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::UnknownArgument => typed(ContextKind::InvalidArg).and_then(guesses::of_argument),
        ErrorKind::InvalidSubcommand => {
            typed(ContextKind::InvalidSubcommand).and_then(guesses::of_command)
        }
        _ => None,
    }
}

pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// A hint for an error of the library.
fn hint(error: &Error) -> Option<&'static str> {
    let is_lecture = |list: &str| {
        let lecture = Words::lecture(BOUNDARY);
        lecture.is_ok_and(|names| names.digest().to_string() == list)
    };
    match error {
        Error::Line { fault, .. } => line_hint(fault),
        Error::Token { .. } => Some("choose another with --boundary CHAR"),
        Error::NotACheckpoint { .. } | Error::NotAModel { .. } => {
            Some("`makemore-tch train` writes one")
        }
        Error::OtherList { wanted, .. } | Error::OtherData { wanted, .. } if is_lecture(wanted) => {
            Some("leave --data out for the built-in names")
        }
        Error::OtherList { wanted, found, .. } | Error::OtherData { wanted, found, .. }
            if wanted == found =>
        {
            Some("leave --columns out, or pass that list with --data FILE")
        }
        Error::OtherList { .. } | Error::OtherData { .. } => {
            Some("pass that list with --data FILE")
        }
        Error::EmptyShare { .. } => {
            Some("choose another --split, or name lists with --dev and --test")
        }
        Error::DoubledPart { part: "dev", .. } => Some("leave --split or --dev out"),
        Error::DoubledPart { .. } => Some("leave --split or --test out"),
        Error::OtherSplit { .. } => Some("leave --split and --split-seed out"),
        Error::OtherPart { part, was } => Some(match (*part, was) {
            ("dev", Some(_)) => "name that list with --dev",
            ("dev", None) => "leave --dev out",
            (_, Some(_)) => "name that list with --test",
            (_, None) => "leave --test out",
        }),
        Error::EmptyPart { .. } => Some("train it with another --split"),
        Error::Memory { .. } | Error::ModelMemory { .. } | Error::StepMemory { .. } => {
            Some("--memory SIZE sets how much may be used")
        }
        Error::SameFile { .. } => Some("name different files"),
        Error::Device { cause, .. } => device_hint(cause),
        _ => None,
    }
}

/// A hint for a line that is no word.
fn line_hint(fault: &LineFault) -> Option<&'static str> {
    Some(match fault {
        LineFault::Token(_) => {
            "choose it with --boundary CHAR, or leave such lines out with --skip-bad-lines"
        }
        LineFault::Utf8 | LineFault::Encoding => {
            "--encoding latin1 (or its own, such as shift_jis) reads it, --skip-bad-lines leaves such lines out"
        }
        LineFault::Count(_) => {
            "a first line with names is read by --columns NAME,COUNT, other lines are left out by --skip-bad-lines"
        }
        LineFault::Control('\0') => {
            "--encoding utf-16le (or utf-16be) reads texts that have such bytes beside each letter, --skip-bad-lines leaves such lines out"
        }
        LineFault::Control('\u{80}'..='\u{9f}') => {
            "if the list is in another encoding, --encoding NAME (such as shift_jis) reads it; --skip-bad-lines leaves such lines out"
        }
        LineFault::Control('\t') => {
            "--columns 1 (or 2 …) reads one of several columns, --skip-bad-lines leaves such lines out"
        }
        LineFault::Header => "--columns with numbers reads files without such a line",
        LineFault::Control(_)
        | LineFault::TooLong(_)
        | LineFault::Column { .. }
        | LineFault::LargeCount(_) => "--skip-bad-lines leaves such lines out",
        LineFault::Memory(_) => "--memory SIZE sets how much may be used",
        LineFault::Tab(_) | LineFault::TooManyCharacters(_) | LineFault::Unknown(_) => return None,
    })
}

/// A hint for a device that cannot be used.
pub fn device_hint(fault: &DeviceFault) -> Option<&'static str> {
    match fault {
        DeviceFault::NoCudaParts(_) => Some("install them with scripts/setup.sh --cuda"),
        DeviceFault::Other(_) => None,
    }
}
