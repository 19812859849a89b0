//! The body of a submission by URL: small JSON, checked as far as it can be before anybody is asked for anything.

use axum::{
    body::Body,
    http::{HeaderMap, Request, header},
};
use bytes::BytesMut;
use futures::TryStreamExt;
use pipelinex_common::{
    policy::Policy,
    request::{GitRequest, JobRequest, SecretScanMode},
    stage::Switch,
    store::Fingerprint,
};
use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::{
    access::Principal,
    app::App,
    client::Client,
    error::{ApiError, GIT_REFUSED},
    http::body::{BodyError, PacedBody},
    http::lingering_close::ClientSide,
    http::shares::Place,
    intake::git::{Credentials, RepositoryUrl, check_ref},
    request,
    submission::staging_guard::StagingGuard,
};

/// A repository that may be cloned.
pub struct CloneWish {
    /// What is asked for.
    pub request: JobRequest,
    /// The project that was asked for, where there are accounts: elsewhere it is the repository.
    pub project: Option<String>,
    /// Keys of it that nothing here knows, or that a clone says better.
    pub warnings: Vec<String>,
    /// One of the places for clones, held until this has become a job or nothing.
    pub place: Place,
    /// Where it will be.
    pub staging: StagingGuard,
    /// The repository.
    pub url: RepositoryUrl,
    /// A branch, a tag or a commit.
    pub git_ref: Option<String>,
    /// The branch that a commit is of, as the client says; what the clone knows of it counts more.
    pub branch: Option<String>,
    /// What is shown to the repository's host.
    pub credentials: Option<Credentials>,
    /// Whether a stage looks through the history.
    pub history: bool,
    /// Whoever closes this does not wait for the clone any more.
    pub client_side: Option<ClientSide>,
}

/// Reads the text of a request. Returns it with its fingerprint, which is the same however the same JSON is written.
///
/// # Errors
/// A 4xx that says what to send instead.
pub async fn receive(app: &App, request: Request<Body>) -> Result<(BytesMut, Fingerprint), ApiError> {
    let text = receive_text(app, request, app.config.intake.metadata_bytes).await?;
    // What is no JSON is refused later, by who says where it breaks.
    let canonical = serde_json::from_slice::<Value>(request::without_bom(&text)).map(|mut json| {
        json.sort_all_objects();
        json.to_string().into_bytes()
    });
    let body = Fingerprint::of(&[canonical.as_deref().unwrap_or(&text)]);
    Ok((text, body))
}

/// Reads a body of JSON that has at most so many bytes.
///
/// # Errors
/// A 4xx that says what to send instead.
pub async fn receive_text(app: &App, request: Request<Body>, most: u64) -> Result<BytesMut, ApiError> {
    let (head, body) = request.into_parts();
    check_type(&head.headers)?;
    read(app, body, most).await
}

/// What is to be cloned, from the text of a request.
///
/// # Errors
/// A 4xx that says what to send instead; 429 when as many clones are made as may be; 507 when the disk is full.
pub async fn wish(app: &App, who: &Principal, client: Client, text: &[u8]) -> Result<CloneWish, ApiError> {
    let (git, request, warnings) = request::parse_git(text)?;
    wish_for(app, who, client, (git, request, warnings)).await
}

/// What is to be cloned, from a request that was read already, with what its reader had to say.
///
/// # Errors
/// As [`wish`].
pub async fn wish_for(
    app: &App,
    who: &Principal,
    client: Client,
    (git, mut request, mut warnings): (GitRequest, JobRequest, Vec<String>),
) -> Result<CloneWish, ApiError> {
    app.stacks.check_named(&request.stack)?;
    let url = RepositoryUrl::parse(&git.github_url, &app.config.git.hosts).map_err(refused)?;
    git.git_ref.as_deref().map_or(Ok(()), check_ref).map_err(refused)?;
    let project = who.grant().and_then(|_| request.project.take());
    warnings.extend(forget_what_the_clone_says(&mut request));
    let named = who.project_for(project.as_deref())?;
    let credentials = credentials(app, &git, &url, named.clone()).await?;
    let place = app.slots.clones.take(client).map_err(|why| ApiError::too_many("clones", why))?;
    let staging = StagingGuard::new(app).await?;
    let named = named.unwrap_or_else(|| url.project());
    let rules = app.read(move |store| Ok(store.project_rules(&named)?)).await?;
    let history = wants_history(&app.config.policy.with_project(rules.as_ref()), &request);
    Ok(CloneWish {
        request,
        project,
        warnings,
        place,
        staging,
        url,
        git_ref: git.git_ref,
        branch: None,
        credentials,
        history,
        client_side: None,
    })
}

fn refused(problem: crate::error::Problem) -> ApiError {
    ApiError::refused(GIT_REFUSED, problem)
}

fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !matches!(text(header::CONTENT_ENCODING), "" | "identity") {
        let detail = "a compressed body is not taken: send the JSON as it is";
        return Err(ApiError::Unsupported { code: "content-encoding", detail: detail.to_owned() });
    }
    let kind = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
    if request::is_json(&kind.to_ascii_lowercase()) {
        return Ok(());
    }
    let detail = "send application/json with `github_url` and `stack`, \
                  as `curl -H 'Content-Type: application/json' -d '{\"github_url\": .., \"stack\": ..}'` does";
    Err(ApiError::Unsupported { code: "not-json", detail: detail.to_owned() })
}

/// Reads a body of at most so many bytes.
///
/// # Errors
/// 413, and those of a body that breaks off or comes too slowly.
pub async fn read(app: &App, body: Body, most: u64) -> Result<BytesMut, ApiError> {
    let mut pieces = PacedBody::new(body, &app.config.connections);
    // JSON has no part headers.
    pieces.budget().data();
    let mut text = BytesMut::new();
    while let Some(piece) = pieces.try_next().await.map_err(broken)? {
        if (text.len() + piece.len()) as u64 > most {
            return Err(ApiError::TooLarge { detail: format!("the body has more than {} KiB", most / 1024) });
        }
        text.extend_from_slice(&piece);
    }
    Ok(text)
}

fn broken(error: BodyError) -> ApiError {
    match error {
        BodyError::TooSlow => ApiError::TooSlow,
        other => ApiError::Malformed { code: "body-broken", detail: format!("the body cannot be read: {other}") },
    }
}

/// What a request names: a secret of the project, where somebody signed in, else a file of the operator's folder.
async fn credentials(
    app: &App,
    git: &GitRequest,
    url: &RepositoryUrl,
    project: Option<String>,
) -> Result<Option<Credentials>, ApiError> {
    let Some(name) = git.token.clone() else { return Ok(None) };
    let (config, store, host) = (app.config.clone(), app.store.clone(), url.host().clone());
    let read = move || {
        let key = config.git.secrets_key.as_ref();
        match project.map(|project| Credentials::of_project(&store, key, &project, &name, &host)).transpose()? {
            Some(Some(found)) => Ok(found),
            _ => Credentials::read(config.git.tokens.as_deref(), &name, &host, &config.git.hosts),
        }
    };
    Ok(Some(spawn_blocking(read).await.map_err(ApiError::internal)??))
}

/// Project, branch and commit of a clone are facts; what a client says of them is not taken.
fn forget_what_the_clone_says(request: &mut JobRequest) -> Vec<String> {
    let said =
        [("project", request.project.take()), ("branch", request.branch.take()), ("commit", request.commit.take())];
    let said = said.into_iter().filter(|(_, said)| said.is_some());
    let warning = |name| format!("the key `{name}` was ignored: the clone says it; `ref` chooses what is cloned");
    said.map(|(name, _)| warning(name)).collect()
}

/// The history is fetched for the scan that looks through it, also where only operator or project ask for that stage.
fn wants_history(policy: &Policy, request: &JobRequest) -> bool {
    request.pipeline.as_ref().is_some_and(|switches| {
        let named = |names: &[String]| names.iter().any(|name| Switch::of_stage(name) == Switch::SECRETS);
        let asked = switches.is_on(&Switch::SECRETS) || named(&switches.only);
        let skipped = switches.skip.is_empty() || named(&switches.skip);
        let scanned = asked || !skipped || policy.require.contains(&Switch::SECRETS);
        scanned && switches.secret_scan_mode == SecretScanMode::Git
    })
}
