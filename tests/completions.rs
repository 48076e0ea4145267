//! `makemore-tch completions bash`, in a bash that sources it and presses the tab key

use std::process::Command;

use crate::common::Folder;

/// What bash offers for the last of some words, which may be empty.
fn offers(words: &[&str]) -> Vec<String> {
    let folder = Folder::new();
    folder.write("completions", folder.stdout("completions bash"));
    let script = r#"
        source ./completions
        function=$(complete -p makemore-tch | sed 's/.* -F \([^ ]*\).*/\1/')
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        COMPREPLY=()
        "$function" makemore-tch "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let bash = Command::new("bash")
        .args(["--norc", "-c", script, "bash"])
        .args(words)
        .current_dir(folder.path(""))
        .output()
        .unwrap();
    assert!(bash.status.success(), "{bash:?}");
    let offers = String::from_utf8(bash.stdout).unwrap();
    offers.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_the_commands() {
    let offers = offers(&["makemore-tch", ""]);
    for command in [
        "train", "sample", "score", "count", "heatmap", "lecture", "devices",
    ] {
        assert!(offers.iter().any(|offer| offer == command), "{offers:?}");
    }
    assert!(!offers.iter().any(|offer| offer == "--rows"), "{offers:?}");
}

/// It completed nothing: <https://github.com/clap-rs/clap/issues/6421>.
#[test]
fn bash_completes_the_flags_and_values_of_a_command() {
    let flags = offers(&["makemore-tch", "train", "--"]);
    for flag in ["--epochs", "--rows", "--out", "--quiet"] {
        assert!(flags.iter().any(|offer| offer == flag), "{flags:?}");
    }
    assert!(
        flags.iter().all(|offer| offer.starts_with("--")),
        "{flags:?}"
    );
    assert_eq!(
        offers(&["makemore-tch", "train", "--rows", ""]),
        ["distinct", "all"]
    );
    assert_eq!(offers(&["makemore-tch", "train", "--rows", "a"]), ["all"]);
}
