//! Lists in other formats: encodings, columns with counts, lower case, normal forms, bad lines left out.
//!
//! An input is two bytes of options and a list. Counting and reading must agree, whatever the list.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use encoding_rs::Encoding;
use libfuzzer_sys::fuzz_target;
use makemore_tch::counting::count_with;
use makemore_tch::data::list_format::Normalization;
use makemore_tch::data::words::with_counts;
use makemore_tch::data::{Columns, ListFormat, columns};
use makemore_tch::distributed::Alone;
use makemore_tch::memory::Memory;
use makemore_tch::{Error, Source, Words};

const BOUNDARY: char = '.';

fuzz_target!(|data: &[u8]| {
    static FILE: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        (folder, file)
    });
    let [form, columns, list @ ..] = data else {
        return;
    };
    fs::write(&FILE.1, list).unwrap();
    let encoding = ["utf-8", "latin1", "utf-16le", "shift_jis"][usize::from(form & 3)];
    let format = ListFormat {
        boundary: Some(BOUNDARY),
        encoding: Encoding::for_label(encoding.as_bytes()),
        columns: None,
        lowercase: form & 4 != 0,
        normalization: [None, Some(Normalization::Nfc), Some(Normalization::Nfkc)]
            .get(usize::from(form >> 3 & 3))
            .copied()
            .flatten(),
        skip_bad_lines: form & 32 != 0,
    };
    let source = Source::files(vec![FILE.1.clone()]).in_format(format);
    let Ok(lines) = source.first_lines() else {
        return;
    };
    let _ = columns::guess(&lines);
    let names = ["", "1", "2", "1,2", "2,1", "1,3", "name", "name,count"];
    let names = names[usize::from(columns & 7)];
    let columns = match Columns::find(names, &lines) {
        Ok(columns) => Some(columns),
        Err(_) if names.is_empty() => None,
        Err(_) => return,
    };
    let source = source.in_format(ListFormat { columns, ..format });
    let read = with_counts(source, &Memory::new(1 << 30), &Alone).and_then(|source| {
        let source = source.in_blocks_of(1 + usize::from(form >> 6) * 50);
        let counted = count_with(&source, BOUNDARY, 2);
        let words = Words::read(&source, BOUNDARY);
        assert_eq!(counted.is_ok(), words.is_ok());
        if let (Ok(counted), Ok(words)) = (&counted, &words) {
            let places = 0..words.len() as u64;
            let times: u64 = places.map(|place| source.times(place)).sum();
            assert_eq!(counted.counts.words(), times);
            assert_eq!(counted.digest.words, words.len() as u64);
        }
        counted
    });
    if format.skip_bad_lines {
        let is_possible = |error: &Error| {
            matches!(
                error,
                Error::NoWords { .. }
                    | Error::AllLeftOut { .. }
                    | Error::Value { .. }
                    | Error::Read { .. }
            ) || error.to_string().contains("distinct characters")
        };
        assert!(read.as_ref().err().is_none_or(is_possible), "{read:?}");
    }
});
