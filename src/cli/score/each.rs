//! `score --each`: words one by one, by each model.

use clap::Args;
use makemore_tch::{Error, LanguageModel};
use serde::Serialize;
use strum::{EnumMessage, EnumString, IntoStaticStr, VariantArray};

use crate::cli::arguments::one_of;

/// Arguments of `--each`.
#[derive(Debug, Args)]
pub struct EachArguments {
    /// A line for every word, given or of the data: its NLL, the same per character, and the word
    ///
    /// The NLL is the negative log-likelihood. Several models have a column each, per character, and the name
    /// of the lowest beside them.
    #[arg(long, conflicts_with = "weights")]
    pub each: bool,

    /// Order of these lines [default: none, the order of the words]
    ///
    /// The most probable word is first, or the most probable per character; by several models, by the lowest.
    #[arg(long, value_parser = one_of::<Sort>(), default_value = "none", hide_default_value = true, requires = "each")]
    pub sort: Sort,

    /// Print these lines as CSV
    #[arg(long, requires = "each", conflicts_with = "json")]
    pub csv: bool,
}

/// The order of scored words.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, EnumString, EnumMessage, VariantArray, IntoStaticStr,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Sort {
    /// The most probable word first
    Probability,
    /// The most probable word per character first, the end counted
    PerCharacter,
    /// As the words stand in the list
    None,
}

/// A word that was scored.
#[derive(Serialize)]
pub struct Row {
    pub word: String,
    /// The natural logarithm of its likelihood, by the model whose is the highest; none if no model gives all
    /// of its characters a probability.
    pub log_likelihood: Option<f64>,
    /// The average NLL of its characters and its end, by the same model.
    pub nll: Option<f64>,
    /// The same by each of several models.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<OfModel>,
    /// The model whose NLL is the lowest, of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lowest: Option<String>,
}

/// A word by one of several models.
#[derive(Serialize)]
pub struct OfModel {
    model: String,
    pub log_likelihood: Option<f64>,
    pub nll: Option<f64>,
}

/// Models with the names of their files.
pub type Named<'m> = [(String, &'m dyn LanguageModel)];

/// Words that a model could not score.
#[derive(Default)]
pub struct Unscored {
    pub words: u64,
    /// The first of them, with the reason and, of several models, the one that could not.
    pub first: Option<String>,
    /// Whether there are other words, or another model scored them.
    pub has_scores: bool,
}

impl Unscored {
    /// Adds a word by its scores, in the order of the models.
    fn add<'a>(
        &mut self,
        scores: impl Iterator<Item = &'a makemore_tch::Result<f64>> + Clone,
        models: &Named,
    ) {
        self.has_scores |= scores.clone().any(|score| score.is_ok());
        let mut faults = models
            .iter()
            .zip(scores)
            .filter_map(|((name, _), score)| Some((name, score.as_ref().err()?)));
        if let Some((name, fault)) = faults.next() {
            self.words += 1;
            self.first.get_or_insert_with(|| {
                let by = match models.len() {
                    1 => String::new(),
                    _ => format!(" by {name}"),
                };
                match fault {
                    Error::Word { word, cause } => format!("{word:?}{by}: {cause}"),
                    other => other.to_string(),
                }
            });
        }
    }
}

/// Scores some words, and counts those that cannot be scored.
pub fn rows(
    words: &[String],
    models: &Named,
    unscored: &mut Unscored,
) -> makemore_tch::Result<Vec<Row>> {
    let scored = models
        .iter()
        .map(|(_, model)| log_likelihoods(words, *model));
    let scored: Vec<Vec<makemore_tch::Result<f64>>> =
        scored.collect::<makemore_tch::Result<_>>()?;
    let row = |(place, word): (usize, &String)| {
        let nll = |log_likelihood: f64| -log_likelihood / (word.chars().count() + 1) as f64;
        unscored.add(scored.iter().map(|scores| &scores[place]), models);
        let by_model = scored
            .iter()
            .map(|scores| scores[place].as_ref().ok().copied());
        let possible = by_model
            .clone()
            .enumerate()
            .filter_map(|(model, score)| Some((model, score?)));
        let best = possible.max_by(|(_, one), (_, other)| one.total_cmp(other));
        let of_models = models
            .iter()
            .zip(by_model)
            .map(|((model, _), score)| OfModel {
                model: model.clone(),
                log_likelihood: score,
                nll: score.map(nll),
            });
        let is_several = models.len() > 1;
        Row {
            word: word.clone(),
            log_likelihood: best.map(|(_, score)| score),
            nll: best.map(|(_, score)| nll(score)),
            models: of_models.filter(|_| is_several).collect(),
            lowest: best
                .filter(|_| is_several)
                .map(|(model, _)| models[model].0.clone()),
        }
    };
    Ok(words.iter().enumerate().map(row).collect())
}

/// The natural logarithms of the likelihoods of words; an error where a character has no probability.
fn log_likelihoods(
    words: &[String],
    model: &dyn LanguageModel,
) -> makemore_tch::Result<Vec<makemore_tch::Result<f64>>> {
    let indices: Vec<_> = words.iter().map(|word| model.indices(word)).collect();
    let known: Vec<&[usize]> = indices.iter().flatten().map(Vec::as_slice).collect();
    let all = model.log_probabilities(&known, &mut || Ok(()))?;
    let mut rest = all.as_slice();
    let mut sum = |word: Vec<usize>| {
        let (own, others) = rest.split_at(word.len() + 1);
        rest = others;
        own.iter().sum()
    };
    Ok(indices.into_iter().map(|word| word.map(&mut sum)).collect())
}
