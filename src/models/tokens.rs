//! Words as networks read them: each from the start token on, side by side.

use std::cell::RefCell;

use tch::{Device, Kind, Tensor};

use crate::data::split::SplitMix;
use crate::error::Result;

/// `B` words of up to `T` tokens, `N` of them in all.
///
/// Words have different lengths. What does not look at neighbours, and that is most of the work, is
/// computed for the `N` tokens in a row; what does is computed in a grid, where shorter words are
/// padded at their ends, and [`to_grid`](Self::to_grid) and [`of_grid`](Self::of_grid) go from one
/// to the other.
#[derive(Debug)]
pub struct Tokens {
    /// `B`.
    pub words: i64,
    /// `T`.
    pub length: i64,
    /// The characters of all words, `[N]`, i64.
    pub characters: Tensor,
    /// How many come before each in its word, `[N]`, i64.
    pub positions: Tensor,
    /// The characters in the grid, `[B, T]`, i64; padding is 0.
    pub grid: Tensor,
    /// Which token each place in the grid has, `[B * T]`, i64; padding has the last one of its word.
    sources: Tensor,
    /// The place of each token in the grid, `[N]`, i64.
    places: Tensor,
    /// The place of each token in the grid by columns, `[T, B]`, that is one position of all words
    /// after the other, `[N]`, i64.
    places_by_columns: Tensor,
    /// What is left out while a network is trained; none at all other times.
    dropout: Option<Dropout>,
    /// Where the words end among the tokens, `[B]`, i64: the place of the last one of each.
    ends: Tensor,
}

impl Tokens {
    /// Words by their indices, each after its start token.
    ///
    /// # Errors
    ///
    /// If the device has no room.
    pub fn of_words(words: &[&[usize]], device: Device) -> Result<Self> {
        let started = words.iter().map(|word| {
            let indices = word.iter().map(|&index| index as i64);
            std::iter::once(0).chain(indices).collect()
        });
        let started: Vec<Vec<i64>> = started.collect();
        let started: Vec<&[i64]> = started.iter().map(Vec::as_slice).collect();
        Self::of(&started, device)
    }

    /// Words of at least one token each.
    ///
    /// # Errors
    ///
    /// If the device has no room.
    pub fn of(words: &[&[i64]], device: Device) -> Result<Self> {
        let length = words.iter().map(|word| word.len()).max().unwrap_or(0);
        let (mut characters, mut positions, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        let (mut sources, mut places, mut by_columns) = (Vec::new(), Vec::new(), Vec::new());
        let mut grid = vec![0; words.len() * length];
        for (row, word) in words.iter().enumerate() {
            for (position, &character) in word.iter().enumerate() {
                let place = row * length + position;
                grid[place] = character;
                places.push(place as i64);
                by_columns.push((position * words.len() + row) as i64);
                sources.push(characters.len() as i64);
                characters.push(character);
                positions.push(position as i64);
            }
            let last = characters.len() as i64 - 1;
            ends.push(last);
            sources.resize((row + 1) * length, last);
        }
        let (words, length) = (words.len() as i64, length as i64);
        let tensor = |numbers: &[i64]| -> Result<Tensor> {
            Ok(Tensor::f_from_slice(numbers)?.f_to_device(device)?)
        };
        Ok(Self {
            words,
            length,
            characters: tensor(&characters)?,
            positions: tensor(&positions)?,
            grid: tensor(&grid)?.f_view([words, length])?,
            sources: tensor(&sources)?,
            places: tensor(&places)?,
            places_by_columns: tensor(&by_columns)?,
            ends: tensor(&ends)?,
            dropout: None,
        })
    }

    /// The same for training with dropout.
    pub fn with_dropout(self, dropout: Option<Dropout>) -> Self {
        Self { dropout, ..self }
    }

    /// Numbers of any shape, in training with dropout without a share of them.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of).
    pub fn drop_out(&self, x: Tensor) -> Result<Tensor> {
        match &self.dropout {
            Some(dropout) => Ok(x.f_mul(&dropout.mask(&x)?)?),
            None => Ok(x),
        }
    }

    /// `[N, C]` in the grid, `[B, T, C]`.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of).
    pub fn to_grid(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.f_index_select(0, &self.sources)?; // [B * T, C]
        Ok(x.f_view([self.words, self.length, -1])?)
    }

    /// The tokens of a grid, `[B, T, C]`, in a row, `[N, C]`.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of).
    pub fn of_grid(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_flatten(0, 1)?.f_index_select(0, &self.places)?)
    }

    /// The tokens of a grid by columns, `[T, B, C]`, in a row, `[N, C]`.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of).
    pub fn of_columns(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_flatten(0, 1)?
            .f_index_select(0, &self.places_by_columns)?)
    }

    /// The last token of each word, `[B, C]`, of `[N, C]`.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of).
    pub fn last(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_index_select(0, &self.ends)?)
    }

    /// For each token it and the `block_size - 1` before it, from the nearest one on,
    /// `[N, block_size]`, i64; `blank` before the beginning of its word.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of).
    pub fn contexts(&self, block_size: i64, blank: i64) -> Result<Tensor> {
        let options = (Kind::Int64, self.grid.device());
        let before = Tensor::f_full([self.words, block_size - 1], blank, options)?;
        let padded = Tensor::f_cat(&[&before, &self.grid], 1)?; // [B, block_size - 1 + T]
        let windows = padded.f_unfold(1, block_size, 1)?; // [B, T, block_size]
        self.of_grid(&windows.f_flip([2])?)
    }
}

/// Leaves out a share of the numbers that pass, at random, and makes the others so much larger.
///
/// What is left out follows from a seed alone, whatever the device, so that a training that was
/// interrupted goes on as if it had not been.
///
/// Source: Srivastava et al., *Dropout*, 2014.
#[derive(Debug)]
pub struct Dropout {
    share: f64,
    numbers: RefCell<SplitMix>,
}

impl Dropout {
    /// Of a share from 0 to below 1; none for 0.
    pub fn new(share: f64, seed: u64) -> Option<Self> {
        (share > 0.0).then(|| Self {
            share,
            numbers: RefCell::new(SplitMix(seed)),
        })
    }

    /// Factors of numbers, of the same shape: 0 for those that are left out.
    fn mask(&self, x: &Tensor) -> Result<Tensor> {
        let mut numbers = self.numbers.borrow_mut();
        // In 65,536ths, so that one random number serves for four.
        let limit = (self.share * 65_536.0) as u64;
        let kept = (65_536.0 / (65_536 - limit) as f64) as f32;
        let mut factors = vec![0.0; x.numel()];
        for four in factors.chunks_mut(4) {
            let mut number = numbers.next();
            for factor in four {
                *factor = if number & 0xFFFF < limit { 0.0 } else { kept };
                number >>= 16;
            }
        }
        let factors = Tensor::f_from_slice(&factors)?.f_to_device(x.device())?;
        Ok(factors.f_view(x.size().as_slice())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 100,000 the share that is left out has a standard error of 0.0015.
    #[test]
    fn dropout_leaves_out_its_share_and_keeps_the_mean() {
        let dropped = |seed| {
            let tokens = Tokens::of(&[&[0, 5]], Device::Cpu).unwrap();
            let tokens = tokens.with_dropout(Dropout::new(0.35, seed));
            let x = Tensor::ones([100, 1000], (Kind::Float, Device::Cpu));
            [
                tokens.drop_out(x.shallow_clone()).unwrap(),
                tokens.drop_out(x).unwrap(),
            ]
        };
        let [first, second] = dropped(7);
        let zeros = first.eq(0.0).mean(Kind::Float).double_value(&[]);
        assert!((zeros - 0.35).abs() < 0.008, "{zeros}");
        assert!((first.mean(Kind::Float).double_value(&[]) - 1.0).abs() < 0.013);
        assert_ne!(first, second);
        assert_eq!(dropped(7), [first.shallow_clone(), second]);
        assert_ne!(dropped(8)[0], first);
        assert!(Dropout::new(0.0, 1).is_none());
    }

    fn numbers(tensor: &Tensor) -> Vec<i64> {
        Vec::try_from(tensor.contiguous().view([-1])).unwrap()
    }

    #[test]
    fn tokens_go_to_the_grid_and_back() {
        let tokens = Tokens::of(&[&[0, 5], &[0], &[0, 7, 8]], Device::Cpu).unwrap();
        assert_eq!((tokens.words, tokens.length), (3, 3));
        assert_eq!(numbers(&tokens.characters), [0, 5, 0, 0, 7, 8]);
        assert_eq!(numbers(&tokens.positions), [0, 1, 0, 0, 1, 2]);
        assert_eq!(numbers(&tokens.grid), [0, 5, 0, 0, 0, 0, 0, 7, 8]);
        let x = Tensor::arange(6, (Kind::Int64, Device::Cpu)).view([6, 1]);
        let grid = tokens.to_grid(&x).unwrap();
        assert_eq!(numbers(&grid), [0, 1, 1, 2, 2, 2, 3, 4, 5]);
        assert_eq!(numbers(&tokens.of_grid(&grid).unwrap()), [0, 1, 2, 3, 4, 5]);
        let columns = grid.transpose(0, 1);
        assert_eq!(
            numbers(&tokens.of_columns(&columns).unwrap()),
            [0, 1, 2, 3, 4, 5]
        );
        assert_eq!(numbers(&tokens.last(&x).unwrap()), [1, 2, 5]);
    }

    #[test]
    fn contexts_begin_with_blanks() {
        let tokens = Tokens::of(&[&[0, 5, 6], &[0]], Device::Cpu).unwrap();
        let contexts = tokens.contexts(2, 27).unwrap();
        assert_eq!(contexts.size(), [4, 2]);
        assert_eq!(numbers(&contexts), [0, 27, 5, 0, 6, 5, 0, 27]);
    }
}
