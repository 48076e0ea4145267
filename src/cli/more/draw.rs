//! The words of `more`, drawn from the models that suit a list.

use makemore_tch::models::WordConstraint;
use makemore_tch::sample::Constrained;
use makemore_tch::train::choice::choose::Choice;
use makemore_tch::train::corpus::Corpus;
use makemore_tch::{Constraints, Error, SampleOptions, Sampler, ScoredName, score};

use super::{More, Watcher};
use crate::cli::arguments::wishes::WishArguments;
use crate::cli::progress;

impl More {
    /// Draws new words; those found before the samplers gave up or Ctrl-C, and that error.
    pub(super) fn draw(
        &self,
        choice: &Choice,
        data: &Corpus,
        constraint: WordConstraint,
        watcher: &Watcher,
    ) -> anyhow::Result<(Vec<ScoredName>, Option<Error>)> {
        let (context, interrupt) = (watcher.context, &watcher.interrupt);
        let was_stopped = interrupt.is_pressed();
        let mixture = choice.mixture()?;
        let ngrams = choice.ngrams();
        // N-grams alone draw rare words without draws in vain.
        let alone = ngrams.filter(|_| choice.models.len() == 1);
        let model = alone.unwrap_or(&mixture);
        let options = SampleOptions {
            constraint,
            ..SampleOptions::default()
        };
        let sampler = WishArguments::sampler(model, self.seed, &options)?;
        let constraints = Constraints {
            new_to: Some(&data.parts.list().source),
            unique: true,
        };
        let mut words = sampler.constrained(self.number, constraints);
        let goes_on = || was_stopped || !interrupt.is_pressed();
        let find = |words: &mut Constrained<Sampler>, before: u64| {
            let found = progress::of_words(self.number, context.remarks.quiet, |show| {
                words.found(&mut |found| show(before + found) && goes_on())
            });
            context.remark_on_too_long(words.words());
            found
        };
        let (mut found, mut gave_up) = find(&mut words, 0)?;
        if let (Some(ngrams), None, Some(_)) = (ngrams, alone, &gave_up)
            && !words.has_all()
        {
            let before = found.len() as u64;
            context.remarks.say(format_args!(
                "the mixture finds such words too rarely: its n-grams alone draw {} of the {}",
                self.number - before,
                self.number
            ));
            let mut words = words.go_on(|| Sampler::new(ngrams, self.seed, &options))?;
            let (rest, error) = find(&mut words, before)?;
            found.extend(rest);
            gave_up = error;
        }
        let names = score::ranked(model, found.into_iter().map(Ok), self.sort)?;
        Ok((names, gave_up))
    }
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
