//! libtorch's random number generator, one user at a time.
//!
//! libtorch has a single default generator for the CPU, and `tch` seeds and draws from that one.
//! Two samplers at once would take numbers from each other and neither would draw what its seed
//! says, so a [`Generator`] keeps it for itself as long as it lives.
//!
//! Numbers are always drawn on the CPU; tensors are moved to their device afterwards, so that
//! they are the same on every device.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};

/// How many uniform numbers are drawn at once; a block has the numbers of single draws.
const BLOCK: usize = 1 << 13;

static IN_USE: Mutex<()> = Mutex::new(());

thread_local! {
    static IN_USE_HERE: Cell<bool> = const { Cell::new(false) };
}

/// libtorch's CPU generator (a Mersenne Twister), freshly seeded and held exclusively.
#[derive(Debug)]
pub struct Generator {
    _exclusive: MutexGuard<'static, ()>,
    /// Uniform numbers that were drawn, and how many of them were given away.
    uniforms: Vec<f64>,
    given: usize,
}

impl Generator {
    /// Seeds the generator, as `torch.Generator().manual_seed(seed)`; waits while another thread
    /// has it.
    ///
    /// # Errors
    ///
    /// [`Error::GeneratorInUse`] if this thread itself has it: waiting would be for ever.
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
            given: 0,
        })
    }

    /// A uniform number in `[0, 1)`, 53 bits.
    ///
    /// Many are drawn ahead, so numbers of another kind must not be drawn in between.
    ///
    /// # Errors
    ///
    /// If libtorch cannot allocate them.
    #[inline]
    pub fn uniform(&mut self) -> Result<f64> {
        loop {
            if let Some(&uniform) = self.uniforms.get(self.given) {
                self.given += 1;
                return Ok(uniform);
            }
            self.uniforms = self.uniforms(BLOCK)?;
            self.given = 0;
        }
    }

    /// `count` uniform numbers in `[0, 1)`, 53 bits each.
    ///
    /// A block has the same numbers as that many single draws.
    ///
    /// # Errors
    ///
    /// If libtorch cannot allocate them.
    fn uniforms(&mut self, count: usize) -> Result<Vec<f64>> {
        let block = Tensor::f_rand([count as i64], (Kind::Double, Device::Cpu))?;
        Ok(Vec::try_from(block)?)
    }

    /// `randn((rows, columns))`: normal numbers of mean 0 and deviation 1, `[rows, columns]`, f32.
    ///
    /// # Errors
    ///
    /// If libtorch cannot allocate them.
    pub fn randn(&mut self, rows: usize, columns: usize) -> Result<Tensor> {
        let size = [rows as i64, columns as i64];
        Ok(Tensor::f_randn(size, (Kind::Float, Device::Cpu))?)
    }

    /// A tensor of a shape of normally distributed numbers, f32.
    ///
    /// # Errors
    ///
    /// If libtorch cannot allocate it.
    pub fn normal(&mut self, shape: &[i64]) -> Result<Tensor> {
        Ok(Tensor::f_randn(shape, (Kind::Float, Device::Cpu))?)
    }

    /// A tensor of a shape of numbers that are evenly distributed from minus a bound to the bound,
    /// f32.
    ///
    /// # Errors
    ///
    /// If libtorch cannot allocate it.
    pub fn between(&mut self, shape: &[i64], bound: f64) -> Result<Tensor> {
        let unit = Tensor::f_rand(shape, (Kind::Float, Device::Cpu))?; // From 0 to 1.
        Ok(unit.f_mul_scalar(2.0 * bound)?.f_sub_scalar(bound)?)
    }

    /// `torch.randint(0, end, (count,))`: whole numbers below `end`, `[count]`, i64.
    ///
    /// A block has the numbers of single draws.
    ///
    /// # Errors
    ///
    /// If libtorch cannot allocate them.
    pub fn randint(&mut self, end: i64, count: i64) -> Result<Tensor> {
        Ok(Tensor::f_randint(end, [count], (Kind::Int64, Device::Cpu))?)
    }

    /// One index by `torch.multinomial(p, num_samples=1)` as it is since PyTorch 2.0; `p` is `[V]`,
    /// f32.
    ///
    /// # Errors
    ///
    /// If `p` is no distribution.
    pub fn multinomial_of_today(&mut self, p: &Tensor) -> Result<usize> {
        Ok(p.f_multinomial(1, false)?.f_int64_value(&[0])? as usize)
    }

    /// One index by `torch.multinomial(p, num_samples=1, replacement=True)`; `p` is `[V]`, f32.
    ///
    /// # Errors
    ///
    /// If `p` is no distribution.
    pub fn multinomial(&mut self, p: &Tensor) -> Result<usize> {
        Ok(p.f_multinomial(1, true)?.f_int64_value(&[0])? as usize)
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
