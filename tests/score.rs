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
fn a_network_scores_close_to_the_counts_it_was_trained_on() {
    let folder = Folder::new();
    let trained = folder.json("train --json --out model.safetensors");
    let scored = folder.json("score --json --model model.safetensors");
    let loss = trained["final_loss"].as_f64().unwrap();
    let nll = scored["nll"].as_f64().unwrap();
    assert!((nll - loss).abs() < 1e-5, "{nll} and {loss}");
    let word = folder.json("score --json --model model.safetensors emma");
    assert!(word["words"][0]["likelihood"].as_f64().unwrap() > 0.0);
}

/// One such word once ended the work.
#[test]
fn words_with_unknown_characters_are_left_out_and_the_others_are_scored() {
    let folder = Folder::new();
    let output = folder
        .makemore("score anna zo\u{EB} bob \u{E9}va")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let (printed, said) = [output.stdout, output.stderr]
        .map(|text| String::from_utf8(text).unwrap())
        .into();
    assert!(printed.contains("Likelihood for anna") && printed.contains("Likelihood for bob"));
    assert_eq!(
        said,
        "words left out: 2, which have characters that the model does not know; the first is \"zo\u{EB}\"\n"
    );
    folder.write("train.txt", "alda\nbran\n");
    folder.write("dev.txt", "ada\nquinn\nzo\u{EB}\n");
    let trained = folder.json("train --epochs 2 --data train.txt --dev dev.txt --out m --json -q");
    assert_eq!(trained["dev_left_out"], 2);
    let scored = folder.json("score --model m --data dev.txt --json -q");
    assert_eq!(
        (&scored["words"], &scored["left_out"]),
        (&1.into(), &2.into())
    );
    assert_eq!(scored["nll"], trained["dev_loss"]);
    let printed = folder.stdout("score --model m --data dev.txt -q");
    assert!(
        printed.ends_with("the first is \"quinn\" (dev.txt:2)\n"),
        "{printed}"
    );
}

#[test]
fn an_unknown_character_is_named_with_its_code_point() {
    let error = Folder::new().error("score zoë", 1);
    assert!(
        error.contains("in the word \"zoë\": the character 'ë' (U+00EB)"),
        "{error}"
    );
    let error = Folder::new().error("score a.b", 1);
    assert!(
        error.contains("'.' marks where words begin and end"),
        "{error}"
    );
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

/// It was once 0.0.
#[test]
fn the_likelihood_of_a_word_of_any_length_is_printed_and_its_logarithm_is_exact() {
    let folder = Folder::new();
    for length in [28, 100, 1000] {
        let word = "emma".repeat(length / 4);
        let document = folder.json(&format!("score --json {word}"));
        let scored = &document["words"][0];
        let log = scored["log_likelihood"].as_f64().unwrap();
        let sum = -scored["nll"].as_f64().unwrap() * (length + 1) as f64;
        assert!((log - sum).abs() < 1e-9 * -sum, "{log} and {sum}");
        let printed = folder.stdout(&format!("score {word}"));
        let mut lines = printed.lines();
        let line = lines.find(|line| line.starts_with("Likelihood")).unwrap();
        let (_, likelihood) = line.split_once(": ").unwrap();
        let (digits, power) = likelihood.split_once("e-").unwrap();
        let (digits, power): (f64, f64) = (digits.parse().unwrap(), power.parse().unwrap());
        let written = digits.ln() - power * std::f64::consts::LN_10;
        // Four decimals.
        assert!((written - log).abs() < 1e-4, "{written} and {log}");
    }
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
