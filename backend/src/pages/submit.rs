//! What the form sends: a job is made of it, or the page comes back with what is wrong and all that was typed.

use axum::{
    extract::{Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use pipelinex_common::{pipeline::stack::StackKey, request::Stack};
use serde::Deserialize;

use super::{
    PageError,
    form::{self, Texts},
    new::{self, Verdict},
    page,
};
use crate::{
    access::Principal,
    admission::Accepted,
    app::App,
    client::Caller,
    error::{ApiError, Told},
    http::lingering_close::ClientSide,
    routes::{JobPath, StepPath},
    submission::body_git::{self, CloneWish},
    submission::body_zip::PageForm,
    submission::resubmit::run_again,
    submission::{self, Judged, Source},
};

/// How the verdict is wished for.
#[derive(Debug, Default, Deserialize)]
pub struct Wish {
    /// The verdict alone, to be put into the page that is open.
    #[serde(default)]
    alone: bool,
}

/// `POST /jobs`: to the page of the job.
pub async fn submit(
    State(app): State<App>,
    who: Principal,
    wish: Result<Query<Wish>, QueryRejection>,
    request: Request,
) -> Result<Response, PageError> {
    let alone = checked(wish)?.alone;
    let headers = request.headers().clone();
    let (texts, upload) = read(&app, &who, request).await?;
    let made = match upload {
        Ok(upload) => submission::submit(&app, &who, upload, None).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(made) => {
            let address = format!("/jobs/{}", made.metadata.job_id);
            Ok((StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response())
        }
        Err(error) => refused(&app, &headers, texts, error, alone),
    }
}

/// `POST /jobs/check`: what admission would say, and no job.
pub async fn check(
    State(app): State<App>,
    who: Principal,
    wish: Result<Query<Wish>, QueryRejection>,
    request: Request,
) -> Result<Response, PageError> {
    let wish = checked(wish)?;
    let headers = request.headers().clone();
    let (texts, upload) = read(&app, &who, request).await?;
    let judged = match upload {
        Ok(upload) => submission::precheck(&app, &who, upload).await,
        Err(error) => Err(error),
    };
    match judged {
        Ok(judged) if wish.alone => Ok(page(StatusCode::OK, &accepted(judged, &texts))),
        Ok(judged) => {
            let verdict = accepted(judged, &texts);
            Ok(new::draw(&app, &headers, texts, Some(verdict), StatusCode::OK))
        }
        Err(error) => refused(&app, &headers, texts, error, wish.alone),
    }
}

/// `POST /jobs/{id}/again`: the same once more, as a new job.
pub async fn again(
    State(app): State<App>,
    who: Principal,
    caller: Caller,
    path: Result<JobPath, ApiError>,
) -> Result<Response, PageError> {
    new_job(&app, &who, caller, path, false).await
}

/// `POST /jobs/{id}/again/failed`: the same for what failed.
pub async fn failed_again(
    State(app): State<App>,
    who: Principal,
    caller: Caller,
    path: Result<JobPath, ApiError>,
) -> Result<Response, PageError> {
    new_job(&app, &who, caller, path, true).await
}

/// Makes the new job and leads to its page.
async fn new_job(
    app: &App,
    who: &Principal,
    caller: Caller,
    path: Result<JobPath, ApiError>,
    failed: bool,
) -> Result<Response, PageError> {
    let JobPath(id) = path?;
    let made = run_again(app, who, caller.client, (id, failed), None).await?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, format!("/jobs/{}", made.metadata.job_id))]).into_response())
}

/// `POST /jobs/{id}/cancel`: the page then says what is going on, also when the job had ended before.
pub async fn cancel(
    State(app): State<App>,
    who: Principal,
    path: Result<JobPath, ApiError>,
) -> Result<Response, PageError> {
    let JobPath(id) = path?;
    match crate::cancel::cancel(&app, &who, id, "on its page").await {
        Ok(_) | Err(ApiError::Ended { .. }) => {
            Ok((StatusCode::SEE_OTHER, [(header::LOCATION, format!("/jobs/{id}"))]).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /jobs/{id}/steps/{step}/play`: the page then says what is going on, also when somebody else was quicker.
pub async fn play(
    State(app): State<App>,
    who: Principal,
    path: Result<StepPath, ApiError>,
) -> Result<Response, PageError> {
    let StepPath(id, step) = path?;
    match crate::play::play(&app, &who, id, step).await {
        Ok(_) | Err(ApiError::Ended { .. } | ApiError::NotYet { .. }) => {
            Ok((StatusCode::SEE_OTHER, [(header::LOCATION, format!("/jobs/{id}"))]).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

fn checked(wish: Result<Query<Wish>, QueryRejection>) -> Result<Wish, ApiError> {
    let Query(wish) =
        wish.map_err(|_| ApiError::Malformed { code: "query", detail: "`alone` is true or false".to_owned() })?;
    Ok(wish)
}

/// The texts, and the source or why there is none. A file that was chosen counts more than an address that was typed.
async fn read(app: &App, who: &Principal, request: Request) -> Result<(Texts, Result<Source, ApiError>), PageError> {
    let client = Caller::of(request.extensions())?.client;
    let client_side = request.extensions().get::<ClientSide>().cloned();
    let form = PageForm::receive(app, request).await?;
    let texts = form.texts.clone();
    if let (Some(git), false) = (form::git_json(&texts), form.has_file()) {
        drop(form);
        let wish = body_git::wish(app, who, client, git.to_string().as_bytes()).await;
        return Ok((texts, wish.map(|wish| CloneWish { client_side, ..wish }.into())));
    }
    let upload = form::request_of(&texts).and_then(|(request, warnings)| {
        let missing = || ApiError::Malformed {
            code: "part-missing",
            detail: "choose the ZIP file of a project, or give the address of its Git repository".to_owned(),
        };
        form.into_upload(request, warnings).ok_or_else(missing)
    });
    Ok((texts, upload.map(Source::from)))
}

fn accepted(judged: Judged, texts: &Texts) -> Verdict {
    let Stack { language, framework, build_tool, .. } = judged.stack();
    let taken_for = Some(StackKey::new(language, framework, build_tool));
    let folder = judged.folder().cloned();
    let picked = texts.get("picked").filter(|picked| !picked.is_empty()).cloned();
    let Accepted { warnings, stages, .. } = judged.verdict;
    Verdict { accepted: true, warnings, stages, taken_for, folder, picked, ..Verdict::default() }
}

/// The page again, with what is wrong. Errors of ours have a page of their own.
fn refused(app: &App, headers: &HeaderMap, texts: Texts, error: ApiError, alone: bool) -> Result<Response, PageError> {
    if matches!(error, ApiError::Internal(_) | ApiError::BrokenJob(_)) {
        return Err(error.into());
    }
    let Told { status, detail, problems, candidates, .. } = error.tell();
    let detail = problems.is_empty().then_some(detail);
    let verdict = Verdict { detail, problems, candidates, ..Verdict::default() };
    if alone {
        return Ok(page(status, &verdict));
    }
    Ok(new::draw(app, headers, texts, Some(verdict), status))
}
