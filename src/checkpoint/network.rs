//! A network in a checkpoint: its parameters, by their names.

use std::collections::BTreeMap;

use safetensors::tensor::Dtype;
use tch::{Device, Tensor};

use super::file::{Contents, Stored};
use super::json_error;
use crate::error::{Error, Result};
use crate::models::{Config, Network, network_of};

/// No training takes so many: the largest number that JSON's readers keep exactly.
pub const MAX_EPOCHS: u64 = 1 << 53;

/// No training leaves a larger weight: the exponential overflows long before.
const MAX_WEIGHT: f32 = 1e6;

/// A network, and how far it was trained.
#[derive(Debug)]
pub struct TrainedNetwork {
    /// The network.
    pub network: Box<dyn Network>,
    /// The epochs that it was trained, warm-up not counted.
    pub epochs: u64,
    /// The loss of its parameters on what it was trained on, in nats.
    pub loss: f32,
}

pub(super) fn tensors(trained: &TrainedNetwork) -> Result<BTreeMap<String, Stored>> {
    let mut tensors = BTreeMap::new();
    for (name, parameter) in trained.network.parameters() {
        let parameter = parameter.f_detach()?.f_to_device(Device::Cpu)?;
        let shape: Vec<usize> = parameter.size().iter().map(|&size| size as usize).collect();
        let values: Vec<f32> = Vec::try_from(parameter.f_contiguous()?.f_view([-1])?)?;
        if !values.iter().all(is_possible) {
            return Err(Error::Value {
                what: "a weight of the network",
                value: "not finite, or far too large".to_owned(),
                expected: "a lower learning rate would work",
            });
        }
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        let stored = Stored {
            dtype: Dtype::F32,
            shape,
            bytes: bytes.collect(),
        };
        tensors.insert(name, stored);
    }
    Ok(tensors)
}

pub(super) fn metadata(trained: &TrainedNetwork) -> Result<Vec<(&'static str, String)>> {
    if trained.epochs > MAX_EPOCHS {
        return Err(Error::Value {
            what: "the number of epochs",
            value: trained.epochs.to_string(),
            expected: "at most 2^53 would work",
        });
    }
    let written = serde_json::to_value(trained.network.config()).map_err(json_error)?;
    let model = written["model"].as_str().unwrap_or_default();
    Ok(vec![
        ("model", model.to_owned()),
        ("config", written["config"].to_string()),
        ("epochs", trained.epochs.to_string()),
        ("loss", f64::from(trained.loss).to_string()),
    ])
}

pub(super) fn read(file: &Contents) -> Result<TrainedNetwork> {
    let vocabulary = file.vocabulary()?;
    let config = read_config(file.value("model")?, file.value("config")?)
        .map_err(|_| file.fault("of another model than this version knows"))?;
    let network = network_of(config, vocabulary, &parameters(file)?, Device::Cpu)
        .map_err(|error| file.fault(error.to_string()))?;
    let epochs = file.number("epochs")?;
    let loss: f32 = file.number("loss")?;
    if epochs > MAX_EPOCHS || !loss.is_finite() {
        return Err(file.fault("no training has so many epochs or such a loss"));
    }
    Ok(TrainedNetwork {
        network,
        epochs,
        loss,
    })
}

fn read_config(model: &str, config: &str) -> serde_json::Result<Config> {
    let config: serde_json::Value = serde_json::from_str(config)?;
    serde_json::from_value(serde_json::json!({ "model": model, "config": config }))
}

fn parameters(file: &Contents) -> Result<BTreeMap<String, Tensor>> {
    let mut parameters = BTreeMap::new();
    for (name, view) in &file.tensors {
        let values = file.floats(name, view)?;
        if !values.iter().all(is_possible) {
            return Err(file.fault(format!(
                "the tensor {name:?} has weights that are not finite or far too large; train it again at a lower learning rate"
            )));
        }
        let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
        let tensor = Tensor::f_from_slice(&values)?.f_view(shape.as_slice())?;
        parameters.insert(name.clone(), tensor);
    }
    Ok(parameters)
}

fn is_possible(weight: &f32) -> bool {
    weight.abs() <= MAX_WEIGHT
}
