//! Sampling: drawing words character by character, until the end token.
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

use std::collections::{HashSet, VecDeque};

use crate::data::Vocabulary;
use crate::data::reader::Source;
use crate::data::search;
use crate::error::{Error, Result};
use crate::libtorch::random::Generator;
use crate::models::{Drawer, LanguageModel, Method, Shaping};

/// Options of a [`Sampler`].
#[derive(Debug, Clone, PartialEq)]
pub struct SampleOptions {
    /// The way to draw a character.
    pub method: Method,
    /// Temperature and top-k.
    pub shaping: Shaping,
    /// The beginning of every name, which counts towards `max_length`.
    pub prefix: String,
    /// The most characters of a name, which is cut off there.
    pub max_length: usize,
}

impl Default for SampleOptions {
    /// The lecture's way, in names of at most 100 characters.
    fn default() -> Self {
        Self {
            method: Method::default(),
            shaping: Shaping::default(),
            prefix: String::new(),
            max_length: 100,
        }
    }
}

/// An endless iterator over the names that a seed draws from a model.
///
/// It locks libtorch's generator as long as it lives (see [`crate::libtorch::random`]).
#[derive(Debug)]
pub struct Sampler<'m> {
    vocabulary: &'m Vocabulary,
    drawer: Box<dyn Drawer + 'm>,
    generator: Generator,
    prefix: Vec<usize>,
    max_length: usize,
    /// The indices of the name that is being drawn.
    word: Vec<usize>,
}

impl<'m> Sampler<'m> {
    /// A sampler of a model with a seed.
    ///
    /// # Errors
    ///
    /// [`Error::Word`] if the prefix has an unknown character; [`Error::Value`] if it is longer than
    /// `max_length`, or temperature or top-k are out of range; [`Error::GeneratorInUse`] if this thread
    /// has another sampler.
    pub fn new(model: &'m dyn LanguageModel, seed: u64, options: &SampleOptions) -> Result<Self> {
        let vocabulary = model.vocabulary();
        let prefix = vocabulary.encode(&options.prefix)?;
        let longest = options.max_length;
        if longest == 0 || prefix.len() > longest {
            return Err(Error::Value {
                what: "the longest length of a name",
                value: format!("{longest}, that of its prefix {}", prefix.len()),
                expected: "a shorter prefix or a greater length would work",
            });
        }
        Ok(Self {
            vocabulary,
            drawer: model.drawer(options.method, options.shaping)?,
            generator: Generator::seeded(seed)?,
            prefix,
            max_length: options.max_length,
            word: Vec::new(),
        })
    }

    /// Appends the next name to a text, which is faster than a string for each name.
    ///
    /// # Errors
    ///
    /// [`Error::NoDistribution`] if the model has no distribution after some characters.
    pub fn append_to(&mut self, text: &mut String) -> Result<()> {
        self.word.clear();
        self.word.extend_from_slice(&self.prefix);
        let is_complete =
            self.drawer
                .complete(&mut self.word, self.max_length, &mut self.generator)?;
        if !is_complete {
            let start = self.vocabulary.boundary().to_string();
            return Err(Error::NoDistribution {
                after: start + &self.vocabulary.decode(&self.word),
                reason: "all of them are 0",
            });
        }
        let itos = self.vocabulary.characters();
        for &index in &self.word {
            text.push(itos[index]);
        }
        Ok(())
    }
}

impl Iterator for Sampler<'_> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut name = String::new();
        Some(self.append_to(&mut name).map(|()| name))
    }
}

/// Constraints on drawn names.
#[derive(Debug, Clone, Copy, Default)]
pub struct Constraints<'a> {
    /// A list that no name may be in.
    pub new_to: Option<&'a Source>,
    /// Whether no name comes twice.
    pub unique: bool,
}

/// The number of names in a row that may fail the constraints before the sampler gives up.
const MOST_IN_VAIN: usize = 10_000;

/// The most names that are looked for in a list at once.
const MOST_AT_ONCE: usize = 1 << 16;

/// An iterator over the first names of a [`Sampler`] that meet constraints.
#[derive(Debug)]
pub struct Constrained<'a> {
    sampler: Sampler<'a>,
    constraints: Constraints<'a>,
    wanted: u64,
    found: u64,
    /// The names found so far, if none may come twice.
    given: HashSet<String>,
    waiting: VecDeque<String>,
    /// The number of names to draw next and to look for at once.
    draws: usize,
    in_vain: usize,
}

impl<'m> Sampler<'m> {
    /// The first `wanted` names that meet constraints. Ends with [`Error::GaveUp`] if 10,000 names in a
    /// row fail them.
    pub fn constrained<'a>(self, wanted: u64, constraints: Constraints<'a>) -> Constrained<'a>
    where
        'm: 'a,
    {
        Constrained {
            sampler: self,
            constraints,
            wanted,
            found: 0,
            given: HashSet::new(),
            waiting: VecDeque::new(),
            draws: 16,
            in_vain: 0,
        }
    }
}

impl Constrained<'_> {
    fn draw(&mut self) -> Result<()> {
        let draws = match self.constraints.new_to {
            Some(_) => self.draws,
            None => 1,
        };
        self.draws = (2 * draws).min(MOST_AT_ONCE);
        let drawn: Vec<String> = self.sampler.by_ref().take(draws).collect::<Result<_>>()?;
        let known = match self.constraints.new_to {
            Some(list) => search::known(list, drawn.iter().map(String::as_str))?,
            None => HashSet::new(),
        };
        for name in &drawn {
            let is_new = !known.contains(name.as_str());
            if is_new && (!self.constraints.unique || self.given.insert(name.clone())) {
                self.waiting.push_back(name.clone());
                self.in_vain = 0;
            } else {
                self.in_vain += 1;
            }
        }
        Ok(())
    }
}

impl Iterator for Constrained<'_> {
    type Item = Result<String>;

    /// The next name; none after an error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.found == self.wanted {
            return None;
        }
        while self.waiting.is_empty() && self.in_vain < MOST_IN_VAIN {
            if let Err(error) = self.draw() {
                self.wanted = self.found;
                return Some(Err(error));
            }
        }
        if let Some(name) = self.waiting.pop_front() {
            self.found += 1;
            return Some(Ok(name));
        }
        let error = Error::GaveUp {
            in_vain: self.in_vain,
            found: self.found,
            wanted: self.wanted,
        };
        self.wanted = self.found;
        Some(Err(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counting::NgramCounts;
    use crate::data::Words;
    use crate::models::Table;
    use crate::models::draw::cumulative_sums;
    use tch::Tensor;

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

    #[test]
    fn names_begin_with_the_prefix_and_end_at_the_longest_length() {
        let options = SampleOptions {
            prefix: "ann".to_owned(),
            max_length: 5,
            ..SampleOptions::default()
        };
        let names = names(&lecture(), 200, &options);
        assert!(
            names
                .iter()
                .all(|name| name.starts_with("ann") && name.len() <= 5)
        );
        assert!(names.iter().any(|name| name.len() == 5));
        assert!(names.iter().any(|name| name.len() < 5));
    }

    #[test]
    fn a_prefix_that_no_name_can_have_is_refused() {
        for prefix in ["ö", "a.b", "abcdef"] {
            let options = SampleOptions {
                prefix: prefix.to_owned(),
                max_length: 5,
                ..SampleOptions::default()
            };
            assert!(Sampler::new(&lecture(), 420, &options).is_err(), "{prefix}");
        }
    }
}
