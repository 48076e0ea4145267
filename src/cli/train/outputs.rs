//! The files that `makemore-tch train` writes: what must not be overwritten, found out before any
//! work, and how they are written after it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use makemore_tch::files::{Output, check_distinct};
use makemore_tch::{Checkpoint, Counted, Error, plots};

use super::log::EpochLoss;

/// What helps where a file is in the way.
const CHOOSE: &str =
    "not overwritten; choose another file with --out, or overwrite it with --force";

/// The first line of the losses as CSV.
const CSV_HEADER: &str = "epoch,loss\n";

/// Where the results of a training go.
#[derive(Debug)]
pub struct Outputs {
    checkpoint: Output,
    /// The checkpoint that is there, unless it may be overwritten whatever it is.
    previous: Option<Checkpoint>,
    force: bool,
    metrics: Option<Output>,
    /// The losses before those of this training.
    metrics_before: String,
    /// The epoch that would follow them.
    metrics_next: u64,
    plot: Option<Output>,
}

/// What the user asked for.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub out: &'a Path,
    pub force: bool,
    pub resume: Option<&'a Path>,
    pub metrics: Option<&'a Path>,
    pub plot: Option<&'a Path>,
    pub data: Vec<&'a Path>,
}

impl Outputs {
    /// Finds out what cannot be written or must not be overwritten.
    pub fn check(request: Request) -> anyhow::Result<Self> {
        let pictures_and_figures: Vec<&Path> =
            request.plot.into_iter().chain(request.metrics).collect();
        let all = [&[request.out], pictures_and_figures.as_slice()].concat();
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
        let mut previous = None;
        if checkpoint.exists() && !request.force {
            previous = Some(load_previous(request.out)?);
        }
        let mut metrics_before = CSV_HEADER.to_owned();
        if let Some(metrics) = &metrics
            && metrics.exists()
            && !(request.force && request.resume.is_none())
        {
            let there = read_metrics(metrics.path())?;
            if request.resume.is_some() {
                metrics_before = there;
            }
        }
        let last = metrics_before
            .lines()
            .last()
            .and_then(|line| line.split(',').next());
        let last = last.and_then(|epoch| epoch.parse::<u64>().ok());
        Ok(Self {
            checkpoint,
            previous,
            force: request.force,
            metrics,
            metrics_before,
            metrics_next: last.map_or(0, |last| last.saturating_add(1)),
            plot,
        })
    }

    /// Refuses to overwrite the checkpoint of another list, or of another kind of model.
    pub fn check_list(&self, data: &Counted, kind: &str) -> anyhow::Result<()> {
        let Some(previous) = &self.previous else {
            return Ok(());
        };
        let file = self.checkpoint.path().display();
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

    /// Refuses to append losses to others than those before the first epoch.
    pub fn check_metrics(&self, first_epoch: u64) -> anyhow::Result<()> {
        match &self.metrics {
            Some(metrics) if metrics.exists() && self.metrics_next != first_epoch => bail!(
                "{}: epoch {} would come next in it, but the training goes on with epoch {first_epoch}; name another file with --metrics",
                metrics.path().display(),
                self.metrics_next
            ),
            _ => Ok(()),
        }
    }

    /// Saves the checkpoint and returns where.
    pub fn save(&self, checkpoint: &Checkpoint) -> anyhow::Result<PathBuf> {
        self.write(&self.checkpoint, &checkpoint.to_bytes()?)
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

    /// Says where files are that could not be written where they belong; `losses` are what
    /// [`write_losses`](Self::write_losses) returned.
    pub fn check_displaced(&self, saved: &Path, losses: &[PathBuf]) -> anyhow::Result<()> {
        let belong = [
            Some(&self.checkpoint),
            self.metrics.as_ref(),
            self.plot.as_ref(),
        ];
        let belong = belong.into_iter().flatten().map(Output::path);
        let are = [saved]
            .into_iter()
            .chain(losses.iter().map(PathBuf::as_path));
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

    /// Writes the losses of all epochs and draws them; returns where.
    pub fn write_losses(
        &self,
        losses: &[(u64, f32)],
        counting_nll: f64,
    ) -> anyhow::Result<Vec<PathBuf>> {
        let mut written = Vec::new();
        if let Some(metrics) = &self.metrics {
            let mut csv = csv::WriterBuilder::new()
                .has_headers(false)
                .from_writer(self.metrics_before.clone().into_bytes());
            for &(epoch, loss) in losses {
                let loss = f64::from(loss);
                csv.serialize(EpochLoss { epoch, loss })?;
            }
            let bytes = csv.into_inner().map_err(|error| error.into_error())?;
            written.push(self.write(metrics, &bytes)?);
        }
        written.extend(self.write_plot(&plots::LossCurve {
            losses,
            counting_nll,
        })?);
        Ok(written)
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
fn read_metrics(file: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut before = String::from_utf8_lossy(&bytes).into_owned();
    if before.is_empty() {
        return Ok(CSV_HEADER.to_owned());
    }
    if !before.starts_with(CSV_HEADER) {
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
