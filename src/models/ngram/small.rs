//! Numbers from 0 that may be too small for a float.
//!
//! ARPA files have probabilities and backoffs of 10^-99, which an f32 does not have, and several of them
//! multiply to less than any f64. Here such a number is stored as its logarithm to base 10, which is below
//! 0. Every other number is stored as itself.

use std::f64::consts::LN_10;

/// Logarithms above this are of numbers that every float has: the smallest normal f32 is 10^-37.93.
const SMALL: f64 = -37.0;

/// The number whose logarithm to base 10 this is; infinite if it is too large for f32.
pub(crate) fn of_log10(log10: f32) -> f32 {
    match (f64::from(log10) * LN_10).exp() as f32 {
        number if number >= f32::MIN_POSITIVE => number,
        _ if log10 == f32::NEG_INFINITY => 0.0,
        _ => log10,
    }
}

/// A number as f32.
#[inline]
pub(crate) fn stored(number: f64) -> f32 {
    match number as f32 {
        itself if itself >= f32::MIN_POSITIVE => itself,
        _ => small_stored(number),
    }
}

#[cold]
fn small_stored(number: f64) -> f32 {
    match number <= 0.0 {
        true => (number as f32).max(f32::MIN),
        false => number.log10() as f32,
    }
}

/// Whether a number from a file is one that [`stored`] gives.
pub(crate) fn is_stored(number: f32) -> bool {
    number.is_finite() && (number >= 0.0 || f64::from(number) <= SMALL)
}

/// The number itself; 0 if it is too small for f64.
#[inline]
pub(crate) fn value(stored: f64) -> f64 {
    match stored < 0.0 {
        true => power_of_ten(stored),
        false => stored,
    }
}

#[cold]
fn power_of_ten(log10: f64) -> f64 {
    10_f64.powf(log10)
}

/// The natural logarithm of a number.
pub(super) fn ln(stored: f32) -> f64 {
    match stored < 0.0 {
        true => f64::from(stored) * LN_10,
        false => f64::from(stored).ln(),
    }
}

/// The product of two numbers.
#[inline]
pub(crate) fn product(one: f64, other: f64) -> f64 {
    // Infinite, it would be no number times 0.
    let product = (one * other).min(f64::MAX);
    match one > 0.0 && product >= f64::MIN_POSITIVE {
        true => product,
        false => small_product(one, other),
    }
}

#[cold]
fn small_product(one: f64, other: f64) -> f64 {
    let log10 = |stored: f64| if stored < 0.0 { stored } else { stored.log10() };
    match log10(one) + log10(other) {
        f64::NEG_INFINITY => 0.0,
        sum if sum > SMALL => power_of_ten(sum),
        sum => sum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_no_float_has_multiply_as_their_logarithms_add() {
        let [small, half] = [of_log10(-99.0), of_log10(-0.25)].map(f64::from);
        assert_eq!(stored(small), -99.0);
        assert_eq!(value(half), half);
        assert!((value(small) / 1e-99 - 1.0).abs() < 1e-12);
        let mut power = 1.0;
        for times in 1..=5 {
            power = product(power, small);
            assert!((power + 99.0 * f64::from(times)).abs() < 1e-9, "{power}");
        }
        assert_eq!(product(small, half), product(half, small));
        assert!((ln(stored(product(small, half))) - -99.25 * LN_10).abs() < 1e-4);
        // Back among the numbers that floats have.
        assert!((product(product(small, 1e60), 1e30) / 1e-9 - 1.0).abs() < 1e-9);
        assert_eq!(product(1e-200, 1e-200), -400.0);
        let smallest = f64::from(of_log10(f32::MIN));
        assert!(is_stored(stored(product(smallest, smallest))));
    }

    #[test]
    fn zero_stays_zero_and_one_stays_one() {
        assert_eq!(of_log10(f32::NEG_INFINITY), 0.0);
        assert_eq!(of_log10(0.0), 1.0);
        assert_eq!(stored(0.0), 0.0);
        assert_eq!(ln(0.0), f64::NEG_INFINITY);
        assert_eq!(product(0.0, -99.0), 0.0);
        assert_eq!(product(0.0, 5.0), 0.0);
        assert_eq!(product(1.0, 1.0), 1.0);
        for number in [0.0, 1e-30, 1.0, 1.5, -99.0, -37.9] {
            assert!(is_stored(number), "{number}");
        }
        for number in [-0.5, f32::NAN, f32::NEG_INFINITY, f32::INFINITY] {
            assert!(!is_stored(number), "{number}");
        }
    }
}
