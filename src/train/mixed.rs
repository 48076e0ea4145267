//! Muon for the matrices of hidden layers, AdamW for all other parameters: embeddings, biases, norms
//! and the last layer.
//!
//! Source: Keller Jordan, *Muon: an optimizer for hidden layers in neural networks*, 2024.

use tch::Tensor;

use super::adamw::{AdamW, not_of, share};
use super::muon::{Group, Muon, Updates};
use super::options::WordOptions;
use crate::error::Result;
use crate::models::Network;

/// The parameters of a network in the order of a flat gradient: those of Muon, sorted by shape, then
/// those of AdamW.
#[derive(Debug)]
pub struct Ordered {
    /// The parameters.
    pub parameters: Vec<Tensor>,
    /// The number of those that Muon updates.
    of_muon: usize,
    /// The shapes of Muon's matrices.
    groups: Vec<Group>,
}

impl Ordered {
    /// The parameters of a network that is trained with `options`.
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

/// AdamW, and Muon if the options have it and the network has hidden layers for it.
#[derive(Debug)]
pub struct Mixed {
    muon: Option<Muon>,
    adamw: AdamW,
}

impl Mixed {
    /// An optimizer of a network's parameters, which become views of one tensor or two.
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
            share(&muon.flat, of_muon)?;
        }
        share(&self.adamw.flat, rest)
    }

    /// The optimizer state, by name.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let mut state = self.adamw.state()?;
        if let Some(muon) = &self.muon {
            state.push(muon.state()?);
        }
        Ok(state)
    }

    /// Restores an optimizer state that was taken after `steps` steps.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](crate::error::Error::Value) if the state is of other parameters.
    pub fn restore(&mut self, state: &[(String, Tensor)], steps: u64) -> Result<()> {
        if state.len() != 2 + usize::from(self.muon.is_some()) {
            return Err(not_of(format!("{} tensors", state.len())));
        }
        if let Some(muon) = &mut self.muon {
            muon.restore(state)?;
        }
        self.adamw.restore(state, steps)
    }

    /// Updates the parameters by a gradient, `[P]`, but for Muon's matrices, whose updates it returns, one for
    /// each of some threads.
    pub fn update(
        &mut self,
        gradient: &Tensor,
        learning_rate: f64,
        threads: usize,
    ) -> Result<Vec<Updates>> {
        let Some(muon) = &mut self.muon else {
            self.adamw.update(gradient, learning_rate)?;
            return Ok(Vec::new());
        };
        let of_muon = muon.numbers();
        let rest = gradient.size()[0] - of_muon;
        self.adamw
            .update(&gradient.f_narrow(0, of_muon, rest)?, learning_rate)?;
        muon.update(&gradient.f_narrow(0, 0, of_muon)?, learning_rate, threads)
    }
}
