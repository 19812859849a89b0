//! `Range` (RFC 9110, section 14): which bytes of a file are asked for.

use std::ops::Range;

/// What of a file is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it: the right answer also to several ranges, and to what is no range of bytes.
    Whole,
    /// These bytes.
    Range(Range<u64>),
    /// It has none of the bytes that were asked for.
    Nothing,
}

/// Reads the header's value for a file of so many bytes.
pub fn part(range: &str, bytes: u64) -> Part {
    let Some((from, to)) = single(range) else { return Part::Whole };
    let range = match (from, to) {
        (Some(from), Some(to)) if from > to => return Part::Whole,
        (Some(from), to) => from..to.map_or(bytes, |to| to.saturating_add(1)).min(bytes),
        (None, Some(last)) => bytes.saturating_sub(last)..bytes,
        (None, None) => return Part::Whole,
    };
    if range.is_empty() { Part::Nothing } else { Part::Range(range) }
}

/// The two numbers of a single range.
fn single(range: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, range) = range.split_once('=')?;
    let (from, to) = range.trim().split_once('-')?;
    let known = unit.trim().eq_ignore_ascii_case("bytes");
    known.then_some(())?;
    Some((number(from)?, number(to)?))
}

/// `None` for what is no number. One that is too large to be counted lies behind the end of any file.
fn number(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_ten_bytes() {
        for (range, sent) in [
            ("bytes=0-1", Part::Range(0..2)),
            ("Bytes= 0-0", Part::Range(0..1)),
            ("bytes=5-", Part::Range(5..10)),
            ("bytes=9-99999999999999999999999", Part::Range(9..10)),
            ("bytes=-3", Part::Range(7..10)),
            ("bytes=-99", Part::Range(0..10)),
            ("bytes=10-", Part::Nothing),
            ("bytes=99999999999999999999999-", Part::Nothing),
            ("bytes=-0", Part::Nothing),
            ("bytes=5-2", Part::Whole),
            ("bytes=0-1,4-5", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=x-1", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes", Part::Whole),
            ("lines=0-1", Part::Whole),
            ("", Part::Whole),
        ] {
            assert_eq!(part(range, 10), sent, "{range}");
        }
        assert_eq!(part("bytes=0-", 0), Part::Nothing);
    }
}
