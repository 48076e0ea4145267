//! Batch normalisation in one pass forward and one backward.
//!
//! With libtorch's operations, batch normalisation takes half the time of a step on the lectures' small
//! batches: the backward pass alone is a dozen operations. Here both passes are a few loops. They add
//! and round in libtorch's order, so that every bit is the same. Batches of other shapes, and machines
//! on which libtorch rounds otherwise, get libtorch's operations.

use std::borrow::Cow;
use std::sync::OnceLock;

use multiversion::multiversion;
use tch::{Device, Kind, Tensor};

use super::formula::{Formula, Normalized, by_operations};
use super::tape::{Backward, Gradients, Tape};
use crate::error::Result;
use crate::libtorch::numbers::{copied, of, of_mut};

/// Normalises the columns of `x`, `[.., C]`, on a tape; `gain` and `bias` are `[C]`.
pub fn normalized(
    tape: &mut Tape,
    x: &Tensor,
    gain: &Tensor,
    bias: &Tensor,
    formula: Formula,
) -> Result<Normalized> {
    match fits(x, gain, bias) && is_exact() {
        true => in_one_pass(tape, x, gain, bias, formula),
        false => by_operations(x, gain, bias, formula),
    }
}

/// Whether libtorch computes the same bits on this machine, which is tried once: on some processors it
/// adds in another order.
fn is_exact() -> bool {
    static IS_EXACT: OnceLock<bool> = OnceLock::new();
    let compare = || {
        let formulas = [Formula::Deviation, Formula::Variance { eps: 1e-5 }];
        formulas
            .into_iter()
            .all(|formula| is_same(formula).unwrap_or(false))
    };
    *IS_EXACT.get_or_init(|| tch::with_grad(compare))
}

/// Whether [`in_one_pass`] and [`by_operations`] give the same bits for a batch and its gradients.
fn is_same(formula: Formula) -> Result<bool> {
    let options = (Kind::Float, Device::Cpu);
    // Irregular numbers; 100 columns are three times 32, which libtorch adds side by side, and a rest.
    let leaf = |count: i64, factor: f64| -> Result<Tensor> {
        let numbers = Tensor::f_arange(count, options)?.f_mul_scalar(factor)?;
        Ok(numbers.f_sin()?.f_set_requires_grad(true)?)
    };
    let (x, gain, bias) = (leaf(64 * 100, 0.7)?, leaf(100, 1.3)?, leaf(100, 2.9)?);
    let batch = x.f_view([64, 100])?;
    let direction = batch.f_detach()?.f_flip([0])?;
    let mut tape = Tape::default();
    let ours = in_one_pass(&mut tape, &batch, &gain, &bias, formula)?;
    let theirs = by_operations(&batch, &gain, &bias, formula)?;
    let leaves = [x, gain, bias];
    let gradients = |tape: Tape, out: &Tensor| -> Result<Vec<Tensor>> {
        tape.gradients(&out.f_mul(&direction)?.f_sum(Kind::Float)?, &leaves)
    };
    let of_ours = gradients(tape, &ours.out)?;
    let of_theirs = gradients(Tape::default(), &theirs.out)?;
    let ours = [ours.out, ours.mean, ours.spread]
        .into_iter()
        .chain(of_ours);
    let theirs = [theirs.out, theirs.mean, theirs.spread]
        .into_iter()
        .chain(of_theirs);
    for (ours, theirs) in ours.zip(theirs) {
        if !ours.f_equal(&theirs)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// libtorch adds so many rows, then adds their sum to that of the groups before.
const GROUP: usize = 16;

/// libtorch adds so many columns side by side.
const TOGETHER: usize = 32;

/// With more rows libtorch makes groups of groups.
const MOST_ROWS: usize = 256;

/// The numbers of a forward pass that its backward pass needs.
#[derive(Debug)]
struct OnTape {
    formula: Formula,
    /// `[.., C]`.
    x: Tensor,
    /// `[C]` each.
    gain: Vec<f32>,
    mean: Vec<f32>,
    divisor: Vec<f32>,
    /// Gain and bias.
    parameters: [Tensor; 2],
}

/// Whether the loops can normalise such a batch: f32 on the CPU, with as many rows as they add in
/// libtorch's order.
fn fits(x: &Tensor, gain: &Tensor, bias: &Tensor) -> bool {
    let is_plain = |x: &Tensor| x.kind() == Kind::Float && x.device() == Device::Cpu;
    let columns = gain.numel();
    let rows = x.numel() / columns.max(1);
    [x, gain, bias].into_iter().all(is_plain)
        && x.size().last() == Some(&(columns as i64))
        && bias.numel() == columns
        && rows.is_multiple_of(GROUP)
        && (GROUP..=MOST_ROWS).contains(&rows)
        // libtorch adds fewer columns in another order.
        && columns >= TOGETHER
}

/// Normalises a batch that [`fits`], on a tape.
fn in_one_pass(
    tape: &mut Tape,
    x: &Tensor,
    gain: &Tensor,
    bias: &Tensor,
    formula: Formula,
) -> Result<Normalized> {
    let parameters = [gain.shallow_clone(), bias.shallow_clone()];
    let [gain, bias] = [copied(gain)?, copied(bias)?];
    // SAFETY: nothing writes to `x` here.
    let of_x = unsafe { read(x) }?;
    let mean = mean(&of_x, gain.len());
    let variance = variance(&of_x, gain.len()).into_iter();
    let spread: Vec<f32> = match formula {
        Formula::Deviation => variance.map(|var| var.sqrt() as f32).collect(),
        Formula::Variance { .. } => variance.map(|var| var as f32).collect(),
    };
    let of_spread = Tensor::f_from_slice(&spread)?;
    let divisor = match formula {
        Formula::Deviation => spread,
        // By libtorch, whose roots differ from the processor's in the last bit.
        Formula::Variance { eps } => copied(&of_spread.f_add_scalar(eps)?.f_sqrt()?)?,
    };
    let numbers = [&of_x, &gain[..], &bias, &mean, &divisor];
    let out = filled(&x.size(), |out| normalize(formula, numbers, out))?;
    let of_mean = Tensor::f_from_slice(&mean)?;
    let function = OnTape {
        formula,
        x: x.shallow_clone(),
        gain,
        mean,
        divisor,
        parameters,
    };
    Ok(Normalized {
        out: tape.join(x, out, function)?,
        mean: of_mean,
        spread: of_spread,
    })
}

impl Backward for OnTape {
    fn backward(&self, gradient: &Tensor) -> Result<Gradients> {
        // SAFETY: nothing writes to either here.
        let (of_out, of_x) = unsafe { (read(gradient)?, read(&self.x)?) };
        let numbers = [&of_out, &of_x, &self.gain[..], &self.mean, &self.divisor];
        let mut of_parameters = [Vec::new(), Vec::new()];
        let input = filled(&self.x.size(), |of_x| {
            of_parameters = gradients(self.formula, numbers, of_x);
        })?;
        let [of_gain, of_bias] = of_parameters;
        let [gain, bias] = &self.parameters;
        let like = |numbers: &[f32], tensor: &Tensor| -> Result<Tensor> {
            Ok(Tensor::f_from_slice(numbers)?.f_view_as(tensor)?)
        };
        Ok(Gradients {
            input,
            parameters: vec![
                (gain.shallow_clone(), like(&of_gain, gain)?),
                (bias.shallow_clone(), like(&of_bias, bias)?),
            ],
        })
    }
}

/// The forward pass of a formula. `numbers` are the input, the gain, the bias, and the mean and the
/// divisor of each column.
#[multiversion(targets("x86_64+avx2"))]
fn normalize(formula: Formula, numbers: [&[f32]; 5], out: &mut [f32]) {
    let [x, gain, bias, mean, divisor] = numbers;
    let c = gain.len();
    for (out, x) in out.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
        let columns = out.iter_mut().zip(x).zip(mean).zip(divisor);
        let columns = columns.zip(gain).zip(bias);
        match formula {
            Formula::Deviation => {
                for (((((out, x), mean), divisor), gain), bias) in columns {
                    *out = gain * (x - mean) / divisor + bias;
                }
            }
            Formula::Variance { .. } => {
                for (((((out, x), mean), divisor), gain), bias) in columns {
                    *out = gain * ((x - mean) / divisor) + bias;
                }
            }
        }
    }
}

/// The backward pass of a formula, rounded as by libtorch's operations. `numbers` are the gradient of
/// the output, the input, the gain, and the mean and the divisor of each column. Writes the gradient of
/// the input to `of_x`, and returns those of the gain and the bias.
#[multiversion(targets("x86_64+avx2"))]
fn gradients(formula: Formula, numbers: [&[f32]; 5], of_x: &mut [f32]) -> [Vec<f32>; 2] {
    let [gradient, x, gain, mean, divisor] = numbers;
    let c = gain.len();
    let rows = gradient.len() / c;
    let (mut of_gain, mut of_bias) = (Sums::new(c), Sums::new(c));
    let (mut of_mean, mut of_divisor) = (Sums::new(c), Sums::new(c));
    // `of_x` is the gradient of x - mean here, the first term of the gradient of x.
    let each = gradient.chunks_exact(c).zip(x.chunks_exact(c));
    for ((gradient, x), of_x) in each.zip(of_x.chunks_exact_mut(c)) {
        let (mean, divisor) = (&mean[..c], &divisor[..c]);
        let (of_gain, of_bias) = (&mut of_gain.row()[..c], &mut of_bias.row()[..c]);
        let (of_mean, of_divisor) = (&mut of_mean.row()[..c], &mut of_divisor.row()[..c]);
        match formula {
            Formula::Deviation => {
                for i in 0..c {
                    let centred = x[i] - mean[i];
                    let of_scaled = gradient[i] / divisor[i];
                    let quotient = gain[i] * centred / divisor[i] / divisor[i];
                    of_bias[i] += gradient[i];
                    of_divisor[i] += -gradient[i] * quotient;
                    of_gain[i] += of_scaled * centred;
                    of_x[i] = of_scaled * gain[i];
                    of_mean[i] += -of_x[i];
                }
            }
            Formula::Variance { .. } => {
                for i in 0..c {
                    let normal = (x[i] - mean[i]) / divisor[i];
                    let of_normal = gradient[i] * gain[i];
                    of_bias[i] += gradient[i];
                    of_gain[i] += gradient[i] * normal;
                    of_divisor[i] += -of_normal * (normal / divisor[i]);
                    of_x[i] = of_normal / divisor[i];
                    of_mean[i] += -of_x[i];
                }
            }
        }
    }
    let of_mean: Vec<f32> = of_mean.all().iter().map(|sum| sum / rows as f32).collect();
    let factor = (2.0 / (rows as f64 - 1.0)) as f32;
    let of_variance: Vec<f32> = of_divisor
        .all()
        .iter()
        .zip(divisor)
        // libtorch's gradient of a standard deviation of 0 is 0.
        .map(|(of_divisor, divisor)| match *divisor == 0.0 {
            true => 0.0,
            false => factor * (of_divisor / (divisor * 2.0)),
        })
        .collect();
    for (of_x, x) in of_x.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
        let (mean, of_mean, of_variance) = (&mean[..c], &of_mean[..c], &of_variance[..c]);
        for i in 0..c {
            of_x[i] = of_x[i] + of_variance[i] * (x[i] - mean[i]) + of_mean[i];
        }
    }
    [of_gain, of_bias].map(|mut sums| sums.all().to_vec())
}

/// The sum of each column, added in libtorch's order.
///
/// Rows are added in groups of [`GROUP`], then the groups' sums. The last columns, if fewer than
/// [`TOGETHER`] remain, have four such sums, one of every fourth row, which are added at the end.
struct Sums {
    /// The sums of the present group, `[C]`; in the last columns, those to which the next row is added.
    group: Vec<f32>,
    /// The sums of the groups before, `[C]`.
    all: Vec<f32>,
    /// The four sums of the last columns: of the present group and of the groups before.
    fourths: [[[f32; TOGETHER]; 2]; 4],
    /// The first of the last columns.
    last: usize,
    /// The number of rows so far.
    row: usize,
}

impl Sums {
    fn new(columns: usize) -> Self {
        Self {
            group: vec![0.0; columns],
            all: vec![0.0; columns],
            fourths: [[[0.0; TOGETHER]; 2]; 4],
            last: columns - columns % TOGETHER,
            row: 0,
        }
    }

    /// The sums to which the caller adds the next row.
    fn row(&mut self) -> &mut [f32] {
        self.put_away();
        let [group, _] = &self.fourths[self.row % 4];
        let last = &mut self.group[self.last..];
        last.copy_from_slice(&group[..last.len()]);
        self.row += 1;
        &mut self.group
    }

    /// Puts the sums of the row before back, and ends a group that is full.
    fn put_away(&mut self) {
        let Some(before) = self.row.checked_sub(1) else {
            return;
        };
        let (most, last) = self.group.split_at_mut(self.last);
        self.fourths[before % 4][0][..last.len()].copy_from_slice(last);
        if self.row.is_multiple_of(GROUP) {
            end_group(most, &mut self.all);
        }
        if self.row.is_multiple_of(4 * GROUP) {
            for [group, all] in &mut self.fourths {
                end_group(group, all);
            }
        }
    }

    /// The sums of all rows, `[C]`.
    fn all(&mut self) -> &[f32] {
        self.put_away();
        for [group, all] in &mut self.fourths {
            end_group(group, all);
        }
        let [[_, first], [_, second], [_, third], [_, fourth]] = &self.fourths;
        for (column, all) in self.all[self.last..].iter_mut().enumerate() {
            *all = first[column] + second[column] + third[column] + fourth[column];
        }
        self.row = 0;
        &self.all
    }
}

/// Adds the sums of a group to those of the groups before, and sets them to 0.
fn end_group(group: &mut [f32], all: &mut [f32]) {
    for (group, all) in group.iter_mut().zip(all) {
        *all += *group;
        *group = 0.0;
    }
}

/// The mean of each column.
#[multiversion(targets("x86_64+avx2"))]
fn mean(x: &[f32], columns: usize) -> Vec<f32> {
    let mut sums = Sums::new(columns);
    for x in x.chunks_exact(columns) {
        for (sum, x) in sums.row().iter_mut().zip(x) {
            *sum += x;
        }
    }
    let rows = (x.len() / columns) as f32;
    sums.all().iter().map(|sum| sum / rows).collect()
}

/// The variance of each column, with Bessel's correction.
///
/// Source: Welford, *Note on a method for calculating corrected sums of squares and products*, 1962.
#[multiversion(targets("x86_64+avx2"))]
fn variance(x: &[f32], columns: usize) -> Vec<f64> {
    let (mut mean, mut squares) = (vec![0.0_f64; columns], vec![0.0_f64; columns]);
    for (row, x) in x.chunks_exact(columns).enumerate() {
        let rows = (row + 1) as f64;
        for ((x, mean), squares) in x.iter().zip(&mut mean).zip(&mut squares) {
            let x = f64::from(*x);
            let before = x - *mean;
            *mean += before / rows;
            *squares += before * (x - *mean);
        }
    }
    let rows = (x.len() / columns) as f64;
    squares
        .iter()
        .map(|squares| squares / (rows - 1.0))
        .collect()
}

/// A tensor of 32-bit floats on the CPU, with numbers that `fill` writes over zeros.
fn filled(size: &[i64], fill: impl FnOnce(&mut [f32])) -> Result<Tensor> {
    let mut tensor = Tensor::f_zeros(size, (Kind::Float, Device::Cpu))?;
    // SAFETY: the tensor is new, so that nothing shares its numbers.
    if let Some(numbers) = unsafe { of_mut(&mut tensor) } {
        fill(numbers);
    }
    Ok(tensor)
}

/// The numbers of a tensor, in place if possible, else a copy.
///
/// # Safety
///
/// As for [`of`]: nothing may write to these numbers as long as they are read.
unsafe fn read(tensor: &Tensor) -> Result<Cow<'_, [f32]>> {
    // SAFETY: the caller's.
    match unsafe { of(tensor) } {
        Some(numbers) => Ok(Cow::Borrowed(numbers)),
        None => Ok(Cow::Owned(copied(tensor)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libtorch::random::Generator;

    /// The bits of a batch's output, statistics and gradients, on a tape or by libtorch's operations.
    fn bits(shape: &[i64], formula: Formula, is_taped: bool) -> Vec<Vec<u32>> {
        let mut generator = Generator::seeded(3).unwrap();
        let columns = *shape.last().unwrap();
        let leaf = |tensor: Tensor| tensor.set_requires_grad(true);
        let w = leaf(generator.randn(shape).unwrap() * 3.0 + 0.7);
        let gain = leaf(generator.randn(&[columns]).unwrap());
        let bias = leaf(generator.randn(&[columns]).unwrap());
        let direction = generator.randn(shape).unwrap();
        tch::set_num_threads(1);
        let mut tape = Tape::default();
        let x = w.tanh();
        let y = match is_taped {
            true => normalized(&mut tape, &x, &gain, &bias, formula),
            false => by_operations(&x, &gain, &bias, formula),
        };
        let y = y.unwrap();
        let loss = (y.out.tanh() * direction).sum(Kind::Float);
        let gradients = tape.gradients(&loss, &[w, gain, bias]).unwrap();
        let all = [y.out.detach(), y.mean.detach(), y.spread.detach()]
            .into_iter()
            .chain(gradients);
        all.map(|tensor| {
            copied(&tensor)
                .unwrap()
                .into_iter()
                .map(f32::to_bits)
                .collect()
        })
        .collect()
    }

    #[test]
    fn no_bit_differs_from_libtorchs() {
        if cfg!(target_arch = "x86_64") {
            assert!(is_exact());
        }
        for shape in [
            &[32, 200][..],
            &[32, 100],
            &[32, 4, 128],
            &[32, 8, 33],
            &[16, 63],
            &[32, 7],
        ] {
            for formula in [Formula::Deviation, Formula::Variance { eps: 1e-5 }] {
                let (taped, plain) = (bits(shape, formula, true), bits(shape, formula, false));
                for (place, (taped, plain)) in taped.iter().zip(&plain).enumerate() {
                    assert_eq!(taped.len(), plain.len());
                    let differing = taped.iter().zip(plain).filter(|(one, other)| one != other);
                    assert_eq!(differing.count(), 0, "{place} of {shape:?}, {formula:?}");
                }
            }
        }
    }
}
