//! Lecture 3: batch normalisation, and how healthy activations and gradients look.
//!
//! Source: makemore_part3_bn.ipynb; Ioffe and Szegedy, *Batch normalization*, 2015.

use tch::{Device, Kind, Tensor};

use super::bit_for_bit::formula::Formula;
use super::bit_for_bit::numbers::{descend, update_running};
use super::bit_for_bit::one_pass::normalized;
use super::bit_for_bit::tape::Tape;
use super::data::Dataset;
use super::figures::Tolerance;
use super::layers::{Layer, Mode, Sequential};
use super::training::{Schedule, train};
use super::{Figure, Flow, STEPS, Stage, Step, names};
use crate::data::Words;
use crate::error::Result;
use crate::libtorch::random::Generator;
use crate::plots::{Histogram, Histograms, Ratios, UpdateRatios};
use crate::train::loss::cross_entropy;

/// The pictures of this lecture.
pub(super) const PICTURES: [&str; 5] = [
    "lecture-3-loss",
    "lecture-3-activations",
    "lecture-3-activation-gradients",
    "lecture-3-weight-gradients",
    "lecture-3-update-ratios",
];

/// The seed of parameters and batches.
const SEED: u64 = 2_147_483_647;

/// How many characters are a context.
const BLOCK_SIZE: usize = 3;

const LOSSES: [(u64, &str); 20] = [
    (0, "3.3239"),
    (10_000, "2.0322"),
    (20_000, "2.5675"),
    (30_000, "2.0125"),
    (40_000, "2.2446"),
    (50_000, "1.8897"),
    (60_000, "2.0785"),
    (70_000, "2.3681"),
    (80_000, "2.2918"),
    (90_000, "2.0238"),
    (100_000, "2.3673"),
    (110_000, "2.3132"),
    (120_000, "1.6414"),
    (130_000, "1.9311"),
    (140_000, "2.2231"),
    (150_000, "2.0027"),
    (160_000, "2.0997"),
    (170_000, "2.4949"),
    (180_000, "2.0199"),
    (190_000, "2.1707"),
];

/// How many steps the deep network makes.
const DEEP_STEPS: u64 = 1001;

/// The outputs of its tanh layers: the layer, their mean, standard deviation, and the share of those
/// above 0.97 or below -0.97 in percent; and the standard deviation of their gradients.
const TANHS: [(usize, [&str; 3], &str); 5] = [
    (2, ["-0.00", "0.63", "2.78"], "2.640702e-03"),
    (5, ["+0.00", "0.64", "2.56"], "2.245584e-03"),
    (8, ["-0.00", "0.65", "2.25"], "2.045742e-03"),
    (11, ["+0.00", "0.65", "1.69"], "1.983134e-03"),
    (14, ["+0.00", "0.65", "1.88"], "1.952382e-03"),
];

/// Its matrices, with their places among the parameters: the shape, the mean and the standard
/// deviation of the gradient, and the ratio of that to the standard deviation of the weights.
const WEIGHTS: [(&str, &str, &str, &str); 7] = [
    ("0: [27, 10]", "+0.000000", "8.020534e-03", "8.012630e-03"),
    ("1: [30, 100]", "+0.000246", "9.241077e-03", "4.881091e-02"),
    ("4: [100, 100]", "+0.000113", "7.132879e-03", "6.964619e-02"),
    ("7: [100, 100]", "-0.000086", "6.234305e-03", "6.073741e-02"),
    (
        "10: [100, 100]",
        "+0.000052",
        "5.742187e-03",
        "5.631483e-02",
    ),
    (
        "13: [100, 100]",
        "+0.000032",
        "5.672205e-03",
        "5.570125e-02",
    ),
    ("16: [100, 27]", "-0.000082", "1.209416e-02", "1.160106e-01"),
];

const NAMES: [&str; 20] = [
    "carpah",
    "qarlileif",
    "jmrix",
    "thty",
    "sacansa",
    "jazhnte",
    "dpn",
    "arciigqeiunellaia",
    "chriiv",
    "kalein",
    "dhlm",
    "join",
    "qhinn",
    "sroin",
    "arian",
    "quiqaelogiearyxix",
    "kaeklinsan",
    "ed",
    "ecoia",
    "gtleley",
];

pub(super) fn replay(words: &Words, stage: &mut Stage) -> Flow {
    let data = Dataset::new(words, BLOCK_SIZE, stage.options.device)?;
    stage.show(Step::new(
        "The data",
        "The examples of lecture 2, split by a shuffle that can be repeated: Python's, with seed 42.",
        data.figures(),
    ))?;
    one_hidden_layer(stage, &data)?;
    why_to_normalise(stage)?;
    six_layers(stage, &data)
}

/// The MLP of lecture 2 with batch normalisation written into it.
struct Shallow {
    /// `C [27, 10]`, `W1 [30, 200]`, `W2 [200, 27]`, `b2 [27]`, gain `[200]` and bias `[200]`.
    parameters: [Tensor; 6],
    /// `[200]` each.
    running_mean: Tensor,
    running_std: Tensor,
}

impl Shallow {
    fn new(generator: &mut Generator, device: Device) -> Result<Self> {
        let mut randn = |shape: &[i64]| -> Result<Tensor> { generator.normal(shape) };
        let c = randn(&[27, 10])?;
        // Kaiming's for tanh.
        let w1 = randn(&[30, 200])?
            .f_mul_scalar(5.0 / 3.0)?
            .f_div_scalar(30_f64.sqrt())?;
        let w2 = randn(&[200, 27])?.f_mul_scalar(0.01)?;
        let b2 = randn(&[27])?.f_mul_scalar(0.0)?;
        let full = |number: f64| Tensor::f_full([200], number, (Kind::Float, device));
        let parameters = [c, w1, w2, b2, full(1.0)?, full(0.0)?];
        let trained = |parameter: Tensor| -> Result<Tensor> {
            Ok(parameter.f_to_device(device)?.f_set_requires_grad(true)?)
        };
        let [c, w1, w2, b2, gain, bias] = parameters.map(trained);
        Ok(Self {
            parameters: [c?, w1?, w2?, b2?, gain?, bias?],
            running_mean: full(0.0)?,
            running_std: full(1.0)?,
        })
    }

    /// What goes into the hidden layer, `[N, 3]` to `[N, 200]`.
    fn hidden(&self, x: &Tensor) -> Result<Tensor> {
        let [c, w1, ..] = &self.parameters;
        let emb = Tensor::f_embedding(c, x, -1, false, false)?; // [N, 3, 10]
        Ok(emb.f_view([-1, 30])?.f_matmul(w1)?)
    }

    /// What comes of it once it is normalised, `[N, 27]`.
    fn logits(&self, hpreact: &Tensor) -> Result<Tensor> {
        let [_, _, w2, b2, ..] = &self.parameters;
        Ok(hpreact.f_tanh()?.f_matmul(w2)?.f_add(b2)?)
    }

    /// A step on a batch; returns its loss.
    fn step(&mut self, x: &Tensor, y: &Tensor, rate: f64) -> Result<Tensor> {
        let mut tape = Tape::default();
        let [.., gain, bias] = &self.parameters;
        let hpreact = self.hidden(x)?;
        let hpreact = normalized(&mut tape, &hpreact, gain, bias, Formula::Deviation)?;
        update_running(&self.running_mean, &hpreact.mean, 0.001)?;
        update_running(&self.running_std, &hpreact.spread, 0.001)?;
        let loss = cross_entropy(&self.logits(&hpreact.out)?, y)?;
        let gradients = tape.gradients(&loss, &self.parameters)?;
        descend(&mut self.parameters, &gradients, rate)?;
        Ok(loss)
    }

    /// The logits by the running mean and standard deviation, `[N, 3]` to `[N, 27]`.
    fn evaluate(&self, x: &Tensor) -> Result<Tensor> {
        let [.., gain, bias] = &self.parameters;
        let centred = self.hidden(x)?.f_sub(&self.running_mean)?;
        let hpreact = gain.f_mul(&centred)?.f_div(&self.running_std)?;
        self.logits(&hpreact.f_add(bias)?)
    }
}

fn one_hidden_layer(stage: &mut Stage, data: &Dataset) -> Flow {
    let tolerance = Tolerance::on(stage.options.device);
    let mut generator = Generator::seeded(SEED)?;
    let mut network = Shallow::new(&mut generator, stage.options.device)?;
    let parameters: usize = network.parameters.iter().map(Tensor::numel).sum();
    let mut figures = vec![Figure::same("parameters", parameters, 12_097)];
    let schedule = Schedule {
        steps: STEPS,
        lower_from: 100_000,
    };
    let course = train(
        stage,
        &data.train,
        &mut generator,
        schedule,
        |x, y, rate| network.step(x, y, rate),
    )?;
    if stage.draws(&course) {
        course.draw_logarithms(stage, PICTURES[0])?;
    }
    figures.extend(tolerance.losses(&course.shown, &LOSSES));
    if course.is_whole() {
        let losses = [
            ("train loss", &data.train, 2.0674145221710205),
            ("dev loss", &data.dev, 2.1056840419769287),
        ];
        for (name, examples, published) in losses {
            let ours = examples.loss(|x| network.evaluate(x))?;
            figures.push(tolerance.at_the_end(name, ours, published));
        }
    }
    let step = Step::new(
        "One hidden layer",
        "What goes into tanh is normalised over each batch, with a gain and a bias that are learned; \
         the running mean and standard deviation stand in for the batch's afterwards. Learning rate 0.1, \
         from step 100,000 on 0.01.",
        figures,
    );
    stage.show_training(step, &course)
}

fn why_to_normalise(stage: &mut Stage) -> Flow {
    let device = stage.options.device;
    let tolerance = Tolerance::on(device);
    let std = |tensor: &Tensor| -> Result<f64> { Ok(tensor.f_std(true)?.f_double_value(&[])?) };
    let randn = |generator: &mut Generator, shape: &[i64]| -> Result<Tensor> {
        let drawn = generator.normal(shape)?.f_to_device(device)?;
        Ok(drawn.f_set_requires_grad(true)?)
    };

    let mut generator = Generator::seeded(SEED)?;
    let a = randn(&mut generator, &[1000, 1])?;
    let b = randn(&mut generator, &[1000, 1000])?;
    let c = b.f_matmul(&a)?;
    let loss = randn(&mut generator, &[1000])?.f_matmul(&c)?;
    let gradients = Tensor::f_run_backward(&[&loss], &[&c, &a, &b], false, false)?;
    let mut figures = vec![
        tolerance.full("std of a", std(&a)?, 0.9875972270965576),
        tolerance.full("std of b", std(&b)?, 1.0006722211837769),
        tolerance.full("std of c = b @ a", std(&c)?, 31.01241683959961),
    ];
    let published = [
        ("std of c.grad", 0.9782556295394897),
        ("std of a.grad", 30.8818302154541),
        ("std of b.grad", 0.9666601419448853),
    ];
    for (gradient, (name, published)) in gradients.iter().zip(published) {
        figures.push(tolerance.full(name, std(gradient)?, published));
    }
    stage.show(Step::new(
        "A linear layer",
        "Sums of 1,000 products are 32 times as large as what was multiplied, and the gradient of a, \
         which is such a sum too, is so much larger than that of c.",
        figures,
    ))?;

    drop(generator);
    let mut generator = Generator::seeded(SEED)?;
    let inp = randn(&mut generator, &[1000])?;
    let w = randn(&mut generator, &[1000, 1000])?;
    let x = w.f_matmul(&inp)?;
    let root = x.f_var(true)?.f_add_scalar(1e-5)?.f_sqrt()?;
    let out = x.f_sub(&x.f_mean(Kind::Float)?)?.f_div(&root)?;
    let loss = out.f_matmul(&randn(&mut generator, &[1000])?)?;
    let gradients = Tensor::f_run_backward(&[&loss], &[&out, &x, &w, &inp], false, false)?;
    let mut figures = vec![
        tolerance.full("std of inp", std(&inp)?, 0.9875972270965576),
        tolerance.full("std of w", std(&w)?, 1.0006722211837769),
        tolerance.full("std of x = w @ inp", std(&x)?, 31.01241683959961),
        tolerance.full("std of out", std(&out)?, 1.0),
    ];
    let published = [
        ("std of out.grad", 0.9782556295394897),
        ("std of x.grad", 0.031543977558612823),
        ("std of w.grad", 0.031169468536973),
        ("std of inp.grad", 0.9953052997589111),
    ];
    for (gradient, (name, published)) in gradients.iter().zip(published) {
        figures.push(tolerance.full(name, std(gradient)?, published));
    }
    stage.show(Step::new(
        "The same with batch normalisation",
        "After it numbers have a standard deviation of 1, and the gradients of what comes before are \
         smaller the larger the numbers were.",
        figures,
    ))
}

/// Six linear layers, each normalised, with tanh between them. The last gain is a tenth, which makes
/// the network less confident; `[N, 30]` to `[N, 27]`.
fn deep(generator: &mut Generator, device: Device) -> Result<Sequential> {
    let mut layers = Vec::new();
    for sizes in [30, 100, 100, 100, 100, 100, 27].windows(2) {
        layers.push(Layer::linear(generator, [sizes[0], sizes[1]], false)?);
        layers.push(Layer::batch_norm(sizes[1])?);
        layers.push(Layer::Tanh);
    }
    layers.pop();
    // layers[-1].gamma *= 0.1
    if let Some(Layer::BatchNorm1d { gamma, .. }) = layers.last_mut() {
        *gamma = gamma.f_mul_scalar(0.1)?;
    }
    Sequential::new(layers, device)
}

/// What is kept of the last steps to look at.
#[derive(Default)]
struct Kept {
    /// The outputs of the tanh layers, and their gradients.
    tanhs: Vec<(Tensor, Tensor)>,
    /// The gradients of the matrices.
    of_weights: Vec<Tensor>,
    /// Of each matrix the decimal logarithm of update / data, step by step.
    ratios: Vec<Vec<f64>>,
}

fn six_layers(stage: &mut Stage, data: &Dataset) -> Flow {
    let device = stage.options.device;
    let tolerance = Tolerance::on(device);
    let mut generator = Generator::seeded(SEED)?;
    let c = generator.normal(&[27, 10])?.f_to_device(device)?;
    let c = c.f_set_requires_grad(true)?;
    let mut network = deep(&mut generator, device)?;
    // parameters = [C] + [p for layer in layers for p in layer.parameters()]
    let mut parameters = vec![c.shallow_clone()];
    parameters.extend(network.parameters());
    let embed = |x: &Tensor| -> Result<Tensor> {
        Ok(Tensor::f_embedding(&c, x, -1, false, false)?.f_view([-1, 30])?)
    };
    let numbers: usize = parameters.iter().map(Tensor::numel).sum();
    let mut figures = vec![Figure::same("parameters", numbers, 47_024)];
    let matrices: Vec<usize> = (0..parameters.len())
        .filter(|&place| parameters[place].dim() == 2)
        .collect();

    let pictures = stage.options.pictures;
    let mut kept = Kept {
        ratios: vec![Vec::new(); matrices.len()],
        ..Kept::default()
    };
    let mut made = 0;
    let schedule = Schedule {
        steps: DEEP_STEPS,
        lower_from: 150_000,
    };
    let course = train(
        stage,
        &data.train,
        &mut generator,
        schedule,
        |x, y, rate| {
            let mut tape = Tape::default();
            let outs = network.each(&embed(x)?, &mut Mode::Training(&mut tape))?;
            let loss = cross_entropy(&outs[outs.len() - 1], y)?;
            made += 1;
            let mut wanted: Vec<Tensor> = parameters.iter().map(Tensor::shallow_clone).collect();
            if made == DEEP_STEPS {
                let tanhs = TANHS.map(|(layer, ..)| outs[layer].shallow_clone());
                wanted.extend(tanhs);
            }
            let mut gradients = tape.gradients(&loss, &wanted)?;
            if made == DEEP_STEPS {
                let of_tanhs = gradients.split_off(parameters.len());
                let tanhs = TANHS.map(|(layer, ..)| outs[layer].detach());
                kept.tanhs = tanhs.into_iter().zip(of_tanhs).collect();
                let copies = matrices
                    .iter()
                    .map(|&place| gradients[place].f_detach_copy());
                kept.of_weights = copies.collect::<std::result::Result<_, _>>()?;
            }
            let before: Vec<f64> = match pictures {
                true => {
                    let stds = matrices.iter().map(|&place| {
                        let std = gradients[place].f_std(true)?.f_double_value(&[])?;
                        Ok(rate * std)
                    });
                    stds.collect::<Result<_>>()?
                }
                false => Vec::new(),
            };
            descend(&mut parameters, &gradients, rate)?;
            for ((update, &place), ratios) in before.iter().zip(&matrices).zip(&mut kept.ratios) {
                let data = parameters[place].f_std(true)?.f_double_value(&[])?;
                ratios.push((update / data).log10());
            }
            Ok(loss)
        },
    )?;
    figures.extend(tolerance.losses(&course.shown, &[(0, "3.2870")]));
    let step = Step::new(
        "Six layers",
        "The same as layers that can be stacked: six linear ones, each normalised, with tanh between \
         them, and 1,001 steps.",
        figures,
    );
    stage.show_training(step, &course)?;
    if !course.is_whole() {
        return Ok(());
    }
    let weights: Vec<&Tensor> = matrices.iter().map(|&place| &parameters[place]).collect();
    health(stage, &kept, &weights)?;

    let logits =
        |x: &Tensor| network.forward(&embed(&x.f_to_device(device)?)?, &mut Mode::Inference);
    let losses = [data.train.loss(logits)?, data.dev.loss(logits)?];
    stage.show(Step::new(
        "What it learned",
        "The losses of all examples, by the running means and variances.",
        vec![
            tolerance.at_the_end("train loss", losses[0], 2.4002976417541504),
            tolerance.at_the_end("dev loss", losses[1], 2.3982467651367188),
        ],
    ))?;
    drop(generator);
    let names = names::seeded(&data.vocabulary, BLOCK_SIZE, logits)?;
    stage.show(Step::new(
        "Names",
        "Twenty of them, with a seed of their own.",
        tolerance.names(&names, &NAMES),
    ))
}

/// How activations, gradients and updates look after the last step.
fn health(stage: &mut Stage, kept: &Kept, weights: &[&Tensor]) -> Flow {
    let tolerance = Tolerance::on(stage.options.device);
    let mean =
        |tensor: &Tensor| -> Result<f64> { Ok(tensor.f_mean(Kind::Float)?.f_double_value(&[])?) };
    let std = |tensor: &Tensor| -> Result<f64> { Ok(tensor.f_std(true)?.f_double_value(&[])?) };
    let (mut activations, mut gradients) = (Vec::new(), Vec::new());
    for ((out, gradient), (layer, published, of_gradient)) in kept.tanhs.iter().zip(TANHS) {
        let saturated = out.f_abs()?.f_gt(0.97)?.f_to_kind(Kind::Float)?;
        let ours = [mean(out)?, std(out)?, 100.0 * mean(&saturated)?];
        let names = ["mean", "std", "% saturated"];
        for ((ours, name), published) in ours.into_iter().zip(names).zip(published) {
            let name = format!("layer {layer}: {name}");
            activations.push(tolerance.digits(name, ours, published, 2));
        }
        let name = format!("layer {layer}: std of gradient");
        gradients.push(tolerance.scientific(name, std(gradient)?, of_gradient));
    }
    stage.show(Step::new(
        "Activations",
        "The outputs of each tanh layer: few are saturated (above 0.97 or below -0.97), where tanh \
         lets hardly any gradient through, and all layers are alike.",
        activations,
    ))?;
    stage.show(Step::new(
        "Gradients of the activations",
        "They neither vanish nor explode from the last layer to the first.",
        gradients,
    ))?;
    let mut figures = Vec::new();
    for ((weight, gradient), (shape, of_mean, of_std, ratio)) in
        weights.iter().zip(&kept.of_weights).zip(WEIGHTS)
    {
        let ours = std(gradient)?;
        let name = |what: &str| format!("{shape} {what}");
        figures.push(tolerance.digits(name("mean of gradient"), mean(gradient)?, of_mean, 6));
        figures.push(tolerance.scientific(name("std of gradient"), ours, of_std));
        figures.push(tolerance.scientific(name("gradient : data"), ours / std(weight)?, ratio));
    }
    stage.show(Step::new(
        "Gradients of the weights",
        "How large the gradient of each matrix is beside the matrix.",
        figures,
    ))?;
    match stage.options.pictures {
        true => pictures(stage, kept),
        false => Ok(()),
    }
}

fn pictures(stage: &mut Stage, kept: &Kept) -> Flow {
    let layers = TANHS.map(|(layer, ..)| format!("layer {layer} (tanh)"));
    let shapes = WEIGHTS.map(|(shape, ..)| shape.to_owned());
    let outs: Vec<&Tensor> = kept.tanhs.iter().map(|(out, _)| out).collect();
    let gradients: Vec<&Tensor> = kept.tanhs.iter().map(|(_, gradient)| gradient).collect();
    let of_weights: Vec<&Tensor> = kept.of_weights.iter().collect();
    let pictures = [
        (
            PICTURES[1],
            "Activations",
            "output of tanh",
            outs,
            &layers[..],
        ),
        (
            PICTURES[2],
            "Gradients of the activations",
            "gradient",
            gradients,
            &layers[..],
        ),
        (
            PICTURES[3],
            "Gradients of the weights",
            "gradient",
            of_weights,
            &shapes,
        ),
    ];
    for (file, title, horizontal, tensors, names) in pictures {
        let mut numbers: Vec<Vec<f32>> = Vec::new();
        for tensor in tensors {
            let tensor = tensor.f_to_device(Device::Cpu)?.f_contiguous()?;
            numbers.push(Vec::try_from(tensor.f_view([-1])?)?);
        }
        let series: Vec<Histogram> = names
            .iter()
            .zip(&numbers)
            .map(|(name, values)| Histogram { name, values })
            .collect();
        let histograms = Histograms {
            title,
            horizontal,
            series: &series,
        };
        stage.picture(file, &histograms)?;
    }
    let series: Vec<Ratios> = shapes
        .iter()
        .zip(&kept.ratios)
        .map(|(name, ratios)| Ratios { name, ratios })
        .collect();
    let ratios = UpdateRatios {
        title: "Updates beside the weights",
        series: &series,
    };
    stage.picture(PICTURES[4], &ratios)
}
