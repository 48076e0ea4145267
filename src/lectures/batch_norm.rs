//! Lecture 3: batch normalisation, and how healthy activations and gradients look.
//!
//! Source: makemore_part3_bn.ipynb; Ioffe and Szegedy, *Batch normalization*, 2015.

use tch::{Device, Kind, Tensor};

use super::bit_for_bit::formula::Formula;
use super::bit_for_bit::one_pass::normalized;
use super::bit_for_bit::tape::Tape;
use super::bit_for_bit::updates::{descend, update_running};
use super::data::Dataset;
use super::figures::{Figure, Tolerance};
use super::layers::{Layer, Mode, Sequential, learned};
use super::names;
use super::stage::{Section, Stage};
use super::training::{Published, STEPS, Schedule, at_the_end, train};
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

/// The number of characters in a context.
const BLOCK_SIZE: usize = 3;

const LOSSES: &str = "3.3239 2.0322 2.5675 2.0125 2.2446 1.8897 2.0785 2.3681 2.2918 2.0238 \
                      2.3673 2.3132 1.6414 1.9311 2.2231 2.0027 2.0997 2.4949 2.0199 2.1707";

/// The steps of the deep network.
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

const NAMES: &str = "carpah qarlileif jmrix thty sacansa jazhnte dpn arciigqeiunellaia chriiv kalein \
                     dhlm join qhinn sroin arian quiqaelogiearyxix kaeklinsan ed ecoia gtleley";

pub(super) fn replay(words: &Words, stage: &mut Stage) -> Result<()> {
    let data = Dataset::new(words, BLOCK_SIZE, stage.options.device)?;
    stage.show(Section::new(
        "The data",
        "The examples of lecture 2, split by a shuffle that can be repeated: Python's, with seed 42.",
        data.figures(),
    ))?;
    one_hidden_layer(stage, &data)?;
    linear_layer(stage)?;
    normalised_layer(stage)?;
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
        let mut parameters = [c, w1, w2, b2, full(1.0)?, full(0.0)?];
        for parameter in &mut parameters {
            *parameter = learned(parameter, device)?;
        }
        Ok(Self {
            parameters,
            running_mean: full(0.0)?,
            running_std: full(1.0)?,
        })
    }

    /// `[N, 3]` to `[N, 200]`.
    fn hidden(&self, x: &Tensor) -> Result<Tensor> {
        let [c, w1, ..] = &self.parameters;
        // emb = C[Xb]
        // hpreact = emb.view(emb.shape[0], -1) @ W1
        let emb = Tensor::f_embedding(c, x, -1, false, false)?; // [N, 3, 10]
        Ok(emb.f_view([-1, 30])?.f_matmul(w1)?)
    }

    /// Of the normalised hidden layer, `[N, 200]` to `[N, 27]`.
    fn logits(&self, hpreact: &Tensor) -> Result<Tensor> {
        let [_, _, w2, b2, ..] = &self.parameters;
        // h = torch.tanh(hpreact)
        // logits = h @ W2 + b2
        Ok(hpreact.f_tanh()?.f_matmul(w2)?.f_add(b2)?)
    }

    /// A step on a batch; returns its loss.
    fn step(&mut self, xb: &Tensor, yb: &Tensor, lr: f64) -> Result<Tensor> {
        let [.., gain, bias] = &self.parameters;
        let mut tape = Tape::default();
        // hpreact = bngain * (hpreact - bnmeani) / bnstdi + bnbias
        let hpreact = self.hidden(xb)?;
        let hpreact = normalized(&mut tape, &hpreact, gain, bias, Formula::Deviation)?;
        // bnmean_running = 0.999 * bnmean_running + 0.001 * bnmeani
        update_running(&self.running_mean, &hpreact.mean, 0.001)?;
        // bnstd_running = 0.999 * bnstd_running + 0.001 * bnstdi
        update_running(&self.running_std, &hpreact.spread, 0.001)?;
        // loss = F.cross_entropy(logits, Yb)
        let loss = cross_entropy(&self.logits(&hpreact.out)?, yb)?;
        // for p in parameters: p.grad = None
        // loss.backward()
        let gradients = tape.gradients(&loss, &self.parameters)?;
        // for p in parameters: p.data += -lr * p.grad
        descend(&mut self.parameters, &gradients, lr)?;
        Ok(loss)
    }

    /// The logits by the running mean and standard deviation, `[N, 3]` to `[N, 27]`.
    fn evaluate(&self, x: &Tensor) -> Result<Tensor> {
        let [.., gain, bias] = &self.parameters;
        // hpreact = bngain * (hpreact - bnmean_running) / bnstd_running + bnbias
        let centred = self.hidden(x)?.f_sub(&self.running_mean)?;
        let hpreact = gain.f_mul(&centred)?.f_div(&self.running_std)?;
        self.logits(&hpreact.f_add(bias)?)
    }
}

fn one_hidden_layer(stage: &mut Stage, data: &Dataset) -> Result<()> {
    let mut generator = Generator::seeded(SEED)?;
    let mut network = Shallow::new(&mut generator, stage.options.device)?;
    let parameters: usize = network.parameters.iter().map(Tensor::numel).sum();
    let schedule = Schedule {
        steps: STEPS,
        lower_from: 100_000,
    };
    let step = |xb: &Tensor, yb: &Tensor, lr| network.step(xb, yb, lr);
    let run = train(stage, &data.train, &mut generator, schedule, step)?;
    if run.is_drawn(stage) {
        run.draw_logarithms(stage, PICTURES[0])?;
    }
    let published = Published {
        title: "One hidden layer",
        explanation: "What goes into tanh is normalised over each batch, with a gain and a bias that \
                      are learned; the running mean and standard deviation stand in for the batch's \
                      afterwards. Learning rate 0.1, from step 100,000 on 0.01.",
        losses: LOSSES,
        at_the_end: ["2.0674145221710205", "2.1056840419769287"],
        tolerance: Tolerance::on(stage.options.device),
    };
    let figures = vec![Figure::same("parameters", parameters, 12_097)];
    published.show(stage, data, &run, figures, |x| network.evaluate(x))
}

/// `torch.randn`, to differentiate by.
fn randn(generator: &mut Generator, shape: &[i64], device: Device) -> Result<Tensor> {
    learned(&generator.normal(shape)?, device)
}

fn mean(x: &Tensor) -> Result<f64> {
    Ok(x.f_mean(Kind::Float)?.f_double_value(&[])?)
}

fn std(x: &Tensor) -> Result<f64> {
    Ok(x.f_std(true)?.f_double_value(&[])?)
}

/// Standard deviations, each with its name and what is published of it.
fn stds(tolerance: Tolerance, tensors: &[(&Tensor, &str, &str)]) -> Result<Vec<Figure>> {
    let figures = tensors.iter().map(|&(tensor, name, published)| {
        let name = format!("std of {name}");
        Ok(tolerance.full(name, std(tensor)?, published))
    });
    figures.collect()
}

fn linear_layer(stage: &mut Stage) -> Result<()> {
    let device = stage.options.device;
    let generator = &mut Generator::seeded(SEED)?;
    let a = randn(generator, &[1000, 1], device)?;
    let b = randn(generator, &[1000, 1000], device)?;
    let c = b.f_matmul(&a)?;
    let loss = randn(generator, &[1000], device)?.f_matmul(&c)?;
    let gradients = Tensor::f_run_backward(&[&loss], &[&c, &a, &b], false, false)?;
    let figures = [
        (&a, "a", "0.9875972270965576"),
        (&b, "b", "1.0006722211837769"),
        (&c, "c = b @ a", "31.01241683959961"),
        (&gradients[0], "c.grad", "0.9782556295394897"),
        (&gradients[1], "a.grad", "30.8818302154541"),
        (&gradients[2], "b.grad", "0.9666601419448853"),
    ];
    stage.show(Section::new(
        "A linear layer",
        "Sums of 1,000 products are 32 times as large as what was multiplied, and the gradient of a, \
         which is such a sum too, is so much larger than that of c.",
        stds(Tolerance::on(device), &figures)?,
    ))
}

fn normalised_layer(stage: &mut Stage) -> Result<()> {
    let device = stage.options.device;
    let generator = &mut Generator::seeded(SEED)?;
    let inp = randn(generator, &[1000], device)?;
    let w = randn(generator, &[1000, 1000], device)?;
    let x = w.f_matmul(&inp)?;
    // out = (x - x.mean()) / torch.sqrt(x.var() + 1e-5)
    let root = x.f_var(true)?.f_add_scalar(1e-5)?.f_sqrt()?;
    let out = x.f_sub(&x.f_mean(Kind::Float)?)?.f_div(&root)?;
    let loss = out.f_matmul(&randn(generator, &[1000], device)?)?;
    let gradients = Tensor::f_run_backward(&[&loss], &[&out, &x, &w, &inp], false, false)?;
    let figures = [
        (&inp, "inp", "0.9875972270965576"),
        (&w, "w", "1.0006722211837769"),
        (&x, "x = w @ inp", "31.01241683959961"),
        (&out, "out", "1.0"),
        (&gradients[0], "out.grad", "0.9782556295394897"),
        (&gradients[1], "x.grad", "0.031543977558612823"),
        (&gradients[2], "w.grad", "0.031169468536973"),
        (&gradients[3], "inp.grad", "0.9953052997589111"),
    ];
    stage.show(Section::new(
        "The same with batch normalisation",
        "After it numbers have a standard deviation of 1, and the gradients of what comes before are \
         smaller the larger the numbers were.",
        stds(Tolerance::on(device), &figures)?,
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

/// The deep network, and what is looked at after its last steps.
struct Deep {
    /// `[27, 10]`.
    c: Tensor,
    layers: Sequential,
    /// `C` and those of the layers.
    parameters: Vec<Tensor>,
    /// The places of the matrices among the parameters.
    matrices: Vec<usize>,
    steps: u64,
    /// The outputs of the tanh layers in the last step, and their gradients.
    tanhs: Vec<(Tensor, Tensor)>,
    /// The gradients of the matrices in the last step.
    of_weights: Vec<Tensor>,
    /// Of each matrix the decimal logarithm of update / data, step by step; none without a picture.
    ratios: Option<Vec<Vec<f64>>>,
}

impl Deep {
    fn new(generator: &mut Generator, device: Device, has_ratios: bool) -> Result<Self> {
        // C = torch.randn((vocab_size, n_embd))
        let c = randn(generator, &[27, 10], device)?;
        let mut layers = deep(generator, device)?;
        // parameters = [C] + [p for layer in layers for p in layer.parameters()]
        let mut parameters = vec![c.shallow_clone()];
        parameters.extend(layers.parameters());
        let is_matrix = |&place: &usize| parameters[place].dim() == 2;
        let matrices: Vec<usize> = (0..parameters.len()).filter(is_matrix).collect();
        Ok(Self {
            c,
            layers,
            ratios: has_ratios.then(|| vec![Vec::new(); matrices.len()]),
            parameters,
            matrices,
            steps: 0,
            tanhs: Vec::new(),
            of_weights: Vec::new(),
        })
    }

    fn weights(&self) -> impl Iterator<Item = &Tensor> {
        self.matrices.iter().map(|&place| &self.parameters[place])
    }

    /// `[N, 3]` to `[N, 30]`.
    fn embed(&self, x: &Tensor) -> Result<Tensor> {
        // emb = C[Xb]
        // x = emb.view(emb.shape[0], -1)
        Ok(Tensor::f_embedding(&self.c, x, -1, false, false)?.f_view([-1, 30])?)
    }

    /// The logits by the running means and variances, `[N, 3]` to `[N, 27]`.
    fn evaluate(&self, x: &Tensor) -> Result<Tensor> {
        self.layers.forward(&self.embed(x)?, &mut Mode::Inference)
    }

    /// A step on a batch; returns its loss.
    fn step(&mut self, xb: &Tensor, yb: &Tensor, lr: f64) -> Result<Tensor> {
        let mut tape = Tape::default();
        // for layer in layers: x = layer(x)
        let mode = &mut Mode::Training(&mut tape);
        let outs = self.layers.each(&self.embed(xb)?, mode)?;
        // loss = F.cross_entropy(x, Yb)
        let loss = cross_entropy(&outs[outs.len() - 1], yb)?;
        // for layer in layers: layer.out.retain_grad()
        self.steps += 1;
        let is_last = self.steps == DEEP_STEPS;
        let tanhs = TANHS.iter().filter(|_| is_last);
        let tanhs: Vec<Tensor> = tanhs.map(|tanh| outs[tanh.0].shallow_clone()).collect();
        // for p in parameters: p.grad = None
        // loss.backward()
        let parameters = self.parameters.iter().map(Tensor::shallow_clone);
        let wanted: Vec<Tensor> = parameters.chain(tanhs).collect();
        let gradients = tape.gradients(&loss, &wanted)?;
        if is_last {
            self.keep(&wanted, &gradients);
        }
        // for p in parameters: p.data += -lr * p.grad
        descend(&mut self.parameters, &gradients, lr)?;
        // ud.append([((lr*p.grad).std() / p.data.std()).log10().item() for p in parameters])
        let ratios = self.ratios.iter_mut().flatten();
        for (ratios, &place) in ratios.zip(&self.matrices) {
            let update = lr * std(&gradients[place])?;
            ratios.push((update / std(&self.parameters[place])?).log10());
        }
        Ok(loss)
    }

    /// Keeps gradients of the last step; those of the tanh layers come after those of the parameters.
    fn keep(&mut self, wanted: &[Tensor], gradients: &[Tensor]) {
        let tanhs = wanted.iter().zip(gradients).skip(self.parameters.len());
        let tanhs = tanhs.map(|(out, gradient)| (out.detach(), gradient.shallow_clone()));
        self.tanhs = tanhs.collect();
        let of_weights = self.matrices.iter();
        self.of_weights = of_weights
            .map(|&place| gradients[place].shallow_clone())
            .collect();
    }
}

fn six_layers(stage: &mut Stage, data: &Dataset) -> Result<()> {
    let tolerance = Tolerance::on(stage.options.device);
    let mut generator = Generator::seeded(SEED)?;
    let mut network = Deep::new(&mut generator, stage.options.device, stage.options.pictures)?;
    let parameters: usize = network.parameters.iter().map(Tensor::numel).sum();
    let schedule = Schedule {
        steps: DEEP_STEPS,
        lower_from: 150_000,
    };
    let step = |xb: &Tensor, yb: &Tensor, lr| network.step(xb, yb, lr);
    let run = train(stage, &data.train, &mut generator, schedule, step)?;
    let mut figures = vec![Figure::same("parameters", parameters, 47_024)];
    figures.extend(tolerance.losses(&run.shown, "3.2870"));
    let section = Section::new(
        "Six layers",
        "The same as layers that can be stacked: six linear ones, each normalised, with tanh between \
         them, and 1,001 steps.",
        figures,
    );
    stage.show_training(run.training, run.is_interrupted, section)?;
    if !run.training.is_whole() {
        return Ok(());
    }
    health(stage, &network)?;
    if let Some(ratios) = &network.ratios {
        draw_histograms(stage, &network)?;
        draw_ratios(stage, ratios)?;
    }
    let logits = |x: &Tensor| network.evaluate(x);
    let published = ["2.4002976417541504", "2.3982467651367188"];
    stage.show(Section::new(
        "What it learned",
        "The losses of all examples, by the running means and variances.",
        at_the_end(data, published, tolerance, logits)?.into(),
    ))?;
    drop(generator);
    let generator = &mut Generator::seeded(names::SEED)?;
    let names = ("Twenty of them, with a seed of their own.", NAMES);
    names::show(stage, data, generator, names, tolerance, logits)
}

/// Shows how activations and gradients look after the last step.
fn health(stage: &mut Stage, network: &Deep) -> Result<()> {
    let tolerance = Tolerance::on(stage.options.device);
    let (mut activations, mut gradients) = (Vec::new(), Vec::new());
    for ((out, gradient), (layer, published, of_gradient)) in network.tanhs.iter().zip(TANHS) {
        let saturated = out.f_abs()?.f_gt(0.97)?.f_to_kind(Kind::Float)?;
        let ours = [mean(out)?, std(out)?, 100.0 * mean(&saturated)?];
        let names = ["mean", "std", "% saturated"];
        for ((ours, name), published) in ours.into_iter().zip(names).zip(published) {
            let name = format!("layer {layer}: {name}");
            activations.push(tolerance.rounded(name, ours, published));
        }
        let name = format!("layer {layer}: std of gradient");
        gradients.push(tolerance.rounded(name, std(gradient)?, of_gradient));
    }
    stage.show(Section::new(
        "Activations",
        "The outputs of each tanh layer: few are saturated (above 0.97 or below -0.97), where tanh \
         lets hardly any gradient through, and all layers are alike.",
        activations,
    ))?;
    stage.show(Section::new(
        "Gradients of the activations",
        "They neither vanish nor explode from the last layer to the first.",
        gradients,
    ))?;
    let mut figures = Vec::new();
    let weights = network.weights().zip(&network.of_weights).zip(WEIGHTS);
    for ((weight, gradient), (shape, of_mean, of_std, ratio)) in weights {
        let ours = std(gradient)?;
        let name = |what: &str| format!("{shape} {what}");
        figures.extend([
            tolerance.rounded(name("mean of gradient"), mean(gradient)?, of_mean),
            tolerance.rounded(name("std of gradient"), ours, of_std),
            tolerance.rounded(name("gradient : data"), ours / std(weight)?, ratio),
        ]);
    }
    stage.show(Section::new(
        "Gradients of the weights",
        "How large the gradient of each matrix is beside the matrix.",
        figures,
    ))
}

/// Draws activations, their gradients and those of the weights.
fn draw_histograms(stage: &mut Stage, network: &Deep) -> Result<()> {
    let layers = TANHS.map(|(layer, ..)| format!("layer {layer} (tanh)"));
    let shapes = WEIGHTS.map(|(shape, ..)| shape.to_owned());
    let (outs, gradients): (Vec<_>, Vec<_>) = network
        .tanhs
        .iter()
        .map(|(out, gradient)| (out, gradient))
        .unzip();
    let of_weights = network.of_weights.iter().collect();
    let titles = [
        "Activations",
        "Gradients of the activations",
        "Gradients of the weights",
    ];
    let horizontals = ["output of tanh", "gradient", "gradient"];
    let of_pictures: [(Vec<&Tensor>, &[String]); 3] =
        [(outs, &layers), (gradients, &layers), (of_weights, &shapes)];
    for (place, (tensors, names)) in of_pictures.into_iter().enumerate() {
        let mut numbers: Vec<Vec<f32>> = Vec::new();
        for tensor in tensors {
            let tensor = tensor.f_to_device(Device::Cpu)?.f_contiguous()?;
            numbers.push(Vec::try_from(tensor.f_view([-1])?)?);
        }
        let series = names.iter().zip(&numbers);
        let series = series.map(|(name, values)| Histogram { name, values });
        let histograms = Histograms {
            title: titles[place],
            horizontal: horizontals[place],
            series: &series.collect::<Vec<_>>(),
        };
        stage.picture(PICTURES[1 + place], &histograms)?;
    }
    Ok(())
}

fn draw_ratios(stage: &mut Stage, ratios: &[Vec<f64>]) -> Result<()> {
    let series = WEIGHTS.iter().zip(ratios);
    let series: Vec<Ratios> = series
        .map(|((name, ..), ratios)| Ratios { name, ratios })
        .collect();
    let ratios = UpdateRatios {
        title: "Updates beside the weights",
        series: &series,
    };
    stage.picture(PICTURES[4], &ratios)
}
