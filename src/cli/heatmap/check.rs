//! What `heatmap` cannot draw, said before any work.

use std::path::{Path, PathBuf};

use anyhow::bail;
use makemore_tch::files::{self, Output};
use makemore_tch::plots;

use super::{DrawHeatmap, Matrix, SEVERAL};

impl DrawHeatmap {
    /// Checks the arguments before any work: what they ask for can be drawn, and the output written.
    pub(super) fn check(&self, out: &Path) -> anyhow::Result<Output> {
        self.check_word()?;
        let models = &self.models.models;
        let has_model = !models.is_empty();
        if self.word.is_none() && (models.len() > 1 || self.weights.is_some()) {
            bail!(SEVERAL);
        }
        match (self.of, has_model) {
            (Some(Matrix::Logits), false) => {
                bail!("--of logits draws the weights of a network; name one with --model FILE")
            }
            (Some(Matrix::Counts), true) => bail!(
                "--of counts draws the data, not a model; leave --model out, or pass --of probabilities or --of logits"
            ),
            _ => {}
        }
        let is_counted = !has_model && self.draws_probabilities();
        if self.smoothing.smoothing.is_some() && !is_counted {
            bail!(
                "--smoothing is of the probabilities of counts; pass --of probabilities or --word, without --model"
            );
        }
        let mut inputs = self.data.files();
        inputs.extend(models.iter().map(PathBuf::as_path));
        files::check_distinct(&[out], &inputs)?;
        Ok(plots::check(out)?)
    }

    pub(super) fn draws_probabilities(&self) -> bool {
        self.word.is_some() || self.of == Some(Matrix::Probabilities)
    }

    fn check_word(&self) -> anyhow::Result<()> {
        let Some(word) = &self.word else {
            return Ok(());
        };
        if matches!(self.of, Some(Matrix::Counts | Matrix::Logits)) {
            bail!("--word draws probabilities; leave --of out, or pass --of probabilities");
        }
        // After the start token, and after each character.
        let contexts = word.chars().count() + 1;
        let most = plots::ContextRow::most;
        if contexts > most(self.size) {
            let largest = *plots::SIZES.end();
            let remedy = match plots::SIZES
                .into_iter()
                .find(|&size| contexts <= most(size))
            {
                Some(size) => format!("--size {size}"),
                None => format!("--size {largest} and {} characters", most(largest) - 1),
            };
            bail!(
                "a word of {} characters has no room in a picture of {} pixels; {remedy} would work",
                contexts - 1,
                self.size
            );
        }
        Ok(())
    }
}
