//! `makemore-tch count`: the counts `N` of a list, the most common first.

use clap::Args;
use makemore_tch::Counted;
use makemore_tch::data::search;
use makemore_tch::format::visible;
use serde::Serialize;

use super::arguments::{DataArguments, JsonArguments, whole};
use super::context::Context;
use super::output;

/// Words of lists up to this length are looked for several times: in longer ones that would take longer
/// than counting.
const MOST_WORDS: u64 = 200_000;

/// Count which character follows which
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch count
  makemore-tch count --top 20 --data towns.txt
  makemore-tch count --json > counts.json")]
pub struct Count {
    /// How many of the most common bigrams to print; equally common ones are in the order of the vocabulary
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = whole(0..=u32::MAX), allow_negative_numbers = true)]
    top: u32,

    #[command(flatten)]
    data: DataArguments,

    #[command(flatten)]
    json: JsonArguments,
}

#[derive(Serialize)]
struct CountDocument<'a> {
    words: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    words_repeated: Option<usize>,
    ngrams: u64,
    vocabulary: &'a [char],
    top: Vec<Frequency>,
    matrix: Vec<&'a [u64]>,
}

#[derive(Serialize)]
struct Frequency {
    bigram: String,
    count: u64,
}

impl Count {
    pub fn run(self, context: Context) -> anyhow::Result<()> {
        let source = self.data.source(None)?;
        let Counted { counts, digest, .. } = context.count(&self.data, &source, None)?;
        let is_short = digest.words <= MOST_WORDS && source.is_rereadable();
        let repeated = is_short.then(|| search::repeated(&source)).transpose()?;
        let vocabulary = counts.vocabulary();
        let top = counts.most_common(self.top as usize).into_iter();
        let top = top.map(|(context, next, count)| Frequency {
            bigram: counts.ngram(&context, next),
            count,
        });
        if self.json.json {
            return output::json(&CountDocument {
                words: counts.words(),
                words_repeated: repeated,
                ngrams: counts.total(),
                vocabulary: vocabulary.characters(),
                top: top.collect(),
                matrix: counts.matrix()?.chunks(vocabulary.len()).collect(),
            });
        }
        let mut results = output::results();
        for Frequency { bigram, count } in top {
            writeln!(results, "Frequency of {bigram}: {count}")?;
        }
        writeln!(results, "Words: {}", counts.words())?;
        if let Some(repeated) = repeated {
            writeln!(results, "Words that occur more than once: {repeated}")?;
        }
        writeln!(results, "Bigrams: {}", counts.total())?;
        let characters: String = vocabulary.characters().iter().collect();
        writeln!(
            results,
            "Vocabulary: {} characters: {}",
            vocabulary.len(),
            visible(&characters)
        )?;
        Ok(results.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::refusal;

    #[test]
    fn numbers_that_make_no_sense_are_named() {
        for (arguments, value) in [
            ("count --top -1", "'-1'"),
            ("count --top many", "'many'"),
            ("heatmap out.png --size abc", "'abc'"),
            ("sample --max-length 0", "'0'"),
            ("count --threads 0", "'0'"),
        ] {
            let error = refusal(arguments, 2);
            assert!(
                error.contains(value) && error.contains("a whole number from"),
                "{error}"
            );
        }
    }
}
