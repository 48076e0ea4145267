//! `makemore-tch sample`

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use crate::common::Folder;

/// The names of the notes, whose likelihoods `train` and `--json` print to the last digit.
const NAMES: &str = "\
Likelihood for jen: 5.4913e-04, NLL per character: 1.8768
Likelihood for jor: 1.7868e-04, NLL per character: 2.1575
Likelihood for she: 1.7447e-04, NLL per character: 2.1634
Likelihood for tais: 3.9018e-06, NLL per character: 2.4908
Likelihood for anuir: 2.3359e-08, NLL per character: 2.9287
";

#[test]
fn the_published_names_highest_first() {
    assert_eq!(Folder::new().stdout("sample --seed 420"), NAMES);
}

#[test]
fn the_defaults_are_those_of_the_lecture() {
    assert_eq!(Folder::new().stdout("sample"), NAMES);
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

#[test]
fn it_is_said_when_there_are_no_more_words() {
    let folder = Folder::new();
    folder.write("list.txt", "ab\nba\n");
    // "", a, b, aa, ab, ba, bb; of which two are in the list, and the empty one is never new.
    for (wanted, all) in [("--unique", 7), ("--unique --new", 4)] {
        let sample =
            format!("sample --plain -n 1000 --data list.txt --order 2 --max-length 2 {wanted}");
        let output = folder.makemore(&sample).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{wanted}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        let says = format!("{all} of 1000 were found");
        assert!(stderr.contains(&says), "{stderr}");
        let found = String::from_utf8(output.stdout).unwrap();
        assert_eq!(found.lines().count(), all, "{wanted}");
    }
}

/// It ended without a word, and what had been tried was lost.
#[cfg(unix)]
#[test]
fn after_ctrl_c_more_draws_by_the_ngrams() {
    use std::io::BufRead;

    let folder = Folder::new();
    let mut more = folder
        .process("more --minutes 5 -n 3")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(more.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("n-grams of order 6")));
    // SAFETY: sends a signal to a process that was not waited for yet.
    assert_eq!(unsafe { libc::kill(more.id() as i32, libc::SIGINT) }, 0);
    let told: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(told[0].starts_with("stopping"), "{told:?}");
    let output = more.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let words = String::from_utf8(output.stdout).unwrap();
    assert_eq!(words.lines().count(), 3, "{words}");
}

/// It was silent for minutes, and Ctrl-C lost what was found.
#[cfg(unix)]
#[test]
fn a_long_search_says_so_and_ctrl_c_prints_what_was_found() {
    let folder = Folder::new();
    folder.stdout("train --type bow --max-steps 1 --out bow.st");
    let search = "sample --most-probable --plain -n 2 --model bow.st --matching a|.*qxqxqxqxq";
    for sorted in ["", " --sort probability"] {
        let mut search = folder
            .process(&format!("{search}{sorted}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(search.stderr.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("may take minutes")));
        // SAFETY: sends a signal to a process that was not waited for yet.
        assert_eq!(unsafe { libc::kill(search.id() as i32, libc::SIGINT) }, 0);
        let output = search.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130));
        let found = String::from_utf8(output.stdout).unwrap();
        assert_eq!(found, "a\n", "{sorted}");
    }
}
