//! `makemore-tch sample`: names for people, by likelihood, or for pipes, as they are drawn.

use std::collections::HashSet;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use makemore_tch::{Checkpoint, Method, Probabilities, SampleOptions, Sampler, Words};
use serde::Serialize;

use super::{Context, check_same_vocabulary, load};
use crate::arguments::{DataArguments, JsonArguments, SmoothingArguments, above_zero, whole};
use crate::output::{self, ScoredName};

/// Make more words
///
/// They are drawn from the counts of the data or, with --model, from a trained network. The
/// likelihoods are those of the counts, whichever drew.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch sample --seed 420           the lecture's five names
  makemore-tch sample -n 20 --prefix mar
  makemore-tch sample --plain -n 1000000 | sort | uniq -c | sort -rn | head
  makemore-tch sample --model makemore.safetensors")]
pub struct Sample {
    /// What all random numbers follow from
    #[arg(
        long,
        value_name = "N",
        default_value_t = 420,
        value_parser = whole,
        allow_negative_numbers = true
    )]
    seed: u64,

    /// How many words
    #[arg(short, long, value_name = "N", default_value_t = 5, value_parser = whole, allow_negative_numbers = true)]
    number: u64,

    /// Draw from a trained network
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,

    /// How a character is drawn
    #[arg(long, value_enum, default_value_t)]
    sampler: SamplerName,

    /// Below 1: closer to what is common; above 1: more surprising
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = above_zero, allow_negative_numbers = true)]
    temperature: f64,

    /// What every word begins with
    #[arg(long, value_name = "TEXT", default_value_t, hide_default_value = true)]
    prefix: String,

    /// The most characters of a word; it is cut off there
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
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

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum SamplerName {
    /// The lookup of PyTorch before 2.0: the lecture's names
    #[default]
    Cumulative,
    /// The multinomial of today's PyTorch
    Multinomial,
}

#[derive(Serialize)]
struct Document {
    seed: u64,
    names: Vec<Name>,
}

#[derive(Serialize)]
struct Name {
    #[serde(flatten)]
    scored: ScoredName,
    in_data: bool,
}

impl Sample {
    pub fn run(self, context: Context) -> anyhow::Result<()> {
        let model = load(self.model.as_deref())?;
        match (self.plain, &model) {
            // The data is needed for likelihoods only.
            (true, Some(model)) => self.print_plain(&model.network.probabilities()?),
            (true, None) => {
                let data = self.data.source(None).count()?;
                self.print_plain(&data.counts.probabilities(self.smoothing.smoothing)?)
            }
            (false, model) => self.print_scored(model.as_ref(), context),
        }
    }

    fn sampler(&self, p: &Probabilities) -> makemore_tch::Result<Sampler> {
        let options = SampleOptions {
            method: match self.sampler {
                SamplerName::Cumulative => Method::Cumulative,
                SamplerName::Multinomial => Method::Multinomial,
            },
            temperature: self.temperature,
            prefix: self.prefix.clone(),
            max_length: self.max_length as usize,
        };
        Sampler::new(p, self.seed, &options)
    }

    fn names(&self, p: &Probabilities) -> makemore_tch::Result<Vec<String>> {
        let mut sampler = self.sampler(p)?;
        (0..self.number).map(|_| sampler.name()).collect()
    }

    fn print_plain(&self, p: &Probabilities) -> anyhow::Result<()> {
        let mut sampler = self.sampler(p)?;
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

    fn print_scored(&self, model: Option<&Checkpoint>, context: Context) -> anyhow::Result<()> {
        let source = self.data.source(model);
        // Whether a name is in the data can only be told with all words at hand.
        let data = if self.json.json {
            source.read()?
        } else {
            source.count()?
        };
        let p = data.counts.probabilities(self.smoothing.smoothing)?;
        let names = match (&self.model, model) {
            (Some(file), Some(model)) => {
                check_same_vocabulary(file, model, &data)?;
                if model.data_sha256 != data.sha256 {
                    context.remarks.say(format_args!(
                        "{} was trained on another list; the likelihoods are those of {}",
                        file.display(),
                        data.origin
                    ));
                }
                self.names(&model.network.probabilities()?)?
            }
            _ => self.names(&p)?,
        };
        let ranked = ScoredName::rank(names, &p)?;
        if self.json.json {
            let words = data.words.iter().flat_map(Words::iter);
            let in_data: HashSet<&str> = words.collect();
            let names = ranked.into_iter().map(|scored| Name {
                in_data: in_data.contains(scored.name.as_str()),
                scored,
            });
            return output::json(&Document {
                seed: self.seed,
                names: names.collect(),
            });
        }
        let mut results = output::results();
        for name in ranked {
            writeln!(results, "{name}")?;
        }
        results.flush()?;
        Ok(())
    }
}
