//! Lecture 4: backpropagation by hand.
//!
//! Source: [makemore_part4_backprop.ipynb].
//!
//! [makemore_part4_backprop.ipynb]: https://github.com/karpathy/nn-zero-to-hero/blob/master/lectures/makemore/makemore_part4_backprop.ipynb

use tch::{Device, Kind, Tensor};

use super::bit_for_bit::formula::{Formula, by_operations};
use super::bit_for_bit::updates::descend;
use super::data::{BATCH, Splits};
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
use crate::plots::MatrixImage;
use crate::train::loss::cross_entropy;

/// The pictures of this lecture.
pub(super) const PICTURES: [&str; 1] = ["lecture-4-logit-gradients"];

const NOTEBOOK: Notebook = Notebook("makemore_part4_backprop");

/// The published probabilities of the next character after the first example of the batch.
const SOFTMAX: &str = "0.0719 0.0881 0.0193 0.0493 0.0169 0.0864 0.0226 0.0356 0.0165 \
                       0.0314 0.0364 0.0383 0.0424 0.0279 0.0317 0.0142 0.0085 0.0195 \
                       0.0152 0.0555 0.0450 0.0236 0.0250 0.0662 0.0616 0.0269 0.0239";

/// The seed of parameters and batches.
const SEED: u64 = 2_147_483_647;

/// The published losses of exercise 4, every 10,000 steps.
const LOSSES: &str = "3.7805 2.1775 2.3957 2.5032 2.0065 2.3873 2.3378 2.0640 2.3497 2.1093 \
                      1.9132 2.2229 1.9912 2.4441 2.3198 2.1857 2.0296 1.8391 2.0436 1.9200";

const NAMES: &str = "carmahzamille khi mreigeet khalaysie mahnen delynn jareen nellara chaiiv kaleigh \
                     ham joce quinn shoison jadiquintero dearyxi jace pinsley dae iia";

/// Our seed of gain and bias, which the lecture draws without a seed.
const SEED_OF_GAIN: u64 = 420;

const UNSEEDED: &str = "the lecture draws gain and bias from no seed";

/// The number of characters in a context.
const BLOCK_SIZE: usize = 3;

/// Keeps the root of the variance above 0.
const EPS: f64 = 1e-5;

/// The MLP of lecture 3 with a hidden layer of `H` and gradients derived by hand.
struct ByHand {
    /// `C [27, 10]`, `W1 [30, H]`, `b1 [H]`, `W2 [H, 27]`, `b2 [27]`, `bngain [1, H]`, `bnbias [1, H]`.
    parameters: [Tensor; 7],
    /// `bnmean` and `bnvar` for inference, `[1, H]` each.
    statistics: [Tensor; 2],
}

impl ByHand {
    /// A network and the generator of its batches. As in the lecture no parameter is 0 at first: zeros
    /// could hide mistakes in the gradients.
    fn new(h: i64, device: Device) -> Result<(Self, Generator)> {
        let mut generator = Generator::seeded(SEED_OF_GAIN)?;
        let gain = generator.randn(&[1, h])?.f_mul_scalar(0.1)?;
        let gain = gain.f_add_scalar(1.0)?;
        let bias = generator.randn(&[1, h])?.f_mul_scalar(0.1)?;
        drop(generator);
        let mut generator = Generator::seeded(SEED)?;
        let mut randn = |shape: &[i64], factor: f64| -> Result<Tensor> {
            Ok(generator.randn(shape)?.f_mul_scalar(factor)?)
        };
        let c = randn(&[27, 10], 1.0)?;
        let w1 = randn(&[30, h], 5.0 / 3.0)?.f_div_scalar(30_f64.sqrt())?;
        let b1 = randn(&[h], 0.1)?;
        let w2 = randn(&[h, 27], 0.1)?;
        let b2 = randn(&[27], 0.1)?;
        let mut parameters = [c, w1, b1, w2, b2, gain, bias];
        for parameter in &mut parameters {
            *parameter = learned(parameter, device)?;
        }
        let full = |number: f64| Tensor::f_full([1, h], number, (Kind::Float, device));
        let statistics = [full(0.0)?, full(1.0)?];
        let network = Self {
            parameters,
            statistics,
        };
        Ok((network, generator))
    }

    /// The forward pass up to batch normalisation: `[N, 3]` to `emb [N, 3, 10]`, `embcat [N, 30]` and
    /// `hprebn [N, H]`.
    fn hidden(&self, x: &Tensor) -> Result<[Tensor; 3]> {
        let [c, w1, b1, ..] = &self.parameters;
        // emb = C[Xb]
        // embcat = emb.view(emb.shape[0], -1)
        // hprebn = embcat @ W1 + b1
        let emb = Tensor::f_embedding(c, x, -1, false, false)?;
        let embcat = emb.f_view([-1, 30])?;
        let hprebn = embcat.f_matmul(w1)?.f_add(b1)?;
        Ok([emb, embcat, hprebn])
    }

    /// Sets the mean and the variance for inference to those of all training examples, `[N, 3]`.
    fn calibrate(&mut self, x: &Tensor) -> Result<()> {
        let [_, _, hprebn] = tch::no_grad(|| self.hidden(x))?;
        self.statistics = mean_and_variance(&hprebn)?;
        Ok(())
    }
}

/// The mean and the variance of each column, `[R, C]` to `[1, C]` each.
fn mean_and_variance(x: &Tensor) -> Result<[Tensor; 2]> {
    let rows = [0].as_slice();
    Ok([
        x.f_mean_dim(rows, true, Kind::Float)?,
        x.f_var_dim(rows, true, true)?,
    ])
}

impl Module for ByHand {
    fn parameters(&mut self) -> &mut [Tensor] {
        &mut self.parameters
    }

    /// The forward pass for inference; training uses [`ByHand::gradients`].
    fn forward(&self, x: &Tensor, _: &mut Mode) -> Result<Tensor> {
        let [_, _, _, w2, b2, bngain, bnbias] = &self.parameters;
        let [bnmean, bnvar] = &self.statistics;
        let [_, _, hprebn] = self.hidden(x)?;
        // hpreact = bngain * (hpreact - bnmean) * (bnvar + 1e-5)**-0.5 + bnbias
        let bnvar_inv = bnvar.f_add_scalar(EPS)?.f_pow_tensor_scalar(-0.5)?;
        let hpreact = bngain.f_mul(&hprebn.f_sub(bnmean)?)?.f_mul(&bnvar_inv)?;
        // h = torch.tanh(hpreact)
        // logits = h @ W2 + b2
        Ok(hpreact.f_add(bnbias)?.f_tanh()?.f_matmul(w2)?.f_add(b2)?)
    }

    fn step(&mut self, xb: &Tensor, yb: &Tensor, lr: f64) -> Result<Tensor> {
        let (loss, grads) = tch::no_grad(|| self.gradients(xb, yb))?;
        // for p, grad in zip(parameters, grads): p.data += -lr * grad
        descend(&mut self.parameters, &grads, lr)?;
        Ok(loss)
    }
}

pub(super) fn replay(words: &Words, stage: &mut Stage) -> Result<()> {
    let splits = Splits::new(words, BLOCK_SIZE, stage.options.device, 1)?;
    stage.show(Section::new(
        "The data",
        "The examples of lecture 3.",
        NOTEBOOK.cell(5),
        splits.figures(),
    ))?;
    exercises(stage, &splits)?;
    training(stage, &splits)
}

/// The sum of each column, `[R, C]` to `[1, C]`.
fn column_sums(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_sum_dim_intlist([0].as_slice(), true, Kind::Float)?)
}

/// The sum of each row, `[R, C]` to `[R, 1]`.
fn row_sums(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_sum_dim_intlist([1].as_slice(), true, Kind::Float)?)
}

/// A tensor of the forward pass with its name, and its gradient by hand.
type Derived = (&'static str, Tensor, Tensor);

/// Exercise 1: the forward pass in small steps, and the gradient of each by hand. Contexts are
/// `[N, 3]`, targets `[N, 1]`. Tensors have the notebook's names; `dx` is the gradient of `x`.
// Long: every line of the notebook's forward and backward pass.
fn step_by_step(network: &ByHand, xb: &Tensor, ys: &Tensor) -> Result<(Tensor, Vec<Derived>)> {
    let [c, w1, b1, w2, b2, bngain, bnbias] = &network.parameters;
    let n = BATCH as f64;
    let [emb, embcat, hprebn] = network.hidden(xb)?;
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
    // loss = -logprobs[range(n), Yb].mean()
    let of_targets = logprobs.f_gather(1, ys, false)?;
    let loss = of_targets.f_mean(Kind::Float)?.f_neg()?;

    let _by_hand = tch::no_grad_guard();
    // dlogprobs[range(n), Yb] = -1.0/n
    let ones = ys.f_ones_like()?.f_to_kind(Kind::Float)?;
    let one_hot = logprobs.f_zeros_like()?.f_scatter(1, ys, &ones)?;
    let dlogprobs = one_hot.f_mul_scalar(-1.0 / n)?;
    let dprobs = probs.f_reciprocal()?.f_mul(&dlogprobs)?;
    let dcounts_sum_inv = row_sums(&counts.f_mul(&dprobs)?)?;
    // dcounts_sum = (-counts_sum**-2) * dcounts_sum_inv
    let inverse = counts_sum.f_pow_tensor_scalar(-2.0)?.f_neg()?;
    let dcounts_sum = inverse.f_mul(&dcounts_sum_inv)?;
    let dcounts = counts_sum_inv.f_mul(&dprobs)?.f_add(&dcounts_sum)?;
    let dnorm_logits = counts.f_mul(&dcounts)?;
    let dlogit_maxes = row_sums(&dnorm_logits.f_neg()?)?;
    // dlogits += F.one_hot(logits.max(1).indices, num_classes=logits.shape[1]) * dlogit_maxes
    let largest = logits.f_zeros_like()?.f_scatter(1, &places, &ones)?;
    let dlogits = dnorm_logits.f_add(&largest.f_mul(&dlogit_maxes)?)?;
    let dh = dlogits.f_matmul(&w2.f_tr()?)?;
    let dw2 = h.f_tr()?.f_matmul(&dlogits)?;
    let db2 = column_sums(&dlogits)?.f_view([-1])?;
    // dhpreact = (1.0 - h**2) * dh
    // Autograd rounds this slope once, by a fused multiply-add, and so does a detour by 64-bit floats; rounded
    // twice, it and all gradients behind it would be off by up to 7e-9.
    let square = h.f_to_kind(Kind::Double)?.f_square()?;
    let slope = square.f_neg()?.f_add_scalar(1.0)?.f_to_kind(Kind::Float)?;
    let dhpreact = slope.f_mul(&dh)?;
    let dbngain = column_sums(&bnraw.f_mul(&dhpreact)?)?;
    let dbnbias = column_sums(&dhpreact)?;
    let dbnraw = bngain.f_mul(&dhpreact)?;
    let dbnvar_inv = column_sums(&bndiff.f_mul(&dbnraw)?)?;
    // dbnvar = (-0.5*(bnvar + 1e-5)**-1.5) * dbnvar_inv
    let power = bnvar.f_add_scalar(EPS)?.f_pow_tensor_scalar(-1.5)?;
    let dbnvar = power.f_mul_scalar(-0.5)?.f_mul(&dbnvar_inv)?;
    // dbndiff2 = (1.0/(n-1))*torch.ones_like(bndiff2) * dbnvar
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
    let dc = of_embedding(c, xb, &demb)?;

    let by_hand = vec![
        ("logprobs", logprobs, dlogprobs),
        ("probs", probs, dprobs),
        ("counts_sum_inv", counts_sum_inv, dcounts_sum_inv),
        ("counts_sum", counts_sum, dcounts_sum),
        ("counts", counts, dcounts),
        ("norm_logits", norm_logits, dnorm_logits),
        ("logit_maxes", logit_maxes, dlogit_maxes),
        ("logits", logits, dlogits),
        ("h", h, dh),
        ("W2", w2.shallow_clone(), dw2),
        ("b2", b2.shallow_clone(), db2),
        ("hpreact", hpreact, dhpreact),
        ("bngain", bngain.shallow_clone(), dbngain),
        ("bnbias", bnbias.shallow_clone(), dbnbias),
        ("bnraw", bnraw, dbnraw),
        ("bnvar_inv", bnvar_inv, dbnvar_inv),
        ("bnvar", bnvar, dbnvar),
        ("bndiff2", bndiff2, dbndiff2),
        ("bndiff", bndiff, dbndiff),
        ("bnmeani", bnmeani, dbnmeani),
        ("hprebn", hprebn, dhprebn),
        ("embcat", embcat, dembcat),
        ("W1", w1.shallow_clone(), dw1),
        ("b1", b1.shallow_clone(), db1),
        ("emb", emb, demb),
        ("C", c.shallow_clone(), dc),
    ];
    Ok((loss, by_hand))
}

/// The largest absolute difference between the numbers of two tensors.
fn largest(one: &Tensor, other: &Tensor) -> Result<f64> {
    Ok(one.f_sub(other)?.f_abs()?.f_max()?.f_double_value(&[])?)
}

/// Exercises 1 to 3.
fn exercises(stage: &mut Stage, splits: &Splits) -> Result<()> {
    let (mut network, mut generator) = ByHand::new(64, stage.options.device)?;
    let (xb, yb) = splits.train.batches(&mut generator, 1)?;
    let (xb, yb) = (xb.f_get(0)?, yb.f_get(0)?);
    let ys = yb.f_unsqueeze(1)?;
    let (loss, by_hand) = step_by_step(&network, &xb, &ys)?;
    let tensors: Vec<&Tensor> = by_hand.iter().map(|(_, tensor, _)| tensor).collect();
    let by_autograd = Tensor::f_run_backward(&[&loss], &tensors, true, false)?;
    stage.show(Section::new(
        "The forward pass",
        "The network of lecture 3 with a hidden layer of 64, in steps so small that each has a simple \
         derivative; no parameter is 0, which would hide mistakes.",
        NOTEBOOK.cell(10),
        vec![
            Figure::same("parameters", network.nelement(), 4137).published_in(NOTEBOOK.cell(8)),
            about_loss("loss", &loss, "3.3377")?,
        ],
    ))?;
    let tolerance = Tolerance::on(stage.options.device);
    let figures = by_hand.iter().zip(&by_autograd);
    let figures = figures.map(|((name, _, ours), autograd)| {
        Ok(tolerance.exact_gradient(name, largest(ours, autograd)?))
    });
    stage.show(Section::new(
        "Exercise 1: step by step",
        "The gradient of each of the 26 tensors from the loss back to C, derived by hand; the figure \
         is the largest difference from autograd's.",
        NOTEBOOK.cell(210),
        figures.collect::<Result<_>>()?,
    ))?;
    // Tensors of exercise 1 that the others need, each with its gradient by autograd.
    let [logits, hpreact, hprebn, bnvar_inv, bnraw] =
        ["logits", "hpreact", "hprebn", "bnvar_inv", "bnraw"].map(|wanted| {
            let place = by_hand.iter().position(|(name, ..)| *name == wanted);
            let place = place.unwrap_or_default();
            (&by_hand[place].1, &by_autograd[place])
        });
    exercise_2(stage, splits, &yb, &loss, logits)?;

    let [.., bngain, bnbias] = &network.parameters;
    let (dhprebn, fast) = tch::no_grad(|| -> Result<_> {
        let dhprebn = of_batch_norm(hpreact.1, bngain, bnvar_inv.0, bnraw.0)?;
        let formula = Formula::Variance { eps: EPS };
        Ok((dhprebn, by_operations(hprebn.0, bngain, bnbias, formula)?))
    })?;
    let off_by_hand = largest(&dhprebn, hprebn.1)?;
    let off = largest(&fast.out, hpreact.0)?;
    stage.show(Section::new(
        "Exercise 3: batch normalisation in one go",
        "Its gradient, simplified on paper to one line.",
        NOTEBOOK.cell(279),
        vec![
            tolerance.gradient("hprebn", off_by_hand, "9.313225746154785e-10", UNSEEDED),
            about_zero("hpreact, from step by step", off, "4.7684e-07")
                .published_in(NOTEBOOK.cell(269)),
        ],
    ))
}

/// The loss of the first batch, which depends a little on gain and bias.
fn about_loss(name: &str, loss: &Tensor, published: &str) -> Result<Figure> {
    let loss = loss.f_double_value(&[])?;
    Ok(Figure::number(name, loss, published).about(0.2, UNSEEDED))
}

/// How far a faster way is off, which is a matter of rounding.
fn about_zero(name: &str, off: f64, published: &str) -> Figure {
    Figure::number(name, off, published).at_most(off, 1e-6, UNSEEDED)
}

/// Exercise 2: cross-entropy and its gradient in one go, compared with exercise 1 and autograd.
fn exercise_2(
    stage: &mut Stage,
    splits: &Splits,
    yb: &Tensor,
    loss: &Tensor,
    (logits, autograd): (&Tensor, &Tensor),
) -> Result<()> {
    let tolerance = Tolerance::on(stage.options.device);
    let dlogits = tch::no_grad(|| of_cross_entropy(logits, &yb.f_unsqueeze(1)?))?;
    if stage.options.pictures {
        let values: Vec<f64> = copied(&dlogits)?.into_iter().map(f64::from).collect();
        let image = MatrixImage {
            title: "Gradient of the logits",
            row: "example",
            column: "next character",
            columns: splits.vocabulary.characters(),
            values: &values,
            unit: "gradient",
        };
        stage.picture(PICTURES[0], &image)?;
    }
    let fast = cross_entropy(logits, yb)?;
    let off = largest(&fast, loss)?;
    let mut figures = vec![
        about_loss("loss_fast", &fast, "3.3377387523651123")?.published_in(NOTEBOOK.cell(211)),
        about_zero("loss_fast - loss", off, "2.384185791015625e-07")
            .published_in(NOTEBOOK.cell(211)),
        tolerance.gradient(
            "logits",
            largest(&dlogits, autograd)?,
            "5.122274160385132e-09",
            UNSEEDED,
        ),
    ];
    let row = copied(&logits.f_softmax(1, Kind::Float)?.f_get(0)?)?;
    let characters = splits.vocabulary.characters();
    for ((ours, published), next) in row.iter().zip(SOFTMAX.split_whitespace()).zip(characters) {
        let name = format!("probability of {next}");
        let figure = Figure::number(name, (*ours).into(), published);
        figures.push(figure.shown(UNSEEDED).published_in(NOTEBOOK.cell(235)));
    }
    stage.show(Section::new(
        "Exercise 2: cross-entropy in one go",
        "Its gradient is (softmax - one-hot) / n: what the network expected, less what came.",
        NOTEBOOK.cell(229),
        figures,
    ))
}

/// The gradient of the embedding `c`, `[27, 10]`, from that of its output at `x`, `[N, 3, 10]`: the
/// gradients of each character are added.
fn of_embedding(c: &Tensor, x: &Tensor, demb: &Tensor) -> Result<Tensor> {
    // for k in range(Xb.shape[0]):
    //   for j in range(Xb.shape[1]):
    //     ix = Xb[k,j]
    //     dC[ix] += demb[k,j]
    // The same, faster:
    let rows = demb.f_view([-1, 10])?;
    Ok(c.f_zeros_like()?
        .f_index_add(0, &x.f_reshape([-1])?, &rows)?)
}

/// The gradient of cross-entropy with respect to logits, `[N, V]`; targets are `[N, 1]`.
fn of_cross_entropy(logits: &Tensor, ys: &Tensor) -> Result<Tensor> {
    let n = logits.size()[0] as f64;
    // dlogits = F.softmax(logits, 1)
    // dlogits[range(n), Yb] -= 1
    // dlogits /= n
    let probs = logits.f_softmax(1, Kind::Float)?;
    let minus_ones = ys.f_full_like(-1.0)?.f_to_kind(Kind::Float)?;
    Ok(probs.f_scatter_add(1, ys, &minus_ones)?.f_div_scalar(n)?)
}

/// The gradient of the input of batch normalisation, `[N, H]`, from that of its output, `[N, H]`.
/// `bngain` and `bnvar_inv` are `[1, H]`; `bnraw`, `[N, H]`, is the output before gain and bias.
fn of_batch_norm(
    dhpreact: &Tensor,
    bngain: &Tensor,
    bnvar_inv: &Tensor,
    bnraw: &Tensor,
) -> Result<Tensor> {
    let n = dhpreact.size()[0] as f64;
    // dhprebn = bngain*bnvar_inv/n * (n*dhpreact - dhpreact.sum(0) - n/(n-1)*bnraw*(dhpreact*bnraw).sum(0))
    let sums = column_sums(dhpreact)?;
    let of_raw = column_sums(&dhpreact.f_mul(bnraw)?)?;
    let along = bnraw.f_mul_scalar(n / (n - 1.0))?.f_mul(&of_raw)?;
    let inner = dhpreact.f_mul_scalar(n)?.f_sub(&sums)?.f_sub(&along)?;
    Ok(bngain.f_mul(bnvar_inv)?.f_div_scalar(n)?.f_mul(&inner)?)
}

/// Exercise 4: training by these gradients.
fn training(stage: &mut Stage, splits: &Splits) -> Result<()> {
    let device = stage.options.device;
    let (mut network, mut generator) = ByHand::new(200, device)?;
    let figures = vec![Figure::same("parameters", network.nelement(), 12_297)];
    let run = train(
        stage,
        splits,
        &mut generator,
        &mut network,
        [STEPS, 100_000],
    )?;
    network.calibrate(&splits.train.xs)?;
    let published = Published {
        title: "Exercise 4: training by hand",
        explanation: "A hidden layer of 200, trained without autograd. The lecture's network has \
                      another gain and bias at first, and is another one, about as good.",
        source: NOTEBOOK.cell(286),
        losses: LOSSES,
        at_the_end: [
            (NOTEBOOK.cell(300), "2.070523500442505"),
            (NOTEBOOK.cell(300), "2.109893560409546"),
        ],
        tolerance: Tolerance::on(device).of_another_network(0.01, UNSEEDED),
        names: Some(Names {
            explanation: names::OF_ANOTHER,
            source: NOTEBOOK.cell(301),
            published: NAMES,
            seed: Some(names::SEED),
        }),
    };
    published.show(stage, splits, (run, generator), &network, figures)
}

impl ByHand {
    /// The loss of a batch, a scalar, and the gradients of the parameters.
    fn gradients(&self, x: &Tensor, y: &Tensor) -> Result<(Tensor, [Tensor; 7])> {
        let [c, w1, _, w2, b2, bngain, bnbias] = &self.parameters;
        // Forward.
        let [emb, embcat, hprebn] = self.hidden(x)?;
        let [bnmean, bnvar] = mean_and_variance(&hprebn)?;
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
}
