//! Results on standard output, words to the user on standard error.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, LineWriter, Write};

use makemore_tch::Probabilities;
use serde::Serialize;

/// Standard output: line by line for a person, in large blocks for a pipe or a file.
pub fn results() -> Box<dyn Write> {
    let stdout = io::stdout();
    if stdout.is_terminal() {
        Box::new(LineWriter::new(stdout))
    } else {
        Box::new(BufWriter::with_capacity(1 << 16, stdout))
    }
}

/// Prints one JSON document.
pub fn json(document: &impl Serialize) -> anyhow::Result<()> {
    let mut results = results();
    serde_json::to_writer(&mut results, document).map_err(io::Error::from)?;
    writeln!(results)?;
    results.flush()?;
    Ok(())
}

/// What the user is told beside the results; nothing with `--quiet`.
#[derive(Debug, Clone, Copy)]
pub struct Remarks {
    pub quiet: bool,
}

impl Remarks {
    pub fn say(self, remark: impl Display) {
        if !self.quiet {
            // With standard error closed there is nobody to tell.
            let _ = writeln!(io::stderr(), "{remark}");
        }
    }
}

/// A name with its likelihood under the counting model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoredName {
    pub name: String,
    pub likelihood: f64,
}

impl ScoredName {
    /// Scores names, the likeliest first; equal ones stay in the order drawn.
    pub fn rank(names: Vec<String>, p: &Probabilities) -> makemore_tch::Result<Vec<Self>> {
        let mut scored = Vec::with_capacity(names.len());
        for name in names {
            let likelihood = p.likelihood(&name)?.into();
            scored.push(Self { name, likelihood });
        }
        scored.sort_by(|one, other| other.likelihood.total_cmp(&one.likelihood));
        Ok(scored)
    }
}

impl Display for ScoredName {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let likelihood = makemore_tch::format::float(self.likelihood);
        write!(f, "Likelihood for {}: {likelihood}", self.name)
    }
}
