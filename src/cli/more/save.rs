//! The models of `more`, kept in a folder.

use std::path::{Path, PathBuf};

use makemore_tch::checkpoint::Checkpoint;
use makemore_tch::data::words::is_lecture;
use makemore_tch::files::Output;
use makemore_tch::train::choice::choose::Choice;
use makemore_tch::train::corpus::Corpus;

use crate::cli::typed::file_name;

/// The kinds of models that are saved.
const KINDS: [&str; 6] = ["ngram", "gru", "rnn", "mlp", "lstm", "transformer"];

/// The files of models in a folder, in the order of [`KINDS`].
pub fn paths_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    KINDS
        .map(|kind| folder.join(kind).with_extension("safetensors"))
        .into_iter()
}

/// Saves models, and returns lines that show how words with the same `wishes` are drawn from them, and how a
/// page has them.
pub fn save(
    choice: Choice,
    folder: &Path,
    places: &[Output],
    seed: u64,
    data: &Corpus,
    wishes: &str,
) -> anyhow::Result<[String; 2]> {
    let (mut names, mut weights, mut models) = (String::new(), Vec::new(), choice.models);
    for (&kind, place) in KINDS.iter().zip(places) {
        let Some(at) = models.iter().position(|(model, _)| model.kind() == kind) else {
            // With --force: a model of an earlier list would stand beside those of this one.
            place.remove_unchanged();
            continue;
        };
        let (model, weight) = models.remove(at);
        place.replace(&Checkpoint::new(model, seed, data).to_bytes()?)?;
        let name = file_name(&place.path().display().to_string());
        names.push_str(&format!(" --model {name}"));
        weights.push(format!("{weight:.4}"));
    }
    let weighted = |flag: &str| match weights.as_slice() {
        [_] => String::new(),
        weights => format!(" {flag} {}", weights.join(",")),
    };
    // A list from standard input is not there any more.
    let list = data.parts.list();
    let is_found = list.source.list_files().is_some() || is_lecture(list.digest);
    let new = if is_found { " --new" } else { "" };
    let (weights, mix) = (weighted("--weights"), weighted("--mix"));
    Ok([
        format!(
            "the models are in {}; `makemore-tch sample{new}{names}{weights}{wishes}` draws from them",
            folder.display()
        ),
        format!("`makemore-tch page words.html{names}{mix}` makes a page of them"),
    ])
}
