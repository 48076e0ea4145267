//! The list that `more` learns from, and what words like its own must be like.

use makemore_tch::Part;
use makemore_tch::models::WordConstraint;
use makemore_tch::train::choice::plan::FEW;
use makemore_tch::train::corpus::Corpus;

use super::More;
use crate::cli::arguments::wishes::{WishArguments, as_in_list};
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
    /// if such words can have that length, not shorter than all of them nor, if they are more than a few, longer.
    pub(super) fn constraint(
        &mut self,
        data: &Corpus,
        remarks: Remarks,
    ) -> anyhow::Result<WordConstraint> {
        let counts = &data.counted.counts;
        self.wishes.matching.extend(as_in_list(counts));
        let format = self.data.format(None);
        let mut constraint = self.wishes.constraint(|text| format.word(text));
        constraint.min_length = constraint.min_length.max(1);
        other_case::remark(&constraint, data.parts.list(), remarks)?;
        WishArguments::check(&constraint, counts.vocabulary())?;
        if self.wishes.min_length > 0 {
            return Ok(constraint);
        }
        let (shortest, longest) = lengths(data)?;
        let longest = Some(longest).filter(|_| data.counted.digest.words >= FEW);
        let as_long = WordConstraint {
            min_length: shortest as usize,
            max_length: constraint
                .max_length
                .or(longest.map(|length| length as usize)),
            ..constraint.clone()
        };
        if as_long == constraint || WishArguments::check(&as_long, counts.vocabulary()).is_err() {
            return Ok(constraint);
        }
        self.wishes.min_length = shortest;
        self.wishes.max_length = self.wishes.max_length.or(longest);
        Ok(as_long)
    }
}

/// The characters of the shortest and of the longest word of a list.
fn lengths(data: &Corpus) -> makemore_tch::Result<(u32, u32)> {
    let (mut shortest, mut longest) = (u32::MAX, 0);
    data.parts.each_word_here(&[Part::Train], |_, word, _| {
        let length = word.chars().count() as u32;
        (shortest, longest) = (shortest.min(length), longest.max(length));
        Ok(())
    })?;
    Ok((shortest, longest))
}
