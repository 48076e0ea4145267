//! The files of a run of a network: the best checkpoint, the run state, the losses.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use makemore_tch::checkpoint::{Checkpoint, Model, TrainedNetwork};
use makemore_tch::models::Network;
use makemore_tch::train::corpus::Corpus;
use makemore_tch::train::run_state::{Losses, RunState};

use super::aftermath::Aftermath;
use super::output::Remarks;
use super::outputs::Outputs;

/// The remark if the best checkpoint cannot be written.
const NOT_SAVED: &str = "the network was not saved";

/// The files of a run, and the errors of writing them.
pub struct RunFiles<'a> {
    pub outputs: Outputs,
    network: &'a Network,
    data: &'a Corpus,
    seed: u64,
    remarks: Remarks,
    /// Errors that did not end the training, by the remark on what is missing. A later success removes
    /// one.
    faults: BTreeMap<&'static str, anyhow::Error>,
    /// The number of steps and the file of the last run state that was saved.
    last: Option<(u64, PathBuf)>,
    /// The remarks that were printed on files written elsewhere than named.
    told: Vec<String>,
}

impl<'a> RunFiles<'a> {
    pub fn new(
        outputs: Outputs,
        network: &'a Network,
        data: &'a Corpus,
        seed: u64,
        remarks: Remarks,
    ) -> Self {
        Self {
            outputs,
            network,
            data,
            seed,
            remarks,
            faults: BTreeMap::new(),
            last: None,
            told: Vec::new(),
        }
    }

    /// The checkpoint of the best parameters of a run, and of the run state `run` if it is given.
    pub fn checkpoint(
        &self,
        state: &RunState,
        run: Option<RunState>,
    ) -> makemore_tch::Result<Checkpoint> {
        let trained = TrainedNetwork::of(self.network, state, run)?;
        Ok(Checkpoint::new(
            Model::Network(trained),
            self.seed,
            self.data,
        ))
    }

    /// Saves the results of a run that has ended. If it ended with an error (not `is_sound`), the run
    /// state in the file stays that of the last save.
    pub fn finish(&mut self, best: &Checkpoint, state: &RunState, is_sound: bool) -> Aftermath {
        let loss = state.dev_loss();
        let saved = self.save_best(best, Some(state).filter(|_| is_sound), loss);
        // Even if the checkpoint could not be saved, since the run state has its parameters too.
        if is_sound {
            self.save_state(state);
        }
        // `saved` has the error of the checkpoint, which would be told twice.
        self.faults.remove(NOT_SAVED);
        let last = self.last.as_ref();
        let now = last.filter(|(steps, _)| is_sound && *steps == state.progress.steps);
        Aftermath::of("network", saved, now.map(|(_, file)| file.clone()))
    }

    /// Saves the best model while the training goes on.
    pub fn save_best_now(&mut self, state: &RunState) {
        let best = self.checkpoint(state, None).map_err(anyhow::Error::from);
        let saved = best.and_then(|best| self.save_best(&best, Some(state), state.dev_loss()));
        self.note(saved, NOT_SAVED);
        self.say_what_is_elsewhere();
    }

    /// The steps of the last run state that was saved, and the file to resume from: the checkpoint if
    /// these are all `steps` that were made, else the file of the run state.
    pub fn saved<'s>(&'s self, after: &'s Aftermath, steps: u64) -> Option<(u64, &'s Path)> {
        let (saved, file) = self.last.as_ref()?;
        let now = after.path().filter(|_| *saved == steps);
        Some((*saved, now.unwrap_or(file)))
    }

    /// Saves the best checkpoint and returns its file. If no run state is beside it yet, that is saved
    /// first.
    pub fn save_best(
        &mut self,
        best: &Checkpoint,
        state: Option<&RunState>,
        loss: Option<f64>,
    ) -> anyhow::Result<PathBuf> {
        if let Some(state) = state
            && !self.outputs.has_state(loss)?
        {
            self.save_whole(state, loss);
        }
        self.outputs.save(best, loss)
    }

    /// Saves the losses, then the run state. Losses that are ahead of the run state are computed again
    /// on resume, but losses missing at the end of a finished run would be lost.
    pub fn save_state(&mut self, state: &RunState) {
        let rows: Vec<_> = state.losses.iter().map(Losses::row).collect();
        let written = self.outputs.write_metrics(&rows);
        self.note(written, "the losses were not saved");
        self.save_whole(state, state.dev_loss());
        self.say_what_is_elsewhere();
    }

    /// Saves the run state. `loss` is that of the run's best model, if known.
    fn save_whole(&mut self, state: &RunState, loss: Option<f64>) {
        let whole = self.checkpoint(state, Some(state.shallow_clone()));
        let saved = whole.map_err(anyhow::Error::from);
        let saved = saved.and_then(|whole| self.outputs.save_state(&whole, loss));
        if let Ok(Some(file)) = &saved {
            self.last = Some((state.progress.steps, file.clone()));
        }
        self.note(saved, "the state of the training was not saved");
    }

    /// Records an error for the end of the training, and tells the user if it is new. A success removes
    /// the error.
    pub fn note<T>(&mut self, result: anyhow::Result<T>, what: &'static str) {
        let Err(fault) = result else {
            self.faults.remove(what);
            return;
        };
        if !self.faults.contains_key(what) {
            self.say(format_args!("{what}: {fault:#}"));
        }
        self.faults.insert(what, fault);
    }

    /// Tells the user once of files that were written elsewhere than named, because a better model is
    /// there or another program has changed the file.
    pub fn say_what_is_elsewhere(&mut self) {
        let displaced = self.outputs.check_displaced().err();
        let displaced = displaced.map(|displaced| displaced.to_string());
        for remark in self.outputs.remark().into_iter().chain(displaced) {
            if !self.told.contains(&remark) {
                self.say(&remark);
                self.told.push(remark);
            }
        }
    }

    /// A clause for a run without a saved network: the file of its run state, if there is one.
    pub fn without_network(&self) -> String {
        match &self.last {
            Some((steps, file)) => {
                format!("the state after {steps} steps is in {}", file.display())
            }
            None => format!("nothing was saved to {}", self.outputs.path().display()),
        }
    }

    pub fn say(&self, remark: impl Display) {
        self.remarks.say(remark);
    }

    /// Adds the errors that did not end the training to those of its end.
    pub fn tell_faults(&mut self, after: &mut Aftermath) {
        for (what, fault) in std::mem::take(&mut self.faults) {
            after.note::<()>(Err(fault), what);
        }
    }
}
