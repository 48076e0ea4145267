//! Sizes and training options of networks trained on batches: the user's, else the defaults.

use makemore_tch::models::kinds::kind::Preset;
use makemore_tch::models::{Config, Kind, Sizes};
use makemore_tch::train::lists::Lists;
use makemore_tch::train::options::WordOptions;

use super::train::Train;

impl Train {
    /// The config of a network for lists.
    pub fn config(&self, kind: &'static dyn Kind, lists: &Lists) -> Config {
        let preset = match self.words.has_preset() {
            true => Preset::Makemore,
            false => Preset::Ours(lists.characters),
        };
        let (words, default) = (&self.words, kind.default_sizes(lists.longest, preset));
        let layers = |size| words.n_layer.filter(|_| kind.sizes().contains(&size));
        let sizes = Sizes {
            block_size: words.block_size.unwrap_or(default.block_size),
            n_embd: words.n_embd.unwrap_or(default.n_embd),
            n_embd2: words.n_embd2.unwrap_or(default.n_embd2),
            n_layer: layers("n_layer").unwrap_or(default.n_layer),
            hidden_layers: layers("hidden_layers").unwrap_or(default.hidden_layers),
            n_head: self.n_head(),
            batchnorm: words.batchnorm,
            ..default
        };
        Config::new(kind, sizes)
    }

    pub fn n_head(&self) -> usize {
        self.words.n_head.unwrap_or(Sizes::default().n_head)
    }

    /// The options to train a network with, on words of so many distinct characters.
    pub fn word_options(&self, config: Config, characters: u64, seed: u64) -> WordOptions {
        let words = &self.words;
        let mut options = match words.has_preset() {
            true => WordOptions::default(),
            false => {
                let recipe = config.kind().recipe(config.sizes());
                WordOptions::of(&recipe.of_list(characters))
            }
        };
        options.seed = seed;
        let default = options.steps.filter(|_| words.minutes.is_none());
        options = options.limited(words.max_steps.or(default), words.seconds());
        options.batch_size = words.batch_size.unwrap_or(options.batch_size);
        options.dropout = words.dropout.unwrap_or(options.dropout);
        if let Some(every) = words.eval_every {
            (options.eval_every, options.eval_early) = (every, false);
            if let (Some(steps), Some(_)) = (options.steps, options.patience) {
                options.patience = Some(options.patience_of(steps));
            }
        }
        options.patience = words.patience.or(options.patience);
        if let Some(highest) = self.lr {
            options.learning_rate = options.learning_rate.with_highest(highest);
        }
        match words.weight_decay {
            Some(weight_decay) => options.with_weight_decay(weight_decay),
            None => options,
        }
    }
}
