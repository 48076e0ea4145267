//! ARPA files: `makemore-tch export`, and `--model FILE.arpa`.
//!
//! `fixtures/odd_names_order_3.arpa.gz` is KenLM's model of the 1st, 3rd, 5th … line of
//! `assets/names.txt`, one character a token: `lmplz -o 3 --discount_fallback`, and `gzip -9n`.

use std::fmt::Write;
use std::io::Read;
use std::path::Path;

use crate::common::Folder;
use flate2::read::GzDecoder;
use makemore_tch::Ngram;
use makemore_tch::arpa::ReadOptions;
use makemore_tch::memory::Memory;
use makemore_tch::score::{self, evaluate};
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
    is_line_by_line_that_of_kenlm(&String::from_utf8(folder.read("ours.arpa")).unwrap());
}

/// Line by line the same numbers, to the last digits of an f32.
fn is_line_by_line_that_of_kenlm(ours: &str) {
    let lines = |text: &str| {
        let mut lines: Vec<Vec<String>> = text
            .lines()
            .map(|line| line.split('\t').map(str::to_owned).collect())
            .collect();
        lines.sort_by(|one, other| one.get(1).cmp(&other.get(1)).then_with(|| one.cmp(other)));
        lines
    };
    let (ours, theirs) = (lines(ours), lines(&of_kenlm()));
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
    folder.write("crlf.arpa", good.replace('\n', "\r\n"));
    let [good_one, crlf] = ["good.arpa", "crlf.arpa"].map(|file| read(&folder.path(file)).unwrap());
    for word in ["a", "aa"] {
        assert_eq!(log10(&good_one, word), log10(&crlf, word));
    }
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
        ("-0.3\ta </s>", "-0.3\t<s> a", "is there twice"),
        (
            "-0.3\ta </s>",
            "-0.3\ta </s>\t-0.5",
            "a backoff of -0.5 where no n-grams are longer: this was cut from a model of longer n-grams",
        ),
        (
            "-0.3\ta </s>",
            "0.3\ta </s>",
            "0.3 as the logarithm of a probability",
        ),
        (
            "-0.3\ta </s>",
            "0.00001\ta </s>",
            "0.00001 as the logarithm of a probability",
        ),
        ("\\data\\", "iARPA\n\n\\data\\", "compile-lm"),
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
    let error = read(&folder.path("bad.arpa")).unwrap_err().to_string();
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
        let error = read(&folder.path("cut.arpa")).unwrap_err().to_string();
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
    let model = read(&folder.path("srilm.arpa")).unwrap();
    let bigrams = score::word(&model, "aa").unwrap().bigrams;
    assert_eq!(bigrams.len(), 3);
    for (bigram, log10) in bigrams.iter().zip([-0.1, -0.2, -0.4_f64]) {
        assert!(
            is_close(bigram.probability, 10_f64.powf(log10)),
            "{bigram:?}"
        );
    }
    // It gives no unknown character a probability.
    let error = folder.error("score --model srilm.arpa ab", 1);
    assert!(error.contains("'b' (U+0062)"), "{error}");
}

fn read(file: &Path) -> makemore_tch::Result<Ngram> {
    read_with(file, None)
}

fn read_with(file: &Path, space: Option<&str>) -> makemore_tch::Result<Ngram> {
    let options = ReadOptions {
        space: space.map(str::to_owned),
        ..ReadOptions::default()
    };
    makemore_tch::arpa::read(file, &options, &Memory::new(1 << 30))
}

/// The logarithm of a word's likelihood to base 10, as a network or KenLM gives it.
fn log10(model: &Ngram, word: &str) -> f64 {
    let likelihood = score::word(model, word).unwrap().likelihood;
    likelihood.ln() / std::f64::consts::LN_10
}

/// A file with tabs where KenLM wants them, without what comes before `\data\`.
fn for_kenlm(text: &str) -> String {
    let (_, text) = text.split_once("\n\\data\\").unwrap();
    let (mut length, mut out) = (0, String::from("\\data\\"));
    for line in text.lines() {
        if let Some(heading) = line.strip_suffix("-grams:") {
            length = heading[1..].parse().unwrap();
        }
        let fields: Vec<&str> = line.split_whitespace().collect();
        match line.starts_with(['-', '0']) {
            true => {
                let (ngram, backoff) = fields[1..].split_at(length);
                write!(out, "{}\t{}", fields[0], ngram.join(" ")).unwrap();
                backoff
                    .iter()
                    .for_each(|backoff| write!(out, "\t{backoff}").unwrap());
            }
            false => out += line,
        }
        out.push('\n');
    }
    out
}

/// Our likelihoods of words are those of KenLM, which reads `for_kenlm` of the same file.
fn assert_is_as_kenlm(text: &str, words: &[(&str, f64)]) {
    let folder = Folder::new();
    folder.write("ours.arpa", text);
    folder.write("kenlm.arpa", for_kenlm(text));
    let (ours, kenlm) = (
        read(&folder.path("ours.arpa")).unwrap(),
        kenlm(&folder, "kenlm.arpa"),
    );
    for &(word, expected) in words {
        let tokens: Vec<String> = word
            .chars()
            .map(|character| match character {
                ' ' => "<space>".to_owned(),
                character => character.to_string(),
            })
            .collect();
        let theirs: f64 = kenlm.score(&tokens.join(" "), true, true).unwrap().into();
        let ours = log10(&ours, word);
        assert!(
            (theirs - expected).abs() < 1e-5 * expected.abs(),
            "{word}: {theirs}"
        );
        assert!(
            (ours - theirs).abs() < 1e-6 * theirs.abs(),
            "{word}: {ours} {theirs}"
        );
    }
}

/// The error was once "</s> in the middle of an n-gram". CMU's toolkit counts over the ends of words, has
/// blanks between fields and explains the format before `\data\`.
#[test]
fn ngrams_over_the_end_of_a_word_are_skipped() {
    assert_is_as_kenlm(
        "##### a header\nThe data begin here: \\data\\\nngram 1=n  # 1-grams\n\n\\1-grams:\n\
         p_1 wd_1 bo_1\n\n\\data\\\nngram 1=5\nngram 2=5\nngram 3=4\n\n\\1-grams:\n\
         -99.9990 <UNK>\t0.0000\n-1.1 </s>\t-2.5\n-98.9 <s>\t-0.5\n-0.4 n -0.25\n-0.6 o -0.75\n\n\
         \\2-grams:\n-0.0009 </s> <s> 0.02\n-0.3 <s> n -0.2\n-0.45 n </s> 1.5\n-0.7 n o -0.125\n\
         -0.9 o <s> 0.0\n\n\\3-grams:\n-0.5 </s> <s> n \n-0.8 <s> n o \n-0.02 n </s> <s> \n\
         -0.03 o <s> n \n\n\\end\\\n",
        &[
            // Of <s> n, and after it of </s>, o, and the end after o, by backing off where there is none.
            ("n", -0.3 - 0.2 - 0.45),
            ("no", -0.3 - 0.8 - 0.125 - 0.75 - 1.1),
            ("nö", -0.3 - 0.2 - 0.25 - 99.999 - 1.1),
        ],
    );
}

/// -99 was once 0, so that a word, a list and `<unk>` were impossible.
#[test]
fn ninety_nine_below_zero_is_a_small_probability() {
    let text = "\n\\data\\\nngram 1=7\nngram 2=3\nngram 3=2\nngram 4=1\n\n\\1-grams:\n-99 <s> -99\n\
        -0.7 </s>\n-100 <unk>\n-0.7 a -99\n-0.7 b -99\n-0.7 c -99\n-99 d -7.083871\n\n\\2-grams:\n\
        -0.1 <s> a -99\n0 a b -99\n0 b c -99\n\n\\3-grams:\n0 <s> a b -99\n0 a b c -99\n\n\
        \\4-grams:\n0 <s> a b c\n\n\\end\\\n";
    assert_is_as_kenlm(
        text,
        &[
            ("b", -99.7 - 99.7),
            ("aö", -0.1 - 99.0 - 99.0 - 100.0 - 0.7),
            // Four numbers whose product is less than any f64.
            ("abcd", -0.1 - 3.0 * 99.0 - 99.0 - 7.083871 - 0.7),
        ],
    );
    let folder = Folder::new();
    folder.write("small.arpa", text);
    let model = read(&folder.path("small.arpa")).unwrap();
    let nll = evaluate::words(&model, ["b"]).unwrap().nll();
    assert!((nll - 99.7 * std::f64::consts::LN_10).abs() < 1e-3, "{nll}");
    let of_b = score::word(&model, "b").unwrap().bigrams[0].probability;
    assert!((of_b.log10() - -99.7).abs() < 1e-4, "{of_b}");
    // It is written as it was read.
    let mut written = Vec::new();
    makemore_tch::arpa::write(&model, &mut written).unwrap();
    let written = String::from_utf8(written).unwrap();
    for line in ["-100\t<unk>\t0", "-99\td\t-7.083871", "-0.7\ta\t-99"] {
        assert!(
            written.lines().any(|other| other == line),
            "{line}: {written}"
        );
    }
}

/// `<space>` was once "more than one character: this is a model of words".
#[test]
fn a_token_for_the_space_is_the_space() {
    let text = "\n\\data\\\nngram 1=5\nngram 2=3\n\n\\1-grams:\n-99 <s> -0.5\n-0.7 </s>\n\
        -2.5 <space> -0.3\n-0.7 a -0.75\n-0.9 b -0.25\n\n\\2-grams:\n-0.2 <s> a\n-0.35 a <space>\n\
        -0.1 <space> b\n\n\\end\\\n";
    assert_is_as_kenlm(text, &[("a b", -0.2 - 0.35 - 0.1 - 0.25 - 0.7)]);
    let folder = Folder::new();
    let expected = -1.6;
    for (token, named) in [
        ("<space>", None),
        ("<SPACE>", None),
        ("<sp>", None),
        ("<U+0020>", None),
        ("|", Some("|")),
        ("\u{2581}", Some("\u{2581}")),
        ("[word]", Some("[word]")),
        ("<sp>", Some("|")),
    ] {
        folder.write("space.arpa", text.replace("<space>", token));
        let model = read_with(&folder.path("space.arpa"), named).unwrap();
        let log10 = log10(&model, "a b");
        assert!(
            (log10 - expected).abs() < 1e-5,
            "{token} {named:?}: {log10}"
        );
    }
    // Where a file has two, or not the one that was named.
    let both = text
        .replace("1=5", "1=6")
        .replace("-0.9 b", "-3 <U+0020>\n-0.9 b");
    for (text, named, says) in [
        (
            both.as_str(),
            None,
            "\"<U+0020>\" stands for the same as \"<space>\"",
        ),
        (
            &text.replace("<space>", "c"),
            Some("|"),
            "there is no | among the 1-grams",
        ),
        (
            &text.replace("<space>", "[word]"),
            None,
            "naming it as the space token would work",
        ),
    ] {
        folder.write("space.arpa", text);
        let error = read_with(&folder.path("space.arpa"), named)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("space.arpa:") && error.contains(says),
            "{error}"
        );
    }
}

#[test]
fn a_space_token_is_named_on_the_command_line() {
    let folder = Folder::new();
    let bar = "-0.9\t|\t-0.1\n-0.5\ta\t";
    let text = SMALL.replace("ngram 1=4", "ngram 1=5");
    folder.write("bar.arpa", text.replace("-0.5\ta\t", bar));
    folder.write("list.txt", "a a\n");
    let scored = folder.json("score --json --model bar.arpa --space-token | --data list.txt");
    assert_eq!(scored["unknown"], 0, "{scored}");
    folder.stdout("train --type ngram --order 2 --split 100,0,0 --data list.txt");
    let model = "--model makemore-ngram.safetensors";
    let error = folder.error(&format!("score {model} --space-token | a"), 1);
    assert!(
        error.contains("--space-token is of those; leave it out"),
        "{error}"
    );
}

/// A byte-order mark hid `\data\`; a logarithm just above 0, from rounding, was refused.
#[test]
fn a_byte_order_mark_and_rounding_above_zero_change_nothing() {
    let folder = Folder::new();
    folder.write("plain.arpa", SMALL.replace("-0.2\ta a", "0\ta a"));
    let plain = log10(&read(&folder.path("plain.arpa")).unwrap(), "aaa");
    for rounded in ["0.0000001", "1e-7", "1.1920929e-07", "2.3841858e-07"] {
        let text = SMALL.replace("-0.2\ta a", &format!("{rounded}\ta a"));
        folder.write("bom.arpa", format!("\u{FEFF}{text}"));
        assert_eq!(
            log10(&read(&folder.path("bom.arpa")).unwrap(), "aaa"),
            plain
        );
    }
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
    let error = read(&folder.path("twice.arpa")).unwrap_err().to_string();
    let line = 1 + twice
        .lines()
        .position(|line| line.starts_with("-0.9"))
        .unwrap();
    let expected = format!("twice.arpa:{line}: the 2-gram \"a a\" is there twice");
    assert!(error.contains(&expected), "{error}");

    let alone = SMALL.replace("-0.1\t<s> a </s>", "-0.1\t<unk> a </s>");
    folder.write("alone.arpa", &alone);
    let error = read(&folder.path("alone.arpa")).unwrap_err().to_string();
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
