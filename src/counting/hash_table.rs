//! The table in which n-grams are counted, by open addressing, since the hot loop asks for a place
//! for every character of a list.

use std::collections::HashMap;

use super::packed::{Packed, Packing};

/// The bits of a count that are kept beside its n-gram.
const COUNT_BITS: u32 = 16;

/// How many slots are fetched from memory at once.
const BATCH: usize = 128;

/// An n-gram and below it, in the same number, a count of at most 65,535, so that as many as
/// possible are in the processor's cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Slot<K>(K);

impl<K: Packed> Slot<K> {
    /// The largest count.
    pub const MOST: u64 = (1 << COUNT_BITS) - 1;

    /// Whether n-grams leave room for a count in their number.
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

    /// Where there is nothing, not even an n-gram of start tokens.
    #[inline(always)]
    pub fn is_free(self) -> bool {
        self.0 == K::default()
    }
}

/// Counts by n-gram.
#[derive(Debug)]
pub(super) struct HashTable<K> {
    /// `2^bits` of them, an eighth of which stays free.
    slots: Vec<Slot<K>>,
    used: usize,
    /// Counts above [`Slot::MOST`], without what the slots have.
    above: HashMap<K, u64>,
    /// How many of the highest bits of the hashes are the same for all n-grams.
    skipped: u32,
}

impl<K: Packed> HashTable<K> {
    /// An empty table for n-grams whose hashes have the same highest bits, `skipped` of them.
    pub fn new(skipped: u32, bits: u32) -> Self {
        Self {
            slots: vec![Slot::default(); 1 << bits],
            used: 0,
            above: HashMap::default(),
            skipped,
        }
    }

    /// How many different n-grams are counted.
    pub fn len(&self) -> usize {
        self.used
    }

    /// How many more n-grams there is room for.
    pub fn room(&self) -> usize {
        self.slots.len() / 8 * 7 - self.used
    }

    pub fn bits(&self) -> u32 {
        self.slots.len().trailing_zeros()
    }

    /// The bytes that a table with `bits` takes.
    pub fn bytes(bits: u32) -> u64 {
        (size_of::<Slot<K>>() as u64) << bits
    }

    /// Adds counts of n-grams; there has to be room for them.
    #[inline(never)]
    pub fn add_all(&mut self, counts: &[Slot<K>]) {
        let mut places = [0_u32; BATCH];
        for counts in counts.chunks(BATCH) {
            // All slots are fetched from memory before the first one is needed.
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

    /// Where an n-gram is looked for first.
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

    /// Makes twice the room.
    pub fn grow(&mut self) {
        let mut larger = Self::new(self.skipped, self.bits() + 1);
        larger.above = std::mem::take(&mut self.above);
        self.slots.retain(|slot| !slot.is_free());
        larger.add_all(&self.slots);
        *self = larger;
    }

    /// The n-grams that are counted.
    pub fn ngrams(&self) -> impl Iterator<Item = K> {
        self.counted().map(|slot| slot.ngram())
    }

    /// N-grams with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (K, u64)> {
        self.counted().map(|slot| {
            let above = match self.above.is_empty() {
                true => 0,
                false => self.above.get(&slot.ngram()).copied().unwrap_or(0),
            };
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
