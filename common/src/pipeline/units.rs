//! Time spans and sizes as people write them. Pure text in, numbers out; the sentences of a refusal are the reader's.

/// The longest time span a definition may ask for: GitLab's own limit, one month of 30 days.
const SECONDS_MAX: u64 = 30 * 86_400;

/// A time span as GitLab reads it (`1h 30m`, `90s`, `3600 seconds`, `2 hours and 5 minutes`, `1h30m`), in whole seconds.
/// A number without a unit is seconds, as in GitLab. Zero is no time span.
pub(crate) fn duration_seconds(text: &str) -> Result<u64, &'static str> {
    const SHAPE: &str = "a time span is written like `90s`, `15m`, `1h 30m` or `3600 seconds`";
    let text = text.to_lowercase().replace(',', " ");
    let mut rest = text.trim();
    let mut total: u64 = 0;
    if rest.is_empty() {
        return Err(SHAPE);
    }
    while !rest.is_empty() {
        let (number, tail) = take(rest, |c| c.is_ascii_digit());
        let (unit, tail) = take(tail.trim_start(), |c| c.is_ascii_alphabetic());
        let number: u64 = number.parse().map_err(|_| SHAPE)?;
        let seconds = unit_seconds(unit).ok_or(SHAPE)?;
        total = number.checked_mul(seconds).and_then(|part| total.checked_add(part)).ok_or("that is too long")?;
        rest = tail.trim_start();
        rest = rest.strip_prefix("and ").unwrap_or(rest).trim_start();
    }
    match total {
        0 => Err("a time span has to be longer than nothing"),
        total if total > SECONDS_MAX => Err("the longest time span is 30 days"),
        total => Ok(total),
    }
}

fn unit_seconds(unit: &str) -> Option<u64> {
    match unit {
        "" | "s" | "sec" | "secs" | "second" | "seconds" => Some(1),
        "m" | "min" | "mins" | "minute" | "minutes" => Some(60),
        "h" | "hr" | "hrs" | "hour" | "hours" => Some(3_600),
        "d" | "day" | "days" => Some(86_400),
        "w" | "week" | "weeks" => Some(7 * 86_400),
        _ => None,
    }
}

/// A size in bytes: `512m`, `2g`, `1GiB`, or a plain number of bytes. All units count by 1024, as Docker's do.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_lowercase();
    let (number, unit) = take(&text, |c| c.is_ascii_digit());
    let power = match unit.trim_start() {
        "" | "b" => 0,
        "k" | "kb" | "ki" | "kib" => 1,
        "m" | "mb" | "mi" | "mib" => 2,
        "g" | "gb" | "gi" | "gib" => 3,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    number.checked_mul(1024_u64.pow(power)).filter(|bytes| *bytes > 0 && i64::try_from(*bytes).is_ok())
}

/// CPUs in thousandths of a core: `2`, `0.5`, `1.25`.
pub(crate) fn milli_cpus(text: &str) -> Option<u64> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 3 || whole.len() > 4 {
        return None;
    }
    let milli = whole.parse::<u64>().ok()? * 1000 + format!("{fraction:0<3}").parse::<u64>().ok()?;
    (milli > 0).then_some(milli)
}

fn take(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_are_read_as_gitlab_reads_them() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("1h 30m", 5400),
            ("1h30m", 5400),
            ("3600 seconds", 3600),
            ("3600", 3600),
            ("2 hours and 5 minutes", 7500),
            ("1 day, 2 hrs", 93_600),
            ("1 Week", 604_800),
        ] {
            assert_eq!(duration_seconds(text), Ok(seconds), "{text}");
        }
        for bad in
            ["", " ", "soon", "m", "15 parsecs", "1.5h", "-5m", "0", "0s", "31d", "99999999999999999999w", "5m and"]
        {
            assert!(duration_seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_and_cpus() {
        assert_eq!(bytes("2g"), Some(2 << 30));
        assert_eq!(bytes("512 MiB"), Some(512 << 20));
        assert_eq!(bytes("1024"), Some(1024));
        assert_eq!(milli_cpus("1.5"), Some(1500));
        assert_eq!(milli_cpus("2"), Some(2000));
        assert_eq!(milli_cpus("0.05"), Some(50));
        for bad in ["", "g", "-1g", "0", "1.5g", "9999999999999g", "2t2"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
        for bad in ["", "0", ".5", "1.", "1,5", "1.2345", "many", "99999"] {
            assert_eq!(milli_cpus(bad), None, "{bad}");
        }
    }
}
