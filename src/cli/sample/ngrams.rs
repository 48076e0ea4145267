//! The n-grams of a list, which draw without `--model` where the lecture's table does not.

use anyhow::bail;
use makemore_tch::data::words::is_lecture;
use makemore_tch::memory::Memory;
use makemore_tch::models::Smoothing;
use makemore_tch::train::choice::choose::Choice;
use makemore_tch::train::choice::plan::Effort;
use makemore_tch::train::choice::report::Silent;
use makemore_tch::train::corpus::Corpus;
use makemore_tch::{Counted, List, Model, Ngram, NgramCounts};

use crate::cli::arguments::DataArguments;
use crate::cli::arguments::order::ChosenOrder;
use crate::cli::context::Context;

/// The memory that a character of a list in memory takes, in bytes.
const OF_CHARACTER: u64 = 12;

/// Whether a list is too long to find the best order for it. Words of a list with counts are in memory.
pub fn is_too_long(data: &Corpus) -> bool {
    let has_counts = data.parts.list().source.counts().is_some();
    !has_counts && data.counted.counts.total() * OF_CHARACTER > data.memory.free()
}

/// What draws without a model.
pub enum Drawing {
    /// Counted pairs, as in the lecture.
    Pairs(Box<NgramCounts>),
    Ngrams(Box<Ngram>),
}

/// What a list is counted for.
pub struct Counting<'a> {
    pub list: &'a DataArguments,
    pub order: Option<ChosenOrder>,
    pub has_smoothing: bool,
    /// Whether the list is read a second time, to search the words in it.
    pub is_searched: bool,
    /// The seed of the words that are held out.
    pub seed: u64,
}

impl Counting<'_> {
    /// Counts a list for the order that the user or the list asks for. Returns the list too.
    pub fn drawing(&self, context: Context) -> anyhow::Result<(Drawing, List)> {
        let has_smoothing = self.has_smoothing;
        let order = self.order.filter(|&order| order != ChosenOrder::Of(2));
        if order.is_some() && has_smoothing {
            bail!("--smoothing is of pairs (--order 2); leave it or --order out");
        }
        let memory = Memory::half_of_the_machine();
        let source = self.list.source(None, &memory)?;
        let is_built_in = self.list.data.is_empty();
        if order.is_none() && (self.order.is_some() || has_smoothing || is_built_in) {
            let source = match self.is_searched {
                true => source.rereadable()?,
                false => source,
            };
            let Counted { counts, digest, .. } = context.count(self.list, &source, None)?;
            return Ok((Drawing::Pairs(Box::new(counts)), List { source, digest }));
        }
        let data = context.whole(self.list, source, memory, self.seed)?;
        let list = data.parts.list().clone();
        if order.is_none() && is_lecture(data.counted.digest) {
            return Ok((Drawing::Pairs(Box::new(data.counted.counts)), list));
        }
        let ngrams = match order.and_then(ChosenOrder::named) {
            Some(order) => {
                let counts = data.train_counts(order, &data.memory)?;
                Ngram::of(&counts, Smoothing::KneserNey, &data.memory)?
            }
            None if is_too_long(&data) => {
                context.remarks.say(format_args!(
                    "{}: too long to find the best order, so that pairs draw; --order N names one",
                    data.counted.origin
                ));
                return Ok((Drawing::Pairs(Box::new(data.counted.counts)), list));
            }
            None => self.best(&data, context)?,
        };
        Ok((Drawing::Ngrams(Box::new(ngrams)), list))
    }

    /// The n-grams of the order that predicts words best which are held out.
    fn best(&self, data: &Corpus, context: Context) -> anyhow::Result<Ngram> {
        let effort = Effort::Quick;
        let choice = Choice::of(data, self.seed, effort, &data.memory, &mut Silent)?;
        let ngrams = choice
            .models
            .into_iter()
            .find_map(|(model, _)| match model {
                Model::Ngram(ngrams) => Some(ngrams),
                _ => None,
            });
        let Some(ngrams) = ngrams else {
            bail!("{}: no n-grams were chosen", data.counted.origin);
        };
        context.remarks.say(format_args!(
            "drawn by n-grams of order {}, smoothed, which predict held-out words best; --order 2 draws by counted pairs",
            ngrams.order()
        ));
        Ok(ngrams)
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::testing::Folder;

    /// By pairs, 120 planets gave `jSgcV'KemhervdYBKI`.
    #[test]
    fn a_list_is_drawn_by_the_ngrams_that_suit_it() {
        let folder = Folder::new();
        let names = include_str!("../../../assets/names.txt");
        folder.write("names.txt", names);
        let few: Vec<&str> = names.lines().step_by(40).collect();
        folder.write("few.txt", few.join("\n"));
        let sample = "sample --data few.txt --json -n 9";
        let (document, said) = folder.both(sample);
        let (_, order) = said.split_once("n-grams of order ").unwrap();
        let order = order.split(',').next().unwrap();
        assert!(("3"..="8").contains(&order), "{said}");
        assert_eq!(
            folder.stdout(&format!("{sample} --order {order}")),
            document
        );
        let train = format!("train --type ngram --data few.txt --split 100,0,0 --order {order}");
        folder.stdout(&train);
        let of_model = folder.stdout("sample --model makemore-ngram.safetensors --json -n 9");
        assert_eq!(of_model, document);

        // The lecture's names are drawn as in the lecture, and so is a list with its smoothing.
        let lecture = folder.stdout("sample");
        for same in ["--data names.txt", "--order 2", "--smoothing 1"] {
            let (drawn, said) = folder.both(&format!("sample {same}"));
            assert_eq!((drawn, said.as_str()), (lecture.clone(), ""), "{same}");
        }
        assert_ne!(folder.stdout("sample --order auto"), lecture);
        let pairs = folder.stdout(&format!("{sample} --order 2"));
        assert_eq!(folder.stdout(&format!("{sample} --smoothing 1")), pairs);
        assert_ne!(pairs, document);
        let error = folder.error("sample --order 3 --smoothing 1", 1);
        assert!(error.contains("--smoothing is of pairs"), "{error}");
        let error = folder.error("sample --order 17", 2);
        assert!(
            error.contains("auto or a whole number from 1 to 16"),
            "{error}"
        );
        let error = folder.error("train --order auto", 1);
        assert!(error.contains("--order auto is of --type ngram"), "{error}");
    }
}
