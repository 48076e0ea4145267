//! What a model of longer n-grams says of pairs: how often each character follows each one in the
//! words that it makes.

use std::collections::BTreeMap;

use tch::Tensor;

use super::Ngram;
use super::trie::Node;
use crate::error::Result;
use crate::models::LanguageModel;
use crate::models::table::Table;

/// What of all words is followed no further: less than a table shows.
const NEGLIGIBLE: f64 = 1e-9;

/// The most characters of a word that are followed.
const LONGEST: usize = 1000;

/// `[V, V]`: the expected number of times that a character follows another, by the expected number
/// of times that anything does.
pub(super) fn of(model: &Ngram) -> Result<Table> {
    let (view, v) = (&model.view, model.vocabulary().len());
    let mut expected = vec![0.0; v * v];
    let mut row = vec![0.0; v];
    // How many of all words are at a place, one character after the other.
    let mut places = BTreeMap::from([(view.start(), 1.0)]);
    for length in 0..LONGEST {
        let mut next: BTreeMap<Node, f64> = BTreeMap::new();
        for (node, words) in places {
            view.fill(node, &mut row);
            let sum: f64 = row.iter().map(|&p| f64::from(p)).sum();
            for (index, &p) in row.iter().enumerate().filter(|&(_, &p)| p > 0.0) {
                let words = words * f64::from(p) / sum;
                match node {
                    // A model of single characters does not know what comes before.
                    Node::ROOT => (0..v).for_each(|before| expected[before * v + index] += words),
                    node => {
                        let before = match length {
                            0 => 0,
                            _ => view.trie.level(node.length).last[node.index].into(),
                        };
                        expected[before * v + index] += words;
                    }
                }
                if index != 0 && words > NEGLIGIBLE {
                    *next.entry(view.step(node, index).1).or_default() += words;
                }
            }
        }
        places = next;
        if places.is_empty() {
            break;
        }
    }
    for (before, row) in expected.chunks_exact_mut(v).enumerate() {
        let sum: f64 = row.iter().sum();
        if sum > 0.0 {
            row.iter_mut().for_each(|p| *p /= sum);
        } else {
            // No word has it: what the model would say, had one.
            let mut p = vec![0.0; v];
            view.fill(view.step(view.start(), before).1, &mut p);
            row.iter_mut().zip(p).for_each(|(to, p)| *to = p.into());
        }
    }
    let p: Vec<f32> = expected.iter().map(|&p| p as f32).collect();
    let p = Tensor::f_from_slice(&p)?.f_view([v as i64, v as i64])?;
    Table::new(model.vocabulary().clone(), &p)
}

#[cfg(test)]
mod tests {
    use crate::Words;
    use crate::counting::tests::ngrams_of;
    use crate::memory::Memory;
    use crate::models::LanguageModel;
    use crate::models::ngram::{Ngram, Smoothing};
    use crate::{SampleOptions, Sampler};

    fn model(order: usize, smoothing: Smoothing) -> Ngram {
        let names = Words::lecture('.').unwrap();
        Ngram::of(&ngrams_of(&names, order), smoothing, &Memory::new(1 << 30)).unwrap()
    }

    #[test]
    fn the_marginal_of_bigrams_is_the_model_itself() {
        let model = model(2, Smoothing::Additive(1.0));
        let every = crate::models::language_model::single_characters(model.vocabulary()).unwrap();
        let p = model.distributions(&every).unwrap();
        let difference = (p - model.marginal().unwrap().tensor().unwrap())
            .abs()
            .max();
        assert!(difference.double_value(&[]) < 1e-6);
    }

    /// Pairs of 100,000 words: with n occurrences of the first character, the share of the second
    /// has a standard error below 0.5 / sqrt(n).
    #[test]
    fn the_words_of_a_model_have_its_marginal() {
        let model = model(4, Smoothing::KneserNey);
        let (marginal, v) = (model.marginal().unwrap(), model.vocabulary().len());
        let mut counts = vec![0.0_f64; v * v];
        let names = Sampler::new(&model, 1, &SampleOptions::default()).unwrap();
        for name in names.take(100_000) {
            for (i, j) in model.vocabulary().bigrams(&name.unwrap()).unwrap() {
                counts[i * v + j] += 1.0;
            }
        }
        for (row, p) in counts.chunks(v).zip(marginal.rows()) {
            let n: f64 = row.iter().sum();
            for (&count, &p) in row.iter().zip(p) {
                let off = (count / n - f64::from(p)).abs();
                assert!(off < 5.0 * 0.5 / n.sqrt(), "{off} of {n}");
            }
        }
    }
}
