//! The parameters of a network: drawn as PyTorch's layers draw them, or given.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::libtorch::random::Generator;

/// A source of parameters, which the layers take one after the other by their names: new ones, or those
/// of a checkpoint.
///
/// Methods that take one return [`Error::Value`] if a given parameter is missing or has another shape.
#[derive(Debug)]
pub struct Parameters<'a> {
    source: Origin<'a>,
    device: Device,
    taken: Taken,
}

#[derive(Debug)]
enum Origin<'a> {
    New(&'a mut Generator),
    Given(BTreeMap<String, Tensor>),
}

/// The tensors that the layers took, with their names.
#[derive(Debug, Default)]
pub struct Taken {
    /// Tensors with gradients.
    pub parameters: Vec<(String, Tensor)>,
    /// Tensors learned without gradients, such as the running means of batch normalisation.
    pub buffers: Vec<(String, Tensor)>,
}

/// The initial values of a new parameter.
#[derive(Debug, Clone, Copy)]
enum Draw {
    Constant(f64),
    /// Normal with a mean of 0 and a variance of 1.
    Normal,
    /// Normal, divided by the first number and multiplied by the second one.
    Scaled(f64, f64),
    /// Uniform from minus a bound to the bound.
    Uniform(f64),
}

impl<'a> Parameters<'a> {
    /// New parameters, drawn from a generator.
    pub fn new(generator: &'a mut Generator, device: Device) -> Self {
        Self::from_source(Origin::New(generator), device)
    }

    /// Given parameters, which are copied.
    pub fn given(parameters: &BTreeMap<String, Tensor>, device: Device) -> Self {
        let shared = parameters.iter();
        let shared = shared.map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
        Self::from_source(Origin::Given(shared.collect()), device)
    }

    fn from_source(source: Origin<'a>, device: Device) -> Self {
        Self {
            source,
            device,
            taken: Taken::default(),
        }
    }

    /// All parameters that were taken.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if more were given.
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
        Ok(self.taken)
    }

    /// `torch.nn.Embedding`: a weight of `[rows, size]`.
    pub fn embedding(&mut self, name: &str, rows: i64, size: i64) -> Result<Tensor> {
        self.take(format!("{name}.weight"), &[rows, size], Draw::Normal)
    }

    /// A parameter of normal numbers, divided by the root of its first dimension and multiplied by a
    /// gain.
    ///
    /// Source: He et al., *Delving deep into rectifiers*, 2015; lecture 3.
    pub fn kaiming(&mut self, name: &str, shape: &[i64], gain: f64) -> Result<Tensor> {
        let inputs = shape.first().copied().unwrap_or(1) as f64;
        self.take(name.to_owned(), shape, Draw::Scaled(inputs.sqrt(), gain))
    }

    /// A buffer, which is learned without gradients; at first the same number everywhere.
    pub fn buffer(&mut self, name: &str, shape: &[i64], number: f64) -> Result<Tensor> {
        let buffer = self.draw(name, shape, Draw::Constant(number))?;
        let taken = (name.to_owned(), buffer.shallow_clone());
        self.taken.buffers.push(taken);
        Ok(buffer)
    }

    /// A parameter that is at first the same number everywhere.
    pub fn constant(&mut self, name: &str, shape: &[i64], number: f64) -> Result<Tensor> {
        self.take(name.to_owned(), shape, Draw::Constant(number))
    }

    /// A parameter that is at first 0.
    pub fn zeros(&mut self, name: &str, shape: &[i64]) -> Result<Tensor> {
        self.take(name.to_owned(), shape, Draw::Constant(0.0))
    }

    /// A parameter of uniform numbers from minus a bound to the bound.
    pub fn uniform(&mut self, name: &str, shape: &[i64], bound: f64) -> Result<Tensor> {
        self.take(name.to_owned(), shape, Draw::Uniform(bound))
    }

    fn take(&mut self, name: String, shape: &[i64], draw: Draw) -> Result<Tensor> {
        let parameter = self.draw(&name, shape, draw)?;
        let parameter = parameter.f_set_requires_grad(true)?;
        self.taken
            .parameters
            .push((name, parameter.shallow_clone()));
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
