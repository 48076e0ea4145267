//! A kind of network for the tests: a file, a `mod` line and an entry in the list, as any new kind.

use tch::Tensor;

use super::kind::{Advanced, Kind, Layers, PerToken};
use super::sizes::Sizes;
use crate::error::Result;
use crate::models::parameters::Parameters;
use crate::models::tokens::Tokens;

/// Logits from the embedding of the last character.
#[derive(Debug)]
pub struct Toy;

impl Kind for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn about(&self) -> &'static str {
        "A network of the tests"
    }

    fn sizes(&self) -> &'static [&'static str] {
        &["block_size", "n_embd"]
    }

    fn build(&self, parameters: &mut Parameters, v: i64, sizes: &Sizes) -> Result<Box<dyn Layers>> {
        Ok(Box::new(ToyLayers {
            wte: parameters.embedding("wte", v, sizes.n_embd())?,
            lm_head: parameters.uniform("lm_head", &[v, sizes.n_embd()], 0.1)?,
        }))
    }

    fn numbers_of_a_step(&self, sizes: &Sizes, _longest: usize) -> PerToken {
        PerToken::packed(4 * sizes.n_embd)
    }
}

#[derive(Debug)]
struct ToyLayers {
    wte: Tensor,
    lm_head: Tensor,
}

impl ToyLayers {
    fn forward(&self, characters: &Tensor) -> Result<Tensor> {
        let x = Tensor::f_embedding(&self.wte, characters, -1, false, false)?;
        Ok(x.f_linear(&self.lm_head, None::<&Tensor>)?)
    }
}

impl Layers for ToyLayers {
    fn logits(&self, tokens: &Tokens) -> Result<Tensor> {
        self.forward(tokens.characters()?)
    }

    fn step(
        &self,
        _: &[Tensor],
        state: Option<&[Tensor]>,
        characters: &Tensor,
    ) -> Result<Advanced> {
        // The number of characters read, to have some state.
        let read = match state {
            Some(state) => state[0].f_add_scalar(1)?,
            None => characters.f_zeros_like()?.f_to_kind(tch::Kind::Float)?,
        };
        Ok(Advanced {
            logits: self.forward(characters)?,
            state: vec![read],
        })
    }

    fn state_numbers(&self) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tch::Device;

    use super::*;
    use crate::checkpoint::{Checkpoint, Model, TrainedNetwork};
    use crate::data::{SplitOf, Vocabulary, WordList, Words};
    use crate::models::{Config, LanguageModel, Network, kinds};
    use crate::sample::{SampleOptions, Sampler};
    use crate::train::options::WordOptions;
    use crate::train::steps::Learner;
    use crate::train::word_batches::WordBatches;

    /// The mean negative log-likelihood of a list.
    fn nll(model: &dyn LanguageModel, list: &WordList) -> f64 {
        let words = list
            .iter()
            .map(|word| word.iter().map(|&i| i.into()).collect());
        let words: Vec<Vec<usize>> = words.collect();
        let words: Vec<&[usize]> = words.iter().map(Vec::as_slice).collect();
        let p = model.probabilities(&words).unwrap();
        -p.iter().map(|&p| f64::from(p).ln()).sum::<f64>() / p.len() as f64
    }

    /// The kind is found by its name, trained, saved, loaded, scored and drawn from.
    #[test]
    fn a_kind_is_a_file_and_an_entry_in_the_list() {
        let words = Words::lecture('.').unwrap();
        let vocabulary = Vocabulary::of(&words).unwrap();
        let mut list = WordList::default();
        for word in words.iter().step_by(50) {
            list.push(word, 1, &vocabulary).unwrap();
        }
        let kind = kinds::named("toy").unwrap();
        let sizes = kind.default_sizes(list.longest(), kinds::kind::Preset::NAMES);
        let config = Config::new(kind, sizes);
        let network = Network::new(vocabulary, config, 1, Device::Cpu).unwrap();
        let before = nll(&network, &list);
        let mut batches = WordBatches::new(&network, &list, WordOptions::default()).unwrap();
        for step in 0..60 {
            let _loss = batches.step(step, 5e-3).unwrap();
        }
        drop(batches);
        let after = nll(&network, &list);
        assert!(after < before - 0.1, "{before} {after}");

        let trained = TrainedNetwork {
            network,
            steps: 60,
            loss: after as f32,
            dev_losses: Vec::new(),
            run: None,
        };
        let checkpoint = Checkpoint {
            model: Model::Network(trained),
            seed: 1,
            libtorch: "2.13.0".to_owned(),
            data: words.digest(),
            split: SplitOf::all(1),
            list: None,
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("toy.safetensors");
        checkpoint.save(Path::new(&path)).unwrap();
        let loaded = Checkpoint::load(&path).unwrap();
        assert_eq!(loaded.model.kind(), "toy");
        let model = loaded.model.language_model();
        assert_eq!(nll(model, &list), after);
        let sampler = Sampler::new(model, 1, &SampleOptions::default()).unwrap();
        let drawn: Result<Vec<String>> = sampler.take(20).collect();
        assert_eq!(drawn.unwrap().len(), 20);
    }
}
