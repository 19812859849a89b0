//! The process that handles one job: a worker that knows of no other, and that may die of it.

use std::{
    io::{self, BufRead, Read},
    panic::resume_unwind,
    sync::Arc,
    time::Duration,
};

use pipelinex_common::{id::JobId, store::Store};

use super::Order;
use crate::{
    StopOrders, Worker,
    run::{RunError, run_job},
};

/// Pause between two tries to claim the job.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Takes an order from standard input, and runs that job until it has ended, or until that input does.
///
/// # Errors
/// A sentence, when there is no order, or the job could not be run to an end.
pub fn run() -> Result<(), String> {
    let mut line = Vec::new();
    io::stdin().lock().read_until(b'\n', &mut line).map_err(|error| format!("cannot read the order: {error}"))?;
    let order: Order = serde_json::from_slice(&line).map_err(|error| format!("cannot read the order: {error}"))?;
    // If memory runs out over this job, the kernel shall take this process and not the worker.
    if let Err(error) = std::fs::write("/proc/self/oom_score_adj", "1000") {
        tracing::debug!(%error, "the worker and the process for a job are alike to the kernel");
    }
    let store = Store::open(&order.workspaces).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let stop = StopOrders::default();
    let shutdown = stop.let_go.clone();
    let _entered = runtime.enter();
    let worker = Worker::new(order.config, store, stop);
    std::thread::spawn(move || {
        // The worker holds our standard input. When it is gone, by whichever way, so is our order.
        let _ = io::stdin().lock().read(&mut [0]);
        shutdown.cancel();
    });
    let ran = std::thread::spawn(move || handle(&worker, order.job)).join();
    ran.unwrap_or_else(|panic| resume_unwind(panic)).map_err(|error| error.to_string())
}

fn handle(worker: &Arc<Worker>, job: JobId) -> Result<(), RunError> {
    while !worker.stop.let_go.is_cancelled() {
        if let Some((engine, job, claim)) = worker.claim(job)? {
            // No bell rings here: a wish is seen a second later.
            return run_job(worker, engine, &job, claim, &Arc::default()).map(|_| ());
        }
        if worker.desk.has_ended(job) {
            return Ok(());
        }
        worker.runtime.block_on(async {
            let _ = tokio::time::timeout(TRY_AGAIN, worker.stop.let_go.cancelled()).await;
        });
    }
    Ok(())
}
