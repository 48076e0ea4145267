//! Names sampled from the networks of lectures 2 to 5.

use tch::{Device, Kind, Tensor};

use super::data::Splits;
use super::figures::Tolerance;
use super::layers::{Mode, Module};
use super::location::Location;
use super::stage::{Section, Stage};
use crate::error::Result;
use crate::libtorch::random::Generator;

/// The number of names that each lecture samples.
const COUNT: usize = 20;

/// The largest number of characters in a name: a badly trained network may never draw an end token.
const LONGEST: usize = 1000;

/// The seed of the names of lectures 2 to 4.
pub const SEED: u64 = 2_147_483_647 + 10;

/// The explanation of names from another network than the lecture's.
pub const OF_ANOTHER: &str = "Drawn with the lecture's seed from a network that is another one.";

/// The published names of a lecture.
#[derive(Debug)]
pub struct Names {
    pub explanation: &'static str,
    pub source: Location,
    pub published: &'static str,
    /// The seed of sampling; without one the generator of the training goes on.
    pub seed: Option<u64>,
}

/// Shows names sampled from a network beside the published ones.
pub fn show(
    stage: &mut Stage,
    splits: &Splits,
    generator: Generator,
    names: Names,
    tolerance: Tolerance,
    network: &impl Module,
) -> Result<()> {
    let mut generator = match names.seed {
        None => generator,
        Some(seed) => {
            drop(generator);
            Generator::seeded(seed)?
        }
    };
    let ours = draw(splits, &mut generator, network)?;
    let figures = tolerance.names(&ours, names.published);
    stage.show(Section::new(
        "Names",
        names.explanation,
        names.source,
        figures,
    ))
}

/// Samples twenty names, as today's `torch.multinomial` draws. So were the published names of lectures 3
/// and 5; those of lecture 1 come from an older version that draws otherwise.
fn draw(splits: &Splits, generator: &mut Generator, network: &impl Module) -> Result<Vec<String>> {
    let xs = &splits.train.xs;
    let block_size = xs.size()[1] as usize;
    let mut names = Vec::with_capacity(COUNT);
    for _ in 0..COUNT {
        let mut out = Vec::new();
        let mut context = vec![0; block_size];
        loop {
            // logits = model(torch.tensor([context]))
            let x = Tensor::f_from_slice(&context)?.f_unsqueeze(0)?;
            let x = x.f_to_device(xs.device())?;
            let logits = tch::no_grad(|| network.forward(&x, &mut Mode::Inference))?;
            // probs = F.softmax(logits, dim=1)
            let probs = logits.f_softmax(1, Kind::Float)?.f_get(0)?;
            // ix = torch.multinomial(probs, num_samples=1).item()
            let ix = generator.multinomial_without_replacement(&probs.f_to_device(Device::Cpu)?)?;
            if ix == 0 || out.len() == LONGEST {
                break;
            }
            out.push(ix);
            // context = context[1:] + [ix]
            context.rotate_left(1);
            context[block_size - 1] = ix as i64;
        }
        names.push(splits.vocabulary.decode(&out));
    }
    Ok(names)
}
