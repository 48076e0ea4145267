//! The lecture's network in a checkpoint: `W`, the number of epochs and the loss.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tch::Device;

use super::file::{Contents, Stored};
use super::network::{check_updates, read_loss, read_tensor, read_updates, stored};
use crate::error::Result;
use crate::models::Bigram;

pub(super) const KIND: &str = "bigram";

/// The lecture's network with the progress of its training.
#[derive(Debug)]
pub struct TrainedBigram {
    /// The network.
    pub network: Bigram,
    /// The number of epochs, without those of the warm-up.
    pub epochs: u64,
    /// The last train loss, in nats.
    pub loss: f32,
}

impl TrainedBigram {
    /// A copy of a network after some epochs.
    pub fn of(network: &Bigram, epochs: u64, loss: f32) -> Result<Self> {
        Ok(Self {
            network: network.copied_to(Device::Cpu)?,
            epochs,
            loss,
        })
    }
}

/// The order, unless it is the lecture's.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<usize>,
}

pub(super) fn tensors(trained: &TrainedBigram) -> Result<BTreeMap<String, Stored>> {
    let w = stored(trained.network.weights())?;
    Ok(BTreeMap::from([("W".to_owned(), w)]))
}

pub(super) fn metadata(trained: &TrainedBigram) -> Result<Vec<(&'static str, String)>> {
    check_updates(trained.epochs)?;
    let order = Some(trained.network.order()).filter(|&order| order != 2);
    let config = serde_json::to_string(&OrderConfig { order })?;
    Ok(vec![
        ("model", KIND.to_owned()),
        ("config", config),
        ("epochs", trained.epochs.to_string()),
        ("loss", f64::from(trained.loss).to_string()),
    ])
}

pub(super) fn read(file: &Contents) -> Result<TrainedBigram> {
    let vocabulary = file.vocabulary()?;
    let config: OrderConfig = serde_json::from_str(file.value("config")?)
        .map_err(|_| file.fault("of another model than this version knows"))?;
    let tensors = file.tensors.iter().map(|(name, view)| {
        let tensor = read_tensor(&file.path, name, view)?;
        Ok((name.clone(), tensor))
    });
    let tensors = tensors.collect::<Result<_>>()?;
    let order = config.order.unwrap_or(2);
    let network = Bigram::of(vocabulary, order, &tensors, Device::Cpu)
        .map_err(|error| file.fault(error.to_string()))?;
    Ok(TrainedBigram {
        network,
        epochs: read_updates(file, "epochs")?,
        loss: read_loss(file)?,
    })
}
