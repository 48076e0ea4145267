//! `makemore-tch score`

use crate::common::Folder;

#[test]
fn good_as_in_the_notes() {
    let printed = Folder::new().stdout("score good");
    let published = "\
probability for .g: 0.0209
probability for go: 0.0430
probability for oo: 0.0146
probability for od: 0.0240
probability for d.: 0.0936
Likelihood for good is: 2.9399e-08
";
    let nll = printed
        .strip_prefix(published)
        .expect("the published lines");
    let nll = nll
        .strip_prefix("Average negative log-likelihood for good is: ")
        .unwrap();
    let nll: f64 = nll.trim_end().parse().unwrap();
    // The NLL follows from the likelihood: five bigrams.
    assert!((nll + 2.9399e-08_f64.ln() / 5.0).abs() < 1e-5, "{nll}");
}

#[test]
fn the_data_has_the_exact_average_nll_and_beside_it_the_published_one() {
    let printed = Folder::new().stdout("score");
    assert!(
        printed.contains("Words: 32033\nBigrams: 228146\n"),
        "{printed}"
    );
    assert!(
        printed.contains(
            "Average negative log-likelihood: 2.454577 (2.454579 in the notes, which add in f32)\n"
        ),
        "{printed}"
    );
    let document = Folder::new().json("score --json");
    assert_eq!(document["words"], 32033);
    assert_eq!(document["ngrams"], 228146);
    let nll = document["nll"].as_f64().unwrap();
    assert_eq!(format!("{nll:.6}"), "2.454577");
    let perplexity = document["perplexity"].as_f64().unwrap();
    assert!((perplexity - nll.exp()).abs() < 1e-12, "{perplexity}");
}

#[test]
fn words_as_json() {
    let document = Folder::new().json("score --json good emma");
    let words = document["words"].as_array().unwrap();
    assert_eq!(words.len(), 2);
    assert_eq!(words[0]["word"], "good");
    assert_eq!(words[0]["bigrams"].as_array().unwrap().len(), 5);
    assert_eq!(words[0]["bigrams"][0]["bigram"], ".g");
    let likelihood = words[0]["likelihood"].as_f64().unwrap();
    assert_eq!(format!("{likelihood:.4e}"), "2.9399e-8");
    assert!(words[1]["nll"].as_f64().unwrap() > 0.0);
}

#[test]
fn without_smoothing_what_was_never_seen_is_impossible_and_not_nan() {
    let folder = Folder::new();
    folder.write("list.txt", "ab\n");
    let printed = folder.stdout("score --data list.txt --smoothing 0 ba");
    assert!(
        printed.contains("Likelihood for ba is: 0.0000e+00"),
        "{printed}"
    );
    assert!(printed.contains("for ba is: inf"), "{printed}");
    assert!(!printed.to_lowercase().contains("nan"), "{printed}");
}

#[test]
fn the_help_says_what_null_means() {
    let folder = Folder::new();
    assert!(
        folder
            .stdout("score --help")
            .contains("infinite, because something is impossible, is null")
    );
    folder.write("list.txt", "ab\n");
    let document = folder.json("score --json --data list.txt --smoothing 0 -- ba");
    assert!(document["words"][0]["nll"].is_null());
}

/// The second model found nothing left in the pipe: "no words in it".
#[test]
fn several_models_share_a_list_that_comes_through_a_pipe() {
    let folder = Folder::new();
    let list = "emma\nolivia\nava\nmia\nisabella\nsophia\n".repeat(20);
    folder.write("list.txt", &list);
    for order in [2, 3] {
        folder.stdout(&format!(
            "train --type ngram --order {order} --out {order}.st --data list.txt"
        ));
    }
    let both = "--model 2.st --model 3.st --data";
    for command in ["score --part test", "score ava", "sample --json --new"] {
        let piped = folder
            .makemore(&format!("{command} {both} -"))
            .write_stdin(list.as_str())
            .output()
            .unwrap();
        assert!(piped.status.success(), "{command}: {piped:?}");
        let piped = String::from_utf8(piped.stdout).unwrap();
        let read = folder.stdout(&format!("{command} {both} list.txt"));
        assert_eq!(piped, read, "{command}");
    }
    let score = format!("score --part test {both}");
    let script = format!(
        "{:?} {score} <(cat list.txt)",
        folder.makemore("").get_program()
    );
    let mut named = std::process::Command::new("bash");
    let named = named.args(["-c", &script]).current_dir(folder.path("."));
    let named = String::from_utf8(named.output().unwrap().stdout).unwrap();
    assert_eq!(named, folder.stdout(&format!("{score} list.txt")));
}

/// A word without characters was printed as nothing.
#[test]
fn a_word_without_characters_is_seen() {
    let printed = Folder::new().makemore("score").arg("").output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.contains("Likelihood for \"\" is: "), "{printed}");
}
