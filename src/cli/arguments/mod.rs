//! Arguments that several commands share, and those of `train` in files of their own. Those of every
//! other command are in its file.

pub mod distributed;
pub mod help;
pub mod list;
pub mod model_type;
pub mod models;
pub mod order;
mod part_lists;
mod recipe;
mod refusals;
pub mod shaping;
pub mod train;
pub mod wishes;
pub mod words;

use std::fmt::Display;
use std::ops::{Bound, RangeBounds, RangeInclusive};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use bytesize::ByteSize;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use encoding_rs::Encoding;
use makemore_tch::data::list_format::Normalization;
use makemore_tch::memory::Memory;
use makemore_tch::{Error, Vocabulary};
use strum::{EnumMessage, VariantArray};

/// Arguments that name the words.
#[derive(Debug, Args)]
pub struct DataArguments {
    /// Lists of words, one word a line; - is standard input [default: the lecture's names]
    ///
    /// They are in UTF-8, unless --encoding is given, and plain or compressed by gzip or zstd.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub data: Vec<PathBuf>,

    /// The start/end token, which stands before and after each word [default: a character that no word has]
    ///
    /// No word may contain it. The default is that of the model, else . or, if words have it, the first of
    /// $ | ^ ¶ ␂ that none has.
    #[arg(long, value_name = "CHAR", value_parser = boundary)]
    pub boundary: Option<char>,

    /// The encoding of the lists, such as latin1, windows-1252, utf-16 or shift_jis [default: utf-8]
    ///
    /// A byte-order mark is followed by itself.
    #[arg(long, value_name = "NAME", value_parser = encoding)]
    pub encoding: Option<&'static Encoding>,

    /// The column of the words and, if there is one, that of their counts, by numbers or names
    ///
    /// Numbers begin with 1, names are in the first line; a count is how often a word occurs. Columns are separated
    /// by commas, tabs, semicolons, | or white space, which words beside their counts may have in them.
    #[arg(long, value_name = "WORD[,COUNT]")]
    pub columns: Option<String>,

    /// Leave out lines that cannot be words, instead of refusing the list
    ///
    /// They are too long, or have control characters, the --boundary given or bytes that are none of the encoding.
    #[arg(long)]
    pub skip_bad_lines: bool,

    /// Read the lists in lower case
    #[arg(long)]
    pub lowercase: bool,

    /// Normalize the characters of the lists, so that words that look alike are alike
    #[arg(long, value_name = "FORM", value_parser = one_of::<Normalization>())]
    pub normalize: Option<Normalization>,
}

impl DataArguments {
    /// Whether standard input is one of the lists.
    pub fn has_stdin(&self) -> bool {
        self.data.iter().any(|file| file.as_os_str() == "-")
    }

    /// The start/end token: the user's, else the model's; `None` if the list chooses it.
    pub fn boundary(&self, model: Option<&Vocabulary>) -> Option<char> {
        self.boundary.or(model.map(Vocabulary::boundary))
    }

    /// Of several files, a missing one may be meant as another argument: `what` it is, and that it stands.
    pub fn explain(&self, error: Error, what: &str) -> anyhow::Error {
        match (error, self.data.len()) {
            (error @ Error::Read { .. }, 2..) => {
                anyhow::Error::from(error).context(format!("{what} before --data or after --"))
            }
            (error, _) => error.into(),
        }
    }

    /// The files of `--data`.
    pub fn files(&self) -> Vec<&Path> {
        self.data.iter().map(PathBuf::as_path).collect()
    }
}

/// The argument that smooths counts.
#[derive(Debug, Args)]
pub struct SmoothingArguments {
    /// The number added to the count of every bigram [default: 1]
    ///
    /// With 0, bigrams that the data does not have get probability 0.
    #[arg(long, value_name = "X", value_parser = zero_or_more, allow_negative_numbers = true)]
    pub smoothing: Option<f64>,
}

impl SmoothingArguments {
    /// The number that is added to every count: the lecture's is 1.
    pub fn value(&self) -> f64 {
        self.smoothing.unwrap_or(1.0)
    }
}

/// The argument that limits memory.
#[derive(Debug, Args)]
pub struct MemoryArguments {
    /// The most memory to use, such as 4GB [default: half of the machine's]
    ///
    /// It is for n-grams, the words of a list with counts, or a training step. An n-gram takes up to 64 bytes while
    /// it is counted, more if it has 16 characters or the list has thousands of different characters.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memory: Option<ByteSize>,
}

impl MemoryArguments {
    /// The limit of `--memory`.
    pub fn memory(&self) -> Memory {
        match self.memory {
            Some(size) => Memory::new(size.as_u64()),
            None => Memory::half_of_the_machine(),
        }
    }
}

/// The argument that asks for JSON.
#[derive(Debug, Args)]
pub struct JsonArguments {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

fn boundary(text: &str) -> Result<char, String> {
    match text.parse::<char>() {
        Ok(boundary) if !boundary.is_control() => Ok(boundary),
        _ => Err("one character that is no control character would work, such as $".to_owned()),
    }
}

fn encoding(text: &str) -> Result<&'static Encoding, String> {
    Encoding::for_label_no_replacement(text.as_bytes()).ok_or_else(|| {
        "the name of an encoding would work, such as latin1, utf-16 or shift_jis".to_owned()
    })
}

fn size(text: &str) -> Result<ByteSize, String> {
    match text.parse::<ByteSize>() {
        Ok(size) if size.as_u64() > 0 => Ok(size),
        _ => Err("an amount of memory would work, such as 512MB or 4GB".to_owned()),
    }
}

/// Parses a whole number in a range.
pub fn whole<T>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr + PartialOrd + Display + Clone + Send + Sync + 'static,
{
    move |text| match text.parse::<T>() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!(
            "a whole number from {} to {} would work",
            range.start(),
            range.end()
        )),
    }
}

/// Parses a finite number in a range; `which` names the range to the user.
fn number(text: &str, range: impl RangeBounds<f64>, which: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && range.contains(&value) => Ok(value),
        _ => Err(format!("a number {which} would work")),
    }
}

/// Parses a finite number from 0.
pub fn zero_or_more(text: &str) -> Result<f64, String> {
    number(text, 0.0.., "from 0")
}

/// Parses a number from 0 to below 1.
pub fn below_one(text: &str) -> Result<f64, String> {
    number(text, 0.0..1.0, "from 0 to below 1")
}

/// Parses a finite number above 0.
pub fn above_zero(text: &str) -> Result<f64, String> {
    number(text, (Bound::Excluded(0.0), Bound::Unbounded), "above 0")
}

/// Parses a number above 0 and at most 1.
pub fn share(text: &str) -> Result<f64, String> {
    let range = (Bound::Excluded(0.0), Bound::Included(1.0));
    number(text, range, "above 0 and at most 1")
}

/// Parses a value of an enum of the library, whose docs are the help.
pub fn one_of<T>() -> impl TypedValueParser<Value = T>
where
    T: VariantArray + EnumMessage + FromStr + Copy + Into<&'static str> + Send + Sync,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let values = T::VARIANTS.iter().map(|value| {
        let possible = PossibleValue::new((*value).into());
        possible.help(value.get_documentation().unwrap_or_default())
    });
    PossibleValuesParser::new(values).try_map(|text| text.parse())
}

#[cfg(test)]
mod tests {
    use crate::cli::testing::Folder;

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

    /// Left out words were counted as lines, and flags beside a model's list were dropped in silence.
    #[test]
    fn the_list_of_a_model_is_read_with_its_counts_and_as_the_user_asks() {
        let folder = Folder::new();
        folder.write("list.csv", "anna,5\nava,2\nmia,3\n");
        let train = "train --type bigram --epochs 1 --out m --split 100,0,0";
        folder.stdout(&format!("{train} --data list.csv --columns 1,2"));
        let ngram = "train --type ngram --order 2 --out n --split 100,0,0";
        folder.stdout(&format!("{ngram} --data list.csv --columns 1,2"));
        folder.write("more.csv", "anna,5\nzoë,7\n");
        let scored = folder.json("score --json --model m --data more.csv --columns 1,2");
        assert_eq!(scored["left_out"], 7);
        let word = folder.json("score --json --model m --lowercase ANNA");
        assert_eq!(word["words"][0]["word"], "anna");
        let word = folder.json("score --json --data list.csv --columns 1,2 --lowercase ANNA");
        assert_eq!(word["words"][0]["word"], "anna");

        // Nothing replaces the list of a model, and a list that changed or is gone is named.
        let error = folder.error("train --resume m --epochs 2 --out list.csv --force", 1);
        assert!(error.contains("same file"), "{error}");
        folder.write("list.csv", "anna,5\nava,2\n");
        let said = folder.stderr("sample --model n --new -n 1");
        assert!(
            said.contains("list.csv has changed since n was trained"),
            "{said}"
        );
        std::fs::remove_file(folder.path("list.csv")).unwrap();
        let error = folder.error("score --model m", 1);
        assert!(
            error.ends_with("list.csv) is not where it was; name it with --data FILE"),
            "{error}"
        );
    }
}
