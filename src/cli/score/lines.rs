//! The lines of `score --each`: text, CSV or JSON.

use std::io::Write;

use anyhow::bail;
use makemore_tch::data::parts::List;
use makemore_tch::format::visible;
use makemore_tch::score::shown;
use makemore_tch::{Counted, Error, LanguageModel, Part, Parts, Source, Table};
use serde::Serialize;
use strum::VariantArray;

use super::each::{EachArguments, Named, Row, Sort, Unscored, rows};
use crate::cli::arguments::{DataArguments, MemoryArguments};
use crate::cli::context::Context;
use crate::cli::models::Models;
use crate::cli::output::{self, Remarks};

/// The number of words that are scored at once.
const BATCH: usize = 4096;

#[derive(Serialize)]
struct EachDocument {
    words: Vec<Row>,
}

/// The words to score one by one, and how to print them.
pub struct Each<'a> {
    /// The words; those of the data if there are none.
    pub words: &'a [String],
    pub arguments: &'a EachArguments,
    pub part: Option<Part>,
    pub data: &'a DataArguments,
    pub memory: &'a MemoryArguments,
    pub smoothing: f64,
    pub json: bool,
}

impl Each<'_> {
    /// Scores each of the words given, or of the data, by the counts of the data or by models.
    pub fn score(&self, models: Option<&Models>, context: Context) -> anyhow::Result<()> {
        let Some(models) = models else {
            let source = self
                .data
                .source(None, &self.memory.memory())?
                .rereadable()?;
            let data = context.count(self.data, &source, None)?;
            let p = Table::of(&data.counts, self.smoothing)?;
            let named: &Named = &[(String::new(), &p)];
            return self.print(named, context, || {
                Ok((
                    Parts::whole(list_of(&source, &data)),
                    Part::VARIANTS.to_vec(),
                ))
            });
        };
        let files = models.files().iter();
        let named =
            files.map(|file| (file.path.display().to_string(), file.model.language_model()));
        let named: Vec<(String, &dyn LanguageModel)> = named.collect();
        self.print(&named, context, || {
            let source = models.list()?;
            let data = context.count(self.data, source, Some(models.vocabulary()))?;
            let list = list_of(source, &data);
            let Some(part) = self.part else {
                return Ok((Parts::whole(list), Part::VARIANTS.to_vec()));
            };
            let Some(trained_on) = models.trained_on()? else {
                bail!("{}: it does not say what it was trained on, so it has no parts; leave --part out", models.path().display());
            };
            let (parts, part) = trained_on.part(part, list)?;
            Ok((parts, vec![part]))
        })
    }

    /// Prints the rows of the words given, or of the parts of a list that `list` finds.
    fn print(
        &self,
        models: &Named,
        context: Context,
        list: impl FnOnce() -> anyhow::Result<(Parts, Vec<Part>)>,
    ) -> anyhow::Result<()> {
        let mut lines = Lines::new(self.arguments, self.json, models);
        if !self.words.is_empty() {
            lines.add(self.words)?;
            return lines.finish(context.remarks);
        }
        let (parts, wanted) = list()?;
        let (mut words, mut added) = (Vec::new(), Ok(()));
        let read = parts.each_word_here(&wanted, |_, word, _| {
            words.push(word.to_owned());
            if words.len() == BATCH {
                added = lines.add(&words);
                words.clear();
            }
            match added {
                Ok(()) => Ok(()),
                Err(_) => Err(Error::Interrupted),
            }
        });
        added?;
        read?;
        lines.add(&words)?;
        lines.finish(context.remarks)
    }
}

fn list_of(source: &Source, data: &Counted) -> List {
    List {
        source: source.clone(),
        digest: data.digest,
    }
}

/// The lines of words, printed as they come, or kept to be sorted or to be one document.
pub struct Lines<'a> {
    models: &'a Named<'a>,
    sort: Sort,
    json: bool,
    csv: Option<csv::Writer<Box<dyn Write>>>,
    results: Box<dyn Write>,
    kept: Vec<Row>,
    has_heading: bool,
    unscored: Unscored,
    /// The widths of the columns of several models.
    widths: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub fn new(arguments: &EachArguments, json: bool, models: &'a Named) -> Self {
        let width = |(name, _): &(String, _)| visible(name).chars().count().max(9);
        Self {
            widths: models.iter().map(width).collect(),
            models,
            sort: arguments.sort,
            json,
            csv: arguments
                .csv
                .then(|| csv::Writer::from_writer(output::results())),
            results: output::results(),
            kept: Vec::new(),
            has_heading: false,
            unscored: Unscored::default(),
        }
    }

    /// Scores and prints more words.
    pub fn add(&mut self, words: &[String]) -> anyhow::Result<()> {
        let rows = rows(words, self.models, &mut self.unscored)?;
        if self.json || self.sort != Sort::None {
            self.kept.extend(rows);
            return Ok(());
        }
        rows.iter().try_for_each(|row| self.print(row))
    }

    /// Prints what was kept, and tells the user of words that could not be scored.
    pub fn finish(mut self, remarks: Remarks) -> anyhow::Result<()> {
        self.print_kept()?;
        let Unscored {
            words,
            first,
            has_scores,
        } = self.unscored;
        match first {
            Some(first) if !has_scores => bail!("no word can be scored; the first is {first}"),
            Some(first) => {
                let all = match self.models.len() {
                    1 => "cannot be scored",
                    _ => "not all models can score",
                };
                remarks.say(format_args!(
                    "words that {all}: {words}; the first is {first}"
                ));
            }
            None => {}
        }
        Ok(())
    }

    fn print_kept(&mut self) -> anyhow::Result<()> {
        let mut rows = std::mem::take(&mut self.kept);
        let by = |row: &Row| match self.sort {
            Sort::Probability => row.log_likelihood,
            Sort::PerCharacter => row.nll.map(|nll| -nll),
            Sort::None => None,
        };
        rows.sort_by(|one, other| {
            let [one, other] = [one, other].map(|row| by(row).unwrap_or(f64::NEG_INFINITY));
            other.total_cmp(&one)
        });
        if self.json {
            return output::json(&EachDocument { words: rows });
        }
        rows.iter().try_for_each(|row| self.print(row))?;
        if let Some(csv) = &mut self.csv {
            csv.flush()?;
        }
        Ok(self.results.flush()?)
    }

    fn print(&mut self, row: &Row) -> anyhow::Result<()> {
        if !std::mem::replace(&mut self.has_heading, true) {
            self.print_heading()?;
        }
        if let Some(csv) = &mut self.csv {
            let number =
                |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
            let mut fields = vec![
                row.word.clone(),
                number(row.log_likelihood),
                number(row.nll),
            ];
            fields.extend(row.models.iter().map(|of| number(of.nll)));
            if self.models.len() > 1 {
                fields.push(row.lowest.clone().unwrap_or_default());
            }
            return Ok(csv.write_record(fields)?);
        }
        let number = |value: Option<f64>| match value {
            Some(value) => format!("{value:.4}"),
            None => "-".to_owned(),
        };
        let word = visible(shown(&row.word));
        if self.models.len() == 1 {
            let total = number(row.log_likelihood.map(|sum| -sum));
            writeln!(self.results, "{total:>9} {:>9}  {word}", number(row.nll))?;
            return Ok(());
        }
        for (of, &width) in row.models.iter().zip(&self.widths) {
            write!(self.results, "{:>width$}  ", number(of.nll))?;
        }
        let lowest = visible(row.lowest.as_deref().unwrap_or("-"));
        let width = self.widths.iter().copied().max().unwrap_or(0);
        writeln!(self.results, "{lowest:<width$}  {word}")?;
        Ok(())
    }

    fn print_heading(&mut self) -> anyhow::Result<()> {
        let names: Vec<String> = self.models.iter().map(|(name, _)| visible(name)).collect();
        if let Some(csv) = &mut self.csv {
            let mut fields = vec![
                "word".to_owned(),
                "log_likelihood".to_owned(),
                "nll".to_owned(),
            ];
            if names.len() > 1 {
                fields.extend(self.models.iter().map(|(name, _)| name.clone()));
                fields.push("lowest".to_owned());
            }
            return Ok(csv.write_record(fields)?);
        }
        if names.len() == 1 {
            writeln!(self.results, "{:>9} {:>9}  word", "NLL", "per char.")?;
            return Ok(());
        }
        let columns = names.iter().zip(&self.widths);
        let columns: String = columns
            .map(|(name, width)| format!("{name:>width$}  "))
            .collect();
        let width = self.widths.iter().copied().max().unwrap_or(0);
        writeln!(self.results, "{columns}{:<width$}  word", "lowest")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::testing::Folder;

    #[test]
    fn every_word_has_a_line_and_the_lowest_of_several_models_is_named() {
        let folder = Folder::new();
        folder.write("names.txt", "emma\nava\nmia\nmax\n");
        folder.write("towns.txt", "ulm\nbonn\nmainz\ngera\n");
        for list in ["names", "towns"] {
            let train = format!("train --type bigram --epochs 100 --data {list}.txt --out {list}");
            folder.stdout(&train);
        }
        let both = "score --each --model names --model towns";
        let (table, said) = folder.both(&format!("{both} emma ulm vo"));
        let begin = "words that not all models can score: 2; the first is \"ulm\" by names: the";
        assert!(said.starts_with(begin), "{said}");
        let none = folder.run(format!("{both} vo").split(' '));
        let begin = "error: no word can be scored; the first is \"vo\" by names: the character";
        assert!(
            none.status == 1 && none.stderr.starts_with(begin),
            "{}",
            none.stderr
        );
        let lowest: Vec<&str> = table
            .lines()
            .map(|line| line.split_whitespace().nth(2).unwrap())
            .collect();
        assert_eq!(lowest, ["lowest", "names", "towns", "-"]);
        let csv = folder.stdout(&format!("{both} emma --csv"));
        assert!(
            csv.starts_with("word,log_likelihood,nll,names,towns,lowest\nemma,-"),
            "{csv}"
        );
        // No model scores the second word.
        let csv = folder.stdout(&format!("{both} emma vo ulm --csv"));
        let of_none: Vec<&str> = csv.lines().skip(2).take(1).collect();
        assert_eq!((csv.lines().count(), of_none), (4, vec!["vo,,,,,"]));
        let document = folder.json(&format!("{both} ulm --json"));
        assert_eq!(document["words"][0]["lowest"], "towns");

        // As the words are scored one by one, in the order asked for.
        let sorted = folder.json("score --each --json --sort per-character --data names.txt");
        let words = sorted["words"].as_array().unwrap();
        let nll = |place: usize| words[place]["nll"].as_f64().unwrap();
        assert!((1..4).all(|place| nll(place - 1) <= nll(place)), "{sorted}");
        for word in words {
            let name = word["word"].as_str().unwrap();
            let alone = folder.json(&format!("score {name} --json --data names.txt"));
            assert_eq!(alone["words"][0]["nll"], word["nll"]);
            assert_eq!(alone["words"][0]["log_likelihood"], word["log_likelihood"]);
        }
    }
}
