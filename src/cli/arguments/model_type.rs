//! The types of models of `train --type`, and the table of the arguments that each takes.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use makemore_tch::models::Smoothing;
use makemore_tch::models::kinds::{KINDS, Kind};

/// The types of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelType {
    /// The lecture's network.
    Bigram,
    /// N-grams.
    Ngram,
    /// A network of makemore.py or lecture 5.
    Network(&'static dyn Kind),
}

impl ModelType {
    pub fn all() -> impl Iterator<Item = Self> {
        let networks = KINDS.iter().copied().map(Self::Network);
        [Self::Bigram, Self::Ngram].into_iter().chain(networks)
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|of| of.name() == name)
    }

    /// Its name in the command line and in checkpoints.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bigram => "bigram",
            Self::Ngram => "ngram",
            Self::Network(kind) => kind.name(),
        }
    }

    pub fn about(self) -> &'static str {
        match self {
            Self::Bigram => {
                "The lecture's network, by gradient descent on all the data at once; with --preset makemore the same as lookup"
            }
            Self::Ngram => "N-grams, by counting",
            Self::Network(kind) => kind.about(),
        }
    }

    /// The default file of a model.
    pub fn out(self) -> PathBuf {
        match self {
            Self::Bigram => "makemore.safetensors".into(),
            other => format!("makemore-{}.safetensors", other.name()).into(),
        }
    }
}

/// Parses the name of a type.
pub fn model_type() -> impl TypedValueParser<Value = ModelType> {
    let values = ModelType::all().map(|of| PossibleValue::new(of.name()).help(of.about()));
    PossibleValuesParser::new(values)
        .try_map(|name| ModelType::named(&name).ok_or("one of the types would work"))
}

/// The smoothing of counts, as the user chooses it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Choice {
    /// The number with the lowest dev loss is added to every count.
    Auto,
    Smoothing(Smoothing),
}

pub fn choice(text: &str) -> Result<Choice, String> {
    if text == "auto" {
        return Ok(Choice::Auto);
    }
    let smoothing = text.parse().map(Choice::Smoothing);
    smoothing.map_err(|_| "kneser-ney, witten-bell, auto or a number from 0 would work".to_owned())
}

/// The types of models that an argument of `train` belongs to, and whether it may change when a run of
/// a network trained on batches is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// The lecture's network and n-grams.
    Ngrams,
    /// The lecture's network.
    Lecture,
    /// All networks; may change.
    Networks,
    /// All networks; fixed in a run.
    Rate,
    /// All models; fixed in a run.
    Run,
    /// The networks trained on batches that have this size; fixed in a run.
    Size,
    /// All networks trained on batches; fixed in a run.
    Recipe,
    /// The networks trained on batches that have a layer before the last one; fixed in a run.
    Dropout,
    /// All networks trained on batches; may change.
    Course,
}

/// The arguments of `train` that some types do not take or that are fixed in a run, by the names of
/// their fields.
pub const OF: [(&str, Of); 30] = [
    ("order", Of::Ngrams),
    ("smoothing", Of::Ngrams),
    ("epochs", Of::Lecture),
    ("warmup_epochs", Of::Lecture),
    ("warmup_lr", Of::Lecture),
    ("regularization", Of::Lecture),
    ("rows", Of::Lecture),
    ("log_every", Of::Lecture),
    ("lr", Of::Rate),
    ("metrics", Of::Networks),
    ("device", Of::Networks),
    ("resume", Of::Networks),
    ("save_every", Of::Networks),
    ("seed", Of::Run),
    ("n_layer", Of::Size),
    ("n_head", Of::Size),
    ("n_embd", Of::Size),
    ("n_embd2", Of::Size),
    ("block_size", Of::Size),
    ("batchnorm", Of::Size),
    ("dropout", Of::Dropout),
    ("batch_size", Of::Recipe),
    ("weight_decay", Of::Recipe),
    ("preset", Of::Recipe),
    ("max_steps", Of::Course),
    ("minutes", Of::Course),
    ("eval_every", Of::Course),
    ("patience", Of::Course),
    ("top_k", Of::Course),
    ("tensorboard", Of::Course),
];

/// The argument that chooses a size of a kind.
fn argument_of(size: &str) -> &str {
    match size {
        "hidden_layers" => "n_layer",
        other => other,
    }
}

impl Of {
    /// Whether a type of model takes an argument, given by the name of its field.
    pub fn is_of(self, id: &str, kind: ModelType) -> bool {
        match (self, kind) {
            (Self::Run, _) => true,
            (Self::Ngrams, ModelType::Bigram | ModelType::Ngram) => true,
            (Self::Lecture, ModelType::Bigram) => true,
            (Self::Networks | Self::Rate, ModelType::Bigram | ModelType::Network(_)) => true,
            (Self::Recipe | Self::Course, ModelType::Network(_)) => true,
            (Self::Size, ModelType::Network(kind)) => {
                kind.sizes().iter().any(|size| argument_of(size) == id)
            }
            (Self::Dropout, ModelType::Network(kind)) => !kind.sizes().is_empty(),
            _ => false,
        }
    }

    /// The types of models that take an argument.
    pub fn takers(self, id: &str) -> Vec<&'static str> {
        let takers = ModelType::all().filter(|&kind| self.is_of(id, kind));
        takers.map(ModelType::name).collect()
    }

    /// The same for the help; nothing if all types take it.
    pub fn shown(self, id: &str) -> Option<String> {
        let takers = self.takers(id);
        let all = ModelType::all().map(ModelType::name);
        let others: Vec<&str> = all.filter(|name| !takers.contains(name)).collect();
        match others.len() {
            0 => None,
            few if few < takers.len() => Some(format!("all but {}", others.join(", "))),
            _ => Some(takers.join(", ")),
        }
    }

    /// Whether the argument is refused when a run is resumed, because it is fixed in a run.
    pub fn is_of_a_run(self) -> bool {
        matches!(
            self,
            Self::Rate | Self::Run | Self::Size | Self::Recipe | Self::Dropout
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command};

    use super::*;
    use makemore_tch::models::KINDS;

    use crate::cli::arguments::train::Train;
    use crate::cli::testing::refusal;

    #[test]
    fn every_argument_of_the_table_is_one_of_train() {
        let train = Train::augment_args(Command::new("train"));
        for (id, _) in OF {
            assert!(
                train.get_arguments().any(|other| other.get_id() == id),
                "{id}"
            );
        }
    }

    /// A size of another kind would be ignored in silence.
    #[test]
    fn sizes_that_a_kind_does_not_have_are_refused_by_name() {
        let sizes = ["n_embd", "n_embd2", "n_layer", "n_head", "block_size"];
        for kind in KINDS {
            for size in sizes {
                if Of::Size.is_of(size, ModelType::Network(*kind)) {
                    continue;
                }
                let flag = format!("--{}", size.replace('_', "-"));
                let error = refusal(&format!("train --type {} {flag} 2", kind.name()), 1);
                let expected = format!("{flag} is not of --type {}, but of ", kind.name());
                assert!(error.contains(&expected), "{error}");
            }
        }
    }
}
