//! Sampling: drawing words character by character, until the end token, and finding the most probable ones.
//!
//! ```
//! use makemore_tch::{NgramCounts, SampleOptions, Sampler, Table, Words};
//!
//! let p = Table::of(&NgramCounts::of(&Words::lecture('.')?)?, 1.0)?;
//! let names = Sampler::new(&p, 420, &SampleOptions::default())?;
//! let names: Vec<String> = names.take(5).collect::<Result<_, _>>()?;
//! assert_eq!(names, ["jor", "anuir", "she", "tais", "jen"]);
//! # Ok::<(), makemore_tch::Error>(())
//! ```

mod ahead;
mod conditional;
mod constrained;
mod most_probable;

pub use constrained::{Constrained, Constraints};
pub use most_probable::MostProbable;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::libtorch::random::Generator;
use crate::models::{
    Automaton, Bounds, Drawer, Drawn, LanguageModel, Method, Shaping, WordConstraint,
};
use conditional::Conditional;
use constrained::{MOST_IN_VAIN, Wishes, gave_up};

/// Options of a [`Sampler`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SampleOptions {
    /// The way to draw a character.
    pub method: Method,
    /// Temperature, top-k and top-p.
    pub shaping: Shaping,
    /// What the names must be like: each comes with the probability that the model gives it among those.
    pub constraint: WordConstraint,
    /// The most characters of a name, where the constraint has none and its beginning and least length are not above
    /// it. A draw that gets longer is dropped. By default twice as many as the model's longest word has, if it
    /// knows, and at least 100.
    pub longest: Option<usize>,
}

/// An endless iterator over the names that a seed draws from a model. None is empty, unless the model is one
/// of the lecture's ([`LanguageModel::draws_empty_words`]).
///
/// It locks libtorch's generator as long as it lives (see [`crate::libtorch::random`]).
#[derive(Debug)]
pub struct Sampler<'m> {
    model: &'m dyn LanguageModel,
    drawer: Box<dyn Drawer + 'm>,
    generator: Generator,
    shaping: Shaping,
    prefix: Vec<usize>,
    bounds: Bounds,
    /// The drawer that needs no draws in vain, once draws were in vain, and if the model can have one.
    conditional: Option<Option<Conditional>>,
    /// The indices of the name that is being drawn.
    word: Vec<usize>,
    /// The number of draws that were dropped, since they got too long.
    too_long: u64,
    /// Ends the draws once it is set.
    stops: Arc<AtomicBool>,
}

/// The number of draws in a row that may be in vain before names are drawn without any.
const IN_VAIN: usize = 1000;

impl<'m> Sampler<'m> {
    /// A sampler of a model with a seed.
    ///
    /// # Errors
    ///
    /// [`Error::Word`] if the constraint has an unknown character, [`Error::Wish`] if no word can meet it;
    /// [`Error::Value`] if temperature or top-k are out of range; [`Error::GeneratorInUse`] if this thread
    /// has another sampler.
    pub fn new(model: &'m dyn LanguageModel, seed: u64, options: &SampleOptions) -> Result<Self> {
        let (vocabulary, constraint) = (model.vocabulary(), &options.constraint);
        let automaton = match constraint.is_prefix_alone() {
            true => None,
            false => Some(Arc::new(Automaton::of(constraint, vocabulary)?)),
        };
        let longest = options.longest.filter(|_| constraint.max_length.is_none());
        let longest = match longest {
            Some(longest) => longest.max(constraint.least()),
            None => constraint.longest(model.longest_word()),
        };
        Ok(Self {
            model,
            drawer: model.drawer(options.method, options.shaping)?,
            generator: Generator::seeded(seed)?,
            shaping: options.shaping,
            prefix: vocabulary.encode(&constraint.prefix)?,
            bounds: Bounds { longest, automaton },
            conditional: None,
            word: Vec::new(),
            too_long: 0,
            stops: Arc::default(),
        })
    }

    /// The same sampler, whose draws end with [`Error::Interrupted`] once a flag is set.
    pub fn stopped_by(self, stops: Arc<AtomicBool>) -> Self {
        Self { stops, ..self }
    }

    /// The number of draws so far that were dropped, since they had more characters than
    /// [`longest`](Self::longest).
    pub fn too_long(&self) -> u64 {
        self.too_long
    }

    /// The most characters of a name.
    pub fn longest(&self) -> usize {
        self.bounds.longest
    }

    /// Appends the next name to a text, which is faster than a string for each name.
    ///
    /// # Errors
    ///
    /// [`Error::NoDistribution`] if the model has no distribution after some characters;
    /// [`Error::GaveUp`] if 10,000 draws in a row are in vain, [`Error::Wish`] if all would be;
    /// [`Error::Interrupted`] if the flag of [`stopped_by`](Self::stopped_by) is set.
    pub fn append_to(&mut self, text: &mut String) -> Result<()> {
        for in_vain in 0.. {
            if self.stops.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            if in_vain == IN_VAIN && self.conditional.is_none() {
                self.conditional = Some(self.conditional()?);
            }
            if in_vain == MOST_IN_VAIN {
                return Err(gave_up(in_vain, 0, 1));
            }
            match self.draw()? {
                // No list has an empty word, which costs a model one draw in thousands.
                Drawn::Word if self.word.is_empty() && !self.model.draws_empty_words() => {}
                Drawn::Word => break,
                Drawn::Unwanted => {}
                Drawn::TooLong => self.too_long += 1,
                Drawn::NoDistribution => {
                    let vocabulary = self.model.vocabulary();
                    return Err(Error::NoDistribution {
                        after: vocabulary.boundary().to_string() + &vocabulary.decode(&self.word),
                        reason: "all of them are 0",
                    });
                }
            }
        }
        let itos = self.model.vocabulary().characters();
        text.extend(self.word.iter().map(|&index| itos[index]));
        Ok(())
    }

    /// The first `wanted` names that meet constraints. Ends with [`Error::GaveUp`] if 10,000 names in a
    /// row fail them, which says how many there are if these are few.
    pub fn constrained<'a>(
        self,
        wanted: u64,
        constraints: Constraints<'a>,
    ) -> Constrained<'a, Self> {
        let automaton = self.bounds.automaton.clone();
        let wishes = automaton.map(|automaton| Wishes {
            automaton,
            vocabulary: self.model.vocabulary().clone(),
            has_empty: self.model.draws_empty_words(),
        });
        Constrained::of(self, wanted, constraints, MOST_IN_VAIN, wishes)
    }

    /// Draws a word or the beginning of one that is not wanted.
    fn draw(&mut self) -> Result<Drawn> {
        self.word.clear();
        match &self.conditional {
            Some(Some(conditional)) => {
                let (longest, generator) = (self.bounds.longest, &mut self.generator);
                conditional.draw(&mut self.word, longest, generator)
            }
            _ => {
                self.word.extend_from_slice(&self.prefix);
                let (bounds, generator) = (&self.bounds, &mut self.generator);
                self.drawer.complete(&mut self.word, bounds, generator)
            }
        }
    }

    /// The drawer that needs no draws in vain.
    fn conditional(&self) -> Result<Option<Conditional>> {
        let contexts = self.model.contexts();
        let (Some(automaton), Some(mut contexts)) = (&self.bounds.automaton, contexts) else {
            return Ok(None);
        };
        let conditional = Conditional::of(contexts.as_mut(), automaton, self.shaping)?;
        match conditional
            .as_ref()
            .is_some_and(|conditional| conditional.probability() <= 0.0)
        {
            true => Err(Error::Wish(
                "the model gives every such word the probability 0".to_owned(),
            )),
            false => Ok(conditional),
        }
    }
}

impl Iterator for Sampler<'_> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut name = String::new();
        Some(self.append_to(&mut name).map(|()| name))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::counting::NgramCounts;
    use crate::counting::tests::ngrams_of;
    use crate::data::{Vocabulary, Words};
    use crate::memory::Memory;
    use crate::models::draw::cumulative_sums;
    use crate::models::language_model::contexts;
    use crate::models::{Ngram, Smoothing, Table};
    use tch::{Kind, Tensor};

    fn lecture() -> Table {
        let counts = NgramCounts::of(&Words::lecture('.').unwrap()).unwrap();
        Table::of(&counts, 1.0).unwrap()
    }

    fn names(p: &Table, count: usize, options: &SampleOptions) -> Vec<String> {
        let sampler = Sampler::new(p, 420, options).unwrap();
        sampler.take(count).collect::<Result<_>>().unwrap()
    }

    #[test]
    fn seed_420_draws_the_published_names() {
        assert_eq!(
            names(&lecture(), 5, &SampleOptions::default()),
            ["jor", "anuir", "she", "tais", "jen"]
        );
    }

    /// The names that the notes' code prints under PyTorch 2.13, run there: pytorch#114945.
    #[test]
    fn multinomial_draws_what_todays_pytorch_draws() {
        let options = SampleOptions {
            method: Method::Multinomial,
            ..SampleOptions::default()
        };
        assert_eq!(
            names(&lecture(), 5, &options),
            ["rarusal", "lemis", "jellielielustitan", "zatzi", "amanor"]
        );
    }

    /// The draw of PyTorch before 2.0: a uniform number, and a search from the first character on.
    #[test]
    fn a_hundred_thousand_names_are_those_of_one_by_one_draws() {
        let p = lecture();
        let mut sampler = Sampler::new(&p, 420, &SampleOptions::default()).unwrap();
        let mut names = String::new();
        for _ in 0..100_000 {
            sampler.append_to(&mut names).unwrap();
            names.push('\n');
        }
        drop(sampler);

        let mut generator = Generator::seeded(420).unwrap();
        let rows: Vec<Vec<f32>> = p.rows().map(|row| cumulative_sums(row).collect()).collect();
        for name in names.lines() {
            let mut drawn = Vec::new();
            let mut i = 0;
            loop {
                let uniform = generator.uniform().unwrap();
                let mut sums = rows[i].iter();
                i = sums.position(|&sum| f64::from(sum) >= uniform).unwrap();
                if i == 0 {
                    break;
                }
                drawn.push(i);
            }
            assert_eq!(p.vocabulary().decode(&drawn), name);
        }
    }

    /// Pearson's chi-squared test of each row, against the value that a fair draw exceeds once in
    /// a million (the Wilson–Hilferty approximation of its quantile).
    #[test]
    fn characters_are_drawn_as_often_as_p_says() {
        let p = lecture();
        let v = p.vocabulary().len();
        for method in [Method::Cumulative, Method::Multinomial] {
            let count = if method == Method::Cumulative {
                200_000
            } else {
                20_000
            };
            let options = SampleOptions {
                method,
                ..SampleOptions::default()
            };
            let mut drawn = vec![0.0_f64; v * v];
            for name in names(&p, count, &options) {
                for (i, j) in p.vocabulary().bigrams(&name).unwrap() {
                    drawn[i * v + j] += 1.0;
                }
            }
            for (drawn, row) in drawn.chunks(v).zip(p.rows()) {
                let total: f64 = drawn.iter().sum();
                let expected = row.iter().map(|&p| f64::from(p) * total);
                // The approximation is good where a character is expected at least five times.
                let often = drawn
                    .iter()
                    .zip(expected)
                    .filter(|&(_, expected)| expected >= 5.0);
                let terms: Vec<f64> = often
                    .map(|(&drawn, expected)| (drawn - expected).powi(2) / expected)
                    .collect();
                let freedom = terms.len().max(2) as f64 - 1.0;
                let ninth = 2.0 / (9.0 * freedom);
                let limit = freedom * (1.0 - ninth + 4.753 * ninth.sqrt()).powi(3);
                let chi_squared: f64 = terms.iter().sum();
                assert!(chi_squared < limit, "{method:?}: {chi_squared} of {limit}");
            }
        }
    }

    #[test]
    fn a_character_that_nothing_follows_is_an_error_for_both_methods() {
        let vocabulary = Vocabulary::new('.', ['a']).unwrap();
        let p = Tensor::from_slice(&[0.0f32, 1.0, 0.0, 0.0]).view([2, 2]);
        let p = Table::new(vocabulary, &p).unwrap();
        for method in [Method::Cumulative, Method::Multinomial] {
            let options = SampleOptions {
                method,
                ..SampleOptions::default()
            };
            let name = Sampler::new(&p, 1, &options).unwrap().next().unwrap();
            let error = name.unwrap_err().to_string();
            assert!(
                error.contains("what follows \".a\" has no probabilities"),
                "{error}"
            );
        }
    }

    fn wishing(constraint: WordConstraint) -> SampleOptions {
        SampleOptions {
            constraint,
            ..SampleOptions::default()
        }
    }

    /// The wish of a user that needed grep and Python.
    fn el_to_a() -> WordConstraint {
        WordConstraint {
            min_length: 4,
            max_length: Some(9),
            prefix: "el".to_owned(),
            suffix: "a".to_owned(),
            contains: vec!["i".to_owned()],
            without: vec!['x', 'y'],
            matching: vec!["[^n]*n?[^n]*".to_owned()],
        }
    }

    #[test]
    fn names_are_as_wished() {
        let names = names(&lecture(), 200, &wishing(el_to_a()));
        let is_wanted = |name: &String| {
            (4..=9).contains(&name.len())
                && name.starts_with("el")
                && name.ends_with('a')
                && name.contains('i')
                && !name.contains(['x', 'y'])
                && name.matches('n').count() <= 1
        };
        assert!(names.iter().all(is_wanted), "{names:?}");
    }

    /// Names were once cut off at the longest length: 92 % of those of at most 4 characters.
    #[test]
    fn a_name_has_at_most_the_longest_length_and_is_whole() {
        let short = WordConstraint {
            max_length: Some(2),
            ..WordConstraint::default()
        };
        let options = wishing(short);
        let p = lecture();
        let mut all = names(&p, 20_000, &SampleOptions::default());
        all.retain(|name| name.len() <= 2);
        let whole: HashSet<String> = all.into_iter().collect();
        let drawn = names(&p, 2000, &options);
        let known = drawn.iter().filter(|&name| whole.contains(name)).count();
        assert!(known > 1900, "{known}");
    }

    /// 1 of 7 words of this model ends before its first character.
    #[test]
    fn empty_words_are_drawn_from_the_lectures_table_alone() {
        let words = Words::parse("list", "abc\nabcdefghi".to_owned(), '.').unwrap();
        let memory = Memory::new(1 << 30);
        let ngram = Ngram::of(&ngrams_of(&words, 1), Smoothing::KneserNey, &memory).unwrap();
        let drawn = |model: &dyn LanguageModel| -> Vec<String> {
            let sampler = Sampler::new(model, 420, &SampleOptions::default()).unwrap();
            sampler.take(200).collect::<Result<_>>().unwrap()
        };
        assert!(!drawn(&ngram).contains(&String::new()));
        let p = ngrams_of(&words, 2);
        let p = Table::of(&p, 1.0).unwrap();
        let with_empty_ones = drawn(&p);
        assert!(with_empty_ones.contains(&String::new()));
        // The others stay, in their order.
        let list = words.source();
        let constraints = Constraints {
            new_to: Some(&list),
            unique: false,
        };
        let sampler = Sampler::new(&p, 420, &SampleOptions::default()).unwrap();
        let (new, _) = sampler.constrained(100, constraints).found(&mut |_| true);
        let mut others = with_empty_ones;
        others.retain(|word| !word.is_empty() && !words.iter().any(|known| known == word));
        assert_eq!(new, others[..100]);
    }

    /// They were once dropped in silence.
    #[test]
    fn draws_that_get_too_long_are_counted_unless_the_length_is_a_wish() {
        let p = lecture();
        let drawn = |options| {
            let mut sampler = Sampler::new(&p, 420, &options).unwrap();
            let names: Vec<String> = sampler.by_ref().take(100).collect::<Result<_>>().unwrap();
            assert!(names.iter().all(|name| name.len() <= 3), "{names:?}");
            sampler.too_long()
        };
        let options = SampleOptions {
            longest: Some(3),
            ..SampleOptions::default()
        };
        let too_long = drawn(options);
        assert!(too_long > 100, "{too_long}");
        let wish = WordConstraint {
            max_length: Some(3),
            ..WordConstraint::default()
        };
        assert_eq!(drawn(wishing(wish)), 0);
    }

    #[test]
    fn a_flag_ends_the_draws() {
        let stops = Arc::new(AtomicBool::new(false));
        let p = lecture();
        let sampler = Sampler::new(&p, 420, &SampleOptions::default()).unwrap();
        let mut sampler = sampler.stopped_by(Arc::clone(&stops));
        assert!(sampler.next().unwrap().is_ok());
        stops.store(true, Ordering::Relaxed);
        assert!(matches!(sampler.next(), Some(Err(Error::Interrupted))));
    }

    /// The draw had no end, and its memory no bound.
    #[test]
    fn a_prefix_may_be_longer_than_the_longest_name() {
        let prefix = "ab".repeat(60);
        let options = SampleOptions {
            longest: Some(100),
            constraint: WordConstraint {
                prefix: prefix.clone(),
                ..WordConstraint::default()
            },
            ..SampleOptions::default()
        };
        let drawn = names(&lecture(), 1, &options);
        assert!(drawn[0].starts_with(&prefix) && drawn[0].len() < 240);
    }

    /// All were too long for the longest name where none is asked for.
    #[test]
    fn names_may_be_wished_longer_than_others() {
        let long = WordConstraint {
            min_length: 120,
            ..WordConstraint::default()
        };
        let names = names(&lecture(), 3, &wishing(long));
        assert!(names.iter().all(|name| name.len() >= 120), "{names:?}");
    }

    #[test]
    fn wishes_that_no_name_can_meet_are_refused() {
        let prefix = |prefix: &str, max_length| WordConstraint {
            prefix: prefix.to_owned(),
            max_length,
            ..WordConstraint::default()
        };
        for constraint in [
            prefix("ö", None),
            prefix("a.b", None),
            prefix("abcdef", Some(5)),
        ] {
            let options = wishing(constraint);
            assert!(
                Sampler::new(&lecture(), 420, &options).is_err(),
                "{options:?}"
            );
        }
    }

    /// Every word of at most so many characters of `a`, `b` and `c`, with its probability among all words of
    /// these characters.
    fn enumerated(model: &dyn LanguageModel, longest: usize) -> Vec<(String, f64)> {
        let mut words = Vec::new();
        let mut open = vec![(Vec::new(), 1.0)];
        while let Some((word, so_far)) = open.pop() {
            let context = contexts([word.as_slice()], model.block_size()).unwrap();
            let row = model.distributions(&context).unwrap().view([-1]);
            let row: Vec<f64> = Vec::try_from(row.to_kind(Kind::Double)).unwrap();
            let sum: f64 = row.iter().sum();
            words.push((model.vocabulary().decode(&word), so_far * row[0] / sum));
            if word.len() < longest {
                open.extend((1..4).map(|index| {
                    let longer = word.iter().copied().chain([index]).collect();
                    (longer, so_far * row[index] / sum)
                }));
            }
        }
        words
    }

    /// Pearson's chi-squared test against all words of a small alphabet, whose limit a fair draw exceeds
    /// once in a million. Kneser–Ney gives unknown characters a share, by which the others are scaled.
    #[test]
    fn words_come_with_their_probability_among_the_wanted_ones() {
        let vocabulary = Vocabulary::new('.', ['a', 'b', 'c']).unwrap();
        let p = [
            0.1, 0.5, 0.2, 0.2, 0.3, 0.2, 0.4, 0.1, 0.2, 0.1, 0.1, 0.6, 0.4, 0.3, 0.2, 0.1,
        ];
        let p = Table::new(vocabulary, &Tensor::from_slice(&p).view([4, 4])).unwrap();
        let list = "abc\nabcb\ncab\nbca\naab\nabcc\nbabca\nccab\nab\nabbc\nca\nacab\ncba\n";
        let words = Words::parse("list", list.to_owned(), '.').unwrap();
        let memory = Memory::new(1 << 30);
        let ngram = Ngram::of(&ngrams_of(&words, 3), Smoothing::KneserNey, &memory).unwrap();
        let start = contexts([[].as_slice()], 2).unwrap();
        let known = ngram.distributions(&start).unwrap().sum(Kind::Double);
        assert!(known.double_value(&[]) < 0.99, "{known:?}");
        let models: [&dyn LanguageModel; 2] = [&p, &ngram];
        for model in models {
            check_shares(model);
        }
    }

    fn check_shares(model: &dyn LanguageModel) {
        let constraint = WordConstraint {
            min_length: 2,
            max_length: Some(5),
            contains: vec!["ab".to_owned()],
            matching: vec![".*(a|bc|cc)".to_owned()],
            ..WordConstraint::default()
        };
        let ends = |word: &str| ["a", "bc", "cc"].iter().any(|end| word.ends_with(end));
        let is_wanted = |word: &str| word.len() >= 2 && word.contains("ab") && ends(word);
        let wanted: Vec<_> = enumerated(model, 5)
            .into_iter()
            .filter(|(word, _)| is_wanted(word))
            .collect();
        let total: f64 = wanted.iter().map(|(_, p)| p).sum();
        for directly in [false, true] {
            let mut sampler = Sampler::new(model, 7, &wishing(constraint.clone())).unwrap();
            if directly {
                let conditional = sampler.conditional().unwrap().unwrap();
                assert!((conditional.probability() / total - 1.0).abs() < 1e-6);
                sampler.conditional = Some(Some(conditional));
            }
            let mut times = std::collections::HashMap::<String, f64>::new();
            for word in sampler.take(50_000) {
                *times.entry(word.unwrap()).or_default() += 1.0;
            }
            assert!(times.keys().all(|word| is_wanted(word) && word.len() <= 5));
            let often = wanted
                .iter()
                .map(|(word, p)| (word, 50_000.0 * p / total))
                .filter(|&(_, n)| n >= 5.0);
            let terms: Vec<f64> = often
                .map(|(word, expected)| {
                    (times.get(word).unwrap_or(&0.0) - expected).powi(2) / expected
                })
                .collect();
            let freedom = terms.len() as f64 - 1.0;
            let ninth = 2.0 / (9.0 * freedom);
            let limit = freedom * (1.0 - ninth + 4.753 * ninth.sqrt()).powi(3);
            let chi_squared: f64 = terms.iter().sum();
            assert!(
                chi_squared < limit,
                "{model:?} {directly}: {chi_squared} of {limit}"
            );
        }
    }

    /// Fewer than one word in a billion is as wished.
    #[test]
    fn the_rarest_words_are_drawn_at_once() {
        let rare = WordConstraint {
            matching: vec!["q.*x.*q.*z.*q.*".to_owned()],
            ..WordConstraint::default()
        };
        let p = lecture();
        let mut sampler = Sampler::new(&p, 420, &wishing(rare)).unwrap();
        let first = sampler.next().unwrap().unwrap();
        assert!(first.starts_with('q') && first.contains('x'), "{first}");
        let conditional = sampler.conditional.as_ref().unwrap().as_ref().unwrap();
        assert!(
            conditional.probability() < 1e-9,
            "{}",
            conditional.probability()
        );
        assert_eq!(sampler.take(1000).filter(|word| word.is_ok()).count(), 1000);
    }
}
