//! Lecture 2: a multilayer perceptron (MLP) on contexts of three characters.
//!
//! Source: [makemore_part2_mlp.ipynb]; Bengio et al., *A neural probabilistic language model*, 2003.
//!
//! [makemore_part2_mlp.ipynb]: https://github.com/karpathy/nn-zero-to-hero/blob/master/lectures/makemore/makemore_part2_mlp.ipynb

use tch::{Device, Tensor};

use super::data::{Dataset, Splits};
use super::figures::{Figure, Tolerance};
use super::layers::{Mode, Module, learned};
use super::location::Notebook;
use super::names::{self, Names};
use super::stage::{Section, Stage};
use super::training::{Published, STEPS, train};
use crate::data::Words;
use crate::error::Result;
use crate::libtorch::numbers::copied;
use crate::libtorch::random::Generator;
use crate::plots::Scatter;

/// The pictures of this lecture.
pub(super) const PICTURES: [&str; 2] = ["lecture-2-loss", "lecture-2-embedding"];

const NOTEBOOK: Notebook = Notebook("makemore_part2_mlp");

/// The seed of the parameters. The lecture draws its batches without a seed.
const SEED: u64 = 2_147_483_647;

/// The number of characters in a context.
const BLOCK_SIZE: usize = 3;

/// The notebook's cell that shuffles the names had run so often on the same list.
const SHUFFLES: usize = 4;

const NAMES: &str = "carmahela jhovi kimrin thil halanna jazhien amerynci aqui nellara chaiiv \
                     kaleigh ham joce quinton lilea jamilio jeron jaryni jace chrudeley";

/// `C [27, 10]`, `W1 [30, 200]`, `b1 [200]`, `W2 [200, 27]`, `b2 [27]`.
struct LectureMlp([Tensor; 5]);

impl LectureMlp {
    fn new(generator: &mut Generator, device: Device) -> Result<Self> {
        let mut randn = |shape: &[i64]| learned(&generator.randn(shape)?, device);
        Ok(Self([
            randn(&[27, 10])?,
            randn(&[30, 200])?,
            randn(&[200])?,
            randn(&[200, 27])?,
            randn(&[27])?,
        ]))
    }
}

impl Module for LectureMlp {
    fn parameters(&mut self) -> &mut [Tensor] {
        &mut self.0
    }

    fn forward(&self, x: &Tensor, _: &mut Mode) -> Result<Tensor> {
        let Self([c, w1, b1, w2, b2]) = self;
        // emb = C[X]
        let emb = Tensor::f_embedding(c, x, -1, false, false)?; // [N, 3, 10]
        // h = torch.tanh(emb.view(-1, 30) @ W1 + b1)
        let h = emb.f_view([-1, 30])?.f_matmul(w1)?.f_add(b1)?.f_tanh()?; // [N, 200]
        // logits = h @ W2 + b2
        Ok(h.f_matmul(w2)?.f_add(b2)?) // [N, 27]
    }
}

pub(super) fn replay(words: &Words, stage: &mut Stage) -> Result<()> {
    let device = stage.options.device;
    let splits = Splits::new(words, BLOCK_SIZE, device, SHUFFLES)?;
    let rows = |name, dataset: &Dataset, published| Figure::same(name, dataset.len(), published);
    stage.show(Section::new(
        "The data",
        "Every context of three characters is an example, and what follows it the target. The names \
         are shuffled and split into 80, 10 and 10 %: to train on, to choose by, to test with. The \
         notebook's cell had run four times, so they are shuffled four times over, with seed 42 each.",
        NOTEBOOK.cell(769),
        vec![
            rows("rows of Xtr", &splits.train, 182_441),
            rows("rows of Xdev", &splits.dev, 22_902),
            rows("rows of Xte", &splits.test, 22_803),
        ],
    ))?;
    let mut generator = Generator::seeded(SEED)?;
    let mut network = LectureMlp::new(&mut generator, device)?;
    stage.show(Section::new(
        "The network",
        "Each character is a vector of 10 numbers; three of them side by side go through a hidden \
         layer of 200 with tanh, and from there to the logits of the next character.",
        NOTEBOOK.cell(791),
        vec![Figure::same("parameters", network.nelement(), 11_897)],
    ))?;
    let run = train(
        stage,
        &splits,
        &mut generator,
        &mut network,
        [STEPS, 100_000],
    )?;
    if run.is_drawn(stage) {
        run.draw_logarithms(stage, PICTURES[0], 2)?;
        draw_embedding(stage, &network, &splits, run.training.steps)?;
    }
    let published = Published {
        title: "Training",
        explanation: "Steps on 32 random examples at learning rate 0.1, from step 100,000 on 0.01. The \
                      lecture draws its batches from no seed, so that its network is another one, \
                      about as good.",
        source: NOTEBOOK.cell(795),
        losses: "",
        at_the_end: [
            (NOTEBOOK.cell(797), "2.1260"),
            (NOTEBOOK.cell(798), "2.1701"),
        ],
        tolerance: Tolerance::on(device)
            .of_another_network(0.03, "the lecture's batches come from no seed"),
        names: Some(Names {
            explanation: names::OF_ANOTHER,
            source: NOTEBOOK.cell(820),
            published: NAMES,
            seed: Some(names::SEED),
        }),
    };
    published.show(stage, &splits, (run, generator), &network, Vec::new())
}

/// Draws each character at the first two dimensions of its embedding.
fn draw_embedding(
    stage: &mut Stage,
    network: &LectureMlp,
    splits: &Splits,
    steps: u64,
) -> Result<()> {
    let numbers = copied(&network.0[0])?;
    let points = numbers.chunks_exact(10);
    let points = points.map(|vector| (vector[0].into(), vector[1].into()));
    let scatter = Scatter {
        title: &format!("Embedding of the characters: 2 of 10 dimensions, after {steps} steps"),
        horizontal: "dimension 0",
        vertical: "dimension 1",
        characters: splits.vocabulary.characters(),
        points: &points.collect::<Vec<_>>(),
    };
    stage.picture(PICTURES[1], &scatter)
}
