//! What runs beside a step: the application where it has a target, the database that a job may ask for, and the services of a project's
//! own step. All are started before the step's own container. Application and database are watched as long as that runs: when one of
//! them ends first, the checks were not over. A service may end when it likes, as in GitLab; where its step fails, that is told.

pub mod containers;
mod log;
pub mod own;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use pipelinex_common::{
    database::DatabaseKind,
    disk::{self, DiskError},
    state::Reason,
};

use crate::{
    engine::{ContainerStatus, Engine, EngineError, Phase},
    spec::ContainerSpec,
    step::{ASK_AGAIN, Ending, Holds, StepError, Stop, ended_or_lost},
};

/// The name of the application's log among the reports of the step.
pub const APPLICATION_LOG: &str = "app.log";

/// Whether this is the name of a log of what runs beside a step.
pub fn is_log(name: &str) -> bool {
    let of_service = name.starts_with("service-") && name.ends_with(".log");
    let of_database = |kind: DatabaseKind| name.strip_suffix(".log") == Some(kind.alias());
    of_service || name == APPLICATION_LOG || DatabaseKind::ALL.into_iter().any(of_database)
}

/// Seconds they have between TERM and KILL. Nothing of them is kept but what they have printed.
const GRACE: Duration = Duration::from_secs(5);
/// How long a database may take until it answers: an empty PostgreSQL, the slowest of them, was seen to take 3 seconds on a busy machine of two
/// cores.
const DATABASE_READY: Duration = Duration::from_secs(60);
/// How long after checks failed an application that ends counts as their cause: one that gives up lets go of its connections
/// first, and its virtual machine then takes a second or two to end.
const NOTICED: Duration = Duration::from_secs(3);
/// Pause between two looks at one of them that is about to be ready, or to end.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What one of them is to the step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// A database that the job asks for.
    Database(DatabaseKind),
    /// The application under test.
    Application,
    /// A service of a project's own.
    Own {
        /// The name by which the step knows it.
        alias: String,
        /// The name of its log among the reports of the step.
        log: String,
    },
}

impl Role {
    fn what(&self) -> String {
        match self {
            Self::Database(DatabaseKind::Postgresql) => "database".to_owned(),
            Self::Database(kind) => format!("database {}", kind.alias()),
            Self::Application => "application".to_owned(),
            Self::Own { alias, .. } => format!("service {alias}"),
        }
    }

    fn log(&self) -> Cow<'_, str> {
        match self {
            Self::Database(kind) => format!("{}.log", kind.alias()).into(),
            Self::Application => APPLICATION_LOG.into(),
            Self::Own { log, .. } => log.into(),
        }
    }

    fn is_database(&self) -> bool {
        matches!(self, Self::Database(_))
    }
}

/// One container beside a step.
#[derive(Clone, Debug)]
pub struct Beside {
    /// What it is to the step.
    pub role: Role,
    /// What it looks like.
    pub spec: ContainerSpec,
}

impl Beside {
    /// Whether the step cannot go on without it.
    fn is_needed(&self) -> bool {
        !matches!(self.role, Role::Own { .. })
    }
}

/// The containers beside one step.
#[derive(Clone)]
pub struct Services {
    /// The engine.
    pub engine: Engine,
    /// In the order in which they are started: an application that loses its database ends a moment later.
    pub list: Vec<Beside>,
    /// Whether this worker still holds the job.
    pub holds: Holds,
    /// What is to be told of services, by alias.
    pub notes: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Services {
    /// The names of the containers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|beside| beside.spec.name.as_str())
    }

    /// The application, where the step has a target.
    pub fn application(&self) -> Option<&ContainerSpec> {
        self.list.iter().find(|beside| beside.role == Role::Application).map(|beside| &beside.spec)
    }

    fn needed(&self) -> impl Iterator<Item = &Beside> {
        self.list.iter().filter(|beside| beside.is_needed())
    }

    /// Starts all of them, and waits until the database and the services answer. `Some`: the step ends like this, and its own container
    /// is not made.
    ///
    /// # Errors
    /// [`StepError`].
    pub async fn start(&self) -> Result<Option<Ending>, StepError> {
        // A former holder that died before the step's own container was made may have left some: nobody watched those.
        for name in self.names() {
            self.still_held()?;
            self.engine.remove_container(name).await?;
        }
        for beside in &self.list {
            self.launch(&beside.spec).await?;
            if beside.role.is_database()
                && let Some(ending) = self.ready(beside).await?
            {
                return Ok(Some(ending));
            }
        }
        self.wait_for_own().await?;
        Ok(None)
    }

    async fn launch(&self, spec: &ContainerSpec) -> Result<(), StepError> {
        self.still_held()?;
        let made = match self.engine.create(spec).await {
            Err(error) if error.is_missing_image() => {
                let cause = "it was removed while the job ran".to_owned();
                return Err(StepError::NoImage { image: spec.image.clone(), cause });
            }
            made => made?,
        };
        // One of that name is another holder's, who was a moment quicker: this step begins anew, with that one removed.
        let Some(id) = made else { return Err(StepError::NotMine) };
        if let Err(overtaken) = self.still_held() {
            // Made too late, as a step's own container may be.
            self.engine.remove_unstarted(&id).await?;
            return Err(overtaken);
        }
        self.engine.start(&id).await.map_err(|error| StepError::of_start(error, &spec.image))
    }

    fn still_held(&self) -> Result<(), StepError> {
        if (self.holds)() { Ok(()) } else { Err(StepError::NotMine) }
    }

    /// Waits until a database answers.
    async fn ready(&self, Beside { role, spec }: &Beside) -> Result<Option<Ending>, StepError> {
        let name = &spec.name;
        let deadline = Instant::now() + DATABASE_READY;
        loop {
            match self.look(name).await? {
                Some(status) if status.phase == Phase::Ended => {
                    return Ok(Some(self.because_of(role, name, status).await));
                }
                Some(status) if status.healthy => return Ok(None),
                Some(_) if Instant::now() < deadline => tokio::time::sleep(LOOK_AGAIN).await,
                Some(_) => {
                    let seconds = DATABASE_READY.as_secs();
                    let last = log::last_words(&self.engine, name).await;
                    let message = format!("the {} did not answer within {seconds} seconds{last}", role.what());
                    return Ok(Some(Ending::Ended(Stop::new(Reason::ToolError, message))));
                }
                None => return Ok(Some(Ending::Lost)),
            }
        }
    }

    /// Waits until one that the step needs has ended or is gone, and says how the step ends because of that.
    ///
    /// # Errors
    /// [`StepError`].
    pub async fn watch(&self) -> Result<Ending, StepError> {
        loop {
            let waits: Vec<_> = self.needed().map(|it| Box::pin(self.engine.wait(&it.spec.name))).collect();
            if waits.is_empty() {
                return std::future::pending().await;
            }
            // Whatever woke us, the engine is asked: a broken connection says nothing about a container.
            futures::future::select_all(waits).await;
            if let Some(ending) = self.fallen(None).await? {
                return Ok(ending);
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// Looks again at how a step ended, now that its container has: one that ended after the application did has not checked
    /// anything to its end, whatever its own code says. `live`: nobody has ended the application yet but itself.
    ///
    /// # Errors
    /// [`StepError`].
    pub async fn judge(&self, ending: Ending, live: bool) -> Result<Ending, StepError> {
        let Ending::Exited(status) = &ending else { return Ok(ending) };
        if self.needed().next().is_none() {
            return Ok(ending);
        }
        let mut fallen = self.fallen(status.finished_at).await?;
        if fallen.is_none() && live && status.exit_code != 0 {
            let until = tokio::time::Instant::now() + NOTICED;
            while fallen.is_none() && tokio::time::Instant::now() < until {
                tokio::time::sleep(LOOK_AGAIN).await;
                fallen = self.fallen(None).await?;
            }
        }
        Ok(fallen.unwrap_or(ending))
    }

    /// How the step ends because one of them ended before that time; by the engine's clock, which both are measured with.
    async fn fallen(&self, before: Option<Timestamp>) -> Result<Option<Ending>, StepError> {
        let mut first: Option<(&Role, &str, ContainerStatus)> = None;
        for Beside { role, spec } in self.needed() {
            let Some(status) = self.look(&spec.name).await? else { return Ok(Some(Ending::Lost)) };
            let early = before.is_none_or(|before| status.finished_at.is_none_or(|at| at < before));
            let earlier = first.as_ref().is_none_or(|(_, _, other)| status.finished_at < other.finished_at);
            if status.phase == Phase::Ended && early && earlier {
                first = Some((role, &spec.name, status));
            }
        }
        match first {
            Some((role, name, status)) => Ok(Some(self.because_of(role, name, status).await)),
            None => Ok(None),
        }
    }

    /// How the step ends because this one of them did.
    async fn because_of(&self, role: &Role, name: &str, status: ContainerStatus) -> Ending {
        match ended_or_lost(&self.engine, name, status, false).await {
            Ending::Exited(status) => Ending::Ended(end_of(role, &status, &log::last_words(&self.engine, name).await)),
            other => other,
        }
    }

    /// What the engine says of one of them, asked until it answers.
    async fn look(&self, name: &str) -> Result<Option<ContainerStatus>, EngineError> {
        loop {
            match self.engine.inspect(name).await {
                Err(error) if error.is_unreachable() => {
                    tracing::warn!(container = name, %error, "asking again");
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                answer => return answer,
            }
        }
    }

    /// Ends them, all at once.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn end(&self, grace: Duration) -> Result<(), EngineError> {
        let stops = self.names().map(|name| self.engine.stop(name, grace));
        futures::future::join_all(stops).await.into_iter().collect()
    }

    /// Ends them, and keeps at most `bytes` of what each has printed in `folder`. `failed`: the step did, so that it is noted which
    /// services had ended before.
    ///
    /// # Errors
    /// [`StepError`].
    pub async fn close(&self, folder: &Path, bytes: u64, failed: bool) -> Result<(), StepError> {
        disk::make_dir(folder.parent().unwrap_or(folder), 0o2750)?;
        let _ = std::fs::remove_dir_all(folder);
        disk::make_dir(folder, 0o2750)?;
        if failed {
            self.look_at_own().await?;
        }
        self.end(GRACE).await?;
        for Beside { role, spec } in &self.list {
            log::keep(self.engine.past_logs(&spec.name, None), &folder.join(role.log().as_ref()), bytes).await?;
        }
        Ok(())
    }
}

/// What is said of an application that ends without a fault: most of them were never meant to stay.
const RAN_TO_ITS_END: &str = ". What is checked has to stay and to listen at $PORT: leave both stages out for a program that only runs \
    to its end (--skip smoke-test,dast)";

/// Why a step ends because the application or the database did.
fn end_of(role: &Role, status: &ContainerStatus, last_words: &str) -> Stop {
    let (what, ours) = (role.what(), role.is_database());
    let code = status.exit_code;
    if !status.error.is_empty() {
        return Stop::new(Reason::EngineError, format!("the {what} could not be run: {}", status.error));
    }
    if status.oom_killed {
        let reason = if ours { Reason::ToolError } else { Reason::Oom };
        let message = format!("the {what} needed more memory than it may have and ended with code {code}{last_words}");
        return Stop::new(reason, message);
    }
    let reason = if ours { Reason::ToolError } else { Reason::ScriptFailure };
    let hint = if *role == Role::Application && code == 0 { RAN_TO_ITS_END } else { "" };
    Stop::new(reason, format!("the {what} ended with code {code} before the checks were over{last_words}{hint}"))
}

/// What a missing folder or a full disk is to a step.
pub(crate) fn io(action: &'static str, path: &Path, error: std::io::Error) -> StepError {
    DiskError::io(action, path)(error).into()
}
