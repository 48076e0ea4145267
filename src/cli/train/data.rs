//! The lists of a training, as the user names and splits them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use makemore_tch::checkpoint::Checkpoint;
use makemore_tch::counting::Counted;
use makemore_tch::data::{Part, Shares, Split};
use makemore_tch::distributed::Processes;
use makemore_tch::files::check_distinct;
use makemore_tch::train::corpus::Corpus;

use crate::cli::arguments::list::check_standard_input;
use crate::cli::arguments::train::Train;
use crate::cli::context::Context;

impl Train {
    /// Reads the lists; `default` is the split if the user names none. A resumed training has the split
    /// of its checkpoint, so that held-out words stay held out.
    pub(super) fn read_data(
        &self,
        default: Shares,
        resumed: Option<&Checkpoint>,
        processes: &dyn Processes,
        context: Context,
    ) -> anyhow::Result<Corpus> {
        let own = [(Part::Dev, &self.dev), (Part::Test, &self.test)].into_iter();
        let own: Vec<_> = own
            .filter_map(|(part, file)| Some((part, file.as_ref()?)))
            .collect();
        let files = own.iter().map(|&(_, file)| file);
        check_standard_input(self.data.data.iter().chain(files))?;
        let named = || self.resumed();
        let before = resumed.map(|resumed| resumed.split);
        if let Some(before) = &before {
            let again = before.check_again(self.split, self.split_seed);
            again.with_context(named)?;
            let given: Vec<Part> = own.iter().map(|&(part, _)| part).collect();
            before.check_own(&given).with_context(named)?;
        }
        let default = own
            .iter()
            .fold(default, |shares, &(part, _)| shares.without(part));
        let split = |list: &Counted| match &before {
            Some(before) => Ok(Split::new(before.shares, before.seed, list.digest.words)),
            None => self.new_split(default, list, context),
        };
        let list = resumed.and_then(|resumed| resumed.list.as_ref());
        let inputs = list.filter(|_| self.data.data.is_empty());
        let inputs = inputs
            .iter()
            .flat_map(|list| list.files.iter().map(Path::new));
        let outputs = [&self.out, &self.metrics, &self.plot].into_iter().flatten();
        let outputs: Vec<&Path> = outputs.map(PathBuf::as_path).collect();
        check_distinct(&outputs, &inputs.collect::<Vec<_>>())?;
        let memory = self.memory.memory();
        let source = self.data.shared_source(list, &memory, processes)?;
        let format = source.format();
        let own = own.iter().map(|&(part, file)| {
            let own = self.data.own(file, list, format, &memory, processes);
            Ok((part, own?))
        });
        let own = own.collect::<anyhow::Result<_>>()?;
        let boundary = self
            .data
            .boundary(resumed.map(|resumed| resumed.model.vocabulary()));
        let mut data = Corpus::read(source, own, boundary, split, memory, processes)?;
        context.remark_on(&data.counted, &data.parts.list().source, boundary)?;
        if let Some(before) = &before {
            data.check_parts(before).with_context(named)?;
        }
        if !self.knows_unknown() {
            for words in data.leave_out_unknown(processes)? {
                context.remarks.unknown_words(&words);
            }
        }
        Ok(data)
    }
}
