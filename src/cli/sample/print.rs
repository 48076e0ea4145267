//! The results of `sample`, on standard output or in a file.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use makemore_tch::data::search;
use makemore_tch::files::{Output, check_distinct};
use makemore_tch::sample::Constrained;
use makemore_tch::{Result, Sampler, ScoredName, Source};
use serde::Serialize;

use crate::cli::output::{self, Remarks};
use crate::cli::outputs::new_file;
use crate::cli::progress;

#[derive(Serialize)]
struct SampleDocument<'a> {
    seed: u64,
    names: Vec<SampledWord<'a>>,
}

#[derive(Serialize)]
struct SampledWord<'a> {
    #[serde(flatten)]
    scored: &'a ScoredName,
    /// "data", or null for a new word; left out if there is no list.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    place: Option<Option<&'static str>>,
}

/// Where the results go.
pub struct Results {
    /// A new file; standard output if there is none.
    out: Option<Output>,
    pub remarks: Remarks,
}

impl Results {
    /// Results for a file, if one is named, that is none of the inputs.
    pub fn to(
        out: Option<&Path>,
        force: bool,
        inputs: &[&Path],
        remarks: Remarks,
    ) -> anyhow::Result<Self> {
        let check = |out: &Path| {
            check_distinct(&[out], inputs)?;
            new_file(out, force)
        };
        let out = out.map(check).transpose()?;
        Ok(Self { out, remarks })
    }

    /// Prints words as they are drawn, one a line.
    pub fn drawn(&self, sampler: &mut Sampler, number: u64) -> anyhow::Result<()> {
        let mut drawn = 0;
        self.watched(number, |on_found| {
            self.each(|line| {
                if drawn == number {
                    return Ok(false);
                }
                drawn += 1;
                // To tell of each would take as long as to draw it.
                if drawn.is_multiple_of(1024) {
                    on_found(drawn);
                }
                sampler.append_to(line).map(|()| true)
            })
        })
    }

    /// Whether they go to a file, which is not replaced by nothing.
    pub fn is_file(&self) -> bool {
        self.out.is_some()
    }

    /// Prints words as they are found, one a line.
    pub fn found<W: Iterator<Item = Result<String>>>(
        &self,
        words: &mut Constrained<W>,
        number: u64,
    ) -> anyhow::Result<()> {
        let mut found = 0;
        self.watched(number, |on_found| {
            self.each(|line| {
                let word = words.next().transpose()?;
                line.push_str(word.as_deref().unwrap_or_default());
                found += 1;
                on_found(found);
                Ok(word.is_some())
            })
        })
    }

    /// Shows a bar beside words that do not go to the terminal themselves.
    fn watched<T>(&self, number: u64, work: impl FnOnce(&mut dyn FnMut(u64) -> bool) -> T) -> T {
        let is_seen = self.out.is_none() && io::stdout().is_terminal();
        progress::of_words(number, self.remarks.quiet || is_seen, work)
    }

    /// Prints words one a line while `next` appends one to an empty line. Those before an error stay.
    fn each(&self, mut next: impl FnMut(&mut String) -> Result<bool>) -> anyhow::Result<()> {
        let (mut words, mut end) = (0_u64, Ok(()));
        let mut write = |to: &mut dyn Write| {
            let mut line = String::new();
            loop {
                line.clear();
                match next(&mut line) {
                    Ok(true) => words += 1,
                    Ok(false) => return to.flush(),
                    Err(error) => {
                        end = Err(error);
                        // A file is not replaced by nothing.
                        let is_none = words == 0 && self.out.is_some();
                        return if is_none {
                            Err(io::ErrorKind::Other.into())
                        } else {
                            to.flush()
                        };
                    }
                }
                line.push('\n');
                to.write_all(line.as_bytes())?;
            }
        };
        let written = match &self.out {
            None => write(&mut output::results()).map_err(anyhow::Error::from),
            Some(out) => self
                .wrote(out.replace_by(|file| write(&mut BufWriter::with_capacity(1 << 16, file)))),
        };
        if words == 0 {
            end?;
            return written;
        }
        written?;
        Ok(end?)
    }

    /// Prints one document; of a list it says which words are in it.
    pub fn document(
        &self,
        seed: u64,
        names: &[ScoredName],
        source: Option<&Source>,
    ) -> anyhow::Result<()> {
        let all = names.iter().map(|name| name.name.as_str());
        let known = source
            .map(|source| search::known(source, all))
            .transpose()?;
        let known = known.as_ref();
        let words = names.iter().map(|scored| SampledWord {
            place: known.map(|known| known.contains(&*scored.name).then_some("data")),
            scored,
        });
        let document = SampleDocument {
            seed,
            names: words.collect(),
        };
        match &self.out {
            None => output::json(&document),
            Some(out) => {
                let text = serde_json::to_string(&document)? + "\n";
                self.wrote(out.replace(text.as_bytes()))
            }
        }
    }

    /// Prints a line for each word.
    pub fn lines(&self, mut words: impl Iterator<Item = String>) -> anyhow::Result<()> {
        self.each(|line| {
            let word = words.next();
            line.push_str(word.as_deref().unwrap_or_default());
            Ok(word.is_some())
        })
    }

    /// Tells the user that the file was written.
    fn wrote(&self, written: Result<()>) -> anyhow::Result<()> {
        written?;
        if let Some(out) = &self.out {
            self.remarks
                .say(format_args!("wrote {}", out.path().display()));
        }
        Ok(())
    }
}
