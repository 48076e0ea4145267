//! `makemore-tch score`: likelihoods of words, and the NLL of a whole list or a part of it.

use anyhow::{Context as _, bail};
use clap::Args;
use makemore_tch::lectures::published_average_nll;
use makemore_tch::score::evaluate::{self, Evaluation};
use makemore_tch::score::{self, BigramScore, Fit, WordScore};
use makemore_tch::{Error, LanguageModel, Part, Table, format};
use serde::Serialize;

use super::arguments::{DataArguments, JsonArguments, MemoryArguments, SmoothingArguments, one_of};
use super::context::{Context, check_same_boundary};
use super::models::{self, ModelArguments, ModelScore, Models, Weighted};
use super::output;

/// Score words, or all words of the data, by their probabilities
///
/// Without words: the average negative log-likelihood of the data in nats, the same in bits, and the
/// perplexity. If the data are the list that the model was trained on, also the average of the words
/// that were not in its train part.
///
/// With --json, an average that is infinite, because something is impossible, is null.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch score good                  the bigrams and the likelihood of a word
  makemore-tch score                       the average NLL of the data
  makemore-tch score emma olivia --data towns.txt
  makemore-tch score --model makemore.safetensors emma olivia
  makemore-tch score --model makemore-ngram.safetensors --part test
  makemore-tch score --model kenlm.arpa --data towns.txt
  makemore-tch score --model makemore-gru.safetensors --model makemore-ngram.safetensors --part test")]
pub struct Score {
    /// The words to score, before --data or after -- [default: those of the data, all together]
    words: Vec<String>,

    #[command(flatten)]
    models: ModelArguments,

    /// Score only one part of the data, as it was split to train the model
    #[arg(long, value_parser = one_of::<Part>(), requires = "models", conflicts_with = "words")]
    part: Option<Part>,

    #[command(flatten)]
    data: DataArguments,

    #[command(flatten)]
    smoothing: SmoothingArguments,

    #[command(flatten)]
    memory: MemoryArguments,

    #[command(flatten)]
    json: JsonArguments,
}

#[derive(Serialize)]
struct WordsDocument {
    words: Vec<WordDocument>,
}

#[derive(Serialize)]
struct WordDocument {
    #[serde(flatten)]
    scored: WordScore,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    models: Vec<ModelScore>,
}

#[derive(Serialize)]
struct DataDocument {
    words: u64,
    ngrams: u64,
    nll: f64,
    bits: f64,
    perplexity: f64,
    /// `None` if it is not known which words the model was trained on.
    words_new: Option<u64>,
    /// `None` also if there are no new words.
    nll_new: Option<f64>,
    unknown: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    models: Vec<ModelScore>,
}

impl Score {
    pub fn run(mut self, context: Context) -> anyhow::Result<()> {
        let models = self
            .models
            .load(&self.data, self.memory.memory(), context.remarks)?;
        let Some(models) = models else {
            return self.score_with_counts(context);
        };
        if self.smoothing.smoothing.is_some() {
            bail!("--smoothing is of counts, and --model scores; leave one of them out");
        }
        if !self.words.is_empty() {
            models.check_alone(&self.data, "words are scored")?;
            self.words = self.words.iter().map(|word| models.word(word)).collect();
        }
        if let Some(file) = models.single() {
            return self.score(&models, file.model.language_model(), &[], context);
        }
        let mixture = models.mixture(self.models.weights.as_deref())?;
        let weights = mixture.weights().iter().copied();
        let weighted: Vec<Weighted> = models.files().iter().zip(weights).collect();
        self.score(&models, &mixture, &weighted, context)
    }

    /// Scores with the counts of the data.
    fn score_with_counts(&self, context: Context) -> anyhow::Result<()> {
        let data = context.count(&self.data, &self.data.source(None)?, None);
        let data = data.map_err(|error| self.explain(error))?;
        let p = Table::of(&data.counts, self.smoothing.value())?;
        if !self.words.is_empty() {
            return self.score_words(&p, &[]);
        }
        let fit = Fit {
            all: evaluate::counts(&p, &data.counts)?,
            // The table was counted from the data, so no word is new.
            new: Some(Evaluation::default()),
        };
        let published = published_average_nll(data.digest, self.smoothing.value());
        self.print(&fit, Vec::new(), "Bigrams", published)
    }

    /// Scores with a model, or with a mixture and the models in it.
    fn score(
        &self,
        models: &Models,
        model: &dyn LanguageModel,
        weighted: &[Weighted],
        context: Context,
    ) -> anyhow::Result<()> {
        match self.words.is_empty() {
            true => self.score_data(models, model, weighted, context),
            false => self.score_words(model, weighted),
        }
    }

    fn score_data(
        &self,
        models: &Models,
        model: &dyn LanguageModel,
        weighted: &[Weighted],
        context: Context,
    ) -> anyhow::Result<()> {
        let vocabulary = model.vocabulary();
        let data = context.count(&self.data, &models.source, Some(vocabulary));
        let data = data.map_err(|error| self.explain(error))?;
        let path = models.path().display();
        check_same_boundary(models.path(), vocabulary, data.counts.vocabulary())?;
        // The user's weights may mix models of different lists.
        let trained_on = match self.models.weights.is_some() && self.part.is_none() {
            true => models.trained_on().ok().flatten(),
            false => models.trained_on()?,
        };
        if trained_on.is_none() && self.part.is_some() {
            bail!(
                "{path}: it does not say what it was trained on, so it has no parts; leave --part out"
            );
        }
        let fit = |model: &dyn LanguageModel| {
            let fit = score::fit(
                model,
                trained_on,
                self.part,
                &models.source,
                &data,
                &models.memory,
            );
            fit.with_context(|| format!("{path} cannot score {}", data.origin))
        };
        let fitted = fit(model)?;
        if fitted.new.is_none() && self.part.is_none() && trained_on.is_some() {
            context.remarks.say(format_args!(
                "{path} was trained on another list than {}, so that it is not known which of its words are new to it",
                data.origin
            ));
        }
        let ngrams = match model.block_size() {
            1 => "Bigrams",
            _ => "N-grams",
        };
        let alone = weighted.iter().map(|&one| {
            let fit = fit(one.0.model.language_model())?;
            Ok(ModelScore::new(one, fit.all.nll(), fit.nll_new()))
        });
        let alone = alone.collect::<anyhow::Result<_>>()?;
        self.print(&fitted, alone, ngrams, None)
    }

    /// Of several files, a missing one may be meant as a word to score.
    fn explain(&self, error: Error) -> anyhow::Error {
        match (error, self.data.data.len()) {
            (error @ Error::Read { .. }, 2..) => {
                anyhow::Error::from(error).context("words to score stand before --data or after --")
            }
            (error, _) => error.into(),
        }
    }

    fn print(
        &self,
        fit: &Fit,
        models: Vec<ModelScore>,
        ngrams: &str,
        published: Option<&str>,
    ) -> anyhow::Result<()> {
        let (all, nll) = (fit.all, fit.all.nll());
        let document = DataDocument {
            words: all.words,
            ngrams: all.characters,
            nll,
            bits: nll / std::f64::consts::LN_2,
            perplexity: nll.exp(),
            words_new: fit.new.map(|new| new.words),
            nll_new: fit.nll_new(),
            unknown: all.unknown,
            models,
        };
        if self.json.json {
            return output::json(&document);
        }
        let mut results = output::results();
        writeln!(results, "Words: {}", document.words)?;
        writeln!(results, "{ngrams}: {}", document.ngrams)?;
        let average = output::average_nll(nll, published);
        writeln!(results, "Average negative log-likelihood: {average}")?;
        writeln!(results, "Bits per character: {:.6}", document.bits)?;
        writeln!(results, "Perplexity: {:.6}", document.perplexity)?;
        if let (Some(words), Some(nll)) = (document.words_new, document.nll_new) {
            writeln!(
                results,
                "Words that training never saw: {words}, average negative log-likelihood {nll:.6}"
            )?;
        }
        models::print_table(&mut results, &document.models, nll, document.nll_new)?;
        if all.unknown > 0 {
            writeln!(
                results,
                "Unknown characters: {}; without them the average is {:.6}",
                all.unknown,
                all.known_nll()
            )?;
        }
        Ok(results.flush()?)
    }

    fn score_words(&self, p: &dyn LanguageModel, weighted: &[Weighted]) -> anyhow::Result<()> {
        let scored = self.words.iter().map(|word| {
            let alone = weighted.iter().map(|&one| {
                let nll = score::word(one.0.model.language_model(), word)?.nll;
                Ok(ModelScore::new(one, nll, None))
            });
            Ok(WordDocument {
                models: alone.collect::<makemore_tch::Result<_>>()?,
                scored: score::word(p, word)?,
            })
        });
        let words = scored.collect::<makemore_tch::Result<Vec<WordDocument>>>()?;
        if self.json.json {
            return output::json(&WordsDocument { words });
        }
        let mut results = output::results();
        for WordDocument { scored, models } in words {
            for bigram in &scored.bigrams {
                writeln!(results, "{}", line_of(bigram))?;
            }
            let (word, nll) = (format::visible(score::shown(&scored.word)), scored.nll);
            let likelihood = scored.likelihood.scientific();
            writeln!(results, "Likelihood for {word} is: {likelihood}")?;
            writeln!(
                results,
                "Average negative log-likelihood for {word} is: {nll:.6}"
            )?;
            models::print_table(&mut results, &models, nll, None)?;
        }
        Ok(results.flush()?)
    }
}

/// The printed line for a character of a word.
fn line_of(bigram: &BigramScore) -> String {
    let pair = match (bigram.context.as_str(), bigram.bigram.chars().last()) {
        ("", _) | (_, None) => bigram.bigram.clone(),
        (context, Some(next)) => format!("{next} after {context}"),
    };
    let pair = format::visible(&pair);
    let probability = match bigram.probability {
        p if p > 0.0 && p < 0.00005 => format::scientific(p, 4),
        p => format!("{p:.4}"),
    };
    let unknown = match bigram.unknown {
        true => ", as of any unknown character",
        false => "",
    };
    format!("probability for {pair}: {probability}{unknown}")
}
