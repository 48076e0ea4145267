//! The pictures of lecture 1: the counts, the weights beside the logarithms of P, and the loss.

use super::stage::Stage;
use crate::counting::NgramCounts;
use crate::data::Vocabulary;
use crate::error::Result;
use crate::libtorch::numbers::copied;
use crate::models::{Bigram, Table};
use crate::plots::{Heatmap, LossCurve, Panels};

/// The pictures of this lecture.
pub(super) const PICTURES: [&str; 3] = ["lecture-1-bigrams", "lecture-1-weights", "lecture-1-loss"];

/// The widths and heights of the heatmaps, in pixels: cells have room for a bigram and its value.
const SQUARE: (u32, u32) = (1600, 1600);
const TWO_SQUARES: (u32, u32) = (2400, 1200);

/// Draws the counts; `W` of the trained network beside `log P`, which it has learned; and the losses by
/// epoch, with their name. A number added to a row of `W` changes no softmax, so that each row of `log P` is shown less its
/// mean.
pub(super) fn draw(
    stage: &mut Stage,
    counts: &NgramCounts,
    p: &Table,
    network: &Bigram,
    (name, losses): (&str, &[(u64, f32)]),
) -> Result<()> {
    if !stage.options.pictures {
        return Ok(());
    }
    let v = counts.vocabulary();
    let n: Vec<f64> = counts.matrix()?.iter().map(|&count| count as f64).collect();
    let log: Vec<f64> = p.rows().flatten().map(|&p| f64::from(p).ln()).collect();
    let nll = -n.iter().zip(&log).map(|(n, log)| n * log).sum::<f64>() / counts.total() as f64;
    let bigrams = matrix(v, n, 0, "Bigrams of the names", "count");
    stage.picture_of(PICTURES[0], SQUARE, &bigrams)?;

    let weights = copied(network.weights())?
        .into_iter()
        .map(f64::from)
        .collect();
    let log = log.chunks(v.len()).flat_map(|row| {
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        row.iter().map(move |log| log - mean)
    });
    let panels = Panels {
        heatmaps: vec![
            matrix(v, weights, 1, "W of the trained network", "logit"),
            matrix(
                v,
                log.collect(),
                1,
                "log P of the counts, less each row's mean",
                "log P",
            ),
        ],
    };
    stage.picture_of(PICTURES[1], TWO_SQUARES, &panels)?;
    let title = format!("Lecture 1: {name} in {} epochs", losses.len());
    let curve = LossCurve {
        title: &title,
        losses,
        counting_nll: nll,
    };
    stage.picture(PICTURES[2], &curve)
}

/// The heatmap of a matrix, `[V, V]`.
fn matrix(
    vocabulary: &Vocabulary,
    values: Vec<f64>,
    decimals: usize,
    title: &str,
    unit: &str,
) -> Heatmap {
    Heatmap {
        vocabulary: vocabulary.clone(),
        contexts: None,
        values,
        scale: None,
        decimals,
        title: title.to_owned(),
        unit: unit.to_owned(),
    }
}
