//! The contract of the API, OpenAPI 3.1: made from the table of rights, the table of queries and the types of the answers, so that it
//! says what the handlers do. What only a person can say (a summary, which codes refuse) stands in `operations`.

mod operations;
mod parameters;

use std::sync::LazyLock;

use indexmap::IndexMap;
use pipelinex_common::{
    request::{GitRequest, JobRequest},
    store::ProjectChange,
};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

pub use self::operations::{Operation, all as operations};
use self::{
    operations::{Answer, Body},
    parameters::{path_parameters, query_parameters},
};
use crate::{
    access::table::{self, Need},
    error::Envelope,
    request::FileList,
    routes::{execute::Execute, projects::NewProject, triage::Body as Deciding},
    submission::body_zip::{FILE_PART, METADATA_PART},
};

/// The document, made once.
pub static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

const ABOUT: &str = "Hand in a project as a ZIP or by its Git address; it is built, tested and scanned in containers. Every refusal is \
                     `application/problem+json` (RFC 9457). What is not known, in a query or in a body, is refused or told in `warnings`.";
const PROBLEM: &str = "#/components/responses/Problem";

fn document() -> Value {
    let mut answers = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .for_serialize()
        .into_generator();
    let problem = answers.subschema_for::<Envelope>();
    let mut paths: IndexMap<String, Map<String, Value>> = IndexMap::new();
    for operation in operations::all() {
        let entry = operation.describe(&mut answers);
        paths.entry(operation.address()).or_default().insert(operation.method.to_ascii_lowercase(), entry);
    }
    let mut schemas = Value::Object(answers.take_definitions(true));
    tidy(&mut schemas);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Pipelinex", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT,
            "license": {"name": env!("CARGO_PKG_LICENSE")},
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": "/"}],
        "tags": tags(),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {"Problem": {
                "description": "Why not, and what to do about it.",
                "content": {"application/problem+json": {"schema": problem}},
            }},
            "securitySchemes": {"token": {
                "type": "http", "scheme": "bearer",
                "description": "What `pipelinex token create` prints; of no meaning where the server has no accounts (`--auth none`).",
            }},
        },
    })
}

fn tags() -> Value {
    let tag = |name: &str, description: &str| json!({"name": name, "description": description});
    json!([
        tag("submit", "Hand in a project, or ask first what would become of it."),
        tag("jobs", "What is known of jobs, and what can be done with them."),
        tag("results", "What a job left: findings, tests, logs, artifacts, reports."),
        tag("history", "Past runs, and submissions in the words of a predecessor."),
        tag("projects", "Who is in a project, and what it asks of its jobs."),
        tag("server", "The server itself."),
    ])
}

impl Operation {
    /// The address as the document writes it, which has no word for "the rest, with its slashes".
    pub fn address(&self) -> String {
        self.path.replace("{*", "{")
    }

    fn describe(&self, schemas: &mut SchemaGenerator) -> Value {
        let mut operation = Map::new();
        operation.insert("operationId".into(), self.id.into());
        operation.insert("tags".into(), json!([self.tag]));
        operation.insert("summary".into(), self.summary.into());
        let need =
            table::TABLE.iter().find(|row| row.method == self.method && row.path == self.path).map(|row| row.need);
        match need {
            Some(Need::Nothing) | None => {}
            Some(need) => {
                operation.insert("description".into(), need.told().into());
                operation.insert("security".into(), json!([{}, {"token": []}]));
            }
        }
        let parameters: Vec<Value> =
            path_parameters(self.path).chain(query_parameters(self.path)).chain(self.headers()).collect();
        if !parameters.is_empty() {
            operation.insert("parameters".into(), parameters.into());
        }
        if let Some(body) = self.body.describe() {
            operation.insert("requestBody".into(), body);
        }
        operation.insert("responses".into(), self.responses(schemas));
        operation.into()
    }

    fn headers(&self) -> impl Iterator<Item = Value> {
        self.once
            .then(|| {
                json!({
                    "name": "Idempotency-Key", "in": "header", "required": false,
                    "description": "Sent again with the same key and body the answer is that of the first time.",
                    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
                })
            })
            .into_iter()
    }

    fn responses(&self, schemas: &mut SchemaGenerator) -> Value {
        let mut responses = Map::new();
        let (code, content) = match self.answer {
            Answer::Json(code, schema) => (code, json!({"application/json": {"schema": schema(schemas)}})),
            Answer::Bytes(kind) => (200, json!({kind: {}})),
            Answer::Log => (200, json!({"application/octet-stream": {}, "application/json": {}})),
            Answer::Events(what) => {
                (200, json!({"text/event-stream": {"schema": {"type": "string", "description": what}}}))
            }
        };
        let mut answered = json!({"description": self.answered, "content": content});
        if code == 201 {
            answered["links"] = links(if self.path.starts_with("/api/pipeline/") { "executionId" } else { "job_id" });
        }
        responses.insert(code.to_string(), answered);
        if matches!(self.answer, Answer::Bytes(_) | Answer::Log) {
            responses.insert("206".into(), json!({"description": "The range that was asked for."}));
            responses.insert("304".into(), json!({"description": "It is what the client has already."}));
        }
        if matches!(self.body, Body::Execute) {
            let known = "A run of that number is known, and this is it.";
            responses.insert("200".into(), json!({"description": known, "content": content}));
        }
        if self.path == "/readyz" {
            responses.insert(
                "503".into(),
                json!({"description": "It cannot take a submission in; the body says why.", "content": content}),
            );
        }
        for code in self.refusals {
            responses.insert(code.to_string(), json!({"$ref": PROBLEM}));
        }
        responses.insert("default".into(), json!({"$ref": PROBLEM}));
        responses.into()
    }
}

/// From a job that was made to all that can be asked of it; `id` is the key of the answer that has its id.
fn links(id: &str) -> Value {
    let of_job = operations::all().filter(|operation| operation.path.contains("{id}"));
    let link = |operation: &Operation| json!({"operationId": operation.id, "parameters": {"id": format!("$response.body#/{id}")}});
    of_job.map(|operation| (operation.id.to_owned(), link(operation))).collect::<Map<_, _>>().into()
}

impl Body {
    fn describe(&self) -> Option<Value> {
        let upload = || {
            json!({"multipart/form-data": {
                "schema": {
                    "type": "object", "required": [FILE_PART, METADATA_PART],
                    "properties": {
                        FILE_PART: {"type": "string", "contentMediaType": "application/zip", "description": "The project, as a ZIP."},
                        METADATA_PART: plain::<JobRequest>(),
                    },
                    "additionalProperties": false,
                },
                "encoding": {METADATA_PART: {"contentType": "application/json"}},
            }})
        };
        let json_of =
            |schema: Value, example: Value| json!({"application/json": {"schema": schema, "example": example}});
        let with_request = |schema: Value| json!({"allOf": [schema, plain::<JobRequest>()]});
        let git = || with_request(plain::<GitRequest>());
        let content = match self {
            Self::None => return None,
            Self::Upload => upload(),
            Self::Git => json_of(git(), json!({"github_url": "https://github.com/owner/name", "ref": "main"})),
            Self::Decision => {
                json_of(plain::<Deciding>(), json!({"reason": "no danger here", "until": "2030-01-01T00:00:00Z"}))
            }
            Self::Push => json_of(
                json!({"type": "object"}),
                json!({"ref": "refs/heads/main", "before": "0123456789", "after": "abcdef0123"}),
            ),
            Self::NewProject => {
                json_of(plain::<NewProject>(), json!({"name": "shop", "settings": {"fail-on": "high"}}))
            }
            Self::ProjectChange => json_of(
                plain::<ProjectChange>(),
                json!({"members": {"ada": "submitter", "bob": null}, "settings": {"require": "sast,sca"}}),
            ),
            Self::Execute => {
                let mut content = upload();
                content["multipart/form-data"]["schema"]["properties"][METADATA_PART] = plain::<Execute>();
                let example = json!({"repo": "https://github.com/owner/name", "branch": "main", "runNumber": 7});
                content["application/json"] = json_of(plain::<Execute>(), example)["application/json"].clone();
                content
            }
            Self::Any => {
                let mut content = upload();
                let schema = json!({"anyOf": [with_request(plain::<FileList>()), git()]});
                let example = json!({"files": ["package.json"], "heads": {"package.json": "{\"name\": \"shop\"}"}});
                content["application/json"] = json_of(schema, example)["application/json"].clone();
                content
            }
        };
        Some(json!({"required": true, "content": content}))
    }
}

/// The schema of what is sent: whole in itself, as the same type is stricter where it is answered.
fn plain<T: schemars::JsonSchema>() -> Value {
    let mut generator =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).into_generator();
    let mut schema = Value::from(generator.root_schema_for::<T>());
    tidy(&mut schema);
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("$schema");
    }
    schema
}

/// Formats that say how wide a number is in Rust are of no use to a client, and unknown to its tools.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
                fields.remove("format");
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(values) => values.iter_mut().for_each(tidy),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_every_call_of_the_api_with_its_parameters_and_no_other() {
        let page = |path: &str| !path.starts_with("/api/") && !["/health", "/readyz"].contains(&path);
        let own = |path: &str| ["/api/openapi.json", "/openapi.json"].contains(&path);
        for row in table::TABLE.iter().filter(|row| !page(row.path) && !own(row.path)) {
            let operation = &DOCUMENT["paths"][row.path.replace("{*", "{")][row.method.to_ascii_lowercase()];
            assert!(operation.is_object(), "{} {} is not in the document", row.method, row.path);
        }
        for operation in operations::all() {
            let known = table::TABLE.iter().any(|row| row.method == operation.method && row.path == operation.path);
            assert!(known, "{} {} is in the document and nowhere else", operation.method, operation.path);
        }
        let ids: std::collections::BTreeSet<_> = operations::all().map(|operation| operation.id).collect();
        assert_eq!(ids.len(), operations::all().count(), "an id comes twice");
    }

    #[test]
    fn everything_that_is_referred_to_is_there() {
        fn references<'d>(value: &'d Value, found: &mut Vec<&'d str>) {
            match value {
                Value::Object(fields) => {
                    found.extend(fields.get("$ref").and_then(Value::as_str));
                    fields.values().for_each(|value| references(value, found));
                }
                Value::Array(values) => values.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        references(&DOCUMENT, &mut found);
        assert!(found.len() > 50, "{}", found.len());
        for reference in found {
            let place = reference.strip_prefix('#').unwrap();
            assert!(DOCUMENT.pointer(place).is_some(), "{reference}");
        }
    }
}
