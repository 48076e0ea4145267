//! The layers of lectures 3 and 5, each as short as there.
//!
//! Unlike `torch.nn.Linear`'s, the lecture's weight is `[inputs, outputs]`.
//!
//! Source: makemore_part3_bn.ipynb and makemore_part5_cnn1.ipynb of
//! <https://github.com/karpathy/nn-zero-to-hero>.

use tch::{Device, Kind, Tensor};

use super::bit_for_bit::formula::Formula;
use super::bit_for_bit::one_pass::normalized;
use super::bit_for_bit::tape::Tape;
use super::bit_for_bit::updates::update_running;
use crate::error::Result;
use crate::libtorch::random::Generator;

/// `BatchNorm1d(dim, eps=1e-5, momentum=0.1)`.
const EPS: f64 = 1e-5;
const MOMENTUM: f64 = 0.1;

/// The mode of a network.
#[derive(Debug)]
pub enum Mode<'a> {
    /// Batches are normalised by themselves, on a tape that finds the gradients afterwards.
    Training(&'a mut Tape),
    /// Batches are normalised by the running mean and variance.
    Inference,
}

/// `requires_grad_()`, on a device.
pub fn learned(parameter: &Tensor, device: Device) -> Result<Tensor> {
    Ok(parameter.f_to_device(device)?.f_set_requires_grad(true)?)
}

/// A layer takes a tensor and gives another.
#[derive(Debug)]
pub enum Layer {
    /// A vector for each index: `[..]`, i64, to `[.., C]`; the weight is `[V, C]`.
    Embedding(Tensor),
    /// Puts so many vectors side by side: `[N, C]` to `[N / n, C * n]`.
    ///
    /// The lecture has `[B, T, C]` and `[B, T / n, C * n]`; contexts one after the other are the same
    /// numbers in the same order, and take fewer operations.
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
    /// `torch.randn((num_embeddings, embedding_dim))`
    pub fn embedding(generator: &mut Generator, rows: i64, size: i64) -> Result<Self> {
        Ok(Self::Embedding(generator.normal(&[rows, size])?))
    }

    /// `torch.randn((fan_in, fan_out)) / fan_in**0.5`, and `torch.zeros(fan_out)` for a bias.
    pub fn linear(
        generator: &mut Generator,
        [inputs, outputs]: [i64; 2],
        bias: bool,
    ) -> Result<Self> {
        let weight = generator.normal(&[inputs, outputs])?;
        let bias = bias.then(|| Tensor::f_zeros([outputs], (Kind::Float, Device::Cpu)));
        Ok(Self::Linear {
            weight: weight.f_div_scalar((inputs as f64).sqrt())?,
            bias: bias.transpose()?,
        })
    }

    /// For `C` columns.
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
            Self::Embedding(weight) => Tensor::f_embedding(weight, x, -1, false, false)?,
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

    /// `parameters()`, to change in place.
    fn parameters(&mut self) -> Vec<&mut Tensor> {
        match self {
            Self::Embedding(weight) => vec![weight],
            Self::Linear { weight, bias } => [weight].into_iter().chain(bias).collect(),
            Self::BatchNorm1d { gamma, beta, .. } => vec![gamma, beta],
            Self::FlattenConsecutive(_) | Self::Tanh => Vec::new(),
        }
    }
}

/// Layers one after the other.
#[derive(Debug)]
pub struct Sequential {
    layers: Vec<Layer>,
}

impl Sequential {
    /// These layers on a device, where they learn.
    pub fn new(mut layers: Vec<Layer>, device: Device) -> Result<Self> {
        for layer in &mut layers {
            for parameter in layer.parameters() {
                *parameter = learned(parameter, device)?;
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
        Ok(Self { layers })
    }

    /// `[p for layer in self.layers for p in layer.parameters()]`; they share the layers' numbers.
    pub fn parameters(&mut self) -> Vec<Tensor> {
        let parameters = self.layers.iter_mut().flat_map(Layer::parameters);
        parameters
            .map(|parameter| parameter.shallow_clone())
            .collect()
    }

    /// The output of the last layer.
    pub fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        let mut x = x.shallow_clone();
        for layer in &self.layers {
            x = layer.forward(&x, mode)?;
        }
        Ok(x)
    }

    /// The output of each layer.
    pub fn each(&self, x: &Tensor, mode: &mut Mode) -> Result<Vec<Tensor>> {
        let mut outs: Vec<Tensor> = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let out = layer.forward(outs.last().unwrap_or(x), mode)?;
            outs.push(out);
        }
        Ok(outs)
    }
}
