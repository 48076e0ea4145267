//! Words that are scored one by one.

use makemore_tch::error::UnknownWords;
use makemore_tch::{LanguageModel, score};

use super::print::{ModelScore, Weighted, WordDocument, WordsDocument};
use crate::cli::arguments::JsonArguments;
use crate::cli::context::Context;
use crate::cli::output;

/// Scores words one by one. Those with characters that the model gives no probability are left out,
/// unless all are.
pub fn score(
    words: &[String],
    (p, weighted): (&dyn LanguageModel, &[Weighted]),
    json: &JsonArguments,
    context: Context,
) -> anyhow::Result<()> {
    let (mut scored_words, mut unknown) = (Vec::new(), Vec::new());
    for word in words {
        let scored = match score::word(p, word) {
            Err(error) if error.is_unknown_character() => {
                unknown.push((word, error));
                continue;
            }
            scored => scored?,
        };
        let alone = weighted.iter().map(|&one| {
            let nll = score::word(one.0.model.language_model(), word)?.nll;
            Ok(ModelScore::new(one, nll, None))
        });
        let models = alone.collect::<makemore_tch::Result<_>>()?;
        scored_words.push(WordDocument { models, scored });
    }
    let left_out = unknown.len() as u64;
    if let Some((first, error)) = unknown.into_iter().next() {
        if scored_words.is_empty() {
            return Err(error.into());
        }
        context.remarks.unknown_words(&UnknownWords {
            words: left_out,
            first: first.clone(),
            line: None,
        });
    }
    let document = WordsDocument {
        words: scored_words,
        left_out,
    };
    match json.json {
        true => output::json(&document),
        false => document.print(),
    }
}
