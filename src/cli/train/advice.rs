//! What the user is told after a training that diverged, ended too high or was interrupted: what it
//! has come from, and what to type.

use std::path::Path;

use anyhow::anyhow;
use makemore_tch::libtorch::device::DeviceRequest;
use makemore_tch::train::{WARM_UP, rate};
use makemore_tch::{Error, Rows, TrainOptions, Trained, format, score};

use super::network::Task;
use super::{Choice, ModelType, Train};

/// How far above counting a loss may end before the user is told, in nats.
const A_LITTLE: f64 = 0.02;

impl Train {
    /// An error of the training, and what would work on this list.
    pub(super) fn explain(&self, error: Error, task: &Task) -> anyhow::Error {
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
        let out = self.out(ModelType::Bigram);
        let out = out.display();
        anyhow!("{error}; try {remedy} (nothing was saved to {out})")
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

    /// The command that does what was not done because of Ctrl-C.
    pub(super) fn how_to_go_on(
        &self,
        trained: &Trained,
        options: &TrainOptions,
        saved: &Path,
    ) -> String {
        let mut command = vec!["makemore-tch train --resume".to_owned(), quoted(saved)];
        let mut add = |flag: &str, value: String| command.extend([flag.to_owned(), value]);
        let epochs = options.epochs - (trained.epochs_done - options.first_epoch);
        add("--epochs", epochs.to_string());
        let warmup = options.warmup_epochs - trained.warmup_done;
        if warmup > 0 {
            add("--warmup-epochs", warmup.to_string());
            add("--warmup-lr", options.warmup_learning_rate.to_string());
        }
        if let Some(lr) = self.lr {
            add("--lr", lr.to_string());
        }
        if self.regularization() > 0.0 {
            add("--regularization", self.regularization().to_string());
        }
        if self.rows() == Rows::All {
            add("--rows", "all".to_owned());
        }
        if self.device() != DeviceRequest::Cpu {
            add("--device", self.device().to_string());
        }
        // Not --plot: it would draw only what is left over the picture of what was done.
        if let Some(metrics) = &self.metrics {
            add("--metrics", quoted(metrics));
        }
        if let Some(Choice::Smoothing(smoothing)) = self.smoothing {
            add("--smoothing", smoothing.to_string());
        }
        for (argument, file) in [("--dev", &self.dev), ("--test", &self.test)] {
            if let Some(file) = file {
                add(argument, quoted(file));
            }
        }
        if !self.data.data.is_empty() {
            let files: Vec<String> = self.data.data.iter().map(|file| quoted(file)).collect();
            add("--data", files.join(" "));
        }
        let (done, all) = (trained.epochs_done, options.first_epoch + options.epochs);
        format!(
            "interrupted after {done} of {all} epochs; go on with: {}",
            command.join(" ")
        )
    }
}

/// A file as a shell takes it, and we do not take for a flag.
pub(super) fn quoted(file: &Path) -> String {
    let mut name = file.to_string_lossy().into_owned();
    if name.starts_with('-') && name != "-" {
        name.insert_str(0, "./");
    }
    shlex::try_quote(&name).map_or_else(|_| name.to_string(), |quoted| quoted.into_owned())
}
