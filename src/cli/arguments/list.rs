//! The list of words that the user names, as a source.

use std::path::{Path, PathBuf};

use anyhow::bail;
use makemore_tch::data::words::with_counts;
use makemore_tch::data::{Columns, ListFiles, ListFormat};
use makemore_tch::distributed::processes::of_first;
use makemore_tch::distributed::{Alone, Processes};
use makemore_tch::memory::Memory;
use makemore_tch::{Error, Source};

use super::DataArguments;

impl DataArguments {
    /// The list of words: the user's, else that of a model, else the lecture's names. Equal words of a list
    /// with counts are one. A command makes one source only: it copies standard input at the first
    /// reading, and a second source would find nothing left there.
    pub fn source(&self, of_model: Option<&ListFiles>, memory: &Memory) -> anyhow::Result<Source> {
        self.shared_source(of_model, memory, &Alone)
    }

    /// The same for several processes, each of which reads a part of it.
    pub fn shared_source(
        &self,
        of_model: Option<&ListFiles>,
        memory: &Memory,
        processes: &dyn Processes,
    ) -> anyhow::Result<Source> {
        let source = self.unread_source(of_model, None, processes)?;
        Ok(with_counts(source, memory, processes)?)
    }

    /// The same list, of which no more was read than its columns need; `learned` is the start/end token of
    /// a model.
    pub fn unread_source(
        &self,
        of_model: Option<&ListFiles>,
        learned: Option<char>,
        processes: &dyn Processes,
    ) -> anyhow::Result<Source> {
        check_standard_input(&self.data)?;
        let found = of_model.filter(|_| self.data.is_empty());
        let found = found.and_then(Source::of_model);
        let mut format = match (&found, of_model) {
            (Some(_), Some(list)) => self.over(list.format, true),
            _ => self.format(of_model),
        };
        if format.skip_bad_lines {
            format.boundary = format.boundary.or(learned);
        }
        let source = found.unwrap_or_else(|| match self.data.as_slice() {
            [] => Source::lecture(),
            files => Source::files(files.to_vec()),
        });
        let mut source = source.in_format(format);
        if let Some(columns) = &self.columns {
            source = source.rereadable()?;
            let lines = of_first(processes, || source.first_lines())?;
            if lines.is_empty() {
                let file = source.origin();
                return Err(Error::NoWords { file }.into());
            }
            format.columns = Some(Columns::find(columns, &lines)?);
        }
        Ok(source.in_format(format))
    }

    /// The format of the lists. What a model learned in lower case or normalized is read so again, and the
    /// same files in the same format.
    pub fn format(&self, of_model: Option<&ListFiles>) -> ListFormat {
        let Some(list) = of_model else {
            return self.over(ListFormat::default(), false);
        };
        let files = Source::files(self.data.clone()).list_files();
        let is_same = files.is_some_and(|files| files.files == list.files);
        self.over(list.format, is_same)
    }

    /// The format that the user typed, and what a model's list has where nothing was typed; of other files
    /// (not `is_same`) only how their words are changed.
    fn over(&self, list: ListFormat, is_same: bool) -> ListFormat {
        let same = Some(list).filter(|_| is_same);
        ListFormat {
            boundary: self.boundary.or(same.and_then(|list| list.boundary)),
            encoding: self.encoding.or(same.and_then(|list| list.encoding)),
            columns: same.and_then(|list| list.columns),
            lowercase: self.lowercase || list.lowercase,
            normalization: self.normalize.or(list.normalization),
            skip_bad_lines: self.skip_bad_lines || same.is_some_and(|list| list.skip_bad_lines),
        }
    }
}

/// Refuses standard input named twice: it holds one list.
pub fn check_standard_input<'a>(
    files: impl IntoIterator<Item = &'a PathBuf>,
) -> anyhow::Result<()> {
    let named = files.into_iter().filter(|file| *file == Path::new("-"));
    match named.count() {
        0 | 1 => Ok(()),
        _ => bail!("standard input, -, can be one list only; save it to a file"),
    }
}
