//! The datasets of lectures 2 to 5: the names, shuffled by Python's `random.shuffle` and split into
//! train, dev and test.

use tch::{Device, Tensor};

use super::figures::Figure;
use super::layers::{Mode, Module};
use crate::data::shuffle::shuffle;
use crate::data::{Vocabulary, Words};
use crate::error::Result;
use crate::libtorch::random::Generator;
use crate::train::loss::cross_entropy;

/// `random.seed(42)`
const SEED: u32 = 42;

/// The number of examples in a batch.
pub const BATCH: i64 = 32;

/// The number of examples that are evaluated at once, to bound memory.
const EVALUATED: i64 = 1 << 14;

/// The train, dev and test split: 80, 10 and 10 % of the names.
#[derive(Debug)]
pub struct Splits {
    pub vocabulary: Vocabulary,
    pub train: Dataset,
    pub dev: Dataset,
    pub test: Dataset,
    /// The first five and the last two names after the shuffle.
    ends: [Vec<String>; 2],
}

/// Contexts and their targets; `T` is the block size.
#[derive(Debug)]
pub struct Dataset {
    /// `[N, T]`, i64.
    pub xs: Tensor,
    /// `[N]`, i64.
    pub ys: Tensor,
}

impl Splits {
    /// The notebook's `build_dataset` for each split, after so many runs of the cell that shuffles: each
    /// seeds anew and shuffles the list as the one before left it.
    pub fn new(words: &Words, block_size: usize, device: Device, shuffles: usize) -> Result<Self> {
        let vocabulary = Vocabulary::of(words)?;
        let mut names: Vec<&str> = words.iter().collect();
        for _ in 0..shuffles {
            shuffle(&mut names, SEED);
        }
        // int(0.8 * len(words)), int(0.9 * len(words))
        let (dev, test) = (names.len() * 8 / 10, names.len() * 9 / 10);
        let part = |names: &[&str]| Dataset::of(names, &vocabulary, block_size, device);
        let some = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Ok(Self {
            train: part(&names[..dev])?,
            dev: part(&names[dev..test])?,
            test: part(&names[test..])?,
            ends: [
                some(&names[..names.len().min(5)]),
                some(&names[names.len().saturating_sub(2)..]),
            ],
            vocabulary,
        })
    }

    /// The shapes of the splits, and the names at both ends of the shuffled list, which no notebook prints.
    pub fn figures(&self) -> Vec<Figure> {
        let [first, last] = self.ends.each_ref().map(|names| names.join(" "));
        let shape = |dataset: &Dataset| format!("{:?}", dataset.xs.size());
        let t = self.train.xs.size()[1];
        let published = |rows: i64| format!("[{rows}, {t}]");
        vec![
            Figure::expected("first names", first, "yuheng diondre xavien jori juanluis"),
            Figure::expected("last names", last, "zaylynn yovani"),
            Figure::same("shape of Xtr", shape(&self.train), published(182_625)),
            Figure::same("shape of Xdev", shape(&self.dev), published(22_655)),
            Figure::same("shape of Xte", shape(&self.test), published(22_866)),
        ]
    }
}

impl Dataset {
    fn of(names: &[&str], vocabulary: &Vocabulary, t: usize, device: Device) -> Result<Self> {
        let (mut xs, mut ys) = (Vec::<i64>::new(), Vec::<i64>::new());
        for name in names {
            // context = [0] * block_size
            let mut context = vec![0; t];
            // for ch in w + '.': ix = stoi[ch]
            for ix in vocabulary.encode(name)?.into_iter().chain([0]) {
                // X.append(context)
                xs.extend(&context);
                // Y.append(ix)
                ys.push(ix as i64);
                // context = context[1:] + [ix]
                context.rotate_left(1);
                context[t - 1] = ix as i64;
            }
        }
        let xs = Tensor::f_from_slice(&xs)?.f_view([-1, t as i64])?;
        Ok(Self {
            xs: xs.f_to_device(device)?,
            ys: Tensor::f_from_slice(&ys)?.f_to_device(device)?,
        })
    }

    /// The mean loss of all examples, by a network in inference mode.
    pub fn loss(&self, network: &impl Module) -> Result<f64> {
        tch::no_grad(|| {
            let mut logits = Vec::new();
            for xs in self.xs.f_split(EVALUATED, 0)? {
                logits.push(network.forward(&xs, &mut Mode::Inference)?);
            }
            let loss = cross_entropy(&Tensor::f_cat(&logits, 0)?, &self.ys)?;
            Ok(loss.f_double_value(&[])?)
        })
    }

    /// `b` random batches, `[B, 32, T]` and `[B, 32]`: those that the notebook draws one by one.
    pub fn batches(&self, generator: &mut Generator, b: i64) -> Result<(Tensor, Tensor)> {
        // ix = torch.randint(0, Xtr.shape[0], (batch_size,), generator=g)
        let ix = generator.randint(self.len(), b * BATCH)?;
        let ix = ix.f_to_device(self.xs.device())?;
        // Xb, Yb = Xtr[ix], Ytr[ix]
        let xb = self.xs.f_index_select(0, &ix)?.f_view([b, BATCH, -1])?;
        let yb = self.ys.f_index_select(0, &ix)?.f_view([b, BATCH])?;
        Ok((xb, yb))
    }

    /// The number of examples.
    pub fn len(&self) -> i64 {
        self.ys.numel() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lecture 2's own split was once taken for another shuffle, within a tolerance of 250 rows.
    #[test]
    fn one_shuffle_splits_as_lectures_3_to_5_and_four_as_lecture_2() {
        let words = Words::lecture('.').unwrap();
        for (shuffles, rows) in [
            (1, [182_625, 22_655, 22_866]),
            (4, [182_441, 22_902, 22_803]),
        ] {
            let splits = Splits::new(&words, 3, Device::Cpu, shuffles).unwrap();
            let ours = [&splits.train, &splits.dev, &splits.test].map(Dataset::len);
            assert_eq!(ours, rows, "{shuffles}");
        }
    }
}
