//! Loading checkpoints: whatever a file holds is refused or loaded, in little memory, and what was
//! loaded can be saved and is the same when it is loaded again.
//!
//! An input is a byte and, as that byte says, a file, or the parts of one. Since a length and a
//! checksum guard a file, and figures in it have to agree, hardly a changed file would reach the
//! inside of the loader:
//!
//! - 0: the file as it is;
//! - 1: its header, a zero byte, and its tensors; the length and the checksum are put in;
//! - 2: the values of a checkpoint, with zero bytes between them, and its weights;
//! - 3: a kind of network of makemore.py, its sizes, and changes of its file: places and bytes.
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use makemore_tch::checkpoint::{TrainedNetwork, Weights};
use makemore_tch::data::SplitOf;
use makemore_tch::models::{Config, KINDS, Network, Sizes};
use makemore_tch::{Checkpoint, Digest, Model, SampleOptions, Sampler, Vocabulary};
use safetensors::SafeTensors;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// Inputs have some kilobytes: only a length that a file claims can make an allocation this large.
const LARGEST_ALLOCATION: usize = 16 << 20;

/// Larger vocabularies than this are not made fit for their weights, which would take long.
const MOST_CHARACTERS: usize = 64;

/// Refuses what is larger, which ends the process if it is not expected to be refused.
struct Bounded;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

// SAFETY: passes every call on to the system's allocator or returns null, which says that there
// is no memory.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGEST_ALLOCATION {
            return std::ptr::null_mut();
        }
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Loads a file and, if it is a checkpoint, saves it and loads it again.
fn load(file: &Path, copy: &Path) {
    if let Ok(Some(weights)) = Weights::load(file) {
        let vocabulary = Vocabulary::new('.', "abc".chars()).unwrap();
        let _ = weights.model(vocabulary, 9, 2);
    }
    let Ok(loaded) = Checkpoint::load(file) else {
        return;
    };
    loaded.save(copy).unwrap();
    let again = Checkpoint::load(copy).unwrap();
    let checksum = |checkpoint: &Checkpoint| sha256(&checkpoint.to_bytes().unwrap());
    assert_eq!(checksum(&again), checksum(&loaded));
    // What is loaded can be asked and drawn from.
    let model = loaded.model.language_model();
    let characters = model.vocabulary().len().min(3);
    let words: Vec<Vec<usize>> = (1..characters).map(|index| vec![index; 20]).collect();
    let words: Vec<&[usize]> = words.iter().map(Vec::as_slice).collect();
    assert_eq!(model.probabilities(&words).unwrap().len(), 21 * words.len());
    if let Ok(mut sampler) = Sampler::new(model, 420, &SampleOptions::default()) {
        let _ = sampler.append_to(&mut String::new());
    }
}

/// The file with this header and these tensors, with its length and its checksum.
fn completed(input: &[u8]) -> Vec<u8> {
    let end = input
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(input.len());
    let (header, tensors) = input.split_at(end);
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header);
    file.extend_from_slice(tensors.get(1..).unwrap_or_default());
    let unsigned = format!(r#""sha256":"{}""#, "0".repeat(64));
    let mut places = file.windows(unsigned.len());
    let place = places.position(|bytes| bytes == unsigned.as_bytes());
    if let (Some(place), Some(sha256)) = (place, sha256(&file)) {
        let signed = unsigned.replace(&"0".repeat(64), &sha256);
        file[place..place + signed.len()].copy_from_slice(signed.as_bytes());
    }
    file
}

/// The checksum of a file's metadata and tensors, as the library's docs define it.
fn sha256(file: &[u8]) -> Option<String> {
    let (_, header) = SafeTensors::read_metadata(file).ok()?;
    let tensors = SafeTensors::deserialize(file).ok()?;
    let metadata: BTreeMap<_, _> = header.metadata().as_ref()?.iter().collect();
    let tensors: BTreeMap<_, _> = tensors.tensors().into_iter().collect();
    let mut hasher = Sha256::new();
    let mut add = |part: &[u8]| {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    };
    for (key, value) in metadata.into_iter().filter(|&(key, _)| key != "sha256") {
        add(key.as_bytes());
        add(value.as_bytes());
    }
    for (name, view) in &tensors {
        add(name.as_bytes());
        add(format!("{:?} {:?}", view.dtype(), view.shape()).as_bytes());
        add(view.data());
    }
    Some(base16ct::lower::encode_string(&hasher.finalize()))
}

/// A checkpoint with these values; the weights are repeated or cut off to be as many as it needs.
fn made(input: &[u8]) -> Vec<u8> {
    let mut values = input.splitn(7, |&byte| byte == 0);
    let mut text = || String::from_utf8_lossy(values.next().unwrap_or_default());
    let (vocabulary, model) = (text(), text());
    let v = vocabulary.chars().take(MOST_CHARACTERS).count();
    let bytes = 4 * v * v;
    let header = json!({
        "__metadata__": {
            "format": "makemore-tch",
            "format_version": "2",
            "model": if model.is_empty() { "bigram".into() } else { model },
            "config": "{}",
            "vocabulary": vocabulary,
            "boundary": vocabulary.chars().take(1).collect::<String>(),
            "seed": text(),
            "epochs": text(),
            "loss": text(),
            "libtorch": text(),
            "data_crc32": "0123abcd",
            "data_words": "3",
            "data_characters": "12",
            "sha256": "0".repeat(64),
        },
        "W": { "dtype": "F32", "shape": [v, v], "data_offsets": [0, bytes] },
    });
    let weights = values.next().filter(|weights| !weights.is_empty());
    let weights = weights.unwrap_or(&[0]).iter().copied().cycle();
    let header = header.to_string().into_bytes();
    completed(
        &header
            .into_iter()
            .chain([0])
            .chain(weights.take(bytes))
            .collect::<Vec<u8>>(),
    )
}

/// The checkpoint of a small network of makemore.py, with some bytes changed.
fn changed(input: &[u8]) -> Vec<u8> {
    let byte = |place: usize| usize::from(input.get(place).copied().unwrap_or(0));
    let sizes = Sizes {
        block_size: 1 + byte(1) % 8,
        n_embd: 2 * (1 + byte(2) % 4),
        n_embd2: 1 + byte(3) % 8,
        n_layer: 1 + byte(4) % 2,
        n_head: 1 + byte(5) % 2,
        hidden_layers: 1 + byte(4) % 3,
        batchnorm: byte(5) % 4 > 1,
        ..Sizes::default()
    };
    let kind = KINDS[byte(0) % KINDS.len()];
    let sizes = match kind.check(4, &sizes) {
        Ok(()) => sizes,
        // Characters that are joined two by two.
        Err(_) => Sizes {
            block_size: 2 << (byte(1) % 3),
            ..sizes
        },
    };
    let vocabulary = Vocabulary::new('.', "abc".chars()).unwrap();
    let config = Config::new(kind, sizes);
    let network = Network::new(vocabulary, config, 1, tch::Device::Cpu).unwrap();
    let checkpoint = Checkpoint {
        model: Model::Network(TrainedNetwork {
            network,
            steps: 3,
            loss: 2.5,
            dev_losses: Vec::new(),
            run: None,
        }),
        seed: 1,
        libtorch: "2.13.0".to_owned(),
        data: Digest {
            crc32: 1,
            words: 3,
            characters: 12,
        },
        split: SplitOf::all(1),
        list: None,
    };
    let file = checkpoint.to_bytes().unwrap();
    let size = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let (header, tensors) = file[8..].split_at(size);
    let header = String::from_utf8_lossy(header);
    let (before, signed) = header.split_once(r#""sha256":""#).unwrap();
    let header = format!(r#"{before}"sha256":"{}{}"#, "0".repeat(64), &signed[64..]);
    let mut parts = [header.as_bytes(), &[0], tensors].concat();
    for change in input.get(6..).unwrap_or_default().chunks_exact(3) {
        let place = usize::from(u16::from_le_bytes([change[0], change[1]]));
        if let Some(byte) = parts.get_mut(place) {
            *byte = change[2];
        }
    }
    completed(&parts)
}

fuzz_target!(|data: &[u8]| {
    static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
    let [form, input @ ..] = data else {
        return;
    };
    let file = FOLDER.path().join("checkpoint");
    let bytes = match form % 4 {
        0 => input.to_vec(),
        1 => completed(input),
        2 => made(input),
        _ => changed(input),
    };
    fs::write(&file, bytes).unwrap();
    load(&file, &FOLDER.path().join("copy"));
});
