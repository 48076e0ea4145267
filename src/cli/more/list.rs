//! The list that `more` learns from, and what words like its own must be like.

use anyhow::anyhow;
use makemore_tch::models::WordConstraint;
use makemore_tch::train::choice::plan::FEW;
use makemore_tch::train::corpus::Corpus;
use makemore_tch::{Part, SampleOptions};

use super::More;
use crate::cli::arguments::wishes::{as_in_list, check};
use crate::cli::context::Context;
use crate::cli::other_case;
use crate::cli::output::Remarks;

impl More {
    pub(super) fn read(&self, context: Context) -> anyhow::Result<Corpus> {
        let memory = self.memory.memory();
        let source = self.data.source(None, &memory)?;
        let data = context.whole(&self.data, source, memory, self.seed)?;
        let words = data.counted.digest.words;
        let origin = &data.counted.origin;
        if self.data.data.is_empty() {
            context
                .remarks
                .say("no list is named, so that the words are like the lecture's names");
        }
        if words == 1 {
            context
                .remarks
                .say(format_args!("{origin}: only one word to learn from"));
        }
        if (2..FEW).contains(&words) {
            context.remarks.say(format_args!(
                "{origin}: few words to learn from ({words}), so that each is held out in turn"
            ));
        }
        Ok(data)
    }

    /// What the words must be like, which is checked before the work: as the user wishes, like those of the list and,
    /// if such words can have that length, not shorter than all of them. Of more than a few words, none is longer
    /// than all of them.
    pub(super) fn options(
        &mut self,
        data: &Corpus,
        remarks: Remarks,
    ) -> anyhow::Result<SampleOptions> {
        let counts = &data.counted.counts;
        let format = self.data.format(None);
        let typed = self.wishes.constraint(|text| format.word(text));
        self.wishes.matching.extend(as_in_list(counts));
        let no_empty = WordConstraint {
            min_length: typed.min_length.max(1),
            ..typed.clone()
        };
        let mut constraint = WordConstraint {
            matching: self.wishes.matching.clone(),
            ..no_empty.clone()
        };
        let can_be_met = |wishes: &WordConstraint| check(wishes, &typed, counts.vocabulary());
        other_case::remark(&typed, data.parts.list(), remarks)?;
        can_be_met(&constraint).map_err(|error| match can_be_met(&no_empty) {
            Ok(()) => anyhow!("{error:#}; as in the list, none has a space at an end, nor two side by side where the list has none"),
            Err(error) => error,
        })?;
        let [shortest, longest] = lengths(data)?;
        let not_shorter = WordConstraint {
            min_length: shortest,
            ..constraint.clone()
        };
        if typed.min_length == 0 && shortest > 1 && can_be_met(&not_shorter).is_ok() {
            self.wishes.min_length = shortest as u32;
            constraint = not_shorter;
        }
        let not_longer = WordConstraint {
            max_length: Some(longest),
            ..constraint.clone()
        };
        let has_bound = data.counted.digest.words >= FEW
            && typed.max_length.is_none()
            && can_be_met(&not_longer).is_ok();
        Ok(SampleOptions {
            longest: has_bound.then_some(longest),
            constraint,
            ..SampleOptions::default()
        })
    }
}

/// The characters of the shortest and of the longest word of a list.
fn lengths(data: &Corpus) -> makemore_tch::Result<[usize; 2]> {
    let [mut shortest, mut longest] = [usize::MAX, 0];
    data.parts.each_word_here(&[Part::Train], |_, word, _| {
        let length = word.chars().count();
        [shortest, longest] = [shortest.min(length), longest.max(length)];
        Ok(())
    })?;
    Ok([shortest, longest])
}
