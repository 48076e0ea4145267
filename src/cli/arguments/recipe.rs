//! Sizes and training options of networks trained on batches: the user's, else the defaults.

use makemore_tch::models::kinds::kind::Preset;
use makemore_tch::models::{Config, Kind, Sizes};
use makemore_tch::train::lists::Lists;
use makemore_tch::train::options::WordOptions;
use makemore_tch::train::run_state::RunState;

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

    /// The options of a resumed run, with the user's new limits and evaluation interval.
    pub fn resumed_options(&self, mut options: WordOptions) -> WordOptions {
        let words = &self.words;
        if words.max_steps.is_some() || words.minutes.is_some() {
            options = options.limited(words.max_steps, words.seconds());
        }
        if let Some(every) = words.eval_every {
            (options.eval_every, options.eval_early) = (every, false);
        }
        options.patience = words.patience.or(options.patience);
        options
    }

    /// Why a resumed run is evaluated but goes on no further, if so.
    pub fn why_no_steps(&self, state: &RunState) -> Option<String> {
        let progress = state.progress;
        let is_done = progress.steps > 0 && state.options.plan().fraction(progress) >= 1.0;
        is_done.then(|| {
            format!(
                "{}: no steps are left after {} steps and {:.1} minutes, which --max-steps and --minutes include",
                self.resumed(),
                progress.steps,
                progress.seconds / 60.0
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use makemore_tch::train::options::WordOptions;
    use makemore_tch::train::run_state::RunState;

    use crate::cli::{Command, parse};

    /// A network after step 140 was evaluated, and no word told why it was not trained.
    #[test]
    fn steps_that_were_made_before_are_said_to_leave_none() {
        let mut state = RunState::new(WordOptions::default());
        for (done, steps, is_said) in [
            (140, 60, true),
            (60, 60, true),
            (140, 141, false),
            (0, 1, false),
        ] {
            let train = format!("makemore-tch train --resume m --max-steps {steps}");
            let Ok(Command::Train(train)) = parse(train.split(' ')).map(|parsed| parsed.command)
            else {
                panic!("{train} trains");
            };
            state.progress.steps = done;
            state.options = train.resumed_options(state.options);
            let why = train.why_no_steps(&state);
            let expected = format!(
                "m: no steps are left after {done} steps and 0.0 minutes, which --max-steps and --minutes include"
            );
            assert_eq!(why, is_said.then_some(expected));
        }
    }
}
