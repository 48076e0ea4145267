//! Names that a network of the lectures draws.

use tch::{Kind, Tensor};

use super::Step;
use super::figures::names_beside;
use crate::data::Vocabulary;
use crate::error::Result;
use crate::libtorch::random::Generator;

/// How many names the lectures draw.
const NAMES: usize = 20;

/// No name of a trained network is so long; one that never learned to end is cut.
const LONGEST: usize = 1000;

/// The seed that lectures 2 to 4 draw their names with.
const SEED: u64 = 2_147_483_647 + 10;

/// Twenty names, as [`draw`] draws them with the seed of lectures 2 to 4.
pub fn seeded(
    vocabulary: &Vocabulary,
    block_size: usize,
    logits: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Vec<String>> {
    draw(
        vocabulary,
        block_size,
        &mut Generator::seeded(SEED)?,
        logits,
    )
}

/// The step with names that are published of another network, and why it is another one.
pub fn of_another_network(names: &[String], published: &[&str], reason: &str) -> Step {
    Step::new(
        "Names",
        "Drawn with the lecture's seed from a network that is another one.",
        names_beside(names, published, reason),
    )
}

/// Twenty names, drawn with the numbers that a generator gives next. `logits` are those after a
/// context, `[1, T]`, i64.
///
/// They are drawn as `torch.multinomial` does today. The published names of lectures 3 and 5 are
/// drawn so too; those of the first lecture are older than that.
pub fn draw(
    vocabulary: &Vocabulary,
    block_size: usize,
    generator: &mut Generator,
    logits: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Vec<String>> {
    let mut names = Vec::with_capacity(NAMES);
    for _ in 0..NAMES {
        let mut indices = Vec::new();
        let mut context = vec![0; block_size];
        loop {
            let x = Tensor::f_from_slice(&context)?.f_unsqueeze(0)?;
            let logits = tch::no_grad(|| logits(&x))?;
            let probs = logits.f_softmax(1, Kind::Float)?.f_get(0)?;
            let index = generator.multinomial_of_today(&probs.f_to_device(tch::Device::Cpu)?)?;
            if index == 0 || indices.len() == LONGEST {
                break;
            }
            indices.push(index);
            context.rotate_left(1);
            context[block_size - 1] = index as i64;
        }
        names.push(vocabulary.decode(&indices));
    }
    Ok(names)
}
