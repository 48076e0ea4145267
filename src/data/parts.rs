//! The data of a model: a list that is split into train, dev and test, or a list for each part.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::pass::{Lines, each_block, each_block_here};
use super::reader::Source;
use super::sections::{Section, Sections};
use super::split::{Part, Shares, Split};
use super::vocabulary::{Encoder, Vocabulary};
use super::word_list::Subset;
use super::words::each_tidy;
use crate::distributed::Processes;
use crate::distributed::processes::{gather_as, gather_numbers, of_first};
use crate::error::{Error, LineFault, Result, UnknownWords};

/// A list that was read and can be read again.
#[derive(Debug, Clone)]
pub struct List {
    /// The source of its words.
    pub source: Source,
    /// Its digest, by which it is recognised.
    pub digest: Digest,
}

/// How a list was split, as saved with a model, so that the same words stay held out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitOf {
    /// The shares of the parts.
    #[serde(rename = "percents")]
    pub shares: Shares,
    /// The seed of the permutation.
    pub seed: u64,
    /// The digest of the dev list, if dev is a list of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<Digest>,
    /// The digest of the test list, if test is a list of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Digest>,
}

impl SplitOf {
    /// The split of a list that is all train data.
    pub fn all(seed: u64) -> Self {
        Self {
            shares: Shares::ALL,
            seed,
            dev: None,
            test: None,
        }
    }

    /// Whether both splits put the same words into the same parts.
    pub fn is_same(&self, other: &Self) -> bool {
        let is_seeded = matches!(self.shares, Shares::Percents(_)) && self.shares != Shares::ALL;
        let other = Self {
            seed: if is_seeded { other.seed } else { self.seed },
            ..*other
        };
        *self == other
    }

    /// Refuses shares and a seed that would put other words into the parts.
    ///
    /// # Errors
    ///
    /// [`Error::OtherSplit`].
    pub fn check_again(&self, shares: Option<Shares>, seed: Option<u64>) -> Result<()> {
        let by_seed = |seed| format!("by the seed {seed}");
        let (before, now) = match (shares, seed) {
            (Some(shares), _) if shares != self.shares => {
                (self.shares.to_string(), shares.to_string())
            }
            (_, Some(seed)) if seed != self.seed => (by_seed(self.seed), by_seed(seed)),
            _ => return Ok(()),
        };
        Err(Error::OtherSplit { before, now })
    }

    /// Checks that lists are given for those parts that were lists of their own, and no others.
    ///
    /// # Errors
    ///
    /// [`Error::OtherPart`].
    pub fn check_own(&self, given: &[Part]) -> Result<()> {
        let parts = [Part::Dev, Part::Test].into_iter();
        let mut others = parts.filter(|part| self.own(*part).is_some() != given.contains(part));
        match others.next() {
            None => Ok(()),
            Some(part) => Err(Error::OtherPart {
                part: part.into(),
                was: self.own(part).map(|list| list.to_string()),
            }),
        }
    }

    /// The digest of a part's own list, if it has one.
    pub fn own(&self, part: Part) -> Option<Digest> {
        match part {
            Part::Train => None,
            Part::Dev => self.dev,
            Part::Test => self.test,
        }
    }
}

/// A list with its split, and maybe lists that are the dev or test part instead of a share of it.
#[derive(Debug, Clone)]
pub struct Parts {
    list: List,
    split: Split,
    dev: Option<List>,
    test: Option<List>,
    /// The number of words of each part that are left out.
    left_out: [u64; 3],
    /// How many lines of the list these would be, written out by their counts.
    left_out_times: [u64; 3],
    /// The characters that words which are not left out consist of; none where all words are read.
    known: Option<Arc<Encoder>>,
    /// The sections of the list, and of those of dev and test, for processes that share them.
    sections: [Option<Sections>; 3],
    /// Ends all reading once it is set.
    stop: Arc<AtomicBool>,
}

impl Parts {
    /// A list that is split.
    pub fn new(list: List, split: Split) -> Self {
        Self {
            list,
            split,
            dev: None,
            test: None,
            left_out: [0; 3],
            left_out_times: [0; 3],
            known: None,
            sections: [None, None, None],
            stop: Arc::default(),
        }
    }

    /// The same parts, shared with other processes: this one reads its sections of a part's own list, or of
    /// the list that is split, for train.
    pub fn shared(mut self, part: Part, sections: &Sections) -> Self {
        self.sections[part as usize] = Some(sections.clone());
        self
    }

    /// The same parts, of which this process reads all by itself.
    pub fn alone(self) -> Self {
        Self {
            sections: [None, None, None],
            ..self
        }
    }

    /// The same parts, whose reading ends with [`Error::Interrupted`] once a flag is set.
    pub fn stopped_by(self, stop: Arc<AtomicBool>) -> Self {
        Self { stop, ..self }
    }

    /// The flag that ends reading.
    pub fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    /// Checks that the flag that ends reading is not set.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`] if it is.
    pub fn check_stopped(&self) -> Result<()> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(Error::Interrupted),
            false => Ok(()),
        }
    }

    /// A list that is all train data.
    pub fn whole(list: List) -> Self {
        let split = Split::new(Shares::ALL, 0, list.digest.words);
        Self::new(list, split)
    }

    /// Takes a list of its own as the dev or test part.
    ///
    /// # Errors
    ///
    /// [`Error::DoubledPart`] if the split gives the part a share, as always to the train part.
    pub fn with(mut self, part: Part, list: List) -> Result<Self> {
        if self.split.words(part) > 0 {
            return Err(Error::DoubledPart {
                part: part.into(),
                shares: self.split.shares().to_string(),
            });
        }
        match part {
            Part::Dev => self.dev = Some(list),
            Part::Test => self.test = Some(list),
            Part::Train => {}
        }
        Ok(self)
    }

    /// Leaves the words out of some parts that have characters which the vocabulary `known` lacks, if
    /// their list, whose vocabulary is `found`, has such characters. Returns what was left out.
    ///
    /// # Errors
    ///
    /// [`Error::NoWordsLeft`] if that is all; if a list cannot be read or has changed; of shared parts,
    /// [`Error::Processes`].
    pub fn leave_out_unknown(
        &mut self,
        wanted: &[Part],
        found: &Vocabulary,
        known: &Vocabulary,
        processes: &dyn Processes,
    ) -> Result<Option<UnknownWords>> {
        if known.includes(found) {
            return Ok(None);
        }
        let (encoder, mut own) = (known.encoder(), [[0_u64; 3]; 2]);
        self.each_word_here(wanted, |part, word, times| {
            if !encoder.knows(word) {
                own[0][part as usize] += 1;
                own[1][part as usize] += times;
            }
            Ok(())
        })?;
        let (mut left_out, mut left_out_times) = (self.left_out, self.left_out_times);
        for [words, of_times] in gather_as(processes, own)? {
            for part in 0..3 {
                left_out[part] += words[part];
                left_out_times[part] += of_times[part];
            }
        }
        // Process 0 reads up to the first one.
        let first = of_first(processes, || self.first_unknown(wanted, &encoder))?;
        let Some((first, file, line)) = first else {
            return Ok(None);
        };
        let all = |of: [u64; 3]| wanted.iter().map(|&part| of[part as usize]).sum::<u64>();
        let words = all(left_out_times) - all(self.left_out_times);
        (self.left_out, self.left_out_times) = (left_out, left_out_times);
        self.known = Some(encoder.into());
        let left_out = UnknownWords {
            words,
            first,
            line: Some((file, line)),
        };
        match wanted.iter().map(|&part| self.words(part)).sum::<u64>() {
            0 => Err(Error::NoWordsLeft(left_out)),
            _ => Ok(Some(left_out)),
        }
    }

    /// The first word of some parts with an unknown character, its list and its line.
    fn first_unknown(
        &self,
        wanted: &[Part],
        known: &Encoder,
    ) -> Result<Option<(String, String, usize)>> {
        for (list, own) in self.lists(wanted) {
            let mut places = 0..;
            let read = each_tidy(&list.source, None, |tidy, _| {
                let mut words = tidy.numbered().zip(&mut places);
                let unknown = words.find(|&((_, word), place)| {
                    let part = own.unwrap_or_else(|| self.split.part_of(place));
                    wanted.contains(&part) && !known.knows(word)
                });
                unknown.map_or(Ok(()), |((line, word), _)| {
                    Err((line, LineFault::Unknown(word.to_owned())))
                })
            });
            match read {
                Ok(_) => {}
                Err(Error::Line {
                    file,
                    line,
                    fault: LineFault::Unknown(word),
                }) => return Ok(Some((word, file, line))),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The split as saved with a model.
    pub fn split_of(&self) -> SplitOf {
        SplitOf {
            shares: self.split.shares(),
            seed: self.split.seed(),
            dev: self.dev.as_ref().map(|list| list.digest),
            test: self.test.as_ref().map(|list| list.digest),
        }
    }

    /// The list that is split.
    pub fn list(&self) -> &List {
        &self.list
    }

    /// The split of that list.
    pub fn split(&self) -> &Split {
        &self.split
    }

    /// A part's own list, if it has one.
    pub fn own(&self, part: Part) -> Option<&List> {
        match part {
            Part::Train => None,
            Part::Dev => self.dev.as_ref(),
            Part::Test => self.test.as_ref(),
        }
    }

    /// The number of words of a part, without those that are left out.
    pub fn words(&self, part: Part) -> u64 {
        let own = self.own(part).map(|list| list.digest.words);
        own.unwrap_or_else(|| self.split.words(part)) - self.left_out[part as usize]
    }

    /// The number of words of a part that are left out, as
    /// [`leave_out_unknown`](Self::leave_out_unknown) does it.
    pub fn left_out(&self, part: Part) -> u64 {
        self.left_out_times[part as usize]
    }

    /// Whether all words of the list are in the train part.
    pub fn is_whole(&self) -> bool {
        self.split.is_trivial()
    }

    /// Reads the sections of this process for some parts on several threads, one for each worker, and gives
    /// each word to one of them, with how often it occurs.
    ///
    /// # Errors
    ///
    /// If a list cannot be read or has changed; the first error of `work`.
    pub(crate) fn each_word<W: Send>(
        &self,
        wanted: &[Part],
        workers: &mut [W],
        work: impl Fn(&mut W, Part, &str, u64) -> Result<()> + Sync,
    ) -> Result<()> {
        for reading in self
            .readings(wanted)
            .iter()
            .filter(|reading| reading.is_own)
        {
            let of = (reading.list, reading.own);
            each_block(&reading.section, workers, |worker, lines| {
                self.of_lines(lines, of, wanted, |part, word, times| {
                    work(worker, part, word, times)
                })
            })?;
        }
        Ok(())
    }

    /// Reads the sections of this process for some parts on this thread, list after list in their order;
    /// each word with how often it occurs.
    ///
    /// # Errors
    ///
    /// If a list cannot be read or has changed; the first error of `work`.
    pub fn each_word_here(
        &self,
        wanted: &[Part],
        mut work: impl FnMut(Part, &str, u64) -> Result<()>,
    ) -> Result<()> {
        let readings = self.readings(wanted);
        let mut own = readings.iter().filter(|reading| reading.is_own);
        own.try_for_each(|reading| self.each_word_in(reading, wanted, &mut work))
    }

    /// Reads a section for some parts on this thread.
    ///
    /// # Errors
    ///
    /// As [`each_word_here`](Self::each_word_here).
    pub(crate) fn each_word_in(
        &self,
        reading: &Reading,
        wanted: &[Part],
        mut work: impl FnMut(Part, &str, u64) -> Result<()>,
    ) -> Result<()> {
        each_block_here(&reading.section, |lines| {
            self.of_lines(lines, (reading.list, reading.own), wanted, &mut work)
        })
    }

    /// The words of a part that are in a subset, in their order, each with how often it occurs. Processes read
    /// their sections, and all get all of them.
    ///
    /// # Errors
    ///
    /// If a list cannot be read or has changed; [`Error::Processes`].
    pub(crate) fn some_words(
        &self,
        part: Part,
        subset: impl Fn() -> Subset,
        processes: &dyn Processes,
    ) -> Result<Vec<(String, u64)>> {
        let readings = self.readings(&[part]);
        let own = || {
            readings
                .iter()
                .enumerate()
                .filter(|(_, reading)| reading.is_own)
        };
        let mut words = vec![0_u64; readings.len()];
        if let [_, .., _] = readings[..] {
            for (place, reading) in own() {
                self.each_word_in(reading, &[part], |_, _, _| {
                    words[place] += 1;
                    Ok(())
                })?;
            }
        }
        let of_all = gather_numbers(processes, words)?;
        let of_section = |place| {
            of_all
                .iter()
                .skip(place)
                .step_by(readings.len())
                .sum::<u64>()
        };
        let mut found: Vec<(usize, Vec<(String, u64)>)> = Vec::new();
        for (place, reading) in own() {
            let (mut subset, mut of_reading) = (subset(), Vec::new());
            subset.skip((0..place).map(of_section).sum());
            self.each_word_in(reading, &[part], |_, word, times| {
                if subset.takes_next() {
                    of_reading.push((word.to_owned(), times));
                }
                Ok(())
            })?;
            found.push((place, of_reading));
        }
        let mut found = gather_as(processes, found)?.concat();
        found.sort_unstable_by_key(|&(place, _)| place);
        Ok(found.into_iter().flat_map(|(_, words)| words).collect())
    }

    /// The lists to read for some parts, each with the part that it is as a whole, if it is one.
    fn lists(&self, wanted: &[Part]) -> Vec<(&List, Option<Part>)> {
        let is_split = wanted.iter().any(|&part| self.split.words(part) > 0);
        let own = wanted
            .iter()
            .filter_map(|&part| Some((self.own(part)?, Some(part))));
        is_split
            .then_some((&self.list, None))
            .into_iter()
            .chain(own)
            .collect()
    }

    /// The sections to read for some parts in their order, those of all processes.
    pub(crate) fn readings(&self, wanted: &[Part]) -> Vec<Reading<'_>> {
        let mut readings = Vec::new();
        for (list, own) in self.lists(wanted) {
            let reading = |section: Section, is_own| Reading {
                list,
                own,
                section,
                is_own,
            };
            match &self.sections[own.unwrap_or(Part::Train) as usize] {
                None => readings.push(reading(Section::whole(&list.source, list.digest), true)),
                Some(Sections { rank, all }) => readings.extend(
                    all.iter()
                        .map(|section| reading(section.clone(), section.rank == *rank)),
                ),
            }
        }
        readings
    }

    #[inline]
    fn of_lines(
        &self,
        lines: Lines,
        (list, own): (&List, Option<Part>),
        wanted: &[Part],
        mut work: impl FnMut(Part, &str, u64) -> Result<()>,
    ) -> Result<()> {
        for (place, word) in lines.words() {
            self.check_stopped()?;
            let part = own.unwrap_or_else(|| self.split.part_of(place));
            if wanted.contains(&part) && !self.leaves_out(part, word) {
                work(part, word, list.source.times(place))?;
            }
        }
        Ok(())
    }

    #[inline]
    fn leaves_out(&self, part: Part, word: &str) -> bool {
        let known = self.known.as_ref();
        self.left_out(part) > 0 && known.is_some_and(|known| !known.knows(word))
    }
}

/// A section of a list that is read for some parts.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    list: &'a List,
    /// The part that the whole list is; none for the one that is split.
    own: Option<Part>,
    pub section: Section,
    /// Whether this process reads it.
    pub is_own: bool,
}
