//! Rows of numbers that go to the processes that own them.

use tch::Tensor;

use super::processes::{Processes, gather_numbers};
use crate::error::Result;

/// The most rows that a process sends at once.
const ROWS: usize = 1 << 20;

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

/// The number of rows that come to this process, of those that all send to the `owner` of each.
///
/// # Errors
///
/// As of [`Processes::sum`].
pub(crate) fn to_come<R>(
    processes: &dyn Processes,
    rows: &[R],
    owner: impl Fn(&R) -> usize,
) -> Result<usize> {
    let (rank, size) = (processes.rank(), processes.size());
    if size == 1 {
        return Ok(rows.len());
    }
    let mut sent = vec![0; size];
    for row in rows {
        sent[owner(row)] += 1;
    }
    let of_all = gather_numbers(processes, sent)?;
    let come = of_all.chunks(size).map(|sent| sent[rank]);
    Ok(come.sum::<u64>() as usize)
}

/// Sends each row to its `owner`, and returns those that come to this process.
///
/// # Errors
///
/// As of [`Processes::sum`].
pub(crate) fn exchange<R: Row>(
    processes: &dyn Processes,
    rows: Vec<R>,
    owner: impl Fn(&R) -> usize,
) -> Result<Vec<R>> {
    let size = processes.size();
    if size == 1 {
        return Ok(rows);
    }
    let lengths = gather_numbers(processes, vec![rows.len() as u64])?;
    let rounds = lengths.into_iter().max().unwrap_or(0).div_ceil(ROWS as u64);
    let (mut rows, mut come) = (rows.into_iter(), Vec::new());
    for _ in 0..rounds {
        let mut of_owners = vec![Vec::new(); size];
        for row in rows.by_ref().take(ROWS) {
            row.write(&mut of_owners[owner(&row)]);
        }
        let sent = of_owners.iter().map(|numbers| numbers.len() / R::NUMBERS);
        let sent: Vec<i64> = sent.map(|rows| rows as i64).collect();
        let numbers = Tensor::f_from_slice(&of_owners.concat())?;
        let numbers = numbers.f_view([sent.iter().sum(), R::NUMBERS as i64])?;
        let (numbers, _) = processes.all_to_all(&numbers, &sent)?;
        let numbers = Vec::<i64>::try_from(&numbers.f_reshape([-1])?)?;
        come.extend(numbers.chunks_exact(R::NUMBERS).map(R::read));
    }
    Ok(come)
}
