//! The tokens of the workspaces folder, in memory: read again as soon as the folder has changed, which is looked at several times
//! a second. So a token that another process makes or revokes is known here well within a second.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use pipelinex_common::store::{Store, StoreError, TokenRecord};

use crate::{app::App, error::ApiError};

/// So long nobody looks at the folder again.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A folder that changed within this time may change again without its time of change telling: file systems count in steps,
/// the coarsest that we know of in two seconds.
const SETTLED: i64 = 3;

/// Tokens by the part that is no secret.
pub type ById = HashMap<String, TokenRecord>;

/// What is known of the tokens.
#[derive(Debug, Default)]
pub struct Book {
    read: Mutex<Option<Read>>,
    /// Held by the one who looks.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug)]
struct Read {
    at: Instant,
    /// The folder's time of change, from before it was read; `None` where it may change again without telling.
    changed: Option<(i64, i64)>,
    by_id: Arc<ById>,
}

impl Book {
    /// The tokens, as they were at most a second ago.
    ///
    /// # Errors
    /// Those of the disk: nobody gets in while the folder cannot be read.
    pub async fn tokens(&self, app: &App) -> Result<Arc<ById>, ApiError> {
        if let Some(read) = self.fresh() {
            return Ok(read.by_id);
        }
        let _alone = self.looking.lock().await;
        if let Some(read) = self.fresh() {
            return Ok(read.by_id);
        }
        self.look(app).await
    }

    /// The tokens as they are now: for one that is not known yet, because it may have been made a moment ago.
    ///
    /// # Errors
    /// As those of [`Self::tokens`].
    pub async fn tokens_now(&self, app: &App) -> Result<Arc<ById>, ApiError> {
        let _alone = self.looking.lock().await;
        self.look(app).await
    }

    async fn look(&self, app: &App) -> Result<Arc<ById>, ApiError> {
        let before = self.last();
        let read = app.read(move |store| Ok(look(store, before)?)).await?;
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(read.clone());
        Ok(read.by_id)
    }

    fn last(&self) -> Option<Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fresh(&self) -> Option<Read> {
        self.last().filter(|read| read.at.elapsed() < LOOK_EVERY)
    }
}

fn look(store: &Store, before: Option<Read>) -> Result<Read, StoreError> {
    let at = Instant::now();
    let changed = store.tokens_changed()?;
    let settled = seconds_now() - changed.0 >= SETTLED;
    match before {
        Some(before) if before.changed == Some(changed) => Ok(Read { at, ..before }),
        _ => {
            let tokens = store.tokens()?;
            for error in &tokens.unreadable {
                tracing::warn!(%error, "a token cannot be read: nobody gets in by it");
            }
            let by_id = tokens.known.into_iter().map(|token| (token.id.clone(), token)).collect();
            Ok(Read { at, changed: settled.then_some(changed), by_id: Arc::new(by_id) })
        }
    }
}

fn seconds_now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}
