//! The data and the network, new or resumed, for a training of the lecture's network.

use anyhow::bail;
use makemore_tch::checkpoint::{Checkpoint, MAX_EPOCHS, Model, TrainedBigram};
use makemore_tch::data::Shares;
use makemore_tch::distributed::Processes;
use makemore_tch::models::{Bigram, Smoothing};
use makemore_tch::train::full_batch::{EPOCH, Step, TrainOptions, Trained};
use makemore_tch::train::lesson::Lesson;
use makemore_tch::train::{Rows, rate};

use crate::cli::arguments::model_type::{Choice, ModelType};
use crate::cli::arguments::train::{SEED, Train};
use crate::cli::context::{Context, check_same_vocabulary};
use crate::cli::outputs::Outputs;

/// The lecture's network and the lesson that it is trained on.
pub struct BigramTask {
    pub lesson: Lesson,
    pub options: TrainOptions,
    pub seed: u64,
    pub network: Bigram,
}

impl Train {
    /// Reads the lists, and makes a new network or takes the resumed one.
    pub(super) fn task(
        &self,
        resumed: Option<&Checkpoint>,
        outputs: &mut Outputs,
        processes: &dyn Processes,
        context: Context,
    ) -> anyhow::Result<BigramTask> {
        let added = self.added()?;
        let before = resumed.and_then(Checkpoint::bigram);
        let data = self.read_data(Shares::ALL, resumed, processes, context)?;
        if let (Some(file), Some(resumed)) = (&self.resume, resumed) {
            check_same_vocabulary(file, resumed.model.vocabulary(), &data.counted)?;
        }
        outputs.check_list(&data.counted, ModelType::Bigram.name())?;
        let order = self.network_order(before.map(|before| &before.network))?;
        let rows = self.rows.unwrap_or(Rows::Distinct);
        let device = context.open_device(self.device)?;
        let lesson = Lesson::of(data, order, added, (rows, device), processes)?;
        let loss = |model: &Model| lesson.nll(model);
        outputs.keep_better(&lesson.data.parts.split_of(), false, loss)?;
        let vocabulary = lesson.counts.vocabulary();
        context
            .threads
            .prepare_for_matrix(lesson.examples.rows() * vocabulary.len());
        let seed_before = resumed.map(|resumed| resumed.seed);
        let seed = self.seed.or(seed_before).unwrap_or(SEED);
        let options = self.options(before, &lesson)?;
        if let Some(before) = before {
            let made = options.first_epoch.checked_sub(1);
            outputs.resume_metrics_of_epochs(made, before.loss)?;
        }
        let network = match before {
            Some(before) => before.network.copied_to(device)?,
            None => Bigram::new(vocabulary.clone(), order, seed, device)?,
        };
        Ok(BigramTask {
            lesson,
            options,
            seed,
            network,
        })
    }

    /// Counts a part of the n-grams that process 0 trains the network on.
    pub(super) fn count_for_bigram(
        &self,
        resumed: Option<&Checkpoint>,
        processes: &dyn Processes,
        context: Context,
    ) -> anyhow::Result<u8> {
        let data = self.read_data(Shares::ALL, resumed, processes, context)?;
        let before = resumed.and_then(Checkpoint::bigram);
        let order = self.network_order(before.map(|before| &before.network))?;
        Lesson::counts(&data, order, processes)?;
        Ok(0)
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

    /// The order of the network.
    fn network_order(&self, resumed: Option<&Bigram>) -> anyhow::Result<usize> {
        let before = resumed.map(Bigram::order);
        let named = self.order.map(|order| order.of_network()).transpose()?;
        let order = named.or(before).unwrap_or(2);
        if before.is_some_and(|before| before != order) {
            bail!("--order {order} is not that of the network that is resumed; leave it out");
        }
        Ok(order)
    }

    fn options(
        &self,
        resumed: Option<&TrainedBigram>,
        lesson: &Lesson,
    ) -> anyhow::Result<TrainOptions> {
        let regularization = self.regularization.unwrap_or(0.0);
        let default = || rate::default(&lesson.counts, lesson.data.counted.digest, regularization);
        let (first_epoch, epochs) = (
            resumed.map_or(0, |resumed| resumed.epochs),
            self.epochs.unwrap_or(301),
        );
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
            learning_rate: self.lr.unwrap_or_else(default),
            regularization,
        })
    }
}

impl BigramTask {
    /// The checkpoint of the network after some epochs.
    pub fn checkpoint(&self, epochs: u64, loss: f32) -> makemore_tch::Result<Checkpoint> {
        let trained = TrainedBigram::of(&self.network, epochs, loss)?;
        Ok(Checkpoint::new(
            Model::Bigram(trained),
            self.seed,
            &self.lesson.data,
        ))
    }

    /// Whether the training ended before its last epoch.
    pub fn is_cut(&self, trained: &Trained) -> bool {
        trained.epochs_done < self.options.first_epoch + self.options.epochs
    }

    /// The progress after a step, for the bar: the step, the fraction that is done, and the loss.
    pub fn progress(&self, step: Step) -> (String, f64, String) {
        let options = &self.options;
        let (first, count, rate) = match step.stage == EPOCH {
            true => (options.first_epoch, options.epochs, options.learning_rate),
            false => (0, options.warmup_epochs, options.warmup_learning_rate),
        };
        let done = step.number + 1 - first;
        (
            format!("{} {done}/{count}", step.stage),
            done as f64 / count as f64,
            format!("loss {:.4} lr {rate:.4}", step.loss),
        )
    }
}
