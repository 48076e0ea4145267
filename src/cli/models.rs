//! Models named by `--model`: one, or several in a mixture.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use makemore_tch::arpa::{self, ReadOptions};
use makemore_tch::checkpoint::Weights;
use makemore_tch::data::WordList;
use makemore_tch::data::words::with_counts;
use makemore_tch::memory::Memory;
use makemore_tch::model_file::TrainedOn;
use makemore_tch::models::{Mixture, Sizes};
use makemore_tch::{Error, LanguageModel, ModelFile, Part, Source, Vocabulary};

use super::arguments::{DataArguments, whole, zero_or_more};
use super::output::Remarks;

/// At most this many dev words are used to fit the weights of several models.
const DEV_WORDS: u64 = 50_000;

/// Arguments that name models.
#[derive(Debug, Args)]
pub struct ModelArguments {
    /// Use a trained model, an ARPA file or weights of makemore.py instead of the counts of the data.
    /// The probabilities of several models are averaged
    #[arg(long = "model", value_name = "FILE")]
    pub models: Vec<PathBuf>,

    /// The weight of each --model in the average [default: those that are best on the dev part of the
    /// list that they were trained on]
    #[arg(long, value_name = "X,X", value_delimiter = ',', value_parser = zero_or_more, requires = "models", allow_negative_numbers = true)]
    pub weights: Option<Vec<f64>>,

    /// The token that stands for the space in an ARPA file, such as | or ▁; <space>, <SPACE>, <sp> and
    /// <U+0020> always do
    #[arg(
        long,
        value_name = "TOKEN",
        requires = "models",
        allow_hyphen_values = true
    )]
    pub space_token: Option<String>,

    /// The number of attention heads of makemore.py's weights, whose file does not have it [default: 4]
    #[arg(long, value_name = "N", value_parser = whole(1..=1024_usize), requires = "models", allow_negative_numbers = true)]
    pub n_head: Option<usize>,
}

/// Models from files.
pub struct Models {
    files: Vec<ModelFile>,
    /// The memory limit; what the models take is already reserved.
    pub memory: Memory,
    /// The list, which can be read again: the user's, else that of the models, else the lecture's names.
    source: Source,
    /// The same, with the counts of its words.
    list: OnceCell<Source>,
    /// Whether the list of a model was found where it names it.
    pub found_list: bool,
    /// Whether the models need the list: for the vocabulary of makemore.py's weights, or to fit the
    /// weights of a mixture.
    reads_list: bool,
}

impl ModelArguments {
    /// Reads the models, if any are named.
    pub fn load(
        &self,
        data: &DataArguments,
        memory: Memory,
        remarks: Remarks,
    ) -> anyhow::Result<Option<Models>> {
        if self.models.is_empty() {
            return Ok(None);
        }
        let options = ReadOptions {
            boundary: data.boundary,
            space: self.space_token.clone(),
        };
        let (mut files, mut weights) = (Vec::new(), Vec::new());
        for path in &self.models {
            match Weights::load(path)? {
                Some(of_path) => weights.push((files.len() + weights.len(), path, of_path)),
                None => files.push(ModelFile::load(path, &options, &memory)?),
            }
        }
        let list = files.iter().find_map(|file| file.list.as_ref());
        let boundary = files.first().map(|file| file.model.vocabulary().boundary());
        let source = data.unread_source(list, boundary)?.rereadable()?;
        let found = list.zip(source.list_files());
        let mut models = Models {
            found_list: found.is_some_and(|(list, found)| list.files == found.files),
            source,
            list: OnceCell::new(),
            memory,
            reads_list: self.models.len() > 1 && self.weights.is_none() || !weights.is_empty(),
            files,
        };
        for (place, path, weights) in weights {
            let file = self.of_weights(path, &weights, models.list()?, data, remarks)?;
            models.files.insert(place, file);
        }
        self.check(&models)?;
        models.remark_on_spaces(&options, remarks);
        Ok(Some(models))
    }

    /// Refuses options that do not fit the models.
    fn check(&self, models: &Models) -> anyhow::Result<()> {
        if self.space_token.is_some() && !models.files.iter().any(ModelFile::is_arpa) {
            bail!(
                "{}: not an ARPA file, and --space-token is of those; leave it out",
                models.path().display()
            );
        }
        if let Some(weights) = &self.weights
            && (weights.len() != models.files.len() || weights.len() == 1)
        {
            if models.files.len() == 1 {
                bail!("--weights is of several models; give --model more than once");
            }
            bail!(
                "--weights has {} of {} numbers; one for each --model would work",
                weights.len(),
                models.files.len()
            );
        }
        Ok(())
    }

    fn of_weights(
        &self,
        path: &Path,
        weights: &Weights,
        source: &Source,
        data: &DataArguments,
        remarks: Remarks,
    ) -> makemore_tch::Result<ModelFile> {
        let n_head = self.n_head.unwrap_or(Sizes::default().n_head);
        if weights.has_heads() && self.n_head.is_none() {
            remarks.say(format_args!(
                "{}: weights do not say how many heads there are; {n_head} are assumed, as makemore.py has by default (--n-head)",
                path.display()
            ));
        }
        ModelFile::of_weights(path, weights, source, data.boundary, n_head)
    }
}

impl Models {
    /// The model, if there is only one.
    pub fn single(&self) -> Option<&ModelFile> {
        match self.files.as_slice() {
            [file] => Some(file),
            _ => None,
        }
    }

    /// Tells the user of a character of an ARPA file that may stand for the space.
    fn remark_on_spaces(&self, options: &ReadOptions, remarks: Remarks) {
        for file in self.files.iter().filter(|file| file.is_arpa()) {
            let characters = file.model.vocabulary().characters();
            let has = |character: &char| characters.contains(character);
            let space = arpa::SPACES.iter().find(|space| has(space));
            if let Some(space) = space.filter(|_| options.space.is_none() && !has(&' ')) {
                remarks.say(format_args!(
                    "{}: {space:?} may stand for the space; --space-token '{space}' reads it so",
                    file.path.display()
                ));
            }
        }
    }

    /// The list of words, which few commands need: the user's, else that of the models, else the lecture's
    /// names. Equal words of a list with counts are one.
    pub fn list(&self) -> makemore_tch::Result<&Source> {
        if let Some(list) = self.list.get() {
            return Ok(list);
        }
        let list = with_counts(self.source.clone(), self.source.format().boundary)?;
        Ok(self.list.get_or_init(|| list))
    }

    /// A word of the user's as the models learned words: in lower case or normalized.
    pub fn word(&self, word: &str) -> String {
        self.source.format().word(word)
    }

    pub fn files(&self) -> &[ModelFile] {
        &self.files
    }

    /// Refuses a list and a start/end token that would not be used. `what` is the clause for the user,
    /// such as "words are scored".
    pub fn check_alone(&self, data: &DataArguments, what: &str) -> anyhow::Result<()> {
        // The user chooses the token only for a file that does not name it.
        let takes_token = self.files.iter().any(|file| file.trained_on.is_none());
        let has_token = data.boundary.is_some() && !takes_token;
        if has_token || !(data.data.is_empty() || self.reads_list) {
            bail!("{what} with --model alone; leave --data and --boundary out");
        }
        Ok(())
    }

    /// The first file; messages name it.
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

    /// The list that the models were trained on; `None` if no model says it.
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

    /// The mixture of the models, with the user's weights or those that are best on dev.
    pub fn mixture(&self, weights: Option<&[f64]>) -> anyhow::Result<Mixture<'_>> {
        let models = self.language_models();
        let mixture = match weights {
            Some(weights) => Mixture::new(models, weights),
            None => {
                let dev = self.dev()?;
                Mixture::fitted(models, &dev)
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

    /// Words of the dev part, at most [`DEV_WORDS`].
    fn dev(&self) -> anyhow::Result<WordList> {
        let path = self.path().display();
        let Some(trained_on) = self.trained_on()? else {
            bail!(
                "{path}: it does not say what it was trained on, so that weights cannot be found; name them with --weights"
            );
        };
        let (list, vocabulary) = (self.list()?, self.vocabulary());
        let words = trained_on.some_words(Part::Dev, list, vocabulary, DEV_WORDS);
        words.with_context(|| {
            format!("{path}: without --weights, these are found on the dev part of its list")
        })
    }
}
