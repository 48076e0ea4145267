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
use std::path::{Path, PathBuf};

use safetensors::tensor::SafeTensors;
use tch::{Device, Tensor};

use super::file;
use crate::data::Vocabulary;
use crate::error::{Error, Result};
use crate::models::{Config, Network, Sizes};

/// The parameters of a network of makemore.py.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    parameters: BTreeMap<String, Tensor>,
}

impl Weights {
    /// Reads weights; none if the file is something else.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or a weight is no 32-bit float.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        // What comes through a pipe is read once only.
        if !path.is_file() {
            return Ok(None);
        }
        let Some(bytes) = file::read_foreign(path)? else {
            return Ok(None);
        };
        let Ok(tensors) = SafeTensors::deserialize(&bytes) else {
            return Ok(None);
        };
        let mut parameters = BTreeMap::new();
        for (name, view) in tensors.tensors() {
            // The masks of its attention and of its averages are buffers, made anew from the block
            // size.
            if name.ends_with(".attn.bias") || name.ends_with(".cbow.bias") {
                continue;
            }
            let tensor = super::network::read_tensor(path, &name, &view)?;
            parameters.insert(name, tensor);
        }
        let weights = Self {
            path: path.to_owned(),
            parameters,
        };
        Ok(weights.kind().is_some().then_some(weights))
    }

    /// What the kind of network is called, by a parameter that no other one has.
    pub fn kind(&self) -> Option<&'static str> {
        let of = [
            ("transformer.wte.weight", "transformer"),
            ("context_block.mlp.c_fc.weight", "bow"),
            ("mlp.0.weight", "mlp"),
            ("cell.xh_to_z.weight", "gru"),
            ("cell.xh_to_h.weight", "rnn"),
            ("lstm.weight_hh_l0", "lstm"),
            ("logits", "lookup"),
        ];
        let found = of
            .iter()
            .find(|(name, _)| self.parameters.contains_key(*name));
        found.map(|&(_, kind)| kind)
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
