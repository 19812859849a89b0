//! `POST /api/jobs/github`: a repository becomes a job. On whichever host it is: the address is the predecessors'.

use axum::{
    extract::{Request, State},
    response::Response,
};

use super::upload::created;
use crate::{
    access::Principal,
    app::App,
    client::Caller,
    error::ApiError,
    http::lingering_close::ClientSide,
    submission,
    submission::body_git::{self, CloneWish},
    submission::idempotency::{Key, once},
};

/// 201 with the metadata, once the repository is cloned and the job is durable.
pub async fn github(State(app): State<App>, who: Principal, request: Request) -> Result<Response, ApiError> {
    let key = Key::of(&who, request.headers(), "github")?;
    let client = Caller::of(request.extensions())?.client;
    let client_side = request.extensions().get::<ClientSide>().cloned();
    let (text, body) = body_git::receive(&app, request).await?;
    // A place for a clone is taken by who clones, not by who waits for another's.
    let make = async |turn| {
        let wish = body_git::wish(&app, &who, client, &text).await?;
        submission::submit(&app, &who, CloneWish { client_side, ..wish }.into(), turn).await
    };
    Ok(created(once(&app, key, body, make).await?))
}
