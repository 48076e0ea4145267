//! An n-gram model in a checkpoint.
//!
//! Tensors for each length `k` from 1 to `N`, with the `n` n-grams of that length:
//!
//! | tensor | shape | contents |
//! |---|---|---|
//! | `k.character` | `[n]`, u16 | the index of the last character (not for `k` = 1, where there are all characters and `<unk>`) |
//! | `k.followers` | `[n]`, u16 | the number of n-grams of `k + 1` characters that continue it (not for `k` = `N`) |
//! | `k.probability` | `[n]`, f32 | the probability of the last character after the others |
//! | `k.backoff` | `[n]`, f32 | the backoff (not for `k` = `N`), times `1 / V` for additive smoothing |
//!
//! The n-grams that continue the first n-gram of the level below come first, then those of the second,
//! and so on. A probability or backoff that is too small for f32, from an ARPA file, is stored as its
//! logarithm to base 10, which is below 0.

use std::collections::BTreeMap;
use std::sync::Arc;

use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize};

use super::file::{Contents, Stored, is_float};
use crate::counting::MAX_ORDER;
use crate::data::words::LONGEST_WORD;
use crate::error::Result;
use crate::models::ngram::small;
use crate::models::ngram::trie::{Level, Trie};
use crate::models::ngram::view::{Probabilities, View};
use crate::models::{LanguageModel, Ngram, Smoothing};

/// The kind of the model in the metadata.
pub(super) const KIND: &str = "ngram";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SmoothingConfig {
    order: usize,
    smoothing: Option<Smoothing>,
}

pub(super) fn metadata(ngram: &Ngram) -> Result<Vec<(&'static str, String)>> {
    let config = SmoothingConfig {
        order: ngram.order(),
        smoothing: ngram.smoothing(),
    };
    let config = serde_json::to_string(&config)?;
    let longest = ngram.longest_word();
    let longest = longest.map(|longest| ("longest_word", longest.to_string()));
    let all = [("model", KIND.to_owned()), ("config", config)];
    Ok(all.into_iter().chain(longest).collect())
}

pub(super) fn tensors(ngram: &Ngram) -> BTreeMap<String, Stored> {
    let view = ngram.view();
    let mut tensors = BTreeMap::new();
    let mut add = |length: usize, what: &str, dtype, n: usize, bytes: Vec<u8>| {
        let shape = vec![n];
        let stored = Stored {
            dtype,
            shape,
            bytes,
        };
        tensors.insert(format!("{length}.{what}"), stored);
    };
    let u16s = |numbers: &mut dyn Iterator<Item = u16>| -> Vec<u8> {
        numbers.flat_map(u16::to_le_bytes).collect()
    };
    let f32s = |numbers: &[f32]| -> Vec<u8> {
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect()
    };
    for (index, probabilities) in view.levels.iter().enumerate() {
        let (length, level) = (index + 1, &view.trie.levels[index]);
        let n = level.last.len();
        if length > 1 {
            let last = u16s(&mut level.last.iter().copied());
            add(length, "character", Dtype::U16, n, last);
        }
        let p = &probabilities.p;
        add(length, "probability", Dtype::F32, p.len(), f32s(p));
        if length < view.order() {
            let followers = level.children.windows(2);
            let followers = u16s(&mut followers.map(|ends| (ends[1] - ends[0]) as u16));
            add(length, "followers", Dtype::U16, n, followers);
            add(
                length,
                "backoff",
                Dtype::F32,
                n,
                f32s(&probabilities.backoff),
            );
        }
    }
    tensors
}

pub(super) fn read(file: &Contents) -> Result<Ngram> {
    let vocabulary = file.vocabulary()?;
    let config: SmoothingConfig = serde_json::from_str(file.value("config")?)
        .map_err(|_| file.fault("of another model than this version knows"))?;
    let order = config.order;
    if !(1..=MAX_ORDER).contains(&order) {
        return Err(file.fault(format!("no n-gram model has order {order}")));
    }
    let v = vocabulary.len();
    let mut stored = Tensors { file, read: 0 };
    let (mut levels, mut probabilities): (Vec<Level>, Vec<Arc<Probabilities>>) = Default::default();
    for length in 1..=order {
        let mut level = Level {
            last: match length {
                1 => (0..=v as u16).collect(),
                _ => stored.u16s(length, "character")?,
            },
            ..Level::default()
        };
        let mut of_level = Probabilities {
            p: stored.f32s(length, "probability")?,
            backoff: Vec::new(),
        };
        let n = level.last.len();
        let is_complete = of_level.p.len() == n || (length == 1 && of_level.p.len() == v);
        let mut fits = is_complete && of_level.p.iter().all(|&p| p <= 1.0 && small::is_stored(p));
        if length < order {
            let mut end = 0_u32;
            level.children.push(end);
            for followers in stored.u16s(length, "followers")? {
                end = end.saturating_add(followers.into());
                level.children.push(end);
            }
            of_level.backoff = stored.f32s(length, "backoff")?;
            fits &= level.children.len() == n + 1 && of_level.backoff.len() == n;
            fits &= of_level.backoff.iter().all(|&b| small::is_stored(b));
        }
        if !fits {
            return Err(file.fault(format!(
                "its n-grams of {length} characters are not as the model has them"
            )));
        }
        levels.push(level);
        probabilities.push(Arc::new(of_level));
    }
    if stored.read != file.tensors.len() {
        return Err(file.fault("it has more tensors than an n-gram model"));
    }
    let trie = Trie::with_suffixes(levels, v)
        .ok_or_else(|| file.fault("its n-grams are not those of words"))?;
    let view = View {
        trie: Arc::new(trie),
        levels: probabilities,
        unit: config
            .smoothing
            .map_or(1.0, |smoothing| smoothing.backoff_unit(v)),
    };
    Ok(Ngram::with(vocabulary, config.smoothing, view).of_words_up_to(longest_word(file)?))
}

/// The characters of the longest word, which earlier checkpoints do not say.
fn longest_word(file: &Contents) -> Result<Option<usize>> {
    if !file.metadata.contains_key("longest_word") {
        return Ok(None);
    }
    let longest = file.number("longest_word")?;
    match longest <= LONGEST_WORD {
        true => Ok(Some(longest)),
        false => Err(file.damaged()),
    }
}

/// The tensors of a file, and the number of them that were read.
struct Tensors<'a, 'b> {
    file: &'a Contents<'b>,
    read: usize,
}

impl Tensors<'_, '_> {
    fn u16s(&mut self, length: usize, what: &str) -> Result<Vec<u16>> {
        let (numbers, _) = self.data(length, what, Dtype::U16)?.as_chunks();
        Ok(numbers
            .iter()
            .map(|&bytes| u16::from_le_bytes(bytes))
            .collect())
    }

    fn f32s(&mut self, length: usize, what: &str) -> Result<Vec<f32>> {
        let (numbers, _) = self.data(length, what, Dtype::F32)?.as_chunks();
        Ok(numbers
            .iter()
            .map(|&bytes| f32::from_le_bytes(bytes))
            .collect())
    }

    /// The bytes of a tensor of one dimension.
    fn data(&mut self, length: usize, what: &str, dtype: Dtype) -> Result<&[u8]> {
        self.read += 1;
        let name = format!("{length}.{what}");
        match self.file.tensors.get(&name) {
            Some(view) if view.dtype() == dtype && view.shape().len() == 1 => Ok(view.data()),
            // Rounded probabilities no longer add up to 1.
            Some(view) if is_float(view.dtype()) && view.dtype() != dtype => Err(self.file.fault(format!(
                "the tensor {name:?} of its n-grams is of {}, and was written as {dtype}; the file as it was written would work",
                view.dtype()
            ))),
            _ => Err(self.file.fault(format!(
                "there is no tensor {name:?} as an n-gram model has it"
            ))),
        }
    }
}
