//! The data of a training: word lists, each counted once and split into train, dev and test.

use crate::counting::{Counted, NgramCounts, count, count_parts};
use crate::data::{Digest, List, Part, Parts, Source, Split, SplitOf};
use crate::error::{Error, Result};
use crate::memory::Memory;

/// The word lists that a model is trained on and evaluated on.
#[derive(Debug)]
pub struct Corpus {
    /// The list and its bigrams.
    pub counted: Counted,
    /// The train, dev and test parts.
    pub parts: Parts,
    /// Lists that are the dev or the test part by themselves.
    own: Vec<(Part, Counted)>,
}

impl Corpus {
    /// Reads a list, and the lists in `own`, each of which is a part by itself. `split` splits the first
    /// list, once its words are counted.
    ///
    /// # Errors
    ///
    /// As [`count`], [`Parts::with`] and `split`.
    pub fn read(
        source: Source,
        own: Vec<(Part, Source)>,
        boundary: Option<char>,
        split: impl FnOnce(&Counted) -> Result<Split>,
    ) -> Result<Self> {
        let (list, counted) = read(source, boundary)?;
        let split = split(&counted)?;
        let boundary = counted.counts.vocabulary().boundary();
        let mut corpus = Self {
            parts: Parts::new(list, split),
            counted,
            own: Vec::new(),
        };
        for (part, source) in own {
            let (list, counted) = read(source, boundary)?;
            corpus.parts = corpus.parts.with(part, list)?;
            corpus.own.push((part, counted));
        }
        Ok(corpus)
    }

    /// Whether a part has words.
    pub fn has(&self, part: Part) -> bool {
        self.parts.words(part) > 0
    }

    /// The n-grams of the train part.
    ///
    /// # Errors
    ///
    /// As [`count_parts`].
    pub fn train_counts(&self, order: usize, memory: &Memory) -> Result<NgramCounts> {
        let counts = &self.counted.counts;
        if order == counts.order() && self.parts.is_whole() {
            return Ok(counts.clone());
        }
        let (wanted, vocabulary) = ([Part::Train], counts.vocabulary());
        let counted = count_parts(&self.parts, &wanted, vocabulary, order, memory, &|_| ())?;
        Ok(counted.into_iter().next().unwrap_or_else(|| counts.clone()))
    }

    /// Refuses lists that are a part by themselves and have characters that the vocabulary lacks.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownCharacter`] in an [`Error::InPart`].
    pub fn check_characters(&self) -> Result<()> {
        let known = self.counted.counts.vocabulary();
        for (part, list) in &self.own {
            let mut characters = list.counts.vocabulary().characters()[1..].iter();
            characters
                .try_for_each(|&character| known.stoi(character).map(drop))
                .map_err(|cause| Error::InPart {
                    part: part.into(),
                    origin: list.origin.clone(),
                    cause: Box::new(cause),
                })?;
        }
        Ok(())
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

fn read(source: Source, boundary: impl Into<Option<char>>) -> Result<(List, Counted)> {
    let source = source.rereadable()?;
    let counted = count(&source, boundary)?;
    let list = List {
        source,
        digest: counted.digest,
    };
    Ok((list, counted))
}
