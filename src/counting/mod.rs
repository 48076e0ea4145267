//! The counting model's counts: how often each character follows each context (`N`).
//!
//! Bigrams of a whole list are counted by `scan`, the loop over its bytes, and `parallel`, which
//! gives blocks of the list to threads that scan; that finds the vocabulary too. N-grams of any
//! order, of any part of a list whose vocabulary is known, are counted by [`ngrams`], in the tables
//! of `hash_table`. Both end in [`NgramCounts`], where n-grams are `packed` into numbers.

mod hash_table;
pub mod ngrams;
pub(crate) mod packed;
mod parallel;
pub(crate) mod repeated_words;
mod scan;

use std::cmp::Reverse;

use ethnum::U256;
use tch::Tensor;

use crate::data::words::Words;
use crate::data::{Digest, Source, Vocabulary};
use crate::error::{Error, Result};
use packed::{Packed, Packing};

pub use crate::data::pass::threads;
pub use ngrams::count_parts;
pub use packed::MAX_ORDER;

/// How often each character follows each context.
///
/// The order is the length of what is counted: 2 for bigrams, whose contexts are single characters.
/// Only what occurs is kept: `C` contexts, and what follows each of them. A context that reaches
/// back before the first character of a word has start tokens there.
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
    vocabulary: Vocabulary,
    order: usize,
    ngrams: Ngrams,
}

/// N-grams and their counts, sorted, in numbers that are as wide as they need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ngrams {
    Narrow(Vec<(u64, u64)>),
    Wide(Vec<(u128, u64)>),
    Widest(Vec<(U256, u64)>),
}

/// An expression with the n-grams of whatever width as a vector.
macro_rules! for_any_width {
    ($ngrams:expr, $vector:ident => $result:expr) => {
        match $ngrams {
            $crate::counting::Ngrams::Narrow($vector) => $result,
            $crate::counting::Ngrams::Wide($vector) => $result,
            $crate::counting::Ngrams::Widest($vector) => $result,
        }
    };
}
pub(crate) use for_any_width;

/// A context and what follows it.
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
    /// Counts the bigrams of a word list.
    ///
    /// # Errors
    ///
    /// None for a list that was read: it is checked there.
    pub fn of(words: &Words) -> Result<Self> {
        Ok(count(&words.source(), words.boundary())?.counts)
    }

    /// The bigrams of a vocabulary; `n` is `[V, V]`, row by row.
    fn bigrams(vocabulary: Vocabulary, n: &[u64]) -> Self {
        let v = vocabulary.len();
        let packing = Packing::new(v + 1, 2);
        let counted = n.iter().enumerate().filter(|&(_, &count)| count > 0);
        let ngrams = counted.map(|(place, &count)| (packing.pack([place / v, place % v]), count));
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

    /// The contexts that occur, sorted, each with what follows it.
    pub fn contexts(&self) -> Box<dyn Iterator<Item = Row> + '_> {
        let packing = self.packing();
        for_any_width!(&self.ngrams, ngrams => Box::new(rows(ngrams, packing)))
    }

    /// As [`contexts`](Self::contexts), faster: a function is told of each.
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
            let mut places: Vec<usize> = (0..ngrams.len()).collect();
            places.sort_by_key(|&place| Reverse(ngrams[place].1));
            places.truncate(top);
            let unpacked = places.into_iter().map(|place| {
                let (ngram, count) = ngrams[place];
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
            Ngrams::Widest(ngrams) => Ngrams::Widest(shortened(ngrams, mask)),
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

/// A list that was read and counted.
#[derive(Debug, Clone)]
pub struct Counted {
    /// What the list is called.
    pub origin: String,
    /// Its bigrams.
    pub counts: NgramCounts,
    /// By which the list is recognised.
    pub digest: Digest,
}

/// Reads and counts a list, in memory that does not grow with it; `boundary` is the start/end
/// token.
///
/// # Errors
///
/// If a file cannot be read or is no word list: [`Error::Line`] names its first bad line,
/// [`Error::NoWords`] says that there is none.
pub fn count(source: &Source, boundary: char) -> Result<Counted> {
    count_with(source, boundary, threads())
}

/// [`count`] on a number of threads, for tests: what is counted does not depend on it.
///
/// # Errors
///
/// As [`count`].
#[doc(hidden)]
pub fn count_with(source: &Source, boundary: char, threads: usize) -> Result<Counted> {
    let (total, crc32) = parallel::scan(source, boundary, threads)?;
    let vocabulary = Vocabulary::new(boundary, total.characters)?;
    let counts = NgramCounts::bigrams(vocabulary, &total.n);
    let origin = source.origin();
    let words = counts.words();
    if words == 0 {
        return Err(Error::NoWords { file: origin });
    }
    let digest = Digest {
        crc32,
        words,
        characters: counts.total() - words,
    };
    Ok(Counted {
        origin,
        counts,
        digest,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

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

    fn in_blocks(text: &[u8], block: usize, threads: usize) -> Result<Counted> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        std::fs::write(&file, text).unwrap();
        count_with(&Source::files(vec![file]).in_blocks_of(block), '.', threads)
    }

    /// What an error says after the name of the file.
    fn fault(text: &[u8], block: usize, threads: usize) -> String {
        let error = in_blocks(text, block, threads).unwrap_err().to_string();
        error.split_once("list:").unwrap().1.to_owned()
    }

    /// The bigrams of a text, counted in the plainest way.
    fn plainly(text: &str) -> HashMap<String, u64> {
        let mut counts = HashMap::new();
        let words = text.split('\n').map(str::trim);
        for word in words.filter(|word| !word.is_empty()) {
            let bounded: Vec<char> = format!(".{word}.").chars().collect();
            for bigram in bounded.windows(2) {
                *counts.entry(bigram.iter().collect()).or_default() += 1;
            }
        }
        counts
    }

    fn as_map(counts: &NgramCounts) -> HashMap<String, u64> {
        let ngrams = counts.distinct();
        ngrams
            .map(|(context, next, count)| (counts.ngram(&context, next), count))
            .collect()
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

    #[test]
    fn the_4097th_distinct_character_is_found_across_threads() {
        let characters = ('\u{4E00}'..).take(4090).chain('a'..='g');
        let lines: Vec<String> = characters
            .map(|character| format!("{character}\n"))
            .collect();
        for block in [10, 1000, 1 << 20] {
            let fault = fault(lines.concat().as_bytes(), block, 2);
            assert!(fault.starts_with("4097: more than 4096"), "{fault}");
            assert!(in_blocks(lines[1..].concat().as_bytes(), block, 2).is_ok());
        }
    }

    /// Each new character was once searched for from the start of its line.
    #[test]
    fn thousands_of_new_characters_on_one_line_are_found_in_one_pass() {
        let line: String = ('\u{4E00}'..).take(4096).collect();
        let text = format!("{}\n{line}\n", "é".repeat(60_000)).repeat(3);
        let counted = in_blocks(text.as_bytes(), 1 << 19, 1);
        assert!(
            counted
                .unwrap_err()
                .to_string()
                .contains("list:2: more than 4096")
        );
        let line = &line[..3 * 4095];
        let text = format!("{}\n{line}\n", "é".repeat(60_000)).repeat(3);
        assert_eq!(
            in_blocks(text.as_bytes(), 1 << 19, 1).unwrap().digest.words,
            6
        );
    }

    /// A line without an end once took all memory.
    #[test]
    fn an_endless_line_is_refused_where_it_stands() {
        struct Endless;
        impl std::io::Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                buffer.fill(b'a');
                Ok(buffer.len())
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        let mut zstd = zstd::Encoder::new(std::fs::File::create(&file).unwrap(), 1).unwrap();
        std::io::Write::write_all(&mut zstd, b"emma\n").unwrap();
        let mut endless = std::io::Read::take(Endless, 1 << 26);
        std::io::copy(&mut endless, &mut zstd).unwrap();
        zstd.finish().unwrap();
        for block in [100, 1 << 19] {
            let source = Source::files(vec![file.clone()]).in_blocks_of(block);
            let error = count(&source, '.').unwrap_err().to_string();
            assert!(error.contains("list:2: the word is too long"), "{error}");
        }
    }

    #[test]
    fn several_files_are_one_list_and_errors_name_the_right_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let one = file("one", "\u{FEFF}emma");
        let two = file("two", "\u{FEFF}ava\r\nanna\n");
        let bad = file("bad", "ok\nst. ives\n");
        let whole = file("whole", "emma\nava\nanna\n");
        let both = Source::files(vec![one.clone(), two.clone()]);
        let counted = count(&both, '.').unwrap();
        assert_eq!(as_map(&counted.counts), plainly("emma\nava\nanna"));
        // However it is cut, it is the same list.
        assert_eq!(
            counted.digest,
            count(&Source::files(vec![whole]), '.').unwrap().digest
        );
        let words = Words::read(&both, '.').unwrap();
        assert_eq!(words.iter().collect::<Vec<_>>(), ["emma", "ava", "anna"]);
        let error = count(&Source::files(vec![one, bad, two]), '.').unwrap_err();
        assert!(error.to_string().contains("bad:2: "), "{error}");
    }

    proptest! {
        #[test]
        fn blocks_of_any_size_are_counted_as_one_text(
            lines in prop::collection::vec(" {0,2}[a-d ]{0,6}[äß日🦀]{0,2} ?\r?", 0..30),
            block in 1..100_usize,
            threads in 1..4_usize,
        ) {
            // The last word has no line end, and makes sure that there is one.
            let text = lines.join("\n") + "\nend";
            let counted = in_blocks(text.as_bytes(), block, threads).unwrap();
            prop_assert_eq!(as_map(&counted.counts), plainly(&text));
            let words = Words::parse("list", text, '.').unwrap();
            prop_assert_eq!(counted.digest, words.digest());
        }

    }

    proptest! {
        // Each has a text of many blocks.
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn plain_and_other_pieces_are_counted_alike(seed: u64, accents in 0..3_u64) {
            let mut state = seed;
            let mut random = |below: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) % below
            };
            let mut text = String::new();
            while text.len() < 50_000 {
                match random(40) {
                    0 => text.push(' '),
                    1..=4 => text.push('\n'),
                    5 => text.push_str("\r\n"),
                    // Some texts have an accent somewhere, some have many, some have none.
                    6 if accents > 0 && random(1 + 2000 * (2 - accents)) == 0 => text.push('é'),
                    _ => text.push((b'A' + random(50) as u8) as char),
                }
            }
            let digest = Words::parse("list", text.clone(), '.').unwrap().digest();
            let expected = plainly(&text);
            for block in [7_000, 20_000, 1 << 20] {
                let counted = in_blocks(text.as_bytes(), block, 2).unwrap();
                prop_assert_eq!(&as_map(&counted.counts), &expected);
                prop_assert_eq!(counted.digest, digest);
            }
        }

    }

    proptest! {
        #[test]
        fn a_fault_is_on_its_line_whatever_the_blocks(
            before in prop::collection::vec("[a-zé ]{0,8}", 0..40),
            block in 1..100_usize,
        ) {
            let line = before.len() + 1;
            let lines = before.iter().map(|line| format!("{line}\n")).collect::<String>();
            for (bad, says) in [
                (b"an\xFFna".as_slice(), "not valid UTF-8"),
                (b"an.na", "the word has a '.'"),
                (b"an\tna", "a control character (U+0009, a tab)"),
                ("an\u{85}na".as_bytes(), "a control character (U+0085)"),
            ] {
                let text = [lines.as_bytes(), bad, b"\nemma\n.\n\xFF\n"].concat();
                let fault = fault(&text, block, 2);
                prop_assert!(fault.starts_with(&format!("{line}: {says}")), "{}", fault);
            }
        }

        #[test]
        fn reading_any_bytes_never_panics(bytes: Vec<u8>, block in 1..50_usize) {
            let _ = in_blocks(&bytes, block, 2);
        }
    }
}
