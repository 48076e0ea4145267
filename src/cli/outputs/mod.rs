//! The files that a training writes, during its work and at the end. Before any work, a training is
//! refused if it would overwrite what it must not.

mod metrics;
mod place;
mod previous;
mod request;

use std::path::{Path, PathBuf};

use anyhow::bail;
use makemore_tch::checkpoint::{Checkpoint, Model};
use makemore_tch::counting::Counted;
use makemore_tch::data::SplitOf;
use makemore_tch::files::Output;
use makemore_tch::{Error, plots};
use serde::Serialize;

use metrics::Metrics;
use place::{Files, Place};
use previous::{check_previous, load_previous, parameters};
pub use request::Request;

/// Checks a file for results. One that is there is replaced with `--force` alone.
pub fn new_file(path: &Path, force: bool) -> anyhow::Result<Output> {
    let output = Output::check(path)?;
    if output.exists() && !force {
        bail!(
            "{}: there is a file, and it is not overwritten; choose another name, or overwrite it with --force",
            path.display()
        );
    }
    Ok(output)
}

/// Makes a folder for results if there is none. `option` names it.
pub fn make_folder(folder: &Path, option: &str) -> anyhow::Result<()> {
    let mut above = folder.ancestors();
    let is_other = |above: &&Path| (above.exists() || above.is_symlink()) && !above.is_dir();
    if let Some(other) = above.find(is_other) {
        let what = match other.exists() {
            true => "a file",
            false => "a link to what is not there",
        };
        bail!(
            "{} is {what}; {option} takes a folder, which is made if it is not there",
            other.display()
        );
    }
    let made = std::fs::create_dir_all(folder).map_err(|cause| Error::Write {
        file: folder.to_owned(),
        cause,
    });
    Ok(made?)
}

/// Where the results of a training go.
#[derive(Debug)]
pub struct Outputs {
    own: Files,
    /// The files that the model is saved to while `own` has a better one of the same list.
    beside: Option<Files>,
    /// Whether ours has taken the place of that model, after the user was told of it.
    has_caught_up: bool,
    /// The loss of the model in `own`; one with a higher loss does not replace it.
    floor: Option<f64>,
    /// The number of parameters of the network in `own`.
    parameters_there: Option<usize>,
    /// Whether ours, of another number, has taken its place.
    has_replaced_another: bool,
    /// Whether `own` has the model of the resumed run. Its checkpoint then stays until ours is as good;
    /// before that, only the run state has our model.
    is_resumed: bool,
    /// Whether that checkpoint stayed at the last save, so that only the run state has our model.
    is_left_alone: bool,
    /// The checkpoints that are already there; empty with `--force`, which overwrites any.
    previous: Vec<(PathBuf, Checkpoint)>,
    force: bool,
    metrics: Option<Metrics>,
    plot: Option<Place>,
}

impl Outputs {
    /// Refuses files that cannot be written or must not be overwritten.
    pub fn check(request: Request) -> anyhow::Result<Self> {
        request.check_names()?;
        let own = Files::check(request.out, request.has_state)?;
        let plot = request
            .plot
            .map(|path| anyhow::Ok(Place::of(path, plots::check(path)?)));
        let metrics = request.metrics.map(|path| Metrics::check(path, &request));
        let mut previous = Vec::new();
        if !request.force {
            // FILE.last is refused too if it is no checkpoint.
            for place in own.places().filter(|place| place.output.exists()) {
                previous.push((place.named.clone(), load_previous(&place.named)?));
            }
        }
        Ok(Self {
            own,
            beside: None,
            has_caught_up: false,
            floor: None,
            parameters_there: None,
            has_replaced_another: false,
            is_resumed: false,
            is_left_alone: false,
            previous,
            force: request.force,
            metrics: metrics.transpose()?,
            plot: plot.transpose()?,
        })
    }

    /// Refuses to overwrite the checkpoint of another list, or of another kind of model.
    pub fn check_list(&self, data: &Counted, kind: &str) -> anyhow::Result<()> {
        for (file, previous) in &self.previous {
            check_previous(file, previous, data, kind)?;
        }
        Ok(())
    }

    /// Protects a model of the same list and split that is already there until ours is as good. `loss`
    /// computes its loss; `None` if it cannot be compared with ours.
    pub fn keep_better(
        &mut self,
        split: &SplitOf,
        is_resumed: bool,
        loss: impl Fn(&Model) -> makemore_tch::Result<Option<f64>>,
    ) -> anyhow::Result<()> {
        // FILE.last has a model too. On resume it is the run's own and is not compared.
        let named = &self.own.checkpoint.named;
        for (file, there) in std::mem::take(&mut self.previous) {
            if there.split.is_same(split) && (file == *named || !is_resumed) {
                let floor = loss(&there.model)?;
                self.floor = self.floor.into_iter().chain(floor).reduce(f64::min);
                self.parameters_there = parameters(&there.model);
            }
        }
        self.is_resumed = is_resumed;
        Ok(())
    }

    /// The checkpoint as the user named it.
    pub fn path(&self) -> &Path {
        &self.own.checkpoint.named
    }

    /// Prepares to append losses to those of the resumed training, which goes on after step or epoch
    /// `made`. If the run state has the losses so far, as `rows`, the first of which is or will be of the
    /// step beside them, all are written again; the file may have more, which the training computes
    /// again. Refuses a file with losses of another training.
    pub fn resume_metrics(
        &mut self,
        made: Option<u64>,
        rows: Option<(&[impl Serialize], u64)>,
        unit: &str,
    ) -> anyhow::Result<()> {
        match &mut self.metrics {
            Some(metrics) => metrics.resume(made, rows, unit),
            None => Ok(()),
        }
    }

    /// The same for the lecture's network, whose checkpoint has epoch `made` and a loss. Losses of later
    /// epochs are dropped, since the training computes them again.
    pub fn resume_metrics_of_epochs(&mut self, made: Option<u64>, loss: f32) -> anyhow::Result<()> {
        if let (Some(metrics), Some(made)) = (&mut self.metrics, made) {
            metrics.cut_behind(made, loss.into())?;
        }
        self.resume_metrics(made, None::<(&[u64], u64)>, "epoch")
    }

    /// Saves a checkpoint and returns its file: another than the user named while that has a better
    /// model. `loss` is the loss of the model, if it is known.
    pub fn save(&mut self, checkpoint: &Checkpoint, loss: Option<f64>) -> anyhow::Result<PathBuf> {
        let (force, is_worse) = (self.force, self.is_worse(loss));
        self.has_caught_up |= self.is_left_alone && !is_worse;
        self.is_left_alone = is_worse && self.is_resumed;
        if self.is_left_alone {
            let state = self.own.state.as_ref().filter(|state| state.is_written);
            return match state {
                Some(state) => Ok(state.output.path().to_owned()),
                None => bail!("{} has a better model", self.path().display()),
            };
        }
        let files = self.files_of(loss)?;
        files.write(&checkpoint.to_bytes()?, force)?;
        let saved = files.checkpoint.output.path().to_owned();
        // The files beside are removed only after the run state was saved elsewhere.
        let has_state = files.state.as_ref().is_none_or(|state| state.is_written);
        let is_another = self.parameters_there.is_some()
            && parameters(&checkpoint.model) != self.parameters_there;
        self.has_replaced_another |= is_another && !is_worse;
        if !is_worse
            && has_state
            && let Some(beside) = self.beside.take()
        {
            beside.remove();
            self.has_caught_up = true;
        }
        Ok(saved)
    }

    /// Whether the run state was already saved beside the file for a model with this loss. It is saved
    /// before the checkpoint, so that a checkpoint is never beside the state of another run.
    pub fn has_state(&mut self, loss: Option<f64>) -> anyhow::Result<bool> {
        let state = self.files_of(loss)?.state.as_ref();
        Ok(state.is_none_or(|state| state.is_written))
    }

    /// Saves the run state and returns its file. `loss` is that of the run's best model, if known.
    pub fn save_state(
        &mut self,
        state: &Checkpoint,
        loss: Option<f64>,
    ) -> anyhow::Result<Option<PathBuf>> {
        let (force, files) = (self.force, self.files_of(loss)?);
        files.write_state(&state.to_bytes()?, force)?;
        let place = files.state.as_ref();
        Ok(place.map(|place| place.output.path().to_owned()))
    }

    fn is_worse(&self, loss: Option<f64>) -> bool {
        let floor = self.floor;
        floor.is_some_and(|floor| loss.is_none_or(|loss| loss > floor))
    }

    fn files_of(&mut self, loss: Option<f64>) -> anyhow::Result<&mut Files> {
        if !self.is_worse(loss) || self.is_resumed {
            return Ok(&mut self.own);
        }
        let beside = match self.beside.take() {
            Some(beside) => beside,
            None => self.own.beside()?,
        };
        Ok(self.beside.insert(beside))
    }

    /// A remark if ours was saved elsewhere because a better model is there, or has taken its place or that of a
    /// network of other sizes.
    pub fn remark(&self) -> Option<String> {
        let floor = self.floor?;
        let named = self.own.checkpoint.named.display();
        if let Some(there) = self.parameters_there.filter(|_| self.has_replaced_another) {
            return Some(format!(
                "{named} had a network of other sizes ({there} parameters, loss {floor:.4}); this one is as good, and takes its place"
            ));
        }
        if self.has_caught_up {
            return Some(format!(
                "this model is as good as that in {named} was, and takes its place"
            ));
        }
        let ours = match (&self.beside, &self.own.state) {
            (Some(beside), _) => &beside.checkpoint,
            (None, Some(state)) if self.is_left_alone => state,
            _ => return None,
        };
        Some(format!(
            "{named} has a better model (loss {floor:.4}); this one is saved to {} until it is as good (with --force it replaces that one)",
            ours.output.path().display()
        ))
    }

    /// Writes the losses, each a row, after the earlier ones, if the user wants a file of them.
    pub fn write_metrics(&mut self, rows: &[impl Serialize]) -> anyhow::Result<()> {
        match &mut self.metrics {
            Some(metrics) => metrics.write(rows, self.force),
            None => Ok(()),
        }
    }

    /// Draws the picture, if one is wanted.
    pub fn write_plot(&mut self, drawing: &impl plots::Drawing) -> anyhow::Result<()> {
        let Some(plot) = &mut self.plot else {
            return Ok(());
        };
        let picture = plots::draw(&plot.named, (1200, 750), drawing)?;
        Ok(plot.write(&picture, self.force)?)
    }

    /// An error that names the files that were written elsewhere than the user wanted.
    pub fn check_displaced(&self) -> anyhow::Result<()> {
        let files = [Some(&self.own), self.beside.as_ref()];
        let others = self.metrics.iter().map(|metrics| &metrics.place);
        let places = files.into_iter().flatten().flat_map(Files::places);
        let places = places.chain(others.chain(&self.plot));
        let displaced: Vec<String> = places.filter_map(Place::displaced).collect();
        match displaced.is_empty() {
            true => Ok(()),
            false => bail!("{}", displaced.join("; ")),
        }
    }
}
