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
