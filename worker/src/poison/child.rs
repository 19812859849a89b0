//! The process that handles one job: a worker that knows of no other, and that may die of it.

use std::{
    io::{self, BufRead, Read},
    panic::resume_unwind,
    sync::Arc,
    time::{Duration, Instant},
};

use pipelinex_common::{
    id::JobId,
    oom,
    store::{Store, StoreError},
};
use tokio::signal::unix::{SignalKind, signal};

use super::Order;
use crate::{
    StopOrders, Worker,
    config::WorkerConfig,
    run::{RunError, run_job},
};

/// Pause between two tries to claim the job.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How long it is tried: longer than a heartbeat has to stand still.
const PATIENCE: Duration = Duration::from_secs(40);

/// Takes an order from standard input, and runs that job until it has ended, or until that input does.
///
/// # Errors
/// A sentence, when there is no order, or the job could not be run to an end.
pub fn run() -> Result<(), String> {
    let mut line = Vec::new();
    io::stdin().lock().read_until(b'\n', &mut line).map_err(|error| format!("cannot read the order: {error}"))?;
    let order: Order = serde_json::from_slice(&line).map_err(|error| format!("cannot read the order: {error}"))?;
    // If memory runs out over this job, the kernel shall take this process and not the worker.
    oom::be_ended_early(oom::FIRST);
    let store = Store::open(&order.workspaces).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let stop = StopOrders::default();
    let _entered = runtime.enter();
    let config = WorkerConfig { apart: Vec::new(), ..order.config };
    let worker = Worker::new(config, store, stop.clone());
    let _guard = runtime.spawn(worker.clone().keep_free());
    // Signals to a whole group are the worker's: our order is our standard input, and to die of one would look like dying of the job.
    let _heard = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    std::thread::spawn(move || {
        // The worker holds our standard input. When it is gone, by whichever way, so is our order.
        let _ = io::stdin().lock().read(&mut [0]);
        stop.let_go.cancel();
    });
    let ran = std::thread::spawn(move || handle(&worker, order.job)).join();
    ran.unwrap_or_else(|panic| resume_unwind(panic)).map_err(|error| error.to_string())
}

fn handle(worker: &Arc<Worker>, job: JobId) -> Result<(), RunError> {
    let began = Instant::now();
    // Who holds it for longer than that goes on with it; our worker looks again later.
    while !worker.stop.let_go.is_cancelled() && began.elapsed() < PATIENCE {
        if let Some((engine, job, claim)) = worker.claim(job)? {
            // No bell rings here: a wish is seen a second later.
            return run_job(worker, engine, &job, claim, &Arc::default()).map(|_| ());
        }
        let found = worker.store.job(job);
        let set_aside = found.as_ref().is_ok_and(|found| found.quarantine().is_some());
        if worker.state.has_ended(job) || set_aside || matches!(found, Err(StoreError::NoSuchJob(_))) {
            return Ok(());
        }
        worker.runtime.block_on(async {
            let _ = tokio::time::timeout(TRY_AGAIN, worker.stop.let_go.cancelled()).await;
        });
    }
    Ok(())
}
