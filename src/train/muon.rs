//! Muon: an optimizer of matrices, whose updates are as large in every direction.
//!
//! A few directions dominate the gradient of a matrix. Muon takes the running mean of the gradients and
//! sets its singular values to about 1, so that the other directions are learned as fast.
//!
//! Source: Keller Jordan, *Muon: an optimizer for hidden layers in neural networks*, 2024,
//! <https://kellerjordan.github.io/posts/muon/>.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::adamw::{copy_state, flat, share};
use crate::error::Result;

/// Options of Muon beside the learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MuonOptions {
    /// The learning rate of Muon, as a multiple of AdamW's.
    pub learning_rate_factor: f64,
    /// Each step multiplies a matrix by `1 - learning rate * weight_decay`.
    pub weight_decay: f64,
    /// The decay of the running mean of the gradients, from 0 to below 1.
    pub momentum: f64,
}

/// The coefficients of the polynomial in [`orthogonal`]: five steps bring singular values between 0.01
/// and 1 close to 1.
const COEFFICIENTS: (f64, f64, f64) = (3.4445, -4.7750, 2.0315);

/// The number of steps in [`orthogonal`].
const STEPS: usize = 5;

/// Keeps the divisor of a gradient of 0 above 0.
const EPSILON: f64 = 1e-7;

/// The name of the tensor of the optimizer state.
const MOMENTUM: &str = "momentum";

/// Matrices of one shape, side by side in a flat tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// The number of matrices.
    pub matrices: i64,
    /// The rows of each.
    pub rows: i64,
    /// The columns of each.
    pub columns: i64,
}

impl Group {
    fn numbers(self) -> i64 {
        self.matrices * self.rows * self.columns
    }

    /// The group's part of a flat tensor, as `[matrices, rows, columns]`.
    fn of(self, flat: &Tensor, begin: i64) -> Result<Tensor> {
        let own = flat.f_narrow(0, begin, self.numbers())?;
        Ok(own.f_view([self.matrices, self.rows, self.columns])?)
    }
}

/// Muon. All matrices become views of one flat tensor, sorted by shape, so that those of one shape are
/// multiplied together.
#[derive(Debug)]
pub struct Muon {
    options: MuonOptions,
    groups: Vec<Group>,
    /// All matrices, `[M]`, f32.
    pub(super) flat: Tensor,
    /// The running mean of their gradients, `[M]`.
    momentum: Tensor,
}

impl Muon {
    /// An optimizer of a network's matrices, which become views of one tensor. `parameters` are those of
    /// the first group, then those of the second, and so on.
    pub fn new(
        parameters: &mut [Tensor],
        groups: Vec<Group>,
        options: MuonOptions,
    ) -> Result<Self> {
        let flat = tch::no_grad(|| flat(parameters))?;
        share(&flat, parameters)?;
        Ok(Self {
            options,
            groups,
            momentum: flat.f_zeros_like()?,
            flat,
        })
    }

    /// `M`, the number of numbers in all matrices.
    pub fn numbers(&self) -> i64 {
        self.groups.iter().map(|group| group.numbers()).sum()
    }

    /// The optimizer state: a copy of the running mean, `[M]`, with its name.
    pub fn state(&self) -> Result<(String, Tensor)> {
        Ok((MOMENTUM.to_owned(), self.momentum.f_detach_copy()?))
    }

    /// Restores an optimizer state.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](crate::error::Error::Value) if the state is of other matrices.
    pub fn restore(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        copy_state(state, MOMENTUM, &mut self.momentum)
    }

    /// Begins to update the matrices by a gradient, `[M]`; the learning rate is AdamW's. Returns the updates
    /// that are left, one for each of some threads.
    pub fn update(
        &mut self,
        gradient: &Tensor,
        learning_rate: f64,
        threads: usize,
    ) -> Result<Vec<Updates>> {
        let _without_gradients = tch::no_grad_guard();
        let MuonOptions {
            learning_rate_factor,
            weight_decay,
            momentum,
        } = self.options;
        let learning_rate = learning_rate * learning_rate_factor;
        let _ = self.momentum.f_lerp_(gradient, 1.0 - momentum)?;
        // Nesterov's momentum: the mean as if this gradient came once more.
        let ahead = gradient.f_lerp(&self.momentum, momentum)?; // [M]
        let _ = self
            .flat
            .f_mul_scalar_(1.0 - learning_rate * weight_decay)?;
        let mut updates: Vec<Updates> = (0..threads).map(|_| Updates::default()).collect();
        let mut begin = 0;
        for &group in &self.groups {
            let (gradients, matrices) = (group.of(&ahead, begin)?, group.of(&self.flat, begin)?);
            // In a matrix with more rows than columns singular values of 1 mean small numbers.
            let height = (group.rows as f64 / group.columns as f64).max(1.0).sqrt();
            let (each, more) = (
                group.matrices / threads as i64,
                group.matrices % threads as i64,
            );
            let first = |thread: usize| thread as i64 * each + more.min(thread as i64);
            for (thread, updates) in updates.iter_mut().enumerate() {
                let count = first(thread + 1) - first(thread);
                if count > 0 {
                    updates.0.push(Update {
                        gradients: gradients.f_narrow(0, first(thread), count)?,
                        matrices: matrices.f_narrow(0, first(thread), count)?,
                        learning_rate: learning_rate * height,
                    });
                }
            }
            // The next group begins with the threads that have one matrix less.
            updates.rotate_left(more as usize);
            begin += group.numbers();
        }
        Ok(updates)
    }
}

/// The updates of some matrices. Those of different threads share no numbers.
#[derive(Debug, Default)]
pub struct Updates(Vec<Update>);

/// The update of some matrices of one shape.
#[derive(Debug)]
struct Update {
    /// The mean of their gradients, `[matrices, rows, columns]`.
    gradients: Tensor,
    /// `[matrices, rows, columns]`.
    matrices: Tensor,
    learning_rate: f64,
}

impl Updates {
    /// Updates the matrices.
    pub fn finish(self) -> Result<()> {
        let _without_gradients = tch::no_grad_guard();
        for mut update in self.0 {
            let step = orthogonal(&update.gradients)?.f_mul_scalar(update.learning_rate)?;
            let _ = update.matrices.f_sub_(&step)?;
        }
        Ok(())
    }
}

/// Sets the singular values of matrices, `[matrices, rows, columns]`, to between 0.7 and 1.2, and leaves
/// their singular vectors. Values that are far below the others stay below 0.7.
///
/// Source: the Newton–Schulz iteration of Muon.
pub fn orthogonal(matrices: &Tensor) -> Result<Tensor> {
    let (a, b, c) = COEFFICIENTS;
    let is_high = matrices.size()[1] > matrices.size()[2];
    let wide = match is_high {
        true => matrices.f_transpose(1, 2)?.f_contiguous()?,
        false => matrices.shallow_clone(),
    };
    // Divided by the root of the sum of all squares, no singular value is above 1.
    let sums = wide
        .f_square()?
        .f_sum_dim_intlist([1, 2].as_slice(), true, None)?; // [matrices, 1, 1]
    let mut x = wide.f_div(&sums.f_sqrt()?.f_add_scalar(EPSILON)?)?;
    for _ in 0..STEPS {
        let squares = x.f_bmm(&x.f_transpose(1, 2)?)?; // X Xᵀ
        let polynomial = squares.f_baddbmm(&squares, &squares, b, c)?; // b X Xᵀ + c (X Xᵀ)²
        x = x.f_baddbmm(&polynomial, &x, a, 1.0)?;
    }
    match is_high {
        true => Ok(x.f_transpose(1, 2)?),
        false => Ok(x),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    /// Irregular numbers, about as large as gradients.
    fn matrices(count: i64, rows: i64, columns: i64) -> Tensor {
        let numbers = Tensor::arange(count * rows * columns, (Kind::Float, Device::Cpu));
        (numbers.square() * 0.37).sin().view([count, rows, columns]) * 1e-3
    }

    #[test]
    fn singular_values_come_close_to_1() {
        for (rows, columns) in [(16, 16), (8, 32), (32, 8)] {
            let x = matrices(3, rows, columns);
            let y = orthogonal(&x).unwrap();
            assert_eq!(y.size(), x.size());
            for (x, y) in x.unbind(0).iter().zip(y.unbind(0)) {
                let (u, before, v) = x.svd(true, true);
                let (_, values, _) = y.svd(true, true);
                let above = before.gt_tensor(&(before.max() * 0.03));
                let large = values.flip([0]).masked_select(&above.flip([0]));
                assert!(large.max().double_value(&[]) < 1.25, "{values}");
                let smallest = values.get(above.sum(Kind::Int64).int64_value(&[]) - 1);
                assert!(smallest.double_value(&[]) > 0.65, "{values}");
                // The singular vectors are the same: in their bases the result is diagonal.
                let inner = u.tr().matmul(&y).matmul(&v);
                let rest = &inner - inner.diagonal(0, 0, 1).diag_embed(0, 0, 1);
                assert!(rest.abs().max().double_value(&[]) < 1e-3);
            }
        }
    }

    #[test]
    fn a_gradient_of_nothing_moves_nothing() {
        let zeros = Tensor::zeros([1, 4, 4], (Kind::Float, Device::Cpu));
        assert_eq!(orthogonal(&zeros).unwrap(), zeros);
    }

    /// The first step updates each matrix by the learning rate in every direction, one with more rows than
    /// columns by more.
    #[test]
    fn matrices_of_several_shapes_move_against_their_gradients() {
        let options = MuonOptions {
            learning_rate_factor: 10.0,
            weight_decay: 0.5,
            momentum: 0.9,
        };
        let group = |matrices, rows, columns| Group {
            matrices,
            rows,
            columns,
        };
        let groups = || vec![group(3, 4, 4), group(1, 16, 4), group(4, 64, 64)];
        let parameters =
            || [matrices(1, 12, 4), matrices(1, 16, 4), matrices(1, 256, 64)].map(|all| all.get(0));
        let mut one_thread = parameters();
        let mut muon = Muon::new(&mut one_thread, groups(), options).unwrap();
        assert_eq!(muon.numbers(), 48 + 64 + 16_384);
        let gradients = [matrices(3, 4, 4), matrices(1, 16, 4), matrices(4, 64, 64)];
        let gradient = Tensor::cat(&gradients.each_ref().map(|tensor| tensor.view([-1])), 0);
        let one = muon.update(&gradient, 1e-3, 1).unwrap();
        one.into_iter().for_each(|all| all.finish().unwrap());
        let rates = [0.01, 0.01 * 2.0, 0.01];
        for (((now, before), gradient), rate) in one_thread
            .iter()
            .zip(parameters())
            .zip(gradients)
            .zip(rates)
        {
            let update = orthogonal(&gradient).unwrap().reshape(before.size());
            let expected = before * (1.0 - 0.01 * 0.5) - update * rate;
            assert!((now - expected).abs().max().double_value(&[]) < 1e-5);
        }
        // Threads share the matrices of all shapes evenly.
        for threads in [2, 8] {
            let mut of_threads = parameters();
            let mut muon = Muon::new(&mut of_threads, groups(), options).unwrap();
            for part in muon.update(&gradient, 1e-3, threads).unwrap() {
                let counts = part.0.iter().map(|update| update.matrices.size()[0]);
                assert_eq!(counts.sum::<i64>() as usize, 8 / threads);
                part.finish().unwrap();
            }
            assert_eq!(of_threads, one_thread);
        }
    }
}
