//! The networks that `train` trains on batches of words.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use makemore_tch::checkpoint::{Checkpoint, Weights};
use makemore_tch::error::Error;
use makemore_tch::models::Kind;
use makemore_tch::plots;
use makemore_tch::sample::SampleOptions;
use makemore_tch::score::held_out::HeldOut;
use makemore_tch::train::course::{Course, Report};
use makemore_tch::train::run_state::{Losses, RunState};
use makemore_tch::train::steps::Update;
use makemore_tch::train::tensorboard::EventFile;
use makemore_tch::train::word_batches::WordBatches;

use super::advice::explain_fault;
use super::print::{Document, draw};
use super::word_task::WordTask;
use crate::cli::aftermath::Aftermath;
use crate::cli::arguments::train::Train;
use crate::cli::context::Context;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::Printer;
use crate::cli::progress;
use crate::cli::run_files::RunFiles;

/// A training that has ended.
struct Ended {
    state: RunState,
    /// The curve of train losses: steps, each with the mean loss of the batches before it.
    curve: Vec<(u64, f64)>,
    /// The number of steps before this start of the program; above 0 for a resumed run.
    first: u64,
    /// The time that the steps took, without evaluations.
    stepping: Duration,
    fault: Option<Error>,
}

impl Train {
    pub(super) fn train_on_words(
        self,
        kind: &'static dyn Kind,
        weights: Option<Weights>,
        resumed: Option<Checkpoint>,
        context: Context,
    ) -> anyhow::Result<u8> {
        let start = Instant::now();
        // Networks are compared with as many of libtorch's threads as in training, on which the last
        // digits depend.
        context.threads.prepare_for_training(0);
        let (task, state, outputs) = self.task_on_words(kind, weights, resumed, context)?;
        let interrupt = Interrupt::catch(context.remarks)?;
        let first = state.progress.steps;
        let mut learner = WordBatches::new(&task.network, &task.lists.train, state.options)?;
        if first > 0 {
            learner.optimizer.restore(&state.optimizer, first)?;
        }
        let events = self.words.tensorboard.as_deref().map(EventFile::create);
        let (network, data) = (&task.network, &task.data);
        let mut watcher = Watcher {
            files: RunFiles::new(outputs, network, data, task.seed, context.remarks),
            interrupt: &interrupt,
            bar: progress::training(context.remarks.quiet),
            printer: Printer::new(self.json.json),
            events: events.transpose()?,
            first,
            dev: None,
        };
        let dev = &task.lists.dev;
        let mut course = Course::new(network, dev, state, self.save_every(), &mut watcher);
        let kept = task.is_trained.then(|| course.keep_first()).transpose();
        let fault = kept.and_then(|_| course.run(&mut learner)).err();
        let ended = Ended {
            state: course.state,
            curve: course.curve,
            first,
            stepping: course.stepping,
            fault,
        };
        self.conclude(ended, &task, watcher, start)
    }

    /// Saves and prints the results of a training.
    fn conclude(
        &self,
        ended: Ended,
        task: &WordTask,
        watcher: Watcher,
        start: Instant,
    ) -> anyhow::Result<u8> {
        let (state, is_sound) = (&ended.state, ended.fault.is_none());
        let (mut files, interrupt) = (watcher.files, watcher.interrupt);
        watcher.bar.finish_and_clear();
        if state.best.is_none() && !(is_sound && state.progress.steps > 0) {
            let told = files.without_network();
            return match ended.fault.unwrap_or(Error::Interrupted) {
                Error::Interrupted => {
                    files.say(format_args!("interrupted before the first step; {told}"));
                    Ok(interrupt.status())
                }
                fault => Err(explain_fault(fault, &state.options, &told)),
            };
        }
        // Saved before anything is printed, since printing may fail.
        let best = files.checkpoint(state, None)?;
        let mut after = files.finish(&best, state, is_sound);
        let plotted = files.outputs.write_plot(&plots::TrainingCurves {
            train: &ended.curve,
            dev: &state.dev_losses(),
        });
        after.note(plotted, "no picture was drawn");
        let parts = task.data.parts.clone().stopped_by(interrupt.flag());
        let model = best.model.language_model();
        let evaluated = task.lists.losses(model, &parts, &self.memory.memory());
        if let (true, Ok(Some((loss, _)))) = (task.lists.dev.is_empty(), &evaluated) {
            let state = Some(state).filter(|_| is_sound);
            after.saved_again(files.save_best(&best, state, Some(*loss)));
        }
        let mut document = ended.document(&best, task, &self.words.of_names(), &mut after);
        if let Some((train_loss, held_out)) = after.note(evaluated, "not all could be evaluated") {
            document.train_loss = Some(train_loss);
            document.held_out = held_out;
        }
        let is_cut = is_sound && !state.is_over();
        document.interrupted = is_cut || interrupt.is_pressed();
        document.seconds = Some(start.elapsed().as_secs_f64());
        after.note(document.print(watcher.printer), "not all could be printed");
        files.say_what_is_elsewhere();
        let steps = state.progress.steps;
        if is_cut {
            let saved = files.saved(&after, steps);
            files.say(self.how_to_go_on(&format!("{steps} steps"), steps, saved, "lr", &[]));
        }
        files.tell_faults(&mut after);
        if let Some(fault) = ended.fault {
            let step = document.best_step.unwrap_or(steps);
            let what = format!("the network of step {step}");
            let saved = after.told(&what, &files.outputs);
            return Err(explain_fault(fault, &state.options, &saved));
        }
        after.finish(&files.outputs)?;
        Ok(interrupt.status())
    }
}

impl Ended {
    /// The results that need no further evaluation.
    fn document(
        &self,
        best: &Checkpoint,
        task: &WordTask,
        names: &SampleOptions,
        after: &mut Aftermath,
    ) -> Document {
        let (state, model) = (&self.state, best.model.language_model());
        let steps = state.progress.steps;
        let drawn = draw(model, task.seed, &task.data.parts, names);
        let best_step = state.best.as_ref().map(|best| best.step);
        let step_ms = 1000.0 * self.stepping.as_secs_f64() / (steps - self.first).max(1) as f64;
        Document {
            kind: best.model.kind(),
            parameters: Some(task.network.parameter_count() as u64),
            steps: Some(steps),
            best_step: Some(best_step.unwrap_or(steps)),
            step_ms: Some(step_ms),
            losses: Some(state.losses.clone()),
            held_out: HeldOut::dev(state.dev_loss()),
            checkpoint: after.saved(),
            names: after.note(drawn, "no names could be drawn"),
            ..Document::default()
        }
    }
}

/// Shows and saves the results of a training as they come.
struct Watcher<'a> {
    files: RunFiles<'a>,
    interrupt: &'a Interrupt,
    bar: ProgressBar,
    printer: Printer,
    events: Option<EventFile>,
    /// The number of steps before this start of the program, which the steps per second leave out.
    first: u64,
    /// The dev loss of the last evaluation.
    dev: Option<f64>,
}

impl Report for Watcher<'_> {
    fn update(&mut self, update: &Update) {
        if self.bar.is_hidden() {
            return;
        }
        let steps = update.progress.steps;
        let dev = self.dev.map(|dev| format!(", dev {dev:.4}"));
        let rate = (steps - self.first) as f64 / self.bar.elapsed().as_secs_f64();
        let (loss, dev) = (update.loss.unwrap_or_default(), dev.unwrap_or_default());
        let message = format!("train {loss:.4}{dev}, {rate:.1} steps/s");
        progress::show(&self.bar, format!("step {steps}"), update.fraction, message);
    }

    /// A closed pipe does not end the training.
    fn losses(&mut self, losses: Losses, learning_rate: f64) {
        self.dev = losses.dev;
        self.printer.line(losses);
        let Some(events) = &mut self.events else {
            return;
        };
        if let Err(fault) = events.losses(losses, learning_rate) {
            self.events = None;
            let what = "not all losses could be written for TensorBoard";
            self.files.note::<()>(Err(fault.into()), what);
        }
    }

    fn best(&mut self, state: &RunState) {
        self.files.save_best_now(state);
    }

    fn state(&mut self, state: &RunState) {
        self.files.save_state(state);
    }

    fn stops(&self) -> bool {
        self.interrupt.is_pressed()
    }
}
