//! Past runs, and submissions in the words of a predecessor.

use super::{Answer, Body, Operation, READ, SUBMIT, of};
use crate::routes::{
    execute::Executing,
    runs::{PipelineRun, RunStatus, StageStatus},
};

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

/// In the order in which they are shown.
pub const OPERATIONS: &[Operation] = &[
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
];
