//! The run state: a training that is resumed from it ends as if it had not been interrupted.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::options::WordOptions;
use super::steps::Progress;
use crate::error::Result;
use crate::models::Network;

/// The state of a training on words. A checkpoint has its numbers as JSON and its tensors beside it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunState {
    /// The options of the training.
    pub options: WordOptions,
    /// The steps and the time so far.
    #[serde(rename = "done")]
    pub progress: Progress,
    /// The parameters with the lowest dev loss so far; without a dev part, those of the last
    /// evaluation. `None` before the first one.
    pub best: Option<Best>,
    /// The number of steps at the last evaluation; 0 before the first one.
    pub evaluated: u64,
    /// The sum and the number of the batches' losses since the last evaluation.
    pub since: (f64, u32),
    /// The losses of all evaluations.
    #[serde(default)]
    pub losses: Vec<Losses>,
    /// The network's parameters and buffers after the last step, by name.
    #[serde(skip)]
    pub parameters: BTreeMap<String, Tensor>,
    /// The optimizer state, by name.
    #[serde(skip)]
    pub optimizer: Vec<(String, Tensor)>,
}

/// The best parameters of a run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// The number of steps made before.
    pub step: u64,
    /// The mean loss of the batches between the evaluation before and this one, in nats.
    #[serde(default)]
    pub train: f64,
    /// The loss on dev in nats, if there is a dev part.
    pub dev: Option<f64>,
    /// The SHA-256 of the parameters, in states that were saved without them, to find out whether the
    /// checkpoint beside the state still holds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Parameters and buffers, by name.
    #[serde(skip)]
    pub parameters: BTreeMap<String, Tensor>,
}

/// The losses of an evaluation, in nats per character.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Losses {
    /// The number of steps made.
    pub step: u64,
    /// The mean loss of the batches since the evaluation before.
    pub train: f64,
    /// The loss on dev, if there is a dev part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<f64>,
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Step: {}, train loss: {:.6}", self.step, self.train)?;
        match self.dev {
            Some(dev) => write!(f, ", dev loss: {dev:.6}"),
            None => Ok(()),
        }
    }
}

impl Losses {
    /// The columns of a table: step, train loss, dev loss.
    pub fn row(&self) -> (u64, f64, Option<f64>) {
        (self.step, self.train, self.dev)
    }
}

impl RunState {
    /// The state before the first step.
    pub fn new(options: WordOptions) -> Self {
        Self {
            options,
            progress: Progress::default(),
            best: None,
            evaluated: 0,
            since: (0.0, 0),
            losses: Vec::new(),
            parameters: BTreeMap::new(),
            optimizer: Vec::new(),
        }
    }

    /// A copy of the state that shares the tensors' memory.
    pub fn shallow_clone(&self) -> Self {
        let best = self.best.as_ref().map(|best| Best {
            sha256: best.sha256.clone(),
            parameters: shared(&best.parameters),
            ..*best
        });
        let optimizer = self.optimizer.iter();
        let optimizer = optimizer.map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
        Self {
            best,
            losses: self.losses.clone(),
            parameters: shared(&self.parameters),
            optimizer: optimizer.collect(),
            ..*self
        }
    }

    /// The dev losses of all evaluations, each with its step.
    pub fn dev_losses(&self) -> Vec<(u64, f64)> {
        let losses = self.losses.iter();
        losses
            .filter_map(|now| Some((now.step, now.dev?)))
            .collect()
    }

    /// The dev loss of the best parameters, if there is a dev part and an evaluation was made.
    pub fn dev_loss(&self) -> Option<f64> {
        self.best.as_ref()?.dev
    }

    /// The dev loss of a network as the run measured it, if it has the best parameters.
    pub fn measured(&self, network: &Network) -> Option<f64> {
        let best = self.best.as_ref()?;
        best.dev.filter(|_| are_of(&best.parameters, network))
    }

    /// Whether a network has the parameters after the last step of a run that was not evaluated yet.
    pub fn is_now(&self, network: &Network) -> bool {
        self.best.is_none() && are_of(&self.parameters, network)
    }

    /// The number of evaluations without a lower dev loss since the best one, once it has used up the
    /// patience.
    pub fn lost_patience(&self) -> Option<u64> {
        let best = self.best.as_ref().filter(|best| best.dev.is_some())?;
        let later = self.losses.iter().filter(|losses| losses.step > best.step);
        let later = later.count() as u64;
        self.options
            .patience
            .and_then(|patience| (later >= patience).then_some(later))
    }

    /// Whether all steps and the last evaluation are done, or the patience is used up.
    pub fn is_over(&self) -> bool {
        if self.lost_patience().is_some() {
            return true;
        }
        let plan = self.options.plan();
        let (progress, fraction) = (self.progress, plan.fraction(self.progress));
        let is_due = plan.evaluates(progress.steps, fraction) && self.evaluated < progress.steps;
        fraction >= 1.0 && !is_due
    }
}

/// Whether tensors are the parameters and buffers of a network.
fn are_of(tensors: &BTreeMap<String, Tensor>, network: &Network) -> bool {
    let mut all = network.state_dict().into_iter();
    all.all(|(name, tensor)| tensors.get(&name) == Some(&tensor))
}

fn shared(tensors: &BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    let shared = tensors.iter();
    let shared = shared.map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
    shared.collect()
}

/// Copies of a network's parameters and buffers, by name.
pub fn copies(network: &Network) -> Result<BTreeMap<String, Tensor>> {
    let copied = network.state_dict().into_iter().map(|(name, tensor)| {
        let copy = tch::no_grad(|| tensor.f_detach_copy())?;
        Ok((name, copy))
    });
    copied.collect()
}
