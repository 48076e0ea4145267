//! The networks that `train` trains on batches of words.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use makemore_tch::checkpoint::{Checkpoint, Weights};
use makemore_tch::error::Error;
use makemore_tch::models::Kind;
use makemore_tch::plots;
use makemore_tch::score::evaluate;
use makemore_tch::train::course::Course;
use makemore_tch::train::options::WordOptions;
use makemore_tch::train::run_state::RunState;
use makemore_tch::train::word_batches::WordBatches;

use super::arguments::Train;
use super::data::HeldOut;
use super::print::{Document, draw};
use super::saver::Saver;
use super::word_task::Task;
use crate::cli::context::Context;
use crate::cli::interrupt::Interrupt;

/// A training that has ended.
struct Ended {
    state: RunState,
    /// Steps, and the means of some batch losses up to them.
    curve: Vec<(u64, f64)>,
    /// Milliseconds of a step on average.
    step_ms: f64,
    fault: Option<Error>,
}

impl Train {
    pub(super) fn train_on_words(
        self,
        kind: &'static dyn Kind,
        weights: Option<Weights>,
        context: Context,
    ) -> anyhow::Result<u8> {
        let start = Instant::now();
        let (task, state, outputs) = self.task_on_words(kind, weights, context)?;
        let interrupt = Interrupt::catch(context.remarks)?;
        let before = state.progress.steps;
        let mut learner = WordBatches::new(&task.network, &task.lists.train, state.options)?;
        if before > 0 {
            learner.restore(&state.optimizer, before)?;
        }
        let mut saver = Saver::new(&self, &task, outputs, &interrupt, context)?;
        let dev = &task.lists.dev;
        let mut course = Course::new(&task.network, dev, state, self.save_every(), &mut saver);
        if task.is_trained {
            match course.keep_first() {
                Err(Error::Interrupted) => return Ok(interrupt.status()),
                kept => kept?,
            }
        }
        let fault = course.run(&mut learner).err();
        let (state, curve, stepping) = course.finish();
        let steps = (state.progress.steps - before).max(1);
        let ended = Ended {
            state,
            curve,
            step_ms: 1000.0 * stepping.as_secs_f64() / steps as f64,
            fault,
        };
        self.conclude(ended, &task, saver, start)
    }

    /// Saves and prints the results of a training.
    fn conclude(
        &self,
        ended: Ended,
        task: &Task,
        mut saver: Saver,
        start: Instant,
    ) -> anyhow::Result<u8> {
        let state = &ended.state;
        let Some(best) = saver.best(state, ended.fault.is_none())? else {
            let nothing = format!("nothing was saved to {}", saver.outputs.path().display());
            let fault = ended.fault.unwrap_or(Error::Interrupted);
            return Err(explain_fault(fault, &state.options, &nothing));
        };
        // Saved before it is said that it is, and whatever becomes of what is printed.
        let mut saved = saver.finish(&best, state, ended.fault.is_none())?;
        let dev = state.losses.iter();
        let dev: Vec<_> = dev.filter_map(|now| Some((now.step, now.dev?))).collect();
        let (train, dev) = (ended.curve.as_slice(), dev.as_slice());
        let plotted = saver
            .outputs
            .write_plot(&plots::TrainingCurves { train, dev });
        let (mut document, drawn) = self.document(&ended, &best, task);
        let evaluated = self.evaluate(&mut document, &best, task, saver.interrupt.flag());
        if let (None, Some(loss)) = (document.held_out.dev_loss, document.train_loss) {
            saved = saver.save_with_loss(&best, loss, state, ended.fault.is_none())?;
        }
        let saved = saved.to_string_lossy().into_owned();
        document.checkpoint = saved.clone();
        document.seconds = Some(start.elapsed().as_secs_f64());
        let printed = document.print(self.json.json);

        let is_saved = |what: &str| format!("the network was saved to {saved}, but {what}");
        saver.say_what_is_better();
        let is_cut = ended.fault.is_none() && !state.is_over();
        if is_cut {
            let steps = state.progress.steps;
            let hint = self.how_to_go_on(Path::new(&saved), Vec::new());
            saver.say(format!(
                "interrupted after {steps} steps; go on with: {hint}"
            ));
        }
        if let Some(fault) = ended.fault {
            let step = document.best_step.unwrap_or_default();
            let best = format!("the network of step {step} was saved to {saved}");
            return Err(explain_fault(fault, &state.options, &best));
        }
        saver.outputs.check_displaced()?;
        plotted.with_context(|| is_saved("no picture was drawn"))?;
        saver
            .check()
            .with_context(|| is_saved("not everything else was"))?;
        printed.with_context(|| is_saved("not all could be printed"))?;
        drawn.with_context(|| is_saved("no names could be drawn"))?;
        evaluated.with_context(|| is_saved("not all could be evaluated"))?;
        Ok(match is_cut || saver.interrupt.is_pressed() {
            true => saver.interrupt.status(),
            false => 0,
        })
    }

    /// The results, as far as they are known without another evaluation, and what became of drawing
    /// names.
    fn document(
        &self,
        ended: &Ended,
        best: &Checkpoint,
        task: &Task,
    ) -> (Document, makemore_tch::Result<()>) {
        let (state, model) = (&ended.state, best.model.language_model());
        let dev_loss = state.best.as_ref().and_then(|best| best.dev);
        let best_step = state.best.as_ref().map(|best| best.step);
        let drawn = draw(model, task.seed, &task.data.parts, &self.words.of_names());
        let (names, drawn) = match drawn {
            Ok(names) => (names, Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        };
        let document = Document {
            kind: best.model.kind(),
            parameters: Some(task.network.parameter_count() as u64),
            steps: Some(state.progress.steps),
            best_step: Some(best_step.unwrap_or(state.progress.steps)),
            step_ms: Some(ended.step_ms),
            losses: Some(state.losses.clone()),
            held_out: HeldOut::dev(dev_loss),
            names,
            ..Document::default()
        };
        (document, drawn)
    }

    /// Fills in what is evaluated after the training, unless it is interrupted.
    fn evaluate(
        &self,
        document: &mut Document,
        best: &Checkpoint,
        task: &Task,
        stop: Arc<AtomicBool>,
    ) -> makemore_tch::Result<()> {
        let (model, lists) = (best.model.language_model(), &task.lists);
        let evaluate = || {
            let of_train = evaluate::word_list(model, &lists.of_train, &mut || match stop
                .load(Ordering::Relaxed)
            {
                true => Err(Error::Interrupted),
                false => Ok(()),
            })?;
            let parts = task.data.parts.clone().stopped_by(Arc::clone(&stop));
            let held_out = HeldOut::of(model, &parts, &self.memory.memory())?;
            Ok((of_train.nll(), held_out))
        };
        match evaluate() {
            Ok((train_loss, held_out)) => {
                document.train_loss = Some(train_loss);
                document.held_out = held_out;
                Ok(())
            }
            Err(Error::Interrupted) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A fault of the training, what would work, and what was saved.
fn explain_fault(fault: Error, options: &WordOptions, saved: &str) -> anyhow::Error {
    match fault {
        Error::Diverged { number, loss, .. } => {
            let lower = (options.learning_rate.highest() / 10.0).min(5e-3);
            let number = number + 1;
            anyhow!(
                "training diverged: the loss is {loss} at step {number}; a new training with --lr {lower:.0e} would work ({saved})"
            )
        }
        fault => anyhow::Error::from(fault).context(saved.to_owned()),
    }
}
