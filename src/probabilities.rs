//! The transition matrix that every model ends in, and the scores that are read off it.

use tch::{Kind, Tensor};

use crate::counts::BigramCounts;
use crate::error::{Error, Result};
use crate::vocabulary::Vocabulary;
use crate::words::Words;

/// The longest list whose NLL is summed as in the notes; theirs has 32,033 words.
const SUMMED_IN_F32: usize = 1 << 15;

/// `P[i, j]`: how probable character `j` is after character `i`, `[V, V]`, f32.
///
/// Source: the notes, "Probability" and "Maximum Likelihood".
///
/// ```
/// # use makemore_tch::{BigramCounts, Words};
/// let p = BigramCounts::of(&Words::lecture('.')?)?.probabilities(1.0)?;
/// assert_eq!(p.likelihood("jen")?, 0.0005491252522915602_f64 as f32);
/// # Ok::<(), makemore_tch::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Probabilities {
    vocabulary: Vocabulary,
    p: Vec<f32>,
}

impl Probabilities {
    /// Takes `p`, `[V, V]`, f32, on any device.
    ///
    /// # Errors
    ///
    /// If the shape is not `[V, V]` or libtorch cannot copy it.
    pub fn new(vocabulary: Vocabulary, p: &Tensor) -> Result<Self> {
        let v = vocabulary.len();
        if p.size() != [v as i64, v as i64] {
            return Err(Error::Value {
                what: "the shape of P",
                value: format!("{:?}", p.size()),
                expected: "[V, V] of the vocabulary would work",
            });
        }
        let p = Vec::try_from(p.f_contiguous()?.f_view([-1])?)?;
        Ok(Self { vocabulary, p })
    }

    /// The vocabulary that the indices are of.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// `P` as a tensor, `[V, V]`, f32.
    ///
    /// # Errors
    ///
    /// If libtorch cannot allocate it.
    pub fn tensor(&self) -> Result<Tensor> {
        let v = self.vocabulary.len() as i64;
        Ok(Tensor::f_from_slice(&self.p)?.f_view([v, v])?)
    }

    /// The rows of `P` as they are: `V` slices of `V` probabilities, all zeros where there is no
    /// distribution.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.p.chunks_exact(self.vocabulary.len())
    }

    /// `P[i, :]`, `[V]`.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyRow`] if there is no distribution: smoothing 0 and nothing counted.
    pub fn row(&self, i: usize) -> Result<&[f32]> {
        let v = self.vocabulary.len();
        let row = &self.p[i * v..(i + 1) * v];
        if row.iter().any(|&p| p > 0.0) {
            Ok(row)
        } else {
            Err(Error::EmptyRow {
                character: self.vocabulary.itos(i),
            })
        }
    }

    /// `P[i, j]`.
    ///
    /// # Errors
    ///
    /// As [`row`](Self::row).
    pub fn probability(&self, i: usize, j: usize) -> Result<f32> {
        Ok(self.row(i)?[j])
    }

    /// The product of the probabilities of a word's bigrams, in f32 as in the notes.
    ///
    /// # Errors
    ///
    /// If the word has a character that the vocabulary does not have, or as [`row`](Self::row).
    pub fn likelihood(&self, word: &str) -> Result<f32> {
        let bigrams = self.vocabulary.bigrams(word)?;
        bigrams
            .into_iter()
            .try_fold(1.0, |product, (i, j)| Ok(product * self.probability(i, j)?))
    }

    /// The average negative log-likelihood of a word's bigrams, in nats.
    ///
    /// # Errors
    ///
    /// As [`likelihood`](Self::likelihood).
    pub fn nll(&self, word: &str) -> Result<f64> {
        let bigrams = self.vocabulary.bigrams(word)?;
        let mut sum = 0.0;
        for &(i, j) in &bigrams {
            sum -= f64::from(self.probability(i, j)?).ln();
        }
        Ok(sum / bigrams.len() as f64)
    }

    /// The average negative log-likelihood of a whole list, in nats; `counts` are the list's own.
    ///
    /// Lists up to the lecture's size are summed as the notes do it, word by word in f32, which
    /// gives their 2.454579. That sum drifts with every word (exactly it would be 2.454577) and
    /// comes to nothing for millions, so that longer lists are summed in f64, bigram by bigram.
    ///
    /// # Errors
    ///
    /// If the list has a character that the vocabulary does not have, or as [`row`](Self::row).
    pub fn nll_of(&self, words: &Words, counts: &BigramCounts) -> Result<f64> {
        if words.len() > SUMMED_IN_F32 {
            return self.nll_of_counts(counts);
        }
        let log = self.log()?;
        let v = self.vocabulary.len();
        let mut sum = 0.0_f32;
        for word in words.iter() {
            let mut log_likelihood = 0.0;
            for (i, j) in self.vocabulary.bigrams(word)? {
                self.row(i)?;
                log_likelihood += log[i * v + j];
            }
            sum -= log_likelihood;
        }
        Ok(f64::from(sum) / counts.bigrams() as f64)
    }

    /// The average negative log-likelihood of counted bigrams in nats, summed in f64.
    ///
    /// # Errors
    ///
    /// If the counts are of another vocabulary, or as [`row`](Self::row).
    pub fn nll_of_counts(&self, counts: &BigramCounts) -> Result<f64> {
        if counts.vocabulary() != &self.vocabulary {
            return Err(Error::OtherVocabulary {
                model: self.vocabulary.len(),
                data: counts.vocabulary().len(),
            });
        }
        let mut sum = 0.0;
        for (i, j, count) in counts.distinct() {
            sum -= count as f64 * f64::from(self.probability(i, j)?).ln();
        }
        Ok(sum / counts.bigrams() as f64)
    }

    /// `P.log()`, `[V, V]`, f32.
    fn log(&self) -> Result<Vec<f32>> {
        Ok(Vec::try_from(Tensor::f_from_slice(&self.p)?.f_log()?)?)
    }

    /// The same matrix at a temperature: every row raised to `1 / temperature` and normalised.
    ///
    /// Below 1 the probable becomes more probable, above 1 rows become more even; 1 changes
    /// nothing, not a bit.
    ///
    /// # Errors
    ///
    /// If the temperature is not a finite number above 0.
    pub fn at_temperature(self, temperature: f64) -> Result<Self> {
        if !(temperature.is_finite() && temperature > 0.0) {
            return Err(Error::Value {
                what: "the temperature",
                value: temperature.to_string(),
                expected: "a number above 0 would work",
            });
        }
        if temperature == 1.0 {
            return Ok(self);
        }
        let p = self.tensor()?.f_to_kind(Kind::Double)?;
        let logits = p.f_log()?.f_div_scalar(temperature)?;
        let tempered = logits.f_softmax(1, Kind::Double)?.f_to_kind(Kind::Float)?;
        // A row without a distribution has none at any temperature.
        let tempered = tempered.f_nan_to_num(0.0, None, None)?;
        Self::new(self.vocabulary, &tempered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lecture() -> (Words, BigramCounts, Probabilities) {
        let words = Words::lecture('.').unwrap();
        let counts = BigramCounts::of(&words).unwrap();
        let p = counts.probabilities(1.0).unwrap();
        (words, counts, p)
    }

    #[test]
    fn good_has_the_published_probabilities_and_likelihood() {
        let (_, _, p) = lecture();
        let bigrams = p.vocabulary().bigrams("good").unwrap();
        let rounded: Vec<_> = bigrams
            .iter()
            .map(|&(i, j)| format!("{:.4}", p.probability(i, j).unwrap()))
            .collect();
        assert_eq!(rounded, ["0.0209", "0.0430", "0.0146", "0.0240", "0.0936"]);
        assert_eq!(
            format!("{:.4e}", p.likelihood("good").unwrap()),
            "2.9399e-8"
        );
    }

    #[test]
    fn the_average_nll_is_the_published_one() {
        let (words, counts, p) = lecture();
        assert_eq!(
            format!("{:.6}", p.nll_of(&words, &counts).unwrap()),
            "2.454579"
        );
    }

    #[test]
    fn a_row_without_counts_is_an_error_where_it_is_needed_and_never_nan() {
        let vocabulary = Vocabulary::new('.', "ab".chars()).unwrap();
        let p = Tensor::from_slice(&[0.0f32, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]).view([3, 3]);
        let p = Probabilities::new(vocabulary, &p).unwrap();
        for p in [p.clone(), p.at_temperature(0.5).unwrap()] {
            assert_eq!(p.likelihood("a").unwrap(), 1.0);
            assert!(matches!(
                p.likelihood("b"),
                Err(Error::EmptyRow { character: 'b' })
            ));
        }
    }

    #[test]
    fn temperature_sharpens_flattens_and_leaves_alone() {
        let (_, _, p) = lecture();
        let likeliest = |p: &Probabilities| p.row(0).unwrap().iter().copied().fold(0.0, f32::max);
        let cold = p.clone().at_temperature(0.01).unwrap();
        let hot = p.clone().at_temperature(100.0).unwrap();
        assert!(likeliest(&cold) > 0.99);
        assert!(likeliest(&hot) < 0.05);
        assert_eq!(
            p.clone().at_temperature(1.0).unwrap().row(3).unwrap(),
            p.row(3).unwrap()
        );
        assert!(p.at_temperature(0.0).is_err());
    }
}
