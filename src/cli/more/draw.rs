//! The words of `more`, drawn from the models that suit a list.

use anyhow::anyhow;
use makemore_tch::sample::Constrained;
use makemore_tch::train::choice::choose::Choice;
use makemore_tch::train::corpus::Corpus;
use makemore_tch::{Constraints, LanguageModel, SampleOptions, Sampler, ScoredName, score};

use super::{More, Watcher};
use crate::cli::arguments::wishes::WishArguments;
use crate::cli::progress;

impl More {
    /// Draws new words; those found before the samplers gave up or Ctrl-C, and that error.
    pub(super) fn draw(
        &self,
        choice: &Choice,
        data: &Corpus,
        mut options: SampleOptions,
        watcher: &Watcher,
    ) -> anyhow::Result<(Vec<ScoredName>, Option<anyhow::Error>)> {
        let (context, interrupt) = (watcher.context, &watcher.interrupt);
        let was_stopped = interrupt.is_pressed();
        let mixture = choice.mixture()?;
        let ngrams = choice.ngrams();
        // N-grams alone draw rare words without draws in vain.
        let alone = ngrams.filter(|_| choice.models.len() == 1);
        let model = alone.unwrap_or(&mixture);
        let most = options.constraint.longest(model.longest_word());
        let is_free = options.constraint.max_length.is_none();
        let longest = options.longest.filter(|_| is_free);
        options.longest = longest.map(|longest| longest.min(most));
        let sampler = WishArguments::sampler(model, self.seed, &options)?;
        let constraints = Constraints {
            new_to: Some(&data.parts.list().source),
            unique: true,
        };
        let mut words = sampler.constrained(self.number, constraints);
        let goes_on = || was_stopped || !interrupt.is_pressed();
        let find = |words: &mut Constrained<Sampler>, before: u64| {
            progress::of_words(self.number, context.remarks.quiet, |show| {
                words.found(&mut |found| show(before + found) && goes_on())
            })
        };
        let (mut found, mut gave_up) = find(&mut words, 0)?;
        let rarer = ngrams.filter(|_| alone.is_none());
        for (why, model, options) in others(rarer, alone.or(ngrams).unwrap_or(model), &options) {
            if gave_up.is_none() || words.has_all() {
                break;
            }
            let before = found.len() as u64;
            let number = self.number;
            context
                .remarks
                .say(format_args!("{why} {} of the {number}", number - before));
            words = words.go_on(|| Sampler::new(model, self.seed, &options))?;
            let (rest, error) = find(&mut words, before)?;
            found.extend(rest);
            gave_up = error;
        }
        if words.words().longest() == most {
            context.remark_on_too_long(words.words());
        }
        let names = score::ranked(model, found.into_iter().map(Ok), self.sort)?;
        let error = gave_up.map(|error| match ngrams.is_some() || words.has_all() {
            true => error.into(),
            false => anyhow!("{error}; --quick finds rarer ones"),
        });
        Ok((names, error))
    }
}

/// What draws where a sampler gave up, each with the reason: the n-grams of a mixture, which draw rare words without
/// draws in vain, and then `last`, also words that are longer than those of the list.
fn others<'m>(
    ngrams: Option<&'m dyn LanguageModel>,
    last: &'m dyn LanguageModel,
    options: &SampleOptions,
) -> Vec<(String, &'m dyn LanguageModel, SampleOptions)> {
    let mut others = Vec::new();
    if let Some(ngrams) = ngrams {
        let why = "the mixture finds such words too rarely: its n-grams alone draw".to_owned();
        others.push((why, ngrams, options.clone()));
    }
    if let Some(longest) = options.longest {
        let why = format!(
            "such words are rarely as short as the list's, of at most {longest} characters: longer ones are among"
        );
        let options = SampleOptions {
            longest: None,
            ..options.clone()
        };
        others.push((why, last, options));
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
            said.ends_with(" its n-grams alone draw 3 of the 3\n"),
            "{said}"
        );
        let (words, said) = folder.both("more few.txt -n 3 --suffix a");
        assert_eq!(words.lines().count(), 3);
        assert!(!said.contains("alone draw"), "{said}");
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
                && !few.stderr.contains("alone draw"),
            "{}",
            few.stderr
        );
    }
}
