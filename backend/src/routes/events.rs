//! `GET /api/jobs/{id}/events`: how a job stands, each time that changes, until it has ended.

use axum::{
    extract::State,
    response::{Response, sse::Event},
};
use futures::{Stream, stream};

use super::{
    path::JobPath,
    sse::{self, Live},
    status::StatusPage,
};
use crate::{access::Principal, app::App, error::ApiError};

/// `event: state` with what `/status` says, first as it stands, then with each change; `event: eof` with the last.
pub async fn events(State(app): State<App>, who: Principal, JobPath(id): JobPath) -> Result<Response, ApiError> {
    let live = Live::begin(&app, &who, id).await?;
    Ok(sse::answer(changes(live)))
}

fn changes(live: Live) -> impl Stream<Item = Event> + Send + 'static {
    stream::unfold((live, None::<String>, false), |(mut live, before, ended)| async move {
        if ended {
            return None;
        }
        loop {
            let view = live.look().await?;
            let ended = view.execution.state.is_final();
            let page = serde_json::to_string(&StatusPage::from(view)).ok()?;
            if ended {
                return Some((Event::default().event("eof").data(page), (live, None, true)));
            }
            if before.as_ref() != Some(&page) {
                return Some((Event::default().event("state").data(&page), (live, Some(page), false)));
            }
            live.news().await?;
        }
    })
}
