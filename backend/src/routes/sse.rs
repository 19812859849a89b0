//! Streams of events (SSE): what they have in common, whatever they tell of.

use std::time::Duration;

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{Stream, StreamExt, stream};
use pipelinex_common::{
    id::JobId,
    store::{Job, JobView},
};
use tokio_util::sync::CancellationToken;

use crate::{
    access::Principal,
    app::App,
    error::ApiError,
    watch::{News, Places},
};

/// How often a stream says that it lives while there is nothing to tell.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// After which time a browser comes back when its connection was lost.
const COME_BACK: Duration = Duration::from_millis(700);
/// Tells proxies of the nginx kind to pass each event on at once.
const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Somebody who reads a job along.
pub struct Live {
    app: App,
    who: Principal,
    id: JobId,
    news: News,
    closing: CancellationToken,
}

impl Live {
    /// From now on nothing of the job is missed.
    ///
    /// # Errors
    /// 404 where there is no such job, or none that they may see.
    pub async fn begin(app: &App, who: &Principal, id: JobId) -> Result<Self, ApiError> {
        let places = app.read_job(who, id, |job| Ok(Places::of(job))).await?;
        let news = app.watching.hear(places);
        Ok(Self { app: app.clone(), who: who.clone(), id, news, closing: app.closing.clone() })
    }

    /// How the job stands; `None` where it is gone, or not theirs to see any more: the stream then ends.
    pub async fn look(&mut self) -> Option<JobView> {
        self.news.heard();
        self.app.read_job(&self.who, self.id, |job| job.view().map_err(ApiError::broken)).await.ok()
    }

    /// Reads from the job's files; `None` as for [`Self::look`].
    pub async fn read<T, F>(&mut self, read: F) -> Option<T>
    where
        T: Send + 'static,
        F: FnOnce(&Job) -> Result<T, ApiError> + Send + 'static,
    {
        self.news.heard();
        self.app.read_job(&self.who, self.id, read).await.ok()
    }

    /// Waits until something has changed since the last look; `None` when the server stops. A reader comes back by itself.
    pub async fn news(&mut self) -> Option<()> {
        tokio::select! {
            () = self.closing.cancelled() => None,
            () = self.news.wait() => Some(()),
        }
    }
}

/// A stream as an answer.
pub fn answer(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let first = stream::iter([Event::default().retry(COME_BACK)]);
    let events = first.chain(events).map(Ok::<_, std::convert::Infallible>);
    let keep_alive = KeepAlive::new().interval(HEARTBEAT).text("ping");
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    response.headers_mut().insert(NO_BUFFERING, HeaderValue::from_static("no"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
