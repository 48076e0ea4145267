//! `makemore-tch lecture`, `devices`, `completions` and the help

use std::sync::LazyLock;

use crate::common::Folder;
use serde_json::Value;

/// The document of the first lecture after the notes.
static FIRST: LazyLock<Value> =
    LazyLock::new(|| Folder::new().json("lecture --source notes --rows distinct --json"));

/// That of the whole series, with one step in each training of lectures 2 to 5.
static SERIES: LazyLock<Value> =
    LazyLock::new(|| Folder::new().json("lecture all --steps 1 --rows distinct --json"));

/// The figures of a document, with their section's lecture.
fn figures(document: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let sections = document["steps"].as_array().unwrap().iter();
    sections.flat_map(|section| {
        let figures = section["figures"].as_array().unwrap().iter();
        figures.map(|figure| (&section["lecture"], figure))
    })
}

#[test]
fn all_57_figures_of_the_first_lecture_agree() {
    let printed = Folder::new().stdout("lecture --source notes --rows distinct");
    let lines = |word: &str| printed.lines().filter(|line| line.contains(word)).count();
    assert_eq!((lines(" agrees"), lines("AGREE")), (57, 0), "{printed}");
    let verdict = "\n57 figures as published, 0 checks of ours, 0 that no seed repeats\n";
    assert!(printed.ends_with(verdict), "{printed}");
    // A tolerance is shown where it was needed, and nowhere else.
    for line in printed.lines().filter(|line| line.contains(" agrees")) {
        let (ours, published) = line.split_once(" published ").unwrap();
        let published = published.split_once(" agrees").unwrap().0.trim();
        let is_other = !ours.trim_end().ends_with(published) && published != "32k";
        assert_eq!(line.contains("(within "), is_other, "{line}");
    }
    let document = &*FIRST;
    assert_eq!(document["agrees"], true);
    assert_eq!(document["steps"].as_array().unwrap().len(), 12);
    assert_eq!(figures(document).count(), 57);
    for (_, figure) in figures(document) {
        assert_eq!(figure["agrees"], true, "{figure}");
    }
}

/// They were texts, which a reader of the document had to parse.
#[test]
fn figures_that_are_numbers_are_numbers_in_the_document() {
    for (name, published) in [
        ("bigrams", 228_146.0),
        ("mean loss of emma", 3.6984527111053467),
        ("W.grad[0, 0]", 0.002339),
        ("loss of epoch 300", 2.459399700164795),
    ] {
        let mut figures = figures(&FIRST);
        let (_, figure) = figures.find(|(_, figure)| figure["name"] == name).unwrap();
        for (key, tolerance) in [("published", 1e-12), ("ours", 1e-6)] {
            let off = figure[key].as_f64().unwrap() - published;
            assert!(off.abs() < tolerance, "{figure}");
        }
    }
}

/// They were texts.
#[test]
fn figures_of_the_lectures_are_numbers_where_they_are_numbers() {
    let steps = FIRST["steps"].as_array().unwrap().iter();
    let figures = steps.flat_map(|step| step["figures"].as_array().unwrap());
    let values = figures.flat_map(|figure| [&figure["ours"], &figure["published"]]);
    let values: Vec<&Value> = values.collect();
    assert!(values.iter().filter(|value| value.is_number()).count() > 50);
    for text in values.iter().filter_map(|value| value.as_str()) {
        assert!(text.parse::<f64>().is_err(), "{text}");
    }
}

/// What is published up to step 1,001 of all lectures; the losses of later steps and what is
/// published at the end take minutes, see scripts/test.sh --lectures.
#[test]
fn the_rest_of_the_series_agrees_as_far_as_it_goes() {
    let folder = Folder::new();
    assert_eq!(SERIES["agrees"], true);
    assert_eq!(SERIES["complete"], true);
    for (lecture, count) in [(1, 153), (2, 4), (3, 23), (4, 67), (5, 27)] {
        let of_lecture = figures(&SERIES).filter(|(other, _)| **other == lecture);
        assert_eq!(of_lecture.count(), count, "{lecture}");
    }
    let printed = folder.stdout("lecture 3 --steps 1001 --plots pictures");
    assert!(!printed.contains("DOES NOT AGREE"), "{printed}");
    let verdict = "84 figures as published, 2 checks of ours, 0 that no seed repeats; not compared: \
                   what is published after more steps\n";
    assert!(printed.ends_with(verdict), "{printed}");
    for published in ["2.640702e-03", "2.4002976417541504", "arciigqeiunellaia"] {
        assert!(printed.contains(published), "{published}");
    }
    assert_eq!(
        std::fs::read_dir(folder.path("pictures")).unwrap().count(),
        10
    );
}

/// Bounds of ours once stood where the published figures stand.
#[test]
fn each_figure_says_where_it_is_published_and_how_it_is_compared() {
    for (lecture, figure) in figures(&SERIES) {
        let source = figure["source"].as_str().unwrap();
        let notebook = format!("makemore_part{lecture}_");
        let is_notes = *lecture == 1 && source.starts_with("the notes, ");
        assert!(is_notes || source.starts_with(&notebook), "{figure}");
        let kind = figure["kind"].as_str().unwrap();
        for (key, kinds) in [
            ("tolerance", &["tolerance"][..]),
            ("reason", &["tolerance", "shown"]),
            ("check", &["check"]),
        ] {
            let is_there = !figure[key].is_null();
            assert_eq!(is_there, kinds.contains(&kind), "{key} of {figure}");
        }
        assert_eq!(figure["agrees"].is_null(), kind == "shown", "{figure}");
        let is_bound = |text: &str| text.starts_with("at ");
        assert!(
            !figure["published"].as_str().is_some_and(is_bound),
            "{figure}"
        );
        assert!(
            kind == "check" || !figure["published"].is_null(),
            "{figure}"
        );
        if kind == "tolerance" {
            let off = figure["difference"].as_f64().unwrap().abs();
            assert!(off <= figure["tolerance"].as_f64().unwrap(), "{figure}");
        }
        if kind == "same" && figure["ours"].is_number() {
            assert_eq!(figure["difference"], 0.0, "{figure}");
        }
    }
    let gradients = figures(&SERIES).filter(|(_, figure)| {
        figure["source"] == "makemore_part4_backprop, In [210]" && figure["published"] == 0.0
    });
    assert_eq!(gradients.count(), 26);
}

#[test]
fn one_source_of_the_first_lecture_can_be_chosen() {
    let folder = Folder::new();
    let notebook = folder.json("lecture --source notebook --rows distinct --json");
    let find = |name: &str| {
        let mut figures = figures(&notebook);
        figures
            .find(|(_, figure)| figure["name"] == name)
            .unwrap()
            .1
    };
    assert_eq!(
        find("loss after four steps")["published"],
        3.6891887187957764
    );
    assert_eq!(find("average NLL")["kind"], "shown");
    assert_eq!(find("average NLL")["ours"], 2.4543561935424805);
    let both = figures(&SERIES).filter(|(lecture, _)| **lecture == 1);
    let notes = figures(&FIRST).count();
    assert_eq!(both.count(), notes + figures(&notebook).count());
    let (_, first) = figures(&SERIES).next().unwrap();
    assert_eq!(first["source"], "the notes, Load data");
}

#[test]
fn pictures_are_written_twice() {
    let folder = Folder::new();
    folder.stdout("lecture 4 --steps 1 --plots new/pictures");
    let read = |ending: &str| {
        let name = format!("new/pictures/lecture-4-logit-gradients.{ending}");
        std::fs::read(folder.path(&name)).unwrap()
    };
    assert!(read("png").starts_with(b"\x89PNG"));
    assert!(read("svg").starts_with(b"<svg"));
}

/// What printing meets does not shorten the work that is kept.
#[cfg(unix)]
#[test]
fn pictures_are_written_though_nobody_reads_the_figures() {
    let folder = Folder::new();
    let mut lecture = folder
        .process("lecture 4 --steps 1 --plots pictures")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(lecture.stdout.take());
    assert_eq!(lecture.wait().unwrap().code(), Some(0));
    assert!(
        folder
            .path("pictures/lecture-4-logit-gradients.svg")
            .exists()
    );
}

#[cfg(unix)]
#[test]
fn two_pictures_do_not_become_one_file() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("pictures")).unwrap();
    let link = folder.path("pictures/lecture-2-embedding.png");
    std::os::unix::fs::symlink("lecture-2-loss.png", link).unwrap();
    let error = folder.error("lecture 2 --steps 1 --plots pictures", 1);
    assert!(error.contains("are the same file"), "{error}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_with_what_was_checked_so_far() {
    use std::io::{BufRead, BufReader, Read};

    let folder = Folder::new();
    let mut lecture = folder
        .process("lecture 5")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = BufReader::new(lecture.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("76579") {
        line.clear();
        assert_ne!(printed.read_line(&mut line).unwrap(), 0);
    }
    // The training begins after that line.
    std::thread::sleep(std::time::Duration::from_secs(1));
    // SAFETY: sends a signal to our own child.
    unsafe { libc::kill(lecture.id() as libc::pid_t, libc::SIGINT) };
    let mut rest = String::new();
    printed.read_to_string(&mut rest).unwrap();
    assert!(
        rest.contains("loss of step 0             ours 3.3167"),
        "{rest}"
    );
    assert!(
        rest.ends_with(
            "25 figures as published, 2 checks of ours, 0 that no seed repeats; ended before the rest\n"
        ),
        "{rest}"
    );
    assert_eq!(lecture.wait().unwrap().code(), Some(130));
}

#[test]
fn devices_tell_what_can_be_used_and_why_not() {
    let folder = Folder::new();
    let printed = folder.stdout("devices");
    assert!(printed.contains("libtorch 2.13.0\n"), "{printed}");
    assert!(printed.contains("cpu      can be used\n"), "{printed}");
    assert!(
        printed.contains("threads  1 for small matrices, ")
            && printed.contains(" to count a list; "),
        "{printed}"
    );
    let document = folder.json("devices --json --threads 2");
    assert_eq!(document["threads"], 2);
    for device in document["devices"].as_array().unwrap() {
        assert_eq!(
            device["usable"] == true,
            device["reason"].is_null(),
            "{device}"
        );
    }
}

/// What is not wrapped runs over the edge of a terminal.
#[test]
fn help_is_wrapped_and_what_most_users_need_comes_first() {
    let folder = Folder::new();
    let output = folder
        .makemore("sample --help")
        .env("COLUMNS", "80")
        .output()
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let (_, options) = help.split_once("Options:").unwrap();
    let (options, _) = options.split_once("Examples:").unwrap();
    assert!(
        options.lines().all(|line| line.chars().count() <= 80),
        "{options}"
    );
    let place = |flag: &str| options.find(flag).unwrap();
    let flags = [
        "--number",
        "--prefix",
        "--data",
        "--boundary",
        "--model",
        "--smoothing",
        "--plain",
        "--sampler",
        "--threads",
    ];
    assert!(flags.map(place).is_sorted(), "{options}");
}
