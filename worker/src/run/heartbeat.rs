//! The heartbeat of a claim.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use pipelinex_common::store::Claim;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{Worker, lock};

/// Pause between two heartbeats: a claim that stands still for 20 s is taken for dead.
const BEAT_EVERY: Duration = Duration::from_secs(2);

/// Shows that the claim's holder lives, until the guard is dropped; lets go of a job that another holds by now.
pub(super) fn show(worker: &Worker, claim: &Arc<Mutex<Claim>>, let_go: &CancellationToken) -> AbortOnDropHandle<()> {
    let (claim, let_go) = (claim.clone(), let_go.clone());
    AbortOnDropHandle::new(worker.runtime.spawn(async move {
        let mut ticks = tokio::time::interval(BEAT_EVERY);
        loop {
            ticks.tick().await;
            let (claim, let_go) = (claim.clone(), let_go.clone());
            // On a thread for that: a disk that hangs must stall nobody else's heart.
            let beaten = tokio::task::spawn_blocking(move || {
                let mut claim = lock(&claim);
                pipelinex_common::fault_point!("worker.beat");
                if !claim.holds() {
                    let_go.cancel();
                }
                claim.beat()
            });
            if let Ok(Err(error)) = beaten.await {
                tracing::warn!(%error, "a heartbeat could not be written");
            }
        }
    }))
}
