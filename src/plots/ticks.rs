//! Ticks of axes: round values, each with a label of its own.

use std::ops::Range;

/// A value on an axis and its label.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    pub value: f64,
    pub label: String,
}

/// Ticks of a linear axis, about `at_most`: multiples of 1, 2 or 5 times a power of ten. An axis of whole
/// numbers has no others.
pub fn linear(range: Range<f64>, at_most: usize, whole: bool) -> Vec<Tick> {
    let wanted = (range.end - range.start) / at_most.max(1) as f64;
    if !wanted.is_normal() {
        return Vec::new();
    }
    let lowest = if whole { 0 } else { i32::MIN };
    let magnitude = (wanted.log10().floor() as i32).max(lowest);
    let steps = [(1, magnitude), (2, magnitude), (5, magnitude)];
    let fitting = steps.into_iter().find(|&(mantissa, exponent)| {
        // With a tolerance for rounding.
        decimal(mantissa, exponent) >= wanted * (1.0 - 1e-9)
    });
    let (mantissa, exponent) = fitting.unwrap_or((1, magnitude + 1));

    let step = decimal(mantissa, exponent);
    let first = (range.start / step - 1e-9).ceil() as i64;
    let last = (range.end / step + 1e-9).floor() as i64;
    let values: Vec<f64> = (first..=last)
        .map(|index| decimal(index * mantissa, exponent))
        .collect();
    let largest = values
        .iter()
        .fold(0.0, |one: f64, other| one.max(other.abs()));
    let tick = |value| Tick {
        value,
        label: if value == 0.0 {
            "0".to_owned()
        } else if is_written_out(step, largest) {
            format!("{value:.*}", (-exponent).max(0) as usize)
        } else {
            let digits = largest.log10().floor() as i32 - exponent;
            format!("{value:.*e}", digits.max(0) as usize)
        },
    };
    values.into_iter().map(tick).collect()
}

/// Ticks of a logarithmic axis: zero and the powers of ten up to the largest value, and 2 and 5 times these
/// if there are few.
pub fn logarithmic(smallest: f64, largest: f64, whole: bool) -> Vec<Tick> {
    let decades = smallest.log10().floor() as i32..=largest.log10().floor() as i32;
    let mantissas: &[i64] = if decades.clone().count() > 3 {
        &[1]
    } else {
        &[1, 2, 5]
    };
    let values = decades.flat_map(|exponent| {
        mantissas
            .iter()
            .map(move |&mantissa| decimal(mantissa, exponent))
    });
    let tick = |value| Tick {
        value,
        label: if value == 0.0 || is_written_out(value, value) {
            format!("{value}")
        } else {
            format!("{value:.0e}")
        },
    };
    let values = values.filter(|&value| value <= largest && !(whole && value < 1.0));
    std::iter::once(0.0).chain(values).map(tick).collect()
}

/// Whether numbers from `small` to `large` are short enough without an exponent.
fn is_written_out(small: f64, large: f64) -> bool {
    small > 0.9e-5 && large < 1e7
}

/// `mantissa` times ten to the power of `exponent`.
fn decimal(mantissa: i64, exponent: i32) -> f64 {
    // Powers of ten are exact, their reciprocals are not.
    let power = 10_f64.powi(exponent.abs());
    if exponent < 0 {
        mantissa as f64 / power
    } else {
        mantissa as f64 * power
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn whole_numbers_only_where_there_are_no_others() {
        assert_eq!(labels(&linear(0.0..1.0, 9, true)), ["0", "1"]);
        assert_eq!(labels(&linear(0.0..3.0, 9, true)), ["0", "1", "2", "3"]);
        assert_eq!(labels(&linear(0.0..1.0, 4, false)), ["0", "0.5", "1.0"]);
        assert_eq!(labels(&linear(-0.3..0.3, 3, false)), ["-0.2", "0", "0.2"]);
        assert_eq!(labels(&linear(-0.5..0.5, 9, true)), ["0"]);
        assert_eq!(linear(3.0..3.0, 9, false), []);
    }

    #[test]
    fn as_many_decimals_as_the_step_has() {
        assert_eq!(
            labels(&linear(2.4499..2.4521, 3, false)),
            ["2.450", "2.451", "2.452"]
        );
        assert_eq!(labels(&linear(-1.0..2.0, 3, false)), ["-1", "0", "1", "2"]);
        assert_eq!(
            labels(&linear(0.0..3e9, 3, true)),
            ["0", "1e9", "2e9", "3e9"]
        );
    }

    #[test]
    fn a_logarithmic_axis_begins_with_zero() {
        assert_eq!(
            labels(&logarithmic(1.0, 6763.0, true)),
            ["0", "1", "10", "100", "1000"]
        );
        assert_eq!(labels(&logarithmic(1.0, 6.0, true)), ["0", "1", "2", "5"]);
        assert_eq!(
            labels(&logarithmic(2e-7, 0.02, false)),
            ["0", "1e-7", "1e-6", "0.00001", "0.0001", "0.001", "0.01"]
        );
    }

    proptest! {
        #[test]
        fn labels_are_distinct_and_say_the_value(
            start in -1e6..1e6_f64, exponent in -3..12_i32, at_most in 1..20_usize, whole: bool
        ) {
            let end = start + 10_f64.powi(exponent);
            let ticks = linear(start..end, at_most, whole);
            for pair in ticks.windows(2) {
                prop_assert_ne!(&pair[0].label, &pair[1].label);
            }
            for Tick { value, label } in &ticks {
                let written: f64 = label.parse().unwrap();
                prop_assert!((written - value).abs() <= 1e-9 * value.abs(), "{} is {}", label, value);
            }
            prop_assert!(ticks.len() <= at_most + 1);
        }
    }
}
