//! `makemore-tch more`: new words like those of a list, from the models that suit it.

mod draw;
mod list;
mod save;

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;
use makemore_tch::ScoredName;
use makemore_tch::files::{Output, check_distinct};
use makemore_tch::score::Ranking;
use makemore_tch::train::choice::choose::Choice;
use makemore_tch::train::choice::plan::Effort;
use makemore_tch::train::choice::report::{Report, Tried};
use serde::Serialize;

use crate::cli::arguments::train::SEED;
use crate::cli::arguments::wishes::{WishArguments, again};
use crate::cli::arguments::{
    DataArguments, JsonArguments, MemoryArguments, above_zero, one_of, whole,
};
use crate::cli::context::Context;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::{self, Remarks};
use crate::cli::outputs::{make_folder, new_file};
use crate::cli::progress;
pub use save::paths_in;
use save::save;

/// Make new words like those of a list
///
/// N-grams and a small network learn from most of the list and predict the rest. Those that predict it
/// best, alone or mixed, then learn from all of it and draw words that the list does not have, which are
/// printed with the best first. The same list gives the same words again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch more towns.txt
  makemore-tch more towns.txt -n 100 --prefix Mar --max-length 9
  makemore-tch more towns.txt --save towns     keep the models, for `sample`
  makemore-tch more babies.csv --columns name,count --lowercase")]
pub struct More {
    /// Lists of words, as with --data [default: the lecture's names]
    #[arg(value_name = "LIST")]
    lists: Vec<PathBuf>,

    /// Number of words
    #[arg(short, long, value_name = "N", default_value_t = 20, value_parser = whole(0..=u64::MAX), allow_negative_numbers = true)]
    number: u64,

    #[command(flatten)]
    wishes: WishArguments,

    /// Try n-grams alone, which takes a second
    #[arg(long, conflicts_with = "minutes")]
    quick: bool,

    /// Try more and larger networks, for about so many minutes on two processors
    #[arg(long, value_name = "X", value_parser = above_zero, allow_negative_numbers = true)]
    minutes: Option<f64>,

    /// The seed of all random numbers
    #[arg(long, value_name = "N", default_value_t = SEED, value_parser = whole(0..=u64::MAX), allow_negative_numbers = true)]
    seed: u64,

    /// The order of the words
    #[arg(long, value_parser = one_of::<Ranking>(), default_value = "per-character")]
    sort: Ranking,

    /// Write the words to a file; not with --json
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    out: Option<PathBuf>,

    /// Keep the models in a folder
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,

    /// Overwrite existing files
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    data: DataArguments,

    #[command(flatten)]
    memory: MemoryArguments,

    #[command(flatten)]
    json: JsonArguments,
}

#[derive(Default, Serialize)]
struct MoreDocument {
    seed: u64,
    tried: Vec<Tried>,
    models: Vec<Weighted>,
    names: Vec<ScoredName>,
}

#[derive(Serialize)]
struct Weighted {
    r#type: &'static str,
    weight: f64,
}

/// Tells the user what is tried.
struct Watcher {
    context: Context,
    bar: ProgressBar,
    tried: Vec<Tried>,
    interrupt: Interrupt,
}

impl Report for Watcher {
    fn tried(&mut self, tried: &Tried) {
        self.context.remarks.say(tried);
        self.tried.push(tried.clone());
    }

    fn progress(&mut self, done: f64) {
        progress::show(&self.bar, "learning".to_owned(), done, String::new());
    }

    fn stops(&self) -> bool {
        self.interrupt.is_pressed()
    }
}

impl More {
    /// Returns the exit status, which is that of an interruption.
    pub fn run(mut self, context: Context) -> anyhow::Result<u8> {
        context.threads.prepare_for_reading();
        self.data.data.splice(0..0, self.lists.drain(..));
        let data = self.read(context)?;
        let options = self.options(&data, context.remarks)?;
        let (out, places) = self.outputs()?;
        if self.number == 0 && self.save.is_none() {
            let nothing = MoreDocument {
                seed: self.seed,
                ..MoreDocument::default()
            };
            self.print(&nothing, out.as_ref(), context.remarks)?;
            return Ok(0);
        }
        let mut watcher = Watcher {
            context,
            bar: progress::training(context.remarks.quiet),
            tried: Vec::new(),
            interrupt: Interrupt::catch(context.remarks)?,
        };
        let choice = Choice::of(&data, self.seed, self.effort(), &data.memory, &mut watcher)?;
        watcher.bar.finish_and_clear();
        let drawn = self.draw(&choice, &data, options, &watcher);
        if let ([(model, _)], 2..) = (choice.models.as_slice(), watcher.tried.len()) {
            let kind = model.kind();
            context
                .remarks
                .say(format_args!("the words are those of the {kind} alone"));
        }
        let models = choice.models.iter();
        let models = models.map(|(model, weight)| Weighted {
            r#type: model.kind(),
            weight: *weight,
        });
        let models = models.collect();
        // Words are not lost where models cannot be saved, nor where they cannot be written themselves.
        let saved = self.save.as_ref();
        let wishes = again(&self.wishes.constraint(str::to_owned));
        let saved = saved.map(|folder| save(choice, folder, &places, self.seed, &data, &wishes));
        for line in saved.iter().flatten().flatten() {
            context.remarks.say(line);
        }
        let (names, gave_up) = drawn?;
        let document = MoreDocument {
            seed: self.seed,
            tried: watcher.tried,
            models,
            names,
        };
        let written = self.print(&document, out.as_ref(), context.remarks);
        saved.transpose()?;
        written?;
        match gave_up {
            None => Ok(watcher.interrupt.status()),
            Some(error) => Err(error),
        }
    }

    /// The file of the words, and those of the models, which are checked before the work.
    fn outputs(&self) -> anyhow::Result<(Option<Output>, Vec<Output>)> {
        let mut paths: Vec<&Path> = self.out.iter().map(PathBuf::as_path).collect();
        let models: Vec<PathBuf> = self
            .save
            .iter()
            .flat_map(|folder| paths_in(folder))
            .collect();
        paths.extend(models.iter().map(PathBuf::as_path));
        // A file in a folder that is not there is the same as no other.
        if let Some(folder) = &self.save {
            make_folder(folder, "--save")?;
        }
        check_distinct(&paths, &self.data.files())?;
        let check = |path: &PathBuf| new_file(path, self.force);
        let models = models.iter().map(check).collect::<anyhow::Result<_>>()?;
        Ok((self.out.as_ref().map(check).transpose()?, models))
    }

    fn effort(&self) -> Effort {
        match self.minutes {
            Some(minutes) => Effort::Seconds(60.0 * minutes),
            None if self.quick => Effort::Quick,
            None => Effort::Usual,
        }
    }

    /// Prints the document, or writes its words to a file or, where that fails or there is none, to standard
    /// output.
    fn print(
        &self,
        document: &MoreDocument,
        out: Option<&Output>,
        remarks: Remarks,
    ) -> anyhow::Result<()> {
        if self.json.json {
            return output::json(document);
        }
        let names = &document.names;
        let lines: String = names.iter().map(|name| name.name.clone() + "\n").collect();
        // A file is not replaced by nothing.
        let out = out.filter(|_| !names.is_empty());
        let written = out.map_or(Ok(()), |out| out.replace(lines.as_bytes()));
        match (out, &written) {
            (Some(out), Ok(())) => {
                let path = out.path().display();
                match names.len() as u64 {
                    found if found < self.number => remarks.say(format_args!(
                        "wrote {path}, which has {found} of {} words",
                        self.number
                    )),
                    _ => remarks.say(format_args!("wrote {path}")),
                }
            }
            _ => {
                let mut results = output::results();
                results.write_all(lines.as_bytes())?;
                results.flush()?;
            }
        }
        Ok(written?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use crate::cli::testing::Folder;

    /// A folder with a list of 60 names.
    fn few() -> (Folder, HashSet<String>) {
        let folder = Folder::new();
        let names = include_str!("../../../assets/names.txt");
        let names: Vec<&str> = names.lines().step_by(500).take(60).collect();
        folder.write("few.txt", names.join("\n"));
        (folder, names.into_iter().map(str::to_owned).collect())
    }

    /// Blank lines once came out as names, and copies of the list.
    #[test]
    fn words_are_new_not_empty_and_the_same_again() {
        let (folder, list) = few();
        let (words, said) = folder.both("more few.txt -n 50 --threads 1");
        let drawn: HashSet<&str> = words.lines().collect();
        assert_eq!((words.lines().count(), drawn.len()), (50, 50));
        assert!(
            drawn
                .iter()
                .all(|word| !word.is_empty() && !list.contains(*word))
        );
        assert!(
            said.contains("n-grams of order ") && said.contains("gru after "),
            "{said}"
        );
        assert_eq!(folder.stdout("more --data few.txt -n 50"), words);
        assert_ne!(folder.stdout("more few.txt -n 50 --seed 1"), words);
    }

    #[test]
    fn the_best_word_is_first_and_the_losses_are_there() {
        let (folder, _) = few();
        let document = folder.json("more few.txt --json");
        let number = |value: &Value| value.as_f64().unwrap();
        let names = document["names"].as_array().unwrap();
        let nll = |name: &Value| {
            let characters = name["name"].as_str().unwrap().chars().count();
            -number(&name["log_likelihood"]) / (characters + 1) as f64
        };
        assert!(names.windows(2).all(|pair| nll(&pair[0]) <= nll(&pair[1])));
        let weights = document["models"].as_array().unwrap();
        let weights: f64 = weights.iter().map(|model| number(&model["weight"])).sum();
        assert!((weights - 1.0).abs() < 1e-9, "{weights}");
        // A mixture that learned on two thirds of the words is above guessing 27 characters.
        let tried = document["tried"].as_array().unwrap();
        assert!(number(&tried.last().unwrap()["loss"]) < 27_f64.ln());
    }

    #[test]
    fn wishes_are_met_and_what_cannot_be_drawn_is_said_after_what_was() {
        let (folder, _) = few();
        let wishes = "--prefix ma --suffix a --max-length 6 --without x";
        let words = folder.stdout(&format!("more few.txt --quick -n 20 {wishes}"));
        let is_wished = |word: &str| {
            word.starts_with("ma") && word.ends_with('a') && word.len() <= 6 && !word.contains('x')
        };
        assert_eq!(words.lines().count(), 20);
        assert!(words.lines().all(is_wished), "{words}");
        let few = folder.run("more few.txt --quick -q -n 100 --max-length 1".split(' '));
        let found = few.stdout.lines().count();
        let error =
            format!("error: only {found} new words meet the wishes: {found} of 100 were found\n");
        assert_eq!((few.stderr, few.status), (error, 1));
    }

    /// Models learned for minutes before a wish was refused, and a refusal left an empty folder behind.
    #[test]
    fn wishes_and_places_are_checked_before_the_work() {
        let (folder, _) = few();
        let refused = |arguments: &str, wanted: &str| {
            let arguments = format!("more few.txt --save kept {arguments}");
            let run = folder.run(arguments.split(' '));
            assert!(run.stderr.starts_with(wanted), "{}", run.stderr);
            assert_eq!((run.stderr.lines().count(), run.status), (1, 1));
        };
        refused("--prefix é", "error: --prefix 'é': the character");
        refused(
            "--suffix a --without a",
            "error: --suffix a --without a: no word of",
        );
        refused("--matching [", "error: the regular expression");
        assert!(!folder.path("kept").exists());
        // The words once took the place of a model.
        refused(
            "--out kept/gru.safetensors",
            "error: kept/gru.safetensors is given twice",
        );
    }

    #[test]
    fn wishes_are_read_as_the_list_is() {
        let (folder, _) = few();
        let words = folder.stdout("more few.txt --lowercase --quick -n 50 --without AEI");
        assert!(!words.contains(['a', 'e', 'i']), "{words}");
    }

    #[test]
    fn saved_models_draw_more() {
        let (folder, list) = few();
        let more = "more few.txt -n 5 --save kept --out words.txt --suffix a --max-length 9";
        let (words, said) = folder.both(more);
        assert_eq!(words, "");
        assert!(said.ends_with("wrote words.txt\n"), "{said}");
        assert_eq!(
            folder
                .read("words.txt")
                .split(|&byte| byte == b'\n')
                .count(),
            6
        );
        let (_, command) = said.split_once("`makemore-tch ").unwrap();
        let (command, _) = command.split_once('`').unwrap();
        let more = folder.stdout(&format!("{command} -n 20 --plain"));
        let is_wished = |word: &str| word.ends_with('a') && !list.contains(word);
        assert!(more.lines().all(is_wished), "{command}: {more}");
        assert!(
            command.ends_with(" --suffix a --min-length 3 --max-length 9"),
            "{command}"
        );
        let (_, page) = said.split_once("`makemore-tch page ").unwrap();
        let (page, _) = page.split_once('`').unwrap();
        folder.stdout(&format!("page {page}"));
        for again in ["--save kept", "--out words.txt"] {
            let error = folder.error(&format!("more few.txt --quick {again}"), 1);
            assert!(error.contains("is not overwritten"), "{error}");
        }
        folder.write("kept/transformer.safetensors", "of another run");
        let said = folder.stderr("more few.txt --quick -n 1 --save kept --out words.txt --force");
        let others = "left as they are: kept/gru.safetensors, kept/transformer.safetensors\n";
        assert!(said.contains(others), "{said}");
        let kept = folder.read("kept/transformer.safetensors");
        assert_eq!(kept, b"of another run");
        let error = folder.error("more few.txt --quick --out few.txt --force", 1);
        assert!(
            error.starts_with("error: few.txt is an input, which"),
            "{error}"
        );
    }

    /// It trained for seconds.
    #[test]
    fn no_words_are_there_at_once() {
        let (folder, _) = few();
        assert_eq!(folder.both("more few.txt -n 0"), Default::default());
        let document = folder.json("more few.txt -n 0 --json");
        assert_eq!(document["tried"], Value::Array(Vec::new()));
        let said = folder.stderr("more few.txt -n 0 --quick --save kept");
        assert!(said.contains("the models are in kept"), "{said}");
        let error = folder.error("more few.txt -n 0 --prefix é", 1);
        assert!(error.contains("'é'"), "{error}");
    }

    /// The system said that a file exists, but not what would work.
    #[test]
    fn models_are_kept_in_no_file() {
        let (folder, _) = few();
        for inside in ["", "/kept"] {
            let error = folder.error(&format!("more few.txt --save few.txt{inside}"), 1);
            let expected =
                "error: few.txt is a file; --save takes a folder, which is made if it is not there";
            assert_eq!(error, expected);
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("nothing", folder.path("link")).unwrap();
            let error = folder.error("more few.txt --save link", 1);
            assert!(
                error.contains("link is a link to what is not there; --save"),
                "{error}"
            );
        }
    }

    /// Of 100 names, the shortest with two letters, there was the new word `n`; of 181 currencies, words of 65
    /// characters, where the longest has 51.
    #[test]
    fn no_word_is_shorter_or_longer_than_those_of_the_list() {
        let (folder, list) = few();
        let characters = list.iter().map(|word| word.chars().count());
        let longest = characters.max().unwrap();
        let longest_drawn = |arguments: &str| {
            let words = folder.stdout(&format!("more few.txt --quick -n 300 {arguments}"));
            words.lines().map(|word| word.chars().count()).max()
        };
        assert_eq!(longest_drawn(""), Some(longest));
        assert_eq!(longest_drawn("--min-length 1"), Some(longest));
        assert!(longest_drawn("--max-length 40") > Some(longest));
        // Of the eight words of three letters one is new.
        folder.write("codes.txt", "aaa\naab\naba\nabb\nbaa\nbab\nbba\n".repeat(8));
        let (words, said) = folder.both("more codes.txt --quick -n 1");
        assert_eq!(
            (words.as_str(), said.lines().count()),
            ("bbb\n", 1),
            "{said}"
        );
        let (words, said) = folder.both("more codes.txt --quick -n 5");
        assert_eq!(words.lines().count(), 5, "{words}");
        let told =
            "4 of the 5 words may be longer than those of the list, of at most 3 characters, as";
        assert!(said.contains(told), "{said}");
        // Words may be of any length that a wish has; one line that is no word does not change it.
        folder.write(
            "line.txt",
            format!("{}\n{}", "ab".repeat(20_000), "ab\nba\nbab\n".repeat(20)),
        );
        let longest = |words: String| words.lines().map(|word| word.chars().count()).max();
        let words = folder.stdout("more line.txt --quick -n 40");
        assert!(longest(words).is_some_and(|longest| longest <= 100));
        folder.write("list.txt", "zoë\nanna\nnan\nzannë\nann\n");
        let shortest = |arguments: &str| {
            let words = folder.stdout(&format!("more list.txt --quick {arguments}"));
            words.lines().map(|word| word.chars().count()).min()
        };
        assert_eq!(shortest("-n 60"), Some(3));
        assert_eq!(shortest("-n 60 --min-length 1"), Some(1));
        // Other wishes come first.
        assert_eq!(shortest("-n 3 --max-length 1"), Some(1));
        let said = folder.stderr("more list.txt --quick --save kept");
        assert!(said.contains(" --min-length 3` draws"), "{said}");
    }

    /// Of breweries, one in a hundred began or ended with a space, or had two.
    #[test]
    fn spaces_stand_where_a_list_has_them() {
        let folder = Folder::new();
        let doubled = |words: &str| words.contains("  ");
        for between in [" ", "  "] {
            let list = ["a", "bab", "c ba", "dad", "ca"].map(|end| format!("ab{between}{end}\n"));
            folder.write("list.txt", list.concat());
            let words = folder.stdout("more list.txt --quick -n 60");
            assert!(words.lines().all(|word| word == word.trim()), "{words}");
            assert_eq!(doubled(&words), doubled(between), "{words}");
        }
    }

    /// Nothing can be held out of one word, and each of a few is held out in turn.
    #[test]
    fn the_smallest_lists_have_more_words_too() {
        let folder = Folder::new();
        for list in ["ab\n", "ab\nba\n", "ab\nba\nabba\n"] {
            folder.write("tiny.txt", list);
            let words = folder.stdout("more tiny.txt -n 4");
            assert_eq!(words.lines().count(), 4, "{list}: {words}");
        }
    }
}
