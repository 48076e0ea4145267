//! A file with a model, whatever it is: a checkpoint, or an ARPA file that anyone has written.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use crate::arpa;
use crate::checkpoint::{Checkpoint, Model};
use crate::data::Digest;
use crate::data::parts::{List, Parts, SplitOf};
use crate::data::split::{Part, Split};
use crate::error::{Error, Result};
use crate::files::{open, read_error};

/// How much of a file is looked at to tell what it is.
const START: u64 = 4096;

/// A model from a file.
#[derive(Debug)]
pub struct ModelFile {
    /// The file.
    pub path: PathBuf,
    /// The model.
    pub model: Model,
    /// What it was trained on; none where the file does not say, which is an ARPA file or weights of
    /// makemore.py.
    pub trained_on: Option<TrainedOn>,
}

/// The list that a model was trained on, and which parts of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrainedOn {
    /// By which the list is recognised.
    pub list: Digest,
    /// How it was split.
    pub split: SplitOf,
}

impl TrainedOn {
    /// A list in the parts that training has split it into. It may be another list too: it is all
    /// for training then, and as new to the model as its words are.
    pub fn parts(&self, list: List) -> Parts {
        match self.list == list.digest {
            true => {
                let split = Split::new(self.split.shares, self.split.seed, list.digest.words);
                Parts::new(list, split)
            }
            false => Parts::whole(list),
        }
    }

    /// Finds a part of the model's data in a list: all of it where the part was a list of its own.
    /// Returns the list's parts, and which of them it is.
    ///
    /// # Errors
    ///
    /// [`Error::OtherList`] if the list is another one, [`Error::EmptyPart`] if the part has no
    /// words.
    pub fn part(&self, part: Part, list: List) -> Result<(Parts, Part)> {
        let own = self.split.own(part);
        let wanted = own.unwrap_or(self.list);
        if list.digest != wanted {
            return Err(Error::OtherList {
                part: part.into(),
                wanted: wanted.to_string(),
                origin: list.source.origin(),
                found: list.digest.to_string(),
            });
        }
        if own.is_some() {
            return Ok((Parts::whole(list), Part::Train));
        }
        let parts = self.parts(list);
        match parts.words(part) {
            0 => Err(Error::EmptyPart {
                part: part.into(),
                shares: self.split.shares.to_string(),
            }),
            _ => Ok((parts, part)),
        }
    }
}

impl ModelFile {
    /// Reads a model. `boundary` chooses the start/end token of an ARPA file, which does not name
    /// one.
    ///
    /// # Errors
    ///
    /// As [`Checkpoint::load`] or [`arpa::read`]; [`Error::NotAModel`] if the file is neither.
    pub fn load(path: &Path, boundary: Option<char>) -> Result<Self> {
        let mut opened = open(path)?;
        let mut start = Vec::new();
        let read = opened.by_ref().take(START).read_to_end(&mut start);
        read.map_err(|cause| read_error(path, cause))?;
        let is_arpa = is_arpa(path, &start);
        let whole = Cursor::new(start).chain(opened);
        let path = path.to_owned();
        if is_arpa {
            let ngram = arpa::read_from(&path, whole, boundary)?;
            return Ok(Self {
                path,
                model: Model::Ngram(ngram),
                trained_on: None,
            });
        }
        let Checkpoint {
            model, data, split, ..
        } = Checkpoint::read(&path, whole).map_err(|error| match error {
            Error::NotACheckpoint { file } => Error::NotAModel { file },
            error => error,
        })?;
        Ok(Self {
            path,
            model,
            trained_on: Some(TrainedOn { list: data, split }),
        })
    }
}

/// Whether a file is to be read as an ARPA file, by its name or how it begins.
fn is_arpa(path: &Path, start: &[u8]) -> bool {
    // The header of a checkpoint follows its length.
    if start.get(8) == Some(&b'{') {
        return false;
    }
    let name = path.to_string_lossy().to_lowercase();
    let is_compressed = start.starts_with(&[0x1F, 0x8B]) || start.starts_with(&[0x28, 0xB5]);
    let has_data = memchr::memmem::find(start, b"\\data\\").is_some();
    is_compressed
        || has_data
        || [".arpa", ".arpa.gz", ".arpa.zst"]
            .iter()
            .any(|end| name.ends_with(end))
}
