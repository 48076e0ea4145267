//! `makemore-tch train --type ngram`, its splits, and the other commands with its model.

use crate::common::Folder;
use makemore_tch::distributed::Alone;
use makemore_tch::memory::Memory;
use makemore_tch::models::ngram::orders::{Order, Orders, better_order};
use makemore_tch::{List, Parts, Shares, Smoothing, Source, Split, count};
use serde_json::Value;

/// A list that the first lines of others are chosen from.
const NAMES: &str = include_str!("../assets/names.txt");

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn six_characters_are_better_than_two_by_half_a_nat() {
    let folder = Folder::new();
    let printed = folder.stdout("train --type ngram");
    let table: Vec<&str> = printed.lines().take(7).collect();
    assert!(table[0].starts_with("order "), "{printed}");
    assert!(table[0].contains("dev NLL"), "{printed}");
    let dev = |row: &str| -> f64 {
        let last = row.split_whitespace().last().unwrap();
        last.parse().unwrap()
    };
    let losses: Vec<f64> = table[1..].iter().map(|row| dev(row)).collect();
    assert!(losses.windows(2).all(|pair| pair[1] < pair[0]), "{printed}");
    // The bigram has 2.45 and KenLM's model of six characters 1.978 on other held-out names.
    assert!((losses[1] - 2.45).abs() < 0.01, "{printed}");
    assert!((losses[5] - 1.978).abs() < 0.01, "{printed}");
    assert!(printed.contains("Checkpoint: makemore-ngram.safetensors"));
    assert_eq!(folder.files(), ["makemore-ngram.safetensors"]);
}

#[test]
fn an_order_that_is_too_high_for_the_list_is_said() {
    let folder = Folder::new();
    folder.write(
        "few.txt",
        NAMES.lines().take(60).collect::<Vec<_>>().join("\n"),
    );
    let output = folder
        .makemore("train --type ngram --order 9 --data few.txt --json")
        .output()
        .unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let orders = document["orders"].as_array().unwrap();
    let dev = |row: &&Value| number(&row["dev"]);
    let best = orders
        .iter()
        .min_by(|one, other| dev(one).total_cmp(&dev(other)))
        .unwrap();
    let remark = String::from_utf8(output.stderr).unwrap();
    let expected = format!("order {} has the lowest dev loss", best["order"]);
    assert!(remark.contains(&expected), "{remark}");
}

#[test]
fn a_library_user_finds_the_best_smoothing_and_order() {
    let folder = Folder::new();
    folder.write(
        "few.txt",
        NAMES.lines().take(60).collect::<Vec<_>>().join("\n"),
    );
    let source = Source::files(vec![folder.path("few.txt")]);
    let names = count(&source, '.').unwrap();
    let digest = names.digest;
    let split = Split::new(Shares::USUAL, 420, digest.words);
    let parts = Parts::new(List { source, digest }, split);
    let memory = Memory::new(1 << 30);
    let orders = Orders::count(&parts, &names.counts, 9, &memory, &|_| (), &Alone).unwrap();

    let rows = orders.with(Smoothing::KneserNey, |_| ()).unwrap();
    let dev = |rows: &[Order]| rows.iter().filter_map(|row| row.dev).collect::<Vec<f64>>();
    let lowest = dev(&rows).into_iter().fold(f64::INFINITY, f64::min);
    let best = better_order(&rows).unwrap();
    assert_eq!(rows[best - 1].dev, Some(lowest));
    assert_eq!(better_order(&rows[..best]), None);
    let additive = orders.best_additive(|_| ()).unwrap();
    let [best, witten_bell, kneser_ney] = orders
        .curves(
            Smoothing::WittenBell,
            &orders.with(Smoothing::WittenBell, |_| ()).unwrap(),
            true,
        )
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!((best.dev, kneser_ney.dev), (dev(&additive), dev(&rows)));
    assert!(witten_bell.name.contains("Witten"));
    assert_eq!(
        orders
            .curves(Smoothing::KneserNey, &rows, false)
            .unwrap()
            .len(),
        1
    );
}
