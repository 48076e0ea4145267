//! The list of a page's models: its words, and their losses on those that were held out.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::bail;
use makemore_tch::data::ListFormat;
use makemore_tch::data::words::is_lecture;
use makemore_tch::distributed::Alone;
use makemore_tch::memory::Memory;
use makemore_tch::model_file::TrainedOn;
use makemore_tch::page::html::ListFacts;
use makemore_tch::page::{Entry, Known, Page};
use makemore_tch::score::{Fit, ListToScore};
use makemore_tch::{Counted, Error, LanguageModel, List, Part, Parts, Source};

use crate::cli::arguments::DataArguments;
use crate::cli::typed::{Typed, argument, file_name};

/// The memory that a word and a character of it take in a set of words, in bytes.
const OF_WORD: u64 = 80;
const OF_CHARACTER: u64 = 4;

/// The most characters whose pairs are in a page: they take 32 MB of its reader's memory.
const MOST_CHARACTERS: usize = 4096;

/// The typed arguments that say how the list is read, by their fields' names.
const NAMING: [&str; 6] = [
    "columns",
    "boundary",
    "encoding",
    "skip_bad_lines",
    "lowercase",
    "normalize",
];

/// A list that was counted.
pub struct OfList<'a> {
    pub source: &'a Source,
    pub counted: &'a Counted,
    pub memory: &'a Memory,
}

impl OfList<'_> {
    fn list(&self) -> List {
        List {
            source: self.source.clone(),
            digest: self.counted.digest,
        }
    }

    /// The arguments that name the list to a command: those that were typed or, of the list of a model, its
    /// files. They are empty for the lecture's names; none if no short ones name it.
    pub fn arguments(&self, data: &DataArguments, typed: &Typed) -> Option<String> {
        let naming = NAMING.iter().filter(|id| typed.has(id));
        let mut naming: Vec<String> = naming.map(|id| typed.again(id)).collect();
        if !data.data.is_empty() {
            naming.insert(0, named(data.data.iter().map(|file| short(file))));
        }
        if !naming.is_empty() || is_lecture(self.counted.digest) {
            return Some(naming.join(" "));
        }
        let here = std::env::current_dir().ok()?;
        let list = self.source.list_files()?;
        let files = list
            .files
            .iter()
            .map(|file| Path::new(file).strip_prefix(&here));
        let files: Vec<&Path> = files.collect::<Result<_, _>>().ok()?;
        let is_plain = list.format == ListFormat::default();
        is_plain.then(|| named(files.into_iter().map(short)))
    }

    /// Whether [`arguments`](Self::arguments) without a model name this list, read as it is here: a model
    /// has files and a format of its own.
    pub fn is_named(&self, data: &DataArguments, typed: &Typed) -> bool {
        let format = self.source.format();
        let mut alone = data.format(None);
        if data.columns.is_some() {
            alone.columns = format.columns;
        }
        let has_files = !data.data.is_empty() || is_lecture(self.counted.digest);
        let is_typed = NAMING.iter().any(|id| typed.has(id));
        let is_named = has_files || !is_typed && self.arguments(data, typed).is_some();
        is_named && alone == format
    }

    /// The counted pairs; none if there are too many different ones for a page.
    pub fn pairs(&self) -> anyhow::Result<Option<Entry>> {
        if self.counted.counts.vocabulary().len() > MOST_CHARACTERS {
            return Ok(None);
        }
        let mut entry = Entry::of_counts(&self.counted.counts, 1.0)?;
        entry.needs_data = true;
        entry = entry.in_format(self.source.format());
        if !is_lecture(self.counted.digest) {
            entry.arguments = argument("order", "2");
        }
        Ok(Some(entry))
    }

    /// How well a model predicts the test part of the list that it was trained on; none if this is
    /// another list, or nothing was held out.
    pub fn fit(
        &self,
        model: &dyn LanguageModel,
        trained_on: Option<TrainedOn>,
    ) -> anyhow::Result<Option<Fit>> {
        if trained_on.is_none() {
            return Ok(None);
        }
        let part = Some(Part::Test);
        match ListToScore::of(model, trained_on, part, self.source, self.counted, &Alone) {
            Err(Error::OtherList { .. } | Error::EmptyPart { .. }) => Ok(None),
            list => Ok(Some(list?.fit(model, self.memory, &Alone)?)),
        }
    }

    /// Puts the list into a page. `arguments` name it to a command.
    pub fn into_page(self, page: Page, arguments: String, known: Known) -> anyhow::Result<Page> {
        let origin = &self.counted.origin;
        let digest = self.counted.digest;
        if digest.words * OF_WORD + digest.characters * OF_CHARACTER > self.memory.free() {
            bail!("{origin}: too long for a page; a part of it would work");
        }
        let (mut words, mut longest) = (BTreeSet::new(), 0);
        Parts::whole(self.list()).each_word_here(&[Part::Train], |_, word, _| {
            if !words.contains(word) {
                longest = longest.max(word.chars().count());
                words.insert(word.to_owned());
            }
            Ok(())
        })?;
        let format = self.source.format();
        let facts = ListFacts {
            name: self.name(),
            words: digest.words,
            distinct: words.len(),
            longest,
            lowercase: format.lowercase,
            normalization: format.normalization.map(Into::into),
        };
        Ok(page.with_list(facts, arguments, &words, known)?)
    }

    /// The names of the list's files without their folders, of at most three.
    pub fn name(&self) -> String {
        let list = self.source.list_files();
        let files = list.map_or(Vec::new(), |list| list.files);
        if files.is_empty() {
            return self.counted.origin.clone();
        }
        let names = files.iter().map(|file| name_of(Path::new(file)));
        let names: Vec<String> = names.take(3).collect();
        match files.len() {
            0..=3 => names.join(", "),
            many => format!("{} and {} more", names.join(", "), many - 3),
        }
    }
}

/// The argument that names files.
fn named(files: impl Iterator<Item = String>) -> String {
    let files: Vec<String> = files.map(|file| file_name(&file)).collect();
    format!("--data {}", files.join(" "))
}

/// A file as a page names it. The folders of whoever makes a page are not for those who get it.
pub fn short(file: &Path) -> String {
    match file.is_absolute() {
        true => name_of(file),
        false => file.display().to_string(),
    }
}

fn name_of(file: &Path) -> String {
    let name = file.file_name().unwrap_or(file.as_os_str());
    name.to_string_lossy().into_owned()
}
