//! What each address takes behind `?`. What it does not know is refused: a misspelled filter must not show everything.

use axum::{
    extract::{MatchedPath, Query, Request},
    middleware::Next,
    response::Response,
};

use crate::{error::ApiError, pages};

/// The addresses that take something. What is typed into the form is taken by the pages that show it.
const TAKEN: [(&str, &[&str]); 23] = [
    ("/login", &["to"]),
    ("/docs", &["q"]),
    ("/api/jobs", &["state", "project", "branch", "limit", "cursor"]),
    ("/api/jobs/{id}/retry", &["failed"]),
    ("/api/jobs/{id}/findings", &["severity", "stage", "tool", "state", "baseline", "format"]),
    ("/api/jobs/{id}/tests", &["state", "q", "limit", "cursor", "format"]),
    ("/api/jobs/{id}/{stage}/logs", &["offset", "step", "try", "tail", "lines", "q", "context"]),
    ("/api/jobs/{id}/{stage}/logs/stream", &["offset", "step", "drawn"]),
    ("/api/report/pipelines", RUNS),
    ("/api/report/pipeline/{name}", RUNS),
    ("/api/report/pipeline/history/{name}", RUNS),
    ("/api/report/pipeline/{name}/stage/{stage}", PARTS),
    ("/api/report/pipeline/{name}/stage/{stage}/job/{job}", PARTS),
    ("/api/report/pipeline/{name}/run/{run}", A_RUN),
    ("/api/report/pipeline/{name}/run/{run}/stage/{stage}", PARTS_OF_A_RUN),
    ("/api/report/pipeline/{name}/run/{run}/stage/{stage}/job/{job}", PARTS_OF_A_RUN),
    ("/", &["state", "project", "branch", "q", "cursor"]),
    ("/jobs", &["state", "project", "branch", "q", "cursor", "alone"]),
    ("/jobs/changes", &["state", "project", "branch", "q", "cursor"]),
    ("/jobs/{id}/tests", &["state", "q", "limit", "cursor"]),
    ("/api/projects/{name}/badge.svg", &["branch"]),
    ("/api/projects/{name}/feed.atom", &["branch"]),
    ("/jobs/check", &["alone"]),
];

/// What a question about past runs takes; what its address says already it does not take besides.
const RUNS: &[&str] = &["run", "commit", "branch", "status", "from", "to", "page", "size", "stage", "job"];
const PARTS: &[&str] = &["run", "commit", "branch", "status", "from", "to", "page", "size"];
const A_RUN: &[&str] = &["commit", "branch", "status", "from", "to", "page", "size", "stage", "job"];
const PARTS_OF_A_RUN: &[&str] = &["commit", "branch", "status", "from", "to", "page", "size"];

/// The names that an address takes.
pub fn taken(path: &str) -> &'static [&'static str] {
    TAKEN.iter().find(|(address, _)| *address == path).map_or(&[], |(_, taken)| taken)
}

/// Refuses a request with a parameter that its address does not know, or one that comes twice.
pub async fn check(path: MatchedPath, request: Request, next: Next) -> Response {
    match judge(path.as_str(), &request) {
        Ok(()) => next.run(request).await,
        Err(refused) => pages::refusal(request.uri(), request.headers(), refused),
    }
}

fn judge(path: &str, request: &Request) -> Result<(), ApiError> {
    let malformed = |detail: String| ApiError::Malformed { code: "query", detail };
    let query = Query::<Vec<(String, String)>>::try_from_uri(request.uri());
    let Query(query) = query.map_err(|_| malformed("what stands behind `?` cannot be read".to_owned()))?;
    let names: Vec<&str> = query.iter().map(|(name, _)| name.as_str()).collect();
    let taken = taken(path);
    let known = |name: &str| taken.contains(&name) || (pages::takes_form(path) && pages::is_field(name));
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let takes = if taken.is_empty() { "nothing behind `?`".to_owned() } else { taken.join(", ") };
        let unknown = pipelinex_common::foreign::shown(unknown);
        return Err(malformed(format!(
            "the query has `{unknown}`, which is not known here; this address takes {takes}"
        )));
    }
    match names.iter().enumerate().find(|(place, name)| names[..*place].contains(name)) {
        Some((_, twice)) => Err(malformed(format!("the query has `{twice}` twice"))),
        None => Ok(()),
    }
}
