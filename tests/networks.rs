//! `makemore-tch train --type gru` and the other networks of makemore.py and lecture 5, as users run
//! them.

use crate::common::Folder;
use crate::common::folder::SMALL;
use serde_json::Value;

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn losses_are_drawn_and_written_for_tensorboard() {
    let folder = Folder::with_names();
    folder.stdout(&format!(
        "train --type bow --plot p.png --tensorboard runs/bow {SMALL}"
    ));
    assert!(folder.read("p.png").starts_with(b"\x89PNG"));
    for tag in ["loss/train", "loss/dev", "learning rate"] {
        assert_eq!(scalars(&folder, "runs/bow", tag).len(), 2, "{tag}");
    }
}

/// The values under a tag in the one file of events of a run.
fn scalars(folder: &Folder, run: &str, tag: &str) -> Vec<f32> {
    let runs = std::fs::read_dir(folder.path(run)).unwrap();
    let runs: Vec<_> = runs.map(|run| run.unwrap().path()).collect();
    let [run] = runs.as_slice() else {
        panic!("{runs:?}")
    };
    let events = std::fs::read(run).unwrap();
    // Field 2 of a `Summary.Value`, a float, follows the tag, field 1.
    let tag = [tag.as_bytes(), &[0x15]].concat();
    let found = (0..events.len()).filter(|&at| events[at..].starts_with(&tag));
    let values = found.map(|at| events[at + tag.len()..].first_chunk().unwrap());
    values.map(|&value| f32::from_le_bytes(value)).collect()
}

#[test]
fn time_limits_a_training_and_the_rate_comes_down_in_it() {
    let folder = Folder::with_names();
    let small = SMALL.replace(" --max-steps 40", "");
    let train = "train --type bow --json --minutes 0.02 --tensorboard runs";
    let document = folder.json(&format!("{train} {small}"));
    // 1.2 seconds, and the step in which they end.
    let seconds = number(&document["seconds"]);
    assert!((1.2..10.0).contains(&seconds), "{seconds}");
    let rates = scalars(&folder, "runs", "learning rate");
    let highest = rates.iter().copied().fold(0.0, f32::max);
    assert!(rates.last().unwrap() < &(highest / 5.0), "{rates:?}");
    let error = folder.error("train --resume makemore-bow.safetensors --data list.txt", 1);
    assert!(error.contains("its training is over"), "{error}");
}

#[test]
fn a_training_that_diverges_saves_the_best_before_or_says_that_it_saves_nothing() {
    let folder = Folder::with_names();
    let train = format!("train --type mlp --lr 1e30 {SMALL}");
    let error = folder.makemore(&train).output().unwrap();
    assert_eq!(error.status.code(), Some(1));
    let stderr = String::from_utf8(error.stderr).unwrap();
    assert!(stderr.contains("training diverged"), "{stderr}");
    assert!(stderr.contains("--lr 5e-3"), "{stderr}");
    assert!(
        stderr.contains("nothing was saved to makemore-mlp.safetensors"),
        "{stderr}"
    );
    assert_eq!(folder.files(), ["list.txt"]);
}

/// A row of the hidden layer for each of 4,000 characters at each of 500 distances took 1.7 GB of the
/// 100 MB that were allowed.
#[test]
fn an_mlp_of_many_characters_and_a_long_word_is_refused_where_memory_is_short() {
    let folder = Folder::new();
    let characters: Vec<char> = ('\u{4E00}'..).take(4000).collect();
    let words = characters.chunks(2).map(|word| word.iter().collect());
    let words: Vec<String> = words.chain([characters[..500].iter().collect()]).collect();
    folder.write("list.txt", words.join("\n"));
    let train = "train --type mlp --n-embd 1 --batch-size 4 --max-steps 1 --data list.txt";
    let error = folder.error(&format!("{train} --memory 100MB"), 1);
    assert!(error.contains("a step of 4 words"), "{error}");
}
