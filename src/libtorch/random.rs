//! libtorch's random number generator, one user at a time.
//!
//! `tch` draws from libtorch's one default generator for the CPU. Two samplers at once would take numbers
//! from each other, and neither would draw the numbers of its seed. So a [`Generator`] locks libtorch's as
//! long as it lives.
//!
//! Numbers are drawn on the CPU and moved to their device afterwards, so that they are the same on
//! every device.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};

/// The uniform numbers drawn at once, the same as single draws would give.
const BLOCK: usize = 1 << 13;

static IN_USE: Mutex<()> = Mutex::new(());

thread_local! {
    static IN_USE_HERE: Cell<bool> = const { Cell::new(false) };
}

/// libtorch's CPU generator (a Mersenne Twister), freshly seeded and held exclusively.
#[derive(Debug)]
pub struct Generator {
    _exclusive: MutexGuard<'static, ()>,
    /// Uniform numbers drawn ahead, and how many of them are used.
    uniforms: Vec<f64>,
    used: usize,
}

impl Generator {
    /// Seeds the generator, as `torch.Generator().manual_seed(seed)`; waits while another thread
    /// uses it.
    ///
    /// # Errors
    ///
    /// [`Error::GeneratorInUse`] if this thread uses it: waiting would never end.
    pub fn seeded(seed: u64) -> Result<Self> {
        if IN_USE_HERE.get() {
            return Err(Error::GeneratorInUse);
        }
        let exclusive = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        IN_USE_HERE.set(true);
        // libtorch takes the same 64 bits as an unsigned number.
        tch::manual_seed(seed.cast_signed());
        Ok(Self {
            _exclusive: exclusive,
            uniforms: Vec::new(),
            used: 0,
        })
    }

    /// A uniform number in `[0, 1)`, of 53 bits.
    ///
    /// A block of numbers is drawn ahead, so draws of other kinds in between would give other numbers
    /// than in PyTorch.
    #[inline]
    pub fn uniform(&mut self) -> Result<f64> {
        loop {
            if let Some(&uniform) = self.uniforms.get(self.used) {
                self.used += 1;
                return Ok(uniform);
            }
            self.uniforms = self.uniforms(BLOCK)?;
            self.used = 0;
        }
    }

    /// `count` uniform numbers in `[0, 1)`, of 53 bits each.
    fn uniforms(&mut self, count: usize) -> Result<Vec<f64>> {
        let block = Tensor::f_rand([count as i64], (Kind::Double, Device::Cpu))?;
        Ok(Vec::try_from(block)?)
    }

    /// `torch.randn(shape)`: normal numbers of mean 0 and standard deviation 1, f32.
    pub fn randn(&mut self, shape: &[i64]) -> Result<Tensor> {
        Ok(Tensor::f_randn(shape, (Kind::Float, Device::Cpu))?)
    }

    /// `torch.rand(shape)`: uniform numbers in `[0, 1)`, f32.
    pub fn rand(&mut self, shape: &[i64]) -> Result<Tensor> {
        Ok(Tensor::f_rand(shape, (Kind::Float, Device::Cpu))?)
    }

    /// Uniform numbers from `-bound` to `bound` in a tensor of a shape, f32.
    pub fn between(&mut self, shape: &[i64], bound: f64) -> Result<Tensor> {
        let unit = self.rand(shape)?; // From 0 to 1.
        Ok(unit.f_mul_scalar(2.0 * bound)?.f_sub_scalar(bound)?)
    }

    /// `torch.randint(0, end, (count,))`: whole numbers below `end`, `[count]`, i64.
    ///
    /// The numbers are those of single draws.
    pub fn randint(&mut self, end: i64, count: i64) -> Result<Tensor> {
        Ok(Tensor::f_randint(end, [count], (Kind::Int64, Device::Cpu))?)
    }

    /// An index by `torch.multinomial(p, num_samples=1)`, as in PyTorch 2.0 and later; `p` is `[V]`, f32.
    ///
    /// # Errors
    ///
    /// If `p` is no distribution.
    pub fn multinomial_without_replacement(&mut self, p: &Tensor) -> Result<usize> {
        Ok(p.f_multinomial(1, false)?.f_int64_value(&[0])? as usize)
    }

    /// An index by `torch.multinomial(p, num_samples=1, replacement=True)`; `p` is `[V]`, f32.
    ///
    /// # Errors
    ///
    /// If `p` is no distribution.
    pub fn multinomial(&mut self, p: &Tensor) -> Result<usize> {
        Ok(p.f_multinomial(1, true)?.f_int64_value(&[0])? as usize)
    }

    /// `torch.multinomial(p, num_samples=count, replacement=True)`: indices, more than one at once; `p` is
    /// `[V]`, f32.
    ///
    /// # Errors
    ///
    /// If `p` is no distribution.
    pub fn multinomials(&mut self, p: &Tensor, count: i64) -> Result<Vec<i64>> {
        Ok(Vec::try_from(p.f_multinomial(count, true)?)?)
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        IN_USE_HERE.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_the_numbers_of_single_draws() {
        let count = 2 * BLOCK + 10;
        let mut generator = Generator::seeded(420).unwrap();
        let single: Vec<f64> = (0..count)
            .map(|_| generator.uniforms(1).unwrap()[0])
            .collect();
        drop(generator);
        let mut generator = Generator::seeded(420).unwrap();
        let ahead: Vec<f64> = (0..count).map(|_| generator.uniform().unwrap()).collect();
        assert_eq!(ahead, single);
    }

    #[test]
    fn a_second_generator_of_the_same_thread_is_refused_while_the_first_lives() {
        let first = Generator::seeded(1).unwrap();
        assert!(matches!(Generator::seeded(2), Err(Error::GeneratorInUse)));
        drop(first);
        assert!(Generator::seeded(2).is_ok());
    }

    #[test]
    fn another_thread_waits_and_then_draws_what_its_seed_says() {
        let expected = Generator::seeded(7).unwrap().uniforms(1).unwrap();
        let first = Generator::seeded(1).unwrap();
        let other = std::thread::spawn(|| Generator::seeded(7).unwrap().uniforms(1).unwrap());
        drop(first);
        assert_eq!(other.join().unwrap(), expected);
    }
}
