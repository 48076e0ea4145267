//! The arithmetic of batch normalisation in one pass forward and one backward.
//!
//! libtorch computes a standard deviation number by number, and its backward pass takes a dozen
//! operations, which for the small batches of the lectures is half of a step. Here both passes are a
//! few loops. They add and round in the order in which libtorch does, so that no figure differs in any
//! bit; where they would, libtorch's own operations are used.

use std::sync::OnceLock;

use multiversion::multiversion;
use tch::{Device, Kind, Tensor};

use super::formula::{Formula, Normalized, by_operations};
use super::tape::{Backward, Gradients, Tape};
use crate::error::Result;
use crate::libtorch::numbers;

/// Normalises `x`, `[.., C]`, over all dimensions but the last, on a tape; `gain` and `bias` are `[C]`.
pub fn normalized(
    tape: &mut Tape,
    x: &Tensor,
    gain: &Tensor,
    bias: &Tensor,
    formula: Formula,
) -> Result<Normalized> {
    if OnTape::fits(x)
        && is_exact()
        && let Some(normalized) = in_one_pass(tape, x, gain, bias, formula)?
    {
        return Ok(normalized);
    }
    by_operations(x, gain, bias, formula)
}

/// Whether this machine's libtorch computes the same to the last bit; it is built otherwise for some
/// processors, where its own operations are used.
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

/// Whether a batch and its gradients are the same in both ways.
fn is_same(formula: Formula) -> Result<bool> {
    let options = (Kind::Float, Device::Cpu);
    // Numbers without a pattern, and columns of both kinds.
    let leaf = |count: i64, factor: f64| -> Result<Tensor> {
        let numbers = Tensor::f_arange(count, options)?.f_mul_scalar(factor)?;
        Ok(numbers.f_sin()?.f_set_requires_grad(true)?)
    };
    let (x, gain, bias) = (leaf(64 * 100, 0.7)?, leaf(100, 1.3)?, leaf(100, 2.9)?);
    let batch = x.f_view([64, 100])?;
    let direction = batch.f_detach()?.f_flip([0])?;
    let mut tape = Tape::default();
    let Some(ours) = in_one_pass(&mut tape, &batch, &gain, &bias, formula)? else {
        return Ok(false);
    };
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

/// libtorch adds so many rows before it adds their sum to those of others.
const GROUP: usize = 16;

/// libtorch adds so many columns side by side.
const TOGETHER: usize = 32;

/// It does so with one level of groups for at most so many rows.
const MOST_ROWS: usize = 256;

/// A batch of `R` rows that was normalised on a tape.
#[derive(Debug)]
struct OnTape {
    formula: Formula,
    /// `[.., C]`.
    x: Tensor,
    /// `[C]` each.
    gain: Tensor,
    bias: Tensor,
    mean: Tensor,
    /// The divisor of each column.
    divisor: Tensor,
}

impl OnTape {
    /// Whether a batch is computed here.
    fn fits(x: &Tensor) -> bool {
        let columns = x.size().last().copied().unwrap_or(0).max(1) as usize;
        let rows = x.numel() / columns;
        rows.is_multiple_of(GROUP)
            && (GROUP..=MOST_ROWS).contains(&rows)
            // It adds fewer columns in yet another order.
            && columns >= TOGETHER
    }
}

/// A batch that is normalised on a tape; none where a tensor is not one of those that are computed
/// here.
fn in_one_pass(
    tape: &mut Tape,
    x: &Tensor,
    gain: &Tensor,
    bias: &Tensor,
    formula: Formula,
) -> Result<Option<Normalized>> {
    let (Some(of_x), Some(of_gain), Some(of_bias)) =
        (numbers::of(x), numbers::of(gain), numbers::of(bias))
    else {
        return Ok(None);
    };
    let columns = of_gain.len();
    if x.size().last() != Some(&(columns as i64)) || of_bias.len() != columns {
        return Ok(None);
    }
    let of_mean = mean(of_x, columns);
    let variance = variance(of_x, columns);
    let spread: Vec<f32> = match formula {
        Formula::Deviation => variance.iter().map(|&var| var.sqrt() as f32).collect(),
        Formula::Variance { .. } => variance.iter().map(|&var| var as f32).collect(),
    };
    let spread = Tensor::f_from_slice(&spread)?;
    let divisor = match formula {
        Formula::Deviation => spread.shallow_clone(),
        // libtorch's roots differ from the processor's in the last bit.
        Formula::Variance { eps } => spread.f_add_scalar(eps)?.f_sqrt()?,
    };
    let mut out = Tensor::f_empty(x.size(), (Kind::Float, Device::Cpu))?;
    let (Some(of_divisor), Some(of_out)) = (numbers::of(&divisor), numbers::of_mut(&mut out))
    else {
        return Ok(None);
    };
    normalize(
        formula,
        [of_x, of_gain, of_bias, &of_mean, of_divisor],
        of_out,
    );
    let mean = Tensor::f_from_slice(&of_mean)?;
    let function = OnTape {
        formula,
        x: x.shallow_clone(),
        gain: gain.shallow_clone(),
        bias: bias.shallow_clone(),
        mean: mean.shallow_clone(),
        divisor,
    };
    Ok(Some(Normalized {
        out: tape.join(x, out, function)?,
        mean,
        spread,
    }))
}

impl Backward for OnTape {
    fn backward(&self, gradient: &Tensor) -> Result<Gradients> {
        let gradient = gradient.f_contiguous()?;
        let mut of_x = Tensor::f_empty(self.x.size(), (Kind::Float, Device::Cpu))?;
        let tensors = [&gradient, &self.x, &self.gain, &self.mean, &self.divisor];
        // All are as they were in the forward pass, and there are numbers.
        let numbers = tensors.map(|tensor| numbers::of(tensor).unwrap_or_default());
        let of_numbers = numbers::of_mut(&mut of_x).unwrap_or_default();
        let [of_gain, of_bias] = gradients(self.formula, numbers, of_numbers);
        let like = |numbers: &[f32], parameter: &Tensor| -> Result<(Tensor, Tensor)> {
            let gradient = Tensor::f_from_slice(numbers)?.f_view_as(parameter)?;
            Ok((parameter.shallow_clone(), gradient))
        };
        Ok(Gradients {
            input: of_x,
            parameters: vec![like(&of_gain, &self.gain)?, like(&of_bias, &self.bias)?],
        })
    }
}

/// The forward pass of a formula, row by row.
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

/// The backward pass of a formula, with the roundings of libtorch's operations: the gradients of the
/// input, the gain and the bias.
#[multiversion(targets("x86_64+avx2"))]
fn gradients(formula: Formula, numbers: [&[f32]; 5], of_x: &mut [f32]) -> [Vec<f32>; 2] {
    let [gradient, x, gain, mean, divisor] = numbers;
    let c = gain.len();
    let rows = gradient.len() / c;
    let (mut of_gain, mut of_bias) = (Sums::new(c), Sums::new(c));
    let (mut of_mean, mut of_divisor) = (Sums::new(c), Sums::new(c));
    // At first that of x - mean, which is the first part of that of x.
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
        // A column of equal numbers has no deviation, and no gradient of it.
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

/// Sums of the rows of each column, added in libtorch's order.
///
/// Of most columns 16 rows are added, and then these sums. Of the last ones, fewer than
/// [`TOGETHER`], every fourth row is added so, and then these four sums.
struct Sums {
    /// Of this group of rows, `[C]`; in the last columns of those rows that the next one is added to.
    group: Vec<f32>,
    /// Of the groups before, `[C]`.
    all: Vec<f32>,
    /// Of the last columns, of every fourth row: the sums of this group and of those before.
    fourths: [[[f32; TOGETHER]; 2]; 4],
    /// The first of the last columns.
    last: usize,
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

    /// The sums to which the next row is added.
    fn row(&mut self) -> &mut [f32] {
        self.put_away();
        let [group, _] = &self.fourths[self.row % 4];
        let last = &mut self.group[self.last..];
        last.copy_from_slice(&group[..last.len()]);
        self.row += 1;
        &mut self.group
    }

    /// Ends the row before.
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

/// Adds the sums of a group to those of the groups before.
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

/// The variance of each column, for a sample.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libtorch::random::Generator;

    /// Bits of output, statistics and gradients of a batch, on a tape or by libtorch's own.
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
            let numbers = numbers::of(&tensor.contiguous()).unwrap().to_vec();
            numbers.into_iter().map(f32::to_bits).collect()
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
