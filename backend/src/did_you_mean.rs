//! What was probably meant by a key or a name that nobody knows.

/// How alike a known word must be to be suggested: 1 is the same.
const ALIKE: f64 = 0.8;

/// The known word that is most like this one, if any is.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase();
    let alike = known.into_iter().map(|name| (strsim::jaro_winkler(&lower, &name.to_lowercase()), name));
    alike.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(likeness, _)| *likeness >= ALIKE).map(|(_, name)| name)
}

/// The warning for a key of the request that was ignored.
pub fn unknown_key<'a>(path: &str, key: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let shown: String = key.chars().take(60).map(|c| if hides(c) { '?' } else { c }).collect();
    let meant = nearest(&shown, known).map(|name| format!("; did you mean `{path}{name}`?")).unwrap_or_default();
    format!("the key `{path}{shown}` of the request is not known and was ignored{meant}")
}

/// Whether a character steers a terminal, or makes a text look like another.
pub fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
