//! Lecture 4: every gradient of the network derived by hand.
//!
//! Source: makemore_part4_backprop.ipynb.

use tch::{Device, Kind, Tensor};

use super::bit_for_bit::formula::{Formula, by_operations};
use super::bit_for_bit::numbers::descend;
use super::data::{BATCH, Batches, Dataset};
use super::figures::{Tolerance, losses_beside};
use super::training::{Schedule, train};
use super::{Figure, Flow, STEPS, Stage, Step, names};
use crate::data::Words;
use crate::error::Result;
use crate::libtorch::random::Generator;
use crate::plots::MatrixImage;
use crate::train::loss::cross_entropy;

/// The pictures of this lecture.
pub(super) const PICTURES: [&str; 1] = ["lecture-4-logit-gradients"];

/// The seed of parameters and batches.
const SEED: u64 = 2_147_483_647;

/// The losses of the training by hand.
const LOSSES: [(u64, &str); 20] = [
    (0, "3.7805"),
    (10_000, "2.1775"),
    (20_000, "2.3957"),
    (30_000, "2.5032"),
    (40_000, "2.0065"),
    (50_000, "2.3873"),
    (60_000, "2.3378"),
    (70_000, "2.0640"),
    (80_000, "2.3497"),
    (90_000, "2.1093"),
    (100_000, "1.9132"),
    (110_000, "2.2229"),
    (120_000, "1.9912"),
    (130_000, "2.4441"),
    (140_000, "2.3198"),
    (150_000, "2.1857"),
    (160_000, "2.0296"),
    (170_000, "1.8391"),
    (180_000, "2.0436"),
    (190_000, "1.9200"),
];

const NAMES: [&str; 20] = [
    "carmahzamille",
    "khi",
    "mreigeet",
    "khalaysie",
    "mahnen",
    "delynn",
    "jareen",
    "nellara",
    "chaiiv",
    "kaleigh",
    "ham",
    "joce",
    "quinn",
    "shoison",
    "jadiquintero",
    "dearyxi",
    "jace",
    "pinsley",
    "dae",
    "iia",
];

/// The seed of gain and bias, which the lecture draws from no seed.
const SEED_OF_GAIN: u64 = 420;

const UNSEEDED: &str = "the lecture draws gain and bias from no seed";

/// How many characters are a context.
const BLOCK_SIZE: usize = 3;

/// What keeps the root of the variance from 0.
const EPS: f64 = 1e-5;

/// `C [27, 10]`, `W1 [30, H]`, `b1 [H]`, `W2 [H, 27]`, `b2 [27]`, gain `[1, H]` and bias `[1, H]`.
struct Network([Tensor; 7]);

impl Network {
    /// With a hidden layer of `h`. No parameter is 0, which would hide mistakes.
    fn new(generator: &mut Generator, of_gain: [Tensor; 2], device: Device) -> Result<Self> {
        let h = of_gain[0].size()[1];
        let mut randn = |shape: &[i64], factor: f64| -> Result<Tensor> {
            Ok(generator.normal(shape)?.f_mul_scalar(factor)?)
        };
        let c = randn(&[27, 10], 1.0)?;
        let w1 = randn(&[30, h], 5.0 / 3.0)?.f_div_scalar(30_f64.sqrt())?;
        let b1 = randn(&[h], 0.1)?;
        let w2 = randn(&[h, 27], 0.1)?;
        let b2 = randn(&[27], 0.1)?;
        let [gain, bias] = of_gain;
        let trained = |parameter: Tensor| -> Result<Tensor> {
            Ok(parameter.f_to_device(device)?.f_set_requires_grad(true)?)
        };
        let [c, w1, b1, w2, b2, gain, bias] = [c, w1, b1, w2, b2, gain, bias].map(trained);
        Ok(Self([c?, w1?, b1?, w2?, b2?, gain?, bias?]))
    }

    fn parameters(&self) -> usize {
        self.0.iter().map(Tensor::numel).sum()
    }

    /// `[N, 3]` to `emb [N, 3, 10]`, `embcat [N, 30]` and `hprebn [N, H]`.
    fn hidden(&self, x: &Tensor) -> Result<[Tensor; 3]> {
        let [c, w1, b1, ..] = &self.0;
        let emb = Tensor::f_embedding(c, x, -1, false, false)?;
        let embcat = emb.f_view([-1, 30])?;
        let hprebn = embcat.f_matmul(w1)?.f_add(b1)?;
        Ok([emb, embcat, hprebn])
    }
}

/// Gain and bias, `[1, H]` each.
fn gain_and_bias(h: i64) -> Result<[Tensor; 2]> {
    let mut generator = Generator::seeded(SEED_OF_GAIN)?;
    let gain = generator
        .normal(&[1, h])?
        .f_mul_scalar(0.1)?
        .f_add_scalar(1.0)?;
    let bias = generator.normal(&[1, h])?.f_mul_scalar(0.1)?;
    Ok([gain, bias])
}

pub(super) fn replay(words: &Words, stage: &mut Stage) -> Flow {
    let data = Dataset::new(words, BLOCK_SIZE, stage.options.device)?;
    stage.show(Step::new(
        "The data",
        "The examples of lecture 3.",
        data.figures(),
    ))?;
    exercises(stage, &data)?;
    training(stage, &data)
}

/// The sum of each column, `[R, C]` to `[1, C]`.
fn column_sums(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_sum_dim_intlist([0].as_slice(), true, Kind::Float)?)
}

/// The sum of each row, `[R, C]` to `[R, 1]`.
fn row_sums(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_sum_dim_intlist([1].as_slice(), true, Kind::Float)?)
}

/// Exercises 1 to 3.
fn exercises(stage: &mut Stage, data: &Dataset) -> Flow {
    let device = stage.options.device;
    let tolerance = Tolerance::on(device);
    let of_gain = gain_and_bias(64)?;
    let mut generator = Generator::seeded(SEED)?;
    let network = Network::new(&mut generator, of_gain, device)?;
    let Some((xb, yb)) = Batches::new(&data.train, &mut generator, 1).next()? else {
        return Ok(());
    };
    let [c, w1, b1, w2, b2, bngain, bnbias] = &network.0;
    let n = BATCH as f64;

    // The forward pass in pieces that are small enough to go back through one at a time.
    let [emb, embcat, hprebn] = network.hidden(&xb)?;
    let bnmeani = column_sums(&hprebn)?.f_mul_scalar(1.0 / n)?; // [1, H]
    let bndiff = hprebn.f_sub(&bnmeani)?;
    let bndiff2 = bndiff.f_square()?;
    let bnvar = column_sums(&bndiff2)?.f_mul_scalar(1.0 / (n - 1.0))?; // [1, H]
    let bnvar_inv = bnvar.f_add_scalar(EPS)?.f_pow_tensor_scalar(-0.5)?; // [1, H]
    let bnraw = bndiff.f_mul(&bnvar_inv)?;
    let hpreact = bngain.f_mul(&bnraw)?.f_add(bnbias)?;
    let h = hpreact.f_tanh()?;
    let logits = h.f_matmul(w2)?.f_add(b2)?; // [N, V]
    let (logit_maxes, places) = logits.f_max_dim(1, true)?; // [N, 1] each
    let norm_logits = logits.f_sub(&logit_maxes)?;
    let counts = norm_logits.f_exp()?;
    let counts_sum = row_sums(&counts)?; // [N, 1]
    let counts_sum_inv = counts_sum.f_pow_tensor_scalar(-1.0)?; // [N, 1]
    let probs = counts.f_mul(&counts_sum_inv)?;
    let logprobs = probs.f_log()?;
    let ys = yb.f_unsqueeze(1)?;
    let loss = logprobs
        .f_gather(1, &ys, false)?
        .f_mean(Kind::Float)?
        .f_neg()?;

    // Exercise 1: back through all of it.
    let by_hand = tch::no_grad(|| -> Result<_> {
        let ones = ys.f_ones_like()?.f_to_kind(Kind::Float)?;
        let one_hot = logprobs.f_zeros_like()?.f_scatter(1, &ys, &ones)?;
        let dlogprobs = one_hot.f_mul_scalar(-1.0 / n)?;
        let dprobs = probs.f_reciprocal()?.f_mul(&dlogprobs)?;
        let dcounts_sum_inv = row_sums(&counts.f_mul(&dprobs)?)?;
        let inverse = counts_sum.f_pow_tensor_scalar(-2.0)?.f_neg()?;
        let dcounts_sum = inverse.f_mul(&dcounts_sum_inv)?;
        let dcounts = counts_sum_inv.f_mul(&dprobs)?.f_add(&dcounts_sum)?;
        let dnorm_logits = counts.f_mul(&dcounts)?;
        let dlogit_maxes = row_sums(&dnorm_logits.f_neg()?)?;
        let largest = logits.f_zeros_like()?.f_scatter(1, &places, &ones)?;
        let dlogits = dnorm_logits.f_add(&largest.f_mul(&dlogit_maxes)?)?;
        let dh = dlogits.f_matmul(&w2.f_tr()?)?;
        let dw2 = h.f_tr()?.f_matmul(&dlogits)?;
        let db2 = column_sums(&dlogits)?.f_view([-1])?;
        let slope = h.f_square()?.f_neg()?.f_add_scalar(1.0)?;
        let dhpreact = slope.f_mul(&dh)?;
        let dbngain = column_sums(&bnraw.f_mul(&dhpreact)?)?;
        let dbnbias = column_sums(&dhpreact)?;
        let dbnraw = bngain.f_mul(&dhpreact)?;
        let dbnvar_inv = column_sums(&bndiff.f_mul(&dbnraw)?)?;
        let power = bnvar.f_add_scalar(EPS)?.f_pow_tensor_scalar(-1.5)?;
        let dbnvar = power.f_mul_scalar(-0.5)?.f_mul(&dbnvar_inv)?;
        let share = bndiff2.f_ones_like()?.f_mul_scalar(1.0 / (n - 1.0))?;
        let dbndiff2 = share.f_mul(&dbnvar)?;
        let dbndiff = bnvar_inv.f_mul(&dbnraw)?;
        let dbndiff = dbndiff.f_add(&bndiff.f_mul_scalar(2.0)?.f_mul(&dbndiff2)?)?;
        let dbnmeani = column_sums(&dbndiff.f_neg()?)?;
        let dhprebn = dbndiff.f_add(&dbnmeani.f_mul_scalar(1.0 / n)?)?;
        let dembcat = dhprebn.f_matmul(&w1.f_tr()?)?;
        let dw1 = embcat.f_tr()?.f_matmul(&dhprebn)?;
        let db1 = column_sums(&dhprebn)?.f_view([-1])?;
        let demb = dembcat.f_view(emb.size().as_slice())?;
        let dc = of_embedding(c, &xb, &demb)?;
        Ok([
            ("logprobs", &logprobs, dlogprobs),
            ("probs", &probs, dprobs),
            ("counts_sum_inv", &counts_sum_inv, dcounts_sum_inv),
            ("counts_sum", &counts_sum, dcounts_sum),
            ("counts", &counts, dcounts),
            ("norm_logits", &norm_logits, dnorm_logits),
            ("logit_maxes", &logit_maxes, dlogit_maxes),
            ("logits", &logits, dlogits),
            ("h", &h, dh),
            ("W2", w2, dw2),
            ("b2", b2, db2),
            ("hpreact", &hpreact, dhpreact),
            ("bngain", bngain, dbngain),
            ("bnbias", bnbias, dbnbias),
            ("bnraw", &bnraw, dbnraw),
            ("bnvar_inv", &bnvar_inv, dbnvar_inv),
            ("bnvar", &bnvar, dbnvar),
            ("bndiff2", &bndiff2, dbndiff2),
            ("bndiff", &bndiff, dbndiff),
            ("bnmeani", &bnmeani, dbnmeani),
            ("hprebn", &hprebn, dhprebn),
            ("embcat", &embcat, dembcat),
            ("W1", w1, dw1),
            ("b1", b1, db1),
            ("emb", &emb, demb),
            ("C", c, dc),
        ])
    })?;
    let tensors: Vec<&Tensor> = by_hand.iter().map(|(_, tensor, _)| *tensor).collect();
    let by_autograd = Tensor::f_run_backward(&[&loss], &tensors, true, false)?;

    let loss = loss.f_double_value(&[])?;
    let numbers = network.parameters();
    stage.show(Step::new(
        "The forward pass",
        "The network of lecture 3 with a hidden layer of 64, in steps so small that each has a simple \
         derivative; no parameter is 0, which would hide mistakes.",
        vec![
            Figure::same("parameters", numbers, 4137),
            Figure::about("loss", format!("{loss:.4}"), "3.3377", 0.2, UNSEEDED),
        ],
    ))?;
    let largest = |one: &Tensor, other: &Tensor| -> Result<f64> {
        Ok(one.f_sub(other)?.f_abs()?.f_max()?.f_double_value(&[])?)
    };
    let agree = |name: &str, ours: &Tensor, autograd: &Tensor| -> Result<Figure> {
        Ok(tolerance.gradient(name, largest(ours, autograd)?))
    };
    let pairs = by_hand.iter().zip(&by_autograd);
    let figures = pairs.map(|((name, _, ours), autograd)| agree(name, ours, autograd));
    let figures: Vec<Figure> = figures.collect::<Result<_>>()?;
    stage.show(Step::new(
        "Exercise 1: step by step",
        "The gradient of each of the 26 tensors from the loss back to C, derived by hand; the figure \
         is the largest difference from autograd's.",
        figures,
    ))?;

    // Exercises 2 and 3: the same in one go.
    let autograd = |wanted: &str| {
        let place = by_hand.iter().position(|(name, ..)| *name == wanted);
        &by_autograd[place.unwrap_or_default()]
    };
    let (dlogits, dhprebn, hpreact_fast) = tch::no_grad(|| -> Result<_> {
        let dlogits = of_cross_entropy(&logits, &ys)?;
        let dhprebn = of_batch_norm(autograd("hpreact"), bngain, &bnvar_inv, &bnraw)?;
        let formula = Formula::Variance { eps: EPS };
        let fast = by_operations(&hprebn, bngain, bnbias, formula)?;
        Ok((dlogits, dhprebn, fast.out))
    })?;
    if stage.options.pictures {
        let values: Vec<f32> = Vec::try_from(dlogits.f_to_device(Device::Cpu)?.f_view([-1])?)?;
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        let image = MatrixImage {
            title: "Gradient of the logits",
            row: "example",
            column: "next character",
            columns: data.vocabulary.characters(),
            values: &values,
            unit: "gradient",
        };
        stage.picture(PICTURES[0], &image)?;
    }
    let fast = cross_entropy(&logits, &yb)?.f_double_value(&[])?;
    stage.show(Step::new(
        "Exercise 2: cross-entropy in one go",
        "Its gradient is (softmax - one-hot) / n: what the network expected, less what came.",
        vec![
            agree("logits", &dlogits, autograd("logits"))?,
            Figure::at_most("loss, from step by step", (fast - loss).abs(), 1e-6),
        ],
    ))?;
    stage.show(Step::new(
        "Exercise 3: batch normalisation in one go",
        "Its gradient, simplified on paper to one line.",
        vec![
            agree("hprebn", &dhprebn, autograd("hprebn"))?,
            Figure::at_most(
                "hpreact, from step by step",
                largest(&hpreact_fast, &hpreact)?,
                1e-6,
            ),
        ],
    ))
}

/// The gradient of an embedding `c` by that of its output at `x`: each character's are added.
fn of_embedding(c: &Tensor, x: &Tensor, demb: &Tensor) -> Result<Tensor> {
    let rows = demb.f_view([-1, 10])?;
    Ok(c.f_zeros_like()?
        .f_index_add(0, &x.f_reshape([-1])?, &rows)?)
}

/// The gradient of logits, `[N, V]`, by targets, `[N, 1]`.
fn of_cross_entropy(logits: &Tensor, ys: &Tensor) -> Result<Tensor> {
    let n = logits.size()[0] as f64;
    let probs = logits.f_softmax(1, Kind::Float)?;
    let minus_ones = ys.f_full_like(-1.0)?.f_to_kind(Kind::Float)?;
    Ok(probs.f_scatter_add(1, ys, &minus_ones)?.f_div_scalar(n)?)
}

/// The gradient of what batch normalisation reads, `[N, H]`, by that of its output; gain and the
/// inverse deviation are `[1, H]`, and `bnraw` is what was normalised, `[N, H]`.
fn of_batch_norm(
    dhpreact: &Tensor,
    bngain: &Tensor,
    bnvar_inv: &Tensor,
    bnraw: &Tensor,
) -> Result<Tensor> {
    let n = dhpreact.size()[0] as f64;
    let sums = column_sums(dhpreact)?;
    let of_raw = column_sums(&dhpreact.f_mul(bnraw)?)?;
    let along = bnraw.f_mul_scalar(n / (n - 1.0))?.f_mul(&of_raw)?;
    let inner = dhpreact.f_mul_scalar(n)?.f_sub(&sums)?.f_sub(&along)?;
    Ok(bngain.f_mul(bnvar_inv)?.f_div_scalar(n)?.f_mul(&inner)?)
}

/// Exercise 4: training with these gradients.
fn training(stage: &mut Stage, data: &Dataset) -> Flow {
    let device = stage.options.device;
    let of_gain = gain_and_bias(200)?;
    let mut generator = Generator::seeded(SEED)?;
    let mut network = Network::new(&mut generator, of_gain, device)?;
    let mut figures = vec![Figure::same("parameters", network.parameters(), 12_297)];
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
            let (loss, gradients) = tch::no_grad(|| gradients(&network, x, y))?;
            descend(&mut network.0, &gradients, rate)?;
            Ok(loss)
        },
    )?;
    figures.extend(losses_beside(&course.shown, &LOSSES, UNSEEDED));
    let [_, _, hprebn] = tch::no_grad(|| network.hidden(&data.train.xs))?;
    // Mean and variance of all that was trained on stand in for the batch's.
    let mean = hprebn.f_mean_dim([0].as_slice(), true, Kind::Float)?;
    let var = hprebn.f_var_dim([0].as_slice(), true, true)?;
    let logits = |x: &Tensor| evaluate(&network, &x.f_to_device(device)?, &mean, &var);
    if course.is_whole() {
        let losses = [
            ("train loss", &data.train, "2.0705"),
            ("dev loss", &data.dev, "2.1099"),
        ];
        for (name, examples, published) in losses {
            let ours = format!("{:.4}", examples.loss(logits)?);
            figures.push(Figure::about(name, ours, published, 0.01, UNSEEDED));
        }
    }
    let step = Step::new(
        "Exercise 4: training by hand",
        "A hidden layer of 200, trained without autograd. The lecture's network has another gain and \
         bias at first, and is another one, about as good.",
        figures,
    );
    stage.show_training(step, &course)?;
    if !course.is_whole() {
        return Ok(());
    }
    drop(generator);
    let names = names::seeded(&data.vocabulary, BLOCK_SIZE, logits)?;
    stage.show(names::of_another_network(&names, &NAMES, UNSEEDED))
}

/// The loss of a batch, and the gradients of the parameters, derived by hand.
fn gradients(network: &Network, x: &Tensor, y: &Tensor) -> Result<(Tensor, [Tensor; 7])> {
    let [c, w1, _, w2, b2, bngain, bnbias] = &network.0;
    // Forward.
    let [emb, embcat, hprebn] = network.hidden(x)?;
    let bnmean = hprebn.f_mean_dim([0].as_slice(), true, Kind::Float)?;
    let bnvar = hprebn.f_var_dim([0].as_slice(), true, true)?;
    let bnvar_inv = bnvar.f_add_scalar(EPS)?.f_pow_tensor_scalar(-0.5)?;
    let bnraw = hprebn.f_sub(&bnmean)?.f_mul(&bnvar_inv)?;
    let hpreact = bngain.f_mul(&bnraw)?.f_add(bnbias)?;
    let h = hpreact.f_tanh()?;
    let logits = h.f_matmul(w2)?.f_add(b2)?;
    let loss = cross_entropy(&logits, y)?;
    // Backward.
    let dlogits = of_cross_entropy(&logits, &y.f_unsqueeze(1)?)?;
    let dh = dlogits.f_matmul(&w2.f_tr()?)?;
    let dw2 = h.f_tr()?.f_matmul(&dlogits)?;
    let db2 = column_sums(&dlogits)?.f_view([-1])?;
    let dhpreact = h.f_square()?.f_neg()?.f_add_scalar(1.0)?.f_mul(&dh)?;
    let dbngain = column_sums(&bnraw.f_mul(&dhpreact)?)?;
    let dbnbias = column_sums(&dhpreact)?;
    let dhprebn = of_batch_norm(&dhpreact, bngain, &bnvar_inv, &bnraw)?;
    let dembcat = dhprebn.f_matmul(&w1.f_tr()?)?;
    let dw1 = embcat.f_tr()?.f_matmul(&dhprebn)?;
    let db1 = column_sums(&dhprebn)?.f_view([-1])?;
    let dc = of_embedding(c, x, &dembcat.f_view(emb.size().as_slice())?)?;
    Ok((loss, [dc, dw1, db1, dw2, db2, dbngain, dbnbias]))
}

/// The logits with a mean and a variance, `[1, H]`; `[N, 3]` to `[N, 27]`.
fn evaluate(network: &Network, x: &Tensor, mean: &Tensor, var: &Tensor) -> Result<Tensor> {
    let [_, _, _, w2, b2, bngain, bnbias] = &network.0;
    let [_, _, hprebn] = network.hidden(x)?;
    let inverse = var.f_add_scalar(EPS)?.f_pow_tensor_scalar(-0.5)?;
    let hpreact = bngain.f_mul(&hprebn.f_sub(mean)?)?.f_mul(&inverse)?;
    Ok(hpreact.f_add(bnbias)?.f_tanh()?.f_matmul(w2)?.f_add(b2)?)
}
