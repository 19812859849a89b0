//! What a worker clears away by itself, again and again, beside its passes: leftovers on the engine, old jobs, and the trash.

use std::{sync::Arc, time::Duration};

use pipelinex_common::store::StoreError;

use crate::{Worker, gc, lock, sweep};

/// Pause between two rounds.
const EVERY: Duration = Duration::from_secs(60);

impl Worker {
    /// Goes on until it is dropped.
    pub(crate) async fn keep_up(self: Arc<Self>) {
        loop {
            self.sweep().await;
            self.remove_old_jobs().await;
            self.remove_old_caches().await;
            self.empty_trash();
            self.restock().await;
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Makes ready again what a full disk has used up.
    async fn restock(&self) {
        let store = self.store.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || store.restock()).await {
            tracing::warn!(%error, "files for a full disk could not be made ready");
        }
    }

    async fn sweep(&self) {
        // That it is away is told where a job waits for it.
        let Ok(engine) = self.engine().await else { return };
        match sweep::leftovers(&engine, &self.store, self.config.leftover_grace).await {
            Ok(left) => {
                for gone in sweep::remove_leftovers(&engine, &self.store, left).await {
                    tracing::info!(kind = ?gone.kind, name = gone.name, why = ?gone.why, "removed a leftover");
                }
            }
            Err(error) => tracing::warn!(%error, "the container engine cannot be asked for what is left on it"),
        }
    }

    /// Caches that are too old or too much, each by one rename; what is read just now stays.
    async fn remove_old_caches(&self) {
        let (store, keep, grace) = (self.store.clone(), self.config.caches.clone(), self.config.leftover_grace);
        let clear = move || {
            for old in store.surplus_caches(&keep, grace)?.iter().filter(|old| gc::remove_cache(&store, old)) {
                tracing::info!(path = %old.path.display(), because = ?old.because, bytes = old.bytes, "removed a cache");
            }
            Ok::<(), StoreError>(())
        };
        match tokio::task::spawn_blocking(clear).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "old caches cannot be looked for"),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// Jobs that have ended and are more than the operator keeps: each by one rename, while everything else goes on. What one of
    /// them may have left on the engine goes with the leftovers.
    async fn remove_old_jobs(self: &Arc<Self>) {
        let me = self.clone();
        let look = move || me.store.surplus(&me.config.keep, &mut lock(&me.state.sizes));
        let old = match tokio::task::spawn_blocking(look).await {
            Ok(Ok(old)) => old,
            Ok(Err(error)) => return tracing::warn!(%error, "old jobs cannot be looked for"),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        for (job, because) in old {
            if gc::remove_job(None, &self.store, job.id).await {
                tracing::info!(job = %job.id, ?because, "removed an old job");
            }
        }
    }
}
