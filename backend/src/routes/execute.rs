//! `POST /api/pipeline/execute`, also called `/api/pipeline/run`, and how what it started stands: submissions in the words of the
//! predecessor that called a job the execution of a pipeline.

use std::path::{Path, PathBuf};

use axum::{
    Json,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use pipelinex_common::{
    access::DEFAULT_PROJECT,
    foreign::shown,
    id::JobId,
    request::{GitRequest, JobRequest, Switches},
    state::JobState,
    store::Fingerprint,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use super::{
    history::unready,
    job::address,
    jobs::job_of,
    path::{JobPath, StagePath},
    runs::{RunStatus, StageStatus, word},
};
use crate::{
    access::{Principal, Right},
    app::App,
    client::{Caller, Client},
    error::{ApiError, Problem},
    http::lingering_close::ClientSide,
    local, pack,
    request::without_bom,
    submission::{
        self, Source, body_git, body_zip,
        idempotency::{Key, Made, once},
    },
};

/// The largest run number: what a Java `int` holds.
const RUN_NUMBER_MAX: u64 = 2_147_483_647;
/// The rule of what is no such request.
const INVALID: &str = "metadata-invalid";

/// What is to be run.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Execute {
    /// The repository, such as `https://github.com/owner/name`; with `isLocal` a folder of the server's machine. Absent where the
    /// project is uploaded beside it.
    repo: Option<String>,
    /// Its branch, or a tag.
    branch: Option<String>,
    /// A commit, which counts more.
    commit_hash: Option<String>,
    /// The pipeline file inside of it; absent: the project's own, else what its stack runs.
    file_path: Option<String>,
    /// Whether `repo` is a folder of the server's machine, which has to lie below one that its operator names.
    is_local: Option<bool>,
    /// The number of this run, where the client counts them: one that is known answers with the run of that number.
    run_number: Option<u64>,
    /// What numbers of runs belong to, besides their project.
    pipeline_id: Option<String>,
    /// The text of a pipeline, in place of a file.
    inline: Option<String>,
    /// The project that the job is to belong to.
    project: Option<String>,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Executing {
    execution_id: JobId,
    status: &'static str,
}

/// 201 once the job is durable; 200 where a run of that number is known.
pub async fn execute(State(app): State<App>, who: Principal, request: Request) -> Result<Response, ApiError> {
    let client = Caller::of(request.extensions())?.client;
    let side = request.extensions().get::<ClientSide>().cloned();
    let key = Key::of(&who, request.headers(), "execute")?;
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.trim_start().to_ascii_lowercase().starts_with("multipart/") {
        let (asked, received, body) = body_zip::receive_with(&app, request, Execute::read).await?;
        asked.check_upload()?;
        let project = who.project_for(asked.project.as_deref())?;
        let project = project.or_else(|| asked.project.clone()).unwrap_or_else(|| DEFAULT_PROJECT.to_owned());
        let (request, numbered) = (asked.request(Some(project.clone())), asked.numbered(&who, &project)?);
        return answer(&app, &who, (key, numbered), body, async || {
            Ok(received.into_upload(request, Vec::new()).into())
        })
        .await;
    }
    let (text, body) = body_git::receive(&app, request).await?;
    let asked = Execute::read(&text)?;
    if asked.is_local == Some(true) {
        let folder = asked.folder(&app)?;
        let name =
            folder.file_name().map_or_else(|| DEFAULT_PROJECT.to_owned(), |name| name.to_string_lossy().into_owned());
        let asked_for = asked.project.as_deref();
        let project = who.project_for(asked_for)?.or_else(|| asked.project.clone()).unwrap_or(name);
        let (request, numbered) = (asked.request(Some(project.clone())), asked.numbered(&who, &project)?);
        return answer(&app, &who, (key, numbered), body, async || packed(&app, client, folder, request).await).await;
    }
    let wish = body_git::wish_for(&app, &who, client, asked.of_repository()?).await?;
    let project = who.project_for(asked.project.as_deref())?.unwrap_or_else(|| wish.url.project());
    let numbered = asked.numbered(&who, &project)?;
    let branch = asked.commit_hash.as_ref().and(asked.branch.clone());
    let wish = body_git::CloneWish { client_side: side, branch, ..wish };
    answer(&app, &who, (key, numbered), body, async || Ok(wish.into())).await
}

/// A run that its client numbered: its project, its number, its key.
type Numbered = (String, u64, Key);

/// Makes the job, unless it is known.
async fn answer(
    app: &App,
    who: &Principal,
    (key, numbered): (Option<Key>, Option<Numbered>),
    body: Fingerprint,
    source: impl AsyncFnOnce() -> Result<Source, ApiError>,
) -> Result<Response, ApiError> {
    let made = match (key, numbered) {
        (Some(_), Some(_)) => {
            let detail = "a run number is a key already: send `runNumber` or the header Idempotency-Key, not both";
            return Err(ApiError::Malformed { code: "idempotency-key", detail: detail.to_owned() });
        }
        (key, None) => {
            once(app, key, body, async |turn| submission::submit(app, who, source().await?, turn).await).await?
        }
        (None, Some((project, number, key))) => {
            // Whatever else is said of it, a run of this number is this run.
            let body = Fingerprint::of(&[b"run"]);
            let make = async |turn| match known(app, who, project, number).await? {
                Some(made) => Ok(made),
                None => submission::submit(app, who, source().await?, turn).await,
            };
            once(app, Some(key), body, make).await?
        }
    };
    let Made { metadata, replayed } = made;
    let id = metadata.job_id;
    let state = match replayed {
        true => app.read_job(who, id, |job| Ok(job.view().map_err(ApiError::broken)?.execution.state)).await?,
        false => JobState::Queued,
    };
    let code = if replayed { StatusCode::OK } else { StatusCode::CREATED };
    let answer = Executing { execution_id: id, status: word(state) };
    Ok((code, [(header::LOCATION, address(id))], Json(answer)).into_response())
}

/// The run of that number, where the history has one.
async fn known(app: &App, who: &Principal, project: String, number: u64) -> Result<Option<Made>, ApiError> {
    let (history, who) = (app.history.clone(), who.clone());
    app.read(move |store| {
        let theirs = |run: &crate::history::Run| {
            run.number == number && *run.project == *project && who.may(Right::See, &run.owner, &run.project)
        };
        let found = history.find(store, &theirs).map_err(unready)?.into_iter().next();
        let metadata = found.map(|run| job_of(store, &who, run.id).and_then(|job| job.metadata())).transpose();
        Ok(metadata.map_err(ApiError::broken)?.map(|metadata| Made { metadata, replayed: true }))
    })
    .await
}

/// A folder of this machine as if it had been uploaded.
async fn packed(app: &App, client: Client, folder: PathBuf, request: JobRequest) -> Result<Source, ApiError> {
    let limits = app.config.intake.clone();
    let packing = spawn_blocking(move || pack::pack(&folder, &limits, false)).await.map_err(ApiError::internal)?;
    let packed = packing.map_err(|error| refused("repo", error.to_string(), "mend that, or name another folder"))?;
    Ok(local::taken_in(app, client, request, packed.file).await?.into())
}

fn refused(path: &str, message: String, hint: &str) -> ApiError {
    let (rule, path, hint) = (INVALID.to_owned(), Some(path.to_owned()), hint.to_owned());
    ApiError::refused(INVALID, Problem { rule, path, message, hint, place: None })
}

impl Execute {
    fn read(text: &[u8]) -> Result<Self, ApiError> {
        let text = without_bom(text);
        if let Err(error) = serde_json::from_slice::<serde_json::Value>(text) {
            return Err(ApiError::Malformed {
                code: "metadata-not-json",
                detail: format!("the body is not JSON: {error}"),
            });
        }
        let hint = "it is an object with `repo` and perhaps branch, commitHash, filePath, isLocal, runNumber, pipelineId, inline, project";
        let asked: Self = serde_json::from_slice(text)
            .map_err(|error| refused("", format!("the body is no order to run a pipeline: {error}"), hint))?;
        match asked.run_number {
            Some(number) if !(1..=RUN_NUMBER_MAX).contains(&number) => {
                let message = format!("{number} is no number of a run");
                Err(refused("runNumber", message, "runs are numbered from 1 to 2147483647"))
            }
            _ => Ok(asked),
        }
    }

    /// What would have no meaning beside a project that was uploaded is refused.
    fn check_upload(&self) -> Result<(), ApiError> {
        if self.repo.is_none() && self.is_local != Some(true) {
            return Ok(());
        }
        let message = "the order has both a project and the address of one".to_owned();
        Err(refused("repo", message, "leave out `repo` and `isLocal` where the project is uploaded"))
    }

    fn request(&self, project: Option<String>) -> JobRequest {
        let (file, inline) = (self.file_path.clone(), self.inline.clone());
        let switches = Switches { file, inline, ..Switches::default() };
        JobRequest {
            pipeline: (switches != Switches::default()).then_some(switches),
            project,
            branch: self.branch.clone(),
            commit: self.commit_hash.clone(),
            ..JobRequest::default()
        }
    }

    fn of_repository(&self) -> Result<(GitRequest, JobRequest, Vec<String>), ApiError> {
        let hint = "send `repo` with its https address, or upload the project as multipart/form-data";
        let missing = || refused("repo", "the order names no repository".to_owned(), hint);
        let github_url = self.repo.clone().ok_or_else(missing)?;
        let git_ref = self.commit_hash.clone().or_else(|| self.branch.clone());
        // Branch and commit are the clone's to say.
        let request = JobRequest { branch: None, commit: None, ..self.request(self.project.clone()) };
        Ok((GitRequest { github_url, git_ref, token: None }, request, Vec::new()))
    }

    fn numbered(&self, who: &Principal, project: &str) -> Result<Option<Numbered>, ApiError> {
        let Some(number) = self.run_number else { return Ok(None) };
        let of = format!("{project}\0{}", self.pipeline_id.as_deref().unwrap_or_default());
        Ok(Some((project.to_owned(), number, Key::of_run(who, &of, number))))
    }

    /// The folder of this machine that is meant, where its operator lets it be.
    fn folder(&self, app: &App) -> Result<PathBuf, ApiError> {
        let named = self.repo.as_deref().unwrap_or_default();
        let roots = &app.config.local_roots;
        if roots.is_empty() {
            let message = "this server takes no folders of its own machine".to_owned();
            let hint = "upload the project, or have the operator name the folders by --local-root";
            return Err(refused("isLocal", message, hint));
        }
        let found = Path::new(named).canonicalize().ok().filter(|folder| folder.is_dir());
        // One answer for what is not there and for what is elsewhere: nobody learns by it what this machine has.
        found.filter(|folder| roots.iter().any(|root| folder.starts_with(root) && folder != root)).ok_or_else(|| {
            let message = format!("{} is no folder below those that this server takes", shown(named));
            refused("repo", message, "name a folder below one of --local-root by its whole path")
        })
    }
}

/// How what was started stands.
pub async fn status(State(app): State<App>, who: Principal, JobPath(id): JobPath) -> Result<Json<RunStatus>, ApiError> {
    Ok(Json(app.read_job(&who, id, |job| RunStatus::of(job).map_err(ApiError::broken)).await?))
}

/// How one of its stages stands.
pub async fn stage(
    State(app): State<App>,
    who: Principal,
    StagePath(id, stage): StagePath,
) -> Result<Json<StageStatus>, ApiError> {
    let found = app.read_job(&who, id, move |job| {
        let execution = job.view().map_err(ApiError::broken)?.execution;
        StageStatus::named(&execution, &stage).ok_or_else(|| {
            let detail = format!("the job has no stage {}; it has {}", shown(&stage), names(&execution.stages));
            ApiError::NotFound { detail }
        })
    });
    Ok(Json(found.await?))
}

fn names<T>(stages: &indexmap::IndexMap<String, T>) -> String {
    stages.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}
