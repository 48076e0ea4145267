//! Lecture 2: a multilayer perceptron on three characters.
//!
//! Source: makemore_part2_mlp.ipynb; Bengio et al., *A neural probabilistic language model*, 2003.

use tch::{Device, Tensor};

use super::bit_for_bit::updates::descend;
use super::data::{Dataset, Examples};
use super::figures::{Figure, Tolerance};
use super::layers::learned;
use super::names;
use super::stage::{Section, Stage};
use super::training::{Published, STEPS, Schedule, train};
use crate::data::Words;
use crate::error::Result;
use crate::libtorch::random::Generator;
use crate::plots::Scatter;
use crate::train::loss::cross_entropy;

/// The pictures of this lecture.
pub(super) const PICTURES: [&str; 2] = ["lecture-2-loss", "lecture-2-embedding"];

/// The seed of the parameters; the lecture's batches have none.
const SEED: u64 = 2_147_483_647;

/// The number of characters in a context.
const BLOCK_SIZE: usize = 3;

const NAMES: &str = "carmahela jhovi kimrin thil halanna jazhien amerynci aqui nellara chaiiv \
                     kaleigh ham joce quinton lilea jamilio jeron jaryni jace chrudeley";

/// `C [27, 10]`, `W1 [30, 200]`, `b1 [200]`, `W2 [200, 27]`, `b2 [27]`.
struct Mlp([Tensor; 5]);

impl Mlp {
    fn new(generator: &mut Generator, device: Device) -> Result<Self> {
        let mut randn = |shape: &[i64]| learned(&generator.normal(shape)?, device);
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
        // emb = C[X]
        let emb = Tensor::f_embedding(c, x, -1, false, false)?; // [N, 3, 10]
        // h = torch.tanh(emb.view(-1, 30) @ W1 + b1)
        let h = emb.f_view([-1, 30])?.f_matmul(w1)?.f_add(b1)?.f_tanh()?; // [N, 200]
        // logits = h @ W2 + b2
        Ok(h.f_matmul(w2)?.f_add(b2)?) // [N, 27]
    }

    /// A step on a batch; returns its loss.
    fn step(&mut self, xb: &Tensor, yb: &Tensor, lr: f64) -> Result<Tensor> {
        // loss = F.cross_entropy(logits, Ytr[ix])
        let loss = cross_entropy(&self.logits(xb)?, yb)?;
        // for p in parameters: p.grad = None
        // loss.backward()
        let gradients = Tensor::f_run_backward(&[&loss], &self.0, false, false)?;
        // for p in parameters: p.data += -lr * p.grad
        descend(&mut self.0, &gradients, lr)?;
        Ok(loss)
    }
}

pub(super) fn replay(words: &Words, stage: &mut Stage) -> Result<()> {
    let device = stage.options.device;
    let data = Dataset::new(words, BLOCK_SIZE, device)?;
    let rows = |name, examples: &Examples, published| {
        let shuffled = "the lecture splits another shuffle";
        Figure::about(name, examples.len() as f64, published, 250.0, shuffled)
    };
    stage.show(Section::new(
        "The data",
        "Every context of three characters is an example, and what follows it the target. The names \
         are shuffled and split into 80, 10 and 10 %: to train on, to choose by, to test with.",
        vec![
            rows("rows of Xtr", &data.train, "182441"),
            rows("rows of Xdev", &data.dev, "22902"),
            rows("rows of Xte", &data.test, "22803"),
        ],
    ))?;
    let mut generator = Generator::seeded(SEED)?;
    let mut network = Mlp::new(&mut generator, device)?;
    let parameters: usize = network.0.iter().map(Tensor::numel).sum();
    stage.show(Section::new(
        "The network",
        "Each character is a vector of 10 numbers; three of them side by side go through a hidden \
         layer of 200 with tanh, and from there to the logits of the next character.",
        vec![Figure::same("parameters", parameters, 11_897)],
    ))?;
    training(stage, &data, &mut network, generator)
}

fn training(
    stage: &mut Stage,
    data: &Dataset,
    network: &mut Mlp,
    mut generator: Generator,
) -> Result<()> {
    let schedule = Schedule {
        steps: STEPS,
        lower_from: 100_000,
    };
    let step = |xb: &Tensor, yb: &Tensor, lr| network.step(xb, yb, lr);
    let run = train(stage, &data.train, &mut generator, schedule, step)?;
    if run.is_drawn(stage) {
        run.draw_logarithms(stage, PICTURES[0])?;
        draw_embedding(stage, network, data)?;
    }
    let tolerance = Tolerance::on(stage.options.device)
        .of_another_network(0.03, "the lecture's batches come from no seed");
    let published = Published {
        title: "Training",
        explanation: "Steps on 32 random examples at learning rate 0.1, from step 100,000 on 0.01. The \
                      lecture draws its batches from no seed, so that its network is another one, \
                      about as good.",
        losses: "",
        at_the_end: ["2.1260", "2.1701"],
        tolerance,
    };
    let logits = |x: &Tensor| network.logits(x);
    published.show(stage, data, &run, Vec::new(), logits)?;
    if !run.training.is_whole() {
        return Ok(());
    }
    drop(generator);
    let generator = &mut Generator::seeded(names::SEED)?;
    let names = (names::OF_ANOTHER, NAMES);
    names::show(stage, data, generator, names, tolerance, logits)
}

/// Draws the first two of the ten dimensions of each character's vector.
fn draw_embedding(stage: &mut Stage, network: &Mlp, data: &Dataset) -> Result<()> {
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
