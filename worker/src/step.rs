//! One step's container, from its making to its end: make, attach, start, follow, wait.

mod ending;

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use pipelinex_common::{disk::DiskError, state::Reason};
use tokio::{sync::watch, time::timeout_at};
use tokio_util::sync::CancellationToken;

pub use self::ending::{Ending, StepError, Stop};
use crate::{
    engine::{ContainerStatus, Engine, EngineError, Output, Phase},
    logs::{Appended, LogWriter},
    spec::ContainerSpec,
};

/// Seconds a container has between TERM and KILL.
pub(crate) const GRACE: Duration = Duration::from_secs(10);
/// How long the last words of a container that was ended are waited for.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Pause before an engine that does not answer is asked again.
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(1);

/// The exit code of a process that was ended by signal 9.
const KILLED: i64 = 128 + 9;

/// How a step's container is brought to an end from outside while it runs.
pub type Told = watch::Receiver<Option<Ending>>;

/// Says whether this worker still holds the job; asked before each create and start.
pub type Holds = Arc<dyn Fn() -> bool + Send + Sync>;

/// What a container is run with.
pub struct Run<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// The container.
    pub spec: &'a ContainerSpec,
    /// Whether nobody is known to have made it before.
    pub fresh: bool,
    /// Opens its log, cut to what text and index agree on.
    pub open_log: &'a (dyn Fn() -> Result<LogWriter, DiskError> + Send + Sync),
    /// When its time began, and how much it has.
    pub began: Instant,
    /// The time it has.
    pub timeout: Duration,
    /// How it ends when that is over.
    pub too_long: Stop,
    /// Whether code 0 is no success yet: the engine is asked whether it killed a process for want of memory, too.
    pub doubted: bool,
    /// Tells to let go of it.
    pub detach: &'a CancellationToken,
    /// Tells to end it.
    pub told: Told,
    /// Whether this worker still holds the job.
    pub holds: Holds,
}

impl Run<'_> {
    /// Runs a fresh container, or goes on with one that a former holder started.
    ///
    /// # Errors
    /// [`StepError`].
    pub async fn to_the_end(mut self) -> Result<Ending, StepError> {
        let mut deadline = self.began + self.timeout;
        // Making a container is time of its step; one that was made before is only asked for, and ended in order.
        let made = match self.fresh {
            true => match timeout_at(deadline.into(), self.make()).await {
                Ok(made) => made?,
                Err(_) => return Ok(Ending::Ended(self.too_long.clone())),
            },
            false => self.make().await?,
        };
        let Some(made) = made else { return Ok(Ending::Lost) };
        // Only now: a log says that there was a container.
        let log = self.take_log()?;
        let output = match made {
            Made::Fresh | Made::NotStarted => match self.start().await {
                // An older holder that woke up has removed what it made too late.
                Err(StepError::Engine(error)) if error.is_absent() => return Ok(Ending::Lost),
                Ok(output) if made == Made::Fresh => output,
                // That older holder may have started it, before our connection was there: the engine's record has every line.
                started => {
                    drop(started?);
                    self.engine.logs(&self.spec.name)
                }
            },
            // It ended while nobody watched, in time or not at all: only its log is left to be taken in.
            Made::Before(status) if status.phase == Phase::Ended => {
                deadline = Instant::now() + self.timeout;
                self.engine.logs(&self.spec.name)
            }
            Made::Before(_) => self.engine.logs(&self.spec.name),
        };
        self.follow(log, output, deadline).await
    }

    /// Makes the container, unless it was made before; `None` when that one is gone.
    async fn make(&self) -> Result<Option<Made>, StepError> {
        if self.fresh && self.create().await? {
            self.not_too_late().await?;
            return Ok(Some(Made::Fresh));
        }
        Ok(self.engine.inspect(&self.spec.name).await?.map(|status| match status.phase {
            Phase::Created => Made::NotStarted,
            Phase::Running | Phase::Ended => Made::Before(status),
        }))
    }

    /// `false` when it is there already.
    async fn create(&self) -> Result<bool, StepError> {
        if !(self.holds)() {
            return Err(StepError::NotMine);
        }
        pipelinex_common::fault_point!("worker.creating");
        match self.engine.create(self.spec).await {
            Err(error) if error.is_missing_image() => {
                let cause = "it was removed while the job ran".to_owned();
                Err(StepError::NoImage { image: self.spec.image.clone(), cause })
            }
            other => {
                let fresh = other?;
                pipelinex_common::fault_event!("create", container = self.spec.name, fresh = fresh);
                Ok(fresh)
            }
        }
    }

    async fn start(&self) -> Result<Output, StepError> {
        let output = self.engine.attach(&self.spec.name).await?;
        pipelinex_common::fault_point!("worker.created");
        if !(self.holds)() {
            return Err(StepError::NotMine);
        }
        pipelinex_common::fault_event!("start", container = self.spec.name);
        self.engine.start(&self.spec.name).await?;
        pipelinex_common::fault_point!("worker.started");
        Ok(output)
    }

    /// Removes what was made too late: between the look before it and the engine's making it, another may have taken the job over
    /// and looked for the job's containers in vain, and so may make one of its next attempt. A container that was made in time is
    /// found by every successor, who goes on with it: to start that one too late changes nothing.
    async fn not_too_late(&self) -> Result<(), StepError> {
        if (self.holds)() {
            return Ok(());
        }
        tracing::warn!(container = %self.spec.name, "made too late, by a holder that was overtaken: removed");
        self.engine.remove_unstarted(&self.spec.name).await?;
        Err(StepError::NotMine)
    }

    /// The log, cut to what text and index agree on. Whoever opens it takes it from everybody who had it open before.
    fn take_log(&self) -> Result<LogWriter, StepError> {
        if !(self.holds)() {
            return Err(StepError::NotMine);
        }
        Ok((self.open_log)()?)
    }

    /// Takes in what the container prints until it has ended. A stream that breaks says nothing about the container: the
    /// engine is asked, and its record is followed on from the line where ours ends.
    async fn follow(&mut self, mut log: LogWriter, mut output: Output, deadline: Instant) -> Result<Ending, StepError> {
        loop {
            match self.drain(&mut log, &mut output, deadline).await? {
                Drained::Stop(ending) => return self.stop(log, output, ending).await,
                Drained::Detach => return Ok(Ending::Detached),
                Drained::Closed => {}
            }
            // Its last words are made durable while the engine brings the container to its end.
            let syncing = log.sync();
            let (settled, synced) = tokio::join!(self.settled(deadline), syncing);
            synced?;
            match settled? {
                Settled::Is(ending) if !log.was_taken() => return log.finish().map(|()| ending).map_err(Into::into),
                Settled::Stop(ending) => return self.stop(log, output, ending).await,
                Settled::StillRunning | Settled::Is(_) => {
                    // Cut to whole lines first: the engine's record is skipped by lines, and a piece of one would be doubled.
                    drop(log);
                    log = self.take_log()?;
                    output = self.engine.logs(&self.spec.name);
                }
            }
        }
    }

    async fn drain(
        &mut self,
        log: &mut LogWriter,
        output: &mut Output,
        deadline: Instant,
    ) -> Result<Drained, StepError> {
        let mut timeout = pin!(tokio::time::sleep_until(deadline.into()));
        let mut told = pin!(told(&mut self.told));
        loop {
            tokio::select! {
                biased;
                () = self.detach.cancelled() => return Ok(Drained::Detach),
                () = &mut timeout => return Ok(Drained::Stop(Ending::Ended(self.too_long.clone()))),
                ending = &mut told => return Ok(Drained::Stop(ending)),
                piece = output.next() => match piece {
                    // By the successor of a holder that was overtaken; or by one that woke up between its look and its opening it.
                    Some(Ok(_)) if log.was_taken() => return Ok(Drained::Closed),
                    Some(Ok(bytes)) => {
                        if log.append_following(&bytes)? == Appended::TooMuch {
                            let stop = Stop::new(Reason::LogLimit, "it printed more than it may");
                            return Ok(Drained::Stop(Ending::Ended(stop)));
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
        if let Ok(true) = timeout_at(limit.into(), self.engine.wait(name)).await
            && !self.doubted
        {
            return Ok(Settled::Is(Ending::Exited(ContainerStatus::success())));
        }
        loop {
            match self.engine.inspect(name).await {
                Ok(None) => return Ok(Settled::Is(Ending::Lost)),
                Ok(Some(status)) if status.phase == Phase::Ended => {
                    return Ok(Settled::Is(killed_or_removed(self.engine, name, status).await));
                }
                Ok(Some(_)) if Instant::now() >= deadline => {
                    return Ok(Settled::Stop(Ending::Ended(self.too_long.clone())));
                }
                Ok(Some(_)) => return Ok(Settled::StillRunning),
                Err(error) if error.is_unreachable() => {
                    tracing::warn!(container = name, %error, "asking again");
                }
                Err(EngineError::Answered { status, .. }) if status >= 500 && Instant::now() < deadline => {}
                Err(error) => return Err(error.into()),
            }
            let mut orders = self.told.clone();
            tokio::select! {
                () = self.detach.cancelled() => return Ok(Settled::Is(Ending::Detached)),
                ending = told(&mut orders) => return Ok(Settled::Stop(ending)),
                () = tokio::time::sleep(ASK_AGAIN) => {}
            }
        }
    }

    /// Ends the container, and takes in what it still has to say meanwhile.
    async fn stop(&self, mut log: LogWriter, mut output: Output, ending: Ending) -> Result<Ending, StepError> {
        // A holder that slept through the deadline does not end the container of its successor.
        if !(self.holds)() {
            return Err(StepError::NotMine);
        }
        let stopped = {
            let mut stopping = pin!(self.engine.stop(&self.spec.name, GRACE));
            let mut last_words = pin!(async {
                while let Some(Ok(bytes)) = output.next().await {
                    if !matches!(log.append_following(&bytes), Ok(Appended::Taken)) {
                        break;
                    }
                }
                // A stream that nobody reads holds the container back, also from its end.
                output = futures::stream::empty().boxed();
            });
            tokio::select! {
                stopped = &mut stopping => {
                    let _ = tokio::time::timeout(LAST_WORDS, last_words).await;
                    stopped
                }
                () = &mut last_words => stopping.await,
            }
        };
        stopped?;
        log.finish()?;
        Ok(ending)
    }
}

/// Waits until the step is told to end; for ever where nobody is there to tell it.
async fn told(told: &mut Told) -> Ending {
    if let Ok(ending) = told.wait_for(Option::is_some).await
        && let Some(ending) = &*ending
    {
        return ending.clone();
    }
    std::future::pending().await
}

/// A container that somebody removes by force is killed first, and for a moment looks like one whose program was killed.
pub(crate) async fn killed_or_removed(engine: &Engine, name: &str, status: ContainerStatus) -> Ending {
    if status.exit_code == KILLED && !status.oom_killed {
        tokio::time::sleep(ASK_AGAIN).await;
        return match engine.inspect(name).await {
            Ok(None) => Ending::Lost,
            // What killed it may have been told only now.
            Ok(Some(later)) => Ending::Exited(later),
            Err(_) => Ending::Exited(status),
        };
    }
    Ending::Exited(status)
}

#[derive(PartialEq)]
enum Made {
    /// By us, and not started yet.
    Fresh,
    /// By a former holder, who did not start it; it may be about to, if it was only stopped.
    NotStarted,
    /// By a former holder, who started it.
    Before(ContainerStatus),
}

enum Drained {
    Closed,
    Stop(Ending),
    Detach,
}

enum Settled {
    Is(Ending),
    Stop(Ending),
    StillRunning,
}
