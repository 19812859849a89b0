//! What a project tells others about its jobs: the events, the forms in which they are sent, and the facts that are told.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use pipelinex_findings::FindingCounts;
use serde::{Deserialize, Serialize};
use serde_json::{Value, to_value};

use crate::{
    execution::TestCounts,
    headline,
    id::JobId,
    state::{JobState, Reason},
    store::JobView,
};

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HookEvent {
    /// A worker began a job.
    Started,
    /// A job ended, in whatever way.
    Ended,
    /// Somebody tries a hook. No hook is set up for it.
    Test,
}

impl HookEvent {
    /// Those that a hook can be set up for.
    pub const OF_JOBS: [Self; 2] = [Self::Started, Self::Ended];

    /// The spelling in files, flags and headers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ended => "ended",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for HookEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is no event of jobs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hook is for `started`, `ended`, or both")]
pub struct UnknownEvent;

impl FromStr for HookEvent {
    type Err = UnknownEvent;

    fn from_str(text: &str) -> Result<Self, UnknownEvent> {
        Self::OF_JOBS.into_iter().find(|event| event.as_str() == text).ok_or(UnknownEvent)
    }
}

/// The form of what is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HookFormat {
    /// Our own JSON.
    #[default]
    Json,
    /// A message for Slack, and for what takes the same.
    Slack,
    /// A message for the webhook bridges of Matrix.
    Matrix,
    /// The state of a commit, at the API of GitHub.
    Github,
    /// The state of a commit, at the API of GitLab.
    Gitlab,
}

impl HookFormat {
    /// Every form.
    pub const ALL: [Self; 5] = [Self::Json, Self::Slack, Self::Matrix, Self::Github, Self::Gitlab];

    /// Whether it is the state of a commit, at the API of its host.
    pub fn is_status(self) -> bool {
        matches!(self, Self::Github | Self::Gitlab)
    }

    /// The spelling in files and flags.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Slack => "slack",
            Self::Matrix => "matrix",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
        }
    }
}

impl fmt::Display for HookFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is no form of a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hook sends `json`, `slack` or `matrix`, or is the state of a commit at `github` or `gitlab`")]
pub struct UnknownFormat;

impl FromStr for HookFormat {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.as_str() == text).ok_or(UnknownFormat)
    }
}

/// Host and path of a repository, as the same for each way to write its address.
pub fn repository_key(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default().to_ascii_lowercase();
    format!("{host}/{}", repository_path(url))
}

/// The path of a repository alone: `owner/name`.
pub fn repository_path(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.split_once('/').map_or("", |(_, path)| path).trim_matches('/');
    path.strip_suffix(".git").unwrap_or(path).to_owned()
}

/// What is told of a job. Written down when the event is found, so that it can be sent after the job was removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobFacts {
    /// The job.
    pub job_id: JobId,
    /// Its number among the runs of the same project and pipeline.
    pub run_number: u64,
    /// The pipeline.
    pub pipeline: String,
    /// What the job is in.
    pub state: JobState,
    /// Why it is FAILED or CANCELED.
    pub reason: Option<Reason>,
    /// What became of it, as `outcome` of the API's headline.
    pub outcome: Value,
    /// The same as one sentence.
    pub headline: String,
    /// The branch, as client or clone says.
    pub branch: Option<String>,
    /// The commit, as client or clone says.
    pub commit: Option<String>,
    /// The repository of a clone, without credentials.
    pub repository: Option<String>,
    /// What scanners found.
    pub findings: FindingCounts,
    /// What tests came to, where any were counted.
    pub tests: Option<TestCounts>,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When a worker began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl JobFacts {
    /// The facts of a job as it stands.
    pub fn of(view: &JobView) -> Self {
        let (metadata, execution) = (&view.metadata, &view.execution);
        let headline = headline::of(execution);
        Self {
            job_id: metadata.job_id,
            run_number: metadata.run_number,
            pipeline: metadata.pipeline_name.clone(),
            state: execution.state,
            reason: execution.reason,
            outcome: to_value(headline.outcome).unwrap_or_default(),
            headline: headline.sentence(),
            branch: metadata.branch.clone(),
            commit: metadata.commit.clone(),
            repository: metadata.source.git.as_ref().map(|git| git.url.clone()),
            findings: headline::findings(&execution.stages),
            tests: headline::tests(&execution.stages),
            created_at: metadata.created_at,
            started_at: execution.started_at,
            finished_at: execution.finished_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_the_same_however_its_address_is_written() {
        let key = repository_key("https://git.example/team/app");
        assert_eq!(key, "git.example/team/app");
        for same in ["https://GIT.example/team/app.git", "https://git.example/team/app/"] {
            assert_eq!(repository_key(same), key, "{same}");
        }
        for other in ["https://git.example/team/App", "https://git.example/team/app2", "https://else.example/team/app"]
        {
            assert_ne!(repository_key(other), key, "{other}");
        }
        assert_eq!(repository_path("https://git.example/a/b/c.git"), "a/b/c");
        for format in HookFormat::ALL {
            assert_eq!(format.as_str().parse(), Ok(format));
        }
    }
}
