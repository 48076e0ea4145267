//! `makemore-tch sample`: names for people, by likelihood, or for pipes, as they are drawn.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use makemore_tch::data::search;
use makemore_tch::data::words::BOUNDARY;
use makemore_tch::model_file::TrainedOn;
use makemore_tch::models::Shaping;
use makemore_tch::{
    Counted, LanguageModel, Method, Model, ModelFile, SampleOptions, Sampler, ScoredName, Source,
    Table, Words, count, score,
};
use serde::Serialize;

use super::arguments::{
    DataArguments, JsonArguments, SmoothingArguments, above_zero, one_of, whole,
};
use super::context::{Context, check_same_boundary, check_same_vocabulary, load};
use super::output;

/// Make more words
///
/// They are drawn from the counts of the data or, with --model, from a trained model. The
/// likelihoods are those of the counts, also where the lecture's network drew; of an n-gram model
/// they are its own.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch sample --seed 420           the lecture's five names
  makemore-tch sample -n 20 --prefix mar
  makemore-tch sample --plain -n 1000000 | sort | uniq -c | sort -rn | head
  makemore-tch sample --model makemore.safetensors
  makemore-tch sample --model makemore-ngram.safetensors -n 20")]
pub struct Sample {
    /// What all random numbers follow from
    #[arg(
        long,
        value_name = "N",
        default_value_t = 420,
        value_parser = whole(0..=u64::MAX),
        allow_negative_numbers = true
    )]
    seed: u64,

    /// How many words
    #[arg(short, long, value_name = "N", default_value_t = 5, value_parser = whole(0..=u64::MAX), allow_negative_numbers = true)]
    number: u64,

    /// Draw from a trained model, or an ARPA file
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,

    /// How a character is drawn
    #[arg(long, value_parser = one_of::<Method>(), default_value = "cumulative")]
    sampler: Method,

    /// Below 1: closer to what is common; above 1: more surprising
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = above_zero, allow_negative_numbers = true)]
    temperature: f64,

    /// Draw only from so many of the most probable characters
    #[arg(long, value_name = "N", value_parser = whole(1..=usize::MAX), allow_negative_numbers = true)]
    top_k: Option<usize>,

    /// What every word begins with
    #[arg(long, value_name = "TEXT", default_value_t, hide_default_value = true)]
    prefix: String,

    /// The most characters of a word; it is cut off there
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = whole(1..=u32::MAX), allow_negative_numbers = true)]
    max_length: u32,

    /// One word a line and nothing else, in the order drawn
    #[arg(long, conflicts_with = "json")]
    plain: bool,

    #[command(flatten)]
    data: DataArguments,

    #[command(flatten)]
    smoothing: SmoothingArguments,

    #[command(flatten)]
    json: JsonArguments,
}

#[derive(Serialize)]
struct Document<'a> {
    seed: u64,
    names: Vec<Name<'a>>,
}

#[derive(Serialize)]
struct Name<'a> {
    #[serde(flatten)]
    scored: &'a ScoredName,
    /// None where no data are named that it might be in.
    in_data: Option<bool>,
}

impl Sample {
    pub fn run(self, context: Context) -> anyhow::Result<()> {
        context.threads.prepare_for_drawing();
        let model = load(self.model.as_deref(), self.data.boundary)?;
        if let (true, Some(file)) = (self.plain, &model) {
            // Only an ARPA file leaves the start/end token to choose.
            let has_token = file.trained_on.is_some() && self.data.boundary.is_some();
            if has_token || !self.data.data.is_empty() || self.smoothing.smoothing.is_some() {
                bail!(
                    "with --plain, words are drawn from --model alone; leave --data, --boundary and --smoothing out"
                );
            }
            return self.print_plain(file.model.language_model());
        }
        if let Some(file) = &model
            && let Model::Ngram(ngram) = &file.model
        {
            return self.of_ngram(file, ngram);
        }
        // Whether a name is in the data is found out in a second reading.
        let source = match self.json.json {
            true => self.data.source().rereadable()?,
            false => self.data.source(),
        };
        let learned = model.as_ref().map(|file| file.model.vocabulary());
        let data = count(&source, self.data.boundary(learned))?;
        let p = Table::of(&data.counts, self.smoothing.value())?;
        if self.plain {
            return self.print_plain(&p);
        }
        let names = match &model {
            Some(file) => {
                let network = file.model.language_model();
                check_model(file, &data, context)?;
                match network.block_size() {
                    1 => self.ranked(network, &p)?,
                    // Counts of bigrams know nothing of longer contexts.
                    _ => self.ranked(network, network)?,
                }
            }
            _ => self.ranked(&p, &p)?,
        };
        self.print_ranked(names, Some(&source))
    }

    /// Names that an n-gram model draws, by their likelihoods under it; the data only tell which of
    /// them are in it.
    fn of_ngram(&self, file: &ModelFile, ngram: &dyn LanguageModel) -> anyhow::Result<()> {
        if self.smoothing.smoothing.is_some() {
            bail!("--smoothing is of counts, and --model draws; leave one of them out");
        }
        let lecture = Words::lecture(BOUNDARY)?.digest();
        let is_of_the_lecture = file.trained_on.is_some_and(|data| data.list == lecture);
        let source = match self.data.data.is_empty() && !is_of_the_lecture {
            true => None,
            false => Some(self.data.source()),
        };
        if let (Some(source), false) = (&source, self.data.data.is_empty()) {
            let data = count(source, self.data.boundary(Some(ngram.vocabulary())))?;
            check_same_boundary(&file.path, ngram.vocabulary(), data.counts.vocabulary())?;
        }
        let names = self.ranked(ngram, ngram)?;
        self.print_ranked(names, source.as_ref())
    }

    fn sampler<'m>(&self, model: &'m dyn LanguageModel) -> makemore_tch::Result<Sampler<'m>> {
        let options = SampleOptions {
            method: self.sampler,
            shaping: Shaping {
                temperature: self.temperature,
                top_k: self.top_k,
            },
            prefix: self.prefix.clone(),
            max_length: self.max_length as usize,
        };
        Sampler::new(model, self.seed, &options)
    }

    fn print_plain(&self, model: &dyn LanguageModel) -> anyhow::Result<()> {
        let mut sampler = self.sampler(model)?;
        let mut results = output::results();
        let mut line = String::new();
        for _ in 0..self.number {
            line.clear();
            sampler.append_to(&mut line)?;
            line.push('\n');
            results.write_all(line.as_bytes())?;
        }
        results.flush()?;
        Ok(())
    }

    /// The names that a model draws, by their likelihood under `p`.
    fn ranked(
        &self,
        model: &dyn LanguageModel,
        p: &dyn LanguageModel,
    ) -> makemore_tch::Result<Vec<ScoredName>> {
        let names = (0..self.number).zip(self.sampler(model)?);
        score::ranked(p, names.map(|(_, name)| name))
    }

    fn print_ranked(&self, names: Vec<ScoredName>, source: Option<&Source>) -> anyhow::Result<()> {
        if self.json.json {
            let all = || names.iter().map(|name| name.name.as_str());
            let known = source
                .map(|source| search::known(source, all()))
                .transpose()?;
            let is_known = |name: &str| known.as_ref().map(|known| known.contains(name));
            let names = names.iter().map(|scored| Name {
                in_data: is_known(&scored.name),
                scored,
            });
            return output::json(&Document {
                seed: self.seed,
                names: names.collect(),
            });
        }
        let mut results = output::results();
        for name in names {
            writeln!(results, "{name}")?;
        }
        results.flush()?;
        Ok(())
    }
}

/// The likelihoods are those of the data, which should be what the model was trained on.
fn check_model(file: &ModelFile, data: &Counted, context: Context) -> anyhow::Result<()> {
    check_same_vocabulary(&file.path, file.model.vocabulary(), data)?;
    let is_of_the_data = |trained_on: TrainedOn| trained_on.list == data.digest;
    if !file.trained_on.is_some_and(is_of_the_data) {
        context.remarks.say(format_args!(
            "{} was trained on another list; the likelihoods are those of {}",
            file.path.display(),
            data.origin
        ));
    }
    Ok(())
}
