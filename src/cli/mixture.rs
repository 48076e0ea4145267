//! The mixture of the models that `--model` names.

use anyhow::bail;
use makemore_tch::data::WordList;
use makemore_tch::distributed::processes::of_first;
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

    /// The same for several processes, of which process 0 finds the weights.
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
                self.shared_list(processes)?;
                let fitted = || anyhow::Ok(Mixture::fitted(models.clone(), &self.dev()?));
                let weights = of_first(processes, || {
                    let fitted = fitted()?.map_err(|error| self.explain(error))?;
                    anyhow::Ok(fitted.weights().to_vec())
                })?;
                Mixture::of_fitted(models, weights)
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
    fn dev(&self) -> anyhow::Result<WordList> {
        let path = self.path().display();
        let Some(trained_on) = self.trained_on()? else {
            bail!(
                "{path}: it does not say what it was trained on, so that weights cannot be found; name them with --weights"
            );
        };
        let (list, vocabulary) = (self.list()?, self.vocabulary());
        let words = trained_on.some_words(Part::Dev, list, vocabulary, DEV_WORDS);
        words.map_err(|error| match error {
            // As the models that `more` keeps.
            Error::EmptyPart { .. } => anyhow::anyhow!(
                "{path}: no words were held out from it, so that weights cannot be found; name them with --weights"
            ),
            error => error.into(),
        })
    }
}
