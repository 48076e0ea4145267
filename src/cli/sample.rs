//! `makemore-tch sample`: names for people, by likelihood, or for pipes, as they are drawn.

use std::collections::{HashSet, VecDeque};

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
use super::context::{Context, check_same_boundary, check_same_vocabulary};
use super::models::{ModelArguments, Models};
use super::output;

/// Make more words
///
/// They are drawn from the counts of the data or, with --model, from a trained model, or from
/// several that are mixed. The likelihoods are those of the counts, also where the lecture's network
/// drew; of other models they are their own.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch sample --seed 420           the lecture's five names
  makemore-tch sample -n 20 --prefix mar
  makemore-tch sample --plain -n 1000000 | sort | uniq -c | sort -rn | head
  makemore-tch sample --model makemore.safetensors
  makemore-tch sample --model makemore-ngram.safetensors -n 20
  makemore-tch sample --model makemore-gru.safetensors --model makemore-ngram.safetensors
  makemore-tch sample --plain --new --unique -n 1000")]
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

    #[command(flatten)]
    models: ModelArguments,

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

    /// Only words that the data does not have
    #[arg(long)]
    new: bool,

    /// No word twice
    #[arg(long)]
    unique: bool,

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
        match self.models.load(&self.data, context.remarks)? {
            Some(models) => self.of_models(&models, context),
            None => self.of_counts(),
        }
    }

    /// Words that the counts of the data make.
    fn of_counts(&self) -> anyhow::Result<()> {
        // Whether a name is in the data is found out in a second reading.
        let source = self.data.source()?;
        let source = match self.json.json || self.new {
            true => source.rereadable()?,
            false => source,
        };
        let data = count(&source, self.data.boundary(None))?;
        let p = Table::of(&data.counts, self.smoothing.value())?;
        match self.plain {
            true => self.print_plain(&p, Some(&source)),
            false => self.print_ranked(&p, &p, Some(&source)),
        }
    }

    /// Words that models make.
    fn of_models(&self, models: &Models, context: Context) -> anyhow::Result<()> {
        if self.plain && !self.new {
            models.check_alone(&self.data, "with --plain, words are drawn")?;
        }
        let Some(file) = models.single() else {
            let mixture = models.mixture(self.models.weights.as_deref())?;
            // With weights of the user's, models of different lists may be mixed.
            let trained_on = models.trained_on().ok().flatten();
            return self.of_model(models, &mixture, trained_on);
        };
        let model = file.model.language_model();
        match &file.model {
            // The lecture's network is compared with the counts of its list.
            Model::Bigram(trained) if trained.network.order() == 2 && !self.plain => {
                let data = count(&models.source, self.data.boundary(Some(model.vocabulary())))?;
                let p = Table::of(&data.counts, self.smoothing.value())?;
                check_model(file, &data, context)?;
                self.print_ranked(model, &p, Some(&models.source))
            }
            _ => self.of_model(models, model, file.trained_on),
        }
    }

    /// Words that a model makes, by their likelihoods under it; the data only tell which of them are
    /// in it.
    fn of_model(
        &self,
        models: &Models,
        model: &dyn LanguageModel,
        trained_on: Option<TrainedOn>,
    ) -> anyhow::Result<()> {
        if self.smoothing.smoothing.is_some() {
            bail!("--smoothing is of counts, and --model draws; leave one of them out");
        }
        let lecture = Words::lecture(BOUNDARY)?.digest();
        let is_of_the_lecture = trained_on.is_some_and(|data| data.list == lecture);
        let source = match self.data.data.is_empty() && !is_of_the_lecture {
            true if self.new => bail!(
                "{}: not trained on the lecture's names; name the list that words shall be new to with --data FILE",
                models.path().display()
            ),
            true => None,
            false => Some(&models.source),
        };
        if let (Some(source), false) = (source, self.data.data.is_empty()) {
            let data = count(source, self.data.boundary(Some(model.vocabulary())))?;
            check_same_boundary(models.path(), model.vocabulary(), data.counts.vocabulary())?;
        }
        match self.plain {
            true => self.print_plain(model, source),
            false => self.print_ranked(model, model, source),
        }
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

    /// The words that are wanted of those that a model makes.
    fn words<'a>(
        &self,
        model: &'a dyn LanguageModel,
        source: Option<&'a Source>,
    ) -> makemore_tch::Result<Wanted<'a>> {
        let new_to = source.filter(|_| self.new);
        Ok(Wanted::of(
            self.sampler(model)?,
            self.number,
            new_to,
            self.unique,
        ))
    }

    fn print_plain(
        &self,
        model: &dyn LanguageModel,
        source: Option<&Source>,
    ) -> anyhow::Result<()> {
        let mut results = output::results();
        if self.new || self.unique {
            let mut words = self.words(model, source)?;
            while let Some(word) = words.next()? {
                writeln!(results, "{word}")?;
            }
            results.flush()?;
            return words.check();
        }
        let mut sampler = self.sampler(model)?;
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

    /// Prints the names that a model draws, by their likelihood under `p`.
    fn print_ranked(
        &self,
        model: &dyn LanguageModel,
        p: &dyn LanguageModel,
        source: Option<&Source>,
    ) -> anyhow::Result<()> {
        let mut words = self.words(model, source)?;
        let mut names = Vec::new();
        while let Some(word) = words.next()? {
            names.push(word);
        }
        let given_up = words.check();
        // Its generator is free again.
        drop(words);
        self.print(score::ranked(p, names.into_iter().map(Ok))?, source)?;
        given_up
    }

    fn print(&self, names: Vec<ScoredName>, source: Option<&Source>) -> anyhow::Result<()> {
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

/// As many words in a row that are not wanted, and no more are drawn.
const IN_VAIN: usize = 10_000;

/// As many words are looked for in the data at once at most.
const AT_ONCE: usize = 1 << 16;

/// Words that are drawn until there are as many as wanted.
struct Wanted<'a> {
    sampler: Sampler<'a>,
    /// How many more are wanted, and how many were found.
    rest: u64,
    found: u64,
    /// The list that they shall be new to.
    new_to: Option<&'a Source>,
    /// Those that were given, if none shall come twice.
    given: Option<HashSet<String>>,
    waiting: VecDeque<String>,
    /// How many are drawn next, if they have to be looked for.
    draws: usize,
    /// How many were drawn since the last that was wanted.
    in_vain: usize,
}

impl<'a> Wanted<'a> {
    fn of(sampler: Sampler<'a>, number: u64, new_to: Option<&'a Source>, is_unique: bool) -> Self {
        Self {
            sampler,
            rest: number,
            found: 0,
            new_to,
            given: is_unique.then(HashSet::new),
            waiting: VecDeque::new(),
            draws: 16,
            in_vain: 0,
        }
    }

    /// The next one; none at the end, or where it is given up.
    fn next(&mut self) -> makemore_tch::Result<Option<String>> {
        while self.rest > 0 {
            if let Some(word) = self.waiting.pop_front() {
                (self.rest, self.found) = (self.rest - 1, self.found + 1);
                return Ok(Some(word));
            }
            if self.in_vain >= IN_VAIN {
                return Ok(None);
            }
            self.draw()?;
        }
        Ok(None)
    }

    fn draw(&mut self) -> makemore_tch::Result<()> {
        let draws = match self.new_to {
            Some(_) => self.draws,
            None => 1,
        };
        self.draws = (2 * draws).min(AT_ONCE);
        let drawn = self.sampler.by_ref().take(draws);
        let drawn: Vec<String> = drawn.collect::<makemore_tch::Result<_>>()?;
        let known = match self.new_to {
            Some(source) => search::known(source, drawn.iter().map(String::as_str))?,
            None => HashSet::new(),
        };
        for word in &drawn {
            let is_new = !known.contains(word.as_str());
            let given = self.given.as_mut();
            if is_new && given.is_none_or(|given| given.insert(word.clone())) {
                self.waiting.push_back(word.clone());
                self.in_vain = 0;
            } else {
                self.in_vain += 1;
            }
        }
        Ok(())
    }

    /// Says whether it was given up.
    fn check(&self) -> anyhow::Result<()> {
        if self.rest == 0 {
            return Ok(());
        }
        let all = self.found + self.rest;
        bail!(
            "gave up after {} words in a row that were not wanted: {} of {all} were found",
            self.in_vain,
            self.found
        )
    }
}
