//! The distribution of pairs of characters in words drawn from a model of longer n-grams.
//!
//! The algorithm follows the probability mass of all words from the start token on, a character at a
//! step. The mass at a context goes to its children, and the part for characters that never followed
//! it goes to its suffix, which passes it on to its own children. The suffix also has children for
//! characters that did follow the context; their part is subtracted again, at the suffixes of the
//! context's children. So the cost of a step grows with the number of n-grams, and not with `V` for
//! each context.

use tch::Tensor;

use super::trie::Node;
use super::view::View;
use crate::data::Vocabulary;
use crate::error::Result;
use crate::models::table::Table;

/// The mass of words that is followed no further: less than a table shows.
const NEGLIGIBLE: f64 = 1e-9;

/// The part of the mass that may still move when the masses of two steps count as proportional.
const STILL: f64 = 1e-9;

/// The share of the mass that stays at its context in a step. Without it, the mass of words that alternate
/// between contexts never settles; it multiplies all visits alike.
const RESTING: f64 = 0.1;

/// The number of n-grams times the number of steps, at most: some ten seconds.
const MOST_PASSED: usize = 1_000_000_000;

/// The smallest and the largest limit of the number of steps.
const STEPS: (usize, usize) = (1000, 1_000_000);

/// A number for each context, by its length and index.
type Places = Vec<Vec<f64>>;

/// The distribution of pairs, `[V, V]`: the expected number of times that a character (column) follows
/// another (row) in a word, each row normalised. `on_step` is told the share of the work that is done.
pub(super) fn of(
    view: &View,
    vocabulary: &Vocabulary,
    on_step: &mut dyn FnMut(f64),
) -> Result<Marginal> {
    let v = vocabulary.len();
    let mut expected = vec![0.0; v * v];
    let mut cut = None;
    if view.order() > 1 {
        let flow = Flow { view, v };
        let ngrams = flow.none().iter().map(Vec::len).sum::<usize>();
        let steps = (MOST_PASSED / ngrams).clamp(STEPS.0, STEPS.1);
        let visits = flow.visits(steps, on_step);
        flow.pairs(&visits.0, &mut expected);
        cut = visits.1;
    }
    let mut p = vec![0.0; v];
    for (before, row) in expected.chunks_exact_mut(v).enumerate() {
        let sum: f64 = row.iter().sum();
        if sum > 0.0 {
            row.iter_mut().for_each(|p| *p /= sum);
        } else {
            // No word has this character: the row is the distribution after it as a first character.
            view.fill(view.step(view.start(), before).1, &mut p);
            let sum: f64 = p.iter().map(|&p| f64::from(p)).sum();
            let share = |p: f32| f64::from(p) / if sum > 0.0 { sum } else { 1.0 };
            row.iter_mut().zip(&p).for_each(|(to, &p)| *to = share(p));
        }
    }
    let p: Vec<f32> = expected.iter().map(|&p| p as f32).collect();
    let p = Tensor::f_from_slice(&p)?.f_view([v as i64, v as i64])?;
    let p = Table::new(vocabulary.clone(), &p)?;
    Ok(Marginal { p, cut })
}

/// The distribution of pairs of characters in the words of a model.
#[derive(Debug)]
pub struct Marginal {
    /// `[V, V]`: the probability of every character (column) after every one (row).
    pub p: Table,
    /// The end of words that were not followed to their ends, if there are such.
    pub cut: Option<Cut>,
}

impl Marginal {
    /// The probabilities as a tensor, `[V, V]`, f32.
    pub fn tensor(&self) -> Result<Tensor> {
        self.p.tensor()
    }
}

/// Where words are followed no further.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cut {
    /// About how many characters of a word are followed.
    pub characters: usize,
    /// The share of words that are longer.
    pub longer: f64,
}

struct Flow<'m> {
    view: &'m View,
    v: usize,
}

impl Flow<'_> {
    /// A number in proportion to the expected number of times that a word comes to each context, divided
    /// by the sum of its probabilities; and where words were cut after so many steps.
    ///
    /// After some steps the mass is spread over the contexts as in the step before, and only its sum
    /// shrinks: the rest is a geometric series.
    fn visits(&self, steps: usize, on_step: &mut dyn FnMut(f64)) -> (Places, Option<Cut>) {
        let sums = self.sums();
        let (mut visits, mut last) = (self.none(), self.none());
        let mut here = self.none();
        here[1][0] = 1.0; // The start token.
        let mut of_last = 0.0;
        for _ in 0..steps {
            let pairs = here.iter_mut().flatten().zip(sums.iter().flatten());
            for (here, &sum) in pairs {
                *here = if sum > 0.0 { here.max(0.0) / sum } else { 0.0 };
            }
            let words: f64 = here.iter().flatten().sum();
            let staying = if of_last > 0.0 { words / of_last } else { 0.0 };
            let pairs = here.iter().flatten().zip(last.iter().flatten());
            let moved: f64 = pairs
                .map(|(here, last)| (here - staying * last).abs())
                .sum();
            let is_still = moved <= STILL * words;
            let times = match is_still {
                true => 1.0 / (1.0 - staying).max(f64::EPSILON),
                false => 1.0,
            };
            let pairs = visits.iter_mut().flatten().zip(here.iter().flatten());
            pairs.for_each(|(visits, here)| *visits += times * here);
            if is_still || words < NEGLIGIBLE {
                return (visits, None);
            }
            let is_done = |rest: f64, none: f64| rest.ln() / none.ln();
            on_step(is_done(words.min(1.0), NEGLIGIBLE).max(is_done(moved / words, STILL)));
            let pairs = here.iter().flatten().zip(sums.iter().flatten());
            let rest = last.iter_mut().flatten().zip(pairs);
            rest.for_each(|(last, (here, sum))| *last = RESTING * here * sum);
            self.pass_on(&here, |_, index, child, share| {
                if index != 0 {
                    let after = self.view.context(child);
                    last[after.length][after.index] += (1.0 - RESTING) * share;
                }
            });
            std::mem::swap(&mut here, &mut last);
            of_last = words;
        }
        let cut = Cut {
            characters: ((1.0 - RESTING) * steps as f64) as usize,
            longer: of_last.min(1.0),
        };
        (visits, Some(cut))
    }

    /// Adds up the expected number of occurrences of each pair.
    fn pairs(&self, visits: &Places, expected: &mut [f64]) {
        self.pass_on(visits, |before, index, _, share| {
            expected[before * self.v + index] += share;
        });
        expected.iter_mut().for_each(|pair| *pair = pair.max(0.0));
    }

    /// Passes the mass at each context on to its children. `to` is given the character before, the
    /// next one, the child, and its mass, which is below 0 where the part of a longer context is
    /// subtracted.
    fn pass_on(&self, here: &Places, mut to: impl FnMut(usize, usize, Node, f64)) {
        let view = self.view;
        // The mass that longer contexts pass to their suffixes.
        let mut left = self.none();
        // The mass that single characters pass to the root, by the character.
        let mut at_root = vec![0.0; self.v];
        for length in (1..view.order()).rev() {
            for (index, &here) in here[length].iter().enumerate() {
                let here = here + left[length][index];
                let before = usize::from(view.trie.level(length).last[index]);
                if here == 0.0 || before >= self.v {
                    continue;
                }
                let node = Node { length, index };
                let (suffix, for_others) = (view.trie.suffix(node), here * view.backoff(node));
                for (index, child) in view.trie.children_by_character(node, self.v) {
                    to(before, index, child, here * view.p(child));
                    let lower = view.trie.suffix(child);
                    to(before, index, lower, -for_others * view.p(lower));
                }
                match suffix {
                    Node::ROOT => at_root[before] += for_others,
                    suffix => left[suffix.length][suffix.index] += for_others,
                }
            }
        }
        for (before, &here) in at_root.iter().enumerate().filter(|&(_, &here)| here > 0.0) {
            for (index, child) in view.trie.children_by_character(Node::ROOT, self.v) {
                to(before, index, child, here * view.p(child));
            }
        }
    }

    /// The sum of the probabilities of all characters of the vocabulary after each context.
    fn sums(&self) -> Places {
        let mut sums = self.none();
        let children = |node| self.view.trie.children_by_character(node, self.v);
        sums[0][0] = children(Node::ROOT)
            .map(|(_, child)| self.view.p(child))
            .sum();
        for length in 1..self.view.order() {
            for index in 0..sums[length].len() {
                let node = Node { length, index };
                let (mut of_children, mut of_lower) = (0.0, 0.0);
                for (_, child) in children(node) {
                    of_children += self.view.p(child);
                    of_lower += self.view.p(self.view.trie.suffix(child));
                }
                let (suffix, backoff) = (self.view.trie.suffix(node), self.view.backoff(node));
                let of_others = (sums[suffix.length][suffix.index] - of_lower).max(0.0);
                sums[length][index] = of_children + of_others * backoff;
            }
        }
        sums
    }

    fn none(&self) -> Places {
        let levels = &self.view.trie.levels[..self.view.order() - 1];
        let empty = levels.iter().map(|level| vec![0.0; level.last.len()]);
        std::iter::once(vec![0.0]).chain(empty).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::counting::tests::ngrams_of;
    use crate::data::Words;
    use crate::memory::Memory;
    use crate::models::LanguageModel;
    use crate::models::ngram::trie::Node;
    use crate::models::ngram::{Ngram, Smoothing};
    use crate::sample::{SampleOptions, Sampler};

    fn model(order: usize, smoothing: Smoothing) -> Ngram {
        let names = Words::lecture('.').unwrap();
        Ngram::of(&ngrams_of(&names, order), smoothing, &Memory::new(1 << 30)).unwrap()
    }

    #[test]
    fn the_marginal_of_bigrams_is_the_model_itself() {
        let model = model(2, Smoothing::Additive(1.0));
        let every = crate::models::language_model::single_characters(model.vocabulary()).unwrap();
        let p = model.distributions(&every).unwrap();
        let difference = (p - model.marginal(&mut |_| ()).unwrap().tensor().unwrap())
            .abs()
            .max();
        assert!(difference.double_value(&[]) < 1e-6);
    }

    /// The marginal from the whole distribution after each context.
    fn plainly(model: &Ngram) -> Vec<f64> {
        let (view, v) = (model.view(), model.vocabulary().len());
        let mut expected = vec![0.0; v * v];
        let mut places = BTreeMap::from([(view.start(), 1.0)]);
        let mut row = vec![0.0; v];
        for _ in 0..100_000 {
            if places.is_empty() {
                break;
            }
            let mut next: BTreeMap<Node, f64> = BTreeMap::new();
            for (node, words) in places {
                view.fill(node, &mut row);
                let sum: f64 = row.iter().map(|&p| f64::from(p)).sum();
                for (index, &p) in row.iter().enumerate() {
                    let words = words * f64::from(p) / sum;
                    let before = view.trie.level(node.length).last[node.index];
                    expected[usize::from(before) * v + index] += words;
                    if index != 0 && words > 1e-15 {
                        *next.entry(view.step(node, index).1).or_default() += words;
                    }
                }
            }
            places = next;
        }
        for row in expected.chunks_exact_mut(v) {
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|p| *p /= sum);
        }
        expected
    }

    #[test]
    fn all_ways_of_smoothing_have_the_marginal_of_their_distributions() {
        for smoothing in [
            Smoothing::KneserNey,
            Smoothing::WittenBell,
            Smoothing::Additive(0.5),
            Smoothing::Additive(0.0),
        ] {
            let model = model(3, smoothing);
            let marginal = model.marginal(&mut |_| ()).unwrap().p;
            let p = marginal.rows().flatten();
            for (p, expected) in p.zip(plainly(&model)) {
                let off = (f64::from(*p) - expected).abs();
                assert!(off < 1e-5, "{smoothing}: {p} {expected}");
            }
        }
    }

    /// A thousand characters of a million n-grams once took 14 seconds.
    #[test]
    fn long_words_are_followed_until_nothing_moves() {
        let lines = (0..40_u64).map(|line| {
            let mut state = line;
            let letters = (0..2000).map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                [b'a', b'b', b'b', b'c', b'd'][(state >> 33) as usize % 5] as char
            });
            letters.collect::<String>()
        });
        let words = Words::parse("list", lines.collect::<Vec<_>>().join("\n"), '.').unwrap();
        let memory = Memory::new(1 << 30);
        let model = Ngram::of(&ngrams_of(&words, 3), Smoothing::KneserNey, &memory).unwrap();
        let mut done = Vec::new();
        let marginal = model.marginal(&mut |share| done.push(share)).unwrap().p;
        assert!(done.len() < 60, "{} steps", done.len());
        assert!(
            done.iter().all(|share| (0.0..=1.0).contains(share)),
            "{done:?}"
        );
        for (p, expected) in marginal.rows().flatten().zip(plainly(&model)) {
            assert!((f64::from(*p) - expected).abs() < 1e-6, "{p} {expected}");
        }
    }

    fn of_one_long_word() -> Ngram {
        let word = "ab".repeat(600) + &"ac".repeat(600);
        let words = Words::parse("list", word, '.').unwrap();
        let memory = Memory::new(1 << 30);
        Ngram::of(&ngrams_of(&words, 6), Smoothing::KneserNey, &memory).unwrap()
    }

    /// What came after a thousand characters was once left out, and so that P(b|a) was 0.544 in the picture and 0.445 in words.
    #[test]
    fn words_of_thousands_of_characters_are_followed_to_their_ends() {
        let model = of_one_long_word();
        let marginal = model.marginal(&mut |_| ()).unwrap();
        assert_eq!(marginal.cut, None);
        for (p, expected) in marginal.p.rows().flatten().zip(plainly(&model)) {
            assert!((f64::from(*p) - expected).abs() < 1e-5, "{p} {expected}");
        }
        let (after_a, b) = (marginal.p.row(1), 2);
        assert!((0.44..0.45).contains(&after_a[b]), "{after_a:?}");
    }

    #[test]
    fn words_that_are_cut_are_told() {
        let model = of_one_long_word();
        let v = model.vocabulary().len();
        let flow = super::Flow {
            view: model.view(),
            v,
        };
        let cut = flow.visits(1000, &mut |_| ()).1.unwrap();
        assert_eq!(cut.characters, 900);
        assert!((0.30..0.34).contains(&cut.longer), "{cut:?}");
    }

    /// Words that alternate never came to rest.
    #[test]
    fn words_that_alternate_come_to_rest() {
        let words = Words::parse("list", "ab".repeat(30_000), '.').unwrap();
        let memory = Memory::new(1 << 30);
        let model = Ngram::of(&ngrams_of(&words, 3), Smoothing::KneserNey, &memory).unwrap();
        let mut steps = 0;
        let marginal = model.marginal(&mut |_| steps += 1).unwrap();
        assert_eq!(marginal.cut, None);
        assert!(steps < 1000, "{steps}");
    }

    /// Pairs of 100,000 words: with n occurrences of the first character, the share of the second
    /// has a standard error below 0.5 / sqrt(n).
    #[test]
    fn the_words_of_a_model_have_its_marginal() {
        let model = model(4, Smoothing::KneserNey);
        let (marginal, v) = (
            model.marginal(&mut |_| ()).unwrap().p,
            model.vocabulary().len(),
        );
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
