//! The heatmaps of a word: what a model expects after each of its characters, or each of several models.

use std::path::Path;

use anyhow::{anyhow, bail};
use makemore_tch::format::visible;
use makemore_tch::models::language_model::along;
use makemore_tch::plots::{self, ContextRow, Heatmap, Panels};
use makemore_tch::{LanguageModel, Model, ModelFile};

use super::DrawHeatmap;
use crate::cli::models::Models;

impl DrawHeatmap {
    /// The heatmaps of a word: one for each model, or that of their average.
    pub(super) fn of_word(&self, word: &str, models: &Models) -> anyhow::Result<Vec<Heatmap>> {
        if let Some(weights) = &self.weights {
            let mixture = models.mixture(Some(weights))?;
            let of = format!("{} models together", models.files().len());
            return Ok(vec![self.along(word, &mixture, &of)?]);
        }
        let is_alone = models.single().is_some();
        let files = models.files().iter().map(|file| {
            let drawn = self.along(word, file.model.language_model(), &named(file, is_alone));
            drawn.map_err(|error| match is_alone {
                true => error,
                false => anyhow!("{}: {error:#}", file.path.display()),
            })
        });
        files.collect()
    }

    /// The heatmap of a word; `of` names the model in the title.
    pub(super) fn along(
        &self,
        word: &str,
        model: &dyn LanguageModel,
        of: &str,
    ) -> anyhow::Result<Heatmap> {
        let indices = model.indices(word)?;
        let vocabulary = model.vocabulary();
        let tokens: Vec<char> = std::iter::once(vocabulary.boundary())
            .chain(word.chars())
            .collect();
        let contexts = (1..=tokens.len()).map(|end| {
            let start = end.saturating_sub(model.block_size());
            let next = indices.get(end - 1).copied().unwrap_or(0);
            ContextRow {
                characters: tokens[start..end].iter().collect(),
                next: (next < vocabulary.len()).then_some(next),
            }
        });
        let values = along(model, &indices)?.into_iter().map(f64::from).collect();
        let word = visible(word);
        let title = format!("Next characters in “{word}”: probabilities of {of}");
        Ok(Heatmap {
            contexts: Some(contexts.collect()),
            ..self.matrix(vocabulary, values, 3, title, "probability")
        })
    }

    /// The width and height of the picture, which is too high for many models along a long word.
    pub(super) fn size_of(&self, drawing: &Panels, out: &Path) -> anyhow::Result<(u32, u32)> {
        let (width, height) = drawing.size(out, self.size);
        let (least, most) = plots::SIZES.into_inner();
        if height <= most {
            return Ok((width, height));
        }
        let contexts = self.word.iter().map(|word| word.chars().count() + 1);
        let contexts = contexts.max().unwrap_or(0);
        let fits =
            |size: &u32| contexts <= ContextRow::most(*size) && drawing.size(out, *size).1 <= most;
        let remedy = match (least..self.size).rev().step_by(100).find(fits) {
            Some(size) => format!("--size {size}"),
            None => "fewer of them".to_owned(),
        };
        bail!(
            "{} models along this word are {height} pixels high, and a picture is at most {most}; {remedy} would work",
            drawing.heatmaps.len()
        );
    }
}

/// A model in a title: the only one by its kind, one of several by its file too.
fn named(file: &ModelFile, is_alone: bool) -> String {
    let path = visible(&file.path.display().to_string());
    match (&file.model, is_alone) {
        (Model::Ngram(ngram), true) => format!("the {}-gram model", ngram.order()),
        (network, true) => format!("the network ({})", network.kind()),
        (Model::Ngram(ngram), false) => format!("{path} ({}-gram)", ngram.order()),
        (network, false) => format!("{path} ({})", network.kind()),
    }
}
