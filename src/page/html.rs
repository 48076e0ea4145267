//! The file: `page.html` with its slots filled.

use std::collections::BTreeSet;

use base64ct::{Base64, Encoding};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::entry::{Entry, loss};
use super::known::{BLOB, Known, KnownWords};
use super::packed::Precision;
use crate::data::Vocabulary;
use crate::error::Result;
use crate::format::visible;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");

/// The scripts in their order. Those before `page.js` know nothing of a browser.
const SCRIPTS: [&str; 17] = [
    include_str!("random.js"),
    include_str!("layers.js"),
    include_str!("models.js"),
    include_str!("ngram.js"),
    include_str!("networks.js"),
    include_str!("automaton.js"),
    include_str!("conditional.js"),
    include_str!("draw.js"),
    include_str!("unpack.js"),
    include_str!("command.js"),
    include_str!("page.js"),
    include_str!("generate.js"),
    include_str!("understand.js"),
    include_str!("figures.js"),
    include_str!("pictures.js"),
    include_str!("compare.js"),
    include_str!("main.js"),
];

/// The format of the data, for whoever reads them from a page.
const FORMAT: &str = "makemore-page 1";

/// The facts of a list.
#[derive(Debug, Clone, Serialize)]
pub struct ListFacts {
    /// The name of its file.
    pub name: String,
    /// The number of words.
    pub words: u64,
    /// The number of different ones.
    pub distinct: usize,
    /// The characters of the longest.
    pub longest: usize,
    /// Whether it is read in lower case.
    pub lowercase: bool,
    /// The Unicode form that it is read in, such as `nfc`.
    pub normalization: Option<&'static str>,
}

/// Models that are mixed, and the losses of the mixture.
#[derive(Debug, Serialize)]
pub struct MixtureFacts {
    /// The average NLL of held-out words.
    #[serde(serialize_with = "loss")]
    pub nll: Option<f64>,
    /// The same of new ones.
    pub new: Option<NewFacts>,
    /// The models.
    pub models: Vec<Weighted>,
}

/// New words.
#[derive(Debug, Serialize)]
pub struct NewFacts {
    /// Their average NLL.
    #[serde(serialize_with = "loss")]
    pub nll: Option<f64>,
}

/// A model of a mixture.
#[derive(Debug, Serialize)]
pub struct Weighted {
    /// Its place among the models of the page.
    pub model: usize,
    /// Its weight.
    pub weight: f64,
}

/// A page.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    format: &'static str,
    program: &'static str,
    title: String,
    /// All characters, the start/end token first.
    vocabulary: String,
    list: Option<ListFacts>,
    /// The arguments that name the list.
    data_arguments: String,
    #[serde(rename = "weights")]
    precision: Precision,
    known: Option<KnownWords>,
    mixture: Option<MixtureFacts>,
    models: Vec<Entry>,
}

impl Page {
    /// A page of models of one vocabulary.
    pub fn new(
        title: String,
        vocabulary: &Vocabulary,
        precision: Precision,
        models: Vec<Entry>,
    ) -> Self {
        let models = models.into_iter().enumerate();
        Self {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION"),
            title,
            vocabulary: vocabulary.characters().iter().collect(),
            list: None,
            data_arguments: String::new(),
            precision,
            known: None,
            mixture: None,
            models: models
                .map(|(number, entry)| entry.numbered(number))
                .collect(),
        }
    }

    /// The page with the list of the models and, as `known` says, its words. `arguments` name the list to
    /// the program.
    ///
    /// # Errors
    ///
    /// If the words cannot be packed.
    pub fn with_list(
        self,
        list: ListFacts,
        arguments: String,
        words: &BTreeSet<String>,
        known: Known,
    ) -> Result<Self> {
        Ok(Self {
            list: Some(list),
            data_arguments: arguments,
            known: known.pack(words)?,
            ..self
        })
    }

    /// The page with a mixture.
    pub fn with_mixture(self, mixture: Option<MixtureFacts>) -> Self {
        Self { mixture, ..self }
    }

    /// What whoever has the page knows of the list, if it is much: long n-grams have most words.
    pub fn given_away(&self) -> Option<&'static str> {
        if self.known.as_ref().is_some_and(KnownWords::is_list) {
            return Some("with all words of the list, which --known none leaves out");
        }
        let has_words = self.models.iter().any(Entry::has_words);
        has_words.then_some("whose n-grams are so long that they give most words of the list away")
    }

    /// The file.
    ///
    /// # Errors
    ///
    /// If the data cannot be written as JSON.
    pub fn html(&self) -> Result<String> {
        // `<` can neither end the element nor begin a comment in it.
        let data = serde_json::to_string(self)?.replace('<', "\\u003c");
        let known = self.known.iter().map(|known| (BLOB, known.base64.as_str()));
        let blobs = self.models.iter().map(Entry::blob).chain(known);
        let blobs = blobs.map(|(id, base64)| {
            format!("<script type=\"text/plain\" id=\"{id}\">{base64}</script>\n")
        });
        let (script, blobs): (String, String) = (SCRIPTS.concat(), blobs.collect());
        let policy = format!(
            "default-src 'none'; script-src '{}' 'wasm-unsafe-eval'; style-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
            hash(&script),
            hash(STYLE)
        );
        let title = escaped(&visible(&self.title));
        Ok(filled(TEMPLATE, |slot| match slot {
            "TITLE" => Some(&title),
            "CSP" => Some(&policy),
            "STYLE" => Some(STYLE),
            "DATA" => Some(&data),
            "BLOBS" => Some(&blobs),
            "SCRIPT" => Some(&script),
            _ => None,
        }))
    }
}

/// A template with its slots, `{{NAME}}`, filled in one pass: what is filled in may look like a slot.
fn filled<'t>(template: &'t str, text: impl Fn(&str) -> Option<&'t str>) -> String {
    let mut whole = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        whole.push_str(before);
        let slot = after.split_once("}}");
        match slot.and_then(|(slot, after)| Some((text(slot)?, after))) {
            Some((text, after)) => {
                whole.push_str(text);
                rest = after;
            }
            None => {
                whole.push_str("{{");
                rest = after;
            }
        }
    }
    whole + rest
}

/// Text as HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            character => escaped.push(character),
        }
    }
    escaped
}

/// The hash by which a policy allows a script or a style.
///
/// Source: <https://www.w3.org/TR/CSP3/#grammardef-hash-source>.
fn hash(text: &str) -> String {
    format!("sha256-{}", Base64::encode_string(&Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_filled_once_and_text_may_look_like_one() {
        let slot = |slot: &str| match slot {
            "A" => Some("{{B}}"),
            "B" => Some("b"),
            _ => None,
        };
        assert_eq!(filled("<{{A}}|{{B}}|{{C}}|{{", slot), "<{{B}}|b|{{C}}|{{");
    }

    /// Else the page would end in the middle of its script.
    #[test]
    fn the_parts_of_a_page_do_not_end_their_elements() {
        let script = SCRIPTS.concat().to_lowercase();
        assert!(!script.contains("</script") && !script.contains("<!--"));
        assert!(!STYLE.to_lowercase().contains("</style"));
        for slot in ["TITLE", "CSP", "STYLE", "DATA", "BLOBS", "SCRIPT"] {
            assert!(TEMPLATE.contains(&format!("{{{{{slot}}}}}")), "{slot}");
        }
    }
}
