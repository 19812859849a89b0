//! Answers the doorbell: calls a handler for each bell, so many at once and no more, until it is told to stop.
//!
//! The only place in the worker that knows apalis. An apalis worker ends at the first error, and its monitor either
//! restarts it without a pause or ends with it; so each one runs here in a round of its own, and whatever ends it
//! early, another round with a new name begins. Handlers run as tasks of their own and outlive the round.

use std::{any::Any, fmt, process, sync::Arc, time::Duration};

use apalis::{
    layers::catch_panic::{CatchPanicLayer, PanicError},
    prelude::{Backend, Identity, Monitor, ParallelizeExt, Task, WorkerBuilder},
};
use apalis_core::backend::{BackendConfig, finalize::Ephemeral};
use pipelinex_common::{
    id::JobId,
    queue::{Backoff, JobBackend},
};
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::limit::GlobalConcurrencyLimitLayer;
use uuid::Uuid;

/// Handlers that are still at work so long after the shutdown began are dropped. They are meant to watch the shutdown
/// themselves; a job that loses its handler goes on in its container, and the next worker finds it.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// A round that lasted so long was no failure from the start: the next one begins after the shortest wait.
const GOOD_ROUND: Duration = Duration::from_secs(60);

/// The name of one worker process. No two processes share one, not even one after the other in the same container.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConsumerName(String);

impl ConsumerName {
    /// Made of host name, process id and random bits, so it is new at each call: to be called once, at the start.
    pub fn for_this_process() -> Self {
        let system = rustix::system::uname();
        let host = system.nodename().to_string_lossy();
        Self(format!("{host}-{}-{}", process::id(), Uuid::new_v4().as_simple()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConsumerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What all rounds share.
struct Shift<B, F> {
    backend: B,
    handler: F,
    /// One permit for each handler at work; shared, so that a new round does not start with a full set.
    permits: Arc<Semaphore>,
    at_work: TaskTracker,
    /// Cancelled when the grace is over.
    abandon: CancellationToken,
}

/// Calls `handler` for each bell, at most `concurrency` (but at least one) at a time, until `shutdown` is cancelled.
///
/// A panic in a handler is logged and ends that handler only. Returns when the shutdown was asked for and every handler
/// is done, or [`SHUTDOWN_GRACE`] later with the remaining ones dropped; never before.
pub async fn run<F, Fut>(
    backend: JobBackend,
    name: ConsumerName,
    concurrency: usize,
    handler: F,
    shutdown: CancellationToken,
) where
    F: Fn(JobId) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let shift = Shift::new(backend.clone(), concurrency, handler);
    // Stopping means to ask for no more bells, which dropping the round does at once. apalis' own shutdown would wait
    // for the handlers first, and go on asking meanwhile.
    shutdown.run_until_cancelled(shift.rounds(&name)).await;
    backend.close().await;
    shift.finish().await;
}

impl<B, F, Fut> Shift<B, F>
where
    B: Backend<Task = Task<JobId>> + BackendConfig<Args = JobId, Kind = Ephemeral, Layer = Identity>,
    B: Clone + Send + Sync + Unpin + 'static,
    F: Fn(JobId) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    fn new(backend: B, concurrency: usize, handler: F) -> Self {
        let permits = Arc::new(Semaphore::new(concurrency.clamp(1, Semaphore::MAX_PERMITS)));
        Self { backend, handler, permits, at_work: TaskTracker::new(), abandon: CancellationToken::new() }
    }

    async fn rounds(&self, name: &ConsumerName) {
        let mut backoff = Backoff::default();
        for round in 0_u64.. {
            let began = Instant::now();
            self.one_round(format!("{name}-{round}")).await;
            if began.elapsed() > GOOD_ROUND {
                backoff.reset();
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    /// Runs one apalis worker until it ends, which it should not.
    async fn one_round(&self, name: String) {
        let (backend, permits) = (self.backend.clone(), Arc::clone(&self.permits));
        let (at_work, abandon) = (self.at_work.clone(), self.abandon.clone());
        let handler = self.handler.clone();
        let monitor = Monitor::new().register({
            let name = name.clone();
            move |_restarts| {
                let (at_work, abandon) = (at_work.clone(), abandon.clone());
                let handler = handler.clone();
                WorkerBuilder::new(name.clone())
                    .backend(backend.clone())
                    // From the outside in: a task of its own, that holds a permit, and survives a panic.
                    .parallelize(move |work| at_work.spawn(work))
                    .layer(GlobalConcurrencyLimitLayer::with_semaphore(Arc::clone(&permits)))
                    .layer(CatchPanicLayer::with_panic_handler(log_panic))
                    .build(move |id: JobId| answer(handler.clone(), id, abandon.clone()))
            }
        });
        match monitor.run().await {
            Ok(()) => tracing::error!(worker = name, "the apalis worker ended without a reason; starting another one"),
            Err(error) => tracing::error!(worker = name, %error, "the apalis worker failed; starting another one"),
        }
    }

    async fn finish(self) {
        self.at_work.close();
        if tokio::time::timeout(SHUTDOWN_GRACE, self.at_work.wait()).await.is_err() {
            let grace_seconds = SHUTDOWN_GRACE.as_secs();
            tracing::warn!(handlers = self.at_work.len(), grace_seconds, "dropping handlers that did not stop in time");
            self.abandon.cancel();
            self.at_work.wait().await;
        }
    }
}

/// Looks at one job. What becomes of it is in its files; apalis has nothing to know.
async fn answer<F, Fut>(handler: F, id: JobId, abandon: CancellationToken)
where
    F: Fn(JobId) -> Fut,
    Fut: Future<Output = ()>,
{
    // `None` means abandoned, which `finish` has logged.
    let _ = abandon.run_until_cancelled_owned(handler(id)).await;
}

/// The job is not lost with its handler: its files still say that there is work to do.
fn log_panic(payload: &Box<dyn Any + Send>) -> PanicError {
    let message = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(message), _) => (*message).to_owned(),
        (_, Some(message)) => message.clone(),
        _ => "no message".to_owned(),
    };
    tracing::error!(message, "the handler of a job panicked");
    PanicError(message)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        task::{Context, Poll},
    };

    use apalis::prelude::WorkerContext;
    use pipelinex_common::queue;
    use tokio::{sync::mpsc, time::timeout};

    use super::*;

    /// A backend that fails and panics before it behaves: either ends an apalis worker. (One that says it is exhausted
    /// leaves the worker hanging; ours never says so.)
    #[derive(Clone)]
    struct Moody {
        calm: JobBackend,
        polls: Arc<AtomicU32>,
    }

    impl Backend for Moody {
        type Task = Task<JobId>;
        type Error = std::fmt::Error;

        fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }

        fn poll_next(
            &mut self,
            context: &mut Context<'_>,
            worker: &WorkerContext,
        ) -> Poll<Option<Result<Self::Task, Self::Error>>> {
            match self.polls.fetch_add(1, Ordering::Relaxed) {
                0 => Poll::Ready(Some(Err(std::fmt::Error))),
                1 => panic!("as ordered"),
                _ => self.calm.poll_next(context, worker).map(|bell| bell.map(|ok| ok.map_err(|_| std::fmt::Error))),
            }
        }

        fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }
    }

    impl BackendConfig for Moody {
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

    #[tokio::test]
    async fn whatever_ends_an_apalis_worker_another_one_begins() {
        let (doorbell, calm) = queue::in_process();
        let (heard, mut bells) = mpsc::unbounded_channel();
        let handler = move |id| {
            heard.send(id).unwrap();
            std::future::ready(())
        };
        let shift = Shift::new(Moody { calm, polls: Arc::default() }, 1, handler);
        let id = JobId::generate();
        doorbell.ring(id).await.unwrap();
        let name = ConsumerName::for_this_process();
        tokio::select! {
            () = shift.rounds(&name) => unreachable!("rounds never end"),
            bell = timeout(Duration::from_secs(30), bells.recv()) => assert_eq!(bell, Ok(Some(id))),
        }
    }

    #[test]
    fn two_names_are_never_the_same() {
        assert_ne!(ConsumerName::for_this_process(), ConsumerName::for_this_process());
    }
}
