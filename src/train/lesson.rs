//! The data of the lecture's network: n-grams as examples, and the counting model that the network is
//! compared with.

use tch::Device;

use super::corpus::Corpus;
use super::examples::{Examples, Rows};
use crate::checkpoint::Model;
use crate::counting::NgramCounts;
use crate::distributed::Processes;
use crate::error::Result;
use crate::models::{Bigram, LanguageModel, Ngram, Smoothing, Table};
use crate::score::evaluate;

/// The n-grams of a train part, as examples and as a counting model.
#[derive(Debug)]
pub struct Lesson {
    /// The word lists.
    pub data: Corpus,
    /// The n-grams of the train part.
    pub counts: NgramCounts,
    /// These n-grams as examples.
    pub examples: Examples,
    /// The counting model.
    pub p: Box<dyn LanguageModel>,
    /// The average NLL of the counting model on the train part, in nats.
    pub counting_nll: f64,
}

impl Lesson {
    /// Counts the n-grams of an order, maybe with other processes that count the same; `added` is the
    /// smoothing of the counting model.
    ///
    /// # Errors
    ///
    /// As [`counts`](Self::counts).
    pub fn of(
        data: Corpus,
        order: usize,
        added: f64,
        (rows, device): (Rows, Device),
        processes: &dyn Processes,
    ) -> Result<Self> {
        let counts = Self::counts(&data, order, processes)?;
        let data = data.alone();
        let p: Box<dyn LanguageModel> = match order {
            2 => Box::new(Table::of(&counts, added)?),
            _ => Box::new(Ngram::of(
                &counts,
                Smoothing::Additive(added),
                &data.memory,
            )?),
        };
        Ok(Self {
            counting_nll: evaluate::counts(&*p, &counts)?.nll(),
            examples: Examples::of(rows, &data.parts, &counts, device)?,
            p,
            counts,
            data,
        })
    }

    /// The n-grams of an order, all for process 0.
    ///
    /// # Errors
    ///
    /// As [`Bigram::check_order`] and [`Corpus::shared_train_counts`].
    pub fn counts(data: &Corpus, order: usize, processes: &dyn Processes) -> Result<NgramCounts> {
        // Before the n-grams are counted, which takes time.
        Bigram::check_order(data.counted.counts.vocabulary(), order)?;
        data.shared_train_counts(order, &data.memory, processes)
    }

    /// The average NLL of a model on the train part, without regularization. A network of another order
    /// has the loss that was saved with it; other kinds of models have `None`.
    pub fn nll(&self, model: &Model) -> Result<Option<f64>> {
        match model {
            Model::Bigram(trained) if trained.network.order() == self.counts.order() => Ok(Some(
                evaluate::counts(&trained.network, &self.counts)?.nll(),
            )),
            Model::Bigram(trained) => Ok(Some(trained.loss.into())),
            Model::Network(_) | Model::Ngram(_) => Ok(None),
        }
    }
}
