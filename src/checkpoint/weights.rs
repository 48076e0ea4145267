//! Weights that PyTorch saved as safetensors: parameters without a vocabulary, of a network of
//! makemore.py or the lecture's `W`.
//!
//! ```python
//! from safetensors.torch import save_file, save_model
//! save_model(model, "weights.safetensors")
//! save_file({"W": W}, "W.safetensors")
//! ```
//!
//! The kind of network and most of its sizes follow from names and shapes. The vocabulary is taken from
//! the list that the weights were trained on. The user gives the number of heads of a transformer.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use safetensors::tensor::SafeTensors;
use tch::{Device, Tensor};

use super::bigram::TrainedBigram;
use super::file::{Opened, is_float, no_floats};
use super::model::Model;
use super::network::{TrainedNetwork, read_tensor};
use crate::data::Vocabulary;
use crate::data::words::MAX_CHARACTERS;
use crate::error::{Error, Result};
use crate::files::open;
use crate::models::kinds::kind::Shapes;
use crate::models::{Bigram, Config, KINDS, Kind, Network, Sizes};

/// Prefixes of names: those of `torch.compile`, of `torch.nn.DataParallel`, and of a module that has the
/// network as its `model`.
const PREFIXES: [&str; 3] = ["_orig_mod.", "module.", "model."];

/// The name of a tensor in makemore.py, without [`PREFIXES`].
fn bare(mut name: &str) -> &str {
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)) {
        name = rest;
    }
    name
}

/// Whether a tensor is a buffer that no network needs: the mask of makemore.py's attention or bag of words,
/// which follows from the block size, or the number of batches that PyTorch counts with batch normalisation.
fn is_needless(name: &str) -> bool {
    let ends = [".attn.bias", ".cbow.bias", ".num_batches_tracked"];
    ends.iter().any(|end| name.ends_with(end))
}

/// What weights are of.
#[derive(Debug, Clone, Copy)]
enum Of {
    /// The lecture's network.
    Bigram {
        /// The length of its n-grams.
        order: usize,
    },
    /// A network of makemore.py.
    Network(&'static dyn Kind),
}

impl Of {
    /// Recognises weights by their shapes; returns also the number of characters.
    fn recognised(shapes: &Shapes) -> Option<(Self, usize)> {
        let of_kind = |&kind: &&'static dyn Kind| {
            let (_, v) = kind.of_weights(shapes, &Sizes::default())?;
            Some((Self::Network(kind), v))
        };
        let found = KINDS.iter().find_map(of_kind).or_else(|| {
            let [rows, v] = shapes.matrix("W").filter(|_| shapes.0.len() == 1)?;
            let length = rows.checked_ilog(v).filter(|&length| length > 0)?;
            let order = length as usize + 1;
            (v.pow(length) == rows).then_some((Self::Bigram { order }, v))
        });
        found.filter(|&(_, v)| v <= MAX_CHARACTERS + 1)
    }
}

/// The parameters of a network of makemore.py or of the lecture's.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    of: Of,
    /// The number of characters.
    v: usize,
    shapes: Shapes,
    parameters: BTreeMap<String, Tensor>,
}

impl Weights {
    /// Reads weights; none if the header is that of something else.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] if the file is a pickle, or a weight is no float of 16, 32 or 64 bits;
    /// [`Error::Read`] if the file cannot be read.
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
        let tensors = tensors.iter().map(|(name, info)| (bare(name), info));
        let tensors: Vec<_> = tensors.filter(|(name, _)| !is_needless(name)).collect();
        let shapes = tensors.iter();
        let shapes = shapes.map(|(name, info)| ((*name).to_owned(), info.shape.clone()));
        let shapes = Shapes(shapes.collect());
        let are_named_once = shapes.0.len() == tensors.len();
        let Some((of, v)) = Of::recognised(&shapes).filter(|_| are_named_once) else {
            return Ok(None);
        };
        if let Some((name, info)) = tensors.iter().find(|(_, info)| !is_float(info.dtype)) {
            return Err(no_floats(path, name, info.dtype));
        }
        let bytes = opened.whole()?;
        let Ok(tensors) = SafeTensors::deserialize(&bytes) else {
            return Ok(None);
        };
        let mut parameters = BTreeMap::new();
        for (name, view) in tensors.iter() {
            let name = bare(name);
            if !is_needless(name) {
                let tensor = read_tensor(path, name, &view)?;
                parameters.insert(name.to_owned(), tensor);
            }
        }
        Ok(Some(Self {
            path: path.to_owned(),
            of,
            v,
            shapes,
            parameters,
        }))
    }

    /// The kind of network of makemore.py.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] if it is the lecture's network.
    pub fn kind(&self) -> Result<&'static dyn Kind> {
        match self.of {
            Of::Bigram { .. } => Err(self.fault(
                "the lecture's W alone, which can be sampled from and scored with; a checkpoint of a training can be trained further",
            )),
            Of::Network(kind) => Ok(kind),
        }
    }

    /// Whether the network has attention heads, whose number does not follow from the weights.
    pub fn has_heads(&self) -> bool {
        matches!(self.of, Of::Network(kind) if kind.sizes().contains(&"n_head"))
    }

    /// The model, for words of a vocabulary that have at most `longest` characters.
    ///
    /// # Errors
    ///
    /// As [`network`](Self::network).
    pub fn model(&self, vocabulary: Vocabulary, longest: usize, n_head: usize) -> Result<Model> {
        let Of::Bigram { order } = self.of else {
            return Ok(Model::Network(TrainedNetwork {
                network: self.network(vocabulary, longest, n_head, Device::Cpu)?,
                steps: 0,
                loss: 0.0,
                dev_losses: Vec::new(),
                run: None,
            }));
        };
        self.check(&vocabulary)?;
        let network = Bigram::of(vocabulary, order, &self.parameters, Device::Cpu);
        Ok(Model::Bigram(TrainedBigram {
            network: network.map_err(|error| self.fault(error.to_string()))?,
            epochs: 0,
            loss: 0.0,
        }))
    }

    /// The network of makemore.py, for words of a vocabulary that have at most `longest` characters.
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
        let kind = self.kind()?;
        let found = kind.of_weights(&self.shapes, &given);
        let (sizes, _) = found.ok_or_else(|| self.fault("weights of another network"))?;
        self.check(&vocabulary)?;
        let config = Config::new(kind, sizes);
        Network::of(vocabulary, config, &self.parameters, device)
            .map_err(|error| self.fault(error.to_string()))
    }

    /// Refuses the vocabulary of another list.
    fn check(&self, vocabulary: &Vocabulary) -> Result<()> {
        match self.v == vocabulary.len() {
            true => Ok(()),
            false => Err(self.fault(format!(
                "weights for {} characters, and the list has {}; the list that they were trained on would work",
                self.v,
                vocabulary.len()
            ))),
        }
    }

    fn fault(&self, fault: impl Into<String>) -> Error {
        Error::Checkpoint {
            file: self.path.clone(),
            fault: fault.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io::{self, Cursor};

    use safetensors::tensor::{Dtype, TensorView};
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
            ("W", Dtype::F32, 20_000),
        ] {
            assert!(read_header(name, dtype, n).unwrap().is_none(), "{name}");
        }
        let read = read_header("logits", Dtype::F32, 27).unwrap_err();
        assert!(matches!(read, Error::Read { .. }), "{read}");
        let refused = read_header("logits", Dtype::I64, 27).unwrap_err();
        let expected = "\"logits\" is of I64; weights as floats would work";
        assert!(refused.to_string().contains(expected), "{refused}");
    }

    /// A tensor's name, type, shape and bytes.
    type Saved<'a> = (&'a str, Dtype, &'a [usize], Vec<u8>);

    /// Weights from a file as PyTorch's libraries save it.
    fn saved(tensors: &[Saved]) -> Result<Option<Weights>> {
        let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
            let view = TensorView::new(*dtype, shape.to_vec(), bytes);
            (*name, view.unwrap())
        });
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let bytes = safetensors::serialize(views, Some(metadata)).unwrap();
        Weights::read(Path::new("model"), Cursor::new(bytes))
    }

    fn vocabulary(characters: &str) -> Vocabulary {
        Vocabulary::new('.', characters.chars()).unwrap()
    }

    /// Logits that have the same numbers in 16, 32 and 64 bits.
    const LOGITS: [f32; 9] = [0.0, 1.5, -2.0, 0.25, 3.0, -0.5, 1.0, 2.0, -1.25];

    fn encoded<const BYTES: usize>(bytes: fn(f32) -> [u8; BYTES]) -> Vec<u8> {
        LOGITS.into_iter().flat_map(bytes).collect()
    }

    /// The probabilities of the characters of `ab` and of its end.
    fn of_ab(weights: &Weights) -> Vec<f32> {
        let model = weights.model(vocabulary("ab"), 2, 4).unwrap();
        model.language_model().probabilities(&[&[1, 2]]).unwrap()
    }

    /// Softmax of the rows of [`LOGITS`], at the characters of `ab` and at its end.
    fn expected() -> Vec<f32> {
        let of_row = |(row, next): (&[f32], usize)| {
            let sum: f32 = row.iter().map(|logit| logit.exp()).sum();
            row[next].exp() / sum
        };
        LOGITS.chunks(3).zip([1, 2, 0]).map(of_row).collect()
    }

    fn assert_is_close(p: &[f32], expected: &[f32]) {
        assert_eq!(p.len(), expected.len());
        for (p, expected) in p.iter().zip(expected) {
            assert!((p - expected).abs() < 1e-6, "{p} and {expected}");
        }
    }

    /// They were once refused for not being 32-bit floats.
    #[test]
    fn weights_of_any_precision_are_read() {
        for (dtype, bytes) in [
            (
                Dtype::F16,
                encoded(|x| half::f16::from_f32(x).to_le_bytes()),
            ),
            (
                Dtype::BF16,
                encoded(|x| half::bf16::from_f32(x).to_le_bytes()),
            ),
            (Dtype::F32, encoded(f32::to_le_bytes)),
            (Dtype::F64, encoded(|x| f64::from(x).to_le_bytes())),
        ] {
            let weights = saved(&[("logits", dtype, &[3, 3], bytes)]);
            assert_is_close(&of_ab(&weights.unwrap().unwrap()), &expected());
        }
    }

    /// Compiled and distributed networks were once no models, and neither was the notebook's.
    #[test]
    fn weights_are_known_whatever_modules_they_were_in() {
        let bytes = || encoded(f32::to_le_bytes);
        for name in [
            "logits",
            "_orig_mod.logits",
            "module._orig_mod.model.logits",
            "W",
            "module.W",
        ] {
            let weights = saved(&[(name, Dtype::F32, &[3, 3], bytes())]);
            assert_is_close(&of_ab(&weights.unwrap().unwrap()), &expected());
        }
        // Which of them would it be?
        let twice = ["logits", "model.logits"];
        let twice = twice.map(|name| (name, Dtype::F32, [3_usize, 3].as_slice(), bytes()));
        assert!(saved(&twice).unwrap().is_none());
    }

    /// Without its row for each context, W was no model.
    #[test]
    fn the_lectures_w_is_a_model_of_the_order_that_it_has_rows_for() {
        let w = |rows, v| {
            let bytes = (0..rows * v).flat_map(|place| (place as f32).to_le_bytes());
            saved(&[("W", Dtype::F32, &[rows, v], bytes.collect())]).unwrap()
        };
        for (rows, v) in [(3, 2), (6, 3), (1, 3), (0, 3), (1, 1), (3, 0)] {
            assert!(w(rows, v).is_none(), "{rows} {v}");
        }
        for (rows, order) in [(3, 2), (9, 3), (27, 4)] {
            let weights = w(rows, 3).unwrap();
            match weights.model(vocabulary("ab"), 2, 4).unwrap() {
                Model::Bigram(trained) => assert_eq!(trained.network.order(), order),
                model => panic!("{model:?}"),
            }
            let other = weights.model(vocabulary("abc"), 2, 4).unwrap_err();
            let other = other.to_string();
            assert!(
                other.contains("for 3 characters, and the list has 4"),
                "{other}"
            );
            let refused = weights.kind().unwrap_err().to_string();
            assert!(refused.contains("a checkpoint of a training"), "{refused}");
        }
        let bias = ("b", Dtype::F32, [3].as_slice(), vec![0; 12]);
        let both = [
            (
                "W",
                Dtype::F32,
                [3, 3].as_slice(),
                encoded(f32::to_le_bytes),
            ),
            bias,
        ];
        assert!(saved(&both).unwrap().is_none());
    }
}
