//! The data of a training: word lists, each counted once and split into train, dev and test.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::counting::{Counted, NgramCounts, count_shared, count_shared_for, count_shared_parts};
use crate::data::{Digest, List, Part, Parts, Source, Split, SplitOf};
use crate::distributed::{Alone, Processes};
use crate::error::{Error, Result, UnknownWords};
use crate::host::share_processors;
use crate::memory::Memory;
use crate::train::lists::Lists;

/// The word lists that a model is trained on and evaluated on.
#[derive(Debug)]
pub struct Corpus {
    /// The list and its bigrams.
    pub counted: Counted,
    /// The train, dev and test parts.
    pub parts: Parts,
    /// The memory limit; what the lists take is already reserved.
    pub memory: Arc<Memory>,
    /// Lists that are the dev or the test part by themselves.
    own: Vec<(Part, Counted)>,
}

impl Corpus {
    /// Reads a list, and the lists in `own`, each of which is a part by itself. `split` splits the first
    /// list, once its words are counted. Several processes read a part of each list.
    ///
    /// # Errors
    ///
    /// As [`count_shared`], [`Parts::with`] and `split`.
    pub fn read(
        source: Source,
        own: Vec<(Part, Source)>,
        boundary: Option<char>,
        split: impl FnOnce(&Counted) -> Result<Split>,
        memory: Memory,
        processes: &dyn Processes,
    ) -> Result<Self> {
        let (list, counted) = read(source, |source| count_shared(source, boundary, processes))?;
        let split = split(&counted)?;
        let learned = counted.counts.vocabulary().clone();
        let mut corpus = Self {
            parts: Parts::new(list, split).shared(Part::Train, &counted.sections),
            counted,
            memory: memory.into(),
            own: Vec::new(),
        };
        for (part, source) in own {
            let count = |source: &Source| count_shared_for(source, &learned, processes);
            let (list, counted) = read(source, count)?;
            let parts = corpus.parts.with(part, list)?;
            corpus.parts = parts.shared(part, &counted.sections);
            corpus.own.push((part, counted));
        }
        Ok(corpus)
    }

    /// The same, of which this process reads all by itself from now on: the others have nothing left to do, so
    /// that their processors are its own.
    pub fn alone(self) -> Self {
        share_processors(1);
        Self {
            parts: self.parts.alone(),
            ..self
        }
    }

    /// The same list, split in another way.
    pub fn split_again(&self, split: Split) -> Self {
        Self {
            counted: self.counted.clone(),
            parts: Parts::new(self.parts.list().clone(), split),
            memory: Arc::clone(&self.memory),
            own: Vec::new(),
        }
    }

    /// The same, whose reading ends with [`Error::Interrupted`] once a flag is set.
    pub fn stopped_by(&self, stop: Arc<AtomicBool>) -> Self {
        Self {
            counted: self.counted.clone(),
            parts: self.parts.clone().stopped_by(stop),
            memory: Arc::clone(&self.memory),
            own: self.own.clone(),
        }
    }

    /// The words of the parts, in memory.
    ///
    /// # Errors
    ///
    /// As [`Lists::read`].
    pub fn lists(&self) -> Result<Lists> {
        Lists::read(&self.parts, self.counted.counts.vocabulary())
    }

    /// Whether a part has words.
    pub fn has(&self, part: Part) -> bool {
        self.parts.words(part) > 0
    }

    /// The n-grams of the train part.
    ///
    /// # Errors
    ///
    /// As [`count_shared_parts`].
    pub fn train_counts(&self, order: usize, memory: &Memory) -> Result<NgramCounts> {
        self.shared_train_counts(order, memory, &Alone)
    }

    /// The n-grams of the train part, counted by processes that share it; all for process 0.
    ///
    /// # Errors
    ///
    /// As [`count_shared_parts`].
    pub fn shared_train_counts(
        &self,
        order: usize,
        memory: &Memory,
        processes: &dyn Processes,
    ) -> Result<NgramCounts> {
        let counts = &self.counted.counts;
        if order == counts.order() && self.parts.is_whole() {
            return Ok(counts.clone());
        }
        let (wanted, vocabulary) = ([Part::Train], counts.vocabulary());
        let (parts, quiet) = (&self.parts, &|_| ());
        let counted =
            count_shared_parts(parts, &wanted, vocabulary, order, memory, quiet, processes)?;
        Ok(counted.into_iter().next().unwrap_or_else(|| counts.clone()))
    }

    /// Leaves words out of the lists that are a part by themselves, if they have characters that the
    /// vocabulary lacks. Returns what was left out of each list.
    ///
    /// # Errors
    ///
    /// [`Error::NoWordsLeft`] if that is a whole list; if a list cannot be read or has changed;
    /// [`Error::Processes`].
    pub fn leave_out_unknown(&mut self, processes: &dyn Processes) -> Result<Vec<UnknownWords>> {
        let (parts, known) = (&mut self.parts, self.counted.counts.vocabulary());
        let left_out = self.own.iter().map(|(part, list)| {
            parts.leave_out_unknown(&[*part], list.counts.vocabulary(), known, processes)
        });
        left_out.filter_map(Result::transpose).collect()
    }

    /// Whether a list that is a part by itself has characters that the vocabulary lacks, in words that
    /// are not left out.
    pub fn has_unknown(&self) -> bool {
        let known = self.counted.counts.vocabulary();
        self.own.iter().any(|(part, list)| {
            self.parts.left_out(*part) == 0 && !known.includes(list.counts.vocabulary())
        })
    }

    /// Refuses to resume a training on another list than `before`.
    ///
    /// # Errors
    ///
    /// [`Error::OtherData`].
    pub fn check_list(&self, before: Digest) -> Result<()> {
        let list = &self.counted;
        if before == list.digest {
            return Ok(());
        }
        Err(Error::OtherData {
            wanted: before.to_string(),
            origin: list.origin.clone(),
            found: list.digest.to_string(),
        })
    }

    /// Refuses to resume a training with other dev or test lists than `before`, so that held-out words
    /// stay held out.
    ///
    /// # Errors
    ///
    /// [`Error::OtherPart`].
    pub fn check_parts(&self, before: &SplitOf) -> Result<()> {
        for part in [Part::Dev, Part::Test] {
            let was = before.own(part);
            if self.parts.own(part).map(|list| list.digest) != was {
                return Err(Error::OtherPart {
                    part: part.into(),
                    was: was.map(|list| list.to_string()),
                });
            }
        }
        Ok(())
    }
}

fn read(source: Source, count: impl FnOnce(&Source) -> Result<Counted>) -> Result<(List, Counted)> {
    let source = source.rereadable()?;
    let counted = count(&source)?;
    let list = List {
        source,
        digest: counted.digest,
    };
    Ok((list, counted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Shares;
    use crate::error::Error;
    use crate::models::ngram::orders::Orders;
    use crate::models::{LanguageModel, Smoothing};
    use crate::score::held_out::HeldOut;
    use crate::train::lists::Lists;

    fn corpus(dev: &'static str) -> Corpus {
        let text = |name: &str, text: &'static str| Source::text(name, text);
        let own = vec![
            (Part::Dev, text("dev.txt", dev)),
            (Part::Test, text("test.txt", "ab\nb\n")),
        ];
        let all = |list: &Counted| Ok(Split::new(Shares::ALL, 1, list.digest.words));
        Corpus::read(
            text("list.txt", "ab\nba\nbab\n"),
            own,
            Some('.'),
            all,
            Memory::new(1 << 30),
            &Alone,
        )
        .unwrap()
    }

    /// A training once ended because of it: "the character 'q' is not in the vocabulary".
    #[test]
    fn a_character_that_only_dev_has_does_not_end_a_training() {
        let (mut data, memory) = (corpus("ab\nqab\nba\nbq\nb\n"), Memory::new(1 << 30));
        assert!(data.has_unknown());
        let left_out = data.leave_out_unknown(&Alone).unwrap();
        let said: Vec<String> = left_out.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "2, which have characters that the model does not know; the first is \"qab\" (dev.txt:2)"
            ]
        );
        assert!(!data.has_unknown());
        assert_eq!(data.parts.words(Part::Dev), 3);
        let vocabulary = data.counted.counts.vocabulary();
        let lists = Lists::read(&data.parts, vocabulary).unwrap();
        let dev: Vec<&[u16]> = lists.dev.iter().collect();
        assert_eq!(dev, [&[1, 2][..], &[2, 1], &[2]]);

        // The losses of n-grams are those of the same words.
        let orders = Orders::count(
            &data.parts,
            &data.counted.counts,
            3,
            &memory,
            &|_| (),
            &Alone,
        )
        .unwrap();
        let (added, tried) = orders.search(3).unwrap();
        let lowest = tried
            .iter()
            .map(|tried| tried.dev)
            .fold(f64::INFINITY, f64::min);
        let model = orders.model(Smoothing::Additive(added)).unwrap();
        let losses = HeldOut::of(&model, &data.parts, &memory, &Alone).unwrap();
        assert!((losses.dev_loss.unwrap() - lowest).abs() < 1e-6);
        assert_eq!((losses.dev_left_out, losses.test_left_out), (Some(2), None));
        let of_words = crate::score::evaluate::words(&model, ["ab", "ba", "b"]).unwrap();
        assert_eq!(losses.dev_loss, Some(of_words.nll()));
        assert!(!model.knows_unknown());
    }

    #[test]
    fn a_dev_list_without_a_word_in_the_characters_of_train_is_refused() {
        let error = corpus("qa\nq\n").leave_out_unknown(&Alone).unwrap_err();
        assert!(matches!(error, Error::NoWordsLeft(_)), "{error}");
        let error = error.to_string();
        assert!(
            error.contains("no word is left: 2, ") && error.contains("\"qa\" (dev.txt:1)"),
            "{error}"
        );
    }
}
