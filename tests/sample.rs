//! `makemore-tch sample`

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use crate::common::{Folder, PUBLISHED_NAMES};

#[test]
fn the_published_names_highest_first() {
    assert_eq!(Folder::new().stdout("sample --seed 420"), PUBLISHED_NAMES);
}

#[test]
fn the_defaults_are_those_of_the_lecture() {
    assert_eq!(Folder::new().stdout("sample"), PUBLISHED_NAMES);
}

#[test]
fn plain_is_one_name_a_line_in_the_order_drawn() {
    assert_eq!(
        Folder::new().stdout("sample --plain"),
        "jor\nanuir\nshe\ntais\njen\n"
    );
}

/// What the notes' code prints under PyTorch 2.13: pytorch/pytorch#114945.
#[test]
fn multinomial_draws_what_todays_pytorch_draws() {
    assert_eq!(
        Folder::new().stdout("sample --plain --sampler multinomial"),
        "rarusal\nlemis\njellielielustitan\nzatzi\namanor\n"
    );
}

#[test]
fn json_has_the_names_in_full_and_whether_they_are_in_the_data() {
    let document = Folder::new().json("sample --json");
    assert_eq!(document["seed"], 420);
    let names = document["names"].as_array().unwrap();
    assert_eq!(names.len(), 5);
    assert_eq!(names[0]["name"], "jen");
    assert_eq!(names[0]["likelihood"], 0.0005491252522915602);
    let log = names[0]["log_likelihood"].as_f64().unwrap();
    assert!((log - 0.0005491252522915602_f64.ln()).abs() < 1e-6);
    assert_eq!(names[0].get("in"), Some(&serde_json::Value::Null));

    let document = Folder::new().json("sample --json -n 200");
    let known = |name: &&serde_json::Value| name["in"] == "data";
    let known = document["names"].as_array().unwrap().iter().filter(known);
    assert!(known.count() > 0, "of 200 names some are known");
}

#[test]
fn number_prefix_length_and_temperature_shape_the_names() {
    let folder = Folder::new();
    let names = folder.stdout("sample --plain -n 50 --prefix ma --max-length 6");
    assert_eq!(names.lines().count(), 50);
    assert!(
        names
            .lines()
            .all(|name| name.starts_with("ma") && name.len() <= 6)
    );
    // At the lowest temperatures only the likeliest character follows: `.a` and then `a.`.
    assert_eq!(
        folder.stdout("sample --plain -n 2 --temperature 0.01"),
        "a\na\n"
    );
    assert_eq!(folder.stdout("sample -n 0"), "");
}

#[test]
fn a_list_of_ones_own_from_a_file_or_standard_input() {
    let folder = Folder::new();
    folder.write("towns.txt", "\u{FEFF}Bad Tölz\r\n\r\nUlm\r\n");
    let names = folder.stdout("sample --data towns.txt --smoothing 0 --plain -n 20");
    assert!(
        names.lines().all(|name| name.starts_with(['B', 'U'])),
        "{names}"
    );
    assert!(names.contains("Bad Tölz"), "{names}");
    let piped = folder
        .makemore("sample --data - --smoothing 0 --plain -n 20")
        .write_stdin(folder.read("towns.txt"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(piped.stdout).unwrap(), names);
}

#[test]
fn another_boundary_where_words_have_full_stops() {
    let folder = Folder::new();
    folder.write("towns.txt", "St. Ives\nSt. Asaph\n");
    let error = folder.error("sample --data towns.txt --boundary .", 1);
    assert!(error.contains("towns.txt:1: the word has a '.'"), "{error}");
    let ways = "choose it with --boundary CHAR, or leave such lines out with --skip-bad-lines";
    assert!(error.ends_with(ways), "{error}");
    let names = folder.stdout("sample --data towns.txt --smoothing 0 --plain");
    assert!(
        names.lines().all(|name| name.starts_with("St. ")),
        "{names}"
    );
}

#[test]
fn a_network_draws_with_the_likelihoods_of_the_counts() {
    let folder = Folder::new();
    folder.stdout("train --out model.safetensors");
    assert_eq!(
        folder.stdout("sample --model model.safetensors"),
        PUBLISHED_NAMES
    );
}

/// `sample --new` and `score --part` wanted a list that had not moved.
#[test]
fn a_model_knows_its_list_and_wants_it_once_it_is_gone() {
    let folder = Folder::new();
    folder.write("towns.txt", "Ulm\nKöln\nBonn\n".repeat(10));
    let train = "train --data towns.txt --boundary $ --lowercase --split 80,0,20";
    folder.stdout(&format!("{train} --out towns.safetensors"));
    let scored = folder.stdout("sample --model towns.safetensors -n 3");
    assert_eq!(scored.matches("Likelihood for ").count(), 3);
    folder.json("score --json --part test --model towns.safetensors");
    folder.json("score --json --model towns.safetensors ULM");
    std::fs::rename(folder.path("towns.txt"), folder.path("list.txt")).unwrap();
    let error = folder.error("sample --model towns.safetensors", 1);
    assert!(
        error.contains("towns.safetensors: its vocabulary"),
        "{error}"
    );
    assert!(error.contains("--data FILE"), "{error}");
    let error = folder.error("sample --model towns.safetensors --plain --new", 1);
    assert!(error.contains("not where it was"), "{error}");
    let plain = folder.stdout("sample --model towns.safetensors --plain -n 3");
    assert_eq!(plain.lines().count(), 3);
    let scored = folder.stdout("sample --model towns.safetensors --data list.txt -n 3");
    assert_eq!(scored.matches("Likelihood for ").count(), 3);
}

#[test]
fn a_list_with_the_same_characters_is_used_with_a_remark() {
    let folder = Folder::new();
    folder.write("one.txt", "ab\nba\n");
    folder.write("two.txt", "ab\nab\n");
    folder.stdout("train --data one.txt --out one.safetensors");
    let output = folder
        .makemore("sample --model one.safetensors --data two.txt")
        .output()
        .unwrap();
    assert!(output.status.success());
    let remark = String::from_utf8(output.stderr).unwrap();
    assert!(remark.contains("was trained on another list"), "{remark}");
    let mut quiet = folder.makemore("sample --model one.safetensors --data two.txt -q");
    assert!(quiet.unwrap().stderr.is_empty());
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let folder = Folder::new();
    let mut child = folder
        .process("sample --plain -n 1000000000")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut first).unwrap();
    assert_eq!(first, "jor\n");
    drop(stdout);
    assert!(child.wait().unwrap().success());
    let mut stderr = String::new();
    child.stderr.unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(stderr, "");
}

/// They once said that smoothing is 0, which it was not.
#[test]
fn extreme_temperatures_and_smoothings_still_draw() {
    let folder = Folder::new();
    // Only the likeliest character follows.
    assert_eq!(
        folder.stdout("sample --plain -n 2 --temperature 1e-320"),
        "a\na\n"
    );
    for arguments in [
        "--temperature 1e300",
        "--smoothing 1e39",
        "--smoothing 1e308",
    ] {
        let names = folder.stdout(&format!("sample --plain -n 20 {arguments}"));
        assert_eq!(names.lines().count(), 20);
        // All characters are about equally probable.
        assert!(names.contains('x') || names.contains('q'), "{names}");
    }
}

/// A missing file once went unnoticed.
#[test]
fn data_that_would_not_be_used_is_refused() {
    let folder = Folder::new();
    folder.stdout("train --epochs 1 --out model.safetensors");
    for arguments in [
        "sample --plain --model model.safetensors --data missing.txt",
        "score --model model.safetensors --data missing.txt -- emma",
    ] {
        let error = folder.error(arguments, 1);
        assert!(error.contains("leave --data"), "{error}");
    }
}

/// A list cut in two was once another list, and one with equal counts was not.
#[test]
fn a_list_is_recognised_by_its_words_in_their_order() {
    let folder = Folder::new();
    folder.write("list.txt", "ab\nba\nab\n");
    folder.write("one.txt", "ab\r\n\r\n");
    folder.write("two.txt", "ba\nab");
    folder.write("swapped.txt", "ba\nab\nab\n");
    folder.stdout("train --data list.txt --out list.safetensors");
    let says =
        |data: &str| folder.stderr(&format!("sample --model list.safetensors --data {data}"));
    assert_eq!(says("list.txt"), "");
    assert_eq!(says("one.txt two.txt"), "");
    assert!(says("swapped.txt").contains("was trained on another list"));
}

#[test]
fn new_words_are_not_in_the_data_and_none_comes_twice() {
    let folder = Folder::new();
    let names: Vec<&str> = include_str!("../assets/names.txt").lines().collect();
    let drawn = folder.stdout("sample --plain --new --unique -n 400");
    let mut drawn: Vec<&str> = drawn.lines().collect();
    assert_eq!(drawn.len(), 400);
    assert!(drawn.iter().all(|name| !names.contains(name)));
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!(drawn.len(), 400);
    let ranked = folder.json("sample --new -n 20 --json");
    let ranked = ranked["names"].as_array().unwrap();
    assert_eq!(ranked.len(), 20);
    assert!(ranked.iter().all(|name| name["in"].is_null()));
}

#[test]
fn it_is_said_when_there_are_no_more_words() {
    let folder = Folder::new();
    folder.write("list.txt", "ab\nba\n");
    // "", a, b, aa, ab, ba, bb; of which two are in the list.
    for (wanted, all) in [("--unique", 7), ("--unique --new", 5)] {
        let sample = format!("sample --plain -n 1000 --data list.txt --max-length 2 {wanted}");
        let output = folder.makemore(&sample).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{wanted}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        let says = format!("{all} of 1000 were found");
        assert!(stderr.contains(&says), "{stderr}");
        let found = String::from_utf8(output.stdout).unwrap();
        assert_eq!(found.lines().count(), all, "{wanted}");
    }
}

#[test]
fn of_the_most_probable_alone_one_word_is_drawn() {
    let folder = Folder::new();
    let drawn = folder.stdout("sample --plain --top-k 1 -n 3 --max-length 6");
    assert_eq!(drawn, "a\n".repeat(3));
    let error = folder.error("sample --top-k 0", 2);
    assert!(error.contains("--top-k"), "{error}");
}
