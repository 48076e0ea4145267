//! Causal self-attention: each token takes the mean of the values of the tokens before it and its own, weighted
//! by how well their keys fit its query.
//!
//! Source: makemore.py, `CausalSelfAttention`; Vaswani et al., *Attention is all you need*, 2017.

use std::ffi::c_char;

use tch::Tensor;

use crate::error::Result;
use crate::libtorch::interface::{Raw, made, raw};
use crate::libtorch::numbers;
use crate::models::tokens::{Seen, mask};

unsafe extern "C" {
    fn attention_of_words(qkv: Raw, from: Raw, heads: i64, y: *mut Raw) -> *mut c_char;
}

/// Attention of tokens, `[R, L, C]`, by their queries, keys and values, `[R, L, 3 C]`. A head has `C / heads`
/// numbers of each. Within words that share rows on a processor, `attention.cpp` computes it.
///
/// # Errors
///
/// Only those of libtorch.
pub fn attention(qkv: &Tensor, seen: &Seen, heads: i64) -> Result<Tensor> {
    let qkv = qkv.f_contiguous()?;
    let (mask, is_causal) = match seen {
        Seen::From(from) if numbers::are_plain(&qkv) => {
            // SAFETY: it takes two tensors and writes a new one, or returns a message.
            return unsafe { made(|y| attention_of_words(raw(&qkv), raw(from), heads, y)) };
        }
        Seen::From(from) => (Some(mask(from, qkv.kind())?.f_unsqueeze(1)?), false),
        Seen::Mask(mask) => (Some(mask.f_unsqueeze(1)?), false), // [R, 1, L, L]
        Seen::InRow => (None, true),
    };
    let (r, l, _) = qkv.size3()?;
    let parts = qkv
        .f_view([r, l, 3, heads, -1])?
        .f_permute([2, 0, 3, 1, 4])?
        .f_unbind(0)?; // [R, heads, L, C / heads] each
    let [q, k, v] = [0, 1, 2].map(|part| &parts[part]);
    let y = Tensor::f_scaled_dot_product_attention(q, k, v, mask, 0.0, is_causal, None, false)?;
    Ok(y.f_transpose(1, 2)?.f_reshape([r, l, -1])?)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::libtorch::random::Generator;

    /// The lengths of the words of two rows of 89 places; the second ends with padding, which attends to itself.
    const WORDS: [&[usize]; 2] = [&[1, 15, 16, 17, 40], &[40, 17, 16, 1, 1, 1]];

    /// The first and the last place of each word, among those of both rows.
    fn words() -> Vec<(usize, usize)> {
        let mut words = Vec::new();
        for (row, lengths) in WORDS.iter().enumerate() {
            let rest = 89 - lengths.iter().sum::<usize>();
            let mut first = 89 * row;
            for length in lengths.iter().copied().chain(vec![1; rest]) {
                words.push((first, first + length - 1));
                first += length;
            }
        }
        words
    }

    fn from() -> Tensor {
        let each = words();
        let from = each
            .iter()
            .flat_map(|&(first, last)| vec![first as i64 % 89; last - first + 1]);
        Tensor::from_slice(&from.collect::<Vec<_>>()).view([2, 89])
    }

    /// The gradient of a loss with respect to queries, keys and values, and the attention.
    fn gradients(qkv: &Tensor, seen: &Seen, heads: i64) -> [Tensor; 2] {
        let qkv = qkv.copy().set_requires_grad(true);
        let y = attention(&qkv, seen, heads).unwrap();
        let weights = Tensor::arange(y.numel() as i64, (Kind::Float, Device::Cpu));
        let loss = (&y * weights.cos().view_as(&y)).sum(Kind::Double);
        [
            Tensor::run_backward(&[loss], &[&qkv], false, false).remove(0),
            y.detach(),
        ]
    }

    /// Heads of 16 numbers have loops of their own. Scores, and what they are rounded by, grow with the square of
    /// the factor.
    #[test]
    fn within_words_it_has_the_values_and_gradients_of_libtorchs_with_a_mask() {
        let mut generator = Generator::seeded(3).unwrap();
        let seen = Seen::From(from());
        for (size, factor) in [(5, 2.0), (16, 2.0), (20, 2.0), (40, 2.0), (16, 100.0)] {
            let qkv = generator.randn(&[2, 89, 3 * 2 * size]).unwrap() * factor;
            let ours = gradients(&qkv, &seen, 2);
            // In double precision it is libtorch's.
            let theirs = gradients(&qkv.to_kind(Kind::Double), &seen, 2);
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert_eq!(ours.size(), theirs.size());
                let off = (ours - &theirs).abs().max().double_value(&[]);
                let largest = theirs.abs().max().double_value(&[]);
                assert!(
                    off < 1e-6 * factor * factor * largest,
                    "{size}, {factor}: {off} of {largest}"
                );
                assert!(largest > 0.5);
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_within_its_word_and_reaches_all_its_later_tokens() {
        let mut generator = Generator::seeded(3).unwrap();
        let (place, size) = (89 + 40 + 5, 16);
        let qkv = generator.randn(&[2, 89, 3 * 2 * size]).unwrap();
        let key = qkv.view([2 * 89, 3, 2 * size]).get(place as i64).get(1);
        let _ = key.get(3).fill_(f64::NAN);
        let [gradient, y] = gradients(&qkv, &Seen::From(from()), 2);
        let tokens = |all: Tensor| {
            let is_nan = all.isnan().view([2 * 89, -1]).any_dim(1, false);
            let is_nan = Vec::<bool>::try_from(is_nan).unwrap();
            (0..is_nan.len())
                .filter(|&token| is_nan[token])
                .collect::<Vec<_>>()
        };
        let (first, last) = (89 + 40, 89 + 40 + 16);
        assert!(words().contains(&(first, last)));
        assert_eq!(tokens(y), (place..=last).collect::<Vec<_>>());
        assert_eq!(tokens(gradient), (first..=last).collect::<Vec<_>>());
    }

    #[test]
    fn numbers_that_no_head_divides_are_a_fault() {
        let qkv = Tensor::zeros([2, 89, 20], (Kind::Float, Device::Cpu));
        for heads in [2, 0, -1] {
            assert!(attention(&qkv, &Seen::From(from()), heads).is_err());
        }
    }

    /// They were once read and written, wherever they were.
    #[test]
    fn places_before_a_row_or_behind_a_token_are_a_fault() {
        let qkv = Tensor::zeros([2, 89, 12], (Kind::Float, Device::Cpu));
        for (place, wrong) in [(0, -1), (3, 4), (88, 89)] {
            let from = from();
            let _ = from.get(1).get(place).fill_(wrong);
            assert!(attention(&qkv, &Seen::From(from), 2).is_err());
        }
    }
}
