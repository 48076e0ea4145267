//! Wishes for drawn words.

use clap::Args;
use makemore_tch::data::Vocabulary;
use makemore_tch::models::{Automaton, WordConstraint};
use makemore_tch::{Error, LanguageModel, MostProbable, NgramCounts, SampleOptions, Sampler};

use super::whole;
use crate::cli::typed::argument;

/// Arguments that say what words must be like.
#[derive(Debug, Args)]
pub struct WishArguments {
    /// Only words that begin with TEXT
    #[arg(long, value_name = "TEXT", default_value_t, hide_default_value = true)]
    pub prefix: String,

    /// Only words that end with TEXT
    #[arg(long, value_name = "TEXT", default_value_t, hide_default_value = true)]
    pub suffix: String,

    /// Only words that have TEXT in them; may be given several times
    #[arg(long, value_name = "TEXT")]
    pub contains: Vec<String>,

    /// Only words that have none of these characters
    #[arg(long, value_name = "CHARS", default_value_t, hide_default_value = true)]
    pub without: String,

    /// Only words of at least N characters
    ///
    /// Without it, `more` draws no words shorter than the shortest of the list, unless other wishes ask for them.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = whole(0..=u32::MAX), allow_negative_numbers = true)]
    pub min_length: u32,

    /// Only words of at most N characters
    ///
    /// Without it, draws are dropped and counted that get longer than 100 characters and than twice the longest
    /// word that the model knows; `more` draws words longer than all of the list, if that has 50, only where there
    /// are not enough others.
    #[arg(long, value_name = "N", value_parser = whole(1..=u32::MAX), allow_negative_numbers = true)]
    pub max_length: Option<u32>,

    /// Only words that a regular expression matches whole, such as '(ma|pa).*[aeiou]'; may be given several
    /// times
    #[arg(long, value_name = "REGEX")]
    pub matching: Vec<String>,
}

impl WishArguments {
    /// The constraint on words; `word` changes a text as the words of a list were changed.
    pub fn constraint(&self, word: impl Fn(&str) -> String) -> WordConstraint {
        WordConstraint {
            min_length: self.min_length as usize,
            max_length: self.max_length.map(|length| length as usize),
            prefix: word(&self.prefix),
            suffix: word(&self.suffix),
            contains: self.contains.iter().map(|text| word(text)).collect(),
            without: word(&self.without).chars().collect(),
            matching: self.matching.clone(),
        }
    }

    /// The most probable words of a model; an error names the wish that it is about.
    pub fn most_probable<'m>(
        model: &'m dyn LanguageModel,
        wishes: &WordConstraint,
    ) -> anyhow::Result<MostProbable<'m>> {
        MostProbable::of(model, wishes).map_err(|error| named(error, wishes))
    }

    /// A sampler of a model; an error names the wish that it is about.
    pub fn sampler<'m>(
        model: &'m dyn LanguageModel,
        seed: u64,
        options: &SampleOptions,
    ) -> anyhow::Result<Sampler<'m>> {
        Sampler::new(model, seed, options).map_err(|error| named(error, &options.constraint))
    }
}

/// The wish for words that could stand in a list, whose pairs were counted: with no space at an end, since lines
/// are trimmed, and no two spaces side by side where the list has none. None where it has no spaces.
pub fn as_in_list(counts: &NgramCounts) -> Option<String> {
    let space = counts.vocabulary().stoi(' ').ok()?;
    let spaces = match counts.count(&[space], space) {
        0 => " ",
        _ => " +",
    };
    Some(format!("[^ ]+({spaces}[^ ]+)*"))
}

/// Refuses wishes that no word of these characters can meet; the error names the one, or all, of those `typed`.
pub fn check(
    wishes: &WordConstraint,
    typed: &WordConstraint,
    vocabulary: &Vocabulary,
) -> anyhow::Result<()> {
    let automaton = Automaton::of(wishes, vocabulary);
    automaton.map(drop).map_err(|error| named(error, typed))
}

/// Wishes as the user types them, each after a space.
pub fn again(wishes: &WordConstraint) -> String {
    let without: String = wishes.without.iter().collect();
    let texts = [
        ("prefix", &wishes.prefix),
        ("suffix", &wishes.suffix),
        ("without", &without),
    ];
    let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
    let texts = texts.map(|(id, text)| argument(id, text));
    let several = [
        ("contains", &wishes.contains),
        ("matching", &wishes.matching),
    ];
    let several = several
        .into_iter()
        .flat_map(|(id, texts)| texts.iter().map(move |text| argument(id, text)));
    let least = Some(wishes.min_length).filter(|&length| length > 0);
    let lengths = [("min_length", least), ("max_length", wishes.max_length)];
    let lengths = lengths
        .into_iter()
        .filter_map(|(id, length)| Some(argument(id, &length?.to_string())));
    let all = texts.chain(several).chain(lengths);
    all.map(|wish| format!(" {wish}")).collect()
}

/// An error with the wish, or the wishes, that it is about.
fn named(error: Error, wishes: &WordConstraint) -> anyhow::Error {
    match error {
        Error::Word { word, cause } => {
            let wish = match &word {
                word if *word == wishes.prefix => "prefix",
                word if *word == wishes.suffix => "suffix",
                _ => "contains",
            };
            anyhow::Error::from(*cause).context(argument(wish, &word))
        }
        Error::Wish(_) => match again(wishes).trim_start() {
            "" => error.into(),
            all => anyhow::Error::from(error).context(all.to_owned()),
        },
        error => error.into(),
    }
}
