//! The choice: what is best in trials, trained on all words.

use super::plan::{Effort, Plan};
use super::report::{Report, Tried};
use super::trial::{Trial, Trials, nll};
use crate::checkpoint::{Model, TrainedNetwork};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::models::mixture::fit;
use crate::models::{LanguageModel, Mixture, Ngram, Smoothing};
use crate::train::corpus::Corpus;

/// A model with less weight in the mixture is left out.
const LEAST_WEIGHT: f64 = 0.05;

/// The models that are best for a list, trained on all of it.
#[derive(Debug)]
pub struct Choice {
    /// The models, each with its weight.
    pub models: Vec<(Model, f64)>,
}

impl Choice {
    /// Tries models on a list and trains the best ones.
    ///
    /// # Errors
    ///
    /// If the list cannot be read or has changed, or a thread cannot be started.
    pub fn of(
        data: &Corpus,
        seed: u64,
        effort: Effort,
        memory: &Memory,
        report: &mut dyn Report,
    ) -> Result<Self> {
        let lists = data.lists()?;
        let mut plan = Plan::of(data, &lists, seed, effort);
        let words = data.counted.digest.words;
        let splits = plan
            .held_out()
            .map(|held_out| Split::holding_out(held_out, seed, words));
        let splits: Vec<Corpus> = splits.map(|split| data.split_again(split)).collect();
        let trials = Trials::of(&mut plan, &splits, memory, report)?;
        let mut models = Vec::new();
        for (trial, weight) in chosen(&trials, report) {
            let model = match trial.network {
                // A list of one word has none to hold out, so that no order is the best.
                None => Model::Ngram(ngram(data, trial.setting().max(2), memory)?),
                Some(place) => {
                    let best = trial.setting();
                    let trained = plan.train_on_all(place, &lists.train, best, report);
                    let (network, steps) = match trained {
                        Err(Error::Diverged { .. }) => continue,
                        Ok(_) if report.stops() => continue,
                        trained => trained?,
                    };
                    Model::Network(TrainedNetwork {
                        network,
                        steps,
                        loss: trial.loss() as f32,
                        dev_losses: Vec::new(),
                        run: None,
                    })
                }
            };
            models.push((model, weight));
        }
        if let ([], Some(ngrams)) = (models.as_slice(), trials.all.first()) {
            let order = ngrams.setting().max(2);
            models.push((Model::Ngram(ngram(data, order, memory)?), 1.0));
        }
        // Networks may have been left out.
        let all: f64 = models.iter().map(|(_, weight)| weight).sum();
        for (_, weight) in &mut models {
            *weight /= all;
        }
        Ok(Self { models })
    }

    /// The n-grams among the models.
    pub fn ngrams(&self) -> Option<&dyn LanguageModel> {
        let mut models = self.models.iter().map(|(model, _)| model);
        let ngrams = models.find(|model| matches!(model, Model::Ngram(_)))?;
        Some(ngrams.language_model())
    }

    /// The models as one.
    ///
    /// # Errors
    ///
    /// As [`Mixture::new`].
    pub fn mixture(&self) -> Result<Mixture<'_>> {
        let models = self.models.iter();
        let models: Vec<&dyn LanguageModel> =
            models.map(|(model, _)| model.language_model()).collect();
        let weights: Vec<f64> = self.models.iter().map(|&(_, weight)| weight).collect();
        Mixture::new(models, &weights)
    }
}

/// The models that are best together, with their weights.
fn chosen<'t>(trials: &'t Trials, report: &mut dyn Report) -> Vec<(&'t Trial, f64)> {
    let mut kept: Vec<&Trial> = trials.all.iter().collect();
    let weights = loop {
        let p: Vec<&[f32]> = kept.iter().map(|trial| trial.p()).collect();
        let weights = fit(&p, &trials.times);
        let is_light = |&weight: &f64| weight < LEAST_WEIGHT;
        match weights.iter().position(is_light) {
            Some(place) => drop(kept.remove(place)),
            None => break weights,
        }
    };
    if kept.len() > 1 {
        let mixed = (0..trials.times.len()).map(|place| {
            let parts = kept.iter().zip(&weights);
            let parts = parts.map(|(trial, weight)| weight * f64::from(trial.p()[place]));
            parts.sum()
        });
        let shares = weights.iter().zip(&kept);
        let shares = shares.map(|(weight, trial)| format!("{weight:.2} {}", trial.name));
        report.tried(&Tried {
            name: format!("mixed: {}", shares.collect::<Vec<_>>().join(", ")),
            loss: nll(mixed, &trials.times),
        });
    }
    kept.into_iter().zip(weights).collect()
}

/// N-grams of all words, of the order that was best or, where those do not fit into the memory, of a lower one.
fn ngram(data: &Corpus, best: u64, memory: &Memory) -> Result<Ngram> {
    let mut order = best as usize;
    loop {
        // Each order is forgotten before the next.
        let memory = Memory::new(memory.free());
        let counted = data.train_counts(order, &memory);
        match counted.and_then(|counts| Ngram::of(&counts, Smoothing::KneserNey, &memory)) {
            Err(Error::Memory { .. } | Error::Order { .. }) if order > 2 => order -= 1,
            model => return model,
        }
    }
}
