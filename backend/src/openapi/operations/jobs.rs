//! Handing in a project, and what is known of jobs and done with them.

use pipelinex_common::metadata::Metadata;

use super::{Answer, Body, Operation, READ, SUBMIT, of};
use crate::{
    detection::Detected,
    routes::{
        cancel::{Canceling, SeedCanceling},
        job::JobPage,
        jobs::JobsPage,
        play::Playing,
        precheck::Precheck,
        status::StatusPage,
    },
};

const CANCEL: Operation = Operation { method: "POST", tag: "jobs", refusals: &[400, 401, 403, 404, 409], ..READ };

/// In the order in which they are shown.
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
];
