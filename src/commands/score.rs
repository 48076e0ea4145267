//! `makemore-tch score`: likelihoods of words, and the NLL of a whole list.

use std::path::PathBuf;

use clap::Args;
use makemore_tch::{Probabilities, format};
use serde::Serialize;

use super::{check_same_vocabulary, load};
use crate::arguments::{DataArguments, JsonArguments, SmoothingArguments};
use crate::output;

/// Tell how probable words, or all words of the data, are
///
/// Without words: the average negative log-likelihood (in nats) and perplexity of the data.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch score good                  the bigrams and the likelihood of a word
  makemore-tch score                       the average NLL of the data
  makemore-tch score --model makemore.safetensors emma olivia")]
pub struct Score {
    /// The words to score [default: those of the data, all together]
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
    words: Vec<Word>,
}

#[derive(Serialize)]
struct Word {
    word: String,
    bigrams: Vec<Bigram>,
    likelihood: f64,
    nll: f64,
}

#[derive(Serialize)]
struct Bigram {
    bigram: String,
    probability: f64,
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
        if let (Some(model), false) = (&model, self.words.is_empty()) {
            return self.score_words(&model.network.probabilities()?);
        }
        let data = self.data.source(model.as_ref()).count()?;
        let p = match (&self.model, &model) {
            (Some(file), Some(model)) => {
                check_same_vocabulary(file, model, &data)?;
                model.network.probabilities()?
            }
            _ => data.counts.probabilities(self.smoothing.smoothing)?,
        };
        if !self.words.is_empty() {
            return self.score_words(&p);
        }
        let nll = data.nll(&p)?;
        let document = DataDocument {
            words: data.counts.words(),
            bigrams: data.counts.bigrams(),
            nll,
            perplexity: nll.exp(),
        };
        if self.json.json {
            return output::json(&document);
        }
        let mut results = output::results();
        writeln!(results, "Words: {}", document.words)?;
        writeln!(results, "Bigrams: {}", document.bigrams)?;
        writeln!(results, "Average negative log-likelihood: {nll:.6}")?;
        writeln!(results, "Perplexity: {:.6}", document.perplexity)?;
        results.flush()?;
        Ok(())
    }

    fn score_words(&self, p: &Probabilities) -> anyhow::Result<()> {
        let scored = self.words.iter().map(|word| score(word, p));
        let words = scored.collect::<makemore_tch::Result<Vec<Word>>>()?;
        if self.json.json {
            return output::json(&WordsDocument { words });
        }
        let mut results = output::results();
        for word in words {
            for Bigram {
                bigram,
                probability,
            } in word.bigrams
            {
                writeln!(results, "probability for {bigram}: {probability:.4}")?;
            }
            let likelihood = format::scientific(word.likelihood);
            writeln!(results, "Likelihood for {} is: {likelihood}", word.word)?;
            let nll = word.nll;
            writeln!(
                results,
                "Average negative log-likelihood for {} is: {nll:.6}",
                word.word
            )?;
        }
        results.flush()?;
        Ok(())
    }
}

fn score(word: &str, p: &Probabilities) -> makemore_tch::Result<Word> {
    let bigrams = p.vocabulary().bigrams(word)?.into_iter();
    let bigrams = bigrams.map(|(i, j)| {
        Ok(Bigram {
            bigram: p.vocabulary().bigram(i, j),
            probability: p.probability(i, j)?.into(),
        })
    });
    Ok(Word {
        word: word.to_owned(),
        bigrams: bigrams.collect::<makemore_tch::Result<_>>()?,
        likelihood: p.likelihood(word)?.into(),
        nll: p.nll(word)?,
    })
}
