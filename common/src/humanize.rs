//! Numbers in the words of a person, the same in a terminal and on a page.

use jiff::Timestamp;

/// A time span, in the unit that fits.
pub fn span(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0..10 => format!("{}.{} s", seconds, milliseconds % 1000 / 100),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The time span between two times, none where a clock went backwards.
pub fn between(from: Timestamp, to: Timestamp) -> String {
    span(u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or_default())
}

/// `1 thing`, `2 things`.
pub fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_the_unit_that_fits() {
        assert_eq!([950, 9_999, 61_000, 3_700_000].map(span), ["0.9 s", "9.9 s", "1 min 01 s", "1 h 01 min"]);
    }
}
