//! Causal self-attention: each token takes the mean of the values of the tokens before it and its own, weighted
//! by how well their keys fit its query.
//!
//! Source: makemore.py, `CausalSelfAttention`; Vaswani et al., *Attention is all you need*, 2017.

use std::ffi::c_char;

use tch::Tensor;

use crate::error::Result;
use crate::libtorch::interface::{Raw, made, raw};
use crate::models::tokens::Seen;

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
    let (mask, is_causal) = match seen {
        Seen::From(from) => {
            let qkv = qkv.f_contiguous()?;
            // SAFETY: it takes two tensors and writes a new one, or returns a message.
            return unsafe { made(|y| attention_of_words(raw(&qkv), raw(from), heads, y)) };
        }
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

    /// Two rows of four places: words of 3 and 1 tokens, and of 2 with padding.
    const FROM: [i64; 8] = [0, 0, 0, 3, 0, 0, 2, 3];

    fn mask() -> Tensor {
        let mut mask = [f32::NEG_INFINITY; 32];
        for (place, from) in FROM.into_iter().enumerate() {
            mask[4 * place + from as usize..=4 * place + place % 4].fill(0.0);
        }
        Tensor::from_slice(&mask).view([2, 4, 4])
    }

    /// The gradient of a loss with respect to queries, keys and values, and the attention.
    fn gradients(qkv: &Tensor, seen: &Seen, heads: i64) -> [Tensor; 2] {
        let y = attention(qkv, seen, heads).unwrap();
        let weights = Tensor::arange(y.numel() as i64, (Kind::Float, Device::Cpu));
        let loss = (&y * weights.cos().view_as(&y)).sum(Kind::Float);
        [
            Tensor::run_backward(&[loss], &[qkv], false, false).remove(0),
            y.detach(),
        ]
    }

    /// Heads of 16 numbers have loops of their own.
    #[test]
    fn within_words_it_has_the_values_and_gradients_of_libtorchs_with_a_mask() {
        let mut generator = Generator::seeded(3).unwrap();
        for size in [5, 16] {
            let qkv = generator.randn(&[2, 4, 3 * 2 * size]).unwrap() * 2.0;
            let qkv = qkv.set_requires_grad(true);
            let ours = gradients(&qkv, &Seen::From(Tensor::from_slice(&FROM).view([2, 4])), 2);
            let theirs = gradients(&qkv, &Seen::Mask(mask()), 2);
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert_eq!(ours.size(), theirs.size());
                let off = (ours - &theirs).abs().max().double_value(&[]);
                assert!(off < 1e-5, "{size}: {off}");
                assert!(theirs.abs().max().double_value(&[]) > 0.5);
            }
        }
    }

    #[test]
    fn numbers_that_no_head_divides_are_a_fault() {
        let qkv = Tensor::zeros([2, 4, 20], (Kind::Float, Device::Cpu));
        let seen = Seen::From(Tensor::from_slice(&FROM).view([2, 4]));
        assert!(attention(&qkv, &seen, 2).is_err());
    }
}
