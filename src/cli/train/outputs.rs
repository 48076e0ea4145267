//! The files that `makemore-tch train` writes: what must not be overwritten, found out before any
//! work, and how they are written after it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use makemore_tch::files::{Output, check_distinct};
use makemore_tch::{Checkpoint, Counted, Error, plots};
use serde::Serialize;

/// What helps where a file is in the way.
const CHOOSE: &str =
    "not overwritten; choose another file with --out, or overwrite it with --force";

/// Where the results of a training go.
#[derive(Debug)]
pub struct Outputs {
    checkpoint: Output,
    /// The checkpoints that are there, unless they may be overwritten whatever they are.
    previous: Vec<(PathBuf, Checkpoint)>,
    force: bool,
    /// What it takes to go on with the training.
    last: Option<Output>,
    metrics: Option<Metrics>,
    plot: Option<Output>,
}

/// The losses as CSV.
#[derive(Debug)]
struct Metrics {
    output: Output,
    /// Those before this training, with the names of the columns.
    before: String,
}

impl Metrics {
    /// The last epoch or step before this training.
    fn last(&self) -> Option<u64> {
        let line = self.before.lines().last()?;
        line.split(',').next()?.parse().ok()
    }
}

/// What the user asked for.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub out: &'a Path,
    pub force: bool,
    pub resume: Option<&'a Path>,
    /// Where what it takes to go on is saved, if it is a file of its own.
    pub last: Option<&'a Path>,
    /// The first line of the losses as CSV.
    pub columns: &'static str,
    pub metrics: Option<&'a Path>,
    pub plot: Option<&'a Path>,
    pub data: Vec<&'a Path>,
}

impl Outputs {
    /// Finds out what cannot be written or must not be overwritten.
    pub fn check(request: Request) -> anyhow::Result<Self> {
        let pictures_and_figures: Vec<&Path> =
            request.plot.into_iter().chain(request.metrics).collect();
        let mut all = vec![request.out];
        all.extend(request.last);
        all.extend(&pictures_and_figures);
        check_distinct(&all, &request.data)?;
        // The checkpoint that is resumed may be replaced, but by nothing else.
        let resume: Vec<&Path> = request.resume.into_iter().collect();
        check_distinct(&pictures_and_figures, &resume)?;

        let name = request.out.to_string_lossy().to_lowercase();
        if name.trim_end_matches(".gz").ends_with(".arpa") {
            let file = request.out.display();
            bail!(
                "{file}: a checkpoint is no ARPA file; train to another name, of which `makemore-tch export {file}` makes one"
            );
        }
        let checkpoint = Output::check(request.out)?;
        let plot = request.plot.map(plots::check).transpose()?;
        let metrics = request.metrics.map(Output::check).transpose()?;
        let last = request.last.map(Output::check).transpose()?;
        let mut previous = Vec::new();
        if !request.force {
            // A stray file of the second name is not overwritten either.
            for output in last
                .iter()
                .chain([&checkpoint])
                .filter(|output| output.exists())
            {
                let path = output.path();
                previous.push((path.to_owned(), load_previous(path)?));
            }
        }
        let metrics = metrics.map(|output| {
            let mut before = request.columns.to_owned();
            if output.exists() && !(request.force && request.resume.is_none()) {
                let there = read_metrics(output.path(), request.columns)?;
                if request.resume.is_some() {
                    before = there;
                }
            }
            anyhow::Ok(Metrics { output, before })
        });
        Ok(Self {
            checkpoint,
            previous,
            force: request.force,
            last,
            metrics: metrics.transpose()?,
            plot,
        })
    }

    /// Refuses to overwrite the checkpoint of another list, or of another kind of model.
    pub fn check_list(&self, data: &Counted, kind: &str) -> anyhow::Result<()> {
        for (file, previous) in &self.previous {
            check_previous(file, previous, data, kind)?;
        }
        Ok(())
    }

    /// Refuses to append losses to others than those up to the last epoch or step that was made.
    pub fn check_metrics(&self, made: Option<u64>, unit: &str) -> anyhow::Result<()> {
        let Some(metrics) = self
            .metrics
            .as_ref()
            .filter(|metrics| metrics.output.exists())
        else {
            return Ok(());
        };
        if metrics.last() == made {
            return Ok(());
        }
        let told = |number: Option<u64>| match number {
            Some(number) => format!("{unit} {number}"),
            None => "the beginning".to_owned(),
        };
        bail!(
            "{}: it ends with {}, but the training goes on after {}; name another file with --metrics",
            metrics.output.path().display(),
            told(metrics.last()),
            told(made)
        )
    }

    /// Saves the checkpoint and returns where.
    pub fn save(&self, checkpoint: &Checkpoint) -> anyhow::Result<PathBuf> {
        self.write(&self.checkpoint, &checkpoint.to_bytes()?)
    }

    /// Saves what it takes to go on with the training, and returns where.
    pub fn save_last(&self, checkpoint: &Checkpoint) -> anyhow::Result<Option<PathBuf>> {
        let Some(last) = &self.last else {
            return Ok(None);
        };
        self.write(last, &checkpoint.to_bytes()?).map(Some)
    }

    /// Writes a file and returns where: where it belongs or, if another program has written there
    /// in the meantime, beside it.
    fn write(&self, output: &Output, contents: &[u8]) -> anyhow::Result<PathBuf> {
        let replaced = match self.force {
            true => output.replace(contents),
            false => output.replace_unchanged(contents),
        };
        match replaced {
            Err(Error::Changed { .. }) => Ok(output.write_beside(contents)?),
            replaced => Ok(replaced.map(|()| output.path().to_owned())?),
        }
    }

    /// Says where files are that could not be written where they belong; `written` are all that
    /// were, the checkpoint first, then what it takes to go on, the losses and the picture.
    pub fn check_displaced(&self, written: &[PathBuf]) -> anyhow::Result<()> {
        let belong = [
            Some(&self.checkpoint),
            self.last.as_ref(),
            self.metrics.as_ref().map(|metrics| &metrics.output),
            self.plot.as_ref(),
        ];
        let belong = belong.into_iter().flatten().map(Output::path);
        let are = written.iter().map(PathBuf::as_path);
        let displaced: Vec<String> = belong
            .zip(are)
            .filter(|(belongs, is)| belongs != is)
            .map(|(belongs, is)| {
                format!(
                    "{} was written by another program in the meantime; ours was saved to {} instead",
                    belongs.display(),
                    is.display()
                )
            })
            .collect();
        match displaced.is_empty() {
            true => Ok(()),
            false => bail!("{}", displaced.join("; ")),
        }
    }

    /// Writes the losses, each a row, if they are wanted; returns where.
    pub fn write_metrics(
        &self,
        rows: impl IntoIterator<Item = impl Serialize>,
    ) -> anyhow::Result<Option<PathBuf>> {
        let Some(Metrics { output, before }) = &self.metrics else {
            return Ok(None);
        };
        let mut csv = csv::WriterBuilder::new()
            .has_headers(false)
            .from_writer(before.clone().into_bytes());
        for row in rows {
            csv.serialize(row)?;
        }
        let bytes = csv.into_inner().map_err(|error| error.into_error())?;
        self.write(output, &bytes).map(Some)
    }

    /// Draws the picture, if one is wanted; returns where.
    pub fn write_plot(&self, drawing: &impl plots::Drawing) -> anyhow::Result<Option<PathBuf>> {
        let Some(plot) = &self.plot else {
            return Ok(None);
        };
        let picture = plots::draw(plot.path(), (1200, 750), drawing)?;
        Ok(Some(self.write(plot, &picture)?))
    }
}

/// Refuses to overwrite the checkpoint of another list, or of another kind of model.
fn check_previous(
    file: &Path,
    previous: &Checkpoint,
    data: &Counted,
    kind: &str,
) -> anyhow::Result<()> {
    let file = file.display();
    if previous.data != data.digest {
        bail!(
            "{file}: trained on another list ({}) than {} ({}); {CHOOSE}",
            previous.data,
            data.origin,
            data.digest
        );
    }
    let there = previous.model.kind();
    if there != kind {
        bail!("{file}: a model of type {there} is there; {CHOOSE}");
    }
    if previous.model.vocabulary() != data.counts.vocabulary() {
        bail!(
            "{file}: its words begin and end with {:?}, not with {:?}; {CHOOSE}",
            previous.model.vocabulary().boundary(),
            data.counts.vocabulary().boundary()
        );
    }
    Ok(())
}

/// The checkpoint that would be overwritten.
fn load_previous(out: &Path) -> anyhow::Result<Checkpoint> {
    match Checkpoint::load(out) {
        Ok(previous) => Ok(previous),
        Err(fault @ (Error::NotACheckpoint { .. } | Error::Checkpoint { .. })) => {
            bail!("{fault}; {CHOOSE}")
        }
        Err(error) => Err(error.into()),
    }
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
            "{}: not a list of losses, so it is neither overwritten nor appended to; name another file with --metrics",
            file.display()
        );
    }
    if !before.ends_with('\n') {
        before.push('\n');
    }
    Ok(before)
}
