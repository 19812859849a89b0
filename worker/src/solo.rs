//! One job alone, run by the process of whoever wants it: no passes over folders, no queue, and nobody else's jobs.

use std::{panic::resume_unwind, sync::Arc, time::Duration};

use pipelinex_common::{id::JobId, store::Store};
use tokio::sync::{Notify, oneshot};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    StopOrders, Worker,
    config::WorkerConfig,
    run::{Release, run_job},
};

/// Pause between two looks at a job all of whose steps wait.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// So often it is claimed again after that, before somebody else is taken to hold it.
const LOOKS: u32 = 50;

/// Claims a job and runs it to its end, or until it is told to let go. `bell` is rung when its wishes are worth a look. Call it inside
/// of a tokio runtime of several threads.
///
/// # Errors
/// A sentence, where the job could not be claimed or brought to its end.
pub async fn run(
    config: WorkerConfig,
    store: Store,
    id: JobId,
    bell: Arc<Notify>,
    stop: StopOrders,
) -> Result<(), String> {
    // A process of its own for a job that kills its worker has no use where there is no other job.
    let worker = Worker::new(WorkerConfig { apart: Vec::new(), ..config }, store, stop);
    let _guard = AbortOnDropHandle::new(tokio::spawn(worker.clone().keep_free()));
    let (done, waiting) = oneshot::channel();
    let work = move || {
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run_here(&worker, id, &bell)));
        let _ = done.send(ran);
    };
    std::thread::Builder::new().name(format!("job {id}")).spawn(work).map_err(|error| error.to_string())?;
    match waiting.await {
        Ok(ran) => ran.unwrap_or_else(|panic| resume_unwind(panic)),
        Err(_) => Err("the job was given up".to_owned()),
    }
}

fn run_here(worker: &Arc<Worker>, id: JobId, bell: &Arc<Notify>) -> Result<(), String> {
    // What we let go of is free once the last of our own tasks has let go, too.
    let mut looks = 0;
    loop {
        let claimed = worker.claim(id).map_err(|error| error.to_string())?;
        let Some((engine, job, claim)) = claimed else {
            if looks == 0 {
                return Err("the job is held by another process".to_owned());
            }
            looks -= 1;
            std::thread::sleep(LOOK_EVERY);
            continue;
        };
        match run_job(worker, engine, &job, claim, bell).map_err(|error| error.to_string())? {
            Release::Finished => return Ok(()),
            Release::Waiting => {
                looks = LOOKS;
                while job.is_parked() {
                    std::thread::sleep(LOOK_EVERY);
                }
            }
            Release::Open | Release::Apart => return Err("the job was let go of before its end".to_owned()),
        }
    }
}
