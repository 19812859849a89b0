//! What a finding is known by in the next run: tool, rule, path, the text of its line, and its number among those that are alike.
//!
//! The number of the line is no part of it, so that a finding survives what is written above it; its ordinal is, so that two
//! places of one rule stay two. Where there is no line to read, the dependency, the address or the message stand for it.

use std::{collections::HashMap, fmt::Write as _};

use sha2::{Digest, Sha256};

use crate::{Finding, redact};

/// The longest line that is looked at, in bytes: what is longer was written by no person.
const LINE_MAX: usize = 4096;
/// Tools whose findings are secrets. Of their lines only what stands before the value counts: a digest of a short password
/// gives it away.
const OF_SECRETS: [&str; 3] = ["gitleaks", "trufflehog", "detect-secrets"];

/// Gives each finding its fingerprint. `line_of` reads a line of a file of the project, by its number from 1.
pub fn mark(findings: &mut [Finding], mut line_of: impl FnMut(&str, u64) -> Option<String>) {
    // By their place in the file, whatever order the tool reports them in.
    let mut order: Vec<usize> = (0..findings.len()).collect();
    order.sort_by_key(|at| findings[*at].line);
    let mut seen: HashMap<String, u32> = HashMap::new();
    for at in order {
        let finding = &mut findings[at];
        let line = finding.path.as_deref().zip(finding.line).and_then(|(path, line)| line_of(path, line));
        let line = line.map(|line| normalised(&finding.tool, &line)).filter(|line| !line.is_empty());
        finding.context = line.as_deref().map(|line| digest(&[line], 8));
        let place = line.unwrap_or_else(|| without_line(finding));
        let path = finding.path.as_deref().unwrap_or_default();
        let alike = digest(&["1", &finding.tool, &finding.rule, path, &place], 16);
        let ordinal = seen.entry(alike.clone()).or_default();
        *ordinal += 1;
        finding.fingerprint = if *ordinal == 1 { alike } else { digest(&[&alike, &ordinal.to_string()], 16) };
    }
}

/// The text of a line as far as it counts.
fn normalised(tool: &str, line: &str) -> String {
    let end = (0..=line.len().min(LINE_MAX)).rev().find(|at| line.is_char_boundary(*at)).unwrap_or_default();
    let line = redact(&line[..end]);
    let secret = OF_SECRETS.iter().any(|known| tool.eq_ignore_ascii_case(known));
    let told = if secret { line.split(['=', ':', '"', '\'', '`', '(', '>']).next().unwrap_or_default() } else { &line };
    // A name is short; what is longer, and stands before no sign, may be the value.
    let told = if secret && told.trim().len() > 40 { "" } else { told };
    told.chars().filter(|c| !c.is_whitespace()).collect()
}

/// What stands for the line of a finding that has none.
pub(crate) fn without_line(finding: &Finding) -> String {
    match (&finding.package, &finding.url) {
        // A newer version with the same fault has the same fault.
        (Some(package), _) => name_of(package).to_owned(),
        (None, Some(url)) => url.clone(),
        (None, None) => plain(&finding.message),
    }
}

/// The name of `name@version`. The name of a scoped package begins with the sign.
fn name_of(package: &str) -> &str {
    package.rsplit_once('@').map_or(package, |(name, _)| if name.is_empty() { package } else { name })
}

/// A message without its numbers, which are mostly those of lines.
fn plain(message: &str) -> String {
    let mut plain = String::with_capacity(message.len());
    let mut digits = false;
    for c in message.chars().filter(|c| !c.is_whitespace()) {
        match (c.is_ascii_digit(), digits) {
            (true, true) => {}
            (true, false) => plain.push('#'),
            (false, _) => plain.push(c),
        }
        digits = c.is_ascii_digit();
    }
    plain
}

/// A digest of some texts, as twice so many hexadecimal digits.
fn digest(texts: &[&str], bytes: usize) -> String {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update(text.as_bytes());
        digest.update([0]);
    }
    digest.finalize().iter().take(bytes).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::finding;

    /// The fingerprints of findings of one rule in `a.js`, on these lines.
    fn marks(text: &str, lines: &[u64]) -> Vec<String> {
        let mut found: Vec<Finding> = lines.iter().map(|line| finding("r", "a.js", Some(*line))).collect();
        mark(&mut found, |_, line| text.lines().nth(line as usize - 1).map(str::to_owned));
        found.into_iter().map(|finding| finding.fingerprint).collect()
    }

    #[test]
    fn a_finding_survives_moved_and_indented_lines_and_two_of_a_kind_stay_two() {
        let here = marks("eval(a);\n", &[1]);
        let lower = format!("{}    eval( a );\n", "\n".repeat(40));
        assert_eq!(marks(&lower, &[41]), here);
        let two = marks("eval(a);\nx\neval(a);\n", &[1, 3]);
        assert_eq!((two[0] == here[0], two[1] == two[0]), (true, false));
        // The order in which a tool reports them says nothing.
        let turned = marks("eval(a);\nx\neval(a);\n", &[3, 1]);
        assert_eq!(turned, [two[1].clone(), two[0].clone()]);
        assert_ne!(marks("eval(b);\n", &[1]), here);
        assert!(here[0].len() == 32 && here[0].chars().all(|c| c.is_ascii_hexdigit()));
    }

    #[test]
    fn a_dependency_keeps_its_fault_in_another_version_and_an_address_in_another_message() {
        let of = |package: Option<&str>, url: Option<&str>, message: &str| {
            let mut one = [Finding {
                package: package.map(str::to_owned),
                url: url.map(str::to_owned),
                message: message.to_owned(),
                ..finding("r", "pom.xml", None)
            }];
            mark(&mut one, |_, _| None);
            one[0].fingerprint.clone()
        };
        assert_eq!(of(Some("a:b@1.0"), None, "x"), of(Some("a:b@1.1"), None, "y"));
        assert_ne!(of(Some("a:b@1.0"), None, "x"), of(Some("a:c@1.0"), None, "x"));
        assert_ne!(of(Some("@a/b@1"), None, "x"), of(Some("@a/c@1"), None, "x"));
        assert_eq!(of(None, Some("GET /"), "seen 3 times"), of(None, Some("GET /"), "seen twice"));
        assert_eq!(of(None, None, "line 17 is wrong"), of(None, None, "line 4 is wrong"));
        assert_ne!(of(None, None, "this is wrong"), of(None, None, "that is wrong"));
    }

    #[test]
    fn no_digest_gives_a_secret_away() {
        for line in ["password = \"hunter2\"", "password: hunter2", "  password='hunter2'"] {
            assert_eq!(normalised("gitleaks", line), "password", "{line}");
        }
        let token = format!("ghp_{}", "a1".repeat(18));
        assert_eq!(normalised("semgrep", &format!("let a = {token};")), "leta=[redacted];");
        assert_eq!(normalised("gitleaks", &"k".repeat(64)), "");
        assert_eq!(normalised("semgrep", &"ü".repeat(LINE_MAX)).len(), LINE_MAX);
    }
}
