//! Containers: made, started, followed, asked about, ended and removed.

use std::time::Duration;

use bollard::{
    container::{AttachContainerResults, LogOutput},
    errors::Error,
    models::{ContainerCreateBody, ContainerStateStatusEnum, HealthStatusEnum},
    query_parameters as q,
};
use futures::StreamExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::{io::AsyncWriteExt, time::timeout};

use super::{Engine, EngineError, TRIES, TRY_AGAIN, convert, insist};
use crate::spec::ContainerSpec;

/// Pause between two looks at a container that is being removed,
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// and how long it is waited for.
const REMOVED_WITHIN: Duration = Duration::from_secs(20);

/// How long an engine may take to say that it has passed on what a container is sent.
const PASSED_ON_WITHIN: Duration = Duration::from_secs(2);

/// What the engine says of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerStatus {
    /// Its id, given once.
    pub id: String,
    /// Where it stands.
    pub phase: Phase,
    /// The code it ended with.
    pub exit_code: i64,
    /// Whether the kernel ended a process of it for want of memory.
    pub oom_killed: bool,
    /// What the engine has to say about a start that failed.
    pub error: String,
    /// When it was started, by the engine's clock.
    pub started_at: Option<jiff::Timestamp>,
    /// When it ended, by the same clock; `None` while it runs.
    pub finished_at: Option<jiff::Timestamp>,
    /// Whether its own health check was answered well the last time.
    pub healthy: bool,
    /// The id of its image.
    pub image_id: Option<String>,
}

impl ContainerStatus {
    /// That of a container which ended with code 0.
    pub fn success() -> Self {
        Self {
            id: String::new(),
            phase: Phase::Ended,
            exit_code: 0,
            oom_killed: false,
            error: String::new(),
            started_at: None,
            finished_at: None,
            healthy: false,
            image_id: None,
        }
    }

    /// How long ago it was started, by the clock on the wall: a successor goes on counting where the one before it was.
    pub fn ran_for(&self) -> Duration {
        let started = self.started_at.map(|at| jiff::Timestamp::now().duration_since(at));
        started.and_then(|ago| Duration::try_from(ago).ok()).unwrap_or_default()
    }
}

/// Where a container stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Made, never started.
    Created,
    /// Running, paused by somebody, or being removed by somebody.
    Running,
    /// Ended.
    Ended,
}

/// What a container prints, in the order in which it prints it.
pub type Output = futures::stream::BoxStream<'static, Result<bytes::Bytes, EngineError>>;

impl Engine {
    /// Makes a container and returns its id; `None` when one of that name is there already.
    ///
    /// # Errors
    /// [`EngineError`]; [`EngineError::is_missing_image`] when the image is not there.
    pub async fn create(&self, spec: &ContainerSpec) -> Result<Option<String>, EngineError> {
        self.create_as(&spec.name, convert::container(spec)).await
    }

    /// Makes a container that only removes files. Returns as [`Self::create`] does.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn create_cleaner(&self, spec: &ContainerSpec) -> Result<Option<String>, EngineError> {
        self.create_as(&spec.name, convert::cleaner(spec)).await
    }

    async fn create_as(&self, name: &str, body: ContainerCreateBody) -> Result<Option<String>, EngineError> {
        let options = q::CreateContainerOptionsBuilder::default().name(name).build();
        match insist(|| self.docker.create_container(Some(options.clone()), body.clone())).await {
            Ok(made) => Ok(Some(made.id)),
            Err(error) => error.or_there_already().map(|()| None),
        }
    }

    /// Attaches to a container that has not started, so that no byte is missed.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn attach(&self, name: &str) -> Result<Output, EngineError> {
        let options = q::AttachContainerOptionsBuilder::default().stream(true).stdout(true).stderr(true).build();
        let AttachContainerResults { output, input } =
            insist(|| self.docker.attach_container(name, Some(options.clone()))).await?;
        // The writing half is kept as long as the reading one: they are one connection.
        Ok(output.map(move |item| (&input, item).1).map(bytes_of).boxed())
    }

    /// Sends a text to the standard input of a container that runs, which stays open.
    ///
    /// # Errors
    /// [`EngineError`]; a part of it may have been sent.
    pub async fn send(&self, name: &str, text: &SecretString) -> Result<(), EngineError> {
        let options = q::AttachContainerOptionsBuilder::default().stream(true).stdin(true).build();
        let AttachContainerResults { mut output, mut input } =
            insist(|| self.docker.attach_container(name, Some(options.clone()))).await?;
        let send = async {
            input.write_all(text.expose_secret().as_bytes()).await?;
            input.flush().await?;
            input.shutdown().await
        };
        send.await.map_err(|source| EngineError::from(Error::IOError { err: source }))?;
        // The engine closes its side once it has passed everything on.
        let _ = timeout(PASSED_ON_WITHIN, async { while output.next().await.is_some() {} }).await;
        Ok(())
    }

    /// What a container has printed since its start, and goes on to print.
    pub fn logs(&self, name: &str) -> Output {
        self.log(name, true, "all")
    }

    /// What a container has printed until now, as far as the engine has kept it; `lines`: only so many of the last.
    pub fn past_logs(&self, name: &str, lines: Option<u32>) -> Output {
        self.log(name, false, &lines.map_or_else(|| "all".to_owned(), |lines| lines.to_string()))
    }

    fn log(&self, name: &str, follow: bool, tail: &str) -> Output {
        let options = q::LogsOptionsBuilder::default().follow(follow).stdout(true).stderr(true).tail(tail).build();
        self.docker.logs(name, Some(options)).map(bytes_of).boxed()
    }

    /// Starts a container; one that runs already is fine. Asked again after a failure of the engine only as long as it was never
    /// started: an engine starts one that has ended once more, without a word.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn start(&self, name: &str) -> Result<(), EngineError> {
        let mut tried = 1;
        loop {
            match self.docker.start_container(name, None).await.map_err(EngineError::from) {
                // runc's words for a limit that the engine itself may not raise: asking again does not help.
                Err(EngineError::Answered { status: 500.., message })
                    if tried < TRIES && !message.contains("setting rlimit") =>
                {
                    tracing::warn!(message, tried, "the container engine failed to start a container; asking again");
                    tokio::time::sleep(TRY_AGAIN).await;
                    if self.inspect(name).await?.is_some_and(|status| status.phase != Phase::Created) {
                        return Ok(());
                    }
                    tried += 1;
                }
                answer => return answer,
            }
        }
    }

    /// Waits until a started container does not run any more, or the connection breaks. How it ended, [`Self::inspect`] says.
    pub async fn wait(&self, name: &str) {
        let options = q::WaitContainerOptionsBuilder::default().condition("not-running").build();
        let _ = self.docker.wait_container(name, Some(options)).next().await;
    }

    /// What the engine says of a container; `None` when it says that there is none of that name.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn inspect(&self, name: &str) -> Result<Option<ContainerStatus>, EngineError> {
        let container = match self.docker.inspect_container(name, None).await {
            Ok(container) => container,
            Err(error) => return EngineError::from(error).or_absent().map(|()| None),
        };
        let state = container.state.unwrap_or_default();
        let phase = match state.status {
            Some(ContainerStateStatusEnum::CREATED) => Phase::Created,
            Some(ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::DEAD) => Phase::Ended,
            _ => Phase::Running,
        };
        Ok(Some(ContainerStatus {
            id: container.id.unwrap_or_default(),
            phase,
            exit_code: state.exit_code.unwrap_or(-1),
            oom_killed: state.oom_killed.unwrap_or(false),
            error: state.error.unwrap_or_default(),
            started_at: time(state.started_at),
            finished_at: time(state.finished_at).filter(|_| phase == Phase::Ended),
            healthy: state.health.is_some_and(|health| health.status == Some(HealthStatusEnum::HEALTHY)),
            image_id: container.image,
        }))
    }

    /// Asks a container to end, and ends it after `grace`. One that is gone or has ended is fine.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn stop(&self, name: &str, grace: Duration) -> Result<(), EngineError> {
        let options = q::StopContainerOptionsBuilder::default().t(grace.as_secs() as i32).build();
        match self.docker.stop_container(name, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) => EngineError::from(error).or_absent(),
        }
    }

    /// Removes a container that was never started; one that runs is left alone, and one that is gone is fine. One that was started
    /// and has ended since is removed as well: an engine makes no difference.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn remove_unstarted(&self, name: &str) -> Result<(), EngineError> {
        let options = q::RemoveContainerOptionsBuilder::default().force(false).v(true).build();
        match self.docker.remove_container(name, Some(options)).await.map_err(EngineError::from) {
            // The engine says no to a container that runs.
            Err(EngineError::Answered { status: 409, .. }) => Ok(()),
            Err(error) => error.or_absent(),
            Ok(()) => Ok(()),
        }
    }

    /// Removes a container, running or not, with its anonymous volumes. One that is gone is fine.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn remove_container(&self, name: &str) -> Result<(), EngineError> {
        let options = q::RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.docker.remove_container(name, Some(options)).await.map_err(EngineError::from) {
            Ok(()) => Ok(()),
            Err(error) if error.is_being_removed() => self.gone(name, error).await,
            Err(error) => error.or_absent(),
        }
    }

    /// Waits until a container is gone that somebody else removes; what it held is free only then.
    async fn gone(&self, name: &str, being_removed: EngineError) -> Result<(), EngineError> {
        let gone = async {
            while self.inspect(name).await?.is_some() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Ok(())
        };
        tokio::time::timeout(REMOVED_WITHIN, gone).await.unwrap_or(Err(being_removed))
    }
}

fn bytes_of(item: Result<LogOutput, Error>) -> Result<bytes::Bytes, EngineError> {
    item.map(LogOutput::into_bytes).map_err(EngineError::from)
}

/// A time as the engine writes it; what has not happened is in the year 1.
fn time(text: Option<String>) -> Option<jiff::Timestamp> {
    text?.parse::<jiff::Timestamp>().ok().filter(|at| *at > jiff::Timestamp::UNIX_EPOCH)
}
