//! The dialect as a JSON Schema, for editors: made of the same lists of words that the reader goes by. It knows the shape of a file and
//! nothing beyond it; what a step may need, and which of two keys go together, `pipelinex check` says.

use serde_json::{Map, Value, json};

use super::{fields::Keys, keys};

const DURATION: &str = "such as `90 seconds`, `1h 30m`, or a number of seconds";

/// The schema of `.pipelinex.yml`, JSON Schema of draft 7, which is what editors read.
pub fn schema() -> Value {
    let mut top = properties(&keys::FILE, file);
    top.remove("spec");
    for key in keys::MOVED_TO_DEFAULT {
        top.insert((*key).to_owned(), step(key));
    }
    // What the predecessor's files have at their top is read with a notice, and belongs into no new file.
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A pipeline of Pipelinex",
        "description": "A strict subset of GitLab CI, and what is ours under `.pipelinex`.",
        "type": "object",
        "properties": top,
        "patternProperties": {r"^\.": {"description": "A template: hidden, for `extends` and `!reference`."}},
        "additionalProperties": {"$ref": "#/definitions/step"},
        "definitions": {
            "step": object(&keys::STEP, step),
            "script": script(),
        },
    })
}

/// A mapping with the keys that the dialect has there, and no others.
fn object(keys: &Keys, of: fn(&str) -> Value) -> Value {
    json!({"type": "object", "properties": properties(keys, of), "additionalProperties": false})
}

fn properties(keys: &Keys, of: fn(&str) -> Value) -> Map<String, Value> {
    keys.known.iter().map(|key| ((*key).to_owned(), of(key))).collect()
}

fn text() -> Value {
    json!({"type": "string"})
}

fn scalar() -> Value {
    json!({"type": ["string", "number", "boolean"]})
}

fn texts() -> Value {
    json!({"type": "array", "items": text()})
}

fn one_or_more(item: &Value) -> Value {
    json!({"anyOf": [item, {"type": "array", "items": item}]})
}

fn one_of(words: &[&str]) -> Value {
    json!({"enum": words})
}

/// Lines, and lists of lines that anchors or `!reference` bring in.
fn script() -> Value {
    let line = json!({"anyOf": [text(), {"type": "array", "items": {"anyOf": [text(), {"type": "array"}]}}]});
    json!({"anyOf": [text(), {"type": "array", "items": line}]})
}

fn variables(long: &Keys) -> Value {
    json!({"type": "object", "additionalProperties": {"anyOf": [scalar(), {"type": "null"}, object(long, variable)]}})
}

fn file(key: &str) -> Value {
    match key {
        "stages" => texts(),
        "default" => object(&keys::DEFAULT, step),
        "variables" => variables(&keys::TOP_VARIABLE),
        "workflow" => object(&keys::WORKFLOW, workflow),
        "include" => one_or_more(&json!({"anyOf": [text(), object(&keys::INCLUDE, include)]})),
        ".pipelinex" => object(&keys::PROJECT_OURS, ours),
        _ => json!({}),
    }
}

fn variable(key: &str) -> Value {
    match key {
        "options" => json!({"type": "array", "items": scalar()}),
        "expand" => json!({"type": "boolean"}),
        "value" => scalar(),
        _ => text(),
    }
}

fn workflow(key: &str) -> Value {
    match key {
        "rules" => json!({"type": "array", "items": {"anyOf": [object(&keys::WORKFLOW_RULE, rule), texts()]}}),
        "auto_cancel" => object(&keys::AUTO_CANCEL, |_| one_of(&["conservative", "interruptible", "none"])),
        _ => text(),
    }
}

fn include(key: &str) -> Value {
    match key {
        "local" => text(),
        "inputs" => json!({"type": "object"}),
        _ => workflow(key),
    }
}

fn rule(key: &str) -> Value {
    match key {
        "exists" => json!({"anyOf": [text(), texts(), object(&keys::EXISTS, |_| texts())]}),
        "changes" => {
            let long = object(&keys::CHANGES, |key| if key == "paths" { texts() } else { text() });
            json!({"anyOf": [text(), texts(), long]})
        }
        "if" => text(),
        "variables" => variables(&keys::VARIABLE),
        _ => step(key),
    }
}

fn image(key: &str) -> Value {
    if key == "name" { text() } else { one_or_more(&text()) }
}

fn service(key: &str) -> Value {
    match key {
        "variables" => variables(&keys::VARIABLE),
        "name" | "alias" => text(),
        _ => one_or_more(&text()),
    }
}

fn need(key: &str) -> Value {
    match key {
        "job" => text(),
        "parallel" => json!({"type": "object"}),
        _ => json!({"type": "boolean"}),
    }
}

fn artifacts(key: &str) -> Value {
    match key {
        "paths" | "exclude" => one_or_more(&text()),
        "when" => one_of(&["on_success", "on_failure", "always"]),
        "public" => json!({"type": "boolean"}),
        "reports" => object(&keys::REPORTS, |key| match key {
            "coverage_report" => object(&keys::COVERAGE_REPORT, |key| match key {
                "coverage_format" => one_of(&["cobertura", "jacoco"]),
                _ => text(),
            }),
            _ => one_or_more(&text()),
        }),
        _ => text(),
    }
}

fn cache(key: &str) -> Value {
    match key {
        "key" => {
            let long = object(&keys::CACHE_KEY, |key| if key == "files" { texts() } else { text() });
            json!({"anyOf": [scalar(), long]})
        }
        "policy" => text(),
        "when" => artifacts("when"),
        _ => one_or_more(&text()),
    }
}

fn retry(key: &str) -> Value {
    match key {
        "max" => json!({"type": "integer", "minimum": 0, "maximum": 2}),
        "when" => one_or_more(&text()),
        _ => one_or_more(&json!({"type": "integer"})),
    }
}

fn ours(key: &str) -> Value {
    match key {
        "jobs" => {
            let job = object(&keys::PROJECT_STEP, |key| match key {
                "network" => one_of(&["none", "egress", "internal"]),
                "pids" => json!({"type": "integer", "minimum": 1}),
                _ => scalar(),
            });
            json!({"type": "object", "additionalProperties": job})
        }
        "versions" => json!({"type": "object", "additionalProperties": scalar()}),
        _ => json!({"anyOf": [text(), {"type": "object"}]}),
    }
}

fn step(key: &str) -> Value {
    let boolean = json!({"type": "boolean"});
    match key {
        "script" | "before_script" | "after_script" => json!({"$ref": "#/definitions/script"}),
        "image" => json!({"anyOf": [text(), object(&keys::IMAGE, image)]}),
        "services" => json!({"type": "array", "items": {"anyOf": [text(), object(&keys::SERVICE, service)]}}),
        "variables" => variables(&keys::VARIABLE),
        "needs" => {
            json!({"type": "array", "items": {"anyOf": [text(), object(&keys::NEED, need), texts()]}})
        }
        "dependencies" | "tags" => texts(),
        "when" => one_of(&["on_success", "on_failure", "always", "manual", "delayed", "never"]),
        "allow_failure" => {
            let codes = object(&keys::ALLOW_FAILURE, |_| one_or_more(&json!({"type": "integer"})));
            json!({"anyOf": [boolean, codes]})
        }
        "timeout" | "start_in" => json!({"type": ["string", "integer"], "description": DURATION}),
        "artifacts" => object(&keys::ARTIFACTS, artifacts),
        "cache" => one_or_more(&object(&keys::CACHE, cache)),
        "extends" => one_or_more(&text()),
        "rules" => json!({"type": "array", "items": {"anyOf": [object(&keys::RULE, rule), texts()]}}),
        "parallel" => {
            let cell = json!({"type": "object", "additionalProperties": one_or_more(&scalar())});
            let matrix = json!({"type": "object", "properties": {"matrix": {"type": "array", "items": cell}},
                                "required": ["matrix"], "additionalProperties": false});
            json!({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 200}, matrix]})
        }
        "inherit" => object(&keys::INHERIT, |_| json!({"anyOf": [{"type": "boolean"}, texts()]})),
        "only" | "except" => json!({"anyOf": [text(), texts(), object(&keys::REFS, |_| texts())]}),
        "retry" => json!({"anyOf": [{"type": "integer", "minimum": 0, "maximum": 2}, object(&keys::RETRY, retry)]}),
        "interruptible" => boolean,
        _ => text(),
    }
}
