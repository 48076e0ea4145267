//! Reading ARPA files of any program.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::lines::{ArpaLine, ArpaLines};
use super::token::Token;
use crate::counting::packed::{Packed, Packing};
use crate::data::vocabulary::Vocabulary;
use crate::data::words::MAX_CHARACTERS;
use crate::error::{Error, Result};
use crate::files::open;
use crate::memory::Memory;
use crate::models::ngram::trie::{Level, Trie, contexts};
use crate::models::ngram::view::{Probabilities, View};
use crate::models::ngram::{Ngram, small};

/// Candidates for the start/end token; the first that is no character of the model is taken.
const BOUNDARIES: &str = ".$#|^~_@%&*+=/";

/// Characters that stand for the space in files of some programs, and for themselves in others.
pub const SPACES: [char; 2] = ['|', '▁'];

/// What an ARPA file does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// The start/end token; if it is none, a full stop or another sign that is no character of the model.
    pub boundary: Option<char>,
    /// A token that stands for the space, beside `<space>`, `<SPACE>`, `<sp>` and `<U+0020>`, which always do.
    pub space: Option<String>,
}

/// Reads a model of characters.
///
/// N-grams that no word has, with `</s>` before their end or `<s>` after their beginning, are left out.
/// A probability of 10^-99 is one; KenLM takes it so too.
///
/// # Errors
///
/// [`Error::Arpa`] names the first line that cannot be used; [`Error::ModelMemory`] if the n-grams take
/// more memory than there is; [`Error::Read`] if the file cannot be read.
pub fn read(path: &Path, options: &ReadOptions, memory: &Memory) -> Result<Ngram> {
    read_from(path, open(path)?, options, memory)
}

/// [`read`] from an open file.
pub(crate) fn read_from(
    path: &Path,
    opened: impl Read + Send + 'static,
    options: &ReadOptions,
    memory: &Memory,
) -> Result<Ngram> {
    let mut lines = ArpaLines::of(path, opened)?;
    let counts = lines.counts()?;
    let characters = Characters::read(&mut lines, &counts, options)?;
    let packing = Packing::checked(characters.vocabulary.len() + 1, counts.len());
    let packing = packing.map_err(|error| lines.fault(error.to_string()))?;
    match packing.bits() {
        0..=64 => model::<u64>(lines, &counts, characters, packing, memory),
        _ => model::<u128>(lines, &counts, characters, packing, memory),
    }
}

/// The 1-grams: the characters of the model.
struct Characters {
    vocabulary: Vocabulary,
    probabilities: Probabilities,
    /// Whether the file has `<unk>`.
    has_unknown: bool,
    /// The indices of tokens.
    indices: HashMap<String, usize, RandomState>,
    /// The same of tokens of one byte, which are most.
    of_bytes: Vec<Option<usize>>,
}

/// The 1-grams of a file.
#[derive(Default)]
struct Unigrams {
    /// The probability and the backoff of each token.
    found: HashMap<Token, (f32, f32)>,
    /// The tokens by their texts.
    tokens: HashMap<String, Token>,
}

impl Unigrams {
    fn read(lines: &mut ArpaLines, counts: &[u64], space: Option<&str>) -> Result<Self> {
        let mut unigrams = Self::default();
        lines.ngrams(1, counts, |lines, line| {
            let fault = |fault| Err(lines.fault(fault));
            let text = line.tokens[0];
            let token = match Some(text) == space {
                true => Some(Token::Character(' ')),
                false => Token::of(text),
            };
            let Some(token) = token else {
                return fault(format!(
                    "{text:?} is more than one character: this is a model of words, and only models of characters can be read; if it stands for the space, naming it as the space token would work"
                ));
            };
            if unigrams.found.insert(token, (line.p, line.backoff)).is_some() {
                let is_same = |other: &&String| unigrams.tokens[*other] == token;
                return fault(match unigrams.tokens.keys().find(is_same) {
                    Some(other) if other != text => format!(
                        "{text:?} stands for the same as {other:?}; a file with one of them would work"
                    ),
                    _ => format!("{text:?} is there twice"),
                });
            }
            if unigrams.found.len() > MAX_CHARACTERS + 3 {
                return fault(format!("more than {MAX_CHARACTERS} characters"));
            }
            unigrams.tokens.insert(text.to_owned(), token);
            Ok(())
        })?;
        Ok(unigrams)
    }
}

impl Characters {
    fn read(lines: &mut ArpaLines, counts: &[u64], options: &ReadOptions) -> Result<Self> {
        let space = options.space.as_deref();
        let Unigrams { found, tokens } = Unigrams::read(lines, counts, space)?;
        let missing = |token| lines.fault(format!("there is no {token} among the 1-grams"));
        let (_, of_start) = *found.get(&Token::Start).ok_or_else(|| missing("<s>"))?;
        let (end, _) = *found.get(&Token::End).ok_or_else(|| missing("</s>"))?;
        if let Some(space) = space
            && !found.contains_key(&Token::Character(' '))
        {
            return Err(missing(space));
        }
        let vocabulary = vocabulary(&found, options.boundary, lines)?;
        let (mut p, mut backoff) = (vec![end], vec![of_start]);
        for &character in &vocabulary.characters()[1..] {
            let (of_p, of_backoff) = found[&Token::Character(character)];
            p.push(of_p);
            backoff.push(of_backoff);
        }
        let unknown = found.get(&Token::Unknown);
        p.extend(unknown.map(|&(p, _)| p));
        backoff.push(unknown.map_or(1.0, |&(_, backoff)| backoff));
        let index_of = |token| match token {
            Token::Start | Token::End => 0,
            Token::Unknown => vocabulary.len(),
            Token::Character(character) => vocabulary.stoi(character).unwrap_or(0),
        };
        let indices = tokens
            .into_iter()
            .map(|(text, token)| (text, index_of(token)));
        let indices: HashMap<_, _, RandomState> = indices.collect();
        let of_byte = |byte: u8| {
            indices
                .get(char::from(byte).encode_utf8(&mut [0; 2]))
                .copied()
        };
        Ok(Self {
            of_bytes: (0..0x80).map(of_byte).collect(),
            indices,
            has_unknown: unknown.is_some(),
            probabilities: Probabilities { p, backoff },
            vocabulary,
        })
    }

    /// The index of a token. It may be spelt differently than in the 1-grams: `<S>` for `<s>`.
    fn index(&self, text: &str) -> Option<usize> {
        let other = || match Token::of(text)? {
            Token::Start | Token::End => Some(0),
            Token::Unknown => self.has_unknown.then_some(self.vocabulary.len()),
            Token::Character(_) => None,
        };
        if let &[byte] = text.as_bytes() {
            return self.of_bytes[usize::from(byte)];
        }
        self.indices.get(text).copied().or_else(other)
    }

    /// Packs the indices of an n-gram's tokens; none if no word has it.
    fn pack<K: Packed>(
        &self,
        lines: &ArpaLines,
        tokens: &[&str],
        packing: Packing,
    ) -> Result<Option<K>> {
        let mask = packing.mask();
        let mut ngram = K::default();
        for (place, &token) in tokens.iter().enumerate() {
            let unknown = || lines.fault(format!("{token:?} is not among the 1-grams"));
            let index = self.index(token).ok_or_else(unknown)?;
            let is_in_words = match index {
                0 if Token::of(token) == Some(Token::Start) => place == 0,
                0 => place + 1 == tokens.len(),
                _ => true,
            };
            if !is_in_words {
                return Ok(None);
            }
            ngram = packing.push(ngram, index as u16, mask);
        }
        Ok(Some(ngram))
    }

    /// An n-gram as text, for errors.
    fn text(&self, indices: impl Iterator<Item = usize>) -> String {
        let characters = self.vocabulary.characters();
        let text = indices.map(|index| {
            let character = characters.get(index);
            character.map_or("<unk>".to_owned(), char::to_string)
        });
        format!("{:?}", text.collect::<Vec<_>>().join(" "))
    }
}

fn vocabulary(
    found: &HashMap<Token, (f32, f32)>,
    boundary: Option<char>,
    lines: &ArpaLines,
) -> Result<Vocabulary> {
    let characters = found.keys().filter_map(|token| match token {
        Token::Character(character) => Some(*character),
        _ => None,
    });
    let free = |boundary: &char| !found.contains_key(&Token::Character(*boundary));
    let boundary = boundary
        .or_else(|| BOUNDARIES.chars().find(free))
        .or_else(|| ('!'..).find(|character| free(character) && !character.is_control()))
        .unwrap_or('.');
    Vocabulary::new(boundary, characters).map_err(|error| lines.fault(error.to_string()))
}

/// An n-gram of a file.
#[derive(Clone, Copy)]
struct ArpaNgram<K> {
    ngram: K,
    /// NaN for a suffix that is not in the file.
    p: f32,
    backoff: f32,
    line: u32,
}

/// The bytes that an n-gram takes in a model: last character, children, suffix, probability and
/// backoff.
const BYTES_OF_A_MODEL: u64 = 2 + 4 + 4 + 4 + 4;

/// The number of n-grams that memory is reserved for at once.
const BLOCK: u64 = 1 << 10;

/// The memory that is reserved while a file is read.
struct Reserved<'a> {
    memory: &'a Memory,
    file: String,
    /// The bytes of an n-gram while the file is read: as [`ArpaNgram`], packed, and in the model.
    an_ngram: u64,
    /// The number of n-grams that the head of the file names.
    claimed: u64,
    ngrams: u64,
}

impl Reserved<'_> {
    fn add(&mut self, ngrams: u64) -> Result<()> {
        if self.memory.reserve(ngrams * self.an_ngram) {
            self.ngrams += ngrams;
            return Ok(());
        }
        let others = self.memory.limit() - self.memory.free() - self.ngrams * self.an_ngram;
        let ngrams =
            self.claimed.max(self.ngrams + ngrams) + BLOCK * crate::counting::MAX_ORDER as u64;
        Err(Error::ModelMemory {
            file: self.file.clone(),
            limit: self.memory.limit(),
            needed: rounded_up(others.saturating_add(ngrams.saturating_mul(self.an_ngram))),
        })
    }

    /// Releases all memory but that of the model.
    fn settle(self, model: &View) {
        let levels = 1..=model.order();
        let ngrams: u64 = levels.map(|length| model.ngrams(length)).sum();
        let kept = ngrams * BYTES_OF_A_MODEL;
        self.memory
            .release((self.ngrams * self.an_ngram).saturating_sub(kept));
    }
}

/// Rounds up to two significant digits.
fn rounded_up(bytes: u64) -> u64 {
    let unit = 10_u64.pow(bytes.max(100).ilog10() - 1);
    bytes.div_ceil(unit).saturating_mul(unit)
}

fn model<K: Packed>(
    mut lines: ArpaLines,
    counts: &[u64],
    characters: Characters,
    packing: Packing,
    memory: &Memory,
) -> Result<Ngram> {
    let mut reserved = Reserved {
        memory,
        file: lines.file().to_owned(),
        an_ngram: (size_of::<ArpaNgram<K>>() + size_of::<K>()) as u64 + BYTES_OF_A_MODEL,
        claimed: counts
            .iter()
            .fold(0, |sum, &count| sum.saturating_add(count)),
        ngrams: 0,
    };
    let mut levels: Vec<Vec<ArpaNgram<K>>> = Vec::new();
    for length in 2..=counts.len() {
        let packing = packing.of_order(length);
        let mut level: Vec<ArpaNgram<K>> = Vec::new();
        lines.ngrams(length, counts, |lines, ArpaLine { p, tokens, backoff }| {
            let Some(ngram) = characters.pack(lines, tokens, packing)? else {
                return Ok(());
            };
            if (level.len() as u64).is_multiple_of(BLOCK) {
                reserved.add(BLOCK)?;
            }
            level.push(ArpaNgram {
                ngram,
                p,
                backoff,
                line: lines.number as u32,
            });
            Ok(())
        })?;
        level.sort_unstable_by_key(|entry| (entry.ngram, entry.line));
        if let Some((line, ngram, fault)) = first_fault(&level, levels.last(), packing) {
            let ngram = characters.text(packing.unpack(ngram));
            return Err(lines.fault_at(line as usize, format!("the {length}-gram {ngram} {fault}")));
        }
        levels.push(level);
    }
    lines.require("\\end\\")?;
    for upper in (1..levels.len()).rev() {
        let added = missing_suffixes(
            &levels[upper],
            &levels[upper - 1],
            packing.of_order(upper + 1),
        );
        reserved.add(added.len() as u64)?;
        let lower = &mut levels[upper - 1];
        lower.extend(added);
        lower.sort_unstable_by_key(|entry| entry.ngram);
    }
    let v = characters.vocabulary.len();
    let view = view(levels, characters.probabilities, v, packing)
        .ok_or_else(|| lines.fault(format!("no n-grams of {v} characters")))?;
    reserved.settle(&view);
    Ok(Ngram::with(characters.vocabulary, None, view))
}

/// The first line of a sorted level whose n-gram occurs twice or lacks its context, with the n-gram and
/// the fault.
fn first_fault<K: Packed>(
    level: &[ArpaNgram<K>],
    lower: Option<&Vec<ArpaNgram<K>>>,
    packing: Packing,
) -> Option<(u32, K, String)> {
    let twice = level
        .windows(2)
        .filter(|pair| pair[0].ngram == pair[1].ngram);
    let twice = twice.map(|pair| (pair[1].line, pair[1].ngram, "is there twice".to_owned()));
    let mut place = 0;
    let without_context = level.iter().filter(|entry| {
        let context = packing.context(entry.ngram);
        lower.is_some_and(|lower| !find_from(lower, &mut place, context))
    });
    let without_context = without_context.map(|entry| {
        let shorter = packing.order() - 1;
        let fault = format!("has no backoff: what it begins with is not among the {shorter}-grams");
        (entry.line, entry.ngram, fault)
    });
    twice.chain(without_context).min_by_key(|&(line, ..)| line)
}

/// Whether an n-gram is among sorted ones, none of which is as far as it before `place`; its place, or that of the
/// next one, is the new `place`. Near places are found soon.
fn find_from<K: Packed>(sorted: &[ArpaNgram<K>], place: &mut usize, ngram: K) -> bool {
    let rest = &sorted[*place..];
    let is_before = |entry: &ArpaNgram<K>| entry.ngram < ngram;
    let mut reach = 1;
    while rest.get(reach).is_some_and(is_before) {
        reach *= 2;
    }
    *place += rest[..rest.len().min(reach + 1)].partition_point(is_before);
    sorted.get(*place).is_some_and(|entry| entry.ngram == ngram)
}

/// The suffixes of the n-grams of `upper` that `lower` lacks; `shorter` is the packing of `lower`.
fn missing_suffixes<K: Packed>(
    upper: &[ArpaNgram<K>],
    lower: &[ArpaNgram<K>],
    shorter: Packing,
) -> Vec<ArpaNgram<K>> {
    let mask = shorter.mask();
    let (mut place, mut before) = (0, K::default());
    let mut missing = Vec::new();
    for suffix in upper.iter().map(|entry| entry.ngram & mask) {
        // Those behind one first character are sorted.
        if suffix < before {
            place = 0;
        }
        before = suffix;
        if !find_from(lower, &mut place, suffix) {
            missing.push(suffix);
        }
    }
    missing.sort_unstable();
    missing.dedup();
    let entry = |ngram| ArpaNgram {
        ngram,
        p: f32::NAN,
        backoff: 1.0,
        line: 0,
    };
    missing.into_iter().map(entry).collect()
}

fn view<K: Packed>(
    entries: Vec<Vec<ArpaNgram<K>>>,
    characters: Probabilities,
    v: usize,
    packing: Packing,
) -> Option<View> {
    let order = entries.len() + 1;
    let mut levels = vec![Level {
        last: (0..=v as u16).collect(),
        ..Level::default()
    }];
    let mut probabilities = vec![characters];
    let mut below: Vec<K> = (0..=v as u16).map(K::from).collect();
    for (length, level) in (2..).zip(entries) {
        let packing = packing.of_order(length);
        let ngrams: Vec<K> = level.iter().map(|entry| entry.ngram).collect();
        levels[length - 2].set_children(contexts(ngrams.iter().copied(), packing, &below));
        let last = ngrams.iter().map(|&ngram| packing.last(ngram) as u16);
        levels.push(Level {
            last: last.collect(),
            ..Level::default()
        });
        probabilities.push(Probabilities {
            p: level.iter().map(|entry| entry.p).collect(),
            backoff: level.iter().map(|entry| entry.backoff).collect(),
        });
        below = ngrams;
    }
    if let Some(longest) = probabilities.last_mut() {
        longest.backoff = Vec::new();
    }
    let trie = Trie::with_suffixes(levels, v)?;
    for length in 2..=order {
        back_off(&trie, &mut probabilities, length);
    }
    Some(View {
        trie: Arc::new(trie),
        levels: probabilities.into_iter().map(Arc::new).collect(),
        unit: 1.0,
    })
}

/// Sets the probabilities of the n-grams of a length that were added to the file's, by backing off.
fn back_off(trie: &Trie, probabilities: &mut [Probabilities], length: usize) {
    let (lower, upper) = probabilities.split_at_mut(length - 1);
    let (Some(lower), Some(upper)) = (lower.last(), upper.first_mut()) else {
        return;
    };
    for (context, ends) in trie.level(length - 1).children.windows(2).enumerate() {
        for child in ends[0] as usize..ends[1] as usize {
            if upper.p[child].is_nan() {
                let suffix = trie.level(length).suffix[child] as usize;
                let (backoff, p) = (lower.backoff[context].into(), lower.p[suffix].into());
                upper.p[child] = small::stored(small::product(backoff, p));
            }
        }
    }
}
