//! Files that a training writes several times, and the pair of a checkpoint and its run state.

use std::path::{Path, PathBuf};

use makemore_tch::checkpoint::resume::last_of;
use makemore_tch::error::Error;
use makemore_tch::files::Output;

/// The files of a model: its checkpoint, and the run state if it has one.
#[derive(Debug)]
pub struct Files {
    pub checkpoint: Place,
    pub state: Option<Place>,
}

/// A file that is written several times.
#[derive(Debug)]
pub struct Place {
    /// The file that the user named.
    pub named: PathBuf,
    /// The file that is written: another one beside `named`, if another program has changed that.
    pub output: Output,
    pub is_written: bool,
}

impl Place {
    pub fn check(path: &Path) -> makemore_tch::Result<Self> {
        Ok(Self::of(path, Output::check(path)?))
    }

    pub fn of(path: &Path, output: Output) -> Self {
        Self {
            named: path.to_owned(),
            output,
            is_written: false,
        }
    }

    pub fn write(&mut self, contents: &[u8], force: bool) -> makemore_tch::Result<()> {
        let replaced = match force {
            true => self.output.replace(contents),
            false => self.output.replace_unchanged(contents),
        };
        match replaced {
            Err(Error::Changed { .. }) => {
                self.output = Output::check(&self.output.write_beside(contents)?)?;
            }
            replaced => replaced?,
        }
        self.is_written = true;
        Ok(())
    }

    /// Writes to another file from now on.
    fn move_to(&mut self, other: Self) {
        self.output = other.output;
        self.is_written = false;
    }

    /// A remark if the file was written elsewhere than the user named.
    pub fn displaced(&self) -> Option<String> {
        let is = self.output.path();
        (self.is_written && is != self.named).then(|| {
            format!(
                "{} was written by another program in the meantime; ours was saved to {} instead",
                self.named.display(),
                is.display()
            )
        })
    }
}

impl Files {
    pub fn check(out: &Path, has_state: bool) -> makemore_tch::Result<Self> {
        Ok(Self {
            checkpoint: Place::check(out)?,
            state: has_state.then(|| Place::check(&last_of(out))).transpose()?,
        })
    }

    pub fn places(&self) -> impl Iterator<Item = &Place> {
        [&self.checkpoint].into_iter().chain(&self.state)
    }

    /// Files that do not exist yet, with the first free number at the end of the name.
    pub fn beside(&self) -> makemore_tch::Result<Self> {
        let named = &self.checkpoint.named;
        let stem = named.file_stem().unwrap_or_default();
        let mut number = 2;
        loop {
            let mut name = stem.to_owned();
            name.push(format!("-{number}"));
            if let Some(extension) = named.extension() {
                name.push(".");
                name.push(extension);
            }
            let path = named.with_file_name(name);
            if !path.exists() && !last_of(&path).exists() {
                return Self::check(&path, self.state.is_some());
            }
            number += 1;
        }
    }

    /// Writes the checkpoint.
    pub fn write(&mut self, contents: &[u8], force: bool) -> makemore_tch::Result<()> {
        self.move_if_changed(force)?;
        self.checkpoint.write(contents, force)
    }

    /// Writes the state of the run, if it has a file.
    pub fn write_state(&mut self, contents: &[u8], force: bool) -> makemore_tch::Result<()> {
        self.move_if_changed(force)?;
        match &mut self.state {
            Some(place) => place.write(contents, force),
            None => Ok(()),
        }
    }

    /// Chooses other files if another program has written to one of the two in the meantime, so that
    /// the checkpoint and the state beside it are always of one run.
    fn move_if_changed(&mut self, force: bool) -> makemore_tch::Result<()> {
        let is_changed = self.places().any(|place| place.output.is_changed());
        if force || self.state.is_none() || !is_changed {
            return Ok(());
        }
        let beside = self.beside()?;
        self.checkpoint.move_to(beside.checkpoint);
        if let (Some(state), Some(beside)) = (&mut self.state, beside.state) {
            state.move_to(beside);
        }
        Ok(())
    }

    /// Removes the files that were written, unless another program has changed them.
    pub fn remove(self) {
        for place in self.places().filter(|place| place.is_written) {
            place.output.remove_unchanged();
        }
    }
}

#[cfg(test)]
mod tests {
    use makemore_tch::{Checkpoint, Model};

    use crate::cli::testing::Folder;

    /// They were once noticed after the training.
    #[test]
    fn names_that_no_file_can_have_are_noticed_before_the_training() {
        let folder = Folder::new();
        for (out, expected) in [
            ("newdir/".to_owned(), "does not end in a slash"),
            ("x".repeat(300), "File name too long"),
        ] {
            let error = folder.error(&format!("train --out {out}"), 1);
            assert!(error.contains(expected), "{error}");
        }
        assert!(folder.files().is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_replaced_checkpoint_keeps_its_mode_and_a_read_only_one_stays() {
        use std::fs::{Permissions, metadata, set_permissions};
        use std::os::unix::fs::PermissionsExt;

        let folder = Folder::new();
        folder.stdout("train --epochs 1");
        let path = folder.path("makemore.safetensors");
        set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        folder.stdout("train --epochs 2");
        assert_eq!(metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        let error = folder.error("train --epochs 3 --force", 1);
        assert!(error.contains("the file is read-only"), "{error}");
        let epochs = match Checkpoint::load(&path).unwrap().model {
            Model::Bigram(trained) => trained.epochs,
            other => panic!("a model of type {}", other.kind()),
        };
        assert_eq!(epochs, 2);
    }
}
