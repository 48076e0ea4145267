//! The split of a list into train, dev (to choose between models) and test (to look at once, at the
//! end).
//!
//! Source: the lecture's exercise E02, "split up the dataset randomly into 80% train set, 10% dev
//! set, 10% test set".

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use foldhash::fast::FixedState;
use rand_mt::Mt;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A part of the data.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    strum::EnumString,
    strum::EnumMessage,
    strum::VariantArray,
    strum::IntoStaticStr,
    strum::Display,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Part {
    /// The words that a model is trained on
    Train,
    /// The words that settings are chosen by
    Dev,
    /// The words of a single evaluation, at the end
    Test,
}

/// The shares of the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Shares {
    /// The percentages of train, dev and test.
    Percents([u8; 3]),
    /// The split of makemore.py: test has the last 1,000 words of a permutation with a fixed seed, or a
    /// tenth of all words if that is less. There is no dev part.
    Makemore,
}

impl Shares {
    /// All words are for training, as in the lecture.
    pub const ALL: Self = Self::Percents([100, 0, 0]);

    /// The split that the lecture's exercise E02 asks for.
    pub const USUAL: Self = Self::Percents([80, 10, 10]);

    /// Whether a part has a share.
    pub fn has(self, part: Part) -> bool {
        match self {
            Self::Percents(percents) => percents[part as usize] > 0,
            Self::Makemore => part != Part::Dev,
        }
    }

    /// The same shares, with that of a part added to train.
    pub fn without(self, part: Part) -> Self {
        match (self, part) {
            (Self::Percents(mut percents), part) => {
                let moved = std::mem::take(&mut percents[part as usize]);
                percents[Part::Train as usize] += moved;
                Self::Percents(percents)
            }
            (Self::Makemore, Part::Test) => Self::ALL,
            (Self::Makemore, _) => self,
        }
    }

    fn of_percents(percents: [u8; 3]) -> Result<Self> {
        let sum: u32 = percents.iter().map(|&percent| u32::from(percent)).sum();
        if sum == 100 && percents[Part::Train as usize] > 0 {
            return Ok(Self::Percents(percents));
        }
        Err(Error::Value {
            what: "the split",
            value: Self::Percents(percents).to_string(),
            expected: "three percentages that add up to 100, the first above 0, would work: 80,10,10",
        })
    }
}

/// Shares as a checkpoint has them.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Percents([u8; 3]),
    Name(String),
}

/// The name of makemore.py's split.
const MAKEMORE: &str = "makemore";

impl TryFrom<Written> for Shares {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self> {
        match written {
            Written::Percents(percents) => Self::of_percents(percents),
            Written::Name(name) => name.parse(),
        }
    }
}

impl From<Shares> for Written {
    fn from(shares: Shares) -> Self {
        match shares {
            Shares::Percents(percents) => Self::Percents(percents),
            Shares::Makemore => Self::Name(MAKEMORE.to_owned()),
        }
    }
}

impl FromStr for Shares {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == MAKEMORE {
            return Ok(Self::Makemore);
        }
        let percents: Option<Vec<u8>> = text
            .split(',')
            .map(|percent| percent.trim().parse().ok())
            .collect();
        let three = percents.and_then(|percents| <[u8; 3]>::try_from(percents).ok());
        three.map_or_else(
            || {
                Err(Error::Value {
                    what: "the split",
                    value: text.to_owned(),
                    expected: "three whole percentages, 80,10,10, or makemore would work",
                })
            },
            Self::of_percents,
        )
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Percents([train, dev, test]) => write!(f, "{train},{dev},{test}"),
            Self::Makemore => f.write_str(MAKEMORE),
        }
    }
}

/// The split of a list: a permutation of its words that follows from a seed, of which the first words
/// are for train, the next for dev, the last for test.
///
/// The permutation is computed word by word and takes no memory. For makemore.py's split, the indices
/// of the test words are kept.
///
/// ```
/// use makemore_tch::data::split::{Part, Shares, Split};
///
/// let split = Split::new(Shares::USUAL, 420, 32_033);
/// let test = (0..32_033).filter(|&word| split.part_of(word) == Part::Test);
/// assert_eq!(test.count(), 3204);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    shares: Shares,
    seed: u64,
    words: u64,
    order: WordOrder,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum WordOrder {
    Scrambled {
        permutation: Permutation,
        /// The places of dev in the permutation.
        dev: Range<u64>,
        /// The place where test begins.
        test: u64,
    },
    /// A part by the indices of its words, sorted; all others are for training.
    Listed { part: Part, words: Arc<[u64]> },
}

impl Split {
    /// Splits a list of `words` words. makemore.py's split ignores the seed.
    pub fn new(shares: Shares, seed: u64, words: u64) -> Self {
        let order = match shares {
            Shares::Percents(percents) => {
                let [train, dev, _] = percents.map(u128::from);
                let share = |percent: u128| (u128::from(words) * percent / 100) as u64;
                WordOrder::Scrambled {
                    permutation: Permutation::new(words, seed),
                    dev: share(train)..share(train + dev),
                    test: share(train + dev),
                }
            }
            Shares::Makemore => WordOrder::Listed {
                part: Part::Test,
                words: makemore_test(words).into(),
            },
        };
        Self {
            shares,
            seed,
            words,
            order,
        }
    }

    /// Holds out some words as dev, by their sorted indices; all others are for training.
    pub fn holding_out(dev: Vec<u64>, seed: u64, words: u64) -> Self {
        let percent = 100 * dev.len() as u64 / words.max(1);
        let percent = percent.clamp(1, 99) as u8;
        Self {
            shares: Shares::Percents([100 - percent, percent, 0]),
            seed,
            words,
            order: WordOrder::Listed {
                part: Part::Dev,
                words: dev.into(),
            },
        }
    }

    /// The shares of the parts.
    pub fn shares(&self) -> Shares {
        self.shares
    }

    /// The seed of the permutation.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The number of words of a part.
    pub fn words(&self, part: Part) -> u64 {
        let [dev, test] = match &self.order {
            WordOrder::Scrambled { dev, test, .. } => [dev.end - dev.start, self.words - test],
            WordOrder::Listed { part, words } => {
                [Part::Dev, Part::Test].map(|of| match of == *part {
                    true => words.len() as u64,
                    false => 0,
                })
            }
        };
        match part {
            Part::Train => self.words - dev - test,
            Part::Dev => dev,
            Part::Test => test,
        }
    }

    /// Refuses a split in which a part with a share has no words; the error names the list.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyShare`].
    pub fn check(&self, origin: &str) -> Result<()> {
        let parts = [Part::Train, Part::Dev, Part::Test];
        let is_empty = |part: &Part| self.shares.has(*part) && self.words(*part) == 0;
        match parts.into_iter().find(is_empty) {
            None => Ok(()),
            Some(part) => Err(Error::EmptyShare {
                shares: self.shares.to_string(),
                part: part.into(),
                origin: origin.to_owned(),
                words: self.words,
            }),
        }
    }

    /// Whether all words are for training.
    pub fn is_trivial(&self) -> bool {
        self.shares == Shares::ALL
    }

    /// The part of a word, by its index in the list.
    #[inline]
    pub fn part_of(&self, word: u64) -> Part {
        if self.is_trivial() {
            return Part::Train;
        }
        match &self.order {
            WordOrder::Scrambled {
                permutation,
                dev,
                test,
            } => match permutation.of(word) {
                place if dev.contains(&place) => Part::Dev,
                place if place < *test => Part::Train,
                _ => Part::Test,
            },
            WordOrder::Listed { part, words } => match words.binary_search(&word) {
                Ok(_) => *part,
                Err(_) => Part::Train,
            },
        }
    }
}

/// The seed of makemore.py.
const MAKEMORE_SEED: u32 = 3407;

/// The number of random numbers that are drawn again at once.
const DRAWN_AGAIN: u64 = 1 << 18;

/// The indices of makemore.py's test words, sorted: the last ones of `torch.randperm`.
///
/// `randperm` swaps the word at each place, from the first on, with that at a random later place. Going
/// back through the swaps, from the last to the first, shows which words came to the last places, without
/// a list of all words. The random numbers are drawn twice: forwards to store states of the generator, and
/// then in blocks from these states.
fn makemore_test(words: u64) -> Vec<u64> {
    let swaps = words.saturating_sub(1);
    let mut numbers = Mt::new(MAKEMORE_SEED);
    let mut states = Vec::new();
    for place in 0..swaps {
        if place.is_multiple_of(DRAWN_AGAIN) {
            states.push((place, numbers.clone()));
        }
        numbers.next_u32();
    }
    let first = words - (words / 10).min(1000);
    let mut places: HashSet<u64, FixedState> = (first..words).collect();
    for (begin, mut numbers) in states.into_iter().rev() {
        let drawn = (begin..swaps.min(begin + DRAWN_AGAIN)).map(|place| {
            let other = place + u64::from(numbers.next_u32()) % (words - place);
            (place, other)
        });
        for (place, other) in drawn.collect::<Vec<_>>().into_iter().rev() {
            let [has_place, has_other] = [place, other].map(|place| places.contains(&place));
            if has_place != has_other {
                let (from, to) = if has_place {
                    (place, other)
                } else {
                    (other, place)
                };
                places.remove(&from);
                places.insert(to);
            }
        }
    }
    let mut test: Vec<u64> = places.into_iter().collect();
    test.sort_unstable();
    test
}

/// The number of times that the bits are mixed.
const ROUNDS: usize = 4;

/// A permutation of the numbers below a length, computed number by number.
///
/// Each round permutes the numbers below the next power of two: it multiplies by an odd number, adds a
/// number, and mixes the upper half of the bits into the lower one by XOR, all of which can be undone.
/// The rounds are repeated until the result is below the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Permutation {
    length: u64,
    bits: u32,
    factors: [u64; ROUNDS],
    summands: [u64; ROUNDS],
}

impl Permutation {
    /// A permutation that follows from a seed.
    pub fn new(length: u64, seed: u64) -> Self {
        let mut numbers = SplitMix(seed);
        Self {
            length,
            bits: (u64::BITS - length.saturating_sub(1).leading_zeros()).max(1),
            factors: [(); ROUNDS].map(|()| numbers.next() | 1),
            summands: [(); ROUNDS].map(|()| numbers.next()),
        }
    }

    /// The place of a number in the permutation.
    #[inline]
    pub fn of(&self, number: u64) -> u64 {
        let mask = u64::MAX >> (u64::BITS - self.bits);
        let half = self.bits.div_ceil(2);
        let mut place = number & mask;
        loop {
            for (factor, summand) in self.factors.iter().zip(self.summands) {
                place = place.wrapping_mul(*factor).wrapping_add(summand) & mask;
                place ^= place >> half;
            }
            if place < self.length || self.length == 0 {
                return place;
            }
        }
    }
}

/// SplitMix64, a generator of random numbers.
///
/// Source: <https://prng.di.unimi.it/splitmix64.c>.
#[derive(Debug)]
pub(crate) struct SplitMix(pub u64);

impl SplitMix {
    /// The difference between two consecutive states.
    pub const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

    /// The mixing of a state: XOR with itself shifted right by the bits, then multiplication.
    pub const ROUNDS: [(u32, u64); 3] = [
        (30, 0xBF58_476D_1CE4_E5B9),
        (27, 0x94D0_49BB_1331_11EB),
        (31, 1),
    ];

    #[inline]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(Self::STEP);
        let mix =
            |mixed: u64, (bits, factor): (u32, u64)| (mixed ^ (mixed >> bits)).wrapping_mul(factor);
        Self::ROUNDS.into_iter().fold(self.0, mix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(shares: Shares, seed: u64, words: u64) -> Vec<Part> {
        let split = Split::new(shares, seed, words);
        (0..words).map(|word| split.part_of(word)).collect()
    }

    #[test]
    fn words_that_are_held_out_are_dev() {
        let split = Split::holding_out(vec![3, 4, 8_000], 420, 10_000);
        for (part, words) in [(Part::Train, 9_997), (Part::Dev, 3), (Part::Test, 0)] {
            let of_part = (0..10_000).filter(|&word| split.part_of(word) == part);
            assert_eq!((of_part.count() as u64, split.words(part)), (words, words));
        }
        assert_eq!(
            [3, 5].map(|word| split.part_of(word)),
            [Part::Dev, Part::Train]
        );
    }

    #[test]
    fn percentages_are_read_and_written_alike() {
        for text in ["80,10,10", "100,0,0", "1,0,99", "makemore"] {
            assert_eq!(text.parse::<Shares>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "80",
            "80,20",
            "80,10,11",
            "0,50,50",
            "-1,50,51",
            "33.3,33.3,33.4",
            "300,0,0",
        ] {
            assert!(text.parse::<Shares>().is_err(), "{text}");
        }
        let usual = Shares::USUAL;
        assert_eq!(usual.without(Part::Dev).to_string(), "90,0,10");
        assert_eq!(usual.without(Part::Dev).without(Part::Test), Shares::ALL);
    }

    /// `torch.randperm` after `torch.manual_seed(3407)`, its last tenth or 1,000, in PyTorch 2.13.
    #[test]
    fn makemores_split_is_that_of_torch() {
        let of = |words: u64| {
            let split = Split::new(Shares::Makemore, 1, words);
            let test = (0..words).filter(|&word| split.part_of(word) == Part::Test);
            let test: Vec<u64> = test.collect();
            assert_eq!(split.words(Part::Test), test.len() as u64);
            assert_eq!(split.words(Part::Train), words - test.len() as u64);
            test
        };
        assert_eq!(of(57), [10, 16, 29, 34, 53]);
        let names = of(32_033);
        assert_eq!((names.len(), names.iter().sum::<u64>()), (1000, 15_650_634));
        assert_eq!(names[..5], [61, 93, 103, 151, 160]);
        assert_eq!(of(5000).iter().sum::<u64>(), 1_228_706);
    }

    /// The whole permutation was once in memory, 8 bytes a word.
    #[test]
    fn makemores_split_of_many_words_is_that_of_the_whole_permutation() {
        let words = 2 * DRAWN_AGAIN + 1000;
        let mut numbers = Mt::new(MAKEMORE_SEED);
        let mut order: Vec<u64> = (0..words).collect();
        for place in 0..order.len() - 1 {
            let rest = (order.len() - place) as u32;
            order.swap(place, place + (numbers.next_u32() % rest) as usize);
        }
        let mut test = order.split_off(order.len() - 1000);
        test.sort_unstable();
        assert_eq!(makemore_test(words), test);
    }

    #[test]
    fn the_seed_decides() {
        let of_seed = |seed| parts(Shares::USUAL, seed, 1000);
        assert_eq!(of_seed(1), of_seed(1));
        assert_ne!(of_seed(1), of_seed(2));
    }

    /// Chance alone would give a stretch of 1,000 words 100 ± 9.5 test words. Two words that
    /// follow each other would both be in test 1 % of the time.
    #[test]
    fn every_stretch_has_its_share_of_every_part() {
        for (seed, words) in [(420, 100_000), (1, 131_072), (2, 65_537)] {
            let parts = parts(Shares::USUAL, seed, words);
            for stretch in parts.chunks_exact(1000) {
                let test = stretch.iter().filter(|&&part| part == Part::Test).count();
                assert!((50..150).contains(&test), "{test} of 1000");
            }
            for distance in [1, 2, 3, 7, 64, 1000] {
                let pairs = parts.iter().zip(&parts[distance..]);
                let both = pairs
                    .filter(|&pair| pair == (&Part::Test, &Part::Test))
                    .count();
                let share = both as f64 / parts.len() as f64;
                assert!((0.007..0.013).contains(&share), "{share} at {distance}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_permutation_has_every_number_once(length in 1..5000_u64, seed: u64) {
            let permutation = Permutation::new(length, seed);
            let mut numbers: Vec<u64> = (0..length).map(|number| permutation.of(number)).collect();
            numbers.sort_unstable();
            prop_assert!(numbers.into_iter().eq(0..length));
        }

        #[test]
        fn parts_have_their_sizes(words in 0..3000_u64, seed: u64, train in 1..=100_u8, dev in 0..=100_u8) {
            let dev = dev.min(100 - train);
            let shares = Shares::Percents([train, dev, 100 - train - dev]);
            let split = Split::new(shares, seed, words);
            let parts = parts(shares, seed, words);
            for part in [Part::Train, Part::Dev, Part::Test] {
                let counted = parts.iter().filter(|&&other| other == part).count();
                prop_assert_eq!(split.words(part), counted as u64);
            }
        }
    }
}
