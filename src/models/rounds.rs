//! Drawing words of a network, many side by side.
//!
//! A step for a thousand words takes little more than one for a single word. So words are drawn in
//! rounds of as many, whatever number is asked for: the first words of a seed are always the same.
//! Words that have ended leave the round.

use std::collections::VecDeque;

use tch::{Device, Kind, Tensor};

use super::draw::{Drawer, Method, Shaping, cumulative_sums};
use super::language_model::LanguageModel;
use super::makemore::Makemore;
use super::network::Network;
use super::tokens::Tokens;
use crate::error::Result;
use crate::libtorch::random::Generator;

/// How many words the first round has; each has four times as many as the one before, up to a limit:
/// who asks for a few waits for a few.
const FIRST_ROUND: usize = 16;

/// The most words of a round.
const LARGEST_ROUND: usize = 1024;

/// The drawer of a network.
#[derive(Debug)]
pub(super) struct Rounds<'m> {
    network: &'m Makemore,
    method: Method,
    shaping: Shaping,
    /// What the words that were drawn begin with, and their most characters.
    begin: (Vec<usize>, usize),
    /// Words that were drawn and not given yet; none where there was no distribution.
    drawn: VecDeque<Option<Vec<usize>>>,
    /// How many words the next round has.
    round: usize,
}

impl<'m> Rounds<'m> {
    pub fn new(network: &'m Makemore, method: Method, shaping: Shaping) -> Result<Self> {
        shaping.check()?;
        Ok(Self {
            network,
            method,
            shaping,
            begin: (Vec::new(), 0),
            drawn: VecDeque::new(),
            round: FIRST_ROUND,
        })
    }

    /// Draws a round of words that begin with some characters and have at most `max_length`.
    fn draw_round(
        &mut self,
        prefix: &[usize],
        max_length: usize,
        generator: &mut Generator,
    ) -> Result<()> {
        let mut words: Vec<Option<Vec<usize>>> = vec![Some(prefix.to_vec()); self.round];
        // Those that have not ended.
        let mut open: Vec<usize> = (0..self.round).collect();
        let mut state = State::default();
        let mut length = prefix.len();
        while length < max_length && !open.is_empty() {
            let open_words = open.iter().filter_map(|&word| words[word].as_deref());
            let open_words: Vec<&[usize]> = open_words.collect();
            let logits = tch::no_grad(|| state.read(self.network, &open_words))?;
            let p = logits
                .f_softmax(-1, Kind::Float)?
                .f_to_device(Device::Cpu)?; // [open, V]
            let next = self.draw(&p, generator)?;
            let mut kept = Vec::new();
            let mut still_open = Vec::new();
            for (place, (&word, next)) in open.iter().zip(next).enumerate() {
                match (next, &mut words[word]) {
                    (Some(0), _) => {}
                    (Some(index), Some(word_so_far)) => {
                        word_so_far.push(index);
                        kept.push(place as i64);
                        still_open.push(word);
                    }
                    (None, lost) => *lost = None,
                    (_, None) => {}
                }
            }
            state.keep(&kept)?;
            open = still_open;
            length += 1;
        }
        self.drawn = words.into();
        self.round = (4 * self.round).min(LARGEST_ROUND);
        self.begin = (prefix.to_vec(), max_length);
        Ok(())
    }

    /// Draws a character of each distribution, `[B, V]`; none where there is none.
    fn draw(&self, p: &Tensor, generator: &mut Generator) -> Result<Vec<Option<usize>>> {
        let p = self.shaping.shape(p)?;
        let v = self.network.vocabulary().len();
        let rows: Vec<f32> = Vec::try_from(p.f_contiguous()?.f_view([-1])?)?;
        let draw = |row: &[f32]| -> Result<Option<usize>> {
            if !row.iter().any(|&p| p > 0.0) {
                return Ok(None);
            }
            match self.method {
                Method::Multinomial => generator.multinomial(&Tensor::f_from_slice(row)?).map(Some),
                Method::Cumulative => {
                    let uniform = generator.uniform()?;
                    let mut sums = cumulative_sums(row);
                    Ok(sums.position(|sum| f64::from(sum) >= uniform))
                }
            }
        };
        rows.chunks_exact(v).map(draw).collect()
    }
}

impl Drawer for Rounds<'_> {
    fn next(&mut self, word: &[usize], generator: &mut Generator) -> Result<Option<usize>> {
        let logits = tch::no_grad(|| State::default().read(self.network, &[word]))?;
        let p = logits
            .f_softmax(-1, Kind::Float)?
            .f_to_device(Device::Cpu)?; // [1, V]
        Ok(self.draw(&p, generator)?.pop().flatten())
    }

    fn complete(
        &mut self,
        word: &mut Vec<usize>,
        max_length: usize,
        generator: &mut Generator,
    ) -> Result<bool> {
        let is_other = (self.begin.0.as_slice(), self.begin.1) != (word.as_slice(), max_length);
        if is_other {
            self.round = FIRST_ROUND;
        }
        if is_other || self.drawn.is_empty() {
            self.draw_round(word, max_length, generator)?;
        }
        match self.drawn.pop_front().flatten() {
            Some(drawn) => {
                *word = drawn;
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

/// What a network remembers of the words that it reads, if it is one that does.
#[derive(Default)]
struct State {
    /// `[1, B, H]` or `[2, B, H]`.
    tensor: Option<Tensor>,
}

impl State {
    /// The logits of what follows words of one length, `[B, V]`. Where there is a state, only the
    /// last characters are new.
    ///
    /// Words that do not fit a block with their start token are read from as far back as the block
    /// reaches, as everywhere.
    fn read(&mut self, network: &Makemore, words: &[&[usize]]) -> Result<Tensor> {
        let tokens = 1 + words.first().map_or(0, |word| word.len());
        if tokens > network.block_size() {
            return self.read_again(network, words);
        }
        let unread = match &self.tensor {
            Some(_) => tokens - 1..tokens,
            None => 0..tokens,
        };
        let mut logits = None;
        for position in unread {
            let token = |word: &&[usize]| match position {
                0 => 0,
                position => word[position - 1] as i64,
            };
            let characters: Vec<i64> = words.iter().map(token).collect();
            let characters = Tensor::f_from_slice(&characters)?.f_to_device(network.device())?;
            let step = network.layers.step(self.tensor.as_ref(), &characters)?;
            let Some(step) = step else {
                return self.read_again(network, words);
            };
            self.tensor = Some(step.state);
            logits = Some(step.logits);
        }
        logits.ok_or_else(|| crate::Error::Libtorch("no character was read".to_owned()))
    }

    /// The same without a state.
    fn read_again(&mut self, network: &Makemore, words: &[&[usize]]) -> Result<Tensor> {
        self.tensor = None;
        let most = network.block_size();
        let started = words.iter().map(|word| {
            let last = &word[word.len().saturating_sub(most)..];
            let start = (last.len() < most).then_some(0);
            start
                .into_iter()
                .chain(last.iter().map(|&index| index as i64))
                .collect()
        });
        let started: Vec<Vec<i64>> = started.collect();
        let started: Vec<&[i64]> = started.iter().map(Vec::as_slice).collect();
        let tokens = Tokens::of(&started, network.device())?;
        tokens.last(&network.logits(&tokens)?)
    }

    /// Forgets all words but some, by their places.
    fn keep(&mut self, places: &[i64]) -> Result<()> {
        if let Some(state) = &mut self.tensor {
            let places = Tensor::f_from_slice(places)?.f_to_device(state.device())?;
            *state = state.f_index_select(1, &places)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Vocabulary, Words};
    use crate::models::{Config, Sizes};
    use crate::{SampleOptions, Sampler};

    fn networks() -> Vec<Makemore> {
        let vocabulary = Vocabulary::of(&Words::lecture('.').unwrap()).unwrap();
        let sizes = Sizes {
            n_embd: 16,
            n_embd2: 24,
            n_layer: 2,
            ..Sizes::default()
        };
        let configs = [
            Config::Mlp(sizes),
            Config::Bow(sizes),
            Config::Rnn(sizes),
            Config::Gru(sizes),
            Config::Lstm(sizes),
            Config::Transformer(sizes),
        ];
        configs
            .into_iter()
            .map(|config| Makemore::new(vocabulary.clone(), config, 5, Device::Cpu).unwrap())
            .collect()
    }

    /// What is read character by character, and the words that leave, as the whole words say.
    #[test]
    fn a_state_says_what_the_whole_words_say() {
        let words: [&[usize]; 3] = [&[5, 13, 13, 1], &[1, 2, 3, 4], &[26, 26, 1, 9]];
        for network in networks() {
            let whole = |words: &[Vec<usize>]| {
                let started = |word: &Vec<usize>| -> Vec<i64> {
                    std::iter::once(0)
                        .chain(word.iter().map(|&index| index as i64))
                        .collect()
                };
                let started: Vec<Vec<i64>> = words.iter().map(started).collect();
                let started: Vec<&[i64]> = started.iter().map(Vec::as_slice).collect();
                let tokens = Tokens::of(&started, Device::Cpu).unwrap();
                tokens.last(&network.logits(&tokens).unwrap()).unwrap()
            };
            let mut state = State::default();
            let mut places = vec![0, 1, 2];
            for length in 0..4 {
                let read: Vec<Vec<usize>> = places
                    .iter()
                    .map(|&place: &usize| words[place][..length].to_vec())
                    .collect();
                let slices: Vec<&[usize]> = read.iter().map(Vec::as_slice).collect();
                let logits = state.read(&network, &slices).unwrap();
                let off = (logits - whole(&read)).abs().max().double_value(&[]);
                assert!(off < 1e-5, "{:?}: {off}", network.config());
                if length == 1 {
                    state.keep(&[0, 2]).unwrap();
                    places = vec![0, 2];
                }
            }
        }
    }

    /// What is drawn is what is scored, where a word is longer than the block too.
    #[test]
    fn long_words_are_read_as_they_are_scored() {
        for network in networks() {
            let word = [7, 1, 2].repeat(8);
            let p = network.probabilities(&[&word]).unwrap();
            let mut state = State::default();
            for (length, &p) in p.iter().enumerate() {
                let logits = state.read(&network, &[&word[..length]]).unwrap();
                let next = word.get(length).copied().unwrap_or(0);
                let read = logits
                    .softmax(-1, Kind::Float)
                    .double_value(&[0, next as i64]);
                let off = (read - f64::from(p)).abs();
                assert!(off < 1e-5, "{:?}, {length}: {off}", network.config());
            }
        }
    }

    #[test]
    fn the_first_words_of_a_seed_are_the_same_and_begin_as_wanted() {
        for network in networks() {
            let draw = |number: usize, options: &SampleOptions| -> Vec<String> {
                let sampler = Sampler::new(&network, 7, options).unwrap();
                sampler.take(number).collect::<Result<_>>().unwrap()
            };
            let options = SampleOptions {
                max_length: 20,
                ..SampleOptions::default()
            };
            let many = draw(40, &options);
            assert_eq!(draw(3, &options), many[..3]);
            assert_ne!(many[..5], many[16..21]);
            assert!(many.iter().all(|word| word.len() <= 20));
            let options = SampleOptions {
                prefix: "mar".to_owned(),
                ..options
            };
            assert!(
                draw(20, &options)
                    .iter()
                    .all(|word| word.starts_with("mar"))
            );
        }
    }

    /// Of 20,480 words the share that begins with a character has a standard error below 0.0035.
    #[test]
    fn characters_are_drawn_as_often_as_they_are_probable() {
        for network in networks() {
            let p = network.probabilities(&[&[1]]).unwrap()[0];
            let sampler = Sampler::new(
                &network,
                1,
                &SampleOptions {
                    max_length: 1,
                    ..SampleOptions::default()
                },
            );
            let words = sampler
                .unwrap()
                .take(20 * LARGEST_ROUND)
                .map(Result::unwrap);
            let share =
                words.filter(|word| word == "a").count() as f32 / (20 * LARGEST_ROUND) as f32;
            assert!(
                (share - p).abs() < 0.016,
                "{:?}: {share} {p}",
                network.config()
            );
        }
    }
}
