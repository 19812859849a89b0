//! How many lines of code tests reached, as one number: from Cobertura's, JaCoCo's and LCOV's reports, or from what a tool printed.

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};
use regex::Regex;

use super::{BadReport, junit::attribute, text};

/// The format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CoverageFormat {
    /// Cobertura's XML, which tools of most languages write.
    Cobertura,
    /// JaCoCo's XML.
    Jacoco,
}

/// Lines of code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoveredLines {
    /// Those that tests reached.
    pub covered: u64,
    /// All that could be reached.
    pub all: u64,
}

impl CoveredLines {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { covered: self.covered.saturating_add(other.covered), all: self.all.saturating_add(other.all) }
    }

    /// Covered lines in percent; nothing where there are none.
    pub fn percent(self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a percentage is no exact number")]
        let percent = self.covered as f64 * 100.0 / self.all as f64;
        (self.all > 0).then(|| rounded(percent))
    }
}

/// Two digits after the point are what people compare.
fn rounded(percent: f64) -> f64 {
    (percent.clamp(0.0, 100.0) * 100.0).round() / 100.0
}

/// Reads one report.
///
/// # Errors
/// [`BadReport`]: not XML, cut off, or nothing in it says how many lines there are.
pub fn parse(format: CoverageFormat, bytes: &[u8]) -> Result<CoveredLines, BadReport> {
    let name = match format {
        CoverageFormat::Cobertura => "Cobertura",
        CoverageFormat::Jacoco => "JaCoCo",
    };
    let bad = |reason: String| BadReport { format: name, reason };
    let decoded = text::xml(bytes);
    let mut reader = Reader::from_str(&decoded);
    reader.config_mut().expand_empty_elements = true;
    let (mut open, mut found): (Vec<String>, Option<CoveredLines>) = (Vec::new(), None);
    // What the top says counts, and single lines only where that says nothing.
    let mut is_said = false;
    loop {
        match reader.read_event().map_err(|error| bad(error.to_string()))? {
            Event::Start(element) => {
                let path: Vec<&str> = open.iter().map(String::as_str).collect();
                let lines = match format {
                    CoverageFormat::Cobertura => of_cobertura(&path, &element),
                    CoverageFormat::Jacoco => of_jacoco(&path, &element),
                };
                is_said |= path.is_empty() && lines.is_some();
                if let Some(lines) = lines.filter(|_| path.is_empty() || !is_said) {
                    found = Some(found.unwrap_or_default().plus(lines));
                }
                open.push(element.local_name().as_ref().to_owned());
            }
            Event::End(_) => _ = open.pop(),
            Event::Eof if open.is_empty() => return found.ok_or_else(|| bad("it counts no lines".to_owned())),
            Event::Eof => return Err(bad("it is cut off".to_owned())),
            _ => {}
        }
    }
}

/// Its top has the sums; where it has none, the lines of classes are counted: those of methods are among them.
fn of_cobertura(path: &[&str], element: &BytesStart<'_>) -> Option<CoveredLines> {
    match (path, element.local_name().as_ref()) {
        ([], "coverage") => {
            Some(CoveredLines { covered: number(element, "lines-covered")?, all: number(element, "lines-valid")? })
        }
        ([.., "class", "lines"], "line") => Some(CoveredLines { covered: number(element, "hits")?.min(1), all: 1 }),
        _ => None,
    }
}

/// The counter of the whole report.
fn of_jacoco(path: &[&str], element: &BytesStart<'_>) -> Option<CoveredLines> {
    let is_of_lines = || attribute(element, "type").is_some_and(|of| of == "LINE");
    if path != ["report"] || element.local_name().as_ref() != "counter" || !is_of_lines() {
        return None;
    }
    let covered = number(element, "covered")?;
    Some(CoveredLines { covered, all: covered.saturating_add(number(element, "missed")?) })
}

fn number(element: &BytesStart<'_>, name: &str) -> Option<u64> {
    attribute(element, name)?.trim().parse().ok()
}

/// What a tool printed, as GitLab reads it (`coverage: /regex/`): the number in the last line that fits, in percent.
pub fn printed(pattern: &Regex, log: &str) -> Option<f64> {
    let line = log.lines().rev().find_map(|line| pattern.captures(line))?;
    let text = line.iter().skip(1).flatten().next().or_else(|| line.get(0))?.as_str();
    let from = text.find(|c: char| c.is_ascii_digit())?;
    let digits: String = text[from..].chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    digits.trim_end_matches('.').parse().ok().map(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cobertura_says_its_sums_or_its_lines_are_counted() {
        let sums = r#"<?xml version="1.0"?><coverage line-rate="0.9" lines-covered="9" lines-valid="12"><packages/></coverage>"#;
        let lines = parse(CoverageFormat::Cobertura, sums.as_bytes()).unwrap();
        assert_eq!((lines, lines.percent()), (CoveredLines { covered: 9, all: 12 }, Some(75.0)));
        let single = r#"<coverage line-rate="0.5"><packages><package><classes><class name="a">
            <methods><method><lines><line number="1" hits="3"/></lines></method></methods>
            <lines><line number="1" hits="3"/><line number="2" hits="0"/><line number="3" hits="1"/></lines>
            </class></classes></package></packages></coverage>"#;
        let lines = parse(CoverageFormat::Cobertura, single.as_bytes()).unwrap();
        assert_eq!((lines, lines.percent()), (CoveredLines { covered: 2, all: 3 }, Some(66.67)));
    }

    #[test]
    fn jacoco_says_it_for_the_whole_report() {
        let report = r#"<report name="x"><package name="p"><counter type="LINE" missed="5" covered="5"/></package>
            <counter type="BRANCH" missed="1" covered="0"/><counter type="LINE" missed="1" covered="3"/></report>"#;
        assert_eq!(parse(CoverageFormat::Jacoco, report.as_bytes()).unwrap().percent(), Some(75.0));
    }

    #[test]
    fn what_counts_no_lines_is_no_report() {
        for text in ["", "<coverage/>", "<report><counter type=\"LINE\" missed=\"1\"/></report>", "<coverage><a>"] {
            for format in [CoverageFormat::Cobertura, CoverageFormat::Jacoco] {
                assert!(parse(format, text.as_bytes()).is_err(), "{text}");
            }
        }
        assert_eq!(CoveredLines::default().percent(), None);
    }

    #[test]
    fn the_last_line_that_fits_says_what_was_printed() {
        let found = |pattern: &str, log: &str| printed(&Regex::new(pattern).unwrap(), log);
        let pytest = "a.py 10 5 50%\nTOTAL    200   13    93%\nTOTAL 200 10 95.126%\ndone\n";
        assert_eq!(found(r"TOTAL.*\s(\d+(?:\.\d+)?%)$", pytest), Some(95.13));
        assert_eq!(found(r"coverage: \d+\.\d+% of statements", "ok x coverage: 81.5% of statements\n"), Some(81.5));
        assert_eq!(found("All files[^|]*\\|[^|]*\\s+([\\d\\.]+)", "All files |   77.7 |"), Some(77.7));
        assert_eq!(found("nothing", pytest), None);
    }
}
