//! What a user may type for something that has another name here, and a hint at that name.

use std::path::Path;

use super::arguments::model_type::ModelType;
use super::typed::file_name;

/// Guessed commands, options and values, with a hint that is right in every command.
const GUESSES: [(&[&str], &str); 17] = [
    (
        &[
            "generate", "new", "words", "make", "create", "draw", "names",
        ],
        "`more` makes words like those of a list, `sample` draws them from a trained model",
    ),
    (
        &["learn", "fit"],
        "`train` trains a model, `more` tries several",
    ),
    (
        &["train", "count", "score"],
        "a command stands first, or behind `launch N --`",
    ),
    (
        &["plot", "picture", "matrix"],
        "`heatmap out.png` draws which character follows which",
    ),
    (
        &["--count", "--num", "--n", "--words"],
        "`more` and `sample` make so many words with -n N",
    ),
    (
        &[
            "--start",
            "--starts-with",
            "--startswith",
            "--begin",
            "--begins",
            "--begins-with",
        ],
        "`more` and `sample` begin words with --prefix TEXT",
    ),
    (
        &["--end", "--ends", "--ends-with", "--endswith"],
        "`more` and `sample` end words with --suffix TEXT",
    ),
    (
        &["temp", "temperature", "--temp"],
        "`sample` takes --temperature X",
    ),
    (
        &[
            "--temperature",
            "--top-k",
            "--top-p",
            "--plain",
            "--most-probable",
            "--weights",
            "--sampler",
        ],
        "`sample` takes it, with the models that `more --save FOLDER` keeps",
    ),
    (
        &["--space-token", "--n-head"],
        "`sample --model FILE` takes it",
    ),
    (
        &["--order", "--smoothing"],
        "`train` and `sample` take it, `more` finds the n-grams that suit a list",
    ),
    (
        &["--new", "--unique"],
        "the words of `more` are new and come once, `sample` takes --new and --unique",
    ),
    (
        &["--exclude", "--no", "--not"],
        "`more` and `sample` leave characters out with --without CHARS",
    ),
    (
        &["--regex", "--regexp", "--pattern", "--match"],
        "`more` and `sample` take --matching REGEX",
    ),
    (
        &["--model"],
        "`train` takes the type of a model with --type TYPE, `sample` and `score` a trained one with --model FILE",
    ),
    (
        &["--type"],
        "`train` takes the type of a model, other commands a trained one with --model FILE",
    ),
    (
        &["--file", "--input", "--list"],
        "lists of words are named with --data FILE",
    ),
];

/// A hint for a command that is not there; the name of a list is no command either.
pub fn of_command(typed: &str) -> Option<String> {
    let more = |_| {
        format!(
            "`more {}` makes words like those of a list",
            file_name(typed)
        )
    };
    known(typed).or_else(|| list(typed).map(more))
}

/// A hint for an option or a value that a command does not take.
pub fn of_argument(typed: &str) -> Option<String> {
    let picture = "a picture has one name, and lists of words have --data before theirs";
    let picture = has_ending(typed, &["png", "svg"]).then(|| picture.to_owned());
    picture.or_else(|| list(typed)).or_else(|| known(typed))
}

/// A hint for a word or a picture: whether it is the name of a list of words, or looks like one.
pub fn list(typed: &str) -> Option<String> {
    let endings = ["txt", "csv", "tsv", "list", "gz", "zst"];
    let is_list = Path::new(typed).is_file() || has_ending(typed, &endings);
    is_list.then(|| format!("a list of words is named with --data {}", file_name(typed)))
}

/// A hint of the table, or for the type of a model.
fn known(typed: &str) -> Option<String> {
    let mut hints = GUESSES
        .iter()
        .filter(|(guesses, _)| guesses.contains(&typed));
    let hint = hints.next().map(|(_, hint)| (*hint).to_owned());
    let of_type = |_| format!("`train --type {typed}` trains such a model");
    hint.or_else(|| ModelType::named(typed).map(of_type))
}

fn has_ending(name: &str, endings: &[&str]) -> bool {
    let ending = Path::new(name).extension().unwrap_or_default();
    endings
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::cli::testing::Folder;

    /// What was typed, and what must be in the hint: an option or a command that is there.
    #[test]
    fn natural_guesses_are_told_what_works() {
        let folder = Folder::new();
        folder.write("towns", "ulm\n");
        folder.check_refusals(
            "",
            2,
            &[
                ("train gru", "found; `train --type gru` trains such a model"),
                (
                    "generate",
                    "'generate'; `more` makes words like those of a list",
                ),
                ("new", "'new'; `more` makes"),
                ("words towns.txt", "'words'; `more` makes"),
                ("make -n 5", "'make'; `more` makes"),
                (
                    "sample --count 5",
                    "found; `more` and `sample` make so many words with -n N",
                ),
                ("more --num=5", "with -n N"),
                ("sample --n 5", "with -n N"),
                ("more --start Ul", "with --prefix TEXT"),
                ("sample --starts-with Ul", "with --prefix TEXT"),
                ("sample --begin Ul", "with --prefix TEXT"),
                ("more --end m", "with --suffix TEXT"),
                (
                    "train --model gru",
                    "found; `train` takes the type of a model with --type TYPE",
                ),
                ("sample --type gru", "a trained one with --model FILE"),
                (
                    "launch 2 train",
                    "found; a command stands first, or behind `launch N --`",
                ),
                ("sample temp 0.5", "--temperature X"),
                ("sample --temp 0.5", "--temperature X"),
                (
                    "sample towns.txt",
                    "found; a list of words is named with --data towns.txt",
                ),
                ("train towns.txt", "named with --data towns.txt"),
                ("train towns", "named with --data towns"),
                ("more --temperature 2", "`sample` takes it"),
                ("more --most-probable", "`more --save FOLDER` keeps"),
                ("more --weights 1,1", "found; `sample` takes it, with"),
                ("more --order 3", "found; `train` and `sample` take it"),
                ("more --new", "are new and come once"),
                ("more --ends a", "with --suffix TEXT"),
                ("sample --regex a", "--matching REGEX"),
                ("more --no x", "with --without CHARS"),
                ("count towns.csv.gz", "named with --data towns.csv.gz"),
                ("heatmap towns.txt out.png", "lists of words have --data"),
                ("towns.txt", "'towns.txt'; `more towns.txt` makes words"),
            ],
        );
        folder.check_refusals(
            "",
            1,
            &[
                (
                    "score towns.txt",
                    "inside one; a list of words is named with --data towns.txt",
                ),
                ("next towns.txt", "named with --data towns.txt"),
                (
                    "heatmap towns.txt",
                    "or .svg; a list of words is named with --data towns.txt",
                ),
            ],
        );
    }

    /// A list in place of a word has a score too, where a model gives unknown characters a probability.
    #[test]
    fn a_word_that_is_a_file_is_scored_with_a_remark() {
        let folder = Folder::new();
        folder.write("ulm", "ulm\n");
        let remark = "ulm is scored as a word; a list of words is named with --data ulm";
        assert!(folder.stderr("score ulm").contains(remark));
        assert!(!folder.stderr("score emma").contains("as a word"));
    }

    /// Of `--weights`, clap said that `--without` is similar.
    #[test]
    fn more_has_a_hint_for_every_option_of_sample() {
        let command = crate::cli::command();
        let options = |name: &str| {
            let options = command.find_subcommand(name).unwrap().get_arguments();
            let options = options.filter_map(|option| option.get_long());
            options.collect::<HashSet<_>>()
        };
        for option in options("sample").difference(&options("more")) {
            assert!(of_argument(&format!("--{option}")).is_some(), "{option}");
        }
    }

    #[test]
    fn each_guess_has_one_hint() {
        let guesses = || GUESSES.iter().flat_map(|(guesses, _)| guesses.iter());
        for guess in guesses() {
            assert_eq!(
                guesses().filter(|other| *other == guess).count(),
                1,
                "{guess}"
            );
        }
    }
}
