//! `makemore-tch train`, with a file for each way of training.
//!
//! `bigram` is the lecture's gradient descent, `ngram` is counting, `words` is training on batches of
//! words; `bigram_task` and `word_task` read the data and make the network, or take the resumed one.
//! They share `data`, which reads and splits the lists, `print` for the results, and `advice` for what
//! helps after a failure. The arguments are in `arguments::train`, the defaults of networks trained on
//! batches in `arguments::recipe`.

mod advice;
mod bigram;
mod bigram_task;
mod data;
mod ngram;
mod print;
mod word_task;
mod words;

use anyhow::{anyhow, bail};
use makemore_tch::checkpoint::{Checkpoint, Model, Weights, resume};
use makemore_tch::distributed::Processes;
use makemore_tch::models::kinds::Lookup;

use super::arguments::distributed::check_rereadable;
use super::arguments::model_type::ModelType;
use super::arguments::train::Train;
use super::context::Context;

/// The model of `--resume`.
enum Resumed {
    /// Weights that makemore.py saved: tensors only, without vocabulary and run state.
    Weights(Weights),
    Checkpoint(Box<Checkpoint>),
}

impl Train {
    pub fn run(self, context: Context) -> anyhow::Result<u8> {
        let distributed = self.distributed;
        distributed.together(context, |processes, context| {
            self.run_with(processes, context)
        })
    }

    fn run_with(self, processes: &dyn Processes, context: Context) -> anyhow::Result<u8> {
        check_rereadable(&self.resume, processes)?;
        let resumed = self.load_resumed()?;
        let kind = self.kind(resumed.as_ref())?;
        self.refuse_others(kind)?;
        let (weights, checkpoint) = match resumed {
            None => (None, None),
            Some(Resumed::Weights(weights)) => (Some(weights), None),
            Some(Resumed::Checkpoint(checkpoint)) => (None, Some(*checkpoint)),
        };
        if let ModelType::Network(_) = kind {
            let lists = self.data.data.iter().chain(&self.dev).chain(&self.test);
            check_rereadable(lists, processes)?;
        }
        context.remark_on_stdin(&self.data, processes);
        match kind {
            ModelType::Bigram => self.train_bigram(checkpoint.as_ref(), processes, context),
            ModelType::Ngram => self.count_ngrams(processes, context),
            ModelType::Network(kind) => {
                self.train_on_words(kind, weights, checkpoint, processes, context)
            }
        }
    }

    /// Loads the model that is resumed; an n-gram model cannot be.
    fn load_resumed(&self) -> anyhow::Result<Option<Resumed>> {
        let Some(file) = &self.resume else {
            return Ok(None);
        };
        let counted = "an n-gram model is counted and not trained further; count all lists together: --type ngram --data FILE FILE";
        if self.kind == Some(ModelType::Ngram) {
            bail!("--resume {}: {counted}", file.display());
        }
        if let Some(weights) = Weights::load(file)? {
            return Ok(Some(Resumed::Weights(weights)));
        }
        // The lecture's network has no run state; a FILE.last beside it is of another training.
        let checkpoint = match self.kind {
            Some(ModelType::Bigram) if !self.words.has_preset() => Checkpoint::load(file)?,
            _ => resume::load(file)?,
        };
        match &checkpoint.model {
            Model::Ngram(_) => bail!("{}: {counted}", file.display()),
            Model::Bigram(_) | Model::Network(_) => {
                Ok(Some(Resumed::Checkpoint(Box::new(checkpoint))))
            }
        }
    }

    /// The type of the model: the user's choice, or that of the model that is resumed.
    fn kind(&self, resumed: Option<&Resumed>) -> anyhow::Result<ModelType> {
        let there = match resumed {
            None => None,
            Some(Resumed::Weights(weights)) => Some(weights.kind()?.name()),
            Some(Resumed::Checkpoint(checkpoint)) => Some(checkpoint.model.kind()),
        };
        let Some(there) = there else {
            return Ok(match self.kind.unwrap_or(ModelType::Bigram) {
                ModelType::Bigram if self.words.has_preset() => ModelType::Network(&Lookup),
                kind => kind,
            });
        };
        let of_file = |what: &str| anyhow!("{}: a model of type {there}{what}", self.resumed());
        let kind = ModelType::named(there).ok_or_else(|| of_file(""))?;
        match self.kind.is_none_or(|chosen| chosen == kind) {
            true => Ok(kind),
            false => Err(of_file("; leave --type out")),
        }
    }
}
