//! The gathering of a model from the shares of all processes.

use std::sync::Arc;

use super::trie::{Level, Trie, contexts};
use super::view::{Probabilities, View};
use crate::counting::packed::{Packed, Packing};
use crate::distributed::Processes;
use crate::distributed::rows::{Exchange, Row};
use crate::error::{Error, Result};

/// The probabilities of a share, for whose gathering memory is reserved, and what it takes to gather those of all.
pub(super) struct Gathering<'a> {
    pub view: View,
    /// The backoff of n-grams that are no contexts.
    pub unseen: f32,
    pub packing: Packing,
    pub processes: &'a dyn Processes,
}

/// The n-grams of one length in the whole model.
struct Whole<K> {
    ngrams: Vec<K>,
    level: Level,
    probabilities: Probabilities,
}

impl Gathering<'_> {
    /// The whole model from the n-grams of each length: in process 0, and in the others that of single
    /// characters.
    pub fn whole<K: Packed>(&self, ngrams: &[Vec<K>]) -> Result<View>
    where
        (K, u64): Row,
    {
        let (trie, order) = (&self.view.trie, self.view.order());
        let characters = trie.level(1).last.len();
        let mut whole: Vec<Whole<K>> = Vec::new();
        for length in 1..=order {
            let p = &self.view.levels[length - 1].p;
            let own = &ngrams[length - 1];
            let (ngrams, p) = match length {
                1 => (own.clone(), p.clone()),
                _ => gathered(self.processes, own.iter().copied().zip(p.iter().copied()))?,
            };
            if let Some(below) = whole.last_mut() {
                let packing = self.packing.of_order(length);
                let ngrams = ngrams.iter().copied();
                below
                    .level
                    .set_children(contexts(ngrams, packing, &below.ngrams));
                let backoffs = &self.view.levels[length - 2].backoff;
                let ends = trie.level(length - 1).children.windows(2).zip(backoffs);
                let of_contexts = ends.filter(|(ends, _)| ends[0] < ends[1]);
                let of_contexts = of_contexts
                    .map(|(ends, &backoff)| (packing.context(own[ends[0] as usize]), backoff));
                below.set_backoffs(gathered(self.processes, of_contexts)?, self.unseen);
                below.ngrams = Vec::new();
            }
            let packing = self.packing.of_order(length);
            let last = ngrams.iter().map(|&ngram| packing.last(ngram) as u16);
            whole.push(Whole {
                level: Level {
                    last: last.collect(),
                    ..Level::default()
                },
                probabilities: Probabilities {
                    p,
                    backoff: Vec::new(),
                },
                ngrams,
            });
        }
        let (levels, probabilities) = whole
            .into_iter()
            .map(|whole| (whole.level, Arc::new(whole.probabilities)))
            .unzip();
        let trie = Trie::with_suffixes(levels, characters - 1).ok_or_else(|| Error::Processes {
            doing: "collecting n-grams from the other processes",
            cause: "they are not those of words".to_owned(),
        })?;
        Ok(View {
            trie: Arc::new(trie),
            levels: probabilities,
            unit: self.view.unit,
        })
    }
}

/// The n-grams of all shares, sorted, each with a number: in process 0, and none in the others.
fn gathered<K: Packed>(
    processes: &dyn Processes,
    own: impl Iterator<Item = (K, f32)>,
) -> Result<(Vec<K>, Vec<f32>)>
where
    (K, u64): Row,
{
    let rows = own.map(|(ngram, number)| (ngram, u64::from(number.to_bits())));
    let rows: Vec<(K, u64)> = rows.collect();
    let exchange = Exchange::of(processes, &rows, |_| 0)?;
    let mut rows = exchange.run(rows, |_| 0)?;
    rows.sort_unstable_by_key(|&(ngram, _)| ngram);
    let numbers = rows.iter().map(|&(_, bits)| f32::from_bits(bits as u32));
    let numbers = numbers.collect();
    let mut ngrams: Vec<K> = rows.into_iter().map(|(ngram, _)| ngram).collect();
    // They were collected in the memory of the rows.
    ngrams.shrink_to_fit();
    Ok((ngrams, numbers))
}

impl<K: Packed> Whole<K> {
    /// Sets the backoffs of the contexts, which are sorted, and of the other n-grams.
    fn set_backoffs(&mut self, (contexts, backoffs): (Vec<K>, Vec<f32>), unseen: f32) {
        let mut contexts = contexts.into_iter().zip(backoffs).peekable();
        let backoff = |&ngram: &K| {
            let context = contexts.next_if(|&(context, _)| context == ngram);
            context.map_or(unseen, |(_, backoff)| backoff)
        };
        self.probabilities.backoff = self.ngrams.iter().map(backoff).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distributed::Alone;

    /// Each took the memory of a row.
    #[test]
    fn gathered_ngrams_take_no_more_memory_than_they_need() {
        let own = (0..10_000_u128).rev().map(|ngram| (ngram, 0.5));
        let (ngrams, numbers) = gathered(&Alone, own).unwrap();
        assert!(ngrams.is_sorted() && numbers == vec![0.5; 10_000]);
        assert_eq!(ngrams.capacity(), 10_000);
    }
}
