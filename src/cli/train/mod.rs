//! `makemore-tch train`: what a model is trained on, by the kind of model.
//!
//! `bigram` is the lecture's gradient descent, `ngram` is counting, `words` are the networks that
//! learn from batches of words; `task` makes what is trained, or finds what is resumed. Around them:
//! `arguments`, `word_arguments` and `model_type` are what the user says, `recipe` has the defaults of
//! networks, `data` names and splits the lists, `print` shows the results, `advice` tells the user
//! what helps.

mod advice;
mod arguments;
mod bigram;
mod data;
mod model_type;
mod ngram;
mod print;
mod recipe;
mod task;
mod word_arguments;
mod words;

use anyhow::anyhow;
use makemore_tch::checkpoint::resume;
use makemore_tch::checkpoint::{Checkpoint, Weights};
use makemore_tch::models::kinds::Lookup;

pub use arguments::Train;
use model_type::ModelType;

use super::context::Context;

impl Train {
    pub fn run(self, context: Context) -> anyhow::Result<u8> {
        // The weights of makemore.py are no checkpoint; n-grams are not resumed at all.
        let resumed = self.resume.as_deref();
        let resumed = resumed.filter(|_| self.kind != Some(ModelType::Ngram));
        let weights = resumed.map(Weights::load).transpose()?;
        let weights = weights.flatten();
        let kind = self.kind(weights.as_ref())?;
        if let ModelType::Bigram | ModelType::Ngram = kind {
            let reason = "is of the networks of makemore.py; choose one with --type";
            self.refuse(|_, of| of.is_of_words(), reason)?;
        }
        match kind {
            ModelType::Bigram => self.train_bigram(context),
            ModelType::Ngram => self.count_ngrams(context),
            ModelType::Network(kind) => self.train_on_words(kind, weights, context),
        }
    }

    /// What is trained: as the user says, or what is resumed.
    fn kind(&self, weights: Option<&Weights>) -> anyhow::Result<ModelType> {
        let resumed = self.resume.as_ref().filter(|_| self.kind.is_none());
        let Some(file) = resumed else {
            return Ok(match self.kind.unwrap_or(ModelType::Bigram) {
                ModelType::Bigram if self.words.has_preset() => ModelType::Network(&Lookup),
                kind => kind,
            });
        };
        let kind = match weights {
            Some(weights) => weights.kind().name(),
            None => Checkpoint::load(&resume::file_of(file))?.model.kind(),
        };
        ModelType::named(kind).ok_or_else(|| anyhow!("{}: a model of type {kind}", file.display()))
    }
}
