//! Activations: what makes more of linear layers than one.
//!
//! On a processor `activation.cpp` computes them, since libtorch's take a fifth of a step. The numbers are the
//! same, but for the last two digits, and for GELU below -3, of which libtorch has fewer and fewer right digits.

use std::ffi::c_char;

use tch::Tensor;

use crate::error::Result;
use crate::libtorch::interface::{Raw, made, raw};
use crate::libtorch::numbers;

unsafe extern "C" {
    fn activation_tanh(x: Raw, y: *mut Raw) -> *mut c_char;
    fn activation_gelu(x: Raw, y: *mut Raw) -> *mut c_char;
}

/// `torch.tanh`.
///
/// # Errors
///
/// Only those of libtorch.
pub fn tanh(x: &Tensor) -> Result<Tensor> {
    match numbers::are_plain(x) {
        // SAFETY: it takes a tensor and writes a new one, or returns a message.
        true => unsafe { made(|y| activation_tanh(raw(x), y)) },
        false => Ok(x.f_tanh()?),
    }
}

/// makemore.py's `NewGELU`, which is `torch.nn.GELU(approximate="tanh")`.
///
/// # Errors
///
/// Only those of libtorch.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    match numbers::are_plain(x) {
        // SAFETY: as above.
        true => unsafe { made(|y| activation_gelu(raw(x), y)) },
        false => Ok(x.f_gelu("tanh")?),
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    type Activation = fn(&Tensor) -> Result<Tensor>;
    type Exact = fn(&Tensor) -> Tensor;

    /// The values and the gradients of an activation, multiplied by others as in a network.
    fn values(activation: impl Fn(&Tensor) -> Tensor, x: &Tensor) -> [Tensor; 2] {
        let x = x.copy().set_requires_grad(true);
        let y = activation(&x);
        let loss = (&y * x.detach().cos()).sum(Kind::Double);
        let gradient = Tensor::run_backward(&[loss], &[&x], false, false).remove(0);
        [y.detach(), gradient]
    }

    /// Libtorch's, in double precision.
    fn exact(activation: Exact, x: &Tensor) -> [Tensor; 2] {
        values(activation, &x.to_kind(Kind::Double))
    }

    /// Numbers of all sizes and both signs, of a count that no number of lanes divides.
    fn numbers() -> Tensor {
        let powers = Tensor::linspace(-12.0, 30.0, 150_001, (Kind::Float, Device::Cpu));
        let sizes = Tensor::from(10.0_f32).pow(&powers);
        Tensor::cat(
            &[
                &sizes,
                &-&sizes,
                &Tensor::zeros([1], (Kind::Float, Device::Cpu)),
            ],
            0,
        )
    }

    const BOTH: [(Activation, Exact); 2] = [(tanh, Tensor::tanh), (gelu, |x| x.gelu("tanh"))];

    fn assert_close(ours: &Tensor, theirs: &Tensor, x: &Tensor) {
        let off = (ours - theirs).abs();
        // The digits of 1 are lost where a gradient is 1 less a number that is almost 1.
        let least = x.abs().clamp_max(1.0).to_kind(Kind::Double);
        let allowed = theirs.abs().maximum(&least) * 1e-6 + 1e-37;
        let worst = (off / allowed).max().double_value(&[]);
        assert!(worst < 1.0, "{worst}");
    }

    #[test]
    fn values_and_gradients_are_those_of_libtorch() {
        let x = numbers();
        for (ours, theirs) in BOTH {
            let ours = values(|x| ours(x).unwrap(), &x);
            for (ours, theirs) in ours.iter().zip(exact(theirs, &x)) {
                assert_close(ours, &theirs, &x);
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_so_and_infinities_have_the_limits() {
        let x = Tensor::from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
        let of = |activation: Activation| Vec::<f32>::try_from(activation(&x).unwrap()).unwrap();
        let (tanh, gelu) = (of(tanh), of(gelu));
        assert!(tanh[0].is_nan() && gelu[0].is_nan());
        assert_eq!((tanh[1], tanh[2], gelu[1]), (1.0, -1.0, f32::INFINITY));
        assert!(gelu[2].abs() < 1e-30, "{}", gelu[2]);
        for (activation, _) in BOTH {
            let [_, gradient] = values(|x| activation(x).unwrap(), &x.narrow(0, 0, 1));
            assert!(gradient.double_value(&[0]).is_nan());
        }
    }

    /// Columns have no rows one after the other, and doubles are no floats: libtorch takes them.
    #[test]
    fn other_tensors_have_the_same_values() {
        let x = numbers().view([3, 100_001]);
        for (activation, _) in BOTH {
            let rows = activation(&x).unwrap();
            let columns = activation(&x.tr()).unwrap().tr();
            assert_close(&rows, &columns.to_kind(Kind::Double), &x);
            let doubles = activation(&x.to_kind(Kind::Double)).unwrap();
            assert_close(&rows, &doubles, &x);
        }
    }
}
