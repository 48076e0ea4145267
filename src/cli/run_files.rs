//! The files of a run of a network: the best checkpoint, the run state, the losses.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use makemore_tch::checkpoint::{Checkpoint, Model, TrainedNetwork};
use makemore_tch::models::Network;
use makemore_tch::plots;
use makemore_tch::train::corpus::Corpus;
use makemore_tch::train::run_state::{Losses, RunState};

use super::aftermath::Aftermath;
use super::output::Remarks;
use super::outputs::Outputs;

/// The remark if the best checkpoint cannot be written.
const NOT_SAVED: &str = "the network was not saved";

/// The files of a run, and the errors of writing them.
pub struct RunFiles<'a> {
    pub outputs: Outputs,
    network: &'a Network,
    data: &'a Corpus,
    seed: u64,
    remarks: Remarks,
    /// Errors that did not end the training, by the remark on what is missing. A later success removes
    /// one.
    faults: BTreeMap<&'static str, anyhow::Error>,
    /// The number of steps and the file of the last run state that was saved.
    last: Option<(u64, PathBuf)>,
    /// The remarks that were printed on files written elsewhere than named.
    told: Vec<String>,
}

impl<'a> RunFiles<'a> {
    pub fn new(
        outputs: Outputs,
        network: &'a Network,
        data: &'a Corpus,
        seed: u64,
        remarks: Remarks,
    ) -> Self {
        Self {
            outputs,
            network,
            data,
            seed,
            remarks,
            faults: BTreeMap::new(),
            last: None,
            told: Vec::new(),
        }
    }

    /// The checkpoint of the best parameters of a run, and of the run state `run` if it is given.
    pub fn checkpoint(
        &self,
        state: &RunState,
        run: Option<RunState>,
    ) -> makemore_tch::Result<Checkpoint> {
        let trained = TrainedNetwork::of(self.network, state, run)?;
        Ok(Checkpoint::new(
            Model::Network(trained),
            self.seed,
            self.data,
        ))
    }

    /// Saves the results of a run that has ended. If it ended with an error (not `is_sound`), the run
    /// state in the file stays that of the last save.
    pub fn finish(&mut self, best: &Checkpoint, state: &RunState, is_sound: bool) -> Aftermath {
        let loss = state.dev_loss();
        let saved = self.save_best(best, Some(state).filter(|_| is_sound), loss);
        // Even if the checkpoint could not be saved, since the run state has its parameters too.
        if is_sound {
            self.save_state(state);
        }
        // `saved` has the error of the checkpoint, which would be told twice.
        self.faults.remove(NOT_SAVED);
        let last = self.last.as_ref();
        let now = last.filter(|(steps, _)| is_sound && *steps == state.progress.steps);
        Aftermath::of("network", saved, now.map(|(_, file)| file.clone()))
    }

    /// Draws the losses, if the user wants a picture.
    pub fn plot(&mut self, train: &[(u64, f64)], state: &RunState) -> anyhow::Result<()> {
        let dev = &state.dev_losses();
        self.outputs
            .write_plot(&plots::TrainingCurves { train, dev })
    }

    /// Saves the best model while the training goes on.
    pub fn save_best_now(&mut self, state: &RunState) {
        let best = self.checkpoint(state, None).map_err(anyhow::Error::from);
        let saved = best.and_then(|best| self.save_best(&best, Some(state), state.dev_loss()));
        self.note(saved, NOT_SAVED);
        self.say_what_is_elsewhere();
    }

    /// The steps of the last run state that was saved, and the file to resume from: the checkpoint if
    /// these are all `steps` that were made, else the file of the run state.
    pub fn saved<'s>(&'s self, after: &'s Aftermath, steps: u64) -> Option<(u64, &'s Path)> {
        let (saved, file) = self.last.as_ref()?;
        let now = after.path().filter(|_| *saved == steps);
        Some((*saved, now.unwrap_or(file)))
    }

    /// Saves the best checkpoint and returns its file. If no run state is beside it yet, that is saved
    /// first.
    pub fn save_best(
        &mut self,
        best: &Checkpoint,
        state: Option<&RunState>,
        loss: Option<f64>,
    ) -> anyhow::Result<PathBuf> {
        if let Some(state) = state
            && !self.outputs.has_state(loss)?
        {
            self.save_whole(state, loss);
        }
        self.outputs.save(best, loss)
    }

    /// Saves the losses, then the run state. Losses that are ahead of the run state are computed again
    /// on resume, but losses missing at the end of a finished run would be lost.
    pub fn save_state(&mut self, state: &RunState) {
        let rows: Vec<_> = state.losses.iter().map(Losses::row).collect();
        let written = self.outputs.write_metrics(&rows);
        self.note(written, "the losses were not saved");
        self.save_whole(state, state.dev_loss());
        self.say_what_is_elsewhere();
    }

    /// Saves the run state. `loss` is that of the run's best model, if known.
    fn save_whole(&mut self, state: &RunState, loss: Option<f64>) {
        let whole = self.checkpoint(state, Some(state.shallow_clone()));
        let saved = whole.map_err(anyhow::Error::from);
        let saved = saved.and_then(|whole| self.outputs.save_state(&whole, loss));
        if let Ok(Some(file)) = &saved {
            self.last = Some((state.progress.steps, file.clone()));
        }
        self.note(saved, "the state of the training was not saved");
    }

    /// Records an error for the end of the training, and tells the user if it is new. A success removes
    /// the error.
    pub fn note<T>(&mut self, result: anyhow::Result<T>, what: &'static str) {
        let Err(fault) = result else {
            self.faults.remove(what);
            return;
        };
        if !self.faults.contains_key(what) {
            self.say(format_args!("{what}: {fault:#}"));
        }
        self.faults.insert(what, fault);
    }

    /// Tells the user once of files that were written elsewhere than named, because a better model is
    /// there or another program has changed the file.
    pub fn say_what_is_elsewhere(&mut self) {
        let displaced = self.outputs.check_displaced().err();
        let displaced = displaced.map(|displaced| displaced.to_string());
        for remark in self.outputs.remark().into_iter().chain(displaced) {
            if !self.told.contains(&remark) {
                self.say(&remark);
                self.told.push(remark);
            }
        }
    }

    /// A clause for a run without a saved network: the file of its run state, if there is one.
    pub fn without_network(&self) -> String {
        match &self.last {
            Some((steps, file)) => {
                format!("the state after {steps} steps is in {}", file.display())
            }
            None => format!("nothing was saved to {}", self.outputs.path().display()),
        }
    }

    pub fn say(&self, remark: impl Display) {
        self.remarks.say(remark);
    }

    /// Adds the errors that did not end the training to those of its end.
    pub fn tell_faults(&mut self, after: &mut Aftermath) {
        for (what, fault) in std::mem::take(&mut self.faults) {
            after.note::<()>(Err(fault), what);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::testing::{Folder, SMALL};

    /// A network that is small.
    const TRAIN: &str = "train --type mlp --n-embd 8 --n-embd2 16 --data list.txt --threads 1";

    fn dev_loss(folder: &Folder, model: &str) -> f64 {
        let score = format!("score --json --model {model} --data list.txt --part dev");
        folder.json(&score)["nll"].as_f64().unwrap()
    }

    /// A network is not replaced by one of another run, nor by a worse one.
    #[test]
    fn what_was_trained_before_is_not_lost() {
        let folder = Folder::with_names();
        let steps = SMALL.replace(" --max-steps 40", "");
        let train = format!("train --type rnn --n-embd2 8 --preset makemore {steps}");
        folder.stdout(&format!("{train} --lr 0.02 --max-steps 200 --out a-0.1"));
        folder.stdout(&format!(
            "{train} --max-steps 40 --seed 5 --split-seed 420 --out a-0.2"
        ));
        let resume = "train --resume a-0.2 --data list.txt --max-steps 60";
        let before = folder.read("a-0.2");
        let last = folder.read("a-0.2.last");
        folder.write("a-0.2.last", folder.read("a-0.1.last"));
        let error = folder.error(resume, 1);
        assert!(
            error.contains("a-0.2: not the network of the training that a-0.2.last"),
            "{error}"
        );
        assert_eq!(folder.read("a-0.2"), before);
        folder.write("a-0.2.last", last);
        folder.stdout(resume);

        // Without the last network a new training begins, which a rate makes worse.
        let worse = "train -q --resume a-0.1 --data list.txt --max-steps 20 --lr 5 --json";
        std::fs::remove_file(folder.path("a-0.1.last")).unwrap();
        let before = folder.json("score --json --model a-0.1 --part dev --data list.txt");
        folder.stdout(worse);
        let after = folder.json("score --json --model a-0.1 --part dev --data list.txt");
        assert_eq!(after["nll"], before["nll"]);

        // Both hold out the same words.
        let mixed = "score --part test --json --model a-0.1 --model a-0.2 --data list.txt";
        assert_eq!(folder.json(mixed)["models"].as_array().unwrap().len(), 2);
    }

    /// Two files that had to match were written one after the other, and neither was enough.
    #[test]
    fn either_file_of_a_training_is_enough() {
        let folder = Folder::with_names();
        let steps = |steps| format!("{TRAIN} --preset makemore --max-steps {steps}");
        folder.stdout(&format!("{} --out whole", steps(200)));
        folder.stdout(&format!("{} --out m", steps(100)));
        let scored = dev_loss(&folder, "m");
        assert_eq!(dev_loss(&folder, "m.last"), scored);
        std::fs::remove_file(folder.path("m")).unwrap();
        assert_eq!(dev_loss(&folder, "m.last"), scored);
        folder.stdout("train --resume m --data list.txt --max-steps 200");
        assert_eq!(folder.read("m"), folder.read("whole"));
        std::fs::remove_file(folder.path("m.last")).unwrap();
        assert!(dev_loss(&folder, "m") <= scored);
    }

    /// A training of five steps once took the place of one with a dev loss of 2.17.
    #[test]
    fn a_worse_network_is_saved_beside_a_better_one() {
        let folder = Folder::with_names();
        folder.stdout(&format!("{TRAIN} --max-steps 300 --out m.safetensors"));
        let better = folder.read("m.safetensors");
        let state = folder.read("m.safetensors.last");
        let worse = "train --type mlp --n-embd 8 --n-embd2 4 --data list.txt --max-steps 5 --out m.safetensors";
        let (printed, told) = folder.both(worse);
        assert!(printed.contains("Checkpoint: m-2.safetensors"), "{printed}");
        let told: Vec<&str> = told.lines().collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("m.safetensors has") && told[0].contains("--force"));
        assert!(told[1].contains("which guessing has"), "{told:?}");
        assert_eq!(folder.read("m.safetensors"), better);
        assert_eq!(folder.read("m.safetensors.last"), state);
        assert!(dev_loss(&folder, "m-2.safetensors") > dev_loss(&folder, "m.safetensors"));
        // The name at the end was that of the better model, and nothing said why.
        let same = format!("{TRAIN} --max-steps 300 --out m.safetensors");
        let told: Vec<String> = folder.stderr(&same).lines().map(str::to_owned).collect();
        assert!(
            told[0].contains("saved to m-3.safetensors until"),
            "{told:?}"
        );
        let now = "this model is as good as that in m.safetensors was, and takes its place";
        assert!(told[1..].iter().any(|line| line == now), "{told:?}");
        // Nothing said that a network of other sizes was there.
        let other = format!("{TRAIN} --max-steps 400 --n-layer 2 --out m.safetensors");
        let told = folder.stderr(&other);
        assert!(
            told.contains("m.safetensors had a network of other sizes (")
                && told.contains("; this one is as good, and takes its place"),
            "{told}"
        );
        folder.stdout(&format!("{worse} --force"));
        assert_ne!(folder.read("m.safetensors"), better);
        // One that is as good takes its place, and leaves nothing beside it.
        let again = folder.stdout(&format!("{TRAIN} --max-steps 300 --out m.safetensors"));
        assert!(again.contains("Checkpoint: m.safetensors"), "{again}");
        assert_eq!(folder.read("m.safetensors"), better);
        let files = folder.files();
        let numbered = files.iter().filter(|name| name.starts_with("m-"));
        assert_eq!(numbered.count(), 2, "{files:?}");
    }

    /// The same of the lecture's network: `train --lr 500` took the place of a loss of 2.459.
    #[test]
    fn a_worse_network_of_the_lecture_is_saved_beside_a_better_one() {
        let folder = Folder::new();
        folder.stdout("train");
        let better = folder.read("makemore.safetensors");
        let printed = folder.stdout("train --lr 500");
        assert!(
            printed.contains("Checkpoint: makemore-2.safetensors"),
            "{printed}"
        );
        assert_eq!(folder.read("makemore.safetensors"), better);
        assert!(
            folder
                .stdout("train")
                .contains("Checkpoint: makemore.safetensors")
        );
    }

    /// The state of the better run took no part: the next training went on from the one before it.
    #[test]
    fn without_a_dev_part_the_state_belongs_to_the_network_beside_it() {
        let folder = Folder::with_names();
        let train = |steps| format!("{TRAIN} --split 100,0,0 --max-steps {steps} --out m");
        folder.stdout(&train(50));
        folder.stdout(&train(150));
        assert_eq!(folder.files(), ["list.txt", "m", "m.last"]);
        // Another spelling of its name is the same file.
        let resume = "train --json --resume m --out ./m --data list.txt --max-steps 160";
        let resumed = folder.json(resume);
        assert_eq!(folder.files(), ["list.txt", "m", "m.last"]);
        let losses = resumed["losses"].as_array().unwrap();
        let steps: Vec<_> = losses.iter().map(|row| row["step"].as_u64()).collect();
        assert_eq!(steps[..3], [10, 15, 30].map(Some), "{resumed}");
        assert_eq!(steps[steps.len() - 2..], [150, 160].map(Some), "{resumed}");
        assert_eq!(resumed["steps"], 160);
    }

    /// The state of another training once kept the lecture's network from going on.
    #[test]
    fn the_lectures_network_goes_on_beside_the_state_of_another_training() {
        let folder = Folder::with_names();
        folder.stdout(&format!("{TRAIN} --max-steps 5 --out m"));
        folder.stdout("train --data list.txt --epochs 3 --out m --force");
        folder.stdout("train --data list.txt --epochs 3 --type bigram --resume m");
    }

    /// A checkpoint newer than the state beside it once gave way to the older best parameters.
    #[test]
    fn a_resumed_training_leaves_a_better_checkpoint_alone() {
        let folder = Folder::with_names();
        folder.stdout(&format!(
            "{TRAIN} --preset makemore --eval-every 50 --max-steps 50 --out m"
        ));
        let old = folder.read("m.last");
        folder.stdout("train --resume m --data list.txt --max-steps 200 -q");
        let better = folder.read("m");
        folder.write("m.last", old);
        // It was told that this model is in the file of the better one.
        let (document, stderr) =
            folder.both("train --resume m --data list.txt --max-steps 100 --json");
        assert!(document.contains("\"checkpoint\":\"m.last\""), "{document}");
        assert!(stderr.contains("m has a better model (loss "), "{stderr}");
        assert!(stderr.contains("saved to m.last until"), "{stderr}");
        assert_eq!(folder.read("m"), better);
        folder.stdout("train --resume m --data list.txt --max-steps 200 -q");
        assert_eq!(folder.read("m"), better);
    }
}
