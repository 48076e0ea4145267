//! `makemore-tch next`: the characters that may follow a beginning.

use anyhow::bail;
use clap::Args;
use makemore_tch::format::visible;
use makemore_tch::memory::Memory;
use makemore_tch::models::language_model::along;
use makemore_tch::{LanguageModel, Table};
use serde::Serialize;

use super::arguments::models::{ModelArguments, Several};
use super::arguments::{DataArguments, JsonArguments, SmoothingArguments, whole};
use super::context::Context;
use super::output;

/// Print what may come next, the most probable first
///
/// Each character has its probability after PREFIX, and beside it the sum of the probabilities so far. The
/// start/end token is the end of the word. Several models stand side by side. Without --model it is the table of
/// counted pairs, which looks at the last character alone.
#[derive(Debug, Args)]
#[command(mut_arg("weights", |arg| arg.hide(true)))]
#[command(after_help = "\
Examples:
  makemore-tch next                        the first character of a name
  makemore-tch next mar --top 5
  makemore-tch next mar --model makemore-gru.safetensors --model makemore-ngram.safetensors")]
pub struct Next {
    /// The beginning of a word
    #[arg(value_name = "PREFIX", default_value_t, hide_default_value = true)]
    prefix: String,

    #[command(flatten)]
    data: DataArguments,

    #[command(flatten)]
    models: ModelArguments,

    #[command(flatten)]
    smoothing: SmoothingArguments,

    /// How many characters to print [default: all]
    #[arg(long, value_name = "N", value_parser = whole(1..=usize::MAX), allow_negative_numbers = true)]
    top: Option<usize>,

    #[command(flatten)]
    json: JsonArguments,
}

#[derive(Serialize)]
struct NextDocument {
    prefix: String,
    models: Vec<OfModel>,
}

/// What may come next by one model.
#[derive(Serialize)]
struct OfModel {
    /// The file of the model; none for the counts of the data.
    model: Option<String>,
    next: Vec<Character>,
}

#[derive(Serialize)]
struct Character {
    character: char,
    probability: f64,
    cumulative: f64,
}

impl Next {
    pub fn run(self, context: Context) -> anyhow::Result<()> {
        let memory = Memory::half_of_the_machine();
        if self.models.weights.is_some() {
            bail!("--weights are of an average, and each --model stands alone; leave them out");
        }
        let apart = Several::Apart { with: "" };
        let models = self
            .models
            .files
            .load(apart, &self.data, memory, context.remarks)?;
        let document = match &models {
            Some(models) => {
                if self.smoothing.smoothing.is_some() {
                    bail!("--smoothing is of counts, and --model predicts; leave one of them out");
                }
                models.check_alone(&self.data, "characters are predicted")?;
                let prefix = models.word(&self.prefix);
                let files = models.files().iter().map(|file| {
                    let model = Some(file.path.display().to_string());
                    self.of_model(model, file.model.language_model(), &prefix)
                });
                let models = files.collect::<anyhow::Result<_>>()?;
                NextDocument { prefix, models }
            }
            None => {
                let source = self.data.source(None, &Memory::half_of_the_machine())?;
                let data = context.count(&self.data, &source, None);
                let data = data.map_err(|error| self.data.explain(error, "PREFIX stands"))?;
                let prefix = self.data.format(None).word(&self.prefix);
                let p = Table::of(&data.counts, self.smoothing.value())?;
                let models = vec![self.of_model(None, &p, &prefix)?];
                NextDocument { prefix, models }
            }
        };
        match self.json.json {
            true => output::json(&document),
            false => document.print(),
        }
    }

    fn of_model(
        &self,
        file: Option<String>,
        model: &dyn LanguageModel,
        prefix: &str,
    ) -> anyhow::Result<OfModel> {
        let vocabulary = model.vocabulary();
        let rows = along(model, &model.indices(prefix)?)?;
        let last = rows.rchunks(vocabulary.len()).next().unwrap_or_default(); // [V]
        let mut sorted: Vec<(char, f32)> = vocabulary
            .characters()
            .iter()
            .copied()
            .zip(last.iter().copied())
            .collect();
        sorted.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        let mut cumulative = 0.0;
        let next = sorted.into_iter().take(self.top.unwrap_or(usize::MAX));
        let next = next.map(|(character, probability)| {
            let probability = f64::from(probability);
            cumulative += probability;
            Character {
                character,
                probability,
                cumulative,
            }
        });
        Ok(OfModel {
            model: file,
            next: next.collect(),
        })
    }
}

impl NextDocument {
    fn print(&self) -> anyhow::Result<()> {
        let mut results = output::results();
        let names = self
            .models
            .iter()
            .map(|of| of.model.as_deref().unwrap_or_default());
        let names: Vec<String> = names.map(visible).collect();
        let widths: Vec<usize> = names
            .iter()
            .map(|name| name.chars().count().max(19))
            .collect();
        if names.len() > 1 {
            let columns = names.iter().zip(&widths);
            let columns: Vec<String> = columns
                .map(|(name, &width)| format!("{name:<width$}"))
                .collect();
            writeln!(results, "{}", columns.join("   ").trim_end())?;
        }
        let rows = self
            .models
            .iter()
            .map(|of| of.next.len())
            .max()
            .unwrap_or(0);
        for row in 0..rows {
            let columns = self.models.iter().zip(&widths).map(|(of, &width)| {
                let cell = of.next.get(row).map(Character::cell).unwrap_or_default();
                format!("{cell:<width$}")
            });
            let columns: Vec<String> = columns.collect();
            writeln!(results, "{}", columns.join("   ").trim_end())?;
        }
        Ok(results.flush()?)
    }
}

impl Character {
    fn cell(&self) -> String {
        let character = match self.character {
            ' ' => "␣".to_owned(),
            character => visible(&character.to_string()),
        };
        format!(
            "{character:<3}{:>8.4}{:>8.4}",
            self.probability, self.cumulative
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::testing::{Folder, check_refusals};

    #[test]
    fn a_beginning_that_no_word_has_is_named() {
        check_refusals(
            "next",
            1,
            &[
                ("zoë", "the character 'ë' (U+00EB)"),
                ("em.ma", "'.' marks where words begin and end"),
                ("mar --model missing", "missing"),
            ],
        );
    }

    #[test]
    fn models_stand_side_by_side_and_probabilities_add_up() {
        let folder = Folder::new();
        folder.write("list.txt", "emma\nava\nmia\nmax\n");
        for order in [2, 3] {
            let train = format!("train --type ngram --order {order} --out {order}.st");
            folder.stdout(&format!("{train} --data list.txt --split 100,0,0"));
        }
        let next = folder.json("next m --json --top 2 --model 2.st --model 3.st");
        // Weights once changed nothing.
        let both = "--model 2.st --model 3.st --weights 1,2";
        let error = folder.error(&format!("next m {both}"), 1);
        assert!(error.contains("leave them out"), "{error}");
        folder.error(&format!("score --each mia {both}"), 2);
        for (place, file) in ["2.st", "3.st"].into_iter().enumerate() {
            let of = &next["models"][place];
            let p = |place: usize, key: &str| of["next"][place][key].as_f64().unwrap();
            assert_eq!(of["model"], file);
            assert!(p(0, "probability") >= p(1, "probability"));
            let sum = p(0, "probability") + p(1, "probability");
            assert_eq!(p(1, "cumulative"), sum);
        }
        // It named what was not given.
        let list = "--data list.txt";
        for (given, named) in [
            (list.to_owned(), "--data"),
            ("--boundary .".to_owned(), "--boundary"),
            (format!("{list} --boundary ."), "--data and --boundary"),
        ] {
            let error = folder.error(&format!("next m --model 2.st {given}"), 1);
            let expected = format!("with --model alone; leave {named} out");
            assert!(error.ends_with(&expected), "{error}");
        }
        let counted = folder.stdout("next --data list.txt --top 1");
        // 2 of 4 words begin with an m, and 1 is added to each of 7 characters.
        assert_eq!(counted, "m    0.2727  0.2727\n");
    }
}
