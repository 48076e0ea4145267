//! The data and the network, new or resumed, for a training on batches of words.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use makemore_tch::checkpoint::resume::{self, LAST, base_of};
use makemore_tch::checkpoint::{Checkpoint, Model, Weights};
use makemore_tch::data::{Shares, Vocabulary};
use makemore_tch::distributed::{Alone, Processes};
use makemore_tch::files::is_same;
use makemore_tch::models::{Kind, Network};
use makemore_tch::train::corpus::Corpus;
use makemore_tch::train::lists::Lists;
use makemore_tch::train::run_state::{Losses, RunState};

use crate::cli::arguments::model_type::{ModelType, Of};
use crate::cli::arguments::train::{SEED, Train};
use crate::cli::context::{Context, check_same_vocabulary};
use crate::cli::outputs::Outputs;

/// The first line of the losses as CSV.
const COLUMNS: &str = "step,train,dev\n";

/// A network and the lists that it is trained on.
pub struct WordTask {
    pub data: Corpus,
    pub lists: Lists,
    pub seed: u64,
    pub network: Network,
    /// Whether the network was trained before this run began.
    pub is_trained: bool,
}

impl Train {
    /// Reads the lists, and makes a new network or takes the resumed one.
    pub(super) fn task_on_words(
        &self,
        kind: &'static dyn Kind,
        weights: Option<Weights>,
        resumed: Option<Checkpoint>,
        processes: &dyn Processes,
        context: Context,
    ) -> anyhow::Result<(WordTask, RunState, Outputs)> {
        let out = self.out_of_words(kind, weights.is_some())?;
        let mut outputs = Outputs::check(self.request(&out, true, COLUMNS))?;
        self.refuse_what_is_known(weights.is_some(), resumed.as_ref(), context)?;
        let run = resumed.as_ref().and_then(Checkpoint::run);
        let data = self.read_data(Shares::USUAL, resumed.as_ref(), &Alone, context)?;
        if let (Some(file), Some(resumed)) = (&self.resume, &resumed) {
            if run.is_some() {
                let same = data.check_list(resumed.data);
                same.with_context(|| self.resumed())?;
            }
            check_same_vocabulary(file, resumed.model.vocabulary(), &data.counted)?;
        }
        outputs.check_list(&data.counted, kind.name())?;
        let vocabulary = data.counted.counts.vocabulary().clone();
        let lists = Lists::read(&data.parts, &vocabulary)?;
        let resumes = |file| is_same(&base_of(file), &out);
        let is_same = self.resume.as_deref().is_some_and(resumes);
        let own = run.filter(|_| is_same);
        let loss = |model: &Model| match model {
            Model::Network(there) => lists.loss_to_reach(own, &there.network),
            _ => Ok(None),
        };
        outputs.keep_better(&data.parts.split_of(), is_same, loss)?;
        let seed_before = resumed.as_ref().map(|resumed| resumed.seed);
        let seed = self.seed.or(seed_before).unwrap_or(SEED);
        let device = context.open_device(self.device)?;
        context.prepare_sums(device, processes)?;
        let (network, run) = match resumed.map(|resumed| resumed.model) {
            Some(Model::Network(trained)) => trained.go_on(device)?,
            _ => {
                let made = self.new_network(kind, weights, vocabulary, &lists, (seed, device));
                (made?, None)
            }
        };
        let is_trained = self.resume.is_some() && run.is_none();
        let mut state = self.state(run, &network, &lists, seed, &mut outputs)?;
        if let Some(why) = self.why_no_steps(&state) {
            context.remarks.say(why);
        }
        context.choose_threads(&mut state, &network, processes)?;
        let (batch, limit) = (state.options.batch_size, data.memory.free());
        lists.check_memory(&network, batch, limit)?;
        let task = WordTask {
            data,
            lists,
            seed,
            network,
            is_trained,
        };
        Ok((task, state, outputs))
    }

    /// The run state, new or resumed.
    fn state(
        &self,
        run: Option<RunState>,
        network: &Network,
        lists: &Lists,
        seed: u64,
        outputs: &mut Outputs,
    ) -> anyhow::Result<RunState> {
        match run {
            Some(run) => self.resumed_state(run, outputs),
            None => {
                if self.resume.is_some() {
                    outputs.resume_metrics(None, None::<(&[u64], u64)>, "step")?;
                }
                let options = self.word_options(network.config(), lists.characters, seed);
                Ok(RunState::new(options))
            }
        }
    }

    /// A new network, or one with weights of makemore.py.
    fn new_network(
        &self,
        kind: &'static dyn Kind,
        weights: Option<Weights>,
        vocabulary: Vocabulary,
        lists: &Lists,
        (seed, device): (u64, tch::Device),
    ) -> anyhow::Result<Network> {
        Ok(match weights {
            Some(weights) => weights.network(vocabulary, lists.longest, self.n_head(), device)?,
            None => Network::new(vocabulary, self.config(kind, lists), seed, device)?,
        })
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

    /// Refuses arguments whose values follow from the resumed file.
    fn refuse_what_is_known(
        &self,
        has_weights: bool,
        resumed: Option<&Checkpoint>,
        context: Context,
    ) -> anyhow::Result<()> {
        let (is_size, is_of_a_run) = (
            |_: &str, of| of == Of::Size,
            |_: &str, of: Of| of.is_of_a_run(),
        );
        if has_weights {
            let is_known = |id: &str, of| of == Of::Size && id != "n_head";
            return self.refuse(is_known, "is that of the weights; leave it out");
        }
        match (&self.resume, resumed.map(Checkpoint::run)) {
            (Some(_), Some(Some(_))) => {
                let reason =
                    "stays what it was from the beginning of a run to its end; leave it out";
                self.refuse(is_of_a_run, reason)
            }
            (Some(file), Some(None)) => {
                let (last, file) = (resume::last_of(file), file.display());
                let reason = "is that of the network that is resumed; leave it out";
                self.refuse(is_size, reason)?;
                context.remarks.say(format_args!(
                    "{} is not there, so that a new training begins with the network of {file}",
                    last.display(),
                ));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A resumed run state, with the user's new limits and evaluation interval.
    fn resumed_state(
        &self,
        mut state: RunState,
        outputs: &mut Outputs,
    ) -> anyhow::Result<RunState> {
        state.options = self.resumed_options(state.options);
        if let Some(evaluations) = state.lost_patience() {
            bail!(
                "{}: its training is over, as dev was not better in {evaluations} evaluations; a larger --patience goes on",
                self.resumed()
            );
        }
        if state.is_over() {
            bail!(
                "{}: its training is over, after {} steps and {:.1} minutes; name more in all with --max-steps or --minutes",
                self.resumed(),
                state.progress.steps,
                state.progress.seconds / 60.0
            );
        }
        let rows: Vec<_> = state.losses.iter().map(Losses::row).collect();
        let evaluated = Some(state.evaluated).filter(|&step| step > 0);
        // Run states of older versions have no losses.
        let rows = Some(rows.as_slice()).filter(|rows| !rows.is_empty() || evaluated.is_none());
        let first = state.losses.first().map(|losses| losses.step);
        let first = first.unwrap_or(state.options.first_evaluation());
        outputs.resume_metrics(evaluated, rows.map(|rows| (rows, first)), "step")?;
        Ok(state)
    }
}
