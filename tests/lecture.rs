//! `makemore-tch lecture`, `devices`, `completions` and the help

use std::sync::LazyLock;

use crate::common::{Folder, rounds_as_in_the_readme};
use serde_json::{Value, json};

/// The document of the first lecture after the notes.
static FIRST: LazyLock<Value> =
    LazyLock::new(|| Folder::new().json("lecture --source notes --json"));

/// That of the whole series, with one step in each training of lectures 2 to 5.
static SERIES: LazyLock<Value> =
    LazyLock::new(|| Folder::new().json("lecture all --steps 1 --json"));

/// The figures of a document, with their section's lecture.
fn figures(document: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let sections = document["steps"].as_array().unwrap().iter();
    sections.flat_map(|section| {
        let figures = section["figures"].as_array().unwrap().iter();
        figures.map(|figure| (&section["lecture"], figure))
    })
}

/// The lines of a table of figures, each with the word that it ends with.
fn verdicts(printed: &str) -> Vec<(&str, &str)> {
    let words = ["agrees", "holds", "shown", "DIFFERS", "FAILS"];
    let lines = printed.lines().filter_map(|line| {
        let (rest, last) = line.trim_end().rsplit_once("  ")?;
        let is_verdict = words.contains(&last) || last.starts_with("within ");
        is_verdict.then_some((rest, last))
    });
    lines.collect()
}

#[test]
fn all_57_figures_of_the_first_lecture_agree() {
    let printed = Folder::new().stdout("lecture --source notes");
    let lines = verdicts(&printed);
    assert_eq!(lines.len(), 57, "{printed}");
    let verdict = "\n57 figures as published, 0 checks of ours, 0 that cannot be repeated\n";
    assert!(printed.ends_with(verdict), "{printed}");
    let (_, last) = printed.split_once("\n12. ").unwrap();
    assert!(include_str!("../README.md").contains(last), "{last}");
    // A tolerance is shown where it was needed, and nowhere else.
    let within = lines.iter().filter(|(_, word)| word.starts_with("within "));
    let differing = figures(&FIRST).filter(|(_, figure)| {
        figure["ours"] != figure["published"] && figure["published"] != "32k"
    });
    assert_eq!(within.count(), differing.count(), "{printed}");
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

/// Without `--verbose` no line runs over the edge of a terminal.
fn assert_fits(printed: &str) {
    let longest = printed
        .lines()
        .max_by_key(|line| line.chars().count())
        .unwrap();
    assert!(longest.chars().count() <= 80, "{longest}");
}

#[test]
fn a_series_ends_with_a_table_of_its_lectures() {
    let printed = Folder::new().stdout("lecture all --steps 1");
    assert_fits(&printed);
    for lecture in 1..=5 {
        let begin = format!("Lecture {lecture}: ");
        let first = printed.lines().find(|line| line.starts_with(&begin));
        let file = format!(" (tests/examples/lecture{lecture}.rs)");
        assert!(first.is_some_and(|line| line.ends_with(&file)), "{printed}");
        assert_eq!(
            row_of(&printed, lecture),
            counts(&SERIES, lecture),
            "{printed}"
        );
    }
    let (_, table) = printed.rsplit_once("\nLecture ").unwrap();
    // The heading, the lectures, an empty line, and the verdict, in two lines.
    assert_eq!(table.lines().count(), 1 + 5 + 1 + 2, "{table}");
}

/// How many figures of each kind a document has of a lecture.
fn counts(document: &Value, lecture: u8) -> [usize; 5] {
    ["same", "rounded", "tolerance", "check", "shown"].map(|kind| {
        let of_kind =
            figures(document).filter(|(of, figure)| **of == lecture && figure["kind"] == kind);
        of_kind.count()
    })
}

/// The same in the table at the end of what is printed.
fn row_of(printed: &str, lecture: u8) -> [usize; 5] {
    let (_, table) = printed.rsplit_once("\nLecture ").unwrap();
    let row = table.lines().nth(lecture.into()).unwrap();
    let numbers = row
        .split_whitespace()
        .rev()
        .map(|number| number.parse().unwrap());
    let numbers: Vec<usize> = numbers.take(6).collect();
    assert_eq!(numbers[0], 0, "{row}");
    std::array::from_fn(|place| numbers[5 - place])
}

/// The same in README's table.
fn in_the_readme(lecture: u8) -> [usize; 5] {
    let readme = include_str!("../README.md");
    let begin = format!("| {lecture} | [makemore_part{lecture}_");
    let row = readme
        .lines()
        .find(|line| line.starts_with(&begin))
        .unwrap();
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    std::array::from_fn(|place| cells[4 + place].parse().unwrap())
}

/// The figures that agree, our checks, and what is shown. How many of the first are the same to the last digit
/// depends on the processor.
fn kinds([same, rounded, tolerance, checks, shown]: [usize; 5]) -> [usize; 3] {
    [same + rounded + tolerance, checks, shown]
}

/// Other processors round other last digits, of which more may be the published ones.
fn assert_are_as_in_the_readme(ours: [usize; 5], lecture: u8) {
    let readme = in_the_readme(lecture);
    if rounds_as_in_the_readme() {
        assert!(
            ours[0] >= readme[0],
            "lecture {lecture}: {ours:?} {readme:?}"
        );
        assert_eq!(ours[1], readme[1], "lecture {lecture}");
    }
    assert_eq!(kinds(ours), kinds(readme), "lecture {lecture}");
}

/// The rest of the lectures takes minutes, see below.
#[test]
fn the_readme_counts_the_figures_of_the_first_lecture_and_no_fewer_of_the_others() {
    assert_are_as_in_the_readme(counts(&SERIES, 1), 1);
    for lecture in 2..=5 {
        let [some, all] = [counts(&SERIES, lecture), in_the_readme(lecture)].map(kinds);
        assert!(
            some.iter().zip(all).all(|(some, all)| *some <= all),
            "{lecture}: {some:?} {all:?}"
        );
    }
}

/// All steps of all lectures; for `scripts/test.sh --lectures`, which prints them while they are made.
#[test]
#[ignore = "takes minutes"]
fn the_whole_series_is_as_the_readme_says() {
    use std::io::{BufRead, BufReader};

    let folder = Folder::new();
    folder.stdout("lecture --rows all");
    let mut process = folder.process("lecture all");
    let mut series = process
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = String::new();
    for line in BufReader::new(series.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        println!("{line}");
        printed += &line;
        printed.push('\n');
    }
    assert!(series.wait().unwrap().success());
    assert_fits(&printed);
    for lecture in 1..=5 {
        assert_are_as_in_the_readme(row_of(&printed, lecture), lecture);
    }
}

/// Pipes and files, and terminals where `NO_COLOR` is set, have the words alone.
#[cfg(target_os = "linux")]
#[test]
fn figures_have_colours_on_a_terminal() {
    use std::io::Read;

    let folder = Folder::new();
    for (no_color, verdict) in [("", "\u{1b}[32magrees\u{1b}[0m"), ("1", "  agrees")] {
        let (mut ours, its) = crate::common::terminal();
        let mut process = folder.process("lecture --source notebook");
        process.env("TERM", "xterm").env("NO_COLOR", no_color);
        let mut child = process.stdout(its).spawn().unwrap();
        drop(process);
        let mut printed = Vec::new();
        // Ends with an error where the program has closed the terminal.
        let _ = ours.read_to_end(&mut printed);
        assert!(child.wait().unwrap().success());
        let printed = String::from_utf8(printed).unwrap();
        assert!(printed.contains(verdict), "{printed}");
        assert_eq!(printed.contains('\u{1b}'), no_color.is_empty(), "{printed}");
    }
}

/// What there is no room for in 80 columns.
#[test]
fn a_wide_table_has_all_of_each_figure() {
    let printed = Folder::new().stdout("lecture 4 --steps 1 --verbose");
    let cells = |name: &str| {
        let line = printed
            .lines()
            .find(|line| line.trim_start().starts_with(name));
        let cells = line.unwrap().split("  ").map(|cell| cell.trim().to_owned());
        cells.filter(|cell| !cell.is_empty()).collect::<Vec<_>>()
    };
    let loss = cells("loss_fast  ");
    assert_eq!(loss[2], "3.3377387523651123");
    assert_eq!(
        loss[4..],
        [
            "holds: within 0.2 of the published",
            "the lecture draws gain and bias from no seed",
            "makemore_part4_backprop, In [211]"
        ]
    );
    let names = cells("last names");
    assert_eq!((&*names[2], names.last().unwrap().as_str()), ("-", "-"));
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
    let bad = |(_, word): &(&str, &str)| ["DIFFERS", "FAILS"].contains(word);
    assert!(!verdicts(&printed).iter().any(bad), "{printed}");
    assert_fits(&printed);
    let verdict = "84 figures as published, 2 checks of ours, 0 that cannot be repeated\n\
                   Not compared: what is published after more steps\n";
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
        let is_published = !figure["published"].is_null();
        assert_eq!(figure["source"].is_string(), is_published, "{figure}");
        if let Some(source) = figure["source"].as_str() {
            let notebook = format!("makemore_part{lecture}_");
            let is_notes = *lecture == 1 && source.starts_with("the notes, ");
            assert!(is_notes || source.starts_with(&notebook), "{figure}");
        }
        let kind = figure["kind"].as_str().unwrap();
        assert!(is_published || kind == "check", "{figure}");
        for (key, is_expected) in [
            ("tolerance", kind == "tolerance"),
            ("check", kind == "check"),
            // Why a published figure is not simply ours.
            (
                "reason",
                is_published && !["same", "rounded"].contains(&kind),
            ),
        ] {
            assert_eq!(!figure[key].is_null(), is_expected, "{key} of {figure}");
        }
        assert_eq!(figure["agrees"].is_null(), kind == "shown", "{figure}");
        let is_bound = |text: &str| text.starts_with("at ");
        assert!(
            !figure["published"].as_str().is_some_and(is_bound),
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
}

/// A difference of 1e-8 once passed, too.
#[test]
fn all_gradients_by_hand_are_autograds_to_the_last_bit() {
    let gradients = figures(&SERIES).filter(|(_, figure)| {
        figure["source"] == "makemore_part4_backprop, In [210]" && figure["published"] == 0.0
    });
    let gradients: Vec<_> = gradients.map(|(_, figure)| figure).collect();
    assert_eq!(gradients.len(), 26);
    for figure in gradients.iter().filter(|_| rounds_as_in_the_readme()) {
        assert_eq!(
            (&figure["ours"], &figure["kind"]),
            (&json!(0.0), &json!("same")),
            "{figure}"
        );
    }
}

/// Figures of another network once counted as published.
#[test]
fn what_comes_from_no_seed_is_about_the_same_by_a_check_of_ours() {
    for (lecture, name, check) in [
        (4, "loss", "within 0.2 of the published"),
        (4, "loss_fast", "within 0.2 of the published"),
    ] {
        let mut figures = figures(&SERIES).filter(|(of, _)| **of == lecture);
        let (_, figure) = figures.find(|(_, figure)| figure["name"] == name).unwrap();
        assert_eq!(
            (&figure["kind"], &figure["check"]),
            (&json!("check"), &json!(check)),
            "{figure}"
        );
        assert!(!figure["published"].is_null());
    }
}

#[test]
fn one_source_of_the_first_lecture_can_be_chosen() {
    let folder = Folder::new();
    let notebook = folder.json("lecture --source notebook --json");
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

/// Lecture 1 had none.
#[test]
fn the_first_lecture_draws_its_heatmap_its_weights_and_its_loss() {
    let folder = Folder::new();
    for source in ["notes", "notebook"] {
        let plots = format!("--plots {source}");
        folder.stdout(&format!(
            "lecture 1 --rows distinct --source {source} {plots}"
        ));
        let read =
            |name: &str| std::fs::read(folder.path(&format!("{source}/lecture-1-{name}"))).unwrap();
        for name in ["bigrams", "weights", "loss"] {
            assert!(
                read(&format!("{name}.png")).starts_with(b"\x89PNG"),
                "{name}"
            );
        }
        let svg = |name: &str| String::from_utf8(read(&format!("{name}.svg"))).unwrap();
        let bigrams = svg("bigrams");
        assert!(bigrams.contains(">\n6763\n<") && bigrams.contains(">\nn.\n<"));
        let weights = svg("weights");
        assert!(
            weights.contains("W of the trained network") && weights.contains("log P of the counts")
        );
        // The network has learned what was counted. Untrained weights have a correlation of about 0.
        let texts = weights
            .split("<text")
            .skip(1)
            .filter(|text| text.contains("\"middle\""));
        let values = texts.filter_map(|text| text.split(['>', '<']).nth(1)?.trim().parse().ok());
        let values: Vec<f64> = values.collect();
        assert_eq!(values.len(), 2 * 27 * 27);
        let (w, log_p) = values.split_at(27 * 27);
        let product = |one: &[f64], other: &[f64]| -> f64 {
            one.iter().zip(other).map(|(one, other)| one * other).sum()
        };
        let correlation = product(w, log_p) / (product(w, w) * product(log_p, log_p)).sqrt();
        assert!(correlation > 0.9, "{correlation}");
        let loss = svg("loss");
        let last = if source == "notes" {
            "in epoch 300)"
        } else {
            "in epoch 266)"
        };
        assert!(
            loss.contains(last) && loss.contains("counting (2.4545"),
            "{loss}"
        );
    }
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
    assert!(rest.contains("loss of step 0  3.3167"), "{rest}");
    assert!(
        rest.ends_with(
            "25 figures as published, 2 checks of ours, 0 that cannot be repeated\nEnded before the rest\n"
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
    let has_none = printed.contains("nccl     cannot be used: ");
    assert_eq!(
        document["processes"]["nccl"].is_null(),
        has_none,
        "{printed}"
    );
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
