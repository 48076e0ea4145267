//! Rotary positions: attention depends on the distance between two characters.
//!
//! The numbers of a query or a key are taken in pairs, and each pair is rotated as a point in the
//! plane, by an angle that grows with the position of its character. The product of a query and a key
//! then depends on the difference of the angles, which is the distance of the characters, and not on
//! their positions in the word.
//!
//! Source: Su et al., *RoFormer: enhanced transformer with rotary position embedding*, 2021.

use std::ffi::c_char;

use tch::{Device, Kind, Tensor};

use crate::error::Result;
use crate::libtorch::interface::{Raw, made, raw};
use crate::libtorch::numbers;

unsafe extern "C" {
    fn rotary_turn(qkv: Raw, factors: Raw, y: *mut Raw) -> *mut c_char;
}

/// The rotation of the queries and keys of some tokens.
#[derive(Debug)]
pub struct Rotation {
    /// Complex numbers of absolute value 1, `[N, 3, 1, size / 2]`; 1 for the values.
    factors: Tensor,
}

impl Rotation {
    /// The base of the rotation speeds, which fall from 1 for the first pair towards `1 / BASE`. The
    /// paper has 10,000, for texts of hundreds of words; names are short.
    const BASE: f64 = 100.0;

    /// The speeds of the pairs of heads of an even size, `[size / 2]`.
    pub fn speeds(size: i64, device: Device) -> Result<Tensor> {
        let pairs = size / 2;
        let speeds: Vec<f32> = (0..pairs)
            .map(|pair| Self::BASE.powf(-(pair as f64) / pairs as f64) as f32)
            .collect();
        Ok(Tensor::f_from_slice(&speeds)?.f_to_device(device)?)
    }

    /// The rotation of `N` tokens at positions in a tensor of any shape, by the speeds of pairs.
    pub fn of(positions: &Tensor, speeds: &Tensor) -> Result<Self> {
        let pairs = speeds.size()[0];
        let positions = positions.f_to_kind(Kind::Float)?.f_view([-1, 1])?;
        let angles = positions.f_mul(speeds)?.f_view([-1, 1, 1, pairs])?;
        let none = angles.f_zeros_like()?;
        let angles = Tensor::f_cat(&[&angles, &angles, &none], 1)?; // [N, 3, 1, pairs]
        Ok(Self {
            factors: Tensor::f_polar(&angles.f_ones_like()?, &angles)?,
        })
    }

    /// Rotates the queries and keys among queries, keys and values, `[.., 3 * heads * size]`, of `N`
    /// tokens; returns the same shape.
    pub fn turn(&self, qkv: &Tensor, heads: i64) -> Result<Tensor> {
        let pairs = self.factors.size()[3];
        let count = self.factors.size()[0] * 6 * heads * pairs;
        // The position of a step is that of all tokens.
        if numbers::are_plain(qkv) && qkv.numel() as i64 == count {
            // The same, but that the values are copied.
            let factors = self.factors.f_view_as_real()?; // [N, 3, 1, size / 2, 2]
            // SAFETY: it takes two tensors and writes a new one, or returns a message.
            return unsafe { made(|y| rotary_turn(raw(qkv), raw(&factors), y)) };
        }
        let points = qkv.f_view([-1, 3, heads, pairs, 2])?.f_view_as_complex()?;
        let turned = points.f_mul(&self.factors)?.f_view_as_real()?;
        Ok(turned.f_view(qkv.size().as_slice())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation(positions: &[i64]) -> Rotation {
        let speeds = Rotation::speeds(8, Device::Cpu).unwrap();
        Rotation::of(&Tensor::from_slice(positions), &speeds).unwrap()
    }

    /// Queries, keys and values of one head of 8 numbers, rotated by their positions.
    fn turned(qkv: &Tensor, positions: &[i64]) -> [Tensor; 3] {
        let rotation = rotation(positions);
        let turned = rotation.turn(qkv, 1).unwrap();
        [0, 8, 16].map(|begin| turned.narrow(1, begin, 8))
    }

    #[test]
    fn products_of_queries_and_keys_depend_on_distances_alone() {
        let qkv = Tensor::arange(72, (Kind::Float, Device::Cpu))
            .sin()
            .view([3, 24]);
        let products = |positions: &[i64]| {
            let [q, k, v] = turned(&qkv, positions);
            assert_eq!(v, qkv.narrow(1, 16, 8));
            q.matmul(&k.tr())
        };
        let off = |one: Tensor, other: Tensor| (one - other).abs().max().double_value(&[]);
        assert!(off(products(&[0, 1, 5]), products(&[7, 8, 12])) < 1e-5);
        assert!(off(products(&[0, 1, 5]), products(&[0, 2, 5])) > 1e-2);
    }

    /// The first pair turns by 1 a position, the second of four by `100^(-1/4)`.
    #[test]
    fn pairs_turn_by_their_angles() {
        let qkv = Tensor::from_slice(&[1.0_f32, 0.0].repeat(12)).view([1, 24]);
        let [q, ..] = turned(&qkv, &[2]);
        let q: Vec<f32> = Vec::try_from(q.contiguous().view([-1])).unwrap();
        let second = 2.0 * 100.0_f32.powf(-0.25);
        let expected = [2.0_f32.cos(), 2.0_f32.sin(), second.cos(), second.sin()];
        for (q, expected) in q.into_iter().zip(expected) {
            assert!((q - expected).abs() < 1e-6, "{q} {expected}");
        }
    }

    #[test]
    fn tokens_or_heads_of_other_numbers_than_the_factors_are_a_fault() {
        let rotation = rotation(&[0, 1, 2]);
        for (tokens, heads) in [(2, 1), (3, 0), (3, 2)] {
            let qkv = Tensor::zeros([tokens, 24], (Kind::Float, Device::Cpu));
            assert!(rotation.turn(&qkv, heads).is_err(), "{tokens}, {heads}");
        }
    }

    /// Double precision is libtorch's.
    #[test]
    fn turning_passes_the_gradients_on_that_autograd_finds() {
        let qkv = Tensor::arange(3 * 5 * 24, (Kind::Float, Device::Cpu)).sin();
        let rotation = rotation(&[0, 3, 1, 7, 2]);
        let gradients = |kind| {
            let qkv = qkv.view([1, 5, 72]).to_kind(kind).set_requires_grad(true);
            let y = rotation.turn(&qkv, 3).unwrap();
            let loss = (&y * qkv.detach().cos()).sum(Kind::Double);
            let gradient = Tensor::run_backward(&[loss], &[&qkv], false, false).remove(0);
            [y.detach(), gradient]
        };
        for (ours, plain) in gradients(Kind::Float).iter().zip(gradients(Kind::Double)) {
            assert_eq!(ours.size(), plain.size());
            assert!((ours - &plain).abs().max().double_value(&[]) < 1e-5);
        }
    }
}
