//! `makemore-tch heatmap`: a matrix as a picture.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use makemore_tch::{Checkpoint, Data, plots};

use super::{Context, load};
use crate::arguments::{DataArguments, SmoothingArguments};

/// Draw which character follows which
///
/// A PNG or SVG picture of the matrix: the first character is the row, the next one the column.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch heatmap out.png             the counts, as in the lecture
  makemore-tch heatmap out.svg --of probabilities
  makemore-tch heatmap out.png --of logits --model makemore.safetensors")]
pub struct Heatmap {
    /// The picture, ending in .png or .svg
    #[arg(value_name = "OUT")]
    out: PathBuf,

    /// What to draw [default: counts, or the probabilities of the model]
    #[arg(long, value_enum)]
    of: Option<Matrix>,

    /// A trained network, whose probabilities or logits are drawn
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "boundary"])]
    model: Option<PathBuf>,

    /// Width and height in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 1600, value_parser = clap::value_parser!(u32).range(sizes()))]
    size: u32,

    #[command(flatten)]
    data: DataArguments,

    #[command(flatten)]
    smoothing: SmoothingArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Matrix {
    /// How often each bigram occurs in the data
    Counts,
    /// How probable each next character is
    Probabilities,
    /// The weights W of the network
    Logits,
}

fn sizes() -> std::ops::RangeInclusive<i64> {
    (*plots::SIZES.start()).into()..=(*plots::SIZES.end()).into()
}

impl Heatmap {
    pub fn run(self, context: Context) -> anyhow::Result<()> {
        plots::check(&self.out)?;
        let drawing = match load(self.model.as_deref())? {
            Some(model) => self.of_model(&model)?,
            None => self.of_data(self.data.source(None).count()?)?,
        };
        plots::write(&self.out, (self.size, self.size), &drawing)?;
        context
            .remarks
            .say(format_args!("wrote {}", self.out.display()));
        Ok(())
    }

    fn of_data(&self, data: Data) -> anyhow::Result<plots::Heatmap> {
        let Data { counts, origin, .. } = data;
        let vocabulary = counts.vocabulary().clone();
        match self.of.unwrap_or(Matrix::Counts) {
            Matrix::Counts => Ok(plots::Heatmap {
                values: counts.rows().flatten().map(|&count| count as f64).collect(),
                vocabulary,
                decimals: 0,
                title: format!("Bigrams of {origin}"),
                unit: "count".to_owned(),
            }),
            Matrix::Probabilities => {
                let p = counts.probabilities(self.smoothing.smoothing)?;
                Ok(plots::Heatmap {
                    values: p.rows().flatten().map(|&p| p.into()).collect(),
                    vocabulary,
                    decimals: 3,
                    title: format!("Bigram probabilities of {origin}"),
                    unit: "probability".to_owned(),
                })
            }
            Matrix::Logits => anyhow::bail!(
                "--of logits draws the weights of a network; name one with --model FILE"
            ),
        }
    }

    fn of_model(&self, model: &Checkpoint) -> anyhow::Result<plots::Heatmap> {
        let vocabulary = model.network.vocabulary().clone();
        match self.of.unwrap_or(Matrix::Probabilities) {
            Matrix::Counts => anyhow::bail!(
                "--of counts draws the data, not a network; leave --model out, or pass --of probabilities or --of logits"
            ),
            Matrix::Probabilities => {
                let p = model.network.probabilities()?;
                Ok(plots::Heatmap {
                    values: p.rows().flatten().map(|&p| p.into()).collect(),
                    vocabulary,
                    decimals: 3,
                    title: "Bigram probabilities of the network".to_owned(),
                    unit: "probability".to_owned(),
                })
            }
            Matrix::Logits => Ok(plots::Heatmap {
                values: model.network.logits()?,
                vocabulary,
                decimals: 2,
                title: "Logits of the network".to_owned(),
                unit: "logit".to_owned(),
            }),
        }
    }
}
