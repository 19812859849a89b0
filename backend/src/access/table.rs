//! What each address needs: one row for each, and no address is answered without one.

use axum::http::Method;

use super::{Principal, Right};
use crate::error::ApiError;

/// What somebody needs to call an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: the answer is the same for everybody, and says nothing of a job.
    Nothing,
    /// An account, of whatever role.
    Account,
    /// This right in one project at least. Which jobs it is for is asked of each of them.
    Right(Right),
}

/// One address.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// GET or POST; HEAD is GET.
    pub method: &'static str,
    /// As the router writes it.
    pub path: &'static str,
    /// What is needed.
    pub need: Need,
}

const fn get(path: &'static str, need: Need) -> Row {
    Row { method: "GET", path, need }
}

const fn post(path: &'static str, need: Need) -> Row {
    Row { method: "POST", path, need }
}

const SEE: Need = Need::Right(Right::See);
const SUBMIT: Need = Need::Right(Right::Submit);
const CANCEL: Need = Need::Right(Right::Cancel);
const RETRY: Need = Need::Right(Right::Retry);
const TRIAGE: Need = Need::Right(Right::Triage);

/// All of them.
pub const TABLE: &[Row] = &[
    get("/health", Need::Nothing),
    get("/readyz", Need::Nothing),
    get("/metrics", Need::Right(Right::Operate)),
    get("/api/openapi.json", Need::Nothing),
    get("/openapi.json", Need::Nothing),
    get("/docs", Need::Nothing),
    get("/docs/{page}", Need::Nothing),
    get("/docs/api", Need::Nothing),
    get("/api/whoami", Need::Account),
    get("/api/jobs", SEE),
    post("/api/jobs/upload", SUBMIT),
    post("/api/jobs/github", SUBMIT),
    get("/api/jobs/{id}", SEE),
    get("/api/jobs/{id}/status", SEE),
    post("/api/jobs/{id}/cancel", CANCEL),
    post("/api/job/cancel/{id}", CANCEL),
    post("/api/jobs/{id}/retry", RETRY),
    post("/api/jobs/{id}/steps/{step}/play", RETRY),
    get("/api/jobs/{id}/reports", SEE),
    get("/api/jobs/{id}/report.html", SEE),
    get("/api/jobs/{id}/findings", SEE),
    post("/api/jobs/{id}/findings/{fingerprint}/accept", TRIAGE),
    post("/api/jobs/{id}/findings/{fingerprint}/revoke", TRIAGE),
    get("/api/jobs/{id}/accepted", SEE),
    get("/api/jobs/{id}/tests", SEE),
    get("/api/jobs/{id}/artifacts", SEE),
    get("/api/jobs/{id}/artifacts/{step}/{*path}", SEE),
    get("/api/jobs/{id}/events", SEE),
    get("/api/jobs/{id}/{stage}/logs", SEE),
    get("/api/jobs/{id}/{stage}/logs/stream", SEE),
    post("/api/pipeline/execute", SUBMIT),
    post("/api/pipeline/run", SUBMIT),
    get("/api/pipeline/status/{id}", SEE),
    get("/api/stage/status/{id}/{stage}", SEE),
    get("/api/report/pipelines", SEE),
    get("/api/report/pipeline/{name}", SEE),
    get("/api/report/pipeline/history/{name}", SEE),
    get("/api/report/pipeline/{name}/stage/{stage}", SEE),
    get("/api/report/pipeline/{name}/stage/{stage}/job/{job}", SEE),
    get("/api/report/pipeline/{name}/run/{run}", SEE),
    get("/api/report/pipeline/{name}/run/{run}/stage/{stage}", SEE),
    get("/api/report/pipeline/{name}/run/{run}/stage/{stage}/job/{job}", SEE),
    get("/api/projects", SEE),
    post("/api/projects", Need::Right(Right::Administer)),
    get("/api/projects/{name}", SEE),
    // Whoever is its owner, or administers the server: the handler asks.
    post("/api/projects/{name}", Need::Account),
    post("/api/projects/{name}/remove", Need::Right(Right::Administer)),
    get("/api/projects/{name}/badge.svg", SEE),
    get("/api/projects/{name}/feed.atom", SEE),
    // A signature says who tells of a push.
    post("/api/hooks/{id}", Need::Nothing),
    post("/api/precheck", SUBMIT),
    post("/api/detect", SUBMIT),
    get("/", SEE),
    get("/new", SEE),
    get("/jobs/changes", SEE),
    get("/jobs", SEE),
    post("/jobs", SUBMIT),
    post("/jobs/check", SUBMIT),
    get("/jobs/lines", SEE),
    get("/jobs/{id}", SEE),
    get("/projects/{name}", SEE),
    get("/jobs/{id}/tests", SEE),
    post("/jobs/{id}/again", RETRY),
    post("/jobs/{id}/again/failed", RETRY),
    post("/jobs/{id}/cancel", CANCEL),
    post("/jobs/{id}/steps/{step}/play", RETRY),
    post("/jobs/{id}/accept", TRIAGE),
    get("/login", Need::Nothing),
    post("/login", Need::Nothing),
    post("/logout", Need::Nothing),
    get("/assets/{name}", Need::Nothing),
];

/// The row of an address.
pub fn row(method: &Method, path: &str) -> Option<&'static Row> {
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    TABLE.iter().find(|row| row.method == method && row.path == path)
}

impl Need {
    /// What is needed, as a sentence.
    pub fn told(self) -> String {
        match self {
            Self::Nothing => "It needs no token.".to_owned(),
            Self::Account => "It needs a token, of whatever role.".to_owned(),
            Self::Right(right) => {
                format!("It needs a token whose role may {} (where the server has accounts).", verb(right))
            }
        }
    }

    /// Lets those by who have what is needed.
    ///
    /// # Errors
    /// 403.
    pub fn check(self, who: &Principal) -> Result<(), ApiError> {
        match self {
            Self::Right(right) if !who.has(right) => {
                let role = who.grant().map_or_else(String::new, |grant| format!(", and its role is {}", grant.role));
                let detail = format!("your token does not let you {}{role}", verb(right));
                Err(ApiError::Forbidden { code: "no-right", detail })
            }
            Self::Nothing | Self::Account | Self::Right(_) => Ok(()),
        }
    }
}

fn verb(right: Right) -> &'static str {
    match right {
        Right::See => "see jobs",
        Right::Cancel => "cancel jobs",
        Right::Retry => "run jobs again",
        Right::Submit => "submit",
        Right::Triage => "decide about findings",
        Right::Operate => "see how the server does",
        Right::Administer => "administer the server",
    }
}
