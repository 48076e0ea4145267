//! The reader of word lists beside one that does only what the rules say.
//!
//! An input is three bytes of options and a list. The lengths and numbers that the rules speak of
//! are out of reach for inputs of some kilobytes, so two of the options bring the list close.
#![no_main]

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use makemore_tch::counting::count_with;
use makemore_tch::{Source, Words};

const BOUNDARY: char = '.';
const MOST_CHARACTERS: usize = 4096;
const LONGEST_WORD: usize = 65_536;

type Counts = BTreeMap<(char, char), u64>;

/// What the library makes of a file: its bigrams, counted in blocks by threads, and its words, read
/// by themselves.
fn read(file: PathBuf, block: usize, threads: usize) -> Option<(Counts, Vec<String>)> {
    let source = Source::files(vec![file]).in_blocks_of(block);
    let counted = count_with(&source, BOUNDARY, threads);
    let words = Words::read(&source, BOUNDARY);
    let (counted, words) = match (counted, words) {
        (Ok(counted), Ok(words)) => (counted, words),
        (Err(counted), Err(words)) => {
            // Both name the same line, if not for the same fault.
            let place = |error: String| error.split(": ").next().map(str::to_owned);
            assert_eq!(place(counted.to_string()), place(words.to_string()));
            return None;
        }
        (counted, words) => panic!("counted: {}, read: {}", counted.is_ok(), words.is_ok()),
    };
    assert_eq!(counted.digest, words.digest());
    let itos = |index| counted.counts.vocabulary().itos(index);
    let bigrams = counted.counts.distinct();
    let counts = bigrams.map(|(context, j, count)| ((itos(context[0]), itos(j)), count));
    Some((counts.collect(), words.iter().map(str::to_owned).collect()))
}

/// The same by the rules; nothing where they are broken.
fn plainly(list: &[u8]) -> Option<(Counts, Vec<String>)> {
    let list = std::str::from_utf8(list).ok()?;
    let list = list.replace("\r\n", "\n").replace('\r', "\n");
    let begin = |character: char| character.is_whitespace() || character == '\u{FEFF}';
    let words = list
        .split('\n')
        .map(|line| line.trim_start_matches(begin).trim_end());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let mut characters = HashSet::new();
    let mut counts = Counts::new();
    for word in &words {
        let mut before = BOUNDARY;
        for character in word.chars() {
            if character.is_control() || character == BOUNDARY {
                return None;
            }
            characters.insert(character);
            *counts.entry((before, character)).or_default() += 1;
            before = character;
        }
        *counts.entry((before, BOUNDARY)).or_default() += 1;
        if word.chars().count() > LONGEST_WORD {
            return None;
        }
    }
    let is_list = !words.is_empty() && characters.len() <= MOST_CHARACTERS;
    is_list.then(|| (counts, words.into_iter().map(str::to_owned).collect()))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// A list with what the bits of `form` ask for.
fn formed(form: u8, text: &[u8]) -> Vec<u8> {
    let mut list = Vec::new();
    if form & 4 != 0 {
        list.extend_from_slice("\u{FEFF}".as_bytes());
    }
    if form >> 5 == 6 {
        let crowd = ('\u{4E00}'..).take(MOST_CHARACTERS - 8);
        list.extend(
            crowd
                .flat_map(|character| [character, '\n'])
                .collect::<String>()
                .bytes(),
        );
    }
    if form >> 5 == 7 {
        list.resize(list.len() + LONGEST_WORD - 8, b'a');
    }
    for &byte in text {
        if form & 8 != 0 && byte == b'\n' {
            list.push(b'\r');
        }
        list.push(byte);
    }
    list
}

fuzz_target!(|data: &[u8]| {
    static FILE: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        (folder, file)
    });
    let [form, block, threads, text @ ..] = data else {
        return;
    };
    let list = formed(*form, text);
    let file = match form & 3 {
        0 => list.clone(),
        1 => gzip(&list),
        2 => zstd::encode_all(list.as_slice(), 1).unwrap(),
        _ => {
            let (one, other) = list.split_at(list.len() / 2);
            [gzip(one), gzip(other)].concat()
        }
    };
    fs::write(&FILE.1, &file).unwrap();
    // Small blocks make many of them, large ones a piece of several lines.
    let block = 1 + usize::from(*block).pow(2);
    let threads = 1 + usize::from(threads % 4);
    let ours = read(FILE.1.clone(), block, threads);
    let compressed = [&[0x1F, 0x8B][..], &[0x28, 0xB5, 0x2F, 0xFD], b"BZh"];
    if list.starts_with(&[0xFF, 0xFE]) || list.starts_with(&[0xFE, 0xFF]) {
        return; // UTF-16.
    }
    if form & 3 == 0 && compressed.iter().any(|start| list.starts_with(start)) {
        return; // A compressed list, or what claims to be one.
    }
    match (ours, plainly(&list)) {
        (None, None) => {}
        (Some((counts, words)), Some((expected, list))) => {
            assert_eq!(counts, expected);
            assert_eq!(words, list);
        }
        (ours, expected) => panic!(
            "read: {}, by the rules: {}",
            ours.is_some(),
            expected.is_some()
        ),
    }
});
