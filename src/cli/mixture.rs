//! The mixture of the models that `--model` names.

use anyhow::bail;
use makemore_tch::data::WordList;
use makemore_tch::distributed::{Alone, Processes};
use makemore_tch::models::Mixture;
use makemore_tch::{Error, LanguageModel, Part};

use super::models::Models;

/// At most this many dev words are used to fit the weights of several models.
const DEV_WORDS: u64 = 50_000;

impl Models {
    /// The mixture of the models, with the user's weights or those that are best on dev.
    pub fn mixture(&self, weights: Option<&[f64]>) -> anyhow::Result<Mixture<'_>> {
        self.shared_mixture(weights, &Alone)
    }

    /// The same for several processes.
    pub fn shared_mixture(
        &self,
        weights: Option<&[f64]>,
        processes: &dyn Processes,
    ) -> anyhow::Result<Mixture<'_>> {
        let models = self.files().iter().map(|file| file.model.language_model());
        let models: Vec<&dyn LanguageModel> = models.collect();
        let mixture = match weights {
            Some(weights) => Mixture::new(models, weights),
            None => {
                let dev = self.dev(processes)?;
                Mixture::fitted(models, &dev, processes)
            }
        };
        mixture.map_err(|error| self.explain(error))
    }

    /// Names the files of models that cannot be mixed.
    fn explain(&self, error: Error) -> anyhow::Error {
        match error {
            Error::MixedVocabularies { model } => {
                let [one, other] = [0, model].map(|model| self.files()[model].path.display());
                anyhow::anyhow!("{one} and {other}: {error}")
            }
            error => error.into(),
        }
    }

    /// Words of the dev part, at most [`DEV_WORDS`].
    fn dev(&self, processes: &dyn Processes) -> anyhow::Result<WordList> {
        let path = self.path().display();
        let Some(trained_on) = self.trained_on()? else {
            bail!(
                "{path}: it does not say what it was trained on, so that weights cannot be found; name them with --weights"
            );
        };
        let (list, vocabulary) = (self.shared_list(processes)?, self.vocabulary());
        let words = trained_on.some_words(Part::Dev, list, vocabulary, DEV_WORDS, processes);
        words.map_err(|error| match error {
            // As the models that `more` keeps.
            Error::EmptyPart { .. } => anyhow::anyhow!(
                "{path}: no words were held out from it, so that weights cannot be found; name them with --weights"
            ),
            error => error.into(),
        })
    }
}
