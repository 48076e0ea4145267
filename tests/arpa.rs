//! ARPA files: `makemore-tch export`, and `--model FILE.arpa`.
//!
//! `fixtures/odd_names_order_3.arpa.gz` is KenLM's model of the 1st, 3rd, 5th … line of
//! `assets/names.txt`, one character a token: `lmplz -o 3 --discount_fallback`, and `gzip -9n`.

use std::fmt::Write;
use std::io::Read;
use std::path::Path;

use crate::common::Folder;
use flate2::read::GzDecoder;
use makemore_tch::memory::Memory;
use proptest::prelude::*;

const NAMES: &str = include_str!("../assets/names.txt");
const OF_KENLM: &[u8] = include_bytes!("fixtures/odd_names_order_3.arpa.gz");

/// What `query` of KenLM says of its model of order 3.
const PERPLEXITY: f64 = 9.293934;

fn every_other_name(first: usize) -> String {
    NAMES
        .lines()
        .skip(first)
        .step_by(2)
        .fold(String::new(), |mut list, name| {
            writeln!(list, "{name}").unwrap();
            list
        })
}

fn of_kenlm() -> String {
    let mut text = String::new();
    GzDecoder::new(OF_KENLM).read_to_string(&mut text).unwrap();
    text
}

/// A folder with a list to train on, one to score, and KenLM's model.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("odd.txt", every_other_name(0));
    folder.write("even.txt", every_other_name(1));
    folder.write("kenlm.arpa", of_kenlm());
    folder
}

fn perplexity(folder: &Folder, model: &str) -> f64 {
    let scored = folder.json(&format!("score --json --model {model} --data even.txt"));
    scored["perplexity"].as_f64().unwrap()
}

/// KenLM's model of a file.
fn kenlm(folder: &Folder, file: &str) -> kenlm::Model {
    let config = kenlm::Config {
        arpa_complain: kenlm::ArpaLoadComplain::None,
        show_progress: false,
        ..kenlm::Config::default()
    };
    kenlm::Model::with_config(folder.path(file), config).unwrap()
}

/// The perplexity of KenLM's own query, one character a token.
fn perplexity_of_kenlm(model: &kenlm::Model, list: &str) -> f64 {
    let (mut log10, mut tokens) = (0.0, 0);
    for name in list.lines() {
        let characters: Vec<String> = name.chars().map(String::from).collect();
        log10 += f64::from(model.score(&characters.join(" "), true, true).unwrap());
        tokens += characters.len() + 1;
    }
    10_f64.powf(-log10 / tokens as f64)
}

fn is_close(one: f64, other: f64) -> bool {
    (one / other - 1.0).abs() < 1e-5
}

#[test]
fn ours_is_read_by_kenlm_and_has_its_perplexity() {
    let folder = folder();
    folder.stdout("train --type ngram --order 3 --split 100,0,0 --data odd.txt");
    folder.stdout("export ours.arpa --model makemore-ngram.safetensors");
    let model = kenlm(&folder, "ours.arpa");
    let theirs = perplexity_of_kenlm(&model, &every_other_name(1));
    assert!(is_close(theirs, PERPLEXITY), "{theirs}");
    let ours = perplexity(&folder, "makemore-ngram.safetensors");
    assert!(is_close(ours, PERPLEXITY), "{ours}");
    let again = perplexity(&folder, "ours.arpa");
    assert!(is_close(again, PERPLEXITY), "{again}");
}

#[test]
fn kenlms_is_read_by_us_plain_or_compressed() {
    let folder = folder();
    folder.write("kenlm.arpa.gz", OF_KENLM);
    for model in ["kenlm.arpa", "kenlm.arpa.gz"] {
        let ours = perplexity(&folder, model);
        assert!(is_close(ours, PERPLEXITY), "{model}: {ours}");
    }
    // And is drawn from, and drawn, and scores words.
    let names = folder.stdout("sample --plain -n 100 --model kenlm.arpa");
    assert_eq!(names.lines().count(), 100);
    assert!(
        names
            .chars()
            .all(|character| character == '\n' || character.is_ascii_lowercase())
    );
    folder.stdout("heatmap out.svg --of probabilities --model kenlm.arpa");
    let word = folder.json("score --json --model kenlm.arpa emma");
    let model = kenlm(&folder, "kenlm.arpa");
    let log10 = model.score("e m m a", true, true).unwrap();
    let likelihood = word["words"][0]["likelihood"].as_f64().unwrap();
    assert!(is_close(likelihood, 10_f64.powf(log10.into())), "{word}");
}

/// Line by line the same numbers, to the last digits of an f32.
#[test]
fn the_same_list_gives_the_same_file() {
    let folder = folder();
    folder.stdout("train --type ngram --order 3 --split 100,0,0 --data odd.txt");
    folder.stdout("export ours.arpa --model makemore-ngram.safetensors");
    let ours = String::from_utf8(folder.read("ours.arpa")).unwrap();
    let lines = |text: &str| {
        let mut lines: Vec<Vec<String>> = text
            .lines()
            .map(|line| line.split('\t').map(str::to_owned).collect())
            .collect();
        lines.sort_by(|one, other| one.get(1).cmp(&other.get(1)).then_with(|| one.cmp(other)));
        lines
    };
    let (ours, theirs) = (lines(&ours), lines(&of_kenlm()));
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours.len(), theirs.len(), "{ours:?} {theirs:?}");
        for (ours, theirs) in ours.iter().zip(theirs) {
            match (ours.parse::<f32>(), theirs.parse::<f32>()) {
                (Ok(one), Ok(other)) => {
                    assert!((one - other).abs() <= 1e-6 * one.abs(), "{ours} {theirs}");
                }
                _ => assert_eq!(ours, theirs),
            }
        }
    }
}

#[test]
fn white_space_inside_words_survives_other_tools() {
    let folder = Folder::new();
    folder.write(
        "towns.txt",
        "San José\nLos Angeles\n新 宿\nSt\u{3000}Ives\n",
    );
    folder.stdout("train --type ngram --order 3 --split 100,0,0 --data towns.txt");
    folder.stdout("export towns.arpa --model makemore-ngram.safetensors");
    let text = String::from_utf8(folder.read("towns.arpa")).unwrap();
    assert!(text.contains("n <U+0020> J"), "{text}");
    assert!(text.contains("t <U+3000> I"), "{text}");
    let score = |model: &str| {
        let scored = folder.json(&format!("score --json --model {model} --data towns.txt"));
        scored["nll"].as_f64().unwrap()
    };
    assert!(is_close(
        score("towns.arpa"),
        score("makemore-ngram.safetensors")
    ));
    let model = kenlm(&folder, "towns.arpa");
    assert!(model.contains("<U+0020>").unwrap());
    // Sampled from again they are spaces.
    let names = folder.stdout("sample --plain -n 50 --model towns.arpa");
    assert!(names.contains(' ') && !names.contains("U+"), "{names}");
}

#[test]
fn export_refuses_what_it_should_not_write() {
    let folder = folder();
    folder.stdout("train --type ngram --order 3 --data odd.txt");
    folder.stdout("train -q --epochs 1");
    let model = "--model makemore-ngram.safetensors";
    let error = folder.error(&format!("export ours.txt {model}"), 1);
    assert!(error.contains("ends in .arpa or .arpa.gz"), "{error}");
    folder.write("mine.arpa", "not a model");
    for file in ["mine.arpa", "kenlm.arpa"] {
        let error = folder.error(&format!("export {file} {model}"), 1);
        assert!(error.contains(file) && error.contains("--force"), "{error}");
    }
    assert_eq!(folder.read("mine.arpa"), b"not a model");
    folder.stdout(&format!("export mine.arpa --force {model}"));
    let error = folder.error("export net.arpa --model makemore.safetensors", 1);
    assert!(error.contains("makemore.safetensors"), "{error}");
    let error = folder.error("export kenlm.arpa --model kenlm.arpa", 1);
    assert!(error.contains("kenlm.arpa"), "{error}");
    assert_eq!(folder.read("kenlm.arpa"), of_kenlm().as_bytes());
    folder.stdout(&format!("export packed.arpa.gz {model}"));
    assert!(folder.read("packed.arpa.gz").starts_with(&[0x1F, 0x8B]));
    assert!(perplexity(&folder, "packed.arpa.gz") > 1.0);
}

#[test]
fn a_file_that_is_not_as_it_should_be_is_one_line() {
    let folder = Folder::new();
    let good = "\
\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-1\t<unk>
0\t<s>\t-0.3
-0.5\t</s>
-0.5\ta\t-0.2

\\2-grams:
-0.3\t<s> a
-0.3\ta </s>

\\end\\
";
    folder.write("good.arpa", good);
    folder.stdout("score --model good.arpa a aa");
    folder.write("crlf.arpa", good.replace('\n', "\r\n"));
    folder.stdout("score --model crlf.arpa a aa");
    let line = |text: &str| 1 + good.lines().position(|line| line == text).unwrap();
    for (from, to, says) in [
        (
            "ngram 2=2",
            "ngram 2=3",
            "the file says that it has 3 2-grams, and has 2",
        ),
        ("ngram 2=2", "ngram 2=1", "more 2-grams than the 1"),
        ("ngram 2=2", "ngram 3=2", "expected ngram 2=COUNT"),
        (
            "ngram 2=2",
            "ngram 2=99999999999999999999",
            "expected ngram 2=COUNT",
        ),
        (
            "ngram 2=2",
            "ngram 2=18446744073709551615",
            "the file says that it has",
        ),
        ("\\data\\", "data", "no ARPA file"),
        ("\\2-grams:", "\\3-grams:", "expected the line \\2-grams:"),
        ("\\end\\", "", "cut off"),
        (
            "-0.3\ta </s>",
            "-0.3\ta b",
            "\"b\" is not among the 1-grams",
        ),
        ("-0.3\ta </s>", "-0.3\t</s> a", "in the middle of an n-gram"),
        ("-0.3\ta </s>", "-0.3\t<s> a", "is there twice"),
        ("-0.3\ta </s>", "-0.3\ta </s>\t-0.5", "a backoff of -0.5"),
        (
            "-0.3\ta </s>",
            "0.3\ta </s>",
            "0.3 as the logarithm of a probability",
        ),
        (
            "-0.3\ta </s>",
            "nan\ta </s>",
            "\"nan\" where a logarithm is expected",
        ),
        ("-0.3\ta </s>", "-0.3\ta", "expected 2 characters"),
        ("-0.3\ta </s>", "-0.3\ta </s> 0 -1", "too much on the line"),
        ("-0.5\ta\t-0.2", "-0.5\temma\t-0.2", "a model of words"),
        ("-0.5\ta\t-0.2", "-0.5\ta\t99", "a backoff of 99"),
        ("-0.5\t</s>", "-0.5\tb", "no </s> among the 1-grams"),
    ] {
        folder.write("bad.arpa", good.replace(from, to));
        let error = read(&folder.path("bad.arpa")).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("bad.arpa:"), "{to}: {error}");
        assert!(error.contains(says), "{to}: {error}");
    }
    folder.write("bad.arpa", good.replace("-0.3\ta </s>", "-x\ta </s>"));
    let error = folder.error("score --model bad.arpa a", 1);
    let number = line("-0.3\ta </s>");
    assert!(error.contains(&format!("bad.arpa:{number}: ")), "{error}");
}

/// A model of three characters needs what its n-grams begin with.
#[test]
fn an_ngram_without_a_context_is_named() {
    let folder = Folder::new();
    let text = of_kenlm();
    let is_context = |line: &&str| line.split('\t').nth(1) != Some("e m");
    let without: String = text
        .lines()
        .filter(is_context)
        .map(|line| format!("{line}\n"))
        .collect();
    folder.write("bad.arpa", without.replace("ngram 2=602", "ngram 2=601"));
    let error = folder.error("score --model bad.arpa emma", 1);
    assert!(
        error.contains("has no backoff") && error.contains("e m"),
        "{error}"
    );
}

/// At each place where a file may end.
#[test]
fn a_file_that_is_cut_is_said_to_be() {
    let folder = Folder::new();
    let text = of_kenlm();
    for share in [10, 30, 100, 1000, 9_000, 50_000, text.len() - 10] {
        folder.write("cut.arpa", &text[..share]);
        let error = folder.error("score --model cut.arpa emma", 1);
        assert!(error.contains("cut.arpa:"), "{share}: {error}");
    }
    folder.write("cut.arpa.gz", &OF_KENLM[..OF_KENLM.len() / 2]);
    let error = folder.error("score --model cut.arpa.gz emma", 1);
    assert!(error.contains("cut.arpa.gz"), "{error}");
}

/// `<s>` without a probability, tabs or spaces, upper case, words in front: what other programs write.
#[test]
fn files_of_other_writers_are_read() {
    let folder = Folder::new();
    folder.write(
        "srilm.arpa",
        "made by hand\n\n\\data\\\nngram 1=3\nngram 2=3\n\n\\1-grams:\n-99 <s> -0.30103\n\
         -0.30103 </s>\n-0.30103 a 0\n\n\\2-grams:\n-0.1 <s> a\n-0.2 a a\n-0.4 a </s>\n\n\\end\\\n",
    );
    let scored = folder.json("score --json --model srilm.arpa aa");
    let bigrams = scored["words"][0]["bigrams"].as_array().unwrap().clone();
    for (bigram, log10) in bigrams.iter().zip([-0.1, -0.2, -0.4_f64]) {
        let p = bigram["probability"].as_f64().unwrap();
        assert!(is_close(p, 10_f64.powf(log10)), "{bigram}");
    }
    // It gives no unknown character a probability.
    let error = folder.error("score --model srilm.arpa ab", 1);
    assert!(error.contains("'b' (U+0062)"), "{error}");
}

fn read(file: &Path) -> makemore_tch::Result<makemore_tch::Ngram> {
    makemore_tch::arpa::read(file, None, &Memory::new(1 << 30))
}

/// It once was on the line behind the section, 16.
#[test]
fn a_fault_is_reported_on_its_own_line() {
    let folder = Folder::new();
    let twice = SMALL.replace("ngram 2=3", "ngram 2=5").replace(
        "-0.2\ta a\t0\n",
        "-0.2\ta a\t0\n-0.9\ta a\t0\n-0.8\t<s> a\t0\n",
    );
    folder.write("twice.arpa", &twice);
    let error = folder.error("score --model twice.arpa a", 1);
    let line = 1 + twice
        .lines()
        .position(|line| line.starts_with("-0.9"))
        .unwrap();
    let expected = format!("twice.arpa:{line}: the 2-gram \"a a\" is there twice");
    assert!(error.contains(&expected), "{error}");

    let alone = SMALL.replace("-0.1\t<s> a </s>", "-0.1\t<unk> a </s>");
    folder.write("alone.arpa", &alone);
    let error = folder.error("score --model alone.arpa a", 1);
    let line = 1 + alone
        .lines()
        .position(|line| line.contains("<unk> a"))
        .unwrap();
    let expected = format!("alone.arpa:{line}: the 3-gram \"<unk> a .\" has no backoff");
    assert!(error.contains(&expected), "{error}");
}

/// 2 MB once took 687 MB where 1 MB was allowed.
#[test]
fn the_ngrams_of_a_file_are_within_the_memory_that_is_allowed() {
    let folder = Folder::new();
    // All n-grams of 40 characters, of which few bytes are left when they are compressed.
    let characters: Vec<String> = ('\u{4E00}'..).take(40).map(String::from).collect();
    let mut text = "\\data\\\nngram 1=43\nngram 2=1600\nngram 3=64000\n\n\\1-grams:\n".to_owned();
    text += "-2\t<s>\t0\n-2\t</s>\n-2\t<unk>\t0\n";
    let mut longer = vec![String::new()];
    for length in 1..=3 {
        longer = longer
            .iter()
            .flat_map(|ngram| characters.iter().map(move |next| format!("{ngram} {next}")))
            .collect();
        if length > 1 {
            writeln!(text, "\n\\{length}-grams:").unwrap();
        }
        for ngram in &longer {
            writeln!(text, "-2\t{}", ngram.trim_start()).unwrap();
        }
    }
    text += "\n\\end\\\n";
    folder.write("packed", zstd::encode_all(text.as_bytes(), 19).unwrap());
    let error = folder.error("score --memory 1MB --model packed 一", 1);
    assert!(
        error.contains("packed: its n-grams take more than the 1.0 MB of memory"),
        "{error}"
    );
    let (before, _) = error.split_once(" would work").unwrap();
    let works = before.rsplit("; ").next().unwrap().replace(' ', "");
    folder.stdout(&format!("score --memory {works} --model packed 一"));
    let megabytes: f64 = works.trim_end_matches("MB").parse().unwrap();
    assert!((2.0..6.0).contains(&megabytes), "{works}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a line is replaced by, the file is read or refused.
    #[test]
    fn no_file_makes_it_panic(line in 0..60_usize, text in "[-0-9a-z<>/\\\\=. \t\u{e9}]{0,12}") {
        let file = tempfile::Builder::new().suffix(".arpa").tempfile().unwrap();
        let mut lines: Vec<&str> = SMALL.lines().collect();
        let place = line % lines.len();
        lines[place] = &text;
        std::fs::write(file.path(), lines.join("\n")).unwrap();
        if let Ok(model) = read(file.path()) {
            prop_assert!(model.order() <= 16);
        }
    }
}

/// A small file, whose every line has something to say.
const SMALL: &str = "\
\\data\\
ngram 1=4
ngram 2=3
ngram 3=1

\\1-grams:
-1\t<unk>
0\t<s>\t-0.3
-0.5\t</s>
-0.5\ta\t-0.2

\\2-grams:
-0.3\t<s> a\t-0.1
-0.2\ta a\t0
-0.3\ta </s>

\\3-grams:
-0.1\t<s> a </s>

\\end\\
";
