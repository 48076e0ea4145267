//! The files of a run of a network: the best checkpoint, the state of the run, its losses.

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

/// A fault of the best network.
const NOT_SAVED: &str = "the network was not saved";

/// The files of a run, and what of them could not be written.
pub struct RunFiles<'a> {
    pub outputs: Outputs,
    network: &'a Network,
    data: &'a Corpus,
    seed: u64,
    remarks: Remarks,
    /// The faults that did not end the training, by what they left out; a later success takes one
    /// away.
    faults: BTreeMap<&'static str, anyhow::Error>,
    /// The number of steps and the file of the state that was saved last.
    last: Option<(u64, PathBuf)>,
    /// What the user was told of files that are elsewhere than named.
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

    /// The network with the best parameters of a run, and with the run where it is given.
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

    /// Saves the results of a run that has ended. A fault of the training leaves the state as it was
    /// saved before it.
    pub fn finish(&mut self, best: &Checkpoint, state: &RunState, is_sound: bool) -> Aftermath {
        let loss = state.dev_loss();
        let saved = self.save_best(best, Some(state).filter(|_| is_sound), loss);
        // Also where the checkpoint could not be saved: the state has its parameters too.
        if is_sound {
            self.save_state(state);
        }
        // The end tells the same fault again.
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

    /// The file that a run of so many steps goes on from, and after how many it was saved: the
    /// checkpoint, if the state beside it is of now, or the state that was saved last.
    pub fn saved<'s>(&'s self, after: &'s Aftermath, steps: u64) -> Option<(u64, &'s Path)> {
        let (saved, file) = self.last.as_ref()?;
        let now = after.path().filter(|_| *saved == steps);
        Some((*saved, now.unwrap_or(file)))
    }

    /// Saves a model, after the state of its run where none is there yet, and returns where it is.
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

    /// Saves the losses and the state of the run, in this order: losses that are ahead of the state
    /// are made again by whoever goes on from it, but those behind a finished run would be lost.
    pub fn save_state(&mut self, state: &RunState) {
        let rows: Vec<_> = state.losses.iter().map(Losses::row).collect();
        let written = self.outputs.write_metrics(&rows);
        self.note(written, "the losses were not saved");
        self.save_whole(state, state.dev_loss());
        self.say_what_is_elsewhere();
    }

    /// Saves the state of the run, whose best model has a loss, where that is known.
    fn save_whole(&mut self, state: &RunState, loss: Option<f64>) {
        let whole = self.checkpoint(state, Some(state.shallow_clone()));
        let saved = whole.map_err(anyhow::Error::from);
        let saved = saved.and_then(|whole| self.outputs.save_state(&whole, loss));
        if let Ok(Some(file)) = &saved {
            self.last = Some((state.progress.steps, file.clone()));
        }
        self.note(saved, "the state of the training was not saved");
    }

    /// Keeps a fault for the end of the training, and tells the user of a new one.
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

    /// Tells the user once of files that are elsewhere than named: beside a better model, or beside
    /// what another program has written.
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

    /// What there is of a run whose network was not saved.
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

    /// Adds the faults that did not end the training to those of its end.
    pub fn tell_faults(&mut self, after: &mut Aftermath) {
        for (what, fault) in std::mem::take(&mut self.faults) {
            after.note::<()>(Err(fault), what);
        }
    }
}
