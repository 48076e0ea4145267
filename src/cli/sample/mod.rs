//! `makemore-tch sample`: drawn words, sorted by likelihood or, with `--plain`, as they are drawn.

mod draw;
pub mod ngrams;
mod print;

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use makemore_tch::data::words::is_lecture;
use makemore_tch::distributed::Alone;
use makemore_tch::memory::Memory;
use makemore_tch::model_file::TrainedOn;
use makemore_tch::models::WordConstraint;
use makemore_tch::score::Ranking;
use makemore_tch::{LanguageModel, Method, Model, ModelFile, Table};

use crate::cli::arguments::models::ModelArguments;
use crate::cli::arguments::order::{ChosenOrder, order};
use crate::cli::arguments::shaping::ShapingArguments;
use crate::cli::arguments::wishes::WishArguments;
use crate::cli::arguments::{DataArguments, JsonArguments, SmoothingArguments, one_of, whole};
use crate::cli::context::Context;
use crate::cli::models::Models;
use crate::cli::other_case;
use ngrams::{Counting, Drawing};
use print::Results;

/// Make more words
///
/// They are drawn by n-grams of the data (the lecture's names by counted pairs) or, with --model, by a trained
/// model or a mixture of several. Each word has its likelihood beside it, by the model that drew it; words of the lecture's
/// bigram network have their likelihood by the counts of the data.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch sample --seed 420           the lecture's five names
  makemore-tch sample -n 20 --prefix mar
  makemore-tch sample --plain -n 1000000 | sort | uniq -c | sort -rn | head
  makemore-tch sample --model makemore.safetensors
  makemore-tch sample --model makemore-ngram.safetensors -n 20
  makemore-tch sample --model makemore-gru.safetensors --model makemore-ngram.safetensors
  makemore-tch sample --plain --new --unique -n 1000
  makemore-tch sample --most-probable --new -n 20 --model makemore-ngram.safetensors")]
pub struct Sample {
    /// The seed of all random numbers
    #[arg(
        long,
        value_name = "N",
        default_value_t = 420,
        value_parser = whole(0..=u64::MAX),
        allow_negative_numbers = true
    )]
    seed: u64,

    /// Number of words
    #[arg(short, long, value_name = "N", default_value_t = 5, value_parser = whole(0..=u64::MAX), allow_negative_numbers = true)]
    number: u64,

    #[command(flatten)]
    models: ModelArguments,

    #[command(flatten)]
    shaping: ShapingArguments,

    #[command(flatten)]
    wishes: WishArguments,

    /// The wishes, in the characters that words were learned in
    #[arg(skip)]
    constraint: WordConstraint,

    /// Only words that the data does not have
    #[arg(long)]
    new: bool,

    /// No word twice
    #[arg(long)]
    unique: bool,

    /// Not drawn words, but the most probable ones, the best first; none comes twice
    ///
    /// They are exact, for wishes and --new too. Of counts and short n-grams rare ones come at once; of others
    /// they may take minutes, or too much memory.
    #[arg(long, conflicts_with_all = ["seed", "temperature", "top_k", "top_p", "sampler"])]
    most_probable: bool,

    /// The order of the words [default: probability, with --plain that in which they are drawn]
    #[arg(long, value_parser = one_of::<Ranking>())]
    sort: Option<Ranking>,

    /// One word a line and nothing else
    ///
    /// They are in the order drawn, unless --sort is given. An empty word is an empty line.
    #[arg(long, conflicts_with = "json")]
    plain: bool,

    /// Write the results to a file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Overwrite an existing file
    #[arg(long)]
    force: bool,

    /// How a character is drawn by its probability
    #[arg(long, value_parser = one_of::<Method>(), default_value = "cumulative")]
    sampler: Method,

    #[command(flatten)]
    data: DataArguments,

    /// The length of the n-grams that draw without --model, 1 to 16 [default: the best on held-out words]
    ///
    /// The lecture's names are drawn by pairs (2), as in the lecture; so is a list with --smoothing. auto is
    /// the best of 2 to 8 for them too.
    #[arg(long, value_name = "N", value_parser = order, conflicts_with = "models", allow_negative_numbers = true)]
    order: Option<ChosenOrder>,

    #[command(flatten)]
    smoothing: SmoothingArguments,

    #[command(flatten)]
    json: JsonArguments,
}

impl Sample {
    /// Returns the exit status, which is that of an interruption.
    pub fn run(mut self, context: Context) -> anyhow::Result<u8> {
        context.threads.prepare_for_reading();
        match self.models.load(
            &self.data,
            Memory::half_of_the_machine(),
            context.remarks,
            &Alone,
        )? {
            Some(models) => {
                self.constraint = self.wishes.constraint(|text| models.word(text));
                let results = self.results(models.files(), context)?;
                self.of_models(&models, &results, context)
            }
            None => {
                let format = self.data.format(None);
                self.constraint = self.wishes.constraint(|text| format.word(text));
                let results = self.results(&[], context)?;
                self.of_counts(&results, context)
            }
        }
    }

    /// Draws from the counts of the data.
    fn of_counts(&self, results: &Results, context: Context) -> anyhow::Result<u8> {
        let counting = Counting {
            list: &self.data,
            order: self.order,
            has_smoothing: self.smoothing.smoothing.is_some(),
            is_searched: self.json.json || self.new,
            seed: self.seed,
        };
        let (drawing, list) = counting.drawing(context)?;
        other_case::remark(&self.constraint, &list, context.remarks)?;
        let source = Some(&list.source);
        match drawing {
            Drawing::Pairs(counts) => {
                let p = Table::of(&counts, self.smoothing.value())?;
                self.print(&p, &p, source, results, context)
            }
            Drawing::Ngrams(p) => self.print(&*p, &*p, source, results, context),
        }
    }

    /// Draws from models.
    fn of_models(
        &self,
        models: &Models,
        results: &Results,
        context: Context,
    ) -> anyhow::Result<u8> {
        if self.is_in_order_drawn() && !self.new {
            models.check_alone(&self.data, "with --plain, words are drawn")?;
        }
        let Some(file) = models.single() else {
            let mixture = models.mixture(self.models.weights.as_deref())?;
            // The user's weights may mix models of different lists.
            let trained_on = models.trained_on().ok().flatten();
            return self.of_model(models, &mixture, trained_on, results, context);
        };
        let model = file.model.language_model();
        match &file.model {
            // The lecture's network is compared with the counts of its list.
            Model::Bigram(trained) if trained.network.order() == 2 && !self.is_in_order_drawn() => {
                let list = models.list()?;
                let data = context.count(&self.data, list, Some(model.vocabulary()))?;
                let p = Table::of(&data.counts, self.smoothing.value())?;
                context.check_list(file, &data)?;
                self.print(model, &p, Some(list), results, context)
            }
            _ => self.of_model(models, model, file.trained_on, results, context),
        }
    }

    /// Draws from a model and prints its own likelihoods. The list only tells which words are new.
    fn of_model(
        &self,
        models: &Models,
        model: &dyn LanguageModel,
        trained_on: Option<TrainedOn>,
        results: &Results,
        context: Context,
    ) -> anyhow::Result<u8> {
        if self.smoothing.smoothing.is_some() {
            bail!("--smoothing is of counts, and --model draws; leave one of them out");
        }
        let has_data = !self.data.data.is_empty();
        let is_of_the_lecture = trained_on.is_some_and(|data| is_lecture(data.list));
        let has_list = has_data || models.found_list || is_of_the_lecture;
        if self.new && !has_list {
            bail!(
                "{}: the list that it was trained on is not known, or not where it was; name the list that words shall be new to with --data FILE",
                models.path().display()
            );
        }
        if has_data {
            context.count(&self.data, models.list()?, Some(model.vocabulary()))?;
        }
        let reads_list = has_list && (self.new || self.json.json);
        let list = reads_list.then(|| models.list()).transpose()?;
        if let (Some(list), Some(trained_on)) = (list.filter(|_| !has_data), trained_on) {
            context.remark_on_change(list, trained_on, models.path(), model.vocabulary());
        }
        self.print(model, model, list, results, context)
    }

    /// Whether words are printed as they are drawn, so that they need no likelihoods.
    fn is_in_order_drawn(&self) -> bool {
        self.plain && matches!(self.sort, None | Some(Ranking::None))
    }

    /// Where the results go: to no file that a model or a list is in.
    fn results(&self, models: &[ModelFile], context: Context) -> anyhow::Result<Results> {
        let lists = models.iter().filter_map(|model| model.list.as_ref());
        let lists = lists.flat_map(|list| list.files.iter().map(Path::new));
        let mut inputs: Vec<&Path> = lists.chain(self.data.files()).collect();
        inputs.extend(self.models.files.models.iter().map(PathBuf::as_path));
        Results::to(self.out.as_deref(), self.force, &inputs, context.remarks)
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::testing::{Folder, refusal};

    #[test]
    fn what_cannot_be_drawn_is_said_in_one_line() {
        let error = refusal("sample --prefix zoë", 1);
        let expected = "error: --prefix 'zoë': the character 'ë' (U+00EB)";
        assert!(error.starts_with(expected), "{error}");
        for impossible in [
            "--prefix abcdef --max-length 3",
            "--min-length 4 --max-length 3",
            "--without xa --contains a",
            "--suffix b --matching a",
        ] {
            let error = refusal(&format!("sample {impossible}"), 1);
            let expected =
                format!("error: {impossible}: no word of these characters can meet all wishes");
            assert_eq!(error, expected);
        }
        let error = refusal("sample --matching a(b", 1);
        assert!(error.contains("the regular expression \"a(b\""), "{error}");
        for (arguments, value) in [
            ("sample --seed -1", "'-1'"),
            ("sample --temperature -1", "'-1'"),
            ("sample --top-p 0", "'0'"),
            ("sample --top-p 1.1", "'1.1'"),
            ("sample --temperature nan", "'nan'"),
            ("sample -n many", "'many'"),
            ("sample --sampler best", "'best'"),
            ("sample --smoothing -1", "'-1'"),
            ("sample --boundary ab", "'ab'"),
        ] {
            let error = refusal(arguments, 2);
            assert!(error.contains(value), "{arguments}: {error}");
            assert!(
                !error.contains("found in string"),
                "what would work: {error}"
            );
        }
    }

    /// They once said that smoothing is 0, which it was not.
    #[test]
    fn extreme_temperatures_and_smoothings_still_draw() {
        let folder = Folder::new();
        // Only the likeliest character follows.
        assert_eq!(
            folder.stdout("sample --plain -n 2 --temperature 1e-320"),
            "a\na\n"
        );
        for arguments in [
            "--temperature 1e300",
            "--smoothing 1e39",
            "--smoothing 1e308",
        ] {
            let names = folder.stdout(&format!("sample --plain -n 20 {arguments}"));
            assert_eq!(names.lines().count(), 20);
            // All characters are about equally probable.
            assert!(names.contains('x') || names.contains('q'), "{names}");
        }
    }

    #[test]
    fn number_prefix_length_and_temperature_shape_the_names() {
        let folder = Folder::new();
        let names = folder.stdout("sample --plain -n 50 --prefix ma --max-length 6");
        assert_eq!(names.lines().count(), 50);
        assert!(
            names
                .lines()
                .all(|name| name.starts_with("ma") && name.len() <= 6)
        );
        // At the lowest temperatures only the likeliest character follows: `.a` and then `a.`.
        assert_eq!(
            folder.stdout("sample --plain -n 2 --temperature 0.01"),
            "a\na\n"
        );
        assert_eq!(folder.stdout("sample -n 0"), "");
    }

    /// It was refused; the lecture's network is ranked by the counts, as without --plain.
    #[test]
    fn plain_words_are_sorted_where_the_user_asks_for_it() {
        let folder = Folder::new();
        folder.stdout("train --epochs 1 --out m");
        for arguments in ["", "--model m", "--new --unique", "--most-probable"] {
            for sort in ["probability", "per-character", "none"] {
                let sample = format!("sample -n 20 --sort {sort} {arguments}");
                let names = folder.json(&format!("{sample} --json"))["names"].clone();
                let names = names.as_array().unwrap().iter();
                let names: Vec<_> = names.map(|name| name["name"].as_str().unwrap()).collect();
                let plain = folder.stdout(&format!("{sample} --plain"));
                assert_eq!(plain.lines().collect::<Vec<_>>(), names, "{sample}");
            }
        }
        let drawn = folder.stdout("sample -n 20 --plain");
        assert_eq!(folder.stdout("sample -n 20 --plain --sort none"), drawn);
        let sorted = folder.stdout("sample -n 20 --plain --sort probability");
        assert_ne!(sorted, drawn);
        folder.stdout("sample -n 20 --plain --sort probability --out sorted.txt");
        assert_eq!(folder.read("sorted.txt"), sorted.as_bytes());
    }

    /// The error did not say that every draw is the same word.
    #[test]
    fn where_only_one_word_is_drawn_an_error_says_so() {
        let folder = Folder::new();
        for (arguments, only, above) in [
            (
                "--temperature 0",
                "--temperature 0",
                "--temperature above 0",
            ),
            ("--top-k 1", "--top-k 1", "--top-k above 1"),
            (
                "--top-k 1 --temperature 0",
                "--temperature 0 and at --top-k 1",
                "--temperature above 0 with a --top-k above 1",
            ),
        ] {
            let works = format!(
                "; only one word is drawn at {only}, so that a {above}, or --most-probable, would work"
            );
            for wishes in ["--prefix b --suffix zq", "--unique", "--plain --suffix b"] {
                let run = folder.run(format!("sample {arguments} {wishes}").split(' '));
                assert!(run.stderr.trim_end().ends_with(&works), "{}", run.stderr);
                assert_eq!(run.status, 1);
            }
        }
        let error = folder.error("sample --temperature 0 --min-length 4 --max-length 3", 1);
        assert!(error.ends_with("can meet all wishes"), "{error}");
    }

    /// A draw of 100 characters was once dropped in silence.
    #[test]
    fn draws_that_never_end_are_dropped_and_counted() {
        let folder = Folder::new();
        folder.write("long.txt", "ab".repeat(70));
        let (words, said) = folder.both("sample --data long.txt --smoothing 0 --plain -n 20");
        assert!(words.lines().all(|word| word.len() <= 100), "{words}");
        let begin = "draws dropped, as they got longer than 100 characters: ";
        let dropped = said.trim_end().strip_prefix(begin).unwrap();
        let end = "; --max-length N draws longer words";
        let dropped: u64 = dropped.strip_suffix(end).unwrap().parse().unwrap();
        assert!(dropped > 5, "{said}");
        let longer =
            folder.both("sample --data long.txt --smoothing 0 --plain -n 20 --max-length 2000");
        assert!(longer.0.lines().any(|word| word.len() > 100));
        assert_eq!(longer.1, "");
        // N-grams know that the longest word has 140 characters.
        let ngrams = "sample --data long.txt --order 3 --plain -n 40";
        let (words, said) = folder.both(ngrams);
        assert!(words.lines().any(|word| word.len() > 100), "{words}");
        assert!(said.is_empty() || said.contains("longer than 280 characters"));
    }

    #[test]
    fn what_would_be_printed_is_written_to_a_new_file() {
        let folder = Folder::new();
        for options in ["", "--json", "--plain", "--plain --unique"] {
            let printed = folder.stdout(&format!("sample {options}"));
            let told = folder.both(&format!("sample {options} --out words.txt --force"));
            assert_eq!(told, (String::new(), "wrote words.txt\n".to_owned()));
            assert_eq!(folder.read("words.txt"), printed.as_bytes(), "{options}");
        }
        let error = folder.error("sample --out words.txt", 1);
        assert!(error.contains("is not overwritten"), "{error}");
        let error = folder.error("sample --data words.txt --out words.txt --force", 1);
        assert!(error.contains("words.txt is an input"), "{error}");
        // Words that were found are there, and a file is not replaced by none.
        folder.write("list.txt", "ab\nba\n");
        let few =
            "sample --data list.txt --order 2 --plain --unique --max-length 1 -n 9 --out few.txt";
        let done = folder.run(few.split(' '));
        let told = "wrote few.txt\nerror: only 3 words meet the wishes: 3 of 9 were found\n";
        assert_eq!((done.stderr.as_str(), done.status), (told, 1));
        assert_eq!(
            folder.read("few.txt").split(|&byte| byte == b'\n').count(),
            4
        );
        for options in ["", "--json", "--plain"] {
            let none = "--order 3 --new --prefix ab --max-length 2 --out few.txt --force";
            folder.error(&format!("sample --data list.txt -q {none} {options}"), 1);
        }
        folder.write("abc.txt", "a\nb\nc\n");
        let none = "--max-length 1 --out few.txt --force";
        folder.error(&format!("more abc.txt --quick -q {none}"), 1);
        let none = "--smoothing 0 --matching aa --out few.txt --force";
        folder.error(&format!("sample --data list.txt {none}"), 1);
    }

    #[test]
    fn another_boundary_where_words_have_full_stops() {
        let folder = Folder::new();
        folder.write("towns.txt", "St. Ives\nSt. Asaph\n");
        let error = folder.error("sample --data towns.txt --boundary .", 1);
        assert!(error.contains("towns.txt:1: the word has a '.'"), "{error}");
        let ways = "choose it with --boundary CHAR, or leave such lines out with --skip-bad-lines";
        assert!(error.ends_with(ways), "{error}");
        let names = folder.stdout("sample --data towns.txt --smoothing 0 --plain");
        assert!(
            names.lines().all(|name| name.starts_with("St. ")),
            "{names}"
        );
    }

    #[test]
    fn new_words_are_not_in_the_data_and_none_comes_twice() {
        let folder = Folder::new();
        let names: Vec<&str> = include_str!("../../../assets/names.txt").lines().collect();
        let drawn = folder.stdout("sample --plain --new --unique -n 400");
        let mut drawn: Vec<&str> = drawn.lines().collect();
        assert_eq!(drawn.len(), 400);
        assert!(drawn.iter().all(|name| !names.contains(name)));
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 400);
        let ranked = folder.json("sample --new -n 20 --json");
        let ranked = ranked["names"].as_array().unwrap();
        assert_eq!(ranked.len(), 20);
        assert!(ranked.iter().all(|name| name["in"].is_null()));
    }

    #[test]
    fn of_the_most_probable_alone_one_word_is_drawn() {
        let folder = Folder::new();
        let drawn = folder.stdout("sample --plain --top-k 1 -n 3 --max-length 6");
        assert_eq!(drawn, "a\n".repeat(3));
        for shaping in ["--temperature 0", "--top-p 1e-9"] {
            let drawn = folder.stdout(&format!("sample --plain {shaping} -n 3 --max-length 6"));
            assert_eq!(drawn, "a\n".repeat(3), "{shaping}");
        }
        assert_eq!(
            folder.stdout("sample --plain --top-p 1"),
            folder.stdout("sample --plain")
        );
        assert_ne!(
            folder.stdout("sample --plain --top-p 0.5"),
            folder.stdout("sample --plain")
        );
        let error = folder.error("sample --top-k 0", 2);
        assert!(error.contains("--top-k"), "{error}");
    }

    #[test]
    fn the_most_probable_words_are_those_that_score_highest() {
        let folder = Folder::new();
        let most = "sample --most-probable";
        let lines = |arguments: &str| -> Vec<String> {
            let words = folder.stdout(&format!("{most} --plain {arguments}"));
            words.lines().map(str::to_owned).collect()
        };
        // Of all words of at most two letters.
        let alphabet: Vec<String> = ('a'..='z').map(String::from).collect();
        let pairs = alphabet
            .iter()
            .flat_map(|a| alphabet.iter().map(move |b| format!("{a}{b}")));
        let all: Vec<String> = pairs.chain(alphabet.clone()).collect();
        let scored = folder.stdout(&format!(
            "score --each --sort probability -- {}",
            all.join(" ")
        ));
        let scored: Vec<&str> = scored
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().last().unwrap())
            .collect();
        let best = lines("-n 30 --min-length 1 --max-length 2");
        assert_eq!(best, scored[..30]);
        // The same words for any seed, and those of a list are left out.
        let new = lines("-n 30 --new");
        let names = include_str!("../../../assets/names.txt");
        assert!(
            new.iter()
                .all(|word| !names.lines().any(|name| name == word))
        );
        let ranked = folder.json(&format!("{most} -n 3 --json --max-length 2 --min-length 1"));
        assert_eq!(ranked["names"][0]["name"], best[0].as_str());
        let all =
            folder.run(format!("{most} --plain -n 9 --max-length 2 --matching [ab]*").split(' '));
        assert_eq!(
            (all.stdout.lines().count(), all.status),
            (7, 1),
            "{}",
            all.stderr
        );
        assert_eq!(
            all.stderr,
            "error: there are no more such words: 7 of 9 were found\n"
        );
        for option in [
            "--temperature 0.5",
            "--top-k 3",
            "--top-p 0.9",
            "--seed 1",
            "--sampler multinomial",
        ] {
            let error = folder.error(&format!("{most} {option}"), 2);
            assert!(error.contains("cannot be used with"), "{error}");
        }
    }

    #[test]
    fn a_network_draws_with_the_likelihoods_of_the_counts() {
        let folder = Folder::new();
        folder.stdout("train --out model.safetensors");
        assert_eq!(
            folder.stdout("sample --model model.safetensors"),
            folder.stdout("sample --seed 420")
        );
    }
}
