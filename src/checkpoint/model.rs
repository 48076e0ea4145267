//! The models that a checkpoint can hold.

use std::collections::BTreeMap;

use super::bigram::{self, TrainedBigram};
use super::file::{Contents, Stored};
use super::network::{self, TrainedNetwork};
use super::ngram;
use crate::data::Vocabulary;
use crate::error::Result;
use crate::models::{LanguageModel, Ngram};

/// A model that was trained or counted.
#[derive(Debug)]
pub enum Model {
    /// The lecture's network.
    Bigram(TrainedBigram),
    /// A network of makemore.py or lecture 5.
    Network(TrainedNetwork),
    /// N-grams, counted.
    Ngram(Ngram),
}

impl Model {
    /// What scoring and sampling need of it.
    pub fn language_model(&self) -> &dyn LanguageModel {
        match self {
            Self::Bigram(trained) => &trained.network,
            Self::Network(trained) => &trained.network,
            Self::Ngram(ngram) => ngram,
        }
    }

    /// What its kind is called.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bigram(_) => bigram::KIND,
            Self::Network(trained) => trained.network.config().kind().name(),
            Self::Ngram(_) => ngram::KIND,
        }
    }

    /// Its vocabulary.
    pub fn vocabulary(&self) -> &Vocabulary {
        self.language_model().vocabulary()
    }

    pub(super) fn tensors(&self) -> Result<BTreeMap<String, Stored>> {
        match self {
            Self::Bigram(trained) => bigram::tensors(trained),
            Self::Network(trained) => network::tensors(trained),
            Self::Ngram(ngram) => Ok(ngram::tensors(ngram)),
        }
    }

    pub(super) fn metadata(&self) -> Result<Vec<(&'static str, String)>> {
        match self {
            Self::Bigram(trained) => bigram::metadata(trained),
            Self::Network(trained) => network::metadata(trained),
            Self::Ngram(ngram) => ngram::metadata(ngram),
        }
    }

    pub(super) fn read(file: &Contents) -> Result<Self> {
        match file.value("model")? {
            bigram::KIND => bigram::read(file).map(Self::Bigram),
            ngram::KIND => ngram::read(file).map(Self::Ngram),
            _ => network::read(file).map(Self::Network),
        }
    }
}
