//! What a container prints, as a stream that goes on until it has ended.

use std::sync::Arc;

use futures::{Stream, StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;

use super::{
    Body, broken,
    things::{Phase, Thing, Things},
};

/// What a container printed from a piece on; with `follow` also what it goes on to print. Ends with it.
pub fn printed(things: &Arc<Things>, id: &str, from: usize, follow: bool) -> impl Stream<Item = Vec<u8>> + use<> {
    let begin = (things.clone(), things.changed.subscribe(), id.to_owned(), from);
    stream::unfold(begin, move |(things, mut changed, id, at)| async move {
        loop {
            changed.borrow_and_update();
            let thing = things.find(&id)?;
            if let Some(piece) = thing.printed.get(at) {
                return Some((piece.clone(), (things, changed, id, at + 1)));
            }
            let goes_on = follow && !matches!(thing.phase, Phase::Ended(_));
            if !goes_on || changed.changed().await.is_err() {
                return None;
            }
        }
    })
}

/// A stream as the body of an answer that breaks off after so many bytes.
pub fn body(pieces: impl Stream<Item = Vec<u8>> + Send + Sync + 'static, budget: usize) -> Body {
    let frames = cut(pieces, budget).map(|piece| piece.map(|piece| Frame::data(Bytes::from(piece))));
    BodyExt::boxed(StreamBody::new(frames))
}

/// Writes a stream to a connection that was taken over.
pub fn pour(pieces: impl Stream<Item = Vec<u8>> + Send + 'static, upgrade: hyper::upgrade::OnUpgrade, budget: usize) {
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let (mut socket, mut pieces) = (TokioIo::new(upgraded), std::pin::pin!(cut(pieces, budget)));
        while let Some(Ok(piece)) = pieces.next().await {
            if socket.write_all(&piece).await.is_err() {
                return;
            }
        }
        let _ = socket.shutdown().await;
    });
}

/// The pieces until a budget of bytes is spent, and then an error.
fn cut(pieces: impl Stream<Item = Vec<u8>>, budget: usize) -> impl Stream<Item = Result<Vec<u8>, std::io::Error>> {
    let mut left = Some(budget);
    pieces.flat_map(move |mut piece| {
        let Some(budget) = left else { return stream::iter(Vec::new()) };
        if piece.len() <= budget {
            left = Some(budget - piece.len());
            return stream::iter(vec![Ok(piece)]);
        }
        left = None;
        piece.truncate(budget);
        stream::iter(vec![Ok(piece), Err(broken())])
    })
}

/// Waits until a container does not run; its code, or `None` if there is none.
pub async fn ended(things: &Things, which: &str) -> Option<i64> {
    let mut changed = things.changed.subscribe();
    let mut last: Option<Thing> = None;
    loop {
        changed.borrow_and_update();
        match things.find(which) {
            None => return last.map(|_| 137),
            Some(Thing { phase: Phase::Ended(code), .. }) => return Some(code),
            Some(Thing { phase: Phase::Created, .. }) => return Some(0),
            running => last = running,
        }
        changed.changed().await.ok()?;
    }
}
