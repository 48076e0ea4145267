//! Advice after a training that diverged, ended with a high loss or was interrupted: the cause, and
//! the arguments that help.

use std::path::Path;

use anyhow::anyhow;
use makemore_tch::Error;
use makemore_tch::data::Part;
use makemore_tch::format::rounded_down;
use makemore_tch::train::choice::plan::FEW;
use makemore_tch::train::diagnosis::{self, Remedy};
use makemore_tch::train::full_batch::{TrainOptions, Trained};
use makemore_tch::train::run_state::RunState;

use super::bigram_task::BigramTask;
use super::print::Document;
use super::word_task::WordTask;
use crate::cli::arguments::distributed::launched;
use crate::cli::arguments::model_type::ModelType;
use crate::cli::arguments::train::{AGAIN, Train};
use crate::cli::typed::{file_name, flag};

impl Train {
    /// An error of a training of the lecture's network, with what was saved and, if it diverged, advice.
    pub(super) fn explain(
        &self,
        error: Error,
        task: &BigramTask,
        saved: Option<(u64, &Path)>,
        fault: Option<&anyhow::Error>,
    ) -> anyhow::Error {
        let saved = match saved {
            Some((epochs, file)) => {
                format!("after {epochs} epochs it was saved to {}", file.display())
            }
            None => {
                let out = self.out(ModelType::Bigram);
                format!("nothing was saved to {}", out.display())
            }
        };
        let saved = saved + &fault.map_or_else(String::new, |fault| format!(": {fault:#}"));
        let Error::Diverged { stage, number, .. } = error else {
            return anyhow::Error::from(error).context(saved);
        };
        let remedy = diagnosis::of_divergence(&task.options, &task.lesson.counts, stage, number);
        let mut remedy = advice(remedy);
        if task.options.regularization > 0.0 {
            remedy += " and a smaller --regularization";
        }
        anyhow!("{error}; {remedy} ({saved})")
    }

    /// A remark on a loss of the lecture's network that is too high: its cause, and advice.
    pub(super) fn warning(
        &self,
        trained: &Trained,
        losses: &[(u64, f32)],
        task: &BigramTask,
    ) -> Option<String> {
        let lowest = losses.iter().map(|&(_, loss)| loss);
        let lowest = lowest.min_by(f32::total_cmp);
        let found = diagnosis::of_loss(&task.options, &task.lesson.counts, trained, lowest)?;
        let which = match found.is_above_guessing {
            true => "guessing",
            false => "counting without smoothing",
        };
        Some(format!(
            "warning: the average negative log-likelihood is {:.4}, above {:.4}, which {which} has; {}",
            found.nll,
            found.bound,
            advice(found.remedy)
        ))
    }

    /// A remark on an interrupted training, with the command that resumes it. `done` tells the user how
    /// many `steps` were made; `saved` are the steps and the file of the last save. The command does not
    /// repeat the argument `left_out`, and has the arguments `own` with values that were not typed.
    pub(super) fn how_to_go_on(
        &self,
        done: &str,
        steps: u64,
        saved: Option<(u64, &Path)>,
        left_out: &str,
        own: &[(&str, Option<String>)],
    ) -> String {
        let Some((saved, file)) = saved else {
            return format!("{done}; nothing to go on from was saved");
        };
        let until = match saved < steps {
            true => format!(", saved after {saved}"),
            false => String::new(),
        };
        let file = file_name(&file.to_string_lossy());
        let own = own
            .iter()
            .filter_map(|(id, value)| Some((id, value.as_ref()?)));
        let own = own.map(|(id, value)| format!(" {} {value}", flag(id)));
        let again = AGAIN
            .iter()
            .filter(|&&id| id != left_out && self.typed.has(id))
            .filter(|&&id| id != "distributed" || launched().is_none());
        let again = again.map(|id| format!(" {}", self.typed.again(id)));
        let arguments: String = own.chain(again).collect();
        let launch = launched().map_or_else(String::new, |size| format!("launch {size} -- "));
        format!("{done}{until}; go on with: makemore-tch {launch}train --resume {file}{arguments}")
    }

    /// The remark for the lecture's network; the command has the number of epochs that are left.
    pub(super) fn how_to_go_on_with_epochs(
        &self,
        trained: &Trained,
        options: &TrainOptions,
        saved: Option<(u64, &Path)>,
    ) -> String {
        let (done, all) = (trained.epochs_done, options.first_epoch + options.epochs);
        let left = all - saved.map_or(done, |(epochs, _)| epochs);
        let warmup = options.warmup_epochs - trained.warmup_done;
        let warmup = (warmup > 0).then_some(warmup);
        let rate = warmup.map(|_| options.warmup_learning_rate.to_string());
        let own = [
            ("epochs", Some(left.to_string())),
            ("warmup_epochs", warmup.map(|epochs| epochs.to_string())),
            ("warmup_lr", rate),
        ];
        // Without --plot: a new picture would show only the epochs that are left.
        self.how_to_go_on(
            &format!("interrupted after {done} of {all} epochs"),
            done,
            saved,
            "plot",
            &own,
        )
    }
}

/// Remarks on a training on batches that ended early or whose results are poor.
pub fn of_network(document: &Document, state: &RunState, task: &WordTask) -> Vec<String> {
    let stopped = state.lost_patience().map(|evaluations| {
        let steps = state.progress.steps;
        format!(
            "stopped after {steps} steps: no lower dev loss in {evaluations} evaluations (--patience)"
        )
    });
    let words = task.data.counted.digest.words;
    let worse = document.beside.as_ref().and_then(|beside| {
        let (what, loss) = beside.simpler()?;
        Some(format!(
            "warning: the dev loss is {:.4}, above {loss:.4}, which {what} has; `makemore-tch more` finds what suits the list",
            beside.network
        ))
    });
    let drawn = document.names.len();
    let copied = document
        .names
        .iter()
        .filter(|name| name.part == Some(Part::Train))
        .count();
    let copies = (2 * copied > drawn).then(|| {
        format!("warning: {copied} of {drawn} drawn words are words to learn from; less training or more --dropout makes more new ones")
    });
    let few = (words < FEW).then(|| {
        format!(
            "warning: few words to learn from ({words}); `makemore-tch more` holds out each in turn"
        )
    });
    [stopped, worse, copies, few]
        .into_iter()
        .flatten()
        .collect()
}

fn advice(remedy: Remedy) -> String {
    match remedy {
        Remedy::WarmUpRate(rate) => format!("try --warmup-lr {}", rounded_down(rate)),
        Remedy::LearningRate(rate) => format!("try --lr {}", rounded_down(rate)),
        Remedy::LessRegularization => "a smaller --regularization comes closer".to_owned(),
        Remedy::MoreEpochs => "more --epochs come closer".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::testing::Folder;

    /// The hint was once a constant that named neither the warm-up's rate nor the regularization.
    #[test]
    fn a_diverging_training_is_told_what_is_too_high() {
        let folder = Folder::new();
        for (arguments, expected) in [
            ("--lr 1e9", "try --lr 25"),
            ("--lr 20 --warmup-lr 1e6", "try --warmup-lr 25"),
            ("--lr 49 --warmup-lr 1e6", "try --warmup-lr 25 (nothing"),
            (
                "--regularization 100 --lr 50",
                "try --lr 5.4 and a smaller --regularization",
            ),
        ] {
            let error = folder.error(&format!("train --out m --json {arguments}"), 1);
            assert!(error.contains(expected), "{arguments}: {error}");
        }
        assert!(folder.files().is_empty());
        // By itself, the rate follows from the regularization too.
        folder.stdout("train --regularization 100 --out m");
    }

    /// Binary strings ended at 5.05, where counting has 0.900, and nothing said so.
    #[test]
    fn small_alphabets_converge_or_are_told_what_to_do() {
        let folder = Folder::new();
        let binary: String = (0..5000_u32)
            .map(|n| format!("{:b}\n", n * n % 8191 + 1))
            .collect();
        folder.write("binary.txt", binary);
        let train = "train --json --smoothing 0 --data binary.txt";
        let (printed, told) = folder.both(train);
        assert!(told.is_empty(), "{told}");
        let trained: serde_json::Value = serde_json::from_str(&printed).unwrap();
        let figure = |name: &str| trained[name].as_f64().unwrap();
        assert!(
            (figure("final_loss") - figure("counting_nll")).abs() < 0.001,
            "{trained}"
        );

        for (arguments, expected) in [
            ("--lr 50", "which guessing has; try --lr "),
            (
                "--epochs 3",
                "which counting without smoothing has; more --epochs come closer",
            ),
            (
                "--regularization 1",
                "a smaller --regularization comes closer",
            ),
        ] {
            let told = folder.stderr(&format!("train --force --data binary.txt {arguments}"));
            assert!(told.contains(expected), "{arguments}: {told}");
            assert_eq!(told.lines().count(), 1, "{told}");
        }
    }
}
