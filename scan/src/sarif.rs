//! Makes a tool's SARIF fit to be kept: paths relative to the project, and nothing in it that shows the code it is about,
//! since a rule on credentials would copy the credential.

use std::{fs, path::Path};

use pipelinex_findings::{Finding, sarif};
use serde_json::{Map, Value, json};

use crate::{
    report::items,
    stage::{Failure, Stage},
};

/// What is kept of a result; the rest repeats code, names people or is for the maker's own service.
const KEPT: [&str; 5] = ["ruleId", "ruleIndex", "level", "message", "locations"];

/// Keeps what may be kept of each result. `root` is what the tool put before the paths of the project's files.
pub(crate) fn clean(report: &mut Value, root: &str) {
    for run in items(report, "runs") {
        if let Some(run) = run.as_object_mut() {
            run.remove("artifacts");
            clean_invocations(run);
        }
        for result in items(run, "results") {
            clean_result(result, root);
        }
    }
}

/// All results of a report.
pub(crate) fn results(report: &mut Value) -> impl Iterator<Item = &mut Value> {
    items(report, "runs").flat_map(|run| items(run, "results"))
}

/// Of what a tool says of its own run, whether it succeeded: its words repeat the code that it could not parse.
fn clean_invocations(run: &mut Map<String, Value>) {
    let Some(Value::Array(invocations)) = run.get_mut("invocations") else { return };
    for invocation in invocations.iter_mut().filter_map(Value::as_object_mut) {
        invocation.retain(|key, value| key == "executionSuccessful" || (key == "exitCode" && value.is_number()));
    }
}

fn clean_result(result: &mut Value, root: &str) {
    // The commit is a part of where a finding in history is.
    let commit = result["partialFingerprints"]["commitSha"].clone();
    let Some(object) = result.as_object_mut() else { return };
    object.retain(|key, _| KEPT.contains(&key.as_str()));
    if commit.is_string() {
        object.insert("partialFingerprints".to_owned(), json!({"commitSha": commit}));
    }
    if let Some(Value::String(text)) = result.get_mut("message").and_then(|message| message.get_mut("text")) {
        *text = text.replace(root, "");
    }
    for location in items(result, "locations") {
        let Some(place) = location.get_mut("physicalLocation") else { continue };
        if let Some(Value::String(uri)) = place.pointer_mut("/artifactLocation/uri") {
            // These tools write paths, and a reader of SARIF decodes URIs.
            *uri = uri.strip_prefix(root).unwrap_or(uri).replace('%', "%25");
        }
        drop_texts(place);
    }
}

fn drop_texts(place: &mut Value) {
    if let Some(place) = place.as_object_mut() {
        place.remove("contextRegion");
        if let Some(Value::Object(region)) = place.get_mut("region") {
            region.retain(|_, value| value.is_number());
        }
    }
}

/// Says of each result what its rule says, word for word: a tool fills in pieces of code otherwise.
pub(crate) fn messages_of_rules(report: &mut Value) {
    for run in items(report, "runs") {
        let rules = run["tool"]["driver"]["rules"].as_array().cloned().unwrap_or_default();
        let texts: Map<String, Value> = rules
            .iter()
            .filter_map(|rule| Some((rule["id"].as_str()?.to_owned(), rule["fullDescription"]["text"].clone())))
            .collect();
        for result in items(run, "results") {
            let Some(result) = result.as_object_mut() else { continue };
            let id = result.get("ruleId").and_then(Value::as_str).unwrap_or_default();
            let text = texts.get(id).cloned().unwrap_or_else(|| json!(id));
            result.insert("message".to_owned(), json!({"text": text}));
        }
    }
}

/// Reads it as the worker will, and keeps it.
///
/// # Errors
/// It is no SARIF report, or cannot be written.
pub(crate) fn keep(stage: &Stage, tool: &str, name: &str, report: &Value) -> Result<Vec<Finding>, Failure> {
    let text = format!("{report:#}\n");
    let report = sarif::parse(text.as_bytes(), &stage.app.to_string_lossy())
        .map_err(|error| Failure::tool(format!("{tool}: {error}")))?;
    if let Some(failed) = report.failed {
        return Err(Failure::tool(failed));
    }
    write(&stage.reports.join(name), text.as_bytes())?;
    Ok(report.findings)
}

/// Writes a report.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write(path: &Path, text: &[u8]) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| Failure::tool(format!("{} cannot be written: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_shows_no_code_and_names_nobody() {
        let mut report = json!({"runs": [{"tool": {"driver": {"name": "t", "rules":
                [{"id": "r", "fullDescription": {"text": "a credential $X"}}]}},
            "invocations": [{"executionSuccessful": true, "toolExecutionNotifications": [{"message": {"text": "hunter2"}}]}],
            "results": [{"ruleId": "r", "message": {"text": "a credential hunter2"}, "fixes": ["hunter2"],
                "partialFingerprints": {"commitSha": "c0ffee", "email": "e@e", "commitMessage": "hunter2"},
                "locations": [{"physicalLocation": {"artifactLocation": {"uri": "/x/app/a%20b.java"}, "contextRegion": "hunter2",
                    "region": {"startLine": 3, "snippet": {"text": "hunter2"}}}}]}]}]});
        clean(&mut report, "/x/app/");
        messages_of_rules(&mut report);
        let text = report.to_string();
        assert!(!text.contains("hunter2") && !text.contains("e@e") && text.contains("c0ffee"), "{text}");
        let finding = &sarif::parse(text.as_bytes(), "").unwrap().findings[0];
        assert_eq!((finding.path.as_deref(), finding.line), (Some("a%20b.java"), Some(3)));
        report["runs"][0]["invocations"][0]["executionSuccessful"] = json!(false);
        clean(&mut report, "/x/app/");
        assert!(sarif::parse(report.to_string().as_bytes(), "").unwrap().failed.is_some());
    }

    #[test]
    fn a_report_of_another_shape_is_left_to_the_parser() {
        for odd in
            [json!(1), json!({"runs": 1}), json!({"runs": [1]}), json!({"runs": [{"results": [1, {"locations": 3}]}]})]
        {
            let mut report = odd.clone();
            clean(&mut report, "x");
            messages_of_rules(&mut report);
            assert!(sarif::parse(report.to_string().as_bytes(), "").is_err(), "{odd}");
        }
    }
}
