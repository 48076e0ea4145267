//! `makemore-tch train --type gru` and the other networks of makemore.py, as users run them.

mod common;

use common::Folder;
use serde_json::Value;

const NAMES: &str = include_str!("../assets/names.txt");
const TYPES: [&str; 6] = ["mlp", "bow", "rnn", "gru", "lstm", "transformer"];
const SMALL: &str = "--data list.txt --n-embd 8 --n-embd2 8 --n-layer 1 --n-head 2 --max-steps 40 --eval-every 20 --batch-size 32";

/// A folder with a short list.
fn folder() -> Folder {
    let folder = Folder::new();
    let names: Vec<&str> = NAMES.lines().step_by(40).collect();
    folder.write("list.txt", names.join("\n"));
    folder
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn every_type_is_trained_saved_scored_and_drawn_from() {
    let folder = folder();
    for kind in TYPES {
        let document = folder.json(&format!("train --type {kind} --json {SMALL}"));
        assert_eq!(document["type"], kind);
        let file = format!("makemore-{kind}.safetensors");
        assert_eq!(document["checkpoint"], *file);
        let losses = document["losses"].as_array().unwrap();
        let steps: Vec<_> = losses
            .iter()
            .map(|row| row["step"].as_u64().unwrap())
            .collect();
        assert_eq!(steps, [20, 40], "{kind}");
        assert!(
            number(&losses[1]["train"]) < number(&losses[0]["train"]),
            "{kind}"
        );
        assert_eq!(document["names"].as_array().unwrap().len(), 10);
        // The figures of training are those of scoring.
        for part in ["dev", "test"] {
            let score = format!("score --json --model {file} --part {part} --data list.txt");
            let scored = folder.json(&score);
            let off = number(&scored["nll"]) - number(&document[format!("{part}_loss")]);
            assert!(off.abs() < 1e-6, "{kind} {part}: {off}");
        }
        let word = folder.json(&format!("score --json --model {file} emma"));
        assert!(number(&word["words"][0]["likelihood"]) > 0.0);
        let sample = format!("sample --plain -n 20 --model {file}");
        let names = folder.stdout(&sample);
        assert_eq!(names.lines().count(), 20);
        assert_eq!(names, folder.stdout(&sample));
    }
}

#[test]
fn the_best_step_on_dev_is_kept_and_a_seed_repeats_it() {
    let folder = folder();
    let train = format!("train --type gru --json --force --lr 0.1 {SMALL}");
    let document = folder.json(&train);
    let losses = document["losses"].as_array().unwrap();
    let best = losses
        .iter()
        .min_by(|one, other| number(&one["dev"]).total_cmp(&number(&other["dev"])))
        .unwrap();
    assert_eq!(document["best_step"], best["step"]);
    // It is not the last one: the rate is too high for that.
    assert!(document["best_step"].as_u64() <= document["steps"].as_u64());
    assert!((number(&document["dev_loss"]) - number(&best["dev"])).abs() < 1e-6);
    assert_eq!(folder.json(&train)["losses"], document["losses"]);
    let other = folder.json(&format!("{train} --seed 1"));
    assert_ne!(other["losses"], document["losses"]);
}

#[test]
fn the_preset_is_makemores() {
    let folder = folder();
    let train = "train --type mlp --preset makemore --data list.txt --max-steps 5 --eval-every 1";
    let document = folder.json(&format!("{train} --json"));
    // Its defaults: 64 and 64, one block as long as the longest word and its start token.
    let longest = NAMES.lines().step_by(40).map(str::len).max().unwrap() + 1;
    let v = 27;
    let parameters = (v + 1) * 64 + (longest * 64 * 64 + 64) + (64 * v + v);
    assert_eq!(document["parameters"], parameters);
    let printed = folder.stdout(&format!("{train} --force"));
    assert!(printed.contains("Step: 5, train loss: "), "{printed}");
    assert!(printed.contains(", best on dev at step "), "{printed}");
    assert!(printed.contains("Test loss: "), "{printed}");
}

#[test]
fn what_does_not_go_together_is_refused_by_name() {
    let folder = folder();
    for (arguments, says) in [
        ("--type gru --order 3", "--order is not of this type"),
        ("--type gru --plot p.png", "--plot is not of this type"),
        (
            "--type gru --resume m.safetensors",
            "goes on training the lecture's network",
        ),
        (
            "--type gru --block-size 3 --data list.txt",
            "too short for the longest word",
        ),
        (
            "--type transformer --n-head 3 --data list.txt",
            "64, for 3 heads",
        ),
        ("--n-embd 8", "--n-embd is of the networks of makemore.py"),
        (
            "--type ngram --preset makemore",
            "--preset is of the networks",
        ),
    ] {
        let error = folder.error(&format!("train {arguments}"), 1);
        assert!(error.contains(says), "{arguments}: {error}");
    }
    let error = folder.error("train --type gru --n-embd2 99999999", 2);
    assert!(error.contains("--n-embd2"), "{error}");
    assert_eq!(folder.files(), ["list.txt"]);
}

#[test]
fn a_network_of_another_type_is_not_overwritten() {
    let folder = folder();
    folder.stdout(&format!("train --type rnn --out m.safetensors {SMALL}"));
    let before = folder.read("m.safetensors");
    let error = folder.error(&format!("train --type gru --out m.safetensors {SMALL}"), 1);
    assert!(error.contains("a model of type rnn is there"), "{error}");
    assert_eq!(folder.read("m.safetensors"), before);
    let error = folder.error("train --resume m.safetensors --data list.txt", 1);
    assert!(
        error.contains("only the lecture's is trained further"),
        "{error}"
    );
    let error = folder.error("heatmap out.png --model m.safetensors", 1);
    assert!(error.contains("m.safetensors"), "{error}");
    let error = folder.error("export m.arpa --model m.safetensors", 1);
    assert!(
        error.contains("a network, which an ARPA file cannot hold"),
        "{error}"
    );
}

#[test]
fn a_training_that_diverges_saves_the_best_before_or_says_that_it_saves_nothing() {
    let folder = folder();
    let train = format!("train --type mlp --lr 1e30 {SMALL}");
    let error = folder.makemore(&train).output().unwrap();
    assert_eq!(error.status.code(), Some(1));
    let stderr = String::from_utf8(error.stderr).unwrap();
    assert!(stderr.contains("training diverged"), "{stderr}");
    assert!(stderr.contains("--lr 1e29"), "{stderr}");
    assert!(
        stderr.contains("nothing was saved to makemore-mlp.safetensors"),
        "{stderr}"
    );
    assert_eq!(folder.files(), ["list.txt"]);
}
