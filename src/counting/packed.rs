//! N-grams packed into numbers: the bits of their characters' indices side by side, the first character
//! in the highest bits.
//!
//! Numbers have the same order as lists of indices, and are compared, hashed and sorted faster. A
//! character of the lecture takes 5 bits, one of 4,097 characters takes 13.

use std::fmt::Debug;
use std::hash::Hash;
use std::ops::{BitAnd, BitOr, Shl, Shr};

use crate::error::{Error, Result};

/// The highest order; a large vocabulary allows less.
pub const MAX_ORDER: usize = 16;

/// The largest number of bits in an n-gram: the other 16 of 128 are for its count in a hash table.
const MOST_BITS: u32 = 112;

/// A number that holds a packed n-gram.
pub(crate) trait Packed:
    Copy
    + Ord
    + Default
    + Debug
    + Hash
    + Send
    + Sync
    + From<u16>
    + Shl<u32, Output = Self>
    + Shr<u32, Output = Self>
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + 'static
{
    /// The number of its bits.
    const BITS: u32;

    /// The lowest 64 bits.
    fn low(self) -> u64;

    /// The number of leading zeros.
    fn zeros(self) -> u32;

    /// A hash that depends on all bits.
    fn scattered(self) -> u64;
}

/// An odd number without a pattern: 2^64 divided by the golden ratio.
const SCATTER: u64 = 0x9E37_79B9_7F4A_7C15;

impl Packed for u64 {
    const BITS: u32 = 64;

    #[inline(always)]
    fn low(self) -> u64 {
        self
    }

    #[inline(always)]
    fn zeros(self) -> u32 {
        self.leading_zeros()
    }

    #[inline(always)]
    fn scattered(self) -> u64 {
        // The middle of the product depends on all bits; its ends do not.
        let product = u128::from(self) * u128::from(SCATTER);
        (product as u64) ^ (product >> 64) as u64
    }
}

impl Packed for u128 {
    const BITS: u32 = 128;

    #[inline(always)]
    fn low(self) -> u64 {
        self as u64
    }

    #[inline(always)]
    fn zeros(self) -> u32 {
        self.leading_zeros()
    }

    #[inline(always)]
    fn scattered(self) -> u64 {
        (self as u64 ^ ((self >> 64) as u64).scattered().rotate_left(32)).scattered()
    }
}

/// The format in which n-grams of one order are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packing {
    /// The number of bits of a character.
    width: u32,
    order: usize,
}

impl Packing {
    /// The packing of n-grams of `order` characters out of `v`.
    pub fn new(v: usize, order: usize) -> Self {
        let width = usize::BITS - v.saturating_sub(1).leading_zeros();
        Self {
            width: width.max(1),
            order,
        }
    }

    /// The packing of n-grams of `order` characters out of `v`, if a number can hold them.
    ///
    /// # Errors
    ///
    /// [`Error::Order`] names the orders that are possible.
    pub fn checked(v: usize, order: usize) -> Result<Self> {
        let packing = Self::new(v, order);
        let fits = MAX_ORDER.min((MOST_BITS / packing.width) as usize);
        match (1..=fits).contains(&order) {
            true => Ok(packing),
            false => Err(Error::Order {
                order,
                characters: v - 1,
                fits,
            }),
        }
    }

    /// The number of characters in an n-gram.
    pub fn order(self) -> usize {
        self.order
    }

    /// The number of bits of an n-gram.
    pub fn bits(self) -> u32 {
        self.width * self.order as u32
    }

    /// The packing of n-grams of another order, with as many bits a character.
    pub fn of_order(self, order: usize) -> Self {
        Self { order, ..self }
    }

    /// A number whose bits are 1 where an n-gram has bits.
    pub fn mask<K: Packed>(self) -> K {
        // A shift by all bits would overflow.
        match self.bits() {
            0 => K::default(),
            bits => ones::<K>() >> (K::BITS - bits),
        }
    }

    /// The n-gram after this one: without its first character, and with `index` at its end.
    #[inline(always)]
    pub fn push<K: Packed>(self, ngram: K, index: u16, mask: K) -> K {
        ((ngram << self.width) | K::from(index)) & mask
    }

    /// The n-gram of as many indices as the order.
    pub fn pack<K: Packed>(self, indices: impl IntoIterator<Item = usize>) -> K {
        let mask = self.mask();
        let push = |ngram, index| self.push(ngram, index as u16, mask);
        indices.into_iter().fold(K::default(), push)
    }

    /// The context: all characters but the last.
    #[inline(always)]
    pub fn context<K: Packed>(self, ngram: K) -> K {
        ngram >> self.width
    }

    /// The last character.
    #[inline(always)]
    pub fn last<K: Packed>(self, ngram: K) -> usize {
        (ngram.low() & ((1 << self.width) - 1)) as usize
    }

    /// The indices of all characters.
    pub fn unpack<K: Packed>(self, ngram: K) -> impl DoubleEndedIterator<Item = usize> {
        let shift = move |place: usize| self.width * (self.order - 1 - place) as u32;
        (0..self.order).map(move |place| self.last(ngram >> shift(place)))
    }

    /// The number of start tokens at the beginning of an n-gram.
    #[inline(always)]
    pub fn starts<K: Packed>(self, ngram: K) -> usize {
        ((ngram.zeros() - (K::BITS - self.bits())) / self.width) as usize
    }
}

/// A number whose bits are all 1.
fn ones<K: Packed>() -> K {
    let sixteen = K::from(u16::MAX);
    (0..K::BITS / 16).fold(K::default(), |ones, _| (ones << 16) | sixteen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip<K: Packed>(v: usize, indices: &[usize]) {
        let packing = Packing::new(v, indices.len());
        let ngram: K = packing.pack(indices.iter().copied());
        assert_eq!(packing.unpack(ngram).collect::<Vec<_>>(), indices);
        assert_eq!(Some(&packing.last(ngram)), indices.last());
        let starts = indices.iter().take_while(|&&index| index == 0).count();
        assert_eq!(packing.starts(ngram), starts);
        let context = packing.context(ngram);
        let shorter = packing.of_order(indices.len() - 1);
        assert_eq!(
            shorter.unpack(context).collect::<Vec<_>>(),
            indices[..indices.len() - 1]
        );
        let pushed = packing.push(ngram, 1, packing.mask());
        let next = [&indices[1..], &[1]].concat();
        assert_eq!(packing.unpack(pushed).collect::<Vec<_>>(), next);
    }

    #[test]
    fn an_order_that_does_not_fit_is_refused_with_those_that_do() {
        for (v, fits) in [(28, 16), (129, 14), (4098, 8)] {
            let widest = Packing::checked(v, fits).unwrap();
            assert!(widest.bits() <= MOST_BITS);
            let error = Packing::checked(v, fits + 1).unwrap_err().to_string();
            assert!(
                error.ends_with(&format!("1 to {fits} would work")),
                "{error}"
            );
        }
        assert!(Packing::checked(28, 0).is_err());
        round_trip::<u128>(4098, &[4097; 8]);
        round_trip::<u64>(1 << 16, &[65_535; 4]);
        round_trip::<u128>(1 << 16, &[65_535; 8]);
        round_trip::<u64>(2, &[1]);
    }

    #[test]
    fn hashes_of_neighbours_differ_in_their_highest_bits() {
        fn spread<K: Packed>() {
            let hashes: std::collections::HashSet<u64> = (0..1 << 12)
                .map(|n: u16| K::from(n).scattered() >> 48)
                .collect();
            assert!(hashes.len() > 3700, "{} of 4096", hashes.len());
        }
        spread::<u64>();
        spread::<u128>();
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked_in_the_same_order(
            one in prop::collection::vec(0..300_usize, 7),
            other in prop::collection::vec(0..300_usize, 7),
        ) {
            round_trip::<u64>(300, &one);
            round_trip::<u128>(300, &one);
            let packing = Packing::new(300, 7);
            let pack = |indices: &[usize]| packing.pack::<u64>(indices.iter().copied());
            prop_assert_eq!(pack(&one).cmp(&pack(&other)), one.cmp(&other));
        }
    }
}
