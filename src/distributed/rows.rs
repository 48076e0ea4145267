//! Rows of numbers that go to the processes that own them.

use tch::Tensor;

use super::processes::{Processes, gather_numbers};
use crate::error::Result;

/// The most rows that all processes together send at once.
const ROWS: usize = 1 << 18;

/// A value that is sent as some numbers.
pub(crate) trait Row: Sized {
    /// How many they are.
    const NUMBERS: usize;

    fn write(&self, numbers: &mut Vec<i64>);

    fn read(numbers: &[i64]) -> Self;
}

impl Row for (u64, u64) {
    const NUMBERS: usize = 2;

    fn write(&self, numbers: &mut Vec<i64>) {
        numbers.extend([self.0, self.1].map(u64::cast_signed));
    }

    fn read(numbers: &[i64]) -> Self {
        (numbers[0].cast_unsigned(), numbers[1].cast_unsigned())
    }
}

impl Row for (u128, u64) {
    const NUMBERS: usize = 3;

    fn write(&self, numbers: &mut Vec<i64>) {
        let halves = [(self.0 >> 64) as u64, self.0 as u64, self.1];
        numbers.extend(halves.map(u64::cast_signed));
    }

    fn read(numbers: &[i64]) -> Self {
        let [high, low, last] = [0, 1, 2].map(|place| numbers[place].cast_unsigned());
        (u128::from(high) << 64 | u128::from(low), last)
    }
}

/// As [`Exchange::bytes_under_way`], where no process sends more than so many rows in all.
pub(crate) fn most_bytes_under_way<R: Row>(size: usize, rows: usize) -> u64 {
    bytes_under_way::<R>(size, rows.min(ROWS / size).max(1))
}

fn bytes_under_way<R: Row>(size: usize, at_once: usize) -> u64 {
    // Numbers by their owners, whose vectors may be half empty; all in one; a tensor. What comes is a
    // tensor and then a vector, and may be the rows of all.
    let copies = if size == 1 { 0 } else { 4 + 2 * size };
    (copies * at_once * R::NUMBERS * size_of::<i64>()) as u64
}

/// An exchange of rows, each of which goes to its owner.
pub(crate) struct Exchange<'a> {
    processes: &'a dyn Processes,
    /// The number of rows that come to this process.
    come: usize,
    /// The number of times that rows are sent.
    rounds: usize,
    /// The number of rows that a process sends at once.
    at_once: usize,
}

impl<'a> Exchange<'a> {
    /// Prepares the exchange of rows that each process has. All call this together.
    ///
    /// # Errors
    ///
    /// As of [`Processes::sum`].
    pub fn of<R>(
        processes: &'a dyn Processes,
        rows: &[R],
        owner: impl Fn(&R) -> usize,
    ) -> Result<Self> {
        let (rank, size) = (processes.rank(), processes.size());
        let mut sent = vec![0; size];
        if size > 1 {
            for row in rows {
                sent[owner(row)] += 1;
            }
        }
        let of_all = gather_numbers(processes, sent)?;
        let of_each = of_all.chunks(size);
        let longest = of_each.clone().map(|sent| sent.iter().sum::<u64>()).max();
        let longest = longest.unwrap_or(0) as usize;
        let at_once = longest.min(ROWS / size).max(1);
        Ok(Self {
            processes,
            come: of_each.map(|sent| sent[rank]).sum::<u64>() as usize,
            rounds: longest.div_ceil(at_once),
            at_once,
        })
    }

    /// The most bytes of what is under way at once, beside the rows before and after.
    pub fn bytes_under_way<R: Row>(&self) -> u64 {
        bytes_under_way::<R>(self.processes.size(), self.at_once)
    }

    /// The bytes of the rows that come, if there are other processes.
    pub fn bytes_to_come<R>(&self) -> u64 {
        match self.processes.size() {
            1 => 0,
            _ => (self.come * size_of::<R>()) as u64,
        }
    }

    /// Sends the rows that the exchange was prepared for, and returns those that come.
    ///
    /// # Errors
    ///
    /// As of [`Processes::sum`].
    pub fn run<R: Row>(self, rows: Vec<R>, owner: impl Fn(&R) -> usize) -> Result<Vec<R>> {
        let size = self.processes.size();
        if size == 1 {
            return Ok(rows);
        }
        let (mut rows, mut come) = (rows.into_iter(), Vec::with_capacity(self.come));
        for _ in 0..self.rounds {
            let mut of_owners = vec![Vec::new(); size];
            for row in rows.by_ref().take(self.at_once) {
                row.write(&mut of_owners[owner(&row)]);
            }
            let sent = of_owners.iter().map(|numbers| numbers.len() / R::NUMBERS);
            let sent: Vec<i64> = sent.map(|rows| rows as i64).collect();
            let numbers = Tensor::f_from_slice(&of_owners.concat())?;
            let numbers = numbers.f_view([sent.iter().sum(), R::NUMBERS as i64])?;
            let (numbers, _) = self.processes.all_to_all(&numbers, &sent)?;
            let numbers = Vec::<i64>::try_from(&numbers.f_reshape([-1])?)?;
            come.extend(numbers.chunks_exact(R::NUMBERS).map(R::read));
        }
        Ok(come)
    }
}
