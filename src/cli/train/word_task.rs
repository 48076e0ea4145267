//! What `train` trains on batches of words, and how well: read, made or resumed.

use std::path::{Path, PathBuf};

use anyhow::bail;
use bytesize::ByteSize;
use makemore_tch::checkpoint::resume::{self, LAST, base_of};
use makemore_tch::checkpoint::{Checkpoint, Model, Weights};
use makemore_tch::data::Shares;
use makemore_tch::models::{Kind, LanguageModel, Network};
use makemore_tch::train::lists::Lists;
use makemore_tch::train::run_state::{Losses, RunState};

use super::arguments::{SEED, Train};
use super::data::Data;
use super::model_type::{ModelType, Of};
use crate::cli::context::{Context, check_same_vocabulary};
use crate::cli::outputs::Outputs;

/// The first line of the losses as CSV.
const COLUMNS: &str = "step,train,dev\n";

/// What is trained, and on what.
pub struct Task {
    pub data: Data,
    pub lists: Lists,
    pub seed: u64,
    pub network: Network,
    /// Whether the network was trained before this run began.
    pub is_trained: bool,
}

impl Train {
    /// Reads the lists, and makes the network or finds the one that is resumed.
    pub(super) fn task_on_words(
        &self,
        kind: &'static dyn Kind,
        weights: Option<Weights>,
        context: Context,
    ) -> anyhow::Result<(Task, RunState, Outputs)> {
        self.refuse_foreign(kind)?;
        let out = self.out_of_words(kind, weights.is_some())?;
        let mut outputs = Outputs::check(self.request(&out, true, COLUMNS))?;
        let resumed = self.resumed_run(kind, weights.as_ref(), context)?;
        let data = self.read_data(Shares::USUAL, resumed.as_ref(), context)?;
        if let (Some(file), Some(resumed)) = (&self.resume, &resumed) {
            data.check_same_list(file, resumed)?;
        }
        data.check_characters()?;
        outputs.check_list(&data.counted, kind.name())?;
        let lists = Lists::read(&data.parts, data.counted.counts.vocabulary())?;
        let is_same = self.resume.as_deref().map(base_of) == Some(out);
        let is_run = resumed.as_ref().and_then(Checkpoint::run).is_some();
        // Without a dev part a run that goes on has nothing to compare itself with until its end.
        if !(is_same && is_run && lists.dev.is_empty()) {
            let loss = |model: &Model| lists.loss(model.language_model()).map(Some);
            outputs.keep_better(&data.parts.split_of(), is_same, loss)?;
        }
        let seed_before = resumed.as_ref().map(|resumed| resumed.seed);
        let seed = self.seed.or(seed_before).unwrap_or(SEED);
        let device = context.open_device(self.device)?;
        let (network, run) = match (resumed, weights) {
            (Some(resumed), _) => self.resumed_network(resumed, &data, device)?,
            (None, weights) => {
                let made = (seed, device);
                (
                    self.new_network(kind, weights, &data, lists.longest, made)?,
                    None,
                )
            }
        };
        self.check_block_size(&network, &lists, &data.counted.origin)?;
        let is_trained = self.resume.is_some() && run.is_none();
        let mut state = match run {
            Some(run) => self.resumed_state(run, &mut outputs)?,
            None => {
                if is_trained {
                    outputs.resume_metrics(None, None::<&[u64]>, "step")?;
                }
                RunState::new(self.word_options(network.config(), seed))
            }
        };
        choose_threads(&mut state, &network, context);
        self.check_memory(&network, &lists, state.options.batch_size)?;
        let task = Task {
            data,
            lists,
            seed,
            network,
            is_trained,
        };
        Ok((task, state, outputs))
    }

    /// A new network, or that of weights.
    fn new_network(
        &self,
        kind: &'static dyn Kind,
        weights: Option<Weights>,
        data: &Data,
        longest: usize,
        (seed, device): (u64, tch::Device),
    ) -> anyhow::Result<Network> {
        let vocabulary = data.counted.counts.vocabulary().clone();
        Ok(match weights {
            Some(weights) => weights.network(vocabulary, longest, self.n_head(), device)?,
            None => Network::new(vocabulary, self.config(kind, longest)?, seed, device)?,
        })
    }

    /// Refuses arguments of other models and sizes that a kind of network does not have.
    fn refuse_foreign(&self, kind: &'static dyn Kind) -> anyhow::Result<()> {
        self.refuse(
            |of| matches!(of, Of::Ngrams | Of::Lecture),
            "is not of this type of model; leave it out",
        )?;
        let is_foreign = |of| match of {
            Of::Size(size) => !kind.sizes().contains(&size),
            Of::Dropout => kind.sizes().is_empty(),
            _ => false,
        };
        self.refuse(is_foreign, "is not of this type of network; leave it out")
    }

    /// Where the network is saved.
    fn out_of_words(&self, kind: &'static dyn Kind, has_weights: bool) -> anyhow::Result<PathBuf> {
        let kind = ModelType::Network(kind);
        let out = match &self.out {
            None if has_weights => kind.out(),
            _ => self.out(kind),
        };
        if base_of(&out) != out {
            bail!(
                "{}: a file with {LAST} behind its name has the state of a training; choose another name with --out",
                out.display()
            );
        }
        Ok(out)
    }

    /// The checkpoint that is resumed, if one is; what it says is not said again.
    fn resumed_run(
        &self,
        kind: &'static dyn Kind,
        weights: Option<&Weights>,
        context: Context,
    ) -> anyhow::Result<Option<Checkpoint>> {
        let Some(file) = &self.resume else {
            return Ok(None);
        };
        let shown = file.display();
        if let Some(weights) = weights {
            let there = weights.kind().name();
            if there != kind.name() {
                bail!("{shown}: weights of type {there}; leave --type out");
            }
            let is_known = |of| matches!(of, Of::Size(name) if name != "n_head");
            self.refuse(is_known, "is that of the weights; leave it out")?;
            return Ok(None);
        }
        let checkpoint = resume::load(file)?;
        let there = checkpoint.model.kind();
        if there != kind.name() {
            bail!("{shown}: a model of type {there}; leave --type out");
        }
        match checkpoint.run() {
            Some(_) => self.refuse(
                Of::is_of_a_run,
                "stays what it was from the beginning of a run to its end; leave it out",
            )?,
            None => self.refuse(
                |of| matches!(of, Of::Size(_)),
                "is that of the network that is resumed; leave it out",
            )?,
        }
        if checkpoint.run().is_none() {
            context.remarks.say(format_args!(
                "{} is not there, so that a new training begins with the network of {shown}",
                resume::last_of(file).display(),
            ));
        }
        Ok(Some(checkpoint))
    }

    /// The network of a checkpoint as it goes on, and the state of its run.
    fn resumed_network(
        &self,
        checkpoint: Checkpoint,
        data: &Data,
        device: tch::Device,
    ) -> anyhow::Result<(Network, Option<RunState>)> {
        let file = self.resume.as_deref().unwrap_or(Path::new(""));
        let Model::Network(trained) = checkpoint.model else {
            bail!("{}: no network", file.display());
        };
        let vocabulary = trained.network.vocabulary();
        check_same_vocabulary(file, vocabulary, &data.counted)?;
        let best = trained.network.state_dict().into_iter().collect();
        let parameters = trained.run.as_ref().map_or(&best, |run| &run.parameters);
        let config = trained.network.config();
        let network = Network::of(vocabulary.clone(), config, parameters, device)?;
        Ok((network, trained.run.map(|run| *run)))
    }

    /// The state of a run as it goes on: as it was, but for where it ends.
    fn resumed_state(
        &self,
        mut state: RunState,
        outputs: &mut Outputs,
    ) -> anyhow::Result<RunState> {
        let words = &self.words;
        if words.max_steps.is_some() || words.minutes.is_some() {
            state.options.steps = words.max_steps;
            state.options.seconds = words.minutes.map(|minutes| 60.0 * minutes);
        }
        if let Some(every) = words.eval_every {
            state.options.eval_every = every;
        }
        if state.is_over() {
            let file = self.resume.as_deref().unwrap_or(Path::new(""));
            bail!(
                "{}: its training is over, after {} steps and {:.1} minutes; name more in all with --max-steps or --minutes",
                file.display(),
                state.progress.steps,
                state.progress.seconds / 60.0
            );
        }
        let rows: Vec<_> = state.losses.iter().map(Losses::row).collect();
        let evaluated = Some(state.evaluated).filter(|&step| step > 0);
        // Older states do not have the losses.
        let rows = Some(rows.as_slice()).filter(|rows| !rows.is_empty() || evaluated.is_none());
        outputs.resume_metrics(evaluated, rows, "step")?;
        Ok(state)
    }

    /// Refuses words that a network that was trained before would not read from their beginnings.
    fn check_block_size(
        &self,
        network: &Network,
        lists: &Lists,
        origin: &str,
    ) -> anyhow::Result<()> {
        let (block_size, longest) = (network.block_size(), lists.longest);
        let Some(file) = &self.resume else {
            return Ok(());
        };
        if network.config().kind().takes_longer_words() || longest < block_size {
            return Ok(());
        }
        bail!(
            "{}: its block size is {block_size}, too short for the longest word of {origin}, which has {longest} characters",
            file.display()
        )
    }

    /// Refuses batches that would fill the memory, as a long word in them can.
    fn check_memory(&self, network: &Network, lists: &Lists, batch: usize) -> anyhow::Result<()> {
        let (longest, bytes) = lists.step_bytes(network, batch);
        let limit = self.memory.memory().limit();
        if bytes <= limit {
            return Ok(());
        }
        let shown = |bytes| ByteSize::b(bytes).display().si();
        bail!(
            "a step of {batch} words, of which the longest has {longest} characters, takes about {} of memory, and there are {}; a smaller --batch-size or a list without its longest words would work",
            shown(bytes),
            shown(limit)
        )
    }
}

/// Has a step computed on as many threads as it is long enough for; a run goes on with as many as it
/// had, unless the user says otherwise.
fn choose_threads(state: &mut RunState, network: &Network, context: Context) {
    let options = &mut state.options;
    let fitting = match network.device() {
        tch::Device::Cpu => {
            let numbers = options.batch_size * network.parameter_count();
            context.threads.prepare_for_training(numbers)
        }
        _ => 1,
    };
    if state.progress.steps == 0 || context.threads.is_chosen {
        options.threads = fitting;
    }
}
