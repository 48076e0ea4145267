//! Drawing a character from a distribution.
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
//! random numbers; [`Method::Multinomial`] draws the names that the notes' code prints today.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use tch::{Kind, Tensor};

use super::automaton::{Automaton, DEAD, State};
use crate::error::{Error, Result};
use crate::libtorch::random::Generator;

/// The way to draw a character.
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
pub enum Method {
    /// The lookup of PyTorch before 2.0: the lecture's names
    #[default]
    Cumulative,
    /// The multinomial of today's PyTorch
    Multinomial,
}

/// Changes of a distribution before a character is drawn from it; by default none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shaping {
    /// See [`at_temperature`].
    pub temperature: f64,
    /// Only the `top_k` most probable characters are drawn, and those as probable as the last of them.
    pub top_k: Option<usize>,
    /// Only the fewest most probable characters are drawn whose probabilities add up to at least `top_p`.
    pub top_p: Option<f64>,
}

impl Default for Shaping {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: None,
            top_p: None,
        }
    }
}

impl Shaping {
    /// Whether distributions stay as they are, to the last bit.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Applies temperature, top-k and top-p, in this order, to distributions, `[B, V]`, f32.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn shape(&self, p: &Tensor) -> Result<Tensor> {
        self.check()?;
        let p = match self.temperature == 1.0 {
            true => p.shallow_clone(),
            false => at_temperature(p, self.temperature)?,
        };
        let p = match self.top_k.filter(|&k| k < p.size()[1] as usize) {
            Some(k) => top_k(&p, k as i64)?,
            None => p,
        };
        match self.top_p.filter(|&least| least < 1.0) {
            Some(least) => top_p(&p, least),
            None => Ok(p),
        }
    }

    /// Checks the values.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if the temperature is not a finite number from 0, `top_k` is 0, or `top_p` is not
    /// above 0 and at most 1.
    pub fn check(&self) -> Result<()> {
        if self.top_k == Some(0) {
            return Err(Error::Value {
                what: "the number of characters to draw from",
                value: "0".to_owned(),
                expected: "at least 1 would work",
            });
        }
        if let Some(top_p) = self.top_p.filter(|top_p| !(*top_p > 0.0 && *top_p <= 1.0)) {
            return Err(Error::Value {
                what: "the probability of the characters to draw from",
                value: top_p.to_string(),
                expected: "a number above 0 and at most 1 would work",
            });
        }
        check_temperature(self.temperature)
    }
}

/// The `k` largest of each row, normalised; the others are 0.
///
/// Source: makemore.py, `generate`.
fn top_k(p: &Tensor, k: i64) -> Result<Tensor> {
    let (largest, _) = p.f_topk(k, 1, true, true)?; // [B, k]
    let least = largest.f_narrow(1, k - 1, 1)?; // [B, 1]
    kept(p, &p.f_ge_tensor(&least)?)
}

/// The fewest largest of each row that add up to `least`, normalised; the others are 0. Of equal ones, those
/// with the lowest index come first.
///
/// Source: Holtzman et al., *The curious case of neural text degeneration*, 2020.
fn top_p(p: &Tensor, least: f64) -> Result<Tensor> {
    let (sorted, places) = p.f_to_kind(Kind::Double)?.f_sort_stable(true, 1, true)?; // [B, V]
    let before = sorted.f_cumsum(1, Kind::Double)?.f_sub(&sorted)?; // [B, V]
    let is_kept = before.f_lt(least)?;
    kept(p, &is_kept.f_scatter(1, &places, &is_kept)?)
}

/// The numbers of each row that are kept, normalised; the others are 0.
fn kept(p: &Tensor, is_kept: &Tensor) -> Result<Tensor> {
    let kept = p.f_where_self(is_kept, &p.f_zeros_like()?)?;
    let sums = kept.f_sum_dim_intlist([1].as_slice(), true, Kind::Float)?;
    Ok(kept.f_div(&sums)?.f_nan_to_num(0.0, None, None)?)
}

/// A drawer of words from a model, character by character.
pub trait Drawer: fmt::Debug {
    /// Draws the index of the next character of a word; 0 ends the word. None if the model has no
    /// distribution after these characters.
    fn next(&mut self, word: &[usize], generator: &mut Generator) -> Result<Option<usize>>;

    /// The same for the word of the last call, which has one more character since.
    fn next_longer(&mut self, word: &[usize], generator: &mut Generator) -> Result<Option<usize>> {
        self.next(word, generator)
    }

    /// Draws characters until the word ends or is unwanted.
    fn complete(
        &mut self,
        word: &mut Vec<usize>,
        bounds: &Bounds,
        generator: &mut Generator,
    ) -> Result<Drawn> {
        let (begin, mut state) = (word.len(), bounds.after(word));
        loop {
            let next = match word.len() == begin {
                true => self.next(word, generator)?,
                false => self.next_longer(word, generator)?,
            };
            match next {
                None => return Ok(Drawn::NoDistribution),
                Some(0) if bounds.accepts(state) => return Ok(Drawn::Word),
                Some(0) => return Ok(Drawn::Unwanted),
                Some(index) => {
                    state = bounds.step(state, index);
                    if state == DEAD {
                        return Ok(Drawn::Unwanted);
                    }
                    if word.len() == bounds.longest {
                        return Ok(Drawn::TooLong);
                    }
                    word.push(index);
                }
            }
        }
    }
}

/// The bounds of drawn words.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The most characters of a word. A word that would be longer is too long.
    pub longest: usize,
    /// The automaton that accepts the wanted words; all are wanted if there is none.
    pub automaton: Option<Arc<Automaton>>,
}

impl Bounds {
    /// The state after the characters of a word.
    pub(super) fn after(&self, word: &[usize]) -> State {
        let start = self
            .automaton
            .as_ref()
            .map_or(DEAD + 1, |automaton| automaton.start());
        word.iter()
            .fold(start, |state, &index| self.step(state, index))
    }

    /// The state after a state and a character.
    #[inline]
    pub(super) fn step(&self, state: State, index: usize) -> State {
        self.automaton
            .as_ref()
            .map_or(state, |automaton| automaton.step(state, index))
    }

    /// Whether a word may end in a state.
    #[inline]
    pub(super) fn accepts(&self, state: State) -> bool {
        self.automaton
            .as_ref()
            .is_none_or(|automaton| automaton.accepts(state))
    }

    /// Whether both are the same bounds.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let automata = (&self.automaton, &other.automaton);
        let is_same = match automata {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            automata => automata.0.is_none() && automata.1.is_none(),
        };
        is_same && self.longest == other.longest
    }
}

/// The result of drawing a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drawn {
    /// A word that is wanted.
    Word,
    /// The beginning of a word that is not.
    Unwanted,
    /// The beginning of a word that would have more characters than the longest.
    TooLong,
    /// The model has no distribution after these characters.
    NoDistribution,
}

/// Distributions, `[B, V]`, f32, at a temperature: every row raised to `1 / temperature` and
/// normalised.
///
/// Below 1 the probable becomes more probable, above 1 rows become more even. At 0 only the most probable is
/// left; of several, the one with the lowest index. A row of zeros, which is no distribution, stays as it is.
///
/// # Errors
///
/// If the temperature is not a finite number from 0.
pub fn at_temperature(p: &Tensor, temperature: f64) -> Result<Tensor> {
    check_temperature(temperature)?;
    if temperature == 0.0 {
        // Of equal numbers, torch.argmax returns the first.
        let place = p.f_argmax(1, true)?; // [B, 1]
        let largest = p.f_gather(1, &place, false)?; // [B, 1]
        let one = largest.f_gt(0.0)?.f_to_kind(Kind::Float)?;
        return Ok(p.f_zeros_like()?.f_scatter(1, &place, &one)?);
    }
    // In place, since distributions over thousands of characters take much memory.
    let mut logits = p.f_to_kind(Kind::Double)?.f_log()?;
    // With the largest logit at 0, no temperature makes a row overflow or underflow whole.
    let largest = logits.f_amax([1].as_slice(), true)?; // [B, 1]
    let mut logits = logits.f_subtract_(&largest)?;
    // The reciprocal of the smallest normal number is finite.
    let temperature = temperature.max(f64::MIN_POSITIVE);
    let logits = logits.f_div_scalar_(temperature)?;
    Ok(logits
        .f_softmax(1, Kind::Double)?
        .f_to_kind(Kind::Float)?
        .f_nan_to_num(0.0, None, None)?)
}

fn check_temperature(temperature: f64) -> Result<()> {
    if temperature.is_finite() && temperature >= 0.0 {
        return Ok(());
    }
    Err(Error::Value {
        what: "the temperature",
        value: temperature.to_string(),
        expected: "a number from 0 would work",
    })
}

/// The sums of a distribution in f32 as PyTorch before 2.0 takes them, each divided by the last;
/// NaN where there is no distribution.
pub fn cumulative_sums(row: &[f32]) -> impl Iterator<Item = f32> {
    let total: f32 = row.iter().sum();
    row.iter().scan(0.0, move |sum, probability| {
        *sum += probability;
        Some(*sum / total)
    })
}

/// Shaped distributions, prepared to be drawn from.
#[derive(Debug)]
pub(super) struct Distributions {
    /// Probabilities or, for [`Method::Cumulative`], cumulative sums, `[B, V]`; NaN in rows without a
    /// distribution.
    numbers: Vec<f32>,
    v: usize,
    method: Method,
    shaping: Shaping,
}

impl Distributions {
    /// No distributions yet, over `v` characters.
    pub fn new(v: usize, method: Method, shaping: Shaping) -> Self {
        Self {
            numbers: Vec::new(),
            v,
            method,
            shaping,
        }
    }

    /// Shapes distributions, `[B, V]`, f32.
    pub fn of(p: &Tensor, method: Method, shaping: Shaping) -> Result<Self> {
        let mut all = Self::new(p.size()[1] as usize, method, shaping);
        all.push(p)?;
        Ok(all)
    }

    /// Shapes more distributions, `[B, V]`, f32.
    pub fn push(&mut self, p: &Tensor) -> Result<()> {
        let p = self.shaping.shape(p)?;
        let rows: Vec<f32> = Vec::try_from(p.f_contiguous()?.f_view([-1])?)?;
        for row in rows.chunks_exact(self.v) {
            match self.method {
                _ if !row.iter().any(|&p| p > 0.0) => {
                    self.numbers.extend(std::iter::repeat_n(f32::NAN, self.v));
                }
                Method::Multinomial => self.numbers.extend_from_slice(row),
                Method::Cumulative => self.numbers.extend(cumulative_sums(row)),
            }
        }
        Ok(())
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.numbers.clear();
    }

    /// Draws a character of a row; none where it has no distribution.
    pub fn draw(&self, row: usize, generator: &mut Generator) -> Result<Option<usize>> {
        self.draw_among(row, |_| 0..self.v, generator)
    }

    /// The same where, for [`Method::Cumulative`], it is known for the uniform number that the character
    /// is one of a range or the next one behind it.
    #[inline(always)]
    pub fn draw_among(
        &self,
        row: usize,
        range: impl FnOnce(f64) -> Range<usize>,
        generator: &mut Generator,
    ) -> Result<Option<usize>> {
        let numbers = self.row(row);
        if numbers[0].is_nan() {
            return Ok(None);
        }
        match self.method {
            Method::Multinomial => {
                let p = Tensor::f_from_slice(numbers)?;
                generator.multinomial(&p).map(Some)
            }
            Method::Cumulative => {
                let uniform = generator.uniform()?;
                let range = range(uniform);
                let is_below = |&sum: &f32| f64::from(sum) < uniform;
                Ok(Some(range.start + numbers[range].partition_point(is_below)))
            }
        }
    }

    /// The numbers of a row, `[V]`.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.numbers[row * self.v..(row + 1) * self.v]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tempered(p: [f32; 3], temperature: f64) -> Vec<f32> {
        let p = Tensor::from_slice(&p).view([1, 3]);
        Vec::try_from(at_temperature(&p, temperature).unwrap().view([-1])).unwrap()
    }

    #[test]
    fn temperature_sharpens_and_flattens() {
        let p = [0.5, 0.3, 0.2];
        assert!(tempered(p, 0.01)[0] > 0.99);
        assert!((tempered(p, 100.0)[0] - 1.0 / 3.0).abs() < 0.01);
        assert_eq!(tempered([0.0; 3], 0.5), [0.0; 3]);
    }

    /// The lowest temperatures once turned every row into zeros.
    #[test]
    fn the_lowest_and_highest_temperatures_leave_a_distribution() {
        for temperature in [f64::from_bits(1), 1e-320, f64::MIN_POSITIVE, 1e-300] {
            assert_eq!(tempered([0.5, 0.3, 0.2], temperature), [1.0, 0.0, 0.0]);
            assert_eq!(tempered([0.4, 0.4, 0.2], temperature), [0.5, 0.5, 0.0]);
            assert_eq!(tempered([0.0, 1.0, 0.0], temperature), [0.0, 1.0, 0.0]);
        }
        let even = tempered([0.5, 0.3, 0.2], f64::MAX);
        assert!(
            even.iter().all(|&p| (p - 1.0 / 3.0).abs() < 1e-6),
            "{even:?}"
        );
    }

    #[test]
    fn at_temperature_0_the_first_of_the_most_probable_is_left() {
        assert_eq!(tempered([0.2, 0.5, 0.3], 0.0), [0.0, 1.0, 0.0]);
        assert_eq!(tempered([0.2, 0.4, 0.4], 0.0), [0.0, 1.0, 0.0]);
        assert_eq!(tempered([0.0; 3], 0.0), [0.0; 3]);
    }

    #[test]
    fn the_fewest_characters_that_add_up_to_top_p_are_left() {
        let top = |p: [f32; 4], top_p| {
            let shaping = Shaping {
                top_p: Some(top_p),
                ..Shaping::default()
            };
            let p = Tensor::from_slice(&p).view([1, 4]);
            Vec::<f32>::try_from(shaping.shape(&p).unwrap().view([-1])).unwrap()
        };
        let p = [0.125, 0.5, 0.125, 0.25];
        assert_eq!(top(p, 1e-9), [0.0, 1.0, 0.0, 0.0]);
        assert_eq!(top(p, 0.5), [0.0, 1.0, 0.0, 0.0]);
        assert_eq!(top(p, 0.51), [0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0]);
        // Of two that are as probable, the first.
        assert_eq!(top(p, 0.8), [1.0 / 7.0, 4.0 / 7.0, 0.0, 2.0 / 7.0]);
        assert_eq!(top(p, 1.0), p);
        assert_eq!(top([0.0; 4], 0.5), [0.0; 4]);
        for wrong in [0.0, -1.0, 1.1, f64::NAN] {
            let shaping = Shaping {
                top_p: Some(wrong),
                ..Shaping::default()
            };
            assert!(shaping.check().is_err(), "{wrong}");
        }
    }

    #[test]
    fn of_the_most_probable_the_shares_stay() {
        let top = |p: [f32; 3], top_k| {
            let shaping = Shaping {
                top_k: Some(top_k),
                ..Shaping::default()
            };
            let p = Tensor::from_slice(&p).view([1, 3]);
            Vec::<f32>::try_from(shaping.shape(&p).unwrap().view([-1])).unwrap()
        };
        assert_eq!(top([0.125, 0.5, 0.375], 1), [0.0, 1.0, 0.0]);
        assert_eq!(top([0.25, 0.5, 0.25], 2), [0.25, 0.5, 0.25]);
        assert_eq!(top([0.5, 0.3, 0.2], 2), [0.625, 0.375, 0.0]);
        assert_eq!(top([0.5, 0.3, 0.2], 3), [0.5, 0.3, 0.2]);
        assert_eq!(top([0.5, 0.3, 0.2], 99), [0.5, 0.3, 0.2]);
        assert_eq!(top([0.0; 3], 1), [0.0; 3]);
        let none = Shaping {
            top_k: Some(0),
            ..Shaping::default()
        };
        assert!(none.check().is_err());
    }

    /// It was once an error of libtorch, which counts up to 2^63 - 1.
    #[test]
    fn a_top_k_beyond_what_libtorch_counts_is_no_limit() {
        for top_k in [1 << 63, usize::MAX] {
            let shaping = Shaping {
                top_k: Some(top_k),
                ..Shaping::default()
            };
            let p = Tensor::from_slice(&[0.75_f32, 0.25]).view([1, 2]);
            assert_eq!(shaping.shape(&p).unwrap(), p);
        }
    }

    #[test]
    fn a_temperature_that_is_none_is_refused() {
        let p = Tensor::from_slice(&[1.0_f32]).view([1, 1]);
        for temperature in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(at_temperature(&p, temperature).is_err());
        }
    }
}
