//! How much of a project a scan read: the part of its result that says whether "no findings" means anything.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{execution::StageRecord, humanize::counted, policy::AllowUnread};

/// Unread files that a record names; the published result.json names more.
const IN_RECORD: usize = 50;
/// Unread files that one sentence names.
const IN_SENTENCE: usize = 5;

/// How much a scan read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scanned {
    /// Files.
    pub files: u64,
    /// Their size, where the scanner tells it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bytes: Option<u64>,
}

/// A file that a scan should have read and did not, or not as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unread {
    /// Its path in the project.
    pub path: String,
    /// Why it was not read.
    pub reason: String,
    /// Whether the operator allows that.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub allowed: bool,
}

/// The files that a scan did not read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// How many there are.
    pub total: u64,
    /// How many of them the operator allows.
    pub allowed: u64,
    /// The files, of many the first.
    pub files: Vec<Unread>,
}

impl Skipped {
    /// Lays the operator's rule over what a scan told. A file that is only counted cannot be allowed: nobody knows its name.
    pub fn new(mut files: Vec<Unread>, total: u64, allow: &AllowUnread) -> Self {
        let rule = allow.compiled();
        for file in &mut files {
            file.allowed = rule.is_match(&file.path);
        }
        // What needs a decision comes first, wherever the list is cut.
        files.sort_by_key(|file| file.allowed);
        let allowed = files.iter().filter(|file| file.allowed).count() as u64;
        Self { total: total.max(files.len() as u64), allowed, files }
    }

    /// How many files are unread without the operator's leave.
    pub fn not_allowed(&self) -> u64 {
        self.total.saturating_sub(self.allowed)
    }

    /// What goes into the record of a step.
    pub fn for_record(&self) -> Option<Self> {
        let files = self.files.iter().take(IN_RECORD).cloned().collect();
        (self.total > 0).then_some(Self { files, ..*self })
    }

    /// `2 files were not read: a.java (reason), b.java (reason)`, without those that are allowed.
    pub fn sentence(&self) -> String {
        let named = self.files.iter().filter(|file| !file.allowed).take(IN_SENTENCE);
        let named: Vec<_> = named.map(|file| format!("{} ({})", file.path, file.reason)).collect();
        let more = self.not_allowed().saturating_sub(named.len() as u64);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        format!("{}: {}{more}", self.counted_words(), named.join(", "))
    }

    /// `2 files were not read`, without those that are allowed.
    pub fn counted_words(&self) -> String {
        let count = self.not_allowed();
        format!("{} {} not read", counted(count, "file"), if count == 1 { "was" } else { "were" })
    }

    /// What is said where the operator's rule was used.
    pub fn allowed_words(&self) -> Option<String> {
        let verb = if self.allowed == 1 { "was" } else { "were" };
        let named = self.files.iter().filter(|file| file.allowed).take(IN_SENTENCE).map(|file| file.path.as_str());
        let named = named.collect::<Vec<_>>().join(", ");
        let more = self.allowed.saturating_sub(IN_SENTENCE as u64);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        let files = counted(self.allowed, "file");
        (self.allowed > 0)
            .then(|| format!("{files} {verb} not read, which --allow-unread of the operator allows: {named}{more}"))
    }
}

/// `12 files read, 2 not read`: what the scans of a stage add up to; `None` where none of them tells.
pub fn words(stage: &StageRecord) -> Option<String> {
    let mut scanned = stage.steps.values().filter_map(|step| step.scanned).peekable();
    let skipped: u64 = stage.steps.values().filter_map(|step| step.skipped.as_ref()).map(|skipped| skipped.total).sum();
    let read = scanned.peek().is_some().then(|| scanned.map(|scanned| scanned.files).sum::<u64>());
    match (read, skipped) {
        (None, 0) => None,
        (None, skipped) => Some(format!("{} not read", counted(skipped, "file"))),
        (Some(read), 0) => Some(format!("{} read", counted(read, "file"))),
        (Some(read), skipped) => Some(format!("{} read, {skipped} not read", counted(read, "file"))),
    }
}

/// The unread files of a stage, each with its reason, as lines.
pub fn lines(stage: &StageRecord) -> Vec<String> {
    let of_step = |skipped: &Skipped| {
        let line = |file: &Unread| {
            let allowed = if file.allowed { ", allowed by the operator" } else { "" };
            format!("{}: {}{allowed}", file.path, file.reason)
        };
        let more = skipped.total.saturating_sub(skipped.files.len() as u64);
        let more = (more > 0).then(|| format!("and {more} more; result.json among the reports names more of them"));
        skipped.files.iter().map(line).chain(more).collect::<Vec<_>>()
    };
    stage.steps.values().filter_map(|step| step.skipped.as_ref()).flat_map(of_step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unread(paths: &[&str]) -> Vec<Unread> {
        let unread = |path: &&str| Unread { path: (*path).to_owned(), reason: "torn".to_owned(), allowed: false };
        paths.iter().map(unread).collect()
    }

    #[test]
    fn a_file_may_stay_unread_by_a_pattern_and_a_file_without_a_name_never() {
        let allow = AllowUnread::new(["legacy/**", "*.kt"].map(str::to_owned)).unwrap();
        let skipped = Skipped::new(unread(&["legacy/a/B.java", "src/C.java", "D.kt", "src/E.kt"]), 6, &allow);
        assert_eq!((skipped.total, skipped.allowed, skipped.not_allowed()), (6, 2, 4));
        assert_eq!(skipped.sentence(), "4 files were not read: src/C.java (torn), src/E.kt (torn), and 2 more");
        assert_eq!(
            skipped.allowed_words().as_deref(),
            Some("2 files were not read, which --allow-unread of the operator allows: legacy/a/B.java, D.kt")
        );
        let none = Skipped::new(Vec::new(), 0, &allow);
        assert_eq!((none.for_record(), none.allowed_words(), none.not_allowed()), (None, None, 0));
        let uncounted = Skipped::new(unread(&["a"]), 0, &AllowUnread::default());
        assert_eq!(uncounted.sentence(), "1 file was not read: a (torn)", "a total that is too small is not believed");
    }

    #[test]
    fn a_stage_tells_what_its_scans_read() {
        let stage: StageRecord =
            serde_json::from_value(serde_json::json!({"status": "SUCCESS", "message": "", "steps": {
            "a": {"name": "a", "status": "SUCCESS", "message": "", "scanned": {"files": 12},
                "skipped": {"total": 3, "allowed": 1, "files": [
                    {"path": "A.java", "reason": "torn"}, {"path": "b.kt", "reason": "no rules", "allowed": true}]}},
            "b": {"name": "b", "status": "SUCCESS", "message": "", "scanned": {"files": 1, "bytes": 7}}}}))
            .unwrap();
        assert_eq!(words(&stage).as_deref(), Some("13 files read, 3 not read"));
        let expected = ["A.java: torn", "b.kt: no rules, allowed by the operator"].map(str::to_owned);
        assert_eq!(lines(&stage)[..2], expected);
        assert!(lines(&stage)[2].starts_with("and 1 more"));
    }

    #[test]
    fn a_record_names_what_needs_a_decision_first() {
        let many: Vec<String> = (0..60).map(|number| format!("ok/{number}")).chain(["bad".to_owned()]).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let allow = AllowUnread::new(["ok/*".to_owned()]).unwrap();
        let record = Skipped::new(unread(&many), 61, &allow).for_record().unwrap();
        assert_eq!((record.files.len(), record.files[0].path.as_str(), record.total), (50, "bad", 61));
    }
}
