//! One connection to Redis, owned by one task: opens it, notices when it is gone, says so, and paces the next attempt.

use std::{sync::Arc, time::Duration};

use redis::{AsyncConnectionConfig, ErrorKind, FromRedisValue, Pipeline, RedisError, aio::MultiplexedConnection, pipe};
use tokio::time::timeout;

use super::{Backoff, MOST_WAITING, RedisConfig, health::Reporter};

/// How long Redis may think about a command, or about a login: far above what a slow one needs, so that slowness is never
/// taken for death.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// An idle connection is asked this often whether it still works.
pub(super) const IDLE_CHECK: Duration = Duration::from_secs(5);

/// Why a command failed.
struct Trouble {
    sentence: String,
    kind: TroubleKind,
}

enum TroubleKind {
    /// The connection broke or could not be made; another one may work.
    Connection,
    /// Something that is not a list lies under our key.
    WrongType,
    /// Redis did not answer in time.
    Silence,
    /// Redis answered with another error.
    Refusal,
}

pub(super) struct Link {
    pub(super) config: RedisConfig,
    pub(super) reporter: Arc<Reporter>,
    pub(super) backoff: Backoff,
    connection: Option<MultiplexedConnection>,
    /// What Redis calls our connection, if it may tell us.
    client_id: Option<u64>,
    /// The last real command was refused: that a connection can be made again proves nothing, only a real command does.
    refused: bool,
}

impl Link {
    pub(super) fn new(config: RedisConfig, reporter: Arc<Reporter>) -> Self {
        Self { config, reporter, backoff: Backoff::default(), connection: None, client_id: None, refused: false }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Connects if needed, and asks Redis for something that needs the same rights and the same health as a bell.
    pub(super) async fn check(&mut self) -> Result<(), String> {
        let outcome = self.attempt::<()>(&self.probe(), ANSWER_LIMIT).await;
        if outcome.is_ok() && !self.refused {
            self.backoff.reset();
            self.reporter.up();
        }
        self.conclude(outcome)
    }

    /// Runs commands, connecting first if needed. An error is reported, closes the connection, and is a sentence.
    pub(super) async fn run<T: FromRedisValue>(&mut self, commands: &Pipeline, limit: Duration) -> Result<T, String> {
        let outcome = self.attempt(commands, limit).await;
        match &outcome {
            Ok(_) => {
                self.refused = false;
                self.backoff.reset();
                self.reporter.up();
            }
            Err(trouble) => self.refused = matches!(trouble.kind, TroubleKind::WrongType | TroubleKind::Refusal),
        }
        self.conclude(outcome)
    }

    /// Waits before the next attempt.
    pub(super) async fn rest(&mut self) {
        tokio::time::sleep(self.backoff.next_wait()).await;
    }

    /// Makes Redis answer at once what it holds open for this connection; over another one, since this one waits.
    pub(super) fn unblock(&self) -> impl Future<Output = ()> + use<> {
        let (client, client_id) = (self.config.client.clone(), self.client_id);
        async move {
            if let (Some(id), Ok(mut other)) = (client_id, client.get_multiplexed_async_connection().await) {
                // If it fails, the question ends by itself some seconds later.
                let _ = redis::cmd("CLIENT").arg("UNBLOCK").arg(id).exec_async(&mut other).await;
            }
        }
    }

    fn conclude<T>(&mut self, outcome: Result<T, Trouble>) -> Result<T, String> {
        outcome.map_err(|trouble| {
            self.connection = None;
            self.reporter.down(&trouble.sentence);
            trouble.sentence
        })
    }

    /// Two of the failures are cured here and now: a connection that broke while nobody looked, and a wrong type.
    async fn attempt<T: FromRedisValue>(&mut self, commands: &Pipeline, limit: Duration) -> Result<T, Trouble> {
        let was_connected = self.connection.is_some();
        match self.ask(commands, limit).await {
            Err(Trouble { kind: TroubleKind::Connection, sentence }) if was_connected => {
                self.reporter.down(&sentence);
                self.connection = None;
            }
            Err(Trouble { kind: TroubleKind::WrongType, .. }) => {
                self.reporter.reject("the key of the queue held something that is not a list");
                self.ask::<()>(pipe().cmd("UNLINK").arg(&self.config.key).ignore(), ANSWER_LIMIT).await?;
            }
            other => return other,
        }
        self.ask(commands, limit).await
    }

    async fn ask<T: FromRedisValue>(&mut self, commands: &Pipeline, limit: Duration) -> Result<T, Trouble> {
        let mut connection = match &self.connection {
            Some(connection) => connection.clone(),
            None => self.connect().await?,
        };
        match timeout(limit, commands.query_async(&mut connection)).await {
            Ok(answer) => answer.map_err(|error| self.trouble(&error)),
            Err(_) => Err(self.silence(limit)),
        }
    }

    async fn connect(&mut self) -> Result<MultiplexedConnection, Trouble> {
        // The limits are kept here, around each command: the library's own would cut off a command that waits on purpose.
        let options = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connecting = self.config.client.get_multiplexed_async_connection_with_config(&options);
        let mut connection = match timeout(ANSWER_LIMIT, connecting).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(self.trouble(&error)),
            Err(_) => return Err(self.silence(ANSWER_LIMIT)),
        };
        // Each question has its own time: a Redis that takes seconds for an answer takes them for each.
        let name = redis::cmd("CLIENT").arg("ID").to_owned();
        self.client_id = match timeout(ANSWER_LIMIT, name.query_async(&mut connection)).await {
            Ok(answer) => answer.ok(),
            Err(_) => return Err(self.silence(ANSWER_LIMIT)),
        };
        Ok(self.connection.insert(connection).clone())
    }

    /// Trims the list: a write to our key, so it fails where a bell would (login, rights, read-only, full disk).
    fn probe(&self) -> Pipeline {
        let mut probe = pipe();
        probe.cmd("LTRIM").arg(&self.config.key).arg(0).arg(MOST_WAITING - 1).ignore();
        probe
    }

    fn silence(&self, limit: Duration) -> Trouble {
        let sentence = format!("Redis at {} did not answer within {} s", self.config.address, limit.as_secs());
        Trouble { sentence, kind: TroubleKind::Silence }
    }

    fn trouble(&self, error: &RedisError) -> Trouble {
        let address = &self.config.address;
        let said = self.config.redact(&error.to_string());
        let kind = match error.kind() {
            ErrorKind::Io => TroubleKind::Connection,
            _ if said.contains("WRONGTYPE") => TroubleKind::WrongType,
            _ => TroubleKind::Refusal,
        };
        let sentence = match error.kind() {
            ErrorKind::AuthenticationFailed => {
                format!("Redis at {address} refused the login: check user name and password in the Redis URL")
            }
            _ if said.contains("NOAUTH") => {
                format!(
                    "Redis at {address} wants a login: put it into the Redis URL, as redis://user:password@host:port"
                )
            }
            ErrorKind::Io => format!("Redis at {address} cannot be reached: {said}"),
            _ => format!("Redis at {address} refused: {said}"),
        };
        Trouble { sentence, kind }
    }
}
