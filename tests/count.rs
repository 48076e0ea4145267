//! `makemore-tch count`

use crate::common::{Folder, error_of};

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
Words that occur more than once: 2539
Bigrams: 228146
Vocabulary: 27 characters: .abcdefghijklmnopqrstuvwxyz
"
    );
}

#[test]
fn json_has_the_whole_matrix() {
    let document = Folder::new().json("count --json --top 2");
    assert_eq!(document["words"], 32033);
    assert_eq!(document["ngrams"], 228146);
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
            "latin1.txt:2: not valid UTF-8; saving the list as UTF-8 would work; --encoding latin1 (or its own) reads it, --skip-bad-lines leaves such lines out",
        ),
        ("tab.txt", "tab.txt:2: a control character (U+0009, a tab)"),
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
    folder.write("list.txt", "emma\n\nan\tna\n");
    for command in ["sample", "score", "train", "heatmap out.png"] {
        let error = folder.error(&format!("{command} --data list.txt"), 1);
        assert!(
            error.contains("list.txt:3: a control character (U+0009, a tab)"),
            "{command}: {error}"
        );
    }
    assert_eq!(folder.files(), ["list.txt"]);
}

/// A list with counts was learned with its commas and digits.
#[test]
fn columns_are_named_where_a_list_looks_like_them_and_read_once_they_are_named() {
    let folder = Folder::new();
    folder.write("yob.txt", "Brand,M,193\nHoud,M,37\nEdvin,M,1\nBrand,F,7\n");
    let told = folder.makemore("count --data yob.txt").output().unwrap();
    let told = String::from_utf8(told.stderr).unwrap();
    assert!(told.contains("--columns 1,3 would read them"), "{told}");
    let document = folder.json("count --json --data yob.txt --columns 1,3");
    assert_eq!(document["words"], 238);
    assert_eq!(document["vocabulary"].as_array().unwrap().len(), 12);
    folder.write("top.csv", "name;share\nBrand;3.318\n");
    let error = folder.error("count --data top.csv --columns name,share", 1);
    assert!(
        error.contains("top.csv:2: the count \"3.318\" is no whole number"),
        "{error}"
    );
    // A model knows the columns of its list, and its dev list has them too.
    folder.write("dev.csv", "Brand,M,3\nEdvin,F,1\n");
    folder.write("dev.txt", "Brand\nBrand\nEdvin\nBrand\n");
    let train = "train --json --type ngram --order 2 --data yob.txt --columns 1,3 --dev dev.csv --split 100,0,0";
    let trained = folder.json(&format!("{train} --out m"));
    let scored = folder.json("score --json --model m --data dev.txt");
    let off = trained["dev_loss"].as_f64().unwrap() - scored["nll"].as_f64().unwrap();
    assert!(off.abs() < 1e-12, "{off}");
    assert_eq!(
        folder.json("score --json --model m --part train")["words"],
        238
    );
    // Drawing does not need the list, and once read it.
    folder.write("yob.txt", "Brand,M,many\n");
    folder.stdout("sample --model m");
}

/// One bad byte, one tab or one full stop ended the work.
#[test]
fn a_list_as_people_have_it_is_read_and_what_was_done_is_said() {
    let folder = Folder::new();
    folder.write("list.txt", b"emma\rst. ives\rzo\xEB\ran\tna\ran\xFF");
    let output = folder
        .makemore("count --data list.txt --skip-bad-lines")
        .output()
        .unwrap();
    let [told, counted] =
        [output.stderr, output.stdout].map(|text| String::from_utf8(text).unwrap());
    assert!(counted.contains("Words: 2\n"), "{counted}");
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(
        told,
        [
            "list.txt: lines left out: 3; the first is list.txt:3: not valid UTF-8; saving the list as UTF-8 would work",
            "list.txt: words have '.', so '$' is the start/end token (--boundary)",
        ]
    );
    let read = "count --data list.txt --encoding latin1 --skip-bad-lines --lowercase --json -q";
    let document = folder.json(read);
    assert_eq!(document["words"], 4);
    assert_eq!(document["vocabulary"][0], "$");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_no_panic() {
    let folder = Folder::new();
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = folder.process("count").stdout(full).output().unwrap();
    let error = error_of(&output, 1);
    assert!(error.contains("No space left on device"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn help_on_a_full_disk_is_an_error_too() {
    let full = || {
        std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    let folder = Folder::new();
    for arguments in ["--help", "count --help", "--version"] {
        let output = folder.process(arguments).stdout(full()).output().unwrap();
        let error = error_of(&output, 1);
        assert!(error.contains("No space left on device"), "{error}");
    }
}

/// It once ended in a panic: ASCII was numbered after 4,096 other characters.
#[test]
fn ascii_after_4096_other_characters_is_one_line_of_error() {
    let folder = Folder::new();
    let others: String = ('\u{4E00}'..)
        .take(4096)
        .flat_map(|other| [other, '\n'])
        .collect();
    let block = 1 << 19;
    let mut list = others.repeat(block / others.len() + 1);
    let line = list.lines().count() + 1;
    list += &"ab\n".repeat(block / 3 * 2);
    list += &"\u{4E00}bb\n".repeat(200_000);
    folder.write("list.txt", list);
    for command in ["count", "sample --json", "train"] {
        let error = folder.error(&format!("{command} --data list.txt"), 1);
        assert!(
            error.contains(&format!("list.txt:{line}: more than 4096 distinct")),
            "{error}"
        );
    }
}

/// It once ended without memory.
#[cfg(target_os = "linux")]
#[test]
fn an_endless_line_is_refused_in_little_memory() {
    let folder = Folder::new();
    let script = "ulimit -v 3000000; exec \"$0\" count --data /dev/zero";
    let output = std::process::Command::new("bash")
        .args(["-c", script])
        .arg(folder.makemore("").get_program())
        .output()
        .unwrap();
    let error = error_of(&output, 1);
    assert!(
        error.contains("/dev/zero:1: the word is too long"),
        "{error}"
    );
}

/// What a file name may do to a terminal is not done.
#[test]
fn names_of_files_do_not_steer_the_terminal() {
    let folder = Folder::new();
    let name = "a\u{1B}[31m\nerror: b.txt";
    folder.write(name, "em\tma\n");
    for list in [name, "missing\u{1B}[2J\u{202E}.txt"] {
        let mut command = folder.makemore("count --data");
        let error = error_of(&command.arg(list).output().unwrap(), 1);
        assert!(error.contains("\\u{1b}["), "{error}");
        assert!(!error.contains(['\u{1B}', '\u{202E}']), "{error}");
    }
    // Without --data, as from `count *.txt`.
    let output = folder.makemore("count").arg(name).output().unwrap();
    let error = error_of(&output, 2);
    assert!(
        error.ends_with("; lists of words are named with --data FILE"),
        "{error}"
    );
    assert!(!error.contains('\u{1B}'), "{error:?}");
}

#[test]
fn several_files_after_one_flag() {
    let folder = Folder::new();
    folder.write("a.txt", "anna\n");
    folder.write("b.txt", "bob\n");
    for command in ["count", "sample", "train", "heatmap out.png"] {
        folder.stdout(&format!("{command} --data a.txt b.txt"));
    }
    let counted = folder.json("count --json --data a.txt b.txt");
    assert_eq!(
        counted,
        folder.json("count --json --data a.txt --data b.txt")
    );
    assert_eq!(counted["words"], 2);
}

#[test]
fn what_is_compressed_in_another_way_is_named() {
    let folder = Folder::new();
    folder.write("list.xz", b"\xFD7zXZ\0\0\x04");
    folder.write("list.bz2", b"BZh91AY&SY\x01");
    for (list, expected) in [
        ("list.xz", "cannot read list.xz: it is compressed by xz"),
        ("list.bz2", "compressed by bzip2"),
    ] {
        let error = folder.error(&format!("count --data {list}"), 1);
        assert!(error.contains(expected), "{error}");
    }
}

/// `count` read it once and said nothing.
#[test]
fn standard_input_that_is_named_twice_is_refused_by_every_command() {
    let folder = Folder::new();
    for command in [
        "count",
        "sample",
        "score",
        "heatmap out.png",
        "train",
        "train --dev -",
    ] {
        let error = folder.error(&format!("{command} --data - -"), 1);
        let expected = "standard input, -, can be one list only; save it to a file";
        assert!(error.ends_with(expected), "{command}: {error}");
    }
}
