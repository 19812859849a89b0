//! The client of the HTTP API: each call gives what was asked for, or an error that a person can act on.

mod answer;
mod credentials;
mod error;
mod problem;
mod upload;

use std::{future::Future, path::Path, str::FromStr, time::Duration};

use bytes::Bytes;
use pipelinex_common::{findings::export::Format, id::JobId, state::JobState};
use reqwest::{Certificate, Method, RequestBuilder, Response, Url, header, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::problem::Problem;
pub use self::{
    answer::{
        Admitted, Artifact, Artifacts, ExecutionView, Findings, FoundIn, Listed, Status, findings_of, has_started,
        tests_of,
    },
    credentials::{Credentials, TOKEN_VARIABLE},
    error::ClientError,
    problem::{choice_lines, choices_of, points_of},
    upload::Archive,
};

/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long a small answer may take, and how long a large one may pause.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// The largest problem document that is read, in bytes.
const PROBLEM_MAX: usize = 1 << 20;

/// A client of one server.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    base: Url,
    /// Sent with each request.
    token: Option<header::HeaderValue>,
}

/// Which jobs are listed; of what is not named, all.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// In this state.
    pub state: Option<JobState>,
    /// Of this project.
    pub project: Option<String>,
    /// Of this branch.
    pub branch: Option<String>,
}

impl Client {
    /// A client of the server at `url`, which trusts the certificates of a file besides the system's.
    pub fn new(url: &str, ca_certs: Option<&Path>) -> Result<Self, ClientError> {
        let base: Url = url.parse().map_err(|error: <Url as FromStr>::Err| ClientError::NoConnection {
            url: url.to_owned(),
            cause: error.to_string(),
        })?;
        let http = builder(&base, ca_certs)?.redirect(redirect::Policy::none()).build();
        let http = http.map_err(|error| ClientError::of(url, error))?;
        let client = Self { http, url: url.to_owned(), base, token: None };
        match Credentials::find(url)? {
            Some(token) => client.with_token(&token),
            None => Ok(client),
        }
    }

    /// The same client, which shows this token.
    pub fn with_token(&self, token: &SecretString) -> Result<Self, ClientError> {
        let header = header::HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()));
        let mut header =
            header.map_err(|_| ClientError::Token("the token has characters that no token has".to_owned()))?;
        header.set_sensitive(true);
        Ok(Self { token: Some(header), ..self.clone() })
    }

    /// Whether nobody on the way can read what is sent.
    pub fn is_private(&self) -> bool {
        self.base.scheme() == "https" || is_loopback(&self.base)
    }

    /// Who the server takes us for, as it wrote it.
    pub async fn whoami(&self) -> Result<Value, ClientError> {
        self.json(self.get("/api/whoami")).await
    }

    /// Where the server is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address of a job's reports.
    pub fn reports_url(&self, id: JobId) -> String {
        format!("{}/api/jobs/{id}/reports", self.url)
    }

    /// Whether somebody answers.
    pub async fn health(&self) -> Result<(), ClientError> {
        self.json::<Value>(self.get("/health")).await.map(drop)
    }

    /// Whether the server can take jobs.
    pub async fn ready(&self) -> Result<(), ClientError> {
        self.json::<Value>(self.get("/readyz")).await.map(drop)
    }

    /// How a job stands.
    pub async fn status(&self, id: JobId) -> Result<Status, ClientError> {
        let document: Value = self.json(self.get(&format!("/api/jobs/{id}/status"))).await?;
        Status::read(document).map_err(|error| ClientError::NotUnderstood(error.to_string()))
    }

    /// Wishes that a job be canceled; the answer as the server wrote it.
    pub async fn cancel(&self, id: JobId) -> Result<Value, ClientError> {
        self.json(self.request(Method::POST, self.endpoint(&format!("/api/jobs/{id}/cancel")))).await
    }

    /// Wishes that a step be started that waits for it; the answer as the server wrote it.
    pub async fn play(&self, id: JobId, step: &str) -> Result<Value, ClientError> {
        let mut url = self.endpoint(&format!("/api/jobs/{id}/steps"));
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend([step, "play"]);
        }
        self.json(self.request(Method::POST, url)).await
    }

    /// Makes a job once more; the metadata of the new one as the server wrote it.
    /// `failed`: only what did not succeed is run.
    pub async fn retry(&self, id: JobId, failed: bool) -> Result<Value, ClientError> {
        let mut url = self.endpoint(&format!("/api/jobs/{id}/retry"));
        if failed {
            url.query_pairs_mut().append_pair("failed", "true");
        }
        self.json(self.request(Method::POST, url)).await
    }

    /// A page of jobs, newest first; `cursor` is the `next` of the page before.
    pub async fn list(&self, wanted: &Wanted, limit: u32, cursor: Option<&str>) -> Result<Value, ClientError> {
        let mut url = self.endpoint("/api/jobs");
        url.query_pairs_mut().append_pair("limit", &limit.to_string());
        let Wanted { state, project, branch } = wanted;
        let filters =
            [("state", state.map(JobState::as_str)), ("project", project.as_deref()), ("branch", branch.as_deref())];
        for (name, value) in filters.into_iter().chain([("cursor", cursor)]) {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        self.json(self.request(Method::GET, url)).await
    }

    /// The log of a stage from an offset on; `None` when there is nothing at that place, or not yet.
    pub async fn log(
        &self,
        id: JobId,
        (stage, query): (&str, &[(&str, String)]),
        offset: u64,
    ) -> Result<Option<Body>, ClientError> {
        let mut url = self.endpoint(&format!("/api/jobs/{id}/"));
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend([stage, "logs"]);
        }
        url.query_pairs_mut().append_pair("offset", &offset.to_string()).extend_pairs(query);
        match self.answer(self.request(Method::GET, url)).await {
            Ok(response) => Ok(Some(Body { response, url: self.url.clone() })),
            Err(ClientError::Answered(problem)) if matches!(problem.status, 404 | 409 | 416) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The reports of a job that has ended, as a ZIP file.
    pub async fn reports(&self, id: JobId) -> Result<Body, ClientError> {
        let response = self.answer(self.get(&format!("/api/jobs/{id}/reports"))).await?;
        Ok(Body { response, url: self.url.clone() })
    }

    /// What became of a job, as a page that needs nothing besides itself.
    pub async fn report_page(&self, id: JobId) -> Result<Body, ClientError> {
        let response = self.answer(self.get(&format!("/api/jobs/{id}/report.html"))).await?;
        Ok(Body { response, url: self.url.clone() })
    }

    /// Past runs of a pipeline or a project, as the server wrote them, and how many there are.
    pub async fn runs(&self, part: &[&str], query: &[(&str, String)]) -> Result<(Value, Option<u64>), ClientError> {
        let mut url = self.endpoint("/api/report/pipeline");
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(part);
        }
        url.query_pairs_mut().extend_pairs(query);
        let response = self.answer(self.request(Method::GET, url)).await?;
        let total = response.headers().get("x-total-count").and_then(|total| total.to_str().ok()?.parse().ok());
        let body = response.bytes().await.map_err(|error| ClientError::NotUnderstood(error.to_string()))?;
        let runs = serde_json::from_slice(&body).map_err(|error| ClientError::NotUnderstood(error.to_string()))?;
        Ok((runs, total))
    }

    /// What the scanners found so far, as the server wrote it: all, or what the run before had not; compared with that run, or
    /// with the job that is named.
    pub async fn findings(&self, id: JobId, new: bool, baseline: Option<JobId>) -> Result<Value, ClientError> {
        self.json(self.request(Method::GET, self.findings_url(id, new, baseline))).await
    }

    /// The same in a format of others.
    pub async fn exported_findings(
        &self,
        id: JobId,
        new: bool,
        baseline: Option<JobId>,
        format: Format,
    ) -> Result<Body, ClientError> {
        let mut url = self.findings_url(id, new, baseline);
        url.query_pairs_mut().append_pair("format", format.as_str());
        let response = self.answer(self.request(Method::GET, url)).await?;
        Ok(Body { response, url: self.url.clone() })
    }

    fn findings_url(&self, id: JobId, new: bool, baseline: Option<JobId>) -> Url {
        let mut url = self.endpoint(&format!("/api/jobs/{id}/findings"));
        let baseline = baseline.map(|baseline| baseline.to_string());
        // A server that knows nothing of this is asked for nothing of it.
        for (name, value) in [("state", new.then_some("new,reopened")), ("baseline", baseline.as_deref())] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        url
    }

    /// Decides about a finding; the decision as the server wrote it.
    pub async fn accept(&self, id: JobId, fingerprint: &str, body: &Value) -> Result<Value, ClientError> {
        self.json(self.request(Method::POST, self.finding(id, fingerprint, "accept")).json(body)).await
    }

    /// Takes a decision back; what it was, as the server wrote it.
    pub async fn revoke(&self, id: JobId, fingerprint: &str) -> Result<Value, ClientError> {
        self.json(self.request(Method::POST, self.finding(id, fingerprint, "revoke"))).await
    }

    /// What was decided about findings of the job's project, as the server wrote it.
    pub async fn accepted(&self, id: JobId) -> Result<Value, ClientError> {
        self.json(self.get(&format!("/api/jobs/{id}/accepted"))).await
    }

    /// All projects that somebody made, or one of them; with a body one is made or changed. What it is then, as the server wrote it.
    pub async fn project(&self, name: Option<&str>, body: Option<&Value>) -> Result<Value, ClientError> {
        let url = self.project_url(name.as_slice());
        let request = match body {
            Some(body) => self.request(Method::POST, url).json(body),
            None => self.request(Method::GET, url),
        };
        self.json(request).await
    }

    /// Forgets a project; what it was, as the server wrote it.
    pub async fn remove_project(&self, name: &str) -> Result<Value, ClientError> {
        self.json(self.request(Method::POST, self.project_url(&[name, "remove"]))).await
    }

    fn project_url(&self, rest: &[&str]) -> Url {
        let mut url = self.endpoint("/api/projects");
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(rest);
        }
        url
    }

    fn finding(&self, id: JobId, fingerprint: &str, verb: &str) -> Url {
        let mut url = self.endpoint(&format!("/api/jobs/{id}/findings"));
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend([fingerprint, verb]);
        }
        url
    }

    /// A page of the test cases so far, as the server wrote it; `cursor` is the `next` of the page before.
    pub async fn tests(
        &self,
        id: JobId,
        failed: bool,
        text: Option<&str>,
        cursor: Option<u64>,
    ) -> Result<Value, ClientError> {
        let mut url = self.endpoint(&format!("/api/jobs/{id}/tests"));
        url.query_pairs_mut().append_pair("limit", "1000");
        let cursor = cursor.map(|cursor| cursor.to_string());
        for (name, value) in [("state", failed.then_some("failed,error")), ("q", text), ("cursor", cursor.as_deref())] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        self.json(self.request(Method::GET, url)).await
    }

    /// All test cases so far as JUnit XML.
    pub async fn exported_tests(&self, id: JobId, failed: bool, text: Option<&str>) -> Result<Body, ClientError> {
        let mut url = self.endpoint(&format!("/api/jobs/{id}/tests"));
        url.query_pairs_mut().append_pair("format", "junit");
        for (name, value) in [("state", failed.then_some("failed,error")), ("q", text)] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        let response = self.answer(self.request(Method::GET, url)).await?;
        Ok(Body { response, url: self.url.clone() })
    }

    /// What the steps made so far, as the server wrote it.
    pub async fn artifacts(&self, id: JobId) -> Result<Value, ClientError> {
        self.json(self.get(&format!("/api/jobs/{id}/artifacts"))).await
    }

    /// One file that a step made.
    pub async fn artifact(&self, id: JobId, artifact: &Artifact) -> Result<Body, ClientError> {
        let mut url = self.endpoint(&format!("/api/jobs/{id}/artifacts/{}", artifact.step));
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(artifact.path.split('/'));
        }
        let response = self.answer(self.request(Method::GET, url)).await?;
        Ok(Body { response, url: self.url.clone() })
    }

    fn endpoint(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, self.endpoint(path))
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.header(header::AUTHORIZATION, token.clone()),
            None => request,
        }
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let response = self.answer(request.timeout(ANSWER_LIMIT)).await?;
        self.read_json(response).await
    }

    async fn read_json<T: DeserializeOwned>(&self, response: Response) -> Result<T, ClientError> {
        let body = response.bytes().await.map_err(|error| ClientError::of(&self.url, error))?;
        serde_json::from_slice(&body).map_err(|error| ClientError::NotUnderstood(error.to_string()))
    }

    /// Sends a request and looks at the head of its answer.
    async fn answer(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = in_time(async { request.send().await.map_err(|e| ClientError::of(&self.url, e)) }).await?;
        self.judge(response).await
    }

    async fn judge(&self, mut response: Response) -> Result<Response, ClientError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        if let (true, Some(to)) = (status.is_redirection(), header(header::LOCATION)) {
            return Err(ClientError::Redirected { url: self.url.clone(), to });
        }
        let retry_after = header(header::RETRY_AFTER);
        let mut body = Vec::new();
        // The status alone is worth reporting, so a body that breaks off is taken as far as it came.
        while let Ok(Ok(Some(piece))) = tokio::time::timeout(ANSWER_LIMIT, response.chunk()).await {
            body.extend_from_slice(&piece);
            if body.len() > PROBLEM_MAX {
                break;
            }
        }
        Err(ClientError::Answered(Box::new(Problem::parse(status.as_u16(), &body, retry_after))))
    }
}

/// A large answer, read piece by piece.
pub struct Body {
    response: Response,
    url: String,
}

impl Body {
    /// The next piece; `None` at the end. An answer that is shorter than announced is an error.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        let Self { response, url } = self;
        in_time(async { response.chunk().await.map_err(|error| ClientError::of(url, error)) }).await
    }
}

/// What every connection of ours goes by: who we are, how long connecting may take, which certificates are trusted.
pub fn builder(base: &Url, ca_certs: Option<&Path>) -> Result<reqwest::ClientBuilder, ClientError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("pipelinex/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_LIMIT);
    if is_loopback(base) {
        // A proxy would look for our server on its own machine.
        builder = builder.no_proxy();
    }
    if base.scheme() == "https" {
        Ok(builder.tls_certs_merge(ca_certs.map(certificates).transpose()?.unwrap_or_default()))
    } else {
        // No certificate is needed: a machine without any must not fail for want of them.
        Ok(builder.tls_certs_only([]))
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    tokio::time::timeout(ANSWER_LIMIT, work).await.unwrap_or(Err(ClientError::TimedOut))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, ClientError> {
    let refused = |reason: String| ClientError::Certificates { path: path.to_owned(), reason };
    let pem = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(found) if found.is_empty() => Err(refused("there is no certificate in it".to_owned())),
        Ok(found) => Ok(found),
        Err(error) => Err(refused(error.to_string())),
    }
}
