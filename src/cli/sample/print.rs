//! The results of `sample` with their likelihoods: lines, or one document.

use makemore_tch::data::search;
use makemore_tch::sample::Constrained;
use makemore_tch::{ScoredName, Source};
use serde::Serialize;

use crate::cli::output;

#[derive(Serialize)]
struct SampleDocument<'a> {
    seed: u64,
    names: Vec<SampledWord<'a>>,
}

#[derive(Serialize)]
struct SampledWord<'a> {
    #[serde(flatten)]
    scored: &'a ScoredName,
    /// "data", or null for a new word; left out if there is no list.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    place: Option<Option<&'static str>>,
}

/// Prints one document; of a list it says which words are in it.
pub fn document(seed: u64, names: &[ScoredName], source: Option<&Source>) -> anyhow::Result<()> {
    let all = names.iter().map(|name| name.name.as_str());
    let known = source
        .map(|source| search::known(source, all))
        .transpose()?;
    let known = known.as_ref();
    let names = names.iter().map(|scored| SampledWord {
        place: known.map(|known| known.contains(&*scored.name).then_some("data")),
        scored,
    });
    output::json(&SampleDocument {
        seed,
        names: names.collect(),
    })
}

/// Prints a line for each word.
pub fn lines(names: &[ScoredName]) -> anyhow::Result<()> {
    let mut results = output::results();
    for name in names {
        writeln!(results, "{name}")?;
    }
    Ok(results.flush()?)
}

/// Prints words as they are found, one a line.
pub fn each(words: &mut Constrained) -> anyhow::Result<()> {
    let mut results = output::results();
    for word in words {
        writeln!(results, "{}", word?)?;
    }
    Ok(results.flush()?)
}
