//! A request in the words of a plan: what is asked for, and of which job.

use std::collections::BTreeMap;

use http_body_util::BodyExt;
use hyper::{Method, Request, body::Incoming, upgrade::OnUpgrade};
use pipelinex_common::{id::JobId, testing::history::Container};
use serde_json::Value;

use super::things::Things;

/// A request.
pub struct Asked {
    pub method: Method,
    /// Its path in parts, without the version.
    pub path: Vec<String>,
    pub query: BTreeMap<String, String>,
    pub body: Value,
    /// The job that it is about.
    pub job: Option<String>,
    /// What is asked for, of which step.
    pub what: String,
}

impl Asked {
    pub async fn read(request: Request<Incoming>, things: &Things) -> Result<(Self, OnUpgrade), std::io::Error> {
        let mut request = request;
        let upgrade = hyper::upgrade::on(&mut request);
        let (head, body) = request.into_parts();
        let bytes = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let url = reqwest::Url::parse(&format!("http://engine{}", head.uri)).map_err(std::io::Error::other)?;
        let mut path: Vec<String> = url.path_segments().into_iter().flatten().map(str::to_owned).collect();
        if path.first().is_some_and(|first| first.starts_with("v1.")) {
            path.remove(0);
        }
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let name = query.get("name").cloned().or_else(|| body["Name"].as_str().map(str::to_owned));
        let name = name.or_else(|| path.get(1).map(|part| things.name_of(part))).unwrap_or_default();
        let filters = query.get("filters").map_or("", String::as_str);
        let job = job_in(&name).or_else(|| job_in(filters));
        let what = what(&head.method, &path, &name);
        Ok((Self { method: head.method, path, query, body, job, what }, upgrade))
    }

    /// A value of its query.
    pub fn query(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// The labels that are asked for, and the part of a name.
    pub fn filter(&self) -> (Vec<String>, Option<String>) {
        let filters: Value = serde_json::from_str(self.query("filters")).unwrap_or_default();
        let texts = |of: &Value| -> Vec<String> {
            of.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
        };
        (texts(&filters["label"]), texts(&filters["name"]).pop())
    }
}

/// The first id of a job in a text.
fn job_in(text: &str) -> Option<String> {
    let ids = (0..text.len()).filter_map(|at| text.get(at..at + 36));
    ids.into_iter().find(|id| id.parse::<JobId>().is_ok()).map(str::to_owned)
}

/// `start build`, `list containers`, `create network`.
fn what(method: &Method, path: &[String], name: &str) -> String {
    let part = |at: usize| path.get(at).map_or("", String::as_str);
    let step = Container::named(name).map_or("", |container| container.step);
    let verb = match (method.as_str(), part(0), part(1), part(2)) {
        ("GET", "containers", _, "json") => "inspect",
        ("DELETE", "containers", ..) => "remove",
        (_, "containers", _, verb @ ("start" | "wait" | "attach" | "logs" | "stop" | "stats")) => verb,
        (_, "containers", "create", _) => "create",
        ("GET", kind, "" | "json", _) => return format!("list {kind}"),
        ("DELETE", kind, ..) => return format!("remove of {kind}"),
        ("POST", kind, "create", _) => return format!("create of {kind}"),
        (_, kind, ..) => return format!("{method} {kind}"),
    };
    format!("{verb} {step}")
}
