//! The evaluation of models on a list, or on a part of the list that they were trained on.

use strum::VariantArray;

use super::evaluate::{self, Evaluation};
use crate::counting::{Counted, NgramCounts};
use crate::data::parts::{List, Parts};
use crate::data::reader::Source;
use crate::data::split::Part;
use crate::distributed::Processes;
use crate::error::{Result, UnknownWords};
use crate::memory::Memory;
use crate::model_file::TrainedOn;
use crate::models::LanguageModel;

/// The evaluations of a model on a list or a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// All words.
    pub all: Evaluation,
    /// New words, which training never saw; none where the list of the training is not known.
    pub new: Option<Evaluation>,
}

impl Fit {
    /// The average NLL of the new words in nats, if there are any.
    pub fn nll_new(&self) -> Option<f64> {
        let new = self.new.filter(|new| new.words > 0);
        new.map(|new| new.nll())
    }
}

/// A list or a part of it, on which models are evaluated.
#[derive(Debug)]
pub struct ListToScore<'a> {
    parts: Parts,
    wanted: Vec<Part>,
    /// The bigrams of the whole list.
    counts: &'a NgramCounts,
    /// Whether it is known which words are new.
    is_new_known: bool,
    /// The words that are not scored, since the model gives some of their characters no probability.
    pub left_out: Option<UnknownWords>,
}

impl<'a> ListToScore<'a> {
    /// A list that was counted, or the part of it as the model's training split it. A mixture leaves out
    /// the words that one of its models cannot score, and so does each of these models when it is
    /// evaluated on the same words.
    ///
    /// # Errors
    ///
    /// As [`TrainedOn::part`] and [`Parts::leave_out_unknown`].
    pub fn of(
        model: &dyn LanguageModel,
        trained_on: Option<TrainedOn>,
        part: Option<Part>,
        source: &Source,
        counted: &'a Counted,
        processes: &dyn Processes,
    ) -> Result<Self> {
        let list = List {
            source: source.clone(),
            digest: counted.digest,
        };
        let is_new_known = trained_on.is_some_and(|trained_on| match part {
            Some(part) => trained_on.split.own(part).is_none(),
            None => trained_on.list == counted.digest,
        });
        let (mut parts, wanted) = match (trained_on, part) {
            (Some(trained_on), Some(part)) => {
                let (parts, part) = trained_on.part(part, list)?;
                (parts, vec![part])
            }
            (Some(trained_on), None) => (trained_on.parts(list), Part::VARIANTS.to_vec()),
            (None, _) => (Parts::whole(list), Part::VARIANTS.to_vec()),
        };
        parts = parts.shared(Part::Train, &counted.sections);
        let (found, known) = (counted.counts.vocabulary(), model.vocabulary());
        let left_out = match model.knows_unknown() {
            true => None,
            false => parts.leave_out_unknown(&wanted, found, known, processes)?,
        };
        Ok(Self {
            parts,
            wanted,
            counts: &counted.counts,
            is_new_known,
            left_out,
        })
    }

    /// Evaluates a model.
    ///
    /// # Errors
    ///
    /// As [`evaluate::parts_and_new`].
    pub fn fit(
        &self,
        model: &dyn LanguageModel,
        memory: &Memory,
        processes: &dyn Processes,
    ) -> Result<Fit> {
        if !self.parts.is_whole() {
            let all = evaluate::parts_and_new(model, &self.parts, &self.wanted, memory, processes)?;
            let evaluated = all.together();
            return Ok(Fit {
                all: evaluated.all,
                new: Some(evaluated.new),
            });
        }
        // A model of bigrams is evaluated by their counts.
        let is_of_bigrams = model.block_size() <= 1 && !model.knows_unknown();
        let all = match is_of_bigrams && self.left_out.is_none() {
            true => evaluate::counts(model, self.counts)?,
            false => evaluate::parts(model, &self.parts, &self.wanted, processes)?,
        };
        let new = self.is_new_known.then(Evaluation::default);
        Ok(Fit { all, new })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counting::count;
    use crate::counting::tests::ngrams_of;
    use crate::data::{Vocabulary, Words};
    use crate::distributed::Alone;
    use crate::error::Error;
    use crate::models::kinds::Gru;
    use crate::models::{Bigram, Config, Mixture, Network, Ngram, Sizes, Smoothing, Table};
    use tch::Device;

    fn ngram(smoothing: Smoothing) -> Ngram {
        let counts = ngrams_of(&Words::lecture('.').unwrap(), 3);
        Ngram::of(&counts, smoothing, &memory()).unwrap()
    }

    fn gru(vocabulary: &Vocabulary) -> Network {
        let config = Config::new(&Gru, Sizes::default());
        Network::new(vocabulary.clone(), config, 1, Device::Cpu).unwrap()
    }

    fn memory() -> Memory {
        Memory::new(1 << 30)
    }

    /// A list, its counts, and what of it a model scores.
    fn scored<R>(
        model: &dyn LanguageModel,
        text: &'static str,
        and: impl Fn(Result<ListToScore>) -> R,
    ) -> R {
        let source = Source::text("list.txt", text);
        let counted = count(&source, '.').unwrap();
        and(ListToScore::of(
            model, None, None, &source, &counted, &Alone,
        ))
    }

    fn words(model: &dyn LanguageModel, words: [&str; 2]) -> Evaluation {
        evaluate::words(model, words).unwrap()
    }

    /// It once ended with the error that is now the reason.
    #[test]
    fn one_unknown_character_does_not_stop_a_list() {
        let names = ngrams_of(&Words::lecture('.').unwrap(), 2);
        let vocabulary = names.vocabulary();
        let models: [&dyn LanguageModel; 4] = [
            &Table::of(&names, 1.0).unwrap(),
            &Bigram::new(vocabulary.clone(), 2, 1, Device::Cpu).unwrap(),
            &gru(vocabulary),
            &ngram(Smoothing::WittenBell),
        ];
        for model in models {
            scored(
                model,
                "alda\n\nzo\u{EB}\nbrand\nzo\u{EB}\n\u{E9}va\n",
                |list| {
                    let list = list.unwrap();
                    let left_out = list.left_out.as_ref().unwrap().to_string();
                    assert_eq!(
                        left_out,
                        "3, which have characters that the model does not know; the first is \"zo\u{EB}\" (list.txt:3)"
                    );
                    let fit = list.fit(model, &memory(), &Alone).unwrap();
                    assert_eq!(fit.all, words(model, ["alda", "brand"]), "{model:?}");
                },
            );
            scored(model, "zo\u{EB}\n", |list| match list {
                Err(Error::NoWordsLeft(left_out)) => assert_eq!(left_out.words, 1),
                other => panic!("{other:?}"),
            });
        }
    }

    #[test]
    fn a_model_that_knows_unknown_characters_leaves_no_word_out() {
        let model = ngram(Smoothing::KneserNey);
        scored(&model, "alda\nzo\u{EB}\n", |list| {
            let list = list.unwrap();
            assert_eq!(list.left_out, None);
            let all = list.fit(&model, &memory(), &Alone).unwrap().all;
            assert_eq!((all.words, all.unknown), (2, 1));
        });
    }

    #[test]
    fn a_mixture_and_its_models_are_scored_on_the_same_words() {
        let ngram = ngram(Smoothing::KneserNey);
        let gru = gru(ngram.vocabulary());
        let mixture = Mixture::new(vec![&ngram, &gru], &[1.0, 1.0]).unwrap();
        scored(&mixture, "alda\nzo\u{EB}\nbrand\n", |list| {
            let list = list.unwrap();
            for model in [&mixture as &dyn LanguageModel, &ngram, &gru] {
                let fit = list.fit(model, &memory(), &Alone).unwrap();
                assert_eq!(fit.all, words(model, ["alda", "brand"]));
            }
        });
    }
}
