//! Lecture 5: a network that joins characters two by two, as WaveNet joins sounds.
//!
//! Source: makemore_part5_cnn1.ipynb; van den Oord et al., *WaveNet*, 2016.

use tch::{Device, Tensor};

use super::bit_for_bit::numbers::descend;
use super::bit_for_bit::tape::Tape;
use super::data::Dataset;
use super::figures::Tolerance;
use super::layers::{Layer, Mode, Sequential};
use super::training::{Schedule, train};
use super::{Figure, Flow, STEPS, Stage, Step, names};
use crate::data::Words;
use crate::error::Result;
use crate::libtorch::random::Generator;
use crate::train::loss::cross_entropy;

/// The pictures of this lecture.
pub(super) const PICTURES: [&str; 1] = ["lecture-5-loss"];

/// `torch.manual_seed(42)`: what parameters, batches and names are drawn with, in this order.
const SEED: u64 = 42;

/// How many characters are a context.
const BLOCK_SIZE: usize = 8;

/// The sizes of an embedding and of a layer.
const N_EMBD: i64 = 24;
const N_HIDDEN: i64 = 128;

const LOSSES: [(u64, &str); 20] = [
    (0, "3.3167"),
    (10_000, "2.0576"),
    (20_000, "2.0723"),
    (30_000, "2.5134"),
    (40_000, "2.1476"),
    (50_000, "1.7836"),
    (60_000, "2.2592"),
    (70_000, "1.9331"),
    (80_000, "1.6875"),
    (90_000, "2.0395"),
    (100_000, "1.7736"),
    (110_000, "1.9570"),
    (120_000, "1.7465"),
    (130_000, "1.8126"),
    (140_000, "1.7406"),
    (150_000, "1.7466"),
    (160_000, "1.8806"),
    (170_000, "1.6266"),
    (180_000, "1.6476"),
    (190_000, "1.8555"),
];

const NAMES: [&str; 20] = [
    "arlij", "chetta", "heago", "rocklei", "hendrix", "jamylie", "broxin", "denish", "anslibt",
    "marianah", "astavia", "annayve", "aniah", "jayce", "nodiel", "remita", "niyelle", "jaylene",
    "aiyan", "aubreana",
];

/// The first examples.
const EXAMPLES: [(&str, char); 4] = [
    ("........", 'y'),
    (".......y", 'u'),
    ("......yu", 'h'),
    (".....yuh", 'e'),
];

pub(super) fn replay(words: &Words, stage: &mut Stage) -> Flow {
    let device = stage.options.device;
    let tolerance = Tolerance::on(device);
    let data = Dataset::new(words, BLOCK_SIZE, device)?;
    let mut figures = data.figures();
    figures.extend(examples(&data)?);
    stage.show(Step::new(
        "The data",
        "Contexts are eight characters long now, filled up with the start token.",
        figures,
    ))?;

    let mut generator = Generator::seeded(SEED)?;
    let mut network = model(&mut generator, device)?;
    let mut parameters = network.parameters();
    let numbers: usize = parameters.iter().map(Tensor::numel).sum();
    stage.show(Step::new(
        "The network",
        "Neighbours are joined two by two, three times: characters to pairs, pairs to fours, fours \
         to eights. Each time they go through a linear layer, batch normalisation and tanh.",
        vec![Figure::same("parameters", numbers, 76_579)],
    ))?;

    let schedule = Schedule {
        steps: STEPS,
        lower_from: 150_000,
    };
    let course = train(
        stage,
        &data.train,
        &mut generator,
        schedule,
        |x, y, rate| {
            let mut tape = Tape::default();
            let logits = network.forward(&x.f_view([-1])?, &mut Mode::Training(&mut tape))?;
            let loss = cross_entropy(&logits, y)?;
            let gradients = tape.gradients(&loss, &parameters)?;
            descend(&mut parameters, &gradients, rate)?;
            Ok(loss)
        },
    )?;
    if stage.draws(&course) {
        course.draw_means(stage, PICTURES[0])?;
    }
    let logits = |x: &Tensor| {
        let x = x.f_to_device(device)?.f_reshape([-1])?;
        network.forward(&x, &mut Mode::Inference)
    };
    let mut figures = tolerance.losses(&course.shown, &LOSSES);
    if course.is_whole() {
        let losses = [
            ("train loss", &data.train, 1.7690284252166748),
            ("dev loss", &data.dev, 1.9936515092849731),
        ];
        for (name, examples, published) in losses {
            let ours = examples.loss(logits)?;
            figures.push(tolerance.at_the_end(name, ours, published));
        }
    }
    let step = Step::new(
        "Training",
        "Steps on 32 random examples at learning rate 0.1, from step 150,000 on 0.01; the loss of \
         single batches, and after all steps that of all examples.",
        figures,
    );
    stage.show_training(step, &course)?;
    if !course.is_whole() {
        return Ok(());
    }
    let names = names::draw(&data.vocabulary, BLOCK_SIZE, &mut generator, logits)?;
    stage.show(Step::new(
        "Names",
        "Drawn with the random numbers that come after those of the training.",
        tolerance.names(&names, &NAMES),
    ))
}

/// The network, `[N * 8]`, i64, to `[N, 27]`.
fn model(generator: &mut Generator, device: Device) -> Result<Sequential> {
    // Embedding(vocab_size, n_embd)
    let mut layers = vec![Layer::embedding(generator, 27, N_EMBD)?];
    for inputs in [N_EMBD, N_HIDDEN, N_HIDDEN] {
        // FlattenConsecutive(2), Linear(n_hidden*2, n_hidden, bias=False), BatchNorm1d(n_hidden), Tanh()
        layers.push(Layer::FlattenConsecutive(2));
        layers.push(Layer::linear(generator, [2 * inputs, N_HIDDEN], false)?);
        layers.push(Layer::batch_norm(N_HIDDEN)?);
        layers.push(Layer::Tanh);
    }
    // Linear(n_hidden, vocab_size)
    let mut last = Layer::linear(generator, [N_HIDDEN, 27], true)?;
    // model.layers[-1].weight *= 0.1
    if let Layer::Linear { weight, .. } = &mut last {
        *weight = weight.f_mul_scalar(0.1)?;
    }
    layers.push(last);
    Sequential::new(layers, device)
}

fn examples(data: &Dataset) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (row, (context, next)) in EXAMPLES.iter().enumerate() {
        let x: Vec<i64> = Vec::try_from(data.train.xs.f_get(row as i64)?)?;
        let x: Vec<usize> = x.into_iter().map(|index| index as usize).collect();
        let y = data.train.ys.f_int64_value(&[row as i64])? as usize;
        let show = |context: &str, next: char| format!("{context} --> {next}");
        let ours = show(&data.vocabulary.decode(&x), data.vocabulary.itos(y));
        let name = format!("example {}", row + 1);
        figures.push(Figure::same(name, ours, show(context, *next)));
    }
    Ok(figures)
}
