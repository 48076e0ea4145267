//! Exact sums of negative logarithms, the same in every order.

use serde::{Deserialize, Serialize};

/// The units in a nat: a unit is 2^-56 nats.
const UNITS: f64 = (1_u64 << 56) as f64;

/// Below so many nats, the units fit into an i64. The smallest f32 has 104 nats.
const I64_NATS: f64 = 127.0;

/// The largest summand: the sum has room for a trillion of them.
const MOST_NATS: f64 = 1e9;

/// A sum of negative logarithms of probabilities, in nats, each exact to 2^-56.
///
/// Floats would round each partial sum, so the result would depend on the order of the words, on
/// blocks and on threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    units: i128,
    /// The number of probabilities that were 0, which are not in the units.
    impossible: u64,
}

impl Sum {
    /// Adds a probability that occurs `times`.
    #[inline]
    pub fn add(&mut self, probability: f32, times: u64) {
        self.add_ln(f64::from(probability).ln(), times);
    }

    /// Adds a probability, by its natural logarithm, that occurs `times`.
    #[inline]
    pub fn add_ln(&mut self, ln: f64, times: u64) {
        let nats = -ln;
        let units = match nats {
            ..I64_NATS => i128::from((nats * UNITS) as i64),
            _ if nats.is_finite() => (nats.min(MOST_NATS) * UNITS) as i128,
            _ => {
                self.impossible += times;
                return;
            }
        };
        self.units += units * i128::from(times);
    }

    /// The sum in nats; infinite if one of the probabilities was 0.
    pub fn nats(self) -> f64 {
        match self.impossible {
            0 => self.possible_nats(),
            _ => f64::INFINITY,
        }
    }

    /// The sum in nats without the probabilities that were 0.
    pub fn possible_nats(self) -> f64 {
        self.units as f64 / UNITS
    }

    /// The number of probabilities that were 0.
    pub fn impossible(self) -> u64 {
        self.impossible
    }
}

impl std::ops::AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.units += other.units;
        self.impossible += other.impossible;
    }
}

impl std::ops::Add for Sum {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_impossible_makes_the_sum_infinite() {
        let mut sum = Sum::default();
        sum.add(0.0, 0);
        assert_eq!(sum.nats(), 0.0);
        sum.add(0.0, 3);
        sum.add(0.5, 1);
        assert_eq!((sum.nats(), sum.impossible()), (f64::INFINITY, 3));
        assert_eq!(sum.possible_nats(), 2.0_f64.ln());
    }

    #[test]
    fn a_probability_below_the_smallest_f32_counts() {
        let mut sum = Sum::default();
        sum.add_ln(-126.5, 2);
        sum.add_ln(-1e6, 3);
        assert_eq!(sum.nats(), 253.0 + 3e6);
        // The sum does not overflow.
        sum.add_ln(-1e30, 1 << 40);
        assert!(sum.nats() > 1e21 && sum.nats().is_finite());
    }

    proptest! {
        #[test]
        fn the_order_does_not_matter(probabilities in prop::collection::vec(1e-30..1.0_f32, 1..100)) {
            let sum = |probabilities: &mut dyn Iterator<Item = &f32>| {
                let mut sum = Sum::default();
                probabilities.for_each(|&p| sum.add(p, 1));
                sum
            };
            let forward = sum(&mut probabilities.iter());
            prop_assert_eq!(forward, sum(&mut probabilities.iter().rev()));
            let mut halves = sum(&mut probabilities[..probabilities.len() / 2].iter());
            halves += sum(&mut probabilities[probabilities.len() / 2..].iter());
            prop_assert_eq!(forward, halves);
            let floats: f64 = probabilities.iter().map(|&p| -f64::from(p).ln()).sum();
            prop_assert!((forward.nats() - floats).abs() < 1e-9);
        }
    }
}
