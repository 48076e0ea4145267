//! The words that a network is trained on, and those that it is evaluated on.

use std::sync::Arc;

use tch::Device;

use crate::data::word_list::{Subset, WordList};
use crate::data::{Part, Parts, Vocabulary};
use crate::distributed::processes::{Stoppable, gather_numbers};
use crate::distributed::{Alone, Processes};
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::models::{Config, LanguageModel, Network, Together};
use crate::score::evaluate;
use crate::score::held_out::HeldOut;
use crate::train::run_state::RunState;

/// At most this many words of a part are evaluated during a training.
const EVALUATED: u64 = 50_000;

/// The words that a network is trained on and evaluated on.
#[derive(Debug, Default)]
pub struct Lists {
    /// All words of the train part.
    pub train: WordList,
    /// Words drawn from the train part, to evaluate on.
    pub of_train: WordList,
    /// Words drawn from the dev part, to evaluate on.
    pub dev: WordList,
    /// The number of characters of the longest word of all parts.
    pub longest: usize,
    /// The number of characters of the distinct words of the train part, with their ends.
    pub characters: u64,
}

impl Lists {
    /// Reads the parts once.
    ///
    /// # Errors
    ///
    /// [`Error::Word`] if a word that is not left out has a character that the vocabulary does not have;
    /// if a list cannot be read or has changed.
    pub fn read(parts: &Parts, vocabulary: &Vocabulary) -> Result<Self> {
        let mut lists = Self::default();
        let [mut of_train, mut of_dev] = [Part::Train, Part::Dev].map(|part| {
            let (words, seed) = (parts.words(part), parts.split().seed());
            Subset::new(words, EVALUATED, seed)
        });
        let wanted = [Part::Train, Part::Dev, Part::Test];
        parts.each_word_here(&wanted, |part, word, times| {
            lists.longest = lists.longest.max(word.chars().count());
            match part {
                Part::Train => {
                    lists.train.push(word, times, vocabulary)?;
                    if of_train.takes_next() {
                        lists.of_train.push(word, times, vocabulary)?;
                    }
                }
                Part::Dev if of_dev.takes_next() => lists.dev.push(word, times, vocabulary)?,
                Part::Dev | Part::Test => {}
            }
            Ok(())
        })?;
        lists.characters = lists.train.distinct_characters();
        Ok(lists)
    }

    /// Refuses a batch size whose longest words need more memory in a step than `limit` bytes. A GPU
    /// has memory of its own.
    ///
    /// # Errors
    ///
    /// [`Error::StepMemory`].
    pub fn check_memory(&self, network: &Network, batch_size: usize, limit: u64) -> Result<()> {
        let longest = self.train.longest();
        let bytes = self.step_bytes(network.config(), network.vocabulary().len(), batch_size);
        if bytes <= limit || network.device() != Device::Cpu {
            return Ok(());
        }
        Err(Error::StepMemory {
            batch_size,
            longest,
            bytes,
            limit,
        })
    }

    /// The memory that a step takes with the longest words in its batch, for `v` characters.
    pub fn step_bytes(&self, config: Config, v: usize, batch_size: usize) -> u64 {
        let mut lengths: Vec<usize> = self.train.iter().map(|word| word.len() + 1).collect();
        lengths.sort_unstable_by(|one, other| other.cmp(one));
        config.step_bytes(v, lengths.into_iter().cycle().take(batch_size))
    }

    /// The train loss of a trained model, and its losses on dev and test; `None` if the user interrupted this or
    /// another process. Processes that have the same model and lists compute them together; process 0 does it by
    /// itself if another one ends.
    ///
    /// # Errors
    ///
    /// As [`HeldOut::of`].
    pub fn losses(
        &self,
        model: &dyn LanguageModel,
        parts: &Parts,
        memory: &Memory,
        processes: &dyn Processes,
    ) -> Result<Option<(f64, HeldOut)>> {
        let of = |model: &dyn LanguageModel, memory: &Memory, parts: &Parts| {
            let between = &mut || parts.check_stopped();
            let of_train = evaluate::word_list(model, &self.of_train, between)?;
            let held_out = HeldOut::of(model, parts, memory, &Alone)?;
            Ok((of_train.nll(), held_out))
        };
        let together = || {
            // All read the lists as often.
            let free = gather_numbers(processes, vec![memory.free()])?;
            let least = Memory::new(free.into_iter().min().unwrap_or(0));
            // An interrupt of any stops all where they exchange, and none before.
            let processes = &Stoppable {
                processes,
                stop: parts.stop(),
            };
            let parts = parts.clone().stopped_by(Arc::default());
            of(&Together { model, processes }, &least, &parts)
        };
        let losses = match processes.size() {
            1 => of(model, memory, parts),
            _ => together(),
        };
        let losses = match losses {
            Err(Error::Processes { .. }) if processes.rank() == 0 => of(model, memory, parts),
            losses => losses,
        };
        match losses {
            Err(Error::Interrupted) => Ok(None),
            losses => losses.map(Some),
        }
    }

    /// The loss that a run must reach to take the place of a network; `None` where that is the run's
    /// own as it was interrupted before its first evaluation, or there is no dev part to compare the
    /// two on.
    pub fn loss_to_reach(&self, own: Option<&RunState>, there: &Network) -> Result<Option<f64>> {
        if own.is_some_and(|own| self.dev.is_empty() || own.is_now(there)) {
            return Ok(None);
        }
        let measured = own.and_then(|own| own.measured(there));
        measured.map_or_else(|| self.loss(there), Ok).map(Some)
    }

    /// The loss that compares models of one list: on dev, or on train if there is no dev part.
    pub fn loss(&self, model: &dyn LanguageModel) -> Result<f64> {
        let words = match self.dev.is_empty() {
            true => &self.of_train,
            false => &self.dev,
        };
        Ok(evaluate::word_list(model, words, &mut || Ok(()))?.nll())
    }
}
