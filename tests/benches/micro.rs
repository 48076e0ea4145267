//! Micro-benchmarks of what large lists and many names spend their time in: `cargo bench`.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use makemore_tch::{
    BigramCounts, Network, SampleOptions, Sampler, TrainingPairs, Vocabulary, Words,
};
use tch::Device;

fn main() {
    tch::set_num_threads(1);
    divan::main();
}

fn lecture() -> (Words, BigramCounts) {
    let words = Words::lecture('.').unwrap();
    let counts = BigramCounts::of(&words).unwrap();
    (words, counts)
}

/// The lecture's names many times over, some letters replaced.
fn list(letters: &[(&str, &str)]) -> Words {
    let (words, _) = lecture();
    let mut text: String = words.iter().flat_map(|word| [word, "\n"]).collect();
    for (letter, other) in letters {
        text = text.replace(letter, other);
    }
    Words::parse("list", text.repeat(20), '.').unwrap()
}

fn count(bencher: Bencher, words: &Words) {
    let bytes: usize = words.iter().map(|word| word.len() + 1).sum();
    bencher
        .counter(BytesCount::new(bytes))
        .bench_local(|| BigramCounts::of(black_box(words)).unwrap());
}

#[divan::bench(sample_count = 20)]
fn count_ascii_on_one_thread(bencher: Bencher) {
    count(bencher, &list(&[]));
}

#[divan::bench(sample_count = 20)]
fn count_other_utf_8_on_one_thread(bencher: Bencher) {
    count(bencher, &list(&[("a", "ä"), ("n", "ñ"), ("e", "é")]));
}

fn epoch(bencher: Bencher, pairs: &TrainingPairs, vocabulary: &Vocabulary) {
    let mut network = Network::new(vocabulary.clone(), 420, Device::Cpu).unwrap();
    bencher.bench_local(|| {
        let loss = network.loss(pairs, 0.0).unwrap();
        network.step(&loss, 50.0).unwrap();
    });
}

#[divan::bench(sample_count = 300)]
fn epoch_on_distinct_rows(bencher: Bencher) {
    let (_, counts) = lecture();
    let pairs = TrainingPairs::distinct(&counts, Device::Cpu).unwrap();
    epoch(bencher, &pairs, counts.vocabulary());
}

#[divan::bench(sample_count = 10)]
fn epoch_on_all_rows(bencher: Bencher) {
    let (words, counts) = lecture();
    let pairs = TrainingPairs::all(&words, counts.vocabulary(), Device::Cpu).unwrap();
    epoch(bencher, &pairs, counts.vocabulary());
}

#[divan::bench(sample_count = 20)]
fn draw_names(bencher: Bencher) {
    const NAMES: usize = 100_000;
    let p = lecture().1.probabilities(1.0).unwrap();
    let mut sampler = Sampler::new(&p, 420, &SampleOptions::default()).unwrap();
    let mut names = String::new();
    bencher.counter(ItemsCount::new(NAMES)).bench_local(|| {
        names.clear();
        for _ in 0..NAMES {
            sampler.append_to(&mut names).unwrap();
        }
    });
}
