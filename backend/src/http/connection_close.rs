//! Tells a client when its connection ends with an answer. What is refused is refused before it has come in whole, and a connection
//! with the rest of a body in it cannot be used again: a client that is not told would send its next request there, and lose it.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    Router,
    http::{HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use hyper::{
    Request,
    body::{Body, Frame, Incoming, SizeHint},
};
use tower::ServiceExt;

/// A body that says whether it was read to its end.
struct Watched {
    body: Incoming,
    read: Arc<AtomicBool>,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.read.store(true, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Answers a request; with `Connection: close`, where its body was not read to the end.
pub async fn answer(router: Router, request: Request<Incoming>) -> Result<Response, Infallible> {
    let read = Arc::new(AtomicBool::new(request.body().is_end_stream()));
    let request = request.map(|body| Watched { body, read: read.clone() });
    let mut response = router.oneshot(request).await?;
    if !read.load(Ordering::Relaxed) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
