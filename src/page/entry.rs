//! What a page is told of a model.

use safetensors::tensor::Dtype;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::packed::{Packed, PackedTensor, Precision};
use crate::checkpoint::{Model, Stored};
use crate::counting::NgramCounts;
use crate::data::ListFormat;
use crate::error::Result;
use crate::models::{LanguageModel, Table, rounds};

/// A model in a page.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// What people read.
    pub label: String,
    kind: &'static str,
    config: Box<RawValue>,
    parameters: u64,
    /// The arguments of `sample` that draw from it.
    pub arguments: String,
    /// Whether those of the list are needed too.
    pub needs_data: bool,
    /// Whether its words were learned in lower case.
    lowercase: bool,
    /// The Unicode form in which they were learned, such as `nfc`.
    normalization: Option<&'static str>,
    /// The average NLL of held-out words.
    #[serde(serialize_with = "loss")]
    pub test: Option<f64>,
    /// The same of those that are new to the model.
    #[serde(serialize_with = "loss")]
    pub test_new: Option<f64>,
    /// The dev losses of its training, by steps.
    curve: Vec<(u64, f64)>,
    /// The characters of the longest word that the model was made for.
    longest_word: Option<usize>,
    draws_empty: bool,
    /// The most words of a round; none if words are drawn one by one.
    most_words: Option<usize>,
    /// Whether words that meet wishes are drawn directly.
    has_contexts: bool,
    blob: String,
    parts: Vec<PackedTensor>,
    #[serde(skip)]
    pub(super) base64: String,
    /// The length of its n-grams; 0 of other models.
    #[serde(skip)]
    order: usize,
}

/// The order from which n-grams have most words of a list.
const LONG: usize = 5;

impl Entry {
    /// A model from a file.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](crate::Error::Value) if a weight is not finite.
    pub fn of(model: &Model, precision: Precision) -> Result<Self> {
        let kind = model.kind();
        let (parameters, most_words, curve, label) = match model {
            Model::Bigram(trained) => {
                let parameters = trained.network.weights().numel() as u64;
                (parameters, None, Vec::new(), "Bigram network".to_owned())
            }
            Model::Ngram(ngram) => {
                let label = format!("{}-grams", ngram.order());
                (ngram.parameters(), None, Vec::new(), label)
            }
            Model::Network(trained) => {
                let network = &trained.network;
                let reader = network.reader()?;
                let most_words = rounds::most_words(network.vocabulary().len(), reader.as_ref());
                let curve = trained.dev_losses.iter();
                let curve = curve.map(|&(step, loss)| (step, rounded(loss))).collect();
                let parameters = network.parameter_count() as u64;
                (parameters, Some(most_words), curve, label(kind))
            }
        };
        let entry = Self {
            label,
            parameters,
            most_words,
            curve,
            order: match model {
                Model::Ngram(ngram) => ngram.order(),
                Model::Bigram(_) | Model::Network(_) => 0,
            },
            ..Self::described(model.language_model(), kind, model.config()?)?
        };
        entry.with_tensors(model.weights()?, precision)
    }

    /// The smoothed counts of pairs of characters.
    ///
    /// # Errors
    ///
    /// As [`Table::of`].
    pub fn of_counts(counts: &NgramCounts, smoothing: f64) -> Result<Self> {
        let table = Table::of(counts, smoothing)?;
        let matrix = counts.matrix()?;
        let v = counts.vocabulary().len();
        let config = format!("{{\"smoothing\":{smoothing}}}");
        let entry = Self {
            label: "Counted pairs".to_owned(),
            parameters: matrix.len() as u64,
            ..Self::described(&table, "counts", config)?
        };
        let (dtype, bytes) = match matrix.iter().max() {
            Some(&most) if most > u64::from(u16::MAX) => {
                let counts = matrix
                    .iter()
                    .map(|&count| u32::try_from(count).unwrap_or(u32::MAX));
                (Dtype::U32, counts.flat_map(u32::to_le_bytes).collect())
            }
            _ => {
                let counts = matrix.iter().map(|&count| count as u16);
                (Dtype::U16, counts.flat_map(u16::to_le_bytes).collect())
            }
        };
        let shape = vec![v, v];
        let stored = Stored {
            dtype,
            shape,
            bytes,
        };
        entry.with_tensors([("counts".to_owned(), stored)], Precision::F32)
    }

    /// The entry of a model that learned the words of a list in a format.
    pub fn in_format(self, format: ListFormat) -> Self {
        Self {
            lowercase: format.lowercase,
            normalization: format.normalization.map(Into::into),
            ..self
        }
    }

    fn described(model: &dyn LanguageModel, kind: &'static str, config: String) -> Result<Self> {
        Ok(Self {
            label: String::new(),
            kind,
            config: RawValue::from_string(config)?,
            parameters: 0,
            arguments: String::new(),
            needs_data: false,
            lowercase: false,
            normalization: None,
            test: None,
            test_new: None,
            curve: Vec::new(),
            longest_word: model.longest_word(),
            draws_empty: model.draws_empty_words(),
            most_words: None,
            has_contexts: model.contexts().is_some(),
            blob: String::new(),
            parts: Vec::new(),
            base64: String::new(),
            order: 0,
        })
    }

    fn with_tensors(
        self,
        tensors: impl IntoIterator<Item = (String, Stored)>,
        precision: Precision,
    ) -> Result<Self> {
        let Packed { tensors, base64 } = Packed::of(tensors, precision)?;
        Ok(Self {
            parts: tensors,
            base64,
            ..self
        })
    }

    /// The entry with the id of the element that has its numbers.
    pub(super) fn numbered(self, number: usize) -> Self {
        Self {
            blob: format!("m{number}"),
            ..self
        }
    }

    /// Whether it is of n-grams that have most words of the list.
    pub(super) fn has_words(&self) -> bool {
        self.order >= LONG
    }

    /// The element with its numbers: its id and its text.
    pub(super) fn blob(&self) -> (&str, &str) {
        (&self.blob, &self.base64)
    }
}

/// A kind of network as people write it: `GRU`, `Transformer`.
fn label(kind: &str) -> String {
    match kind.len() {
        ..=4 => kind.to_uppercase(),
        _ => kind[..1].to_uppercase() + &kind[1..],
    }
}

/// A loss in JSON, which has no infinite number.
pub(super) fn loss<S: Serializer>(
    loss: &Option<f64>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    match loss {
        Some(loss) if !loss.is_finite() => serializer.serialize_str("inf"),
        loss => loss.serialize(serializer),
    }
}

/// A loss to four digits.
fn rounded(loss: f64) -> f64 {
    (loss * 1e4).round() / 1e4
}
