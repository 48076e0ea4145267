//! The module trait of the networks of lectures 2 to 5, and the layers of lectures 3 and 5.
//!
//! Unlike `torch.nn.Linear`'s, the lecture's weight is `[inputs, outputs]`.
//!
//! Source: makemore_part3_bn.ipynb and makemore_part5_cnn1.ipynb of
//! <https://github.com/karpathy/nn-zero-to-hero>.

use tch::{Device, Kind, Tensor};

use super::bit_for_bit::formula::Formula;
use super::bit_for_bit::one_pass::normalized;
use super::bit_for_bit::tape::Tape;
use super::bit_for_bit::updates::{descend, update_running};
use crate::error::Result;
use crate::libtorch::random::Generator;
use crate::train::loss::cross_entropy;

/// `BatchNorm1d(dim, eps=1e-5, momentum=0.1)`.
const EPS: f64 = 1e-5;
const MOMENTUM: f64 = 0.1;

/// Training or inference mode.
#[derive(Debug)]
pub enum Mode<'a> {
    /// Batch normalisation takes the batch's mean and variance; the tape differentiates through it.
    Training(&'a mut Tape),
    /// Batch normalisation takes the running mean and variance.
    Inference,
}

/// A network, as `torch.nn.Module`.
pub trait Module {
    /// `parameters()`, which gradient descent updates in place.
    fn parameters(&mut self) -> &mut [Tensor];

    /// The logits after contexts: `[N, T]`, i64, to `[N, V]`.
    fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor>;

    /// One update by a batch, `[N, T]` and `[N]`. Returns the loss before it, a scalar.
    fn step(&mut self, xb: &Tensor, yb: &Tensor, lr: f64) -> Result<Tensor> {
        let mut tape = Tape::default();
        // logits = model(Xb)
        let logits = self.forward(xb, &mut Mode::Training(&mut tape))?;
        // loss = F.cross_entropy(logits, Yb)
        let loss = cross_entropy(&logits, yb)?;
        // for p in parameters: p.grad = None
        // loss.backward()
        let gradients = tape.gradients(&loss, self.parameters())?;
        // for p in parameters: p.data += -lr * p.grad
        descend(self.parameters(), &gradients, lr)?;
        Ok(loss)
    }

    /// `sum(p.nelement() for p in parameters)`
    fn nelement(&mut self) -> usize {
        self.parameters().iter().map(|p| p.numel()).sum()
    }
}

/// The parameter on a device, `p.requires_grad = True`.
pub fn learned(parameter: &Tensor, device: Device) -> Result<Tensor> {
    Ok(parameter.f_to_device(device)?.f_set_requires_grad(true)?)
}

/// A layer of a network.
#[derive(Debug)]
pub enum Layer {
    /// A vector for each index: `[N, T]`, i64, to `[N * T, C]`; the weight is `[V, C]`.
    Embedding(Tensor),
    /// Joins `n` vectors: `[N, C]` to `[N / n, C * n]`.
    ///
    /// The notebook's shapes are `[B, T, C]` and `[B, T / n, C * n]`, with the numbers in the same order.
    FlattenConsecutive(i64),
    /// `x @ weight + bias`, `[N, inputs]` to `[N, outputs]`.
    Linear {
        /// `[inputs, outputs]`.
        weight: Tensor,
        /// `[outputs]`.
        bias: Option<Tensor>,
    },
    /// All are `[C]`.
    BatchNorm1d {
        gamma: Tensor,
        beta: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
    },
    /// The hyperbolic tangent of each number.
    Tanh,
}

impl Layer {
    /// `torch.randn((num_embeddings, embedding_dim))`: `[rows, size]`.
    pub fn embedding(generator: &mut Generator, rows: i64, size: i64) -> Result<Self> {
        Ok(Self::Embedding(generator.randn(&[rows, size])?))
    }

    /// `torch.randn((fan_in, fan_out)) / fan_in**0.5`, and `torch.zeros(fan_out)` if it has a bias.
    pub fn linear(
        generator: &mut Generator,
        [inputs, outputs]: [i64; 2],
        bias: bool,
    ) -> Result<Self> {
        let weight = generator.randn(&[inputs, outputs])?;
        let bias = bias.then(|| Tensor::f_zeros([outputs], (Kind::Float, Device::Cpu)));
        Ok(Self::Linear {
            weight: weight.f_div_scalar((inputs as f64).sqrt())?,
            bias: bias.transpose()?,
        })
    }

    /// `BatchNorm1d(dim)` of `columns`.
    pub fn batch_norm(columns: i64) -> Result<Self> {
        let full = |number| Tensor::f_full([columns], number, (Kind::Float, Device::Cpu));
        Ok(Self::BatchNorm1d {
            gamma: full(1.0)?,
            beta: full(0.0)?,
            running_mean: full(0.0)?,
            running_var: full(1.0)?,
        })
    }

    /// `__call__`
    pub fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        Ok(match self {
            Self::Embedding(weight) => {
                Tensor::f_embedding(weight, &x.f_reshape([-1])?, -1, false, false)?
            }
            Self::FlattenConsecutive(n) => x.f_view([-1, x.size2()?.1 * n])?,
            Self::Linear { weight, bias } => match bias {
                Some(bias) => x.f_mm(weight)?.f_add(bias)?,
                None => x.f_mm(weight)?,
            },
            Self::BatchNorm1d {
                gamma,
                beta,
                running_mean,
                running_var,
            } => match mode {
                Mode::Training(tape) => {
                    let formula = Formula::Variance { eps: EPS };
                    let batch = normalized(tape, x, gamma, beta, formula)?;
                    update_running(running_mean, &batch.mean, MOMENTUM)?;
                    update_running(running_var, &batch.spread, MOMENTUM)?;
                    batch.out
                }
                Mode::Inference => {
                    // xhat = (x - xmean) / torch.sqrt(xvar + self.eps)
                    let root = running_var.f_add_scalar(EPS)?.f_sqrt()?;
                    let xhat = x.f_sub(running_mean)?.f_div(&root)?;
                    gamma.f_mul(&xhat)?.f_add(beta)?
                }
            },
            Self::Tanh => x.f_tanh()?,
        })
    }

    /// `parameters()`
    fn parameters(&mut self) -> Vec<&mut Tensor> {
        match self {
            Self::Embedding(weight) => vec![weight],
            Self::Linear { weight, bias } => [weight].into_iter().chain(bias).collect(),
            Self::BatchNorm1d { gamma, beta, .. } => vec![gamma, beta],
            Self::FlattenConsecutive(_) | Self::Tanh => Vec::new(),
        }
    }
}

/// Layers in order: the output of one is the input of the next.
#[derive(Debug)]
pub struct Sequential {
    layers: Vec<Layer>,
    /// `[p for layer in self.layers for p in layer.parameters()]`; they share the layers'
    /// memory.
    parameters: Vec<Tensor>,
}

impl Sequential {
    /// Layers on a device, whose parameters require gradients.
    pub fn new(mut layers: Vec<Layer>, device: Device) -> Result<Self> {
        let mut parameters = Vec::new();
        for layer in &mut layers {
            for parameter in layer.parameters() {
                *parameter = learned(parameter, device)?;
                parameters.push(parameter.shallow_clone());
            }
            if let Layer::BatchNorm1d {
                running_mean,
                running_var,
                ..
            } = layer
            {
                *running_mean = running_mean.f_to_device(device)?;
                *running_var = running_var.f_to_device(device)?;
            }
        }
        Ok(Self { layers, parameters })
    }

    /// The outputs of all layers.
    pub fn each(&self, x: &Tensor, mode: &mut Mode) -> Result<Vec<Tensor>> {
        let mut outs: Vec<Tensor> = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let out = layer.forward(outs.last().unwrap_or(x), mode)?;
            outs.push(out);
        }
        Ok(outs)
    }
}

impl Module for Sequential {
    fn parameters(&mut self) -> &mut [Tensor] {
        &mut self.parameters
    }

    fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        let mut x = x.shallow_clone();
        for layer in &self.layers {
            x = layer.forward(&x, mode)?;
        }
        Ok(x)
    }
}
