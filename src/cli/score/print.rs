//! What `score` prints, as JSON or as lines.

use std::io::{self, Write};

use makemore_tch::ModelFile;
use makemore_tch::error::UnknownWords;
use makemore_tch::format::{scientific, visible};
use makemore_tch::score::{self, BigramScore, Fit, WordScore};
use serde::Serialize;

use crate::cli::output;

/// Words that were scored one by one.
#[derive(Serialize)]
pub struct WordsDocument {
    pub words: Vec<WordDocument>,
    /// The number of words that were not scored.
    pub left_out: u64,
}

#[derive(Serialize)]
pub struct WordDocument {
    #[serde(flatten)]
    pub scored: WordScore,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelScore>,
}

impl WordsDocument {
    pub fn print(&self) -> anyhow::Result<()> {
        let mut results = output::results();
        for WordDocument { scored, models } in &self.words {
            for bigram in &scored.bigrams {
                writeln!(results, "{}", line_of(bigram))?;
            }
            let (word, nll) = (visible(score::shown(&scored.word)), scored.nll);
            let likelihood = scored.likelihood.scientific();
            writeln!(results, "Likelihood for {word} is: {likelihood}")?;
            writeln!(
                results,
                "Average negative log-likelihood for {word} is: {nll:.6}"
            )?;
            print_table(&mut results, models, nll, None)?;
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
    let pair = visible(&pair);
    let probability = match bigram.probability {
        p if p > 0.0 && p < 0.00005 => scientific(p, 4),
        p => format!("{p:.4}"),
    };
    let unknown = match bigram.unknown {
        true => ", as of any unknown character",
        false => "",
    };
    format!("probability for {pair}: {probability}{unknown}")
}

/// A list, or a part of one, that was scored.
#[derive(Serialize)]
pub struct DataDocument {
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
    /// The average without unknown characters.
    #[serde(skip)]
    nll_known: f64,
    /// The number of characters with probability 0.
    impossible: u64,
    /// The average without these, if there are others.
    nll_possible: Option<f64>,
    #[serde(serialize_with = "number")]
    left_out: Option<UnknownWords>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    models: Vec<ModelScore>,
}

impl DataDocument {
    pub fn of(fit: &Fit, left_out: Option<UnknownWords>, models: Vec<ModelScore>) -> Self {
        let (all, nll) = (fit.all, fit.all.nll());
        Self {
            words: all.words,
            ngrams: all.characters,
            nll,
            bits: nll / std::f64::consts::LN_2,
            perplexity: nll.exp(),
            words_new: fit.new.map(|new| new.words),
            nll_new: fit.nll_new(),
            unknown: all.unknown,
            nll_known: all.known_nll(),
            impossible: all.impossible(),
            nll_possible: all.possible_nll(),
            left_out,
            models,
        }
    }

    pub fn print(&self, ngrams: &str, published: Option<&str>) -> anyhow::Result<()> {
        let mut results = output::results();
        writeln!(results, "Words: {}", self.words)?;
        writeln!(results, "{ngrams}: {}", self.ngrams)?;
        let average = output::average_nll(self.nll, published);
        writeln!(results, "Average negative log-likelihood: {average}")?;
        writeln!(results, "Bits per character: {:.6}", self.bits)?;
        writeln!(results, "Perplexity: {:.6}", self.perplexity)?;
        if let (Some(words), Some(nll)) = (self.words_new, self.nll_new) {
            writeln!(
                results,
                "Words that training never saw: {words}, average negative log-likelihood {nll:.6}"
            )?;
        }
        print_table(&mut results, &self.models, self.nll, self.nll_new)?;
        if self.unknown > 0 {
            writeln!(
                results,
                "Unknown characters: {}; without them the average is {:.6}",
                self.unknown, self.nll_known
            )?;
        }
        if let (1.., Some(nll)) = (self.impossible, self.nll_possible) {
            writeln!(
                results,
                "Characters with probability 0: {}; without them the average is {nll:.6}",
                self.impossible
            )?;
        }
        if let Some(left_out) = &self.left_out {
            let left_out = visible(&left_out.to_string());
            writeln!(results, "Words left out: {left_out}")?;
        }
        Ok(results.flush()?)
    }
}

fn number<S: serde::Serializer>(
    left_out: &Option<UnknownWords>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let words = left_out.as_ref().map_or(0, |left_out| left_out.words);
    serializer.serialize_u64(words)
}

/// A model of a mixture, and its weight.
pub type Weighted<'m> = (&'m ModelFile, f64);

/// The NLL of one model of a mixture.
#[derive(Serialize)]
pub struct ModelScore {
    model: String,
    weight: f64,
    nll: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nll_new: Option<f64>,
}

impl ModelScore {
    pub fn new((file, weight): Weighted, nll: f64, nll_new: Option<f64>) -> Self {
        Self {
            model: file.path.display().to_string(),
            weight,
            nll,
            nll_new,
        }
    }
}

/// Prints the NLL of each model of a mixture, and the mixture's; nothing for a single model.
fn print_table(
    results: &mut dyn Write,
    models: &[ModelScore],
    nll: f64,
    nll_new: Option<f64>,
) -> io::Result<()> {
    if models.is_empty() {
        return Ok(());
    }
    let names = models.iter().map(|model| visible(&model.model));
    let names: Vec<String> = names.collect();
    let longest = names.iter().map(|name| name.chars().count()).max();
    let width = longest.unwrap_or(0).max("model".len());
    let new = |nll: Option<f64>| match (nll_new, nll) {
        (Some(_), Some(nll)) => format!("{nll:>12.6}"),
        _ => String::new(),
    };
    let heading = nll_new.map_or("", |_| "   new words");
    writeln!(results, "{:<width$}   weight         NLL{heading}", "model")?;
    for (model, name) in models.iter().zip(names) {
        let (weight, nll, new) = (model.weight, model.nll, new(model.nll_new));
        writeln!(results, "{name:<width$}{weight:>9.4}{nll:>12.6}{new}")?;
    }
    let new = new(nll_new);
    writeln!(results, "{:<width$}{:>9}{nll:>12.6}{new}", "mix", "")
}

#[cfg(test)]
mod tests {
    use crate::cli::testing::Folder;

    /// It was once 0.0.
    #[test]
    fn the_likelihood_of_a_word_of_any_length_is_printed_and_its_logarithm_is_exact() {
        let folder = Folder::new();
        for length in [28, 100, 1000] {
            let word = "emma".repeat(length / 4);
            let document = folder.json(&format!("score --json {word}"));
            let scored = &document["words"][0];
            let log = scored["log_likelihood"].as_f64().unwrap();
            let sum = -scored["nll"].as_f64().unwrap() * (length + 1) as f64;
            assert!((log - sum).abs() < 1e-9 * -sum, "{log} and {sum}");
            let printed = folder.stdout(&format!("score {word}"));
            let mut lines = printed.lines();
            let line = lines.find(|line| line.starts_with("Likelihood")).unwrap();
            let (_, likelihood) = line.split_once(": ").unwrap();
            let (digits, power) = likelihood.split_once("e-").unwrap();
            let (digits, power): (f64, f64) = (digits.parse().unwrap(), power.parse().unwrap());
            let written = digits.ln() - power * std::f64::consts::LN_10;
            // Four decimals.
            assert!((written - log).abs() < 1e-4, "{written} and {log}");
        }
    }
}
