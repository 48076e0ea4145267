//! The models of `more`, kept in a folder.

use std::path::{Path, PathBuf};

use makemore_tch::checkpoint::Checkpoint;
use makemore_tch::data::words::is_lecture;
use makemore_tch::files::Output;
use makemore_tch::train::choice::choose::Choice;
use makemore_tch::train::corpus::Corpus;

use crate::cli::arguments::train::SEED;
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
) -> anyhow::Result<Vec<String>> {
    let (mut names, mut weights, mut models) = (String::new(), Vec::new(), choice.models);
    let mut others = Vec::new();
    for (&kind, place) in KINDS.iter().zip(places) {
        let Some(at) = models.iter().position(|(model, _)| model.kind() == kind) else {
            if place.path().exists() {
                others.push(place.path().display().to_string());
            }
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
    let seed = match seed {
        SEED => String::new(),
        seed => format!(" --seed {seed}"),
    };
    let (weights, mix) = (weighted("--weights"), weighted("--mix"));
    let page = folder.file_name().unwrap_or("words".as_ref());
    let page = file_name(&format!("{}.html", page.display()));
    let mut lines = vec![
        format!(
            "the models are in {}; `makemore-tch sample --unique{new}{names}{weights}{seed}{wishes}` draws from them",
            folder.display()
        ),
        format!("`makemore-tch page {page}{names}{mix}` makes a page of them"),
    ];
    if !others.is_empty() {
        let others = others.join(", ");
        lines.push(format!("of another run and left as they are: {others}"));
    }
    Ok(lines)
}
