//! What processes scanned of a list, each its sections, as one process would have scanned it.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::digest::{Digest, Digester};
use super::list_format::LinesLeftOut;
use super::reader::{Blocks, Failure};
use super::sections::{Cut, Section, Sections, of_rank};
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
    pub sections: Sections,
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
    let mut uniting = Uniting {
        names,
        lines: vec![0; names.len()],
        ..Uniting::default()
    };
    let mut sections = Vec::new();
    for cut in cuts {
        let (host, scanned) = &mut of_all[cut.rank];
        let Some(scanned) = scanned.next() else {
            continue; // Never: each process scans all of its sections.
        };
        sections.push(Section {
            rank: cut.rank,
            first: uniting.digester.words(),
            digest: Some(scanned.digest.0),
            source: cut.source,
        });
        uniting.add(scanned, cut.first_file, (cut.rank, host))?;
    }
    Ok(United {
        characters: uniting.characters.into_keys().collect(),
        digest: uniting.digester.digest(),
        left_out: uniting.left_out,
        sections: Sections {
            rank: processes.rank(),
            all: sections,
        },
        starts: uniting.starts,
    })
}

/// What was scanned of the first sections of a list.
#[derive(Default)]
struct Uniting<'a> {
    /// The names of the files.
    names: &'a [String],
    /// The number of lines of each file so far.
    lines: Vec<usize>,
    /// The first line of each character in the list.
    characters: BTreeMap<char, Line>,
    digester: Digester,
    left_out: Option<LinesLeftOut>,
    starts: Vec<(usize, usize)>,
}

impl Uniting<'_> {
    /// Adds the next section, whose first file is `first_file`, and which a process on a host has scanned.
    fn add(
        &mut self,
        scanned: ScannedSection,
        first_file: usize,
        (rank, host): (usize, &str),
    ) -> Result<()> {
        let (names, start) = (self.names, (first_file, self.lines[first_file]));
        let in_list = |(file, line): Line| match file {
            0 => (start.0, start.1 + line),
            file => (first_file + file, line),
        };
        for (character, line) in scanned.characters {
            self.characters.entry(character).or_insert(in_list(line));
        }
        let error = |(line, fault): (Line, LineFault)| Error::Line {
            file: names[line.0].clone(),
            line: 1 + line.1,
            fault,
        };
        let fault = scanned.fault.map(|(line, fault)| (in_list(line), fault));
        let faults = fault.into_iter().chain(too_many(&self.characters));
        if let Some(first) = faults.min_by_key(|&(line, _)| line) {
            return Err(error(first));
        }
        // An error while reading stands behind all lines that were read.
        if let Some(Unread { file, cause }) = scanned.unread {
            let file = of_rank(&file, rank, host);
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
            self.left_out.get_or_insert_with(first).lines += scanned.left_out;
        }
        self.starts.push(start);
        for (file, lines) in scanned.lines.into_iter().enumerate() {
            self.lines[first_file + file] += lines;
        }
        self.digester.append(&Digester::of_section(scanned.digest));
        Ok(())
    }
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
