//! The resolved pipeline: what a job carries in its metadata and what the worker runs. Defaults, templates and anchors
//! are gone from it; every name in it exists.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use super::{
    cache::{Cache, CacheKey, CachePolicy},
    retry::{Retry, RetryOn},
    service::Service,
};
use crate::{database::DatabaseVariables, findings::code_coverage::CoverageFormat, slug::Slug, stage::Switch};

/// A pipeline, ready to be planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pipeline {
    /// The stages in their order.
    pub stages: Vec<String>,
    /// The steps in the order of the file.
    pub steps: Vec<Step>,
}

/// The unit that runs in one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The name as it is written in the file.
    pub name: String,
    /// The name for paths, containers and URLs; unique in the pipeline.
    pub slug: Slug,
    /// One of the pipeline's stages.
    pub stage: String,
    /// A name from the operator's image table, or a full image reference.
    pub image: String,
    /// What runs beside it, on a network of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Service>,
    /// The commands; never empty.
    pub script: Vec<String>,
    /// Commands that run before `script`, in the same shell.
    pub before_script: Vec<String>,
    /// Commands that run afterwards in a shell of their own, whatever became of `script`.
    pub after_script: Vec<String>,
    /// Environment: the pipeline's and the step's own.
    pub variables: BTreeMap<String, String>,
    /// The steps that have to end first; `None`: all of the earlier stages.
    pub needs: Option<Vec<Need>>,
    /// The steps whose artifacts it gets; `None`: those of `needs` that hand theirs on, or of all earlier stages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependencies: Option<Vec<String>>,
    /// Under which condition it runs.
    pub when: When,
    /// What whoever starts it by hand is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manual_confirmation: Option<String>,
    /// How long it waits once it could run, in seconds, with `when: delayed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_in_seconds: Option<u64>,
    /// Of all steps of the project that name the same, one runs at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_group: Option<String>,
    /// Where its log says how many lines of code its tests reached: a regular expression between slashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<String>,
    /// Whether the job may end for a newer one of its branch though this step has begun.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interruptible: bool,
    /// Which failures do not fail the job.
    pub allow_failure: AllowFailure,
    /// Wall-clock limit in seconds; `None`: the operator's.
    pub timeout_seconds: Option<u64>,
    /// After which failures it is tried again; `None`: after none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What is collected from its tree.
    pub artifacts: Artifacts,
    /// What of it is kept for the steps of later jobs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<Cache>,
    /// Whether it runs project code.
    pub kind: StepKind,
    /// What it can reach.
    pub network: Network,
    /// The name of the step whose tree it shares (its own name where it is the owner); `None`: its own tree.
    pub tree: Option<String>,
    /// The request switch that selects it; `None`: selected unless a request turns its stage off.
    pub switch: Option<Switch>,
    /// Memory in bytes; `None`: the operator's limit, which it may lower and not raise.
    pub memory_bytes: Option<u64>,
    /// CPU time in thousandths of a core; `None`: the operator's limit.
    pub milli_cpus: Option<u64>,
    /// Processes and threads; `None`: the operator's limit.
    pub pids: Option<u64>,
    /// Reports with findings that it writes into its report folder.
    pub findings: Vec<FindingsReport>,
    /// Whether it reads the operator's database of advisories; without one it does not run.
    pub advisories: bool,
    /// Whether the database that a job may ask for runs beside it, though it has no target, and the variables that tell it of that;
    /// `$PGHOST` and the like in them stand for the database's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseVariables>,
    /// The application that runs beside it.
    pub target: Option<Target>,
}

impl Step {
    /// The name of the step whose tree this one works in.
    pub fn tree_owner(&self) -> &str {
        self.tree.as_deref().unwrap_or(&self.name)
    }

    /// The switch that turns it on or off: its own, or that of its stage.
    pub fn selector(&self) -> Switch {
        self.switch.clone().unwrap_or_else(|| Switch::of_stage(&self.stage))
    }
}

/// A step that has to end first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// The written name of the step.
    pub step: String,
    /// Whether it may be missing from the run.
    pub optional: bool,
    /// Whether its artifacts are laid into the tree.
    pub artifacts: bool,
}

/// Under which condition a step runs, once what it needs has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Everything needed succeeded, or failed and was allowed to.
    #[default]
    OnSuccess,
    /// Something needed failed.
    OnFailure,
    /// In any case.
    Always,
    /// Everything needed succeeded, and somebody starts it by hand.
    Manual,
    /// Everything needed succeeded, and its time has come.
    Delayed,
}

/// Which failures of a step count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AllowFailure {
    /// All.
    #[default]
    No,
    /// None.
    Yes,
    /// All but those with one of these exit codes.
    ExitCodes(Vec<i64>),
}

impl AllowFailure {
    /// Whether a failure with this exit code is allowed.
    pub fn allows(&self, exit_code: Option<i64>) -> bool {
        match self {
            AllowFailure::No => false,
            AllowFailure::Yes => true,
            AllowFailure::ExitCodes(codes) => exit_code.is_some_and(|code| codes.contains(&code)),
        }
    }
}

/// What is collected from a step's tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifacts {
    /// Globs of files and folders, relative to the project.
    pub paths: Vec<String>,
    /// Globs of what is left out.
    pub exclude: Vec<String>,
    /// After which ends of the step.
    pub when: ArtifactsWhen,
    /// Globs of JUnit XML reports.
    pub junit: Vec<String>,
    /// Globs of files with variables for the steps that get its artifacts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dotenv: Vec<String>,
    /// The report that says how many lines of code its tests reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<CoverageReport>,
    /// Reports with findings of the project's own tools.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FoundReports>,
}

/// Reports with findings, in one format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundReports {
    /// In which format.
    pub format: FindingsFormat,
    /// Globs, relative to the project.
    pub paths: Vec<String>,
}

/// A report of code coverage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageReport {
    /// In which format.
    pub format: CoverageFormat,
    /// A glob, relative to the project.
    pub path: String,
}

/// After which ends of a step its artifacts are collected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactsWhen {
    /// Success.
    #[default]
    OnSuccess,
    /// Failure.
    OnFailure,
    /// Any.
    Always,
}

/// Whether a step runs project code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// It works in a tree above the source.
    #[default]
    Normal,
    /// It only looks: the source is mounted read-only and no project code runs.
    Scan,
}

/// What a step can reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing.
    #[default]
    None,
    /// The outside, over a bridge of the job's own.
    Egress,
    /// The other containers of the job.
    Internal,
}

/// The application under test: it runs in a container of its own on the job's internal network, for as long as the step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The written name of the step whose artifacts it is made of; one of the step's needs.
    pub artifact_of: String,
    /// A name from the operator's image table, or a full image reference; `None`: that of the step `artifact_of`.
    pub image: Option<String>,
    /// What starts it, for a shell; it runs in the folder of the artifacts.
    pub command: String,
    /// The TCP port it listens on.
    pub port: u16,
    /// Path of the request that is answered with a 2xx once it is up.
    pub health: String,
    /// Its name on the job's internal network.
    pub alias: String,
    /// Seconds it has until it is up.
    pub startup_seconds: u64,
    /// Which of the artifacts shows that there is something to start; without one like it the step is not applicable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<String>,
    /// Variables that tell it of its database, where it has one; `$PGHOST` and the like in them stand for the database's.
    #[serde(default)]
    pub database: DatabaseVariables,
}

/// A report with findings, as a step writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingsReport {
    /// How to read it.
    pub format: FindingsFormat,
    /// Its path in the step's report folder.
    pub path: String,
}

/// The format of a report with findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingsFormat {
    /// SARIF 2.1.0.
    Sarif,
    /// The JSON of osv-scanner 2.
    Osv,
    /// The JSON of wapiti 3.
    Wapiti,
    /// GitLab's security reports.
    Gitlab,
    /// GitLab's Code Quality reports.
    CodeQuality,
}
