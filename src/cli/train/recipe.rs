//! How makemore.py's networks and lecture 5's are built and trained, where the user says nothing.

use anyhow::bail;
use makemore_tch::models::kinds::kind::{self, Recipe};
use makemore_tch::models::{Config, Kind, Sizes};
use makemore_tch::train::adamw::AdamWOptions;
use makemore_tch::train::muon::MuonOptions;
use makemore_tch::train::options::WordOptions;
use makemore_tch::train::rate::LearningRate;

use super::arguments::Train;
use super::word_arguments::Preset;

impl Train {
    /// A network for words of up to so many characters.
    pub(super) fn config(&self, kind: &'static dyn Kind, longest: usize) -> anyhow::Result<Config> {
        let preset = match self.words.preset {
            None => kind::Preset::Ours,
            Some(Preset::Makemore) => kind::Preset::Makemore,
        };
        let default = kind.default_sizes(longest, preset);
        let block_size = self.words.block_size.unwrap_or(default.block_size);
        if block_size <= longest && !kind.takes_longer_words() {
            bail!(
                "--block-size {block_size} is too short for the longest word, which has {longest} characters; {} would work",
                longest + 1
            );
        }
        let sizes = Sizes {
            block_size,
            n_embd: self.words.n_embd.unwrap_or(default.n_embd),
            n_embd2: self.words.n_embd2.unwrap_or(default.n_embd2),
            n_layer: self.words.n_layer.unwrap_or(default.n_layer),
            n_head: self.n_head(),
            batchnorm: self.words.batchnorm,
            ..default
        };
        Ok(Config::new(kind, sizes))
    }

    pub(super) fn n_head(&self) -> usize {
        self.words.n_head.unwrap_or(Sizes::default().n_head)
    }

    /// How a network is trained.
    pub(super) fn word_options(&self, config: Config, seed: u64) -> WordOptions {
        let default = match self.words.preset {
            None => ours(&config.kind().recipe(config.sizes())),
            Some(Preset::Makemore) => WordOptions::default(),
        };
        let weight_decay = |default| self.words.weight_decay.unwrap_or(default);
        let seconds = self.words.minutes.map(|minutes| 60.0 * minutes);
        WordOptions {
            steps: self
                .words
                .max_steps
                .or(default.steps.filter(|_| seconds.is_none())),
            seconds,
            batch_size: self.words.batch_size.unwrap_or(default.batch_size),
            learning_rate: match (self.lr, default.learning_rate) {
                (None, rate) => rate,
                (Some(rate), LearningRate::Constant(_) | LearningRate::Stepped { .. }) => {
                    LearningRate::Constant(rate)
                }
                (Some(highest), LearningRate::Falling { warm_up, .. }) => {
                    LearningRate::Falling { highest, warm_up }
                }
            },
            adamw: AdamWOptions {
                weight_decay: weight_decay(default.adamw.weight_decay),
                ..default.adamw
            },
            muon: default.muon.map(|muon| MuonOptions {
                weight_decay: weight_decay(muon.weight_decay),
                ..muon
            }),
            dropout: self.words.dropout.unwrap_or(default.dropout),
            seed,
            eval_every: self.words.eval_every.unwrap_or(default.eval_every),
            ..default
        }
    }
}

/// Our settings for a kind of network.
fn ours(recipe: &Recipe) -> WordOptions {
    WordOptions {
        steps: Some(recipe.steps),
        batch_size: 128,
        learning_rate: LearningRate::Falling {
            highest: recipe.learning_rate,
            warm_up: 100,
        },
        adamw: AdamWOptions {
            weight_decay: recipe.weight_decay,
            beta2: 0.999,
            ..AdamWOptions::default()
        },
        muon: recipe.muon.map(|learning_rate_factor| MuonOptions {
            learning_rate_factor,
            weight_decay: recipe.weight_decay,
            momentum: 0.95,
        }),
        dropout: recipe.dropout,
        ..WordOptions::default()
    }
}
