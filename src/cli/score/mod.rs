//! `makemore-tch score`: likelihoods of words, and the NLL of a whole list or a part of it.

mod each;
mod lines;
mod print;
mod words;

use std::path::Path;

use anyhow::{Context as _, bail};
use clap::Args;
use makemore_tch::distributed::Processes;
use makemore_tch::distributed::processes::agree_on_options;
use makemore_tch::lectures::published_average_nll;
use makemore_tch::score::evaluate::{self, Evaluation};
use makemore_tch::score::{Fit, ListToScore};
use makemore_tch::{LanguageModel, Part, Table};
use serde_json::json;

use super::arguments::distributed::{DistributedArguments, check_rereadable};
use super::arguments::models::{ModelArguments, ModelFileArguments};
use super::arguments::{DataArguments, JsonArguments, MemoryArguments, SmoothingArguments, one_of};
use super::context::Context;
use super::guesses;
use super::models::Models;
use super::output;
use each::EachArguments;
use lines::Each;
use print::{DataDocument, ModelScore, Weighted};

/// Score words, or all words of the data, by their probabilities
///
/// Without words: the average negative log-likelihood of the data in nats, the same in bits, and the
/// perplexity. If the data are the list that the model was trained on, also the average of the words
/// that were not in its train part.
///
/// Words with characters that the model gives no probability are left out and counted; its start/end token
/// inside a word is such a character. Where a character has the probability 0, the average is infinite, and that of the other characters is printed too.
///
/// With --json, an average that is infinite, because something is impossible, is null.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch score good                  the bigrams and the likelihood of a word
  makemore-tch score                       the average NLL of the data
  makemore-tch score emma olivia --data towns.txt
  makemore-tch score --model makemore.safetensors emma olivia
  makemore-tch score --model makemore-ngram.safetensors --part test
  makemore-tch score --model kenlm.arpa --data towns.txt
  makemore-tch launch 4 -- score --model towns.safetensors --data towns.txt
  makemore-tch score --each --sort per-character --data towns.txt --model towns.safetensors
  makemore-tch score --model makemore-gru.safetensors --model makemore-ngram.safetensors --part test")]
pub struct Score {
    /// The words to score, before --data or after -- [default: those of the data, all together]
    words: Vec<String>,

    #[command(flatten)]
    data: DataArguments,

    #[command(flatten)]
    models: ModelArguments,

    /// Score only one part of the data, as it was split to train the model
    #[arg(long, value_parser = one_of::<Part>(), requires = "models", conflicts_with = "words")]
    part: Option<Part>,

    #[command(flatten)]
    each: EachArguments,

    #[command(flatten)]
    smoothing: SmoothingArguments,

    #[command(flatten)]
    memory: MemoryArguments,

    #[command(flatten)]
    distributed: DistributedArguments,

    #[command(flatten)]
    json: JsonArguments,
}

impl Score {
    pub fn run(self, context: Context) -> anyhow::Result<u8> {
        let distributed = self.distributed;
        distributed.together(context, |processes, context| {
            if processes.size() > 1 && (self.each.each || !self.words.is_empty()) {
                bail!(
                    "several processes score a list as a whole; words, and each word of --each, are for one process: leave launch or --distributed out"
                );
            }
            self.run_with(processes, context)?;
            Ok(0)
        })
    }

    fn run_with(self, processes: &dyn Processes, context: Context) -> anyhow::Result<()> {
        context.threads.prepare_for_reading();
        let words = self.words.clone();
        self.score_all(processes, context)?;
        for word in words.iter().filter(|word| Path::new(word).is_file()) {
            let hint = guesses::list(word).unwrap_or_default();
            context
                .remarks
                .say(format_args!("{word} is scored as a word; {hint}"));
        }
        Ok(())
    }

    fn score_all(mut self, processes: &dyn Processes, context: Context) -> anyhow::Result<()> {
        let memory = self.memory.memory();
        self.agree(processes)?;
        let models = self
            .models
            .load(&self.data, memory, context.remarks, processes)?;
        let Some(models) = models else {
            let format = self.data.format(None);
            self.words = self.words.iter().map(|word| format.word(word)).collect();
            return match self.each.each {
                true => self.each().score(None, context),
                false => self.score_with_counts(processes, context),
            };
        };
        models.agree(processes)?;
        if self.smoothing.smoothing.is_some() {
            bail!("--smoothing is of counts, and --model scores; leave one of them out");
        }
        if !self.words.is_empty() {
            models.check_alone(&self.data, "words are scored")?;
            self.words = self.words.iter().map(|word| models.word(word)).collect();
        }
        if self.each.each {
            return self.each().score(Some(&models), context);
        }
        if let Some(file) = models.single() {
            let model = file.model.language_model();
            return self.score(&models, (model, &[]), processes, context);
        }
        let weights = self.models.weights.as_deref();
        let mixture = models.shared_mixture(weights, processes)?;
        let weights = mixture.weights().iter().copied();
        let weighted: Vec<Weighted> = models.files().iter().zip(weights).collect();
        self.score(&models, (&mixture, &weighted), processes, context)
    }

    /// Checks that all processes have the same options.
    fn agree(&self, processes: &dyn Processes) -> anyhow::Result<()> {
        let ModelFileArguments {
            models,
            space_token,
            n_head,
        } = &self.models.files;
        check_rereadable(models, processes)?;
        let options = json!({
            "number of models": models.len(),
            "space_token": space_token,
            "n_head": n_head,
            "weights": self.models.weights,
            "part": self.part.map(|part| part.to_string()),
            "smoothing": self.smoothing.smoothing,
        });
        Ok(agree_on_options(processes, &options)?)
    }

    /// The words to score one by one.
    fn each(&self) -> Each<'_> {
        Each {
            words: &self.words,
            arguments: &self.each,
            part: self.part,
            data: &self.data,
            memory: &self.memory,
            smoothing: self.smoothing.value(),
            json: self.json.json,
        }
    }

    /// Scores with the counts of the data.
    fn score_with_counts(&self, processes: &dyn Processes, context: Context) -> anyhow::Result<()> {
        let memory = self.memory.memory();
        let source = self.data.shared_source(None, &memory, processes)?;
        let data = context.count_shared(&self.data, &source, None, processes);
        let data = data.map_err(|error| self.data.explain(error, "words to score stand"))?;
        let p = Table::of(&data.counts, self.smoothing.value())?;
        if !self.words.is_empty() {
            return words::score(&self.words, (&p, &[]), &self.json, context);
        }
        let fit = Fit {
            all: evaluate::counts(&p, &data.counts)?,
            // The table was counted from the data, so no word is new.
            new: Some(Evaluation::default()),
        };
        if processes.rank() > 0 {
            return Ok(());
        }
        let published = published_average_nll(data.digest, self.smoothing.value());
        let document = DataDocument::of(&fit, None, Vec::new());
        self.print(&document, "Bigrams", published)
    }

    /// Scores with a model, or with a mixture and the models in it.
    fn score(
        &self,
        models: &Models,
        (model, weighted): (&dyn LanguageModel, &[Weighted]),
        processes: &dyn Processes,
        context: Context,
    ) -> anyhow::Result<()> {
        match self.words.is_empty() {
            true => self.score_data(models, (model, weighted), processes, context),
            false => words::score(&self.words, (model, weighted), &self.json, context),
        }
    }

    fn score_data(
        &self,
        models: &Models,
        (model, weighted): (&dyn LanguageModel, &[Weighted]),
        processes: &dyn Processes,
        context: Context,
    ) -> anyhow::Result<()> {
        let vocabulary = model.vocabulary();
        let list = models.shared_list(processes)?;
        let data = context.count_shared(&self.data, list, Some(vocabulary), processes);
        let data = data.map_err(|error| self.data.explain(error, "words to score stand"))?;
        let path = models.path().display();
        // The user's weights may mix models of different lists.
        let trained_on = match self.models.weights.is_some() && self.part.is_none() {
            true => models.trained_on().ok().flatten(),
            false => models.trained_on()?,
        };
        if trained_on.is_none() && self.part.is_some() {
            bail!(
                "{path}: it does not say what it was trained on, so it has no parts; leave --part out"
            );
        }
        let cannot = || format!("{path} cannot score {}", data.origin);
        let list = ListToScore::of(model, trained_on, self.part, list, &data, processes);
        let list = list.with_context(cannot)?;
        let fit = |model| {
            let fitted = list.fit(model, &models.memory, processes);
            fitted.with_context(cannot)
        };
        let fitted = fit(model)?;
        if fitted.new.is_none() && self.part.is_none() && trained_on.is_some() {
            context.remarks.say(format_args!(
                "{path} was trained on another list than {}, so that it is not known which of its words are new to it",
                data.origin
            ));
        }
        let ngrams = match model.block_size() {
            1 => "Bigrams",
            _ => "N-grams",
        };
        let alone = weighted.iter().map(|&one| {
            let fit = fit(one.0.model.language_model())?;
            Ok(ModelScore::new(one, fit.all.nll(), fit.nll_new()))
        });
        let alone = alone.collect::<anyhow::Result<_>>()?;
        if processes.rank() > 0 {
            return Ok(());
        }
        if let (true, Some(left_out)) = (self.json.json, &list.left_out) {
            context.remarks.unknown_words(left_out);
        }
        let document = DataDocument::of(&fitted, list.left_out, alone);
        self.print(&document, ngrams, None)
    }

    fn print(
        &self,
        document: &DataDocument,
        ngrams: &str,
        published: Option<&str>,
    ) -> anyhow::Result<()> {
        match self.json.json {
            true => output::json(document),
            false => document.print(ngrams, published),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::testing::Folder;

    #[test]
    fn a_network_scores_close_to_the_counts_it_was_trained_on() {
        let folder = Folder::new();
        let trained = folder.json("train --json --out model.safetensors");
        let scored = folder.json("score --json --model model.safetensors");
        let loss = trained["final_loss"].as_f64().unwrap();
        let nll = scored["nll"].as_f64().unwrap();
        assert!((nll - loss).abs() < 1e-5, "{nll} and {loss}");
        let word = folder.json("score --json --model model.safetensors emma");
        assert!(word["words"][0]["likelihood"].as_f64().unwrap() > 0.0);
    }

    /// One such word once ended the work.
    #[test]
    fn words_with_unknown_characters_are_left_out_and_the_others_are_scored() {
        let folder = Folder::new();
        let (printed, said) = folder.both("score anna zo\u{EB} bob \u{E9}va");
        assert!(printed.contains("Likelihood for anna") && printed.contains("Likelihood for bob"));
        assert_eq!(
            said,
            "words left out: 2, which have characters that the model does not know; the first is \"zo\u{EB}\"\n"
        );
        folder.write("train.txt", "alda\nbran\n");
        folder.write("dev.txt", "ada\nquinn\nzo\u{EB}\n");
        let trained =
            folder.json("train --epochs 2 --data train.txt --dev dev.txt --out m --json -q");
        assert_eq!(trained["dev_left_out"], 2);
        let scored = folder.json("score --model m --data dev.txt --json -q");
        assert_eq!(
            (&scored["words"], &scored["left_out"]),
            (&1.into(), &2.into())
        );
        assert_eq!(scored["nll"], trained["dev_loss"]);
        let printed = folder.stdout("score --model m --data dev.txt -q");
        assert!(
            printed.ends_with("the first is \"quinn\" (dev.txt:2)\n"),
            "{printed}"
        );
    }

    /// It ended the work, and the two errors that it had advised each other.
    #[test]
    fn the_start_end_token_in_a_word_is_an_unknown_character() {
        let folder = Folder::new();
        folder.write("train.txt", "alda\nbran\n");
        folder.write("dev.txt", "ada\nst. ives\n. $ | ^ ¶ ␂\n");
        folder.write("counts.csv", "a.b,3\nada,1\n");
        folder.stdout("train --epochs 2 --data train.txt --out m");
        let said = "the first is \"st. ives\" (dev.txt:2)\n";
        let printed = folder.stdout("score --model m --data dev.txt -q");
        assert!(
            printed.contains("left out: 2, ") && printed.ends_with(said),
            "{printed}"
        );
        let counted = folder.json("score --model m --data counts.csv --columns 1,2 --json -q");
        assert_eq!(
            (&counted["words"], &counted["left_out"]),
            (&1.into(), &3.into())
        );
        assert_eq!(
            folder
                .stdout("score --each --model m --data dev.txt")
                .lines()
                .count(),
            4
        );
        let trained = "train --data train.txt --boundary . --dev dev.txt --json";
        for kind in [
            "--epochs 2",
            "--type mlp --max-steps 2",
            "--type ngram --smoothing auto",
        ] {
            let (document, told) = folder.both(&format!("{trained} --out new --force {kind}"));
            assert!(document.contains("\"dev_left_out\":2"), "{document}");
            assert!(told.contains(said), "{told}");
        }
        let (printed, told) = folder.both("score ada a.b --model m");
        assert!(printed.contains("Likelihood for ada"), "{printed}");
        assert!(told.contains("left out: 1, "), "{told}");

        // Kneser–Ney gives unknown characters a probability.
        folder.stdout("train --type ngram --data train.txt --out ngram --split 100,0,0");
        let scored = folder.json("score --model ngram --data dev.txt --json -q");
        assert_eq!(
            (&scored["words"], &scored["unknown"]),
            (&3.into(), &19.into())
        );
        let of = |word: &str| folder.json(&format!("score --model ngram --json {word}"));
        assert_eq!(of("a.b")["words"][0]["nll"], of("a?b")["words"][0]["nll"]);
        for command in [
            "score --model m --data dev.txt",
            "train --resume m --out new",
        ] {
            let error = folder.error(&format!("{command} --boundary $"), 1);
            assert!(error.contains("leave --boundary out"), "{error}");
        }
    }

    #[test]
    fn an_unknown_character_is_named_with_its_code_point() {
        let error = Folder::new().error("score zoë", 1);
        assert!(
            error.contains("in the word \"zoë\": the character 'ë' (U+00EB)"),
            "{error}"
        );
        let error = Folder::new().error("score a.b", 1);
        assert!(
            error.contains("'.' marks where words begin and end"),
            "{error}"
        );
    }

    /// The same list once had two averages.
    #[test]
    fn a_list_has_one_average_however_it_is_cut() {
        let folder = Folder::new();
        let names = include_bytes!("../../../assets/names.txt");
        let middle = names.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        folder.write("whole.txt", names);
        folder.write("one.txt", &names[..middle]);
        folder.write("other.txt", &names[middle..]);
        let built_in = folder.json("score --json");
        for data in ["whole.txt", "one.txt other.txt"] {
            assert_eq!(
                folder.json(&format!("score --json --data {data}")),
                built_in
            );
            let printed = folder.stdout(&format!("score --data {data}"));
            assert!(
                printed.contains(": 2.454577 (2.454579 in the notes"),
                "{printed}"
            );
        }
        // Without the notes' smoothing it is not their figure.
        let printed = folder.stdout("score --smoothing 0.5");
        assert!(!printed.contains("in the notes"), "{printed}");
    }
}
