//! Jobs whose own data ends the process that handles it. After two deaths at one place, the job is handled by a process that is
//! started for it alone; only if that one dies there too is the job ended, and no other is.
//!
//! Deaths by a kill from outside count toward the two, for nobody can tell them apart. They decide nothing: a job that is not to
//! blame gets through in the process of its own, and its marks are gone.

mod child;

use std::{io::Write, process::ExitStatus, sync::Arc, time::Duration};

use jiff::Timestamp;
use pipelinex_common::{
    disk::DiskError,
    execution::{Execution, StageRecord, StepRecord},
    id::JobId,
    state::{JobState, Reason, StepState},
    store::{Claim, Deaths, Job},
};
use serde::{Deserialize, Serialize};

pub use self::child::run;
use crate::{
    Worker,
    config::WorkerConfig,
    engine::Engine,
    run::{Release, RunError, end_poisoned},
};

/// The command of this program that handles one job.
pub const COMMAND: &str = "handle-job";

/// Deaths at one place after which a job is handled apart.
const DEATHS: usize = 2;
/// How long the process has to let go once it is told to; as long as a worker has itself.
const LETTING_GO: Duration = Duration::from_secs(8);
/// Pause between two looks for a claim that its dead holder's heartbeat still covers.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What the process is told on its standard input, as one line. Its end says: let go.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    workspaces: std::path::PathBuf,
    job: JobId,
    config: WorkerConfig,
}

/// The deaths over a job's data, once there were so many at one place that it is handled apart.
pub(crate) fn suspected(job: &Job) -> Option<Deaths> {
    job.deaths().into_iter().find(|deaths| deaths.claims.len() >= DEATHS)
}

/// Where somebody died who held a later claim.
fn died_after(job: &Job, claim: u64) -> Option<Deaths> {
    job.deaths().into_iter().find(|deaths| deaths.claims.last().is_some_and(|last| *last > claim))
}

/// Has a job handled by a process of its own, and ends it if that process dies over the job's data. The claim is given up: the
/// process makes its own, as any worker does.
pub(crate) fn run_apart(
    worker: &Arc<Worker>,
    engine: &Engine,
    job: &Job,
    claim: Claim,
    deaths: &Deaths,
) -> Result<Release, RunError> {
    let ours = claim.number();
    drop(claim);
    let (place, died) = (&deaths.place, deaths.claims.len());
    tracing::warn!(job = %job.id(), %place, died, "processes died over this job's data: another handles it alone");
    let status = worker.runtime.block_on(child_ends(worker, job))?;
    if job.final_record()?.is_some() {
        return Ok(Release::Finished);
    }
    // Whether it was killed, gave up, or caught a panic: its mark says that it did not get through.
    if died_after(job, ours).is_none() {
        return Ok(Release::Apart);
    }
    tracing::warn!(job = %job.id(), %status, "the process died over this job's data, too");
    let Some(claim) = claim_again(worker, job)? else { return Ok(Release::Open) };
    // Looked at again by who holds the job: of a mark of the living there is none now.
    match died_after(job, ours) {
        Some(last) => {
            // It may have died elsewhere than those before it: all of them are told.
            let claims = job.deaths().into_iter().flat_map(|deaths| deaths.claims).collect();
            end_poisoned(worker, engine, job, &claim, &Deaths { claims, ..last })
        }
        None => Ok(Release::Apart),
    }
}

/// Runs the process until it has ended. It lets go of the job when this worker is told to stop, and when this worker dies.
async fn child_ends(worker: &Worker, job: &Job) -> Result<ExitStatus, RunError> {
    let io = |action| DiskError::io(action, job.paths().root());
    let config = worker.config.clone();
    let order = Order { workspaces: worker.store.layout().root().to_owned(), job: job.id(), config };
    let mut line = serde_json::to_vec(&order).map_err(|error| io("order the handling of")(error.into()))?;
    line.push(b'\n');
    let (program, arguments) = worker.config.apart.split_first().ok_or_else(|| {
        io("start a process for")(std::io::Error::new(std::io::ErrorKind::InvalidInput, "no program is named"))
    })?;
    // Its standard input is the thread by which it hangs: held open for as long as it shall go on.
    let (reader, mut writer) = std::io::pipe().map_err(io("start a process for"))?;
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .current_dir("/")
        .process_group(0)
        .stdin(reader)
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(io("start a process for"))?;
    // One that ends before it has read everything says more by the way it ended.
    let (told, writer) = tokio::task::spawn_blocking(move || (writer.write_all(&line), writer))
        .await
        .map_err(|panic| io("start a process for")(std::io::Error::other(panic)))?;
    if let Err(error) = told {
        tracing::debug!(job = %job.id(), %error, "the process for a job did not listen");
    }
    tokio::select! {
        ended = child.wait() => return Ok(ended.map_err(io("wait for the process of"))?),
        () = worker.stop.let_go.cancelled() => drop(writer),
    }
    if let Ok(ended) = tokio::time::timeout(LETTING_GO, child.wait()).await {
        return Ok(ended.map_err(io("wait for the process of"))?);
    }
    child.kill().await.map_err(io("end the process of"))?;
    Ok(child.wait().await.map_err(io("wait for the process of"))?)
}

/// The claim that follows the dead process's; `None` when the job has ended, or we were told to stop.
fn claim_again(worker: &Arc<Worker>, job: &Job) -> Result<Option<Claim>, RunError> {
    use pipelinex_common::store::ClaimOutcome;
    while !worker.stop.let_go.is_cancelled() {
        let claimed = job.claim(&worker.identity, &mut worker.state.watch())?;
        match claimed {
            ClaimOutcome::Won(claim) => return Ok(Some(claim)),
            ClaimOutcome::Ended => return Ok(None),
            // Where locks are not believed, its heart has to stand still first.
            ClaimOutcome::Held { .. } => worker.runtime.block_on(async {
                let stopped = worker.stop.let_go.cancelled();
                let _ = tokio::time::timeout(LOOK_AGAIN, stopped).await;
            }),
        }
    }
    Ok(None)
}

/// The end of a job whose data ends the process that handles it, drawn over its last drawing.
pub(crate) fn end(live: Execution, claim: u64, deaths: &Deaths, now: Timestamp) -> Execution {
    let message = format!(
        "handling this job's data ended the process {} times, at last one that was started for it alone ({}): it is not tried again; \
         the worker's log says how that one died",
        deaths.claims.len(),
        deaths.place
    );
    let close = |status: &mut StepState, reason: &mut Option<Reason>, text: &mut String| {
        if !status.is_final() {
            *status = if *status == StepState::Running { StepState::Failed } else { StepState::Skipped };
            *reason = Some(Reason::Poison);
            *text = "the job was ended over its data".to_owned();
        }
    };
    let mut stages = live.stages;
    for StageRecord { status, reason, message, finished_at, steps, .. } in stages.values_mut() {
        close(status, reason, message);
        finished_at.get_or_insert(now);
        for StepRecord { status, reason, message, .. } in steps.values_mut() {
            close(status, reason, message);
        }
    }
    Execution {
        state: JobState::Failed,
        reason: Some(Reason::Poison),
        error: Some(message),
        current_stage: None,
        updated_at: now,
        finished_at: Some(now),
        claim,
        stages,
        ..live
    }
}
