//! Checkpoints: a trained network in one safetensors file.
//!
//! The file has one tensor, `W` (`[V, V]`, f32), and its metadata, all strings: `format` (`makemore-tch`),
//! `format_version`, `model`, `vocabulary` (its characters in the order of their indices, the
//! boundary first), `boundary`, `seed`, `epochs`, `loss`, `libtorch`, `data_sha256` and
//! `sha256`. Python's `safetensors` loads it.
//!
//! safetensors itself has no checksum. `sha256` is that of the whole file, taken with 64 zeros in
//! its own place, so that no flipped bit passes, be it in the weights or in the vocabulary.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest, Sha256};
use tch::{Device, Tensor};

use crate::error::{Error, MAX_CHARACTERS, Result};
use crate::files;
use crate::network::Network;
use crate::vocabulary::Vocabulary;

const FORMAT: &str = "makemore-tch";
const FORMAT_VERSION: &str = "1";
const MODEL: &str = "bigram network";
const UNSIGNED: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// No header of ours is larger: 4,097 characters, escaped, and some figures.
const MAX_HEADER: u64 = 1 << 17;
/// No checkpoint of ours is larger.
const MAX_FILE: u64 = 8 + MAX_HEADER + 4 * (MAX_CHARACTERS as u64 + 1).pow(2);

/// A network and where it is from.
#[derive(Debug)]
pub struct Checkpoint {
    /// The network; on the CPU after loading.
    pub network: Network,
    /// The seed of its first weights.
    pub seed: u64,
    /// The epochs that it was trained, warm-up not counted.
    pub epochs: u64,
    /// The loss of its weights, in nats.
    pub loss: f32,
    /// The libtorch that it was trained with.
    pub libtorch: String,
    /// The SHA-256 of the word list that it was trained on, in hexadecimal.
    pub data_sha256: String,
}

impl Checkpoint {
    /// Writes the checkpoint; a file that is there is replaced in one step.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let w = self
            .network
            .weights()
            .f_detach()?
            .f_to_device(Device::Cpu)?;
        let w: Vec<f32> = Vec::try_from(w.f_contiguous()?.f_view([-1])?)?;
        let bytes: Vec<u8> = w.iter().flat_map(|weight| weight.to_le_bytes()).collect();
        let vocabulary = self.network.vocabulary();
        let v = vocabulary.len();
        let refused = |error: safetensors::SafeTensorError| fault(path, error.to_string());
        let w = TensorView::new(Dtype::F32, vec![v, v], &bytes).map_err(refused)?;
        let metadata = HashMap::from(
            [
                ("format", FORMAT.to_owned()),
                ("format_version", FORMAT_VERSION.to_owned()),
                ("model", MODEL.to_owned()),
                ("vocabulary", vocabulary.characters().iter().collect()),
                ("boundary", vocabulary.boundary().to_string()),
                ("seed", self.seed.to_string()),
                ("epochs", self.epochs.to_string()),
                ("loss", f64::from(self.loss).to_string()),
                ("libtorch", self.libtorch.clone()),
                ("data_sha256", self.data_sha256.clone()),
                ("sha256", UNSIGNED.to_owned()),
            ]
            .map(|(key, value)| (key.to_owned(), value)),
        );
        let unsigned = safetensors::serialize([("W", w)], Some(metadata)).map_err(refused)?;
        let signed = sign(&unsigned).ok_or_else(|| fault(path, "the metadata has no checksum"))?;
        files::replace(path, &signed)
    }

    /// Reads a checkpoint and verifies it.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is not a checkpoint of this format, or is not as it was
    /// written. No file makes it allocate more than the largest checkpoint has.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = read(path)?;
        let fault = |what: &str| fault(path, what);
        let foreign = || fault("not a checkpoint of makemore-tch; `makemore-tch train` writes one");
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|_| foreign())?;
        let metadata = header.metadata().as_ref().ok_or_else(foreign)?;
        let value = |key: &str| metadata.get(key).map(String::as_str);
        if value("format") != Some(FORMAT) {
            return Err(foreign());
        }
        if value("format_version") != Some(FORMAT_VERSION) {
            return Err(fault(
                "of another version of makemore-tch; train it again with this one",
            ));
        }
        let damaged = || fault("damaged: not as it was written; train it again or use a copy");
        let sha256 = value("sha256").ok_or_else(damaged)?;
        if checksum(&bytes, sha256).as_deref() != Some(sha256) {
            return Err(damaged());
        }
        if value("model") != Some(MODEL) {
            return Err(fault("of another model than the bigram network"));
        }
        let mut characters = value("vocabulary").ok_or_else(damaged)?.chars();
        let boundary = characters.next().ok_or_else(damaged)?;
        let vocabulary = Vocabulary::new(boundary, characters)?;
        if value("vocabulary") != Some(vocabulary.characters().iter().collect::<String>().as_str())
        {
            return Err(damaged());
        }
        let v = vocabulary.len();
        let tensors = SafeTensors::deserialize(&bytes).map_err(|_| foreign())?;
        let w = tensors.tensor("W").map_err(|_| damaged())?;
        if tensors.len() != 1 || w.dtype() != Dtype::F32 || w.shape() != [v, v] {
            return Err(fault(
                "W is not a matrix of 32-bit floats as large as the vocabulary",
            ));
        }
        let (weights, _) = w.data().as_chunks();
        let weights: Vec<f32> = weights
            .iter()
            .map(|&bytes| f32::from_le_bytes(bytes))
            .collect();
        if !weights.iter().all(|weight| weight.is_finite()) {
            return Err(fault(
                "W has weights that are not finite; train it again at a lower learning rate",
            ));
        }
        let w = Tensor::f_from_slice(&weights)?.f_view([v as i64, v as i64])?;
        let number = |key| {
            value(key)
                .and_then(|number| number.parse().ok())
                .ok_or_else(damaged)
        };
        Ok(Self {
            network: Network::with_weights(vocabulary, &w, Device::Cpu)?,
            seed: number("seed")?,
            epochs: number("epochs")?,
            loss: value("loss")
                .and_then(|loss| loss.parse().ok())
                .ok_or_else(damaged)?,
            libtorch: value("libtorch").ok_or_else(damaged)?.to_owned(),
            data_sha256: value("data_sha256").ok_or_else(damaged)?.to_owned(),
        })
    }
}

/// The bytes of a file that may be a checkpoint by its size.
fn read(path: &Path) -> Result<Vec<u8>> {
    let unreadable = |reason: io::Error| Error::Read {
        file: path.display().to_string(),
        reason,
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
        return Err(foreign(path));
    }
    Ok(bytes)
}

/// The file with its checksum in place of the zeros.
fn sign(unsigned: &[u8]) -> Option<Vec<u8>> {
    let sha256 = checksum(unsigned, UNSIGNED)?;
    let start = position(unsigned, UNSIGNED)?;
    let mut signed = unsigned.to_vec();
    signed[start..start + UNSIGNED.len()].copy_from_slice(sha256.as_bytes());
    Some(signed)
}

/// The SHA-256 of the file with zeros where `sha256` stands in it.
fn checksum(bytes: &[u8], sha256: &str) -> Option<String> {
    if sha256.len() != UNSIGNED.len() {
        return None;
    }
    let start = position(bytes, sha256)?;
    let mut hasher = Sha256::new();
    hasher.update(&bytes[..start]);
    hasher.update(UNSIGNED);
    hasher.update(&bytes[start + UNSIGNED.len()..]);
    Some(base16ct::lower::encode_string(&hasher.finalize()))
}

/// Where the value of `sha256` stands in the header.
fn position(bytes: &[u8], sha256: &str) -> Option<usize> {
    let entry = format!("\"sha256\":\"{sha256}\"");
    let found = bytes
        .windows(entry.len())
        .position(|window| window == entry.as_bytes())?;
    Some(found + "\"sha256\":\"".len())
}

fn foreign(path: &Path) -> Error {
    fault(
        path,
        "not a checkpoint of makemore-tch; `makemore-tch train` writes one",
    )
}

fn fault(path: &Path, fault: impl Into<String>) -> Error {
    Error::Checkpoint {
        file: path.to_owned(),
        fault: fault.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tempfile::TempDir;

    /// A small checkpoint with a vocabulary outside of ASCII, in a folder of its own.
    fn saved() -> (TempDir, std::path::PathBuf, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let vocabulary = Vocabulary::new('.', "aß\"日".chars()).unwrap();
        Checkpoint {
            network: Network::new(vocabulary, 7, Device::Cpu).unwrap(),
            seed: u64::MAX,
            epochs: 301,
            loss: 2.459_399_7,
            libtorch: "2.13.0".to_owned(),
            data_sha256: "abc".to_owned(),
        }
        .save(&path)
        .unwrap();
        let bytes = std::fs::read(&path).unwrap();
        (folder, path, bytes)
    }

    fn refusal(path: &Path, bytes: &[u8]) -> String {
        std::fs::write(path, bytes).unwrap();
        Checkpoint::load(path).unwrap_err().to_string()
    }

    #[test]
    fn a_checkpoint_survives_a_round_trip() {
        let (_folder, path, bytes) = saved();
        let loaded = Checkpoint::load(&path).unwrap();
        let vocabulary = Vocabulary::new('.', "aß\"日".chars()).unwrap();
        let network = Network::new(vocabulary.clone(), 7, Device::Cpu).unwrap();
        assert_eq!(loaded.network.weights(), network.weights());
        assert_eq!(loaded.network.vocabulary(), &vocabulary);
        assert_eq!(
            (loaded.seed, loaded.epochs, loaded.loss),
            (u64::MAX, 301, 2.459_399_7)
        );
        assert_eq!(
            (loaded.libtorch.as_str(), loaded.data_sha256.as_str()),
            ("2.13.0", "abc")
        );
        assert!(
            bytes.ends_with(
                &f32::try_from(network.weights().get(4).get(4))
                    .unwrap()
                    .to_le_bytes()
            )
        );
    }

    #[test]
    fn every_truncated_checkpoint_is_refused() {
        let (_folder, path, bytes) = saved();
        for length in 0..bytes.len() {
            refusal(&path, &bytes[..length]);
        }
    }

    #[test]
    fn a_foreign_file_is_called_foreign() {
        let (_folder, path, _) = saved();
        let foreign = safetensors::serialize::<&str, TensorView, _>([], None).unwrap();
        assert!(refusal(&path, &foreign).contains("not a checkpoint of makemore-tch"));
        assert!(refusal(&path, b"emma\nolivia\n").contains("not a checkpoint of makemore-tch"));
    }

    #[test]
    fn a_huge_header_is_refused_by_its_size() {
        let (_folder, path, mut bytes) = saved();
        bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(refusal(&path, &bytes).contains("not a checkpoint of makemore-tch"));
    }

    /// Hostile files have a valid checksum: anyone can compute it.
    #[test]
    fn a_signed_file_with_wrong_contents_is_refused() {
        let (_folder, path, bytes) = saved();
        let value = checksum_of(&bytes);
        let unsigned = replaced(&bytes, value.as_bytes(), UNSIGNED.as_bytes());

        let mut nan = unsigned.clone();
        let end = nan.len();
        nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(refusal(&path, &sign(&nan).unwrap()).contains("not finite"));

        let flat = replaced(&unsigned, b"[5,5]", b"[25] ");
        assert!(refusal(&path, &sign(&flat).unwrap()).contains("W is not a matrix"));

        let halves = replaced(&unsigned, b"\"F32\"", b"\"I32\"");
        assert!(refusal(&path, &sign(&halves).unwrap()).contains("W is not a matrix"));

        let renamed = replaced(&unsigned, b"\"W\":", b"\"U\":");
        assert!(refusal(&path, &sign(&renamed).unwrap()).contains("damaged"));
    }

    fn checksum_of(bytes: &[u8]) -> String {
        let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
        header.metadata().as_ref().unwrap()["sha256"].clone()
    }

    fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
        let start = bytes
            .windows(old.len())
            .position(|window| window == old)
            .unwrap();
        [&bytes[..start], new, &bytes[start + old.len()..]].concat()
    }

    #[test]
    fn no_flipped_bit_passes() {
        let (_folder, path, bytes) = saved();
        for (index, bit) in (0..bytes.len()).flat_map(|index| (0..8).map(move |bit| (index, bit))) {
            let mut flipped = bytes.clone();
            flipped[index] ^= 1 << bit;
            std::fs::write(&path, &flipped).unwrap();
            let loaded = Checkpoint::load(&path);
            assert!(
                loaded.is_err(),
                "bit {bit} of byte {index}: {}",
                String::from_utf8_lossy(&flipped)
            );
        }
    }

    proptest! {
        #[test]
        fn loading_any_bytes_never_panics(bytes: Vec<u8>) {
            let folder = tempfile::tempdir().unwrap();
            refusal(&folder.path().join("model.safetensors"), &bytes);
        }

        #[test]
        fn no_changed_byte_passes(index: prop::sample::Index, xor in 1..=255_u8) {
            let (_folder, path, mut bytes) = saved();
            let index = index.index(bytes.len());
            bytes[index] ^= xor;
            refusal(&path, &bytes);
        }
    }
}
