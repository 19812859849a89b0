//! One step's container, from its making to its end: make, attach, start, follow, wait.

mod ending;
mod following;
mod lost;
mod received;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::timeout_at};
use tokio_util::sync::CancellationToken;

pub(crate) use self::ending::is_ours;
pub use self::ending::{Ending, StepError, Stop};
pub(crate) use self::lost::ended_or_lost;
use self::received::Received;
use secrecy::SecretString;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    engine::{Engine, Output, Phase},
    logs::{LogPlace, LogWriter},
    spec::ContainerSpec,
};

/// Seconds a container has between TERM and KILL.
pub(crate) const GRACE: Duration = Duration::from_secs(10);
/// What comes after a script has a minute where the step was told to end (`script/launch.sh`), and a little for its start and end.
pub(crate) const AFTERWARDS: Duration = Duration::from_secs(65);
/// Pause before an engine that does not answer is asked again.
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How often secrets are sent where the engine does not take them.
const SENT_TIMES: u32 = 5;

/// How a step's container is brought to an end from outside while it runs.
pub type Told = watch::Receiver<Option<Ending>>;

/// Says whether this worker still holds the job; asked before each create, start and end, and before a log is opened.
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
    /// What its launcher waits for.
    pub sent: Option<SecretString>,
    /// When its time began.
    pub began: Instant,
    /// Whether it had not ended when it was taken up.
    pub live: bool,
    /// The time it has.
    pub timeout: Duration,
    /// How it ends when that is over.
    pub too_long: Stop,
    /// How long what comes after its script may take once it was told to end.
    pub afterwards: Duration,
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
        let (output, received) = match made {
            // Ordered to end before it began, it does not begin.
            Made::Fresh(id) if self.told.borrow().is_some() => {
                // First the log, as below: a holder that has overtaken us would else miss a container that there was.
                self.still_held()?;
                drop(log);
                self.log.discard()?;
                self.engine.remove_unstarted(&id).await?;
                let ending = self.told.borrow().clone();
                return Ok(ending.unwrap_or(Ending::Lost));
            }
            Made::Fresh(id) => match self.start(&id).await {
                // Somebody has removed it.
                Err(StepError::Engine(error)) if error.is_absent() => return Ok(Ending::Lost),
                started => (started?, Some(Received::default())),
            },
            Made::Before => {
                if !self.live {
                    // It ended while nobody watched, in time or not: only its log is left to be taken in.
                    deadline = Instant::now() + self.timeout;
                }
                (self.engine.logs(&self.spec.name), None)
            }
        };
        // A former holder may have died before it had sent all of it; whoever has all of it reads no more.
        let _sending = self.live.then(|| self.sent.take()).flatten().map(|text| self.send(text));
        self.follow(log, output, received, deadline).await
    }

    fn send(&self, text: SecretString) -> AbortOnDropHandle<()> {
        let (engine, name) = (self.engine.clone(), self.spec.name.clone());
        AbortOnDropHandle::new(tokio::spawn(async move {
            for _ in 0..SENT_TIMES {
                match engine.send(&name, &text).await {
                    Ok(()) => return,
                    Err(error) => tracing::warn!(container = name, %error, "secrets were not sent"),
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
        }))
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
                Some(status) if status.phase != Phase::Created => return Ok(Some(Made::Before)),
                None if self.log.is_there() => return Ok(None),
                Some(unstarted) => {
                    self.still_held()?;
                    // First the log, which says that there was a container to be lost.
                    self.log.discard()?;
                    self.engine.remove_unstarted(&unstarted.id).await?;
                }
                // It was never started, and removed by a maker who was too late. Or it ran, and another has ended its step and removed
                // it since: whoever takes the job up again looks for that end. Or its name is given free only now.
                None => {
                    tokio::time::sleep(ASK_AGAIN).await;
                    return Err(StepError::NotMine);
                }
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
        self.engine.start(id).await.map_err(|error| StepError::of_start(error, &self.spec.image))?;
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
}

enum Made {
    /// By us, with this id, and not started yet.
    Fresh(String),
    /// By a former holder, who started it.
    Before,
}
