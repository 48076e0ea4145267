//! `makemore-tch count`

mod common;

use common::Folder;

#[test]
fn the_five_most_common_bigrams_and_the_sizes() {
    assert_eq!(
        Folder::new().stdout("count"),
        "\
Frequency of n.: 6763
Frequency of a.: 6640
Frequency of an: 5438
Frequency of .a: 4410
Frequency of e.: 3983
Words: 32033
Bigrams: 228146
Vocabulary: 27 characters
"
    );
}

#[test]
fn json_has_the_whole_matrix() {
    let document = Folder::new().json("count --json --top 2");
    assert_eq!(document["words"], 32033);
    assert_eq!(document["bigrams"], 228146);
    assert_eq!(document["vocabulary"][0], ".");
    assert_eq!(document["vocabulary"][26], "z");
    assert_eq!(document["top"].as_array().unwrap().len(), 2);
    assert_eq!(document["top"][0]["bigram"], "n.");
    assert_eq!(document["top"][0]["count"], 6763);
    let matrix = document["matrix"].as_array().unwrap();
    assert_eq!(matrix.len(), 27);
    assert_eq!(matrix[14][0], 6763);
    let row = |row: &serde_json::Value| -> u64 {
        let row = row.as_array().unwrap().iter();
        row.map(|count| count.as_u64().unwrap()).sum()
    };
    assert_eq!(matrix.iter().map(row).sum::<u64>(), 228146);
}

#[test]
fn equally_common_bigrams_are_in_the_order_of_the_vocabulary() {
    let folder = Folder::new();
    folder.write("list.txt", "ba\nab\n");
    let printed = folder.stdout("count --data list.txt --top 3");
    assert!(printed.starts_with("Frequency of .a: 1\nFrequency of .b: 1\nFrequency of a.: 1\n"));
}

#[test]
fn any_language() {
    let folder = Folder::new();
    folder.write("list.txt", "東京\n京都\n🦀\n");
    let document = folder.json("count --data list.txt --json");
    assert_eq!(
        document["vocabulary"].to_string(),
        r#"[".","京","東","都","🦀"]"#
    );
}

/// Each space was once looked at again from each space before it: this took hours.
#[test]
fn lines_full_of_spaces_take_no_longer_than_letters() {
    let folder = Folder::new();
    let spaces = " ".repeat(60_000);
    folder.write(
        "list.txt",
        format!("é{spaces}é\n{spaces}é{spaces}\n").repeat(50),
    );
    let start = std::time::Instant::now();
    let printed = folder.stdout("count --data list.txt --top 1");
    assert!(
        printed.contains("Frequency of   : 2999950\nWords: 100\n"),
        "{printed}"
    );
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
fn the_longest_word_is_counted_and_a_longer_one_refused() {
    let folder = Folder::new();
    folder.write("list.txt", "ab".repeat(32_768));
    let printed = folder.stdout("count --data list.txt --top 1");
    assert!(
        printed.starts_with("Frequency of ab: 32768\nWords: 1\n"),
        "{printed}"
    );
    for length in [65_537, 10_000_000] {
        folder.write("list.txt", format!("ok\n{}", "a".repeat(length)));
        let error = folder.error("count --data list.txt", 1);
        assert!(
            error.contains("list.txt:2: the word is too long; 65536 characters"),
            "{error}"
        );
    }
}

/// Each list, what its error names, and nothing on standard output.
#[test]
fn lists_that_cannot_be_used_are_refused_in_one_line() {
    let folder = Folder::new();
    folder.write("binary", b"\x00\x01\x02\xFF");
    folder.write("latin1.txt", b"emma\nzo\xEB\n");
    folder.write("tab.txt", "emma\nan\tna\n");
    folder.write("dot.txt", "emma\nst. ives\n");
    folder.write("empty.txt", "");
    folder.write("blank.txt", "\u{FEFF}\r\n \n\n");
    std::fs::create_dir(folder.path("folder")).unwrap();
    let characters = ('\u{4E00}'..).take(4097);
    let many: String = characters.flat_map(|character| [character, '\n']).collect();
    folder.write("many.txt", many);
    for (list, expected) in [
        ("binary", "binary:1: not valid UTF-8"),
        (
            "latin1.txt",
            "latin1.txt:2: not valid UTF-8; save the list as UTF-8",
        ),
        ("tab.txt", "tab.txt:2: a control character (U+0009)"),
        ("dot.txt", "dot.txt:2: the word has a '.'"),
        ("empty.txt", "empty.txt: no words"),
        ("blank.txt", "blank.txt: no words"),
        ("missing.txt", "cannot read missing.txt: No such file"),
        ("folder", "folder is a folder"),
        (
            "many.txt",
            "many.txt:4097: more than 4096 distinct characters",
        ),
    ] {
        let error = folder.error(&format!("count --data {list}"), 1);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn every_command_reads_lists_alike_and_leaves_nothing_behind_on_a_bad_one() {
    let folder = Folder::new();
    folder.write("list.txt", "emma\n\nst. ives\n");
    for command in ["sample", "score", "lecture", "train", "heatmap out.png"] {
        let error = folder.error(&format!("{command} --data list.txt"), 1);
        assert!(
            error.contains("list.txt:3: the word has a '.'"),
            "{command}: {error}"
        );
    }
    assert_eq!(folder.files(), ["list.txt"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_no_panic() {
    let folder = Folder::new();
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let program = folder.makemore("").get_program().to_owned();
    let mut command = std::process::Command::new(program);
    let output = command.arg("count").stdout(full).output().unwrap();
    let error = common::error_of(&output, 1);
    assert!(error.contains("No space left on device"), "{error}");
}
