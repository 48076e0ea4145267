//! The words of a list in a page, so that it knows which drawn words are new.

use std::collections::BTreeSet;

use serde::Serialize;

use super::packed::{Packed, PackedTensor, Precision};
use crate::error::Result;

/// The form in which a page has the words of the list.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    strum::EnumString,
    strum::EnumMessage,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Known {
    /// All of them, so that "new" is exact; whoever has the page can read the list
    #[default]
    List,
    /// A Bloom filter, which tells of a word whether it is in the list, and is wrong for one in 300
    Bloom,
    /// Not at all
    None,
}

/// The words of a list, packed.
#[derive(Debug, Serialize)]
pub(super) struct KnownWords {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hashes: Option<u32>,
    blob: &'static str,
    parts: Vec<PackedTensor>,
    #[serde(skip)]
    pub base64: String,
}

impl KnownWords {
    /// Whether they can be read.
    pub fn is_list(&self) -> bool {
        self.kind == <&str>::from(Known::List)
    }
}

/// The id of their element.
pub(super) const BLOB: &str = "known";

impl Known {
    /// Packs words.
    pub(super) fn pack(self, words: &BTreeSet<String>) -> Result<Option<KnownWords>> {
        let (tensors, hashes) = match self {
            Self::List => (front_coded(words).to_vec(), None),
            Self::Bloom => (vec![("bits", bloom(words))], Some(HASHES)),
            Self::None => return Ok(None),
        };
        let tensors = tensors
            .into_iter()
            .map(|(name, bytes)| Packed::byte_tensor(name, bytes));
        let Packed { tensors, base64 } = Packed::of(tensors, Precision::F32)?;
        Ok(Some(KnownWords {
            kind: self.into(),
            hashes,
            blob: BLOB,
            parts: tensors,
            base64,
        }))
    }
}

/// How many characters each word has in common with the one before, at most 255, and the other characters
/// of each, a line each.
fn front_coded(words: &BTreeSet<String>) -> [(&'static str, Vec<u8>); 2] {
    let (mut shared, mut rests) = (Vec::new(), String::new());
    let mut before = "";
    for word in words {
        let same = before.chars().zip(word.chars());
        let same = same
            .take_while(|(one, other)| one == other)
            .take(255)
            .count();
        if !shared.is_empty() {
            rests.push('\n');
        }
        shared.push(same as u8);
        rests.extend(word.chars().skip(same));
        before = word;
    }
    [("shared", shared), ("rests", rests.into_bytes())]
}

/// The bits of a Bloom filter for each word.
const BITS: usize = 12;

/// How many bits are set by each word.
const HASHES: u32 = 8;

/// A Bloom filter.
///
/// Source: Bloom, *Space/time trade-offs in hash coding with allowable errors*, 1970; two hashes for all
/// as in Kirsch and Mitzenmacher, *Less hashing, same performance*, 2006.
fn bloom(words: &BTreeSet<String>) -> Vec<u8> {
    let mut bits = vec![0; (words.len() * BITS).div_ceil(8).max(8)];
    let size = bits.len() as u32 * 8;
    for word in words {
        let (one, other) = hashes(word);
        for hash in 0..HASHES {
            let bit = one.wrapping_add(hash.wrapping_mul(other)) % size;
            bits[bit as usize / 8] |= 1_u8 << (bit % 8);
        }
    }
    bits
}

/// Two hashes of a word: FNV-1a, mixed as MurmurHash3 ends.
fn hashes(word: &str) -> (u32, u32) {
    let fnv = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = word.bytes().fold(0x811C_9DC5, fnv);
    (mixed(hash), mixed(hash ^ 0x9E37_79B9) | 1)
}

fn mixed(hash: u32) -> u32 {
    let hash = (hash ^ (hash >> 16)).wrapping_mul(0x85EB_CA6B);
    let hash = (hash ^ (hash >> 13)).wrapping_mul(0xC2B2_AE35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn a_list_has_of_each_word_what_the_one_before_lacks() {
        let long = "b".repeat(300);
        let words = words(&["anna", "ann", "日本", "日", &long, &format!("{long}a")]);
        let [(_, shared), (_, rests)] = front_coded(&words);
        assert_eq!(shared, [0, 3, 0, 255, 0, 1]);
        let rests = String::from_utf8(rests).unwrap();
        let lines: Vec<&str> = rests.split('\n').collect();
        assert_eq!(
            lines,
            ["ann", "a", &long, &format!("{}a", &long[255..]), "日", "本"]
        );
    }

    #[test]
    fn a_bloom_filter_has_all_words_and_few_others() {
        let known: BTreeSet<String> = (0..1000).map(|number| format!("word {number}")).collect();
        let bits = bloom(&known);
        let has = |word: &str| {
            let (one, other) = hashes(word);
            (0..HASHES).all(|hash| {
                let bit = one.wrapping_add(hash.wrapping_mul(other)) % (bits.len() as u32 * 8);
                bits[bit as usize / 8] & 1 << (bit % 8) != 0
            })
        };
        assert!(known.iter().all(|word| has(word)));
        let others = (0..10_000).filter(|number| has(&format!("other {number}")));
        assert!((5..100).contains(&others.count()));
    }
}
