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
