//! How much of the project a scan read. Each scanner tells it here, and the worker holds it against the operator's rules: a scan
//! that passed a file over in silence would call it clean.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::stage::one_line;

/// Unread files that are named; past these they are only counted, and the worker allows none of those.
const MAX_NAMED: usize = 2_000;
/// Longest path and reason that are told, in characters.
const MAX_PATH: usize = 300;
const MAX_REASON: usize = 160;
/// All of the list, in bytes: the worker reads no larger result.
const MAX_LISTED: usize = 400 * 1024;

/// What was read, and what was not.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    scanned: Option<(u64, Option<u64>)>,
    unread: BTreeMap<String, String>,
    beyond: u64,
    listed: usize,
}

impl Coverage {
    /// How many files the scanner read, and their size where it is known. Without this call the scan tells nothing of the kind.
    pub(crate) fn scanned(&mut self, files: usize, bytes: Option<u64>) {
        self.scanned = Some((files as u64, bytes));
    }

    /// A file that should have been read and was not, or not as a whole. `path` is relative to the project. The first reason counts.
    pub(crate) fn skip(&mut self, path: &str, reason: &str) {
        let path = if path.is_empty() { "?".to_owned() } else { one_line(path, MAX_PATH) };
        if self.unread.contains_key(&path) {
            return;
        }
        let reason = one_line(reason, MAX_REASON);
        let size = path.len() + reason.len() + 32;
        if self.unread.len() >= MAX_NAMED || self.listed + size > MAX_LISTED {
            self.beyond += 1;
            return;
        }
        self.listed += size;
        self.unread.insert(path, reason);
    }

    /// Puts it among the details of the result.
    pub(crate) fn tell(&self, details: &mut Map<String, Value>) {
        if let Some((files, bytes)) = self.scanned {
            let mut scanned = json!({"files": files});
            bytes.into_iter().for_each(|bytes| scanned["bytes"] = json!(bytes));
            details.insert("scanned".to_owned(), scanned);
        }
        let total = self.unread.len() as u64 + self.beyond;
        if total > 0 {
            let listed = self.unread.iter().map(|(path, reason)| json!({"path": path, "reason": reason}));
            details.insert("skipped".to_owned(), listed.collect());
            details.insert("skipped_total".to_owned(), json!(total));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(coverage: &Coverage) -> Value {
        let mut details = Map::new();
        coverage.tell(&mut details);
        Value::Object(details)
    }

    #[test]
    fn a_file_is_told_once_with_its_first_reason() {
        let mut coverage = Coverage::default();
        assert_eq!(told(&coverage), json!({}));
        coverage.scanned(3, None);
        coverage.skip("a\nb.java", "torn");
        coverage.skip("a\nb.java", "too large");
        assert_eq!(
            told(&coverage),
            json!({"scanned": {"files": 3}, "skipped": [{"path": "a b.java", "reason": "torn"}], "skipped_total": 1})
        );
    }

    #[test]
    fn a_list_is_cut_where_it_grows_too_long_and_the_count_is_not() {
        let (mut many, mut long) = (Coverage::default(), Coverage::default());
        for number in 0..3_000 {
            many.skip(&format!("{number}"), "r");
            long.skip(&format!("{}{number}", "x".repeat(295)), &"y".repeat(900));
        }
        for coverage in [many, long] {
            let told = told(&coverage);
            assert_eq!(told["skipped_total"], 3_000);
            assert!(told["skipped"].as_array().unwrap().len() <= MAX_NAMED && told.to_string().len() < 512 * 1024);
        }
    }
}
