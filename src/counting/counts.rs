//! The counts of n-grams of one order: how often each character follows each context (`N`).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tch::Tensor;

use super::packed::{Packed, Packing};
use crate::data::vocabulary::Vocabulary;
use crate::error::{Error, Result};

/// How often each character follows each context.
///
/// The order is the length of the n-grams: 2 for bigrams, whose contexts are single characters. Only
/// n-grams that occur are stored. Start tokens fill up the contexts at the beginning of a word.
///
/// The index `V` stands for all characters that the vocabulary does not have.
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
    pub(super) longest_word: Option<usize>,
}

/// N-grams and their counts, sorted by n-gram, in numbers as wide as the order needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ngrams {
    Narrow(Vec<(u64, u64)>),
    Wide(Vec<(u128, u64)>),
}

/// Evaluates an expression on the vector of n-grams, of either width.
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
    /// The indices of its characters, `order - 1` of them.
    pub context: Vec<usize>,
    /// The indices of the characters after it, sorted, each with its count.
    pub next: Vec<(usize, u64)>,
}

impl Row {
    /// The count of the context.
    pub fn total(&self) -> u64 {
        self.next.iter().map(|&(_, count)| count).sum()
    }
}

impl NgramCounts {
    /// The counts of bigrams, which come sorted.
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
            longest_word: None,
        }
    }

    /// The vocabulary of the indices.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The length of the n-grams: that of the context, and the character after it.
    pub fn order(&self) -> usize {
        self.order
    }

    /// The characters of the longest word, if they were counted.
    pub fn longest_word(&self) -> Option<usize> {
        self.longest_word
    }

    /// The packing of the n-grams.
    pub(crate) fn packing(&self) -> Packing {
        Packing::new(self.vocabulary.len() + 1, self.order)
    }

    /// The number of distinct n-grams.
    pub(crate) fn len(&self) -> usize {
        for_any_width!(&self.ngrams, ngrams => ngrams.len())
    }

    /// The bytes of all n-grams and their counts.
    pub(crate) fn bytes(&self) -> u64 {
        for_any_width!(&self.ngrams, ngrams => size_of_val(ngrams.as_slice()) as u64)
    }

    pub(crate) fn ngrams(&self) -> &Ngrams {
        &self.ngrams
    }

    /// The number of words: each has one end token.
    pub fn words(&self) -> u64 {
        let packing = self.packing();
        for_any_width!(&self.ngrams, ngrams => {
            let ends = ngrams.iter().filter(|&&(ngram, _)| packing.last(ngram) == 0);
            ends.map(|&(_, count)| count).sum()
        })
    }

    /// The sum of all counts.
    pub fn total(&self) -> u64 {
        for_any_width!(&self.ngrams, ngrams => ngrams.iter().map(|&(_, count)| count).sum())
    }

    /// The count of `next` after `context`.
    ///
    /// # Panics
    ///
    /// If the context does not have `order - 1` characters, or an index is above `V`.
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

    /// The distinct contexts, sorted, each with the characters after it.
    pub fn contexts(&self) -> Box<dyn Iterator<Item = Row> + '_> {
        let packing = self.packing();
        for_any_width!(&self.ngrams, ngrams => Box::new(rows(ngrams, packing)))
    }

    /// The distinct n-grams, sorted: context, next character and count.
    pub fn distinct(&self) -> impl Iterator<Item = (Vec<usize>, usize, u64)> {
        self.contexts().flat_map(|Row { context, next }| {
            let ngram = move |(next, count)| (context.clone(), next, count);
            next.into_iter().map(ngram)
        })
    }

    /// The `top` most common n-grams with their counts; those with the same count are in the order of
    /// their indices.
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

    /// The text of an n-gram, as in the notes: `n.` for an `n` at the end of a word.
    ///
    /// # Panics
    ///
    /// If an index is not below `V`.
    pub fn ngram(&self, context: &[usize], next: usize) -> String {
        self.vocabulary.decode(context) + &self.vocabulary.decode(&[next])
    }

    /// The counts of a lower order, those of the last characters of all n-grams.
    ///
    /// # Panics
    ///
    /// If the order is 0 or higher than that of the counts.
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
            longest_word: self.longest_word,
        }
    }

    /// `N` of bigrams, `[V, V]`, row by row.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if the order is not 2.
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
    /// As [`matrix`](Self::matrix).
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

/// The last characters of all n-grams, as many as `to` packs, sorted, with the counts of equal ones added.
fn shortened<K: Packed>(ngrams: &[(K, u64)], to: Packing) -> Vec<(K, u64)> {
    let mask = to.mask();
    let mut shorter: Vec<(K, u64)> = ngrams
        .iter()
        .map(|&(ngram, count)| (ngram & mask, count))
        .collect();
    // The stable sort finds the sorted runs of which these consist, and merges them.
    shorter.sort_by_key(|&(ngram, _)| ngram);
    add_up(&mut shorter);
    shorter
}

/// Adds up the counts of equal n-grams, which are sorted.
pub(super) fn add_up<K: Packed>(ngrams: &mut Vec<(K, u64)>) {
    ngrams.dedup_by(|(ngram, count), (before, sum)| {
        let is_same = ngram == before;
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
