//! The lists of a training, as the user names and splits them.

use anyhow::{Context as _, bail};
use makemore_tch::checkpoint::Checkpoint;
use makemore_tch::counting::Counted;
use makemore_tch::data::{Part, Shares, Source, Split};
use makemore_tch::train::corpus::Corpus;

use crate::cli::arguments::check_standard_input;
use crate::cli::arguments::train::{SEED, Train};
use crate::cli::context::Context;

impl Train {
    /// Reads the lists; `default` is how the data is split if the user does not say. What a training
    /// that goes on held out stays so.
    pub(super) fn read_data(
        &self,
        default: Shares,
        resumed: Option<&Checkpoint>,
        context: Context,
    ) -> anyhow::Result<Corpus> {
        let own = [(Part::Dev, &self.dev), (Part::Test, &self.test)];
        let own: Vec<_> = own
            .into_iter()
            .filter_map(|(part, file)| Some((part, file.as_ref()?)))
            .collect();
        check_standard_input(
            self.data
                .data
                .iter()
                .chain(own.iter().map(|&(_, file)| file)),
        )?;
        let named = || self.resumed();
        let before = resumed.map(|resumed| resumed.split);
        if let Some(before) = &before {
            let again = before.check_again(self.split, self.split_seed);
            again.with_context(named)?;
            let given: Vec<Part> = own.iter().map(|&(part, _)| part).collect();
            before.check_own(&given).with_context(named)?;
        }
        let mut own_parts = own.iter().map(|&(part, _)| part);
        if let Some(split) = self.split
            && let Some(part) = own_parts.find(|&part| split.has(part))
        {
            bail!(
                "--split {split} takes the {part} part from the data, and --{part} names a list for it; leave one of them out"
            );
        }
        let default = own
            .iter()
            .fold(default, |shares, &(part, _)| shares.without(part));
        let seed = self.split_seed.or(self.seed).unwrap_or(SEED);
        let split = |list: &Counted| {
            let words = list.digest.words;
            if let Some(before) = &before {
                return Ok(Split::new(before.shares, before.seed, words));
            }
            let split = Split::new(self.split.unwrap_or(default), seed, words);
            match split.check(&list.origin) {
                Err(_) if self.split.is_none() => {
                    context.remarks.say(format_args!(
                        "{} has too few words to hold some out ({words}): all are for training",
                        list.origin
                    ));
                    Ok(Split::new(Shares::ALL, seed, words))
                }
                checked => checked.map(|()| split),
            }
        };
        let own = own
            .iter()
            .map(|&(part, file)| (part, Source::files(vec![file.clone()])));
        let boundary = self
            .data
            .boundary(resumed.map(|resumed| resumed.model.vocabulary()));
        let data = Corpus::read(self.data.source()?, own.collect(), boundary, split)?;
        if let Some(before) = &before {
            data.check_parts(before).with_context(named)?;
        }
        Ok(data)
    }
}
