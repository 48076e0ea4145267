//! A network in a checkpoint: parameters and buffers by their names, and maybe the state of its run.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use sha2::{Digest as _, Sha256};
use tch::{Device, Tensor};

use super::file::{Contents, Stored, floats, no_floats};
use crate::error::{Error, Result};
use crate::libtorch::numbers::copied;
use crate::models::{Config, LanguageModel, Network};
use crate::train::run_state::RunState;

/// The most epochs or steps: the largest number that all readers of JSON keep exactly.
pub const MAX_EPOCHS: u64 = 1 << 53;

/// The longest training that is believed: some thousand years.
const MOST_SECONDS: f64 = 1e11;

/// The highest dev loss that is believed, in nats: that of characters with probabilities below any f64.
const MOST_LOSS: f64 = 1e6;

/// The largest weight: in training, exponentials overflow long before.
const MAX_WEIGHT: f32 = 1e6;

/// Prefix of the names of the optimizer state's tensors.
const OPTIMIZER: &str = "optimizer.";

/// Prefix of the names of the parameters after the last step, where the best ones are there too.
const LAST: &str = "last.";

/// Tensors by their names.
type Named = BTreeMap<String, Tensor>;

/// A network with the progress of its training.
#[derive(Debug)]
pub struct TrainedNetwork {
    /// The network.
    pub network: Network,
    /// The number of steps.
    pub steps: u64,
    /// The last train loss, in nats.
    pub loss: f32,
    /// The dev losses of the training, in nats, each with the number of steps made before.
    pub dev_losses: Vec<(u64, f64)>,
    /// The run state, to resume the training from.
    pub run: Option<Box<RunState>>,
}

impl TrainedNetwork {
    /// A network with the best parameters of a run or, where none were evaluated, those after the last
    /// step. `run` is the run state to save with it.
    pub fn of(network: &Network, state: &RunState, run: Option<RunState>) -> Result<Self> {
        let (parameters, steps, loss) = match &state.best {
            Some(best) => (&best.parameters, best.step, best.train),
            None => {
                let (sum, batches) = state.since;
                let loss = sum / f64::from(batches.max(1));
                (&state.parameters, state.progress.steps, loss)
            }
        };
        let vocabulary = network.vocabulary().clone();
        Ok(Self {
            network: Network::of(vocabulary, network.config(), parameters, Device::Cpu)?,
            steps,
            loss: loss as f32,
            dev_losses: dev_losses(state),
            run: run.map(Box::new),
        })
    }

    /// Prepares to resume: the network after its last step, on a device, and the run state.
    pub fn go_on(self, device: Device) -> Result<(Network, Option<RunState>)> {
        let best = self.network.state_dict().into_iter().collect();
        let parameters = self.run.as_ref().map_or(&best, |run| &run.parameters);
        let vocabulary = self.network.vocabulary().clone();
        let network = Network::of(vocabulary, self.network.config(), parameters, device)?;
        Ok((network, self.run.map(|run| *run)))
    }
}

/// The most dev losses that are kept.
const MOST_LOSSES: usize = 1000;

/// The dev losses of a run; of many the last, and every second or third one before it and so on.
fn dev_losses(state: &RunState) -> Vec<(u64, f64)> {
    let losses = state.losses.iter();
    let losses = losses.filter_map(|losses| Some((losses.step, losses.dev?)));
    let losses: Vec<_> = losses
        .filter(|(_, dev)| (0.0..MOST_LOSS).contains(dev))
        .collect();
    let every = losses.len() / MOST_LOSSES + 1;
    let mut kept: Vec<_> = losses.into_iter().rev().step_by(every).collect();
    kept.reverse();
    kept
}

/// The dev losses of a file, if a training can have them.
fn read_dev_losses(written: &str) -> Option<Vec<(u64, f64)>> {
    let losses: Vec<(u64, f64)> = serde_json::from_str(written).ok()?;
    let are_possible = losses.len() <= MOST_LOSSES
        && losses.iter().all(|(_, dev)| (0.0..MOST_LOSS).contains(dev))
        && losses.is_sorted_by(|(one, _), (other, _)| one < other);
    are_possible.then_some(losses)
}

/// Parameters and buffers.
pub(super) fn weights(network: &Network) -> Result<BTreeMap<String, Stored>> {
    let tensors = network.state_dict().into_iter();
    tensors
        .map(|(name, tensor)| Ok((name, stored(&tensor)?)))
        .collect()
}

pub(super) fn tensors(trained: &TrainedNetwork) -> Result<BTreeMap<String, Stored>> {
    let mut tensors = weights(&trained.network)?;
    if let Some(run) = &trained.run {
        for (name, tensor) in &run.optimizer {
            tensors.insert(
                OPTIMIZER.to_owned() + name,
                stored_as(tensor, f32::is_finite)?,
            );
        }
        // Without best parameters, the network itself has those after the last step.
        for (name, tensor) in run.parameters.iter().filter(|_| run.best.is_some()) {
            tensors.insert(LAST.to_owned() + name, stored(tensor)?);
        }
    }
    Ok(tensors)
}

/// The SHA-256 of parameters and buffers, in hexadecimal, to recognise them.
///
/// # Errors
///
/// [`Error::Value`] if a weight is not finite, or far too large.
pub fn sha256_of(parameters: &BTreeMap<String, Tensor>) -> Result<String> {
    let mut hasher = Sha256::new();
    for (name, parameter) in parameters {
        hasher.update((name.len() as u64).to_le_bytes());
        hasher.update(name);
        hasher.update(stored(parameter)?.bytes);
    }
    Ok(base16ct::lower::encode_string(&hasher.finalize()))
}

/// Encodes weights.
pub(super) fn stored(tensor: &Tensor) -> Result<Stored> {
    stored_as(tensor, is_possible)
}

fn stored_as(tensor: &Tensor, is_possible: impl Fn(f32) -> bool) -> Result<Stored> {
    let shape: Vec<usize> = tensor.size().iter().map(|&size| size as usize).collect();
    let values = copied(tensor)?;
    if !values.iter().copied().all(is_possible) {
        return Err(Error::Value {
            what: "a weight of the network",
            value: "not finite, or far too large".to_owned(),
            expected: "a lower learning rate would work",
        });
    }
    let bytes = values.iter().flat_map(|value| value.to_le_bytes());
    Ok(Stored {
        dtype: Dtype::F32,
        shape,
        bytes: bytes.collect(),
    })
}

pub(super) fn metadata(trained: &TrainedNetwork) -> Result<Vec<(&'static str, String)>> {
    check_updates(trained.steps)?;
    let config = trained.network.config();
    let mut metadata = vec![
        ("model", config.kind().name().to_owned()),
        ("config", config.sizes_as_json()?),
        ("steps", trained.steps.to_string()),
        ("loss", f64::from(trained.loss).to_string()),
    ];
    match &trained.run {
        Some(run) => metadata.push(("run", serde_json::to_string(run)?)),
        None if trained.dev_losses.is_empty() => {}
        None => metadata.push(("dev_losses", serde_json::to_string(&trained.dev_losses)?)),
    }
    Ok(metadata)
}

pub(super) fn read(file: &Contents) -> Result<TrainedNetwork> {
    let vocabulary = file.vocabulary()?;
    let config = Config::read(file.value("model")?, file.value("config")?)
        .ok_or_else(|| file.fault("of another model than this version knows"))?;
    let (mut optimizer, mut last, mut parameters) = (Vec::new(), Named::new(), Named::new());
    for (name, view) in &file.tensors {
        if let Some(name) = name.strip_prefix(OPTIMIZER) {
            optimizer.push((
                name.to_owned(),
                read_as(&file.path, name, view, f32::is_finite)?,
            ));
            continue;
        }
        let tensor = read_tensor(&file.path, name, view)?;
        match name.strip_prefix(LAST) {
            Some(name) => last.insert(name.to_owned(), tensor),
            None => parameters.insert(name.clone(), tensor),
        };
    }
    let network = Network::of(vocabulary, config, &parameters, Device::Cpu)
        .map_err(|error| file.fault(error.to_string()))?;
    let run = match file.metadata.get("run") {
        Some(run) => {
            let mut run = read_run(run).map_err(|()| file.damaged())?;
            run.optimizer = optimizer;
            match &mut run.best {
                Some(best) if best.sha256.is_none() => {
                    best.parameters = parameters;
                    run.parameters = last;
                }
                _ => run.parameters = parameters,
            }
            Some(Box::new(run))
        }
        None if optimizer.is_empty() && last.is_empty() => None,
        None => return Err(file.damaged()),
    };
    let losses = file.metadata.get("dev_losses");
    let losses = losses.map(|losses| read_dev_losses(losses).ok_or_else(|| file.damaged()));
    let losses = losses.transpose()?;
    Ok(TrainedNetwork {
        network,
        steps: read_updates(file, "steps")?,
        loss: read_loss(file)?,
        dev_losses: losses.unwrap_or_else(|| run.as_deref().map_or(Vec::new(), dev_losses)),
        run,
    })
}

/// Refuses a number of epochs or steps that could not be loaded again.
pub(super) fn check_updates(updates: u64) -> Result<()> {
    if updates <= MAX_EPOCHS {
        return Ok(());
    }
    Err(Error::Value {
        what: "the number of updates",
        value: updates.to_string(),
        expected: "at most 2^53 would work",
    })
}

/// The number of epochs or steps.
pub(super) fn read_updates(file: &Contents, key: &str) -> Result<u64> {
    match file.number(key)? {
        updates @ ..=MAX_EPOCHS => Ok(updates),
        _ => Err(file.fault(format!("no training has so many {key}"))),
    }
}

pub(super) fn read_loss(file: &Contents) -> Result<f32> {
    let loss: f32 = file.number("loss")?;
    match loss.is_finite() {
        true => Ok(loss),
        false => Err(file.fault("no training has such a loss")),
    }
}

fn read_run(written: &str) -> std::result::Result<RunState, ()> {
    let run: RunState = serde_json::from_str(written).map_err(|_| ())?;
    run.options.check().map_err(|_| ())?;
    let are_possible = run.progress.steps <= MAX_EPOCHS
        && run.evaluated <= run.progress.steps
        && (0.0..MOST_SECONDS).contains(&run.progress.seconds)
        && run.losses.is_sorted_by_key(|losses| losses.step);
    if are_possible { Ok(run) } else { Err(()) }
}

/// A tensor of weights.
pub(super) fn read_tensor(path: &Path, name: &str, view: &TensorView) -> Result<Tensor> {
    read_as(path, name, view, is_possible)
}

fn read_as(
    path: &Path,
    name: &str,
    view: &TensorView,
    is_possible: impl Fn(f32) -> bool,
) -> Result<Tensor> {
    let fault = |fault: String| Error::Checkpoint {
        file: path.to_owned(),
        fault,
    };
    let values = floats(view).ok_or_else(|| no_floats(path, name, view.dtype()))?;
    if !values.iter().copied().all(is_possible) {
        return Err(fault(format!(
            "the tensor {name:?} has weights that are not finite or far too large; train it again at a lower learning rate"
        )));
    }
    let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
    Ok(Tensor::f_from_slice(&values)?.f_view(shape.as_slice())?)
}

fn is_possible(weight: f32) -> bool {
    weight.abs() <= MAX_WEIGHT
}
