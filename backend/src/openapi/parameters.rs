//! What stands in addresses and behind `?`, described once for all calls that take it.

use serde_json::{Value, json};

use crate::routes::query;

/// Name, schema as JSON, what it means.
type Parameter = (&'static str, fn() -> Value, &'static str);

fn text() -> Value {
    json!({"type": "string"})
}

fn number() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn yes() -> Value {
    json!({"type": "boolean"})
}

const IN_PATHS: [Parameter; 8] = [
    (
        "id",
        || json!({"type": "string", "format": "uuid", "pattern": ID}),
        "The job, a UUID of version 7 in lower case.",
    ),
    ("stage", text, "A stage, in any letter case, with hyphens for spaces: `build`, `smoke-test`."),
    ("step", text, "The step that published it."),
    ("path", text, "The artifact below its step."),
    ("fingerprint", text, "The finding, by its fingerprint or the beginning of it."),
    ("name", text, "The project; of past runs, the pipeline or the project."),
    ("run", || json!({"type": "integer", "minimum": 1}), "The number of the run."),
    ("job", text, "A step, by its slug or its written name."),
];

/// What is meant at one address only, before what is meant at all others.
const AT: [(&str, Parameter); 6] = [
    ("/api/jobs/{id}/steps/{step}/play", ("step", text, "The step, by its slug or its written name.")),
    ("/api/jobs", ("cursor", || json!({"type": "string", "pattern": ID}), "The `next` of the page before.")),
    (
        "/api/jobs/{id}/findings",
        (
            "state",
            || json!({"type": "string", "pattern": STANDINGS}),
            "A list with commas: new, reopened, unchanged, fixed.",
        ),
    ),
    (
        "/api/jobs",
        ("state", || json!({"enum": ["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED"]}), "In this state alone."),
    ),
    ("/api/jobs", ("limit", || json!({"type": "integer", "minimum": 1, "maximum": 200}), "How many on a page.")),
    (
        "/api/jobs/{id}/tests",
        (
            "state",
            || json!({"type": "string", "pattern": STATES}),
            "A list with commas: failed, error, flaky, skipped, passed.",
        ),
    ),
];
const ID: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$";
const STATES: &str = "^(failed|error|flaky|skipped|passed)(,(failed|error|flaky|skipped|passed))*$";
const STANDINGS: &str = "^(new|reopened|unchanged|fixed)(,(new|reopened|unchanged|fixed))*$";
const STATUSES: &str = "^(PENDING|RUNNING|SUCCESS|FAILED|CANCELED|QUEUED|SUCCEEDED)$";
const TIME: &str =
    "^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])(T(0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)?$";
const SEVERITIES: &str = "^(critical|high|medium|low|info)(,(critical|high|medium|low|info))*$";

const IN_QUERIES: &[Parameter] = &[
    ("project", text, "Of this project alone."),
    ("branch", text, "Of this branch alone."),
    ("limit", || json!({"type": "integer", "minimum": 1, "maximum": 1000}), "How many on a page."),
    ("cursor", number, "The `next` of the page before."),
    (
        "severity",
        || json!({"type": "string", "pattern": SEVERITIES}),
        "A list with commas: critical, high, medium, low, info.",
    ),
    (
        "baseline",
        || json!({"type": "string", "pattern": ID}),
        "The job whose findings are compared with, in place of the run before.",
    ),
    (
        "format",
        || json!({"enum": ["json", "sarif", "csv", "markdown", "gitlab-sast", "gitlab-secret-detection", "gitlab-dependency-scanning"]}),
        "Json, or a format of others.",
    ),
    ("tool", text, "A list with commas of the tools that found something."),
    ("stage", text, "A list with commas of stages."),
    ("q", || json!({"type": "string", "pattern": "\\S"}), "A text to look for, in any letter case."),
    ("offset", number, "Where to begin, in bytes of the stored log."),
    ("step", text, "One step of a stage that has several."),
    (
        "try",
        || json!({"type": "integer", "minimum": 1, "maximum": 100}),
        "One try of a step that had several; else the last one.",
    ),
    ("tail", || json!({"type": "integer", "minimum": 1, "maximum": 100_000}), "The last so many lines."),
    (
        "lines",
        || json!({"type": "string", "pattern": "^[1-9][0-9]{0,8}(-[0-9]{0,9})?$"}),
        "A range of lines from 1 on, both ends included: `3-17`, `3-`.",
    ),
    (
        "context",
        || json!({"type": "integer", "minimum": 0, "maximum": 20}),
        "How many lines around each that `q` finds.",
    ),
    ("run", || json!({"type": "integer", "minimum": 0}), "The run of this number alone."),
    ("commit", text, "Runs of this commit alone, which may be shortened."),
    ("status", || json!({"type": "string", "pattern": STATUSES}), "In this state alone."),
    ("from", || json!({"type": "string", "pattern": TIME}), "From this time on: an instant, or a day in UTC."),
    ("to", || json!({"type": "string", "pattern": TIME}), "Before this time."),
    ("page", number, "The page, the first one is 0."),
    ("size", || json!({"type": "integer", "minimum": 1, "maximum": 200}), "How many on a page."),
    ("job", text, "This step alone, by its slug or its written name."),
    ("failed", yes, "Only what did not succeed is run; successful steps are taken over with their artifacts."),
    ("drawn", yes, "With the HTML of each line, as the page shows it."),
];

/// Those of an address.
pub fn path_parameters(path: &str) -> impl Iterator<Item = Value> {
    let named = |name: &str| path.contains(&format!("{{{name}}}")) || path.contains(&format!("{{*{name}}}"));
    let of = path.to_owned();
    IN_PATHS.iter().filter(move |(name, ..)| named(name)).map(move |parameter| {
        let here = AT.iter().find(|(at, (name, ..))| *at == of && *name == parameter.0);
        describe(here.map_or(parameter, |(_, parameter)| parameter), "path")
    })
}

/// Those behind `?`. One that is described nowhere has its name alone; a test finds it.
pub fn query_parameters(path: &'static str) -> impl Iterator<Item = Value> {
    query::taken(path).iter().map(move |name| {
        let here = AT.iter().filter(|(at, _)| *at == path).map(|(_, parameter)| parameter);
        let known = here.chain(IN_QUERIES).find(|(known, ..)| known == name);
        known.map_or_else(|| json!({"name": name, "in": "query"}), |parameter| describe(parameter, "query"))
    })
}

fn describe((name, schema, description): &Parameter, place: &str) -> Value {
    json!({"name": name, "in": place, "required": place == "path", "description": description, "schema": schema()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_of_a_call_is_described() {
        for operation in crate::openapi::operations::all() {
            let taken = query_parameters(operation.path);
            let bare: Vec<_> = taken.filter(|parameter| parameter.get("schema").is_none()).collect();
            assert!(bare.is_empty(), "{}: {bare:?}", operation.path);
        }
    }
}
