//! `makemore-tch train --type gru` and the other networks of makemore.py and lecture 5, as users run
//! them.

use crate::common::Folder;
use makemore_tch::models::{KINDS, Kind};
use serde_json::Value;

const NAMES: &str = include_str!("../assets/names.txt");
/// Those that learn statistics of batches.
const NORMALISED: [&str; 2] = ["mlp --batchnorm", "wavenet"];
const SMALL: &str = "--data list.txt --n-embd 8 --max-steps 40 --eval-every 20 --batch-size 32";

/// All kinds with the sizes that a small network has, and an mlp with batch normalisation.
fn types() -> Vec<String> {
    let small = |kind: &&dyn Kind| -> String {
        let sizes = [("n_embd", 8), ("n_embd2", 8), ("n_layer", 1), ("n_head", 2)];
        let sizes = sizes.iter().filter(|(size, _)| kind.sizes().contains(size));
        let sizes = sizes.map(|(size, number)| format!(" --{} {number}", size.replace('_', "-")));
        kind.name().to_owned() + &sizes.collect::<String>()
    };
    let mut types: Vec<String> = KINDS.iter().map(small).collect();
    types.push("mlp --n-embd 8 --n-embd2 8 --batchnorm".to_owned());
    types
}

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
    let steps = SMALL.replace("--n-embd 8 ", "");
    let mut trained = Vec::new();
    for arguments in types() {
        let kind = arguments.split(' ').next().unwrap();
        let document = folder.json(&format!(
            "train --type {arguments} --json --out {}.safetensors {steps}",
            trained.len()
        ));
        assert_eq!(document["type"], kind);
        let file = format!("{}.safetensors", trained.len());
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
        // Those that were drawn after training, and ten more.
        let names = folder.stdout(&format!("sample --plain -n 20 --model {file}"));
        let names: Vec<&str> = names.lines().collect();
        assert_eq!(names.len(), 20);
        let drawn = document["names"].as_array().unwrap();
        for (name, drawn) in names.iter().zip(drawn) {
            assert_eq!(drawn["name"], *name, "{kind}");
        }
        trained.push(document);
    }
    // The figures of training are those of scoring.
    let models = (0..trained.len()).map(|model| format!(" --model {model}.safetensors"));
    let models = models.collect::<String>();
    let scored = folder.json(&format!("score --json --part test --data list.txt{models}"));
    let scored = scored["models"].as_array().unwrap();
    assert_eq!(scored.len(), trained.len());
    for (scored, trained) in scored.iter().zip(&trained) {
        let off = number(&scored["nll"]) - number(&trained["test_loss"]);
        assert!(off.abs() < 1e-6, "{}: {off}", trained["type"]);
    }
}

#[test]
fn the_best_step_on_dev_is_kept_and_a_seed_repeats_it() {
    let folder = folder();
    // A few words are soon known by heart, and dev gets worse.
    let few =
        "--data list.txt --split 10,80,10 --n-embd 8 --max-steps 60 --eval-every 30 --lr 0.03";
    let train = format!("train --type gru --preset makemore --json --force {few}");
    let document = folder.json(&train);
    let losses = document["losses"].as_array().unwrap();
    let best = losses
        .iter()
        .min_by(|one, other| number(&one["dev"]).total_cmp(&number(&other["dev"])))
        .unwrap();
    assert_eq!(document["best_step"], best["step"]);
    assert!(document["best_step"].as_u64() < document["steps"].as_u64());
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
    let printed = folder.stdout(&format!("{train} --force --top-k 1"));
    let names: Vec<&str> = printed.lines().rev().take(10).collect();
    assert!(names.iter().all(|name| *name == names[0]), "{printed}");
    assert!(printed.contains("Step: 5, train loss: "), "{printed}");
    assert!(printed.contains(", best on dev at step "), "{printed}");
    assert!(printed.contains("Test loss: "), "{printed}");
}

#[test]
fn the_presets_bigram_is_makemores_table() {
    let folder = folder();
    let train = "train --type bigram --preset makemore --data list.txt --max-steps 40 --lr 0.05";
    let document = folder.json(&format!("{train} --json"));
    assert_eq!(document["type"], "lookup");
    assert_eq!(document["checkpoint"], "makemore-lookup.safetensors");
    assert_eq!(document["parameters"], 27 * 27);
    // Zeros, which hold all characters equally probable, are left behind.
    assert!(number(&document["dev_loss"]) < 27_f64.ln() - 0.3);
    let names = folder.stdout("sample --plain -n 5 --model makemore-lookup.safetensors");
    assert_eq!(names.lines().count(), 5);
    let error = folder.error(&format!("{train} --order 3"), 1);
    assert!(error.contains("--order is not of --type lookup"), "{error}");
}

/// 20 steps and 20 more are 40: the same networks to the last bit, the same losses in all files.
#[test]
fn a_training_goes_on_as_if_it_had_not_been_interrupted() {
    let folder = folder();
    let steps = SMALL.replace(" --max-steps 40", "");
    folder.write("other.csv", "step,train,dev\n9,2.5,2.5\n");
    for (kind, sizes) in [
        ("gru", "--n-embd2 8"),
        ("transformer", "--n-layer 1 --n-head 2"),
        ("mlp", "--n-embd2 8 --batchnorm"),
        ("wavenet", "--n-embd2 8"),
    ] {
        let train = format!("train --type {kind} {sizes} --preset makemore --dropout 0.2 {steps}");
        let whole =
            format!("--max-steps 40 --out {kind}-whole.safetensors --metrics {kind}-whole.csv");
        folder.stdout(&format!("{train} {whole}"));
        let part = format!("--max-steps 20 --out {kind}.safetensors --metrics {kind}.csv");
        folder.stdout(&format!("{train} {part}"));
        let resume = format!("--resume {kind}.safetensors --metrics {kind}.csv");
        let resume = format!("train {resume} --eval-every 20 --data list.txt --max-steps 40");
        folder.stdout(&resume);
        for end in ["safetensors", "csv"] {
            let of = |name: &str| folder.read(&format!("{name}.{end}"));
            assert_eq!(of(kind), of(&format!("{kind}-whole")), "{kind}.{end}");
        }
        let csv = String::from_utf8(folder.read(&format!("{kind}.csv"))).unwrap();
        assert_eq!(csv.lines().count(), 3);
        assert!(csv.starts_with("step,train,dev\n20,"), "{csv}");
    }
    // Losses up to another step are not appended to.
    let error = folder.error(
        "train --resume gru.safetensors --metrics other.csv --data list.txt --max-steps 60",
        1,
    );
    assert!(error.contains("other.csv: it ends with step 9"), "{error}");
}

/// It looks at the last characters alone, wherever in a word they are. Once, only a wavenet did.
#[test]
fn a_network_takes_words_that_are_longer_than_its_block() {
    let folder = folder();
    folder.write("long.txt", "emma\nolivia\nabcdefghijklmnopqrstuvwxyz\n");
    let train = "train --type gru --split 100,0,0 --block-size 3 --n-embd2 16 --max-steps 20";
    folder.stdout(&format!("{train} --data long.txt --out m"));
    let word = folder.json("score --json --model m abcdefghijklmnopqrstuvwxyz");
    let bigrams = word["words"][0]["bigrams"].as_array().unwrap();
    assert_eq!(bigrams.len(), 27);
    assert_eq!(bigrams[20]["context"], "rst");
    assert!(number(&word["words"][0]["likelihood"]) > 0.0);
    folder.stdout("heatmap z.png --word abcdefghijklmnopqrstuvwxyz --model m");
    let drawn = folder.stdout("sample --plain -n 20 --prefix abcdefghijkl --model m");
    assert!(drawn.lines().all(|name| name.starts_with("abcdefghijkl")));
    let mixed = "--model m --model m --weights 1,2";
    let alone = folder.json("score --json --model m --data long.txt");
    let off = number(&folder.json(&format!("score --json {mixed} --data long.txt"))["nll"])
        - number(&alone["nll"]);
    assert!(off.abs() < 1e-6, "{off}");
    assert_eq!(
        folder
            .stdout(&format!("sample --plain -n 20 {mixed}"))
            .lines()
            .count(),
        20
    );
    // Another list may have still longer words.
    let longer = "a".repeat(100);
    folder.write(
        "longer.txt",
        format!("{longer}\nabcdefghijklmnopqrstuvwxyz\n"),
    );
    std::fs::remove_file(folder.path("m.last")).unwrap();
    folder.stdout("train -q --resume m --split 100,0,0 --data longer.txt --max-steps 5 --out n");
}

/// A step on one word of one letter has two rows, and of more such words equal ones.
#[test]
fn batches_are_normalised_however_small_they_are() {
    let folder = Folder::new();
    folder.write("one.txt", "a\n");
    for kind in NORMALISED {
        for batch in [1, 3] {
            let document = folder.json(&format!(
                "train --type {kind} --data one.txt --split 100,0,0 --json --batch-size {batch} --max-steps 30"
            ));
            assert!(number(&document["train_loss"]) < 0.3, "{kind}: {document}");
            assert_eq!(document["names"][0]["name"], "a");
        }
    }
}

/// The statistics are of a whole batch, whatever there is to compute it with.
#[test]
fn threads_do_not_change_what_is_normalised_by_batches() {
    let folder = folder();
    for kind in NORMALISED {
        for threads in [1, 3] {
            folder.stdout(&format!(
                "train --force --type {kind} {SMALL} --n-embd2 8 --threads {threads} --out {threads}"
            ));
        }
        assert!(folder.read("1") == folder.read("3"), "{kind}");
    }
}

/// A network is not replaced by one of another run, nor by a worse one.
#[test]
fn what_was_trained_before_is_not_lost() {
    let folder = folder();
    let steps = SMALL.replace(" --max-steps 40", "");
    let train = format!("train --type rnn --n-embd2 8 --preset makemore {steps}");
    folder.stdout(&format!("{train} --lr 0.02 --max-steps 200 --out a-0.1"));
    folder.stdout(&format!(
        "{train} --max-steps 40 --seed 5 --split-seed 420 --out a-0.2"
    ));
    let resume = "train --resume a-0.2 --data list.txt --max-steps 60";
    let before = folder.read("a-0.2");
    let last = folder.read("a-0.2.last");
    folder.write("a-0.2.last", folder.read("a-0.1.last"));
    let error = folder.error(resume, 1);
    assert!(
        error.contains("a-0.2: not the network of the training that a-0.2.last"),
        "{error}"
    );
    assert_eq!(folder.read("a-0.2"), before);
    folder.write("a-0.2.last", last);
    folder.stdout(resume);

    // Without the last network a new training begins, which a rate makes worse.
    let worse = "train -q --resume a-0.1 --data list.txt --max-steps 20 --lr 5 --json";
    std::fs::remove_file(folder.path("a-0.1.last")).unwrap();
    let before = folder.json("score --json --model a-0.1 --part dev --data list.txt");
    let output = folder.makemore(worse).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let after = folder.json("score --json --model a-0.1 --part dev --data list.txt");
    assert_eq!(after["nll"], before["nll"]);

    // Both hold out the same words.
    let mixed = "score --part test --json --model a-0.1 --model a-0.2 --data list.txt";
    assert_eq!(folder.json(mixed)["models"].as_array().unwrap().len(), 2);
}

#[test]
fn losses_are_drawn_and_written_for_tensorboard() {
    let folder = folder();
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
    let folder = folder();
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
    let folder = folder();
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
