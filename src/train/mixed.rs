//! Muon for the matrices of hidden layers, AdamW for everything else: embeddings, biases, norms and
//! the last layer, where a row is a character and none of their directions is rare.

use tch::Tensor;

use super::adamw::{AdamW, not_of};
use super::muon::{Group, Muon};
use super::options::WordOptions;
use crate::error::Result;
use crate::models::Network;

/// The parameters of a network in the order of their updates: those of Muon by their shapes, then
/// the others. Gradients have the same order.
#[derive(Debug)]
pub struct Ordered {
    /// The parameters.
    pub parameters: Vec<Tensor>,
    /// The number of those that Muon moves.
    of_muon: usize,
    groups: Vec<Group>,
}

impl Ordered {
    /// The parameters of a network that is trained with some options.
    pub fn of(network: &Network, options: &WordOptions) -> Self {
        let kind = network.config().kind();
        let (mut matrices, mut rest) = (Vec::new(), Vec::new());
        for (name, parameter) in network.parameters() {
            match (kind.hidden_matrices(&name), parameter.size().as_slice()) {
                (count @ 1.., &[rows, columns]) if options.muon.is_some() => {
                    matrices.push(((rows / count, columns), count, parameter));
                }
                _ => rest.push(parameter),
            }
        }
        matrices.sort_by_key(|&(shape, ..)| shape);
        let groups = matrices.chunk_by(|(one, ..), (other, ..)| one == other);
        let groups = groups.map(|group| Group {
            matrices: group.iter().map(|&(_, count, _)| count).sum(),
            rows: group[0].0.0,
            columns: group[0].0.1,
        });
        Self {
            groups: groups.collect(),
            of_muon: matrices.len(),
            parameters: matrices
                .into_iter()
                .map(|(.., parameter)| parameter)
                .chain(rest)
                .collect(),
        }
    }
}

/// AdamW, and Muon where a network has something for it.
#[derive(Debug)]
pub struct Mixed {
    muon: Option<Muon>,
    adamw: AdamW,
}

impl Mixed {
    /// Optimizers of a network's parameters, which they share with the network.
    pub fn new(ordered: Ordered, options: &WordOptions) -> Result<Self> {
        let Ordered {
            mut parameters,
            of_muon,
            groups,
        } = ordered;
        let rest = parameters.split_off(of_muon);
        Ok(Self {
            muon: match options.muon {
                Some(options) if of_muon > 0 => Some(Muon::new(&mut parameters, groups, options)?),
                _ => None,
            },
            adamw: AdamW::new(rest, options.adamw)?,
        })
    }

    /// Makes another network share these parameters' memory. Configs must match.
    pub fn share(&self, ordered: &mut Ordered) -> Result<()> {
        let (of_muon, rest) = ordered.parameters.split_at_mut(ordered.of_muon);
        if let Some(muon) = &self.muon {
            muon.share(of_muon)?;
        }
        self.adamw.share(rest)
    }

    /// The optimizer state beside the parameters, by names.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let mut state = self.adamw.state()?;
        if let Some(muon) = &self.muon {
            state.push(muon.state()?);
        }
        Ok(state)
    }

    /// Goes on from an optimizer state after so many steps.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](crate::error::Error::Value) if the state is not that of such parameters.
    pub fn restore(&mut self, state: &[(String, Tensor)], steps: u64) -> Result<()> {
        if state.len() != 2 + usize::from(self.muon.is_some()) {
            return Err(not_of(format!("{} tensors", state.len())));
        }
        if let Some(muon) = &mut self.muon {
            muon.restore(state)?;
        }
        self.adamw.restore(state, steps)
    }

    /// Moves the parameters against a gradient, `[P]`.
    pub fn update(&mut self, gradient: &Tensor, learning_rate: f64) -> Result<()> {
        let Some(muon) = &mut self.muon else {
            return self.adamw.update(gradient, learning_rate);
        };
        let of_muon = muon.numbers();
        muon.update(&gradient.f_narrow(0, 0, of_muon)?, learning_rate)?;
        let rest = gradient.size()[0] - of_muon;
        self.adamw
            .update(&gradient.f_narrow(0, of_muon, rest)?, learning_rate)
    }
}
