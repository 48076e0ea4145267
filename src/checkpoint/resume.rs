//! Resuming a training: the run state is in `FILE.last`, beside the checkpoint `FILE`.
//!
//! `FILE.last` is itself a checkpoint, with the best parameters so far and the whole
//! [`RunState`](crate::train::run_state::RunState). Each of the two files is enough to score with, and
//! `FILE.last` is enough to resume.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tch::Tensor;

use super::network::{TrainedNetwork, sha256_of};
use super::{Checkpoint, Model};
use crate::error::{Error, Result};
use crate::models::Network;

/// The suffix of the file with the run state, behind the name of the checkpoint.
pub const LAST: &str = ".last";

/// The file with the run state, from the name of its checkpoint or its own name.
pub fn last_of(checkpoint: &Path) -> PathBuf {
    match base_of(checkpoint) == checkpoint {
        true => {
            let mut name = checkpoint.as_os_str().to_owned();
            name.push(LAST);
            name.into()
        }
        false => checkpoint.to_owned(),
    }
}

/// The checkpoint, from its own name or that of the file with its run state.
pub fn base_of(last: &Path) -> PathBuf {
    let name = last.as_os_str().as_encoded_bytes();
    match (name.strip_suffix(LAST.as_bytes()), last.file_stem()) {
        (Some(_), Some(stem)) => last.with_file_name(stem),
        _ => last.to_owned(),
    }
}

/// Loads the checkpoint to resume a training from, with the run state if there is one.
///
/// # Errors
///
/// As [`Checkpoint::load`]; [`Error::Checkpoint`] if `file` is a checkpoint and the run state beside it is
/// of another training.
pub fn load(file: &Path) -> Result<Checkpoint> {
    let (last, base) = (last_of(file), base_of(file));
    if !last.exists() {
        return Checkpoint::load(file);
    }
    let mut state = Checkpoint::load(&last).map_err(|error| match error {
        Error::NotACheckpoint { file } if base.exists() => {
            of_no_use(file, "no state of a training, or cut off", &base)
        }
        Error::Checkpoint { file, fault } if base.exists() => of_no_use(file, &fault, &base),
        error => error,
    })?;
    // The run state is enough if the checkpoint is missing or damaged.
    let there = Checkpoint::load(&base).ok();
    let of_others = || Error::Checkpoint {
        file: base.clone(),
        fault: format!(
            "not the network of the training that {0} goes on with; name {0} itself to go on with that, or remove it",
            last.display()
        ),
    };
    if file == base && there.as_ref().is_some_and(|there| !is_alike(there, &state)) {
        return Err(of_others());
    }
    if let Model::Network(trained) = &mut state.model
        && let Some(wanted) = best_elsewhere(trained)
    {
        match there.map(|there| there.model) {
            Some(Model::Network(there)) if sha256_of(&named(&there.network))? == wanted => {
                take_best(trained, there);
            }
            _ => return Err(of_others()),
        }
    }
    Ok(state)
}

/// The error for a run state that cannot be read beside a checkpoint that may be sound.
fn of_no_use(file: PathBuf, fault: &str, base: &Path) -> Error {
    let base = base.display();
    let fault = format!("{fault}; without this file, a new training would begin with {base}");
    Error::Checkpoint { file, fault }
}

/// Whether two checkpoints may be of the same training.
fn is_alike(one: &Checkpoint, other: &Checkpoint) -> bool {
    let is_alike = match (&one.model, &other.model) {
        (Model::Network(one), Model::Network(other)) => {
            one.network.config() == other.network.config()
        }
        _ => false,
    };
    is_alike && (one.data, one.seed) == (other.data, other.seed) && one.split == other.split
}

/// The SHA-256 of the best parameters, if the run state was saved without them, as older versions did.
fn best_elsewhere(state: &TrainedNetwork) -> Option<String> {
    state.run.as_ref()?.best.as_ref()?.sha256.clone()
}

/// Moves the best parameters of a checkpoint into a run state that was saved without them.
fn take_best(state: &mut TrainedNetwork, there: TrainedNetwork) {
    if let Some(run) = &mut state.run
        && let Some(best) = &mut run.best
    {
        best.train = there.loss.into();
        best.sha256 = None;
        best.parameters = named(&there.network);
        run.parameters = named(&state.network);
    }
    (state.network, state.steps, state.loss) = (there.network, there.steps, there.loss);
}

/// The parameters and buffers of a network, by their names.
fn named(network: &Network) -> BTreeMap<String, Tensor> {
    network.state_dict().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Digest, SplitOf, Vocabulary};
    use crate::models::kinds::{Kind, Lookup, kind::Preset};
    use crate::models::{Config, Network};
    use crate::train::options::WordOptions;
    use crate::train::run_state::{Losses, RunState};
    use tch::Device;

    /// The error once called it no checkpoint, and did not name the checkpoint beside it.
    #[test]
    fn a_state_that_is_cut_off_says_what_works_without_it() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("m");
        std::fs::write(&base, "a checkpoint").unwrap();
        std::fs::write(last_of(&base), "a").unwrap();
        let error = load(&base).unwrap_err().to_string();
        assert!(
            error.contains("m.last: no state of a training, or cut off"),
            "{error}"
        );
        assert!(error.contains("a new training would begin with"), "{error}");
        std::fs::remove_file(&base).unwrap();
        let error = load(&base).unwrap_err().to_string();
        assert!(
            error.contains("not a checkpoint of makemore-tch"),
            "{error}"
        );
    }

    /// The losses of a long run once made a header that was refused as too large.
    #[test]
    fn a_state_with_the_losses_of_many_evaluations_is_read_again() {
        let vocabulary = Vocabulary::new('.', ['a', 'b']).unwrap();
        let config = Config::new(&Lookup, Lookup.default_sizes(3, Preset::NAMES));
        let network = Network::new(vocabulary, config, 1, Device::Cpu).unwrap();
        let mut state = RunState::new(WordOptions::default());
        state.progress.steps = 100_000;
        state.parameters = named(&network);
        state.losses = (1..=100_000)
            .map(|step| Losses {
                step,
                train: 1.0 / step as f64,
                dev: Some(2.0 / step as f64),
            })
            .collect();
        let losses = state.losses.clone();
        let checkpoint = Checkpoint {
            model: Model::Network(TrainedNetwork {
                network,
                steps: 100_000,
                loss: 1.5,
                dev_losses: Vec::new(),
                run: Some(Box::new(state)),
            }),
            seed: 1,
            libtorch: "2.13.0".to_owned(),
            data: Digest {
                crc32: 1,
                words: 2,
                characters: 4,
            },
            split: SplitOf::all(1),
            list: None,
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.last");
        checkpoint.save(&path).unwrap();
        let loaded = load(&folder.path().join("m")).unwrap();
        assert_eq!(loaded.run().unwrap().losses, losses);
    }
}
