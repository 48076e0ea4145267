//! What is done with the results of a training on words as they come: shown, and saved.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use indicatif::ProgressBar;
use makemore_tch::checkpoint::{Checkpoint, Model, TrainedNetwork};
use makemore_tch::libtorch::device;
use makemore_tch::models::{LanguageModel, Network};
use makemore_tch::train::course::Report;
use makemore_tch::train::run_state::{Losses, RunState};
use makemore_tch::train::steps::Update;
use makemore_tch::train::tensorboard::EventFile;
use tch::Device;

use super::arguments::Train;
use super::word_task::Task;
use crate::cli::context::Context;
use crate::cli::interrupt::Interrupt;
use crate::cli::outputs::Outputs;
use crate::cli::{output, progress};

/// Shows and saves the results of a training on words.
pub struct Saver<'a> {
    task: &'a Task,
    pub outputs: Outputs,
    pub interrupt: &'a Interrupt,
    bar: ProgressBar,
    context: Context,
    /// Whether losses are printed as they come.
    prints: bool,
    events: Option<EventFile>,
    /// The faults that did not end the training, by what they left out; a later success takes one
    /// away.
    faults: BTreeMap<&'static str, anyhow::Error>,
    /// Whether the user was told of a better model that is there.
    has_remarked: bool,
    /// The first update of this run and its dev loss at the last evaluation, for the bar.
    first_step: Option<u64>,
    dev: Option<f64>,
}

impl<'a> Saver<'a> {
    pub fn new(
        train: &Train,
        task: &'a Task,
        outputs: Outputs,
        interrupt: &'a Interrupt,
        context: Context,
    ) -> anyhow::Result<Self> {
        let events = train.words.tensorboard.as_deref().map(EventFile::create);
        Ok(Self {
            task,
            outputs,
            interrupt,
            bar: progress::training(context.remarks.quiet),
            context,
            prints: !train.json.json,
            events: events.transpose()?,
            faults: BTreeMap::new(),
            has_remarked: false,
            first_step: None,
            dev: None,
        })
    }

    /// The checkpoint of the best parameters or, where none were evaluated, of the present ones;
    /// none if no step was made, or a fault has left present ones that are worth nothing.
    pub fn best(&self, state: &RunState, is_sound: bool) -> anyhow::Result<Option<Checkpoint>> {
        match state.best.is_some() || (is_sound && state.progress.steps > 0) {
            true => Ok(Some(self.checkpoint(state, None)?)),
            false => Ok(None),
        }
    }

    /// Saves the results, and returns where the checkpoint is. A fault of the training leaves the
    /// state as it was saved before it.
    pub fn finish(
        &mut self,
        best: &Checkpoint,
        state: &RunState,
        is_sound: bool,
    ) -> anyhow::Result<PathBuf> {
        self.bar.finish_and_clear();
        let loss = state.best.as_ref().and_then(|best| best.dev);
        let saved = self.save_best(best, Some(state).filter(|_| is_sound), loss);
        // Also where the checkpoint could not be saved: the state has its parameters too.
        if is_sound {
            self.save_state(state);
        }
        saved
    }

    /// Saves the results again, with a loss that was found out after the training.
    pub fn save_with_loss(
        &mut self,
        best: &Checkpoint,
        loss: f64,
        state: &RunState,
        is_sound: bool,
    ) -> anyhow::Result<PathBuf> {
        self.save_best(best, Some(state).filter(|_| is_sound), Some(loss))
    }

    /// A fault that did not end the training, if one is left.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.faults.pop_first() {
            Some((what, fault)) => Err(fault.context(what)),
            None => Ok(()),
        }
    }

    fn checkpoint(
        &self,
        state: &RunState,
        run: Option<RunState>,
    ) -> makemore_tch::Result<Checkpoint> {
        let losses = state.losses.last().map_or(0.0, |losses| losses.train);
        let (parameters, steps, loss) = match &state.best {
            Some(best) => (&best.parameters, best.step, best.train),
            None => (&state.parameters, state.progress.steps, losses),
        };
        let vocabulary = self.task.network.vocabulary().clone();
        let network = Network::of(
            vocabulary,
            self.task.network.config(),
            parameters,
            Device::Cpu,
        )?;
        Ok(Checkpoint {
            model: Model::Network(TrainedNetwork {
                network,
                steps,
                loss: loss as f32,
                run: run.map(Box::new),
            }),
            seed: self.task.seed,
            libtorch: device::libtorch_version(),
            data: self.task.data.counted.digest,
            split: self.task.data.parts.split_of(),
        })
    }

    /// Saves the losses and the state of the run, in this order: losses that are ahead of the state
    /// are made again by whoever goes on from it, but those behind a finished run would be lost.
    fn save_state(&mut self, state: &RunState) {
        let rows: Vec<_> = state.losses.iter().map(Losses::row).collect();
        let written = self.outputs.write_metrics(&rows);
        self.note(written, "the losses were not saved");
        self.save_whole(state, state.best.as_ref().and_then(|best| best.dev));
        self.say_what_is_better();
    }

    /// Saves the state of the run, whose best model has a loss, where that is known.
    fn save_whole(&mut self, state: &RunState, loss: Option<f64>) {
        let whole = self.checkpoint(state, Some(state.shallow_clone()));
        let saved = whole.map_err(anyhow::Error::from);
        let saved = saved.and_then(|whole| self.outputs.save_state(&whole, loss));
        self.note(saved, "the state of the training was not saved");
    }

    /// Saves a model, after the state of its run where none is there yet.
    fn save_best(
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

    /// Keeps a fault for the end of the training, and tells the user of a new one.
    fn note(&mut self, result: anyhow::Result<()>, what: &'static str) {
        let Err(fault) = result else {
            self.faults.remove(what);
            return;
        };
        if !self.faults.contains_key(what) {
            self.say(format!("{what}: {fault:#}"));
        }
        self.faults.insert(what, fault);
    }

    /// Tells the user once of a better model that stays where ours would be.
    pub fn say_what_is_better(&mut self) {
        if let Some(remark) = self.outputs.remark().filter(|_| !self.has_remarked) {
            self.say(remark);
            self.has_remarked = true;
        }
    }

    pub fn say(&self, remark: String) {
        self.bar.suspend(|| self.context.remarks.say(remark));
    }

    fn write_events(&mut self, losses: Losses, learning_rate: f64) -> makemore_tch::Result<()> {
        let Some(events) = &mut self.events else {
            return Ok(());
        };
        let at = losses.step as i64;
        events.scalar("loss/train", at, losses.train as f32)?;
        if let Some(dev) = losses.dev {
            events.scalar("loss/dev", at, dev as f32)?;
        }
        events.scalar("learning rate", at, learning_rate as f32)?;
        events.flush()
    }
}

impl Report for Saver<'_> {
    fn update(&mut self, update: &Update) {
        let first = *self.first_step.get_or_insert(update.step);
        if self.bar.is_hidden() {
            return;
        }
        self.bar
            .set_prefix(format!("step {}", update.progress.steps));
        let dev = self
            .dev
            .map_or_else(String::new, |dev| format!(", dev {dev:.4}"));
        let rate = (update.progress.steps - first) as f64 / self.bar.elapsed().as_secs_f64();
        let loss = update.loss.unwrap_or_default();
        self.bar
            .set_message(format!("train {loss:.4}{dev}, {rate:.1} steps/s"));
        let length = self.bar.length().unwrap_or(0) as f64;
        self.bar.set_position((update.fraction * length) as u64);
    }

    /// A closed pipe does not end the training.
    fn losses(&mut self, losses: Losses, learning_rate: f64) {
        self.dev = losses.dev;
        if self.prints {
            self.bar.suspend(|| {
                let mut results = output::results();
                let _ = writeln!(results, "{losses}").and_then(|()| results.flush());
            });
        }
        let written = self.write_events(losses, learning_rate);
        if written.is_err() {
            self.events = None;
        }
        let what = "not all losses could be written for TensorBoard";
        self.note(written.map_err(anyhow::Error::from), what);
    }

    fn best(&mut self, state: &RunState) {
        let loss = state.best.as_ref().and_then(|best| best.dev);
        let best = self.checkpoint(state, None).map_err(anyhow::Error::from);
        let saved = best.and_then(|best| self.save_best(&best, Some(state), loss));
        self.note(saved.map(drop), "the network was not saved");
        self.say_what_is_better();
    }

    fn state(&mut self, state: &RunState) {
        self.save_state(state);
    }

    fn stops(&self) -> bool {
        self.interrupt.is_pressed()
    }
}
