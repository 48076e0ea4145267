//! Checkpoints that are already where a training will save, and must not be overwritten.

use std::path::Path;

use anyhow::bail;
use makemore_tch::checkpoint::{Checkpoint, Model};
use makemore_tch::counting::Counted;
use makemore_tch::error::Error;

/// Advice if a file must not be overwritten.
const CHOOSE: &str =
    "not overwritten; choose another file with --out, or overwrite it with --force";

/// Refuses to overwrite the checkpoint of another list, or of another kind of model.
pub fn check_previous(
    file: &Path,
    previous: &Checkpoint,
    data: &Counted,
    kind: &str,
) -> anyhow::Result<()> {
    let file = file.display();
    if previous.data != data.digest {
        bail!(
            "{file}: trained on another list ({}) than {} ({}); {CHOOSE}",
            previous.data,
            data.origin,
            data.digest
        );
    }
    let there = previous.model.kind();
    if there != kind {
        bail!("{file}: a model of type {there} is there; {CHOOSE}");
    }
    if previous.model.vocabulary() != data.counts.vocabulary() {
        bail!(
            "{file}: its words begin and end with {:?}, not with {:?}; {CHOOSE}",
            previous.model.vocabulary().boundary(),
            data.counts.vocabulary().boundary()
        );
    }
    Ok(())
}

/// The checkpoint that would be overwritten.
pub fn load_previous(out: &Path) -> anyhow::Result<Checkpoint> {
    match Checkpoint::load(out) {
        Ok(previous) => Ok(previous),
        Err(fault @ (Error::NotACheckpoint { .. } | Error::Checkpoint { .. })) => {
            bail!("{fault}; {CHOOSE}")
        }
        Err(error) => Err(error.into()),
    }
}

/// The number of parameters of a network.
pub fn parameters(model: &Model) -> Option<usize> {
    match model {
        Model::Network(trained) => Some(trained.network.parameter_count()),
        Model::Bigram(_) | Model::Ngram(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use makemore_tch::checkpoint::Checkpoint;

    use crate::cli::testing::{Folder, SMALL};

    #[test]
    fn the_checkpoint_of_another_list_is_not_replaced_without_force() {
        let folder = Folder::new();
        folder.write("one.txt", "ab\nba\n");
        folder.write("other.txt", "ba\nab\n");
        folder.write("letters.txt", "abc\n");
        folder.stdout("train --data one.txt --out m.safetensors");
        let before = folder.read("m.safetensors");
        for list in ["other.txt", "letters.txt"] {
            let error = folder.error(&format!("train --data {list} --out m.safetensors"), 1);
            assert!(
                error
                    .contains("m.safetensors: trained on another list (2 words with 4 characters)"),
                "{error}"
            );
            assert!(error.contains("--force"), "{error}");
        }
        assert_eq!(folder.read("m.safetensors"), before);
        folder.stdout("train --data one.txt --out m.safetensors");
        folder.stdout("train --data letters.txt --out m.safetensors --force");
    }

    #[test]
    fn what_is_not_a_checkpoint_is_not_overwritten_without_force() {
        let folder = Folder::new();
        folder.write("precious", "do not lose me");
        let error = folder.error("train --out precious", 1);
        assert!(
            error.contains("precious: not a checkpoint of makemore-tch; not overwritten"),
            "{error}"
        );
        assert!(error.contains("--force"), "{error}");
        assert_eq!(folder.read("precious"), b"do not lose me");
        folder.stdout("train --epochs 1 --out precious --force");
        assert!(Checkpoint::load(&folder.path("precious")).is_ok());
    }

    #[test]
    fn a_network_of_another_type_is_not_overwritten() {
        let folder = Folder::with_names();
        folder.stdout(&format!("train --type rnn --out m.safetensors {SMALL}"));
        let before = folder.read("m.safetensors");
        let error = folder.error(&format!("train --type gru --out m.safetensors {SMALL}"), 1);
        assert!(error.contains("a model of type rnn is there"), "{error}");
        assert_eq!(folder.read("m.safetensors"), before);
        let resume = "train --resume m.safetensors --data list.txt";
        let error = folder.error(&format!("{resume} --type gru"), 1);
        assert!(
            error.contains("a model of type rnn; leave --type out"),
            "{error}"
        );
        let error = folder.error(&format!("{resume} --type bigram"), 1);
        assert!(
            error.contains("a model of type rnn; leave --type out"),
            "{error}"
        );
        let error = folder.error(&format!("{resume} --out other.safetensors"), 1);
        assert!(
            error.contains("its training is over, after 40 steps"),
            "{error}"
        );
        let error = folder.error(&format!("{resume} --max-steps 50 --lr 1"), 1);
        assert!(error.contains("--lr stays what it was"), "{error}");
        folder.write("other.txt", "emma\nolivia\n");
        let other = "train --resume m.safetensors --max-steps 50 --data other.txt";
        let error = folder.error(other, 1);
        assert!(error.contains("m.safetensors"), "{error}");
        let error = folder.error("heatmap out.png --model m.safetensors", 1);
        assert!(error.contains("m.safetensors"), "{error}");
        let error = folder.error("export m.arpa --model m.safetensors", 1);
        assert!(
            error.contains("a network, which an ARPA file cannot hold"),
            "{error}"
        );
    }
}
