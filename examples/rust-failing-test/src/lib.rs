//! A library whose sum forgets the last number.

/// The sum of all.
pub fn sum(numbers: &[u32]) -> u32 {
    numbers.iter().rev().skip(1).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_nothing_is_nothing() {
        assert_eq!(sum(&[]), 0);
    }

    #[test]
    fn has_all_numbers_in_it() {
        assert_eq!(sum(&[1, 2, 3]), 6, "the sum of 1, 2 and 3");
    }
}
