//! Asks an application for a page, and waits until it is up.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use ureq::Agent;

use crate::{
    listening,
    stage::{Failure, Stage, one_line},
};

/// Time between two questions.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest time for one answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long an application that was up may give no answer at all: a virtual machine on a busy host takes seconds to end.
const SILENCE: Duration = Duration::from_secs(15);
/// So much of an answer is read, in bytes.
const MAX_BODY: u64 = 64 * 1024;
/// Longest time to wait that can be asked for, in seconds.
const MAX_STARTUP: u64 = 3600;

/// An application under test.
pub(crate) struct Target {
    agent: Agent,
    /// Its address, without a `/` at the end.
    pub(crate) url: String,
    health: String,
    startup: Duration,
}

/// What was answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    body: String,
}

impl Target {
    /// The application that the worker started beside this stage.
    pub(crate) fn of(stage: &Stage) -> Result<Self, Failure> {
        let url = stage.required("TARGET_URL")?.trim_end_matches('/').to_owned();
        let startup = stage.number("TARGET_STARTUP_SECONDS", 60, 1..=MAX_STARTUP)?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_resolve(Some(Duration::from_secs(2)))
            .timeout_connect(Some(Duration::from_secs(2)))
            .timeout_global(Some(ANSWER))
            .build();
        let health = stage.variable("TARGET_HEALTH").unwrap_or("/").to_owned();
        Ok(Self { agent: config.into(), url, health, startup: Duration::from_secs(startup) })
    }

    /// One question. An error is the reason why there was no answer.
    pub(crate) fn get(&self, path: &str) -> Result<Answer, String> {
        let mut response = self.agent.get(format!("{}{path}", self.url)).call().map_err(|error| error.to_string())?;
        let body = response.body_mut().with_config().limit(MAX_BODY).lossy_utf8(true).read_to_string();
        Ok(Answer { status: response.status().as_u16(), body: body.unwrap_or_default() })
    }

    /// As [`Self::get`], again and again as long as there is no answer at all. An application that is about to end lets go of
    /// its connections first, and its end says more than a broken connection: then the worker ends this program.
    pub(crate) fn answer(&self, path: &str) -> Result<Answer, String> {
        let started = Instant::now();
        loop {
            match self.get(path) {
                Err(error) if started.elapsed() >= SILENCE => return Err(error),
                Err(_) => thread::sleep(PAUSE),
                answered => return answered,
            }
        }
    }

    /// Asks until the application says that it is up; says what was seen, and after how long.
    ///
    /// An application without a health endpoint, or one that asks who wants to know, is up when `/` answers.
    ///
    /// # Errors
    /// It was not up in time: the project's failure, with what was seen last.
    pub(crate) fn wait(&self, stage: &mut Stage) -> Result<String, Failure> {
        let started = Instant::now();
        loop {
            let seen = match self.look() {
                Ok((seen, warning)) => {
                    if let Some(warning) = warning {
                        stage.warn(warning);
                    }
                    let seconds = started.elapsed().as_secs_f64();
                    stage.detail("startup_seconds", (seconds * 10.0).round() / 10.0);
                    return Ok(format!("{seen} after {seconds:.1} s"));
                }
                Err(seen) => seen,
            };
            if started.elapsed() >= self.startup {
                let waited = self.startup.as_secs();
                let elsewhere = listening::told(&self.url).map(|told| format!("; {told}")).unwrap_or_default();
                return Err(Failure::Project(format!(
                    "the application was not up within {waited} s; last seen: {seen}{elsewhere}"
                )));
            }
            thread::sleep(PAUSE);
        }
    }

    /// What shows that it is up, with a warning if that is little; or what was seen instead.
    fn look(&self) -> Result<(String, Option<String>), String> {
        let asked = format!("GET {}{}", self.url, self.health);
        let answer = self.get(&self.health).map_err(|error| format!("{asked}: {error}"))?;
        let seen = format!("{asked} answered {}", answer.told());
        match answer.status {
            200..=299 if answer.says_up() => Ok((seen, None)),
            // No path that speaks of its health is known: an application that has no page at its root is up all the same.
            300..=499 if self.health == "/" => Ok((seen, None)),
            300..=399 | 401 | 403 | 404 if self.health != "/" => {
                let root = self.get("/").map_err(|error| format!("{seen}; GET {}/: {error}", self.url))?;
                let both = format!("{seen}, GET / answered {}", root.status);
                let warning = format!(
                    "the health path {} answered {}, so nothing says that the application is healthy: add Spring Boot's \
                     actuator and let it be read",
                    self.health, answer.status
                );
                if root.status < 500 { Ok((both, Some(warning))) } else { Err(both) }
            }
            _ => Err(seen),
        }
    }
}

impl Answer {
    fn status_word(&self) -> Option<String> {
        let body: Value = serde_json::from_str(&self.body).ok()?;
        body["status"].as_str().map(|word| one_line(word, 40))
    }

    /// A health answer that names a status must name the good one.
    fn says_up(&self) -> bool {
        self.status_word().is_none_or(|word| word == "UP")
    }

    fn told(&self) -> String {
        self.status_word().map_or_else(|| self.status.to_string(), |word| format!("{} {word}", self.status))
    }
}
