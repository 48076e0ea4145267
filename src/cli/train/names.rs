//! The words that are shown after a training, each with the part of the data that has it.

use makemore_tch::data::search;
use makemore_tch::{LanguageModel, Part, Parts, SampleOptions, Sampler};
use serde::Serialize;

/// How many are drawn.
const NAMES: usize = 10;

/// A word that a model has made.
#[derive(Debug, Serialize)]
pub struct Name {
    pub name: String,
    /// None for a new word.
    #[serde(rename = "in", serialize_with = "as_text")]
    pub part: Option<Part>,
}

fn as_text<S: serde::Serializer>(part: &Option<Part>, serializer: S) -> Result<S::Ok, S::Error> {
    part.map(|part| part.to_string()).serialize(serializer)
}

/// Words that a model makes, in the order drawn.
pub fn draw(
    model: &dyn LanguageModel,
    seed: u64,
    parts: &Parts,
    options: &SampleOptions,
) -> makemore_tch::Result<Vec<Name>> {
    let sampler = Sampler::new(model, seed, options)?;
    let names = sampler
        .take(NAMES)
        .collect::<makemore_tch::Result<Vec<_>>>()?;
    let found = search::parts_of(parts, names.iter().map(String::as_str))?;
    let found: Vec<Option<Part>> = names
        .iter()
        .map(|name| found.get(name.as_str()).copied())
        .collect();
    let names = names.into_iter().zip(found);
    Ok(names.map(|(name, part)| Name { name, part }).collect())
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        // A name without characters shall be seen.
        let name = match self.name.as_str() {
            "" => "\"\"",
            name => name,
        };
        match self.part {
            Some(part) => write!(f, "{name} ({part})"),
            None => write!(f, "{name} (new)"),
        }
    }
}
