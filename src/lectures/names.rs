//! Names that a network of the lectures draws.

use tch::{Device, Kind, Tensor};

use super::data::Dataset;
use super::figures::Tolerance;
use super::stage::{Section, Stage};
use crate::error::Result;
use crate::libtorch::random::Generator;

/// The number of names that the lectures draw.
const NAMES: usize = 20;

/// No name of a trained network is so long; one that never learned to end is cut.
const LONGEST: usize = 1000;

/// The seed that lectures 2 to 4 draw their names with.
pub const SEED: u64 = 2_147_483_647 + 10;

/// The explanation where the network is not the lecture's.
pub const OF_ANOTHER: &str = "Drawn with the lecture's seed from a network that is another one.";

/// Shows names beside the published ones, drawn with the numbers that a generator gives next. `logits`
/// are those after contexts, `[N, T]`, i64, to `[N, V]`.
pub fn show(
    stage: &mut Stage,
    data: &Dataset,
    generator: &mut Generator,
    (explanation, published): (&'static str, &str),
    tolerance: Tolerance,
    logits: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<()> {
    let names = draw(data, generator, logits)?;
    let figures = tolerance.names(&names, published);
    stage.show(Section::new("Names", explanation, figures))
}

/// Twenty names.
///
/// They are drawn as `torch.multinomial` does today. The published names of lectures 3 and 5 are
/// drawn so too; those of the first lecture are older than that.
fn draw(
    data: &Dataset,
    generator: &mut Generator,
    logits: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Vec<String>> {
    let xs = &data.train.xs;
    let block_size = xs.size()[1] as usize;
    let mut names = Vec::with_capacity(NAMES);
    for _ in 0..NAMES {
        let mut out = Vec::new();
        let mut context = vec![0; block_size];
        loop {
            // logits = model(torch.tensor([context]))
            let x = Tensor::f_from_slice(&context)?.f_unsqueeze(0)?;
            let logits = tch::no_grad(|| logits(&x.f_to_device(xs.device())?))?;
            // probs = F.softmax(logits, dim=1)
            let probs = logits.f_softmax(1, Kind::Float)?.f_get(0)?;
            // ix = torch.multinomial(probs, num_samples=1).item()
            let ix = generator.multinomial_of_today(&probs.f_to_device(Device::Cpu)?)?;
            if ix == 0 || out.len() == LONGEST {
                break;
            }
            out.push(ix);
            // context = context[1:] + [ix]
            context.rotate_left(1);
            context[block_size - 1] = ix as i64;
        }
        names.push(data.vocabulary.decode(&out));
    }
    Ok(names)
}
