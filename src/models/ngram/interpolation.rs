//! Probabilities of n-grams interpolated with those of their suffixes.

use std::sync::Arc;

use super::share::Share;
use super::view::Probabilities;

/// The weights of the n-grams after a context.
pub(super) trait ContextWeights {
    /// The probability of an n-gram, from its count and the probability of its suffix.
    fn p(&self, count: u64, lower: f64) -> f32;

    /// Backoff weight for characters that never followed.
    fn backoff(&self) -> f32;
}

/// Adds a level of n-grams with these counts, and their contexts' backoffs to the level below.
/// `weights` computes the weights from the counts after a context; `uniform` is the probability below
/// single characters.
pub(super) fn interpolate<W: ContextWeights>(
    share: &Share,
    levels: &mut Vec<Arc<Probabilities>>,
    counts: &[u64],
    uniform: f64,
    weights: impl Fn(&[u64]) -> W,
) {
    let length = levels.len() + 1;
    let mut p = vec![0.0; counts.len()];
    match levels.last_mut() {
        None => {
            let weights = weights(counts);
            let pairs = p.iter_mut().zip(counts);
            pairs.for_each(|(p, &count)| *p = weights.p(count, uniform));
        }
        Some(below) => {
            let below = Arc::make_mut(below);
            let suffix = &share.suffixes[length - 1];
            let of_context = |ends: &[u32]| {
                let children = ends[0] as usize..ends[1] as usize;
                if children.is_empty() {
                    return 1.0;
                }
                let weights = weights(&counts[children.clone()]);
                for child in children {
                    let lower = below.p[suffix[child] as usize];
                    p[child] = weights.p(counts[child], lower.into());
                }
                weights.backoff()
            };
            let contexts = share.trie.level(length - 1).children.windows(2);
            below.backoff = contexts.map(of_context).collect();
        }
    }
    levels.push(Arc::new(Probabilities {
        p,
        backoff: Vec::new(),
    }));
}
