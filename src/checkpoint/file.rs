//! The format of checkpoints: safetensors with our metadata, among them a SHA-256.
//!
//! Other programs save checkpoints again: PyTorch's libraries put their own `format` into the metadata,
//! people add an author, and weights are rounded to half the size. The SHA-256 is then that of what was
//! ours, as far as it is still there.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use memchr::memmem;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorView};
use sha2::{Digest as _, Sha256};

use crate::data::Vocabulary;
use crate::error::{Error, Result};
use crate::files::read_error;

pub(super) const FORMAT: &str = "makemore-tch";
pub(super) const FORMAT_VERSION: &str = "2";

/// The format that PyTorch's libraries name in the metadata of any file that they save.
const PYTORCH: &str = "pt";

/// The keys of our metadata that the SHA-256 covers.
pub(super) const KEYS: [&str; 19] = [
    "format",
    "format_version",
    "vocabulary",
    "boundary",
    "seed",
    "libtorch",
    "data_crc32",
    "data_words",
    "data_characters",
    "split",
    "list",
    "model",
    "config",
    "longest_word",
    "epochs",
    "steps",
    "loss",
    "dev_losses",
    "run",
];

/// The largest header, as in the crate safetensors. It has the names of all tensors, and the losses of a
/// run with some tens of bytes for each evaluation.
const MAX_HEADER: u64 = 100_000_000;

/// A tensor to be written: its type, shape and bytes.
pub(crate) struct Stored {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// Little-endian.
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

/// The contents of a checkpoint with a correct SHA-256, or with weights that were rounded after it.
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
        match contents.is_rounded() || contents.is_signed() {
            true => Ok(contents),
            false => Err(contents.damaged()),
        }
    }

    /// Whether another program changed the precision of tensors, so that the SHA-256 cannot be theirs.
    fn is_rounded(&self) -> bool {
        let mut types = self.tensors.values().map(TensorView::dtype);
        types.any(|dtype| dtype != Dtype::F32 && is_float(dtype))
    }

    /// Whether the SHA-256 is that of the tensors and of the metadata, without what others added.
    fn is_signed(&self) -> bool {
        let mut signed = self.metadata.clone();
        let wanted = signed.remove("sha256");
        signed.insert("format".to_owned(), FORMAT.to_owned());
        let is_of = |signed: &_| wanted.as_deref() == Some(&sha256(signed, &self.tensors));
        let is_whole = is_of(&signed);
        signed.retain(|key, _| KEYS.contains(&key.as_str()));
        is_whole || is_of(&signed)
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

/// The numbers of a tensor in 32 bits; none if they are no [floats](is_float).
pub(super) fn floats(view: &TensorView) -> Option<Vec<f32>> {
    fn read<const BYTES: usize>(view: &TensorView, value: fn([u8; BYTES]) -> f32) -> Vec<f32> {
        let (values, _) = view.data().as_chunks();
        values.iter().map(|&bytes| value(bytes)).collect()
    }
    match view.dtype() {
        Dtype::F16 => Some(read(view, |bytes| f16::from_le_bytes(bytes).to_f32())),
        Dtype::BF16 => Some(read(view, |bytes| bf16::from_le_bytes(bytes).to_f32())),
        Dtype::F32 => Some(read(view, f32::from_le_bytes)),
        Dtype::F64 => Some(read(view, |bytes| f64::from_le_bytes(bytes) as f32)),
        _ => None,
    }
}

/// Whether numbers of a type can be weights.
pub(super) fn is_float(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64)
}

/// The error of a tensor that has no [floats](is_float).
pub(super) fn no_floats(path: &Path, name: &str, dtype: Dtype) -> Error {
    Error::Checkpoint {
        file: path.to_owned(),
        fault: format!(
            "the tensor {name:?} is of {dtype}; weights as floats would work, which model.float() makes"
        ),
    }
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
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] if the header is cut off, or if the file is a pickle of PyTorch, with the command
    /// that converts it.
    pub fn of(path: &Path, mut rest: R) -> Result<Option<Self>> {
        let failed = |cause| read_error(path, cause);
        let mut bytes = Vec::new();
        if let Some(header) = read_header(&mut rest, &mut bytes).map_err(failed)? {
            return Ok(Some(Self {
                path: path.to_owned(),
                header,
                bytes,
                rest,
            }));
        }
        if let Some(wanted) = cut_header(&bytes) {
            return Err(cut_off(path, bytes.len(), wanted));
        }
        let start = rest.take(START).read_to_end(&mut bytes);
        start.map_err(failed)?;
        match is_pickle(&bytes) {
            true => Err(pickle(path)),
            false => Ok(None),
        }
    }

    /// Whether the file is a checkpoint of ours, by its header.
    pub fn is_ours(&self) -> bool {
        let Some(metadata) = self.header.metadata() else {
            return false;
        };
        match metadata.get("format").map(String::as_str) {
            Some(FORMAT) => true,
            Some(PYTORCH) => metadata.contains_key("vocabulary"),
            _ => false,
        }
    }

    /// Reads the whole file. Allocates no more than there is to read, whatever the header says.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] if the file has fewer or more bytes than its header says.
    pub fn whole(mut self) -> Result<Vec<u8>> {
        let wanted = self.bytes.len().saturating_add(self.header.data_len());
        let length = (self.header.data_len() as u64).saturating_add(1);
        let read = self.rest.take(length).read_to_end(&mut self.bytes);
        read.map_err(|cause| read_error(&self.path, cause))?;
        match self.bytes.len().cmp(&wanted) {
            Ordering::Equal => Ok(self.bytes),
            Ordering::Less => Err(cut_off(&self.path, self.bytes.len(), wanted)),
            Ordering::Greater => Err(Error::Checkpoint {
                file: self.path,
                fault: format!(
                    "damaged: other bytes follow its {wanted}; a copy as it was written would work"
                ),
            }),
        }
    }
}

/// The bytes up to the end of a header, if fewer are there.
fn cut_header(bytes: &[u8]) -> Option<usize> {
    let length = u64::from_le_bytes(*bytes.first_chunk()?);
    let end = usize::try_from(length).ok()?.checked_add(8)?;
    let is_cut = bytes.get(8) == Some(&b'{') && bytes.len() < end && length <= MAX_HEADER;
    is_cut.then_some(end)
}

/// The error of a file that ends too early.
fn cut_off(path: &Path, bytes: usize, wanted: usize) -> Error {
    Error::Checkpoint {
        file: path.to_owned(),
        fault: format!(
            "damaged: cut off after {bytes} bytes, of at least {wanted}; a whole copy would work"
        ),
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

/// The bytes after which a pickle is recognised.
const START: u64 = 4096;

/// Whether a file that is not safetensors begins as a pickle, or as the zip that PyTorch puts it into.
fn is_pickle(start: &[u8]) -> bool {
    // The first instruction, whose operand is the protocol; or the length of a header that is damaged.
    let is_bare = matches!(start, [0x80, 2..=5, ..]) && start.get(8) != Some(&b'{');
    let is_zip = start.starts_with(b"PK\x03\x04");
    is_bare || (is_zip && memmem::find(start, b"/data.pkl").is_some())
}

/// A program that writes the weights of a pickle as safetensors: those of a dictionary, of the module in a
/// dictionary of more, or a tensor alone. Each is cloned, since safetensors refuses tensors that share memory.
const CONVERTER: &str = r#"import sys, torch, safetensors.torch as s; w = torch.load(sys.argv[1], map_location="cpu", weights_only=True); w = w if isinstance(w, dict) else {"W": w}; [w := w.get(k, w) for k in ("model", "state_dict", "model_state_dict")]; s.save_file({k: v.clone().contiguous() for k, v in w.items() if torch.is_tensor(v)}, sys.argv[2])"#;

/// The error of a pickle, with the command that converts it.
fn pickle(path: &Path) -> Error {
    let name = path.to_string_lossy();
    let quoted =
        |name: &str| shlex::try_quote(name).map_or_else(|_| name.to_owned(), Cow::into_owned);
    let (from, to) = (quoted(&name), quoted(&format!("{name}.safetensors")));
    Error::Checkpoint {
        file: path.to_owned(),
        fault: format!(
            "a pickle, as torch.save writes it; its weights as safetensors would work: python -c '{CONVERTER}' {from} {to}"
        ),
    }
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

    fn opened(start: &[u8]) -> Result<Option<Opened<&[u8]>>> {
        Opened::of(Path::new("it's a model.pt"), start)
    }

    /// It was once neither a checkpoint nor an ARPA file, and no way to use it was said.
    #[test]
    fn a_pickle_of_pytorch_is_told_how_to_become_safetensors() {
        let zip = b"PK\x03\x04\x14\0\0\0\0\0\xfai|]\xf2\x91\x02\xc5model/data.pkl\x80\x02}q\0.";
        let old = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.";
        for pickle in [zip.as_slice(), old] {
            let error = opened(pickle).err().unwrap().to_string();
            let end = r#"sys.argv[2])' "it's a model.pt" "it's a model.pt.safetensors""#;
            assert!(error.ends_with(end), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        let other_zip = b"PK\x03\x04\x14\0\0\0\0\0\xfai|]\xf2\x91\x02\xc5names.txt";
        for other in [other_zip.as_slice(), b"", b"\x80"] {
            assert!(opened(other).unwrap().is_none());
        }
    }

    /// Files that were not copied to their end were no models.
    #[test]
    fn a_file_of_another_length_than_its_header_says_is_told_so() {
        // A header of 640 bytes, whose beginning is that of a pickle too.
        let error = opened(b"\x80\x02\0\0\0\0\0\0{\"W\":").err().unwrap();
        let error = error.to_string();
        assert!(
            error.contains("cut off after 13 bytes, of at least 648"),
            "{error}"
        );
        let data = [0; 16];
        let tensor = TensorView::new(Dtype::F32, vec![2, 2], &data).unwrap();
        let whole = safetensors::serialize([("W", tensor)], None).unwrap();
        let read = |bytes: &[u8]| opened(bytes).unwrap().unwrap().whole();
        assert_eq!(read(&whole).unwrap(), whole);
        let (cut, long) = (&whole[..whole.len() - 1], [&whole[..], b"\n"].concat());
        for (bytes, says) in [(cut, "cut off after "), (&long, "other bytes follow its ")] {
            let error = read(bytes).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
