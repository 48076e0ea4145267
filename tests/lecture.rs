//! `makemore-tch lecture`, `devices`, `completions` and the help

mod common;

use common::Folder;

#[test]
fn every_figure_agrees_with_the_notes() {
    let printed = Folder::new().stdout("lecture --rows distinct");
    assert!(!printed.contains("DOES NOT AGREE"), "{printed}");
    for published in [
        "2.454579",
        "[228146, 27]",
        "3.6984527",
        "2.459399700164795",
        "2.4834",
        "anuir",
    ] {
        assert!(printed.contains(published), "{published}");
    }
    let document = Folder::new().json("lecture --rows distinct --json");
    assert_eq!(document["agrees"], true);
    assert_eq!(document["steps"].as_array().unwrap().len(), 12);
}

#[test]
fn other_data_does_not_agree_and_exits_with_1() {
    let folder = Folder::new();
    folder.write("list.txt", "good\nemma\nanna\njoris\nhe\n");
    let output = folder
        .makemore("lecture --rows distinct --data list.txt")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("DOES NOT AGREE"), "{printed}");
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

#[test]
fn completions_for_each_shell_name_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = Folder::new().stdout(&format!("completions {shell}"));
        assert!(
            script.contains("heatmap") && script.contains("max-length"),
            "{shell}"
        );
    }
}

#[test]
fn the_help_of_every_command_shows_an_example() {
    let folder = Folder::new();
    assert!(folder.stdout("--help").contains("Examples:"));
    for command in [
        "train",
        "sample",
        "score",
        "count",
        "heatmap",
        "lecture",
        "devices",
        "completions",
    ] {
        let help = folder.stdout(&format!("{command} --help"));
        assert!(help.contains("Example"), "{command}");
        assert!(
            help.contains(&format!("  makemore-tch {command}")),
            "{command}"
        );
    }
}

/// What is not wrapped runs over the edge of a terminal.
#[test]
fn help_is_wrapped_and_common_flags_come_last() {
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
    let common = [
        "--data",
        "--boundary",
        "--smoothing",
        "--json",
        "--quiet",
        "--threads",
    ];
    assert!(common.map(place).is_sorted(), "{options}");
    for own in ["--seed", "--number", "--plain", "--max-length"] {
        assert!(place(own) < place("--data"), "{options}");
    }
}
