//! Counts of n-grams of one order: how often each character follows each context (`N`).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tch::Tensor;

use super::packed::{Packed, Packing};
use crate::data::vocabulary::Vocabulary;
use crate::error::{Error, Result};

/// How often each character follows each context.
///
/// The order is the length of the n-grams: 2 for bigrams, whose contexts are single characters.
/// Only n-grams that occur are kept: `C` contexts, and the characters after each of them. A context
/// that reaches back before the first character of a word has start tokens there.
///
/// An index of `V` is a character that the vocabulary does not have.
///
/// Source: the notes, "Frequency", whose `N`, `[V, V]`, are the counts of order 2.
///
/// ```
/// # use makemore_tch::{NgramCounts, Words};
/// let counts = NgramCounts::of(&Words::lecture('.')?)?;
/// let (context, next, count) = &counts.most_common(1)[0];
/// assert_eq!((counts.ngram(context, *next).as_str(), *count), ("n.", 6763));
/// # Ok::<(), makemore_tch::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NgramCounts {
    pub(super) vocabulary: Vocabulary,
    pub(super) order: usize,
    pub(super) ngrams: Ngrams,
}

/// N-grams and their counts, sorted, in numbers that are as wide as they need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ngrams {
    Narrow(Vec<(u64, u64)>),
    Wide(Vec<(u128, u64)>),
}

/// An expression with the n-grams of whatever width as a vector.
macro_rules! for_any_width {
    ($ngrams:expr, $vector:ident => $result:expr) => {
        match $ngrams {
            $crate::counting::counts::Ngrams::Narrow($vector) => $result,
            $crate::counting::counts::Ngrams::Wide($vector) => $result,
        }
    };
}
pub(crate) use for_any_width;

/// A context and the characters after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The indices of its characters, one less than the order.
    pub context: Vec<usize>,
    /// The characters that follow it, sorted, each with its count.
    pub next: Vec<(usize, u64)>,
}

impl Row {
    /// How often the context occurs.
    pub fn total(&self) -> u64 {
        self.next.iter().map(|&(_, count)| count).sum()
    }
}

impl NgramCounts {
    /// Bigrams of a vocabulary, sorted, with their counts.
    pub(super) fn bigrams(
        vocabulary: Vocabulary,
        counts: impl Iterator<Item = ([usize; 2], u64)>,
    ) -> Self {
        let packing = Packing::new(vocabulary.len() + 1, 2);
        let ngrams = counts.map(|(bigram, count)| (packing.pack(bigram), count));
        Self {
            order: 2,
            ngrams: Ngrams::Narrow(ngrams.collect()),
            vocabulary,
        }
    }

    /// The vocabulary that the indices are of.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// How many characters are counted together, the context and the one that follows it.
    pub fn order(&self) -> usize {
        self.order
    }

    /// How the n-grams are packed.
    pub(crate) fn packing(&self) -> Packing {
        Packing::new(self.vocabulary.len() + 1, self.order)
    }

    /// How many different n-grams there are.
    pub(crate) fn len(&self) -> usize {
        for_any_width!(&self.ngrams, ngrams => ngrams.len())
    }

    /// The bytes that they take.
    pub(crate) fn bytes(&self) -> u64 {
        for_any_width!(&self.ngrams, ngrams => size_of_val(ngrams.as_slice()) as u64)
    }

    pub(crate) fn ngrams(&self) -> &Ngrams {
        &self.ngrams
    }

    /// The number of words that were counted: as many as there are ends.
    pub fn words(&self) -> u64 {
        let packing = self.packing();
        for_any_width!(&self.ngrams, ngrams => {
            let ends = ngrams.iter().filter(|&&(ngram, _)| packing.last(ngram) == 0);
            ends.map(|&(_, count)| count).sum()
        })
    }

    /// How many n-grams were counted: the sum of all counts.
    pub fn total(&self) -> u64 {
        for_any_width!(&self.ngrams, ngrams => ngrams.iter().map(|&(_, count)| count).sum())
    }

    /// How often `next` follows `context`.
    ///
    /// # Panics
    ///
    /// If the context has not `order - 1` characters, or an index is above `V`.
    pub fn count(&self, context: &[usize], next: usize) -> u64 {
        let v = self.vocabulary.len();
        assert_eq!(context.len(), self.order - 1, "the length of the context");
        assert!(
            next <= v && context.iter().all(|&index| index <= v),
            "the index of a character"
        );
        let indices = context.iter().copied().chain([next]);
        for_any_width!(&self.ngrams, ngrams => {
            let wanted = self.packing().pack(indices);
            let place = ngrams.binary_search_by_key(&wanted, |&(ngram, _)| ngram);
            place.map_or(0, |place| ngrams[place].1)
        })
    }

    /// The contexts that occur, sorted, each with the characters after it.
    pub fn contexts(&self) -> Box<dyn Iterator<Item = Row> + '_> {
        let packing = self.packing();
        for_any_width!(&self.ngrams, ngrams => Box::new(rows(ngrams, packing)))
    }

    /// Does the same as [`contexts`](Self::contexts), faster: it calls a function for each.
    pub(crate) fn each_context(&self, mut each: impl FnMut(&[usize], &[(usize, u64)])) {
        let packing = self.packing();
        let (mut context, mut next) = (Vec::new(), Vec::new());
        for_any_width!(&self.ngrams, ngrams => {
            let is_same = |one: &(_, u64), other: &(_, u64)| {
                packing.context(one.0) == packing.context(other.0)
            };
            for row in ngrams.chunk_by(is_same) {
                context.clear();
                context.extend(packing.unpack(row[0].0));
                context.pop();
                next.clear();
                next.extend(row.iter().map(|&(ngram, count)| (packing.last(ngram), count)));
                each(&context, &next);
            }
        })
    }

    /// The n-grams that occur, sorted: context, next character and count.
    pub fn distinct(&self) -> impl Iterator<Item = (Vec<usize>, usize, u64)> {
        self.contexts().flat_map(|Row { context, next }| {
            let ngram = move |(next, count)| (context.clone(), next, count);
            next.into_iter().map(ngram)
        })
    }

    /// The `top` most common n-grams with their counts; ties are in the order of the indices.
    pub fn most_common(&self, top: usize) -> Vec<(Vec<usize>, usize, u64)> {
        let packing = self.packing();
        for_any_width!(&self.ngrams, ngrams => {
            let mut common = BinaryHeap::new();
            for &(ngram, count) in ngrams {
                common.push((Reverse(count), ngram));
                if common.len() > top {
                    common.pop();
                }
            }
            let common = common.into_sorted_vec().into_iter();
            let unpacked = common.map(|(Reverse(count), ngram)| {
                let mut indices: Vec<usize> = packing.unpack(ngram).collect();
                let next = indices.pop().unwrap_or_default();
                (indices, next, count)
            });
            unpacked.collect()
        })
    }

    /// An n-gram as the notes write it: `n.` for an `n` that ends a word.
    ///
    /// # Panics
    ///
    /// If an index is not below `V`.
    pub fn ngram(&self, context: &[usize], next: usize) -> String {
        self.vocabulary.decode(context) + &self.vocabulary.decode(&[next])
    }

    /// The counts of a shorter order: those of the last characters of each n-gram.
    ///
    /// # Panics
    ///
    /// If the order is 0 or longer than that of the counts.
    pub fn of_order(&self, order: usize) -> Self {
        assert!((1..=self.order).contains(&order), "the order");
        let mask = self.packing().of_order(order);
        let ngrams = match &self.ngrams {
            Ngrams::Narrow(ngrams) => Ngrams::Narrow(shortened(ngrams, mask)),
            Ngrams::Wide(ngrams) => Ngrams::Wide(shortened(ngrams, mask)),
        };
        Self {
            vocabulary: self.vocabulary.clone(),
            order,
            ngrams,
        }
    }

    /// `N`, `[V, V]`, row by row, of bigrams.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if longer n-grams were counted, or shorter ones.
    pub fn matrix(&self) -> Result<Vec<u64>> {
        if self.order != 2 {
            return Err(Error::Value {
                what: "the order of the counts",
                value: self.order.to_string(),
                expected: "2, for bigrams, would work",
            });
        }
        let v = self.vocabulary.len();
        let mut n = vec![0; v * v];
        for Row { context, next } in self.contexts() {
            for (next, count) in next {
                n[context[0] * v + next] = count;
            }
        }
        Ok(n)
    }

    /// `N` as a tensor, `[V, V]`, i64.
    ///
    /// # Errors
    ///
    /// As [`matrix`](Self::matrix), or if libtorch cannot allocate it.
    pub fn tensor(&self) -> Result<Tensor> {
        let v = self.vocabulary.len() as i64;
        let n: Vec<i64> = self.matrix()?.iter().map(|&n| n as i64).collect();
        Ok(Tensor::f_from_slice(&n)?.f_view([v, v])?)
    }
}

fn rows<K: Packed>(ngrams: &[(K, u64)], packing: Packing) -> impl Iterator<Item = Row> {
    let of_context =
        move |one: &(K, u64), other: &(K, u64)| packing.context(one.0) == packing.context(other.0);
    ngrams.chunk_by(of_context).map(move |row| {
        let mut context: Vec<usize> = packing.unpack(row[0].0).collect();
        context.pop();
        let next = row.iter();
        Row {
            context,
            next: next
                .map(|&(ngram, count)| (packing.last(ngram), count))
                .collect(),
        }
    })
}

/// The last characters of n-grams, as many as `to` packs, with their counts added up.
fn shortened<K: Packed>(ngrams: &[(K, u64)], to: Packing) -> Vec<(K, u64)> {
    let mask = to.mask();
    let mut shorter: Vec<(K, u64)> = ngrams
        .iter()
        .map(|&(ngram, count)| (ngram & mask, count))
        .collect();
    add_up(&mut shorter);
    shorter
}

/// Sorts n-grams and adds up the counts of equal ones.
fn add_up<K: Packed>(ngrams: &mut Vec<(K, u64)>) {
    // Not the unstable way: what is there are mostly sorted runs, which it finds.
    ngrams.sort_by_key(|&(ngram, _)| ngram);
    ngrams.dedup_by(|(ngram, count), (kept, sum)| {
        let is_same = ngram == kept;
        if is_same {
            *sum += *count;
        }
        is_same
    });
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::counting::count_parts;
    use crate::data::Words;

    /// The n-grams of a list in memory.
    pub(crate) fn ngrams_of(words: &Words, order: usize) -> NgramCounts {
        use crate::data::{List, Part, Parts, Shares, Split};
        let list = List {
            source: words.source(),
            digest: words.digest(),
        };
        let parts = Parts::new(list, Split::new(Shares::ALL, 0, words.digest().words));
        let vocabulary = Vocabulary::of(words).unwrap();
        let memory = crate::memory::Memory::new(1 << 30);
        let mut counted =
            count_parts(&parts, &[Part::Train], &vocabulary, order, &memory, &|_| ()).unwrap();
        counted.remove(0)
    }

    fn counts(text: &str) -> NgramCounts {
        NgramCounts::of(&Words::parse("list", text.to_owned(), '.').unwrap()).unwrap()
    }

    #[test]
    fn the_lecture_has_the_published_counts() {
        let counts = NgramCounts::of(&Words::lecture('.').unwrap()).unwrap();
        assert_eq!(counts.total(), 228_146);
        assert_eq!(counts.words(), 32_033);
        assert_eq!(counts.distinct().count(), 627);
        let top = counts.most_common(5).into_iter();
        let top: Vec<_> = top
            .map(|(context, next, count)| (counts.ngram(&context, next), count))
            .collect();
        let published = [
            ("n.", 6763),
            ("a.", 6640),
            ("an", 5438),
            (".a", 4410),
            ("e.", 3983),
        ];
        assert_eq!(
            top,
            published.map(|(bigram, count)| (bigram.to_owned(), count))
        );
    }

    #[test]
    fn ties_are_in_the_order_of_the_vocabulary() {
        let counts = counts("ba\nab");
        let all = counts.most_common(10).into_iter();
        let all: Vec<_> = all
            .map(|(context, next, _)| counts.ngram(&context, next))
            .collect();
        assert_eq!(all, [".a", ".b", "a.", "ab", "b.", "ba"]);
    }

    #[test]
    fn a_bigram_that_does_not_occur_counts_0() {
        assert_eq!(counts("ab").count(&[2], 1), 0);
        assert_eq!(counts("ab").count(&[1], 2), 1);
    }

    /// `count(0, V + 1)` was once the count of another bigram.
    #[test]
    #[should_panic(expected = "the index of a character")]
    fn an_index_beyond_v_is_no_other_cell() {
        counts("ab").count(&[0], 4);
    }
}
