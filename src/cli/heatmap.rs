//! `makemore-tch heatmap`: a matrix as a picture.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use makemore_tch::files::{self, Output};
use makemore_tch::format::visible;
use makemore_tch::memory::Memory;
use makemore_tch::models::language_model::{along, single_characters};
use makemore_tch::models::ngram::Cut;
use makemore_tch::plots::{self, Scale};
use makemore_tch::{Counted, LanguageModel, Model, ModelFile, Table, Vocabulary};

use super::arguments::{DataArguments, SmoothingArguments, one_of, whole};
use super::context::Context;
use super::models::{ModelArguments, Models};
use super::progress;

/// Draw which character follows which
///
/// A PNG or SVG picture of the matrix: the first character is the row, the next one the column. With
/// --word, each row is a place in the word, named by the characters before it. With --model, the values
/// are the model's probabilities or, with --of logits, its logits. An n-gram model looks at more than
/// one character, so its picture shows how often each character follows each other one in the words
/// that it makes.
#[derive(Debug, Args)]
#[command(
    override_usage = "makemore-tch heatmap [OPTIONS] <OUT>",
    after_help = "\
Examples:
  makemore-tch heatmap out.png             the counts, as in the lecture
  makemore-tch heatmap out.svg --of probabilities
  makemore-tch heatmap out.png --scale log --data towns.txt
  makemore-tch heatmap out.png --of logits --model makemore.safetensors
  makemore-tch heatmap out.png --word emma --model makemore-gru.safetensors"
)]
pub struct DrawHeatmap {
    /// The picture, ending in .png or .svg
    #[arg(value_name = "OUT", required_unless_present = "data")]
    out: Option<PathBuf>,

    /// Matrix to draw [default: counts, or the probabilities of the model]
    #[arg(long, value_enum)]
    of: Option<Matrix>,

    #[command(flatten)]
    models: ModelArguments,

    /// Draw the probabilities of the next character at each place of a word instead of after every
    /// character; the word's own characters are outlined
    #[arg(long)]
    word: Option<String>,

    /// Width and height in pixels; from 700 on, the lecture's cells have room for both the bigram
    /// and its count. In smaller cells the count is left out, in still smaller ones the bigram too.
    /// The picture of a word has this width, and only the height that it needs
    #[arg(long, value_name = "PIXELS", default_value_t = 1600, value_parser = whole(plots::SIZES), allow_negative_numbers = true)]
    size: u32,

    /// Scale of the colours [default: log where the largest value is over 1000 times the median of
    /// those that are not 0, else linear]
    #[arg(long, value_parser = one_of::<Scale>())]
    scale: Option<Scale>,

    #[command(flatten)]
    data: DataArguments,

    #[command(flatten)]
    smoothing: SmoothingArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Matrix {
    /// Number of times that each bigram occurs in the data
    Counts,
    /// Probability of each next character
    Probabilities,
    /// Weights W of the network
    Logits,
}

impl DrawHeatmap {
    pub fn run(mut self, context: Context) -> anyhow::Result<()> {
        let out = self.out()?;
        let output = self.check(&out)?;
        let memory = Memory::half_of_the_machine();
        let drawing = match self.models.load(&self.data, memory, context.remarks)? {
            Some(models) => {
                self.word = self.word.map(|word| models.word(&word));
                self.of_models(&models, context)?
            }
            None => self.of_data(context.count(&self.data, &self.data.source(None)?, None)?)?,
        };
        output.replace(&plots::draw(&out, drawing.size(self.size), &drawing)?)?;
        context.remarks.say(format_args!("wrote {}", out.display()));
        Ok(())
    }

    /// The picture's file: OUT. After `--data`, which takes several files, it is the last of them.
    fn out(&mut self) -> anyhow::Result<PathBuf> {
        if self.out.is_none() && self.data.data.len() > 1 {
            self.out = self.data.data.pop();
        }
        self.out
            .take()
            .context("no picture is named; name one that ends in .png or .svg, before --data")
    }

    /// Checks the arguments before any work: what they ask for can be drawn, and the output written.
    fn check(&self, out: &Path) -> anyhow::Result<Output> {
        self.check_word()?;
        let has_model = !self.models.models.is_empty();
        match (self.of, has_model) {
            (Some(Matrix::Logits), false) => {
                bail!("--of logits draws the weights of a network; name one with --model FILE")
            }
            (Some(Matrix::Counts), true) => bail!(
                "--of counts draws the data, not a model; leave --model out, or pass --of probabilities or --of logits"
            ),
            _ => {}
        }
        let is_counted = !has_model && self.draws_probabilities();
        if self.smoothing.smoothing.is_some() && !is_counted {
            bail!(
                "--smoothing is of the probabilities of counts; pass --of probabilities or --word, without --model"
            );
        }
        let mut inputs = self.data.files();
        inputs.extend(self.models.models.iter().map(PathBuf::as_path));
        files::check_distinct(&[out], &inputs)?;
        Ok(plots::check(out)?)
    }

    fn draws_probabilities(&self) -> bool {
        self.word.is_some() || self.of == Some(Matrix::Probabilities)
    }

    fn check_word(&self) -> anyhow::Result<()> {
        let Some(word) = &self.word else {
            return Ok(());
        };
        if matches!(self.of, Some(Matrix::Counts | Matrix::Logits)) {
            bail!("--word draws probabilities; leave --of out, or pass --of probabilities");
        }
        // After the start token, and after each character.
        let contexts = word.chars().count() + 1;
        let most = plots::ContextRow::most;
        if contexts > most(self.size) {
            let largest = *plots::SIZES.end();
            let remedy = match plots::SIZES
                .into_iter()
                .find(|&size| contexts <= most(size))
            {
                Some(size) => format!("--size {size}"),
                None => format!("--size {largest} and {} characters", most(largest) - 1),
            };
            bail!(
                "a word of {} characters has no room in a picture of {} pixels; {remedy} would work",
                contexts - 1,
                self.size
            );
        }
        Ok(())
    }

    /// The picture of a word; `of` names the model in the title.
    fn of_word(
        &self,
        word: &str,
        model: &dyn LanguageModel,
        of: &str,
    ) -> anyhow::Result<plots::Heatmap> {
        let indices = model.indices(word)?;
        let vocabulary = model.vocabulary();
        let tokens: Vec<char> = std::iter::once(vocabulary.boundary())
            .chain(word.chars())
            .collect();
        let contexts = (1..=tokens.len()).map(|end| {
            let start = end.saturating_sub(model.block_size());
            let next = indices.get(end - 1).copied().unwrap_or(0);
            plots::ContextRow {
                characters: tokens[start..end].iter().collect(),
                next: (next < vocabulary.len()).then_some(next),
            }
        });
        let values = along(model, &indices)?.into_iter().map(f64::from).collect();
        let word = visible(word);
        let title = format!("Next characters in “{word}”: probabilities of {of}");
        Ok(plots::Heatmap {
            contexts: Some(contexts.collect()),
            ..self.matrix(vocabulary, values, 3, title, "probability")
        })
    }

    fn of_data(&self, data: Counted) -> anyhow::Result<plots::Heatmap> {
        let Counted { counts, origin, .. } = data;
        let origin = visible(&origin);
        if !self.draws_probabilities() {
            let values = counts.matrix()?.iter().map(|&n| n as f64).collect();
            let title = format!("Bigrams of {origin}");
            return Ok(self.matrix(counts.vocabulary(), values, 0, title, "count"));
        }
        let p = Table::of(&counts, self.smoothing.value())?;
        if let Some(word) = &self.word {
            return self.of_word(word, &p, &format!("bigrams of {origin}"));
        }
        let values = p.rows().flatten().map(|&p| p.into()).collect();
        let title = format!("Bigram probabilities of {origin}");
        Ok(self.matrix(counts.vocabulary(), values, 3, title, "probability"))
    }

    /// The picture of a matrix, `[V, V]`.
    fn matrix(
        &self,
        vocabulary: &Vocabulary,
        values: Vec<f64>,
        decimals: usize,
        title: String,
        unit: &str,
    ) -> plots::Heatmap {
        plots::Heatmap {
            contexts: None,
            vocabulary: vocabulary.clone(),
            scale: self.scale,
            values,
            decimals,
            title,
            unit: unit.to_owned(),
        }
    }

    fn of_models(&self, models: &Models, context: Context) -> anyhow::Result<plots::Heatmap> {
        models.check_alone(&self.data, "a model is drawn")?;
        if let Some(file) = models.single() {
            return self.of_model(file, context);
        }
        let Some(word) = &self.word else {
            bail!(
                "several models are drawn along a word; name one with --word WORD, or a single --model"
            );
        };
        let mixture = models.mixture(self.models.weights.as_deref())?;
        let of = format!("{} models together", models.files().len());
        self.of_word(word, &mixture, &of)
    }

    fn of_model(&self, file: &ModelFile, context: Context) -> anyhow::Result<plots::Heatmap> {
        if let Some(word) = &self.word {
            let of = match &file.model {
                Model::Ngram(ngram) => format!("the {}-gram model", ngram.order()),
                network => format!("the network ({})", network.kind()),
            };
            return self.of_word(word, file.model.language_model(), &of);
        }
        let (model, path) = (&file.model, file.path.display());
        let looks_at = model.language_model().block_size();
        if looks_at != 1 && !matches!(model, Model::Ngram(_)) {
            bail!(
                "{path}: a heatmap shows what follows one character, and this network looks at {looks_at}; --word WORD draws what follows in a word"
            );
        }
        let (matrix, decimals, title, unit) = match (model, self.of) {
            (_, Some(Matrix::Logits)) => {
                let logits = model.bigram_logits()?.with_context(|| {
                    format!("{path}: an n-gram model has no logits; pass --of probabilities")
                })?;
                (logits, 2, "Logits of the network".to_owned(), "logit")
            }
            (Model::Ngram(ngram), _) => {
                let title = format!("Bigram probabilities of the {}-gram model", ngram.order());
                let quiet = context.remarks.quiet;
                let marginal = progress::share_of(quiet, |done| ngram.marginal(done))?;
                if let Some(Cut { characters, longer }) = marginal.cut {
                    context.remarks.say(format_args!(
                        "the picture is of about the first {characters} characters of words; {:.3}% of the words are longer",
                        100.0 * longer
                    ));
                }
                (marginal.tensor()?, 3, title, "probability")
            }
            (network, _) => {
                let every = single_characters(model.vocabulary())?;
                let p = network.language_model().distributions(&every)?;
                let title = "Bigram probabilities of the network".to_owned();
                (p, 3, title, "probability")
            }
        };
        let values = Vec::try_from(matrix.to_kind(tch::Kind::Double).view([-1]))?;
        Ok(self.matrix(model.vocabulary(), values, decimals, title, unit))
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::testing::{check_refusals, refusal};

    #[test]
    fn what_cannot_be_drawn_is_said_before_any_work() {
        check_refusals(
            "",
            1,
            &[
                ("heatmap out.jpg", "out.jpg: a picture ends in .png or .svg"),
                ("heatmap out", "out: a picture ends in .png or .svg"),
                ("heatmap missing/out.png", "there is no folder missing"),
                ("heatmap out.png --of logits", "--model FILE"),
                ("heatmap out.png --of logits --data missing", "--model FILE"),
            ],
        );
        let error = refusal("heatmap out.png --size 5", 2);
        assert!(
            error.contains("a whole number from 200 to 8000 would work"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_word_or_has_no_probabilities_is_refused() {
        check_refusals(
            "heatmap out.png",
            1,
            &[
                ("--word emma --of counts", "--word draws probabilities"),
                ("--word emma --of logits", "--word draws probabilities"),
                (
                    "--word éñ",
                    "in the word \"éñ\": the character 'é' (U+00E9)",
                ),
                ("--word em.ma", "'.' marks where words begin and end"),
            ],
        );
    }
}
