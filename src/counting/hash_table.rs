//! The hash table in which n-grams are counted: open addressing, with n-gram and count in one number.
//!
//! Every character of a list is a look-up, and most of the time goes into waiting for memory. So slots
//! are small, and many are fetched at once.

use std::collections::HashMap;

use super::packed::{Packed, Packing};

/// The number of bits of a count in a slot.
const COUNT_BITS: u32 = 16;

/// The number of slots that are fetched from memory at once.
const BATCH: usize = 128;

/// A number with an n-gram in its high bits and a count of at most 65,535 in its low ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Slot<K>(K);

impl<K: Packed> Slot<K> {
    /// The largest count.
    pub const MOST: u64 = (1 << COUNT_BITS) - 1;

    /// Whether a number has room for an n-gram and a count.
    pub fn holds(packing: Packing) -> bool {
        packing.bits() + COUNT_BITS <= K::BITS
    }

    /// An n-gram with a count of at most [`MOST`](Self::MOST); larger counts take several.
    #[inline(always)]
    pub fn new(ngram: K, count: u64) -> Self {
        Self((ngram << COUNT_BITS) | K::from(count as u16))
    }

    #[inline(always)]
    pub fn ngram(self) -> K {
        self.0 >> COUNT_BITS
    }

    #[inline(always)]
    pub fn count(self) -> u64 {
        self.0.low() & Self::MOST
    }

    /// Whether the slot is empty: an n-gram of start tokens is 0 too, but has a count above 0.
    #[inline(always)]
    pub fn is_free(self) -> bool {
        self.0 == K::default()
    }
}

/// A hash table of n-grams and their counts.
#[derive(Debug)]
pub(super) struct HashTable<K> {
    /// `2^bits` slots, at least an eighth of them free.
    slots: Vec<Slot<K>>,
    /// The number of slots with an n-gram.
    used: usize,
    /// For counts above [`Slot::MOST`]: the rest, which is not in the slot.
    above: HashMap<K, u64>,
    /// The number of highest bits of the hashes that all n-grams of the table share.
    skipped: u32,
}

impl<K: Packed> HashTable<K> {
    /// An empty table of `2^bits` slots. The hashes of its n-grams share their highest `skipped` bits.
    pub fn new(skipped: u32, bits: u32) -> Self {
        Self {
            slots: vec![Slot::default(); 1 << bits],
            used: 0,
            above: HashMap::default(),
            skipped,
        }
    }

    /// The number of distinct n-grams.
    pub fn len(&self) -> usize {
        self.used
    }

    /// The number of n-grams that can be added before the table must grow.
    pub fn room(&self) -> usize {
        self.slots.len() / 8 * 7 - self.used
    }

    /// The number of slots, as a power of two.
    pub fn bits(&self) -> u32 {
        self.slots.len().trailing_zeros()
    }

    /// The bytes of a table of `2^bits` slots.
    pub fn bytes(bits: u32) -> u64 {
        (size_of::<Slot<K>>() as u64) << bits
    }

    /// Adds counts of n-grams. The caller makes sure of the [`room`](Self::room).
    #[inline(never)]
    pub fn add_all(&mut self, counts: &[Slot<K>]) {
        let mut places = [0_u32; BATCH];
        for counts in counts.chunks(BATCH) {
            // Reads all slots first: the processor fetches them at the same time.
            let mut fetched = K::default();
            for (place, added) in places.iter_mut().zip(counts) {
                *place = self.place(added.ngram()) as u32;
                fetched = fetched | self.slots[*place as usize].0;
            }
            std::hint::black_box(fetched);
            for (&place, &added) in places.iter().zip(counts) {
                self.add(place as usize, added);
            }
        }
    }

    /// Adds to the count of an n-gram what no slot holds. The n-gram itself must be added too.
    pub fn add_above(&mut self, ngram: K, count: u64) {
        *self.above.entry(ngram).or_default() += count;
    }

    /// The first slot in which an n-gram may be.
    #[inline(always)]
    fn place(&self, ngram: K) -> usize {
        ((ngram.scattered() << self.skipped) >> (u64::BITS - self.bits())) as usize
    }

    #[inline(always)]
    fn add(&mut self, mut place: usize, added: Slot<K>) {
        let ngram = added.ngram();
        let last = self.slots.len() - 1;
        loop {
            let slot = &mut self.slots[place & last];
            if slot.is_free() || slot.ngram() == ngram {
                self.used += usize::from(slot.is_free());
                let mut sum = slot.count() + added.count();
                if sum > Slot::<K>::MOST {
                    *self.above.entry(ngram).or_default() += sum - 1;
                    sum = 1;
                }
                *slot = Slot::new(ngram, sum);
                return;
            }
            place += 1;
        }
    }

    /// Doubles the number of slots.
    pub fn grow(&mut self) {
        let mut larger = Self::new(self.skipped, self.bits() + 1);
        larger.above = std::mem::take(&mut self.above);
        self.slots.retain(|slot| !slot.is_free());
        larger.add_all(&self.slots);
        *self = larger;
    }

    /// All n-grams.
    pub fn ngrams(&self) -> impl Iterator<Item = K> {
        self.counted().map(|slot| slot.ngram())
    }

    /// All n-grams with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (K, u64)> {
        self.counted().map(|slot| {
            let above = self.above.get(&slot.ngram()).unwrap_or(&0);
            (slot.ngram(), slot.count() + above)
        })
    }

    fn counted(&self) -> impl Iterator<Item = &Slot<K>> {
        self.slots.iter().filter(|slot| !slot.is_free())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_are_those_of_a_map(
            added in prop::collection::vec((0..50_u64, prop_oneof![1..5_u64, 60_000..=Slot::<u64>::MOST]), 0..200),
        ) {
            let mut table = HashTable::new(0, 3);
            let mut map = BTreeMap::new();
            for (ngram, count) in added {
                if table.room() == 0 {
                    table.grow();
                }
                table.add_all(&[Slot::new(ngram, count)]);
                *map.entry(ngram).or_insert(0) += count;
            }
            prop_assert_eq!(table.len(), map.len());
            prop_assert_eq!(table.iter().collect::<BTreeMap<_, _>>(), map);
        }
    }
}
