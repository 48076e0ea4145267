//! Making more words: drawing one character after the other until a boundary comes.
//!
//! # Why there are two ways to draw
//!
//! The notes call `torch.multinomial(p, num_samples=1, replacement=True, generator=g)`. Before
//! PyTorch 2.0 that took one uniform number and looked it up in the cumulative distribution;
//! since then a single sample goes another way (it divides `p` by exponential random numbers and
//! takes the largest), so that the same seed draws other names than the video and the notes show.
//! See [pytorch/pytorch#114945](https://github.com/pytorch/pytorch/issues/114945) and
//! [karpathy/nn-zero-to-hero#34](https://github.com/karpathy/nn-zero-to-hero/issues/34).
//!
//! [`Method::Cumulative`] is the older way and draws the published names from libtorch's own
//! random numbers; [`Method::Multinomial`] is what the notes' code prints today.
//!
//! ```
//! use makemore_tch::{BigramCounts, SampleOptions, Sampler, Words};
//!
//! let p = BigramCounts::of(&Words::lecture('.')?)?.probabilities(1.0)?;
//! let names = Sampler::new(&p, 420, &SampleOptions::default())?;
//! let names: Vec<String> = names.take(5).collect::<Result<_, _>>()?;
//! assert_eq!(names, ["jor", "anuir", "she", "tais", "jen"]);
//! # Ok::<(), makemore_tch::Error>(())
//! ```

use tch::Tensor;

use crate::error::{Error, Result};
use crate::probabilities::Probabilities;
use crate::random::Generator;

/// How many uniform numbers are drawn at once; a block has the numbers of single draws.
const BLOCK: usize = 1 << 13;

/// Into how many parts of equal probability a row is divided to find a character faster.
const PARTS: usize = 256;

/// How a character is drawn from a row of probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// One uniform number, looked up in the cumulative distribution: the notes' names.
    #[default]
    Cumulative,
    /// The `multinomial` of the libtorch that is linked: the names of today's PyTorch.
    Multinomial,
}

/// What a [`Sampler`] draws.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleOptions {
    /// How characters are drawn.
    pub method: Method,
    /// See [`Probabilities::at_temperature`].
    pub temperature: f64,
    /// What every name begins with; counts towards `max_length`.
    pub prefix: String,
    /// The most characters that a name may have; a longer one is cut off there.
    pub max_length: usize,
}

impl Default for SampleOptions {
    /// The lecture's way, in names of at most 100 characters.
    fn default() -> Self {
        Self {
            method: Method::default(),
            temperature: 1.0,
            prefix: String::new(),
            max_length: 100,
        }
    }
}

/// An endless iterator over the names that a seed draws.
///
/// It holds libtorch's generator as long as it lives (see [`crate::random`]).
#[derive(Debug)]
pub struct Sampler {
    p: Probabilities,
    generator: Generator,
    draw: Draw,
    prefix: Vec<usize>,
    max_length: usize,
}

#[derive(Debug)]
enum Draw {
    Cumulative(Cumulative),
    /// The rows of `P`, `V` times `[V]`.
    Multinomial(Vec<Tensor>),
}

/// The lookup of uniform numbers in cumulative distributions.
#[derive(Debug)]
struct Cumulative {
    /// The sums of the rows of `P` in f32, each divided by its last, `[V, V]`; NaN where there is
    /// no distribution.
    rows: Vec<f32>,
    /// The index where each part of each row begins, `[V, PARTS]`.
    starts: Vec<u16>,
    v: usize,
    uniforms: Vec<f64>,
    /// How many of them are used.
    used: usize,
}

impl Sampler {
    /// Starts to draw from `p` with a seed.
    ///
    /// # Errors
    ///
    /// If the prefix has a character that the vocabulary does not have or is longer than a name
    /// may be, the temperature is not above 0, or this thread has another sampler.
    pub fn new(p: &Probabilities, seed: u64, options: &SampleOptions) -> Result<Self> {
        let mut prefix = Vec::new();
        if !options.prefix.is_empty() {
            let bigrams = p.vocabulary().bigrams(&options.prefix)?;
            prefix.extend(bigrams.iter().map(|&(_, j)| j).filter(|&j| j != 0));
        }
        if options.max_length == 0 || prefix.len() > options.max_length {
            return Err(Error::Value {
                what: "the longest length of a name",
                value: options.max_length.to_string(),
                expected: "at least 1 and the length of the prefix would work",
            });
        }
        let p = p.clone().at_temperature(options.temperature)?;
        let draw = match options.method {
            Method::Cumulative => Draw::Cumulative(Cumulative::new(&p)),
            Method::Multinomial => Draw::Multinomial(p.tensor()?.f_unbind(0)?),
        };
        Ok(Self {
            p,
            generator: Generator::seeded(seed)?,
            draw,
            prefix,
            max_length: options.max_length,
        })
    }

    /// The next name.
    ///
    /// # Errors
    ///
    /// As [`append_to`](Self::append_to).
    pub fn name(&mut self) -> Result<String> {
        let mut name = String::new();
        self.append_to(&mut name)?;
        Ok(name)
    }

    /// Appends the next name to a text, which is faster than a string for each.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyRow`] if nothing can follow a character, or if libtorch fails.
    pub fn append_to(&mut self, text: &mut String) -> Result<()> {
        let mut length = self.prefix.len();
        let mut i = 0;
        for &j in &self.prefix {
            text.push(self.p.vocabulary().itos(j));
            i = j;
        }
        while length < self.max_length {
            i = match &mut self.draw {
                Draw::Cumulative(cumulative) => cumulative.draw(i, &mut self.generator)?,
                Draw::Multinomial(rows) => match self.p.row(i) {
                    Ok(_) => Some(self.generator.multinomial(&rows[i])?),
                    Err(_) => None,
                },
            }
            .ok_or_else(|| Error::EmptyRow {
                character: self.p.vocabulary().itos(i),
            })?;
            if i == 0 {
                break;
            }
            text.push(self.p.vocabulary().itos(i));
            length += 1;
        }
        Ok(())
    }
}

impl Iterator for Sampler {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.name())
    }
}

impl Cumulative {
    fn new(p: &Probabilities) -> Self {
        let v = p.vocabulary().len();
        let mut rows = Vec::with_capacity(v * v);
        let mut starts = Vec::with_capacity(v * PARTS);
        for row in p.rows() {
            let total: f32 = row.iter().sum();
            let sums = row.iter().scan(0.0, |sum, probability| {
                *sum += probability;
                Some(*sum / total)
            });
            rows.extend(sums);
            let sums = &rows[rows.len() - v..];
            let start = |part| sums.partition_point(|&sum| sum < part as f32 / PARTS as f32);
            starts.extend((0..PARTS).map(|part| start(part) as u16));
        }
        Self {
            rows,
            starts,
            v,
            uniforms: Vec::new(),
            used: 0,
        }
    }

    /// The first index in row `i` whose sum is not below the next uniform number; none if there is
    /// no distribution.
    fn draw(&mut self, i: usize, generator: &mut Generator) -> Result<Option<usize>> {
        if self.used == self.uniforms.len() {
            self.uniforms = generator.uniforms(BLOCK)?;
            self.used = 0;
        }
        let uniform = self.uniforms[self.used];
        self.used += 1;
        let row = &self.rows[i * self.v..(i + 1) * self.v];
        let part = (uniform * PARTS as f64) as usize;
        // The sums of the indices before are below the beginning of the part, so below the number.
        let mut j = usize::from(self.starts[i * PARTS + part]);
        // The last sum is 1 and the number below it, so there always is one.
        while f64::from(row[j]) < uniform {
            j += 1;
        }
        Ok((!row[j].is_nan()).then_some(j))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::BigramCounts;
    use crate::words::Words;

    fn lecture() -> Probabilities {
        let counts = BigramCounts::of(&Words::lecture('.').unwrap()).unwrap();
        counts.probabilities(1.0).unwrap()
    }

    fn names(p: &Probabilities, count: usize, options: &SampleOptions) -> Vec<String> {
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

    /// What the notes' code prints under PyTorch 2.13, run there: pytorch#114945.
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

    /// As the notes and PyTorch before 2.0 do it: one number, one search from the beginning.
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
        let rows: Vec<Vec<f32>> = p.rows().map(cumulative_sums).collect();
        for name in names.lines() {
            let mut drawn = Vec::new();
            let mut i = 0;
            loop {
                let uniform = generator.uniforms(1).unwrap()[0];
                i = rows[i]
                    .iter()
                    .position(|&sum| f64::from(sum) >= uniform)
                    .unwrap();
                if i == 0 {
                    break;
                }
                drawn.push(i);
            }
            assert_eq!(p.vocabulary().decode(&drawn), name);
        }
    }

    fn cumulative_sums(row: &[f32]) -> Vec<f32> {
        let mut sums = Vec::new();
        let mut sum = 0.0;
        for probability in row {
            sum += probability;
            sums.push(sum);
        }
        sums.iter().map(|below| below / sum).collect()
    }

    #[test]
    fn a_character_that_nothing_follows_is_an_error_for_both_methods() {
        let vocabulary = crate::vocabulary::Vocabulary::new('.', ['a']).unwrap();
        let p = Tensor::from_slice(&[0.0f32, 1.0, 0.0, 0.0]).view([2, 2]);
        let p = Probabilities::new(vocabulary, &p).unwrap();
        for method in [Method::Cumulative, Method::Multinomial] {
            let options = SampleOptions {
                method,
                ..SampleOptions::default()
            };
            let name = Sampler::new(&p, 1, &options).unwrap().next().unwrap();
            assert!(
                matches!(name, Err(Error::EmptyRow { character: 'a' })),
                "{name:?}"
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
