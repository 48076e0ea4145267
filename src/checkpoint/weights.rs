//! Weights of makemore.py, saved as safetensors: parameters without metadata.
//!
//! ```python
//! from safetensors.torch import save_model
//! save_model(model, "weights.safetensors")
//! ```
//!
//! The kind of network and most of its sizes follow from names and shapes. The vocabulary is taken from
//! the list that the weights were trained on. The user gives the number of heads of a transformer.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorInfo};
use tch::{Device, Tensor};

use super::file::Opened;
use crate::data::Vocabulary;
use crate::data::words::MAX_CHARACTERS;
use crate::error::{Error, Result};
use crate::files::open;
use crate::models::kinds::kind::Shapes;
use crate::models::{Config, KINDS, Kind, Network, Sizes};

/// Whether a tensor is the mask of makemore.py's attention or bag of words: a buffer that follows from
/// the block size.
fn is_mask(name: &str) -> bool {
    name.ends_with(".attn.bias") || name.ends_with(".cbow.bias")
}

/// The parameters of a network of makemore.py.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    kind: &'static dyn Kind,
    shapes: Shapes,
    parameters: BTreeMap<String, Tensor>,
}

impl Weights {
    /// Reads weights; none if the header is that of something else.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] if a weight is not a 32-bit float; [`Error::Read`] if the file cannot be
    /// read.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        // A pipe can be read only once.
        match path.is_file() {
            true => Self::read(path, open(path)?),
            false => Ok(None),
        }
    }

    fn read(path: &Path, file: impl Read) -> Result<Option<Self>> {
        let Some(opened) = Opened::of(path, file)?.filter(|opened| !opened.is_ours()) else {
            return Ok(None);
        };
        let tensors = opened.header.tensors();
        let shapes = tensors
            .iter()
            .map(|(name, info)| (name.clone(), info.shape.clone()));
        let shapes = Shapes(shapes.collect());
        let is_of = |kind: &&&dyn Kind| {
            let found = kind.of_weights(&shapes, &Sizes::default());
            found.is_some_and(|(_, v)| v <= MAX_CHARACTERS + 1)
        };
        let Some(&kind) = KINDS.iter().find(is_of) else {
            return Ok(None);
        };
        let is_other = |name: &str, info: &TensorInfo| !is_mask(name) && info.dtype != Dtype::F32;
        if let Some((name, info)) = tensors.iter().find(|(name, info)| is_other(name, info)) {
            return Err(Error::Checkpoint {
                file: path.to_owned(),
                fault: format!(
                    "the tensor {name:?} is of {}; weights as 32-bit floats would work, which model.float() makes",
                    info.dtype
                ),
            });
        }
        let bytes = opened.whole()?;
        let Ok(tensors) = SafeTensors::deserialize(&bytes) else {
            return Ok(None);
        };
        let mut parameters = BTreeMap::new();
        for (name, view) in tensors.tensors() {
            if !is_mask(&name) {
                let tensor = super::network::read_tensor(path, &name, &view)?;
                parameters.insert(name, tensor);
            }
        }
        Ok(Some(Self {
            path: path.to_owned(),
            kind,
            shapes,
            parameters,
        }))
    }

    /// The kind of network.
    pub fn kind(&self) -> &'static dyn Kind {
        self.kind
    }

    /// The network, for words of a vocabulary that have at most `longest` characters.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] if the weights are of another vocabulary, or not of such a network.
    pub fn network(
        &self,
        vocabulary: Vocabulary,
        longest: usize,
        n_head: usize,
        device: Device,
    ) -> Result<Network> {
        let given = Sizes {
            block_size: longest + 1,
            n_head,
            ..Sizes::default()
        };
        let found = self.kind.of_weights(&self.shapes, &given);
        let (sizes, v) =
            found.ok_or_else(|| self.fault("weights of another network".to_owned()))?;
        if v != vocabulary.len() {
            return Err(self.fault(format!(
                "weights for {v} characters, and the list has {}; the list that they were trained on would work",
                vocabulary.len()
            )));
        }
        let config = Config::new(self.kind, sizes);
        Network::of(vocabulary, config, &self.parameters, device)
            .map_err(|error| self.fault(error.to_string()))
    }

    fn fault(&self, fault: String) -> Error {
        Error::Checkpoint {
            file: self.path.clone(),
            fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Cursor};

    use serde_json::json;

    use super::*;

    /// The bytes after a header.
    struct Unread;

    impl Read for Unread {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("more than the header was read"))
        }
    }

    /// Reads the header of a file with one tensor, `[n, n]`.
    fn read_header(name: &str, dtype: Dtype, n: usize) -> Result<Option<Weights>> {
        let end = n * n * dtype.bitsize() / 8;
        let tensor = json!({ "dtype": dtype, "shape": [n, n], "data_offsets": [0, end] });
        let header = json!({ name: tensor }).to_string();
        let length = (header.len() as u64).to_le_bytes();
        let bytes = [&length, header.as_bytes()].concat();
        Weights::read(Path::new("model"), Cursor::new(bytes).chain(Unread))
    }

    /// A foreign file was once read whole, three times, before it was refused.
    #[test]
    fn a_foreign_file_is_recognised_by_its_header() {
        for (name, dtype, n) in [
            ("model.layers.0.weight", Dtype::F32, 27),
            ("model.layers.0.weight", Dtype::BF16, 27),
            ("logits", Dtype::F32, 20_000),
        ] {
            assert!(read_header(name, dtype, n).unwrap().is_none(), "{name}");
        }
        let read = read_header("logits", Dtype::F32, 27).unwrap_err();
        assert!(matches!(read, Error::Read { .. }), "{read}");
        let refused = read_header("logits", Dtype::BF16, 27).unwrap_err();
        let expected = "BF16; weights as 32-bit floats would work";
        assert!(refused.to_string().contains(expected), "{refused}");
    }
}
