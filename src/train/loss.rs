//! Losses, in nats.

use tch::{Kind, Tensor};

use super::examples::Examples;
use crate::error::Result;
use crate::models::bigram::probabilities;

/// The mean NLL of the examples' targets by the logits after their contexts, `[R, V]` or `[C, V]`; a
/// scalar, in nats.
///
/// Source: the notes, `-probs[torch.arange(len(xs)), ys].log().mean()`.
pub fn nll(logits: &Tensor, examples: &Examples) -> Result<Tensor> {
    let probs = probabilities(logits)?; // [R, V] or [C, V]
    let log = examples.of_targets(&probs)?.f_log()?; // [R]
    Ok(examples.mean(&log)?.f_neg()?)
}

/// The mean NLL of targets, `[N]`, by logits, `[N, V]`; a scalar, in nats.
///
/// Source: makemore.py and the lectures, `F.cross_entropy`.
pub fn cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let mean = tch::Reduction::Mean;
    Ok(logits.f_cross_entropy_loss(targets, None::<&Tensor>, mean, -100, 0.0)?)
}

/// A loss plus `regularization * mean(W²)`; a scalar.
///
/// Source: the notes, `+ 0.01 * (W ** 2).mean()`.
pub fn regularized(loss: &Tensor, w: &Tensor, regularization: f64) -> Result<Tensor> {
    if regularization == 0.0 {
        return Ok(loss.shallow_clone());
    }
    let squares = w.f_square()?.f_mean(Kind::Float)?;
    Ok(loss.f_add(&squares.f_mul_scalar(regularization)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counting::tests::ngrams_of;
    use crate::data::Words;
    use crate::models::Bigram;
    use crate::train::sgd::Sgd;
    use proptest::prelude::*;
    use tch::Device;

    /// Loss and gradient of a fresh network on both layouts of a word list.
    fn both_layouts(text: String, order: usize, regularization: f64) -> [(f64, Tensor); 2] {
        let words = Words::parse("list", text, '.').unwrap();
        let counts = ngrams_of(&words, order);
        let vocabulary = counts.vocabulary();
        [
            Examples::all(words.iter(), &counts, Device::Cpu).unwrap(),
            Examples::distinct(&counts, Device::Cpu).unwrap(),
        ]
        .map(|examples| {
            let network = Bigram::new(vocabulary.clone(), order, 1, Device::Cpu).unwrap();
            let mut optimizer = Sgd::new(network.weights(), None);
            let xenc = network.encode(examples.xs()).unwrap();
            let loss = nll(&network.forward(&xenc).unwrap(), &examples).unwrap();
            let loss = regularized(&loss, network.weights(), regularization).unwrap();
            optimizer.zero_grad();
            loss.backward();
            optimizer.step(1.0).unwrap();
            (loss.double_value(&[]), network.weights().grad())
        })
    }

    proptest! {
        #[test]
        fn distinct_and_all_rows_have_the_same_loss_and_gradient(
            list in prop::collection::vec("[a-zä]{1,8}", 1..30),
            order in 2..=3_usize,
            regularization in prop::sample::select(vec![0.0, 0.01]),
        ) {
            let [(all, gradient), (distinct, other)] = both_layouts(list.join("\n"), order, regularization);
            prop_assert!((all - distinct).abs() < 1e-5, "{} and {}", all, distinct);
            let difference = (gradient - other).abs().max().double_value(&[]);
            prop_assert!(difference < 1e-6, "gradients differ by {}", difference);
        }
    }
}
