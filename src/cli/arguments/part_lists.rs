//! Lists of `--dev` and `--test`, which are read as the training list is, and the split that has them otherwise.

use std::path::Path;

use anyhow::anyhow;
use makemore_tch::data::words::with_counts;
use makemore_tch::data::{ListFiles, ListFormat, Shares, Split};
use makemore_tch::distributed::Processes;
use makemore_tch::distributed::processes::of_first;
use makemore_tch::memory::Memory;
use makemore_tch::{Counted, Source};

use super::DataArguments;
use super::train::{SEED, Train};
use crate::cli::context::Context;

impl DataArguments {
    /// A list that is a part by itself beside the list of a `format`, and has the same columns or only words.
    pub fn own(
        &self,
        file: &Path,
        of_model: Option<&ListFiles>,
        format: ListFormat,
        memory: &Memory,
        processes: &dyn Processes,
    ) -> anyhow::Result<Source> {
        let own = Source::files(vec![file.to_owned()]).rereadable()?;
        let as_utf_8 = ListFormat {
            encoding: None,
            ..format
        };
        let lines = own.clone().in_format(as_utf_8);
        let lines = of_first(processes, || lines.first_lines())?;
        let format = format.of_other(&lines);
        let own = own.in_format(format);
        let Some(columns) = format.columns else {
            return Ok(own);
        };
        let names = match &self.columns {
            Some(names) => names.clone(),
            None => {
                let list = self.unread_source(of_model, None, processes)?;
                columns.names(&of_first(processes, || list.first_lines())?)
            }
        };
        let lines = of_first(processes, || own.first_lines())?;
        let found = columns.of_other(&names, &lines).map_err(|error| {
            anyhow!("{}: {error}; a list with the columns of the training list, or with one word a line, would work", file.display())
        })?;
        let format = ListFormat {
            columns: found,
            ..format
        };
        Ok(with_counts(own.in_format(format), memory, processes)?)
    }
}

impl Train {
    /// The split that the user asks for, or the default one if the list has enough words for it.
    pub fn new_split(
        &self,
        default: Shares,
        list: &Counted,
        context: Context,
    ) -> makemore_tch::Result<Split> {
        let (origin, words) = (&list.origin, list.digest.words);
        let seed = self.split_seed.or(self.seed).unwrap_or(SEED);
        let split = Split::new(self.split.unwrap_or(default), seed, words);
        match split.check(origin) {
            Err(_) if self.split.is_none() => {
                context.remarks.say(format_args!(
                    "{origin} has too few words to hold some out ({words}): all are for training"
                ));
                Ok(Split::new(Shares::ALL, seed, words))
            }
            checked => checked.map(|()| split),
        }
    }
}
