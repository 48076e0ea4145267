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

/// How many uniform numbers are drawn at once.
const BLOCK: usize = 4096;

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
    /// The cumulative rows, `[V, V]`, and the uniforms that are still to be used, the next last.
    Cumulative { rows: Vec<f32>, uniforms: Vec<f64> },
    /// The rows of `P`, `V` times `[V]`.
    Multinomial { rows: Vec<Tensor> },
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
            Method::Cumulative => Draw::Cumulative {
                rows: cumulative(&p),
                uniforms: Vec::new(),
            },
            Method::Multinomial => Draw::Multinomial {
                rows: p.tensor()?.f_unbind(0)?,
            },
        };
        Ok(Self {
            p,
            generator: Generator::seeded(seed)?,
            draw,
            prefix,
            max_length: options.max_length,
        })
    }

    fn name(&mut self) -> Result<String> {
        let mut name = self.prefix.clone();
        while name.len() < self.max_length {
            match self.next_character(name.last().copied().unwrap_or(0))? {
                0 => break,
                j => name.push(j),
            }
        }
        Ok(self.p.vocabulary().decode(&name))
    }

    /// The index of the character after character `i`.
    fn next_character(&mut self, i: usize) -> Result<usize> {
        let v = self.p.row(i)?.len();
        match &mut self.draw {
            Draw::Cumulative { rows, uniforms } => {
                if uniforms.is_empty() {
                    uniforms.extend(self.generator.uniforms(BLOCK)?.into_iter().rev());
                }
                let uniform = uniforms.pop().unwrap_or_default();
                let row = &rows[i * v..(i + 1) * v];
                // The last value is 1 and the uniform below it, so there always is one.
                Ok(row.partition_point(|&below| f64::from(below) < uniform))
            }
            Draw::Multinomial { rows } => self.generator.multinomial(&rows[i]),
        }
    }
}

impl Iterator for Sampler {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.name())
    }
}

/// The cumulative sums of the rows of `P` in f32, each divided by its last: `[V, V]`.
fn cumulative(p: &Probabilities) -> Vec<f32> {
    p.rows()
        .flat_map(|row| {
            let sum: f32 = row.iter().sum();
            row.iter().scan(0.0, move |below, probability| {
                *below += probability;
                Some(*below / sum)
            })
        })
        .collect()
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

    #[test]
    fn blocks_of_uniforms_draw_the_names_of_single_draws() {
        let p = lecture();
        let rows = cumulative(&p);
        let v = p.vocabulary().len();
        let expected = names(&p, 2000, &SampleOptions::default());
        let mut generator = Generator::seeded(420).unwrap();
        for name in expected {
            let mut drawn = Vec::new();
            let mut i = 0;
            loop {
                let uniform = generator.uniforms(1).unwrap()[0];
                let row = &rows[i * v..(i + 1) * v];
                i = row
                    .iter()
                    .position(|&below| f64::from(below) >= uniform)
                    .unwrap();
                if i == 0 {
                    break;
                }
                drawn.push(i);
            }
            assert_eq!(p.vocabulary().decode(&drawn), name);
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
