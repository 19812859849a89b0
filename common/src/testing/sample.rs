//! Samples that tests of several crates need.

use jiff::Timestamp;

use crate::{
    access::Owner,
    disk::Versioned,
    id::JobId,
    limits::IntakeLimits,
    metadata::{AdmissionStatus, Metadata, PlannedStage, SourceInfo, SourceKind},
    request::{Stack, Switches, Versions},
    state::JobState,
};

/// The admission record of a job whose stages are all selected.
pub fn metadata<'a>(job_id: JobId, stages: impl IntoIterator<Item = &'a str>) -> Metadata {
    let word = || "sample".to_owned();
    Metadata {
        job_id,
        status: AdmissionStatus::Accepted,
        execution_state: JobState::Queued,
        stack: Stack { language: word(), framework: word(), build_tool: word(), requires_db: false.into() },
        versions: Versions::default(),
        pipeline: Switches::default(),
        database: None,
        warnings: Vec::new(),
        created_at: Timestamp::now(),
        schema: Metadata::SCHEMA,
        project: word(),
        pipeline_name: word(),
        application: None,
        branch: None,
        commit: None,
        run_number: 1,
        retry_of: None,
        retry_failed: false,
        owner: Owner::anonymous(),
        source: SourceInfo { kind: SourceKind::Zip, sha256: None, sent_bytes: 0, files: 0, bytes: 0, git: None },
        folder: None,
        limits: IntakeLimits::default(),
        rules: None,
        stages: stages.into_iter().map(|name| PlannedStage { name: name.to_owned(), selected: true }).collect(),
    }
}
