//! What the server says.

/// The greeting of somebody.
///
/// ```
/// assert_eq!(greeter::greeting("Ada"), "Hello, Ada!");
/// ```
pub fn greeting(name: &str) -> String {
    if name.is_empty() { "Hello, world!".to_owned() } else { format!("Hello, {name}!") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greets_whoever_has_no_name() {
        assert_eq!(greeting(""), "Hello, world!");
    }
}
