//! What processes scanned of a list, each its sections, as one process would have scanned it.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::digest::{Digest, Digester};
use super::list_format::LinesLeftOut;
use super::reader::{Blocks, Failure};
use super::sections::{Cut, Section, of_rank};
use super::tidy::LeftOut;
use crate::distributed::Processes;
use crate::distributed::processes::{gather_as, host};
use crate::error::{Error, LineFault, Result};

/// The most distinct characters that a word list may have, the start/end token not counted.
pub const MAX_CHARACTERS: usize = 4096;

/// The number of a block, and that of a line in it, both from 0.
pub(crate) type LinePlace = (usize, usize);

/// The index of a file in a section, and a line of it, both from 0.
type Line = (usize, usize);

/// The fault of a line, and the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub place: LinePlace,
    pub fault: LineFault,
}

/// What was scanned of a section, beside its counts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ScannedSection {
    /// The digest of its words, and the number of their bytes.
    digest: (Digest, u64),
    /// The number of lines of each file.
    lines: Vec<usize>,
    /// The first line of each character.
    characters: BTreeMap<char, Line>,
    /// The first line that breaks a rule.
    fault: Option<(Line, LineFault)>,
    unread: Option<Unread>,
    left_out: u64,
    /// The first line that was left out.
    first_left_out: Option<(Line, LineFault)>,
}

/// A file that could not be read to its end.
#[derive(Debug, Serialize, Deserialize)]
struct Unread {
    file: String,
    /// The system's reason; none for a folder.
    cause: Option<String>,
}

impl ScannedSection {
    /// A section that was read as blocks; `characters` are the first places of all characters.
    pub fn of(
        mut blocks: Blocks,
        characters: BTreeMap<char, LinePlace>,
        digester: Digester,
        faults: Vec<Fault>,
        left_out: LeftOut<LinePlace>,
    ) -> Self {
        let starts = blocks.starts();
        let line = |(block, line): LinePlace| {
            let (file, before) = starts[block];
            (file, before + line)
        };
        // Lines behind a fault have no numbers: those of its block were not all read.
        let first = faults.into_iter().min_by_key(|fault| fault.place);
        let last = first.as_ref().map(|fault| fault.place);
        let mut fault = first.map(|fault| (line(fault.place), fault.fault));
        let characters = characters.into_iter();
        let characters = characters.filter(|&(_, place)| last.is_none_or(|last| place <= last));
        let characters = characters.map(|(character, place)| (character, line(place)));
        let lines = blocks.lines_of_files();
        let unread = match blocks.failure() {
            None => None,
            Some(Failure::Line(of_line)) => {
                let behind = lines.len().saturating_sub(1);
                let place = (behind, lines.get(behind).copied().unwrap_or_default());
                fault.get_or_insert((place, of_line));
                None
            }
            Some(Failure::Read(Error::Read { file, cause })) => Some(Unread {
                file,
                cause: Some(cause.to_string()),
            }),
            Some(Failure::Read(other)) => Some(match other {
                Error::Folder { file } => Unread { file, cause: None },
                other => Unread {
                    file: String::new(),
                    cause: Some(other.to_string()),
                },
            }),
        };
        Self {
            digest: digester.section(),
            lines,
            characters: characters.collect(),
            fault,
            unread,
            left_out: left_out.lines,
            first_left_out: left_out.first.map(|(place, fault)| (line(place), fault)),
        }
    }
}

/// What a process scanned, in the order of its sections.
#[derive(Debug, Serialize, Deserialize)]
struct Scanned {
    host: String,
    sections: Vec<ScannedSection>,
}

/// What all processes scanned of a list, beside its counts.
#[derive(Debug)]
pub(crate) struct United {
    /// All characters, sorted.
    pub characters: Vec<char>,
    pub digest: Digest,
    pub left_out: Option<LinesLeftOut>,
    /// The sections of this process.
    pub sections: Vec<Section>,
    /// For each section, its first file and the number of the lines before it there.
    pub starts: Vec<(usize, usize)>,
}

/// Unites what processes scanned of the sections of a list, of which `own` are those of this process.
///
/// # Errors
///
/// That of the first line that breaks a rule or cannot be read, whichever process met it;
/// [`Error::Processes`].
pub(crate) fn unite(
    names: &[String],
    cuts: Vec<Cut>,
    own: Vec<ScannedSection>,
    processes: &dyn Processes,
) -> Result<United> {
    let own = Scanned {
        host: host(),
        sections: own,
    };
    let of_all = gather_as(processes, own)?.into_iter();
    let mut of_all: Vec<_> = of_all
        .map(|scanned| (scanned.host, scanned.sections.into_iter()))
        .collect();
    let (mut digester, mut sections) = (Digester::default(), Vec::new());
    let (mut left_out, mut starts) = (None::<LinesLeftOut>, Vec::new());
    // The lines of the files before each section, and the first line of each character in the list.
    let mut before = vec![0; names.len()];
    let mut characters = BTreeMap::<char, Line>::new();
    for cut in cuts {
        let (host, scanned) = &mut of_all[cut.rank];
        let Some(scanned) = scanned.next() else {
            continue; // Never: each process scans all of its sections.
        };
        starts.push((cut.first_file, before[cut.first_file]));
        let in_list =
            |(file, line): Line| (cut.first_file + file, before[cut.first_file + file] + line);
        for (character, line) in scanned.characters {
            let line = in_list(line);
            let first = characters.entry(character).or_insert(line);
            *first = line.min(*first);
        }
        let error = |(line, fault): (Line, LineFault)| Error::Line {
            file: names[line.0].clone(),
            line: 1 + line.1,
            fault,
        };
        let fault = scanned.fault.map(|(line, fault)| (in_list(line), fault));
        let faults = fault.into_iter().chain(too_many(&characters));
        if let Some(first) = faults.min_by_key(|&(line, _)| line) {
            return Err(error(first));
        }
        // An error while reading stands behind all lines that were read.
        if let Some(Unread { file, cause }) = scanned.unread {
            let file = of_rank(&file, cut.rank, host);
            return Err(match cause {
                None => Error::Folder { file },
                Some(cause) => Error::Read {
                    file,
                    cause: io::Error::other(cause),
                },
            });
        }
        if let Some((line, fault)) = scanned.first_left_out {
            let first = || LinesLeftOut {
                lines: 0,
                first: error((in_list(line), fault)).to_string(),
            };
            left_out.get_or_insert_with(first).lines += scanned.left_out;
        }
        for (file, lines) in scanned.lines.into_iter().enumerate() {
            before[cut.first_file + file] += lines;
        }
        if cut.rank == processes.rank() {
            sections.push(Section {
                source: cut.source,
                first: digester.words(),
                digest: Some(scanned.digest.0),
            });
        }
        digester.append(&Digester::of_section(scanned.digest));
    }
    Ok(United {
        characters: characters.into_keys().collect(),
        digest: digester.digest(),
        left_out,
        sections,
        starts,
    })
}

/// The first line with a character too many.
fn too_many(characters: &BTreeMap<char, Line>) -> Option<(Line, LineFault)> {
    if characters.len() <= MAX_CHARACTERS {
        return None;
    }
    let mut lines: Vec<Line> = characters.values().copied().collect();
    lines.sort_unstable();
    Some((
        lines[MAX_CHARACTERS],
        LineFault::TooManyCharacters(MAX_CHARACTERS),
    ))
}
