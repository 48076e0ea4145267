//! Micro-benchmarks of what large lists and many names spend their time in: `cargo bench`.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use makemore_tch::counting::count_with;
use makemore_tch::train::{Sgd, loss};
use makemore_tch::{
    Bigram, Examples, NgramCounts, SampleOptions, Sampler, Source, Table, Words, count,
};
use tch::Device;

fn main() {
    tch::set_num_threads(1);
    divan::main();
}

fn lecture() -> NgramCounts {
    count(&Source::lecture(), '.').unwrap().counts
}

/// The lecture's names many times over, some letters replaced.
fn list(letters: &[(&str, &str)]) -> Words {
    let names = Words::lecture('.').unwrap();
    let mut text: String = names.iter().flat_map(|word| [word, "\n"]).collect();
    for (letter, other) in letters {
        text = text.replace(letter, other);
    }
    Words::parse("list", text.repeat(20), '.').unwrap()
}

fn count_list(bencher: Bencher, words: &Words) {
    let bytes: usize = words.iter().map(|word| word.len() + 1).sum();
    let source = words.source();
    bencher
        .counter(BytesCount::new(bytes))
        .bench_local(|| count_with(black_box(&source), '.', 1).unwrap());
}

#[divan::bench(sample_count = 20)]
fn count_ascii_on_one_thread(bencher: Bencher) {
    count_list(bencher, &list(&[]));
}

#[divan::bench(sample_count = 20)]
fn count_other_utf_8_on_one_thread(bencher: Bencher) {
    count_list(bencher, &list(&[("a", "ä"), ("n", "ñ"), ("e", "é")]));
}

fn epoch(bencher: Bencher, examples: &Examples) {
    let network = Bigram::new(lecture().vocabulary().clone(), 2, 420, Device::Cpu).unwrap();
    let mut optimizer = Sgd::new(network.weights(), None);
    let xenc = network.encode(examples.xs()).unwrap();
    bencher.bench_local(|| {
        let loss = loss::nll(&network.forward(&xenc).unwrap(), examples).unwrap();
        optimizer.zero_grad();
        loss.backward();
        optimizer.step(50.0).unwrap();
    });
}

#[divan::bench(sample_count = 300)]
fn epoch_on_distinct_rows(bencher: Bencher) {
    epoch(
        bencher,
        &Examples::distinct(&lecture(), Device::Cpu).unwrap(),
    );
}

#[divan::bench(sample_count = 10)]
fn epoch_on_all_rows(bencher: Bencher) {
    let names = Words::lecture('.').unwrap();
    let examples = Examples::all(names.iter(), &lecture(), Device::Cpu).unwrap();
    epoch(bencher, &examples);
}

#[divan::bench(sample_count = 20)]
fn draw_names(bencher: Bencher) {
    const NAMES: usize = 100_000;
    let p = Table::of(&lecture(), 1.0).unwrap();
    let mut sampler = Sampler::new(&p, 420, &SampleOptions::default()).unwrap();
    let mut names = String::new();
    bencher.counter(ItemsCount::new(NAMES)).bench_local(|| {
        names.clear();
        for _ in 0..NAMES {
            sampler.append_to(&mut names).unwrap();
        }
    });
}
