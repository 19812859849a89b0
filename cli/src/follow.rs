//! Following something on a server that may be slow, restarted or gone for a while: an offset that never moves back,
//! a pace that adapts, and patience that says once what it waits for.

use std::{io, time::Duration};

use pipelinex_common::{execution::StageRecord, id::JobId};
use tokio::time::{Instant, sleep};

use crate::{
    client::{Client, ClientError},
    failure::Failure,
    output::Output,
};

/// One stage's log, read from where the last read ended.
#[derive(Debug)]
pub struct Tail {
    id: JobId,
    stage: String,
    /// What says more than the stage which log it is.
    query: Vec<(&'static str, String)>,
    offset: u64,
    /// How many tries were over when it was read last.
    tries: usize,
}

impl Tail {
    /// The log of a stage, from its beginning.
    pub fn new(id: JobId, stage: &str) -> Self {
        Self { id, stage: stage.to_owned(), query: Vec::new(), offset: 0, tries: 0 }
    }

    /// That of one step, or of one try.
    pub fn of(mut self, step: Option<&str>, number: Option<u32>) -> Self {
        self.query.extend(step.map(|step| ("step", step.to_owned())));
        self.query.extend(number.map(|number| ("try", number.to_string())));
        self
    }

    /// The log of a step begins anew with each try. Where several steps share a stage, its log is that of them all.
    pub fn follow_tries(&mut self, stage: &StageRecord) {
        let tries = stage.steps.values().map(|step| step.tries.len()).sum();
        if self.tries != tries && stage.steps.len() == 1 && self.query.is_empty() {
            self.offset = 0;
        }
        self.tries = tries;
    }

    /// Takes all that is there now. What was taken before an error stays taken: the next pull goes on behind it.
    pub async fn pull(
        &mut self,
        client: &Client,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<u64, Failure> {
        let before = self.offset;
        let Some(mut body) = client.log(self.id, (&self.stage, &self.query), self.offset).await? else { return Ok(0) };
        while let Some(piece) = body.next().await? {
            self.offset += piece.len() as u64;
            take(&piece)?;
        }
        Ok(self.offset - before)
    }
}

/// How long to wait between two looks: short while something happens, longer while nothing does.
#[derive(Debug)]
pub struct Pace(Duration);

impl Pace {
    const QUICK: Duration = Duration::from_millis(200);
    const SLOW: Duration = Duration::from_secs(2);

    /// Begins quickly.
    pub fn new() -> Self {
        Self(Self::QUICK)
    }

    /// Waits until it is time to look again.
    pub async fn rest(&mut self, something_happened: bool) {
        self.0 = self.next(something_happened);
        sleep(self.0).await;
    }

    fn next(&self, something_happened: bool) -> Duration {
        if something_happened { Self::QUICK } else { (self.0 * 3 / 2).min(Self::SLOW) }
    }
}

/// Bears a server that goes away for a while.
#[derive(Debug)]
pub struct Patience {
    /// How long a server may be away; `None` for ever.
    limit: Option<Duration>,
    away_since: Option<Instant>,
    pause: Duration,
}

impl Patience {
    const FIRST_PAUSE: Duration = Duration::from_millis(250);
    const LONGEST_PAUSE: Duration = Duration::from_secs(5);

    /// Patience that ends after a time, or never.
    pub fn new(limit: Option<Duration>) -> Self {
        Self { limit, away_since: None, pause: Self::FIRST_PAUSE }
    }

    /// Passes a result on; `None` means that it is worth trying again, now. A server that was never `reached` is not
    /// waited for: who mistyped an address is told at once.
    pub async fn bear<T>(
        &mut self,
        result: Result<T, Failure>,
        reached: bool,
        out: &Output,
    ) -> Result<Option<T>, Failure> {
        match result {
            Ok(value) => {
                if self.away_since.take().is_some() {
                    out.say("the server answers again");
                }
                self.pause = Self::FIRST_PAUSE;
                Ok(Some(value))
            }
            Err(Failure::Client(error)) if reached && error.is_transient() => {
                self.wait(error, out).await.map(|()| None)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn wait(&mut self, error: ClientError, out: &Output) -> Result<(), Failure> {
        let since = *self.away_since.get_or_insert_with(|| {
            let text = error.to_string();
            out.say(format!("{}; trying again", text.lines().next().unwrap_or_default()));
            Instant::now()
        });
        if self.limit.is_some_and(|limit| since.elapsed() >= limit) {
            return Err(error.into());
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Self::LONGEST_PAUSE);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_slows_down_to_a_limit_and_quickens_at_once() {
        let mut pace = Pace::new();
        for _ in 0..20 {
            pace.0 = pace.next(false);
        }
        assert_eq!(pace.0, Pace::SLOW);
        assert_eq!(pace.next(true), Pace::QUICK);
    }
}
