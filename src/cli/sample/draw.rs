//! The words of `sample`, drawn or found, and printed.

use makemore_tch::sample::Constrained;
use makemore_tch::{Constraints, Error, LanguageModel, SampleOptions, ScoredName, Source, score};

use super::Sample;
use super::print::Results;
use crate::cli::arguments::wishes::WishArguments;
use crate::cli::context::Context;
use crate::cli::interrupt::Interrupt;
use crate::cli::progress;

impl Sample {
    /// Prints the words that a model draws; but in the order drawn, sorted by their likelihood under `p`. Returns the
    /// exit status, which is that of an interruption.
    pub(super) fn print(
        &self,
        model: &dyn LanguageModel,
        p: &dyn LanguageModel,
        source: Option<&Source>,
        results: &Results,
        context: Context,
    ) -> anyhow::Result<u8> {
        let constraints = Constraints {
            new_to: source.filter(|_| self.new),
            unique: self.unique,
        };
        if self.most_probable {
            let words = WishArguments::most_probable(model, &self.constraint)?;
            let interrupt = Interrupt::catch(context.remarks)?;
            let words = words.stopped_by(interrupt.flag());
            let mut words = words.constrained(self.number, constraints);
            let remarks = results.remarks;
            let tell = move || {
                remarks.say(
                    "the search may take minutes; Ctrl-C ends it and prints the words found so far",
                );
            };
            let printed =
                progress::told_if_long(tell, || self.print_found(&mut words, p, source, results));
            return match printed {
                Err(error) if matches!(error.downcast_ref(), Some(Error::Interrupted)) => {
                    Ok(interrupt.status())
                }
                printed => printed.map(|()| 0),
            };
        }
        let options = SampleOptions {
            method: self.sampler,
            shaping: self.shaping.shaping(),
            constraint: self.constraint.clone(),
            ..SampleOptions::default()
        };
        let mut sampler = WishArguments::sampler(model, self.seed, &options)?;
        if self.is_in_order_drawn() && !self.new && !self.unique {
            let printed = results.drawn(&mut sampler, self.number);
            context.remark_on_too_long(&sampler);
            return self.ended(printed);
        }
        let mut words = sampler.constrained(self.number, constraints);
        let printed = self.print_found(&mut words, p, source, results);
        context.remark_on_too_long(words.words());
        self.ended(printed)
    }

    /// The exit status after words were drawn.
    fn ended(&self, printed: anyhow::Result<()>) -> anyhow::Result<u8> {
        printed
            .map(|()| 0)
            .map_err(|error| self.shaping.explain(error))
    }

    /// Prints words that are as wished, also those found before there were no more.
    fn print_found<W: Iterator<Item = makemore_tch::Result<String>>>(
        &self,
        words: &mut Constrained<W>,
        p: &dyn LanguageModel,
        source: Option<&Source>,
        results: &Results,
    ) -> anyhow::Result<()> {
        if self.is_in_order_drawn() {
            return results.found(words, self.number);
        }
        let quiet = results.remarks.quiet;
        let (found, gave_up) =
            progress::of_words(self.number, quiet, |on_found| words.found(on_found));
        let names = score::ranked(p, found.into_iter().map(Ok), self.sort.unwrap_or_default())?;
        match (self.json.json, self.plain) {
            _ if names.is_empty() && gave_up.is_some() && results.is_file() => {}
            (true, _) => results.document(self.seed, &names, source)?,
            (_, true) => results.lines(names.into_iter().map(|name| name.name))?,
            _ => results.lines(names.iter().map(ScoredName::to_string))?,
        }
        gave_up.map_or(Ok(()), |error| Err(error.into()))
    }
}
