//! `makemore-tch count`: the counts `N` of a list, the most common first.

use clap::Args;
use serde::Serialize;

use crate::arguments::{DataArguments, JsonArguments};
use crate::output;

/// Count which character follows which
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch count
  makemore-tch count --data towns.txt --top 20
  makemore-tch count --json > counts.json")]
pub struct Count {
    /// How many of the most common bigrams; equally common ones are in the order of the vocabulary
    #[arg(long, value_name = "N", default_value_t = 5)]
    top: usize,

    #[command(flatten)]
    data: DataArguments,

    #[command(flatten)]
    json: JsonArguments,
}

#[derive(Serialize)]
struct Document<'a> {
    words: u64,
    bigrams: u64,
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
    pub fn run(self) -> anyhow::Result<()> {
        let counts = self.data.source(None).count()?.counts;
        let vocabulary = counts.vocabulary();
        let top = counts.most_common(self.top).into_iter();
        let top = top.map(|(i, j, count)| Frequency {
            bigram: vocabulary.bigram(i, j),
            count,
        });
        if self.json.json {
            return output::json(&Document {
                words: counts.words(),
                bigrams: counts.bigrams(),
                vocabulary: vocabulary.characters(),
                top: top.collect(),
                matrix: counts.rows().collect(),
            });
        }
        let mut results = output::results();
        for Frequency { bigram, count } in top {
            writeln!(results, "Frequency of {bigram}: {count}")?;
        }
        writeln!(results, "Words: {}", counts.words())?;
        writeln!(results, "Bigrams: {}", counts.bigrams())?;
        writeln!(results, "Vocabulary: {} characters", vocabulary.len())?;
        results.flush()?;
        Ok(())
    }
}
