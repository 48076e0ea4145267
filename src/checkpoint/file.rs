//! The format of checkpoints: safetensors with our metadata, among them a SHA-256.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorView};
use sha2::{Digest as _, Sha256};

use crate::data::Vocabulary;
use crate::error::{Error, Result};
use crate::files::read_error;

pub(super) const FORMAT: &str = "makemore-tch";
pub(super) const FORMAT_VERSION: &str = "2";

/// The largest header, as in the crate safetensors. It has the names of all tensors, and the losses of a
/// run with some tens of bytes for each evaluation.
const MAX_HEADER: u64 = 100_000_000;

/// A tensor to be written: its type, shape and bytes.
pub(super) struct Stored {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

/// Encodes a file with metadata and tensors; adds the SHA-256.
///
/// # Errors
///
/// [`Error::Encode`] if a tensor has another number of bytes than its shape says.
pub(super) fn written(
    mut metadata: BTreeMap<String, String>,
    tensors: &BTreeMap<String, Stored>,
) -> Result<Vec<u8>> {
    let views = tensors.iter().map(|(name, tensor)| {
        TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes)
            .map(|view| (name.as_str(), view))
    });
    let views: BTreeMap<&str, TensorView> = views.collect::<Result<_, _>>()?;
    metadata.insert("sha256".to_owned(), sha256(&metadata, &views));
    let metadata: HashMap<_, _> = metadata.into_iter().collect();
    let bytes = safetensors::serialize(views, Some(metadata))?;
    sorted(&bytes).ok_or_else(|| Error::Encode("a file without a header".into()))
}

/// Sorts the header of a file by its keys. The crate safetensors writes them in the order of a hash map,
/// so that the files of equal models would differ.
fn sorted(bytes: &[u8]) -> Option<Vec<u8>> {
    let size = usize::try_from(u64::from_le_bytes(*bytes.first_chunk()?)).ok()?;
    let (header, tensors) = bytes.get(8..)?.split_at_checked(size)?;
    let header: serde_json::Value = serde_json::from_slice(header).ok()?;
    let mut header = header.to_string();
    // Padding that the format requires, so that the tensors begin at an aligned address.
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    let size = (header.len() as u64).to_le_bytes();
    Some([&size, header.as_bytes(), tensors].concat())
}

/// The contents of a checkpoint with a correct SHA-256.
pub(super) struct Contents<'a> {
    pub path: PathBuf,
    pub metadata: BTreeMap<String, String>,
    pub tensors: BTreeMap<String, TensorView<'a>>,
}

impl<'a> Contents<'a> {
    /// The contents of a checkpoint of ours, by [`Opened::is_ours`].
    pub fn of(path: &Path, bytes: &'a [u8]) -> Result<Self> {
        let mut contents = Self {
            path: path.to_owned(),
            metadata: BTreeMap::new(),
            tensors: BTreeMap::new(),
        };
        let header = SafeTensors::read_metadata(bytes);
        let (_, header) = header.map_err(|_| contents.damaged())?;
        let metadata = header.metadata().iter().flatten();
        contents.metadata = metadata.map(|(k, v)| (k.clone(), v.clone())).collect();
        if contents.value("format_version")? != FORMAT_VERSION {
            return Err(
                contents.fault("of another version of makemore-tch; train it again with this one")
            );
        }
        let tensors = SafeTensors::deserialize(bytes).map_err(|_| contents.damaged())?;
        contents.tensors = tensors.tensors().into_iter().collect();
        let mut signed = contents.metadata.clone();
        if signed.remove("sha256") != Some(sha256(&signed, &contents.tensors)) {
            return Err(contents.damaged());
        }
        Ok(contents)
    }

    pub fn fault(&self, fault: impl Into<String>) -> Error {
        Error::Checkpoint {
            file: self.path.clone(),
            fault: fault.into(),
        }
    }

    pub fn damaged(&self) -> Error {
        self.fault("damaged: not as it was written; train it again or use a copy")
    }

    pub fn value(&self, key: &str) -> Result<&str> {
        let value = self.metadata.get(key);
        value.map(String::as_str).ok_or_else(|| self.damaged())
    }

    pub fn number<T: std::str::FromStr>(&self, key: &str) -> Result<T> {
        self.value(key)?.parse().map_err(|_| self.damaged())
    }

    pub fn vocabulary(&self) -> Result<Vocabulary> {
        let written = self.value("vocabulary")?;
        let mut characters = written.chars();
        let boundary = characters.next().ok_or_else(|| self.damaged())?;
        let vocabulary =
            Vocabulary::new(boundary, characters).map_err(|error| self.fault(error.to_string()))?;
        let in_order: String = vocabulary.characters().iter().collect();
        if in_order != written || self.value("boundary")? != boundary.to_string() {
            return Err(self.damaged());
        }
        Ok(vocabulary)
    }
}

/// The numbers of a tensor; none if they are not 32-bit floats.
pub(super) fn floats(view: &TensorView) -> Option<Vec<f32>> {
    let (values, _) = view.data().as_chunks();
    let values = values.iter().map(|&bytes| f32::from_le_bytes(bytes));
    (view.dtype() == Dtype::F32).then(|| values.collect())
}

/// A safetensors file of which only the header was read.
pub(super) struct Opened<R> {
    path: PathBuf,
    pub header: Metadata,
    /// The bytes up to the end of the header.
    bytes: Vec<u8>,
    rest: R,
}

impl<R: Read> Opened<R> {
    /// Reads the header; none if the file is not safetensors or the header too large.
    pub fn of(path: &Path, mut rest: R) -> Result<Option<Self>> {
        let mut bytes = Vec::new();
        let header = read_header(&mut rest, &mut bytes).map_err(|cause| read_error(path, cause))?;
        Ok(header.map(|header| Self {
            path: path.to_owned(),
            header,
            bytes,
            rest,
        }))
    }

    /// Whether the file is a checkpoint of ours, by its header.
    pub fn is_ours(&self) -> bool {
        let metadata = self.header.metadata().as_ref();
        metadata.is_some_and(|metadata| metadata.get("format").is_some_and(|it| it == FORMAT))
    }

    /// Reads the whole file, or up to a byte more than its header says. Allocates no more than there is
    /// to read, whatever the header says.
    pub fn whole(mut self) -> Result<Vec<u8>> {
        let length = (self.header.data_len() as u64).saturating_add(1);
        let read = self.rest.take(length).read_to_end(&mut self.bytes);
        read.map_err(|cause| read_error(&self.path, cause))?;
        Ok(self.bytes)
    }
}

fn read_header(file: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<Option<Metadata>> {
    file.take(8).read_to_end(bytes)?;
    let length = bytes
        .first_chunk()
        .map(|&length| u64::from_le_bytes(length));
    let Some(length) = length.filter(|&length| length <= MAX_HEADER) else {
        return Ok(None);
    };
    file.take(length).read_to_end(bytes)?;
    Ok(serde_json::from_slice(&bytes[8..]).ok())
}

/// The SHA-256 of metadata and tensors, in hexadecimal; each part is hashed after its length.
pub(super) fn sha256<N: AsRef<str>>(
    metadata: &BTreeMap<String, String>,
    tensors: &BTreeMap<N, TensorView>,
) -> String {
    let mut hasher = Sha256::new();
    let mut add = |part: &[u8]| {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    };
    for (key, value) in metadata {
        add(key.as_bytes());
        add(value.as_bytes());
    }
    for (name, view) in tensors {
        add(name.as_ref().as_bytes());
        add(format!("{:?} {:?}", view.dtype(), view.shape()).as_bytes());
        add(view.data());
    }
    base16ct::lower::encode_string(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_the_format_is_not_called_one_of_libtorch() {
        let stored = Stored {
            dtype: Dtype::F32,
            shape: vec![3],
            bytes: vec![0; 8],
        };
        let fault = written(BTreeMap::new(), &BTreeMap::from([("W".to_owned(), stored)]));
        assert!(matches!(fault, Err(Error::Encode(_))), "{fault:?}");
    }
}
