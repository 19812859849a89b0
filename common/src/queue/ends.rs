//! The two ends in apalis' words: what a producer pushes into, and what a worker polls.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use apalis_core::{
    backend::{Backend, BackendConfig, TaskSink, TaskSinkError, finalize::Ephemeral},
    layers::Identity,
    task::Task,
    worker::context::WorkerContext,
};
use futures::{FutureExt, Sink};
use tokio::sync::{mpsc::error::TrySendError, oneshot};

use super::{Doorbell, JobBackend, QueueError, Wire, ringer::Ring};
use crate::id::JobId;

/// One ring under way: a bell goes in at the top, and the flush is over when Redis has it.
pub(super) struct Ringing {
    doorbell: Doorbell,
    answer: Option<oneshot::Receiver<Result<(), QueueError>>>,
}

impl Ringing {
    pub(super) async fn push(doorbell: Doorbell, id: JobId) -> Result<(), QueueError> {
        let mut ringing = Self { doorbell, answer: None };
        TaskSink::push(&mut ringing, id).await.map_err(|error| match error {
            TaskSinkError::PushError(error) => error,
            other => QueueError::Unavailable(other.to_string()),
        })
    }
}

impl Sink<Task<JobId>> for Ringing {
    type Error = QueueError;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), QueueError>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, task: Task<JobId>) -> Result<(), QueueError> {
        match &self.doorbell.wire {
            Wire::InProcess(mailbox) => {
                // A full mailbox drops the bell, as a full list in Redis does.
                mailbox.put(task.args);
            }
            Wire::Redis(rings) => {
                let (done, answer) = oneshot::channel();
                rings.try_send(Ring { id: task.args, done }).map_err(|error| match error {
                    TrySendError::Full(_) => QueueError::Unavailable("too many bells are waiting for Redis".to_owned()),
                    TrySendError::Closed(_) => QueueError::Closed,
                })?;
                self.answer = Some(answer);
            }
        }
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), QueueError>> {
        let Some(answer) = &mut self.answer else { return Poll::Ready(Ok(())) };
        answer.poll_unpin(context).map(|told| {
            self.answer = None;
            told.unwrap_or(Err(QueueError::Closed))
        })
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), QueueError>> {
        Sink::poll_flush(self, context)
    }
}

/// apalis asks of a sink that it is a backend too; this one has nothing to give to a worker.
impl Backend for Ringing {
    type Task = Task<JobId>;
    type Error = QueueError;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), QueueError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Task<JobId>, QueueError>>> {
        Poll::Ready(None)
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), QueueError>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for Ringing {
    type Args = JobId;
    type Id = JobId;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}

/// Never an error and never an end: apalis stops a worker for good at either. What goes wrong is told by the health.
impl Backend for JobBackend {
    type Task = Task<JobId>;
    type Error = QueueError;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), QueueError>> {
        Poll::Ready(Ok(()))
    }

    /// apalis calls this only when the service has room, so to be asked is to be wanted.
    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Task<JobId>, QueueError>>> {
        self.mailbox.poll_take(context).map(|id| Some(Ok(Task::new(id))))
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), QueueError>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for JobBackend {
    type Args = JobId;
    type Id = JobId;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}
