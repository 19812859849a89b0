//! One step's container, from its making to its end: make, attach, start, follow, wait.

mod ending;

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use pipelinex_common::state::Reason;
use tokio::{sync::watch, time::timeout_at};
use tokio_util::sync::CancellationToken;

pub use self::ending::{Ending, StepError, Stop};
use crate::{
    engine::{ContainerStatus, Engine, EngineError, Output, Phase},
    logs::{Appended, LogPlace, LogWriter},
    spec::ContainerSpec,
};

/// Seconds a container has between TERM and KILL.
pub(crate) const GRACE: Duration = Duration::from_secs(10);
/// How long the last words of a container that was ended are waited for.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Pause before an engine that does not answer is asked again.
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A container whose output has ended ends itself within this time, or its output was cut off before the end.
const SOON: Duration = Duration::from_millis(500);
/// How often the record of a container that has ended is read for what a stream that ended early did not tell: that a connection
/// ends without a word may mean nothing.
const READINGS: u32 = 3;
/// How often when it is sure that the stream broke.
const READINGS_OF_BROKEN: u32 = 20;

/// Exit codes from here on are of programs that a signal ended, or of which the engine does not know how they did.
const SIGNALLED: i64 = 128;

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
    /// Where its log is.
    pub log: LogPlace<'a>,
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
            // Ordered to end before it began, it does not begin.
            Made::Fresh(id) if self.told.borrow().is_some() => {
                self.engine.remove_unstarted(&id).await?;
                let ending = self.told.borrow().clone();
                return Ok(ending.unwrap_or(Ending::Lost));
            }
            Made::Fresh(id) => match self.start(&id).await {
                // Somebody has removed it.
                Err(StepError::Engine(error)) if error.is_absent() => return Ok(Ending::Lost),
                started => started?,
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
    ///
    /// Each container is started by its maker alone, and by its id: an engine starts one that has ended a second time without a
    /// word, and a holder may be stopped right before its start and wake up when the step is over. So one that a former holder made
    /// and did not start is made anew.
    async fn make(&self) -> Result<Option<Made>, StepError> {
        let mut fresh = self.fresh;
        loop {
            if fresh && let Some(id) = self.create().await? {
                self.not_too_late(&id).await?;
                return Ok(Some(Made::Fresh(id)));
            }
            match self.engine.inspect(&self.spec.name).await? {
                Some(status) if status.phase != Phase::Created => return Ok(Some(Made::Before(status))),
                None if self.log.is_there() => return Ok(None),
                Some(unstarted) => {
                    self.still_held()?;
                    // First the log, which says that there was a container to be lost.
                    self.log.discard()?;
                    self.engine.remove_unstarted(&unstarted.id).await?;
                }
                // It was never started, and removed by a maker who was too late.
                None => {}
            }
            fresh = true;
        }
    }

    /// The id of the container; `None` when there is one of that name already.
    async fn create(&self) -> Result<Option<String>, StepError> {
        self.still_held()?;
        pipelinex_common::fault_point!("worker.creating");
        match self.engine.create(self.spec).await {
            Err(error) if error.is_missing_image() => {
                let cause = "it was removed while the job ran".to_owned();
                Err(StepError::NoImage { image: self.spec.image.clone(), cause })
            }
            made => {
                let made = made?;
                pipelinex_common::fault_event!("create", container = self.spec.name, fresh = made.is_some());
                Ok(made)
            }
        }
    }

    async fn start(&self, id: &str) -> Result<Output, StepError> {
        let output = self.engine.attach(id).await?;
        pipelinex_common::fault_point!("worker.created");
        self.still_held()?;
        pipelinex_common::fault_event!("start", container = self.spec.name);
        pipelinex_common::fault_point!("worker.starting");
        self.engine.start(id).await?;
        pipelinex_common::fault_point!("worker.started");
        Ok(output)
    }

    fn still_held(&self) -> Result<(), StepError> {
        if (self.holds)() { Ok(()) } else { Err(StepError::NotMine) }
    }

    /// Removes what was made too late: between the look before it and the engine's making it, another may have taken the job over
    /// and looked for the job's containers in vain, and so may make one of its next attempt. One that was made in time is found by
    /// every successor.
    async fn not_too_late(&self, id: &str) -> Result<(), StepError> {
        if (self.holds)() {
            return Ok(());
        }
        tracing::warn!(container = %self.spec.name, "made too late, by a holder that was overtaken: removed");
        self.engine.remove_unstarted(id).await?;
        Err(StepError::NotMine)
    }

    /// The log, cut to what text and index agree on. Whoever opens it takes it from everybody who had it open before.
    fn take_log(&self) -> Result<LogWriter, StepError> {
        self.still_held()?;
        Ok(self.log.open()?)
    }

    /// Takes in what the container prints until it has ended. A stream that breaks says nothing about the container: the
    /// engine is asked, and its record is followed on from the line where ours ends.
    async fn follow(
        &mut self,
        mut log: LogWriter,
        mut output: Output,
        mut deadline: Instant,
    ) -> Result<Ending, StepError> {
        let mut readings = 0;
        loop {
            let mut broken = false;
            match self.drain(&mut log, &mut output, deadline).await? {
                Drained::Stop(ending) => return self.stop(log, output, ending).await,
                Drained::Detach => return Ok(Ending::Detached),
                Drained::Closed => {}
                Drained::Broken => broken = true,
            }
            let closed = Instant::now();
            // Its last words are made durable while the engine brings the container to its end.
            let settling = async { (self.settled(deadline).await, closed.elapsed()) };
            let ((settled, took), synced) = tokio::join!(settling, log.sync());
            synced?;
            // A connection may end without a word, too: output that ended long before its container was cut off.
            let cut = broken || took > SOON;
            match settled? {
                Settled::Is(Ending::Exited(_))
                    if cut && readings < if broken { READINGS_OF_BROKEN } else { READINGS } =>
                {
                    readings += 1;
                    tokio::time::sleep(SOON.min(took)).await;
                    deadline = Instant::now() + self.timeout;
                    drop(log);
                    log = self.take_log()?;
                    output = self.engine.logs(&self.spec.name);
                }
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
                        return Ok(Drained::Broken);
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
        let mut away = false;
        loop {
            match self.engine.inspect(name).await {
                Ok(None) => return Ok(Settled::Is(Ending::Lost)),
                Ok(Some(status)) if status.phase == Phase::Ended => {
                    return Ok(Settled::Is(ended_or_lost(self.engine, name, status, away).await));
                }
                Ok(Some(_)) if Instant::now() >= deadline => {
                    return Ok(Settled::Stop(Ending::Ended(self.too_long.clone())));
                }
                Ok(Some(_)) => return Ok(Settled::StillRunning),
                Err(error) if error.is_unreachable() => {
                    tracing::warn!(container = name, %error, "asking again");
                    away = true;
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
        self.still_held()?;
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

/// How a container ended that did not end well, or while its engine was `away`. Somebody who removes a container by force kills
/// it first, and an engine that stops ends all of them with itself: in both cases it is lost, and no step has failed.
pub(crate) async fn ended_or_lost(engine: &Engine, name: &str, status: ContainerStatus, mut away: bool) -> Ending {
    if (status.exit_code == 0 && !away) || status.oom_killed {
        return Ending::Exited(status);
    }
    let signalled = status.exit_code >= SIGNALLED;
    // For a moment one that is being removed looks like one that was killed.
    let mut pause = if signalled { ASK_AGAIN } else { Duration::ZERO };
    loop {
        tokio::time::sleep(pause).await;
        pause = ASK_AGAIN;
        match look_again(engine, name).await {
            Ok(None) => return Ending::Lost,
            // A program that is asked to end does so with any code; one that a signal ended says so also to who comes later.
            Ok(Some((_, true))) if away || signalled => return Ending::Lost,
            // What killed it may have been told only now.
            Ok(Some((status, _))) => return Ending::Exited(status),
            Err(error) if error.is_unreachable() => {
                tracing::warn!(container = name, %error, "it has ended, perhaps with its engine; asking again");
                away = true;
            }
            Err(_) => return Ending::Exited(status),
        }
    }
}

/// What the engine says of a container, and whether that ended before this engine began. Asked on a connection of its own, which an
/// engine that is about to stop refuses.
async fn look_again(engine: &Engine, name: &str) -> Result<Option<(ContainerStatus, bool)>, EngineError> {
    let engine = engine.anew().await?;
    let Some(status) = engine.inspect(name).await? else { return Ok(None) };
    let (ended, since) = (status.finished_at, engine.running_since().await?);
    let before = matches!((ended, since), (Some(ended), Some(since)) if ended < since) && !status.oom_killed;
    Ok(Some((status, before)))
}

enum Made {
    /// By us, with this id, and not started yet.
    Fresh(String),
    /// By a former holder, who started it.
    Before(ContainerStatus),
}

enum Drained {
    Closed,
    /// In the middle of what was said.
    Broken,
    Stop(Ending),
    Detach,
}

enum Settled {
    Is(Ending),
    Stop(Ending),
    StillRunning,
}
