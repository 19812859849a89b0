//! A library that does not compile.

/// How many there are.
pub fn count(words: &[&str]) -> u32 {
    words.len()
}
