//! Ranges of versions as manifests write them: `>=18`, `^20.1 || 22.x`, `^8.1|^8.2`, `1.2 - 2`, `~> 3.2`.

/// Whether a range has some version that begins with `version`, such as 24 or 3.9; `None` for a range that is not understood.
pub fn accepts(range: &str, version: &str) -> Option<bool> {
    let wanted = numbers(version)?;
    let mut any = false;
    // Composer takes one bar for two.
    for alternative in range.replace("||", "|").split('|') {
        any |= alternative_accepts(alternative.trim(), &wanted)?;
    }
    Some(any)
}

fn alternative_accepts(text: &str, wanted: &[u64]) -> Option<bool> {
    if let Some((from, to)) = text.split_once(" - ") {
        return Some(holds(">=", &numbers(from)?, wanted) && holds("<=", &numbers(to)?, wanted));
    }
    // `>= 18` and `>=18,<21` are written as well.
    let text = text.replace(',', " ");
    let mut operator = String::new();
    let mut all = true;
    for word in text.split_whitespace() {
        let end = word.find(|c: char| !"<>=^~!".contains(c)).unwrap_or(word.len());
        operator.push_str(&word[..end]);
        if end < word.len() {
            all &= holds(&std::mem::take(&mut operator), &numbers(&word[end..])?, wanted);
        }
    }
    operator.is_empty().then_some(all)
}

/// The numbers of a version up to the first `x` or `*`; what stands behind a hyphen or a plus is left out.
fn numbers(text: &str) -> Option<Vec<u64>> {
    let text = text.trim().trim_start_matches(['v', 'V', '=']);
    let text = text.split(['-', '+']).next().unwrap_or_default();
    let mut numbers = Vec::new();
    for part in text.split('.') {
        match part {
            "x" | "X" | "*" | "" => break,
            part => numbers.push(part.parse().ok()?),
        }
    }
    Some(numbers)
}

/// Whether some version that begins with `wanted` is on that side of `bound`. Where one of the two says less than the other,
/// the numbers that both have decide.
fn holds(operator: &str, bound: &[u64], wanted: &[u64]) -> bool {
    let both = bound.len().min(wanted.len());
    let order = wanted[..both].cmp(&bound[..both]);
    match operator {
        ">=" => order.is_ge(),
        "<=" => order.is_le(),
        // 18.5 is no more than 18.x, and 18 has versions below 18.5.
        ">" => order.is_gt() || (order.is_eq() && bound.len() > wanted.len()),
        "<" => order.is_lt() || (order.is_eq() && bound.len() > wanted.len() && bound[both..].iter().any(|n| *n > 0)),
        "^" => {
            let fixed = bound.iter().position(|n| *n > 0).map_or(bound.len(), |at| at + 1).min(both);
            order.is_ge() && wanted[..fixed] == bound[..fixed]
        }
        // As Python and Ruby write it: the last number of the bound is free.
        "~=" | "~>" => {
            let fixed = both.min(bound.len().saturating_sub(1));
            order.is_ge() && wanted[..fixed] == bound[..fixed]
        }
        "!=" => !order.is_eq() || bound.len() > wanted.len(),
        "~" => order.is_ge() && wanted[..both.min(2)] == bound[..both.min(2)],
        _ => order.is_eq(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_manifests_are_understood() {
        for (range, version, expected) in [
            (">=18", "24", Some(true)),
            (">= 18", "24", Some(true)),
            (">=18 <21", "24", Some(false)),
            (">=18,<25", "24", Some(true)),
            ("<24", "24", Some(false)),
            ("<24.5", "24", Some(true)),
            (">24", "24", Some(false)),
            (">24.1", "24", Some(true)),
            ("^20 || ^22", "24", Some(false)),
            ("^20 || ^24.1", "24", Some(true)),
            ("^7.4|^8.0", "8.4", Some(true)),
            ("^7.4 | ^8.0", "9.0", Some(false)),
            ("~> 3.2", "3.3", Some(true)),
            ("~> 3.2.0", "3.3", Some(false)),
            ("^0.2", "0.3", Some(false)),
            ("~3.9.1", "3.9", Some(true)),
            ("~3.9", "3.10", Some(false)),
            ("24.x", "24", Some(true)),
            ("22.*", "24", Some(false)),
            ("v24.3.0", "24", Some(true)),
            (">=3.9,!=3.11.*", "3.11", Some(false)),
            (">=3.9,!=3.11.2", "3.11", Some(true)),
            ("~=3.9", "3.11", Some(true)),
            ("~=3.9.1", "3.11", Some(false)),
            ("==3.11.*", "3.11", Some(true)),
            ("18 - 22", "24", Some(false)),
            ("18 - 24", "24", Some(true)),
            (">=3.10,<3.15,!=3.12.*", "3.13", Some(true)),
            (">=3.10,!=3.13.*", "3.13", Some(false)),
            ("!=3.13.2", "3.13", Some(true)),
            ("~=3.9", "3.13", Some(true)),
            ("~=3.9.1", "3.13", Some(false)),
            ("==3.13.*", "3.13", Some(true)),
            ("*", "24", Some(true)),
            ("", "24", Some(true)),
            ("lts/iron", "24", None),
            (">=", "24", None),
        ] {
            assert_eq!(accepts(range, version), expected, "{range} has {version}");
        }
    }
}
