//! The reports of a training on words: that of process 0, which shows and saves it, and that of the
//! processes that share it.

use std::time::Duration;

use indicatif::ProgressBar;
use makemore_tch::LanguageModel;
use makemore_tch::checkpoint::{TrainedNetwork, sha256_of};
use makemore_tch::data::SplitOf;
use makemore_tch::distributed::processes::agree_on_options;
use makemore_tch::distributed::{Processes, agree};
use makemore_tch::models::Network;
use makemore_tch::train::corpus::Corpus;
use makemore_tch::train::course::{Course, Report};
use makemore_tch::train::lists::Lists;
use makemore_tch::train::options::WordOptions;
use makemore_tch::train::rate::LearningRate;
use makemore_tch::train::run_state::{Losses, RunState, copies};
use makemore_tch::train::steps::Update;
use makemore_tch::train::tensorboard::EventFile;
use makemore_tch::train::word_batches::WordBatches;
use serde_json::{Value, json};

use super::aftermath::explain_fault;
use super::interrupt::Interrupt;
use super::output::Printer;
use super::progress;
use super::run_files::RunFiles;

/// Checks that all processes train the same network on the same words in the same way.
pub fn check_same(
    data: &Corpus,
    lists: &Lists,
    network: &Network,
    state: &RunState,
    processes: &dyn Processes,
) -> anyhow::Result<()> {
    if processes.size() == 1 {
        return Ok(());
    }
    let digest = data.counted.digest;
    let list = format!("{digest} (CRC-32 {:08x})", digest.crc32);
    agree(processes, "the list", &list)?;
    let split = data.parts.split_of();
    for options in options_as_typed(network, &state.options, &split, processes.size()) {
        agree_on_options(processes, &options)?;
    }
    let parts = [&lists.train, &lists.dev].map(|list| list.total().to_string());
    let vocabulary = network.vocabulary().characters().iter().collect();
    for (what, value) in [
        ("the number of words for train and dev", parts.join(", ")),
        ("the vocabulary", vocabulary),
        ("the network", format!("{:?}", network.config())),
        ("the way of training", format!("{:?}", state.options)),
        (
            "the number of steps before",
            state.progress.steps.to_string(),
        ),
        (
            "the checksum of the parameters",
            sha256_of(&copies(network)?)?,
        ),
    ] {
        agree(processes, what, &value)?;
    }
    Ok(())
}

/// The options of a training on `size` processes under the names that the user types. Those on which the
/// defaults of others depend stand in an earlier group, or earlier in the alphabet.
fn options_as_typed(
    network: &Network,
    options: &WordOptions,
    split: &SplitOf,
    size: usize,
) -> [Value; 5] {
    let config = network.config();
    let (kind, sizes) = (config.kind(), config.sizes());
    let is_constant = matches!(options.learning_rate, LearningRate::Constant(_));
    let has_hidden_layers = kind.sizes().contains(&"hidden_layers");
    [
        json!({
            "dev": split.dev,
            "preset": is_constant.then_some("makemore"),
            "seed": options.seed,
            "test": split.test,
            "type": kind.name(),
        }),
        json!({
            "split": split.shares.to_string(),
            "split_seed": split.seed,
        }),
        json!({
            "batchnorm": sizes.batchnorm,
            "block_size": sizes.block_size,
            "n_embd": sizes.n_embd,
            "n_embd2": sizes.n_embd2,
            "n_head": sizes.n_head,
            "n_layer": if has_hidden_layers { sizes.hidden_layers } else { sizes.n_layer },
        }),
        json!({
            "batch_size": options.batch_size,
            "dropout": options.dropout,
            "lr": options.learning_rate.highest(),
            "minutes": options.seconds.map(|seconds| seconds / 60.0),
            "threads": options.threads / size,
            "weight_decay": options.adamw.weight_decay,
        }),
        json!({
            "eval_every": (!options.eval_early).then_some(options.eval_every),
            "max_steps": options.steps,
            "patience": options.patience,
        }),
    ]
}

/// Trains and evaluates as process 0 does, from a run state, of a network that may be trained already. Returns
/// the exit status.
pub fn follow(
    (network, lists, data): (&Network, &Lists, &Corpus),
    (state, is_trained): (RunState, bool),
    learner: &mut WordBatches,
    interrupt: &Interrupt,
    processes: &dyn Processes,
) -> anyhow::Result<u8> {
    let (mut follower, never) = (Follower(interrupt), Duration::MAX);
    let mut course = Course::new(network, &lists.dev, state, never, &mut follower, processes);
    if is_trained {
        course.keep_first()?;
    }
    let trained = course.run(learner);
    trained.map_err(|fault| explain_fault(fault, &course.state.options, ""))?;
    let state = &course.state;
    let status = status_of_all(interrupt, processes);
    if state.best.is_none() && state.progress.steps == 0 {
        return Ok(status);
    }
    if status == 0 {
        let best = TrainedNetwork::of(network, state, None)?.network;
        let parts = data.parts.clone().stopped_by(interrupt.flag());
        let evaluated = lists.losses(&best, &parts, &data.memory, processes);
        match evaluated {
            Err(fault) if processes.blame(None).is_none() => return Err(fault.into()),
            // Process 0 tells it, and does not wait for this one.
            Err(_) => return Ok(interrupt.status()),
            Ok(_) => {}
        }
    }
    Ok(end_together(status, interrupt, processes))
}

/// The exit status of all processes after an interrupt of any of them, which ends the work of each, once process 0 has
/// saved: a launcher takes the work for done where one ends well.
pub fn status_of_all(interrupt: &Interrupt, processes: &dyn Processes) -> u8 {
    let own = interrupt.status();
    let of_all = processes.gather(&[own]).unwrap_or_default();
    let status = of_all.into_iter().flatten().max().unwrap_or(own);
    if status > 0 {
        interrupt.stop();
    }
    status
}

/// The exit status of all processes once they have come to their end, after an interrupt of any until then: a
/// launcher may kill the others when one has ended. Who has ended is not waited for.
pub fn end_together(status: u8, interrupt: &Interrupt, processes: &dyn Processes) -> u8 {
    status.max(status_of_all(interrupt, processes))
}

/// The report of a process that shows and saves nothing.
struct Follower<'a>(&'a Interrupt);

impl Report for Follower<'_> {
    fn update(&mut self, _: &Update) {}

    fn losses(&mut self, _: Losses, _: f64) {}

    fn best(&mut self, _: &RunState) {}

    fn state(&mut self, _: &RunState) {}

    fn stops(&self) -> bool {
        self.0.is_pressed()
    }
}

/// Shows and saves the results of a training as they come.
pub struct Watcher<'a> {
    pub files: RunFiles<'a>,
    pub interrupt: &'a Interrupt,
    pub bar: ProgressBar,
    pub printer: Printer,
    pub events: Option<EventFile>,
    /// The number of steps before this start of the program, which the steps per second leave out.
    pub first: u64,
    /// The dev loss of the last evaluation.
    pub dev: Option<f64>,
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
