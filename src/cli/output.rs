//! Results on standard output, remarks on standard error.

use std::fmt::Display;
use std::io::{self, BufWriter, LineWriter, Write};

use clap::builder::styling::{AnsiColor, Style};
use makemore_tch::error::UnknownWords;
use makemore_tch::format::{visible, visible_json};
use serde::Serialize;

use super::progress::beside_bar;
#[cfg(test)]
use super::testing::{coloured_stdout, stderr, stdout};

/// Standard output, and whether it is a terminal.
#[cfg(not(test))]
fn stdout() -> (impl Write, bool) {
    let stdout = io::stdout();
    let is_terminal = io::IsTerminal::is_terminal(&stdout);
    (stdout, is_terminal)
}

/// Standard output, with colours where it is a terminal and `NO_COLOR` is not set.
#[cfg(not(test))]
fn coloured_stdout() -> impl Write {
    anstream::stdout()
}

/// Standard error, with colours where it is a terminal and `NO_COLOR` is not set.
#[cfg(not(test))]
fn stderr() -> impl Write {
    anstream::stderr()
}

/// The words that a line to the user may begin with, and their colours.
const LABELS: [(&str, Style); 2] = [
    ("error:", AnsiColor::Red.on_default().bold()),
    ("warning:", AnsiColor::Yellow.on_default().bold()),
];

/// Tells the user a line, in which nothing controls a terminal but the colour of its label.
pub fn tell(line: &str) {
    let line = visible(line);
    let label = LABELS.iter().find(|(label, _)| line.starts_with(label));
    let (label, style) = label.copied().unwrap_or_default();
    let rest = line.strip_prefix(label).unwrap_or(&line);
    // In one piece, as other processes write there too. It may be closed.
    let line = format!("{style}{label}{style:#}{rest}\n");
    let _ = stderr().write_all(line.as_bytes());
}

/// Standard output: line by line for a person, in large blocks for a pipe or a file.
pub fn results() -> Box<dyn Write> {
    let (stdout, is_terminal) = stdout();
    if is_terminal {
        Box::new(LineWriter::new(Visible(stdout)))
    } else {
        Box::new(BufWriter::with_capacity(1 << 16, stdout))
    }
}

/// Escapes characters that would control a terminal.
struct Visible<W>(W);

impl<W: Write> Write for Visible<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let lines: Vec<String> = text.split('\n').map(visible).collect();
        self.0.write_all(lines.join("\n").as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Prints one JSON document. On a terminal, characters that would control it are escaped.
pub fn json(document: &impl Serialize) -> anyhow::Result<()> {
    let (stdout, is_terminal) = stdout();
    let mut results = BufWriter::new(stdout);
    if is_terminal {
        let json = serde_json::to_string(document)?;
        writeln!(results, "{}", visible_json(&json))?;
    } else {
        serde_json::to_writer(&mut results, document).map_err(io::Error::from)?;
        writeln!(results)?;
    }
    Ok(results.flush()?)
}

/// Prints lines while a command works; with JSON none, as one document follows at the end. A line that
/// cannot be printed does not end the work, and [`finish`](Self::finish) returns its error. After a
/// closed pipe no more lines are printed.
#[derive(Debug)]
pub struct Printer {
    json: bool,
    printed: io::Result<()>,
}

impl Printer {
    pub fn new(json: bool) -> Self {
        Self {
            json,
            printed: Ok(()),
        }
    }

    /// A printer of a process that tells the user nothing.
    pub fn silent() -> Self {
        Self::new(true)
    }

    /// Prints a line above the bar; nothing with JSON.
    pub fn line(&mut self, line: impl Display) {
        self.print(|| {
            let mut results = results();
            writeln!(results, "{line}")?;
            results.flush()
        });
    }

    /// The same of a text of ours, which has colours.
    pub fn coloured(&mut self, text: impl Display) {
        self.print(|| {
            let mut stdout = coloured_stdout();
            stdout.write_all(format!("{text}\n").as_bytes())?;
            stdout.flush()
        });
    }

    fn print(&mut self, print: impl FnOnce() -> io::Result<()>) {
        let is_closed = |fault: &io::Error| fault.kind() == io::ErrorKind::BrokenPipe;
        if self.json || self.printed.as_ref().is_err_and(is_closed) {
            return;
        }
        let printed = beside_bar(print);
        if self.printed.is_ok() {
            self.printed = printed;
        }
    }

    /// Whether a JSON document follows.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a line could not be printed.
    pub fn has_failed(&self) -> bool {
        self.printed.is_err()
    }

    /// Returns the error of the first line that could not be printed.
    pub fn finish(self) -> io::Result<()> {
        self.printed
    }
}

/// Remarks beside the results; none with `--quiet`.
#[derive(Debug, Clone, Copy)]
pub struct Remarks {
    pub quiet: bool,
}

impl Remarks {
    pub fn say(self, remark: impl Display) {
        if !self.quiet {
            beside_bar(|| tell(&remark.to_string()));
        }
    }

    pub fn unknown_words(self, words: &UnknownWords) {
        self.say(format_args!("words left out: {words}"));
    }
}

/// An average NLL, and beside it the notes' figure for the same list.
pub fn average_nll(nll: f64, published: Option<&str>) -> String {
    match published {
        Some(published) => format!("{nll:.6} ({published} in the notes, which add in f32)"),
        None => format!("{nll:.6}"),
    }
}
