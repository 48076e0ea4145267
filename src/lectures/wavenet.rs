//! Lecture 5: a network that joins neighbours two by two, layer by layer, like WaveNet.
//!
//! Source: [makemore_part5_cnn1.ipynb]; van den Oord et al., *WaveNet*, 2016.
//!
//! [makemore_part5_cnn1.ipynb]: https://github.com/karpathy/nn-zero-to-hero/blob/master/lectures/makemore/makemore_part5_cnn1.ipynb

use tch::Device;

use super::data::Splits;
use super::figures::{Figure, Tolerance};
use super::layers::{Layer, Module, Sequential};
use super::location::Notebook;
use super::names::Names;
use super::stage::{Section, Stage};
use super::training::{Published, STEPS, train};
use crate::data::Words;
use crate::error::Result;
use crate::libtorch::random::Generator;

/// The pictures of this lecture.
pub(super) const PICTURES: [&str; 1] = ["lecture-5-loss"];

const NOTEBOOK: Notebook = Notebook("makemore_part5_cnn1");

/// `torch.manual_seed(42)`: the seed of parameters, batches and names, drawn in this order.
const SEED: u64 = 42;

/// The number of characters in a context.
const BLOCK_SIZE: usize = 8;

/// The sizes of an embedding and of a hidden layer.
const N_EMBD: i64 = 24;
const N_HIDDEN: i64 = 128;

const LOSSES: &str = "3.3167 2.0576 2.0723 2.5134 2.1476 1.7836 2.2592 1.9331 1.6875 2.0395 \
                      1.7736 1.9570 1.7465 1.8126 1.7406 1.7466 1.8806 1.6266 1.6476 1.8555";

const NAMES: &str = "arlij chetta heago rocklei hendrix jamylie broxin denish anslibt marianah \
                     astavia annayve aniah jayce nodiel remita niyelle jaylene aiyan aubreana";

/// The first examples, which the notebook prints.
const EXAMPLES: [(&str, char); 20] = [
    ("........", 'y'),
    (".......y", 'u'),
    ("......yu", 'h'),
    (".....yuh", 'e'),
    ("....yuhe", 'n'),
    ("...yuhen", 'g'),
    ("..yuheng", '.'),
    ("........", 'd'),
    (".......d", 'i'),
    ("......di", 'o'),
    (".....dio", 'n'),
    ("....dion", 'd'),
    ("...diond", 'r'),
    ("..diondr", 'e'),
    (".diondre", '.'),
    ("........", 'x'),
    (".......x", 'a'),
    ("......xa", 'v'),
    (".....xav", 'i'),
    ("....xavi", 'e'),
];

pub(super) fn replay(words: &Words, stage: &mut Stage) -> Result<()> {
    let device = stage.options.device;
    let splits = Splits::new(words, BLOCK_SIZE, device, 1)?;
    let mut figures = splits.figures();
    figures.extend(examples(&splits)?);
    stage.show(Section::new(
        "The data",
        "Contexts are eight characters long now, filled up with the start token.",
        NOTEBOOK.cell(5),
        figures,
    ))?;
    let mut generator = Generator::seeded(SEED)?;
    let mut network = model(&mut generator, device)?;
    stage.show(Section::new(
        "The network",
        "Neighbours are joined two by two, three times: characters to pairs, pairs to fours, fours \
         to eights. Each time they go through a linear layer, batch normalisation and tanh.",
        NOTEBOOK.cell(9),
        vec![Figure::same("parameters", network.nelement(), 76_579)],
    ))?;
    let run = train(
        stage,
        &splits,
        &mut generator,
        &mut network,
        [STEPS, 150_000],
    )?;
    if run.is_drawn(stage) {
        run.draw_means(stage, PICTURES[0], 5)?;
    }
    let published = Published {
        title: "Training",
        explanation: "Steps on 32 random examples at learning rate 0.1, from step 150,000 on 0.01; the \
                      loss of single batches, and after all steps that of all examples.",
        source: NOTEBOOK.cell(10),
        losses: LOSSES,
        at_the_end: [
            (NOTEBOOK.cell(13), "1.7690284252166748"),
            (NOTEBOOK.cell(13), "1.9936515092849731"),
        ],
        tolerance: Tolerance::on(device),
        names: Some(Names {
            explanation: "Drawn with the random numbers that come after those of the training.",
            source: NOTEBOOK.cell(14),
            published: NAMES,
            seed: None,
        }),
    };
    published.show(stage, &splits, (run, generator), &network, Vec::new())
}

/// The notebook's `model`: `[N, 8]`, i64, to `[N, 27]`.
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

fn examples(splits: &Splits) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (row, (context, next)) in EXAMPLES.iter().enumerate() {
        let x: Vec<i64> = Vec::try_from(splits.train.xs.f_get(row as i64)?)?;
        let x: Vec<usize> = x.into_iter().map(|index| index as usize).collect();
        let y = splits.train.ys.f_int64_value(&[row as i64])? as usize;
        let show = |context: &str, next: char| format!("{context} --> {next}");
        let ours = show(&splits.vocabulary.decode(&x), splits.vocabulary.itos(y));
        let name = format!("example {}", row + 1);
        let figure = Figure::same(name, ours, show(context, *next));
        figures.push(figure.published_in(NOTEBOOK.cell(6)));
    }
    Ok(figures)
}
