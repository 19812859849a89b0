//! What the tests of this crate share.

use crate::{Finding, Severity};

/// A finding of a made-up tool.
pub(crate) fn finding(rule: &str, path: &str, line: Option<u64>) -> Finding {
    Finding {
        tool: "t".to_owned(),
        rule: rule.to_owned(),
        severity: Severity::High,
        message: "m".to_owned(),
        path: Some(path.to_owned()),
        line,
        package: None,
        fixed_in: None,
        url: None,
        fingerprint: String::new(),
        context: None,
    }
}
