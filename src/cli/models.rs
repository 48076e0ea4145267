//! The models that a command is given: one, or several that are mixed.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use makemore_tch::checkpoint::{TrainedNetwork, Weights};
use makemore_tch::data::{Subset, WordList};
use makemore_tch::model_file::TrainedOn;
use makemore_tch::models::{Mixture, Sizes};
use makemore_tch::{
    Error, LanguageModel, List, Model, ModelFile, Part, Parts, Shares, Split, Vocabulary, count,
};

use super::arguments::{DataArguments, whole, zero_or_more};
use super::output::Remarks;

/// By as many words of the dev part weights are found at most.
const WORDS: u64 = 50_000;

/// Which models.
#[derive(Debug, Args)]
pub struct ModelArguments {
    /// Use a trained model, an ARPA file or weights of makemore.py instead of the counts of the data;
    /// given several times, the average of all
    #[arg(long = "model", value_name = "FILE")]
    pub models: Vec<PathBuf>,

    /// The weight of each --model in the average [default: those that are best on the dev part of the
    /// list that they were trained on]
    #[arg(long, value_name = "X,X", value_delimiter = ',', value_parser = zero_or_more, requires = "models", allow_negative_numbers = true)]
    pub weights: Option<Vec<f64>>,

    /// How many heads the attention has whose weights are of makemore.py, which do not say it
    #[arg(long, value_name = "N", value_parser = whole(1..=1024_usize), requires = "models", default_value_t = Sizes::default().n_head, allow_negative_numbers = true)]
    pub n_head: usize,
}

/// Models from files.
pub struct Models {
    files: Vec<ModelFile>,
    /// Whether some are weights of makemore.py, which take their vocabulary from the data.
    pub of_weights: bool,
}

impl ModelArguments {
    /// Reads the models, if any are named.
    pub fn load(&self, data: &DataArguments, remarks: Remarks) -> anyhow::Result<Option<Models>> {
        let mut models = Models {
            files: Vec::new(),
            of_weights: false,
        };
        for path in &self.models {
            let (file, of_weights) = load(path, self.n_head, data, remarks)?;
            models.files.push(file);
            models.of_weights |= of_weights;
        }
        if let Some(weights) = &self.weights
            && (weights.len() != models.files.len() || weights.len() == 1)
        {
            bail!(
                "--weights has {} numbers for {} models; one for each of several --model would work",
                weights.len(),
                models.files.len()
            );
        }
        Ok((!models.files.is_empty()).then_some(models))
    }
}

/// Reads a model, and whether it is weights of makemore.py.
pub fn load(
    path: &Path,
    n_head: usize,
    data: &DataArguments,
    remarks: Remarks,
) -> anyhow::Result<(ModelFile, bool)> {
    Ok(match Weights::load(path)? {
        Some(weights) => (of_weights(path, &weights, n_head, data, remarks)?, true),
        None => (ModelFile::load(path, data.boundary)?, false),
    })
}

impl Models {
    /// The only model, if it is one.
    pub fn single(&self) -> Option<&ModelFile> {
        match self.files.as_slice() {
            [file] => Some(file),
            _ => None,
        }
    }

    pub fn files(&self) -> &[ModelFile] {
        &self.files
    }

    /// The first file, by which faults are told.
    pub fn path(&self) -> &Path {
        &self.files[0].path
    }

    pub fn vocabulary(&self) -> &Vocabulary {
        self.files[0].model.vocabulary()
    }

    fn language_models(&self) -> Vec<&dyn LanguageModel> {
        let models = self.files.iter();
        models.map(|file| file.model.language_model()).collect()
    }

    /// The list that all of the models were trained on that say it; none if none does.
    pub fn trained_on(&self) -> anyhow::Result<Option<TrainedOn>> {
        let mut said: Option<(&Path, TrainedOn)> = None;
        for file in &self.files {
            let Some(trained_on) = file.trained_on else {
                continue;
            };
            match said {
                None => said = Some((&file.path, trained_on)),
                Some((_, other))
                    if other.list == trained_on.list && other.split.is_same(&trained_on.split) => {}
                Some((other, _)) => bail!(
                    "{} and {} were trained on different lists, or on different parts of one, so that it is not known which words are new to both; train them with one list, --split and --split-seed, or name weights with --weights",
                    other.display(),
                    file.path.display()
                ),
            }
        }
        Ok(said.map(|(_, trained_on)| trained_on))
    }

    /// All models as one, with the weights of the user or those that are best on dev.
    pub fn mixture(
        &self,
        arguments: &ModelArguments,
        data: &DataArguments,
    ) -> anyhow::Result<Mixture<'_>> {
        let models = self.language_models();
        let mixture = match &arguments.weights {
            Some(weights) => Mixture::new(models, weights),
            None => {
                let dev = self.dev(data)?;
                Mixture::fitted(models, dev.iter())
            }
        };
        mixture.map_err(|error| match error {
            Error::MixedVocabularies { model } => {
                let [one, other] = [0, model].map(|model| self.files[model].path.display());
                anyhow::anyhow!("{one} and {other}: {error}")
            }
            error => error.into(),
        })
    }

    /// Words of the dev part.
    fn dev(&self, data: &DataArguments) -> anyhow::Result<WordList> {
        let path = self.path().display();
        let Some(trained_on) = self.trained_on()? else {
            bail!(
                "{path}: it does not say what it was trained on, so that weights cannot be found; name them with --weights"
            );
        };
        let source = data.source().rereadable()?;
        let counted = count(&source, data.boundary(Some(self.vocabulary())))?;
        let digest = counted.digest;
        let own = trained_on.split.own(Part::Dev);
        let wanted = own.unwrap_or(trained_on.list);
        if digest != wanted {
            bail!(
                "{path}: weights are found on the dev part of its list ({wanted}), which {} ({digest}) is not; pass that list with --data FILE, or name weights with --weights",
                counted.origin
            );
        }
        let (split, part) = match own {
            Some(_) => (Split::new(Shares::ALL, 0, digest.words), Part::Train),
            None => {
                let split = trained_on.split;
                (
                    Split::new(split.shares, split.seed, digest.words),
                    Part::Dev,
                )
            }
        };
        let all = split.words(part);
        if all == 0 {
            bail!(
                "{path}: its list has no dev part to find weights by; name them with --weights, or train with another --split"
            );
        }
        let mut choice = Subset::new(all, WORDS, split.seed());
        let mut words = WordList::default();
        let parts = Parts::new(List { source, digest }, split);
        parts.each_word_here(&[part], |_, word| match choice.takes_next() {
            true => words.push(word, self.vocabulary()),
            false => Ok(()),
        })?;
        Ok(words)
    }
}

/// Weights of makemore.py as a model, with the vocabulary of the data.
fn of_weights(
    path: &Path,
    weights: &Weights,
    n_head: usize,
    data: &DataArguments,
    remarks: Remarks,
) -> anyhow::Result<ModelFile> {
    let source = data.source().rereadable()?;
    let counted = count(&source, data.boundary(None))?;
    let digest = counted.digest;
    let whole = Split::new(Shares::ALL, 0, digest.words);
    let mut longest = 0;
    Parts::new(List { source, digest }, whole).each_word_here(&[Part::Train], |_, word| {
        longest = longest.max(word.chars().count());
        Ok(())
    })?;
    let vocabulary = counted.counts.vocabulary().clone();
    let network = weights.network(vocabulary, longest, n_head, tch::Device::Cpu)?;
    if weights.kind() == Some("transformer") && n_head == Sizes::default().n_head {
        remarks.say(format_args!(
            "{}: weights do not say how many heads there are; {n_head} are assumed, as makemore.py has by default (--n-head)",
            path.display()
        ));
    }
    Ok(ModelFile {
        path: path.to_owned(),
        model: Model::Network(TrainedNetwork {
            network,
            steps: 0,
            loss: 0.0,
            run: None,
        }),
        trained_on: None,
    })
}
