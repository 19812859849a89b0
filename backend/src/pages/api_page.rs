//! `GET /docs/api`: the contract of the API as a page, drawn from the same document that programs read, without a network.

use askama::Template;
use axum::{http::StatusCode, response::Response};
use serde_json::Value;

use super::{icons::icon, page as page_of};
use crate::openapi::{DOCUMENT, Operation, operations};

#[derive(Template)]
#[template(path = "api.html")]
struct ApiPage {
    groups: Vec<Group>,
    schemas: Vec<(String, String)>,
}

struct Group {
    name: &'static str,
    about: String,
    calls: Vec<Call>,
}

struct Call {
    operation: &'static Operation,
    path: String,
    need: String,
    parameters: Vec<(String, String, String)>,
    body: Vec<(String, String)>,
    answers: Vec<(String, String, String)>,
}

/// The page.
pub async fn page() -> Response {
    let groups = list(&DOCUMENT["tags"]).iter().filter_map(group).collect();
    let schemas = entries(&DOCUMENT["components"]["schemas"]).map(|(name, schema)| (name.to_owned(), pretty(schema)));
    page_of(StatusCode::OK, &ApiPage { groups, schemas: schemas.collect() })
}

fn group(tag: &Value) -> Option<Group> {
    let operations = operations().filter(|operation| tag["name"] == operation.tag);
    let calls: Vec<Call> = operations.map(call).collect();
    let name = calls.first()?.operation.tag;
    Some(Group { name, about: words(&tag["description"]), calls })
}

fn call(operation: &'static Operation) -> Call {
    let entry = &DOCUMENT["paths"][operation.address()][operation.method.to_ascii_lowercase()];
    let parameter = |parameter: &Value| {
        let place = format!("{}, {}", words(&parameter["in"]), kind(&parameter["schema"]));
        (words(&parameter["name"]), place, words(&parameter["description"]))
    };
    let answer = |(code, answer): (&str, &Value)| {
        let refused =
            answer.get("$ref").map_or_else(|| words(&answer["description"]), |_| "Refused: a Problem.".to_owned());
        let schema = answer["content"]["application/json"]["schema"]["$ref"].as_str().unwrap_or_default();
        (code.to_owned(), refused, schema.rsplit('/').next().unwrap_or_default().to_owned())
    };
    Call {
        operation,
        path: operation.address(),
        need: words(&entry["description"]),
        parameters: list(&entry["parameters"]).iter().map(parameter).collect(),
        body: entries(&entry["requestBody"]["content"])
            .map(|(kind, content)| (kind.to_owned(), pretty(&content["schema"])))
            .collect(),
        answers: entries(&entry["responses"]).map(answer).collect(),
    }
}

fn kind(schema: &Value) -> String {
    schema["format"].as_str().or(schema["type"].as_str()).unwrap_or("any").to_owned()
}

fn words(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}
