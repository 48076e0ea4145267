//! The words of `more`, drawn from the models that suit a list.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::anyhow;
use makemore_tch::sample::Constrained;
use makemore_tch::train::choice::choose::Choice;
use makemore_tch::train::corpus::Corpus;
use makemore_tch::{Constraints, Error, LanguageModel, SampleOptions, Sampler, ScoredName, score};

use super::{More, Watcher};
use crate::cli::progress;

impl Watcher {
    /// The flag that ends the draws; after an interrupt of the learning, words are drawn all the same.
    fn stops_drawing(&self) -> Arc<AtomicBool> {
        match self.interrupt.is_pressed() {
            true => Arc::default(),
            false => self.interrupt.flag(),
        }
    }
}

impl More {
    /// Draws new words; those found before the samplers gave up or Ctrl-C, and that error.
    pub(super) fn draw(
        &self,
        choice: &Choice,
        data: &Corpus,
        mut options: SampleOptions,
        watcher: &Watcher,
    ) -> anyhow::Result<(Vec<ScoredName>, Option<anyhow::Error>)> {
        let (context, stops) = (watcher.context, watcher.stops_drawing());
        let mixture = choice.mixture()?;
        let ngrams = choice.ngrams();
        // N-grams alone draw rare words without draws in vain.
        let alone = ngrams.filter(|_| choice.models.len() == 1);
        let model = alone.unwrap_or(&mixture);
        let most = options.constraint.longest(model.longest_word());
        options.longest = options.longest.filter(|&longest| longest < most);
        let open = |model, options: &SampleOptions| {
            let sampler = Sampler::new(model, self.seed, options)?;
            Ok(sampler.stopped_by(Arc::clone(&stops)))
        };
        let constraints = Constraints {
            new_to: Some(&data.parts.list().source),
            unique: true,
        };
        let find = |words: &mut Constrained<Sampler>, before: u64| {
            progress::of_words(self.number, context.remarks.quiet, |show| {
                words.found(&mut |found| show(before + found))
            })
        };
        let sampler: makemore_tch::Result<Sampler> = open(model, &options);
        let mut words = sampler?.constrained(self.number, constraints);
        let (mut found, mut end) = find(&mut words, 0);
        let rarer = ngrams.filter(|_| alone.is_none());
        for (how, model, options) in others(rarer, ngrams.unwrap_or(model), &options) {
            if !matches!(end, Some(Error::GaveUp { .. })) || words.has_all() {
                break;
            }
            words = words.go_on(|| open(model, &options))?;
            let (rest, error) = find(&mut words, found.len() as u64);
            if !rest.is_empty() {
                let of = format!("{} of the {} words", rest.len(), self.number);
                context.remarks.say(format_args!("{of} {how}"));
            }
            found.extend(rest);
            // Of words that the mixture finds, n-grams may give some the probability 0.
            if found.is_empty() || !matches!(error, Some(Error::Wish(_))) {
                end = error;
            }
        }
        if words.words().longest() == most {
            context.remark_on_too_long(words.words());
        }
        let names = score::ranked(model, found.into_iter().map(Ok), self.sort)?;
        Ok((names, explained(end, ngrams.is_none() && !words.has_all())))
    }
}

/// The error after the words; an interrupt is none. `has_rarer` is whether n-grams could find rarer ones.
fn explained(end: Option<Error>, has_rarer: bool) -> Option<anyhow::Error> {
    match end? {
        Error::Interrupted => None,
        error @ Error::GaveUp { .. } if has_rarer => {
            Some(anyhow!("{error}; --quick finds rarer ones"))
        }
        error => Some(error.into()),
    }
}

/// What draws where a sampler gave up, with what its words are: the n-grams of a mixture, which draw rare words without
/// draws in vain, and then `last` words that may be longer than those of the list.
fn others<'m>(
    ngrams: Option<&'m dyn LanguageModel>,
    last: &'m dyn LanguageModel,
    options: &SampleOptions,
) -> Vec<(String, &'m dyn LanguageModel, SampleOptions)> {
    let mut others = Vec::new();
    if let Some(ngrams) = ngrams {
        let how = "are drawn by the n-grams alone, as the mixture draws such words too rarely";
        others.push((how.to_owned(), ngrams, options.clone()));
    }
    if let Some(longest) = options.longest {
        let how = format!(
            "may be longer than those of the list, of at most {longest} characters, as too few others are found"
        );
        let options = SampleOptions {
            longest: None,
            ..options.clone()
        };
        others.push((how, last, options));
    }
    others
}

#[cfg(test)]
mod tests {
    use crate::cli::testing::Folder;

    /// It gave up with no word, where `--quick` drew them at once.
    #[test]
    fn wishes_that_the_mixture_rarely_meets_are_met_by_its_ngrams() {
        let folder = Folder::new();
        let names = include_str!("../../../assets/names.txt").lines();
        let few: Vec<&str> = names.step_by(267).collect();
        folder.write("few.txt", few.join("\n"));
        let (words, said) = folder.both("more few.txt -n 3 --suffix zxz --min-length 9");
        let is_wished = |word: &str| word.ends_with("zxz") && word.len() >= 9;
        assert!(words.lines().all(is_wished), "{words}");
        assert_eq!(words.lines().count(), 3);
        assert!(said.contains("mixed: "), "{said}");
        assert!(
            said.ends_with("\n3 of the 3 words are drawn by the n-grams alone, as the mixture draws such words too rarely\n"),
            "{said}"
        );
        let (words, said) = folder.both("more few.txt -n 3 --suffix a");
        assert_eq!(words.lines().count(), 3);
        assert!(!said.contains("n-grams alone"), "{said}");
        // Of all names, no word of at most 15 letters was found, where the n-grams counted the length too.
        for (list, wish) in [
            ("", "--contains zxz"),
            ("", "--prefix muhammadmustafa"),
            ("few.txt", "--contains zzz"),
        ] {
            let (words, _) = folder.both(&format!("more {list} --quick -n 3 {wish}"));
            assert_eq!(words.lines().count(), 3, "{wish}: {words}");
        }
        // There are no more.
        let few = folder.run("more few.txt -n 3 --prefix maz --max-length 3".split(' '));
        assert_eq!((few.stdout.as_str(), few.status), ("maz\n", 1));
        assert!(
            few.stderr
                .ends_with("\nerror: only 1 new word meets the wishes: 1 of 3 were found\n")
                && !few.stderr.contains("n-grams alone"),
            "{}",
            few.stderr
        );
    }
}
