//! The loops of recurrent networks over the positions of words, on a processor.
//!
//! `recurrence.cpp` has them, each with its gradient: autograd takes half as long again for the many small
//! operations of a step. The numbers are those of the loops in plain tch, but for rounding.
//!
//! `B` words lie position by position, the longest first, and position `t` has the next `counts[t]` of the `M`
//! rows; `H` is the size of a state.

use std::ffi::c_char;

use tch::Tensor;

use crate::error::Result;
use crate::libtorch::interface::{Raw, made, raw};

unsafe extern "C" {
    fn recurrence_gru(
        tensors: *const Raw,
        counts: *const i64,
        positions: usize,
        states: *mut Raw,
    ) -> *mut c_char;
    fn recurrence_lstm(
        tensors: *const Raw,
        counts: *const i64,
        positions: usize,
        states: *mut Raw,
    ) -> *mut c_char;
}

type Loop = unsafe extern "C" fn(*const Raw, *const i64, usize, *mut Raw) -> *mut c_char;

/// The terms of characters, `[M]`, in some matrix products, `[M, ..]` each; `products` has those of embeddings,
/// `[.., C]`. With fewer characters in the vocabulary, whose embeddings are `wte`, `[V, C]`, each is computed
/// once and looked up.
///
/// # Errors
///
/// Only those of libtorch.
pub fn terms(
    wte: &Tensor,
    characters: &Tensor,
    products: impl Fn(&Tensor) -> Result<Vec<Tensor>>,
) -> Result<Vec<Tensor>> {
    if wte.size()[0] >= characters.size()[0] {
        return products(&embedding(wte, characters)?);
    }
    let tables = products(wte)?;
    tables
        .iter()
        .map(|table| embedding(table, characters))
        .collect()
}

/// The rows of a table, `[V, ..]`, of characters, `[M]`.
///
/// # Errors
///
/// Only those of libtorch.
pub fn embedding(table: &Tensor, characters: &Tensor) -> Result<Tensor> {
    Ok(Tensor::f_embedding(table, characters, -1, false, false)?)
}

/// The states of a recurrent network with gates after each row, `[M, H]`, from the terms of the characters
/// for `z` and `r`, `[M, 2 H]`, and for `hbar`, `[M, H]`, the matrices that multiply the state, `[H, 2 H]` and
/// `[H, H]`, and the state before the first position, `[1, H]`:
///
/// ```text
/// z, r = sigmoid(x_zr + state @ w_zr)
/// hbar = tanh(x_hbar + (r * state) @ w_hbar)
/// state = (1 - z) * state + z * hbar
/// ```
///
/// # Errors
///
/// Only those of libtorch.
pub fn gru(x: [Tensor; 2], w: [&Tensor; 2], start: &Tensor, counts: &[i64]) -> Result<Tensor> {
    let [x_zr, x_hbar] = x;
    run(recurrence_gru, [&x_zr, &x_hbar, w[0], w[1], start], counts)
}

/// The states of a long short-term memory after each row, `[M, H]`, from the terms of the characters for the
/// gates `i`, `f`, `g` and `o`, `[M, 4 H]`, and the matrix that multiplies the state, `[H, 4 H]`. State and
/// cell are 0 before the first position:
///
/// ```text
/// i, f, o = sigmoid(..), g = tanh(..), of x + state @ w
/// cell = f * cell + i * g
/// state = o * tanh(cell)
/// ```
///
/// # Errors
///
/// Only those of libtorch.
pub fn lstm(x: Tensor, w: &Tensor, counts: &[i64]) -> Result<Tensor> {
    run(recurrence_lstm, [&x, w], counts)
}

/// Runs a loop. It overwrites the terms, which the functions above take for that reason.
fn run<const TENSORS: usize>(
    of: Loop,
    tensors: [&Tensor; TENSORS],
    counts: &[i64],
) -> Result<Tensor> {
    let tensors = tensors.map(raw);
    // SAFETY: the loop takes as many tensors and writes a new one, or returns a message.
    unsafe { made(|states| of(tensors.as_ptr(), counts.as_ptr(), counts.len(), states)) }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::libtorch::random::Generator;

    /// Five words of up to four tokens.
    const COUNTS: [i64; 4] = [5, 5, 2, 1];
    const H: i64 = 19;

    /// The gradients of a loss of the states with respect to the inputs, and the states.
    fn gradients(states: &Tensor, inputs: &[Tensor]) -> Vec<Tensor> {
        let weights = Tensor::arange(states.numel() as i64, (Kind::Float, Device::Cpu));
        let loss = (states * weights.cos().view_as(states)).sum(Kind::Float);
        let mut all = Tensor::run_backward(&[loss], inputs, false, false);
        all.push(states.detach());
        all
    }

    fn inputs<const N: usize>(shapes: [[i64; 2]; N]) -> [Tensor; N] {
        let mut generator = Generator::seeded(3).unwrap();
        shapes.map(|shape| generator.randn(&shape).unwrap().set_requires_grad(true))
    }

    fn compare(ours: &[Tensor], plain: &[Tensor]) {
        for (place, (ours, plain)) in ours.iter().zip(plain).enumerate() {
            let off = (ours - plain).abs().max().double_value(&[]);
            assert!(off < 1e-5, "{place}: {off}");
            assert!(plain.abs().max().double_value(&[]) > 0.1);
        }
    }

    /// The rows of each position.
    fn positions(x: &Tensor) -> Vec<Tensor> {
        x.split_with_sizes(COUNTS, 0)
    }

    #[test]
    fn gates_pass_the_gradients_on_that_autograd_finds() {
        let m = COUNTS.iter().sum();
        let inputs = inputs([[m, 2 * H], [m, H], [H, 2 * H], [H, H], [1, H]]);
        let [x_zr, x_hbar, w_zr, w_hbar, start] = &inputs;
        let copies = [x_zr * 1.0, x_hbar * 1.0];
        let ours = gru(copies, [w_zr, w_hbar], start, &COUNTS).unwrap();
        let mut state = start.expand([COUNTS[0], H], false);
        let mut states = Vec::new();
        for (x_zr, x_hbar) in positions(x_zr).iter().zip(positions(x_hbar)) {
            state = state.narrow(0, 0, x_hbar.size()[0]);
            let zr = (x_zr + state.matmul(w_zr)).sigmoid().chunk(2, 1);
            let hbar = (x_hbar + (&zr[1] * &state).matmul(w_hbar)).tanh();
            state = (1.0 - &zr[0]) * state + &zr[0] * hbar;
            states.push(state.shallow_clone());
        }
        compare(
            &gradients(&ours, &inputs),
            &gradients(&Tensor::cat(&states, 0), &inputs),
        );
    }

    #[test]
    fn memories_pass_the_gradients_on_that_autograd_finds() {
        let m: i64 = COUNTS.iter().sum();
        let inputs = inputs([[m, 4 * H], [H, 4 * H]]);
        let [x, w] = &inputs;
        let ours = lstm(x * 1.0, w, &COUNTS).unwrap();
        let zeros = Tensor::zeros([COUNTS[0], H], (Kind::Float, Device::Cpu));
        let (mut state, mut cell) = (zeros.shallow_clone(), zeros);
        let mut states = Vec::new();
        for x in positions(x) {
            let rows = x.size()[0];
            let gates = (x + state.narrow(0, 0, rows).matmul(w)).chunk(4, 1);
            cell =
                gates[1].sigmoid() * cell.narrow(0, 0, rows) + gates[0].sigmoid() * gates[2].tanh();
            state = gates[3].sigmoid() * cell.tanh();
            states.push(state.shallow_clone());
        }
        compare(
            &gradients(&ours, &inputs),
            &gradients(&Tensor::cat(&states, 0), &inputs),
        );
    }

    /// One position leaves no rows for the gradient of the matrix.
    #[test]
    fn words_of_one_token_have_no_state_before_them() {
        let [x, w] = inputs([[2, 4 * H], [H, 4 * H]]);
        let states = lstm(&x * 1.0, &w, &[2]).unwrap();
        let gradient = Tensor::run_backward(&[states.sum(Kind::Float)], &[&w], false, false);
        assert_eq!(gradient[0], w.zeros_like());
    }

    /// The gradient takes the memory of what it was computed from.
    #[test]
    fn a_second_backward_pass_is_a_fault() {
        let [x, w] = inputs([[2, 4 * H], [H, 4 * H]]);
        let sum = lstm(&x * 1.0, &w, &[1, 1]).unwrap().sum(Kind::Float);
        let pass = || Tensor::f_run_backward(&[&sum], &[&w], true, false);
        assert!(pass().is_ok());
        assert!(pass().is_err());
    }

    #[test]
    fn terms_column_after_column_or_of_another_kind_are_a_fault() {
        let [x, w] = inputs([[4 * H, 2], [H, 4 * H]]);
        assert!(lstm(x.tr(), &w, &[1, 1]).is_err());
        let [x, w] = inputs([[2, 4 * H], [H, 4 * H]]);
        assert!(lstm(x.to_kind(Kind::Half), &w.to_kind(Kind::Half), &[1, 1]).is_err());
    }

    #[test]
    fn a_fault_of_libtorch_is_an_error() {
        let [x, w] = inputs([[2, 4 * H], [H + 1, 4 * H]]);
        assert!(lstm(&x * 1.0, &w, &[1, 1]).is_err());
        let [x_zr, x_hbar, w_zr] = inputs([[2, 2 * H], [2, H], [H, 2 * H]]);
        let [w_hbar, start] = inputs([[H + 1, H + 1], [1, H + 1]]);
        let x = [&x_zr * 1.0, &x_hbar * 1.0];
        assert!(gru(x, [&w_zr, &w_hbar], &start, &[1, 1]).is_err());
        // Words of one token are multiplied by no matrix, and rows that no position has would be anything.
        let [narrow, x, w] = inputs([[2, 3 * H], [3, 4 * H], [H, 4 * H]]);
        assert!(lstm(&narrow * 1.0, &w, &[2]).is_err());
        assert!(lstm(&x * 1.0, &w, &[1, 1]).is_err());
        assert!(lstm(&x * 1.0, &w, &[2, 1]).is_ok());
    }
}
