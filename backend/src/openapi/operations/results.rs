//! What a job left: findings and decisions about them, tests, artifacts, reports, logs.

use pipelinex_common::store::Decision;

use super::{Answer, Body, Operation, READ, of};
use crate::routes::{artifacts::ArtifactsPage, findings::FindingsPage, test_cases::TestsPage, triage::Accepted};

/// In the order in which they are shown.
pub const OPERATIONS: &[Operation] = &[
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
];
