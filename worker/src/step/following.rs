//! Following a container that runs: its output into the log, until it has ended or is brought to its end.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use futures::StreamExt;
use tokio::time::timeout_at;

use super::{ASK_AGAIN, Ending, GRACE, Run, StepError, Stop, Told, ended_or_lost, received::Received};
use crate::{
    engine::{EngineError, Output, Phase},
    logs::{Appended, LogWriter},
};

/// How long the last words of a container that was ended are waited for.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// A container whose output has ended ends itself within this time, or its output was cut off before the end.
const SOON: Duration = Duration::from_millis(500);
/// How often the record of a container that has ended is read for what a stream that ended early did not tell: that a connection
/// ends without a word may mean nothing.
const READINGS: u32 = 3;
/// How often when it is sure that the stream broke.
const READINGS_OF_BROKEN: u32 = 20;

impl Run<'_> {
    /// Takes in what the container prints until it has ended. A stream that breaks says nothing about the container: the
    /// engine is asked, and its record is followed on from the line where ours ends.
    pub(super) async fn follow(
        &mut self,
        mut log: LogWriter,
        mut output: Output,
        mut received: Option<Received>,
        mut deadline: Instant,
    ) -> Result<Ending, StepError> {
        // How it ended, from the moment on at which that is known: what is read of its record after that changes nothing of it.
        let (mut readings, mut exited) = (0, None);
        loop {
            let mut broken = false;
            match self.drain(&mut log, &mut output, received.as_mut(), deadline).await? {
                Drained::Stop(ending) if exited.is_none() => return self.stop(log, output, ending).await,
                Drained::Detach => return Ok(Ending::Detached),
                Drained::Closed | Drained::Stop(_) => {}
                Drained::Broken => broken = true,
            }
            let closed = Instant::now();
            // Its last words are made durable while the engine brings the container to its end.
            let settling = async {
                match exited.take() {
                    Some(ending) => (Ok(Settled::Is(ending)), closed.elapsed()),
                    None => (self.settled(deadline).await, closed.elapsed()),
                }
            };
            let ((settled, took), synced) = tokio::join!(settling, log.sync());
            synced?;
            match settled? {
                Settled::Is(ending @ Ending::Exited(_))
                    if readings < if broken { READINGS_OF_BROKEN } else { READINGS }
                        && (broken || self.was_cut(received.as_ref(), took).await) =>
                {
                    readings += 1;
                    exited = Some(ending);
                    tokio::time::sleep(if broken { SOON } else { SOON.min(took) }).await;
                    deadline = Instant::now() + self.timeout;
                    drop(log);
                    log = self.take_log()?;
                    (output, received) = (self.engine.logs(&self.spec.name), None);
                }
                Settled::Is(ending) if !log.was_taken() => return log.finish().map(|()| ending).map_err(Into::into),
                Settled::Stop(ending) => return self.stop(log, output, ending).await,
                Settled::StillRunning | Settled::Is(_) => {
                    // Cut to whole lines first: the engine's record is skipped by lines, and a piece of one would be doubled.
                    drop(log);
                    log = self.take_log()?;
                    (output, received) = (self.engine.logs(&self.spec.name), None);
                }
            }
        }
    }

    /// Whether a stream that ended without a word ended before its container did. Where all that was received of it is known, the
    /// engine's record says so; else, that its container went on for long.
    async fn was_cut(&self, received: Option<&Received>, took: Duration) -> bool {
        let Some(received) = received else { return took > SOON };
        let is_all = tokio::time::timeout(LAST_WORDS, received.is_all(self.engine, &self.spec.name)).await;
        !is_all.unwrap_or(true)
    }

    async fn drain(
        &mut self,
        log: &mut LogWriter,
        output: &mut Output,
        mut received: Option<&mut Received>,
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
                        if let Some(received) = &mut received {
                            received.take(&bytes);
                        }
                        if log.append_following(&bytes)? == Appended::TooMuch {
                            return Ok(Drained::Stop(Ending::Ended(Stop::too_much_log(self.log.limits))));
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
        // Whatever it answers, the engine is asked: only then it says whether a process was killed for want of memory.
        let _ = timeout_at(limit.into(), self.engine.wait(name)).await;
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
        let grace =
            if let Ending::Ended(stop) = &ending { stop.grace(self.afterwards) } else { GRACE + self.afterwards };
        let stopped = {
            let mut stopping = pin!(self.engine.stop(&self.spec.name, grace));
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
