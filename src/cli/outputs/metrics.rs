//! The losses of a training as CSV.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Serialize;

use super::place::Place;
use super::request::Request;

/// The losses as CSV.
#[derive(Debug)]
pub struct Metrics {
    pub place: Place,
    /// The names of the columns, and the lines of the resumed training.
    before: String,
}

impl Metrics {
    pub fn check(path: &Path, request: &Request) -> anyhow::Result<Self> {
        let place = Place::check(path)?;
        let mut before = request.columns.to_owned();
        if place.output.exists() && !(request.force && request.resume.is_none()) {
            let there = read_metrics(path, request.columns)?;
            if request.resume.is_some() {
                before = there;
            }
        }
        Ok(Self { place, before })
    }

    /// Prepares to append losses to those in the file, see `Outputs::resume_metrics`.
    pub fn resume(
        &mut self,
        made: Option<u64>,
        rows: Option<(&[impl Serialize], u64)>,
        unit: &str,
    ) -> anyhow::Result<()> {
        let number = |line: &str| line.split(',').next()?.parse().ok();
        let mut lines = self.before.lines();
        let columns = lines.next().unwrap_or_default().to_owned() + "\n";
        let last: Option<u64> = lines.clone().last().and_then(number);
        let is_ours = match rows {
            None => last == made,
            Some((rows, first)) => {
                let ours = csv_of(rows)?;
                let begins = lines
                    .clone()
                    .next()
                    .is_none_or(|line| number(line) == Some(first));
                begins && lines.zip(ours.lines()).all(|(there, ours)| there == ours)
            }
        };
        if self.place.output.exists() && !is_ours {
            let told = |number: Option<u64>| match number {
                Some(number) => format!("{unit} {number}"),
                None => "the beginning".to_owned(),
            };
            let of_another = if rows.is_some() {
                " of another training"
            } else {
                ""
            };
            bail!(
                "{}: it ends with {}{of_another}, but the training goes on after {}; name another file with --metrics",
                self.place.named.display(),
                told(last),
                told(made)
            );
        }
        if rows.is_some() {
            self.before = columns;
        }
        Ok(())
    }

    /// Drops the lines after an epoch, if the loss of the checkpoint shows that they are of the same
    /// training. A checkpoint that was saved during training has the loss before its last update, which
    /// is in the line of `epoch`; one saved at the end has the loss after it, which is in the next line.
    pub fn cut_behind(&mut self, epoch: u64, loss: f64) -> anyhow::Result<()> {
        for (epoch, is_next) in [(epoch, false), (epoch + 1, true)] {
            let line = "\n".to_owned() + &csv_of(&[(epoch, loss)])?;
            if let Some(place) = self.before.find(&line) {
                let end = if is_next { 1 } else { line.len() };
                self.before.truncate(place + end);
            }
        }
        Ok(())
    }

    /// Writes the earlier lines, then the rows.
    pub fn write(&mut self, rows: &[impl Serialize], force: bool) -> anyhow::Result<()> {
        let csv = self.before.clone() + &csv_of(rows)?;
        Ok(self.place.write(csv.as_bytes(), force)?)
    }
}

/// Rows as lines of CSV.
fn csv_of(rows: &[impl Serialize]) -> anyhow::Result<String> {
    let mut csv = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(Vec::new());
    for row in rows {
        csv.serialize(row)?;
    }
    let bytes = csv.into_inner().map_err(|error| error.into_error())?;
    Ok(String::from_utf8(bytes)?)
}

/// The losses of an earlier training.
fn read_metrics(file: &Path, columns: &str) -> anyhow::Result<String> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut before = String::from_utf8_lossy(&bytes).into_owned();
    if before.is_empty() {
        return Ok(columns.to_owned());
    }
    if !before.starts_with(columns) {
        bail!(
            "{}: not a list of losses with the columns {}, so it is neither overwritten nor appended to; name another file with --metrics",
            file.display(),
            columns.trim_end()
        );
    }
    if !before.ends_with('\n') {
        before.push('\n');
    }
    Ok(before)
}

#[cfg(test)]
mod tests {
    use makemore_tch::checkpoint::Checkpoint;

    use crate::cli::testing::Folder;

    #[test]
    fn a_resumed_training_appends_its_metrics_and_keeps_a_seed() {
        let folder = Folder::new();
        folder.write("notes.svg", "do not lose me");
        folder.stdout("train --epochs 20 --metrics whole.csv --out whole.safetensors");
        folder.stdout("train --epochs 8 --metrics parts.csv --out parts.safetensors");
        folder.stdout("train --resume parts.safetensors --epochs 12 --metrics parts.csv --seed 7");
        assert_eq!(folder.read("parts.csv"), folder.read("whole.csv"));
        let checkpoint = Checkpoint::load(&folder.path("parts.safetensors")).unwrap();
        assert_eq!(checkpoint.seed, 7);

        // Losses that are ahead of the network, as a kill leaves them, are made again.
        folder.stdout("train --epochs 8 --out other.safetensors");
        let resume = "train --resume other.safetensors --epochs 12 --metrics";
        folder.stdout(&format!("{resume} parts.csv --out again.safetensors"));
        assert_eq!(folder.read("parts.csv"), folder.read("whole.csv"));
        // Those of another training are not.
        folder.write("foreign.csv", "epoch,loss\n8,2.5\n19,2.5\n");
        let error = folder.error(&format!("{resume} foreign.csv"), 1);
        assert!(
            error.contains(
                "foreign.csv: it ends with epoch 19, but the training goes on after epoch 7"
            ),
            "{error}"
        );
        folder.write("notes.txt", "do not lose me");
        for arguments in ["--resume parts.safetensors", "--out new.safetensors"] {
            let error = folder.error(&format!("train {arguments} --metrics notes.txt"), 1);
            assert!(error.contains("notes.txt: not a list of losses"), "{error}");
        }
        let error = folder.error("train --out new.safetensors --plot notes.svg", 1);
        assert!(
            error.contains("notes.svg: there is a file that is no picture"),
            "{error}"
        );
        let error = folder.error("train --resume parts.safetensors --metrics notes.txt", 1);
        assert!(
            error.contains(
                "notes.txt: not a list of losses with the columns epoch,loss, so it is neither"
            ),
            "{error}"
        );
        assert_eq!(folder.read("notes.txt"), b"do not lose me");
    }

    #[test]
    fn no_epochs_write_the_header_of_the_metrics() {
        let folder = Folder::new();
        folder.stdout("train --epochs 0 --metrics losses.csv");
        assert_eq!(folder.read("losses.csv"), b"epoch,loss\n");
    }
}
