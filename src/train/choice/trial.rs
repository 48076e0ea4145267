//! The predictions of models for words that are held out.

use std::collections::BTreeMap;

use super::plan::Plan;
use super::report::{Report, Tried};
use crate::counting::NgramCounts;
use crate::data::WordList;
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::models::ngram::orders::HIGHEST;
use crate::models::{LanguageModel, Network, Ngram, Smoothing};
use crate::train::corpus::Corpus;

/// The name of n-grams to the user.
const NGRAMS: &str = "n-grams";

/// The predictions of n-grams or of a network for all held-out words, with each of their settings.
#[derive(Debug)]
pub struct Trial {
    /// The place of the network in the plan; none of n-grams.
    pub network: Option<usize>,
    /// The name of the model to the user.
    pub name: &'static str,
    /// The settings, orders of n-grams or steps of a network, each with the probabilities of the
    /// held-out characters.
    settings: BTreeMap<u64, Vec<f32>>,
    /// The best setting and its loss, in nats per character.
    best: (u64, f64),
}

/// Trials of all models of a plan.
#[derive(Debug)]
pub struct Trials {
    /// The trials: n-grams, then the networks of the plan.
    pub all: Vec<Trial>,
    /// How often each held-out character occurs.
    pub times: Vec<f64>,
}

impl Trial {
    fn new(network: Option<usize>, name: &'static str) -> Self {
        Self {
            network,
            name,
            settings: BTreeMap::new(),
            best: (0, f64::INFINITY),
        }
    }

    /// The predictions of n-grams of every order, counted in the train part.
    ///
    /// # Errors
    ///
    /// If a list cannot be read or has changed; [`Error::Interrupted`] once the flag of the parts is set.
    pub fn of_ngrams(
        data: &Corpus,
        words: &[&[usize]],
        times: &[f64],
        memory: &Memory,
    ) -> Result<Self> {
        let mut trial = Self::new(None, NGRAMS);
        of_orders(&mut trial, data, words, memory)?;
        trial.find_best(times);
        Ok(trial)
    }

    /// The loss with a setting; infinite if it was not tried.
    pub fn loss_of(&self, setting: u64, times: &[f64]) -> f64 {
        let p = self.settings.get(&setting);
        p.map_or(f64::INFINITY, |p| {
            nll(p.iter().map(|&p| f64::from(p)), times)
        })
    }

    /// Adds what a model predicts for more words.
    fn add(&mut self, setting: usize, model: &dyn LanguageModel, words: &[&[usize]]) -> Result<()> {
        let p = model.probabilities(words)?;
        self.settings.entry(setting as u64).or_default().extend(p);
        Ok(())
    }

    /// The best order, or the best number of steps.
    pub fn setting(&self) -> u64 {
        self.best.0
    }

    /// The probabilities of the held-out characters with the best setting.
    pub fn p(&self) -> &[f32] {
        self.settings.get(&self.best.0).map_or(&[], Vec::as_slice)
    }

    /// The loss with the best setting.
    pub fn loss(&self) -> f64 {
        self.best.1
    }

    fn find_best(&mut self, times: &[f64]) {
        let settings = self.settings.iter();
        // Where the clock is the limit, some are not there in every fold.
        let whole = settings.filter(|(_, p)| p.len() == times.len());
        let losses = whole.map(|(&setting, p)| {
            let p = p.iter().map(|&p| f64::from(p));
            (setting, nll(p, times))
        });
        if let Some(best) = losses.min_by(|one, other| one.1.total_cmp(&other.1)) {
            self.best = best;
        }
    }

    fn tried(&self) -> Tried {
        let setting = self.setting();
        let name = match self.network {
            None => format!("{} of order {setting}", self.name),
            Some(_) if setting == 1 => format!("{} after a step", self.name),
            Some(_) => format!("{} after {setting} steps", self.name),
        };
        Tried {
            name,
            loss: self.loss(),
        }
    }
}

impl Trials {
    /// Tries all models of a plan, on the held-out words of each split.
    ///
    /// # Errors
    ///
    /// If a list cannot be read or has changed.
    pub fn of(
        plan: &mut Plan,
        splits: &[Corpus],
        memory: &Memory,
        report: &mut dyn Report,
    ) -> Result<Self> {
        let folds = splits.iter().map(|split| {
            let lists = split.lists()?;
            Ok((lists.dev.distinct(), lists.train))
        });
        let folds: Vec<(WordList, WordList)> = folds.collect::<Result<_>>()?;
        let times = folds.iter().flat_map(|(dev, _)| dev.times_of_characters());
        let times = times.collect();
        let networks = plan.networks().into_iter().enumerate();
        let networks = networks.map(|(place, name)| Trial::new(Some(place), name));
        let all = [Trial::new(None, NGRAMS)].into_iter().chain(networks);
        let mut trials = Self {
            all: all.collect(),
            times,
        };
        for trial in &mut trials.all {
            for (data, (dev, train)) in splits.iter().zip(&folds) {
                let words = dev.encoded();
                let words: Vec<&[usize]> = words.iter().map(Vec::as_slice).collect();
                match trial.network {
                    None => of_orders(trial, data, &words, memory)?,
                    Some(place) => {
                        let look = &mut |steps: u64, network: &Network| {
                            trial.add(steps as usize, network, &words)
                        };
                        if report.stops() || !plan.has_time(place) {
                            break;
                        }
                        match plan.try_out(place, train, report, look) {
                            // Without a setting for all words, it is not among those that are chosen.
                            Err(Error::Diverged { .. }) => trial.settings.clear(),
                            tried => tried?,
                        }
                    }
                }
            }
            if trial.network.is_some() && report.stops() {
                trial.settings.clear();
            }
            trial.find_best(&trials.times);
            if trial.loss().is_finite() {
                report.tried(&trial.tried());
            }
        }
        let is_left = |trial: &Trial| trial.network.is_none() || trial.loss().is_finite();
        trials.all.retain(is_left);
        Ok(trials)
    }
}

/// Tries n-grams of every order whose counts fit into the memory.
fn of_orders(trial: &mut Trial, data: &Corpus, words: &[&[usize]], memory: &Memory) -> Result<()> {
    let counts = highest(data, memory.free())?;
    for order in 2..=counts.order() {
        data.parts.check_stopped()?;
        // Each order is forgotten before the next.
        let memory = Memory::new(memory.free());
        match Ngram::of(&counts.of_order(order), Smoothing::KneserNey, &memory) {
            Ok(model) => trial.add(order, &model, words)?,
            Err(Error::Memory { .. }) if order > 2 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The n-grams of the train part, of the highest order that fits into the memory.
fn highest(data: &Corpus, limit: u64) -> Result<NgramCounts> {
    let mut order = HIGHEST;
    loop {
        match data.train_counts(order, &Memory::new(limit)) {
            Err(Error::Memory { .. } | Error::Order { .. }) if order > 2 => order -= 1,
            counted => return counted,
        }
    }
}

/// The average NLL of characters by their probabilities, each of which occurs some times.
pub fn nll(p: impl Iterator<Item = f64>, times: &[f64]) -> f64 {
    let (nats, all) = p.zip(times).fold((0.0, 0.0), |(nats, all), (p, times)| {
        (nats - times * p.ln(), all + times)
    });
    nats / all
}
