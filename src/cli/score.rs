//! `makemore-tch score`: likelihoods of words, and the NLL of a whole list or a part of it.

use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, bail};
use clap::Args;
use makemore_tch::lectures::published_average_nll;
use makemore_tch::score::evaluate::{self, Evaluation};
use makemore_tch::score::{self, Fit, WordScore};
use makemore_tch::{Counted, Error, LanguageModel, ModelFile, Part, Source, Table, count, format};
use serde::Serialize;

use super::arguments::{DataArguments, JsonArguments, MemoryArguments, SmoothingArguments, one_of};
use super::context::{Context, check_same_boundary};
use super::models::{ModelArguments, Models};
use super::output;

/// Tell how probable words, or all words of the data, are
///
/// Without words: the average negative log-likelihood of the data in nats, the same in bits, and the
/// perplexity; and separately for the words that training never saw, where the data are what the
/// model was trained on. With --json, an average that is infinite, because something is impossible,
/// is null.
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

    /// Score one part of the data as the model's training has split it
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
    models: Vec<ModelDocument>,
}

/// One of the models that are mixed, by itself.
#[derive(Serialize)]
struct ModelDocument {
    model: String,
    weight: f64,
    nll: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_nll: Option<f64>,
}

/// One of the models that are mixed.
struct Mixed<'m> {
    path: &'m Path,
    model: &'m dyn LanguageModel,
    weight: f64,
}

impl<'m> Mixed<'m> {
    fn of((file, &weight): (&'m ModelFile, &f64)) -> Self {
        Self {
            path: &file.path,
            model: file.model.language_model(),
            weight,
        }
    }
}

#[derive(Serialize)]
struct DataDocument {
    words: u64,
    bigrams: u64,
    nll: f64,
    bits: f64,
    perplexity: f64,
    /// None where it is not known what training saw.
    new: Option<NewDocument>,
    unknown: u64,
    /// Those that are mixed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    models: Vec<ModelDocument>,
}

#[derive(Serialize)]
struct NewDocument {
    words: u64,
    nll: Option<f64>,
}

impl Score {
    pub fn run(self, context: Context) -> anyhow::Result<()> {
        let models = self.models.load(&self.data, context.remarks)?;
        let Some(models) = models else {
            return self.score_with_counts();
        };
        if self.smoothing.smoothing.is_some() {
            bail!("--smoothing is of counts, and --model scores; leave one of them out");
        }
        if !self.words.is_empty() {
            models.check_alone(&self.data, "words are scored")?;
        }
        if let Some(file) = models.single() {
            let model = file.model.language_model();
            return match self.words.is_empty() {
                true => self.score_data(&models, model, &[], context),
                false => self.score_words(model, &[]),
            };
        }
        let mixture = models.mixture(self.models.weights.as_deref())?;
        let weights = mixture.weights();
        let parts: Vec<Mixed> = models.files().iter().zip(weights).map(Mixed::of).collect();
        match self.words.is_empty() {
            true => self.score_data(&models, &mixture, &parts, context),
            false => self.score_words(&mixture, &parts),
        }
    }

    /// Reads the list; behind several files there may be words that were meant to be scored.
    fn count(&self, source: &Source, boundary: char) -> anyhow::Result<Counted> {
        count(source, boundary).map_err(|error| match (error, self.data.data.len()) {
            (error @ Error::Read { .. }, 2..) => {
                anyhow::Error::from(error).context("words to score stand before --data or after --")
            }
            (error, _) => error.into(),
        })
    }

    /// Scores with the counts of the data.
    fn score_with_counts(&self) -> anyhow::Result<()> {
        let data = self.count(&self.data.source()?, self.data.boundary(None))?;
        let p = Table::of(&data.counts, self.smoothing.value())?;
        if !self.words.is_empty() {
            return self.score_words(&p, &[]);
        }
        let fit = Fit {
            all: evaluate::counts(&p, &data.counts)?,
            // The data are what was counted.
            new: Some(Evaluation::default()),
        };
        let published = published_average_nll(data.digest, self.smoothing.value());
        self.print(&fit, Vec::new(), "Bigrams", published)
    }

    /// Scores the data with a model, or with several that are mixed in it.
    fn score_data(
        &self,
        models: &Models,
        model: &dyn LanguageModel,
        mixed: &[Mixed],
        context: Context,
    ) -> anyhow::Result<()> {
        let vocabulary = model.vocabulary();
        let data = self.count(&models.source, self.data.boundary(Some(vocabulary)))?;
        let path = models.path();
        check_same_boundary(path, vocabulary, data.counts.vocabulary())?;
        // With weights of the user's, models of different lists may be mixed.
        let trained_on = match self.models.weights.is_some() && self.part.is_none() {
            true => models.trained_on().ok().flatten(),
            false => models.trained_on()?,
        };
        if trained_on.is_none() && self.part.is_some() {
            bail!(
                "{}: it does not say what it was trained on, so it has no parts; leave --part out",
                path.display()
            );
        }
        let memory = self.memory.memory();
        let fit = |path: &Path, model: &dyn LanguageModel| {
            let fit = score::fit(model, trained_on, self.part, &models.source, &data, &memory);
            fit.with_context(|| format!("{} cannot score {}", path.display(), data.origin))
        };
        let fitted = fit(path, model)?;
        if fitted.new.is_none() && self.part.is_none() && trained_on.is_some() {
            context.remarks.say(format_args!(
                "{} was trained on another list than {}, so that it is not known which of its words are new to it",
                path.display(),
                data.origin
            ));
        }
        let ngrams = match model.block_size() {
            1 => "Bigrams",
            _ => "N-grams",
        };
        let mixed = mixed.iter().map(|mixed| {
            let Fit { all, new } = fit(mixed.path, mixed.model)?;
            Ok(ModelDocument {
                model: mixed.path.display().to_string(),
                weight: mixed.weight,
                nll: all.nll(),
                new_nll: new.filter(|new| new.words > 0).map(|new| new.nll()),
            })
        });
        let mixed = mixed.collect::<anyhow::Result<_>>()?;
        self.print(&fitted, mixed, ngrams, None)
    }

    fn print(
        &self,
        fit: &Fit,
        models: Vec<ModelDocument>,
        ngrams: &str,
        published: Option<&str>,
    ) -> anyhow::Result<()> {
        let Fit { all, new } = fit;
        let nll = all.nll();
        let document = DataDocument {
            words: all.words,
            bigrams: all.characters,
            nll,
            bits: nll / std::f64::consts::LN_2,
            perplexity: nll.exp(),
            new: new.map(|new| NewDocument {
                words: new.words,
                nll: (new.words > 0).then(|| new.nll()),
            }),
            unknown: all.unknown,
            models,
        };
        if self.json.json {
            return output::json(&document);
        }
        let mut results = output::results();
        writeln!(results, "Words: {}", document.words)?;
        writeln!(results, "{ngrams}: {}", document.bigrams)?;
        let nll = output::average_nll(nll, published);
        writeln!(results, "Average negative log-likelihood: {nll}")?;
        writeln!(results, "Bits per character: {:.6}", document.bits)?;
        writeln!(results, "Perplexity: {:.6}", document.perplexity)?;
        if let Some(NewDocument {
            words,
            nll: Some(nll),
        }) = document.new
        {
            writeln!(
                results,
                "Words that training never saw: {words}, average negative log-likelihood {nll:.6}"
            )?;
        }
        let new_nll = document.new.as_ref().and_then(|new| new.nll);
        print_models(&mut results, &document.models, document.nll, new_nll)?;
        if all.unknown > 0 {
            writeln!(
                results,
                "Unknown characters: {}; without them the average is {:.6}",
                all.unknown,
                all.known_nll()
            )?;
        }
        results.flush()?;
        Ok(())
    }

    /// Scores words with a model, and with each of those that are mixed in it.
    fn score_words(&self, p: &dyn LanguageModel, mixed: &[Mixed]) -> anyhow::Result<()> {
        let scored = self.words.iter().map(|word| {
            let models = mixed.iter().map(|mixed| {
                Ok(ModelDocument {
                    model: mixed.path.display().to_string(),
                    weight: mixed.weight,
                    nll: score::word(mixed.model, word)?.nll,
                    new_nll: None,
                })
            });
            Ok(WordDocument {
                scored: score::word(p, word)?,
                models: models.collect::<makemore_tch::Result<_>>()?,
            })
        });
        let words = scored.collect::<makemore_tch::Result<Vec<WordDocument>>>()?;
        if self.json.json {
            return output::json(&WordsDocument { words });
        }
        let mut results = output::results();
        for WordDocument { scored, models } in words {
            let word = format::visible(&scored.word);
            for bigram in scored.bigrams {
                let pair = match bigram.context.as_str() {
                    "" => bigram.bigram,
                    context => {
                        let next = bigram.bigram.chars().last();
                        format!("{} after {context}", next.unwrap_or_default())
                    }
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
                writeln!(results, "probability for {pair}: {probability}{unknown}")?;
            }
            let likelihood = scored.likelihood.scientific();
            writeln!(results, "Likelihood for {word} is: {likelihood}")?;
            let nll = scored.nll;
            writeln!(
                results,
                "Average negative log-likelihood for {word} is: {nll:.6}"
            )?;
            print_models(&mut results, &models, nll, None)?;
        }
        results.flush()?;
        Ok(())
    }
}

/// A table of the models that are mixed, each by itself, and of what they are together.
fn print_models(
    results: &mut dyn Write,
    models: &[ModelDocument],
    nll: f64,
    new_nll: Option<f64>,
) -> std::io::Result<()> {
    if models.is_empty() {
        return Ok(());
    }
    let names = models.iter().map(|model| format::visible(&model.model));
    let names: Vec<String> = names.collect();
    let longest = names.iter().map(|name| name.chars().count()).max();
    let width = longest.unwrap_or(0).max("model".len());
    let new = |nll: Option<f64>, heading: &str| match (new_nll, nll) {
        (None, _) => String::new(),
        (_, None) => format!("{heading:>12}"),
        (_, Some(nll)) => format!("{nll:>12.6}"),
    };
    let heading = new(None, "new words");
    writeln!(
        results,
        "{:<width$}{:>9}{:>12}{heading}",
        "model", "weight", "NLL"
    )?;
    for (model, name) in models.iter().zip(names) {
        let ModelDocument { weight, nll, .. } = model;
        let new = new(model.new_nll, "");
        writeln!(results, "{name:<width$}{weight:>9.4}{nll:>12.6}{new}")?;
    }
    writeln!(
        results,
        "{:<width$}{:>9}{nll:>12.6}{}",
        "mix",
        "",
        new(new_nll, "")
    )
}
