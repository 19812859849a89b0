//! The bytes of a request, as they come in: not too slowly, and not too many before the first part and in the heads of parts.
//!
//! multer looks at everything it has until a head is complete, again with each piece that comes in. So what may come in
//! before that is bounded here, where the pieces pass; the data of a part is bounded by who stores it.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures::Stream;

use crate::{config::ConnectionLimits, http::patience::Patience};

/// What may come in while the head of a part is not complete, in bytes; a browser sends about 200.
const HEAD_BYTES: u64 = 16 * 1024;

/// Why a body is not read on.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It came too slowly.
    #[error("the body came too slowly")]
    TooSlow,
    /// There was no end of a head.
    #[error("the head of a part is larger than {HEAD_BYTES} bytes, or the boundary never comes")]
    EndlessHead,
    /// The client went away, or sent what is no body.
    #[error("the body broke off")]
    Broken(#[source] axum::Error),
}

/// Whether a head or data is being read: told by who reads, looked at for each piece.
#[derive(Clone, Debug)]
pub struct HeadBudget(Arc<AtomicU64>);

impl HeadBudget {
    const NO_HEAD: u64 = u64::MAX;

    /// A head is read from here on.
    pub fn head(&self) {
        self.0.store(HEAD_BYTES, Ordering::Relaxed);
    }

    /// Data is read from here on.
    pub fn data(&self) {
        self.0.store(Self::NO_HEAD, Ordering::Relaxed);
    }

    /// `false` when the budget was used up before this piece.
    fn spend(&self, bytes: u64) -> bool {
        match self.0.load(Ordering::Relaxed) {
            Self::NO_HEAD => true,
            0 => false,
            left => {
                self.0.store(left.saturating_sub(bytes), Ordering::Relaxed);
                true
            }
        }
    }
}

/// The body as a stream for multer.
pub struct PacedBody {
    pieces: BodyDataStream,
    budget: HeadBudget,
    patience: Patience,
}

impl PacedBody {
    /// A body that has to come at the least rate of `limits`.
    pub fn new(body: Body, limits: &ConnectionLimits) -> Self {
        Self {
            pieces: body.into_data_stream(),
            budget: HeadBudget(Arc::new(AtomicU64::new(HEAD_BYTES))),
            patience: Patience::new(limits.body_grace, limits.body_bytes_per_second),
        }
    }

    /// The handle by which the reader says what it reads.
    pub fn budget(&self) -> HeadBudget {
        self.budget.clone()
    }

    fn took(&mut self, piece: &Bytes) -> bool {
        self.patience.moved(piece.len());
        self.budget.spend(piece.len() as u64)
    }
}

impl Stream for PacedBody {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match Pin::new(&mut self.pieces).poll_next(cx) {
            Poll::Ready(Some(Ok(piece))) if self.took(&piece) => Poll::Ready(Some(Ok(piece))),
            Poll::Ready(Some(Ok(_))) => Poll::Ready(Some(Err(BodyError::EndlessHead))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(BodyError::Broken(error)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => self.patience.poll_spent(cx).map(|()| Some(Err(BodyError::TooSlow))),
        }
    }
}
