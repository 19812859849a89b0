//! The calls of the API one by one: what a person says of each, and which type answers it.

use schemars::{Schema, SchemaGenerator};

use crate::{
    detection::Detected,
    routes::{
        artifacts::ArtifactsPage,
        cancel::{Canceling, SeedCanceling},
        execute::Executing,
        findings::FindingsPage,
        health::{Health, Readiness},
        incoming::Heard,
        job::JobPage,
        jobs::JobsPage,
        play::Playing,
        precheck::Precheck,
        projects::{ProjectPage, ProjectsPage},
        runs::{PipelineRun, RunStatus, StageStatus},
        status::StatusPage,
        test_cases::TestsPage,
        triage::Accepted,
        whoami::WhoAmI,
    },
};
use pipelinex_common::{metadata::Metadata, store::Decision};

/// The name of a schema's maker.
type Make = fn(&mut SchemaGenerator) -> Schema;

/// What is sent with a call.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    /// Nothing.
    None,
    /// A form with the project and what is asked for.
    Upload,
    /// The address of a repository and what is asked for.
    Git,
    /// Either, or a list of files.
    Any,
    /// What is decided about a finding.
    Decision,
    /// A project that is to be.
    NewProject,
    /// What is to change of one.
    ProjectChange,
    /// A pipeline that is to run, in the words of a predecessor.
    Execute,
    /// What a host of repositories says of a push.
    Push,
}

/// What comes back where it is not refused.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// JSON, with this code.
    Json(u16, Make),
    /// A file of this media type.
    Bytes(&'static str),
    /// A log, or as JSON what a search found in it.
    Log,
    /// Server-sent events.
    Events(&'static str),
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// What clients that are generated call it.
    pub id: &'static str,
    /// GET or POST.
    pub method: &'static str,
    /// As the router writes it.
    pub path: &'static str,
    /// The group that it is shown in.
    pub tag: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// What is sent.
    pub body: Body,
    /// What comes back.
    pub answer: Answer,
    /// What that is, in words.
    pub answered: &'static str,
    /// The codes of refusals that are this call's own; any call may be refused with others besides.
    pub refusals: &'static [u16],
    /// Whether it takes a key that makes sending it again harmless.
    pub once: bool,
}

const READ: Operation = Operation {
    id: "",
    method: "GET",
    path: "",
    tag: "results",
    summary: "",
    body: Body::None,
    answer: Answer::Bytes("application/octet-stream"),
    answered: "",
    refusals: &[400, 401, 403, 404],
    once: false,
};
const SUBMIT: Operation = Operation {
    method: "POST",
    tag: "submit",
    refusals: &[400, 401, 403, 408, 413, 415, 422, 429, 503, 507],
    once: true,
    ..READ
};

const CANCEL: Operation = Operation { method: "POST", tag: "jobs", refusals: &[400, 401, 403, 404, 409], ..READ };

const EXECUTE: Operation = Operation {
    summary: "Run the pipeline of a repository, or of a project that is uploaded beside, in the words of a predecessor",
    body: Body::Execute,
    answer: Answer::Json(201, of::<Executing>),
    answered: "The job, admitted; `Location` says where it is.",
    refusals: &[400, 401, 403, 408, 413, 415, 422, 429, 502, 503, 504, 507],
    ..SUBMIT
};
const RUNS: Operation = Operation {
    tag: "history",
    answer: Answer::Json(200, of::<Vec<PipelineRun>>),
    answered: "The runs, the newest first; `x-total-count` is how many there are on all pages.",
    refusals: &[400, 401, 403, 404, 503],
    ..READ
};

fn of<T: schemars::JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// All of them, in the order in which they are shown.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        id: "uploadJob",
        path: "/api/jobs/upload",
        summary: "Hand in a project as a ZIP, and have it run",
        body: Body::Upload,
        answer: Answer::Json(201, of::<Metadata>),
        answered: "The job, admitted; `Location` says where it is.",
        ..SUBMIT
    },
    Operation {
        id: "submitRepository",
        path: "/api/jobs/github",
        summary: "Hand in a Git repository by its address, and have it run",
        body: Body::Git,
        answer: Answer::Json(201, of::<Metadata>),
        answered: "The job, admitted; `Location` says where it is.",
        refusals: &[400, 401, 403, 408, 413, 415, 422, 429, 502, 503, 504, 507],
        ..SUBMIT
    },
    Operation {
        id: "precheck",
        path: "/api/precheck",
        summary: "Ask what would become of an upload; no job is made",
        body: Body::Upload,
        answer: Answer::Json(200, of::<Precheck>),
        answered: "Whether it would be taken, and what would run; a refusal is told in the same form.",
        once: false,
        ..SUBMIT
    },
    Operation {
        id: "detect",
        path: "/api/detect",
        summary: "Ask what a project is taken for, which file decided it, and what would change that",
        body: Body::Any,
        answer: Answer::Json(200, of::<Detected>),
        answered: "What it is taken for; also where it is nothing that is known.",
        refusals: &[400, 401, 403, 408, 413, 415, 422, 429, 502, 503, 504, 507],
        once: false,
        ..SUBMIT
    },
    Operation {
        id: "listJobs",
        path: "/api/jobs",
        tag: "jobs",
        summary: "List jobs, the newest first",
        answer: Answer::Json(200, of::<JobsPage>),
        answered: "A page of those that you may see.",
        refusals: &[400, 401, 403],
        ..READ
    },
    Operation {
        id: "getJob",
        path: "/api/jobs/{id}",
        tag: "jobs",
        summary: "See everything that is known of a job",
        answer: Answer::Json(200, of::<JobPage>),
        answered: "The job.",
        ..READ
    },
    Operation {
        id: "getJobStatus",
        path: "/api/jobs/{id}/status",
        tag: "jobs",
        summary: "See how a job stands",
        answer: Answer::Json(200, of::<StatusPage>),
        answered: "The job's state, with that of each stage and step.",
        ..READ
    },
    Operation {
        id: "cancelJob",
        path: "/api/jobs/{id}/cancel",
        summary: "Cancel a job",
        answer: Answer::Json(202, of::<Canceling>),
        answered: "The wish is recorded; it holds even if every program dies now.",
        ..CANCEL
    },
    Operation {
        id: "cancelJobAsPredecessor",
        path: "/api/job/cancel/{id}",
        summary: "Cancel a job, at the predecessor's address and in its words",
        answer: Answer::Json(202, of::<SeedCanceling>),
        answered: "The wish is recorded.",
        ..CANCEL
    },
    Operation {
        id: "playStep",
        path: "/api/jobs/{id}/steps/{step}/play",
        summary: "Start a step that waits to be started by hand, or for its time",
        answer: Answer::Json(202, of::<Playing>),
        answered: "The wish is recorded; it holds even if every program dies now.",
        ..CANCEL
    },
    Operation {
        id: "retryJob",
        path: "/api/jobs/{id}/retry",
        tag: "jobs",
        summary: "Run the source and the request of a job once more, as a new job",
        answer: Answer::Json(201, of::<Metadata>),
        answered: "The new job; its `retry_of` is the old one.",
        refusals: &[400, 401, 403, 404, 409, 422, 429, 502, 503, 504, 507],
        ..SUBMIT
    },
    Operation {
        id: "watchJob",
        path: "/api/jobs/{id}/events",
        tag: "jobs",
        summary: "Watch a job's state as server-sent events",
        answer: Answer::Events(
            "Events `status` with the status of the job as JSON whenever it changes, until it has ended.",
        ),
        answered: "The stream.",
        ..READ
    },
    Operation {
        id: "downloadReport",
        path: "/api/jobs/{id}/report.html",
        summary: "Get what became of a job as one page to mail, print or keep",
        answer: Answer::Bytes("text/html"),
        answered: "The page; it needs nothing besides itself.",
        ..READ
    },
    Operation {
        id: "listFindings",
        path: "/api/jobs/{id}/findings",
        summary: "List what the scanners found, the worst first",
        answer: Answer::Json(200, of::<FindingsPage>),
        answered: "The findings so far.",
        ..READ
    },
    Operation {
        id: "acceptFinding",
        method: "POST",
        path: "/api/jobs/{id}/findings/{fingerprint}/accept",
        summary: "Decide that a finding is lived with or is none, for all jobs of its project",
        body: Body::Decision,
        answer: Answer::Json(200, of::<Decision>),
        answered: "The decision.",
        refusals: &[400, 401, 403, 404, 408, 413],
        ..READ
    },
    Operation {
        id: "revokeDecision",
        method: "POST",
        path: "/api/jobs/{id}/findings/{fingerprint}/revoke",
        summary: "Take a decision about a finding back",
        answer: Answer::Json(200, of::<Decision>),
        answered: "What it was.",
        ..READ
    },
    Operation {
        id: "listDecisions",
        path: "/api/jobs/{id}/accepted",
        summary: "List what was decided about findings of the job's project",
        answer: Answer::Json(200, of::<Accepted>),
        answered: "All decisions, also those whose time is over.",
        ..READ
    },
    Operation {
        id: "hearPush",
        method: "POST",
        path: "/api/hooks/{id}",
        tag: "submit",
        summary: "Tell of a push, as GitHub, GitLab, Gitea and Forgejo do, signed with the secret that the trigger has",
        body: Body::Push,
        answer: Answer::Json(202, of::<Heard>),
        answered: "Whether a job is made, or why not.",
        refusals: &[400, 401, 404, 408, 413, 429],
        ..READ
    },
    Operation {
        id: "listProjects",
        path: "/api/projects",
        tag: "projects",
        summary: "List the projects that somebody made and that you may see",
        answer: Answer::Json(200, of::<ProjectsPage>),
        answered: "The projects, with members and settings.",
        refusals: &[401, 403],
        ..READ
    },
    Operation {
        id: "createProject",
        method: "POST",
        path: "/api/projects",
        tag: "projects",
        summary: "Make a project, which then has an owner, members and settings",
        body: Body::NewProject,
        answer: Answer::Json(201, of::<ProjectPage>),
        answered: "The project; `Location` says where it is.",
        refusals: &[400, 401, 403],
        ..READ
    },
    Operation {
        id: "getProject",
        path: "/api/projects/{name}",
        tag: "projects",
        summary: "See a project: its owner, its members, its settings",
        answer: Answer::Json(200, of::<ProjectPage>),
        answered: "The project.",
        refusals: &[401, 403, 404],
        ..READ
    },
    Operation {
        id: "changeProject",
        method: "POST",
        path: "/api/projects/{name}",
        tag: "projects",
        summary: "Change owner, members or settings of a project that you own",
        body: Body::ProjectChange,
        answer: Answer::Json(200, of::<ProjectPage>),
        answered: "The project as it is now; jobs that were admitted before keep the settings of then.",
        ..READ
    },
    Operation {
        id: "removeProject",
        method: "POST",
        path: "/api/projects/{name}/remove",
        tag: "projects",
        summary: "Forget members and settings of a project; its jobs stay",
        answer: Answer::Json(200, of::<ProjectPage>),
        answered: "The project as it was.",
        refusals: &[401, 403, 404],
        ..READ
    },
    Operation {
        id: "getBadge",
        path: "/api/projects/{name}/badge.svg",
        summary: "See what became of the last run of a project, as a small picture",
        answer: Answer::Bytes("image/svg+xml"),
        answered: "The picture.",
        ..READ
    },
    Operation {
        id: "getFeed",
        path: "/api/projects/{name}/feed.atom",
        summary: "Follow the runs of a project that have ended, as an Atom feed",
        answer: Answer::Bytes("application/atom+xml"),
        answered: "The feed; its last 50 runs are looked at.",
        ..READ
    },
    Operation {
        id: "listTests",
        path: "/api/jobs/{id}/tests",
        summary: "List the test cases, those that failed first",
        answer: Answer::Json(200, of::<TestsPage>),
        answered: "A page of them.",
        ..READ
    },
    Operation {
        id: "listArtifacts",
        path: "/api/jobs/{id}/artifacts",
        summary: "List the files that steps published",
        answer: Answer::Json(200, of::<ArtifactsPage>),
        answered: "The artifacts so far.",
        ..READ
    },
    Operation {
        id: "getArtifact",
        path: "/api/jobs/{id}/artifacts/{step}/{*path}",
        summary: "Download an artifact",
        answered: "The file.",
        refusals: &[400, 401, 403, 404, 412, 416],
        ..READ
    },
    Operation {
        id: "getReports",
        path: "/api/jobs/{id}/reports",
        summary: "Download the reports of a job that has ended",
        answer: Answer::Bytes("application/zip"),
        answered: "All reports in one ZIP.",
        refusals: &[400, 401, 403, 404, 409, 412, 416, 429],
        ..READ
    },
    Operation {
        id: "getLog",
        path: "/api/jobs/{id}/{stage}/logs",
        summary: "Read the log of a stage, also while it runs",
        answer: Answer::Log,
        answered: "The log, or what `q` found in it; `x-log-next-offset` is where to go on, `x-log-complete` whether that is of use.",
        refusals: &[400, 401, 403, 404, 412, 416],
        ..READ
    },
    Operation {
        id: "followLog",
        path: "/api/jobs/{id}/{stage}/logs/stream",
        summary: "Follow the log of a stage as server-sent events",
        answer: Answer::Events(
            "Events `log` with whole lines, whose id is the offset to resume at (`Last-Event-ID`); `eof` with the verdict at the end.",
        ),
        answered: "The stream.",
        ..READ
    },
    Operation { id: "executePipeline", path: "/api/pipeline/execute", ..EXECUTE },
    Operation { id: "runPipeline", path: "/api/pipeline/run", ..EXECUTE },
    Operation {
        id: "getExecution",
        path: "/api/pipeline/status/{id}",
        tag: "history",
        summary: "See how an execution stands, in the words of a predecessor",
        answer: Answer::Json(200, of::<RunStatus>),
        answered: "Its state, stages and their jobs.",
        ..READ
    },
    Operation {
        id: "getExecutionStage",
        path: "/api/stage/status/{id}/{stage}",
        tag: "history",
        summary: "See how one stage of an execution stands, in the words of a predecessor",
        answer: Answer::Json(200, of::<StageStatus>),
        answered: "Its state, and its jobs.",
        ..READ
    },
    Operation {
        id: "listRuns",
        path: "/api/report/pipelines",
        summary: "Look through past runs of all pipelines",
        ..RUNS
    },
    Operation {
        id: "listRunsOfPipeline",
        path: "/api/report/pipeline/{name}",
        summary: "Look through past runs of a pipeline or a project",
        ..RUNS
    },
    Operation {
        id: "getHistoryOfPipeline",
        path: "/api/report/pipeline/history/{name}",
        summary: "Look through past runs of a pipeline, or of a stage or a job of it",
        ..RUNS
    },
    Operation {
        id: "listRunsOfStage",
        path: "/api/report/pipeline/{name}/stage/{stage}",
        summary: "Look through past runs of one stage",
        ..RUNS
    },
    Operation {
        id: "listRunsOfStep",
        path: "/api/report/pipeline/{name}/stage/{stage}/job/{job}",
        summary: "Look through past runs of one job of a stage",
        ..RUNS
    },
    Operation {
        id: "getRun",
        path: "/api/report/pipeline/{name}/run/{run}",
        summary: "Read a run by its number",
        ..RUNS
    },
    Operation {
        id: "getRunOfStage",
        path: "/api/report/pipeline/{name}/run/{run}/stage/{stage}",
        summary: "Read a stage of a run",
        ..RUNS
    },
    Operation {
        id: "getRunOfStep",
        path: "/api/report/pipeline/{name}/run/{run}/stage/{stage}/job/{job}",
        summary: "Read a job of a run",
        ..RUNS
    },
    Operation {
        id: "whoAmI",
        path: "/api/whoami",
        tag: "server",
        summary: "See who the server takes you for",
        answer: Answer::Json(200, of::<WhoAmI>),
        answered: "Your name, role and projects.",
        refusals: &[401],
        ..READ
    },
    Operation {
        id: "health",
        path: "/health",
        tag: "server",
        summary: "See whether the server runs",
        answer: Answer::Json(200, of::<Health>),
        answered: "It runs.",
        refusals: &[],
        ..READ
    },
    Operation {
        id: "ready",
        path: "/readyz",
        tag: "server",
        summary: "See whether the server can take a submission in",
        answer: Answer::Json(200, of::<Readiness>),
        answered: "It can; without a queue jobs begin a little later.",
        refusals: &[],
        ..READ
    },
];
