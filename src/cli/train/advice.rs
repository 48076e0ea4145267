//! What the user is told after a training that diverged, ended too high or was interrupted: what it
//! has come from, and what to type.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use makemore_tch::libtorch::device::DeviceRequest;
use makemore_tch::train::{WARM_UP, rate};
use makemore_tch::{Error, TrainOptions, Trained, format, score};

use super::arguments::Train;
use super::bigram_task::Task;
use super::model_type::{Choice, ModelType};

/// How far above counting a loss may end before the user is told, in nats.
const A_LITTLE: f64 = 0.02;

impl Train {
    /// An error of the training, and what would work on this list.
    pub(super) fn explain(
        &self,
        error: Error,
        task: &Task,
        saved: Option<(u64, PathBuf)>,
    ) -> anyhow::Error {
        let Error::Diverged { stage, number, .. } = error else {
            return error.into();
        };
        let options = &task.options;
        let stable = rate::stable(&task.counts, options.regularization);
        let stable = format::rounded_down(stable);
        // A loss is due to the step before it.
        let is_first = number == options.first_epoch && options.warmup_epochs > 0;
        let mut remedy = match stage == WARM_UP || is_first {
            true => format!("--warmup-lr {stable}"),
            false => format!("--lr {stable}"),
        };
        if options.regularization > 0.0 {
            remedy += " and a smaller --regularization";
        }
        let saved = match saved {
            Some((epochs, file)) => {
                format!("after {epochs} epochs it was saved to {}", file.display())
            }
            None => format!(
                "nothing was saved to {}",
                self.out(ModelType::Bigram).display()
            ),
        };
        anyhow!("{error}; try {remedy} ({saved})")
    }

    /// What a loss that is too high has come from, and what to do; `lowest_loss` is the lowest of
    /// all epochs.
    pub(super) fn warning(
        &self,
        trained: &Trained,
        lowest_loss: Option<f32>,
        task: &Task,
    ) -> Option<String> {
        let (options, counts) = (&task.options, &task.counts);
        let (nll, lowest) = (f64::from(trained.nll), score::lowest_nll(counts));
        let uniform = (counts.vocabulary().len() as f64).ln();
        let above = match () {
            () if nll > uniform => format!("{uniform:.4}, which guessing has"),
            () if nll > lowest + A_LITTLE => {
                format!("{lowest:.4}, which counting without smoothing has")
            }
            () => return None,
        };
        let stable = rate::stable(counts, options.regularization);
        let has_risen = lowest_loss.is_some_and(|lowest| f64::from(lowest) < nll - A_LITTLE);
        let remedy = match () {
            () if options.learning_rate > stable && (has_risen || nll > uniform) => {
                format!("try --lr {}", format::rounded_down(stable))
            }
            () if options.regularization > 0.0 => {
                "a smaller --regularization comes closer".to_owned()
            }
            () => "more --epochs come closer".to_owned(),
        };
        Some(format!(
            "the average negative log-likelihood is {nll:.4}, above {above}; {remedy}"
        ))
    }

    /// The command that goes on with a training that was interrupted; `own` are arguments of the
    /// model's type.
    pub(super) fn how_to_go_on(&self, saved: &Path, own: Vec<(&str, Option<String>)>) -> String {
        let file = |file: &Option<PathBuf>| file.as_deref().map(quoted);
        let device = self.device.filter(|&device| device != DeviceRequest::Cpu);
        let lists: Vec<String> = self.data.data.iter().map(|list| quoted(list)).collect();
        // Not --plot: it would draw only what is left over the picture of what was done.
        let common = [
            ("--resume", Some(quoted(saved))),
            ("--device", device.map(|device| device.to_string())),
            (
                "--save-every",
                self.save_every.map(|every| every.to_string()),
            ),
            ("--metrics", file(&self.metrics)),
            ("--tensorboard", file(&self.words.tensorboard)),
            ("--dev", file(&self.dev)),
            ("--test", file(&self.test)),
            (
                "--memory",
                self.memory.memory.map(|size| format!("{}B", size.as_u64())),
            ),
            (
                "--data",
                Some(lists.join(" ")).filter(|_| !lists.is_empty()),
            ),
        ];
        let (resume, others) = common.split_at(1);
        let mut command = "makemore-tch train".to_owned();
        for (argument, value) in resume.iter().chain(&own).chain(others) {
            if let Some(value) = value {
                command += &format!(" {argument} {value}");
            }
        }
        command
    }

    /// The same for the lecture's network, with the epochs that are left.
    pub(super) fn how_to_go_on_with_epochs(
        &self,
        trained: &Trained,
        options: &TrainOptions,
        saved: &Path,
    ) -> String {
        let left = options.epochs - (trained.epochs_done - options.first_epoch);
        let warmup = options.warmup_epochs - trained.warmup_done;
        let warmup = (warmup > 0).then_some(warmup);
        let own = vec![
            ("--epochs", Some(left.to_string())),
            ("--warmup-epochs", warmup.map(|epochs| epochs.to_string())),
            (
                "--warmup-lr",
                warmup.map(|_| options.warmup_learning_rate.to_string()),
            ),
            ("--lr", self.lr.map(|lr| lr.to_string())),
            (
                "--regularization",
                self.regularization.map(|factor| factor.to_string()),
            ),
            (
                "--rows",
                self.rows.map(|rows| <&str>::from(rows).to_owned()),
            ),
            (
                "--smoothing",
                match self.smoothing {
                    Some(Choice::Smoothing(smoothing)) => Some(smoothing.to_string()),
                    Some(Choice::Auto) | None => None,
                },
            ),
        ];
        let (done, all) = (trained.epochs_done, options.first_epoch + options.epochs);
        let command = self.how_to_go_on(saved, own);
        format!("interrupted after {done} of {all} epochs; go on with: {command}")
    }
}

/// A file as a shell takes it, and we do not take for a flag.
fn quoted(file: &Path) -> String {
    let mut name = file.to_string_lossy().into_owned();
    if name.starts_with('-') && name != "-" {
        name.insert_str(0, "./");
    }
    shlex::try_quote(&name).map_or_else(|_| name.to_string(), |quoted| quoted.into_owned())
}
