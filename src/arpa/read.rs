//! Reading ARPA files, whoever wrote them.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use ethnum::U256;
use foldhash::fast::RandomState;

use super::character_of;
use crate::counting::MAX_ORDER;
use crate::counting::packed::{Packed, Packing};
use crate::data::decompress::decompressed;
use crate::data::vocabulary::Vocabulary;
use crate::data::words::MAX_CHARACTERS;
use crate::error::{Error, Result};
use crate::files::open;
use crate::models::Ngram;
use crate::models::ngram::trie::{Level, Node, Trie};
use crate::models::ngram::view::{Probabilities, View};

/// The most bytes of a line; those of n-grams have some dozen.
const LONGEST_LINE: u64 = 1 << 16;

/// The most lines before the line that begins the data.
const LONGEST_PREAMBLE: usize = 1000;

/// The most blank lines after each other.
const MOST_BLANK: usize = 1000;

/// Start/end tokens to choose from, the first one that is no character of the model.
const BOUNDARIES: &str = ".$#|^~_@%&*+=/";

/// Reads a model of characters; its start/end token is `boundary` or, if none is chosen, a full stop
/// or another sign that is no character of the model.
///
/// # Errors
///
/// [`Error::Arpa`] names the first line that is not as it should be; if the file cannot be read.
pub fn read(path: &Path, boundary: Option<char>) -> Result<Ngram> {
    read_from(path, open(path)?, boundary)
}

/// As [`read`], from a file that is open.
pub(crate) fn read_from(
    path: &Path,
    opened: impl Read + Send + 'static,
    boundary: Option<char>,
) -> Result<Ngram> {
    let mut lines = Lines::of(path, opened)?;
    let counts = counts(&mut lines)?;
    let characters = Characters::read(&mut lines, &counts, boundary)?;
    let packing = Packing::new(characters.vocabulary.len() + 1, counts.len());
    match packing.bits() {
        0..=64 => rest::<u64>(lines, &counts, characters, packing),
        65..=128 => rest::<u128>(lines, &counts, characters, packing),
        _ => rest::<U256>(lines, &counts, characters, packing),
    }
}

/// How many n-grams of each length the file says that it has; ends with the line after that.
fn counts(lines: &mut Lines) -> Result<Vec<u64>> {
    let mut preamble = 0;
    while lines.line() != "\\data\\" {
        preamble += 1;
        if preamble > LONGEST_PREAMBLE || !lines.next()? {
            return Err(lines.fault("no ARPA file: there is no line \\data\\ at its beginning"));
        }
    }
    let mut counts = Vec::new();
    loop {
        lines.go_on("how many n-grams there are, and \\1-grams:")?;
        let expected = counts.len() + 1;
        let Some(count) = lines.line().strip_prefix("ngram ") else {
            return match counts.is_empty() {
                true => Err(lines.fault("expected how many n-grams there are, ngram 1=COUNT")),
                false => Ok(counts),
            };
        };
        let (length, count) = count.split_once('=').unwrap_or_default();
        match (length.trim().parse::<usize>(), count.trim().parse::<u64>()) {
            (Ok(length), Ok(count)) if length == expected => counts.push(count),
            _ => return Err(lines.fault(format!("expected ngram {expected}=COUNT"))),
        }
        if counts.len() > MAX_ORDER {
            let most = format!("n-grams of more than {MAX_ORDER} characters cannot be read");
            return Err(lines.fault(most));
        }
    }
}

/// Goes through the n-grams of a length, from the line with their heading to the one after them;
/// `each` is told the probability, the tokens, and the backoff, which is 1 where there is none.
fn ngrams(
    lines: &mut Lines,
    length: usize,
    counts: &[u64],
    mut each: impl FnMut(&Lines, f32, &[&str], f32) -> Result<()>,
) -> Result<()> {
    let heading = format!("\\{length}-grams:");
    if lines.line() != heading {
        return Err(lines.fault(format!("expected the line {heading}")));
    }
    let claimed = counts[length - 1];
    let following = match length == counts.len() {
        true => "\\end\\".to_owned(),
        false => format!("\\{}-grams:", length + 1),
    };
    let wanted = format!("{length}-grams or {following}");
    let mut found = 0;
    loop {
        lines.go_on(&wanted)?;
        if lines.line().starts_with('\\') {
            break;
        }
        found += 1;
        if found > claimed {
            let fault = format!("more {length}-grams than the {claimed} that the file says");
            return Err(lines.fault(fault));
        }
        let mut fields = lines.line().split_ascii_whitespace();
        let p = lines.probability(fields.next())?;
        let mut tokens = [""; MAX_ORDER];
        for token in &mut tokens[..length] {
            let missing = || lines.fault(format!("expected {length} characters after a number"));
            *token = fields.next().ok_or_else(missing)?;
        }
        let backoff = lines.backoff(fields.next(), length == counts.len())?;
        if let Some(further) = fields.next() {
            return Err(lines.fault(format!("{further:?} is too much on the line")));
        }
        each(lines, p, &tokens[..length], backoff)?;
    }
    match found == claimed {
        true => Ok(()),
        false => Err(lines.fault(format!(
            "the file says that it has {claimed} {length}-grams, and has {found}"
        ))),
    }
}

/// The single characters.
struct Characters {
    vocabulary: Vocabulary,
    /// Of the characters by their indices, then `<unk>` where the file has it.
    p: Vec<f32>,
    backoff: Vec<f32>,
    /// The indices of tokens.
    indices: HashMap<String, usize, RandomState>,
}

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Token {
    Start,
    End,
    Unknown,
    Character(char),
}

impl Token {
    fn of(token: &str) -> Option<Self> {
        match token {
            "<s>" | "<S>" => Some(Self::Start),
            "</s>" | "</S>" => Some(Self::End),
            "<unk>" | "<UNK>" => Some(Self::Unknown),
            token => character_of(token).map(Self::Character),
        }
    }
}

impl Characters {
    fn read(lines: &mut Lines, counts: &[u64], boundary: Option<char>) -> Result<Self> {
        let mut found: HashMap<Token, (f32, f32)> = HashMap::new();
        let mut tokens: HashMap<String, Token> = HashMap::new();
        ngrams(lines, 1, counts, |lines, p, token, backoff| {
            let text = token[0];
            let token = Token::of(text).ok_or_else(|| {
                lines.fault(format!(
                    "{text:?} is more than one character: this is a model of words, and only models of characters can be read"
                ))
            })?;
            if found.insert(token, (p, backoff)).is_some() {
                return Err(lines.fault(format!("{text:?} is there twice")));
            }
            if found.len() > MAX_CHARACTERS + 3 {
                return Err(lines.fault(format!("more than {MAX_CHARACTERS} characters")));
            }
            tokens.insert(text.to_owned(), token);
            Ok(())
        })?;
        let missing = |token| lines.fault(format!("there is no {token} among the 1-grams"));
        let (_, of_start) = *found.get(&Token::Start).ok_or_else(|| missing("<s>"))?;
        let (end, _) = *found.get(&Token::End).ok_or_else(|| missing("</s>"))?;
        let characters = found.keys().filter_map(|token| match token {
            Token::Character(character) => Some(*character),
            _ => None,
        });
        let free = |boundary: &char| !found.contains_key(&Token::Character(*boundary));
        let boundary = boundary
            .or_else(|| BOUNDARIES.chars().find(free))
            .or_else(|| ('!'..).find(|character| free(character) && !character.is_control()))
            .unwrap_or('.');
        let vocabulary = Vocabulary::new(boundary, characters)
            .map_err(|error| lines.fault(error.to_string()))?;
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
        Ok(Self {
            indices: indices.collect(),
            vocabulary,
            p,
            backoff,
        })
    }

    /// The indices of an n-gram's tokens.
    fn pack<K: Packed>(&self, lines: &Lines, tokens: &[&str], packing: Packing) -> Result<K> {
        let mask = packing.mask();
        let mut ngram = K::default();
        for (place, &token) in tokens.iter().enumerate() {
            let index = self.indices.get(token).copied();
            // <s> among the single ones may be <S> here.
            let index = index.or_else(|| self.of_other_spelling(token));
            let index =
                index.ok_or_else(|| lines.fault(format!("{token:?} is not among the 1-grams")))?;
            if index == 0 {
                let is_start = Token::of(token) == Some(Token::Start);
                let fits = match is_start {
                    true => place == 0,
                    false => place + 1 == tokens.len(),
                };
                if !fits {
                    return Err(lines.fault(format!("{token} in the middle of an n-gram")));
                }
            }
            ngram = packing.push(ngram, index as u16, mask);
        }
        Ok(ngram)
    }
}

impl Characters {
    fn of_other_spelling(&self, token: &str) -> Option<usize> {
        match Token::of(token)? {
            Token::Start | Token::End => Some(0),
            Token::Unknown => (self.p.len() > self.vocabulary.len()).then(|| self.vocabulary.len()),
            Token::Character(_) => None,
        }
    }
}

/// An n-gram with its probability and its backoff. Without a probability it was not in the file,
/// and is only there because it is a suffix.
type Entry<K> = (K, Option<f32>, f32);

fn rest<K: Packed>(
    mut lines: Lines,
    counts: &[u64],
    characters: Characters,
    packing: Packing,
) -> Result<Ngram> {
    let order = counts.len();
    let mut levels: Vec<Vec<Entry<K>>> = Vec::new();
    for length in 2..=order {
        let packing = packing.of_order(length);
        let mut level: Vec<Entry<K>> = Vec::new();
        ngrams(&mut lines, length, counts, |lines, p, tokens, backoff| {
            level.push((characters.pack(lines, tokens, packing)?, Some(p), backoff));
            Ok(())
        })?;
        level.sort_unstable_by_key(|&(ngram, ..)| ngram);
        let text = |ngram| characters.text(packing.unpack(ngram));
        if let Some(twice) = level.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(lines.fault(format!(
                "the {length}-gram {} is there twice",
                text(twice[0].0)
            )));
        }
        if let Some(lower) = levels.last() {
            let mut lower = lower.iter().map(|&(ngram, ..)| ngram).peekable();
            for &(ngram, ..) in &level {
                let context = packing.context(ngram);
                while lower.next_if(|&lower| lower < context).is_some() {}
                if lower.peek() != Some(&context) {
                    return Err(lines.fault(format!(
                        "the {length}-gram {} has no backoff: what it begins with is not among the {}-grams",
                        text(ngram),
                        length - 1
                    )));
                }
            }
        }
        levels.push(level);
    }
    if lines.line() != "\\end\\" {
        return Err(lines.fault("expected the line \\end\\"));
    }
    for upper in (1..levels.len()).rev() {
        add_suffixes(&mut levels, upper, packing.of_order(upper + 1));
    }
    let v = characters.vocabulary.len();
    let view = view(levels, &characters, packing)
        .ok_or_else(|| lines.fault(format!("no n-grams of {v} characters")))?;
    Ok(Ngram::with(characters.vocabulary, None, view))
}

/// Adds the suffixes of the n-grams of one level to those of the level below, which `shorter`
/// packs.
fn add_suffixes<K: Packed>(levels: &mut [Vec<Entry<K>>], upper: usize, shorter: Packing) {
    let mask = shorter.mask();
    let mut suffixes: Vec<K> = levels[upper]
        .iter()
        .map(|&(ngram, ..)| ngram & mask)
        .collect();
    suffixes.sort();
    suffixes.dedup();
    let lower = &mut levels[upper - 1];
    let is_there = |suffix: &K| {
        lower
            .binary_search_by_key(suffix, |&(ngram, ..)| ngram)
            .is_ok()
    };
    suffixes.retain(|suffix| !is_there(suffix));
    if !suffixes.is_empty() {
        lower.extend(suffixes.into_iter().map(|suffix| (suffix, None, 1.0)));
        lower.sort_by_key(|&(ngram, ..)| ngram);
    }
}

fn view<K: Packed>(
    entries: Vec<Vec<Entry<K>>>,
    characters: &Characters,
    packing: Packing,
) -> Option<View> {
    let v = characters.vocabulary.len();
    let order = entries.len() + 1;
    let mut levels = vec![Level {
        last: (0..=v as u16).collect(),
        ..Level::default()
    }];
    let mut probabilities = vec![Probabilities {
        p: characters.p.clone(),
        backoff: characters.backoff.clone(),
    }];
    let mut below: Vec<K> = (0..=v as u16).map(K::from).collect();
    for (index, level) in entries.iter().enumerate() {
        let packing = packing.of_order(index + 2);
        let mut place = 0;
        let contexts = level.iter().map(|&(ngram, ..)| {
            let context = packing.context(ngram);
            place += below[place..].partition_point(|&lower| lower < context);
            place
        });
        levels[index].set_children(contexts);
        levels.push(Level {
            last: level
                .iter()
                .map(|&(ngram, ..)| packing.last(ngram) as u16)
                .collect(),
            ..Level::default()
        });
        probabilities.push(Probabilities {
            p: level.iter().map(|&(_, p, _)| p.unwrap_or(0.0)).collect(),
            backoff: match index + 2 == order {
                true => Vec::new(),
                false => level.iter().map(|&(.., backoff)| backoff).collect(),
            },
        });
        below = level.iter().map(|&(ngram, ..)| ngram).collect();
    }
    if order == 1 {
        probabilities[0].backoff.clear();
    }
    let trie = Trie::with_suffixes(levels, v)?;
    // What was not in the file has the probability that it would have had without being there.
    for (index, level) in entries.iter().enumerate() {
        let length = index + 2;
        let contexts = (0..trie.level(length - 1).last.len()).flat_map(|context| {
            let node = Node {
                length: length - 1,
                index: context,
            };
            trie.children(node).map(move |_| context)
        });
        let (lower, upper) = probabilities.split_at_mut(index + 1);
        let (lower, upper) = (&lower[index], &mut upper[0]);
        for (place, (&(_, p, _), context)) in level.iter().zip(contexts).enumerate() {
            if p.is_none() {
                let suffix = trie.level(length).suffix[place] as usize;
                upper.p[place] = lower.backoff[context] * lower.p[suffix];
            }
        }
    }
    Some(View {
        trie: Arc::new(trie),
        levels: probabilities.into_iter().map(Arc::new).collect(),
        unit: 1.0,
    })
}

impl Characters {
    /// An n-gram as text, for errors.
    fn text(&self, indices: impl Iterator<Item = usize>) -> String {
        let characters = self.vocabulary.characters();
        let text = indices.map(|index| {
            characters
                .get(index)
                .map_or("<unk>".to_owned(), char::to_string)
        });
        format!("{:?}", text.collect::<Vec<_>>().join(" "))
    }
}

/// The lines of a file, plain or compressed.
struct Lines {
    file: String,
    reader: BufReader<Box<dyn Read + Send>>,
    line: String,
    number: usize,
}

impl Lines {
    fn of(path: &Path, opened: impl Read + Send + 'static) -> Result<Self> {
        let file = path.display().to_string();
        let reader = decompressed(opened).map_err(|cause| Error::Read {
            file: file.clone(),
            cause,
        })?;
        Ok(Self {
            file,
            reader: BufReader::with_capacity(1 << 17, reader),
            line: String::new(),
            number: 0,
        })
    }

    /// The line that was read last.
    fn line(&self) -> &str {
        self.line.trim_ascii()
    }

    /// Reads the next line; false at the end.
    fn next(&mut self) -> Result<bool> {
        let mut bytes = std::mem::take(&mut self.line).into_bytes();
        bytes.clear();
        let mut line = self.reader.by_ref().take(LONGEST_LINE);
        let read = line
            .read_until(b'\n', &mut bytes)
            .map_err(|cause| Error::Read {
                file: self.file.clone(),
                cause,
            })?;
        self.number += 1;
        if read as u64 == LONGEST_LINE {
            return Err(self.fault(format!("a line of more than {LONGEST_LINE} bytes")));
        }
        self.line = String::from_utf8(bytes).map_err(|_| self.fault("not valid UTF-8"))?;
        Ok(read > 0)
    }

    /// Goes to the next line that is not blank.
    fn go_on(&mut self, wanted: &str) -> Result<()> {
        for _ in 0..MOST_BLANK {
            if !self.next()? {
                return Err(self.fault(format!("the file is cut off: expected {wanted}")));
            }
            if !self.line().is_empty() {
                return Ok(());
            }
        }
        Err(self.fault(format!(
            "{MOST_BLANK} blank lines where {wanted} is expected"
        )))
    }

    fn fault(&self, fault: impl Into<String>) -> Error {
        Error::Arpa {
            file: self.file.clone(),
            line: self.number,
            fault: fault.into(),
        }
    }

    /// A probability from its logarithm.
    fn probability(&self, field: Option<&str>) -> Result<f32> {
        let log10 = self.number(field.unwrap_or_default())?;
        match log10 > 0.0 {
            true => Err(self.fault(format!(
                "{log10} as the logarithm of a probability; none is above 0"
            ))),
            false => Ok(power_of_ten(log10)),
        }
    }

    /// A backoff from its logarithm.
    fn backoff(&self, field: Option<&str>, is_longest: bool) -> Result<f32> {
        let log10 = field.map_or(Ok(0.0), |field| self.number(field))?;
        let backoff = power_of_ten(log10);
        match () {
            () if is_longest && log10 != 0.0 => Err(self.fault(format!(
                "a backoff of {log10} where nothing is to back off from: no n-grams are longer"
            ))),
            () if !backoff.is_finite() => Err(self.fault(format!("a backoff of {log10}"))),
            () => Ok(backoff),
        }
    }

    fn number(&self, field: &str) -> Result<f32> {
        match field.parse::<f32>() {
            Ok(number) if !number.is_nan() => Ok(number),
            _ => Err(self.fault(format!("{field:?} where a logarithm is expected"))),
        }
    }
}

fn power_of_ten(log10: f32) -> f32 {
    (f64::from(log10) * std::f64::consts::LN_10).exp() as f32
}
