//! Checkpoints: a trained network in one safetensors file.
//!
//! The file has the network's parameters as tensors under their names (for the lecture's network
//! `W`, `[V, V]`, f32), and its metadata, all strings: `format` (`makemore-tch`), `format_version`,
//! `model` (its kind) and `config` (JSON), `vocabulary` (its characters in the order of their
//! indices, the start/end token first), `boundary` (that token), `seed`, `epochs`, `loss`,
//! `libtorch`, `data_crc32`, `data_words`, `data_characters` (the [`Digest`] of the list that it was
//! trained on) and `sha256`. Python's `safetensors` loads it.
//!
//! safetensors itself has no checksum. `sha256` is that of all other metadata and of all tensors,
//! sorted by their names, so that no flipped bit passes, and a file that another program saved
//! again with the same contents does.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest as _, Sha256};
use tch::{Device, Tensor};

use crate::data::words::MAX_CHARACTERS;
use crate::data::{Digest, Vocabulary};
use crate::error::{Error, Result};
use crate::files::Output;
use crate::models::{Config, Network, network_of};

const FORMAT: &str = "makemore-tch";
const FORMAT_VERSION: &str = "2";

/// No header of ours is larger: 4,097 characters, escaped, and some figures.
const MAX_HEADER: u64 = 1 << 17;
/// No checkpoint of ours is larger.
const MAX_FILE: u64 = 8 + MAX_HEADER + 4 * (MAX_CHARACTERS as u64 + 1).pow(2);
/// No training takes so many: the largest number that JSON's readers keep exactly.
pub const MAX_EPOCHS: u64 = 1 << 53;
/// No training leaves a larger weight: the exponential overflows long before.
const MAX_WEIGHT: f32 = 1e6;

/// A network and where it is from.
#[derive(Debug)]
pub struct Checkpoint {
    /// The network; on the CPU after loading.
    pub network: Box<dyn Network>,
    /// The seed of its random numbers.
    pub seed: u64,
    /// The epochs that it was trained, warm-up not counted.
    pub epochs: u64,
    /// The loss of its parameters, in nats.
    pub loss: f32,
    /// The libtorch that it was trained with.
    pub libtorch: String,
    /// The word list that it was trained on.
    pub data: Digest,
}

impl Checkpoint {
    /// The contents of the file.
    ///
    /// # Errors
    ///
    /// If a parameter is not finite or too large to be loaded again.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        if self.epochs > MAX_EPOCHS {
            return Err(Error::Value {
                what: "the number of epochs",
                value: self.epochs.to_string(),
                expected: "at most 2^53 would work",
            });
        }
        let mut tensors = BTreeMap::new();
        for (name, parameter) in self.network.parameters() {
            let parameter = parameter.f_detach()?.f_to_device(Device::Cpu)?;
            let shape: Vec<usize> = parameter.size().iter().map(|&size| size as usize).collect();
            let values: Vec<f32> = Vec::try_from(parameter.f_contiguous()?.f_view([-1])?)?;
            if !values.iter().all(is_possible) {
                return Err(Error::Value {
                    what: "a weight of the network",
                    value: "not finite, or far too large".to_owned(),
                    expected: "a lower learning rate would work",
                });
            }
            let bytes: Vec<u8> = values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            tensors.insert(name, (shape, bytes));
        }
        let refused = |error: safetensors::SafeTensorError| Error::Libtorch(error.to_string());
        let views = tensors.iter().map(|(name, (shape, bytes))| {
            TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name.as_str(), view))
        });
        let views: BTreeMap<&str, TensorView> = views.collect::<Result<_, _>>().map_err(refused)?;
        let mut metadata = self.metadata()?;
        metadata.insert("sha256".to_owned(), sha256(&metadata, &views));
        let metadata: HashMap<_, _> = metadata.into_iter().collect();
        safetensors::serialize(views, Some(metadata)).map_err(refused)
    }

    fn metadata(&self) -> Result<BTreeMap<String, String>> {
        let vocabulary = self.network.vocabulary();
        let (model, config) = written(self.network.config())?;
        Ok(BTreeMap::from(
            [
                ("format", FORMAT.to_owned()),
                ("format_version", FORMAT_VERSION.to_owned()),
                ("model", model),
                ("config", config),
                ("vocabulary", vocabulary.characters().iter().collect()),
                ("boundary", vocabulary.boundary().to_string()),
                ("seed", self.seed.to_string()),
                ("epochs", self.epochs.to_string()),
                ("loss", f64::from(self.loss).to_string()),
                ("libtorch", self.libtorch.clone()),
                ("data_crc32", format!("{:08x}", self.data.crc32)),
                ("data_words", self.data.words.to_string()),
                ("data_characters", self.data.characters.to_string()),
            ]
            .map(|(key, value)| (key.to_owned(), value)),
        ))
    }

    /// Writes the checkpoint; a file that is there is replaced in one step.
    ///
    /// # Errors
    ///
    /// As [`to_bytes`](Self::to_bytes), or if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        Output::check(path)?.replace(&self.to_bytes()?)
    }

    /// Reads a checkpoint and verifies it.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is not a checkpoint of this format, or is not as it was
    /// written. No file makes it allocate more than the largest checkpoint has.
    pub fn load(path: &Path) -> Result<Self> {
        Self::from_bytes(path, &read(path)?)
    }

    fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        let file = Contents::of(path, bytes)?;
        let damaged = || file.fault("damaged: not as it was written; train it again or use a copy");
        let vocabulary = file.vocabulary()?;
        let config = read_config(file.value("model")?, file.value("config")?)
            .map_err(|_| file.fault("of another model than this version knows"))?;
        let parameters = file.parameters()?;
        let network = network_of(config, vocabulary, &parameters, Device::Cpu)
            .map_err(|error| file.fault(error.to_string()))?;
        let epochs = file.number("epochs")?;
        let loss: f32 = file.number("loss")?;
        if epochs > MAX_EPOCHS || !loss.is_finite() {
            return Err(file.fault("no training has so many epochs or such a loss"));
        }
        Ok(Self {
            network,
            seed: file.number("seed")?,
            epochs,
            loss,
            libtorch: file.value("libtorch")?.to_owned(),
            data: Digest {
                crc32: u32::from_str_radix(file.value("data_crc32")?, 16).map_err(|_| damaged())?,
                words: file.number("data_words")?,
                characters: file.number("data_characters")?,
            },
        })
    }
}

/// The kind of a network, and its config as JSON.
fn written(config: Config) -> Result<(String, String)> {
    let failed = |error: serde_json::Error| Error::Libtorch(error.to_string());
    let written = serde_json::to_value(config).map_err(failed)?;
    let model = written["model"].as_str().unwrap_or_default();
    Ok((model.to_owned(), written["config"].to_string()))
}

fn read_config(model: &str, config: &str) -> serde_json::Result<Config> {
    let config: serde_json::Value = serde_json::from_str(config)?;
    serde_json::from_value(serde_json::json!({ "model": model, "config": config }))
}

fn is_possible(weight: &f32) -> bool {
    weight.abs() <= MAX_WEIGHT
}

/// A file of our format whose checksum is right.
struct Contents<'a> {
    path: PathBuf,
    metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, TensorView<'a>>,
}

impl<'a> Contents<'a> {
    fn of(path: &Path, bytes: &'a [u8]) -> Result<Self> {
        let foreign = || Error::NotACheckpoint {
            file: path.to_owned(),
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|_| foreign())?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|_| foreign())?;
        let metadata = header.metadata().as_ref().ok_or_else(foreign)?;
        let contents = Self {
            path: path.to_owned(),
            metadata: metadata.clone().into_iter().collect(),
            tensors: tensors.tensors().into_iter().collect(),
        };
        if metadata.get("format").map(String::as_str) != Some(FORMAT) {
            return Err(foreign());
        }
        if contents.value("format_version")? != FORMAT_VERSION {
            return Err(
                contents.fault("of another version of makemore-tch; train it again with this one")
            );
        }
        let mut signed = contents.metadata.clone();
        if signed.remove("sha256") != Some(sha256(&signed, &contents.tensors)) {
            return Err(contents.damaged());
        }
        Ok(contents)
    }

    fn fault(&self, fault: impl Into<String>) -> Error {
        Error::Checkpoint {
            file: self.path.clone(),
            fault: fault.into(),
        }
    }

    fn damaged(&self) -> Error {
        self.fault("damaged: not as it was written; train it again or use a copy")
    }

    fn value(&self, key: &str) -> Result<&str> {
        let value = self.metadata.get(key);
        value.map(String::as_str).ok_or_else(|| self.damaged())
    }

    fn number<T: std::str::FromStr>(&self, key: &str) -> Result<T> {
        self.value(key)?.parse().map_err(|_| self.damaged())
    }

    fn vocabulary(&self) -> Result<Vocabulary> {
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

    fn parameters(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut parameters = BTreeMap::new();
        for (name, view) in &self.tensors {
            if view.dtype() != Dtype::F32 {
                return Err(self.fault(format!("the tensor {name:?} has no 32-bit floats")));
            }
            let (values, _) = view.data().as_chunks();
            let values: Vec<f32> = values
                .iter()
                .map(|&bytes| f32::from_le_bytes(bytes))
                .collect();
            if !values.iter().all(is_possible) {
                return Err(self.fault(format!(
                    "the tensor {name:?} has weights that are not finite or far too large; train it again at a lower learning rate"
                )));
            }
            let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
            parameters.insert(
                name.clone(),
                Tensor::f_from_slice(&values)?.f_view(shape.as_slice())?,
            );
        }
        Ok(parameters)
    }
}

/// The bytes of a file that may be a checkpoint by its size.
fn read(path: &Path) -> Result<Vec<u8>> {
    let unreadable = |cause: io::Error| Error::Read {
        file: path.display().to_string(),
        cause,
    };
    if path.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    let header = bytes
        .first_chunk()
        .map_or(0, |&size| u64::from_le_bytes(size));
    if bytes.len() as u64 > MAX_FILE || header > MAX_HEADER {
        return Err(Error::NotACheckpoint {
            file: path.to_owned(),
        });
    }
    Ok(bytes)
}

/// The SHA-256 of metadata and tensors, in hexadecimal; each part after its length.
fn sha256<N: AsRef<str>>(
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
    use crate::models::Bigram;
    use proptest::prelude::*;
    use tch::Kind;

    /// A small checkpoint with a vocabulary outside of ASCII.
    fn checkpoint() -> Checkpoint {
        let vocabulary = Vocabulary::new('.', "aß\"日".chars()).unwrap();
        Checkpoint {
            network: Box::new(Bigram::new(vocabulary, 7, Device::Cpu).unwrap()),
            seed: u64::MAX,
            epochs: 301,
            loss: 2.459_399_7,
            libtorch: "2.13.0".to_owned(),
            data: Digest {
                crc32: 0x00ab_cdef,
                words: 3,
                characters: 12,
            },
        }
    }

    fn load(bytes: &[u8]) -> Result<Checkpoint> {
        Checkpoint::from_bytes(Path::new("model"), bytes)
    }

    fn refusal(bytes: &[u8]) -> String {
        load(bytes).unwrap_err().to_string()
    }

    fn assert_is_the_checkpoint(loaded: &Checkpoint) {
        let expected = checkpoint();
        assert_eq!(loaded.metadata().unwrap(), expected.metadata().unwrap());
        assert_eq!(loaded.network.parameters(), expected.network.parameters());
        assert_eq!(loaded.network.vocabulary(), expected.network.vocabulary());
    }

    /// The file of a checkpoint with other metadata or another tensor, but a checksum that is
    /// right: anyone can compute it.
    fn hostile(
        change: impl FnOnce(&mut BTreeMap<String, String>),
        tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)],
    ) -> Vec<u8> {
        let mut metadata = checkpoint().metadata().unwrap();
        change(&mut metadata);
        let views: BTreeMap<&str, TensorView> = tensors
            .iter()
            .map(|(name, dtype, shape, bytes)| {
                (
                    *name,
                    TensorView::new(*dtype, shape.clone(), bytes).unwrap(),
                )
            })
            .collect();
        metadata.insert("sha256".to_owned(), sha256(&metadata, &views));
        safetensors::serialize(views, Some(metadata.into_iter().collect())).unwrap()
    }

    fn floats(values: [f32; 25]) -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    }

    #[test]
    fn a_checkpoint_survives_a_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        checkpoint().save(&path).unwrap();
        assert_is_the_checkpoint(&Checkpoint::load(&path).unwrap());
    }

    #[test]
    fn every_truncated_checkpoint_is_refused() {
        let bytes = checkpoint().to_bytes().unwrap();
        for length in 0..bytes.len() {
            refusal(&bytes[..length]);
        }
    }

    #[test]
    fn a_foreign_file_is_called_foreign() {
        let foreign = safetensors::serialize::<&str, TensorView, _>([], None).unwrap();
        assert!(refusal(&foreign).contains("not a checkpoint of makemore-tch"));
        assert!(refusal(b"emma\nolivia\n").contains("not a checkpoint of makemore-tch"));
    }

    #[test]
    fn a_huge_header_is_refused_by_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let mut bytes = checkpoint().to_bytes().unwrap();
        bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
        let error = Checkpoint::load(&path).unwrap_err().to_string();
        assert!(
            error.contains("not a checkpoint of makemore-tch"),
            "{error}"
        );
    }

    /// Such a file was once called damaged: the checksum was over the bytes of the header.
    #[test]
    fn a_file_that_was_saved_again_with_the_same_contents_is_loaded() {
        let bytes = checkpoint().to_bytes().unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().clone().unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        // As Python's json writes it: spaces, and escapes for all that is not ASCII.
        let ascii = |text: &str| -> String {
            let escaped = text.chars().map(|c| format!("\\u{:04x}", u32::from(c)));
            format!("\"{}\"", escaped.collect::<String>())
        };
        let metadata: Vec<String> = metadata
            .iter()
            .map(|(key, value)| format!("{}: {}", ascii(key), ascii(value)))
            .collect();
        let header = format!(
            r#"{{"W": {{"shape": [5, 5], "dtype": "F32", "data_offsets": [0, 100]}}, "__metadata__": {{{}}}}}"#,
            metadata.join(", ")
        );
        let data = tensors.tensor("W").unwrap();
        let again = [
            &(header.len() as u64).to_le_bytes(),
            header.as_bytes(),
            data.data(),
        ]
        .concat();
        assert_ne!(again, bytes);
        assert_is_the_checkpoint(&load(&again).unwrap());
    }

    #[test]
    fn a_signed_file_with_wrong_tensors_is_refused() {
        let w = || floats([0.5; 25]);
        let with = |tensors: &[_]| refusal(&hostile(|_| (), tensors));
        assert!(load(&hostile(|_| (), &[("W", Dtype::F32, vec![5, 5], w())])).is_ok());
        for wrong in [f32::NAN, f32::INFINITY, 1e38, -1e38] {
            let mut values = [0.5; 25];
            values[24] = wrong;
            let error = with(&[("W", Dtype::F32, vec![5, 5], floats(values))]);
            assert!(
                error.contains("not finite or far too large"),
                "{wrong}: {error}"
            );
        }
        // Within bounds, but the exponential overflows, or nothing is left of it.
        for wrong in [100.0, -1000.0] {
            let error = with(&[("W", Dtype::F32, vec![5, 5], floats([wrong; 25]))]);
            assert!(error.contains("has no probabilities"), "{wrong}: {error}");
        }
        assert!(with(&[("W", Dtype::F32, vec![25], w())]).contains("shape [25]"));
        assert!(with(&[("W", Dtype::I32, vec![5, 5], w())]).contains("no 32-bit floats"));
        assert!(with(&[("U", Dtype::F32, vec![5, 5], w())]).contains("[\"U\"]"));
        assert!(with(&[]).contains("the list of parameters is []"));
        let two = [
            ("W", Dtype::F32, vec![5, 5], w()),
            ("b", Dtype::F32, vec![5, 5], w()),
        ];
        assert!(with(&two).contains("[\"W\", \"b\"]"));
    }

    #[test]
    fn a_signed_file_with_wrong_metadata_is_refused_and_named() {
        for (key, value, expected) in [
            ("vocabulary", ".aß\u{1B}日", "U+001B"),
            (
                "vocabulary",
                "..aß日",
                "cannot mark where words begin and end",
            ),
            ("vocabulary", "", "damaged"),
            ("vocabulary", ".", "shape [5, 5]"),
            ("boundary", "$", "damaged"),
            ("epochs", "18446744073709551615", "so many epochs"),
            ("epochs", "-1", "damaged"),
            ("loss", "NaN", "such a loss"),
            ("seed", "x", "damaged"),
            ("data_crc32", "xyz", "damaged"),
            ("model", "transformer", "another model"),
            ("model", "a\"}", "another model"),
            ("config", "{\"layers\":4}", "another model"),
            ("format_version", "1", "another version"),
            ("format", "other", "not a checkpoint"),
        ] {
            let change = |metadata: &mut BTreeMap<String, String>| {
                metadata.insert(key.to_owned(), value.to_owned());
            };
            let w = ("W", Dtype::F32, vec![5, 5], floats([0.5; 25]));
            let error = refusal(&hostile(change, &[w]));
            assert!(error.starts_with("model: "), "{error}");
            assert!(error.contains(expected), "{key} {value}: {error}");
        }
    }

    /// What cannot be loaded again is not saved in the first place.
    #[test]
    fn weights_that_are_not_finite_are_not_saved() {
        for weight in [f64::NAN, 1e38] {
            let vocabulary = Vocabulary::new('.', ['a']).unwrap();
            let w = Tensor::full([2, 2], weight, (Kind::Float, Device::Cpu));
            let network = Bigram::with_weights(vocabulary, &w, Device::Cpu).unwrap();
            let checkpoint = Checkpoint {
                network: Box::new(network),
                ..checkpoint()
            };
            assert!(checkpoint.to_bytes().is_err());
        }
    }

    #[test]
    fn no_flipped_bit_changes_what_is_loaded() {
        let bytes = checkpoint().to_bytes().unwrap();
        for (index, bit) in (0..bytes.len()).flat_map(|index| (0..8).map(move |bit| (index, bit))) {
            let mut flipped = bytes.clone();
            flipped[index] ^= 1 << bit;
            if let Ok(loaded) = load(&flipped) {
                assert_is_the_checkpoint(&loaded);
            }
        }
    }

    proptest! {
        #[test]
        fn loading_any_bytes_never_panics(bytes: Vec<u8>) {
            refusal(&bytes);
        }

        #[test]
        fn no_changed_byte_changes_what_is_loaded(index: prop::sample::Index, xor in 1..=255_u8) {
            let mut bytes = checkpoint().to_bytes().unwrap();
            let index = index.index(bytes.len());
            bytes[index] ^= xor;
            if let Ok(loaded) = load(&bytes) {
                assert_is_the_checkpoint(&loaded);
            }
        }
    }
}
