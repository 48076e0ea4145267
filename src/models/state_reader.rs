//! Reading words character by character, many side by side, with the network's state of each.

use std::collections::BTreeMap;
use std::thread;

use tch::{Device, Kind, Tensor};

use super::config::Config;
use super::kinds::kind::{Advanced, Layers};
use super::language_model::{MOST_WORDS, Reader};
use super::parameters::Parameters;
use super::tokens::Tokens;
use crate::error::Result;
use crate::libtorch::threads;

/// The most numbers in the states of all words.
const MOST_NUMBERS: usize = 1 << 26;

/// The fewest words that are worth a thread.
const WORDS_A_THREAD: usize = 128;

/// The reader of a network: a call reads one character of each word, and takes the rest from the state.
#[derive(Debug)]
pub(super) struct StateReader<'m> {
    layers: &'m dyn Layers,
    /// Tensors of [`Layers::prepare`].
    prepared: Option<Vec<Tensor>>,
    config: Config,
    /// The same layers for further threads.
    copies: Copies,
    device: Device,
    /// The states of the words of the last call; none if they did not fit a block.
    state: Option<Vec<Tensor>>,
}

/// Layers of further threads, with their prepared tensors.
#[derive(Debug)]
struct Copies {
    /// Parameters and buffers.
    tensors: BTreeMap<String, Tensor>,
    v: i64,
    made: Vec<(Box<dyn Layers>, Vec<Tensor>)>,
}

impl<'m> StateReader<'m> {
    /// A reader with some layers; `tensors` are their parameters and buffers, `v` the number of
    /// characters.
    pub fn of(
        layers: &'m dyn Layers,
        config: Config,
        v: i64,
        tensors: BTreeMap<String, Tensor>,
        device: Device,
    ) -> Self {
        Self {
            layers,
            prepared: None,
            config,
            copies: Copies {
                tensors,
                v,
                made: Vec::new(),
            },
            device,
            state: None,
        }
    }

    /// Reads one more character of each word.
    fn step(&mut self, state: Option<&[Tensor]>, characters: &[i64]) -> Result<Advanced> {
        let threads = match self.device {
            Device::Cpu => threads::reading().min(characters.len() / WORDS_A_THREAD),
            _ => 1,
        };
        let layers = self.layers;
        let prepared = match self.prepared.take() {
            Some(prepared) => prepared,
            None => tch::no_grad(|| layers.prepare())?,
        };
        let prepared = &*self.prepared.insert(prepared);
        self.copies
            .make(threads.saturating_sub(1), self.config, self.device)?;
        let size = characters.len().div_ceil(threads.max(1));
        let parts = characters.chunks(size).enumerate().map(|(part, chosen)| {
            let characters = Tensor::f_from_slice(chosen)?.f_to_device(self.device)?;
            let (begin, words) = ((part * size) as i64, chosen.len() as i64);
            let of_part = |tensor: &Tensor| Ok(tensor.f_narrow(0, begin, words)?);
            let state = state.map(|state| state.iter().map(of_part).collect::<Result<Vec<_>>>());
            Ok((state.transpose()?, characters))
        });
        let mut parts: Vec<(Option<Vec<Tensor>>, Tensor)> = parts.collect::<Result<_>>()?;
        let (state, characters) = parts.remove(0);
        let steps: Vec<Advanced> = thread::scope(|scope| {
            let others = self.copies.made.iter_mut().zip(parts);
            let others = others.map(|((layers, prepared), (state, characters))| {
                scope.spawn(move || {
                    threads::use_one();
                    tch::no_grad(|| layers.step(prepared, state.as_deref(), &characters))
                })
            });
            let others: Vec<_> = others.collect();
            let own = tch::no_grad(|| layers.step(prepared, state.as_deref(), &characters));
            let others = others.into_iter().map(|other| {
                let step = other.join();
                step.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            std::iter::once(own).chain(others).collect::<Result<_>>()
        })?;
        joined(steps)
    }
}

impl Copies {
    /// Makes copies until there are `number`.
    fn make(&mut self, number: usize, config: Config, device: Device) -> Result<()> {
        while self.made.len() < number {
            let mut given = Parameters::given(&self.tensors, device);
            let layers = config.kind().build(&mut given, self.v, config.sizes())?;
            let prepared = tch::no_grad(|| layers.prepare())?;
            self.made.push((layers, prepared));
        }
        Ok(())
    }
}

/// Concatenates the steps of several threads.
fn joined(mut steps: Vec<Advanced>) -> Result<Advanced> {
    if steps.len() == 1 {
        return Ok(steps.remove(0));
    }
    let cat = |of: &dyn Fn(&Advanced) -> Tensor| {
        let parts: Vec<Tensor> = steps.iter().map(of).collect();
        Tensor::f_cat(&parts, 0)
    };
    let parts = 0..steps[0].state.len();
    let state = parts.map(|part| cat(&|step| step.state[part].shallow_clone()));
    Ok(Advanced {
        logits: cat(&|step| step.logits.shallow_clone())?,
        state: state.collect::<std::result::Result<_, _>>()?,
    })
}

impl Reader for StateReader<'_> {
    fn read(&mut self, words: &[&[usize]], parents: Option<&[i64]>) -> Result<Tensor> {
        let (config, v) = (self.config, self.copies.v);
        let state = self.state.take().filter(|_| parents.is_some());
        let Some(first) = words.first() else {
            return after(self.layers, &[], &config, v as usize, self.device);
        };
        let (last, block_size) = (first.len(), config.sizes().block_size);
        if last >= block_size && config.kind().has_state() {
            // The words do not fit a block: the last block of each is read from its beginning.
            let ends = words.iter().map(|word| &word[last - block_size..]);
            let ends = ends.map(|end| end.iter().map(|&index| index as i64).collect());
            let ends: Vec<Vec<i64>> = ends.collect();
            let ends: Vec<&[i64]> = ends.iter().map(Vec::as_slice).collect();
            return after(self.layers, &ends, &config, v as usize, self.device);
        }
        let (mut state, unread) = match (state, parents) {
            (Some(state), Some(parents)) => {
                let parents = Tensor::f_from_slice(parents)?.f_to_device(self.device)?;
                let state = state.iter().map(|part| part.f_index_select(0, &parents));
                let state: std::result::Result<Vec<Tensor>, _> = state.collect();
                (Some(state?), last)
            }
            // Of longer words only the last block is read.
            _ => (None, (last + 1).saturating_sub(block_size)),
        };
        let at = |position: usize| -> Vec<i64> {
            let token = |word: &&[usize]| match position {
                0 => 0,
                position => word[position - 1] as i64,
            };
            words.iter().map(token).collect()
        };
        for position in unread..last {
            state = Some(self.step(state.as_deref(), &at(position))?.state);
        }
        let end = self.step(state.as_deref(), &at(last))?;
        self.state = Some(end.state);
        probabilities(&end.logits)
    }

    fn most_words(&self) -> usize {
        (MOST_NUMBERS / self.layers.state_numbers().max(1)).clamp(16, MOST_WORDS)
    }
}

/// The distributions of the next character after the tokens of each word, `[B, V]`, on the CPU.
pub(super) fn after(
    layers: &dyn Layers,
    words: &[&[i64]],
    config: &Config,
    v: usize,
    device: Device,
) -> Result<Tensor> {
    let mut parts = vec![Tensor::f_zeros([0, v as i64], (Kind::Float, Device::Cpu))?];
    let mut rest = words;
    while !rest.is_empty() {
        let lengths = rest.iter().map(|word| word.len());
        let (batch, further) = rest.split_at(config.words_at_once(v, lengths));
        rest = further;
        let logits = tch::no_grad(|| {
            let tokens = Tokens::of(batch, device);
            tokens.last(&layers.logits(&tokens)?)
        })?;
        parts.push(probabilities(&logits)?);
    }
    Ok(Tensor::f_cat(&parts, 0)?)
}

fn probabilities(logits: &Tensor) -> Result<Tensor> {
    Ok(logits
        .f_softmax(-1, Kind::Float)?
        .f_to_device(Device::Cpu)?)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::data::{Vocabulary, Words};
    use crate::models::kinds::{KINDS, Mlp, Norm, Positions, Sizes, Transformer};
    use crate::models::language_model::{ContextReader, by_contexts};
    use crate::models::{Config, LanguageModel, Network};

    /// A small network of each kind.
    pub fn networks() -> Vec<Network> {
        networks_of(16)
    }

    /// A small network of each kind, of a block size.
    fn networks_of(block_size: usize) -> Vec<Network> {
        let vocabulary = Vocabulary::of(&Words::lecture('.').unwrap()).unwrap();
        let sizes = Sizes {
            block_size,
            n_embd: 16,
            n_embd2: 24,
            n_layer: 2,
            ..Sizes::default()
        };
        let kinds = KINDS.iter().map(|&kind| Config::new(kind, sizes));
        let rotary = Sizes {
            norm: Norm::Rms,
            positions: Positions::Rotary,
            ..sizes
        };
        let normalised = Sizes {
            batchnorm: true,
            ..sizes
        };
        let deep = Sizes {
            hidden_layers: 3,
            ..normalised
        };
        let further = [
            Config::new(&Transformer, rotary),
            Config::new(&Mlp, normalised),
            Config::new(&Mlp, deep),
        ];
        kinds
            .chain(further)
            .map(|config| Network::new(vocabulary.clone(), config, 5, Device::Cpu).unwrap())
            .collect()
    }

    /// Reading character by character, where words part and end, gives the same as whole words.
    #[test]
    fn a_state_says_what_the_whole_words_say() {
        type Call<'a> = (&'a [&'a [usize]], Option<&'a [i64]>);
        let calls: [Call; 4] = [
            (&[&[]], None),
            (&[&[5], &[1], &[26]], Some(&[0, 0, 0])),
            (
                &[&[26, 1], &[5, 13], &[26, 7], &[26, 1]],
                Some(&[2, 0, 2, 2]),
            ),
            (&[&[26, 7, 9], &[26, 1, 3]], Some(&[2, 3])),
        ];
        for network in networks() {
            let mut reader = network.reader().unwrap();
            for (words, parents) in calls {
                let p = reader.read(words, parents).unwrap();
                let whole = ContextReader(&network).read(words, None).unwrap();
                let off = (p - whole).abs().max().double_value(&[]);
                assert!(off < 1e-6, "{:?}: {off}", network.config());
            }
        }
    }

    #[test]
    fn threads_say_what_one_says() {
        for network in networks() {
            let mut reader = network.state_reader();
            let words: Vec<[usize; 2]> = (0..700).map(|i| [i % 27, i % 11]).collect();
            let words: Vec<&[usize]> = words.iter().map(|word| word.as_slice()).collect();
            let one = reader.read(&words, None).unwrap();
            let mut parts = Vec::new();
            for words in words.chunks(300) {
                parts.push(reader.read(words, None).unwrap());
            }
            let off = (one - Tensor::cat(&parts, 0)).abs().max().double_value(&[]);
            assert!(off < 1e-6, "{:?}: {off}", network.config());
        }
    }

    /// No words once ended the program.
    #[test]
    fn of_no_words_there_are_no_distributions() {
        for network in networks() {
            let mut reader = network.reader().unwrap();
            for parents in [None, Some([].as_slice())] {
                assert_eq!(reader.read(&[], parents).unwrap().size(), [0, 27]);
            }
            let by_context = ContextReader(&network).read(&[], None).unwrap();
            assert_eq!(by_context.size(), [0, 27]);
        }
    }

    /// Where a word is longer than the block, its block is read once and then context by context.
    #[test]
    fn words_longer_than_the_block_are_scored_by_their_contexts() {
        for network in networks() {
            let words: [&[usize]; 4] = [&[3; 40], &[], &[1; 16], &[26, 1, 2].repeat(9)];
            let p = network.probabilities(&words).unwrap();
            let by_contexts = by_contexts(&network, &words).unwrap();
            assert_eq!(p.len(), by_contexts.len());
            for (p, by_context) in p.iter().zip(by_contexts) {
                assert!((p - by_context).abs() < 1e-5, "{:?}", network.config());
            }
        }
    }

    /// Words longer than the block were once refused in training, except by some kinds.
    #[test]
    fn each_token_of_a_long_word_has_the_logits_of_its_block_alone() {
        let words: [&[i64]; 5] = [
            &[0, 7, 1, 2, 7, 26, 2, 9, 9, 9, 5, 13, 13, 1],
            &[0],
            &[0, 5, 13, 13, 1],
            &[0, 1, 2, 3],
            &[0, 3],
        ];
        for network in networks_of(4) {
            let logits =
                |words: &[&[i64]]| network.logits(&Tokens::of(words, Device::Cpu)).unwrap();
            let alone = words.iter().flat_map(|word| {
                let block = |end: usize| &word[end.saturating_sub(4)..end];
                (1..=word.len()).map(move |end| logits(&[block(end)]).get(-1))
            });
            let alone = Tensor::stack(&alone.collect::<Vec<_>>(), 0);
            let off = (logits(&words) - alone).abs().max().double_value(&[]);
            assert!(off < 1e-5, "{:?}: {off}", network.config());
        }
    }

    /// Drawing and scoring agree, also where a word is longer than the block.
    #[test]
    fn long_words_are_read_as_they_are_scored() {
        for network in networks().into_iter().chain(networks_of(4)) {
            let word = [7, 1, 2].repeat(8);
            let p = network.probabilities(&[&word]).unwrap();
            let mut reader = network.reader().unwrap();
            for (length, &p) in p.iter().enumerate() {
                let parents = (length > 0).then_some([0].as_slice());
                let read = reader.read(&[&word[..length]], parents).unwrap();
                let next = word.get(length).copied().unwrap_or(0);
                let read = read.double_value(&[0, next as i64]);
                let off = (read - f64::from(p)).abs();
                assert!(off < 1e-5, "{:?}, {length}: {off}", network.config());
            }
        }
    }
}
