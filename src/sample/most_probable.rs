//! The most probable words of a model that meet a constraint, the best first.
//!
//! No word is more probable than its beginning. So beginnings are made longer in the order of their
//! probability, many at once, and a word is found as soon as no beginning that waits is more probable.
//!
//! Of a model of contexts it is known what the best word of each beginning is ([`Ahead`]). Beginnings then
//! come in the order of those, so that rare words are found at once.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{self, AtomicBool};

use crate::error::{Error, Result};
use crate::models::WordConstraint;
use crate::models::automaton::{Automaton, DEAD, State};
use crate::models::language_model::{BATCH, LanguageModel, contexts};

use super::ahead::Ahead;
use super::constrained::{Constrained, Constraints};

/// The most beginnings and words that wait: 200 MB.
const MOST: usize = 1 << 23;

/// An iterator over the words of a model that meet a constraint, the most probable first.
///
/// ```
/// use makemore_tch::models::WordConstraint;
/// use makemore_tch::{MostProbable, NgramCounts, Table, Words};
///
/// let p = Table::of(&NgramCounts::of(&Words::lecture('.')?)?, 1.0)?;
/// let names = MostProbable::of(&p, &WordConstraint::default())?.take(3);
/// assert_eq!(names.collect::<Result<Vec<_>, _>>()?, ["a", "n", "e"]);
/// # Ok::<(), makemore_tch::Error>(())
/// ```
#[derive(Debug)]
pub struct MostProbable<'m> {
    model: &'m dyn LanguageModel,
    automaton: Automaton,
    /// What beginnings may come to, if there are wishes and it is known.
    ahead: Option<Ahead>,
    /// The most characters of a word.
    longest: usize,
    waiting: BinaryHeap<Waiting>,
    /// Beginnings that were made longer, each by the number of the one that it makes longer and its last
    /// character. Number 0 is that of all words.
    begun: Vec<(u32, u16)>,
    /// The most that may wait.
    most: usize,
    /// The highest logarithm of what waited and was given up.
    lost: f64,
    /// Ends the search.
    stops: Arc<AtomicBool>,
}

/// A beginning of words or, if its last character is the end token, a word.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    /// The natural logarithm of its probability or, with [`Ahead`], of that of its best word.
    ln: f64,
    /// The number of the beginning without its last character.
    before: u32,
    last: u16,
    /// With [`Ahead`], the number of its characters, up to the largest; else 0.
    length: u16,
    state: State,
}

impl Ord for Waiting {
    /// By the probability; of equal ones the longer one is the greater, so that the best word of a beginning
    /// is found before other beginnings are made longer, then the one that was met first.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_place = (other.before, other.last).cmp(&(self.before, self.last));
        let by_length = self.length.cmp(&other.length);
        self.ln.total_cmp(&other.ln).then(by_length).then(by_place)
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Waiting {}

impl<'m> MostProbable<'m> {
    /// The most probable words; none is empty, unless the model [draws
    /// such](LanguageModel::draws_empty_words), or longer than those that are drawn.
    ///
    /// # Errors
    ///
    /// As [`Automaton::of`].
    pub fn of(model: &'m dyn LanguageModel, constraint: &WordConstraint) -> Result<Self> {
        let least = usize::from(!model.draws_empty_words());
        let wishes = WordConstraint {
            min_length: constraint.min_length.max(least),
            ..constraint.clone()
        };
        let automaton = Automaton::of(&wishes, model.vocabulary())?;
        let ahead = match constraint.is_prefix_alone() {
            true => None,
            false => Ahead::of(model, &automaton),
        };
        let mut words = Self {
            longest: wishes.longest(model.longest_word()),
            waiting: BinaryHeap::new(),
            begun: Vec::new(),
            most: MOST,
            lost: f64::NEG_INFINITY,
            stops: Arc::default(),
            automaton,
            ahead,
            model,
        };
        let best = words.ahead.as_ref();
        words.extend(&[Waiting {
            ln: best.map_or(0.0, |ahead| ahead.start(&words.automaton)),
            before: 0,
            last: 0,
            length: 0,
            state: words.automaton.start(),
        }])?;
        Ok(words)
    }

    /// The same words, whose search ends with [`Error::Interrupted`] once a flag is set.
    pub fn stopped_by(self, stops: Arc<AtomicBool>) -> Self {
        Self { stops, ..self }
    }

    /// The first `wanted` words that meet constraints. None comes twice in any case.
    pub fn constrained<'a>(
        self,
        wanted: u64,
        constraints: Constraints<'a>,
    ) -> Constrained<'a, Self> {
        Constrained::of(self, wanted, constraints, usize::MAX, None)
    }

    /// The characters of a beginning.
    fn characters(&self, mut number: u32) -> Vec<usize> {
        let mut word = Vec::new();
        while number > 0 {
            let (before, last) = self.begun[number as usize];
            word.push(last.into());
            number = before;
        }
        word.reverse();
        word
    }

    /// Makes beginnings longer by each character that may follow.
    fn extend(&mut self, beginnings: &[Waiting]) -> Result<()> {
        let first = self.begun.len() as u32;
        let places = beginnings
            .iter()
            .map(|waiting| (waiting.before, waiting.last));
        self.begun.extend(places);
        let numbers = first..self.begun.len() as u32;
        let words: Vec<Vec<usize>> = numbers
            .clone()
            .map(|number| self.characters(number))
            .collect();
        let changes = self.changes(&words, beginnings)?;
        let rows = changes.chunks_exact(self.model.vocabulary().len());
        for (((row, beginning), before), word) in rows.zip(beginnings).zip(numbers).zip(&words) {
            let length = match self.ahead {
                Some(_) => beginning.length.saturating_add(1),
                None => 0,
            };
            for (index, &change) in row.iter().enumerate() {
                let state = match index {
                    0 if self.automaton.accepts(beginning.state) => beginning.state,
                    0 => DEAD,
                    _ if word.len() == self.longest => DEAD,
                    index => self.automaton.step(beginning.state, index),
                };
                // No number, if no word is left at all.
                let ln = beginning.ln + change;
                if state != DEAD && ln > self.lost {
                    self.waiting.push(Waiting {
                        ln,
                        before,
                        last: index as u16,
                        length,
                        state,
                    });
                }
            }
        }
        self.give_up();
        Ok(())
    }

    /// By how much each character changes the logarithms of beginnings, `[B, V]`.
    fn changes(&self, words: &[Vec<usize>], beginnings: &[Waiting]) -> Result<Vec<f64>> {
        if let Some(ahead) = &self.ahead {
            let pairs = words.iter().zip(beginnings);
            let losses =
                pairs.flat_map(|(word, from)| ahead.losses(word, from.state, &self.automaton));
            return Ok(losses.collect());
        }
        let words = words.iter().map(Vec::as_slice);
        let contexts = contexts(words, self.model.block_size())?;
        let p = self.model.distributions(&contexts)?.f_contiguous()?; // [B, V]
        let p: Vec<f32> = Vec::try_from(p.f_view([-1])?)?;
        // Rounding may leave a probability a little above 1.
        Ok(p.into_iter().map(|p| f64::from(p).ln().min(0.0)).collect())
    }

    /// Gives up the less probable half of what waits, where it is too much.
    fn give_up(&mut self) {
        if self.waiting.len() <= self.most {
            return;
        }
        let mut waiting = std::mem::take(&mut self.waiting).into_vec();
        let half = waiting.len() / 2;
        let (_, middle, _) = waiting.select_nth_unstable(half);
        self.lost = middle.ln;
        waiting.retain(|one| one.ln > self.lost);
        self.waiting = waiting.into();
    }

    /// The next word; none if there are no more.
    fn next_word(&mut self) -> Result<Option<String>> {
        let batch = if self.ahead.is_some() { 1 } else { BATCH };
        loop {
            let (mut beginnings, mut words) = (Vec::new(), Vec::new());
            while let Some(waiting) = self.waiting.pop() {
                match waiting.last {
                    0 if beginnings.is_empty() => {
                        self.waiting.extend(words);
                        let word = self.characters(waiting.before);
                        return Ok(Some(self.model.vocabulary().decode(&word)));
                    }
                    0 => words.push(waiting),
                    _ => beginnings.push(waiting),
                }
                if beginnings.len().max(words.len()) == batch {
                    break;
                }
            }
            self.waiting.extend(words);
            if self.stops.load(atomic::Ordering::Relaxed) {
                return Err(Error::Interrupted);
            } else if !beginnings.is_empty() {
                self.extend(&beginnings)?;
            } else if self.lost > f64::NEG_INFINITY {
                return Err(Error::GaveUp {
                    why: "the search for more words takes too much memory".to_owned(),
                    found: 0,
                    wanted: 1,
                });
            } else {
                return Ok(None);
            }
        }
    }
}

impl Iterator for MostProbable<'_> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_word().transpose()
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Tensor};

    use super::*;
    use crate::counting::tests::ngrams_of;
    use crate::data::{Vocabulary, Words};
    use crate::memory::Memory;
    use crate::models::{Config, KINDS, Mixture, Network, Ngram, Sizes, Smoothing, Table};
    use crate::score;

    /// All words of at most so many characters that `is_wanted`, the most probable first.
    fn enumerated(
        model: &dyn LanguageModel,
        longest: usize,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Vec<(String, f64)> {
        let characters = &model.vocabulary().characters()[1..];
        let mut words = vec![String::new()];
        let mut from = 0;
        for _ in 0..longest {
            let to = words.len();
            for word in from..to {
                let longer = characters
                    .iter()
                    .map(|&next| words[word].clone() + &next.to_string());
                words.extend(longer.collect::<Vec<_>>());
            }
            from = to;
        }
        words.retain(|word| is_wanted(word));
        let encoded = words
            .iter()
            .map(|word| model.vocabulary().encode(word).unwrap());
        let encoded: Vec<Vec<usize>> = encoded.collect();
        let indices: Vec<&[usize]> = encoded.iter().map(Vec::as_slice).collect();
        let ln = model.log_probabilities(&indices, &mut || Ok(())).unwrap();
        let mut rest = ln.as_slice();
        let mut scored: Vec<(String, f64)> = Vec::new();
        for word in words {
            let (own, others) = rest.split_at(word.chars().count() + 1);
            scored.push((word, own.iter().sum()));
            rest = others;
        }
        scored.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        scored
    }

    /// Asserts that words come in the order of their probability, and that none is missing.
    fn check(model: &dyn LanguageModel, found: &[String], expected: &[(String, f64)]) {
        let ln = |word: &String| score::word(model, word).unwrap().likelihood.ln();
        assert!(found.len() <= expected.len(), "{found:?}");
        for (found, (word, expected)) in found.iter().zip(expected) {
            assert!((ln(found) - expected).abs() < 1e-4, "{found} is not {word}");
        }
        let distinct: std::collections::HashSet<&String> = found.iter().collect();
        assert_eq!(distinct.len(), found.len());
    }

    fn table() -> Table {
        let vocabulary = Vocabulary::new('.', ['a', 'b', 'c']).unwrap();
        let p = [
            0.1, 0.5, 0.2, 0.2, 0.3, 0.2, 0.4, 0.1, 0.2, 0.1, 0.1, 0.6, 0.4, 0.3, 0.2, 0.1,
        ];
        Table::new(vocabulary, &Tensor::from_slice(&p).view([4, 4])).unwrap()
    }

    fn found(mut words: MostProbable, count: usize) -> Vec<String> {
        found_by(&mut words, count)
    }

    fn found_by(words: &mut MostProbable, count: usize) -> Vec<String> {
        words.take(count).collect::<Result<_>>().unwrap()
    }

    #[test]
    fn they_are_those_of_all_words_that_are_wished() {
        let p = table();
        let wishes = WordConstraint {
            min_length: 2,
            max_length: Some(6),
            contains: vec!["ab".to_owned()],
            matching: vec![".*(a|bc|cc)".to_owned()],
            ..WordConstraint::default()
        };
        let ends = |word: &str| ["a", "bc", "cc"].iter().any(|end| word.ends_with(end));
        let wanted = enumerated(&p, 6, |word| word.contains("ab") && ends(word));
        let all = found(MostProbable::of(&p, &wishes).unwrap(), usize::MAX);
        assert_eq!(all.len(), wanted.len());
        check(&p, &all, &wanted);
        assert_eq!(all[0], wanted[0].0);
        // The lecture's table has the empty word too.
        let short = WordConstraint {
            max_length: Some(3),
            ..WordConstraint::default()
        };
        let all = found(MostProbable::of(&p, &short).unwrap(), usize::MAX);
        check(&p, &all, &enumerated(&p, 3, |_| true));
        assert!(all.contains(&String::new()));
    }

    #[test]
    fn they_are_those_of_any_model_and_of_mixtures() {
        let words = Words::lecture('.').unwrap();
        let memory = Memory::new(1 << 30);
        let ngram = Ngram::of(&ngrams_of(&words, 4), Smoothing::KneserNey, &memory).unwrap();
        let sizes = Sizes {
            block_size: 16,
            n_embd: 16,
            n_embd2: 24,
            n_layer: 2,
            ..Sizes::default()
        };
        let network = |kind| {
            let vocabulary = ngram.vocabulary().clone();
            Network::new(vocabulary, Config::new(kind, sizes), 5, Device::Cpu).unwrap()
        };
        let networks: Vec<Network> = KINDS.iter().map(|&kind| network(kind)).collect();
        let mixture = Mixture::new(vec![&ngram, &networks[3]], &[2.0, 1.0]).unwrap();
        let models = networks.iter().map(|network| network as &dyn LanguageModel);
        let others: [&dyn LanguageModel; 2] = [&ngram, &mixture];
        let short = WordConstraint {
            max_length: Some(2),
            ..WordConstraint::default()
        };
        for model in models.chain(others) {
            let all = enumerated(model, 2, |word| !word.is_empty());
            check(
                model,
                &found(MostProbable::of(model, &short).unwrap(), 60),
                &all,
            );
        }
        let likely = found(
            MostProbable::of(&ngram, &WordConstraint::default()).unwrap(),
            500,
        );
        let lns = likely
            .iter()
            .map(|word| score::word(&ngram, word).unwrap().likelihood.ln());
        assert!(lns.is_sorted_by(|one, next| *next < one + 1e-6));
        let known = likely
            .iter()
            .filter(|word| words.iter().any(|known| known == *word));
        assert!(known.count() > 300, "{likely:?}");
    }

    /// Kneser–Ney of three characters over `a`, `b` and `c`.
    fn trigrams() -> Ngram {
        let list = "abc\nabcb\ncab\nbca\naab\nabcc\nbabca\nccab\nab\nabbc\nca\nacab\ncba\n";
        let words = Words::parse("list", list.to_owned(), '.').unwrap();
        let memory = Memory::new(1 << 30);
        Ngram::of(&ngrams_of(&words, 3), Smoothing::KneserNey, &memory).unwrap()
    }

    #[test]
    fn rare_ones_are_those_of_all_words_too() {
        let wishes = WordConstraint {
            min_length: 5,
            max_length: Some(7),
            contains: vec!["cbb".to_owned()],
            suffix: "ac".to_owned(),
            ..WordConstraint::default()
        };
        let is_wanted =
            |word: &str| word.len() >= 5 && word.contains("cbb") && word.ends_with("ac");
        let (p, ngram) = (table(), trigrams());
        let models: [&dyn LanguageModel; 2] = [&p, &ngram];
        for model in models {
            let words = MostProbable::of(model, &wishes).unwrap();
            assert!(words.ahead.is_some());
            let (all, wanted) = (found(words, usize::MAX), enumerated(model, 7, is_wanted));
            assert_eq!(all.len(), wanted.len());
            check(model, &all, &wanted);
            // What is too long for the longest word is known only once it is reached.
            let any_length = WordConstraint {
                max_length: None,
                ..wishes.clone()
            };
            let mut words = MostProbable::of(model, &any_length).unwrap();
            words.longest = 7;
            let again = found(words, usize::MAX);
            assert_eq!(again.len(), wanted.len());
            check(model, &again, &wanted);
        }
    }

    /// Each took minutes, or more memory than there is.
    #[test]
    fn the_rarest_are_found_at_once() {
        let words = Words::lecture('.').unwrap();
        let memory = Memory::new(1 << 30);
        let p = Table::of(&ngrams_of(&words, 2), 1.0).unwrap();
        let ngram = Ngram::of(&ngrams_of(&words, 3), Smoothing::KneserNey, &memory).unwrap();
        let models: [&dyn LanguageModel; 2] = [&p, &ngram];
        let wishes = [
            WordConstraint {
                suffix: "zzqzx".to_owned(),
                ..WordConstraint::default()
            },
            WordConstraint {
                contains: vec!["qqqqqq".to_owned()],
                ..WordConstraint::default()
            },
            WordConstraint {
                min_length: 60,
                ..WordConstraint::default()
            },
        ];
        for model in models {
            for wishes in &wishes {
                let mut words = MostProbable::of(model, wishes).unwrap();
                let five = found_by(&mut words, 5);
                assert_eq!(five.len(), 5, "{wishes:?}");
                let longest = five.iter().map(String::len).max().unwrap();
                // A beginning for each character of each word, and that of all.
                assert!(words.begun.len() <= 5 * longest + 1, "{wishes:?}");
            }
        }
    }

    /// Such a search would go on to words of the largest length.
    #[test]
    fn wishes_that_a_model_gives_no_probability_end_at_once() {
        let vocabulary = Vocabulary::new('.', ['a', 'b']).unwrap();
        let p = [0.0, 0.5, 0.5, 0.5, 0.5, 0.0, 0.5, 0.0, 0.5];
        let p = Table::new(vocabulary, &Tensor::from_slice(&p).view([3, 3])).unwrap();
        let wishes = WordConstraint {
            contains: vec!["ab".to_owned()],
            ..WordConstraint::default()
        };
        let mut words = MostProbable::of(&p, &wishes).unwrap();
        assert!(found_by(&mut words, 1).is_empty());
        assert_eq!(words.begun.len(), 1);
    }

    /// From the end it is seen one character further with each sweep.
    #[test]
    fn the_only_word_is_found_at_its_end() {
        let vocabulary = Vocabulary::new('.', ['a', 'b', 'c']).unwrap();
        let p = [
            0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0,
        ];
        let p = Table::new(vocabulary, &Tensor::from_slice(&p).view([4, 4])).unwrap();
        let wishes = WordConstraint {
            suffix: "a".to_owned(),
            ..WordConstraint::default()
        };
        assert_eq!(found(MostProbable::of(&p, &wishes).unwrap(), 2), ["cba"]);
    }

    /// What was found before is as exact as ever.
    #[test]
    fn a_search_that_takes_too_much_memory_ends_after_what_it_found() {
        let p = table();
        let mut words = MostProbable::of(&p, &WordConstraint::default()).unwrap();
        words.most = 50;
        let mut some = Vec::new();
        let error = loop {
            match words.next().unwrap() {
                Ok(word) => some.push(word),
                Err(error) => break error.to_string(),
            }
        };
        assert!(
            error.starts_with("the search for more words takes too much memory"),
            "{error}"
        );
        assert!(some.len() > 5, "{some:?}");
        let all = found(
            MostProbable::of(&p, &WordConstraint::default()).unwrap(),
            some.len(),
        );
        assert_eq!(some, all);
    }

    #[test]
    fn an_interrupted_search_keeps_the_words_that_it_found() {
        let p = table();
        let words = || MostProbable::of(&p, &WordConstraint::default()).unwrap();
        let stops = Arc::new(AtomicBool::new(false));
        let constraints = Constraints::default();
        let stopped = words().stopped_by(Arc::clone(&stops));
        let mut stopped = stopped.constrained(1000, constraints);
        let (some, end) = stopped.found(&mut |found| {
            stops.store(found >= 2, atomic::Ordering::Relaxed);
            true
        });
        assert!(matches!(end, Some(Error::Interrupted)), "{end:?}");
        assert!((2..1000).contains(&some.len()), "{some:?}");
        assert_eq!(some, found(words(), some.len()));
    }
}
