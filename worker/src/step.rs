//! One step, from its container to its end: make, attach, start, follow, wait, and say how it ended.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use pipelinex_common::{
    disk::DiskError,
    state::{Reason, StepState},
};
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use crate::{
    engine::{ContainerStatus, Engine, EngineError, Output, Phase},
    logs::{Appended, LogWriter},
    spec::ContainerSpec,
};

/// Seconds a container has between TERM and KILL.
const GRACE: Duration = Duration::from_secs(10);
/// Pause before an engine that does not answer is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// The exit code of a process that was ended by signal 9.
const KILLED: i64 = 128 + 9;

/// How a container came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended by itself.
    Exited(ContainerStatus),
    /// We ended it, for this reason.
    Ended(Reason),
    /// It is gone, and nobody knows how it ended.
    Lost,
    /// This worker was told to stop; the container runs on.
    Detached,
}

/// Why a step could not be run to an end.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The image is not there.
    #[error(
        "the runner image {image} is not there and cannot be pulled ({cause}): build it with `make images`, or name another with PIPELINEX_IMAGES"
    )]
    NoImage {
        /// Which image.
        image: String,
        /// What pulling it said.
        cause: String,
    },
    /// Our own files.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The tree could not be made.
    #[error(transparent)]
    Tree(#[from] crate::tree::TreeError),
    /// Somebody else holds the job now.
    #[error("another worker holds the job")]
    NotMine,
}

/// What a container is run with.
pub struct Run<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// The container.
    pub spec: &'a ContainerSpec,
    /// Whether nobody is known to have made it before.
    pub fresh: bool,
    /// Whether its image may be pulled where it is missing.
    pub may_pull: bool,
    /// Opens its log, cut to what text and index agree on.
    pub open_log: &'a (dyn Fn() -> Result<LogWriter, DiskError> + Send + Sync),
    /// The time it has.
    pub timeout: Duration,
    /// Tells to let go of it.
    pub detach: &'a CancellationToken,
    /// Whether this worker still holds the job; asked before each create and start.
    pub holds: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Run<'_> {
    /// Runs a fresh container, or goes on with one that a former holder started.
    ///
    /// # Errors
    /// [`StepError`].
    pub async fn to_the_end(self) -> Result<Ending, StepError> {
        let name = self.spec.name.as_str();
        let mut deadline = Instant::now() + self.timeout;
        // Pulling an image counts as time of the step: a registry that stalls ends it, and nothing else.
        let Ok(made) = timeout_at(deadline.into(), self.make()).await else {
            return Ok(Ending::Ended(Reason::Timeout));
        };
        let made = made?;
        // Only now: a log says that there was a container.
        let log = (self.open_log)()?;
        let output = match made {
            Made::Fresh => self.start().await?,
            Made::Before(status) => {
                deadline = deadline.checked_sub(status.ran_for()).unwrap_or(deadline);
                self.engine.logs(name)
            }
        };
        self.follow(log, output, deadline).await
    }

    /// Makes the container, unless it was made before.
    async fn make(&self) -> Result<Made, StepError> {
        if self.fresh && self.create().await? {
            return Ok(Made::Fresh);
        }
        match self.engine.inspect(&self.spec.name).await? {
            Some(status) if status.phase == Phase::Created => Ok(Made::Fresh),
            Some(status) => Ok(Made::Before(status)),
            None => self.create().await.map(|_| Made::Fresh),
        }
    }

    /// `false` when it is there already.
    async fn create(&self) -> Result<bool, StepError> {
        if !(self.holds)() {
            return Err(StepError::NotMine);
        }
        match self.engine.create(self.spec).await {
            Err(error) if error.is_missing_image() && self.may_pull => {
                let image = self.spec.image.clone();
                let pulled = self.engine.pull(&image).await;
                pulled.map_err(|cause| StepError::NoImage { image, cause: cause.to_string() })?;
                Ok(self.engine.create(self.spec).await?)
            }
            Err(error) if error.is_missing_image() => {
                let cause = "built-in images are not pulled from anywhere".to_owned();
                Err(StepError::NoImage { image: self.spec.image.clone(), cause })
            }
            other => Ok(other?),
        }
    }

    async fn start(&self) -> Result<Output, StepError> {
        let output = self.engine.attach(&self.spec.name).await?;
        if !(self.holds)() {
            return Err(StepError::NotMine);
        }
        self.engine.start(&self.spec.name).await?;
        Ok(output)
    }

    /// Takes in what the container prints until it has ended. A stream that breaks says nothing about the container: the
    /// engine is asked, and its record is followed on from the line where ours ends.
    async fn follow(&self, mut log: LogWriter, mut output: Output, deadline: Instant) -> Result<Ending, StepError> {
        loop {
            match self.drain(&mut log, &mut output, deadline).await? {
                Drained::Stop(reason) => return self.stop(log, output, reason).await,
                Drained::Detach => return Ok(Ending::Detached),
                Drained::Closed => {}
            }
            // Its last words are made durable while the engine brings the container to its end.
            let syncing = log.sync();
            let (settled, synced) = tokio::join!(self.settled(deadline), syncing);
            synced?;
            match settled? {
                Settled::Is(ending) => return log.finish().map(|()| ending).map_err(Into::into),
                Settled::Stop(reason) => return self.stop(log, output, reason).await,
                Settled::StillRunning => {
                    // Cut to whole lines first: the engine's record is skipped by lines, and a piece of one would be doubled.
                    drop(log);
                    log = (self.open_log)()?;
                    output = self.engine.logs(&self.spec.name);
                }
            }
        }
    }

    async fn drain(&self, log: &mut LogWriter, output: &mut Output, deadline: Instant) -> Result<Drained, StepError> {
        let mut timeout = pin!(tokio::time::sleep_until(deadline.into()));
        loop {
            tokio::select! {
                biased;
                () = self.detach.cancelled() => return Ok(Drained::Detach),
                () = &mut timeout => return Ok(Drained::Stop(Reason::Timeout)),
                piece = output.next() => match piece {
                    Some(Ok(bytes)) => {
                        if log.append_following(&bytes)? == Appended::TooMuch {
                            return Ok(Drained::Stop(Reason::LogLimit));
                        }
                    }
                    Some(Err(error)) => {
                        tracing::debug!(container = %self.spec.name, %error, "the stream of a container broke");
                        return Ok(Drained::Closed);
                    }
                    None => return Ok(Drained::Closed),
                },
            }
        }
    }

    /// What became of the container, asked until the engine answers. Its output ends a moment before it does.
    async fn settled(&self, deadline: Instant) -> Result<Settled, StepError> {
        let name = self.spec.name.as_str();
        // A container whose output has ended is about to end; one that closed its output by itself is not.
        let limit = deadline.min(Instant::now() + Duration::from_secs(2));
        if let Ok(true) = timeout_at(limit.into(), self.engine.wait(name)).await {
            return Ok(Settled::Is(Ending::Exited(ContainerStatus::success())));
        }
        loop {
            match self.engine.inspect(name).await {
                Ok(None) => return Ok(Settled::Is(Ending::Lost)),
                Ok(Some(status)) if status.phase == Phase::Ended => {
                    return Ok(Settled::Is(self.killed_or_removed(status).await?));
                }
                Ok(Some(_)) if Instant::now() >= deadline => return Ok(Settled::Stop(Reason::Timeout)),
                Ok(Some(_)) => return Ok(Settled::StillRunning),
                Err(error) if error.is_unreachable() => {
                    tracing::warn!(container = name, %error, "asking again");
                }
                Err(EngineError::Answered { status, .. }) if status >= 500 && Instant::now() < deadline => {}
                Err(error) => return Err(error.into()),
            }
            tokio::select! {
                () = self.detach.cancelled() => return Ok(Settled::Is(Ending::Detached)),
                () = tokio::time::sleep(ASK_AGAIN) => {}
            }
        }
    }

    /// A container that somebody removes by force is killed first, and for a moment looks like one whose script was killed.
    async fn killed_or_removed(&self, status: ContainerStatus) -> Result<Ending, StepError> {
        if status.exit_code == KILLED && !status.oom_killed {
            tokio::time::sleep(ASK_AGAIN).await;
            if let Ok(None) = self.engine.inspect(&self.spec.name).await {
                return Ok(Ending::Lost);
            }
        }
        Ok(Ending::Exited(status))
    }

    /// Ends the container, and takes in what it still has to say meanwhile.
    async fn stop(&self, mut log: LogWriter, output: Output, reason: Reason) -> Result<Ending, StepError> {
        let last_words = async {
            let mut output = output;
            while let Some(Ok(bytes)) = output.next().await {
                if !matches!(log.append_following(&bytes), Ok(Appended::Taken)) {
                    break;
                }
            }
            // The engine brings no container to its end whose output an attached reader does not take.
            drop(output);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            stopped = self.engine.stop(&self.spec.name, GRACE) => stopped?,
            () = last_words => {}
        }
        log.finish()?;
        Ok(Ending::Ended(reason))
    }
}

enum Made {
    /// Not started yet.
    Fresh,
    /// By a former holder, who started it.
    Before(ContainerStatus),
}

enum Drained {
    Closed,
    Stop(Reason),
    Detach,
}

enum Settled {
    Is(Ending),
    Stop(Reason),
    StillRunning,
}

/// The verdict over a container that ended: from what the engine says, and from nothing that the step could write.
pub fn verdict(ending: &Ending, scan: bool, timeout: Duration) -> (StepState, Option<Reason>, String, Option<i64>) {
    let failed = |reason: Reason, message: String, code: Option<i64>| (StepState::Failed, Some(reason), message, code);
    match ending {
        Ending::Exited(status) if status.exit_code == 0 => (StepState::Success, None, "finished".to_owned(), Some(0)),
        Ending::Exited(status) if status.oom_killed => failed(
            Reason::Oom,
            "the kernel ended a process of this step: it needed more memory than it may have".to_owned(),
            Some(status.exit_code),
        ),
        Ending::Exited(status) if !status.error.is_empty() => failed(
            Reason::EngineError,
            format!("the container could not be run: {}", status.error),
            Some(status.exit_code),
        ),
        Ending::Exited(status) if scan => failed(
            Reason::ToolError,
            format!("the tool ended with code {} and no result: its log says why", status.exit_code),
            Some(status.exit_code),
        ),
        Ending::Exited(status) => failed(
            Reason::ScriptFailure,
            format!("the script ended with code {}{}", status.exit_code, signal(status.exit_code)),
            Some(status.exit_code),
        ),
        Ending::Ended(Reason::Timeout) => {
            failed(Reason::Timeout, format!("it ran longer than the {} seconds it may", timeout.as_secs()), None)
        }
        Ending::Ended(Reason::LogLimit) => failed(Reason::LogLimit, "it printed more than it may".to_owned(), None),
        Ending::Ended(reason) => failed(*reason, "it was ended".to_owned(), None),
        Ending::Lost => failed(Reason::WorkerLost, "its container is gone".to_owned(), None),
        Ending::Detached => (StepState::Canceled, Some(Reason::Interrupted), "the worker was stopped".to_owned(), None),
    }
}

fn signal(code: i64) -> &'static str {
    match code {
        126 => " (a command cannot be executed)",
        127 => " (a command was not found)",
        137 => " (killed)",
        139 => " (segmentation fault)",
        143 => " (terminated)",
        _ => "",
    }
}
