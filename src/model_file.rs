//! Files with a model: checkpoints, ARPA files, and weights that PyTorch saved.

use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use crate::arpa::{self, ReadOptions};
use crate::checkpoint::{Checkpoint, Model, Weights};
use crate::counting::{count_shared, count_shared_for};
use crate::data::decompress::decompressed;
use crate::data::parts::{List, Parts, SplitOf};
use crate::data::reader::Source;
use crate::data::split::{Part, Split};
use crate::data::{Digest, ListFiles, Subset, Vocabulary, WordList};
use crate::distributed::Processes;
use crate::distributed::processes::gather_as;
use crate::error::{Error, Result};
use crate::files::{open, read_error};
use crate::memory::Memory;

/// The bytes at the beginning of a file by which its format is recognised.
const START: u64 = 4096;

/// Binary formats of other programs: how a file begins, and what it is.
///
/// Source: KenLM's `lm/binary_format.cc` and `lm/read_arpa.cc`; pocketsphinx's `ngram_model_trie.c`.
const BINARY: [(&[u8], &str); 3] = [
    (
        b"mmap lm http://kheafield.com/code",
        "a binary file of KenLM; the ARPA file that it was built from would work",
    ),
    (
        b"blmt",
        "a binary file of IRSTLM; the ARPA file that compile-lm --text yes makes of it would work",
    ),
    (
        b"Trie Language Model",
        "a binary file of CMU Sphinx; the ARPA file that sphinx_lm_convert makes of it would work",
    ),
];

/// A model from a file.
#[derive(Debug)]
pub struct ModelFile {
    /// The file.
    pub path: PathBuf,
    /// The model.
    pub model: Model,
    /// The list of the training; none for an ARPA file or weights of PyTorch, which do not name one.
    pub trained_on: Option<TrainedOn>,
    /// The files of that list, if the model names them.
    pub list: Option<ListFiles>,
}

/// The list that a model was trained on, and its split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrainedOn {
    /// The digest of the list.
    pub list: Digest,
    /// The split of the list.
    pub split: SplitOf,
}

impl TrainedOn {
    /// Splits the list of the training as it was split there; another list is not split.
    pub fn parts(&self, list: List) -> Parts {
        match self.list == list.digest {
            true => {
                let split = Split::new(self.split.shares, self.split.seed, list.digest.words);
                Parts::new(list, split)
            }
            false => Parts::whole(list),
        }
    }

    /// Finds a part of the model's data in a list. Returns the parts of the list and the part to take from
    /// them: train, which is the whole list, if the part was a list of its own.
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

    /// Reads at most `most` words of a part, always the same ones, from the list that has it. Words
    /// with characters that the vocabulary lacks are left out. Several processes read a part of the list, and
    /// all get all words.
    ///
    /// # Errors
    ///
    /// As [`part`](Self::part) and [`Parts::leave_out_unknown`].
    pub fn some_words(
        &self,
        part: Part,
        source: &Source,
        vocabulary: &Vocabulary,
        most: u64,
        processes: &dyn Processes,
    ) -> Result<WordList> {
        let counted = count_shared_for(source, vocabulary, processes)?;
        let list = List {
            digest: counted.digest,
            source: source.clone(),
        };
        let (mut parts, part) = self.part(part, list)?;
        parts = parts.shared(Part::Train, &counted.sections);
        parts.leave_out_unknown(&[part], counted.counts.vocabulary(), vocabulary, processes)?;
        let subset = || Subset::new(parts.words(part), most, parts.split().seed());
        let mut words = WordList::default();
        for (word, times) in parts.some_words(part, subset, processes)? {
            words.push(&word, times, vocabulary)?;
        }
        Ok(words)
    }
}

impl ModelFile {
    /// A model of weights that PyTorch saved, with the vocabulary of a list. `n_head`, the number of
    /// heads of a transformer, does not follow from the weights.
    ///
    /// # Errors
    ///
    /// If the list cannot be read, or the weights are of another number of characters.
    pub fn of_weights(
        path: &Path,
        weights: &Weights,
        source: &Source,
        boundary: Option<char>,
        n_head: usize,
        processes: &dyn Processes,
    ) -> Result<Self> {
        let counted = count_shared(source, boundary, processes)?;
        let list = List {
            source: source.clone(),
            digest: counted.digest,
        };
        let parts = Parts::whole(list).shared(Part::Train, &counted.sections);
        let mut longest = 0;
        parts.each_word_here(&[Part::Train], |_, word, _| {
            longest = longest.max(word.chars().count());
            Ok(())
        })?;
        let longest = gather_as(processes, longest)?.into_iter().max();
        let vocabulary = counted.counts.vocabulary().clone();
        Ok(Self {
            path: path.to_owned(),
            model: weights.model(vocabulary, longest.unwrap_or(0), n_head)?,
            trained_on: None,
            list: None,
        })
    }

    /// Reads a model from a file. `options` are for an ARPA file.
    ///
    /// # Errors
    ///
    /// As [`Checkpoint::load`] or [`arpa::read`]; [`Error::NotAModel`] if the file is neither.
    pub fn load(path: &Path, options: &ReadOptions, memory: &Memory) -> Result<Self> {
        let failed = |cause| read_error(path, cause);
        let fault = |fault: &str| Error::Checkpoint {
            file: path.to_owned(),
            fault: fault.to_owned(),
        };
        let (mut start, mut whole) = begin(open(path)?).map_err(failed)?;
        let is_compressed = is_compressed(&start);
        if is_compressed {
            (start, whole) = decompressed(whole).and_then(begin).map_err(failed)?;
        }
        if let Some((_, what)) = BINARY.iter().find(|(begin, _)| start.starts_with(begin)) {
            return Err(fault(what));
        }
        match is_safetensors(&start) {
            true if is_compressed => {
                return Err(fault(
                    "compressed safetensors; uncompressing it first (gunzip, zstd -d) would work",
                ));
            }
            false if is_compressed || is_arpa(path, &start) => {
                return Self::arpa(path, whole, options, memory);
            }
            _ => {}
        }
        let Checkpoint {
            model,
            data,
            split,
            list,
            ..
        } = Checkpoint::read(path, whole).map_err(|error| match error {
            Error::NotACheckpoint { file } => Error::NotAModel { file },
            error => error,
        })?;
        Ok(Self {
            path: path.to_owned(),
            model,
            trained_on: Some(TrainedOn { list: data, split }),
            list,
        })
    }

    fn arpa(
        path: &Path,
        file: impl Read + Send + 'static,
        options: &ReadOptions,
        memory: &Memory,
    ) -> Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            model: Model::Ngram(arpa::read_from(path, file, options, memory)?),
            trained_on: None,
            list: None,
        })
    }

    /// Whether the file is an ARPA file.
    pub fn is_arpa(&self) -> bool {
        matches!(self.model, Model::Ngram(_)) && self.trained_on.is_none()
    }
}

/// Reads the beginning of a file; returns it and a reader of the whole file.
fn begin(mut file: impl Read + Send + 'static) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut start = Vec::new();
    file.by_ref().take(START).read_to_end(&mut start)?;
    let whole = Cursor::new(start.clone()).chain(file);
    Ok((start, Box::new(whole)))
}

/// Whether a file is compressed by gzip or zstd, which are read, or by bzip2 or xz, which are not.
fn is_compressed(start: &[u8]) -> bool {
    let begins: [&[u8]; 4] = [
        &[0x1F, 0x8B],
        &[0x28, 0xB5, 0x2F, 0xFD],
        b"BZh",
        b"\xFD7zXZ",
    ];
    begins.iter().any(|begin| start.starts_with(begin))
}

/// Whether a file begins with the length of a header and a header in JSON.
fn is_safetensors(start: &[u8]) -> bool {
    start.get(8) == Some(&b'{')
}

/// Whether a file is an ARPA file, by its name or its beginning.
fn is_arpa(path: &Path, start: &[u8]) -> bool {
    let name = path.to_string_lossy().to_lowercase();
    name.ends_with(".arpa") || memchr::memmem::find(start, b"\\data\\").is_some()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;
    use safetensors::tensor::{Dtype, TensorView};

    use super::*;

    /// The fault of a file with one tensor.
    fn fault(dtype: Dtype, compress: bool) -> String {
        let data = [0; 2];
        let tensor = TensorView::new(dtype, vec![1], &data).unwrap();
        let mut bytes = safetensors::serialize([("x", tensor)], None).unwrap();
        if compress {
            let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(&bytes).unwrap();
            bytes = gzip.finish().unwrap();
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let memory = Memory::new(1 << 30);
        ModelFile::load(file.path(), &ReadOptions::default(), &memory)
            .unwrap_err()
            .to_string()
    }

    /// The error was once "the tensor has no 32-bit floats".
    #[test]
    fn a_foreign_file_of_half_precision_is_no_model() {
        assert!(fault(Dtype::BF16, false).contains("neither a checkpoint of makemore-tch nor"));
    }

    /// They were once neither a checkpoint nor an ARPA file.
    #[test]
    fn models_in_binary_and_in_bzip2_say_what_would_work() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (bytes, says) in [
            (
                &b"mmap lm http://kheafield.com/code format version 5\n\0\0"[..],
                "a binary file of KenLM; the ARPA file",
            ),
            (b"blmt 3 12 9", "IRSTLM"),
            (b"Trie Language Model\x03", "sphinx_lm_convert"),
            (b"BZh91AY&SY[%\x89\xF3", "bzip2 -d"),
            (b"\xFD7zXZ\0\0\x04", "xz -d"),
            (&zstd::encode_all(&b"blmt 3"[..], 1).unwrap(), "IRSTLM"),
        ] {
            std::fs::write(file.path(), bytes).unwrap();
            let memory = Memory::new(1 << 30);
            let error = ModelFile::load(file.path(), &ReadOptions::default(), &memory);
            let error = error.unwrap_err();
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let error = format!("{error}: {}", cause.unwrap_or_default());
            assert!(error.contains(says), "{error}");
        }
    }

    /// The error was once "not valid UTF-8", as if it were an ARPA file.
    #[test]
    fn a_compressed_checkpoint_is_to_be_uncompressed() {
        assert!(fault(Dtype::BF16, true).contains("uncompressing it first"));
    }
}
