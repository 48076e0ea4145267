//! A batch of words as a network reads them: tokens, from the start token of each on.

use std::cell::{OnceCell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tch::{Device, Kind, Tensor};

use crate::data::split::SplitMix;
use crate::error::Result;

/// `B` words of up to `T` tokens, with `N` tokens in all.
///
/// Words have different lengths. Layers that work on each token by itself take the `N` tokens one after
/// the other. Layers that combine tokens take a layout: a [`Grid`] with a row for each word or for
/// several, or [`Columns`]. A layout has words of any length as pieces that fit a block.
#[derive(Debug)]
pub struct Tokens {
    /// `B`.
    pub words: i64,
    /// `T`.
    pub length: i64,
    /// The characters of all words, one after the other, `[N]`.
    numbers: Vec<i64>,
    /// The characters on the device, once they were needed there.
    characters: OnceCell<Tensor>,
    device: Device,
    /// The number of tokens of each word, `[B]`.
    lengths: Vec<usize>,
    /// Whether a network is trained on them.
    are_learned: bool,
    /// Dropout in training.
    dropout: Option<Dropout>,
}

impl Tokens {
    /// The length of a row that several short words share, about: matrix products of that size are fast,
    /// and the mask excludes little of them.
    const SHARED_ROW: usize = 32;

    /// Words by their indices; start tokens are added.
    pub fn of_words(words: &[&[usize]], device: Device) -> Self {
        let mut numbers = Vec::new();
        for word in words {
            numbers.push(0);
            numbers.extend(word.iter().map(|&index| index as i64));
        }
        let lengths = words.iter().map(|word| word.len() + 1).collect();
        Self::joined(numbers, lengths, device)
    }

    /// Words by their tokens, at least one each.
    pub fn of(words: &[&[i64]], device: Device) -> Self {
        let lengths = words.iter().map(|word| word.len()).collect();
        Self::joined(words.concat(), lengths, device)
    }

    /// Words by their tokens, one word after the other, and the number of tokens of each, at least one.
    pub(crate) fn joined(numbers: Vec<i64>, lengths: Vec<usize>, device: Device) -> Self {
        Self {
            words: lengths.len() as i64,
            length: lengths.iter().copied().max().unwrap_or(0) as i64,
            numbers,
            characters: OnceCell::new(),
            device,
            lengths,
            are_learned: false,
            dropout: None,
        }
    }

    /// The characters of all words, `[N]`, i64.
    pub fn characters(&self) -> Result<&Tensor> {
        if let Some(characters) = self.characters.get() {
            return Ok(characters);
        }
        let characters = Tensor::f_from_slice(&self.numbers)?.f_to_device(self.device)?;
        Ok(self.characters.get_or_init(|| characters))
    }

    /// The character after each token, or the end token, `[N]`, i64; for words that begin with their
    /// start token.
    pub fn targets(&self) -> Result<Tensor> {
        // The start token of the next word has the index of the end token.
        Ok(self.characters()?.f_roll([-1], [0])?)
    }

    /// The same tokens for training, maybe with dropout.
    pub fn for_training(self, dropout: Option<Dropout>) -> Self {
        Self {
            are_learned: true,
            dropout,
            ..self
        }
    }

    /// Whether they are for training.
    pub fn is_training(&self) -> bool {
        self.are_learned
    }

    /// Applies dropout, if there is any, to numbers of each token, `[N, C]`.
    pub fn drop_out(&self, x: Tensor) -> Result<Tensor> {
        match &self.dropout {
            Some(dropout) => Ok(x.f_mul(&dropout.mask([self.tokens(), x.size()[1]], x.device())?)?),
            None => Ok(x),
        }
    }

    /// The same to numbers in a grid, `[R, L, C]`.
    pub fn drop_out_of(&self, grid: &Grid, x: Tensor) -> Result<Tensor> {
        match &self.dropout {
            Some(dropout) => {
                let mask = dropout.mask([self.tokens(), x.size()[2]], x.device())?; // [N, C]
                let mask = mask.f_index_select(0, &grid.sources)?; // [R L, C]
                Ok(x.f_mul(&mask.f_view(x.size().as_slice())?)?)
            }
            None => Ok(x),
        }
    }

    /// `N`.
    fn tokens(&self) -> i64 {
        self.numbers.len() as i64
    }

    /// The rows of each word's last token, `[B, C]`, of `x`, `[N, C]`.
    pub fn last(&self, x: &Tensor) -> Result<Tensor> {
        let ends = self.lengths.iter().scan(0, |end, &length| {
            *end += length as i64;
            Some(*end - 1)
        });
        let [ends] = self.upload([&ends.collect::<Vec<_>>()])?;
        Ok(x.f_index_select(0, &ends)?)
    }

    /// The block that ends with each token, `[N, block_size]`, i64, padded with start tokens before the
    /// beginning of a word.
    pub fn windows(&self, block_size: usize) -> Result<Tensor> {
        let mut windows = Vec::with_capacity(self.numbers.len() * block_size);
        for word in self.each() {
            for end in 1..=word.len() {
                let seen = &word[end.saturating_sub(block_size)..end];
                windows.resize(windows.len() + block_size - seen.len(), 0);
                windows.extend(seen);
            }
        }
        let [windows] = self.upload([&windows])?;
        Ok(windows.f_view([-1, block_size as i64])?)
    }

    /// Each token and the up to `most - 1` before it in its word, for a vocabulary of `v` characters.
    pub fn nearest(&self, most: usize, v: i64) -> Result<Nearest> {
        let (mut pairs, mut begins, mut positions) = (Vec::new(), Vec::new(), Vec::new());
        for word in self.each() {
            for position in 0..word.len() {
                begins.push(pairs.len() as i64);
                positions.push(position as i64);
                pairs.extend(last_pairs(&word[..=position], most, v));
            }
        }
        let [pairs, begins, positions] = self.upload([&pairs, &begins, &positions])?;
        Ok(Nearest {
            pairs,
            begins,
            positions,
        })
    }

    /// The pairs of [`nearest`](Self::nearest), of tokens with `most` or more tokens after them in their
    /// word, those with the most after them first.
    pub fn early(&self, most: usize, v: i64) -> Result<Early> {
        let mut tokens = Vec::new();
        for (begin, length) in self.begins().zip(&self.lengths) {
            tokens.extend((most..*length).map(|after| (after, begin, begin + length - 1 - after)));
        }
        tokens.sort_by_key(|&(after, ..)| Reverse(after));
        let (mut pairs, mut begins, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for &(_, begin, place) in &tokens {
            begins.push(pairs.len() as i64);
            places.push(place as i64);
            pairs.extend(last_pairs(&self.numbers[begin..=place], most, v));
        }
        let shifts =
            (1..).map(|shift| tokens.partition_point(|&(after, ..)| after >= shift * most));
        let counts = shifts.take_while(|&count| count > 0).map(|count| {
            let end = begins.get(count).copied();
            [count as i64, end.unwrap_or(pairs.len() as i64)]
        });
        let counts = counts.collect();
        let [pairs, begins, places] = self.upload([&pairs, &begins, &places])?;
        Ok(Early {
            pairs,
            begins,
            places,
            counts,
        })
    }

    /// A row for each word, of `T` places, or for each piece of a word that is longer than the block.
    pub fn grid(&self, block_size: usize) -> Result<Grid> {
        let pieces = self.pieces(block_size);
        self.rows_of(&pieces)
    }

    /// Rows that several words share, one after the other: few rows, about as long as the longest word
    /// and with little padding. Of a word that is longer than the block, its pieces take part.
    pub fn shared_rows(&self, block_size: usize) -> Result<Grid> {
        let pieces = self.pieces(block_size);
        let most = block_size.min(self.length as usize);
        let length = Self::SHARED_ROW.max(most);
        let all: usize = pieces.iter().map(|piece| piece.tokens.len()).sum();
        let rows = all.div_ceil(length);
        // Each piece, the longest first, goes to the shortest row so far.
        let mut shortest: BinaryHeap<_> = (0..rows).map(|row| Reverse((0, row))).collect();
        let mut begins = vec![(0, 0); pieces.len()];
        for piece in longest_first(&pieces) {
            if let Some(Reverse((length, row))) = shortest.pop() {
                begins[piece] = (row, length);
                shortest.push(Reverse((length + pieces[piece].tokens.len(), row)));
            }
        }
        // With a row each, long words of about one length need fewer places.
        let longest = shortest.iter().map(|Reverse((length, _))| *length).max();
        let are_alike = rows * longest.unwrap_or(0) >= pieces.len() * most;
        match are_alike && length > Self::SHARED_ROW {
            true => self.rows_of(&pieces),
            false => self.grid_of(&pieces, &begins, rows),
        }
    }

    /// The words as pieces that fit a block. A longer one is its first block and, for each further token,
    /// the block that ends with it, which is read as a word of its own.
    fn pieces(&self, block_size: usize) -> Vec<Piece<'_>> {
        let mut pieces = Vec::with_capacity(self.lengths.len());
        for (word, begin) in self.each().zip(self.begins()) {
            let first = &word[..word.len().min(block_size)];
            pieces.push(Piece {
                tokens: first,
                begin,
                from: 0,
            });
            let further = word.windows(block_size).zip(begin..).skip(1);
            pieces.extend(further.map(|(tokens, begin)| Piece {
                tokens,
                begin,
                from: tokens.len() - 1,
            }));
        }
        pieces
    }

    /// The grid with a row for each piece.
    fn rows_of(&self, pieces: &[Piece]) -> Result<Grid> {
        let begins: Vec<(usize, usize)> = (0..pieces.len()).map(|row| (row, 0)).collect();
        self.grid_of(pieces, &begins, pieces.len())
    }

    /// The grid where each piece begins at a row and a place in it.
    fn grid_of(&self, pieces: &[Piece], begins: &[(usize, usize)], rows: usize) -> Result<Grid> {
        let ends = begins.iter().zip(pieces);
        let length = ends.map(|((_, begin), piece)| begin + piece.tokens.len());
        let length = length.max().unwrap_or(0);
        let mut characters = vec![0; rows * length];
        let mut positions = vec![0; rows * length];
        let mut sources = vec![0; rows * length];
        // Padding attends to itself: attention to nothing would be NaN.
        let mut seen: Vec<i64> = (0..rows).flat_map(|_| 0..length as i64).collect();
        let mut places = Vec::with_capacity(self.numbers.len());
        for (&(row, first), piece) in begins.iter().zip(pieces) {
            let begin = row * length + first;
            let range = begin..begin + piece.tokens.len();
            characters[range.clone()].copy_from_slice(piece.tokens);
            seen[range.clone()].fill(first as i64);
            for (position, place) in range.clone().enumerate() {
                positions[place] = position as i64;
                sources[place] = (piece.begin + position) as i64;
            }
            places.extend(range.skip(piece.from).map(|place| place as i64));
        }
        let uploaded = self.upload([&characters, &positions, &seen, &places, &sources])?;
        let [characters, positions, seen, places, sources] = uploaded;
        let shape = [rows as i64, length as i64];
        let seen = seen.f_view(shape)?;
        let seen = match self.device {
            _ if rows == pieces.len() => Seen::InRow,
            Device::Cpu => Seen::From(seen),
            _ => Seen::Mask(mask(&seen, Kind::Float)?),
        };
        Ok(Grid {
            characters: characters.f_view(shape)?,
            positions: positions.f_view(shape)?,
            seen,
            places,
            sources,
        })
    }

    /// The words position by position, or their pieces where they are longer than the block.
    pub fn columns(&self, block_size: usize) -> Result<Columns> {
        let pieces = self.pieces(block_size);
        let begins = begins(pieces.iter().map(|piece| piece.tokens.len() - piece.from));
        let begins: Vec<usize> = begins.collect();
        let order = longest_first(&pieces);
        let mut open = order.len();
        let (mut characters, mut counts) = (Vec::new(), Vec::new());
        let mut places = vec![0; self.numbers.len()];
        for position in 0..block_size.min(self.length as usize) {
            while open > 0 && pieces[order[open - 1]].tokens.len() <= position {
                open -= 1;
            }
            for &piece in &order[..open] {
                let Piece { tokens, from, .. } = pieces[piece];
                if position >= from {
                    places[begins[piece] + position - from] = characters.len() as i64;
                }
                characters.push(tokens[position]);
            }
            counts.push(open as i64);
        }
        let [characters, places] = self.upload([&characters, &places])?;
        Ok(Columns {
            characters,
            counts,
            places,
        })
    }

    /// The tokens of each word.
    fn each(&self) -> impl Iterator<Item = &[i64]> {
        let words = self.begins().zip(&self.lengths);
        words.map(|(begin, length)| &self.numbers[begin..begin + length])
    }

    /// The index of each word's first token.
    fn begins(&self) -> impl Iterator<Item = usize> {
        begins(self.lengths.iter().copied())
    }

    /// Moves lists of numbers to the device in one transfer, since the device waits for each. The first
    /// transfer also moves the characters.
    fn upload<const LISTS: usize>(&self, lists: [&[i64]; LISTS]) -> Result<[Tensor; LISTS]> {
        let characters: &[i64] = match self.characters.get() {
            Some(_) => &[],
            None => &self.numbers,
        };
        let all = Tensor::f_from_slice(&[characters, &lists.concat()].concat())?;
        let all = all.f_to_device(self.device)?;
        let mut begin = characters.len() as i64;
        let characters = all.f_narrow(0, 0, begin)?;
        self.characters.get_or_init(|| characters);
        let mut parts = lists.map(|_| Tensor::new());
        for (part, list) in parts.iter_mut().zip(lists) {
            *part = all.f_narrow(0, begin, list.len() as i64)?;
            begin += list.len() as i64;
        }
        Ok(parts)
    }
}

/// Tokens that a layout has one after the other.
#[derive(Debug, Clone, Copy)]
struct Piece<'a> {
    tokens: &'a [i64],
    /// The index of its first token among those of all words.
    begin: usize,
    /// The first token that is wanted; those before it are its context.
    from: usize,
}

/// The indices of pieces, the longest first.
fn longest_first(pieces: &[Piece]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    order.sort_by_key(|&piece| Reverse(pieces[piece].tokens.len()));
    order
}

/// Where each of some parts begins that have these lengths and lie one after the other.
fn begins(lengths: impl Iterator<Item = usize>) -> impl Iterator<Item = usize> {
    lengths.scan(0, |end, length| {
        let begin = *end;
        *end += length;
        Some(begin)
    })
}

/// The mask of [`Seen::Mask`], from the first place that each token attends to, `[R, L]`, i64.
pub(crate) fn mask(from: &Tensor, kind: Kind) -> Result<Tensor> {
    let options = (Kind::Int64, from.device());
    let places = Tensor::f_arange(from.size()[1], options)?; // [L]
    let is_seen = places.f_ge_tensor(&from.f_unsqueeze(2)?)?; // [R, L, L]
    let is_seen = is_seen.f_tril(0)?;
    let mask = is_seen.f_zeros_like()?.f_to_kind(kind)?;
    Ok(mask.f_masked_fill(&is_seen.f_logical_not()?, f64::NEG_INFINITY)?)
}

/// The last `most` tokens of the beginning of a word, from the last one on: the distance back times `v`,
/// plus the character.
fn last_pairs(word: &[i64], most: usize, v: i64) -> impl Iterator<Item = i64> {
    let back = word.iter().rev().zip(0..).take(most);
    back.map(move |(character, distance)| distance * v + character)
}

/// Each token and some before it in its word.
#[derive(Debug)]
pub struct Nearest {
    /// A token and those before it, for one token after the other, i64: the distance back times `v`,
    /// plus the character.
    pub pairs: Tensor,
    /// The index of the first pair of each token, `[N]`, i64.
    pub begins: Tensor,
    /// The position of each token in its word, from 0, `[N]`, i64.
    pub positions: Tensor,
}

/// Tokens with some after them in their word, and some before each, as [`Tokens::early`] gives them.
#[derive(Debug)]
pub struct Early {
    /// As in [`Nearest`].
    pub pairs: Tensor,
    /// The index of the first pair of each token, i64.
    pub begins: Tensor,
    /// The index of each token, i64.
    pub places: Tensor,
    /// The number of tokens with `most` after them, with twice `most`, and so on, and the number of pairs
    /// of these tokens.
    pub counts: Vec<[i64; 2]>,
}

/// The tokens that a token attends to: itself and those before it in its piece.
#[derive(Debug)]
pub enum Seen {
    /// Those before it in its row: each piece has a row of its own.
    InRow,
    /// Those from a place in its row on, `[R, L]`, i64, on a processor.
    From(Tensor),
    /// Those with a 0 in a mask, `[R, L, L]`, which has minus infinity for others.
    Mask(Tensor),
}

/// Words, or pieces of them, in `R` rows of `L` places, padded at their ends.
#[derive(Debug)]
pub struct Grid {
    /// The characters, `[R, L]`, i64; 0 for padding.
    pub characters: Tensor,
    /// The position of each token in its piece, from 0, `[R, L]`, i64; 0 for padding.
    pub positions: Tensor,
    /// The tokens that each attends to.
    pub seen: Seen,
    /// The place of each token, `[N]`, i64.
    places: Tensor,
    /// The index of the token at each place among those of all words, `[R L]`, i64; 0 for padding.
    sources: Tensor,
}

impl Grid {
    /// The tokens, `[N, C]`, one after the other, of a grid, `[R, L, C]`.
    pub fn tokens(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_flatten(0, 1)?.f_index_select(0, &self.places)?)
    }
}

/// Words, or pieces of them, position by position: at each position, the tokens of all that have it, `M`
/// tokens in all. The longest come first, so that those of a position are the first ones of the position
/// before.
#[derive(Debug)]
pub struct Columns {
    /// The characters, `[M]`, i64.
    pub characters: Tensor,
    /// The number of pieces that have each position.
    pub counts: Vec<i64>,
    /// The place of each token, `[N]`, i64.
    places: Tensor,
}

impl Columns {
    /// The tokens, `[N, C]`, word after word, of columns, `[M, C]`.
    pub fn tokens(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_index_select(0, &self.places)?)
    }
}

/// Dropout: sets a share of numbers to 0, at random, and scales the others so that the mean stays.
///
/// The mask of a token follows from a seed and the token's place in the batch, on every device and in every
/// share the same: a resumed training is the same as one without interruption, and one of several threads or
/// processes drops what that of one drops.
///
/// Source: Srivastava et al., *Dropout*, 2014.
#[derive(Debug)]
pub struct Dropout {
    share: f64,
    /// The tokens of the batch that are before these.
    before: u64,
    /// The seeds of the masks, one after the other.
    seeds: RefCell<SplitMix>,
}

impl Dropout {
    /// Dropout with a probability from 0 to below 1, by the seed of a batch, of which `before` tokens belong
    /// to other shares before this one; none for a probability of 0.
    pub fn new(share: f64, seed: u64, before: usize) -> Option<Self> {
        (share > 0.0).then(|| Self {
            share,
            before: before as u64,
            seeds: RefCell::new(SplitMix(seed)),
        })
    }

    /// The factors of some tokens with `C` numbers each, `[N, C]`: 0 for numbers that are dropped.
    fn mask(&self, [tokens, columns]: [i64; 2], device: Device) -> Result<Tensor> {
        // A random number of 64 bits serves for four.
        let fours = (columns as u64).div_ceil(4);
        let begin = SplitMix::STEP.wrapping_mul(self.before.wrapping_mul(fours));
        let mut numbers = SplitMix(self.seeds.borrow_mut().next().wrapping_add(begin));
        // In 65,536ths, at least one.
        let limit = ((self.share * 65_536.0) as u64).max(1);
        let kept = 65_536.0 / (65_536 - limit) as f64;
        let all = tokens * 4 * fours as i64;
        let factors = match device {
            Device::Cpu => {
                let mut factors = Vec::with_capacity(all as usize);
                for _ in 0..all / 4 {
                    let number = numbers.next();
                    factors.extend([0, 16, 32, 48].map(|bits| {
                        match number >> bits & 0xFFFF < limit {
                            true => 0.0,
                            false => kept as f32,
                        }
                    }));
                }
                Tensor::f_from_slice(&factors)?
            }
            device => {
                let numbers = lanes(&mut numbers, all, device)?;
                let factors = numbers.f_ge(limit as i64)?.f_to_kind(Kind::Float)?;
                factors.f_mul_scalar(kept)?
            }
        };
        let factors = factors.f_view([tokens, 4 * fours as i64])?;
        Ok(factors.f_narrow(1, 0, columns)?)
    }
}

/// The next numbers from 0 to 65,535, four from each random number, `[count]`, i64: [`SplitMix`]
/// computed on a device, with the same result as on the CPU.
fn lanes(numbers: &mut SplitMix, count: i64, device: Device) -> Result<Tensor> {
    let fours = (count + 3) / 4;
    let (step, seed) = (SplitMix::STEP as i64, numbers.0 as i64);
    numbers.0 = numbers
        .0
        .wrapping_add(SplitMix::STEP.wrapping_mul(fours as u64));
    let places = Tensor::f_arange_start(1, fours + 1, (Kind::Int64, device))?;
    let mut mixed = places.f_mul_scalar(step)?.f_add_scalar(seed)?;
    // A shift of unsigned numbers: tensors have signed ones.
    let shifted = |x: &Tensor, bits: i64| {
        let all = x.f_bitwise_right_shift_tensor_scalar(bits)?;
        all.f_bitwise_and(i64::MAX >> (bits - 1))
    };
    for (bits, factor) in SplitMix::ROUNDS {
        mixed = mixed.f_bitwise_xor_tensor(&shifted(&mixed, bits.into())?)?;
        if factor != 1 {
            mixed = mixed.f_mul_scalar(factor as i64)?;
        }
    }
    let lanes = [0, 16, 32, 48].map(|bits| match bits {
        0 => mixed.f_bitwise_and(0xFFFF),
        bits => shifted(&mixed, bits)?.f_bitwise_and(0xFFFF),
    });
    let lanes: Vec<Tensor> = lanes.into_iter().collect::<std::result::Result<_, _>>()?;
    let lanes = Tensor::f_stack(&lanes, 1)?.f_view([-1])?; // [4 * fours]
    Ok(lanes.f_narrow(0, 0, count)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step of training once waited for a GPU twice.
    #[test]
    fn the_characters_are_moved_to_the_device_with_the_first_layout() {
        let tokens = Tokens::of(&[&[0, 5], &[0, 7, 8]], Device::Cpu);
        let columns = tokens.columns(16).unwrap();
        let characters = tokens.characters().unwrap();
        let bytes = characters.numel() * size_of::<i64>();
        let after = characters.data_ptr() as usize + bytes;
        assert_eq!(columns.characters.data_ptr() as usize, after);
        let targets = Vec::<i64>::try_from(tokens.targets().unwrap()).unwrap();
        assert_eq!(targets, [5, 0, 7, 8, 0]);
    }

    /// The share dropped of 100,000 has a standard error of 0.0015.
    /// A probability below 1/65,536 once dropped nothing.
    #[test]
    fn the_smallest_dropout_leaves_out_something() {
        let dropout = Dropout::new(1e-5, 1, 0).unwrap();
        let mask = dropout.mask([1 << 10, 1 << 10], Device::Cpu).unwrap();
        let left_out = mask.eq(0.0).sum(Kind::Int64).int64_value(&[]);
        assert!((1..100).contains(&left_out), "{left_out}");
    }

    #[test]
    fn dropout_leaves_out_its_share_and_keeps_the_mean() {
        let dropped = |seed| {
            let tokens = Tokens::of(&[&[0; 100]], Device::Cpu);
            let tokens = tokens.for_training(Dropout::new(0.35, seed, 0));
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
        assert!(Dropout::new(0.0, 1, 0).is_none());
    }

    /// Each share once had masks of its own.
    #[test]
    fn a_token_has_the_same_mask_in_every_share_and_layout() {
        let training = |words: &[&[i64]], before| {
            Tokens::of(words, Device::Cpu).for_training(Dropout::new(0.5, 7, before))
        };
        let (all, some) = (
            training(&[&[0, 1], &[0, 2, 3]], 0),
            training(&[&[0, 2, 3]], 2),
        );
        let options = (Kind::Float, Device::Cpu);
        for columns in [5, 32] {
            let rows = all.drop_out(Tensor::ones([5, columns], options)).unwrap();
            let share = some.drop_out(Tensor::ones([3, columns], options)).unwrap();
            assert_eq!(rows.narrow(0, 2, 3), share);
            assert_ne!(rows.get(2), rows.get(3));
        }
        let again = || training(&[&[0, 1], &[0, 2, 3]], 0);
        let rows = again().drop_out(Tensor::ones([5, 8], options)).unwrap();
        for block_size in [2, 16] {
            let tokens = again();
            let grid = tokens.shared_rows(block_size).unwrap();
            let [r, l] = [0, 1].map(|dimension| grid.characters.size()[dimension]);
            let dropped = tokens.drop_out_of(&grid, Tensor::ones([r, l, 8], options));
            assert_eq!(grid.tokens(&dropped.unwrap()).unwrap(), rows);
        }
    }

    fn numbers(tensor: &Tensor) -> Vec<i64> {
        Vec::try_from(tensor.contiguous().view([-1])).unwrap()
    }

    fn from(grid: &Grid) -> &Tensor {
        match &grid.seen {
            Seen::From(from) => from,
            other => panic!("{other:?}"),
        }
    }

    fn three() -> Tokens {
        Tokens::of(&[&[0, 5], &[0], &[0, 7, 8]], Device::Cpu)
    }

    #[test]
    fn words_stand_in_a_row_and_in_a_grid() {
        let tokens = three();
        assert_eq!((tokens.words, tokens.length), (3, 3));
        assert_eq!(numbers(tokens.characters().unwrap()), [0, 5, 0, 0, 7, 8]);
        let grid = tokens.grid(16).unwrap();
        assert_eq!(numbers(&grid.characters), [0, 5, 0, 0, 0, 0, 0, 7, 8]);
        assert_eq!(numbers(&grid.positions), [0, 1, 0, 0, 0, 0, 0, 1, 2]);
        assert!(matches!(grid.seen, Seen::InRow));
        let x = grid.characters.unsqueeze(2);
        assert_eq!(numbers(&grid.tokens(&x).unwrap()), [0, 5, 0, 0, 7, 8]);
        let x = Tensor::arange(6, (Kind::Int64, Device::Cpu)).view([6, 1]);
        assert_eq!(numbers(&tokens.last(&x).unwrap()), [1, 2, 5]);
    }

    #[test]
    fn columns_begin_with_the_longest_words() {
        let tokens = three();
        let columns = tokens.columns(16).unwrap();
        assert_eq!(columns.counts, [3, 2, 1]);
        assert_eq!(numbers(&columns.characters), [0, 0, 0, 7, 5, 8]);
        let x = columns.characters.unsqueeze(1);
        assert_eq!(numbers(&columns.tokens(&x).unwrap()), [0, 5, 0, 0, 7, 8]);
    }

    #[test]
    fn in_a_shared_row_a_token_sees_those_before_it_in_its_word() {
        let tokens = three();
        let grid = tokens.shared_rows(200).unwrap();
        assert_eq!(numbers(&grid.characters), [0, 7, 8, 0, 5, 0]);
        assert_eq!(numbers(&grid.positions), [0, 1, 2, 0, 1, 0]);
        let mask = mask(from(&grid), Kind::Float).unwrap();
        assert_eq!(mask.size(), [1, 6, 6]);
        #[rustfmt::skip]
        let sees = [
            1, 0, 0, 0, 0, 0,
            1, 1, 0, 0, 0, 0,
            1, 1, 1, 0, 0, 0,
            0, 0, 0, 1, 0, 0,
            0, 0, 0, 1, 1, 0,
            0, 0, 0, 0, 0, 1,
        ];
        assert_eq!(numbers(&mask.exp().to_kind(Kind::Int64)), sees);
        let x = grid.characters.unsqueeze(2);
        assert_eq!(numbers(&grid.tokens(&x).unwrap()), [0, 5, 0, 0, 7, 8]);
    }

    /// The word of tokens 0, 7, 8, 9 and 6 is 0 7 8, 7 8 9, and 8 9 6, of which the last ones are its own.
    #[test]
    fn a_long_word_is_laid_out_in_blocks() {
        let tokens = Tokens::of(&[&[0, 5], &[0, 7, 8, 9, 6], &[0]], Device::Cpu);
        let grid = tokens.grid(3).unwrap();
        #[rustfmt::skip]
        let expected = [
            0, 5, 0,
            0, 7, 8,
            7, 8, 9,
            8, 9, 6,
            0, 0, 0,
        ];
        assert_eq!(numbers(&grid.characters), expected);
        assert_eq!(numbers(&grid.positions)[3..12], [0, 1, 2].repeat(3));
        let columns = tokens.columns(3).unwrap();
        assert_eq!(columns.counts, [5, 4, 3]);
        assert_eq!(
            numbers(&columns.characters),
            [0, 7, 8, 0, 0, 7, 8, 9, 5, 8, 9, 6]
        );
        let rows = tokens.shared_rows(3).unwrap();
        assert_eq!(rows.characters.size(), [1, 12]);
        let of = |characters: &Tensor| characters.unsqueeze(-1);
        let every = numbers(tokens.characters().unwrap());
        assert_eq!(numbers(&grid.tokens(&of(&grid.characters)).unwrap()), every);
        assert_eq!(
            numbers(&columns.tokens(&of(&columns.characters)).unwrap()),
            every
        );
        assert_eq!(numbers(&rows.tokens(&of(&rows.characters)).unwrap()), every);
    }

    #[test]
    fn shared_rows_are_of_about_the_same_length() {
        let words: Vec<Vec<i64>> = (0..100).map(|word| vec![1; 2 + word % 11]).collect();
        let words: Vec<&[i64]> = words.iter().map(Vec::as_slice).collect();
        let tokens = Tokens::of(&words, Device::Cpu);
        let grid = tokens.shared_rows(200).unwrap();
        let [rows, length] = grid.characters.size()[..] else {
            panic!("not two dimensions");
        };
        assert_eq!(rows, (tokens.numbers.len() as i64 + 31) / 32);
        assert!((32..=34).contains(&length), "{length}");
        let x = grid.characters.unsqueeze(2);
        assert_eq!(
            grid.tokens(&x).unwrap().view([-1]),
            *tokens.characters().unwrap()
        );
        // Padding attends to itself.
        let diagonal = mask(from(&grid), Kind::Float).unwrap().diagonal(0, 1, 2);
        assert_eq!(diagonal.abs().max().double_value(&[]), 0.0);
        // A long word has a row of its own.
        let tokens = Tokens::of(&[&[1; 40], &[2]], Device::Cpu);
        assert_eq!(tokens.shared_rows(200).unwrap().characters.size(), [2, 40]);
    }

    /// Each word of a batch once had a row of the length of the longest one.
    #[test]
    fn one_long_word_does_not_pad_all_others() {
        for longest in [32, 33, 200] {
            let mut words = vec![vec![1; 7]; 95];
            words.extend(vec![vec![2; longest]; 5]);
            let words: Vec<&[i64]> = words.iter().map(Vec::as_slice).collect();
            let tokens = Tokens::of(&words, Device::Cpu);
            let places = tokens.shared_rows(200).unwrap().characters.numel();
            let most = tokens.numbers.len() * 5 / 4;
            assert!(places <= most, "{longest}: {places} for {most}");
        }
    }

    #[test]
    fn words_of_about_the_same_length_have_a_row_each() {
        let words: Vec<Vec<i64>> = (0..100).map(|word| vec![1; 60 + word % 3]).collect();
        let words: Vec<&[i64]> = words.iter().map(Vec::as_slice).collect();
        let tokens = Tokens::of(&words, Device::Cpu);
        assert_eq!(
            tokens.shared_rows(200).unwrap().characters.size(),
            [100, 62]
        );
    }

    #[test]
    fn a_device_leaves_out_what_the_cpu_leaves_out() {
        for count in [1, 7, 4096] {
            let mut of_device = SplitMix(u64::MAX / 3);
            let mut of_cpu = SplitMix(u64::MAX / 3);
            let on_device = lanes(&mut of_device, count, Device::Cpu).unwrap();
            let expected = (0..(count + 3) / 4).flat_map(|_| {
                let number = of_cpu.next();
                [0, 16, 32, 48].map(|bits| (number >> bits & 0xFFFF) as i64)
            });
            let expected: Vec<i64> = expected.collect();
            assert_eq!(numbers(&on_device), expected[..count as usize]);
            assert_eq!(of_device.0, of_cpu.0);
        }
    }

    #[test]
    fn windows_begin_with_start_tokens() {
        let tokens = Tokens::of(&[&[0, 5, 6], &[0]], Device::Cpu);
        let windows = tokens.windows(2).unwrap();
        assert_eq!(windows.size(), [4, 2]);
        assert_eq!(numbers(&windows), [0, 0, 0, 5, 5, 6, 0, 0]);
        let nearest = tokens.nearest(2, 100).unwrap();
        assert_eq!(numbers(&nearest.pairs), [0, 5, 100, 6, 105, 0]);
        assert_eq!(numbers(&nearest.begins), [0, 1, 3, 5]);
        assert_eq!(numbers(&nearest.positions), [0, 1, 2, 0]);
    }
}
