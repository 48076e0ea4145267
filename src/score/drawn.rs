//! Words that a model drew, each with the part of its data that has the word.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{Likelihood, ScoredName, shown};
use crate::data::{Part, Parts, search};
use crate::error::Result;

/// A word that a model drew.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DrawnName {
    /// The word.
    pub name: String,
    /// The likelihood, if it was computed.
    #[serde(flatten)]
    pub likelihood: Option<Likelihood>,
    /// The part of the data that has the word; none for a new word.
    #[serde(rename = "in", serialize_with = "as_text")]
    pub part: Option<Part>,
}

impl From<String> for DrawnName {
    fn from(name: String) -> Self {
        Self {
            name,
            likelihood: None,
            part: None,
        }
    }
}

impl From<ScoredName> for DrawnName {
    fn from(scored: ScoredName) -> Self {
        Self {
            name: scored.name,
            likelihood: Some(scored.likelihood),
            part: None,
        }
    }
}

impl fmt::Display for DrawnName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let name = shown(&self.name);
        match (&self.likelihood, self.part) {
            (Some(likelihood), _) => write!(f, "Likelihood for {name}: {likelihood}"),
            (None, Some(part)) => write!(f, "{name} ({part})"),
            (None, None) => write!(f, "{name} (new)"),
        }
    }
}

/// Finds the parts of the data that drawn words are in.
///
/// # Errors
///
/// The first error among `names`; if a list cannot be read or has changed.
pub fn found(
    parts: &Parts,
    names: impl IntoIterator<Item = Result<impl Into<DrawnName>>>,
) -> Result<Vec<DrawnName>> {
    let names = names.into_iter().map(|name| name.map(Into::into));
    let mut names: Vec<DrawnName> = names.collect::<Result<_>>()?;
    let places = search::parts_of(parts, names.iter().map(|name| name.name.as_str()))?;
    let places: Vec<Option<Part>> = names
        .iter()
        .map(|name| places.get(name.name.as_str()).copied())
        .collect();
    for (name, place) in names.iter_mut().zip(places) {
        name.part = place;
    }
    Ok(names)
}

fn as_text<S: Serializer>(
    part: &Option<Part>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    part.map(|part| part.to_string()).serialize(serializer)
}
