//! A checkpoint, and the kinds of models in it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use tch::{Device, Tensor};

use super::bigram::{self, TrainedBigram};
use super::file::{self, Contents, FORMAT, FORMAT_VERSION, Opened, Stored};
use super::network::{self, TrainedNetwork};
use super::ngram;
use crate::data::{Digest, ListFiles, Part, SplitOf, Vocabulary};
use crate::distributed::processes::{bytes_of_first, gather_as, gather_numbers};
use crate::distributed::{Alone, Processes};
use crate::error::{Error, Result};
use crate::files::{Output, open};
use crate::libtorch::device::libtorch_version;
use crate::memory::Memory;
use crate::models::language_model::single_characters;
use crate::models::{LanguageModel, Ngram, Tokens};
use crate::score::evaluate;
use crate::score::held_out::HeldOut;
use crate::train::corpus::Corpus;
use crate::train::run_state::RunState;

/// A model, and the data and the seed of its training.
#[derive(Debug)]
pub struct Checkpoint {
    /// The model; loaded onto the CPU.
    pub model: Model,
    /// The seed of its random numbers.
    pub seed: u64,
    /// The version of libtorch that it was trained with.
    pub libtorch: String,
    /// The word list that it was trained on.
    pub data: Digest,
    /// The split of that list.
    pub split: SplitOf,
    /// The files of that list; `None` where it was in no file, and in older checkpoints.
    pub list: Option<ListFiles>,
}

impl Checkpoint {
    /// A checkpoint of a model that was trained on data by this program.
    pub fn new(model: Model, seed: u64, data: &Corpus) -> Self {
        Self {
            model,
            seed,
            libtorch: libtorch_version(),
            data: data.counted.digest,
            split: data.parts.split_of(),
            list: data.parts.list().source.list_files(),
        }
    }

    /// The run state, if the model was saved to be resumed.
    pub fn run(&self) -> Option<&RunState> {
        match &self.model {
            Model::Network(trained) => trained.run.as_deref(),
            Model::Bigram(_) | Model::Ngram(_) => None,
        }
    }

    /// The lecture's network, if the model is one.
    pub fn bigram(&self) -> Option<&TrainedBigram> {
        match &self.model {
            Model::Bigram(trained) => Some(trained),
            Model::Network(_) | Model::Ngram(_) => None,
        }
    }

    /// Encodes the checkpoint.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if a parameter is not finite, or too large to be loaded again.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        file::written(self.metadata()?, &self.model.tensors()?)
    }

    fn metadata(&self) -> Result<BTreeMap<String, String>> {
        let vocabulary = self.model.vocabulary();
        let split = serde_json::to_string(&self.split)?;
        let common = [
            ("format", FORMAT.to_owned()),
            ("format_version", FORMAT_VERSION.to_owned()),
            ("vocabulary", vocabulary.characters().iter().collect()),
            ("boundary", vocabulary.boundary().to_string()),
            ("seed", self.seed.to_string()),
            ("libtorch", self.libtorch.clone()),
            ("data_crc32", format!("{:08x}", self.data.crc32)),
            ("data_words", self.data.words.to_string()),
            ("data_characters", self.data.characters.to_string()),
            ("split", split),
        ];
        let list = self.list.as_ref().map(serde_json::to_string).transpose()?;
        let list = list.map(|list| ("list", list));
        let all = common.into_iter().chain(list).chain(self.model.metadata()?);
        Ok(all.map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// Writes the checkpoint; replaces an existing file in one step.
    ///
    /// # Errors
    ///
    /// As [`to_bytes`](Self::to_bytes); [`Error::Write`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        Output::check(path)?.replace(&self.to_bytes()?)
    }

    /// The losses of the model on dev and test, by all processes that have room for it: process 0 sends it to
    /// the others, which call [`receive_and_evaluate`](Self::receive_and_evaluate), and does it by itself if
    /// another one ends. It is not sent if dev and test have no words. There are no losses after an interrupt.
    ///
    /// # Errors
    ///
    /// As [`HeldOut::of`] and [`to_bytes`](Self::to_bytes).
    pub fn held_out(&self, data: &Corpus, processes: &dyn Processes) -> Result<HeldOut> {
        let model = self.model.language_model();
        let together = || match has_held_out(data) && self.send(processes)? {
            true => HeldOut::of(model, &data.parts, &data.memory, processes).map(Some),
            false => Ok(None),
        };
        let held_out = match together() {
            Ok(None) | Err(Error::Processes { .. }) => {
                HeldOut::of(model, &data.parts.clone().alone(), &data.memory, &Alone)
            }
            Ok(Some(held_out)) => Ok(held_out),
            Err(error) => Err(error),
        };
        match held_out {
            Err(Error::Interrupted) => Ok(HeldOut::default()),
            held_out => held_out,
        }
    }

    /// Evaluates the model of process 0 with it, if there is room for it.
    ///
    /// # Errors
    ///
    /// As [`HeldOut::of`].
    pub fn receive_and_evaluate(data: &Corpus, processes: &dyn Processes) -> Result<()> {
        if !has_held_out(data) {
            return Ok(());
        }
        if let Some(received) = Self::receive(&data.memory, processes)? {
            let model = received.model.language_model();
            match HeldOut::of(model, &data.parts, &data.memory, processes) {
                Ok(_) | Err(Error::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends the checkpoint to the other processes, which [`receive`](Self::receive) it; false if one of them
    /// has too little memory for it.
    ///
    /// # Errors
    ///
    /// As [`to_bytes`](Self::to_bytes); [`Error::Processes`].
    fn send(&self, processes: &dyn Processes) -> Result<bool> {
        if processes.size() == 1 {
            return Ok(true);
        }
        let bytes = self.to_bytes()?;
        gather_numbers(processes, vec![bytes.len() as u64])?;
        let have_room = gather_as(processes, true)?.into_iter().all(|has| has);
        if have_room {
            bytes_of_first(processes, bytes)?;
        }
        Ok(have_room)
    }

    /// The checkpoint that process 0 sends; none if one process has too little memory for it.
    ///
    /// # Errors
    ///
    /// [`Error::Processes`].
    fn receive(memory: &Memory, processes: &dyn Processes) -> Result<Option<Self>> {
        let length = gather_numbers(processes, vec![0])?[0];
        // The bytes, a copy of them that is read, and the model.
        let has_room = memory.reserve(3 * length);
        let have_room = gather_as(processes, has_room)?.into_iter().all(|has| has);
        if !have_room {
            return Ok(None);
        }
        let bytes = bytes_of_first(processes, Vec::new())?;
        let received = Self::read(Path::new("the model of process 0"), bytes.as_slice())?;
        Ok(Some(received))
    }

    /// Reads a checkpoint and verifies it.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the file cannot be read, [`Error::NotACheckpoint`] if it is something else,
    /// [`Error::Checkpoint`] if it is damaged or of another version. Allocates no more than a few times
    /// the size of the file.
    pub fn load(path: &Path) -> Result<Self> {
        Self::read(path, open(path)?)
    }

    /// [`load`](Self::load) from an open file.
    pub(crate) fn read(path: &Path, file: impl Read) -> Result<Self> {
        let opened = Opened::of(path, file)?.filter(Opened::is_ours);
        let foreign = || Error::NotACheckpoint {
            file: path.to_owned(),
        };
        let bytes = opened.ok_or_else(foreign)?.whole()?;
        let file = Contents::of(path, &bytes)?;
        let seed = file.number("seed")?;
        let crc32 = u32::from_str_radix(file.value("data_crc32")?, 16);
        // Checkpoints from before there was a split are of whole lists.
        let split = match file.metadata.get("split") {
            Some(split) => serde_json::from_str(split).map_err(|_| file.damaged())?,
            None => SplitOf::all(seed),
        };
        let list = file
            .metadata
            .get("list")
            .map(|list| serde_json::from_str(list));
        Ok(Self {
            model: Model::read(&file)?,
            seed,
            libtorch: file.value("libtorch")?.to_owned(),
            data: Digest {
                crc32: crc32.map_err(|_| file.damaged())?,
                words: file.number("data_words")?,
                characters: file.number("data_characters")?,
            },
            split,
            list: list.transpose().map_err(|_| file.damaged())?,
        })
    }
}

/// Whether dev or test has words, which all processes know.
fn has_held_out(data: &Corpus) -> bool {
    [Part::Dev, Part::Test].map(|part| data.parts.words(part)) != [0, 0]
}

/// The kinds of models.
#[derive(Debug)]
pub enum Model {
    /// The lecture's network.
    Bigram(TrainedBigram),
    /// A network of makemore.py or lecture 5.
    Network(TrainedNetwork),
    /// An n-gram model.
    Ngram(Ngram),
}

impl Model {
    /// The model as a language model.
    pub fn language_model(&self) -> &dyn LanguageModel {
        match self {
            Self::Bigram(trained) => &trained.network,
            Self::Network(trained) => &trained.network,
            Self::Ngram(ngram) => ngram,
        }
    }

    /// The dev NLL per character in nats by this process alone; `None` if dev has characters that the model does
    /// not know.
    ///
    /// # Errors
    ///
    /// As [`evaluate::parts`].
    pub fn dev_loss(&self, data: &Corpus) -> Result<Option<f64>> {
        let model = self.language_model();
        if data.has_unknown() && !model.knows_unknown() {
            return Ok(None);
        }
        let parts = data.parts.clone().alone();
        let evaluation = evaluate::parts(model, &parts, &[Part::Dev], &Alone)?;
        Ok(Some(evaluation.nll()))
    }

    /// The name of the kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bigram(_) => bigram::KIND,
            Self::Network(trained) => trained.network.config().kind().name(),
            Self::Ngram(_) => ngram::KIND,
        }
    }

    /// The logits of the character after each single one, `[V, V]`; none for an n-gram model, and for a
    /// network with a block of more than one character.
    pub fn bigram_logits(&self) -> Result<Option<Tensor>> {
        if self.language_model().block_size() != 1 {
            return Ok(None);
        }
        let every = single_characters(self.vocabulary())?; // [V, 1]
        tch::no_grad(|| match self {
            Self::Bigram(trained) => {
                let xenc = trained.network.encode(&every)?;
                trained.network.forward(&xenc).map(Some)
            }
            Self::Network(trained) => {
                let every: Vec<i64> = Vec::try_from(every.f_view([-1])?)?;
                let every: Vec<&[i64]> = every.chunks(1).collect();
                let tokens = Tokens::of(&every, Device::Cpu);
                trained.network.logits(&tokens).map(Some)
            }
            Self::Ngram(_) => Ok(None),
        })
    }

    /// The vocabulary.
    pub fn vocabulary(&self) -> &Vocabulary {
        self.language_model().vocabulary()
    }

    /// The tensors of the model in a checkpoint, without those of its run.
    pub(crate) fn weights(&self) -> Result<BTreeMap<String, Stored>> {
        match self {
            Self::Network(trained) => network::weights(&trained.network),
            Self::Bigram(_) | Self::Ngram(_) => self.tensors(),
        }
    }

    /// The sizes and settings of the model as JSON, as a checkpoint has them.
    pub(crate) fn config(&self) -> Result<String> {
        let mut metadata = self.metadata()?.into_iter();
        let config = metadata.find(|(key, _)| *key == "config");
        Ok(config.map_or_else(|| "{}".to_owned(), |(_, json)| json))
    }

    fn tensors(&self) -> Result<BTreeMap<String, Stored>> {
        match self {
            Self::Bigram(trained) => bigram::tensors(trained),
            Self::Network(trained) => network::tensors(trained),
            Self::Ngram(ngram) => Ok(ngram::tensors(ngram)),
        }
    }

    fn metadata(&self) -> Result<Vec<(&'static str, String)>> {
        match self {
            Self::Bigram(trained) => bigram::metadata(trained),
            Self::Network(trained) => network::metadata(trained),
            Self::Ngram(ngram) => ngram::metadata(ngram),
        }
    }

    fn read(file: &Contents) -> Result<Self> {
        match file.value("model")? {
            bigram::KIND => bigram::read(file).map(Self::Bigram),
            ngram::KIND => ngram::read(file).map(Self::Ngram),
            _ => network::read(file).map(Self::Network),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::file::sha256;
    use super::*;
    use crate::arpa::{self, ReadOptions};
    use crate::counting::tests::ngrams_of;
    use crate::data::{ListFormat, Vocabulary, Words};
    use crate::memory::Memory;
    use crate::models::kinds::{Kind as _, Lookup, kind::Preset};
    use crate::models::{Bigram, Config, Network, Ngram, Smoothing};
    use crate::train::options::WordOptions;
    use proptest::prelude::*;
    use safetensors::tensor::{Dtype, SafeTensors, TensorView};
    use tch::{Device, Kind, Tensor};

    /// A small checkpoint with a vocabulary outside of ASCII.
    fn checkpoint() -> Checkpoint {
        let vocabulary = Vocabulary::new('.', "aß\"日".chars()).unwrap();
        Checkpoint {
            model: of_network(Bigram::new(vocabulary, 2, 7, Device::Cpu).unwrap()),
            seed: u64::MAX,
            split: SplitOf::all(3),
            list: Some(ListFiles {
                files: vec!["/lists/日.txt".to_owned()],
                format: ListFormat::default(),
            }),
            libtorch: "2.13.0".to_owned(),
            data: Digest {
                crc32: 0x00ab_cdef,
                words: 3,
                characters: 12,
            },
        }
    }

    fn of_network(network: Bigram) -> Model {
        Model::Bigram(TrainedBigram {
            network,
            epochs: 301,
            loss: 2.459_399_7,
        })
    }

    fn load(bytes: &[u8]) -> Result<Checkpoint> {
        Checkpoint::read(Path::new("model"), bytes)
    }

    fn refusal(bytes: &[u8]) -> String {
        load(bytes).unwrap_err().to_string()
    }

    fn assert_is_the_checkpoint(loaded: &Checkpoint) {
        let expected = checkpoint();
        assert_eq!(loaded.metadata().unwrap(), expected.metadata().unwrap());
        let weights = |checkpoint: &Checkpoint| match &checkpoint.model {
            Model::Bigram(trained) => trained.network.weights().copy(),
            _ => panic!("not the lecture's network"),
        };
        assert_eq!(weights(loaded), weights(&expected));
        assert_eq!(loaded.model.vocabulary(), expected.model.vocabulary());
    }

    /// A checkpoint with changed metadata or a changed tensor, and a correct checksum, which anyone can
    /// compute.
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

    /// Each of these processes is a thread here.
    #[cfg(feature = "distributed")]
    #[test]
    fn processes_receive_the_checkpoint_of_process_0_if_all_have_room() {
        use crate::distributed::group::tests::each;

        for (bytes, is_received) in [(1 << 20, true), (1000, false)] {
            let received = each(3, |group| {
                if group.rank() == 0 {
                    return checkpoint().send(group).unwrap();
                }
                let bytes = if group.rank() == 1 { bytes } else { 1 << 20 };
                let received = Checkpoint::receive(&Memory::new(bytes), group).unwrap();
                if let Some(received) = &received {
                    assert_is_the_checkpoint(received);
                }
                received.is_some()
            });
            assert_eq!(received, [is_received; 3]);
        }
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

    /// Such a file was once called damaged, because the checksum covered the bytes of the header.
    #[test]
    fn a_file_that_was_saved_again_with_the_same_contents_is_loaded() {
        let bytes = checkpoint().to_bytes().unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().clone().unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        // Python's json writes so: spaces, and escapes for all that is not ASCII.
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

    /// The checkpoint as another program saves it: with changed metadata and its tensor of another type.
    fn saved_again(changed: &[(&str, &str)], dtype: Dtype, w: &[u8]) -> Result<Checkpoint> {
        let bytes = checkpoint().to_bytes().unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let mut metadata = header.metadata().clone().unwrap();
        let changed = changed.iter();
        metadata.extend(changed.map(|&(key, value)| (key.to_owned(), value.to_owned())));
        let view = TensorView::new(dtype, vec![5, 5], w).unwrap();
        load(&safetensors::serialize([("W", view)], Some(metadata)).unwrap())
    }

    fn w() -> Vec<f32> {
        match checkpoint().model {
            Model::Bigram(trained) => Vec::try_from(trained.network.weights().view([-1])).unwrap(),
            _ => panic!("not the lecture's network"),
        }
    }

    /// PyTorch's libraries name themselves as the format of each file, and people name themselves.
    /// Such a file once was no checkpoint, or a damaged one.
    #[test]
    fn metadata_of_others_hide_nothing() {
        let w: Vec<u8> = w().into_iter().flat_map(f32::to_le_bytes).collect();
        let load = |changed: &[_]| saved_again(changed, Dtype::F32, &w);
        for changed in [
            [("format", "pt"), ("author", "me")].as_slice(),
            &[("format", "pt")],
            &[("author", "me")],
        ] {
            assert_is_the_checkpoint(&load(changed).unwrap());
        }
        let refused = load(&[("author", "me"), ("loss", "1")]).unwrap_err();
        assert!(refused.to_string().contains("damaged"), "{refused}");
    }

    /// It was once called damaged.
    #[test]
    fn a_checkpoint_of_another_precision_is_read() {
        let w = w();
        for (dtype, bytes, precision) in [
            (
                Dtype::BF16,
                w.iter()
                    .flat_map(|&x| half::bf16::from_f32(x).to_le_bytes())
                    .collect::<Vec<u8>>(),
                1.0 / 256.0,
            ),
            (
                Dtype::F64,
                w.iter().flat_map(|&x| f64::from(x).to_le_bytes()).collect(),
                0.0,
            ),
        ] {
            let loaded = saved_again(&[], dtype, &bytes).unwrap();
            let Model::Bigram(trained) = loaded.model else {
                panic!("not the lecture's network");
            };
            let read: Vec<f32> = Vec::try_from(trained.network.weights().view([-1])).unwrap();
            for (read, weight) in read.iter().zip(&w) {
                assert!(
                    (read - weight).abs() <= precision * weight.abs(),
                    "{read} {weight}"
                );
            }
        }
    }

    /// A key that is not known would be taken for one that others added.
    #[test]
    fn every_key_is_known_as_ours() {
        let network = |steps| {
            let vocabulary = Vocabulary::new('.', "ab".chars()).unwrap();
            let config = Config::new(&Lookup, Lookup.default_sizes(1, Preset::NAMES));
            TrainedNetwork {
                network: Network::new(vocabulary, config, 1, Device::Cpu).unwrap(),
                steps,
                loss: 1.0,
                dev_losses: Vec::new(),
                run: Some(Box::new(RunState::new(WordOptions::default()))),
            }
        };
        let network = Checkpoint {
            model: Model::Network(network(3)),
            ..checkpoint()
        };
        let ngrams = of_ngrams(Smoothing::KneserNey, 2);
        for checkpoint in [checkpoint(), network, ngrams] {
            for key in checkpoint.metadata().unwrap().keys() {
                assert!(file::KEYS.contains(&key.as_str()), "{key}");
            }
        }
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
        // Within bounds, but the exponentials overflow or underflow.
        for wrong in [100.0, -1000.0] {
            let error = with(&[("W", Dtype::F32, vec![5, 5], floats([wrong; 25]))]);
            assert!(error.contains("has no probabilities"), "{wrong}: {error}");
        }
        assert!(with(&[("W", Dtype::F32, vec![25], w())]).contains("shape [25]"));
        assert!(with(&[("W", Dtype::I32, vec![5, 5], w())]).contains("is of I32"));
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
            ("config", "{\"order\":99}", "order of the network is 99"),
            ("split", "{}", "damaged"),
            ("split", r#"{"percents":[50,0,0],"seed":1}"#, "damaged"),
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

    /// A model that could not be loaded again is not saved in the first place.
    #[test]
    fn weights_that_are_not_finite_are_not_saved() {
        for weight in [f64::NAN, 1e38] {
            let vocabulary = Vocabulary::new('.', ['a']).unwrap();
            let w = Tensor::full([2, 2], weight, (Kind::Float, Device::Cpu));
            let network = Bigram::with_weights(vocabulary, 2, &w, Device::Cpu).unwrap();
            let checkpoint = Checkpoint {
                model: of_network(network),
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

    /// A checkpoint of an n-gram model.
    fn of_ngrams(smoothing: Smoothing, order: usize) -> Checkpoint {
        let words = Words::parse("list", "emma\nava\nzoë\nan na\n", '.').unwrap();
        let memory = Memory::new(1 << 30);
        let ngram = Ngram::of(&ngrams_of(&words, order), smoothing, &memory).unwrap();
        Checkpoint {
            model: Model::Ngram(ngram),
            ..checkpoint()
        }
    }

    /// The finished model once had no losses where another process ended in the evaluation.
    #[cfg(feature = "distributed")]
    #[test]
    fn process_0_evaluates_by_itself_if_another_one_ends() {
        use crate::counting::Counted;
        use crate::data::{Shares, Source, Split};
        use crate::distributed::group::tests::each;

        let words = Words::lecture('.').unwrap();
        let trained = || {
            let memory = Memory::new(1 << 30);
            let counts = ngrams_of(&words, 3);
            let ngram = Ngram::of(&counts, Smoothing::KneserNey, &memory).unwrap();
            Checkpoint {
                model: Model::Ngram(ngram),
                ..checkpoint()
            }
        };
        let data = |shares, processes: &dyn Processes| {
            let (source, memory) = (Source::lecture(), Memory::new(1 << 30));
            let split = |counted: &Counted| Ok(Split::new(shares, 420, counted.digest.words));
            Corpus::read(source, Vec::new(), Some('.'), split, memory, processes).unwrap()
        };
        let alone = trained().held_out(&data(Shares::USUAL, &Alone), &Alone);
        let alone = alone.unwrap();
        assert!(alone.dev_loss.is_some() && alone.test_loss.is_some());
        for ends in [false, true] {
            let losses = each(2, |group| {
                let data = data(Shares::USUAL, group);
                if group.rank() == 0 {
                    return trained().held_out(&data, group).ok();
                }
                match ends {
                    true => assert!(Checkpoint::receive(&data.memory, group).unwrap().is_some()),
                    false => Checkpoint::receive_and_evaluate(&data, group).unwrap(),
                }
                None
            });
            assert_eq!(losses, [Some(alone.clone()), None], "{ends}");
        }
    }

    /// There was "no tensor "1.probability" as an n-gram model has it".
    #[test]
    fn an_ngram_model_of_another_precision_says_so() {
        let bytes = of_ngrams(Smoothing::KneserNey, 2).to_bytes().unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let halved = vec![0; bytes.len()];
        let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
        let halved = tensors.into_iter().map(|(name, view)| {
            let half = &halved[..view.data().len() / 2];
            let rounded = TensorView::new(Dtype::F16, view.shape().to_vec(), half);
            let is_float = view.dtype() == Dtype::F32;
            (name, if is_float { rounded.unwrap() } else { view })
        });
        let halved = safetensors::serialize(halved, header.metadata().clone()).unwrap();
        let error = load(&halved).unwrap_err().to_string();
        let expected =
            "the tensor \"1.probability\" of its n-grams is of F16, and was written as F32";
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn ngram_models_survive_a_round_trip() {
        for smoothing in [
            Smoothing::KneserNey,
            Smoothing::WittenBell,
            Smoothing::Additive(0.5),
        ] {
            for order in [1, 2, 4, 16] {
                let written = of_ngrams(smoothing, order);
                let loaded = load(&written.to_bytes().unwrap()).unwrap();
                assert_eq!(loaded.metadata().unwrap(), written.metadata().unwrap());
                assert_eq!(loaded.model.language_model().longest_word(), Some(5));
                let p = |checkpoint: &Checkpoint| {
                    let model = checkpoint.model.language_model();
                    let words = ["emma", "an", "", "zoëzoë"];
                    let words = words.map(|word| model.vocabulary().encode(word).unwrap());
                    let words: Vec<&[usize]> = words.iter().map(Vec::as_slice).collect();
                    model.probabilities(&words).unwrap()
                };
                assert_eq!(p(&loaded), p(&written));
            }
        }
    }

    /// Probabilities of an ARPA file that no f32 has.
    #[test]
    fn an_ngram_model_with_small_probabilities_survives_a_round_trip() {
        let text = "\\data\\\nngram 1=4\nngram 2=1\n\n\\1-grams:\n-99\t<s>\t-99\n-0.3\t</s>\n-99.5\t<unk>\n\
            -0.3\ta\t0.5\n\n\\2-grams:\n-100\ta a\n\n\\end\\\n";
        let memory = Memory::new(1 << 30);
        let (path, options) = (Path::new("small.arpa"), ReadOptions::default());
        let ngram = arpa::read_from(path, text.as_bytes(), &options, &memory).unwrap();
        let written = Checkpoint {
            model: Model::Ngram(ngram),
            ..checkpoint()
        };
        let loaded = load(&written.to_bytes().unwrap()).unwrap();
        let ln = |checkpoint: &Checkpoint| {
            let words: [&[usize]; 2] = [&[1, 1], &[2]];
            let model = checkpoint.model.language_model();
            let ln = model.log_probabilities(&words, &mut || Ok(()));
            ln.unwrap()
        };
        assert_eq!(ln(&loaded), ln(&written));
        assert!(ln(&loaded).iter().all(|ln| ln.is_finite()));
    }

    #[test]
    fn a_signed_ngram_model_with_wrong_tensors_is_refused() {
        let bytes = of_ngrams(Smoothing::KneserNey, 3).to_bytes().unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let mut metadata: BTreeMap<String, String> =
            header.metadata().clone().unwrap().into_iter().collect();
        metadata.remove("sha256");
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let with = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
            let mut tensors: Vec<(String, Dtype, Vec<u8>)> = tensors
                .tensors()
                .into_iter()
                .map(|(name, view)| (name, view.dtype(), view.data().to_vec()))
                .collect();
            for (_, _, data) in tensors.iter_mut().filter(|(other, ..)| other == name) {
                change(data);
            }
            let views: BTreeMap<&str, TensorView> = tensors
                .iter()
                .filter(|(_, _, data)| !data.is_empty())
                .map(|(name, dtype, data)| {
                    let size = if *dtype == Dtype::F32 { 4 } else { 2 };
                    let view = TensorView::new(*dtype, vec![data.len() / size], data);
                    (name.as_str(), view.unwrap())
                })
                .collect();
            let mut metadata: HashMap<String, String> = metadata.clone().into_iter().collect();
            let signed = metadata.clone().into_iter().collect();
            metadata.insert("sha256".to_owned(), sha256(&signed, &views));
            load(&safetensors::serialize(views, Some(metadata)).unwrap())
        };
        assert!(with("none", &|_| ()).is_ok());
        let begin_with =
            |bytes: Vec<u8>| move |data: &mut Vec<u8>| data[..bytes.len()].copy_from_slice(&bytes);
        type Change<'a> = &'a dyn Fn(&mut Vec<u8>);
        let wrong: [(&str, Change); 8] = [
            ("3.probability", &|data| data.clear()),
            ("3.probability", &|data| data.truncate(4)),
            (
                "2.probability",
                &begin_with(f32::NAN.to_le_bytes().to_vec()),
            ),
            (
                "2.backoff",
                &begin_with(f32::INFINITY.to_le_bytes().to_vec()),
            ),
            ("2.followers", &begin_with(999_u16.to_le_bytes().to_vec())),
            ("3.character", &begin_with(999_u16.to_le_bytes().to_vec())),
            ("2.character", &|data| data.rotate_left(2)),
            ("1.followers", &|data| data.rotate_left(2)),
        ];
        for (name, change) in wrong {
            let refused = with(name, change).unwrap_err().to_string();
            assert!(refused.starts_with("model: "), "{name}: {refused}");
        }
    }
}
