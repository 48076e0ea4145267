//! Autograd through functions with a backward pass of their own, `torch.autograd.Function`.

use std::fmt;

use tch::Tensor;

use crate::error::Result;

/// The backward pass of a function.
pub trait Backward: fmt::Debug {
    /// The gradients of the input and the parameters, from the gradient of the output.
    fn backward(&self, gradient: &Tensor) -> Result<Gradients>;
}

/// The gradients of a function's input and parameters.
#[derive(Debug)]
pub struct Gradients {
    /// The gradient of the input, of the input's shape.
    pub input: Tensor,
    /// The parameters, each with its gradient.
    pub parameters: Vec<(Tensor, Tensor)>,
}

/// A forward pass with functions that have their own backward pass, since `tch` has no
/// `torch.autograd.Function`. These functions cut the forward pass into pieces, which libtorch
/// differentiates.
#[derive(Debug, Default)]
pub struct Tape {
    joints: Vec<Joint>,
}

/// A function between two pieces.
#[derive(Debug)]
struct Joint {
    /// The end of the piece before.
    input: Tensor,
    /// The beginning of the next piece.
    output: Tensor,
    function: Box<dyn Backward>,
}

impl Tape {
    /// Ends a piece with `input`, and begins the next one with a function's `output`, which is returned.
    pub fn join(
        &mut self,
        input: &Tensor,
        output: Tensor,
        function: impl Backward + 'static,
    ) -> Result<Tensor> {
        let output = output.f_set_requires_grad(true)?;
        self.joints.push(Joint {
            input: input.shallow_clone(),
            output: output.shallow_clone(),
            function: Box::new(function),
        });
        Ok(output)
    }

    /// The gradients of a loss, a scalar, with respect to tensors; 0 if the loss does not depend on one.
    pub fn gradients(self, loss: &Tensor, tensors: &[Tensor]) -> Result<Vec<Tensor>> {
        let mut found: Vec<Option<Tensor>> = tensors.iter().map(|_| None).collect();
        let mut wanted: Vec<Tensor> = tensors.iter().map(Tensor::shallow_clone).collect();
        let mut root = loss.shallow_clone();
        for joint in self.joints.into_iter().rev() {
            wanted.push(joint.output);
            let mut gradients = Tensor::f_run_backward(&[&root], &wanted, false, false)?;
            wanted.truncate(tensors.len());
            let of_output = gradients.remove(tensors.len());
            keep(gradients, &mut found)?;
            let gradients = tch::no_grad(|| joint.function.backward(&of_output))?;
            let Gradients { input, parameters } = gradients;
            for (parameter, gradient) in parameters {
                let is_it = |other: &Tensor| other.data_ptr() == parameter.data_ptr();
                if let Some(place) = tensors.iter().position(is_it) {
                    add(&mut found[place], gradient)?;
                }
            }
            // A scalar whose gradient with respect to the joint's input is `input`, to go back from.
            let flat = input.f_view([-1])?;
            root = joint.input.f_view([-1])?.f_dot(&flat)?;
        }
        let gradients = Tensor::f_run_backward(&[&root], &wanted, false, false)?;
        keep(gradients, &mut found)?;
        let found = found.into_iter().zip(tensors);
        found
            .map(|(gradient, tensor)| match gradient {
                Some(gradient) => Ok(gradient),
                None => Ok(tensor.f_zeros_like()?),
            })
            .collect()
    }
}

/// Adds the gradients from a piece; a tensor that the piece does not use has none.
fn keep(gradients: Vec<Tensor>, found: &mut [Option<Tensor>]) -> Result<()> {
    for (gradient, found) in gradients.into_iter().zip(found) {
        if gradient.defined() {
            add(found, gradient)?;
        }
    }
    Ok(())
}

/// Adds the gradient from another piece.
fn add(found: &mut Option<Tensor>, gradient: Tensor) -> Result<()> {
    *found = Some(match found.take() {
        Some(other) => other.f_add(&gradient)?,
        None => gradient,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    /// `y = scale * x²`.
    #[derive(Debug)]
    struct ScaledSquare {
        x: Tensor,
        scale: Tensor,
    }

    impl Backward for ScaledSquare {
        fn backward(&self, gradient: &Tensor) -> Result<Gradients> {
            Ok(Gradients {
                input: gradient * &self.scale * &self.x * 2.0,
                parameters: vec![(
                    self.scale.shallow_clone(),
                    (gradient * self.x.square()).sum(Kind::Float).view([1]),
                )],
            })
        }
    }

    #[test]
    fn gradients_pass_through_functions_of_ours() {
        let leaf = |numbers: &[f32]| Tensor::from_slice(numbers).set_requires_grad(true);
        let (w, scale, v) = (
            leaf(&[0.5, -1.5, 2.0]),
            leaf(&[3.0]),
            leaf(&[1.0, 2.0, -1.0]),
        );
        let unused = leaf(&[1.0]);
        let all = [&w, &scale, &v, &unused].map(Tensor::shallow_clone);
        let before = || w.tanh();
        // The first tensor is used in both pieces.
        let after = |y: &Tensor| (y.sin() * &v + &w).sum(Kind::Float);

        let x = before();
        let plain = after(&(&scale * x.square()));
        let mut expected = Tensor::run_backward(&[plain], &all, false, false);
        expected[3] = unused.zeros_like();

        let mut tape = Tape::default();
        let x = before();
        let detached = x.detach();
        let function = ScaledSquare {
            x: detached.shallow_clone(),
            scale: scale.shallow_clone(),
        };
        let y = tch::no_grad(|| &scale * detached.square());
        let y = tape.join(&x, y, function).unwrap();
        let gradients = tape.gradients(&after(&y), &all).unwrap();
        for (gradient, expected) in gradients.iter().zip(expected) {
            assert_eq!(gradient.size(), expected.size());
            let difference = (gradient - expected).abs().max();
            assert!(difference.to_device(Device::Cpu).double_value(&[]) < 1e-6);
        }
    }
}
