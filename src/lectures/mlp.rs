//! Lecture 2: a multilayer perceptron on three characters.
//!
//! Source: makemore_part2_mlp.ipynb; Bengio et al., *A neural probabilistic language model*, 2003.

use tch::{Device, Tensor};

use super::bit_for_bit::numbers::descend;
use super::data::{Dataset, Examples};
use super::training::{Schedule, train};
use super::{Figure, Flow, STEPS, Stage, Step, names};
use crate::data::Words;
use crate::error::Result;
use crate::libtorch::random::Generator;
use crate::plots::Scatter;
use crate::train::loss::cross_entropy;

/// The pictures of this lecture.
pub(super) const PICTURES: [&str; 2] = ["lecture-2-loss", "lecture-2-embedding"];

/// The seed of the parameters; the lecture's batches have none.
const SEED: u64 = 2_147_483_647;

/// How many characters are a context.
const BLOCK_SIZE: usize = 3;

const NAMES: [&str; 20] = [
    "carmahela",
    "jhovi",
    "kimrin",
    "thil",
    "halanna",
    "jazhien",
    "amerynci",
    "aqui",
    "nellara",
    "chaiiv",
    "kaleigh",
    "ham",
    "joce",
    "quinton",
    "lilea",
    "jamilio",
    "jeron",
    "jaryni",
    "jace",
    "chrudeley",
];

const UNSEEDED: &str = "the lecture's batches come from no seed";

/// `C [27, 10]`, `W1 [30, 200]`, `b1 [200]`, `W2 [200, 27]`, `b2 [27]`.
struct Mlp([Tensor; 5]);

impl Mlp {
    fn new(generator: &mut Generator, device: Device) -> Result<Self> {
        let mut randn = |shape: &[i64]| -> Result<Tensor> {
            let drawn = generator.normal(shape)?.f_to_device(device)?;
            Ok(drawn.f_set_requires_grad(true)?)
        };
        Ok(Self([
            randn(&[27, 10])?,
            randn(&[30, 200])?,
            randn(&[200])?,
            randn(&[200, 27])?,
            randn(&[27])?,
        ]))
    }

    /// `[N, 3]` to `[N, 27]`.
    fn logits(&self, x: &Tensor) -> Result<Tensor> {
        let Self([c, w1, b1, w2, b2]) = self;
        let emb = Tensor::f_embedding(c, x, -1, false, false)?; // [N, 3, 10]
        let h = emb.f_view([-1, 30])?.f_matmul(w1)?.f_add(b1)?.f_tanh()?; // [N, 200]
        Ok(h.f_matmul(w2)?.f_add(b2)?)
    }
}

pub(super) fn replay(words: &Words, stage: &mut Stage) -> Flow {
    let device = stage.options.device;
    let data = Dataset::new(words, BLOCK_SIZE, device)?;
    let shuffled = "the lecture splits another shuffle";
    let rows = |name, examples: &Examples, published| {
        Figure::about(name, examples.len(), published, 250.0, shuffled)
    };
    stage.show(Step::new(
        "The data",
        "Every context of three characters is an example, and what follows it the target. The names \
         are shuffled and split into 80, 10 and 10 %: to train on, to choose by, to test with.",
        vec![
            rows("rows of Xtr", &data.train, 182_441),
            rows("rows of Xdev", &data.dev, 22_902),
            rows("rows of Xte", &data.test, 22_803),
        ],
    ))?;

    let mut generator = Generator::seeded(SEED)?;
    let mut network = Mlp::new(&mut generator, device)?;
    let parameters: usize = network.0.iter().map(Tensor::numel).sum();
    stage.show(Step::new(
        "The network",
        "Each character is a vector of 10 numbers; three of them side by side go through a hidden \
         layer of 200 with tanh, and from there to the logits of the next character.",
        vec![Figure::same("parameters", parameters, 11_897)],
    ))?;

    let schedule = Schedule {
        steps: STEPS,
        lower_from: 100_000,
    };
    let course = train(
        stage,
        &data.train,
        &mut generator,
        schedule,
        |x, y, rate| {
            let loss = cross_entropy(&network.logits(x)?, y)?;
            let gradients = Tensor::f_run_backward(&[&loss], &network.0, false, false)?;
            descend(&mut network.0, &gradients, rate)?;
            Ok(loss)
        },
    )?;
    if stage.draws(&course) {
        course.draw_logarithms(stage, PICTURES[0])?;
        embedding(stage, &network, &data)?;
    }
    let losses = [
        ("train loss", &data.train, "2.1260"),
        ("dev loss", &data.dev, "2.1701"),
    ];
    let mut figures = Vec::new();
    if course.is_whole() {
        for (name, examples, published) in losses {
            let ours = examples.loss(|x| network.logits(x))?;
            let ours = format!("{ours:.4}");
            figures.push(Figure::about(name, ours, published, 0.03, UNSEEDED));
        }
    }
    let step = Step::new(
        "Training",
        "Steps on 32 random examples at learning rate 0.1, from step 100,000 on 0.01. The lecture \
         draws its batches from no seed, so that its network is another one, about as good.",
        figures,
    );
    stage.show_training(step, &course)?;
    if !course.is_whole() {
        return Ok(());
    }
    drop(generator);
    let logits = |x: &Tensor| network.logits(&x.f_to_device(device)?);
    let names = names::seeded(&data.vocabulary, BLOCK_SIZE, logits)?;
    stage.show(names::of_another_network(&names, &NAMES, UNSEEDED))
}

/// The first two of the ten dimensions of each character's vector.
fn embedding(stage: &mut Stage, network: &Mlp, data: &Dataset) -> Flow {
    let c = network.0[0].f_detach()?.f_to_device(Device::Cpu)?;
    let numbers: Vec<f32> = Vec::try_from(c.f_contiguous()?.f_view([-1])?)?;
    let points = numbers
        .chunks_exact(10)
        .map(|vector| (vector[0].into(), vector[1].into()));
    let points: Vec<(f64, f64)> = points.collect();
    let scatter = Scatter {
        title: "Embedding of the characters",
        horizontal: "dimension 0",
        vertical: "dimension 1",
        characters: data.vocabulary.characters(),
        points: &points,
    };
    stage.picture(PICTURES[1], &scatter)
}
