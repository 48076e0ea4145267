//! Python's `random.shuffle`, to split a list as the lectures do.

use rand_mt::Mt;

/// `random.seed(seed); random.shuffle(items)`, for fewer than 2^32 items.
///
/// ```
/// # use makemore_tch::data::shuffle::shuffle;
/// let mut numbers: Vec<u32> = (0..10).collect();
/// shuffle(&mut numbers, 42);
/// assert_eq!(numbers, [7, 3, 2, 8, 5, 6, 9, 4, 0, 1]);
/// ```
///
/// Source: CPython, `Lib/random.py`.
pub fn shuffle<T>(items: &mut [T], seed: u32) {
    // Python seeds its Mersenne Twister by a key.
    let mut generator = Mt::new_with_key([seed]);
    for last in (1..items.len()).rev() {
        items.swap(last, below(&mut generator, last + 1));
    }
}

/// A random number below `end`: draws as many bits as `end` has until they are below it.
fn below(generator: &mut Mt, end: usize) -> usize {
    let unneeded = end.leading_zeros().saturating_sub(usize::BITS - u32::BITS);
    loop {
        let number = (generator.next_u32() >> unneeded) as usize;
        if number < end {
            return number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Words;

    #[test]
    fn the_names_come_in_the_order_of_the_lectures() {
        let words = Words::lecture('.').unwrap();
        let mut names: Vec<&str> = words.iter().collect();
        shuffle(&mut names, 42);
        let (first, last) = (&names[..5], &names[names.len() - 2..]);
        assert_eq!(first, ["yuheng", "diondre", "xavien", "jori", "juanluis"]);
        assert_eq!(last, ["zaylynn", "yovani"]);
    }
}
