//! Where the parameters of a network come from: drawn as PyTorch's layers draw them, or given.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::libtorch::random::Generator;

/// The source of parameters, which are asked for one after the other by their names.
///
/// A network is made in one way, whether its parameters are new or those of a checkpoint.
#[derive(Debug)]
pub struct Parameters<'a> {
    source: Origin<'a>,
    device: Device,
    /// Parameters that the layers asked for.
    taken: Vec<(String, Tensor)>,
    /// Tensors learned without gradients.
    buffers: Vec<(String, Tensor)>,
}

#[derive(Debug)]
enum Origin<'a> {
    New(&'a mut Generator),
    Given(BTreeMap<String, Tensor>),
}

/// The tensors that the layers asked for, with names.
#[derive(Debug)]
pub struct Taken {
    /// Tensors with gradients.
    pub parameters: Vec<(String, Tensor)>,
    /// Tensors learned without gradients, such as the running means of batch normalisation.
    pub buffers: Vec<(String, Tensor)>,
}

/// How new numbers are drawn.
#[derive(Debug, Clone, Copy)]
enum Draw {
    Constant(f64),
    /// Normal distribution with a mean of 0 and a variance of 1.
    Normal,
    /// Normal, divided by the first number and multiplied with the second one.
    Scaled(f64, f64),
    /// Uniform distribution from minus a bound to the bound.
    Uniform(f64),
}

impl<'a> Parameters<'a> {
    /// New ones, which follow from the numbers that come next.
    pub fn new(generator: &'a mut Generator, device: Device) -> Self {
        Self::from_source(Origin::New(generator), device)
    }

    /// Given ones, which are copied.
    pub fn given(parameters: &BTreeMap<String, Tensor>, device: Device) -> Self {
        let shared = parameters.iter();
        let shared = shared.map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
        Self::from_source(Origin::Given(shared.collect()), device)
    }

    fn from_source(source: Origin<'a>, device: Device) -> Self {
        Self {
            source,
            device,
            taken: Vec::new(),
            buffers: Vec::new(),
        }
    }

    /// All that were asked for, with their names.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if others were given.
    pub fn finish(self) -> Result<Taken> {
        if let Origin::Given(rest) = &self.source
            && let Some(name) = rest.keys().next()
        {
            return Err(Error::Value {
                what: "the list of parameters",
                value: format!("one with {name:?}"),
                expected: "those of the network alone would work",
            });
        }
        Ok(Taken {
            parameters: self.taken,
            buffers: self.buffers,
        })
    }

    /// `torch.nn.Embedding`: a weight of `[rows, size]`.
    ///
    /// # Errors
    ///
    /// As [`uniform`](Self::uniform).
    pub fn embedding(&mut self, name: &str, rows: i64, size: i64) -> Result<Tensor> {
        self.take(format!("{name}.weight"), &[rows, size], Draw::Normal)
    }

    /// A parameter of normal numbers, divided by the root of its first dimension and multiplied with
    /// a gain.
    ///
    /// Source: He et al., *Delving deep into rectifiers*, 2015; lecture 3.
    ///
    /// # Errors
    ///
    /// As [`uniform`](Self::uniform).
    pub fn kaiming(&mut self, name: &str, shape: &[i64], gain: f64) -> Result<Tensor> {
        let inputs = shape.first().copied().unwrap_or(1) as f64;
        self.take(name.to_owned(), shape, Draw::Scaled(inputs.sqrt(), gain))
    }

    /// Something that is learned without gradients, and the same number everywhere at first.
    ///
    /// # Errors
    ///
    /// As [`uniform`](Self::uniform).
    pub fn buffer(&mut self, name: &str, shape: &[i64], number: f64) -> Result<Tensor> {
        let buffer = self.draw(name, shape, Draw::Constant(number))?;
        self.buffers.push((name.to_owned(), buffer.shallow_clone()));
        Ok(buffer)
    }

    /// A parameter that is the same number everywhere at first.
    ///
    /// # Errors
    ///
    /// As [`uniform`](Self::uniform).
    pub fn constant(&mut self, name: &str, shape: &[i64], number: f64) -> Result<Tensor> {
        self.take(name.to_owned(), shape, Draw::Constant(number))
    }

    /// A parameter that is 0 at first.
    ///
    /// # Errors
    ///
    /// As [`uniform`](Self::uniform).
    pub fn zeros(&mut self, name: &str, shape: &[i64]) -> Result<Tensor> {
        self.take(name.to_owned(), shape, Draw::Constant(0.0))
    }

    /// A parameter that is drawn from minus a bound to the bound.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if it was not given, or has another shape.
    pub fn uniform(&mut self, name: &str, shape: &[i64], bound: f64) -> Result<Tensor> {
        self.take(name.to_owned(), shape, Draw::Uniform(bound))
    }

    fn take(&mut self, name: String, shape: &[i64], draw: Draw) -> Result<Tensor> {
        let parameter = self.draw(&name, shape, draw)?;
        let parameter = parameter.f_set_requires_grad(true)?;
        self.taken.push((name, parameter.shallow_clone()));
        Ok(parameter)
    }

    fn draw(&mut self, name: &str, shape: &[i64], draw: Draw) -> Result<Tensor> {
        let drawn = match &mut self.source {
            Origin::New(generator) => match draw {
                Draw::Constant(value) => Tensor::f_full(shape, value, (Kind::Float, Device::Cpu))?,
                Draw::Normal => generator.randn(shape)?,
                Draw::Scaled(divisor, factor) => {
                    let normal = generator.randn(shape)?;
                    normal.f_div_scalar(divisor)?.f_mul_scalar(factor)?
                }
                Draw::Uniform(bound) => generator.between(shape, bound)?,
            },
            Origin::Given(given) => match given.remove(name) {
                Some(given) if given.size() == shape && given.kind() == Kind::Float => {
                    tch::no_grad(|| given.f_detach_copy())?
                }
                Some(given) => {
                    return Err(Error::Value {
                        what: "a parameter",
                        value: format!(
                            "{name:?}, of shape {:?} and kind {:?} instead of {shape:?} and Float",
                            given.size(),
                            given.kind()
                        ),
                        expected: "those of the network alone would work",
                    });
                }
                None => {
                    return Err(Error::Value {
                        what: "the list of parameters",
                        value: format!("without {name:?}"),
                        expected: "those of the network alone would work",
                    });
                }
            },
        };
        Ok(drawn.f_to_device(self.device)?)
    }
}
