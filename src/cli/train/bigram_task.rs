//! What `train` trains of the lecture's network, and on what: read, and made or resumed.

use std::path::{Path, PathBuf};

use anyhow::bail;
use makemore_tch::checkpoint::{Checkpoint, MAX_EPOCHS, Model, TrainedBigram};
use makemore_tch::counting::{NgramCounts, count_parts};
use makemore_tch::data::{Part, Shares, Words};
use makemore_tch::libtorch::device;
use makemore_tch::models::{Bigram, LanguageModel, Ngram, Smoothing, Table};
use makemore_tch::score::evaluate;
use makemore_tch::train::full_batch::{Step, TrainOptions};
use makemore_tch::train::{Examples, Rows, rate};

use super::arguments::{SEED, Train};
use super::data::Data;
use super::log::Log;
use super::model_type::{Choice, ModelType};
use crate::cli::context::{Context, check_same_vocabulary};
use crate::cli::outputs::Outputs;

/// What is trained, and on what.
pub struct Task {
    pub data: Data,
    /// The n-grams that are trained on.
    pub counts: NgramCounts,
    pub examples: Examples,
    /// The counting model, which the network is compared with.
    pub p: Box<dyn LanguageModel>,
    pub counting_nll: f64,
    pub seed: u64,
    pub options: TrainOptions,
    pub network: Bigram,
}

impl Train {
    /// Reads the list and makes ready what is trained on it.
    pub(super) fn task(&self, outputs: &mut Outputs, context: Context) -> anyhow::Result<Task> {
        let added = self.added()?;
        let resumed = self.resume.as_deref().map(Checkpoint::load).transpose()?;
        let before = resumed
            .as_ref()
            .map(|resumed| self.resumed(resumed))
            .transpose()?;
        let data = self.read_data(Shares::ALL, resumed.as_ref(), context)?;
        if let (Some(file), Some(resumed)) = (&self.resume, &resumed) {
            check_same_vocabulary(file, resumed.model.vocabulary(), &data.counted)?;
        }
        data.check_characters()?;
        outputs.check_list(&data.counted, ModelType::Bigram.name())?;
        let counts = self.counts(&data, before.map(|trained| &trained.network))?;
        keep_better(outputs, &data, &counts)?;
        let p = self.counting_model(&counts, added)?;
        let counting_nll = evaluate::counts(&*p, &counts)?.nll();

        let device = context.open_device(self.device)?;
        let vocabulary = counts.vocabulary();
        let examples = match self.rows() {
            Rows::All => {
                let words = Words::read(&data.parts.list().source, vocabulary.boundary())?;
                let words = (0..).zip(words.iter());
                let split = data.parts.split();
                let train = words.filter(|&(place, _)| split.part_of(place) == Part::Train);
                Examples::all(train.map(|(_, word)| word), &counts, device)?
            }
            Rows::Distinct => Examples::distinct(&counts, device)?,
        };
        let elements = examples.rows() * vocabulary.len();
        context.threads.prepare_for(elements);
        let resumed_seed = resumed.as_ref().map(|resumed| resumed.seed);
        let seed = self.seed.or(resumed_seed).unwrap_or(SEED);
        let options = self.options(before, &counts, &data)?;
        if resumed.is_some() {
            let made = options.first_epoch.checked_sub(1);
            outputs.resume_metrics(made, None::<&[u64]>, "epoch")?;
        }
        let network = match before {
            Some(trained) => copy_of(&trained.network, device)?,
            None => Bigram::new(vocabulary.clone(), counts.order(), seed, device)?,
        };
        Ok(Task {
            data,
            counts,
            examples,
            p,
            counting_nll,
            seed,
            options,
            network,
        })
    }

    /// The network that training goes on with.
    fn resumed<'a>(&self, checkpoint: &'a Checkpoint) -> anyhow::Result<&'a TrainedBigram> {
        let file = self.resume.as_deref().unwrap_or(Path::new("")).display();
        match &checkpoint.model {
            Model::Bigram(trained) => Ok(trained),
            Model::Network(_) => {
                let there = checkpoint.model.kind();
                bail!("{file}: a model of type {there}; leave --type out")
            }
            Model::Ngram(_) => bail!(
                "{file}: an n-gram model, which is counted and not trained further; count all lists together: --type ngram --data FILE FILE"
            ),
        }
    }

    /// The number that is added to the counts that the network is compared with.
    pub(super) fn added(&self) -> anyhow::Result<f64> {
        match self.smoothing {
            None => Ok(1.0),
            Some(Choice::Smoothing(Smoothing::Additive(added))) => Ok(added),
            Some(_) => bail!(
                "--smoothing is a number here, added to the counts that the network is compared with; --type ngram smooths in other ways"
            ),
        }
    }

    /// The n-grams of the train part.
    fn counts(&self, data: &Data, resumed: Option<&Bigram>) -> anyhow::Result<NgramCounts> {
        let before = resumed.map(Bigram::order);
        let order = self.order.or(before).unwrap_or(2);
        if before.is_some_and(|before| before != order) {
            bail!("--order {order} is not that of the network that is resumed; leave it out");
        }
        if order == 2 && data.parts.is_whole() {
            return Ok(data.counted.counts.clone());
        }
        let (vocabulary, memory) = (data.counted.counts.vocabulary(), self.memory.memory());
        // Refused before anything is counted.
        Bigram::check_order(vocabulary, order)?;
        let mut counted = count_parts(
            &data.parts,
            &[Part::Train],
            vocabulary,
            order,
            &memory,
            &|_| (),
        )?;
        Ok(counted.remove(0))
    }

    fn options(
        &self,
        resumed: Option<&TrainedBigram>,
        counts: &NgramCounts,
        data: &Data,
    ) -> anyhow::Result<TrainOptions> {
        let regularization = self.regularization();
        let learning_rate = match self.lr {
            Some(chosen) => chosen,
            None => rate::default(counts, data.counted.digest, regularization),
        };
        let (first_epoch, epochs) = (resumed.map_or(0, |resumed| resumed.epochs), self.epochs());
        if first_epoch + epochs > MAX_EPOCHS {
            bail!(
                "--epochs {epochs} after {first_epoch} is more than {MAX_EPOCHS}, which no checkpoint has"
            );
        }
        Ok(TrainOptions {
            warmup_epochs: self.warmup_epochs.unwrap_or(u64::from(resumed.is_none())),
            warmup_learning_rate: self.warmup_lr.unwrap_or(0.1),
            first_epoch,
            epochs,
            learning_rate,
            regularization,
        })
    }

    /// The counts as a model, with a number added to each.
    fn counting_model(
        &self,
        counts: &NgramCounts,
        added: f64,
    ) -> makemore_tch::Result<Box<dyn LanguageModel>> {
        if counts.order() == 2 {
            return Ok(Box::new(Table::of(counts, added)?));
        }
        let memory = self.memory.memory();
        let model = Ngram::of(counts, Smoothing::Additive(added), &memory)?;
        Ok(Box::new(model))
    }

    fn epochs(&self) -> u64 {
        self.epochs.unwrap_or(301)
    }

    pub(super) fn regularization(&self) -> f64 {
        self.regularization.unwrap_or(0.0)
    }

    pub(super) fn rows(&self) -> Rows {
        self.rows.unwrap_or(Rows::Distinct)
    }
}

impl Task {
    /// The average NLL of a network on what it is trained on, without regularization.
    pub fn nll(&self, checkpoint: &Checkpoint) -> makemore_tch::Result<f64> {
        let model = checkpoint.model.language_model();
        Ok(evaluate::counts(model, &self.counts)?.nll())
    }

    /// Saves the network after an epoch, and the losses; returns the number of epochs, and where.
    pub fn save(
        &self,
        outputs: &mut Outputs,
        log: &Log,
        step: Step,
    ) -> anyhow::Result<(u64, PathBuf)> {
        let checkpoint = self.checkpoint(step.number + 1, step.loss)?;
        let nll = self.nll(&checkpoint)?;
        let saved = outputs.save(&checkpoint, Some(nll))?;
        outputs.write_metrics(&log.rows())?;
        Ok((step.number + 1, saved))
    }

    /// The network after some epochs as it is saved.
    pub fn checkpoint(&self, epochs: u64, loss: f32) -> makemore_tch::Result<Checkpoint> {
        Ok(Checkpoint {
            model: Model::Bigram(TrainedBigram {
                network: copy_of(&self.network, tch::Device::Cpu)?,
                epochs,
                loss,
            }),
            seed: self.seed,
            libtorch: device::libtorch_version(),
            data: self.data.counted.digest,
            split: self.data.parts.split_of(),
        })
    }
}

/// Has a better network of the same list and split stay where it is.
fn keep_better(outputs: &mut Outputs, data: &Data, counts: &NgramCounts) -> anyhow::Result<()> {
    outputs.keep_better(&data.parts.split_of(), false, |model| match model {
        Model::Bigram(trained) if trained.network.order() == counts.order() => {
            Ok(Some(evaluate::counts(&trained.network, counts)?.nll()))
        }
        Model::Bigram(trained) => Ok(Some(trained.loss.into())),
        Model::Network(_) | Model::Ngram(_) => Ok(None),
    })
}

/// A copy of a network on a device.
fn copy_of(network: &Bigram, device: tch::Device) -> makemore_tch::Result<Bigram> {
    let (vocabulary, order) = (network.vocabulary().clone(), network.order());
    Bigram::with_weights(vocabulary, order, network.weights(), device)
}
