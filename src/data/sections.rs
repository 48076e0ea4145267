//! The sections of a list that processes read: every line is in one of them.
//!
//! Plain files are cut where lines end, compressed ones and those of encodings that do not end lines in one
//! byte are in one piece, as are those with columns that begin with blank lines. What can be read only once,
//! such as standard input, is read by process 0. So one process has one section, the whole list.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};

use encoding_rs::Encoding;
use serde::{Deserialize, Serialize};

use super::decompress::is_plain;
use super::digest::Digest;
use super::list_format::ListFormat;
use super::reader::{Input, Source, encoding_of};
use crate::distributed::Processes;
use crate::distributed::processes::{agree_on_options, gather_as, host, of_first};
use crate::error::{Error, Result};

/// Lines of a list that one process reads, in their order.
#[derive(Debug, Clone)]
pub struct Section {
    /// The process that reads it.
    pub(crate) rank: usize,
    pub(crate) source: Source,
    /// The number of words before it.
    pub(crate) first: u64,
    /// The digest of its words; none if they are in memory.
    pub(crate) digest: Option<Digest>,
}

/// All sections of a list in their order, as one of the processes sees them.
#[derive(Debug, Clone)]
pub struct Sections {
    /// This process.
    pub(crate) rank: usize,
    pub(crate) all: Vec<Section>,
}

impl Section {
    /// A list that was checked before, as one section.
    pub(crate) fn whole(source: &Source, digest: Digest) -> Self {
        Self {
            rank: 0,
            source: source.clone(),
            first: 0,
            digest: Some(digest),
        }
    }
}

/// A section of a list that was not read yet.
#[derive(Debug)]
pub(crate) struct Cut {
    /// The process that reads it.
    pub rank: usize,
    /// The index of its first file.
    pub first_file: usize,
    pub source: Source,
}

/// What a process finds where an input should be, with the number of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Found {
    /// It is read by process 0, once.
    Once,
    /// Lines end in LF there, in an encoding that is not UTF-8, if there is one.
    Lines {
        bytes: u64,
        encoding: Option<&'static Encoding>,
    },
    /// It is read in one piece.
    Whole(u64),
    /// Nothing that this process can read, and the reason.
    Nothing(String),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Lines { bytes, .. } => write!(f, "{bytes} bytes"),
            Self::Whole(bytes) => write!(f, "{bytes} bytes in one piece"),
            Self::Once => f.write_str("what can be read once"),
            Self::Nothing(cause) => f.write_str(cause),
        }
    }
}

/// What a process finds of a list.
#[derive(Debug, Serialize, Deserialize)]
struct FoundList {
    host: String,
    inputs: Vec<Found>,
}

/// Cuts a list into sections of about as many bytes for each process, in the order of the list.
///
/// # Errors
///
/// [`Error::Read`] names the first process that lacks a file, [`Error::Disagreement`] one whose files have
/// other sizes or another format; [`Error::Processes`].
pub(crate) fn cut(source: &Source, processes: &dyn Processes) -> Result<Vec<Cut>> {
    let found = found_by_all(source, processes)?;
    let mut cuts: Vec<Cut> = Vec::new();
    for (rank, file, input) in pieces(source, &found, processes.size()) {
        match cuts.last_mut() {
            Some(last) if last.rank == rank => last.source.inputs.push(input),
            _ => cuts.push(Cut {
                rank,
                first_file: file,
                source: source.section(vec![input], None),
            }),
        }
    }
    let has_header = source.format_of_lines().columns;
    if cuts.len() > 1 && has_header.is_some_and(|columns| columns.has_header) {
        let header = of_first(processes, || source.header())?;
        for cut in cuts.iter_mut().skip(1) {
            let inputs = std::mem::take(&mut cut.source.inputs);
            cut.source = source.section(inputs, header.clone());
        }
    }
    Ok(cuts)
}

/// The sections of a list in memory.
pub(crate) fn in_memory(source: &Source, processes: &dyn Processes) -> Sections {
    Sections {
        rank: processes.rank(),
        all: sections_of(source, processes.size()),
    }
}

/// The sections of a list in memory for so many processes.
fn sections_of(source: &Source, size: usize) -> Vec<Section> {
    let found: Vec<Found> = source
        .inputs
        .iter()
        .map(|input| find(input, source.format()))
        .collect();
    let (mut first, mut sections) = (0, Vec::new());
    for (rank, _, input) in pieces(source, &found, size) {
        let before = first;
        if let Input::Text { text, range, .. } = &input {
            first += words_in(text, range.end) - words_in(text, range.start);
        }
        sections.push(Section {
            rank,
            source: source.section(vec![input], None),
            first: before,
            digest: None,
        });
    }
    sections
}

/// The number of words, one a line, that begin before a place of a text.
fn words_in(text: &str, place: u64) -> u64 {
    let before = &text.as_bytes()[..(place as usize).saturating_sub(1)];
    memchr::memchr_iter(b'\n', before).count() as u64 + u64::from(place > 0)
}

/// The inputs in their order, cut into pieces, each with its process and the index of its file.
fn pieces(source: &Source, found: &[Found], size: usize) -> Vec<(usize, usize, Input)> {
    let sizes = found.iter().map(|found| match found {
        Found::Lines { bytes, .. } | Found::Whole(bytes) => *bytes,
        Found::Once | Found::Nothing(_) => 0,
    });
    let total: u64 = sizes.sum();
    // Process `rank` begins at this byte of all together.
    let begin = |rank: usize| (u128::from(total) * rank as u128 / size as u128) as u64;
    let of = |place: u64| (0..size).rfind(|&rank| begin(rank) <= place).unwrap_or(0);
    let (mut pieces, mut before) = (Vec::new(), 0);
    for (file, (input, found)) in source.inputs.iter().zip(found).enumerate() {
        match *found {
            // Nothing is an error of process 0, as it is of one process.
            Found::Once | Found::Nothing(_) => pieces.push((0, file, input.clone())),
            Found::Whole(bytes) => {
                pieces.push((of(before + bytes / 2), file, input.clone()));
                before += bytes;
            }
            Found::Lines { bytes, encoding } => {
                let end = before + bytes;
                for rank in of(before)..=of(end.saturating_sub(1).max(before)) {
                    let until = match rank + 1 {
                        next if next == size => end,
                        next => begin(next).min(end),
                    };
                    let own = begin(rank).max(before) - before..until - before;
                    let piece = match own == (0..bytes) {
                        true => input.clone(),
                        false => input.lines(own, encoding),
                    };
                    pieces.push((rank, file, piece));
                }
                before = end;
            }
        }
    }
    pieces
}

/// What all processes find of a list, as process 0 finds it.
fn found_by_all(source: &Source, processes: &dyn Processes) -> Result<Vec<Found>> {
    let format = source.format_of_lines();
    agree_on_options(processes, &format)?;
    let inputs = source.inputs.iter().map(|input| find(input, format));
    let own = FoundList {
        host: host(),
        inputs: inputs.collect(),
    };
    let of_all = gather_as(processes, own)?;
    let first = &of_all[0];
    for (rank, other) in of_all.iter().enumerate() {
        let differs = |what: &str, first: String, other: String| {
            Err(Error::Disagreement {
                what: what.to_owned(),
                first,
                rank,
                other,
            })
        };
        if other.inputs.len() != first.inputs.len() {
            let numbers = [first, other].map(|list| list.inputs.len().to_string());
            let [first, other] = numbers;
            return differs("the number of files", first, other);
        }
    }
    for (file, input) in source.inputs.iter().enumerate() {
        let found = &first.inputs[file];
        let is_missing = |list: &FoundList| matches!(list.inputs[file], Found::Nothing(_));
        // Process 0 reads the one, and what no process has is a fault in its place.
        if *found == Found::Once || of_all.iter().all(is_missing) {
            continue;
        }
        for (rank, other) in of_all.iter().enumerate() {
            match &other.inputs[file] {
                Found::Nothing(cause) => {
                    return Err(Error::Read {
                        file: of_rank(&input.name(), rank, &other.host),
                        cause: io::Error::other(cause.clone()),
                    });
                }
                other if other != found => {
                    let [first, other] = [found, other].map(|found| found.to_string());
                    return Err(Error::Disagreement {
                        what: "the size of a file of the list".to_owned(),
                        first,
                        rank,
                        other,
                    });
                }
                _ => {}
            }
        }
    }
    Ok(first.inputs.clone())
}

/// The name of a file, with the process that cannot read it, unless that is process 0.
pub(crate) fn of_rank(file: &str, rank: usize, host: &str) -> String {
    match rank {
        0 => file.to_owned(),
        _ => format!("{file} of rank {rank} on {host}"),
    }
}

/// Whether a plain file that begins with `start` may begin with a blank line.
fn begins_blank(start: &[u8]) -> bool {
    let start = start.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(start);
    let mut visible = start.iter().filter(|byte| !matches!(byte, b' ' | b'\t'));
    visible.next().is_none_or(u8::is_ascii_whitespace)
}

/// What this process finds where an input should be.
fn find(input: &Input, format: ListFormat) -> Found {
    match input {
        Input::Stdin | Input::Copied(_) => Found::Once,
        Input::Text { range, .. } | Input::Lines { range, .. } => Found::Lines {
            bytes: range.end - range.start,
            encoding: None,
        },
        Input::File(path) if input.is_read_once() || path.is_dir() => Found::Once,
        Input::File(path) => {
            let start = File::open(path).and_then(|mut file| {
                let (mut start, bytes) = (Vec::new(), file.metadata()?.len());
                file.by_ref().take(10).read_to_end(&mut start)?;
                Ok((start, bytes))
            });
            match start {
                Err(cause) => Found::Nothing(cause.to_string()),
                Ok((start, bytes)) => {
                    let encoding = encoding_of(&start, format.encoding);
                    let ends_in_lf = encoding.is_none_or(Encoding::is_ascii_compatible);
                    // Blank lines stay with the line behind them that names the columns.
                    let has_header = format.columns.is_some_and(|columns| columns.has_header);
                    let is_whole = has_header && begins_blank(&start);
                    match is_plain(&start) && ends_in_lf && !is_whole {
                        true => Found::Lines { bytes, encoding },
                        false => Found::Whole(bytes),
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Columns;
    use crate::data::words::each_tidy;
    use crate::distributed::Alone;
    use proptest::prelude::*;

    /// The words of a source, as it is read here.
    fn words(source: &Source) -> Vec<String> {
        let mut words = Vec::new();
        each_tidy(source, None, |tidy, _| {
            words.extend(tidy.text.lines().map(str::to_owned));
            Ok(())
        })
        .unwrap();
        words
    }

    #[test]
    fn one_process_has_one_section_of_the_whole_files() {
        let source = Source::text("list", "emma\nava\n");
        let cuts = cut(&source, &Alone).unwrap();
        assert_eq!((cuts.len(), cuts[0].rank), (1, 0));
        assert_eq!(words(&cuts[0].source), ["emma", "ava"]);
    }

    /// Where a process began between them, the names of the columns were a word.
    #[test]
    fn blank_lines_stay_with_the_names_of_the_columns_behind_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.csv");
        std::fs::write(
            &file,
            "\u{FEFF}\r\n".to_owned() + &"\n".repeat(90) + "name;n\nava;3\n",
        )
        .unwrap();
        let source = Source::files(vec![file]);
        let columns = Columns::find("name", &source.first_lines().unwrap()).unwrap();
        let source = source.in_format(ListFormat {
            columns: Some(columns),
            ..ListFormat::default()
        });
        let found = [find(&source.inputs[0], source.format())];
        let pieces = pieces(&source, &found, 2).into_iter();
        let words = pieces.flat_map(|(_, _, input)| words(&source.section(vec![input], None)));
        assert_eq!(words.collect::<Vec<_>>(), ["ava"]);
    }

    /// A table whose first column has no name was read by one process.
    #[test]
    fn a_line_that_begins_with_a_separator_is_not_blank() {
        for (start, is_blank) in [
            ("\tname", false),
            ("\u{FEFF} \r\n", true),
            ("\t\t\n", true),
            ("", true),
        ] {
            assert_eq!(begins_blank(start.as_bytes()), is_blank, "{start:?}");
        }
    }

    proptest! {
        #[test]
        fn every_line_is_in_one_piece_whatever_ends_it(
            lines in prop::collection::vec(("[a-dé]{0,6}", prop::sample::select(vec!["\n", "\r\n", "\r"])), 0..30),
            others in prop::collection::vec("[a-d]{1,6}", 0..3),
            size in 1..6_usize,
        ) {
            let text = lines.iter().map(|(line, end)| format!("{line}{end}"));
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("list");
            std::fs::write(&file, text.collect::<String>()).unwrap();
            let other = folder.path().join("other");
            std::fs::write(&other, others.join("\n")).unwrap();
            let source = Source::files(vec![file, other]).in_blocks_of(5);
            let found: Vec<Found> = source.inputs.iter().map(|input| find(input, source.format())).collect();
            let pieces = pieces(&source, &found, size);
            prop_assert!(pieces.is_sorted_by_key(|&(rank, file, _)| (file, rank)));
            let of_pieces = pieces.into_iter().flat_map(|(_, _, input)| {
                words(&source.section(vec![input], None))
            });
            prop_assert_eq!(of_pieces.collect::<Vec<_>>(), words(&source));
        }

        #[test]
        fn words_in_memory_have_their_places_in_the_list(
            list in prop::collection::vec("[a-dé]{1,6}", 1..30),
            size in 1..6_usize,
        ) {
            let text = list.iter().map(|word| format!("{word}\n")).collect::<String>();
            let source = Source::text("list", text);
            let sections = sections_of(&source, size);
            let places = sections.iter().flat_map(|section| (section.first..).zip(words(&section.source)));
            let places: Vec<_> = places.collect();
            let expected: Vec<_> = (0..).zip(list).collect();
            prop_assert_eq!(places, expected);
        }
    }
}
