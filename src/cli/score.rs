//! `makemore-tch score`: likelihoods of words, and the NLL of a whole list.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use makemore_tch::lecture::published_average_nll;
use makemore_tch::score::{self, WordScore};
use makemore_tch::{Checkpoint, Counted, Error, LanguageModel, Table, count};
use serde::Serialize;

use super::arguments::{DataArguments, JsonArguments, SmoothingArguments};
use super::context::{check_same_vocabulary, load};
use super::output;

/// Tell how probable words, or all words of the data, are
///
/// Without words: the average negative log-likelihood (in nats) and perplexity of the data. With
/// --json, an average that is infinite, because something is impossible, is null.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch score good                  the bigrams and the likelihood of a word
  makemore-tch score                       the average NLL of the data
  makemore-tch score emma olivia --data towns.txt
  makemore-tch score --model makemore.safetensors emma olivia")]
pub struct Score {
    /// The words to score, before --data or after -- [default: those of the data, all together]
    words: Vec<String>,

    /// Score with a trained network instead of the counts of the data
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,

    #[command(flatten)]
    data: DataArguments,

    #[command(flatten)]
    smoothing: SmoothingArguments,

    #[command(flatten)]
    json: JsonArguments,
}

#[derive(Serialize)]
struct WordsDocument {
    words: Vec<WordScore>,
}

#[derive(Serialize)]
struct DataDocument {
    words: u64,
    bigrams: u64,
    nll: f64,
    perplexity: f64,
}

impl Score {
    pub fn run(self) -> anyhow::Result<()> {
        let model = load(self.model.as_deref())?;
        if model.is_some() && self.smoothing.smoothing.is_some() {
            bail!("--smoothing is of counts, and --model scores; leave one of them out");
        }
        if let (Some(model), false) = (&model, self.words.is_empty()) {
            if self.data.is_given() {
                bail!("words are scored with --model alone; leave --data and --boundary out");
            }
            return self.score_words(&*model.network);
        }
        self.score_with_data(model.as_ref())
    }

    /// Reads the list; behind several files there may be words that were meant to be scored.
    fn count(&self, model: Option<&Checkpoint>) -> anyhow::Result<Counted> {
        let counted = count(&self.data.source(), self.data.boundary(model));
        counted.map_err(|error| match (error, self.data.data.len()) {
            (error @ Error::Read { .. }, 2..) => {
                anyhow::Error::from(error).context("words to score stand before --data or after --")
            }
            (error, _) => error.into(),
        })
    }

    fn score_with_data(&self, model: Option<&Checkpoint>) -> anyhow::Result<()> {
        let data = self.count(model)?;
        let counted;
        let (p, published): (&dyn LanguageModel, _) = match (&self.model, model) {
            (Some(file), Some(model)) => {
                check_same_vocabulary(file, model, &data)?;
                (&*model.network, None)
            }
            _ => {
                counted = Table::of(&data.counts, self.smoothing.value())?;
                (
                    &counted,
                    published_average_nll(data.digest, self.smoothing.value()),
                )
            }
        };
        if !self.words.is_empty() {
            return self.score_words(p);
        }
        let nll = score::average_nll(p, &data.counts)?;
        let document = DataDocument {
            words: data.counts.words(),
            bigrams: data.counts.total(),
            nll,
            perplexity: nll.exp(),
        };
        if self.json.json {
            return output::json(&document);
        }
        let mut results = output::results();
        writeln!(results, "Words: {}", document.words)?;
        writeln!(results, "Bigrams: {}", document.bigrams)?;
        let nll = output::average_nll(nll, published);
        writeln!(results, "Average negative log-likelihood: {nll}")?;
        writeln!(results, "Perplexity: {:.6}", document.perplexity)?;
        results.flush()?;
        Ok(())
    }

    fn score_words(&self, p: &dyn LanguageModel) -> anyhow::Result<()> {
        let scored = self.words.iter().map(|word| score::word(p, word));
        let words = scored.collect::<makemore_tch::Result<Vec<WordScore>>>()?;
        if self.json.json {
            return output::json(&WordsDocument { words });
        }
        let mut results = output::results();
        for scored in words {
            let word = scored.word;
            for bigram in scored.bigrams {
                let (bigram, probability) = (bigram.bigram, bigram.probability);
                writeln!(results, "probability for {bigram}: {probability:.4}")?;
            }
            let likelihood = scored.likelihood.scientific();
            writeln!(results, "Likelihood for {word} is: {likelihood}")?;
            let nll = scored.nll;
            writeln!(
                results,
                "Average negative log-likelihood for {word} is: {nll:.6}"
            )?;
        }
        results.flush()?;
        Ok(())
    }
}
