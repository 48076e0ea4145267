//! Lecture 3: batch normalisation, and the statistics of activations and gradients.
//!
//! Source: [makemore_part3_bn.ipynb]; Ioffe and Szegedy, *Batch normalization*, 2015.
//!
//! [makemore_part3_bn.ipynb]: https://github.com/karpathy/nn-zero-to-hero/blob/master/lectures/makemore/makemore_part3_bn.ipynb

use tch::{Device, Kind, Tensor};

use super::bit_for_bit::formula::Formula;
use super::bit_for_bit::one_pass::normalized;
use super::bit_for_bit::tape::Tape;
use super::bit_for_bit::updates::{descend, update_running};
use super::data::Splits;
use super::figures::{Figure, Tolerance};
use super::layers::{Layer, Mode, Module, Sequential, learned};
use super::location::Notebook;
use super::names::{self, Names};
use super::stage::{Section, Stage};
use super::training::{Published, STEPS, at_the_end, train};
use crate::data::Words;
use crate::error::Result;
use crate::libtorch::numbers::copied;
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

const NOTEBOOK: Notebook = Notebook("makemore_part3_bn");

/// The seed of parameters and batches.
const SEED: u64 = 2_147_483_647;

/// The number of characters in a context.
const BLOCK_SIZE: usize = 3;

const LOSSES: &str = "3.3239 2.0322 2.5675 2.0125 2.2446 1.8897 2.0785 2.3681 2.2918 2.0238 \
                      2.3673 2.3132 1.6414 1.9311 2.2231 2.0027 2.0997 2.4949 2.0199 2.1707";

/// The steps of the deep network.
const DEEP_STEPS: u64 = 1001;

/// Our network has so many layers before the first one of the notebook's list.
const BEFORE: usize = 2;

/// The published figures of its tanh layers: the layer's place; the mean, the standard deviation and
/// the percentage above 0.97 or below -0.97 of its outputs; the standard deviation of their gradients.
const TANHS: [(usize, [&str; 3], &str); 5] = [
    (2, ["-0.00", "0.63", "2.78"], "2.640702e-03"),
    (5, ["+0.00", "0.64", "2.56"], "2.245584e-03"),
    (8, ["-0.00", "0.65", "2.25"], "2.045742e-03"),
    (11, ["+0.00", "0.65", "1.69"], "1.983134e-03"),
    (14, ["+0.00", "0.65", "1.88"], "1.952382e-03"),
];

/// The published figures of its matrices: the place among the parameters; the mean and the standard
/// deviation of the gradient, and the latter divided by the standard deviation of the weights.
const WEIGHTS: [(usize, [&str; 3]); 7] = [
    (0, ["+0.000000", "8.020534e-03", "8.012630e-03"]),
    (1, ["+0.000246", "9.241077e-03", "4.881091e-02"]),
    (4, ["+0.000113", "7.132879e-03", "6.964619e-02"]),
    (7, ["-0.000086", "6.234305e-03", "6.073741e-02"]),
    (10, ["+0.000052", "5.742187e-03", "5.631483e-02"]),
    (13, ["+0.000032", "5.672205e-03", "5.570125e-02"]),
    (16, ["-0.000082", "1.209416e-02", "1.160106e-01"]),
];

const NAMES: &str = "carpah qarlileif jmrix thty sacansa jazhnte dpn arciigqeiunellaia chriiv kalein \
                     dhlm join qhinn sroin arian quiqaelogiearyxix kaeklinsan ed ecoia gtleley";

pub(super) fn replay(words: &Words, stage: &mut Stage) -> Result<()> {
    let splits = Splits::new(words, BLOCK_SIZE, stage.options.device, 1)?;
    stage.show(Section::new(
        "The data",
        "The examples of lecture 2, split by a shuffle that can be repeated: Python's, with seed 42.",
        NOTEBOOK.cell(5),
        splits.figures(),
    ))?;
    one_hidden_layer(stage, &splits)?;
    linear_layer(stage)?;
    normalised_layer(stage)?;
    six_layers(stage, &splits)
}

/// The MLP of lecture 2 with batch normalisation in its forward pass.
struct Shallow {
    /// `C [27, 10]`, `W1 [30, 200]`, `W2 [200, 27]`, `b2 [27]`, `bngain [200]`, `bnbias [200]`.
    parameters: [Tensor; 6],
    /// `[200]` each.
    running_mean: Tensor,
    running_std: Tensor,
}

impl Shallow {
    fn new(generator: &mut Generator, device: Device) -> Result<Self> {
        let mut randn = |shape: &[i64]| -> Result<Tensor> { generator.randn(shape) };
        let c = randn(&[27, 10])?;
        // Kaiming initialisation for tanh.
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
}

impl Module for Shallow {
    fn parameters(&mut self) -> &mut [Tensor] {
        &mut self.parameters
    }

    fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        let [c, w1, w2, b2, gain, bias] = &self.parameters;
        // emb = C[Xb]
        let emb = Tensor::f_embedding(c, x, -1, false, false)?; // [N, 3, 10]
        // hpreact = emb.view(emb.shape[0], -1) @ W1
        let hpreact = emb.f_view([-1, 30])?.f_matmul(w1)?; // [N, 200]
        let hpreact = match mode {
            Mode::Training(tape) => {
                // hpreact = bngain * (hpreact - bnmeani) / bnstdi + bnbias
                let batch = normalized(tape, &hpreact, gain, bias, Formula::Deviation)?;
                // bnmean_running = 0.999 * bnmean_running + 0.001 * bnmeani
                update_running(&self.running_mean, &batch.mean, 0.001)?;
                // bnstd_running = 0.999 * bnstd_running + 0.001 * bnstdi
                update_running(&self.running_std, &batch.spread, 0.001)?;
                batch.out
            }
            Mode::Inference => {
                // hpreact = bngain * (hpreact - bnmean_running) / bnstd_running + bnbias
                let centred = hpreact.f_sub(&self.running_mean)?;
                let scaled = gain.f_mul(&centred)?.f_div(&self.running_std)?;
                scaled.f_add(bias)?
            }
        };
        // h = torch.tanh(hpreact)
        // logits = h @ W2 + b2
        Ok(hpreact.f_tanh()?.f_matmul(w2)?.f_add(b2)?)
    }
}

fn one_hidden_layer(stage: &mut Stage, splits: &Splits) -> Result<()> {
    let mut generator = Generator::seeded(SEED)?;
    let mut network = Shallow::new(&mut generator, stage.options.device)?;
    let parameters = Figure::same("parameters", network.nelement(), 12_097);
    let figures = vec![parameters.published_in(NOTEBOOK.cell(6))];
    let run = train(
        stage,
        splits,
        &mut generator,
        &mut network,
        [STEPS, 100_000],
    )?;
    if run.is_drawn(stage) {
        run.draw_logarithms(stage, PICTURES[0], 3)?;
    }
    let published = Published {
        title: "One hidden layer",
        explanation: "What goes into tanh is normalised over each batch, with a gain and a bias that \
                      are learned; the running mean and standard deviation stand in for the batch's \
                      afterwards. Learning rate 0.1, from step 100,000 on 0.01.",
        source: NOTEBOOK.cell(7),
        losses: LOSSES,
        at_the_end: [
            (NOTEBOOK.cell(10), "2.0674145221710205"),
            (NOTEBOOK.cell(10), "2.1056840419769287"),
        ],
        tolerance: Tolerance::on(stage.options.device),
        names: None,
    };
    published.show(stage, splits, (run, generator), &network, figures)
}

/// `torch.randn(shape)`, on a device, with gradients.
fn randn(generator: &mut Generator, shape: &[i64], device: Device) -> Result<Tensor> {
    learned(&generator.randn(shape)?, device)
}

fn mean(x: &Tensor) -> Result<f64> {
    Ok(x.f_mean(Kind::Float)?.f_double_value(&[])?)
}

fn std(x: &Tensor) -> Result<f64> {
    Ok(x.f_std(true)?.f_double_value(&[])?)
}

/// The standard deviations of tensors, each with the tensor's name and the published figure.
fn stds(tolerance: Tolerance, tensors: &[(&Tensor, &str, &str)]) -> Result<Vec<Figure>> {
    let figures = tensors.iter().map(|&(tensor, name, published)| {
        let name = format!("std of {name}");
        Ok(tolerance.figure(name, std(tensor)?, published))
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
        NOTEBOOK.cell(23),
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
        NOTEBOOK.cell(24),
        stds(Tolerance::on(device), &figures)?,
    ))
}

/// Six linear layers, each with batch normalisation, and tanh between them: `[N, 3]`, i64, to
/// `[N, 27]`. The last gain is multiplied by 0.1, so that the first logits are close to each other.
fn six_layers_of(generator: &mut Generator, device: Device) -> Result<Sequential> {
    // C = torch.randn((vocab_size, n_embd))
    // x = emb.view(emb.shape[0], -1)
    let mut layers = vec![
        Layer::embedding(generator, 27, 10)?,
        Layer::FlattenConsecutive(BLOCK_SIZE as i64),
    ];
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

/// The network of six layers, with the activations and gradients of its last step.
struct Deep {
    network: Sequential,
    /// The outputs of the tanh layers in the last step.
    tanhs: Vec<Tensor>,
    /// The gradients of the parameters in the last step, and then those of `tanhs`.
    gradients: Vec<Tensor>,
    /// The update-to-data ratios of each matrix and step, as decimal logarithms; `None` if no picture is
    /// drawn.
    ratios: Option<[Vec<f64>; WEIGHTS.len()]>,
}

impl Deep {
    /// Each matrix with its gradient and its name.
    fn matrices(&mut self) -> impl Iterator<Item = (&Tensor, &Tensor, String)> {
        let (parameters, gradients) = (&*self.network.parameters(), &self.gradients);
        WEIGHTS.iter().map(move |&(place, _)| {
            let name = format!("{place}: {:?}", parameters[place].size());
            (&parameters[place], &gradients[place], name)
        })
    }
}

impl Module for Deep {
    fn parameters(&mut self) -> &mut [Tensor] {
        self.network.parameters()
    }

    fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        self.network.forward(x, mode)
    }

    fn step(&mut self, xb: &Tensor, yb: &Tensor, lr: f64) -> Result<Tensor> {
        let mut tape = Tape::default();
        // for layer in layers: x = layer(x)
        let outs = self.network.each(xb, &mut Mode::Training(&mut tape))?;
        // loss = F.cross_entropy(x, Yb)
        let loss = cross_entropy(&outs[outs.len() - 1], yb)?;
        // for layer in layers: layer.out.retain_grad()
        let tanhs = TANHS.map(|(layer, ..)| outs[BEFORE + layer].shallow_clone());
        let parameters = self.parameters().iter();
        let wanted = parameters.chain(&tanhs).map(Tensor::shallow_clone);
        // for p in parameters: p.grad = None
        // loss.backward()
        self.gradients = tape.gradients(&loss, &wanted.collect::<Vec<_>>())?;
        self.tanhs = tanhs.iter().map(Tensor::detach).collect();
        // for p in parameters: p.data += -lr * p.grad
        descend(self.network.parameters(), &self.gradients, lr)?;
        // ud.append([((lr*p.grad).std() / p.data.std()).log10().item() for p in parameters])
        for (ratios, &(place, _)) in self.ratios.iter_mut().flatten().zip(&WEIGHTS) {
            let update = lr * std(&self.gradients[place])?;
            ratios.push((update / std(&self.network.parameters()[place])?).log10());
        }
        Ok(loss)
    }
}

fn six_layers(stage: &mut Stage, splits: &Splits) -> Result<()> {
    let tolerance = Tolerance::on(stage.options.device);
    let mut generator = Generator::seeded(SEED)?;
    let mut network = Deep {
        network: six_layers_of(&mut generator, stage.options.device)?,
        tanhs: Vec::new(),
        gradients: Vec::new(),
        ratios: stage.options.pictures.then(Default::default),
    };
    let parameters = Figure::same("parameters", network.nelement(), 47_024);
    let mut figures = vec![parameters.published_in(NOTEBOOK.cell(13))];
    let run = train(stage, splits, &mut generator, &mut network, [DEEP_STEPS; 2])?;
    figures.extend(tolerance.losses(&run.shown(), "3.2870"));
    let section = Section::new(
        "Six layers",
        "The same as layers that can be stacked (src/lectures/layers.rs): six linear ones, each \
         normalised, with tanh between them, and 1,001 steps.",
        NOTEBOOK.cell(14),
        figures,
    );
    run.show(stage, section)?;
    if !run.training.is_whole() {
        return Ok(());
    }
    health(stage, &mut network)?;
    if stage.options.pictures {
        draw_histograms(stage, &mut network)?;
        draw_ratios(stage, &mut network)?;
    }
    let published =
        ["2.4002976417541504", "2.3982467651367188"].map(|loss| (NOTEBOOK.cell(19), loss));
    stage.show(Section::new(
        "What it learned",
        "The losses of all examples, by the running means and variances.",
        NOTEBOOK.cell(19),
        at_the_end(splits, published, tolerance, &network)?.into(),
    ))?;
    let names = Names {
        explanation: "Twenty of them, with a seed of their own.",
        source: NOTEBOOK.cell(20),
        published: NAMES,
        seed: Some(names::SEED),
    };
    names::show(stage, splits, generator, names, tolerance, &network)
}

/// Shows the statistics of activations and gradients in the last step.
fn health(stage: &mut Stage, network: &mut Deep) -> Result<()> {
    let tolerance = Tolerance::on(stage.options.device);
    let (mut activations, mut gradients) = (Vec::new(), Vec::new());
    let of_tanhs = &network.gradients[network.gradients.len() - TANHS.len()..];
    for ((out, gradient), (layer, published, of_gradient)) in
        network.tanhs.iter().zip(of_tanhs).zip(TANHS)
    {
        let saturated = out.f_abs()?.f_gt(0.97)?.f_to_kind(Kind::Float)?;
        let ours = [mean(out)?, std(out)?, 100.0 * mean(&saturated)?];
        let names = ["mean", "std", "% saturated"];
        for ((ours, name), published) in ours.into_iter().zip(names).zip(published) {
            let name = format!("layer {layer}: {name}");
            activations.push(tolerance.figure(name, ours, published));
        }
        let name = format!("layer {layer}: std of gradient");
        gradients.push(tolerance.figure(name, std(gradient)?, of_gradient));
    }
    stage.show(Section::new(
        "Activations",
        "The outputs of each tanh layer: few are saturated (above 0.97 or below -0.97), where tanh \
         lets hardly any gradient through, and all layers are alike.",
        NOTEBOOK.cell(15),
        activations,
    ))?;
    stage.show(Section::new(
        "Gradients of the activations",
        "They neither vanish nor explode from the last layer to the first.",
        NOTEBOOK.cell(16),
        gradients,
    ))?;
    let mut figures = Vec::new();
    for ((weight, gradient, matrix), (_, published)) in network.matrices().zip(WEIGHTS) {
        let spread = std(gradient)?;
        let ours = [mean(gradient)?, spread, spread / std(weight)?];
        let names = ["mean of gradient", "std of gradient", "gradient : data"];
        for ((ours, name), published) in ours.into_iter().zip(names).zip(published) {
            figures.push(tolerance.figure(format!("{matrix} {name}"), ours, published));
        }
    }
    stage.show(Section::new(
        "Gradients of the weights",
        "How large the gradient of each matrix is beside the matrix.",
        NOTEBOOK.cell(17),
        figures,
    ))
}

/// Draws histograms of the activations, of their gradients and of the weights' gradients.
fn draw_histograms(stage: &mut Stage, network: &mut Deep) -> Result<()> {
    let of_weights: Vec<(String, Vec<f32>)> = network
        .matrices()
        .map(|(_, gradient, name)| Ok((name, copied(gradient)?)))
        .collect::<Result<_>>()?;
    let of_layers = |tensors: &[Tensor]| -> Result<Vec<(String, Vec<f32>)>> {
        let layers = TANHS.iter().zip(tensors);
        let layers = layers
            .map(|((layer, ..), tensor)| Ok((format!("layer {layer} (tanh)"), copied(tensor)?)));
        layers.collect()
    };
    let of_tanhs = &network.gradients[network.gradients.len() - TANHS.len()..];
    let (tanhs, of_tanhs) = (of_layers(&network.tanhs)?, of_layers(of_tanhs)?);
    for (picture, title, horizontal, series) in [
        (PICTURES[1], "Activations", "output of tanh", tanhs),
        (
            PICTURES[2],
            "Gradients of the activations",
            "gradient",
            of_tanhs,
        ),
        (
            PICTURES[3],
            "Gradients of the weights",
            "gradient",
            of_weights,
        ),
    ] {
        let series = series.iter();
        let series = series.map(|(name, values)| Histogram { name, values });
        let histograms = Histograms {
            title,
            horizontal,
            series: &series.collect::<Vec<_>>(),
        };
        stage.picture(picture, &histograms)?;
    }
    Ok(())
}

fn draw_ratios(stage: &mut Stage, network: &mut Deep) -> Result<()> {
    let names: Vec<String> = network.matrices().map(|(.., name)| name).collect();
    let series = names.iter().zip(network.ratios.iter().flatten());
    let series = series.map(|(name, ratios)| Ratios { name, ratios });
    let ratios = UpdateRatios {
        title: "Updates beside the weights",
        series: &series.collect::<Vec<_>>(),
    };
    stage.picture(PICTURES[4], &ratios)
}
