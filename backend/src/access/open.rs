//! What goes on for long (a stream of events, a log, an archive) ends when its reader's token is revoked or runs out, or when what
//! they may do changes: whoever comes back is then judged anew.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    response::Response,
};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use jiff::Timestamp;

use super::Principal;
use crate::app::App;

/// So often somebody looks whether a reader is still who they were. Many who look share one look at the folder.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What is no larger is sent before anybody could look again, in bytes.
const SMALL: u64 = 64 * 1024;

/// The same answer, which breaks off when whoever gets it is no longer let in as who they were.
pub fn held(response: Response, app: &App, who: &Principal) -> Response {
    if who.grant().is_none() || response.body().size_hint().exact().is_some_and(|bytes| bytes <= SMALL) {
        return response;
    }
    let (app, who) = (app.clone(), who.clone());
    response.map(|inner| Body::new(Held { inner, changed: Some(Box::pin(changed(app, who))) }))
}

/// Returns when somebody is not who they were. Where nobody can tell, nobody gets in, and nobody stays.
async fn changed(app: App, who: Principal) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Ok(known) = app.tokens.tokens(&app).await else { return };
        let token = who.token.as_deref().and_then(|id| known.token(id));
        let now = token.filter(|token| !token.has_expired(Timestamp::now()));
        if now.map(|token| Principal::with_token(token, known.member(&token.name))).as_ref() != Some(&who) {
            return;
        }
    }
}

struct Held {
    inner: Body,
    changed: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// Why an answer broke off.
#[derive(Debug, thiserror::Error)]
#[error("the token was revoked or has run out, or its rights were changed, while the answer went on")]
struct NotTheSame;

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(changed) = &mut self.changed else { return Poll::Ready(None) };
        if changed.as_mut().poll(cx).is_ready() {
            self.changed = None;
            // An end would pass for the whole answer.
            return Poll::Ready(Some(Err(axum::Error::new(NotTheSame))));
        }
        Poll::Ready(ready!(Pin::new(&mut self.inner).poll_frame(cx)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
