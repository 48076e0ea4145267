//! `makemore-tch score`: likelihoods of words, and the NLL of a whole list or a part of it.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use makemore_tch::lecture::published_average_nll;
use makemore_tch::score::evaluate::{self, Evaluation};
use makemore_tch::score::{self, WordScore};
use makemore_tch::{
    Counted, Error, LanguageModel, List, ModelFile, Part, Parts, Shares, Source, Split, Table,
    count, format,
};
use serde::Serialize;

use super::arguments::{DataArguments, JsonArguments, MemoryArguments, SmoothingArguments, one_of};
use super::context::{Context, check_same_boundary, load};
use super::output;

/// Tell how probable words, or all words of the data, are
///
/// Without words: the average negative log-likelihood of the data in nats, the same in bits, and the
/// perplexity; and separately for the words that training never saw, where the data are what the
/// model was trained on. With --json, an average that is infinite, because something is impossible,
/// is null.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch score good                  the bigrams and the likelihood of a word
  makemore-tch score                       the average NLL of the data
  makemore-tch score emma olivia --data towns.txt
  makemore-tch score --model makemore.safetensors emma olivia
  makemore-tch score --model makemore-ngram.safetensors --part test
  makemore-tch score --model kenlm.arpa --data towns.txt")]
pub struct Score {
    /// The words to score, before --data or after -- [default: those of the data, all together]
    words: Vec<String>,

    /// Score with a trained model, or an ARPA file, instead of the counts of the data
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,

    /// Score one part of the data as the model's training has split it
    #[arg(long, value_parser = one_of::<Part>(), requires = "model", conflicts_with = "words")]
    part: Option<Part>,

    #[command(flatten)]
    data: DataArguments,

    #[command(flatten)]
    smoothing: SmoothingArguments,

    #[command(flatten)]
    memory: MemoryArguments,

    #[command(flatten)]
    json: JsonArguments,
}

#[derive(Serialize)]
struct WordsDocument {
    words: Vec<WordScore>,
}

#[derive(Serialize)]
struct DataDocument {
    words: u64,
    bigrams: u64,
    nll: f64,
    bits: f64,
    perplexity: f64,
    /// None where it is not known what training saw.
    new: Option<NewDocument>,
    unknown: u64,
}

#[derive(Serialize)]
struct NewDocument {
    words: u64,
    nll: Option<f64>,
}

/// How well the data are fitted, and the words in them that training never saw, if it is known
/// which these are.
struct Evaluated {
    all: Evaluation,
    new: Option<Evaluation>,
}

impl Score {
    pub fn run(self, context: Context) -> anyhow::Result<()> {
        let model = load(self.model.as_deref(), self.data.boundary)?;
        if model.is_some() && self.smoothing.smoothing.is_some() {
            bail!("--smoothing is of counts, and --model scores; leave one of them out");
        }
        match (&model, self.words.is_empty()) {
            (Some(file), false) => {
                // Only an ARPA file leaves the start/end token to choose.
                let has_token = file.trained_on.is_some() && self.data.boundary.is_some();
                if has_token || !self.data.data.is_empty() {
                    bail!("words are scored with --model alone; leave --data and --boundary out");
                }
                self.score_words(file.model.language_model())
            }
            (Some(file), true) => self.score_data(file, context),
            (None, _) => self.score_with_counts(),
        }
    }

    /// Reads the list; behind several files there may be words that were meant to be scored.
    fn count(&self, source: &Source, boundary: char) -> anyhow::Result<Counted> {
        count(source, boundary).map_err(|error| match (error, self.data.data.len()) {
            (error @ Error::Read { .. }, 2..) => {
                anyhow::Error::from(error).context("words to score stand before --data or after --")
            }
            (error, _) => error.into(),
        })
    }

    /// Scores with the counts of the data.
    fn score_with_counts(&self) -> anyhow::Result<()> {
        let data = self.count(&self.data.source(), self.data.boundary(None))?;
        let p = Table::of(&data.counts, self.smoothing.value())?;
        if !self.words.is_empty() {
            return self.score_words(&p);
        }
        let evaluated = Evaluated {
            all: evaluate::counts(&p, &data.counts)?,
            // The data are what was counted.
            new: Some(Evaluation::default()),
        };
        let published = published_average_nll(data.digest, self.smoothing.value());
        self.print(&evaluated, "Bigrams", published)
    }

    /// Scores the data with a model.
    fn score_data(&self, file: &ModelFile, context: Context) -> anyhow::Result<()> {
        let source = self.data.source().rereadable()?;
        let vocabulary = file.model.vocabulary();
        let data = self.count(&source, self.data.boundary(Some(vocabulary)))?;
        check_same_boundary(&file.path, vocabulary, data.counts.vocabulary())?;
        let evaluated = self.evaluate(file, source, &data)?;
        if evaluated.new.is_none() && self.part.is_none() && file.trained_on.is_some() {
            context.remarks.say(format_args!(
                "{} was trained on another list than {}, so that it is not known which of its words are new to it",
                file.path.display(),
                data.origin
            ));
        }
        let ngrams = match file.model.language_model().block_size() {
            1 => "Bigrams",
            _ => "N-grams",
        };
        self.print(&evaluated, ngrams, None)
    }

    fn evaluate(
        &self,
        file: &ModelFile,
        source: Source,
        data: &Counted,
    ) -> anyhow::Result<Evaluated> {
        let model = file.model.language_model();
        let cannot = || format!("{} cannot score {}", file.path.display(), data.origin);
        let digest = data.digest;
        let list = List { source, digest };
        let all_of_it = Split::new(Shares::ALL, 0, digest.words);
        let whole = || Parts::new(list.clone(), all_of_it);
        let (parts, wanted) = match (file.trained_on, self.part) {
            (None, Some(_)) => bail!(
                "{}: an ARPA file does not say what it was trained on, so it has no parts; leave --part out",
                file.path.display()
            ),
            (Some(trained_on), Some(part)) => {
                let own = trained_on.split.own(part);
                if digest != own.unwrap_or(trained_on.list) {
                    bail!(
                        "{}: its {part} part is of another list ({}) than {} ({digest}); pass that list with --data FILE",
                        file.path.display(),
                        own.unwrap_or(trained_on.list),
                        data.origin
                    );
                }
                if own.is_some() {
                    let all = self.whole(model, &whole(), data).with_context(cannot)?;
                    return Ok(Evaluated { all, new: None });
                }
                let split = trained_on.split;
                let split = Split::new(split.shares, split.seed, digest.words);
                if split.words(part) == 0 {
                    bail!(
                        "{}: its {part} part is empty, since its list was split {}; train it with another --split",
                        file.path.display(),
                        split.shares()
                    );
                }
                (Parts::new(list, split), vec![part])
            }
            (Some(trained_on), None) if trained_on.list == digest => {
                let split = trained_on.split;
                let split = Split::new(split.shares, split.seed, digest.words);
                if split.is_trivial() {
                    let all = self.whole(model, &whole(), data).with_context(cannot)?;
                    let new = Some(Evaluation::default());
                    return Ok(Evaluated { all, new });
                }
                (
                    Parts::new(list, split),
                    vec![Part::Train, Part::Dev, Part::Test],
                )
            }
            (_, None) => {
                let all = self.whole(model, &whole(), data).with_context(cannot)?;
                return Ok(Evaluated { all, new: None });
            }
        };
        let memory = self.memory.memory();
        let evaluated = evaluate::parts_and_new(model, &parts, &wanted, &memory);
        let evaluated = evaluated.with_context(cannot)?.together();
        Ok(Evaluated {
            all: evaluated.all,
            new: Some(evaluated.new),
        })
    }

    /// A whole list: by its bigrams, which are counted, where the model asks for no more.
    fn whole(
        &self,
        model: &dyn LanguageModel,
        whole: &Parts,
        data: &Counted,
    ) -> makemore_tch::Result<Evaluation> {
        match model.block_size() <= 1 && !model.knows_unknown() {
            true => evaluate::counts(model, &data.counts),
            false => evaluate::parts(model, whole, &[Part::Train]),
        }
    }

    fn print(
        &self,
        evaluated: &Evaluated,
        ngrams: &str,
        published: Option<&str>,
    ) -> anyhow::Result<()> {
        let Evaluated { all, new } = evaluated;
        let nll = all.nll();
        let document = DataDocument {
            words: all.words,
            bigrams: all.characters,
            nll,
            bits: nll / std::f64::consts::LN_2,
            perplexity: nll.exp(),
            new: new.map(|new| NewDocument {
                words: new.words,
                nll: (new.words > 0).then(|| new.nll()),
            }),
            unknown: all.unknown,
        };
        if self.json.json {
            return output::json(&document);
        }
        let mut results = output::results();
        writeln!(results, "Words: {}", document.words)?;
        writeln!(results, "{ngrams}: {}", document.bigrams)?;
        let nll = output::average_nll(nll, published);
        writeln!(results, "Average negative log-likelihood: {nll}")?;
        writeln!(results, "Bits per character: {:.6}", document.bits)?;
        writeln!(results, "Perplexity: {:.6}", document.perplexity)?;
        if let Some(NewDocument {
            words,
            nll: Some(nll),
        }) = document.new
        {
            writeln!(
                results,
                "Words that training never saw: {words}, average negative log-likelihood {nll:.6}"
            )?;
        }
        if all.unknown > 0 {
            writeln!(
                results,
                "Unknown characters: {}; without them the average is {:.6}",
                all.unknown,
                all.known_nll()
            )?;
        }
        results.flush()?;
        Ok(())
    }

    fn score_words(&self, p: &dyn LanguageModel) -> anyhow::Result<()> {
        let scored = self.words.iter().map(|word| score::word(p, word));
        let words = scored.collect::<makemore_tch::Result<Vec<WordScore>>>()?;
        if self.json.json {
            return output::json(&WordsDocument { words });
        }
        let mut results = output::results();
        for scored in words {
            let word = format::visible(&scored.word);
            for bigram in scored.bigrams {
                let pair = match bigram.context.as_str() {
                    "" => bigram.bigram,
                    context => {
                        let next = bigram.bigram.chars().last();
                        format!("{} after {context}", next.unwrap_or_default())
                    }
                };
                let pair = format::visible(&pair);
                let probability = match bigram.probability {
                    p if p > 0.0 && p < 0.00005 => format::scientific(p),
                    p => format!("{p:.4}"),
                };
                let unknown = match bigram.unknown {
                    true => ", as of any unknown character",
                    false => "",
                };
                writeln!(results, "probability for {pair}: {probability}{unknown}")?;
            }
            let likelihood = scored.likelihood.scientific();
            writeln!(results, "Likelihood for {word} is: {likelihood}")?;
            let nll = scored.nll;
            writeln!(
                results,
                "Average negative log-likelihood for {word} is: {nll:.6}"
            )?;
        }
        results.flush()?;
        Ok(())
    }
}
