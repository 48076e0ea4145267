//! Weights of makemore.py, saved as safetensors: parameters and nothing else.
//!
//! ```python
//! from safetensors.torch import save_model
//! save_model(model, "weights.safetensors")
//! ```
//!
//! The kind of network and most of its sizes follow from names and shapes. The vocabulary does not,
//! so it is taken from the list that the weights were trained on; and how many heads a transformer
//! has is for the user to say.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors};
use tch::{Device, Tensor};

use super::file::Opened;
use crate::data::Vocabulary;
use crate::error::{Error, Result};
use crate::files::open;
use crate::models::{Config, Network, Sizes};

/// The name of a kind of network, by a parameter that no other one has.
fn kind_of(has: impl Fn(&str) -> bool) -> Option<&'static str> {
    let of = [
        ("transformer.wte.weight", "transformer"),
        ("context_block.mlp.c_fc.weight", "bow"),
        ("mlp.0.weight", "mlp"),
        ("cell.xh_to_z.weight", "gru"),
        ("cell.xh_to_h.weight", "rnn"),
        ("lstm.weight_hh_l0", "lstm"),
        ("logits", "lookup"),
    ];
    let found = of.iter().find(|(name, _)| has(name));
    found.map(|&(_, kind)| kind)
}

/// Whether a tensor is a mask of makemore.py's attention or averages: a buffer, which follows from
/// the block size.
fn is_mask(name: &str) -> bool {
    name.ends_with(".attn.bias") || name.ends_with(".cbow.bias")
}

/// The parameters of a network of makemore.py.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    parameters: BTreeMap<String, Tensor>,
}

impl Weights {
    /// Reads weights; none if the file is something else, by its header.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] if a weight is no 32-bit float; if the file cannot be read.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        // What comes through a pipe is read once only.
        match path.is_file() {
            true => Self::read(path, open(path)?),
            false => Ok(None),
        }
    }

    fn read(path: &Path, file: impl Read) -> Result<Option<Self>> {
        let opened = Opened::of(path, file)?.filter(|opened| {
            !opened.is_ours() && kind_of(|name| opened.header.info(name).is_some()).is_some()
        });
        let Some(opened) = opened else {
            return Ok(None);
        };
        let mut infos = opened.header.tensors().into_iter();
        if let Some((name, info)) =
            infos.find(|(name, info)| !is_mask(name) && info.dtype != Dtype::F32)
        {
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
            parameters,
        }))
    }

    /// The name of the kind of network.
    pub fn kind(&self) -> Option<&'static str> {
        kind_of(|name| self.parameters.contains_key(name))
    }

    /// The network, for words of a vocabulary that have at most so many characters.
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
        let of = |name: &str| self.shape(name);
        let layers = (0..).take_while(|layer| {
            let name = format!("transformer.h.{layer}.attn.c_attn.weight");
            self.parameters.contains_key(&name)
        });
        let sizes = Sizes {
            block_size: longest + 1,
            n_head,
            n_layer: layers.count().max(1),
            ..Sizes::default()
        };
        let of_state = |hidden: &str| -> Result<Sizes> {
            Ok(Sizes {
                n_embd: of("wte.weight")?[1],
                n_embd2: of(hidden)?[0],
                ..sizes
            })
        };
        let (config, rows) = match self.kind() {
            Some("lookup") => (Config::Lookup {}, of("logits")?[0]),
            Some("transformer") => {
                let [block_size, n_embd] = of("transformer.wpe.weight")?;
                let sizes = Sizes {
                    block_size,
                    n_embd,
                    ..sizes
                };
                (Config::Transformer(sizes), of("transformer.wte.weight")?[0])
            }
            Some("bow") => {
                let sizes = Sizes {
                    block_size: of("wpe.weight")?[0],
                    ..of_state("context_block.mlp.c_fc.weight")?
                };
                (Config::Bow(sizes), of("wte.weight")?[0])
            }
            Some("mlp") => {
                let sizes = of_state("mlp.0.weight")?;
                let block_size = of("mlp.0.weight")?[1] / sizes.n_embd.max(1);
                // The last row is of its <BLANK>.
                let rows = of("wte.weight")?[0].saturating_sub(1);
                (
                    Config::Mlp(Sizes {
                        block_size,
                        ..sizes
                    }),
                    rows,
                )
            }
            Some("gru") => (
                Config::Gru(of_state("cell.xh_to_z.weight")?),
                of("wte.weight")?[0],
            ),
            Some("rnn") => (
                Config::Rnn(of_state("cell.xh_to_h.weight")?),
                of("wte.weight")?[0],
            ),
            _ => {
                let sizes = Sizes {
                    n_embd2: of("lstm.weight_hh_l0")?[1],
                    ..of_state("lstm.weight_hh_l0")?
                };
                (Config::Lstm(sizes), of("wte.weight")?[0])
            }
        };
        if rows != vocabulary.len() {
            return Err(self.fault(format!(
                "weights for {rows} characters, and the list has {}; the list that they were trained on would work",
                vocabulary.len()
            )));
        }
        Network::of(vocabulary, config, &self.parameters, device)
            .map_err(|error| self.fault(error.to_string()))
    }

    fn shape(&self, name: &str) -> Result<[usize; 2]> {
        let shape = self.parameters.get(name).map(Tensor::size);
        match shape.as_deref() {
            Some(&[rows, columns]) => Ok([rows as usize, columns as usize]),
            _ => Err(self.fault(format!("there is no matrix {name:?} as its network has it"))),
        }
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

    use safetensors::tensor::TensorView;

    use super::*;

    /// What follows a header.
    struct Unread;

    impl Read for Unread {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("more than the header was read"))
        }
    }

    /// Reads the header of a file with one tensor, `[2, 2]`.
    fn read_header(name: &str, dtype: Dtype) -> Result<Option<Weights>> {
        let data = vec![0; 4 * dtype.bitsize() / 8];
        let tensor = TensorView::new(dtype, vec![2, 2], &data).unwrap();
        let mut bytes = safetensors::serialize([(name, tensor)], None).unwrap();
        bytes.truncate(bytes.len() - data.len());
        Weights::read(Path::new("model"), Cursor::new(bytes).chain(Unread))
    }

    /// One of 2 GiB took 21 seconds and 6.4 GB of memory.
    #[test]
    fn a_foreign_file_is_recognised_by_its_header() {
        for dtype in [Dtype::F32, Dtype::BF16] {
            assert!(
                read_header("model.layers.0.weight", dtype)
                    .unwrap()
                    .is_none()
            );
        }
        let read = read_header("logits", Dtype::F32).unwrap_err();
        assert!(matches!(read, Error::Read { .. }), "{read}");
        let refused = read_header("logits", Dtype::BF16).unwrap_err().to_string();
        assert!(
            refused.contains("BF16; weights as 32-bit floats would work"),
            "{refused}"
        );
    }
}
