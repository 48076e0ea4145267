//! Likelihoods of words under any model, and the average NLL of lists.
//!
//! This file scores single words; [`ListToScore`] and [`evaluate`] evaluate lists and their parts, whose
//! logarithms [`sum`](crate::sum) adds exactly.
//!
//! ```
//! use makemore_tch::{NgramCounts, Table, Words, score};
//!
//! let counts = NgramCounts::of(&Words::lecture('.')?)?;
//! let p = Table::of(&counts, 1.0)?;
//! assert_eq!(score::word(&p, "jen")?.likelihood.to_string(), "0.0005491252522915602");
//! assert_eq!(format!("{:.6}", score::average_nll(&p, &counts)?), "2.454577");
//! # Ok::<(), makemore_tch::Error>(())
//! ```

pub mod drawn;
pub mod evaluate;
mod fit;
pub mod held_out;

pub use fit::{Fit, ListToScore};

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::counting::{NgramCounts, Row};
use crate::error::Result;
use crate::format;
use crate::models::LanguageModel;

/// The likelihood of a word: the product of the probabilities of its characters and of its end.
///
/// It is computed in f32 as in the notes or, where that is not a normal number, in f64. Below the
/// smallest normal f64 there is only its logarithm, and it is printed as a power of ten.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likelihood {
    /// 0 if too small for f64.
    product: f64,
    ln: f64,
}

impl Likelihood {
    /// The likelihood of a word, given by its indices, and the probabilities of its characters.
    fn of_word(model: &dyn LanguageModel, indices: &[usize]) -> Result<(Self, Vec<f64>)> {
        let in_f32 = model.probabilities(&[indices])?;
        let mut likelihood = Self::of(&in_f32);
        let mut probabilities: Vec<f64> = in_f32.iter().map(|&p| p.into()).collect();
        let is_small = |p: f64| p < f32::MIN_POSITIVE.into();
        if probabilities.iter().any(|&p| is_small(p)) {
            // Those of a network or an ARPA file may be above 0 and too small for f32.
            let ln = model.log_probabilities(&[indices], &mut || Ok(()))?;
            likelihood.ln = ln.iter().sum();
            let pairs = probabilities.iter_mut().zip(ln);
            let small = pairs.filter(|(p, _)| is_small(**p));
            small.for_each(|(p, ln)| *p = ln.exp());
        }
        Ok((likelihood, probabilities))
    }

    fn of(probabilities: &[f32]) -> Self {
        let in_f32: f32 = probabilities.iter().product();
        let in_f64: f64 = probabilities.iter().map(|&p| f64::from(p)).product();
        let product = match () {
            () if in_f32.is_normal() => f64::from(in_f32),
            () if in_f64.is_normal() => in_f64,
            () => 0.0,
        };
        Self {
            product,
            ln: probabilities.iter().map(|&p| f64::from(p).ln()).sum(),
        }
    }

    /// The natural logarithm, summed in f64; negative infinity if a probability is 0.
    pub fn ln(self) -> f64 {
        self.ln
    }

    /// The likelihood with four decimals, as Python's `f"{likelihood:.4e}"`.
    pub fn scientific(self) -> String {
        match self.is_too_small() {
            true => format::exponential(self.ln),
            false => format::scientific(self.product, 4),
        }
    }

    /// Whether the likelihood is above 0 but too small for f64.
    fn is_too_small(self) -> bool {
        self.product == 0.0 && self.ln.is_finite()
    }

    /// The order of likelihoods.
    fn total_cmp(self, other: Self) -> std::cmp::Ordering {
        let products = self.product.total_cmp(&other.product);
        products.then_with(|| match self.product {
            0.0 => self.ln.total_cmp(&other.ln),
            _ => products,
        })
    }
}

impl fmt::Display for Likelihood {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.is_too_small() {
            true => f.write_str(&format::exponential(self.ln)),
            false => f.write_str(&format::float(self.product)),
        }
    }
}

impl Serialize for Likelihood {
    /// The fields `likelihood` and `log_likelihood`. Most readers of JSON turn a likelihood that is too
    /// small for f64 into 0, but not its logarithm.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Likelihood", 2)?;
        if self.is_too_small() {
            let number = RawValue::from_string(format::exponential(self.ln));
            let number = number.map_err(serde::ser::Error::custom)?;
            fields.serialize_field("likelihood", &number)?;
        } else {
            fields.serialize_field("likelihood", &self.product)?;
        }
        fields.serialize_field("log_likelihood", &self.ln)?;
        fields.end()
    }
}

/// A word with the probability of each of its characters.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WordScore {
    /// The word.
    pub word: String,
    /// The bigrams, one for each character and one for the end.
    pub bigrams: Vec<BigramScore>,
    /// The likelihood of the word.
    #[serde(flatten)]
    pub likelihood: Likelihood,
    /// The average NLL of the characters and the end, in nats; infinite if one is impossible.
    pub nll: f64,
}

/// A character of a word, or its end, after the character before it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BigramScore {
    /// The two characters.
    pub bigram: String,
    /// The whole context of the second character, with the start token; empty for a model of bigrams.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub context: String,
    /// The probability of the second character.
    pub probability: f64,
    /// Whether the second character is unknown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
}

/// Scores a word.
///
/// Source: the notes, "Maximum Likelihood".
///
/// # Errors
///
/// [`Error::Word`](crate::Error::Word) if a character has no probability in the model.
pub fn word(model: &dyn LanguageModel, word: &str) -> Result<WordScore> {
    let vocabulary = model.vocabulary();
    let indices = model.indices(word)?;
    let (likelihood, probabilities) = Likelihood::of_word(model, &indices)?;
    let boundary = [vocabulary.boundary()];
    let tokens = boundary.into_iter().chain(word.chars()).chain(boundary);
    let tokens: Vec<char> = tokens.collect();
    let context = |place: usize| match model.block_size() {
        0 | 1 => String::new(),
        longest => {
            let begin = (place + 1).saturating_sub(longest);
            tokens[begin..=place].iter().collect()
        }
    };
    let bigrams = probabilities.iter().enumerate();
    let bigrams = bigrams.map(|(place, &probability)| BigramScore {
        bigram: tokens[place..place + 2].iter().collect(),
        context: context(place),
        probability,
        unknown: indices.get(place) == Some(&vocabulary.len()),
    });
    Ok(WordScore {
        word: word.to_owned(),
        bigrams: bigrams.collect(),
        likelihood,
        // A subtraction: the negative would be -0 for a word of probability 1.
        nll: (0.0 - likelihood.ln) / probabilities.len() as f64,
    })
}

/// The average NLL of counted n-grams under a model, in nats per character, summed exactly; infinite if
/// one is impossible.
///
/// Source: the notes, "Average negative log-likelihood". They add in f32 and print 2.454579, where the
/// exact sum gives 2.454577.
///
/// # Errors
///
/// As [`evaluate::counts`].
pub fn average_nll(model: &dyn LanguageModel, counts: &NgramCounts) -> Result<f64> {
    Ok(evaluate::counts(model, counts)?.nll())
}

/// The average NLL of counting without smoothing, in nats: the lowest on these data for models with the
/// same contexts.
pub fn lowest_nll(counts: &NgramCounts) -> f64 {
    let of_context = |row: Row| -> f64 {
        let total = row.total() as f64;
        let counts = row.next.iter().map(|&(_, count)| count as f64);
        counts.map(|count| -count * (count / total).ln()).sum()
    };
    let sums = counts.contexts().map(of_context);
    sums.sum::<f64>() / counts.total() as f64
}

/// A name with its likelihood.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoredName {
    /// The name.
    pub name: String,
    /// The likelihood.
    #[serde(flatten)]
    pub likelihood: Likelihood,
}

impl ScoredName {
    /// The average NLL of the characters and the end, in nats.
    pub fn nll(&self) -> f64 {
        (0.0 - self.likelihood.ln) / (self.name.chars().count() as f64 + 1.0)
    }
}

impl fmt::Display for ScoredName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "Likelihood for {}: {}, NLL per character: {:.4}",
            shown(&self.name),
            self.likelihood.scientific(),
            self.nll()
        )
    }
}

/// A word as text for the user; the empty word in quotes.
pub fn shown(word: &str) -> &str {
    if word.is_empty() { "\"\"" } else { word }
}

/// The order of scored names.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    strum::EnumString,
    strum::EnumMessage,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Ranking {
    /// The most probable word first
    #[default]
    Probability,
    /// The lowest NLL per character first, so that long words are not behind
    PerCharacter,
    /// As they are drawn
    None,
}

/// Scores names and sorts them; equal ones stay in their order.
///
/// # Errors
///
/// As [`word`].
pub fn ranked(
    model: &dyn LanguageModel,
    names: impl IntoIterator<Item = Result<String>>,
    ranking: Ranking,
) -> Result<Vec<ScoredName>> {
    let scored = |name: Result<String>| {
        let name = name?;
        let (likelihood, _) = Likelihood::of_word(model, &model.vocabulary().encode(&name)?)?;
        Ok(ScoredName { name, likelihood })
    };
    let mut scored = names.into_iter().map(scored).collect::<Result<Vec<_>>>()?;
    match ranking {
        Ranking::Probability => {
            scored.sort_by(|one, other| other.likelihood.total_cmp(one.likelihood));
        }
        Ranking::PerCharacter => {
            scored.sort_by(|one, other| one.nll().total_cmp(&other.nll()));
        }
        Ranking::None => {}
    }
    Ok(scored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Vocabulary, Words};
    use crate::models::Table;
    use tch::Tensor;

    fn lecture() -> (NgramCounts, Table) {
        let counts = NgramCounts::of(&Words::lecture('.').unwrap()).unwrap();
        let p = Table::of(&counts, 1.0).unwrap();
        (counts, p)
    }

    #[test]
    fn good_has_the_published_probabilities_and_likelihood() {
        let (_, p) = lecture();
        let good = word(&p, "good").unwrap();
        let rounded = good.bigrams.iter();
        let rounded: Vec<String> = rounded
            .map(|bigram| format!("{} {:.4}", bigram.bigram, bigram.probability))
            .collect();
        let published = [
            ".g 0.0209",
            "go 0.0430",
            "oo 0.0146",
            "od 0.0240",
            "d. 0.0936",
        ];
        assert_eq!(rounded, published);
        assert_eq!(good.likelihood.scientific(), "2.9399e-08");
        // The NLL follows from the likelihood: five bigrams.
        assert!((good.nll + 2.9399e-8_f64.ln() / 5.0).abs() < 1e-5);
    }

    /// The same list once had two averages, by how it was cut into files. The figure is that of
    /// Python's `math.fsum` over the notes' P.
    #[test]
    fn the_average_nll_is_exact() {
        let (counts, p) = lecture();
        let nll = average_nll(&p, &counts).unwrap();
        assert_eq!(format!("{nll:.6}"), "2.454577");
    }

    #[test]
    fn the_lowest_nll_is_that_of_the_shares() {
        // After '.' comes a or b, after each of them '.'.
        let counts = NgramCounts::of(&Words::parse("list", "a\nb", '.').unwrap()).unwrap();
        let nll = lowest_nll(&counts);
        assert!((nll - 0.5 * 2.0_f64.ln()).abs() < 1e-12, "{nll}");
    }

    #[test]
    fn what_was_never_seen_is_impossible_without_smoothing() {
        let vocabulary = Vocabulary::new('.', "ab".chars()).unwrap();
        let p = Tensor::from_slice(&[0.0f32, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]).view([3, 3]);
        let p = Table::new(vocabulary, &p).unwrap();
        assert_eq!(word(&p, "a").unwrap().likelihood.to_string(), "1.0");
        let impossible = word(&p, "b").unwrap();
        assert_eq!(impossible.likelihood.to_string(), "0.0");
        assert_eq!(impossible.nll, f64::INFINITY);
    }

    /// The likelihood of a long word was once printed as 0.0.
    #[test]
    fn the_likelihood_of_a_long_word_is_not_0() {
        let likelihood = |n, p| Likelihood::of(&vec![p; n]);
        // 0.5^100 is a normal f32, 0.5^1000 a normal f64, 0.5^10000 neither.
        assert_eq!(
            likelihood(100, 0.5).to_string(),
            format::float(0.5_f64.powi(100))
        );
        assert_eq!(
            likelihood(1000, 0.5).to_string(),
            format::float(0.5_f64.powi(1000))
        );
        // Python: decimal.Decimal("0.5") ** 10000
        assert_eq!(likelihood(10_000, 0.5).to_string(), "5.0124e-3011");
        assert_eq!(likelihood(10_000, 0.5).scientific(), "5.0124e-3011");
        let json = serde_json::to_string(&likelihood(10_000, 0.5)).unwrap();
        assert!(
            json.starts_with(r#"{"likelihood":5.0124e-3011,"log_likelihood":-6931.471805"#),
            "{json}"
        );
    }

    #[test]
    fn the_likeliest_name_comes_first_however_small_it_is() {
        let (_, p) = lecture();
        let names = ["x".repeat(2000), "emma".to_owned(), "x".repeat(1000)];
        let lengths = |names: &[String], ranking| -> Vec<usize> {
            let ranked = ranked(&p, names.iter().cloned().map(Ok), ranking).unwrap();
            ranked.iter().map(|name| name.name.len()).collect()
        };
        assert_eq!(lengths(&names, Ranking::Probability), [4, 1000, 2000]);
        assert_eq!(lengths(&names, Ranking::None), [2000, 4, 1000]);
        // Many probable characters, and a few that are improbable.
        let names = ["qx", "anananan", "a"].map(str::to_owned);
        assert_eq!(lengths(&names, Ranking::Probability), [1, 2, 8]);
        assert_eq!(lengths(&names, Ranking::PerCharacter), [8, 1, 2]);
    }
}
