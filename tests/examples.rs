//! The lectures in plain `tch`, `tests/examples/`: what they print, beside what the notes and the notebooks
//! do. They take few steps here; without an argument each takes as many as its lecture.

use std::env::{consts::EXE_SUFFIX, current_exe};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use crate::common::{Folder, rounds_as_in_the_readme};

/// All lectures, as the program replays their first steps.
static SERIES: LazyLock<Value> =
    LazyLock::new(|| Folder::new().json("lecture all --steps 1 --json"));

/// The longest example, in lines.
const LONGEST: usize = 120;

/// The source of an example.
fn source(lecture: u8) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    tests.join(format!("examples/lecture{lecture}.rs"))
}

/// The lines that an example prints. `cargo test` builds it into the folder beside that of the tests.
fn printed(lecture: u8, steps: &str) -> Vec<String> {
    let tests = current_exe().unwrap();
    let folder = tests.parent().unwrap().with_file_name("examples");
    let program = folder.join(format!("lecture{lecture}{EXE_SUFFIX}"));
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
    let is_new = changed(&program).is_ok_and(|built| built >= changed(&source(lecture)).unwrap());
    assert!(
        is_new,
        "{program:?} is not built: cargo build --release --examples"
    );
    let output = Command::new(program).arg(steps).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    printed.lines().map(str::to_owned).collect()
}

/// Whether a line is the published one, word by word; numbers may differ by a millionth of them, because
/// processors round sums differently.
fn agrees(line: &str, published: &str) -> bool {
    let line: Vec<&str> = line.split_whitespace().collect();
    let published: Vec<&str> = published.split_whitespace().collect();
    let number = |word: &str| word.parse::<f64>();
    let is_near = |ours: &str, published: &str| match (number(ours), number(published)) {
        (Ok(ours), Ok(published)) => (ours - published).abs() <= 1e-6 * published.abs(),
        _ => ours == published,
    };
    let mut pairs = line.iter().zip(&published);
    line.len() == published.len() && pairs.all(|(ours, published)| is_near(ours, published))
}

/// The first lines are the published ones.
fn assert_agree(lines: &[String], published: &[&str]) {
    assert!(lines.len() >= published.len(), "{lines:#?}");
    for (line, published) in lines.iter().zip(published) {
        assert!(agrees(line, published), "{line}, published: {published}");
    }
}

/// The loss in a line such as `val 2.1057`.
fn loss(lines: &[String], split: &str) -> f64 {
    let mut losses = lines.iter().filter_map(|line| line.strip_prefix(split));
    losses.next().unwrap().trim().parse().unwrap()
}

#[test]
fn the_first_example_prints_what_the_notes_do() {
    let published = [
        "Frequency of n.: 6763",
        "Frequency of a.: 6640",
        "Frequency of an: 5438",
        "Frequency of .a: 4410",
        "Frequency of e.: 3983",
        "probability for .g: 0.0209",
        "probability for go: 0.0430",
        "probability for oo: 0.0146",
        "probability for od: 0.0240",
        "probability for d.: 0.0936",
        "Likelihood for good is: 2.9399e-08",
        "Likelihood for jen: 0.0005491252522915602",
        "Likelihood for jor: 0.0001786774955689907",
        "Likelihood for she: 0.00017446796118747443",
        "Likelihood for tais: 3.90183367926511e-06",
        "Likelihood for anuir: 2.335933579900029e-08",
        "Average negative log-likelihood: 2.454579",
        "Overall loss: 3.637367010116577",
        "Epochs: 0, loss: 3.6365137100219727",
    ];
    assert_agree(&printed(1, "1"), &published);
}

#[test]
fn the_second_example_splits_as_the_notebook_and_learns() {
    let lines = printed(2, "1001");
    let published = [
        "[182441, 3] [182441]",
        "[22902, 3] [22902]",
        "[22803, 3] [22803]",
        "11897",
    ];
    assert_agree(&lines, &published);
    // It begins near 27; no seed repeats the notebook's batches.
    assert!(loss(&lines, "dev ") < 5.0, "{lines:#?}");
    assert_eq!(lines.len(), 4 + 2 + 20);
}

#[test]
fn the_third_example_prints_what_the_notebook_does_and_learns() {
    let lines = printed(3, "501");
    let published = [
        "[182625, 3] [182625]",
        "[22655, 3] [22655]",
        "[22866, 3] [22866]",
        "12097",
        "0/ 501: 3.3239",
    ];
    assert_agree(&lines, &published);
    assert!(loss(&lines, "val ") < 2.7, "{lines:#?}");
    let published = [
        "a 0.9875972270965576",
        "b 1.0006722211837769",
        "c 31.01241683959961",
        "c.grad 0.9782556295394897",
        "a.grad 30.8818302154541",
        "b.grad 0.9666601419448853",
    ];
    assert_agree(&lines[7..], &published);
}

#[test]
fn the_fourth_example_derives_every_gradient_by_hand() {
    let lines = printed(4, "");
    assert_eq!(lines[0], "4137");
    let gradients: Vec<_> = lines.iter().filter(|line| line.contains('|')).collect();
    // All of exercise 1, and one each of exercises 2 and 3.
    assert_eq!(gradients.len(), 26 + 2);
    for (place, line) in gradients.into_iter().enumerate() {
        let (_, off) = line.split_once("maxdiff: ").unwrap();
        let off: f64 = off.parse().unwrap();
        assert!(line.contains("approximate: true"), "{line}");
        match place < 26 {
            true if rounds_as_in_the_readme() => {
                assert!(line.contains("exact: true") && off == 0.0, "{line}");
            }
            // Simplified on paper, or on another processor, so that it is rounded otherwise. It is at most 1/32, where floats are 1.9e-9
            // apart.
            _ => assert!(off <= 1e-8, "{line}"),
        }
    }
}

#[test]
fn the_fifth_example_prints_what_the_notebook_does_and_learns() {
    let lines = printed(5, "101");
    let published = [
        "[182625, 8] [182625]",
        "[22655, 8] [22655]",
        "[22866, 8] [22866]",
        "76579",
        "0/ 101: 3.3167",
    ];
    assert_agree(&lines, &published);
    assert!(loss(&lines, "val ") < 2.8, "{lines:#?}");
    assert_eq!(lines.len(), 5 + 2 + 20);
}

#[test]
fn an_example_is_short_and_names_nothing_of_this_crate() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    for lecture in 1..=5 {
        let text = fs::read_to_string(source(lecture)).unwrap();
        let lines = text.lines().count();
        assert!(lines <= LONGEST, "lecture{lecture}.rs has {lines} lines");
        assert!(!text.contains("makemore_tch"), "lecture{lecture}.rs");
        let link = format!("(tests/examples/lecture{lecture}.rs)");
        assert!(readme.contains(&link), "{link}");
    }
}

/// The names of sections in the comments of an example: `// P = N.float()  [Probabilities]`.
fn sections(text: &str) -> Vec<&str> {
    let comments = text.lines().filter_map(|line| line.split_once("//"));
    let named = comments.flat_map(|(_, comment)| comment.split("  [").skip(1));
    named.map(|name| name.split_once(']').unwrap().0).collect()
}

#[test]
fn the_program_shows_the_lines_of_each_section_that_an_example_has() {
    for lecture in 1..=5 {
        let text = fs::read_to_string(source(lecture)).unwrap();
        let mut named = sections(&text);
        named.sort();
        named.dedup();
        let mut shown = Vec::new();
        for section in SERIES["steps"].as_array().unwrap() {
            let code = section["code"].as_array().unwrap();
            if section["lecture"] != lecture || code.is_empty() {
                continue;
            }
            shown.push(section["title"].as_str().unwrap());
            let code = || code.iter().map(|line| line.as_str().unwrap());
            let lines = || code().filter(|line| *line != "…");
            assert!((1..=3).contains(&lines().count()), "{section}");
            let (file, number) = section["code_at"]
                .as_str()
                .unwrap()
                .split_once(':')
                .unwrap();
            assert!(source(lecture).ends_with(file), "{section}");
            let first = text.lines().nth(number.parse::<usize>().unwrap() - 1);
            assert!(first.unwrap().contains(code().next().unwrap()), "{section}");
            for line in lines() {
                let line = line.trim_start();
                assert!(text.contains(line) && line.len() <= 75, "{line}");
            }
        }
        // They come after all steps.
        if [2, 5].contains(&lecture) {
            shown.push("Names");
        }
        shown.sort();
        assert_eq!(named, shown, "lecture {lecture}");
    }
}

/// What a section is about once fell to lines beside it.
#[test]
fn the_decisive_lines_are_shown() {
    for (lecture, title, expected) in [
        (
            2,
            "The network",
            [".matmul(&w1)", ".tanh()", ".matmul(&w2)"],
        ),
        (
            2,
            "Training",
            ["cross_entropy", "loss.backward()", "lr * p.grad()"],
        ),
        (
            3,
            "One hidden layer",
            ["let bnmeani", "let bnstdi", "0.999 * bnmean_running"],
        ),
        (
            5,
            "The network",
            ["x.view([b, t / 2, c * 2])", "let xhat", ".tanh()"],
        ),
        (
            5,
            "Training",
            ["cross_entropy", "loss.backward()", "lr * p.grad()"],
        ),
    ] {
        let mut sections = SERIES["steps"].as_array().unwrap().iter();
        let section =
            sections.find(|section| section["lecture"] == lecture && section["title"] == title);
        let code = section.unwrap()["code"].to_string();
        assert!(expected.iter().all(|line| code.contains(line)), "{code}");
    }
}

/// What an example computes has its lines; the rest is not in it. Lines of a loop without regularization once stood
/// above the training of lecture 1's notebook, which has it.
#[test]
fn only_these_sections_have_no_lines() {
    let sections = SERIES["steps"].as_array().unwrap().iter();
    let without = sections.filter(|section| section["code"].as_array().unwrap().is_empty());
    let without = without.map(|section| {
        (
            section["lecture"].as_u64().unwrap(),
            section["title"].as_str().unwrap(),
        )
    });
    assert_eq!(
        without.collect::<Vec<_>>(),
        [
            (1, "The bigrams of emma"),
            (1, "The first character"),
            (1, "Drawing"),
            (1, "The notebook's log-likelihood"),
            (1, "The notebook's bigrams of emma"),
            (1, "The notebook's training"),
            (3, "The same with batch normalisation"),
            (3, "Six layers"),
            (4, "Exercise 4: training by hand"),
        ]
    );
}

/// What the other tests find to agree does not always.
#[test]
fn another_number_or_word_does_not_agree() {
    assert!(agrees(
        "loss: 3.637366533279419",
        "loss:  3.637367010116577"
    ));
    for other in ["loss: 3.6373", "loss 3.637367010116577", "loss:", ""] {
        assert!(!agrees(other, "loss: 3.637367010116577"), "{other}");
    }
}
