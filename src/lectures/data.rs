//! What lectures 2 to 5 learn from: the names in the order of `random.shuffle`, in three parts.

use tch::{Device, Tensor};

use super::figures::Figure;
use crate::data::shuffle::shuffle;
use crate::data::{Vocabulary, Words};
use crate::error::Result;
use crate::libtorch::random::Generator;
use crate::train::loss::cross_entropy;

/// The seed of Python's generator.
const SEED: u32 = 42;

/// The examples that a step learns from.
pub const BATCH: i64 = 32;

/// So many examples are evaluated at once: all together would take gigabytes.
const EVALUATED: i64 = 1 << 14;

/// So many batches are drawn at once.
const AT_ONCE: i64 = 1000;

/// The three parts of the names, 80, 10 and 10 % of them.
#[derive(Debug)]
pub struct Dataset {
    pub vocabulary: Vocabulary,
    pub train: Examples,
    pub dev: Examples,
    pub test: Examples,
    /// The first words and the last ones after the shuffle.
    pub ends: [Vec<String>; 2],
}

/// Contexts and what follows them; `T` is the block size.
#[derive(Debug)]
pub struct Examples {
    /// `[N, T]`, i64.
    pub xs: Tensor,
    /// `[N]`, i64.
    pub ys: Tensor,
}

impl Dataset {
    /// `build_dataset` of the three parts.
    pub fn new(words: &Words, block_size: usize, device: Device) -> Result<Self> {
        let vocabulary = Vocabulary::of(words)?;
        let mut names: Vec<&str> = words.iter().collect();
        shuffle(&mut names, SEED);
        // int(0.8 * len(words)), int(0.9 * len(words))
        let (dev, test) = (names.len() * 8 / 10, names.len() * 9 / 10);
        let part = |names: &[&str]| Examples::of(names, &vocabulary, block_size, device);
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

    /// The words at the ends of the shuffled list, and the shapes of the parts.
    pub fn figures(&self) -> Vec<Figure> {
        let [first, last] = self.ends.each_ref().map(|names| names.join(" "));
        let shape = |examples: &Examples| format!("{:?}", examples.xs.size());
        let t = self.train.xs.size()[1];
        let published = |rows: i64| format!("[{rows}, {t}]");
        vec![
            Figure::same("first names", first, "yuheng diondre xavien jori juanluis"),
            Figure::same("last names", last, "zaylynn yovani"),
            Figure::same("shape of Xtr", shape(&self.train), published(182_625)),
            Figure::same("shape of Xdev", shape(&self.dev), published(22_655)),
            Figure::same("shape of Xte", shape(&self.test), published(22_866)),
        ]
    }
}

impl Examples {
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

    /// The loss of all of them; `logits` are those after contexts, `[N, T]` to `[N, V]`.
    pub fn loss(&self, logits: impl Fn(&Tensor) -> Result<Tensor>) -> Result<f64> {
        tch::no_grad(|| {
            let mut all = Vec::new();
            for xs in self.xs.f_split(EVALUATED, 0)? {
                all.push(logits(&xs)?);
            }
            let loss = cross_entropy(&Tensor::f_cat(&all, 0)?, &self.ys)?;
            Ok(loss.f_double_value(&[])?)
        })
    }

    /// Their number.
    pub fn len(&self) -> i64 {
        self.ys.numel() as i64
    }
}

/// Random examples, 32 at a time.
///
/// Those of many steps are drawn at once, with the numbers that single steps would draw, and no more
/// than there are steps, so that what is drawn afterwards is the same too.
#[derive(Debug)]
pub struct Batches<'a> {
    examples: &'a Examples,
    generator: &'a mut Generator,
    /// The number of batches still to be drawn.
    rest: i64,
    /// Of those that were drawn: `[batches, 32, T]`, `[batches, 32]`, and how many were given away.
    drawn: (Tensor, Tensor, i64),
}

impl<'a> Batches<'a> {
    /// So many batches, by the numbers that a generator gives next.
    pub fn new(examples: &'a Examples, generator: &'a mut Generator, batches: u64) -> Self {
        Self {
            examples,
            generator,
            rest: batches as i64,
            drawn: (Tensor::new(), Tensor::new(), 0),
        }
    }

    /// `[32, T]` and `[32]`, none after the last.
    pub fn next(&mut self) -> Result<Option<(Tensor, Tensor)>> {
        let (xs, ys, given) = &mut self.drawn;
        if !xs.defined() || *given == xs.size()[0] {
            let batches = self.rest.min(AT_ONCE);
            if batches == 0 {
                return Ok(None);
            }
            self.rest -= batches;
            // ix = torch.randint(0, Xtr.shape[0], (batch_size,), generator=g)
            let ix = (self.generator).randint(self.examples.len(), batches * BATCH)?;
            let ix = ix.f_to_device(self.examples.xs.device())?;
            // Xb, Yb = Xtr[ix], Ytr[ix]
            let of = |tensor: &Tensor| tensor.f_index_select(0, &ix);
            *xs = of(&self.examples.xs)?.f_view([batches, BATCH, -1])?;
            *ys = of(&self.examples.ys)?.f_view([batches, BATCH])?;
            *given = 0;
        }
        *given += 1;
        Ok(Some((xs.f_get(*given - 1)?, ys.f_get(*given - 1)?)))
    }
}
